"""/openapi.json names each status that a call can end with, and no other."""

import json

import grpc
import pytest
from daemon import Confregd, Gateway
from fake_server import EPOCH, FakeServer
from rest import Rest, documented_statuses
from stubs import api_pb

pytestmark = pytest.mark.any_store

NAMED, HISTORY = "/api/configs/{service_name}", "/api/configs/{service_name}/history"
DIFF, ROLLBACK = "/api/configs/{service_name}/diff", "/api/configs/{service_name}/rollback"
LIST, BATCH = "/api/configs", "/api/configs:batchGet"
DATA = {"config_data": {"a": 1}}
LARGE = {"config_data": {"x": "y" * (5 << 20)}}
GZIP = {"Content-Encoding": "gzip"}
NEVER = {"If-Match": '"x"'}

# Statuses that a gateway with its server gives: route, method, status, query, body, headers. The
# config has versions 1 to 3, of which the first was compacted.
WITH_SERVER = [
    (LIST, "GET", 200, "", None, {}), (LIST, "GET", 304, "", None, {"If-None-Match": "*"}),
    (LIST, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (LIST, "GET", 422, "?environment=a%2Fb", None, {}),
    (BATCH, "GET", 200, "?name=x", None, {}), (BATCH, "GET", 422, "", None, {}),
    (BATCH, "GET", 409, "?name=x", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (BATCH, "POST", 200, "", {"names": ["x"]}, {}), (BATCH, "POST", 413, "", LARGE, {}),
    (BATCH, "POST", 409, "", {"names": ["x"]}, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (BATCH, "POST", 415, "", {"names": ["x"]}, GZIP), (BATCH, "POST", 422, "", {}, {}),
    (NAMED, "GET", 200, "", None, {}), (NAMED, "GET", 304, "", None, {"If-None-Match": "*"}),
    (NAMED, "GET", 404, "?environment=none", None, {}), (NAMED, "GET", 410, "?version=1", None, {}),
    (NAMED, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (NAMED, "GET", 422, "?version=x", None, {}),
    (NAMED, "POST", 201, "?environment=new", DATA, {}), (NAMED, "POST", 400, "", DATA, {}),
    (NAMED, "POST", 412, "", DATA, NEVER), (NAMED, "POST", 413, "", LARGE, {}),
    (NAMED, "POST", 415, "", DATA, GZIP), (NAMED, "POST", 422, "", {}, {}),
    (NAMED, "PUT", 200, "", DATA, {}), (NAMED, "PUT", 400, "?environment=none", DATA, {}),
    (NAMED, "PUT", 412, "", DATA, NEVER), (NAMED, "PUT", 413, "", LARGE, {}),
    (NAMED, "PUT", 415, "", DATA, GZIP), (NAMED, "PUT", 422, "", {}, {}),
    (NAMED, "PATCH", 200, "", {}, {}), (NAMED, "PATCH", 404, "?environment=none", {}, {}),
    (NAMED, "PATCH", 412, "", {}, NEVER), (NAMED, "PATCH", 413, "", LARGE, {}),
    (NAMED, "PATCH", 415, "", {}, GZIP), (NAMED, "PATCH", 422, "?x", {}, {}),
    (NAMED, "DELETE", 200, "?environment=none", None, {}), (NAMED, "DELETE", 412, "", None, NEVER),
    (NAMED, "DELETE", 413, "", LARGE, {}), (NAMED, "DELETE", 422, "?x", None, {}),
    (HISTORY, "GET", 200, "", None, {}), (HISTORY, "GET", 422, "?limit=x", None, {}),
    (HISTORY, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (DIFF, "GET", 200, "?old_version=2&new_version=3", None, {}),
    (DIFF, "GET", 400, "?environment=none", None, {}),
    (DIFF, "GET", 410, "?old_version=1&new_version=3", None, {}),
    (DIFF, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (DIFF, "GET", 422, "?new_version=x", None, {}),
    (ROLLBACK, "POST", 200, "", {"version": 2}, {}), (ROLLBACK, "POST", 404, "", {"version": 99}, {}),
    (ROLLBACK, "POST", 410, "", {"version": 1}, {}), (ROLLBACK, "POST", 412, "", {"version": 2}, NEVER),
    (ROLLBACK, "POST", 413, "", LARGE, {}), (ROLLBACK, "POST", 415, "", {"version": 2}, GZIP),
    (ROLLBACK, "POST", 422, "", {}, {}),
    ("/api/watch", "HEAD", 200, "", None, {}),
    ("/api/watch", "GET", 410, "", None, {"Last-Event-ID": f"{EPOCH}:1"}),
    ("/api/watch", "GET", 422, "", None, {"Last-Event-ID": "x"}),
    ("/health", "GET", 200, "", None, {}), ("/stats", "GET", 200, "", None, {}),
    ("/livez", "GET", 200, "", None, {}), ("/readyz", "GET", 200, "", None, {}),
    ("/metrics", "GET", 200, "", None, {}), ("/openapi.json", "GET", 200, "", None, {}),
]

CODE = grpc.StatusCode
ERASED = (CODE.FAILED_PRECONDITION, "PAYLOAD_ERASED")
COMPACTED = (CODE.FAILED_PRECONDITION, "PAYLOAD_COMPACTED")
OVERLOADED = (CODE.RESOURCE_EXHAUSTED, "OVERLOADED")
DAMAGED = (CODE.DATA_LOSS, "PAYLOAD_DAMAGED")
AWAY = (CODE.UNAVAILABLE, "")
UNKNOWN = (CODE.UNAVAILABLE, "OUTCOME_UNKNOWN")
LATE = (CODE.DEADLINE_EXCEEDED, "REVISION_NOT_REACHED")
BACK = {"Last-Event-ID": f"{EPOCH}:1"}

# Those that take a server that fails: route, method, body, headers, {status: fault}.
READ = {500: DAMAGED, 503: AWAY, 504: LATE}
WRITE = {429: OVERLOADED, 500: DAMAGED, 503: UNKNOWN, 504: (CODE.DEADLINE_EXCEEDED, "NOT_STARTED")}
WITH_FAULTS = [
    (LIST, "GET", None, {}, READ), (f"{BATCH}?name=x", "GET", None, {}, READ),
    (BATCH, "POST", {"names": ["x"]}, {}, READ), (NAMED, "GET", None, {}, READ),
    (HISTORY, "GET", None, {}, READ), (DIFF, "GET", None, {}, READ),
    (NAMED, "POST", DATA, {}, WRITE), (NAMED, "PUT", DATA, {}, WRITE),
    (NAMED, "PATCH", {}, {}, WRITE), (NAMED, "DELETE", None, {}, WRITE | {410: COMPACTED}),
    (ROLLBACK, "POST", {"version": 1}, {}, WRITE | {409: ERASED}),
    ("/api/watch", "GET", None, BACK, {
        429: (CODE.RESOURCE_EXHAUSTED, "WATCHES_COUNT"), 500: DAMAGED, 503: AWAY}),
    ("/readyz", "GET", None, {}, {503: AWAY}),
]


def call(rest, route, method, body, headers):
    return rest.call(method, route.replace("{service_name}", "billing"), body,
                     {"Cache-Control": "no-cache", **headers})


@pytest.fixture(scope="module")
def compacted(launch):
    server = launch(Confregd).start()
    rest = Rest(launch(Gateway, server.listen).start().port)
    assert rest.post("/api/configs/billing", DATA).status == 201
    for number in range(2):
        made = rest.put("/api/configs/billing", {"config_data": {"a": number}})
    server.stub.Compact(api_pb.CompactRequest(keep_versions=2), timeout=60)
    assert made.status == 200
    return rest


@pytest.mark.parametrize("route, method, status, query, body, headers", WITH_SERVER)
def test_statuses_of_a_gateway_with_its_server(compacted, route, method, status, query, body,
                                               headers):
    answer = call(compacted, route + query, method, body, headers)
    assert answer.status == status, answer


@pytest.fixture(scope="module")
def failing(launch):
    server = FakeServer()
    yield server, Rest(launch(Gateway, server.listen).start().port)
    server.stop()


@pytest.mark.parametrize("route, method, body, headers, faults", WITH_FAULTS)
def test_statuses_of_a_gateway_whose_server_fails(failing, route, method, body, headers, faults):
    server, rest = failing
    for status, server.fault in faults.items():
        answer = call(rest, route, method, body, headers)
        assert (answer.status, bool(answer.json()["detail"])) == (status, True), answer


def test_the_document_names_these_statuses_and_no_other(compacted):
    exercised = {(route, "GET" if method == "HEAD" else method, status)
                 for route, method, status, *_ in WITH_SERVER}
    exercised |= {(route.partition("?")[0], method, status)
                  for route, method, _, _, faults in WITH_FAULTS for status in faults}
    document = json.loads(compacted.get("/openapi.json").body)
    assert documented_statuses(document) == exercised
