"""Calls of the gateway beyond the documented contract: rollback, merge patches, batches."""

import json

import pytest
from rest import from_then_on, path_of

pytestmark = pytest.mark.any_store

DATA = {"config_data": {"a": 1, "b": {"c": 1, "d": 2}}}
NOT_FOUND = {"detail": "Configuration not found"}
PATCH = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


@pytest.fixture
def path(rest, name):
    """A config with one version in environment prod."""
    path = f"/api/configs/{name}?environment=prod"
    assert rest.post(path, DATA).status == 201
    return path


def rollback_of(path):
    return path.replace("?", "/rollback?")


# ---- Rollback ----

def test_rollback(rest, path):
    rest.put(path, {"config_data": {"n": 2}})
    answer = rest.post(rollback_of(path), {"version": 1, "created_by": "ada"})
    assert answer.status == 200
    document = answer.json()
    assert (document["version"], document["config_data"], document["created_by"],
            document["comment"]) == (3, DATA["config_data"], "ada", "Rolled back to version 1")
    assert answer.headers["X-Config-Version"] == "3"
    head = rest.get(path)
    assert head.json() == DATA["config_data"]
    assert head.headers["ETag"] == answer.headers["ETag"]
    assert rest.post(rollback_of(path), {"version": 2, "comment": "why"}).json()["comment"] == "why"


@pytest.mark.parametrize("version", [2, 0, -1, 18446744073709551615, 99999999999])
def test_rollback_to_what_is_not_there(rest, path, version):
    answer = rest.post(rollback_of(path), {"version": version})
    if version > 2**63:
        assert answer.status == 422  # no JSON number is so large here
    else:
        assert (answer.status, answer.documented()) == (404, {"detail": f"Version {version} not found"})
    assert len(rest.get(path.replace("?", "/history?")).json()) == 1


@pytest.mark.parametrize("body", ["", "{}", {"comment": "too many", "created_by": "ada"}])
def test_rollback_without_a_version_undoes_the_last_change(rest, path, body):
    old = rest.get(path).headers["ETag"]
    answer = rest.post(rollback_of(path), body)
    assert (answer.status, answer.json()["reason"]) == (409, "NOT_ENOUGH_VERSIONS")
    tag = rest.put(path, {"config_data": {"n": 2}}).headers["ETag"]
    key = {"If-Match": tag, "Idempotency-Key": f'"{path}"'}
    for _ in range(2):
        answer = rest.post(rollback_of(path), body, headers=key)
        assert (answer.status, answer.json()["version"]) == (200, 3)
        assert answer.json()["config_data"] == DATA["config_data"]
    assert rest.post(rollback_of(path), body, headers={"If-Match": tag}).status == 412
    assert rest.post(rollback_of(path), body, headers={"If-Match": old}).status == 412
    assert rest.get(path).json() == DATA["config_data"]


def test_rollback_of_an_unknown_config(rest, name):
    answer = rest.post(f"/api/configs/{name}/rollback", {"version": 1})
    assert (answer.status, answer.documented()) == (404, NOT_FOUND)


def test_rollback_with_if_match(rest, path):
    old = rest.get(path).headers["ETag"]
    current = rest.put(path, DATA).headers["ETag"]
    call = {"version": 1}
    assert rest.post(rollback_of(path), call, headers={"If-Match": old}).status == 412
    answer = rest.post(rollback_of(path), call, headers={"If-Match": f"{old}, {current}"})
    assert answer.json()["version"] == 3


@pytest.mark.parametrize("body, faults", [
    ('{"version":null}', [["body", "version"]]), ('{"version":"1"}', [["body", "version"]]),
    ('{"verison":1}', [["body", "verison"]]),
    ('{"version":1,"comment":null,"created_by":2}', [["body", "comment"], ["body", "created_by"]])])
def test_malformed_rollbacks(rest, path, body, faults):
    answer = rest.post(rollback_of(path), body)
    assert answer.status == 422
    assert [fault["loc"] for fault in answer.json()["detail"]] == faults


# ---- Patches ----

def test_merge_patch(rest, path):
    answer = rest.call("PATCH", path + "&comment=why+not&created_by=ada",
                       '{"b":{"c":null,"e":1.50},"f":[1]}', PATCH)
    assert answer.status == 200
    assert answer.json()["comment"] == "why not" and answer.json()["created_by"] == "ada"
    assert rest.get(path).body == b'{"a":1,"b":{"d":2,"e":1.50},"f":[1]}'
    answer = rest.call("PATCH", path, "{}", PATCH)
    assert (answer.json()["version"], answer.json()["comment"]) == (3, "Updated to version 3")
    assert rest.call("PATCH", path, {"a": None}).json()["config_data"] == {
        "b": {"d": 2, "e": 1.5}, "f": [1]}


