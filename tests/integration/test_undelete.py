"""Deleted configs: what is left of them can be read, listed and brought back."""

import pytest
from calls import Registry, create_change, delete_change, undelete_change, update_change
from daemon import Confregd, until
from errors import refused
from stubs import api_pb, pb
from watching import Watch


@pytest.fixture
def deleted(registry, name):
    """A config that had three versions when it was deleted; the answer to the delete."""
    for number in (1, 2, 3):
        registry.update(name, '{"n":%d}' % number, allow_missing=True)
    return registry.delete(name, comment="by accident", created_by="ada")


def trash(registry, name):
    return [c for c in registry.list(show_deleted=True, service_name=name).configs
            if not c.version]


# ---- Undeleting ----

def test_the_config_comes_back_with_its_history(registry, name, deleted):
    config = registry.undelete(name, comment="back", created_by="bob").config
    assert (config.version, config.source_version) == (4, 3)
    assert config.kind == pb.CHANGE_KIND_UNDELETE
    assert config.config_data == b'{"n":3}'
    assert (config.comment, config.created_by) == ("back", "bob")
    assert config.mod_revision == config.revision == deleted.header.revision + 1
    assert registry.get(name).config == config
    assert registry.version_numbers(name) == [4, 3, 2, 1]
    assert registry.data(name, 2) == b'{"n":2}'
    assert registry.diff(name, 1, 4).diff.changed[0].new_value == b"3"
    assert registry.rollback(name, 1).config.version == 5


def test_any_version_can_be_the_one_that_comes_back(registry, name, deleted):
    assert registry.undelete(name, 1).config.config_data == b'{"n":1}'
    assert registry.version_numbers(name) == [4, 3, 2, 1]
    registry.delete(name)
    registry.create(name, '{"n":5}')
    registry.delete(name)
    config = registry.undelete(name, 2).config  # of the life before
    assert (config.version, config.config_data) == (6, b'{"n":2}')
    assert registry.version_numbers(name) == [6, 5]


def test_what_is_live_or_never_was_is_not_undeleted(registry, name):
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.undelete(name)
    registry.create(name)
    with refused("ALREADY_EXISTS", "CONFIG_EXISTS") as caught:
        registry.undelete(name)
    assert caught[0].info["current_version"] == "1"
    registry.delete(name)
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        registry.undelete(name, 2)


def test_what_was_erased_stays_away(registry, name, deleted):
    registry.delete(name, erase=True)
    for version in range(4):
        with refused("FAILED_PRECONDITION", "PAYLOAD_ERASED"):
            registry.undelete(name, version)
    assert trash(registry, name)[0].payload_state == pb.PAYLOAD_STATE_ERASED
    assert registry.version_numbers(name, include_deleted=True) == []


def test_versions_that_were_erased_one_by_one_stay_away(registry, name):
    for number in (1, 2, 3):
        registry.update(name, '{"n":%d}' % number, allow_missing=True)
    registry.delete(name, version=3)
    registry.delete(name)
    assert registry.version_numbers(name, include_deleted=True) == [2, 1]
    with refused("FAILED_PRECONDITION", "PAYLOAD_ERASED"):
        registry.undelete(name, 3)
    config = registry.undelete(name).config
    assert (config.version, config.source_version) == (4, 2)
    assert registry.version_numbers(name) == [4, 2, 1]
    for version in (4, 2, 1):
        registry.delete(name, version=version)
    with refused("FAILED_PRECONDITION", "PAYLOAD_ERASED"):
        registry.undelete(name)


def test_the_delete_can_be_expected(registry, name, deleted):
    revision = deleted.header.revision
    with refused("ABORTED", "REVISION_MISMATCH"):
        registry.undelete(name, expected_revision=revision - 1)
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH"):
        registry.undelete(name, expected_revision=revision, expected_epoch="0" * 16)
    registry.undelete(name, expected_revision=trash(registry, name)[0].mod_revision,
                      expected_epoch=deleted.header.epoch)
    with refused("ABORTED", "REVISION_MISMATCH"):
        registry.undelete(name, expected_revision=revision)


def test_validate_only_changes_nothing(registry, name, deleted):
    answer = registry.undelete(name, validate_only=True)
    assert answer.config.version == 4
    assert [e.key for e in answer.diff.added] == ["n"]
    assert (answer.diff.old_version, answer.diff.new_version) == (0, 4)
    with refused("NOT_FOUND"):
        registry.get(name)
    assert registry.revision() == deleted.header.revision


