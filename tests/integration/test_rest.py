"""The documented HTTP contract: every call, answer by answer."""

import gzip
import json
import re

import pytest
from calls import create_change
from daemon import Gateway, until
from rest import Rest, from_then_on

V1 = {"same": 1, "gone": True, "port": 5432}
V2 = {"same": 1, "port": 5433}
V3 = {"same": 1.0, "port": 5433, "new": None}
NOT_FOUND = {"detail": "Configuration not found"}
TOO_FEW = {"detail": "Not enough versions to compare"}
ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$")


def exists(name, environment="prod"):
    return {"detail": f"Configuration for {name}/{environment} already exists. Use update instead."}


def missing(name, environment="prod"):
    return {"detail":
            f"Configuration for {name}/{environment} does not exist. Use create instead."}


@pytest.fixture
def three(rest, name):
    """A config with three versions in environment prod."""
    path = f"/api/configs/{name}?environment=prod"
    bodies = [{"config_data": V1, "comment": "one", "created_by": "ada"},
              {"config_data": V2}, {"config_data": V3, "comment": "three"}]
    assert rest.post(path, bodies[0]).status == 201
    for body in bodies[1:]:
        assert rest.put(path, body).status == 200
    return name


def document(answer, **expected):
    """Checks a config document and the members that are given."""
    body = answer if isinstance(answer, dict) else answer.json()
    assert list(body) == ["service_name", "environment", "version", "config_data", "created_at",
                          "updated_at", "created_by", "comment"]
    assert ISO.match(body["created_at"]) and ISO.match(body["updated_at"]), body
    assert {key: body[key] for key in expected} == expected
    return True


def changes(old, new, added, removed, changed):
    """A diff's body."""
    def matches(name, body):
        return body == {"service_name": name, "environment": "prod", "old_version": old,
                        "new_version": new, "added": added, "removed": removed,
                        "changed": changed}

    return matches


def numbers(*versions):
    return lambda _, body: [d["version"] for d in body] == list(versions)


def unprocessable(*errors):
    """A 422's body: (loc, type) of each error, in order; msg is free text."""
    def matches(_, body):
        found = [(error["loc"], error["type"]) for error in body["detail"]]
        assert found == [(list(loc), kind) for loc, kind in errors], found
        return all(isinstance(e["msg"], str) and e["msg"] for e in body["detail"])

    return matches


def not_a_number(*parameters):
    return unprocessable(*((("query", p), "int_parsing") for p in parameters))


P = "/api/configs/{name}"
E = "?environment=prod"
PORT_12 = {"port": {"old": 5432, "new": 5433}}

