"""The change log over HTTP."""

import datetime
import re

import pytest
from rest import from_then_on

pytestmark = pytest.mark.any_store

LOG = "/api/commits?service_name={}"


def commits(rest, name, more=""):
    answer = rest.get(LOG.format(name) + more)
    assert answer.status == 200, answer
    return answer.json()["commits"]


def revisions(rest, name, more=""):
    return [commit["revision"] for commit in commits(rest, name, more)]


@pytest.fixture
def history(rest, name):
    """Five commits of one config, the last of which deletes it; their revisions, newest first."""
    path = f"/api/configs/{name}?environment=prod"
    bodies = [{"pool": 1, "a/b": 1}, {"pool": 2, "a/b": 1}, {"pool": 2, "a/b": [1]}]
    assert rest.post(path, {"config_data": bodies[0], "created_by": "ada"}).status == 201
    for data in bodies[1:]:
        assert rest.put(path, {"config_data": data, "comment": "why"}).status == 200
    assert rest.post(f"/api/configs/{name}/rollback?environment=prod", {"version": 1}).status == 200
    assert rest.delete(path).status == 200
    found = revisions(rest, name)
    assert found == sorted(found, reverse=True) and len(found) == 5
    return found


def test_the_facts(rest, name, history):
    last, back, third, second, first = commits(rest, name)
    assert set(first) == {"revision", "timestamp", "actor", "credential", "method", "created_by",
                          "comment", "request_id", "peer", "change_count", "changes"}
    assert (first["created_by"], second["created_by"]) == ("ada", "system")
    assert [c["method"] for c in (first, second, back, last)] == [
        "CreateConfig", "UpdateConfig", "RollbackConfig", "DeleteConfig"]
    assert (first["comment"], second["comment"], second["change_count"]) == ("", "why", 1)
    assert second["changes"] == [{
        "environment": "prod", "service_name": name, "kind": "update", "version": 2,
        "previous_version": 1, "head_version": 2}]
    assert [c["changes"][0]["kind"] for c in (first, third, back, last)] == [
        "create", "update", "rollback", "delete"]
    assert datetime.datetime.fromisoformat(first["timestamp"].replace("Z", "+00:00"))


def test_payloads_and_differences(rest, name, history):
    last, _, _, second, first = (c["changes"][0] for c in commits(rest, name, "&view=payloads"))
    assert second["old"] == {"pool": 1, "a/b": 1} and second["new"] == {"pool": 2, "a/b": 1}
    assert "old" not in first and "new" not in last and last["old"] == second["old"]
    second = commits(rest, name, "&view=diff")[3]["changes"][0]
    assert second["diff"]["changed"] == {"pool": {"old": 1, "new": 2}}
    assert second["diff"]["json_patch"] == [{"op": "replace", "path": "/pool", "value": 2}]


def test_numbers_keep_their_digits(rest, name):
    rest.post(f"/api/configs/{name}", '{"config_data":{"n":9007199254740993,"f":0.10}}')
    answer = rest.get(LOG.format(name) + "&view=payloads")
    assert b'"new":{"n":9007199254740993,"f":0.10}' in answer.body


def test_an_erased_payload_says_so(rest, name, history):
    rest.put(f"/api/configs/{name}?environment=prod&upsert=true", {"config_data": {"secret": 1}})
    rest.put(f"/api/configs/{name}?environment=prod", {"config_data": {"pool": 9}})
    assert rest.delete(f"/api/configs/{name}?environment=prod&version=5").status == 200
    newest = commits(rest, name, "&view=payloads&limit=3")
    update, made = newest[1]["changes"][0], newest[2]["changes"][0]
    assert (made["new"], made["new_state"]) == (None, "erased")
    assert (update["old"], update["old_state"], update["new"]) == (None, "erased", {"pool": 9})


@pytest.mark.parametrize("more, places", [
    ("&pointer=/pool", [0, 1, 3, 4]), ("&pointer=/a~1b", [0, 1, 2, 4]),
    ("&pointer=/a~1b/0", [1, 2]), ("&pointer=/none", []), ("&pointer=", [0, 1, 2, 3, 4]),
    ("&kind=delete", [0]), ("&kind=create,rollback", [1, 4]), ("&created_by=ada", [4]),
    ("&environment=prod", [0, 1, 2, 3, 4]), ("&environment=dev", []), ("&actor=x", []),
    ("&credential=x", []),
    ("&order=asc", [4, 3, 2, 1, 0]), ("&limit=2", [0, 1]), ("&order=asc&limit=1", [4]),
    ("&since=-1h", [0, 1, 2, 3, 4]), ("&until=-1h", []), ("&since=2020-01-31T00:00:00Z", [0, 1, 2, 3, 4]),
    ("&until=2020-01-31T00:00:00.5%2B02:00", []), ("&since=-0s&until=-1w", []),
])
def test_filters(rest, name, history, more, places):
    assert revisions(rest, name, more) == [history[place] for place in places]


