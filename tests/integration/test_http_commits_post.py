"""Several changes in one commit over HTTP."""

import json
import threading

import pytest
from daemon import Gateway
from rest import Rest

pytestmark = pytest.mark.any_store

COMMITS = "/api/commits"
COUNTERS = ("configs_created", "configs_updated", "configs_deleted")


def commit(rest, *changes, more="", headers=None, **members):
    return rest.call("POST", COMMITS + more, {"changes": list(changes), **members}, headers)


def part(kind, service, **members):
    return {kind: {"service_name": service, **members}}


def create(service, data=None, **members):
    return part("create", service, config_data={"a": 1} if data is None else data, **members)


def data_of(rest, service, environment="default"):
    answer = rest.get(f"/api/configs/{service}?environment={environment}")
    return answer.json() if answer.status == 200 else answer.status


def tag_of(rest, service):
    epoch, revision = rest.get(f"/api/configs/{service}").headers["X-Config-Revision"].split("-")
    return epoch, int(revision)


def counters(rest):
    stats = rest.get("/stats").json()
    return [stats[name] for name in COUNTERS]


@pytest.fixture
def services(rest, name):
    """Configs of two versions, the second of which is the head; the last one is deleted."""
    made = [f"{name}-{letter}" for letter in "abcdefg"]
    assert commit(rest, *(create(s) for s in made)).status == 201
    assert commit(rest, *(part("update", s, config_data={"a": 2, "b": [2]}) for s in made)).status == 201
    assert commit(rest, part("delete", made[-1])).status == 201
    return made


def test_every_kind_of_change(rest, services, name):
    a, b, c, d, e, f, g = services
    epoch, revision = tag_of(rest, a)
    before = counters(rest)
    answer = commit(
        rest,
        create(f"{name}-new", {"n": 1}, environment="prod"),
        part("update", a, config_data={"a": 3}, expected_version=2, expected_revision=revision,
             expected_epoch=epoch),
        part("update", b, merge_patch={"a": None, "c": 3}),
        part("update", c, json_patch=[{"op": "add", "path": "/b/-", "value": 3}]),
        part("update", f"{name}-put", config_data={"p": 1}, upsert=True),
        part("delete", d, expected_version=2),
        part("delete", e, version=1),
        part("delete", f"{name}-none", allow_missing=True),
        part("rollback", f, version=1, expected_version=2),
        part("undelete", g, version=1),
        comment="all at once", created_by="ada", headers={"Idempotency-Key": f"{name}-key"})
    assert answer.status == 201, answer
    made = answer.json()
    assert made == rest.get(f"{COMMITS}?limit=1").json()["commits"][0]
    assert (made["comment"], made["created_by"], made["request_id"]) == (
        "all at once", "ada", f"{name}-key")
    assert made["change_count"] == len(made["changes"]) == 9
    assert [change["kind"] for change in made["changes"]] == [
        "create", "update", "update", "update", "create", "delete", "erase", "rollback", "undelete"]
    assert {change["service_name"] for change in made["changes"]} >= set(services)
    assert made["changes"][0]["environment"] == "prod"
    assert answer.headers["X-Config-Revision"] == f"{epoch}-{made['revision']}"
    assert data_of(rest, f"{name}-new", "prod") == {"n": 1}
    assert [data_of(rest, s) for s in services] == [
        {"a": 3}, {"b": [2], "c": 3}, {"a": 2, "b": [2, 3]}, 404, {"a": 2, "b": [2]}, {"a": 1},
        {"a": 1}]
    assert [new - old for new, old in zip(counters(rest), before, strict=True)] == [3, 4, 2]


def test_numbers_keep_their_digits(rest, name):
    body = ('{"changes": [{"create": {"service_name": "%s", "config_data": '
            '{"n": 9007199254740993, "f": 0.10, "text": "\\u00e9 }"}}}]}' % name)
    assert rest.post(COMMITS, body).status == 201
    patch = body.replace("create", "update").replace("config_data", "merge_patch")
    assert rest.post(COMMITS, patch.replace("0.10", "1e2")).status == 201
    assert rest.get(f"/api/configs/{name}").body == (
        b'{"n":9007199254740993,"f":1e2,"text":"\\u00e9 }"}')