# What is asked of a config with three versions: title, request line, status, body. The body is a
# value, or a function that checks it, given the config's name.
READS = [
    ("the head", f"GET {P}{E}", 200, V3),
    ("a version", f"GET {P}{E}&version=1", 200, V1),
    ("a version with a sign and zeros", f"GET {P}{E}&version=%2B002", 200, V2),
    ("a version with a blank for a plus", f"GET {P}{E}&version=+2", 200, V2),
    ("an unknown config", "GET /api/configs/no-such" + E, 404, NOT_FOUND),
    ("another environment", f"GET {P}?environment=dev", 404, NOT_FOUND),
    ("no environment is default", f"GET {P}", 404, NOT_FOUND),
    ("an unknown version", f"GET {P}{E}&version=4", 404, NOT_FOUND),
    ("version 0", f"GET {P}{E}&version=0", 404, NOT_FOUND),
    ("a negative version", f"GET {P}{E}&version=-1", 404, NOT_FOUND),
    ("a very large version", f"GET {P}{E}&version=18446744073709551617", 404, NOT_FOUND),
    ("an empty version", f"GET {P}{E}&version=", 422, not_a_number("version")),
    ("a word for a version", f"GET {P}{E}&version=one", 422, not_a_number("version")),
    ("a fraction for a version", f"GET {P}{E}&version=1.5", 422, not_a_number("version")),
    ("unknown parameters are ignored", f"GET {P}{E}&verbose=1&x", 200, V3),
    ("the last of a repeated parameter", f"GET {P}?environment=dev&environment=prod", 200, V3),
    ("the last of a repeated number", f"GET {P}{E}&version=x&version=1", 200, V1),
    ("an empty environment", f"GET {P}?environment=", 422,
     lambda _, b: b["detail"][0]["loc"] == ["query", "environment"]),
    ("history", f"GET {P}/history{E}", 200, numbers(3, 2, 1)),
    ("history with a limit", f"GET {P}/history{E}&limit=2", 200, numbers(3, 2)),
    ("history of nothing asked", f"GET {P}/history{E}&limit=0", 200, []),
    ("history without the oldest", f"GET {P}/history{E}&limit=-1", 200, numbers(3, 2)),
    ("history without the oldest two", f"GET {P}/history{E}&limit=-2", 200, numbers(3)),
    ("history without more than there is", f"GET {P}/history{E}&limit=-9", 200, []),
    ("history with a huge limit", f"GET {P}/history{E}&limit=1000000", 200, numbers(3, 2, 1)),
    ("history of nothing", f"GET /api/configs/no-such/history{E}", 200, []),
    ("history with a word for a limit", f"GET {P}/history{E}&limit=all", 422,
     not_a_number("limit")),
    ("diff of the newest two", f"GET {P}/diff{E}", 200, changes(2, 3, {"new": None}, {}, {})),
    ("diff of two", f"GET {P}/diff{E}&old_version=1&new_version=2", 200,
     changes(1, 2, {}, {"gone": True}, PORT_12)),
    ("diff backwards", f"GET {P}/diff{E}&old_version=2&new_version=1", 200,
     changes(2, 1, {"gone": True}, {}, {"port": {"old": 5433, "new": 5432}})),
    ("diff of one with itself", f"GET {P}/diff{E}&old_version=2&new_version=2", 200,
     changes(2, 2, {}, {}, {})),
    ("diff from an old one", f"GET {P}/diff{E}&old_version=1", 200,
     changes(1, 3, {"new": None}, {"gone": True}, PORT_12)),
    ("diff to an old one", f"GET {P}/diff{E}&new_version=1", 200,
     changes(2, 1, {"gone": True}, {}, {"port": {"old": 5433, "new": 5432}})),
    ("diff with an unknown old version", f"GET {P}/diff{E}&old_version=9", 400,
     {"detail": "Version 9 not found"}),
    ("diff with two unknown versions", f"GET {P}/diff{E}&old_version=8&new_version=9", 400,
     {"detail": "Version 9 not found"}),
    ("diff with version 0", f"GET {P}/diff{E}&old_version=0", 400,
     {"detail": "Version 0 not found"}),
    ("diff with a negative version", f"GET {P}/diff{E}&old_version=1&new_version=-3", 400,
     {"detail": "Version -3 not found"}),
    ("diff of nothing", f"GET /api/configs/no-such/diff{E}", 400, TOO_FEW),
    ("diff of nothing with one version", f"GET /api/configs/no-such/diff{E}&old_version=1", 400,
     TOO_FEW),
    ("diff of nothing with both versions",
     f"GET /api/configs/no-such/diff{E}&old_version=1&new_version=2", 400,
     {"detail": "Version 2 not found"}),
    ("diff with two words", f"GET {P}/diff{E}&new_version=b&old_version=a", 422,
     not_a_number("old_version", "new_version")),
    ("the list of a service", "GET /api/configs?service_name={name}", 200, numbers(3)),
    ("the list of both", "GET /api/configs?service_name={name}&environment=prod", 200, numbers(3)),
    ("the list of nothing", "GET /api/configs?service_name={name}&environment=dev", 200, []),
    ("empty filters are none", "GET /api/configs?service_name={name}&environment=", 200,
     numbers(3)),
    ("an unknown path", "GET /api/nothing", 404, {"detail": "Not Found"}),
    ("an unknown path below a config", f"GET {P}/nothing", 404, {"detail": "Not Found"}),
    ("the root", "GET /", 404, {"detail": "Not Found"}),
    ("a slash in a name", "GET /api/configs/a%2Fb" + E, 404, None),
    ("a wrong method", f"PATCH {P}/history", 405, {"detail": "Method Not Allowed"}),
    ("a wrong method for the list", "DELETE /api/configs", 405, {"detail": "Method Not Allowed"}),
    ("a wrong method for health", "POST /health", 405, {"detail": "Method Not Allowed"}),
    ("a name that is not UTF-8", "GET /api/configs/a%FFb", 422, None),
    ("a name that is too long", "GET /api/configs/" + "x" * 256, 422, None),
    ("a control character in a name", "GET /api/configs/a%01b", 422, None),
    ("deleting an unknown version", f"DELETE {P}{E}&version=9", 200, {"deleted": 0}),
    ("deleting version 0", f"DELETE {P}{E}&version=0", 200, {"deleted": 0}),
    ("deleting a negative version", f"DELETE {P}{E}&version=-1", 200, {"deleted": 0}),
    ("deleting an unknown config", "DELETE /api/configs/no-such" + E, 200, {"deleted": 0}),
    ("deleting with a word", f"DELETE {P}{E}&version=x", 422, not_a_number("version")),
]


