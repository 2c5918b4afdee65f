"""What both interfaces document for all of their calls. exercised.py tells, at the end of a whole run,
what of them no test exercised; this file has what other tests have no reason to look at."""

import json

import exercised
import pytest
from calls import TIMEOUT, Registry, create_change
from daemon import Confregd, Gateway
from errors import refused
from rest import Rest, path_of
from stubs import api_pb
from watching import Watch

pytestmark = pytest.mark.any_store

DATA = {"config_data": {"a": 1}}


@pytest.fixture(scope="module")
def server(launch):
    """Its history is not checked: a compaction leaves a gap in what a watch of everything sees."""
    return launch(Confregd).start()


@pytest.fixture(scope="module")
def rest(launch, server):
    return Rest(launch(Gateway, server.listen).start().port)


@pytest.fixture
def registry(server):
    return Registry(server.stub)


# ---- Over HTTP ----

def operations(rest, wanted):
    """(method, route) of the operations that document a header of requests or of answers."""
    document = json.loads(rest.get("/openapi.json").body)
    for route, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters" and any(
                    name == wanted for _, _, name in
                    exercised.wanted_of_operation(document, item, operation)):
                yield method.upper(), route


def ways_to_call(method, route, name):
    """The target and the body of calls that succeed, for each status that is no error."""
    target = path_of(route, name)
    if method == "PUT":
        return [(f"{target}?upsert=true", DATA, 201), (f"{target}?upsert=true", DATA, 200)]
    if method == "POST":
        return [(f"{target}?validate_only=true&environment=other", DATA, 200),
                (f"{target}?environment=other", DATA, 201)]
    if route == "/api/diff":
        return [(f"{target}?environment=default&new_environment=other", None, 200)]
    return [(f"{target}?limit=1" if route == "/api/configs" else target, None, 200)]


def with_two_versions(rest, name):
    for _ in range(2):
        assert rest.put(f"/api/configs/{name}?upsert=true", DATA).status < 300


def test_every_call_that_ignores_says_so(rest, name):
    found = list(operations(rest, "X-Config-Ignored"))
    assert len(found) >= 6
    for method, route in sorted(found):
        own = f"{name}-{method}-{len(route)}"
        if method == "GET":
            with_two_versions(rest, own)
        for target, body, status in ways_to_call(method, route, own):
            mark = "&" if "?" in target else "?"
            answer = rest.call(method, f"{target}{mark}env=x", body)
            assert (answer.status, answer.headers["X-Config-Ignored"]) == (status, "env"), target


def test_every_call_that_can_be_strict_is(rest, name):
    found = list(operations(rest, "Prefer"))
    assert len(found) >= 6
    for method, route in found:
        own = f"{name}-{method}-{len(route)}"
        if method == "GET":
            with_two_versions(rest, own)
        for target, body, status in ways_to_call(method, route, own):
            answer = rest.call(method, target, body, {"Prefer": "handling=strict"})
            assert (answer.status, answer.headers["Preference-Applied"]) == (
                status, "handling=strict"), target
            mark = "&" if "?" in target else "?"
            answer = rest.call(method, f"{target}{mark}env=x", body, {"Prefer": "handling=strict"})
            assert (answer.status, answer.json()["field"]) == (422, "env"), target


# ---- Over gRPC ----

WRITES = {
    "CreateConfig": lambda name: {"service_name": name, "config_data": b"{}"},
    "UpdateConfig": lambda name: {"service_name": name, "config_data": b"{}"},
    "RollbackConfig": lambda name: {"service_name": name, "version": 1},
    "CommitChanges": lambda name: {"changes": [create_change(f"{name}-b")]},
    "DeleteConfig": lambda name: {"service_name": name},
    "UndeleteConfig": lambda name: {"service_name": name},
    "SetSchema": lambda name: {"service_name": name, "schema": b"{}"},
    "DeleteSchema": lambda name: {"service_name": name},
    "Compact": lambda name: {},
}


def call(registry, method, **fields):
    return getattr(registry.stub, method)(getattr(api_pb, f"{method}Request")(**fields),
                                          timeout=TIMEOUT)


@pytest.mark.parametrize("signed", [{"created_by": "ada"}, {"created_by_empty": True}], ids=str)
def test_every_write_has_comment_author_and_id(registry, name, signed):
    shown = {"comment": "why", "created_by": "", "created_by_empty": False, **signed}
    assert set(WRITES) == {m.name for m in api_pb.DESCRIPTOR.services_by_name[
        "RegistryService"].methods if "validate_only" in m.input_type.fields_by_name}
    for method, fields in WRITES.items():
        id_ = f"{name} {method} {signed}"
        options = {"comment": "why", "request_id": id_, **signed}
        if "include_large" in getattr(api_pb, f"{method}Request").DESCRIPTOR.fields_by_name:
            options["include_large"] = True  # which makes no difference to what is small
        made = call(registry, method, **fields(name), **options, validate_only=True)
        made = call(registry, method, **fields(name), **options)
        again = call(registry, method, **fields(name), **options)
        again.header.CopyFrom(made.header)
        assert again == made
        commits = registry.stub.ListCommits(api_pb.ListCommitsRequest(page_size=1)).commits
        [commit] = [c for c in commits if c.revision == made.header.revision] or [None]
        assert commit is None or (commit.request_id, {f: getattr(commit, f) for f in shown}) == (
            id_, shown), method


