"""Clients that use a registry with the mix of operations of etcd's robustness tests.

Each client runs one operation after the other, chosen from the seed; every value that it writes is
unique. It records each operation with the times of call and return, for the linearizability checker
(linear.py), and what was acknowledged, for the check against the log. A write with an unknown
outcome is either left so, or repeated under its request_id until the outcome is known.
"""

import dataclasses
import threading
import time

import grpc

from calls import (Registry, create_change, delete_change, json_patch_change, undelete_change,
                   update_change)
from daemon import connect
from seed import chance
from stubs import api_grpc, api_pb, pb
from watching import Watch

UNKNOWN, DONE, REFUSED = "unknown", "done", "refused"
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN)
REFUSALS = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.ABORTED)

# Shares in per cent; the rest are updates.
MIX = [(15, "get"), (15, "list"), (10, "commit"), (5, "delete"), (5, "expect"), (10, "create"),
       (5, "watch"), (5, "undelete"), (5, "patch")]


@dataclasses.dataclass
class Operation:
    """One operation on one config; times in ns. A commit of several changes counts as several."""

    client: int
    kind: str  # get create update delete undelete
    service: str
    call: int
    returned: int = 0  # 0: never
    outcome: str = UNKNOWN
    value: str = ""     # written, or read
    version: int = 0    # given, or read; 0: there was none
    expected: int = 0
    allow_missing: bool = False
    tested: str = ""    # by a JSON Patch: the value that it has to find; "": any
    part: bool = False  # of a commit, which is refused as a whole if one of its parts is
    revision: int = 0


