"""traceparent (W3C Trace Context): passed on by the gateway, and in the access logs of both programs."""

import json
import threading

import pytest
from daemon import Confregd, Gateway, until
from rest import Rest
from stubs import api_pb

pytestmark = pytest.mark.any_store

DATA = {"config_data": {"a": 1}}


def trace(number, flags="01"):
    return f"00-{number:032x}-00f067aa0ba902b7-{flags}"


class Programs:
    def __init__(self, launch, folder):
        self.logs = [folder / "server.log", folder / "gateway.log"]
        server, gateway = (["--access-log", str(log)] for log in self.logs)
        self.server = launch(Confregd, extra=server).start()
        self.rest = Rest(launch(Gateway, self.server.listen, extra=gateway).start().port)

    def lines(self, log, **members):
        """Those lines of an access log that have these members."""
        found = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in found if members.items() <= line.items()]

    def await_traces(self, log, wanted, **members):
        """The traces of these lines are the wanted ones, in any order; None: a line without."""
        def are_there():
            return len(self.lines(log, **members)) >= len(wanted)
        until(are_there, f"{log} has {members}")
        found = [line.get("traceparent") for line in self.lines(log, **members)]
        assert sorted(map(str, found)) == sorted(map(str, wanted))


@pytest.fixture(scope="module")
def programs(launch, tmp_path_factory):
    return Programs(launch, tmp_path_factory.mktemp("traces"))


def test_a_trace_goes_through_both_programs(programs, name):
    server, gateway = programs.logs
    configs = [f"prod/{name}"]
    path = f"/api/configs/{name}?environment=prod"
    assert programs.rest.post(path, DATA, headers={"traceparent": trace(1)}).status == 201
    assert programs.rest.get(path, headers={"traceparent": trace(2), "Cache-Control": "no-cache"}).status == 200
    assert programs.rest.get(path, headers={"traceparent": trace(3)}).status == 200  # from the mirror
    assert programs.rest.get(path, headers={"Cache-Control": "no-cache"}).status == 200
    programs.await_traces(gateway, [trace(1), trace(2), trace(3), None], configs=configs)
    programs.await_traces(server, [trace(1)], configs=configs, method="CreateConfig")
    programs.await_traces(server, [trace(2), None], configs=configs, method="GetConfig")


def test_a_trace_of_a_grpc_client(programs, name):
    request = api_pb.CreateConfigRequest(service_name=name, config_data=b"{}")
    programs.server.stub.CreateConfig(request, metadata=[("traceparent", trace(4))])
    programs.await_traces(programs.logs[0], [trace(4)], configs=[f"default/{name}"])


@pytest.mark.parametrize("value, logged", [
    (trace(5, "00"), trace(5, "00")), ("cc" + trace(6)[2:] + "-what-comes-later", trace(6)),
    (trace(0), None), ("ff" + trace(7)[2:], None), (trace(8).upper().replace("00F", "00G"), None),
    (trace(9) + "x" * 8000, None), ('"' * 55, None), ("\xe9" * 55, None)])
def test_only_what_is_one_is_logged_and_passed_on(programs, name, value, logged):
    path = f"/api/configs/{name}"
    assert programs.rest.post(path, DATA, headers={"traceparent": value}).status == 201
    for log in programs.logs:
        programs.await_traces(log, [logged], configs=[f"default/{name}"])


def test_two_headers_are_none(programs, name):
    two = f"traceparent: {trace(10)}\r\ntraceparent: {trace(11)}\r\n"
    request = f"GET /api/configs/{name} HTTP/1.1\r\nHost: x\r\n{two}Connection: close\r\n\r\n"
    assert programs.rest.raw(request.encode()).status == 404
    programs.await_traces(programs.logs[1], [None], configs=[f"default/{name}"])


def test_writes_of_different_traces_share_no_call(programs, name):
    """Writes that come at once may share a call, which has one trace."""
    wanted = [trace(100 + n) for n in range(40)]
    start = threading.Barrier(len(wanted))

    def write(n):
        start.wait()
        headers = {"traceparent": wanted[n]}
        assert programs.rest.post(f"/api/configs/{name}-{n}", DATA, headers=headers).status == 201

    threads = [threading.Thread(target=write, args=[n]) for n in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, each in enumerate(wanted):
        programs.await_traces(programs.logs[0], [each], configs=[f"default/{name}-{n}"])
