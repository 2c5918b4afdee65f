"""Schemas: what they keep out, how they are kept, and who sees them."""

import json

import pytest
from calls import Registry, create_change, update_change
from daemon import Confregd
from errors import refused
from schema_race import race
from seed import chance
from stubs import api_pb, pb
from watching import Watch

PORT = {"properties": {"port": {"type": "integer", "maximum": 65535}, "host": {"type": "string"}},
        "required": ["port"]}
GOOD, BAD = '{"port":1}', '{"port":70000,"host":[]}'


# ---- What comes in ----

def test_a_value_that_breaks_the_schema_is_refused_with_all_violations(registry, name):
    registry.set_schema(name, PORT)
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED", "config_data/port") as caught:
        registry.create(name, BAD)
    assert caught[0].violations == [
        ("config_data/port",
         f"must be at most 65535 (confreg:/{name}#/properties/port/maximum)"),
        ("config_data/host",
         f"must be a string, but is an array (confreg:/{name}#/properties/host/type)")]
    assert caught[0].info["violations"] == "2"
    assert registry.create(name, GOOD).config.version == 1


def test_every_way_in_is_checked(registry, name):
    registry.create(name, BAD)
    registry.update(name, GOOD)
    registry.set_schema(name, PORT)
    change = "changes[1].update.config_data/port"
    for field, call in (
            ("config_data/port", lambda: registry.update(name, BAD)),
            ("config_data/port", lambda: registry.update(name, BAD, validate_only=True)),
            ("config_data/port", lambda: registry.create(name, BAD, environment="dev")),
            ("config_data/port", lambda: registry.patch(name, '{"port":70000}')),
            ("config_data", lambda: registry.patch(name, '{"port":null}')),
            ("config_data/port", lambda: registry.json_patch(
                name, '[{"op":"replace","path":"/port","value":70000}]')),
            ("config_data/port", lambda: registry.rollback(name, 1)),
            (change, lambda: registry.commit([create_change(f"{name}-x", GOOD),
                                              update_change(name, BAD)]))):
        with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED", field):
            call()
    outcomes = registry.write([update_change(name, BAD), update_change(name, GOOD)]).outcomes
    assert [outcome.WhichOneof("outcome") for outcome in outcomes] == ["error", "update"]
    assert b"SCHEMA_VIOLATED" in outcomes[0].error.details[0].value
    registry.delete(name)
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED", "config_data/port"):
        registry.undelete(name, 1)
    assert registry.undelete(name, 2).config.config_data == GOOD.encode()


def test_that_of_the_environment_goes_before_that_for_all(registry, name):
    registry.set_schema(name, PORT)
    registry.set_schema(name, {"maxProperties": 0}, environment="dev")
    registry.create(name, "{}", environment="dev")
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED"):
        registry.create(name, "{}")
    assert registry.schema(name, environment="dev", in_force=True).schema.environment == "dev"
    assert registry.schema(name, environment="prod", in_force=True).schema.environment == ""
    with refused("FAILED_PRECONDITION", "SCHEMA_BREAKS_CONFIGS", "schema") as caught:
        registry.delete_schema(name, environment="dev")
    assert caught[0].message.startswith(f"dev/{name}: the value ")
    registry.delete_schema(name, environment="dev", force=True)
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED"):
        registry.update(name, "{}", environment="dev")


def test_resolved_values_are_checked_where_the_schema_says_so(registry, name):
    registry.set_schema(name, {**PORT, "x-confreg-resolved": True})
    registry.create(name, GOOD, environment="default")
    registry.create(name, '{"host":"a"}')
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED") as caught:
        registry.update(name, '{"port":null}')
    assert f"prod/{name} resolved: " in caught[0].message
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED") as caught:
        registry.update(name, "{}", environment="default")
    assert [f"prod/{name} resolved" in text for _, text in caught[0].violations] == [False, True]
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED"):
        registry.delete(name, environment="default")