@pytest.mark.parametrize("request_line, status, expected", [row[1:] for row in READS],
                         ids=[row[0] for row in READS])
def test_reads_and_refusals(rest, three, request_line, status, expected):
    method, path = request_line.replace("{name}", three).split(" ")
    answer = rest.call(method, path)
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/json"
    if callable(expected):
        assert expected(three, answer.json()), answer
    elif expected is not None:
        assert answer.documented() == expected
    history = rest.get(f"/api/configs/{three}/history?environment=prod").json()
    assert [d["version"] for d in history] == [3, 2, 1], "a refused request changed something"


# ---- Bodies that are refused ----

MODEL = ((["body"], "model_attributes_type"),)
BODIES = [
    ("empty", "", [(["body"], "missing")]),
    ("no JSON", "{", "json_invalid"),
    ("no JSON at all", "hello", "json_invalid"),
    ("two values", "{}{}", "json_invalid"),
    ("null", "null", MODEL),
    ("an array", "[]", MODEL),
    ("a string", '"x"', MODEL),
    ("a number", "1", MODEL),
    ("no config_data", "{}", [(["body", "config_data"], "missing")]),
    ("config_data null", '{"config_data":null}', [(["body", "config_data"], "dict_type")]),
    ("config_data an array", '{"config_data":[]}', [(["body", "config_data"], "dict_type")]),
    ("config_data a string", '{"config_data":"{}"}', [(["body", "config_data"], "dict_type")]),
    ("comment a number", '{"config_data":{},"comment":1}', [(["body", "comment"], "string_type")]),
    ("comment null", '{"config_data":{},"comment":null}', [(["body", "comment"], "string_type")]),
    ("created_by null", '{"config_data":{},"created_by":null}',
     [(["body", "created_by"], "string_type")]),
    ("everything", '{"created_by":[],"comment":{},"config_data":1}',
     [(["body", "config_data"], "dict_type"), (["body", "comment"], "string_type"),
      (["body", "created_by"], "string_type")]),
    ("two of three", '{"created_by":0}',
     [(["body", "config_data"], "missing"), (["body", "created_by"], "string_type")]),
]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("body, expected", [row[1:] for row in BODIES],
                         ids=[row[0] for row in BODIES])
def test_bodies_that_are_refused(rest, name, method, body, expected):
    """422 comes before any look at what exists."""
    answer = rest.call(method, f"/api/configs/{name}?environment=prod", body)
    assert answer.status == 422, answer
    errors = answer.json()["detail"]
    if expected == "json_invalid":
        assert [e["type"] for e in errors] == ["json_invalid"]
        assert errors[0]["loc"][0] == "body" and isinstance(errors[0]["loc"][1], int)
    else:
        assert [(e["loc"], e["type"]) for e in errors] == [(list(l), t) for l, t in expected]
    assert all(e["msg"] for e in errors)
    assert rest.get(f"/api/configs/{name}?environment=prod").status == 404


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded",
                                          "application/xml"])
def test_a_content_type_that_is_not_json(rest, name, content_type):
    answer = rest.post(f"/api/configs/{name}", '{"config_data":{}}',
                       headers={"Content-Type": content_type})
    assert answer.status == 422
    assert answer.json()["detail"][0]["type"] == "model_attributes_type"
    assert answer.json()["detail"][0]["loc"] == ["body"]
    assert "Content-Type should be application/json" in answer.json()["detail"][0]["msg"]


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/api/configs/{name}", {"config_data": {}}),
    ("PUT", "/api/configs/{name}", {"config_data": {}}), ("PATCH", "/api/configs/{name}", {}),
    ("POST", "/api/configs/{name}/rollback", {"version": 1})])
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "identity, br", "x", "deflate"])
def test_bodies_under_a_content_coding(rest, name, method, path, body, coding):
    path = path.format(name=name)
    answer = rest.call(method, path, gzip.compress(json.dumps(body).encode()),
                       {"Content-Type": "application/json", "Content-Encoding": coding})
    assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "identity")
    assert "Content-Encoding" in answer.json()["detail"]
    plain = rest.call(method, path, body, {"Content-Encoding": "Identity"})
    assert plain.status in (200, 201, 400, 404)


