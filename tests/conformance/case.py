"""What a scenario works with: the scripted server, the wire to it, the client, and what the client has
to report."""

import contextlib
import os
import tempfile
import time
from pathlib import Path

import grpc
from certificates import Authority
from client import SECONDS_TO_START, Client, loads
from registry import ENVIRONMENT, resumed_after
from server import Server
from stubs import api_pb, pb
from wire import Wire

TOKEN = "confreg-conformance-token"
SCENARIOS = {}  # name: Scenario, in the order of the files


class Scenario:
    """begins: the client is started, and has reported the first state, before the body runs.
    addresses: how many the server has.
    is_long: it takes some 10 s, of which most is waiting; begin with it."""

    def __init__(self, body, begins, is_secure, addresses, is_long):
        self.name, self.text = body.__name__, " ".join(body.__doc__.split())
        self.body, self.begins, self.is_secure = body, begins, is_secure
        self.addresses, self.is_long = addresses, is_long


def scenario(begins=True, is_secure=False, addresses=1, is_long=False):
    """The name of a scenario is that of its function, and what it is about the docstring."""
    def add(body):
        SCENARIOS[body.__name__] = Scenario(body, begins, is_secure, addresses, is_long)
        return body
    return add


KINDS = {pb.CHANGE_KIND_CREATE: "create", pb.CHANGE_KIND_UPDATE: "update",
         pb.CHANGE_KIND_DELETE: "delete"}


def due(event, synthetic=False):
    """What a client has to report of an event. The kind of a synthetic change is free, except that
    of a delete, and so is its revision."""
    told = {"environment": ENVIRONMENT, "service": event.service_name, "data": None,
            "synthetic": synthetic}
    if not synthetic:
        told["revision"] = event.revision
    if event.HasField("config"):
        told["version"] = event.config.version
        told["data"] = loads(event.config.config_data) if event.config.config_data else None
    if event.kind in KINDS and not (synthetic and event.HasField("config")):
        told["kind"] = KINDS[event.kind]
    return told


