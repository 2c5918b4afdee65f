"""All that differs between two environments over HTTP."""

import re

import pytest
from rest import from_then_on

pytestmark = pytest.mark.any_store


@pytest.fixture
def sides(rest, name):
    """Two environments of this test alone, with three configs that differ and one that does not."""
    old, new = f"{name}-old", f"{name}-new"
    for service, old_data, new_data in (("a", {"x": 1}, {"x": 2, "y": [1]}), ("b", {"z": 1}, None),
                                        ("c", None, {"z": 1}), ("d", {"same": 1.0}, {"same": 1})):
        for environment, data in ((old, old_data), (new, new_data)):
            if data is not None:
                assert rest.post(f"/api/configs/{service}?environment={environment}",
                                 {"config_data": data}).status == 201
    return old, new


def diffs(rest, more):
    answer = rest.get(f"/api/diff?{more}")
    assert answer.status == 200, answer
    return answer.json()["diffs"]


def test_two_environments(rest, sides):
    old, new = sides
    a, b, c = diffs(rest, f"environment={old}&new_environment={new}")
    assert (a["added"], a["changed"]) == ({"y": [1]}, {"x": {"old": 1, "new": 2}})
    assert (b["service_name"], b["old_version"], b["new_version"]) == ("b", 1, 0)
    assert (c["service_name"], c["old_version"], c["new_version"]) == ("c", 0, 1)
    assert [op["op"] for op in a["json_patch"]] == ["replace", "add"]


@pytest.mark.parametrize("more, found", [
    ("service_name=a", ["a"]), ("service_name=d", []), ("prefix=b", ["b"]), ("limit=2", ["a", "b"])])
def test_filters(rest, sides, more, found):
    listed = diffs(rest, f"environment={sides[0]}&new_environment={sides[1]}&{more}")
    assert [d["service_name"] for d in listed] == found


def test_pages(rest, sides):
    target, found = f"/api/diff?environment={sides[0]}&new_environment={sides[1]}&limit=1", []
    while target:
        answer = rest.get(target)
        found += [d["service_name"] for d in answer.json()["diffs"]]
        link = answer.headers["Link"]
        assert (link is None) == (answer.json()["next"] is None)
        target = link and re.fullmatch(r'<(/[^<>"]+)>; rel="next"', link)[1]
    assert found == ["a", "b", "c"]


def test_two_revisions(rest, registry, sides):
    environment = sides[0]
    before = registry.revision()
    assert not diffs(rest, f"environment={environment}&old_revision={before}")
    made = registry.update("a", '{"x":9}', environment)
    registry.delete("b", environment=environment)
    a, b = diffs(rest, f"environment={environment}&old_revision={before}")
    assert (a["changed"], b["new_version"]) == ({"x": {"old": 1, "new": 9}}, 0)
    a, = diffs(rest, f"environment={environment}&old_revision={before}"
                     f"&new_revision={made.header.revision}")
    assert (a["old_version"], a["new_version"]) == (1, 2)


def test_a_comparison_is_as_new_as_asked_for(rest, registry, sides):
    made = registry.update("d", '{"same":2}', sides[1])
    answer = rest.get(f"/api/diff?environment={sides[0]}&new_environment={sides[1]}&prefix=d",
                      headers=from_then_on(made))
    assert [d["service_name"] for d in answer.json()["diffs"]] == ["d"]


@pytest.mark.parametrize("more, reason, field", [
    ("", "OLD_REVISION_MISSING", "old_revision"),
    ("new_environment=default", "OLD_REVISION_MISSING", "old_revision"),
    ("new_environment=x&limit=0", "NUMBER_RANGE", "limit"),
    ("old_revision=-1", "NUMBER_RANGE", "old_revision"),
    ("new_revision=x", "NOT_A_NUMBER", "new_revision"),
    ("new_environment=a%2Fb", "NAME_CHARACTER", "new_environment"),
    ("new_environment=x&old_revison=1", "FIELD_UNKNOWN", "old_revison"),
    ("new_environment=x&page=x", "PAGE_TOKEN", "page"),
    ("old_revision=9000000000", "REVISION_AHEAD", "old_revision"),
    ("new_environment=x&new_revision=9000000000", "REVISION_AHEAD", "new_revision")])
def test_bad_parameters_are_refused(rest, more, reason, field):
    answer = rest.get(f"/api/diff?{more}")
    body = answer.json()
    assert (answer.status, body["reason"], body["field"]) == (422, reason, field), answer