def test_a_version_does_not_go_with_resolve(rest, name):
    answer = rest.get(f"/api/configs/{name}?version=0&resolve=true")
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["query", "version"])


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON",
                                          "application/merge+json"])
def test_content_types_that_are_json(rest, name, content_type):
    answer = rest.post(f"/api/configs/{name}", '{"config_data":{}}',
                       headers={"Content-Type": content_type})
    assert answer.status == 201, answer


def test_what_a_body_holds_beyond_is_ignored(rest, name):
    body = {"config_data": {"a": 1}, "service_name": "other", "version": 9, "x": [1]}
    document(rest.post(f"/api/configs/{name}", body), service_name=name, version=1)


def test_the_longest_texts(rest, name):
    texts = {"comment": "\n" * 65536, "created_by": "é" * 512}
    path = f"/api/configs/{name}"
    document(rest.post(path, {"config_data": {}, **texts}), version=1, **texts)
    document(rest.put(path, {"config_data": {}, **texts}), version=2, **texts)
    rolled_back = rest.post(f"{path}/rollback", {"version": 1, **texts})
    document(rolled_back, version=3, **texts)
    for listed in rest.get(f"{path}/history").json():
        document(listed, **texts)
    document(rest.get(f"/api/configs?service_name={name}").json()[0], version=3, **texts)


@pytest.mark.parametrize("member, limit", [("comment", 65536), ("created_by", 1024)])
def test_texts_that_are_too_long_are_refused_by_name(rest, name, member, limit):
    answer = rest.post(f"/api/configs/{name}", {"config_data": {}, member: "x" * (limit + 1)})
    [fault] = answer.json()["detail"]
    assert answer.status == 422 and fault["loc"] == ["body", member]
    assert fault["type"] == "string_too_long" and str(limit) in fault["msg"]


LIMITS = [
    ("a payload of more than 1 MiB", '{"config_data":{"x":"%s"}}' % ("y" * (1 << 20)), 413),
    ("65 levels", '{"config_data":%s}' % ('{"a":' * 65 + "1" + "}" * 65), 422),
    ("an integer beyond 64 bits", '{"config_data":{"a":9223372036854775808}}', 422),
    ("a number beyond a double", '{"config_data":{"a":1e999}}', 422),
    ("a key twice", '{"config_data":{"a":1,"a":2}}', 422),
    ("a lone surrogate", '{"config_data":{"a":"\\ud800"}}', 422),
    ("NaN", '{"config_data":{"a":NaN}}', 422),
    ("a long comment", '{"config_data":{},"comment":"%s"}' % ("x" * 65537), 422),
    ("a long created_by", '{"config_data":{},"created_by":"%s"}' % ("x" * 1025), 422),
]


@pytest.mark.parametrize("body, status", [row[1:] for row in LIMITS], ids=[r[0] for r in LIMITS])
def test_limits(rest, name, body, status):
    answer = rest.post(f"/api/configs/{name}", body)
    assert answer.status == status, answer
    assert answer.json()["detail"]
    assert rest.get(f"/api/configs/{name}").status == 404


# ---- What writes do ----

def test_create(rest, name):
    answer = rest.post(f"/api/configs/{name}?environment=prod",
                       {"config_data": V1, "comment": "why", "created_by": "ada"})
    assert answer.status == 201
    document(answer, service_name=name, environment="prod", version=1, config_data=V1,
             created_by="ada", comment="why")


def test_create_of_what_exists_and_update_of_what_does_not(rest, three):
    path = f"/api/configs/{three}"
    answer = rest.post(path + "?environment=prod", {"config_data": {}})
    assert (answer.status, answer.documented()) == (400, exists(three))
    answer = rest.put(path + "?environment=dev", {"config_data": {}})
    assert (answer.status, answer.documented()) == (400, missing(three, "dev"))
    assert rest.get(path + "?environment=prod").json() == V3


