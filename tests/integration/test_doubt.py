"""Writes over HTTP whose gRPC answer is lost: the gateway answers OUTCOME_UNKNOWN."""

import threading
from concurrent.futures import ThreadPoolExecutor

import history
import pytest
from calls import Registry
from daemon import Confregd, Gateway, until
from rest import Rest, gauge
from seed import chance

ROUNDS = 8
WRITERS = 8
DOUBT = "OUTCOME_UNKNOWN: "
DATA = {"config_data": {}}
CALLS = [("POST", "new", DATA), ("PUT", "kept", DATA), ("PATCH", "kept", {"n": 1}),
         ("DELETE", "kept", None), ("POST", "kept/rollback", {"version": 1})]


@pytest.fixture
def pair(launch):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen, extra=["--timeout", "1s"]).start()
    yield server, gateway
    gateway.end()
    server.end()


class Writer(threading.Thread):
    """Writes configs of its own until a write is refused, and remembers how."""

    def __init__(self, number, port):
        super().__init__()
        self.number, self.rest = number, Rest(port)
        self.written = []  # (config, status, body)

    def run(self):
        while True:
            name = f"config-{self.number}-{len(self.written)}"
            answer = self.rest.post(f"/api/configs/{name}", DATA)
            self.written.append((name, answer.status, answer.json()))
            if answer.status != 201:
                return


@pytest.mark.concurrent
def test_a_refused_write_that_happened_was_in_doubt(launch):
    """kill -9 at any moment of busy writers, whose writes travel alone and together."""
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    recorder = history.Recorder(server)
    recorder.start()
    moments = chance("kills")
    written = []
    for turn in range(ROUNDS):
        start = Registry(server.stub).revision()
        writers = [Writer(turn * WRITERS + number, gateway.port) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        recorder.wait_for(start + moments.randrange(50, 200))
        server.kill()
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive()
            written += writer.written
        server.start()
        until(lambda: gateway.status_of("/readyz") == 200, "the gateway is ready again")
    recorder.wait_for(Registry(server.stub).revision())
    recorder.stop()
    names = {name for name, _, _ in written}
    there = names & {event.service_name for event in recorder.events}
    refused = [(name, body) for name, status, body in written if status != 201]
    assert len(refused) == ROUNDS * WRITERS
    assert {status for _, status, _ in written} == {201, 503}
    for name, status, body in written:
        if status == 201:
            assert name in there
        elif name in there:
            assert body["detail"].startswith(DOUBT), body
    assert any(body["detail"].startswith(DOUBT) for _, body in refused)


@pytest.mark.parametrize("method,path,body", CALLS)
def test_a_write_that_gets_no_answer_in_time_is_in_doubt(pair, method, path, body):
    server, gateway = pair
    rest = Rest(gateway.port)
    rest.post("/api/configs/kept", DATA)
    server.freeze()
    try:
        answer = rest.call(method, f"/api/configs/{path}", body)
        read = rest.get("/api/configs/kept/history")
    finally:
        server.thaw()
    assert answer.status == 504
    assert answer.json()["detail"].startswith(DOUBT)
    assert read.status == 504
    assert read.json() == {"detail": "The registry server did not answer in time",
                           "reason": "SERVER_LATE"}


@pytest.mark.parametrize("method,path,body", CALLS)
def test_a_write_of_a_connection_that_breaks_is_in_doubt(launch, method, path, body):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    rest = Rest(gateway.port)
    rest.post("/api/configs/kept", DATA)
    server.freeze()
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(rest.call, method, f"/api/configs/{path}", body)
        # The one who asks is under way, too.
        until(lambda: gauge(gateway.port, "confreg_gateway_requests_in_flight") == 2, "it came")
        server.kill()
        answer = asked.result(60)
    assert answer.status == 503
    assert answer.json()["detail"].startswith(DOUBT)