def test_as_a_part_of_a_commit_and_of_many_writes(registry, name, deleted):
    registry.create(other := f"{name}-other")
    commit = registry.commit([undelete_change(name), update_change(name, '{"n":5}'),
                              delete_change(other), undelete_change(other)]).commit
    assert [(e.kind, e.version) for e in commit.changes] == [
        (pb.CHANGE_KIND_UNDELETE, 4), (pb.CHANGE_KIND_UPDATE, 5), (pb.CHANGE_KIND_DELETE, 0),
        (pb.CHANGE_KIND_UNDELETE, 2)]
    with refused("FAILED_PRECONDITION", "PAYLOAD_ERASED", field="changes[1]"):
        registry.commit([delete_change(name, erase=True), undelete_change(name)])
    with refused("INVALID_ARGUMENT", "CHANGE_OPTION", field="changes[0].undelete.comment"):
        registry.commit([undelete_change(name, comment="of a part")])
    registry.delete(name)
    outcomes = registry.write([undelete_change(name), undelete_change(f"{name}-never")]).outcomes
    assert outcomes[0].undelete.config.version == 6
    assert "CONFIG_NOT_FOUND" in str(outcomes[1].error)


# ---- What is there of deleted configs ----

def test_versions_of_deleted_configs_are_read_where_asked(registry, name, deleted):
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.get(name, 2)
    config = registry.get(name, 2, include_deleted=True).config
    assert (config.version, config.config_data) == (2, b'{"n":2}')
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        registry.get(name, 4, include_deleted=True)
    with refused("INVALID_ARGUMENT", "VERSION_MISSING", field="version"):
        registry.get(name, include_deleted=True)
    diff = registry.diff(name, include_deleted=True).diff
    assert (diff.old_version, diff.new_version) == (2, 3)
    assert registry.diff(name, 1, 2, include_deleted=True).diff.changed[0].new_value == b"2"
    with refused("NOT_FOUND"):
        registry.diff(name, 1, 2)


def test_the_history_tells_what_is_not_live(registry, name, deleted):
    registry.create(name, '{"n":4}')
    answer = registry.versions(name, include_deleted=True)
    assert [(v.version, v.deleted) for v in answer.versions] == [
        (4, False), (3, True), (2, True), (1, True)]
    assert answer.total_size == 4
    assert answer.versions[1].config_data == b'{"n":3}'
    assert registry.version_numbers(name) == [4]
    first = registry.versions(name, include_deleted=True, page_size=3)
    rest = registry.versions(name, include_deleted=True, page_size=3,
                             page_token=first.next_page_token)
    assert [v.version for v in rest.versions] == [1]
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN"):
        registry.versions(name, page_token=first.next_page_token)
    assert registry.diff(name, 3, 4, include_deleted=True).diff.changed[0].old_value == b"3"


def test_the_trash_tells_when_and_by_whom(registry, name, deleted):
    assert not registry.list(service_name=name).configs
    config, = trash(registry, name)
    assert (config.version, config.last_version) == (0, 3)
    assert (config.kind, config.comment, config.created_by) == (
        pb.CHANGE_KIND_DELETE, "by accident", "ada")
    assert config.revision == config.mod_revision == deleted.header.revision
    assert config.payload_state == pb.PAYLOAD_STATE_OMITTED and not config.config_data
    registry.undelete(name)
    assert not trash(registry, name)


def test_pages_of_the_trash_are_of_one_revision(registry, name):
    names = [f"{name}-{number:02}" for number in range(20)]
    registry.commit([create_change(n) for n in names])
    registry.commit([delete_change(n) for n in names[:10]])
    page = registry.list(show_deleted=True, service_name_prefix=name, page_size=7)
    listed = list(page.configs)
    registry.commit([undelete_change(n) for n in names[:10]] + [delete_change(n) for n in names[10:]])
    while page.next_page_token:
        page = registry.list(show_deleted=True, service_name_prefix=name, page_size=7,
                             page_token=page.next_page_token)
        listed += page.configs
    assert [(c.service_name, bool(c.version)) for c in listed] == [
        (n, number >= 10) for number, n in enumerate(names)]


def test_the_trash_alone(registry, name):
    names = [f"{name}-{number}" for number in range(4)]
    registry.commit([create_change(n) for n in names])
    registry.commit([delete_change(n) for n in names[:2]])
    page = registry.list(only_deleted=True, service_name_prefix=name)
    assert [(c.service_name, c.version) for c in page.configs] == [(n, 0) for n in names[:2]]


# ---- Events ----