def test_create_with_defaults(rest, name):
    answer = rest.post(f"/api/configs/{name}", {"config_data": {}})
    assert answer.status == 201
    document(answer, environment="default", comment="Initial configuration", created_by="system")


def test_update_with_defaults(rest, three):
    answer = rest.put(f"/api/configs/{three}?environment=prod", {"config_data": V1})
    assert answer.status == 200
    document(answer, version=4, config_data=V1, comment="Updated to version 4",
             created_by="system")


def test_empty_texts(rest, name):
    path = f"/api/configs/{name}"
    body = {"config_data": {}, "comment": "", "created_by": ""}
    document(rest.post(path, body), comment="Initial configuration", created_by="")
    document(rest.put(path, body), comment="Updated to version 2", created_by="")


def test_create_over_an_empty_payload_is_refused(rest, name):
    path = f"/api/configs/{name}?environment=prod"
    assert rest.post(path, {"config_data": {}}).status == 201
    answer = rest.post(path, {"config_data": V1})
    assert (answer.status, answer.documented()) == (400, exists(name))
    assert rest.get(path).json() == {}


def test_history_holds_documents(rest, three):
    documents = rest.get(f"/api/configs/{three}/history?environment=prod").json()
    for version, data, comment, author in ((3, V3, "three", "system"),
                                           (2, V2, "Updated to version 2", "system"),
                                           (1, V1, "one", "ada")):
        document(documents[3 - version], service_name=three, environment="prod", version=version,
                 config_data=data, comment=comment, created_by=author)
    created = [d["created_at"] for d in documents]
    assert created == sorted(created, reverse=True)
    assert all(d["created_at"] == d["updated_at"] for d in documents)


def test_history_shows_ten_where_no_limit_is_given(rest, name):
    path = f"/api/configs/{name}"
    rest.post(path, {"config_data": {}})
    for _ in range(11):
        rest.put(path, {"config_data": {}})
    assert [d["version"] for d in rest.get(path + "/history").json()] == list(range(12, 2, -1))
    assert len(rest.get(path + "/history?limit=100").json()) == 12


def test_a_long_history(rest, registry, name):
    for _ in range(1300):
        registry.update(name, environment="default", allow_missing=True)
    path = f"/api/configs/{name}/history"
    versions = [d["version"] for d in rest.get(path + "?limit=5000").json()]
    assert versions == list(range(1300, 0, -1))
    versions = [d["version"] for d in rest.get(path + "?limit=-5").json()]
    assert versions == list(range(1300, 5, -1))


def test_the_list_holds_the_newest_documents(rest, three):
    rest.post(f"/api/configs/{three}?environment=dev", {"config_data": V1})
    documents = rest.get(f"/api/configs?service_name={three}").json()
    assert {d["environment"]: d["version"] for d in documents} == {"prod": 3, "dev": 1}
    for one in documents:
        document(one, service_name=three)
    everything = rest.get("/api/configs").json()
    assert len(everything) >= 2 and documents[0] in everything


def test_a_long_list(rest, registry, name):
    names = [f"{name}-{i:04}" for i in range(1280)]
    for start in range(0, len(names), 128):
        made = registry.commit([create_change(n, environment=f"env-{name}")
                                for n in names[start:start + 128]])
    documents = rest.get(f"/api/configs?environment=env-{name}", headers=from_then_on(made)).json()
    assert sorted(d["service_name"] for d in documents) == names


def test_delete_of_one_version(rest, three):
    path = f"/api/configs/{three}?environment=prod"
    assert rest.delete(path + "&version=3").json() == {"deleted": 1}
    assert rest.get(path).json() == V2
    assert rest.get(path + "&version=3").status == 404
    history = rest.get(f"/api/configs/{three}/history?environment=prod").json()
    assert [d["version"] for d in history] == [2, 1]
    answer = rest.get(f"/api/configs/{three}/diff?environment=prod&old_version=3&new_version=1")
    assert (answer.status, answer.documented()) == (400, {"detail": "Version 3 not found"})
    assert rest.delete(path + "&version=3").json() == {"deleted": 0}
    assert rest.put(path, {"config_data": {}}).json()["version"] == 4


def test_delete_of_a_config(rest, three):
    path = f"/api/configs/{three}?environment=prod"
    answer = rest.delete(path)
    assert (answer.status, answer.json()) == (200, {"deleted": 3})
    assert rest.get(path).documented() == NOT_FOUND
    assert rest.get(f"/api/configs/{three}/history?environment=prod").json() == []
    answer = rest.put(path, {"config_data": {}})
    assert (answer.status, answer.documented()) == (400, missing(three))
    document(rest.post(path, {"config_data": {}}), version=4, comment="Initial configuration")