class Case:
    """wires: one an address; wire is the first."""

    def __init__(self, command, is_secure=False, addresses=1):
        self.command = command
        self.ends = contextlib.ExitStack()
        self.variables = {}
        self.folder = Path(self.ends.enter_context(tempfile.TemporaryDirectory()))
        credentials = self._make_secure() if is_secure else None
        self.server = Server(credentials)
        self.ends.callback(self.server.stop)
        self.wires = [Wire(("127.0.0.1", self.server.port), has_frames=not is_secure)
                      for _ in range(addresses)]
        self.wire = self.wires[0]
        for wire in self.wires:
            self.ends.callback(wire.end)
        self.client = None
        self.server.commit({"billing": '{"pool":10}'})
        self.server.commit({"mail": '{"host":"a","port":25}'})

    def _make_secure(self):
        authority = Authority(self.folder / "authority")
        pair = authority.server()
        self.token_file = self.folder / "token"
        self.give_token(TOKEN)
        self.variables = {"CONFORMANCE_CA_FILE": str(authority.ca),
                          "CONFORMANCE_TOKEN_FILE": str(self.token_file)}
        return grpc.ssl_server_credentials([(Path(pair.key).read_bytes(),
                                             Path(pair.cert).read_bytes())])

    def give_token(self, token):
        """Replaces the file with the client's token."""
        new = self.folder / "token.new"
        new.write_text(f"{token}\n")
        new.chmod(0o600)
        new.rename(self.token_file)

    # ---- The client ----

    def start(self):
        """Starts the client, and waits until it connects, where anything listens: what it must do from
        then on takes no time to start a program."""
        host = "localhost" if self.variables else "127.0.0.1"
        self.client = Client(self.command, ",".join(f"{host}:{wire.port}" for wire in self.wires),
                             {"GRPC_VERBOSITY": os.environ.get("GRPC_VERBOSITY", "NONE"),
                              **self.variables})
        self.ends.callback(self.client.kill)
        if any(wire.is_open for wire in self.wires):
            self.server.wait_for(
                lambda: any(wire.peers for wire in self.wires) or self.client.has_ended(),
                "the client connects", SECONDS_TO_START)

    def begin(self):
        """The client has to report the first state."""
        if self.client is None:
            self.start()
        found = {}
        while True:
            event = self.client.next(("snapshot", "ready"))
            if event["event"] == "ready":
                break
            name = event.get("environment"), event.get("service")
            assert name not in found, f"the first state has {name} twice"
            found[name] = event.get("version"), event.get("data")
        wanted = {(ENVIRONMENT, service): head
                  for service, head in self.server.registry.state().items()}
        assert found == wanted, f"the client has found {found}, not {wanted}"

    def tells(self, events, synthetic=False):
        """The client has to report these events next, in this order; synthetic ones in any."""
        wanted = [due(event, synthetic) for event in events]
        for _ in range(len(wanted)):
            told = self.client.next(("change",))
            fitting = [item for item in (wanted if synthetic else wanted[:1])
                       if all(told.get(member) == value for member, value in item.items())]
            assert fitting, f"the client has told {told}, not {wanted[0] if wanted else 'nothing'}"
            wanted.remove(fitting[0])

    def tells_difference(self, before):
        """The client has compared: it has to report what differs between a Registry.state() and now."""
        registry, events = self.server.registry, []
        for service, head in registry.readable().items():
            if before.get(service) != registry.state()[service]:
                events.append(pb.Event(service_name=service, kind=head.kind, config=head,
                                       revision=registry.revision))
        events += [pb.Event(service_name=service, kind=pb.CHANGE_KIND_DELETE,
                            revision=registry.revision)
                   for service in before if service not in registry.readable()]
        self.tells(events, synthetic=True)

    def commit(self, **changes):
        """Makes a commit, which the client has to report."""
        self.tells(self.server.commit(changes))

    def interrupted(self, code, reason=""):
        """The client has to report that the watch was interrupted by this."""
        told = self.client.next(("interrupted",))
        assert (told.get("code"), told.get("reason") or "") == (code, reason), (
            f"the client has told {told}, not {code} {reason}")

    def end(self):
        """The client still works, has told nothing twice, uses one stream, and ends when it is told
        to."""
        self.commit(last='{"n":1}')
        self.server.wait_for(lambda: len(self.open_streams()) == 1,
                             "one stream is open and no other", 5)
        for stream in self.server.streams:
            self._check(stream.request)
        left = [event for event in self.client.end()
                if event["event"] not in ("connected", "interrupted", "end of output")]
        assert not left, f"the client has told more than there was: {left}"

    @staticmethod
    def _check(request):
        selectors = [(s.environment, s.service_name, s.service_name_prefix)
                     for s in request.selectors]
        assert selectors == [(ENVIRONMENT, "", "")], f"the watch selects {selectors}"
        assert request.HasField("progress_interval"), "the watch asks for no progress marks"
        assert not (request.include_snapshot and resumed_after(request)), (
            "the watch asks for a snapshot and resumes")

    # ---- The wire ----

    def open_streams(self):
        return [stream for stream in self.server.streams if stream.ended_at is None]

    def stream(self, n):
        return self.server.stream(n)

    def ended(self, stream):
        """Waits until the server has seen the end of the stream."""
        self.server.wait_for(lambda: stream.ended_at is not None, "the stream has ended")

    def newest(self):
        return self.server.streams[-1]

    def wire_of(self, call):
        """The wire that a stream or a call has come by."""
        return next(wire for wire in self.wires if call.peer in wire.peers)

    def resumed(self, stream, revision):
        """The stream has to resume after this revision of the log that it was told of."""
        after = resumed_after(stream.request)
        assert after is not None, "the watch begins with a snapshot, where it had a position"
        assert after[1] == revision, f"the watch resumes after revision {after[1]}, not {revision}"
        assert not stream.request.include_snapshot

    @staticmethod
    def begins_anew(stream):
        assert stream.request.include_snapshot, "the watch does not begin with a snapshot"

    @staticmethod
    def waited(streams, least):
        """Between the end of each of these streams and the next one there have to be waits of that
        many seconds in total."""
        waits = [after.at - before.ended_at for before, after in zip(streams, streams[1:])]
        assert sum(waits) >= least, (
            f"the client has waited {sum(waits):.3f} s in {len(waits)} times; {least} s and more "
            "are due")
        return waits


def pause(seconds):
    """What a scenario is about takes time; nothing is awaited."""
    time.sleep(seconds)


__all__ = ["ENVIRONMENT", "SCENARIOS", "Case", "api_pb", "pause", "pb", "scenario"]