def test_watches_tell_of_an_undelete(registry, name, deleted):
    registry.create(name, '{"base":1}', environment="default")
    only = [api_pb.Selector(service_name=name, environment="prod")]
    with (Watch(registry.stub, selectors=only) as plain,
          Watch(registry.stub, selectors=only, include_previous=True) as before,
          Watch(registry.stub, selectors=only, conflate=True) as newest,
          Watch(registry.stub, selectors=only, resolve=True) as resolved):
        for stream in (plain, before, newest, resolved):
            stream.started()
        config = registry.undelete(name).config
        for stream in (plain, before, newest):
            event, = stream.events(1)
            assert event.kind == pb.CHANGE_KIND_UNDELETE
            assert (event.version, event.head_version, event.previous_version) == (4, 4, 0)
            assert event.config == config and not event.HasField("previous")
        event, = resolved.events(1)
        assert event.kind == pb.CHANGE_KIND_UPDATE, "the default was what it resolved to"
        assert event.config.config_data == b'{"base":1,"n":3}'


# ---- Over HTTP ----

@pytest.fixture
def path(name):
    return f"/api/configs/{name}"


@pytest.fixture
def gone(rest, path):
    """A config with two versions, deleted; the answer to the delete."""
    rest.post(path, {"config_data": {"n": 1}})
    rest.put(path, {"config_data": {"n": 2}})
    return rest.delete(path + "?comment=by+accident&created_by=ada")


def test_an_undelete_over_http(rest, path, gone):
    answer = rest.post(f"{path}/undelete")
    document = answer.json()
    assert (answer.status, document["version"], document["config_data"]) == (200, 3, {"n": 2})
    assert document["comment"] == "Undeleted with the data of version 2"
    assert rest.get(path).headers["ETag"] == answer.headers["ETag"]
    assert [d["version"] for d in rest.get(f"{path}/history").json()] == [3, 2, 1]
    rest.delete(path)
    answer = rest.post(f"{path}/undelete", {"version": 1, "comment": "the first", "created_by": "bob"})
    document = answer.json()
    assert (document["version"], document["config_data"]) == (4, {"n": 1})
    assert (document["comment"], document["created_by"]) == ("the first", "bob")


def test_an_undelete_over_http_that_is_refused(rest, path, gone):
    undelete = f"{path}/undelete"
    assert rest.post(undelete, {"version": 9}).json()["detail"] == "Version 9 not found"
    assert rest.post(undelete, {"version": 0}).status == 404
    assert rest.post(undelete, {"verison": 1}).json()["field"] == "verison"
    assert rest.post(undelete, {"version": "1"}).status == 422
    assert rest.post(undelete, headers={"If-Match": "*"}).status == 412
    answer = rest.post(undelete + "?validate_only=true")
    assert (answer.status, answer.json()["diff"]["added"]) == (200, {"n": 2})
    assert rest.get(path).status == 404
    headers = {"Idempotency-Key": path.rpartition("/")[2]}
    first = rest.post(undelete, headers=headers)
    assert rest.post(undelete, headers=headers).json() == first.json()
    answer = rest.post(undelete)
    assert (answer.status, answer.json()["reason"]) == (409, "CONFIG_EXISTS")
    assert rest.post(undelete, headers={"If-None-Match": "*"}).status == 412
    assert rest.post(f"{path}-never/undelete").status == 404


def test_deleted_versions_over_http(rest, path, gone):
    assert rest.get(f"{path}?version=1").status == 404
    assert rest.get(f"{path}?version=1&include_deleted=true").json() == {"n": 1}
    answer = rest.get(f"{path}?include_deleted=true")
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["query", "version"])
    assert rest.get(f"{path}/diff").status == 400
    diff = rest.get(f"{path}/diff?include_deleted=true").json()
    assert (diff["old_version"], diff["new_version"]) == (1, 2)
    rest.post(path, {"config_data": {"n": 3}})
    assert [d["version"] for d in rest.get(f"{path}/history").json()] == [3]
    history = rest.get(f"{path}/history?include_deleted=true").json()
    assert [(d["version"], d.get("deleted")) for d in history] == [(3, None), (2, True), (1, True)]
    page = rest.get(f"{path}/history?include_deleted=true&limit=2&fields=version")
    assert page.json() == [{"version": 3}, {"version": 2, "deleted": True}]
    target = page.headers["Link"].partition("<")[2].partition(">")[0]
    assert rest.get(target).json() == [{"version": 1, "deleted": True}]