@pytest.mark.parametrize("query, body, named", [
    ("&verison=1", None, ["query", "verison"]), ("&Version=1", None, ["query", "Version"]),
    ("&version=1&version=1", None, ["query", "version"]),
    ("&environment=prod", None, ["query", "environment"]), ("&force", None, ["query", "force"]),
    ("&version=1", "{}", ["body"]), ("", '{"version":1}', ["body"]), ("", " ", ["body"]),
    ("", "x" * 300_000, ["body"])])
def test_a_delete_that_may_not_be_meant_so_deletes_nothing(rest, three, query, body, named):
    path = f"/api/configs/{three}?environment=prod"
    answer = rest.delete(path + query, body=body)
    assert (answer.status, [fault["loc"] for fault in answer.json()["detail"]]) == (422, [named])
    assert len(rest.get(f"/api/configs/{three}/history?environment=prod").json()) == 3


def test_a_delete_with_a_body_in_chunks_deletes_nothing(rest, three):
    head = (f"DELETE /api/configs/{three}?environment=prod HTTP/1.1\r\nHost: x\r\n"
            "Transfer-Encoding: chunked\r\n\r\n")
    answer = rest.raw(head.encode() + b"d\r\n{\"version\":1}\r\n0\r\n\r\n")
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["body"])
    answer = rest.raw(head.replace("?", "?version=1&").encode() + b"0\r\n\r\n")
    assert answer.json() == {"deleted": 1}


def test_diff_skips_deleted_versions(rest, three):
    rest.delete(f"/api/configs/{three}?environment=prod&version=2")
    answer = rest.get(f"/api/configs/{three}/diff?environment=prod").json()
    assert (answer["old_version"], answer["new_version"]) == (1, 3)
    rest.delete(f"/api/configs/{three}?environment=prod&version=1")
    answer = rest.get(f"/api/configs/{three}/diff?environment=prod")
    assert (answer.status, answer.documented()) == (400, TOO_FEW)
    answer = rest.get(f"/api/configs/{three}/diff?environment=prod&old_version=3&new_version=3")
    assert answer.status == 200


def test_diff_compares_json_values(rest, name):
    path = f"/api/configs/{name}"
    rest.post(path, '{"config_data":{"one":1,"true":true,"order":{"a":1,"b":[1,2]},"s":"\\u0061",'
                    '"zero":0,"list":[1,2]}}')
    rest.put(path, '{"config_data":{"one":1.0,"true":1,"order":{"b":[1.0,2],"a":1},"s":"a",'
                   '"zero":false,"list":[2,1]}}')
    assert rest.get(path + "/diff").json()["changed"] == {
        "true": {"old": True, "new": 1}, "zero": {"old": 0, "new": False},
        "list": {"old": [1, 2], "new": [2, 1]}}


# ---- Conditions ----

def test_etags(rest, three):
    path = f"/api/configs/{three}?environment=prod"
    first = rest.get(path)
    etag = first.headers["ETag"]
    assert etag.startswith('"') and etag.endswith('"')
    assert first.headers["X-Config-Version"] == "3"
    assert first.headers["X-Config-Revision"] in etag
    for known in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        answer = rest.get(path, headers={"If-None-Match": known})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag), known
    assert rest.get(path, headers={"If-None-Match": '"x"'}).json() == V3
    written = rest.put(path, {"config_data": V1})
    assert written.headers["ETag"] != etag
    answer = rest.get(path, headers={"If-None-Match": etag})
    assert (answer.status, answer.headers["ETag"]) == (200, written.headers["ETag"])


@pytest.mark.parametrize("query", ["", "&version=3", "&resolve=true"])
@pytest.mark.parametrize("extra", [{}, {"Cache-Control": "no-cache"}])
def test_what_is_known_is_told_with_its_length(rest, three, query, extra):
    """A cache would take another length for the config's."""
    path = f"/api/configs/{three}?environment=prod{query}"
    length = rest.get(path).headers["Content-Length"]
    answer = rest.get(path, headers={"If-None-Match": "*", **extra})
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (304, b"", length)