def test_a_schema_changes_with_those_that_it_refers_to(registry, name):
    base = f"{name}-base"
    registry.set_schema(base, {"$defs": {"port": {"maximum": 10}}})
    registry.set_schema(name, {"properties": {"port": {"$ref": f"confreg:/{base}#/$defs/port"}}})
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED", "config_data/port") as caught:
        registry.create(name, '{"port":11}')
    assert f"confreg:/{base}#/$defs/port/maximum" in caught[0].message
    registry.set_schema(base, {"$defs": {"port": {"maximum": 11}}})
    registry.create(name, '{"port":11}')
    with refused("FAILED_PRECONDITION", "SCHEMA_BREAKS_CONFIGS"):
        registry.set_schema(base, {"$defs": {"port": {"maximum": 10}}})
    for call in (lambda: registry.set_schema(base, {}), lambda: registry.delete_schema(base, force=True)):
        with refused("FAILED_PRECONDITION", "SCHEMA_REFERENCED"):
            call()


# ---- How a schema is kept ----

def test_a_schema_has_versions_like_a_config(registry, name):
    first = registry.set_schema(name, PORT, comment="first", created_by="ada").schema
    assert (first.version, first.kind, first.resource) == (1, pb.CHANGE_KIND_CREATE,
                                                           pb.RESOURCE_KIND_SCHEMA)
    assert json.loads(first.config_data) == PORT
    assert (first.comment, first.created_by) == ("first", "ada")
    registry.set_schema(name, {"title": "none"}, expected_version=1)
    with refused("ABORTED", "VERSION_MISMATCH"):
        registry.set_schema(name, PORT, expected_version=1)
    assert registry.set_schema(name, PORT, validate_only=True).diff.removed[0].key == "title"
    assert [d.key for d in registry.diff_schemas(name).diff.removed] == ["properties", "required"]
    back = registry.set_schema(name, source_version=1).schema
    assert (back.version, back.kind, back.source_version) == (3, pb.CHANGE_KIND_ROLLBACK, 1)
    assert registry.delete_schema(name).deleted_count == 3
    assert registry.delete_schema(name, allow_missing=True).deleted_count == 0
    with refused("NOT_FOUND", "SCHEMA_NOT_FOUND"):
        registry.schema(name)
    assert registry.schema(name, 1, include_deleted=True).schema.config_data == first.config_data
    undeleted = registry.set_schema(name, source_version=2).schema
    assert (undeleted.version, undeleted.kind) == (4, pb.CHANGE_KIND_UNDELETE)
    versions = registry.schema_versions(name)
    assert ([v.version for v in versions.versions], versions.total_size) == ([4, 3, 2, 1], 4)


def test_a_change_is_undone_without_naming_a_version(registry, rest, name):
    registry.set_schema(name, PORT)
    with refused("FAILED_PRECONDITION", "NOT_ENOUGH_VERSIONS"):
        registry.set_schema(name, undo=True)
    registry.set_schema(name, {})
    back = registry.set_schema(name, undo=True).schema
    assert (back.version, back.source_version, json.loads(back.config_data)) == (3, 1, PORT)
    again = rest.post(f"/api/schemas/{name}/rollback", {})
    assert (again.status, again.json()["version"], again.json()["schema"]) == (200, 4, {})
    for fields in ({"schema": {}}, {"source_version": 1}):
        with refused("INVALID_ARGUMENT", "CONTENT_AMBIGUOUS", "undo"):
            registry.set_schema(name, undo=True, **fields)
    registry.delete_schema(name)
    with refused("NOT_FOUND", "SCHEMA_NOT_FOUND"):
        registry.set_schema(name, undo=True)


def test_a_repeat_of_a_request_gets_the_first_answer(registry, name):
    first = registry.set_schema(name, PORT, request_id=name)
    assert registry.set_schema(name, PORT, request_id=name).schema == first.schema
    with refused("FAILED_PRECONDITION", "REQUEST_ID_REUSED"):
        registry.set_schema(name, {}, request_id=name)


def test_a_wrong_schema_is_refused_with_all_faults(registry, name):
    with refused("INVALID_ARGUMENT", "SCHEMA_INVALID") as caught:
        registry.set_schema(name, {"type": "int", "minimum": "1"}, force=True)
    assert [field for field, _ in caught[0].violations] == ["schema/type", "schema/minimum"]
    for schema, reason in (("[]", "JSON_NOT_OBJECT"), ("{", "JSON_SYNTAX"),
                           ('{"a":1,"a":2}', "JSON_DUPLICATE_KEY"),
                           ('{"$ref":"confreg:/none"}', "SCHEMA_INVALID"),
                           ('{"$ref":"https://example.org/a"}', "SCHEMA_INVALID"),
                           ('{"$ref":"file:///etc/passwd"}', "SCHEMA_INVALID")):
        with refused("INVALID_ARGUMENT", reason):
            registry.set_schema(name, schema)
    with refused("RESOURCE_EXHAUSTED", "JSON_TOO_LARGE"):
        registry.set_schema(name, json.dumps({"title": "x" * (256 << 10)}))
    with refused("INVALID_ARGUMENT", "CONTENT_AMBIGUOUS"):
        registry.set_schema(name, PORT, source_version=1)
    with refused("INVALID_ARGUMENT", "NAME_CHARACTER"):
        registry.set_schema("a/b", PORT)