def test_the_trash_over_http(rest, name, path, gone):
    answer = rest.get(f"/api/configs?deleted=true&service_name={name}")
    document, = answer.json()
    revision = int(gone.headers["X-Config-Revision"].strip('"').rpartition("-")[2])
    assert document == {
        "service_name": name, "environment": "default", "version": 2,
        "deleted_at": document["deleted_at"], "deleted_by": "ada", "comment": "by accident",
        "revision": revision}
    rest.post(f"{path}/undelete")
    assert rest.get(f"/api/configs?deleted=true&service_name={name}").json() == []
    rest.delete(path)
    document, = rest.get(f"/api/configs?deleted=true&service_name={name}").json()
    assert (document["deleted_by"], document["comment"]) == ("system", "Configuration deleted")
    answer = rest.get("/api/configs?deleted=true&fields=version")
    assert (answer.status, answer.json()["field"]) == (422, "fields")


def test_pages_of_the_trash_over_http(rest, registry, name):
    """Live configs between the deleted ones take no place on a page."""
    names = [f"{name}-{number:02}" for number in range(30)]
    registry.commit([create_change(n, environment=name) for n in names])
    registry.commit([delete_change(n, environment=name) for n in names[::3]])
    target, listed, pages = f"/api/configs?deleted=true&environment={name}&limit=4", [], []
    while target:
        answer = rest.get(target)
        listed += [d["service_name"] for d in answer.json()]
        pages.append(len(answer.json()))
        target = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
    assert (listed, pages) == (names[::3], [4, 4, 2])


# ---- Over time ----

def test_a_repeat_after_a_crash_gets_the_first_answer(launch):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create("billing", '{"n":1}')
    registry.update("billing", '{"n":2}')
    registry.delete("billing")
    first = registry.undelete("billing", request_id="once")
    server.kill()
    server.start()
    registry = Registry(server.stub)
    assert registry.undelete("billing", request_id="once") == first
    registry.update("billing", '{"n":4}')
    assert registry.undelete("billing", request_id="once").config == first.config
    with refused("FAILED_PRECONDITION", "REQUEST_ID_REUSED"):
        registry.undelete("billing", 1, request_id="once")
    assert registry.version_numbers("billing") == [4, 3, 2, 1]
    server.end()


@pytest.mark.parametrize("stop", ["stop", "kill"])
def test_the_trash_survives_a_restart(launch, stop):
    """Stored heads of deleted configs keep their history; after a kill the log tells it."""
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    for number in (1, 2, 3):
        registry.update("billing", '{"n":%d}' % number, allow_missing=True)
    registry.delete("billing", version=2)
    registry.delete("billing")
    registry.create("erased")
    registry.delete("erased", erase=True)
    getattr(server, stop)()
    server.start()
    registry = Registry(server.stub)
    assert [(c.service_name, c.payload_state) for c in registry.list(show_deleted=True).configs] == [
        ("billing", pb.PAYLOAD_STATE_OMITTED), ("erased", pb.PAYLOAD_STATE_ERASED)]
    with refused("FAILED_PRECONDITION", "PAYLOAD_ERASED"):
        registry.undelete("billing", 2)
    with refused("FAILED_PRECONDITION", "PAYLOAD_ERASED"):
        registry.undelete("erased")
    registry.undelete("billing")
    getattr(server, stop)()
    server.start()
    assert Registry(server.stub).version_numbers("billing") == [4, 3, 1]
    server.end()


def test_a_compaction_takes_what_was_deleted_at_its_floor(launch):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    for service in ("gone", "late"):
        registry.create(service, '{"n":1}')
        registry.update(service, '{"n":2}')
    registry.delete("gone")
    floor = registry.revision()
    registry.delete("late")
    server.stub.Compact(api_pb.CompactRequest(revision=floor, keep_versions=2), timeout=60)
    with refused("FAILED_PRECONDITION", "PAYLOAD_COMPACTED"):
        registry.undelete("gone")
    until(lambda: registry.versions("gone", include_deleted=True).versions[0].payload_state ==
          pb.PAYLOAD_STATE_COMPACTED, "the payloads are gone")
    with refused("FAILED_PRECONDITION", "PAYLOAD_COMPACTED"):
        registry.undelete("gone", 1)
    with refused("FAILED_PRECONDITION", "PAYLOAD_COMPACTED"):
        registry.get("gone", 1, include_deleted=True)
    assert registry.undelete("late").config.config_data == b'{"n":2}'
    assert registry.create("gone").config.version == 3
    server.end()
