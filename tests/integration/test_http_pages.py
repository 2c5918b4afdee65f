"""Lists and histories over HTTP in pages, and with some of their members only."""

import re

import pytest
from rest import from_then_on

pytestmark = pytest.mark.any_store

HISTORY = "/api/configs/{}/history?environment=prod"
DOCUMENT = ["service_name", "environment", "version", "config_data", "created_at", "updated_at",
            "created_by", "comment"]


def next_of(answer):
    """The target that Link names; None: there is no next page."""
    link = answer.headers["Link"]
    return link and re.fullmatch(r'<(/[^<>"]+)>; rel="next"', link)[1]


def pages(rest, target, headers=None):
    while target:
        answer = rest.get(target, headers=headers)
        assert answer.status == 200, answer
        yield answer
        target = next_of(answer)


@pytest.fixture
def versions(registry, name):
    """A config with 25 versions."""
    registry.create(name)
    for _ in range(24):
        made = registry.update(name)
    return name, from_then_on(made)


# ---- Lists ----

def test_a_list_in_pages_is_as_of_one_revision(rest, registry, name):
    environment = f"of {name}"
    for number in range(7):
        made = registry.create(f"c-{number}", environment=environment)
    target = f"/api/configs?limit=3&environment=of+{name}&fields=service_name,version"
    seen, revisions = [], set()
    for answer in pages(rest, target, from_then_on(made)):
        seen += [(d["service_name"], d["version"]) for d in answer.json()]
        revisions.add(answer.headers["X-Config-Revision"])
        registry.update("c-5", environment=environment)  # not to be seen by later pages
        registry.create(f"c-9{len(seen)}", environment=environment)
    assert seen == [(f"c-{number}", 1) for number in range(7)]
    assert len(revisions) == 1
    assert "Link" not in rest.get(f"/api/configs?environment=of+{name}").headers


def test_the_page_after_the_last_document_is_not_offered(rest, registry, name):
    for number in range(4):
        made = registry.create(f"c-{number}", environment=name)
    sizes = [len(answer.json()) for answer in
             pages(rest, f"/api/configs?environment={name}&limit=2", from_then_on(made))]
    assert sizes == [2, 2]


@pytest.mark.parametrize("query, at, reason", [
    ("limit=0", "limit", "NUMBER_RANGE"), ("limit=-1", "limit", "NUMBER_RANGE"),
    ("limit=x", "limit", "NOT_A_NUMBER"), ("page=x", "page", "PAGE_TOKEN"),
    ("fields=", "fields", "FIELDS_MALFORMED"), ("fields=version,-comment", "fields", "FIELDS_MALFORMED"),
    ("fields=version,coment", "fields", "FIELDS_MALFORMED")])
def test_malformed_pages_of_a_list(rest, query, at, reason):
    answer = rest.get(f"/api/configs?{query}")
    body = answer.json()
    assert (answer.status, body["detail"][0]["loc"], body["field"], body["reason"]) == (
        422, ["query", at], at, reason), answer


def test_a_page_of_another_list(rest, registry, name):
    for number in range(2):
        made = registry.create(f"c-{number}", environment=name)
    first = rest.get(f"/api/configs?environment={name}&limit=1", headers=from_then_on(made))
    answer = rest.get(next_of(first).replace(f"environment={name}", "environment=other"))
    assert (answer.status, answer.json()["reason"], answer.json()["field"]) == (
        422, "PAGE_TOKEN", "page")


# ---- Histories ----

@pytest.mark.parametrize("limit, sizes", [
    ("", [10, 10, 5]), ("&limit=12", [12, 12, 1]), ("&limit=25", [25]), ("&limit=99", [25]),
    ("&limit=-5", [20]), ("&limit=0", [0])])
def test_a_history_in_pages(rest, versions, limit, sizes):
    name, since = versions
    found = [[d["version"] for d in answer.json()]
             for answer in pages(rest, HISTORY.format(name) + limit, since)]
    assert [len(page) for page in found] == sizes
    assert sum(found, []) == list(range(25, 25 - sum(sizes), -1))


def test_a_history_that_is_longer_than_a_page_of_the_server(rest, registry, name):
    """The Link stands before the documents, of which the gateway knows the first megabytes only; so
    the last page may be empty."""
    large = '{"x":"%s"}' % ("y" * 900_000)
    registry.create(name, large)
    for _ in range(11):
        made = registry.update(name, large)
    found = [[d["version"] for d in answer.json()]
             for answer in pages(rest, HISTORY.format(name) + "&limit=8", from_then_on(made))]
    assert found == [[12, 11, 10, 9, 8, 7, 6, 5], [4, 3, 2, 1], []]


@pytest.mark.parametrize("query, at", [
    ("page=x", "page"), ("page=1.x", "page"), ("page=x.x", "page"), ("page=-1.x", "page"),
    ("limit=-1&page=1.x", "limit")])
def test_malformed_pages_of_a_history(rest, versions, query, at):
    answer = rest.get(HISTORY.format(versions[0]) + "&" + query)
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["query", at]), answer


# ---- Members ----

@pytest.mark.parametrize("headers", [{}, {"Cache-Control": "no-cache"}], ids=["mirror", "server"])
@pytest.mark.parametrize("fields, members", [
    ("version", ["version"]), ("comment,service_name", ["service_name", "comment"]),
    ("-config_data", [m for m in DOCUMENT if m != "config_data"]),
    ("-config_data,-comment,-created_by,-updated_at", DOCUMENT[:3] + ["created_at"]),
    (",".join(DOCUMENT), DOCUMENT)])
def test_the_members_that_are_asked_for(rest, versions, headers, fields, members):
    name, since = versions
    headers = since | headers
    for target in (f"/api/configs?service_name={name}", HISTORY.format(name),
                   f"/api/configs:batchGet?name=prod/{name}"):
        mark = "&" if "?" in target else "?"
        whole = rest.get(target, headers=headers).json()
        found = rest.get(f"{target}{mark}fields={fields}", headers=headers).json()
        if isinstance(whole, dict):
            whole, found = whole["configs"], found["configs"]
        assert found == [{m: d[m] for m in members} for d in whole] and found, target
        assert list(found[0]) == members
    answer = rest.post(f"/api/configs:batchGet?fields={fields}", {"names": [f"prod/{name}"]},
                       headers=headers)
    assert list(answer.json()["configs"][0]) == members


def test_a_member_that_is_not_known(rest):
    answer = rest.get("/api/configs?fields=coment")
    assert answer.json()["detail"][0]["msg"] == (
        'A document has no member "coment"; did you mean comment?')