def test_one_that_live_configs_break_needs_force(registry, name):
    registry.create(name, BAD)
    registry.create(name, GOOD, environment="dev")
    with refused("FAILED_PRECONDITION", "SCHEMA_BREAKS_CONFIGS") as caught:
        registry.set_schema(name, PORT)
    assert [text.partition(":")[0] for _, text in caught[0].violations] == [f"prod/{name}"] * 2
    assert registry.set_schema(name, PORT, force=True).schema.version == 1
    assert registry.data(name) == BAD.encode()
    registry.update(name, GOOD)


@pytest.mark.concurrent
def test_no_value_gets_in_beside_a_change_of_the_schema(registry, name):
    race(registry, [registry] * 4, name, [chance("writer", i) for i in range(4)], 5)


# ---- Defaults ----

TREE = {"$defs": {"pool": {"properties": {"min": {"default": 1}, "max": {"default": 10}}, "default": {"max": 5}}},
        "properties": {"port": {"default": 80, "title": "Port", "description": "of the server",
                                "examples": [80, 8080], "deprecated": True, "readOnly": True},
                       "pool": {"$ref": "#/$defs/pool"}, "log": {"properties": {"level": {"default": "info"}}},
                       "servers": {"items": {"allOf": [{"properties": {"a/b~c": {"default": None}}}]}}}}


def filled(registry, name, **fields):
    answer = registry.get(name, apply_defaults=True, **fields)
    return json.loads(answer.config.config_data), list(answer.defaulted)


def test_defaults_are_filled_in_and_told(registry, name):
    registry.create(name, '{"log":{},"servers":[{},{"a/b~c":1}],"own":null}')
    assert filled(registry, name) == ({"log": {}, "servers": [{}, {"a/b~c": 1}], "own": None}, [])
    registry.set_schema(name, TREE)
    assert filled(registry, name) == (
        {"log": {"level": "info"}, "servers": [{"a/b~c": None}, {"a/b~c": 1}], "own": None, "port": 80,
         "pool": {"max": 5, "min": 1}},
        ["/log/level", "/servers/0/a~1b~0c", "/port", "/pool", "/pool/min"])
    assert registry.data(name) == b'{"log":{},"servers":[{},{"a/b~c":1}],"own":null}', "nothing was written"
    registry.update(name, '{"port":null,"pool":{"min":2}}')
    assert filled(registry, name) == ({"port": None, "pool": {"min": 2, "max": 10}}, ["/pool/max"])
    assert filled(registry, name, version=1)[1]
    registry.create(name, '{"log":{"level":"debug"}}', environment="default")
    assert filled(registry, name, resolve=True) == (
        {"log": {"level": "debug"}, "pool": {"min": 2, "max": 10}, "port": 80}, ["/pool/max", "/port"])


def test_defaults_are_filled_in_over_http(registry, rest, name):
    registry.set_schema(name, TREE)
    registry.create(name, '{"log":{}}')
    answer = rest.get(f"/api/configs/{name}?environment=prod&apply_defaults=true")
    assert answer.json() == {"log": {"level": "info"}, "port": 80, "pool": {"max": 5, "min": 1}}
    assert (answer.headers["X-Config-Defaulted"], answer.headers["X-Config-Version"], answer.headers["ETag"]) == (
        "4", "1", None)
    plain = rest.get(f"/api/configs/{name}?environment=prod&apply_defaults=false")
    assert plain.json() == {"log": {}} and plain.headers["X-Config-Defaulted"] is None
    assert rest.get(f"/api/configs/{name}?environment=prod&resolve=true&apply_defaults=true").status == 200
    assert rest.get(f"/api/configs/{name}-none?apply_defaults=true").status == 404
    assert rest.get(f"/api/configs/{name}?apply_defaults=x").status == 422