class Client(threading.Thread):
    """traffic.Client(1, servers). servers: addresses; if one is away, the client moves to the
    next. linearizable: use linearizable reads."""

    def __init__(self, number, servers, configs=10, linearizable=False, purpose="traffic"):
        super().__init__(daemon=True)
        self.number = number
        self.random = chance(purpose, number)
        self.servers = list(servers)
        self.configs = configs
        self.consistency = (api_pb.CONSISTENCY_LINEARIZABLE if linearizable
                            else api_pb.CONSISTENCY_UNSPECIFIED)
        self.operations = []
        self.written = 0
        self.newest = 0       # the highest revision seen
        self.known = {}       # service: the last version seen
        self.values = {}      # service: the last value read
        self.lost = 0         # calls without a response
        self.failure = None
        self.stopping = threading.Event()
        self.channel = None

    # ---- Running ----

    def run(self):
        try:
            self._connect()
            while not self.stopping.is_set():
                self._step()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error
        finally:
            self.channel.close()

    def stop(self, seconds=60):
        self.stopping.set()
        self.join(seconds)
        assert not self.is_alive(), f"client {self.number} hangs"
        if self.failure is not None:
            raise AssertionError(f"client {self.number} failed") from self.failure

    def _connect(self):
        if self.channel is not None:
            self.channel.close()
            self.servers.append(self.servers.pop(0))
        self.channel = connect(self.servers[0])
        self.registry = Registry(api_grpc.RegistryServiceStub(self.channel))

    def _step(self):
        roll = self.random.randrange(100)
        for share, kind in MIX:
            if roll < share:
                break
            roll -= share
        else:
            kind = "update"
        getattr(self, f"do_{kind}")()

    # ---- Calling ----

    def _service(self):
        return f"traffic-{self.random.randrange(self.configs)}"

    def _value(self):
        self.written += 1
        return f"{self.number}-{self.written}"

    def _begin(self, kind, service, **fields):
        operation = Operation(self.number, kind, service, time.monotonic_ns(), **fields)
        self.operations.append(operation)
        return operation

    def _call(self, operations, call):
        """The response, or None: the operations' outcome says why."""
        try:
            answer = call()
        except grpc.RpcError as error:
            if error.code() in REFUSALS:
                outcome = REFUSED
            elif error.code() in LOST:
                self._lose()
                return None
            else:
                raise
            answer = None
        else:
            outcome = DONE
            self._see(answer.header.revision)
        returned = time.monotonic_ns()
        for operation in operations:
            operation.returned, operation.outcome = returned, outcome
        return answer

    def _see(self, revision):
        """On one node revisions never go back; on several they may, when the client moves."""
        assert revision >= self.newest or len(self.servers) > 1, (
            f"client {self.number} was at {self.newest} and is told {revision}")
        self.newest = max(self.newest, revision)

    def _lose(self):
        self.lost += 1
        self._connect()

    def _write(self, operations, call):
        """Runs call(request_id). Half of the writes are repeated until their outcome is known."""
        request_id = (f"traffic-{self.number}-{self.written}" if self.random.random() < 0.5 else "")
        answer = self._call(operations, lambda: call(request_id))
        while request_id and operations[0].outcome == UNKNOWN and not self.stopping.is_set():
            answer = self._call(operations, lambda: call(request_id))
        return answer

    def _read_options(self):
        return api_pb.ReadOptions(consistency=self.consistency)

    # ---- What it does ----

    def do_get(self):
        service = self._service()
        operation = self._begin("get", service)
        answer = self._call([operation], lambda: self.registry.get(service,
                                                                   read=self._read_options()))
        if operation.outcome == REFUSED:
            operation.outcome = DONE  # the read succeeded: there is no config
        elif answer is not None:
            self._take_read(operation, answer.config)

    def _take_read(self, operation, config):
        operation.version, operation.revision = config.version, config.mod_revision
        operation.value = value_of(config.config_data)
        self.known[operation.service] = config.version
        self.values[operation.service] = operation.value

    def do_list(self):
        services = [f"traffic-{i}" for i in range(self.configs)]
        operations = [self._begin("get", service) for service in services]
        answer = self._call(operations, lambda: self.registry.list(
            environment="prod", service_name_prefix="traffic-", page_size=1000,
            read=self._read_options()))
        if answer is not None:
            found = {config.service_name: config for config in answer.configs}
            for operation in operations:
                if operation.service in found:
                    self._take_read(operation, found[operation.service])

    def do_update(self, expected=0, service=None):
        service, value = service or self._service(), self._value()
        operation = self._begin("update", service, value=value, expected=expected,
                                allow_missing=not expected)
        answer = self._write([operation], lambda request_id: self.registry.update(
            service, payload_of(value), allow_missing=not expected, expected_version=expected,
            request_id=request_id))
        self._take_written(operation, answer)

    def _take_written(self, operation, answer):
        if answer is not None:
            operation.version, operation.revision = answer.config.version, answer.config.revision
            self.known[operation.service] = answer.config.version

    def do_expect(self):
        service = self._service()
        self.do_update(expected=self.known.get(service, 1), service=service)

    def do_create(self):
        service, value = self._service(), self._value()
        operation = self._begin("create", service, value=value)
        answer = self._write([operation], lambda request_id: self.registry.create(
            service, payload_of(value), request_id=request_id))
        self._take_written(operation, answer)

    def do_delete(self):
        service = self._service()
        operation = self._begin("delete", service)
        self.written += 1
        self._write([operation],
                    lambda request_id: self.registry.delete(service, request_id=request_id))

    def do_undelete(self):
        service = self._service()
        operation = self._begin("undelete", service)
        self.written += 1
        answer = self._write([operation],
                             lambda request_id: self.registry.undelete(service, request_id=request_id))
        if answer is not None:
            self._take_written(operation, answer)
            operation.value = value_of(answer.config.config_data)

    def do_patch(self):
        """A JSON Patch that tests the value as it was read last."""
        service, value = self._service(), self._value()
        tested = self.values.get(service, "")
        operation = self._begin("update", service, value=value, tested=tested)
        answer = self._write([operation], lambda request_id: self.registry.json_patch(
            service, json_patch_of(value, tested), request_id=request_id))
        self._take_written(operation, answer)

    def _part(self, kind, service):
        """A change of a commit, and its operation."""
        tested = self.values.get(service, "") if kind == "patch" else ""
        value = "" if kind in ("delete", "undelete") else self._value()
        changes = {
            "update": lambda: update_change(service, payload_of(value), allow_missing=True),
            "create": lambda: create_change(service, payload_of(value)),
            "delete": lambda: delete_change(service),
            "undelete": lambda: undelete_change(service),
            "patch": lambda: json_patch_change(service, json_patch_of(value, tested)),
        }
        operation = self._begin("update" if kind == "patch" else kind, service, value=value,
                                allow_missing=kind == "update", tested=tested, part=True)
        return operation, changes[kind]()

    def do_commit(self):
        """Of several configs: updates that always go, and half of the time one other change."""
        numbers = self.random.sample(range(self.configs), self.random.randrange(2, self.configs))
        kinds = ["update"] * len(numbers)
        if self.random.random() < 0.5:
            kinds[0] = self.random.choice(["create", "delete", "undelete", "patch"])
        parts = [self._part(kind, f"traffic-{number}") for kind, number in zip(kinds, numbers)]
        self.written += 1  # a request_id of its own, whatever the parts are
        operations = [operation for operation, _ in parts]
        answer = self._write(operations, lambda request_id: self.registry.commit(
            [change for _, change in parts], request_id=request_id))
        if answer is not None:
            for operation, change in zip(operations, answer.commit.changes, strict=True):
                operation.version, operation.revision = change.version, answer.commit.revision

    def do_watch(self):
        """Watches from up to 100 revisions before or after the newest one, and reads a little."""
        start = max(1, self.newest + self.random.randrange(-100, 101))
        try:
            with Watch(self.registry.stub, start_revision=start, seconds=10) as stream:
                response = stream.next()
                while start <= self.newest and response.header.revision < min(start + 50,
                                                                              self.newest):
                    response = stream.next()
        except grpc.RpcError as error:
            if error.code() not in LOST:
                raise
            self._lose()