@pytest.mark.parametrize("change, status, reason", [
    (lambda s: create(s), 409, "CONFIG_EXISTS"),
    (lambda s: part("update", s, config_data={}, expected_version=1), 409, "VERSION_MISMATCH"),
    (lambda s: part("update", s, config_data={}, expected_revision=1), 409, "REVISION_MISMATCH"),
    (lambda s: part("delete", s, expected_revision=1, expected_epoch="x"), 409, "EPOCH_MISMATCH"),
    (lambda s: part("update", s + "-none", config_data={}), 404, "CONFIG_NOT_FOUND"),
    (lambda s: part("delete", s + "-none"), 404, "CONFIG_NOT_FOUND"),
    (lambda s: part("rollback", s, version=9), 404, "VERSION_NOT_FOUND"),
    (lambda s: part("rollback", s, version=(1 << 63) - 1), 404, "VERSION_NOT_FOUND"),
    (lambda s: part("undelete", s), 409, "CONFIG_EXISTS"),
])
def test_all_or_none(rest, services, name, change, status, reason):
    before, revision = counters(rest), rest.get(f"{COMMITS}?limit=1").json()["revision"]
    answer = commit(rest, create(f"{name}-new"), part("delete", services[0]), change(services[1]))
    assert (answer.status, answer.json()["reason"]) == (status, reason), answer
    assert [data_of(rest, s) for s in (f"{name}-new", services[0])] == [404, {"a": 2, "b": [2]}]
    assert (counters(rest), rest.get(f"{COMMITS}?limit=1").json()["revision"]) == (before, revision)


def test_a_failed_test_of_a_patch_names_the_operation(rest, services):
    patch = [{"op": "test", "path": "/a", "value": 2}, {"op": "test", "path": "/a", "value": 9}]
    answer = commit(rest, part("update", services[0], json_patch=patch))
    body = answer.json()
    assert (answer.status, body["reason"], body["operation"], body["pointer"]) == (
        409, "PATCH_TEST_FAILED", 1, "/a")


def test_validate_only(rest, services, name):
    before, last = counters(rest), rest.get(f"{COMMITS}?limit=1").json()["commits"][0]
    changes = create(f"{name}-new"), part("update", services[0], merge_patch={"b": None})
    answer = commit(rest, *changes, more="?validate_only=true", comment="would be")
    assert answer.status == 200, answer
    shown = answer.json()
    assert set(shown) == set(last) and shown["comment"] == "would be"
    assert [(c["kind"], c["version"]) for c in shown["changes"]] == [("create", 1), ("update", 3)]
    assert rest.get(f"{COMMITS}?limit=1").json()["commits"][0] == last
    assert (data_of(rest, f"{name}-new"), counters(rest)) == (404, before)
    refused = commit(rest, *changes, create(services[0]), more="?validate_only=true")
    assert (refused.status, refused.json()["reason"]) == (409, "CONFIG_EXISTS")


@pytest.mark.parametrize("more", ["", "?validate_only=true"])
def test_nothing_changed(rest, name, more):
    revision = rest.get(f"{COMMITS}?limit=1").json()["revision"]
    answer = commit(rest, part("delete", f"{name}-none", allow_missing=True), more=more)
    assert (answer.status, answer.json()) == (
        200, {"revision": revision, "change_count": 0, "changes": []})
    assert answer.headers["X-Config-Revision"].endswith(f"-{revision}")


def test_a_repeat_gets_the_first_answer(rest, name):
    key = {"Idempotency-Key": f'"{name}"'}
    first = commit(rest, create(name), headers=key)
    assert first.status == 201
    again = commit(rest, create(name), headers=key)
    assert (again.status, again.json()) == (201, first.json())
    other = commit(rest, create(f"{name}-other"), headers=key)
    assert (other.status, other.json()["reason"], other.json()["field"]) == (
        422, "REQUEST_ID_REUSED", "Idempotency-Key")


# ---- Faults ----