def test_json_patch(rest, path):
    answer = rest.call("PATCH", path + "&comment=bigger&created_by=ada",
                       '[{"op":"test","path":"/a","value":1},'
                       '{"op":"add","path":"/b/x~1y","value":1.50},{"op":"remove","path":"/b/c"}]',
                       JSON_PATCH)
    assert (answer.status, answer.json()["comment"], answer.json()["created_by"]) == (
        200, "bigger", "ada")
    assert rest.get(path).body == b'{"a":1,"b":{"d":2,"x/y":1.50}}'


def test_the_patch_of_a_difference_can_be_applied(rest, path):
    rest.put(path, {"config_data": {"a": [1, 2, 3], "n": {"~/": None}}})
    rest.put(path, {"config_data": {"a": [4], "n": {"~/": [0], "": 1}}})
    validated = rest.call("PATCH", path + "&validate_only=true", {"a": None}).json()
    patch = validated["diff"]["json_patch"]
    assert patch == [{"op": "remove", "path": "/a"}]
    assert rest.call("PATCH", path, json.dumps(patch), JSON_PATCH).status == 200
    assert rest.get(path).json() == {"n": {"~/": [0], "": 1}}


@pytest.mark.parametrize("patch, status, reason, operation, pointer", [
    ('[{"op":"add","path":"/x","value":1},{"op":"test","path":"/a","value":2}]', 409,
     "PATCH_TEST_FAILED", 1, "/a"),
    ('[{"op":"remove","path":"/x/y"}]', 422, "PATCH_PATH", 0, "/x/y"),
    ('[{"op":"remove"}]', 422, "PATCH_SYNTAX", 0, None),
    ('[{"op":"add","path":"a","value":1}]', 422, "PATCH_SYNTAX", 0, "a"),
    ('[{"op":"replace","path":"","value":[]}]', 422, "JSON_NOT_OBJECT", None, None)])
def test_json_patches_that_do_not_apply(rest, path, patch, status, reason, operation, pointer):
    answer = rest.call("PATCH", path, patch, JSON_PATCH)
    found = answer.json()
    assert (answer.status, found["reason"], found["field"]) == (status, reason, "json_patch")
    assert (found.get("operation"), found.get("pointer")) == (operation, pointer)
    assert rest.get(path).headers["X-Config-Version"] == "1"


def test_a_json_patch_with_conditions(rest, path, name):
    old = rest.get(path).headers["ETag"]
    rest.put(path, DATA)
    answer = rest.call("PATCH", path, "[]", {**JSON_PATCH, "If-Match": old})
    assert answer.status == 412
    answer = rest.call("PATCH", f"/api/configs/{name}", "[]", JSON_PATCH)
    assert (answer.status, answer.documented()) == (404, NOT_FOUND)


def test_parameters_that_calls_of_our_own_do_not_take(rest, path):
    for answer, name in ((rest.call("PATCH", path + "&coment=why", "{}", PATCH), "coment"),
                         (rest.call("PATCH", path + "&comment=a&comment=b", "{}", PATCH), "comment"),
                         (rest.post(rollback_of(path) + "&verison=1", {"version": 1}), "verison")):
        assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["query", name])
    assert rest.get(path).headers["X-Config-Version"] == "1"


def test_merge_patch_of_an_unknown_config(rest, name):
    answer = rest.call("PATCH", f"/api/configs/{name}", "{}", PATCH)
    assert (answer.status, answer.documented()) == (404, NOT_FOUND)


def test_merge_patch_with_if_match(rest, path):
    old = rest.get(path).headers["ETag"]
    rest.put(path, DATA)
    answer = rest.call("PATCH", path, "{}", {**PATCH, "If-Match": old})
    assert answer.status == 412
    assert rest.get(path).headers["X-Config-Version"] == "2"


@pytest.mark.parametrize("kind", ["application/json-patch", "application/x+json", "text/plain"])
def test_patches_of_another_kind(rest, path, kind):
    answer = rest.call("PATCH", path, '[{"op":"remove","path":"/a"}]', {"Content-Type": kind})
    assert answer.status == 415 and "application/merge-patch+json" in answer.json()["detail"]
    assert answer.headers["Accept-Patch"] == (
        "application/merge-patch+json, application/json-patch+json, application/json")
    assert rest.get(path).headers["X-Config-Version"] == "1"