def test_a_schema_tells_its_defaults_and_keeps_its_notes(registry, name):
    registry.set_schema(name, TREE)
    answer = registry.schema(name, include_defaults=True)
    assert json.loads(answer.defaults) == {"port": 80, "pool": {"max": 5, "min": 1}, "log": {"level": "info"}}
    assert json.loads(answer.schema.config_data) == TREE, "title, description, examples, deprecated, readOnly"
    assert registry.schema(name).defaults == b""
    with refused("INVALID_ARGUMENT", "VERSION_WITH_DEFAULTS", "version"):
        registry.schema(name, 1, include_defaults=True)
    with refused("NOT_FOUND", "SCHEMA_NOT_FOUND"):
        registry.schema(f"{name}-none", include_defaults=True)


def test_a_schema_tells_its_defaults_over_http(rest, name):
    path = f"/api/schemas/{name}"
    tag = rest.put(path, {"schema": TREE}).headers["ETag"]
    answer = rest.get(path, query={"include_defaults": "true"})
    assert answer.json() == {
        "schema": TREE, "defaults": {"port": 80, "pool": {"max": 5, "min": 1}, "log": {"level": "info"}}}
    assert (answer.headers["X-Config-Version"], answer.headers["ETag"]) == ("1", None)
    assert rest.get(path, query={"environment": "prod", "in_force": "true", "include_defaults": "true"}).json() == (
        answer.json())
    assert rest.put(path, {"schema": {}}, headers={"If-Match": tag}).status == 200
    assert rest.get(path, query={"include_defaults": "true"}).json() == {"schema": {}, "defaults": {}}
    assert rest.get(path, query={"include_defaults": "false"}).json() == {}
    for wrong in ({"include_defaults": "x"}, {"include_defaults": "true", "version": 1}):
        assert rest.get(path, query=wrong).status == 422
    assert rest.get(f"{path}-none", query={"include_defaults": "true"}).status == 404


def test_defaults_come_from_schemas_that_are_referred_to(registry, name):
    registry.set_schema(f"{name}-base", {"$defs": {"port": {"default": 1}}})
    registry.set_schema(name, {"properties": {"port": {"$ref": f"confreg:/{name}-base#/$defs/port"}}})
    registry.create(name, "{}")
    assert filled(registry, name) == ({"port": 1}, ["/port"])


def test_defaults_are_bounded(registry, name):
    registry.set_schema(name, {"properties": {"a": {"$ref": "#", "default": {}}, "b": {"$ref": "#"}}})
    registry.create(name, "{}")
    assert filled(registry, name) == ({"a": {"a": {}}}, ["/a", "/a/a"]), "it refers to itself, which ends there"
    assert len(registry.schema(name, include_defaults=True).defaults) < 1000
    registry.set_schema(name, {"items": {"properties": {"k": {"default": "x" * 1000}}},
                               "properties": {"list": {"$ref": "#"}}})
    registry.update(name, json.dumps({"list": [{}] * 1000}))
    assert len(filled(registry, name)[1]) == 1000
    registry.update(name, json.dumps({"list": [{}] * 1001}))
    with refused("RESOURCE_EXHAUSTED", "DEFAULTS_TOO_LARGE"):
        filled(registry, name)


# ---- Who sees it ----

def test_schemas_and_configs_do_not_mix(registry, name):
    before = registry.status().config_count
    revision = registry.set_schema(name, PORT).header.revision
    registry.set_schema(name, PORT, environment="prod")
    assert registry.status().config_count == before
    assert not registry.list(service_name=name).configs
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.get(name)
    assert [s.environment for s in registry.schemas(service_name=name).schemas] == ["", "prod"]
    assert [s.environment for s in registry.schemas(service_name=name, environment="prod").schemas] \
        == ["prod"]
    registry.create(name, GOOD)
    commits = registry.stub.ListCommits(
        api_pb.ListCommitsRequest(service_name=name, view=api_pb.COMMIT_VIEW_DIFF)).commits
    assert [c.changes[0].resource for c in commits] == [0, 1, 1]
    assert commits[1].changes[0].diff.environment == "prod"
    assert commits[2].revision == revision
    assert not registry.stub.DiffConfigs(api_pb.DiffConfigsRequest(
        environment="prod", new_environment="dev", service_name=f"{name}x")).diffs