READS = {
    "GetConfig": lambda name: {"service_name": name},
    "BatchGetConfigs": lambda name: {"names": [{"service_name": name}]},
    "ListConfigs": lambda name: {"service_name": name},
    "ListVersions": lambda name: {"service_name": name},
    "DiffVersions": lambda name: {"service_name": name},
    "DiffConfigs": lambda name: {"environment": "default", "new_environment": "other"},
    "ListCommits": lambda name: {"service_name": name},
    "FindSecrets": lambda name: {"service_name": name},
    "TrySchema": lambda name: {"service_name": name, "schema": b"{}"},
    "FindBroken": lambda name: {"service_name": name},
    "GetSchema": lambda name: {"service_name": name},
    "ListSchemas": lambda name: {"service_name": name},
    "ListSchemaVersions": lambda name: {"service_name": name},
    "DiffSchemas": lambda name: {"service_name": name},
}


@pytest.mark.parametrize("read", [{"consistency": "CONSISTENCY_LINEARIZABLE"}, {"min_revision": 1}],
                         ids=str)
def test_every_read_can_ask_how_new_it_is(registry, name, read):
    registry.create(name, environment="default")
    registry.update(name, environment="default")
    registry.set_schema(name, "{}")
    header = registry.set_schema(name, "{}").header
    if "min_revision" in read:
        read = {"min_revision": header.revision, "epoch": header.epoch}
    methods = {m.name for m in api_pb.DESCRIPTOR.services_by_name["RegistryService"].methods
               if "read" in m.input_type.fields_by_name}
    assert methods <= set(READS)
    for method in methods:
        answer = call(registry, method, **READS[method](name), read=read)
        assert answer.header.revision >= header.revision, method


def test_a_range_of_the_change_log_is_of_one_log(registry, name):
    header = registry.create(name).header
    fields = {"service_name": name, "start_revision": header.revision}
    [commit] = call(registry, "ListCommits", **fields, epoch=header.epoch).commits
    assert commit.revision == header.revision
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH"):
        call(registry, "ListCommits", **fields, epoch="0123456789abcdef")


def test_a_watch_that_includes_what_is_large(server, registry, name):
    registry.create(name, environment="default")
    with Watch(server.stub, include_snapshot=True, include_large=True,
               selectors=[api_pb.Selector(service_name=name)]) as watch:
        configs, _ = watch.snapshot()
    assert [c.config_data for c in configs] == [b'{"a":1}']


# ---- The check of a whole run ----

DOCUMENT = {"paths": {
    "/a": {"get": {"parameters": [{"$ref": "#/p/Limit"}, {"in": "header", "name": "Prefer"}],
                   "responses": {"200": {"headers": {"Link": {}}, "content": {"text/csv": {}}},
                                 "404": {"content": {"text/plain": {}}}}}},
    "/a/{service_name}": {"post": {"requestBody": {"content": {"text/csv": {}}},
                                   "responses": {"201": {}}}}},
    "p": {"Limit": {"in": "query", "name": "limit"}}}
ALL = ["GET /a: query limit", "GET /a: sent Prefer", "GET /a: status  200",
       "GET /a: received Link 200", "GET /a: received type text/csv 200", "GET /a: status  404",
       "POST /a/{service_name}: sent type text/csv", "POST /a/{service_name}: status  201"]


def missing_after(calls, monkeypatch):
    monkeypatch.setattr(exercised, "FOLDER", "/nowhere")
    monkeypatch.setattr(exercised, "NOTED", set())
    for call in calls:
        exercised.note_http(*call)
    return list(exercised.missing_of_http(DOCUMENT, exercised.NOTED))


@pytest.mark.parametrize("calls, seen", [
    ([], []),
    ([("GET", "/a", {}, 200, {})], [2]), ([("HEAD", "/a?limit=1", {}, 404, {})], [0, 5]),
    ([("GET", "/a", {"prefer": "x"}, 200, {"link": "", "Content-Type": "text/csv; x=y"})],
     [1, 2, 3, 4]),
    ([("POST", "/a/b", {"content-type": "Text/CSV"}, 500, {})], [6]),
    ([("POST", "/a/b/c", {}, 201, {}), ("PUT", "/a", {}, 200, {}), ("GET", "/b", {}, 404, {})], [])])
def test_what_was_not_exercised_over_http(monkeypatch, calls, seen):
    assert missing_after(calls, monkeypatch) == [
        line for number, line in enumerate(ALL) if number not in seen]


def test_what_was_not_exercised_over_grpc(monkeypatch):
    monkeypatch.setattr(exercised, "FOLDER", "/nowhere")
    monkeypatch.setattr(exercised, "NOTED", set())
    exercised.note_method("ListConfigs", api_pb.ListConfigsRequest(page_size=1, read={"epoch": "x"}),
                          api_pb.ListConfigsResponse(configs=[{"version": 1}]))
    service = api_pb.DESCRIPTOR.services_by_name["RegistryService"]
    missing = set(exercised.missing_of_grpc(service, exercised.NOTED))
    of_request, of_response = "gRPC: request confreg.v1.", "gRPC: response confreg.v1."
    assert {"gRPC: method GetConfig", f"{of_request}ListConfigsRequest environment",
            f"{of_request}ReadOptions consistency", f"{of_response}Config comment"} <= missing
    assert not {"gRPC: method ListConfigs", f"{of_request}ListConfigsRequest page_size",
                f"{of_request}ReadOptions epoch", f"{of_response}Config version"} & missing
