"""/openapi.json names each status that a call can end with, and no other."""

import json
import re
from urllib.parse import parse_qsl

import grpc
import pytest
from daemon import Confregd, Gateway
from fake_server import EPOCH, FakeServer
from rest import Rest, documented_statuses, path_of
from stubs import api_pb

pytestmark = pytest.mark.any_store

NAMED, HISTORY = "/api/configs/{service_name}", "/api/configs/{service_name}/history"
DIFF, ROLLBACK = "/api/configs/{service_name}/diff", "/api/configs/{service_name}/rollback"
UNDELETE = "/api/configs/{service_name}/undelete"
COPY = "/api/configs/{service_name}/copy"
LIST, BATCH = "/api/configs", "/api/configs:batchGet"
COMMITS, DIFFS, SECRETS, BROKEN = "/api/commits", "/api/diff", "/api/secrets", "/api/broken"
SCHEMAS, SCHEMA = "/api/schemas", "/api/schemas/{service_name}"
SCHEMA_PARTS = {part: f"{SCHEMA}/{part}" for part in ("history", "diff", "rollback", "try")}
SCHEMA_DATA = {"schema": {"title": "x"}}
WIDE = {"schema": {"x": "y" * (5 << 20)}}
DATA = {"config_data": {"a": 1}}
LARGE = {"config_data": {"x": "y" * (5 << 20)}}
GZIP = {"Content-Encoding": "gzip"}
LONG = "?comment=" + "x" * (16 << 10)
FLAGS = "/api/ofrep/{environment}/{service_name}/ofrep/v1/evaluate/flags"
FLAG, SPRING = f"{FLAGS}/{{key}}", "/api/spring/{service_name}/{profiles}"
LABELLED = f"{SPRING}/{{label}}"
OTHER_EPOCH = {"X-Config-Min-Revision": f"{EPOCH}-1"}
SESSION, TOKEN = "/api/session", {"Authorization": "Bearer x"}
PAGE = {"Origin": "https://a.example", "Content-Type": None}
NEVER = {"If-Match": '"x"'}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


def change(kind, **members):
    return {"changes": [{kind: {"service_name": "billing", **members}}]}


UPSERT = change("update", environment="upsert", config_data={}, upsert=True)

