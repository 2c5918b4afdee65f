"""Copies of a config from another environment, in one call."""

import json

import pytest
from access import AccessFile, grant
from daemon import PATIENCE
from errors import refused
from guarded import Guarded
from stubs import api_pb, pb

DEV = '{"host":"mail","retries":3}'


@pytest.fixture
def copied(registry, name):
    """Copies name from dev to prod."""
    def copy(source="dev", **fields):
        return registry.copy(name, source, **fields)

    registry.create(name, '{"host":"old"}', environment="dev")
    registry.update(name, DEV, environment="dev")
    return copy


def test_a_copy_of_what_another_environment_has(registry, name, copied):
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        copied()
    looked = copied(allow_missing=True, validate_only=True)
    assert {entry.key for entry in looked.diff.added} == {"host", "retries"}
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.get(name)
    made = copied(allow_missing=True, comment="tried", created_by="ada").config
    assert (made.kind, made.version, made.config_data) == (pb.CHANGE_KIND_CREATE, 1, DEV.encode())
    assert (made.source_version, made.comment, made.created_by) == (2, "tried", "ada")
    again = copied(source_version=1, expected_version=1).config
    assert (again.kind, again.version) == (pb.CHANGE_KIND_UPDATE, 2)
    assert again.config_data == b'{"host":"old"}'
    with refused("ABORTED", "VERSION_MISMATCH"):
        copied(expected_version=1)
    assert registry.data(name) == b'{"host":"old"}'


def test_history_and_change_log_say_the_source(registry, name, copied):
    copied(allow_missing=True)
    version, = registry.versions(name).versions
    assert (version.source_environment, version.source_version) == ("dev", 2)
    log = registry.stub.ListCommits(api_pb.ListCommitsRequest(
        environment="prod", service_name=name), timeout=PATIENCE)
    change, = log.commits[0].changes
    assert (change.source_environment, change.source_version) == ("dev", 2)
    registry.update(name)
    newest = registry.versions(name).versions[0]
    assert (newest.source_environment, newest.source_version) == ("", 0)


def test_the_source_after_earlier_changes_of_a_commit(registry, name, copied):
    write = api_pb.Write
    registry.commit([
        write(update=api_pb.UpdateConfigRequest(environment="dev", service_name=name,
                                                merge_patch=b'{"retries":9}')),
        write(update=api_pb.UpdateConfigRequest(environment="prod", service_name=name,
                                                source_environment="dev", allow_missing=True)),
        write(update=api_pb.UpdateConfigRequest(environment="test", service_name=name,
                                                source_environment="prod", allow_missing=True))])
    assert json.loads(registry.data(name, environment="test")) == {"host": "mail", "retries": 9}


@pytest.mark.parametrize(("source", "version", "code", "reason"), [
    ("elsewhere", 0, "NOT_FOUND", "SOURCE_NOT_FOUND"),
    ("", 0, "NOT_FOUND", "SOURCE_NOT_FOUND"),
    ("prod", 0, "INVALID_ARGUMENT", "SOURCE_SAME"),
    ("a/b", 0, "INVALID_ARGUMENT", "NAME_CHARACTER"),
    ("dev", 3, "NOT_FOUND", "VERSION_NOT_FOUND"),
])
def test_copies_that_cannot_be_made(copied, source, version, code, reason):
    with refused(code, reason):
        copied(source, source_version=version, allow_missing=True)


def test_a_source_version_is_that_of_a_source(registry, name):
    with refused("INVALID_ARGUMENT", "CONTENT_AMBIGUOUS", "source_version"):
        registry.update(name, source_version=1, allow_missing=True)


def test_a_version_whose_payload_was_erased_is_no_source(registry, name, copied):
    registry.delete(name, 1, environment="dev")
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        copied(source_version=1, allow_missing=True)


def test_a_deleted_config_is_no_source(registry, name, copied):
    registry.delete(name, environment="dev")
    with refused("NOT_FOUND", "SOURCE_NOT_FOUND"):
        copied(allow_missing=True)


def test_a_schema_holds_for_a_copy(registry, name, copied):
    registry.set_schema(name, {"properties": {"retries": {"maximum": 2}}}, environment="prod")
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED"):
        copied(allow_missing=True)
    copied(allow_missing=True, source_version=1)


@pytest.mark.any_store
def test_a_copy_takes_the_right_to_read_its_source(launch, tmp_path):
    access = AccessFile(tmp_path)
    root = access.add("root", grant("super-admin"))
    writer = access.add("writer", grant("admin", ["prod"]))
    reader = access.add("reader", grant("admin", ["prod"]), grant("reader", ["dev"], ["billing"]))
    server = launch(Guarded, access=access).start()
    server.registry(root).create("billing", environment="dev")

    def copy(token, service):
        return server.registry(token).copy(service, "dev", allow_missing=True)

    for service in ("billing", "no-such-service"):  # the same whether there is one or not
        with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
            copy(writer, service)
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        copy(reader, "mailer")
    assert copy(reader, "billing").config.version == 1
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        server.registry(writer).commit([api_pb.Write(update=api_pb.UpdateConfigRequest(
            environment="prod", service_name="billing", source_environment="dev"))])


def test_a_copy_over_http(rest, name):
    path = f"/api/configs/{name}/copy?environment=prod&source_environment=dev"
    assert rest.post(path, {}).json()["reason"] == "SOURCE_NOT_FOUND"
    rest.post(f"/api/configs/{name}?environment=dev", {"config_data": {"a": 1}})
    looked = rest.post(path + "&validate_only=true", {})
    assert looked.status == 200 and looked.json()["diff"]["added"] == {"a": 1}, looked
    made = rest.post(path, {"comment": "tried", "created_by": "ada"})
    assert (made.status, made.json()["config_data"]) == (201, {"a": 1}), made
    rest.put(f"/api/configs/{name}?environment=dev", {"config_data": {"a": 2}})
    again = rest.post(path, headers={"If-Match": made.headers["ETag"]})
    assert (again.status, again.json()["version"]) == (200, 2)
    assert rest.post(path, headers={"If-Match": made.headers["ETag"]}).status == 412
    assert rest.post(path, headers={"If-None-Match": "*"}).status == 422
    assert rest.post(path, {"version": 1}).json()["config_data"] == {"a": 1}
    assert rest.post(path, {"version": 7}).json()["reason"] == "VERSION_NOT_FOUND"
    key = {"Idempotency-Key": f'"copy of {name}"'}
    once, twice = (rest.post(path.replace("prod", "qa"), {}, headers=key) for _ in range(2))
    assert (once.status, twice.status, once.json()) == (201, 201, twice.json())
    history = rest.get(f"/api/configs/{name}/history?environment=prod").json()
    assert [(v["source_environment"], v["source_version"]) for v in history] == [
        ("dev", 1), ("dev", 2), ("dev", 1)]
    log = rest.get(f"/api/commits?service_name={name}&environment=prod").json()
    assert log["commits"][0]["changes"][0]["source_environment"] == "dev"
    together = rest.post("/api/commits", {"changes": [{"update": {
        "service_name": name, "environment": "test", "source_environment": "dev",
        "source_version": 1, "upsert": True}}]})
    assert together.status == 201, together
    assert together.json()["changes"][0]["source_version"] == 1