@pytest.mark.parametrize("body, headers", [
    ("", JSON_PATCH), ("{}", JSON_PATCH), ("[", JSON_PATCH),
    ("", PATCH), ("[]", PATCH), ("null", PATCH), ("{", PATCH), ('{"a":1,"a":2}', PATCH)])
def test_malformed_patches(rest, path, body, headers):
    answer = rest.call("PATCH", path, body, headers)
    assert answer.status == 422 and answer.json()["detail"][0]["loc"][0] == "body"
    assert rest.get(path).headers["X-Config-Version"] == "1"


def test_a_patch_that_makes_the_data_too_large(rest, path):
    for key in "xy":
        answer = rest.call("PATCH", path, '{"%s":"%s"}' % (key, "z" * 600_000), PATCH)
    assert answer.status == 413 and answer.json()["detail"]
    assert rest.get(path).headers["X-Config-Version"] == "2"


# ---- Batches ----

def test_batch(rest, path, name):
    rest.post(f"/api/configs/{name}", {"config_data": {"n": 2}})
    answer = rest.get(f"/api/configs:batchGet?name=prod/{name}&name={name}&name=dev/{name}"
                      f"&name=a%20b/x%26y")
    assert answer.status == 200
    body = answer.json()
    assert [(d["environment"], d["version"], d["config_data"]) for d in body["configs"]] == [
        ("prod", 1, DATA["config_data"]), ("default", 1, {"n": 2})]
    assert body["missing"] == [{"service_name": name, "environment": "dev"},
                               {"service_name": "x&y", "environment": "a b"}]
    assert body["unprocessed"] == []
    revision = rest.put(path, DATA).headers["X-Config-Revision"]
    answer = rest.get(f"/api/configs:batchGet?name=prod/{name}",
                      headers={"X-Config-Min-Revision": revision})
    assert answer.json()["configs"][0]["version"] == 2
    assert answer.headers["X-Config-Revision"] == revision


def test_a_batch_that_grows_too_large_says_what_is_left(rest, registry, name):
    for i in range(8):
        made = registry.create(f"{name}-{i}", '{"x":"%s"}' % ("y" * 900_000))
    names = [f"{name}-{i}" for i in range(8)]
    got = []
    while names:
        query = "&".join(f"name=prod/{n}" for n in names)
        body = rest.get(f"/api/configs:batchGet?{query}", headers=from_then_on(made)).json()
        assert body["configs"] and not body["missing"]
        got += [d["service_name"] for d in body["configs"]]
        names = [n["service_name"] for n in body["unprocessed"]]
    assert got == [f"{name}-{i}" for i in range(8)]


@pytest.mark.parametrize("query, at", [
    ("", []), ("?" + "&".join(["name=x"] * 101), []), ("?name=", [0]), ("?name=a/b/c", [0]),
    ("?name=a/", [0]), ("?name=/b", [0]), ("?name=%FF", [0]), ("?name=x&name=a%00b", [1])])
def test_malformed_batches(rest, query, at):
    answer = rest.get("/api/configs:batchGet" + query)
    assert answer.status == 422, answer
    assert answer.json()["detail"][0]["loc"] == ["query", "name", *at]


def test_a_batch_of_a_list(rest, path, name):
    names = [f"prod/{name}", name, {"service_name": name, "environment": "prod"},
             {"service_name": name}, {"service_name": "x&y", "environment": "é b"}]
    answer = rest.post("/api/configs:batchGet", {"names": names})
    assert answer.status == 200 and answer.headers["X-Config-Revision"]
    by_query = rest.get(f"/api/configs:batchGet?name=prod/{name}&name={name}&name=prod/{name}"
                        f"&name={name}&name=%C3%A9%20b/x%26y")
    assert answer.body == by_query.body
    assert [d["environment"] for d in answer.json()["configs"]] == ["prod", "prod"]
    again = rest.post("/api/configs:batchGet", {"names": answer.json()["missing"]})
    assert again.json()["missing"] == answer.json()["missing"]


def test_a_batch_of_1000_names(rest, registry, name):
    made = registry.create(f"{name}-{'x' * 200}-999")
    names = [f"prod/{name}-{'x' * 200}-{i}" for i in range(1000)]
    answer = rest.post("/api/configs:batchGet", {"names": names}, headers=from_then_on(made))
    assert len(answer.json()["configs"]) == 1 and len(answer.json()["missing"]) == 999
    answer = rest.post("/api/configs:batchGet", {"names": [*names, "x"]})
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["body", "names"])