# Statuses that a gateway with its server gives: route, method, status, query (behind "#": names in the
# path), body, headers. The config has versions 1 to 3, of which the first was compacted.
WITH_SERVER = [
    (LIST, "GET", 200, "", None, {}), (LIST, "GET", 304, "", None, {"If-None-Match": "*"}),
    (LIST, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (LIST, "GET", 422, "?environment=a%2Fb", None, {}),
    (BATCH, "GET", 200, "?name=x", None, {}), (BATCH, "GET", 422, "", None, {}),
    (BATCH, "GET", 409, "?name=x", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (BATCH, "POST", 200, "", {"names": ["x"]}, {}), (BATCH, "POST", 413, "", LARGE, {}),
    (BATCH, "POST", 409, "", {"names": ["x"]}, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (BATCH, "POST", 403, "", {"names": ["x"]}, PAGE),
    (BATCH, "POST", 415, "", {"names": ["x"]}, GZIP), (BATCH, "POST", 422, "", {}, {}),
    (NAMED, "GET", 200, "", None, {}), (NAMED, "GET", 304, "", None, {"If-None-Match": "*"}),
    (NAMED, "GET", 404, "?environment=none", None, {}), (NAMED, "GET", 410, "?version=1", None, {}),
    (NAMED, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (NAMED, "GET", 422, "?version=x", None, {}),
    (NAMED, "POST", 201, "?environment=new", DATA, {}), (NAMED, "POST", 400, "", DATA, {}),
    (NAMED, "POST", 412, "", DATA, NEVER), (NAMED, "POST", 413, "", LARGE, {}),
    (NAMED, "POST", 403, "", DATA, PAGE),
    (NAMED, "POST", 415, "", DATA, GZIP), (NAMED, "POST", 422, "", {}, {}),
    (NAMED, "POST", 200, "?environment=other&validate_only=true", DATA, {}),
    (NAMED, "PUT", 201, "?environment=put&upsert=true", DATA, {}),
    (NAMED, "PUT", 200, "", DATA, {}), (NAMED, "PUT", 400, "?environment=none", DATA, {}),
    (NAMED, "PUT", 412, "", DATA, NEVER), (NAMED, "PUT", 413, "", LARGE, {}),
    (NAMED, "PUT", 415, "", DATA, GZIP), (NAMED, "PUT", 422, "", {}, {}),
    (NAMED, "PATCH", 200, "", {}, {}), (NAMED, "PATCH", 404, "?environment=none", {}, {}),
    (NAMED, "PATCH", 409, "", [{"op": "test", "path": "/a", "value": 99}], JSON_PATCH),
    (NAMED, "PATCH", 412, "", {}, NEVER), (NAMED, "PATCH", 413, "", LARGE, {}),
    (NAMED, "PATCH", 415, "", {}, GZIP), (NAMED, "PATCH", 422, "?x", {}, {}),
    (NAMED, "DELETE", 200, "?environment=none", None, {}), (NAMED, "DELETE", 412, "", None, NEVER),
    (NAMED, "DELETE", 413, "", LARGE, {}),
    (NAMED, "DELETE", 414, LONG, None, {}), (NAMED, "PATCH", 414, LONG, {}, {}), (NAMED, "DELETE", 422, "?x", None, {}),
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
    (ROLLBACK, "POST", 422, "", {"version": "x"}, {}), (ROLLBACK, "POST", 403, "", {"version": 2}, PAGE),
    (COMMITS, "GET", 200, "?view=diff", None, {}), (COMMITS, "GET", 422, "?since=x", None, {}),
    (COMMITS, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (COMMITS, "POST", 200, "?validate_only=true", UPSERT, {}), (COMMITS, "POST", 201, "", UPSERT, {}),
    (COMMITS, "POST", 403, "", UPSERT, PAGE),
    (COMMITS, "POST", 404, "", change("update", environment="none", config_data={}), {}),
    (COMMITS, "POST", 409, "", change("create", config_data={}), {}),
    (COMMITS, "POST", 410, "", change("rollback", version=1), {}),
    (COMMITS, "POST", 413, "", LARGE, {}), (COMMITS, "POST", 415, "", UPSERT, GZIP),
    (COMMITS, "POST", 422, "", {"changes": []}, {}),
    (UNDELETE, "POST", 200, "?environment=gone&validate_only=true", {}, {}),
    (UNDELETE, "POST", 404, "?environment=none", {}, {}), (UNDELETE, "POST", 409, "", {}, {}),
    (UNDELETE, "POST", 410, "?environment=compacted", {}, {}),
    (UNDELETE, "POST", 412, "", {}, NEVER), (UNDELETE, "POST", 413, "", LARGE, {}),
    (UNDELETE, "POST", 415, "", {}, GZIP), (UNDELETE, "POST", 422, "", {"version": "x"}, {}),
    (UNDELETE, "POST", 403, "", {}, PAGE),
    (COPY, "POST", 200, "?environment=lax&validate_only=true", {}, {}),
    (COPY, "POST", 201, "?environment=copied", {}, {}),
    (COPY, "POST", 404, "?environment=copied&source_environment=none", {}, {}),
    (COPY, "POST", 410, "?environment=copied", {"version": 1}, {}),
    (COPY, "POST", 412, "?environment=copied", {}, NEVER), (COPY, "POST", 413, "", LARGE, {}),
    (COPY, "POST", 415, "", {}, GZIP), (COPY, "POST", 422, "", {}, {}),
    (COPY, "POST", 403, "", {}, PAGE),
    (DIFFS, "GET", 200, "?new_environment=x", None, {}), (DIFFS, "GET", 422, "", None, {}),
    (DIFFS, "GET", 409, "?new_environment=x", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (DIFFS, "GET", 410, "?old_revision=1", None, {}),
    (SECRETS, "GET", 200, "", None, {}), (SECRETS, "GET", 422, "?versions=x", None, {}),
    (SECRETS, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (BROKEN, "GET", 200, "", None, {}), (BROKEN, "GET", 422, "?x", None, {}),
    (BROKEN, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (SCHEMAS, "GET", 200, "", None, {}), (SCHEMAS, "GET", 422, "?x", None, {}),
    (SCHEMAS, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (SCHEMA, "GET", 200, "", None, {}), (SCHEMA, "GET", 404, "?environment=none", None, {}),
    (SCHEMA, "GET", 410, "?version=1", None, {}), (SCHEMA, "GET", 422, "?version=x", None, {}),
    (SCHEMA, "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (SCHEMA, "PUT", 200, "", SCHEMA_DATA, {}), (SCHEMA, "PUT", 201, "?environment=new", SCHEMA_DATA, {}),
    (SCHEMA, "PUT", 409, "", {"schema": {"maxProperties": 0}}, {}),
    (SCHEMA, "PUT", 412, "", SCHEMA_DATA, NEVER), (SCHEMA, "PUT", 413, "", WIDE, {}),
    (SCHEMA, "PUT", 415, "", SCHEMA_DATA, GZIP), (SCHEMA, "PUT", 422, "", {}, {}),
    (SCHEMA, "DELETE", 200, "?validate_only=true", None, {}),
    (SCHEMA, "DELETE", 404, "?environment=none", None, {}),
    (SCHEMA, "DELETE", 409, "?environment=lax", None, {}),
    (SCHEMA, "DELETE", 412, "", None, NEVER), (SCHEMA, "DELETE", 413, "", WIDE, {}),
    (SCHEMA, "DELETE", 414, LONG, None, {}), (SCHEMA, "DELETE", 422, "?x", None, {}),
    (SCHEMA_PARTS["history"], "GET", 200, "", None, {}),
    (SCHEMA_PARTS["history"], "GET", 422, "?x", None, {}),
    (SCHEMA_PARTS["history"], "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (SCHEMA_PARTS["diff"], "GET", 200, "", None, {}),
    (SCHEMA_PARTS["diff"], "GET", 404, "?old_version=2&new_version=99", None, {}),
    (SCHEMA_PARTS["diff"], "GET", 409, "", None, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (SCHEMA_PARTS["diff"], "GET", 410, "?old_version=1&new_version=3", None, {}),
    (SCHEMA_PARTS["diff"], "GET", 422, "?x", None, {}),
    (SCHEMA_PARTS["try"], "POST", 200, "", SCHEMA_DATA, {}),
    (SCHEMA_PARTS["try"], "POST", 403, "", SCHEMA_DATA, PAGE),
    (SCHEMA_PARTS["try"], "POST", 409, "", SCHEMA_DATA, {"X-Config-Min-Revision": f"{EPOCH}-1"}),
    (SCHEMA_PARTS["try"], "POST", 413, "", WIDE, {}),
    (SCHEMA_PARTS["try"], "POST", 415, "", SCHEMA_DATA, GZIP),
    (SCHEMA_PARTS["try"], "POST", 422, "", {}, {}),
    (SCHEMA_PARTS["rollback"], "POST", 200, "", {"version": 2}, {}),
    (SCHEMA_PARTS["rollback"], "POST", 403, "", {"version": 2}, PAGE),
    (SCHEMA_PARTS["rollback"], "POST", 404, "", {"version": 99}, {}),
    (SCHEMA_PARTS["rollback"], "POST", 409, "?environment=lax", {"version": 2}, {}),
    (SCHEMA_PARTS["rollback"], "POST", 410, "", {"version": 1}, {}),
    (SCHEMA_PARTS["rollback"], "POST", 412, "", {"version": 2}, NEVER),
    (SCHEMA_PARTS["rollback"], "POST", 413, "", LARGE, {}),
    (SCHEMA_PARTS["rollback"], "POST", 415, "", {"version": 2}, GZIP),
    (SCHEMA_PARTS["rollback"], "POST", 422, "", {"version": "x"}, {}),
    ("/api/watch", "HEAD", 200, "", None, {}),
    ("/api/watch", "GET", 410, "", None, {"Last-Event-ID": f"{EPOCH}:1"}),
    ("/api/watch", "GET", 422, "", None, {"Last-Event-ID": "x"}),
    *((route, "POST", *row) for route in (FLAGS, FLAG) for row in (
        (200, "", {}, {}), (400, "", [], {}), (403, "", {}, PAGE), (404, "#service=none", {}, {}),
        (409, "", {}, OTHER_EPOCH), (413, "", LARGE, {}), (415, "", {}, GZIP))),
    (FLAGS, "POST", 304, "", {}, {"If-None-Match": "*"}),
    *((route, "GET", *row) for route in (SPRING, LABELLED) for row in (
        (200, "#profiles=default&label=3", None, {}), (404, "#service=none", None, {}),
        (409, "", None, OTHER_EPOCH), (413, "#service=wide&profiles=default", None, {}),
        (422, "#profiles=,", None, {}))),
    (LABELLED, "GET", 410, "#profiles=default", None, {}),
    (SESSION, "GET", 200, "", None, {}), (SESSION, "GET", 422, "?x", None, {}),
    (SESSION, "POST", 200, "", None, TOKEN), (SESSION, "POST", 401, "", None, {}),
    (SESSION, "POST", 403, "", None, PAGE), (SESSION, "POST", 413, "", LARGE, TOKEN),
    (SESSION, "POST", 422, "?x", None, TOKEN), (SESSION, "DELETE", 204, "", None, {}),
    (SESSION, "DELETE", 413, "", LARGE, {}), (SESSION, "DELETE", 422, "?x", None, {}),
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
REFUSED = {401: (CODE.UNAUTHENTICATED, "CREDENTIALS_INVALID"),
           403: (CODE.PERMISSION_DENIED, "NOT_ALLOWED")}
READ = REFUSED | {500: DAMAGED, 503: AWAY, 504: LATE}
WRITE = REFUSED | {429: OVERLOADED, 500: DAMAGED, 503: UNKNOWN, 504: (CODE.DEADLINE_EXCEEDED, "NOT_STARTED")}
WITH_FAULTS = [
    (LIST, "GET", None, {}, READ), (f"{BATCH}?name=x", "GET", None, {}, READ),
    (BATCH, "POST", {"names": ["x"]}, {}, READ), (NAMED, "GET", None, {}, READ),
    (HISTORY, "GET", None, {}, READ), (DIFF, "GET", None, {}, READ),
    (COMMITS, "GET", None, {}, READ), (f"{DIFFS}?new_environment=x", "GET", None, {}, READ),
    (NAMED, "POST", DATA, {}, WRITE), (NAMED, "PUT", DATA, {}, WRITE),
    (NAMED, "PATCH", {}, {}, WRITE), (NAMED, "DELETE", None, {}, WRITE | {410: COMPACTED}),
    (ROLLBACK, "POST", {"version": 1}, {}, WRITE | {409: ERASED}),
    (SECRETS, "GET", None, {}, READ), (BROKEN, "GET", None, {}, READ),
    (SCHEMA_PARTS["try"], "POST", SCHEMA_DATA, {}, READ), (SCHEMAS, "GET", None, {}, READ), (SCHEMA, "GET", None, {}, READ),
    (SCHEMA_PARTS["history"], "GET", None, {}, READ), (SCHEMA_PARTS["diff"], "GET", None, {}, READ),
    (SCHEMA, "PUT", SCHEMA_DATA, {}, WRITE), (SCHEMA, "DELETE", None, {}, WRITE),
    (SCHEMA_PARTS["rollback"], "POST", {"version": 1}, {}, WRITE),
    (UNDELETE, "POST", {}, {}, WRITE | {409: ERASED}), (COPY, "POST", {}, {}, WRITE),
    (COMMITS, "POST", UPSERT, {}, WRITE),
    *((route, "POST", {}, {}, READ | {429: OVERLOADED}) for route in (FLAGS, FLAG)),
    *((route, "GET", None, {}, READ) for route in (SPRING, LABELLED)),
    (SESSION, "GET", None, {}, READ), (SESSION, "POST", None, TOKEN, READ),
    ("/api/watch", "GET", None, BACK, REFUSED | {
        429: (CODE.RESOURCE_EXHAUSTED, "WATCHES_COUNT"), 500: DAMAGED, 503: AWAY}),
    ("/readyz", "GET", None, {}, {503: AWAY}),
]


def call(rest, route, method, body, headers):
    route, _, names = route.partition("#")
    return rest.call(method, path_of(route, **dict(parse_qsl(names))), body,
                     {"Cache-Control": "no-cache", **headers})


def start(launch):
    """A gateway of a registry with a config of versions 1 to 3, of which the first was compacted; one
    of environment compacted was deleted before that, one of environment gone after it."""
    server = launch(Confregd).start()
    rest = Rest(launch(Gateway, server.listen).start().port)
    assert rest.post("/api/configs/billing", DATA).status == 201
    for number in range(2):
        made = rest.put("/api/configs/billing", {"config_data": {"a": number}})
    for environment in ("compacted", "gone"):
        assert rest.post(f"/api/configs/billing?environment={environment}", DATA).status == 201
    assert rest.delete("/api/configs/billing?environment=compacted").status == 200
    for number in range(3):
        assert rest.put("/api/schemas/billing", {"schema": {"$comment": str(number)}}).status < 300
    assert rest.post("/api/configs/billing?environment=lax", DATA).status == 201
    for schema in ({"$comment": "0"}, {"maxProperties": 0}, {"$comment": "2"}):
        assert rest.put("/api/schemas/billing?environment=lax&force=true", {"schema": schema}).status < 300
    assert rest.put("/api/schemas/other", {"schema": {"$ref": "confreg:/lax/billing"}}).status == 201
    wide = {"config_data": {"x" * 500_000: [0] * 40}}
    assert rest.post("/api/configs/wide", wide).status == 201
    server.stub.Compact(api_pb.CompactRequest(keep_versions=2), timeout=60)
    assert made.status == 200
    assert rest.delete("/api/configs/billing?environment=gone").status == 200
    # One that has not seen the events that are gone.
    return Rest(launch(Gateway, server.listen).start().port)


@pytest.fixture(scope="module")
def compacted(launch):
    return start(launch)


def check_members(rest, route, method, answer):
    """An error has the members that the document requires, and no other than it names."""
    document = json.loads(rest.get("/openapi.json").body)
    components = document["components"]
    operation = document["paths"].get(route.partition("?")[0], {}).get(method.lower())
    if answer.status < 400 or operation is None:
        return
    response = operation["responses"][str(answer.status)]
    response = components["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"]["application/json"]["schema"]
    schema = components["schemas"][schema["$ref"].rpartition("/")[2]]
    body = answer.json()
    assert set(schema["required"]) <= set(body) <= set(schema["properties"]), body
    assert re.fullmatch(schema["properties"]["reason"]["pattern"], body["reason"]), body


@pytest.mark.parametrize("route, method, status, query, body, headers", WITH_SERVER)
def test_statuses_of_a_gateway_with_its_server(compacted, route, method, status, query, body,
                                               headers):
    answer = call(compacted, route + query, method, body, headers)
    assert answer.status == status, answer
    check_members(compacted, route, method, answer)


@pytest.fixture(scope="module")
def failing(launch):
    server = FakeServer()
    yield server, Rest(launch(Gateway, server.listen).start().port)
    server.stop()


@pytest.mark.parametrize("route, method, body, headers, faults", WITH_FAULTS)
def test_statuses_of_a_gateway_whose_server_fails(failing, route, method, body, headers, faults):
    server, rest = failing
    for status, server.fault in faults.items():
        server.access_fails = route == SESSION
        answer = call(rest, route, method, body, headers)
        server.access_fails = False
        assert (answer.status, bool(answer.json()["detail"])) == (status, True), answer
        check_members(rest, route, method, answer)


def test_the_document_names_these_statuses_and_no_other(compacted):
    exercised = {(route, "GET" if method == "HEAD" else method, status)
                 for route, method, status, *_ in WITH_SERVER}
    exercised |= {(route.partition("?")[0], method, status)
                  for route, method, _, _, faults in WITH_FAULTS for status in faults}
    document = json.loads(compacted.get("/openapi.json").body)
    assert documented_statuses(document) == exercised


# ---- The members of errors ----

DEEP = {"config_data": json.loads('{"a":' * 70 + "1" + "}" * 70)}
MIB = 1 << 20
EXAMPLES = [  # route, method, body, headers, what the error has beside its detail
    (NAMED, "POST", DATA, {}, {
        "reason": "CONFIG_EXISTS", "current_version": 3, "current_revision": 3, "current_epoch": ...}),
    (NAMED, "POST", DATA, {"If-None-Match": "*"}, {
        "reason": "CONFIG_EXISTS", "current_version": 3, "current_revision": 3, "current_epoch": ...}),
    (NAMED, "PUT", DATA, {"If-Match": f'"{EPOCH}-1"'}, {
        "reason": "EPOCH_MISMATCH", "current_version": 3, "current_revision": 3,
        "current_epoch": ...}),
    (NAMED, "PUT", DATA, NEVER, {"reason": "REVISION_MISMATCH"}),
    (f"{NAMED}?environment=none", "PUT", DATA, {}, {"reason": "CONFIG_NOT_FOUND"}),
    (f"{NAMED}?environment=none", "GET", None, {}, {"reason": "CONFIG_NOT_FOUND"}),
    (f"{NAMED}?version=9", "GET", None, {}, {"reason": "VERSION_NOT_FOUND"}),
    (f"{NAMED}?version=1", "GET", None, {}, {"reason": "PAYLOAD_COMPACTED"}),
    (f"{DIFF}?old_version=2&new_version=9", "GET", None, {}, {"reason": "VERSION_NOT_FOUND"}),
    (f"{DIFF}?environment=none", "GET", None, {}, {"reason": "NOT_ENOUGH_VERSIONS"}),
    (ROLLBACK, "POST", {"version": 9}, {}, {"reason": "VERSION_NOT_FOUND"}),
    (NAMED, "PUT", {}, {}, {"reason": "FIELD_MISSING", "field": "config_data"}),
    (NAMED, "PUT", {"config_data": 1, "comment": 1}, {}, {
        "reason": "JSON_NOT_OBJECT", "field": "config_data"}),
    (NAMED, "PUT", DATA | {"comment": 1}, {}, {"reason": "NOT_A_STRING", "field": "comment"}),
    (NAMED, "PUT", DATA | {"comment": "x" * 65537}, {}, {
        "reason": "TEXT_TOO_LONG", "field": "comment", "limit": 65536}),
    (NAMED, "PUT", DEEP, {}, {
        "reason": "JSON_DEPTH", "field": "config_data", "limit": 64, "found": 70}),
    (NAMED, "PUT", {"config_data": {"x": "y" * MIB}}, {}, {
        "reason": "JSON_TOO_LARGE", "field": "config_data", "limit": MIB, "found": MIB + 8}),
    (NAMED, "PUT", LARGE, {}, {"reason": "BODY_TOO_LARGE", "limit": 4 * MIB}),
    (NAMED, "PUT", "{", {}, {"reason": "JSON_SYNTAX"}),
    (NAMED, "PUT", DATA, GZIP, {"reason": "CONTENT_ENCODING"}),
    (NAMED, "PUT", DATA, {"Content-Type": "text/plain"}, {"reason": "MEDIA_TYPE"}),
    (NAMED, "PATCH", {}, {"Content-Type": "text/plain"}, {"reason": "MEDIA_TYPE"}),
    (NAMED, "PATCH", [{"op": "remove", "path": "/none"}], JSON_PATCH, {
        "reason": "PATCH_PATH", "field": "json_patch", "operation": 0, "pointer": "/none"}),
    (f"{NAMED}?environment=" + "x" * 256, "GET", None, {}, {
        "reason": "NAME_TOO_LONG", "field": "environment", "limit": 255}),
    (f"{NAMED}?version=x", "GET", None, {}, {"reason": "NOT_A_NUMBER", "field": "version"}),
    (f"{NAMED}?verison=1", "DELETE", None, {}, {"reason": "FIELD_UNKNOWN", "field": "verison"}),
    (BATCH, "POST", {"names": ["x", "a/b/c"]}, {}, {
        "reason": "NAME_CHARACTER", "field": "names[1]"}),
    (COMMITS, "POST", {"changes": [*change("delete")["changes"], *change("update", config_data=1)["changes"]]},
     {}, {"reason": "JSON_NOT_OBJECT", "field": "changes[1].update.config_data"}),
    (COMMITS, "POST", {"changes": change("delete")["changes"] * 129}, {}, {
        "reason": "CHANGES_COUNT", "field": "changes", "limit": 128, "found": 129}),
    (BATCH, "POST", {"names": ["x"] * 1001}, {}, {
        "reason": "NAMES_COUNT", "field": "names", "limit": 1000}),
    (NAMED, "PUT", DATA, {"Idempotency-Key": "x" * 129}, {
        "reason": "TEXT_TOO_LONG", "field": "Idempotency-Key", "limit": 128}),
    (LIST, "GET", None, {"X-Config-Min-Revision": "x"}, {
        "reason": "REVISION_MALFORMED", "field": "X-Config-Min-Revision"}),
    (SCHEMA, "PUT", {"schema": {"maxProperties": 0}}, {}, {
        "reason": "SCHEMA_BREAKS_CONFIGS", "field": "schema", "violations": ...}),
    (LIST, "PUT", None, {}, {"reason": "METHOD_UNKNOWN"}),
    ("/api/nothing", "GET", None, {}, {"reason": "ROUTE_UNKNOWN"}),
    ("/api/watch", "GET", None, BACK, {
        "reason": "EPOCH_MISMATCH", "epoch": ..., "revision": ...}),
    ("/api/watch", "GET", None, {"Last-Event-ID": "{epoch}:1"}, {
        "reason": "COMPACTED", "oldest_revision": ..., "newest_revision": ..., "epoch": ...,
        "revision": ...}),
]


@pytest.fixture(scope="module")
def settled(launch):
    """For requests that are refused."""
    return start(launch)


@pytest.mark.parametrize("route, method, body, headers, expected", EXAMPLES)
def test_what_errors_tell_programs(settled, route, method, body, headers, expected):
    epoch = settled.get("/api/configs/billing").headers["X-Config-Revision"].partition("-")[0]
    headers = {name: value.replace("{epoch}", epoch) for name, value in headers.items()}
    answer = call(settled, route, method, body, headers)
    found = {name: value for name, value in answer.json().items() if name != "detail"}
    shown = {name: ... if expected.get(name) is ... else value for name, value in found.items()}
    assert shown == expected, answer
    check_members(settled, route, method, answer)


def test_every_member_of_an_error_is_exercised(settled):
    document = json.loads(settled.get("/openapi.json").body)
    schemas = (document["components"]["schemas"][name] for name in ("Error", "Invalid", "Gone"))
    documented = {name for schema in schemas for name in schema["properties"]}
    assert documented == {"detail"}.union(*(expected for *_, expected in EXAMPLES))


@pytest.mark.parametrize("route, method, body, headers, expected", EXAMPLES)
def test_errors_as_rfc_9457_has_them(settled, route, method, body, headers, expected):
    """Accept: application/problem+json changes the form, and nothing else."""
    epoch = settled.get("/api/configs/billing").headers["X-Config-Revision"].partition("-")[0]
    headers = {name: value.replace("{epoch}", epoch) for name, value in headers.items()}
    plain = call(settled, route, method, body, headers)
    answer = call(settled, route, method, body, {"Accept": "application/problem+json", **headers})
    assert plain.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (plain.headers["Vary"], answer.headers["Vary"]) == ("Accept", "Accept")
    documented, problem = plain.json(), answer.json()
    assert (answer.status, problem.pop("status")) == (plain.status, plain.status)
    assert (problem.pop("type"), bool(problem.pop("title"))) == ("about:blank", True)
    if plain.status == 422:
        assert isinstance(problem["detail"], str)
        problem["detail"] = problem.pop("errors")
    assert problem == documented
