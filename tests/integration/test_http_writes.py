"""What writes over HTTP can carry: upsert, validate_only, an Idempotency-Key, comment and author."""

import http.client
import json
from concurrent import futures

import grpc
import pytest
from daemon import Gateway
from fake_server import FakeServer
from rest import Rest
from stubs import api_pb
from test_writes_together import crowd, put
from watching import Watch

pytestmark = pytest.mark.any_store

DATA = {"config_data": {"a": 1, "b": 2}}
OTHER = {"config_data": {"a": 1, "b": 3}}
TAG = '"0123456789abcdef-1"'
PATCH = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def path(name):
    return f"/api/configs/{name}?environment=prod"


@pytest.fixture
def made(rest, path):
    """A config with two versions."""
    rest.post(path, DATA)
    return rest.put(path, OTHER)


def stats(rest):
    return {name: n for name, n in rest.get("/stats").json().items() if name != "notifications_sent"}


# ---- Upsert, create only ----

def test_upsert(rest, path):
    before = stats(rest)
    answer = rest.put(path + "&upsert=true", DATA)
    assert (answer.status, answer.json()["comment"]) == (201, "Initial configuration")
    answer = rest.put(path + "&upsert=true", OTHER)
    assert (answer.status, answer.json()["version"]) == (200, 2)
    after = stats(rest)
    assert after["configs_created"] - before["configs_created"] == 1
    assert after["configs_updated"] - before["configs_updated"] == 1
    rest.delete(path)
    assert rest.put(path + "&upsert=false", DATA).status == 400
    answer = rest.put(path + "&upsert=true", DATA)
    assert (answer.status, answer.json()["version"]) == (201, 3)


@pytest.mark.parametrize("headers, missing, present", [
    ({"If-None-Match": "*"}, 201, 412), ({"If-None-Match": TAG}, 201, 200),
    ({"If-None-Match": "{tag}"}, 201, 412), ({"If-None-Match": "W/{tag}"}, 201, 412),
    ({"If-Match": "*"}, 412, 200), ({"If-Match": "{tag}"}, 412, 200), ({"If-Match": TAG}, 412, 412),
    ({"If-Match": "*", "If-None-Match": "*"}, 412, 412),
    ({"If-Match": "*", "If-None-Match": TAG}, 412, 200)], ids=str)
def test_upsert_with_conditions(rest, path, headers, missing, present):
    tag = rest.post(path, DATA).headers["ETag"]
    headers = {name: value.format(tag=tag) for name, value in headers.items()}
    assert rest.put(path + "&upsert=true", OTHER, headers=headers).status == present
    rest.delete(path)
    assert rest.put(path + "&upsert=true", OTHER, headers=headers).status == missing


def test_put_that_only_creates(rest, path):
    answer = rest.put(path, DATA, headers={"If-None-Match": "*"})
    assert (answer.status, answer.json()["version"]) == (201, 1)
    answer = rest.put(path, OTHER, headers={"If-None-Match": "*"})
    assert (answer.status, answer.json()["reason"], answer.json()["current_version"]) == (
        412, "CONFIG_EXISTS", 1)
    assert rest.get(path).json() == DATA["config_data"]


def test_of_puts_that_only_create_one_succeeds(rest, path):
    with futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(
            lambda _: rest.put(path, DATA, headers={"If-None-Match": "*"}).status, range(16)))
    assert sorted(statuses) == [201] + [412] * 15


# ---- Look before you write ----

DIFF = {"old_version": 2, "new_version": 3, "added": {}, "removed": {},
        "changed": {"b": {"old": 3, "new": 2}},
        "json_patch": [{"op": "replace", "path": "/b", "value": 2}]}