def test_revisions_and_times_bound_the_log(rest, name, history):
    bounds = f"&from_revision={history[3]}&to_revision={history[1]}"
    assert revisions(rest, name, bounds) == history[1:4]
    times = [c["timestamp"] for c in commits(rest, name)]
    assert revisions(rest, name, f"&since={times[3]}&until={times[1]}") == history[2:4]


def test_prefixes(rest, name, history):
    found = rest.get(f"/api/commits?prefix={name[:-1]}").json()["commits"]
    assert {c["revision"] for c in found} >= set(history)


@pytest.mark.parametrize("more", ["", "&since=-1h", "&order=asc&view=diff"])
def test_pages_lead_to_the_next(rest, name, history, more):
    target, found, as_of = LOG.format(name) + "&limit=2" + more, [], set()
    while target:
        answer = rest.get(target)
        assert answer.status == 200, answer
        body, link = answer.json(), answer.headers["Link"]
        found += [c["revision"] for c in body["commits"]]
        as_of.add(body["revision"])
        rest.put(f"/api/configs/{name}?upsert=true", {"config_data": {}})
        assert (link is None) == (body["next"] is None)
        target = link and re.fullmatch(r'<(/[^<>"]+)>; rel="next"', link)[1]
        assert target is None or body["next"] in target
    assert found == (history[::-1] if "asc" in more else history) and len(as_of) == 1


def test_a_log_is_as_new_as_asked_for(rest, registry, name):
    made = registry.create(name)
    answer = rest.get(LOG.format(name), headers=from_then_on(made))
    assert [c["revision"] for c in answer.json()["commits"]] == [made.header.revision]


@pytest.mark.parametrize("more, reason, field", [
    ("&kind=foo", "WORD_UNKNOWN", "kind"), ("&kind=create,", None, None),
    ("&order=up", "WORD_UNKNOWN", "order"), ("&view=", "WORD_UNKNOWN", "view"),
    ("&since=yesterday", "TIME_MALFORMED", "since"), ("&until=2026-06-31T00:00:00Z", "TIME_MALFORMED", "until"),
    ("&since=2026-01-01", "TIME_MALFORMED", "since"), ("&since=-1y", "TIME_MALFORMED", "since"),
    ("&since=2026-01-01T24:00:00Z", "TIME_MALFORMED", "since"), ("&since=-", "TIME_MALFORMED", "since"),
    ("&pointer=pool", "JSON_POINTER", "pointer"), ("&limit=0", "NUMBER_RANGE", "limit"),
    ("&limit=-1", "NUMBER_RANGE", "limit"), ("&from_revision=-1", "NUMBER_RANGE", "from_revision"),
    ("&page=x", "PAGE_TOKEN", "page"), ("&sinse=-1h", "FIELD_UNKNOWN", "sinse"),
    ("&environment=a%2Fb", "NAME_CHARACTER", "environment"),
])
def test_bad_parameters_are_refused(rest, name, more, reason, field):
    answer = rest.get(LOG.format(name) + more)
    if reason is None:
        assert answer.status == 200
    else:
        body = answer.json()
        assert (answer.status, body["reason"], body["field"]) == (422, reason, field), answer


def test_a_commit_with_many_payloads_goes_on_over_pages(rest, name):
    for number in range(4):
        assert rest.post(f"/api/configs/{name}-{number}", {"config_data": {"x": "y" * 950_000}}).status == 201
    changes = [{"update": {"service_name": f"{name}-{number}", "config_data": {}}}
               for number in range(4)]
    made = rest.post("/api/commits", {"changes": changes}).json()["revision"]
    first = rest.get(f"/api/commits?prefix={name}&from_revision={made}&view=payloads")
    [commit] = first.json()["commits"]
    assert (commit["more"], len(commit["changes"]), commit["change_count"]) == (True, 3, 4)
    following = rest.get(re.fullmatch('<(.*)>; rel="next"', first.headers["Link"])[1])
    [last] = following.json()["commits"]
    assert (last["revision"], "more" in last) == (made, False)
    assert [change["service_name"] for change in last["changes"]] == [f"{name}-3"]
