"""What breaks a schema: tried before it is set, and listed and counted afterwards."""

import gzip
import re

import pytest
from calls import Registry
from daemon import Confregd, free_port
from errors import refused
from rest import from_then_on
from test_http_access import Site
from test_metrics import scrape

PORT = {"properties": {"port": {"type": "integer"}}, "required": ["port"]}
GOOD, BAD = '{"port":1}', '{"port":"1"}'


class Measured(Confregd):
    def __init__(self, folder, **kwargs):
        self.metrics = f"127.0.0.1:{free_port()}"
        super().__init__(folder, **kwargs)

    def arguments(self):
        return [*super().arguments(), "--metrics", self.metrics]

    def metric(self, name):
        return scrape(self.metrics).get(f"confreg_{name}")


@pytest.fixture(scope="module")
def confregd(launch):
    return launch(Measured).start()


def tried(registry, name, schema, environment="", **fields):
    """(environment, version, pointer) of all pages, and how many values were checked."""
    found, checked, token = [], 0, ""
    while True:
        page = registry.try_schema(name, schema, environment, page_token=token, **fields)
        found += [(b.environment, b.version, b.pointer) for b in page.breaches]
        checked += page.checked_count
        token = page.next_page_token
        if not token:
            return found, checked


def broken(registry, **fields):
    found, token = [], ""
    while True:
        page = registry.find_broken(page_token=token, **fields)
        found += page.breaches
        token = page.next_page_token
        if not token:
            return found


# ---- Before it is set ----

def test_a_schema_is_tried_against_live_values(registry, name):
    registry.create(name, BAD)
    registry.create(name, GOOD, environment="dev")
    revision = registry.create(name, "{}", environment="test").header.revision
    answer = registry.try_schema(name, PORT)
    assert [(b.environment, b.service_name, b.version, b.pointer, b.rule, b.description, b.superseded, b.resolved)
            for b in answer.breaches] == [
        ("prod", name, 1, "/port", f"confreg:/{name}#/properties/port/type", "must be an integer, but is a string",
         False, False),
        ("test", name, 1, "", f"confreg:/{name}#/required", answer.breaches[1].description, False, False)]
    assert (answer.breaches[1].revision, answer.checked_count, answer.filtered) == (revision, 3, False)
    assert not registry.schemas(service_name=name).schemas, "nothing was set"
    assert tried(registry, name, PORT, environment="dev") == ([], 1)


def test_retained_versions_are_tried_if_that_is_asked_for(registry, name):
    for data in (BAD, GOOD, BAD, GOOD):
        registry.update(name, data, allow_missing=True)
    registry.create(f"{name}-other", BAD)
    registry.create(name, BAD, environment="dev")
    registry.delete(name, environment="dev")
    assert tried(registry, name, PORT) == ([], 1)
    found, checked = tried(registry, name, PORT, include_superseded=True)
    assert (found, checked) == ([("dev", 1, "/port"), ("prod", 3, "/port"), ("prod", 1, "/port")], 5)
    pages, checked = tried(registry, name, PORT, include_superseded=True, page_size=1)
    assert (pages, checked) == (found, 5)


def test_overlays_are_tried_over_the_default(registry, name):
    registry.create(name, '{"port":1}', environment="default")
    registry.create(name, '{"host":"a"}')
    registry.create(name, '{"port":"x"}', environment="dev")
    assert tried(registry, name, {**PORT, "x-confreg-resolved": True})[0] == [("dev", 1, "/port")]
    answer = registry.try_schema(name, {**PORT, "x-confreg-resolved": True})
    assert [b.resolved for b in answer.breaches] == [True]


def test_what_refers_to_a_schema_is_tried_with_it(registry, name):
    base, other = f"{name}-base", f"{name}-other"
    registry.set_schema(base, {"$defs": {"port": {"maximum": 10}}})
    registry.set_schema(other, {"properties": {"port": {"$ref": f"confreg:/{base}#/$defs/port"}}})
    registry.create(other, '{"port":9}')
    answer = registry.try_schema(base, {"$defs": {"port": {"maximum": 8}}})
    assert [(b.service_name, b.rule) for b in answer.breaches] == [(other, f"confreg:/{base}#/$defs/port/maximum")]
    with refused("FAILED_PRECONDITION", "SCHEMA_REFERENCED"):
        registry.try_schema(base, {})
    with refused("FAILED_PRECONDITION", "SCHEMA_REFERENCED"):
        registry.try_schema(base)


def test_a_delete_is_tried_by_what_it_leaves_in_force(registry, name):
    registry.create(name, BAD)
    registry.set_schema(name, {}, environment="prod")
    registry.set_schema(name, PORT)
    assert tried(registry, name, None, environment="prod")[0] == [("prod", 1, "/port")]
    assert tried(registry, name, None) == ([], 0)