GONE = {"old_version": 2, "new_version": 0, "added": {}, "removed": {"a": 1, "b": 3}, "changed": {},
        "json_patch": [{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/b"}]}
CALLS = {
    "PUT": ("PUT", "", DATA, {}, DIFF),
    "upsert": ("PUT", "&upsert=true", DATA, {}, DIFF),
    "PATCH": ("PATCH", "", '{"b":2}', PATCH, DIFF),
    "rollback": ("POST", "/rollback", {"version": 1}, {}, DIFF),
    "DELETE": ("DELETE", "", None, {}, GONE),
    "DELETE of the head": ("DELETE", "&version=2", None, {}, DIFF | {"new_version": 1}),
    "DELETE of an old one": ("DELETE", "&version=1", None, {}, {
        "old_version": 2, "new_version": 2, "added": {}, "removed": {}, "changed": {},
        "json_patch": []}),
}


def target_of(path, more):
    return path.replace("?", more + "?") if more.startswith("/") else path + more


@pytest.mark.parametrize("method, more, body, headers, diff", CALLS.values(), ids=CALLS.keys())
def test_validate_only_tells_what_would_be(rest, registry, name, path, made, method, more, body,
                                           headers, diff):
    before, revision = stats(rest), registry.revision()
    target = target_of(path, more)
    answer = rest.call(method, target + "&validate_only=true", body, headers)
    assert answer.status == 200, answer
    found = answer.json()
    assert found.pop("diff") == {"service_name": name, "environment": "prod", **diff}
    assert answer.headers["X-Config-Revision"] == made.headers["X-Config-Revision"]
    assert not {"ETag", "X-Config-Version"} & set(answer.headers)
    assert registry.revision() == revision and stats(rest) == before
    assert rest.get(path).headers["ETag"] == made.headers["ETag"]
    done = rest.call(method, target, body, headers).json()
    for times in ("created_at", "updated_at"):
        done.pop(times, None)
        found.pop(times, None)
    assert found == done


def test_validate_only_of_a_create(rest, path):
    answer = rest.post(path + "&validate_only=true", DATA | {"created_by": ""})
    assert (answer.status, answer.json()["version"], answer.json()["created_by"]) == (200, 1, "")
    assert answer.json()["diff"]["added"] == DATA["config_data"]
    for headers, query in (({"If-None-Match": "*"}, ""), ({}, "&upsert=true")):
        answer = rest.put(path + "&validate_only=true" + query, DATA, headers=headers)
        assert (answer.status, answer.json()["comment"]) == (200, "Initial configuration")
    assert rest.get(path).status == 404
    answer = rest.delete(path + "&validate_only=true")
    assert (answer.status, answer.json()) == (200, {"deleted": 0})


@pytest.mark.parametrize("method, more, body, headers, diff", CALLS.values(), ids=CALLS.keys())
def test_validate_only_says_what_would_be_refused(rest, path, made, method, more, body, headers,
                                                  diff):
    answer = rest.call(method, target_of(path, more) + "&validate_only=1", body,
                       {**headers, "If-Match": TAG})
    assert answer.status == 412 and answer.json()["reason"]
    answer = rest.call(method, target_of(path, more) + "&validate_only=maybe", body, headers)
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["query", "validate_only"])


# ---- Idempotency-Key ----

def keyed(key):
    return {"Idempotency-Key": key}


@pytest.mark.parametrize("key", ['"{}"', "{}", ' "{}" ', '"{}";a=1', '"{} é"'.replace("é", "~!{{|"),
                                 r'"{}\"\\"', "{}/a:b_c.d"])
def test_a_repeat_gets_the_first_answer(rest, registry, name, path, key):
    key = key.replace("{}", name).replace("{{", "{")
    first = rest.post(path, DATA, headers=keyed(key))
    assert first.status == 201, first
    rest.put(path, OTHER)
    revision = registry.revision()
    again = rest.post(path, DATA, headers=keyed(key))
    assert (again.status, again.json(), again.headers["ETag"]) == (
        201, first.json(), first.headers["ETag"])
    assert registry.revision() == revision


def test_with_and_without_quotes_a_key_is_the_same(rest, name, path):
    first = rest.post(path, DATA, headers=keyed(f'"{name}"'))
    assert rest.post(path, DATA, headers=keyed(name)).json() == first.json()


@pytest.mark.parametrize("method, more, body, headers, diff", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("conditions", [
    {}, {"If-Match": "{tag}"}, {"If-Match": f"{TAG}, {{tag}}"}, {"If-Match": "*"},
    {"If-None-Match": TAG}, {"If-Match": "*", "If-None-Match": TAG}], ids=str)
def test_every_write_can_be_repeated(rest, registry, name, path, made, conditions, method, more,
                                     body, headers, diff):
    tag = made.headers["ETag"]
    headers = {**headers, **keyed(f'"{name}"')}
    headers.update({key: value.format(tag=tag) for key, value in conditions.items()})
    first = rest.call(method, target_of(path, more), body, headers)
    assert first.status == 200, first
    revision = registry.revision()
    again = rest.call(method, target_of(path, more), body, headers)
    assert (again.status, again.json()) == (200, first.json())
    assert registry.revision() == revision


@pytest.mark.parametrize("query, headers", [
    ("", {"If-None-Match": "*"}), ("&upsert=true", {}), ("&upsert=true", {"If-None-Match": "*"}),
    ("&upsert=true", {"If-None-Match": TAG})])
def test_a_put_that_creates_can_be_repeated(rest, registry, name, path, query, headers):
    headers = {**headers, **keyed(f'"{name}"')}
    first = rest.put(path + query, DATA, headers=headers)
    assert first.status == 201
    revision = registry.revision()
    again = rest.put(path + query, DATA, headers=headers)
    assert (again.status, again.json()) == (201, first.json())
    assert registry.revision() == revision


def test_a_key_of_another_request(rest, registry, name, path, made):
    headers = keyed(f'"{name}"')
    assert rest.put(path, DATA, headers=headers).status == 200
    revision = registry.revision()
    for answer in (rest.put(path, OTHER, headers=headers), rest.delete(path, headers=headers),
                   rest.put(path + "&upsert=true", OTHER, headers={**headers, "If-None-Match": TAG}),
                   rest.post(path.replace("?", "/rollback?"), {"version": 1}, headers=headers)):
        body = answer.json()
        assert (answer.status, body["reason"], body["field"], body["detail"][0]["loc"]) == (
            422, "REQUEST_ID_REUSED", "Idempotency-Key", ["header", "Idempotency-Key"]), answer
    assert registry.revision() == revision
    assert rest.put(path + "&validate_only=true", OTHER, headers=headers).status == 200


@pytest.mark.parametrize("key, reason", [
    ("", "IDEMPOTENCY_KEY_MALFORMED"), ('""', "IDEMPOTENCY_KEY_MALFORMED"),
    ('"a', "IDEMPOTENCY_KEY_MALFORMED"), ('"a"b', "IDEMPOTENCY_KEY_MALFORMED"),
    ("a b", "IDEMPOTENCY_KEY_MALFORMED"), ('"a", "b"', "IDEMPOTENCY_KEY_MALFORMED"),
    (r'"a\n"', "IDEMPOTENCY_KEY_MALFORMED"), ('"\xe9"', "IDEMPOTENCY_KEY_MALFORMED"),
    ("\xe9", "IDEMPOTENCY_KEY_MALFORMED"), (";a=1", "IDEMPOTENCY_KEY_MALFORMED"),
    ("x" * 129, "TEXT_TOO_LONG"), (f'"{"x" * 129}"', "TEXT_TOO_LONG")])
@pytest.mark.parametrize("method, more, body, headers, diff", CALLS.values(), ids=CALLS.keys())
def test_malformed_keys(rest, registry, path, made, method, more, body, headers, diff, key, reason):
    revision = registry.revision()
    answer = rest.call(method, target_of(path, more), body, {**headers, **keyed(key)})
    found = answer.json()
    assert (answer.status, found["reason"], found["field"], found.get("limit")) == (
        422, reason, "Idempotency-Key", 128 if reason == "TEXT_TOO_LONG" else None), answer
    assert registry.revision() == revision


def test_two_keys_are_none(rest, gateway, path):
    body = json.dumps(DATA)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    connection.putrequest("POST", path)
    for name, value in (("Content-Length", len(body)), ("Idempotency-Key", '"a"'),
                        ("Idempotency-Key", '"b"')):
        connection.putheader(name, str(value))
    connection.endheaders(body.encode())
    assert connection.getresponse().status == 422
    connection.close()


def test_a_key_of_the_longest_kind(rest, path):
    key = "x" * 128
    first = rest.post(path, DATA, headers=keyed(key))
    assert (first.status, rest.post(path, DATA, headers=keyed(key)).json()) == (201, first.json())


def test_writes_that_share_a_call_keep_their_keys(gateway, rest, registry, name):
    names = [f"{name}-{number}" for number in range(20)]
    for service in names:
        assert rest.post(f"/api/configs/{service}?environment=prod", DATA).status == 201
    for answers in range(2):
        with crowd(gateway, len(names)) as many:
            requests = [put(service, {"own": service}) for service in names]
            found = many.call(requests, headers=[keyed(f'"of {service}"') for service in names])
        assert [a.json()["version"] for a in found] == [2] * 20
        if answers == 0:
            revision = registry.revision()
    assert registry.revision() == revision


# ---- Comment and author of a delete ----

def test_a_delete_has_comment_and_author(rest, confregd, registry, name, path, made):
    with Watch(confregd.stub, selectors=[api_pb.Selector(service_name=name)],
               start_revision=registry.revision() + 1) as watch:
        rest.delete(path + "&comment=no+longer+used&created_by=ada")
        event = watch.event()
    assert (event.comment, event.created_by) == ("no longer used", "ada")


@pytest.mark.parametrize("query, at", [
    ("comment=" + "x" * 9000 + "&comment=y", "comment"), ("coment=x", "coment"),
    ("created_by=" + "x" * 1025, "created_by"), ("comment=%FF", "comment")])
def test_malformed_comments_of_a_delete(rest, path, made, query, at):
    answer = rest.delete(f"{path}&{query}")
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["query", at]), answer
    assert rest.get(path).headers["ETag"] == made.headers["ETag"]


# ---- A server that is away ----

@pytest.fixture(scope="module")
def failing(launch):
    server = FakeServer()
    yield server, Rest(launch(Gateway, server.listen).start().port)
    server.stop()


@pytest.mark.parametrize("reason", ["", "OUTCOME_UNKNOWN"])
@pytest.mark.parametrize("headers, what", [
    (keyed('"a"'), "Repeat it with the same Idempotency-Key"),
    ({}, "Read the configuration before repeating it, or send an Idempotency-Key next time")])
def test_who_does_not_know_the_outcome_learns_what_to_do(failing, reason, headers, what):
    server, rest = failing
    server.fault = (grpc.StatusCode.UNAVAILABLE, reason)
    answer = rest.put("/api/configs/x", DATA, headers=headers)
    assert (answer.status, answer.json()["reason"]) == (503, "OUTCOME_UNKNOWN")
    assert answer.json()["detail"].startswith("OUTCOME_UNKNOWN: ")
    assert answer.json()["detail"].endswith(". " + what)
