"""The server dies at a chosen place, under traffic; after a restart nothing may be lost. Needs a
server built with -DCONFREG_FAILPOINTS=ON."""

import signal
import threading

import grpc
import history
import pytest
import traffic
from calls import Registry
from daemon import BUILD, Confregd, connect, until
from seed import chance
from stubs import api_grpc, api_pb

pytestmark = pytest.mark.failpoints

CLIENTS = 4
# On the way of a write, and of what it causes; each is met many times.
UNDER_WAY = ["append_before", "commit_before", "commit_after", "append_after", "apply_before",
             "apply_after", "fanout_before", "fanout_after", "deliver_before", "deliver_after",
             "answer_before", "answer_after", "scrub_before", "scrub_after", "progress"]
# While the server stops.
AT_THE_END = ["stop_server", "stop_committer", "heads_before", "heads_after", "stop_store"]


class Eraser(threading.Thread):
    """Creates and erases, so that there is something to scrub, until the server is gone."""

    def __init__(self, listen):
        super().__init__(daemon=True)
        self.channel = connect(listen)
        self.registry = Registry(api_grpc.RegistryServiceStub(self.channel))
        self.erased = []
        self.failure = None

    def run(self):
        try:
            while True:
                service = f"erased-{len(self.erased)}"
                self.registry.create(service)
                self.registry.delete(service, erase=True)
                self.erased.append(service)
        except grpc.RpcError as error:
            if error.code() not in traffic.LOST:
                self.failure = error
        finally:
            self.channel.close()


class Marks(threading.Thread):
    """A watch that is told of progress."""

    def __init__(self, listen):
        super().__init__(daemon=True)
        self.channel = connect(listen)
        request = api_pb.WatchRequest(selectors=[api_pb.Selector(service_name="silent")])
        request.progress_interval.FromMilliseconds(100)
        self.call = api_grpc.RegistryServiceStub(self.channel).Watch(request)

    def run(self):
        try:
            for _ in self.call:
                pass
        except grpc.RpcError:
            self.channel.close()


@pytest.fixture
def scene(launch):
    """A server that dies at a failpoint, and who uses it."""
    program = (BUILD / "confregd").read_bytes()
    assert b"CONFREG_FAILPOINT" in program, "build confregd with -DCONFREG_FAILPOINTS=ON"
    server = launch(Confregd)

    def begin(failpoint, hit):
        server.variables = {"CONFREG_FAILPOINT": f"{failpoint}:{hit}"}
        server.start()
        recorder = history.Recorder(server)
        recorder.start()
        helpers = [Eraser(server.listen), Marks(server.listen)]
        clients = [traffic.Client(number, [server.listen], purpose=failpoint)
                   for number in range(CLIENTS)]
        for thread in helpers + clients:
            thread.start()
        return server, recorder, helpers, clients

    return begin


def finish(server, recorder, helpers, clients):
    """After the death: everybody goes on with the next server, and the whole is checked."""
    assert server.process.wait(60) == -signal.SIGKILL
    server.variables = {}
    server.start()
    done = sum(len(client.operations) for client in clients)
    until(lambda: any(c.failure for c in clients) or
          sum(len(client.operations) for client in clients) > done + 200, "operations")
    for client in clients:
        client.stop()
    for helper in helpers:
        helper.join(60)
    assert helpers[0].failure is None
    log = history.check(server, recorder)
    recorder.stop()
    traffic.check_against_log(clients, log)
    check_erased(server, helpers[0])
    history.check_memory_against_store(server)


def check_erased(server, eraser):
    """What was erased and acknowledged is told as gone, and its numbers are not used again."""
    registry = Registry(server.stub)
    for service in eraser.erased[-5:]:
        assert registry.create(service).config.version == 2


@pytest.mark.parametrize("failpoint", UNDER_WAY)
def test_death_under_way(scene, failpoint):
    hit = 2 if failpoint == "progress" else chance(failpoint).randrange(30, 90)
    finish(*scene(failpoint, hit))


@pytest.mark.parametrize("failpoint", AT_THE_END)
def test_death_while_the_server_stops(scene, failpoint):
    server, recorder, helpers, clients = scene(failpoint, 1)
    until(lambda: sum(len(client.operations) for client in clients) > 300, "operations")
    server.process.send_signal(signal.SIGTERM)
    finish(server, recorder, helpers, clients)