def test_a_wrong_schema_is_not_tried(registry, name):
    for schema, reason in (({"type": "int"}, "SCHEMA_INVALID"), ("[]", "JSON_NOT_OBJECT"), ("{", "JSON_SYNTAX")):
        with refused("INVALID_ARGUMENT", reason):
            registry.try_schema(name, schema)
    with refused("INVALID_ARGUMENT", "NAME_CHARACTER"):
        registry.try_schema("a/b", {})
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN"):
        registry.try_schema(name, {}, page_token="x")


def test_a_page_token_is_of_one_schema(registry, name):
    for environment in ("a", "b"):
        registry.create(name, BAD, environment=environment)
    token = registry.try_schema(name, PORT, page_size=1).next_page_token
    assert token
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN"):
        registry.try_schema(name, {}, page_size=1, page_token=token)


# ---- Afterwards ----

def test_what_a_forced_schema_breaks_is_listed_and_counted_until_it_is_mended(registry, confregd, name):
    def count():
        return confregd.metric("broken_configs")
    start = count()
    registry.create(name, BAD)
    registry.create(name, GOOD, environment="dev")
    registry.set_schema(name, PORT, force=True)
    breach, = broken(registry, service_name=name)
    assert (breach.environment, breach.version, breach.pointer, breach.resolved) == ("prod", 1, "/port", False)
    assert breach.rule == f"confreg:/{name}#/properties/port/type"
    assert count() == start + 1
    registry.update(name, GOOD)
    assert not broken(registry, service_name=name) and count() == start
    registry.delete(name, version=2)  # version 1 becomes the head
    assert len(broken(registry, service_name_prefix=name)) == 1 and count() == start + 1
    registry.set_schema(name, {})
    assert not broken(registry, service_name=name) and count() == start
    registry.set_schema(name, PORT, environment="prod", force=True)
    assert len(broken(registry, service_name=name, environment="prod")) == 1 and count() == start + 1
    registry.delete_schema(name, environment="prod")
    assert not broken(registry, service_name=name) and count() == start


def test_broken_configs_in_pages(registry, rest, name):
    for environment in ("a", "b", "c"):
        registry.create(name, BAD, environment=environment)
    registry.set_schema(name, PORT, force=True)
    assert [b.environment for b in broken(registry, service_name=name, page_size=1)] == ["a", "b", "c"]
    found, target = [], f"/api/broken?service_name={name}&limit=2"
    while target:
        answer = rest.get(target)
        found.append([b["environment"] for b in answer.json()["breaches"]])
        link = answer.headers["Link"]
        target = link and re.fullmatch(r'<(/[^<>"]+)>; rel="next"', link)[1]
    assert found == [["a", "b"], ["c"]]


def test_the_default_mends_its_overlays(registry, confregd, name):
    start = confregd.metric("broken_configs")
    registry.create(name, "{}", environment="default")
    registry.create(name, "{}")
    registry.set_schema(name, {**PORT, "x-confreg-resolved": True}, force=True)
    assert [(b.environment, b.resolved) for b in broken(registry, service_name=name)] == [
        ("default", True), ("prod", True)]
    assert confregd.metric("broken_configs") == start + 2
    registry.update(name, GOOD, environment="default")
    assert not broken(registry, service_name=name)
    assert confregd.metric("broken_configs") == start


def test_a_schema_that_another_refers_to_breaks_configs(registry, confregd, name):
    start, base = confregd.metric("broken_configs"), f"{name}-base"
    registry.set_schema(base, {"$defs": {"port": {}}})
    registry.set_schema(name, {"properties": {"port": {"$ref": f"confreg:/{base}#/$defs/port"}}})
    registry.create(name, GOOD)
    assert confregd.metric("broken_configs") == start
    registry.set_schema(base, {"$defs": {"port": {"maximum": 0}}}, force=True)
    assert confregd.metric("broken_configs") == start + 1
    registry.set_schema(base, {"$defs": {"port": {"maximum": 1}}})
    assert confregd.metric("broken_configs") == start


def test_broken_configs_are_counted_after_a_restart(launch, name):
    server = launch(Measured).start()
    registry = Registry(server.stub)
    registry.create(name, BAD)
    registry.set_schema(name, PORT, force=True)
    server.kill()
    server.start()
    assert server.metric("broken_configs") == 1


def test_marks_for_secrets_are_followed(registry, confregd, name):
    start = confregd.metric("suspect_configs")
    registry.create(name, '{"password":"kT7w9Qz2m"}')
    assert confregd.metric("suspect_configs") == start + 1
    registry.set_schema(name, {"properties": {"password": {"x-confreg-secret": "allowed"}}})
    assert confregd.metric("suspect_configs") == start
    registry.delete_schema(name)
    assert confregd.metric("suspect_configs") == start + 1