def test_lists_of_schemas_have_pages(registry, name):
    for number in range(5):
        registry.set_schema(f"{name}-{number}", {"title": str(number)})
    page = registry.schemas(service_name_prefix=name, page_size=2)
    found = list(page.schemas)
    while page.next_page_token:
        page = registry.schemas(service_name_prefix=name, page_size=2, page_token=page.next_page_token)
        found += page.schemas
    assert [s.service_name for s in found] == [f"{name}-{number}" for number in range(5)]
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN"):
        registry.list(service_name_prefix=name,
                      page_token=registry.schemas(service_name_prefix=name, page_size=2).next_page_token)
    brief = registry.schemas(service_name_prefix=name, view=api_pb.VIEW_BASIC).schemas[0]
    assert (brief.config_data, brief.payload_state) == (b"", pb.PAYLOAD_STATE_OMITTED)
    registry.delete_schema(f"{name}-0")
    assert len(registry.schemas(service_name_prefix=name).schemas) == 4
    assert len(registry.schemas(service_name_prefix=name, show_deleted=True).schemas) == 5
    assert [s.last_version for s in registry.schemas(
        service_name_prefix=name, only_deleted=True).schemas] == [1]


def test_a_watch_delivers_schemas_if_it_is_asked_to(confregd, registry, name):
    registry.set_schema(name, PORT)
    registry.set_schema(name, PORT, environment="dev")
    selector = [api_pb.Selector(environment="prod", service_name=name)]
    wishes = {"selectors": selector, "include_snapshot": True}
    with Watch(confregd.stub, **wishes) as plain, \
            Watch(confregd.stub, include_schemas=True, **wishes) as both, \
            Watch(confregd.stub, include_schemas=True) as everything:
        assert not plain.snapshot()[0]
        assert [(c.resource, c.environment) for c in both.snapshot()[0]] == [(1, "")]
        everything.started()
        registry.set_schema(name, PORT, environment="prod")
        registry.set_schema(name, PORT, environment="dev")
        registry.set_schema(name, {}, comment="none")
        registry.create(name, GOOD)
        assert [(e.resource, e.environment) for e in both.events(3)] == [
            (1, "prod"), (1, ""), (0, "prod")]
        assert [(e.resource, e.environment) for e in plain.events(1)] == [(0, "prod")]
        assert [(e.resource, e.environment) for e in everything.events(4)] == [
            (1, "prod"), (1, "dev"), (1, ""), (0, "prod")]
    with refused("INVALID_ARGUMENT", "RESOLVE_WITH_SCHEMAS", "include_schemas"):
        next(registry.stub.Watch(api_pb.WatchRequest(selectors=selector, resolve=True,
                                                     include_schemas=True)))


# ---- Over HTTP ----

def test_schemas_over_http(rest, name):
    path = f"/api/schemas/{name}"
    created = rest.put(path, {"schema": PORT, "comment": "why", "created_by": "ada"})
    assert created.status == 201, created
    assert created.json()["schema"] == PORT and created.json()["environment"] is None
    assert (created.json()["created_by"], created.json()["comment"]) == ("ada", "why")
    tag = created.headers["ETag"]
    assert rest.get(path).json() == PORT
    answer = rest.put(f"/api/configs/{name}", {"config_data": {"servers": [{"port": 1}]}})
    assert answer.status == 422
    changed = rest.put(path, {"schema": {}}, headers={"If-Match": tag}, query={"environment": "prod"})
    assert changed.status == 412
    changed = rest.put(path, {"schema": {"title": "none"}}, headers={"If-Match": tag})
    assert (changed.status, changed.json()["version"]) == (200, 2)
    assert rest.put(path, {"schema": PORT}, headers={"If-Match": tag}).status == 412
    look = rest.put(path, {"schema": PORT}, query={"validate_only": "true"})
    assert look.status == 200 and look.json()["diff"]["removed"] == {"title": "none"}
    assert look.json()["diff"]["environment"] is None
    assert [v["version"] for v in rest.get(f"{path}/history").json()["versions"]] == [2, 1]
    difference = rest.get(f"{path}/diff").json()
    assert difference["environment"] is None and difference["removed"].keys() == PORT.keys()
    back = rest.post(f"{path}/rollback", {"version": 1})
    assert (back.status, back.json()["version"]) == (200, 3)
    assert rest.get(path, query={"version": 2}).json() == {"title": "none"}
    assert rest.get(path, query={"environment": "dev", "in_force": "true"}).json() == PORT
    assert rest.get(path, query={"environment": "dev"}).status == 404
    listed = rest.get("/api/schemas", query={"service_name": name}).json()
    assert [s["version"] for s in listed["schemas"]] == [3] and listed["next"] is None
    assert rest.delete(path, query={"comment": "gone"}).json() == {"deleted": 3}
    rest.put(f"/api/configs/{name}", {"config_data": {}}, query={"upsert": "true"})
    commits = rest.get("/api/commits", query={"service_name": name}).json()["commits"]
    changes = [commit["changes"][0] for commit in commits]
    assert [(c["environment"], c.get("resource")) for c in changes] == [
        ("default", None), *[(None, "schema")] * 4]
    assert rest.get(path).json()["reason"] == "SCHEMA_NOT_FOUND"


