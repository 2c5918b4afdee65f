"""Writes that reach the gateway at the same time travel in one call; clients see no difference."""

import contextlib
import functools
import http.client
import json
from concurrent import futures

import grpc
import pytest
from daemon import Confregd, Gateway, free_port, until
from rest import Answer, Rest, gauge
from stubs import api_grpc, api_pb, pb
from test_metrics import calls, scrape

E = "?environment=prod"
IN_DOUBT = "OUTCOME_UNKNOWN: whether the write happened is not known"
TO_DO = "Read the configuration before repeating it, or send an Idempotency-Key next time"


class Crowd:
    """Connections on which requests are sent while the gateway stands still, so that it finds all
    of them in one turn of its loop."""

    def __init__(self, gateway, count):
        self.gateway = gateway
        self.connections = [http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
                            for _ in range(count)]
        for connection in self.connections:
            connection.request("GET", "/livez")
            connection.getresponse().read()

    def call(self, requests, meanwhile=lambda: None, headers=None):
        """requests: (method, path, body) for each connection; headers: more of them for each."""
        self.gateway.freeze()
        try:
            more = headers or [{}] * len(requests)
            for connection, (method, path, body), own in zip(self.connections, requests, more,
                                                             strict=True):
                body = body if body is None or isinstance(body, str) else json.dumps(body)
                connection.request(method, path, body, {"Content-Type": "application/json", **own})
            meanwhile()
        finally:
            self.gateway.thaw()
        answers = []
        for connection in self.connections:
            response = connection.getresponse()
            answers.append(Answer(response.status, response.headers, response.read()))
        return answers


@contextlib.contextmanager
def crowd(gateway, count):
    made = Crowd(gateway, count)
    try:
        yield made
    finally:
        for connection in made.connections:
            connection.close()


def put(name, data):
    return "PUT", f"/api/configs/{name}{E}", {"config_data": data}


@pytest.fixture
def counted(launch):
    """A server whose calls can be counted, and a gateway."""
    metrics = f"127.0.0.1:{free_port()}"
    server = launch(Confregd, extra=["--metrics", metrics]).start()
    return metrics, launch(Gateway, server.listen).start()


def test_writes_of_one_turn_are_one_call(counted):
    metrics, gateway = counted
    rest = Rest(gateway.port)
    names = [f"config-{number}" for number in range(20)]
    for name in names:
        assert rest.post(f"/api/configs/{name}{E}", {"config_data": {}}).status == 201
    with crowd(gateway, len(names)) as many:
        for version in (2, 3):
            answers = many.call([put(name, {"own": [name, version]}) for name in names])
            for name, answer in zip(names, answers):
                assert answer.status == 200, answer
                document = answer.json()
                assert (document["service_name"], document["version"]) == (name, version)
                assert document["config_data"] == {"own": [name, version]}
                seen = rest.get(f"/api/configs/{name}{E}")
                assert seen.json() == document["config_data"], "own writes are seen"
                assert seen.headers["ETag"] == answer.headers["ETag"]
    page = until(lambda: (page := scrape(metrics)) and calls(page, "WriteConfigs") >= 2 and page,
                 "the calls are counted")
    assert calls(page, "WriteConfigs") == 2
    assert calls(page, "UpdateConfig") == 0


def test_only_deletes_of_whole_configs_travel_together(counted):
    metrics, gateway = counted
    rest = Rest(gateway.port)
    paths = [f"/api/configs/config-{number}{E}" for number in range(4)]
    for path in paths:
        rest.post(path, {"config_data": {"is": "old"}})
        assert rest.put(path, {"config_data": {"is": "new"}}).json()["version"] == 2
    with crowd(gateway, len(paths)) as many:
        for which in ("&version=2", ""):
            answers = many.call([("DELETE", path + which, None) for path in paths])
            assert [answer.json() for answer in answers] == [{"deleted": 1}] * len(paths)
            seen = [rest.get(path) for path in paths]
            if which:
                assert [answer.json() for answer in seen] == [{"is": "old"}] * len(paths)
            else:
                assert [answer.status for answer in seen] == [404] * len(paths)
    page = until(lambda: (page := scrape(metrics)) and calls(page, "WriteConfigs") == 1 and page,
                 "deletes of configs are one call")
    assert calls(page, "DeleteConfig") == len(paths), "deletes of versions are calls of their own"