BAD = [  # a change, the fault's place behind ["body", "changes", 1], type, field, reason
    ({}, [], "value_error", "", "NOT_EXACTLY_ONE"),
    ({**create("x"), **part("delete", "x")}, [], "value_error", "", "NOT_EXACTLY_ONE"),
    (1, [], "dict_type", "", "JSON_NOT_OBJECT"),
    ({"create": []}, ["create"], "dict_type", ".create", "JSON_NOT_OBJECT"),
    ({"create": {"config_data": {}}}, ["create", "service_name"], "missing",
     ".create.service_name", "FIELD_MISSING"),
    (create(1), ["create", "service_name"], "string_type", ".create.service_name", "NOT_A_STRING"),
    (create("a/b"), ["create", "service_name"], "string_pattern_mismatch",
     ".create.service_name", "NAME_CHARACTER"),
    (create("x", environment=""), ["create", "environment"], "string_too_short",
     ".create.environment", "NAME_EMPTY"),
    (part("create", "x"), ["create", "config_data"], "missing", ".create.config_data",
     "FIELD_MISSING"),
    (create("x", []), ["create", "config_data"], "dict_type", ".create.config_data",
     "JSON_NOT_OBJECT"),
    (part("update", "x"), ["update"], "value_error", ".update", "NOT_EXACTLY_ONE"),
    (part("update", "x", config_data={}, merge_patch={}), ["update"], "value_error", ".update",
     "NOT_EXACTLY_ONE"),
    (part("update", "x", json_patch={}), ["update", "json_patch"], "list_type",
     ".update.json_patch", "NOT_A_LIST"),
    (part("update", "x", json_patch=[{"op": "x"}]), ["update", "json_patch"], "value_error",
     ".update.json_patch", "PATCH_SYNTAX"),
    (part("update", "x", config_data={"x": "y" * (1 << 20)}), None, None, ".update.config_data",
     "JSON_TOO_LARGE"),
    (part("update", "x", config_data=json.loads('{"a":' * 70 + "1" + "}" * 70)),
     ["update", "config_data"], "value_error", ".update.config_data", "JSON_DEPTH"),
    (part("update", "x", config_data={}, expected_version="2"), ["update", "expected_version"],
     "int_type", ".update.expected_version", "NOT_A_NUMBER"),
    (part("delete", "x", expected_revision=1.5), ["delete", "expected_revision"], "int_type",
     ".delete.expected_revision", "NOT_A_NUMBER"),
    (part("delete", "x", version=0), ["delete", "version"], "greater_than_equal",
     ".delete.version", "NUMBER_RANGE"),
    (part("delete", "x", expected_epoch="a\0b"), ["delete", "expected_epoch"],
     "string_pattern_mismatch", ".delete.expected_epoch", "TEXT_NUL"),
    (part("delete", "x", erase=1), ["delete", "erase"], "bool_type", ".delete.erase",
     "NOT_A_BOOLEAN"),
    (part("rollback", "x", version=0), ["rollback", "version"], "greater_than_equal",
     ".rollback.version", "NUMBER_RANGE"),
    (part("undelete", "x", version=True), ["undelete", "version"], "int_type",
     ".undelete.version", "NOT_A_NUMBER"),
]


@pytest.mark.parametrize("change, place, kind, field, reason", BAD)
def test_a_fault_is_told_with_its_place(rest, name, change, place, kind, field, reason):
    answer = commit(rest, create(name), change)
    body = answer.json()
    assert (body["reason"], body["field"]) == (reason, f"changes[1]{field}"), answer
    assert data_of(rest, name) == 404
    if place is None:
        assert (answer.status, body["limit"]) == (413, 1 << 20)
        return
    assert answer.status == 422
    assert [(fault["loc"], fault["type"]) for fault in body["detail"]] == [
        (["body", "changes", 1, *place], kind)]