def test_violations_over_http_have_their_places(rest, name):
    items = {"properties": {"servers": {"items": {"required": ["host"], "properties": {
        "port": {"maximum": 9}}}}}}
    assert rest.put(f"/api/schemas/{name}", {"schema": items}).status == 201
    value = {"servers": [{"host": "a"}, {"port": 10}]}
    answer = rest.post(f"/api/configs/{name}", {"config_data": value})
    assert answer.status == 422
    assert answer.json()["reason"] == "SCHEMA_VIOLATED"
    assert answer.json()["field"] == "config_data"
    assert sorted((fault["loc"], fault["msg"].partition(" (")[0]) for fault in answer.json()["detail"]) == [
        (["body", "config_data", "servers", 1], 'must have "host"'),
        (["body", "config_data", "servers", 1, "port"], "must be at most 9")]
    assert {fault["type"] for fault in answer.json()["detail"]} == {"value_error"}
    assert rest.post(f"/api/configs/{name}", {"config_data": {"servers": []}}).status == 201
    patched = rest.call("PATCH", f"/api/configs/{name}", value)
    assert patched.json()["detail"][0]["loc"][:2] == ["body", "config_data"]
    answer = rest.put(f"/api/schemas/{name}", {"schema": {"maxProperties": 0}})
    assert (answer.status, answer.json()["reason"]) == (409, "SCHEMA_BREAKS_CONFIGS")
    assert [text.partition(":")[0] for text in answer.json()["violations"]] == [f"default/{name}"]
    assert rest.put(f"/api/schemas/{name}", {"schema": {"maxProperties": 0}},
                    query={"force": "true"}).status == 200
    answer = rest.put(f"/api/schemas/{name}", {"schema": {"type": 1, "minimum": "a"}})
    assert [fault["loc"] for fault in answer.json()["detail"]] == [["body", "schema", "type"],
                                                                   ["body", "schema", "minimum"]]


def all_pages(rest, target, member):
    """The items of a list in pages, by its Link headers."""
    found = []
    while target:
        answer = rest.get(target)
        found += answer.json()[member]
        target = answer.headers["Link"].partition(">")[0][1:] if "Link" in answer.headers else None
    return found


def test_lists_over_http_have_pages(rest, name):
    for number in range(3):
        assert rest.put(f"/api/schemas/{name}-{number}", {"schema": {}}).status == 201
        assert rest.put(f"/api/schemas/{name}-0", {"schema": {"title": str(number)}}).status == 200
    listed = all_pages(rest, f"/api/schemas?prefix={name}&limit=1", "schemas")
    assert [s["service_name"] for s in listed] == [f"{name}-{number}" for number in range(3)]
    versions = all_pages(rest, f"/api/schemas/{name}-0/history?limit=1", "versions")
    assert [v["version"] for v in versions] == [4, 3, 2, 1]


def test_a_deleted_schema_over_http(rest, name):
    path = f"/api/schemas/{name}"
    for schema in ({"title": "a"}, {"title": "b"}):
        rest.put(path, {"schema": schema})
    assert rest.delete(path).status == 200
    assert rest.get(f"{path}?version=1").status == 404
    assert rest.get(f"{path}?version=1&include_deleted=true").json() == {"title": "a"}
    history = rest.get(f"{path}/history?include_deleted=true").json()["versions"]
    assert [v["version"] for v in history] == [2, 1]
    diff = rest.get(f"{path}/diff?old_version=1&new_version=2&include_deleted=true").json()
    assert diff["changed"] == {"title": {"old": "a", "new": "b"}}