def payload_of(value):
    return '{"by":"%s"}' % value


def json_patch_of(value, tested):
    test = '{"op":"test","path":"/by","value":"%s"},' % tested if tested else ""
    return '[%s{"op":"replace","path":"/by","value":"%s"}]' % (test, value)


def value_of(payload):
    return payload.decode().removeprefix('{"by":"').removesuffix('"}')


def check_against_log(clients, log):
    """No acknowledged write is lost, none was made twice, and the log has no others."""
    places, undeleted = {}, set()
    for event in log.events:
        if not event.service_name.startswith("traffic-"):
            continue
        if event.kind == pb.CHANGE_KIND_UNDELETE:  # its value is in the log already
            undeleted.add((event.service_name, event.version, event.revision))
        elif event.HasField("config"):
            value = log.payloads[("prod", event.service_name), event.version]
            assert value not in places, f"{value} was written twice"
            places[value] = (event.service_name, event.version, event.revision)
    writes = {payload_of(o.value).encode(): o for client in clients for o in client.operations
              if o.kind in ("create", "update")}
    for value, operation in writes.items():
        told = (operation.service, operation.version, operation.revision)
        if operation.outcome == DONE:
            assert places.get(value) == told, f"acknowledged as {told}: {places.get(value)}"
        elif operation.outcome == REFUSED:
            assert value not in places, f"refused, and in the log: {operation}"
    assert not set(places) - set(writes), "values that nobody wrote"
    _check_undeletes(clients, undeleted)
    _check_reads(clients, log)


def _check_undeletes(clients, undeleted):
    undeletes = [o for client in clients for o in client.operations if o.kind == "undelete"]
    told = [(o.service, o.version, o.revision) for o in undeletes if o.outcome == DONE]
    assert len(set(told)) == len(told) and set(told) <= undeleted, "an undelete is lost"
    assert len(undeleted) <= sum(o.outcome != REFUSED for o in undeletes), "one was made twice"


def _check_reads(clients, log):
    for operation in (o for client in clients for o in client.operations):
        if operation.kind == "get" and operation.outcome == DONE and operation.version:
            payload = log.payloads[("prod", operation.service), operation.version]
            assert payload == payload_of(operation.value).encode(), f"read otherwise: {operation}"