def test_an_etag_changes_when_the_head_falls_back(rest, three):
    """A config that shows an old version again is not what it was then."""
    path = f"/api/configs/{three}?environment=prod"
    rest.delete(path + "&version=3")
    second = rest.get(path).headers["ETag"]
    rest.put(path, {"config_data": V3})
    rest.delete(path + "&version=4")
    answer = rest.get(path, headers={"If-None-Match": second})
    assert answer.status == 200 and answer.headers["X-Config-Version"] == "2"


def test_if_match(rest, three):
    path = f"/api/configs/{three}?environment=prod"
    old = rest.get(path).headers["ETag"]
    current = rest.put(path, {"config_data": V1}, headers={"If-Match": old}).headers["ETag"]
    for call in (lambda h: rest.put(path, {"config_data": V2}, headers=h),
                 lambda h: rest.delete(path, headers=h),
                 lambda h: rest.delete(path + "&version=1", headers=h)):
        for wrong in (old, '"x"'):
            answer = call({"If-Match": wrong})
            assert answer.status == 412 and answer.json()["detail"], answer
    assert len(rest.get(f"/api/configs/{three}/history?environment=prod").json()) == 4
    assert rest.delete(path, headers={"If-Match": current}).json() == {"deleted": 4}
    assert rest.put(path, {"config_data": V2}, headers={"If-Match": current}).status == 412


# ---- JSON, names, paths, bodies ----

KEPT = ('{"z":1.0,"a":1.50,"e":1E+05,"big":9223372036854775807,"digits":0.10000000000000000555,'
        '"esc":"\\u00e9\\/","raw":"é","n":{"b":1,"a":[]}}')


def test_json_is_kept(rest, name):
    path = f"/api/configs/{name}"
    answer = rest.post(path, '{"config_data": %s}' % KEPT)
    assert f'"config_data":{KEPT},'.encode() in answer.body.replace(b'": ', b'":'), answer.body
    assert rest.get(path).body == KEPT.encode()
    assert rest.get(path + "?version=1").body == KEPT.encode()
    assert KEPT.encode() in rest.get(path + "/history").body
    assert KEPT.encode() in rest.get("/api/configs?service_name=" + name).body
    rest.put(path, {"config_data": {}})
    assert b'"digits":0.10000000000000000555' in rest.get(path + "/diff").body


@pytest.mark.parametrize("encoded, plain", [
    ("a+b", "a+b"), ("a%20b", "a b"), ("%E6%97%A5%E6%9C%AC", "日本"), ("a%3Fb", "a?b"),
    ("a%26b%3D", "a&b="), ("a%22b%5C", 'a"b\\'), ("...", "..."), ("%2e%2ea", "..a"), ("a:b;c", "a:b;c"),
    ("a%25b", "a%b"), ("%C3%A9", "é"), ("x" * 255, "x" * 255)])
def test_names_in_paths(rest, registry, name, encoded, plain):
    path = f"/api/configs/{encoded}"
    query = f"?environment=env-{name}"
    assert rest.post(path + query, {"config_data": {"a": 1}}).status == 201
    assert registry.get(plain, environment=f"env-{name}").config.service_name == plain
    assert rest.get(path + query).json() == {"a": 1}
    document(rest.get(f"{path}/history{query}").json()[0], service_name=plain)


@pytest.mark.parametrize("path, place", [
    ("/api/configs/.", ["path", "service_name"]), ("/api/configs/..", ["path", "service_name"]),
    ("/api/configs/%2E%2e", ["path", "service_name"]),
    ("/api/configs/x?environment=..", ["query", "environment"]),
    ("/api/configs?service_name=.", ["query", "service_name"]),
    ("/api/watch?environment=.", ["query", "environment"])])
def test_names_that_paths_cannot_hold(rest, path, place):
    answer = rest.get(path)
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, place), answer


def test_a_plus_in_a_query_is_a_blank(rest, registry, name):
    assert rest.post(f"/api/configs/{name}?environment=a+b", {"config_data": {}}).status == 201
    assert registry.get(name, environment="a b").config.version == 1
    assert rest.get(f"/api/configs/{name}?environment=a%20b").status == 200
    assert rest.get(f"/api/configs/{name}?environment=a%2Bb").status == 404


@pytest.mark.parametrize("path", ["/api/configs/", "/api/configs/x/", "/api/configs/x/history/",
                                  "/health/"])