def test_writes_of_one_config_all_take_effect(gateway, rest, name):
    rest.post(f"/api/configs/{name}{E}", {"config_data": {}})
    with crowd(gateway, 12) as many:
        answers = many.call([put(name, {"number": number}) for number in range(12)])
    documents = [answer.json() for answer in answers]
    assert sorted(document["version"] for document in documents) == list(range(2, 14))
    for number, document in enumerate(documents):
        assert document["config_data"] == {"number": number}
        old = rest.get(f"/api/configs/{name}{E}&version={document['version']}")
        assert old.json() == {"number": number}


def test_each_gets_the_answer_that_it_would_get_alone(gateway, rest, name):
    for letter in "abcd":
        rest.post(f"/api/configs/{name}-{letter}{E}", {"config_data": {"is": letter}})
    path = f"/api/configs/{name}"
    large = {"big": "x" * (1 << 20)}
    deep = functools.reduce(lambda inner, _: {"a": inner}, range(65), {})
    with crowd(gateway, 11) as many:
        answers = many.call([
            put(f"{name}-a", {"is": "new"}),
            put(f"{name}-missing", {}),
            ("POST", f"{path}-new{E}", {"config_data": {"is": "made"}, "comment": "why"}),
            ("POST", f"{path}-b{E}", {"config_data": {}}),
            ("PUT", f"{path}-b{E}", {"config_data": {}, "comment": "c" * 65537}),
            put(f"{name}-b", deep),
            put(f"{name}-b", large),
            ("DELETE", f"{path}-c{E}", None),
            ("DELETE", f"{path}-missing{E}", None),
            ("PATCH", f"{path}-d{E}", {"more": 1}),
            ("DELETE", f"{path}-d{E}&version=7", None),
        ])
    assert [answer.status for answer in answers] == [
        200, 400, 201, 400, 422, 422, 413, 200, 200, 200, 200], answers
    bodies = [answer.json() for answer in answers]
    assert (bodies[0]["version"], bodies[0]["config_data"]) == (2, {"is": "new"})
    assert bodies[1]["detail"].endswith("does not exist. Use create instead.")
    assert (bodies[2]["config_data"], bodies[2]["comment"]) == ({"is": "made"}, "why")
    assert bodies[3]["detail"].endswith("already exists. Use update instead.")
    assert bodies[4]["detail"][0]["loc"] == ["body", "comment"]
    assert bodies[5]["detail"][0]["loc"] == ["body", "config_data"]
    assert bodies[6]["detail"].startswith("JSON_TOO_LARGE")
    assert [bodies[7], bodies[8]] == [{"deleted": 1}, {"deleted": 0}]
    assert bodies[9]["config_data"] == {"is": "d", "more": 1}
    assert bodies[10] == {"deleted": 0}


def test_a_condition_that_fails_is_of_one_write_only(gateway, rest, name):
    tags = [rest.post(f"/api/configs/{name}-{number}{E}", {"config_data": {}}).headers["ETag"]
            for number in range(2)]
    with crowd(gateway, 2) as many:
        many.gateway.freeze()
        for number, connection in enumerate(many.connections):
            connection.request("PUT", f"/api/configs/{name}-{number}{E}", '{"config_data":{"b":2}}',
                               {"Content-Type": "application/json", "If-Match": tags[1]})
        many.gateway.thaw()
        assert [connection.getresponse().status for connection in many.connections] == [412, 200]


def test_large_writes_do_not_go_in_one_call(gateway, rest, name):
    data = {"big": "x" * 900_000}
    for number in range(6):
        rest.post(f"/api/configs/{name}-{number}{E}", {"config_data": {}})
    with crowd(gateway, 6) as many:
        answers = many.call([put(f"{name}-{number}", data) for number in range(6)])
    assert [answer.status for answer in answers] == [200] * 6
    assert all(answer.json()["config_data"] == data for answer in answers)