@pytest.mark.parametrize("change, place, unknown, near", [
    ({**create("x"), "updat": {}}, [], "updat", "update"),
    (create("x", expected_version=1), ["create"], "expected_version", None),
    (create("x", comment="c"), ["create"], "comment", None),
    (create("x", {}, **{"env.x[0]": 1}), ["create"], "env.x[0]", None),
    (part("update", "x", config_data={}, upsrt=True), ["update"], "upsrt", "upsert"),
    (part("update", "x", config_data={}, env="prod"), ["update"], "env", "environment"),
    (part("delete", "x", verison=1), ["delete"], "verison", "version"),
    (part("rollback", "x", version=1, upsert=True), ["rollback"], "upsert", None),
    (part("undelete", "x", expected_version=1), ["undelete"], "expected_version", None),
])
def test_unknown_members_are_refused(rest, change, place, unknown, near):
    answer = commit(rest, change)
    assert answer.status == 422, answer
    body = answer.json()
    assert (body["reason"], body["field"]) == (
        "FIELD_UNKNOWN", ".".join(["changes[0]", *place, unknown]))
    fault = body["detail"][0]
    assert fault["loc"] == ["body", "changes", 0, *place, unknown]
    assert ("did you mean" in fault["msg"]) == (near is not None)
    assert near is None or f"did you mean {near}?" in fault["msg"]


def test_all_faults_come_together(rest):
    answer = commit(rest, {}, create("a/b"), part("delete", "x", verison=1), coment="x",
                    more="?validateonly=true")
    assert answer.status == 422
    assert [fault["loc"] for fault in answer.json()["detail"]] == [
        ["query", "validateonly"], ["body", "coment"]]
    answer = commit(rest, {}, create("a/b", 1), part("delete", "x", verison=1), headers={
        "If-Match": "*", "If-None-Match": "*"})
    assert [fault["loc"] for fault in answer.json()["detail"]] == [
        ["body", "changes", 0], ["body", "changes", 1, "create", "service_name"],
        ["body", "changes", 1, "create", "config_data"], ["body", "changes", 2, "delete", "verison"],
        ["header", "If-Match"], ["header", "If-None-Match"]]


@pytest.mark.parametrize("body, field, reason", [
    ({}, "changes", "FIELD_MISSING"), ({"changes": {}}, "changes", "NOT_A_LIST"),
    ({"changes": [], "comment": 1}, "comment", "NOT_A_STRING"), ([], None, "JSON_NOT_OBJECT"),
    ({"changes": [create("x")], "comment": "x" * 65537}, "comment", "TEXT_TOO_LONG")])
def test_faults_of_the_whole(rest, body, field, reason):
    answer = rest.post(COMMITS, body)
    assert (answer.status, answer.json().get("field"), answer.json()["reason"]) == (
        422, field, reason)


@pytest.mark.parametrize("count, found", [(0, 0), (129, 129)])
def test_the_number_of_changes(rest, name, count, found):
    answer = commit(rest, *(create(f"{name}-{i}") for i in range(count)))
    body = answer.json()
    assert (answer.status, body["reason"], body["field"], body["limit"], body["found"]) == (
        422, "CHANGES_COUNT", "changes", 128, found)
    assert body["detail"][0]["loc"] == ["body", "changes"]
    made = commit(rest, *(create(f"{name}-{i}") for i in range(128)))
    assert (made.status, made.json()["change_count"]) == (201, 128)


def test_the_size_of_a_commit(launch, confregd, rest, name):
    large = Rest(launch(Gateway, confregd.listen, extra=["--max-body", "16M"]).start().port)
    nearly = [create(f"{name}-{i}", {"x": "y" * ((1 << 20) - 8)}) for i in range(8)]
    assert commit(large, *nearly).status == 201
    answer = commit(large, *({"update": c["create"]} for c in nearly), create(f"{name}-more"))
    body = answer.json()
    assert (answer.status, body["reason"], body["limit"]) == (413, "COMMIT_TOO_LARGE", 8 << 20)
    assert data_of(rest, f"{name}-more") == 404
    answer = commit(rest, *nearly)
    assert (answer.status, answer.json()["reason"]) == (413, "BODY_TOO_LARGE")


def test_one_of_two_commits_wins(rest, services, name):
    """Both expect the same heads, in another order: one is made whole, the other not at all."""
    pair, answers = services[:2], {}

    def write(number, order):
        changes = [part("update", s, config_data={"by": number}, expected_version=2) for s in order]
        answers[number] = commit(rest, *changes).status

    threads = [threading.Thread(target=write, args=(1, pair)),
               threading.Thread(target=write, args=(2, pair[::-1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [201, 409]
    winner = min(answers, key=answers.get)
    assert [data_of(rest, s) for s in pair] == [{"by": winner}] * 2