def test_a_slash_at_the_end_is_sent_on(rest, path):
    answer = rest.get(path)
    assert answer.status == 307
    assert answer.headers["Location"].endswith(path[:-1])
    assert rest.get(path + "?environment=prod").headers["Location"].endswith(
        path[:-1] + "?environment=prod")


def test_a_chunked_body(rest, name):
    request = (f"POST /api/configs/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    for piece in (b'{"config', b'_data":', b'{"a":1}}'):
        request += b"%x\r\n%s\r\n" % (len(piece), piece)
    answer = rest.raw(request + b"0\r\n\r\n")
    assert answer.status == 201
    assert rest.get(f"/api/configs/{name}").json() == {"a": 1}


def test_expect_100_continue(rest, name):
    body = b'{"config_data":{"a":1}}'
    head = (f"POST /api/configs/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Expect: 100-continue\r\n\r\n").encode()
    with rest.open() as sock:
        sock.sendall(head)
        reader = sock.makefile("rb")
        assert b" 100 " in reader.readline()
        assert reader.readline() == b"\r\n"
        sock.sendall(body)
        assert b" 201 " in reader.readline()


def test_a_body_that_comes_byte_by_byte(rest, name):
    body = b'{"config_data":{"a":1}}'
    head = (f"POST /api/configs/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    with rest.open() as sock:
        for byte in head + body:
            sock.send(bytes([byte]))
        assert b" 201 " in sock.makefile("rb").readline()


def test_several_requests_on_one_connection(rest, name):
    one = f"PUT /api/configs/{name} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    body = '{"config_data":{"n":1}}'
    rest.post(f"/api/configs/{name}", body)
    put = f"{one}Content-Length: {len(body)}\r\n\r\n{body}"
    get = f"GET /api/configs/{name} HTTP/1.1\r\nHost: x\r\n\r\n"
    last = f"GET /api/configs/{name}/history HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with rest.open() as sock:
        sock.sendall((put + get + put + get + last).encode())
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert answer.count(b"HTTP/1.1 200") == 5
    assert len(rest.get(f"/api/configs/{name}/history").json()) == 3


def test_head_is_get_without_a_body(rest, three):
    with rest.open() as sock:
        sock.sendall(f"HEAD /api/configs/{three}?environment=prod HTTP/1.1\r\nHost: x\r\n"
                     "Connection: close\r\n\r\n".encode())
        answer = sock.makefile("rb").read()
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 405"))


# ---- Health, counters ----

def test_health_and_counters(launch, confregd):
    rest = Rest(launch(Gateway, confregd.listen).start().port)
    health = rest.get("/health").json()
    assert list(health)[:3] == ["status", "service", "version"]
    assert (health["status"], health["service"]) == ("healthy", "config-registry")
    sent = health["notifications_sent"]
    zero = {"configs_created": 0, "configs_updated": 0, "configs_retrieved": 0}
    assert {k: health[k] for k in zero} == zero
    assert rest.get("/stats").json() == {**zero, "configs_deleted": 0, "notifications_sent": sent}

    path = "/api/configs/counted"
    rest.post(path, {"config_data": {}})
    rest.post(path, {"config_data": {}})
    rest.put(path, {"config_data": {}})
    rest.put(path, {"config_data": {}})
    rest.put(path, "{")
    rest.get(path)
    rest.get(path + "?version=2")
    rest.get(path + "?version=9")
    rest.get(path + "/history")
    rest.get("/api/configs?service_name=counted")
    rest.delete(path + "?version=1")
    rest.delete(path)
    rest.delete(path)
    expected = {"configs_created": 1, "configs_updated": 2, "configs_retrieved": 2,
                "configs_deleted": 3}
    stats = until(lambda: (s := rest.get("/stats").json())["notifications_sent"] >= sent + 5 and s,
                  "five notifications")
    assert stats == {**expected, "notifications_sent": sent + 5}
    del expected["configs_deleted"]
    health = rest.get("/health").json()
    assert {k: health[k] for k in expected} == expected


def test_probes(rest):
    for path in ("/livez", "/readyz"):
        assert rest.get(path).status == 200


def test_answers_are_json(rest, three):
    for path in (f"/api/configs/{three}?environment=prod", "/api/configs", "/health", "/stats",
                 "/nowhere"):
        answer = rest.get(path)
        json.loads(answer.body)
        assert answer.headers["Content-Type"].startswith("application/json")