def test_without_a_server_all_are_told_so(launch):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    with crowd(gateway, 5) as many:
        answers = many.call([put(f"config-{number}", {}) for number in range(5)],
                            meanwhile=server.kill)
    assert [answer.status for answer in answers] == [503] * 5
    assert [answer.json() for answer in answers] == [
        {"detail": f"{IN_DOUBT}: The registry server cannot be reached. {TO_DO}",
         "reason": "OUTCOME_UNKNOWN"}] * 5


def test_a_gateway_that_stops_tells_all(launch):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen, extra=["--grace", "200ms"]).start()

    def stop():
        server.freeze()
        gateway.thaw()
        # The one who asks is under way, too.
        until(lambda: gauge(gateway.port, "confreg_gateway_requests_in_flight") == 6, "all came")
        gateway.process.terminate()

    with crowd(gateway, 5) as many:
        answers = many.call([put(f"config-{number}", {}) for number in range(5)], meanwhile=stop)
    server.thaw()
    assert [answer.status for answer in answers] == [503] * 5
    assert [answer.json() for answer in answers] == [
        {"detail": f"{IN_DOUBT}: The gateway is stopping. {TO_DO}",
         "reason": "OUTCOME_UNKNOWN"}] * 5
    assert gateway.process.wait(60) == 0


# ---- Servers that answer otherwise ----

class OtherServer(api_grpc.RegistryServiceServicer):
    """Knows nothing but updates, each by itself."""

    def __init__(self, write_configs=None):
        self.updates = []
        if write_configs is not None:
            self.WriteConfigs = write_configs

    def UpdateConfig(self, request, _context):  # pylint: disable=invalid-name
        self.updates.append(request.service_name)
        position = pb.Position(epoch="0123456789abcdef", revision=len(self.updates))
        return api_pb.UpdateConfigResponse(header=position, config=pb.Config(
            service_name=request.service_name, environment=request.environment, version=2,
            config_data=request.config_data, mod_revision=position.revision))


@contextlib.contextmanager
def other_gateway(launch, servicer):
    server = grpc.server(futures.ThreadPoolExecutor(4))
    api_grpc.add_RegistryServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    gateway = launch(Gateway, f"127.0.0.1:{port}").spawn()
    until(lambda: gateway.status_of("/livez") == 200, "the gateway lives")
    try:
        with crowd(gateway, 4) as many:
            yield many
    finally:
        gateway.stop()
        server.stop(None).wait()


def refuse_whole(_request, context):
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "one of them is no message")


@pytest.mark.parametrize("write_configs", [None, refuse_whole], ids=["unknown", "refused"])
def test_a_server_that_does_not_take_them_together_gets_them_alone(launch, write_configs):
    servicer = OtherServer(write_configs)
    names = [f"config-{number}" for number in range(4)]
    with other_gateway(launch, servicer) as many:
        answers = many.call([put(name, {"own": name}) for name in names])
    assert [answer.status for answer in answers] == [200] * 4
    assert [answer.json()["config_data"]["own"] for answer in answers] == names
    assert sorted(servicer.updates) == names


NO_SENSE = {
    "too few": lambda request: [api_pb.WriteOutcome()] * (len(request.writes) - 1),
    "empty": lambda request: [api_pb.WriteOutcome()] * len(request.writes),
    "of another write": lambda request: [api_pb.WriteOutcome(
        create=api_pb.CreateConfigResponse())] * len(request.writes),
}


@pytest.mark.parametrize("kind", NO_SENSE)
def test_an_answer_without_sense_is_a_fault_for_all(launch, kind):
    servicer = OtherServer(lambda request, _context: api_pb.WriteConfigsResponse(
        outcomes=NO_SENSE[kind](request)))
    with other_gateway(launch, servicer) as many:
        answers = many.call([put(f"config-{number}", {}) for number in range(4)])
    assert [answer.status for answer in answers] == [500] * 4
    assert all(answer.json()["detail"].startswith("MALFORMED_MESSAGE") for answer in answers)
    assert servicer.updates == [], "they may have been carried out"