@pytest.mark.parametrize("body, loc", [
    ("{}", ["body", "names"]), ('{"names":{}}', ["body", "names"]),
    ('{"names":[]}', ["body", "names"]), ('{"names":["a",1]}', ["body", "names", 1]),
    ('{"names":["a/b/c"]}', ["body", "names", 0]), ('{"names":["a","b",""]}', ["body", "names", 2]),
    ('{"names":[{"environment":"a"}]}', ["body", "names", 0]),
    ('{"names":[{"service_name":"a/b"}]}', ["body", "names", 0]),
    ('{"names":[{"service_name":"b","environment":"a/b"}]}', ["body", "names", 0]),
    ('{"names":[{"service_name":null}]}', ["body", "names", 0]), ("[]", ["body"]), ("", ["body"])])
def test_malformed_batches_of_a_list(rest, body, loc):
    answer = rest.post("/api/configs:batchGet", body)
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, loc), answer
    assert rest.post("/api/configs:batchGet?name=a", '{"names":["a"]}').status == 422


# ---- The document ----

def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_document_is_whole(rest):
    document = rest.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for reference in set(references(document)):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    identifiers = [operation["operationId"] for item in document["paths"].values()
                   for method, operation in item.items() if method != "parameters"]
    assert len(identifiers) == len(set(identifiers))


# ---- Names that are not known ----

def test_what_is_ignored_is_named(rest, path):
    document = {"config_data": {"a": 2}, "coment": "why"}
    answer = rest.put(path + "&env=dev", document)
    assert (answer.status, answer.headers["X-Config-Ignored"]) == (200, "env, coment")
    for call in (path + "&env=dev", path.replace("?", "/history?") + "&env=dev",
                 "/api/configs?environment=prod&env=dev"):
        answer = rest.get(call)
        assert (answer.status, answer.headers["X-Config-Ignored"]) == (200, "env"), call
    assert "X-Config-Ignored" not in rest.get(path).headers


def test_who_wants_nothing_ignored_says_so(rest, path):
    strict = {"Prefer": "handling=strict"}
    answer = rest.call("PUT", path, {"config_data": {"a": 2}, "coment": "why"}, strict)
    [fault] = answer.json()["detail"]
    assert (answer.status, fault["loc"], fault["type"]) == (
        422, ["body", "coment"], "extra_forbidden")
    assert fault["msg"].endswith("did you mean comment?")
    answer = rest.call("GET", path, None, strict)
    assert (answer.status, answer.headers["Preference-Applied"]) == (200, "handling=strict")
    assert answer.headers["X-Config-Version"] == "1"


@pytest.mark.parametrize("kind", ["application/json-patch+json", "application/merge-patch+json"])
@pytest.mark.parametrize("method, body", [("PUT", "[]"), ("PUT", '{"a":1}'), ("POST", '[{"op":"x"}]')])
def test_a_patch_that_is_sent_to_another_call(rest, path, kind, method, body):
    answer = rest.call(method, path, body, {"Content-Type": kind})
    [fault] = answer.json()["detail"]
    assert answer.status == 422 and "A patch goes to PATCH" in fault["msg"], answer
    whole = rest.call("PUT", path, '{"config_data":{}}', {"Content-Type": kind})
    assert whole.status == 200  # as the old service has it


# ---- HEAD ----

def test_head_has_the_headers_of_get(rest, registry, gateway, path, name):
    document = json.loads(rest.get("/openapi.json").body)
    rest.put(path, DATA)
    for title in ("one", "two"):
        assert rest.put(f"/api/schemas/{name}?environment=prod", {"schema": {"title": title}}).status < 300
    wanted = {"service_name": f"service_name={name}", "name": f"name=prod/{name}"}
    for route, item in document["paths"].items():
        if "get" not in item or route in ("/api/watch", "/metrics", "/health", "/stats"):
            continue
        required = [wanted[p["name"]] for p in item["get"].get("parameters", [])
                    if p.get("in") == "query" and p.get("required") and p["name"] in wanted]
        target = path_of(route, name) + "?" + "&".join(required)
        target += "" if route.startswith("/api/configs:") or route == "/api/session" else "&environment=prod"
        target += "&new_environment=default" * (route == "/api/diff")
        get, head = rest.get(target), rest.call("HEAD", target)
        assert (head.status, head.body) == (get.status, b""), target
        assert get.status == 200, (target, get)
        headers, found = ({k: v for k, v in answer.headers.items() if k != "Date"}
                          for answer in (get, head))
        if headers.pop("Transfer-Encoding", None) is None:  # a long list
            assert int(headers["Content-Length"]) == len(get.body), target
        assert found == headers, target