# ---- Over HTTP ----

def test_over_http(rest, registry, name):
    for environment in ("a", "b", "c"):
        registry.create(name, BAD, environment=environment)
    registry.update(name, GOOD, environment="c")
    found, target = [], f"/api/schemas/{name}/try?versions=all&limit=1"
    while target:
        answer = rest.post(target, {"schema": PORT})
        assert answer.status == 200, answer
        found += answer.json()["breaches"]
        link = answer.headers["Link"]
        target = link and re.fullmatch(r'<(/[^<>"]+)>; rel="next"', link)[1]
    assert [(b["environment"], b["version"], b["superseded"]) for b in found] == [
        ("a", 1, False), ("b", 1, False), ("c", 1, True)]
    whole = rest.post(f"/api/schemas/{name}/try", {"schema": PORT}).json()
    assert (len(whole["breaches"]), whole["checked"], whole["next"]) == (2, 3, None)
    assert rest.post(f"/api/schemas/{name}/try", {"schema": {"type": "int"}}).status == 422
    assert rest.post(f"/api/schemas/{name}/try?versions=some", {"schema": PORT}).status == 422
    assert rest.put(f"/api/schemas/{name}?force=true", {"schema": PORT}).status == 201
    found = rest.get(f"/api/broken?service_name={name}").json()["breaches"]
    assert found == whole["breaches"]
    assert rest.get(f"/api/broken?prefix={name}&environment=a").json()["breaches"] == found[:1]


def test_pages_over_http_are_packed_and_new_enough(rest, registry, name):
    for number in range(20):
        registry.create(name, BAD, environment=f"e{number}")
    headers = {"Accept-Encoding": "gzip", **from_then_on(registry.set_schema(name, PORT, force=True))}
    for call in (lambda **more: rest.get(f"/api/broken?service_name={name}", **more),
                 lambda **more: rest.post(f"/api/schemas/{name}/try", {"schema": PORT}, **more)):
        answer = call(headers=headers)
        assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert gzip.decompress(answer.body) == call().body
    first = rest.get(f"/api/broken?service_name={name}&limit=1")
    assert len(first.json()["breaches"]) == 1
    assert first.json()["next"] in first.headers["Link"]


def test_callers_are_told_what_they_may_read(launch, tmp_path):
    """The schema of web refers to that of billing, so that a change of that one concerns both."""
    site = Site(launch, tmp_path)
    for service, schema in (("billing", {"$defs": {"port": {}}}),
                            ("web", {"properties": {"port": {"$ref": "confreg:/prod/billing#/$defs/port"}}})):
        assert site.call(site.root, "PUT", f"/api/schemas/{service}?environment=prod", {"schema": schema}).status == 201
        assert site.call(site.root, "POST", f"/api/configs/{service}?environment=prod",
                         {"config_data": {"port": "x"}}).status == 201
    body = {"schema": {"$defs": {"port": {"type": "integer"}}, **PORT}}
    for act in ("try", "set"):
        for role, token in {**site.tokens, "root": site.root}.items():
            answer = (site.call(token, "POST", "/api/schemas/billing/try?environment=prod", body) if act == "try" else
                      site.call(token, "GET", "/api/broken"))
            may = role in ("super-admin", "root") or (act == "set" and role in ("reader", "admin"))
            assert answer.status == (200 if may else 403), (role, answer)
            if may:
                seen = ["billing", "web"] if role == "root" else ["billing"]
                assert [b["service_name"] for b in answer.json()["breaches"]] == seen
                assert answer.headers["X-Config-Filtered"] == (None if role == "root" else "true")
        told = site.server.registry(site.tokens["super-admin"]).try_schema("billing", body["schema"], "prod")
        assert told.filtered
        set_it = site.call(site.root, "PUT", "/api/schemas/billing?environment=prod&force=true", body)
        assert set_it.status == 200
    assert site.call(None, "GET", "/api/broken").status == 401
    assert site.call(None, "POST", "/api/schemas/billing/try", body).status == 401


def test_faults_of_a_resolved_value_are_told_to_who_may_read_the_default(launch, tmp_path):
    site = Site(launch, tmp_path)
    for environment in ("default", "prod"):
        site.call(site.root, "POST", f"/api/configs/billing?environment={environment}", {"config_data": {}})
    schema = {"schema": {**PORT, "x-confreg-resolved": True}}
    assert site.call(site.root, "PUT", "/api/schemas/billing?force=true", schema).status == 201
    assert len(site.call(site.root, "GET", "/api/broken").json()["breaches"]) == 2
    answer = site.call(site.tokens["reader"], "GET", "/api/broken")
    assert (answer.json()["breaches"], answer.headers["X-Config-Filtered"]) == ([], "true")