def test_a_repeat_over_http_gets_the_first_answer(rest, name):
    path = f"/api/schemas/{name}"

    def twice(method, target, body, status):
        key = {"Idempotency-Key": f'"{name}-{method}-{target[-8:]}"'}
        text = None if body is None else json.dumps(body)
        first, again = (rest.call(method, target, text, key) for _ in range(2))
        assert (first.status, again.status) == (status, status), (first, again)
        assert first.json() == again.json()

    twice("PUT", path, {"schema": {"title": "a"}}, 201)
    assert rest.put(path, {"schema": {}}).json()["version"] == 2
    twice("POST", f"{path}/rollback", {"version": 1}, 200)
    assert rest.get(path).json() == {"title": "a"}
    twice("DELETE", path, None, 200)


def test_what_force_is_for_over_http(rest, name):
    """A schema that others need, and one that live configs break, looked at before."""
    path = f"/api/schemas/{name}"
    rest.put(path, {"schema": {"maxProperties": 0}})
    rest.put(path, {"schema": {}})
    rest.post(f"/api/configs/{name}", {"config_data": {"a": 1}})
    assert rest.post(f"{path}/rollback", {"version": 1}).status == 409
    look = rest.post(f"{path}/rollback?validate_only=true&force=true", {"version": 1})
    assert look.status == 200 and look.json()["diff"]["added"] == {"maxProperties": 0}
    assert rest.get(path).json() == {}
    assert rest.post(f"{path}/rollback?force=true", {"version": 1}).json()["version"] == 3
    assert rest.delete(f"{path}?force=true").status == 200


# ---- Conditions and the rest of the calls ----

def test_schemas_are_written_on_condition(registry, name):
    first = registry.set_schema(name, {"title": "a"})
    registry.set_schema(name, {"title": "b"}, expected_revision=first.header.revision,
                        expected_epoch=first.header.epoch)
    with refused("ABORTED", "REVISION_MISMATCH"):
        registry.set_schema(name, {}, expected_revision=first.header.revision,
                            expected_epoch=first.header.epoch)
    for condition in ({"expected_version": 1}, {"expected_revision": first.header.revision,
                                                "expected_epoch": first.header.epoch}):
        with refused("ABORTED"):
            registry.delete_schema(name, **condition)
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH"):
        registry.delete_schema(name, expected_revision=1, expected_epoch="0123456789abcdef")
    assert registry.delete_schema(name, expected_version=2).deleted_count == 2
    again = registry.set_schema(name, {}).header
    assert registry.delete_schema(name, expected_revision=again.revision,
                                  expected_epoch=again.epoch).deleted_count == 1


def test_versions_have_pages_and_any_two_can_be_compared(registry, name):
    for title in "abc":
        registry.set_schema(name, {"title": title})
    registry.set_schema(name, {"title": "other"}, environment="dev")
    page = registry.schema_versions(name, page_size=2)
    rest_of = registry.schema_versions(name, page_size=2, page_token=page.next_page_token)
    assert [v.version for v in [*page.versions, *rest_of.versions]] == [3, 2, 1]
    assert not rest_of.next_page_token
    changed = registry.diff_schemas(name, old_version=1, new_version=3).diff.changed
    assert [(e.old_value, e.new_value) for e in changed] == [(b'"a"', b'"c"')]
    changed = registry.diff_schemas(name, new_environment="dev").diff.changed
    assert [(e.old_value, e.new_value) for e in changed] == [(b'"c"', b'"other"')]
    registry.delete_schema(name)
    changed = registry.diff_schemas(name, old_version=1, new_version=2, include_deleted=True).diff.changed
    assert [(e.old_value, e.new_value) for e in changed] == [(b'"a"', b'"b"')]


# ---- What stays ----

def test_a_schema_is_in_force_after_a_crash(launch, name):
    confregd = launch(Confregd).start()
    registry = Registry(confregd.stub)
    registry.set_schema(name, PORT)
    registry.create(name, GOOD)
    confregd.kill()
    confregd.start()
    registry = Registry(confregd.stub)
    assert json.loads(registry.schema(name).schema.config_data) == PORT
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED", "config_data/port"):
        registry.update(name, BAD)
