"""The five writes: results, refusals, and repeats with a request_id."""

import time

import pytest
from calls import create_change, delete_change, patch_change, rollback_change, update_change
from errors import refused
from stubs import api_pb, pb


def test_create_gives_version_1_and_the_config_back(registry, name):
    before = time.time()
    answer = registry.create(name, '{"port": 5432}', comment="first", created_by="ada")
    config = answer.config
    assert (config.environment, config.service_name) == ("prod", name)
    assert (config.version, config.kind) == (1, pb.CHANGE_KIND_CREATE)
    assert config.config_data == b'{"port":5432}'
    assert (config.comment, config.created_by) == ("first", "ada")
    assert config.revision == config.mod_revision == answer.header.revision
    assert before - 1 <= config.create_time.seconds <= time.time() + 1
    assert registry.get(name).config == config


def test_environment_is_default_where_none_is_given(registry, name):
    assert registry.create(name, environment="").config.environment == "default"
    assert registry.get(name, environment="default").config.version == 1
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.get(name, environment="prod")


def test_created_by_can_be_absent_and_can_be_empty(registry, name):
    assert not registry.create(name).config.created_by_empty
    assert registry.update(name, created_by_empty=True).config.created_by_empty
    named = registry.update(name, created_by="ada").config
    assert named.created_by == "ada" and not named.created_by_empty
    with refused("INVALID_ARGUMENT", "CREATED_BY_EMPTY", field="created_by_empty"):
        registry.update(name, created_by="ada", created_by_empty=True)


def test_create_refuses_what_exists(registry, name):
    registry.create(name)
    with refused("ALREADY_EXISTS", "CONFIG_EXISTS") as caught:
        registry.create(name)
    assert caught[0].info["current_version"] == "1"


def test_create_refuses_what_exists_with_an_empty_payload(registry, name):
    registry.create(name, "{}")
    with refused("ALREADY_EXISTS", "CONFIG_EXISTS"):
        registry.create(name)


def test_update_gives_the_next_version(registry, name):
    first = registry.create(name)
    second = registry.update(name, '{"a":2}', comment="more")
    assert (second.config.version, second.config.kind) == (2, pb.CHANGE_KIND_UPDATE)
    assert second.header.revision > first.header.revision
    assert registry.data(name) == b'{"a":2}'
    assert registry.data(name, version=1) == b'{"a":1}'


def test_update_of_nothing_needs_allow_missing(registry, name):
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.update(name)
    config = registry.update(name, allow_missing=True).config
    assert (config.version, config.kind) == (1, pb.CHANGE_KIND_CREATE)


def test_update_needs_a_content(registry, name):
    registry.create(name)
    with refused("INVALID_ARGUMENT", "CONTENT_MISSING", field="config_data"):
        registry.without_content(name)


def test_merge_patch_follows_rfc_7396(registry, name):
    registry.create(name, '{"a":{"b":1,"c":2},"d":[1,2],"e":1.50}')
    registry.patch(name, '{"a":{"b":null,"f":3},"d":[3]}')
    assert registry.data(name) == b'{"a":{"c":2,"f":3},"d":[3],"e":1.50}'


def test_merge_patch_creates_with_allow_missing(registry, name):
    registry.patch(name, '{"a":{"b":null,"c":1}}', allow_missing=True)
    assert registry.data(name) == b'{"a":{"c":1}}'


@pytest.mark.parametrize("patch", ["[]", "1", "null", "", "{", '{"a":1,"a":2}'])
def test_merge_patch_must_be_an_object(registry, name, patch):
    registry.create(name)
    with refused("INVALID_ARGUMENT", field="merge_patch"):
        registry.patch(name, patch)


def test_merge_patch_must_not_make_a_payload_that_is_too_large(registry, name):
    registry.create(name, '{"a":"%s"}' % ("x" * 700_000))
    with refused("RESOURCE_EXHAUSTED", "JSON_TOO_LARGE"):
        registry.patch(name, '{"b":"%s"}' % ("x" * 700_000))
    assert registry.get(name).config.version == 1


def test_delete_of_a_config_hides_all_of_it(registry, name):
    registry.create(name)
    registry.update(name)
    answer = registry.delete(name, comment="no longer needed")
    assert answer.deleted_count == 2 and not answer.HasField("config")
    for version in (0, 1, 2):
        with refused("NOT_FOUND"):
            registry.get(name, version=version)
    with refused("NOT_FOUND"):
        registry.rollback(name, 1)
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.update(name)


def test_numbering_goes_on_after_a_delete(registry, name):
    registry.create(name)
    registry.update(name)
    registry.delete(name)
    config = registry.create(name, '{"again":1}').config
    assert (config.version, config.kind) == (3, pb.CHANGE_KIND_CREATE)
    assert registry.version_numbers(name) == [3]
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        registry.get(name, version=2)


def test_delete_of_nothing(registry, name):
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.delete(name)
    before = registry.revision()
    assert registry.delete(name, allow_missing=True).deleted_count == 0
    registry.create(name)
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        registry.delete(name, version=7)
    assert registry.delete(name, version=7, allow_missing=True).deleted_count == 0
    assert registry.revision() == before + 1


def test_delete_of_the_head_falls_back(registry, name):
    registry.create(name)
    registry.update(name)
    registry.update(name, '{"a":3}')
    answer = registry.delete(name, version=3)
    assert answer.deleted_count == 1
    assert answer.config.version == 2
    assert answer.config.mod_revision == answer.header.revision
    assert answer.config.config_data == b'{"a":2}'
    assert registry.get(name).config == answer.config
    assert registry.version_numbers(name) == [2, 1]


def test_delete_of_an_older_version_leaves_the_head_alone(registry, name):
    registry.create(name)
    head = registry.update(name).config
    answer = registry.delete(name, version=1)
    assert answer.deleted_count == 1
    assert registry.get(name).config == head
    assert registry.version_numbers(name) == [2]


def test_a_version_number_is_never_used_again(registry, name):
    registry.create(name)
    registry.update(name)
    registry.delete(name, version=2)
    assert registry.update(name).config.version == 3
    registry.delete(name, version=3)
    registry.delete(name, version=1)
    with refused("NOT_FOUND"):
        registry.get(name)
    assert registry.create(name).config.version == 4


def test_rollback_brings_an_old_payload_as_a_new_version(registry, name):
    registry.create(name, '{"n": 1.50}')
    registry.update(name)
    answer = registry.rollback(name, 1, comment="undo")
    config = answer.config
    assert (config.version, config.source_version) == (3, 1)
    assert config.kind == pb.CHANGE_KIND_ROLLBACK
    assert config.config_data == b'{"n":1.50}'
    assert config.comment == "undo"


def test_rollback_refuses_what_is_not_there(registry, name):
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.rollback(name, 1)
    registry.create(name)
    registry.update(name)
    registry.delete(name, version=1)
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        registry.rollback(name, 1)
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        registry.rollback(name, 99)


def test_rollback_without_a_version_undoes_the_last_change(registry, name):
    registry.create(name, '{"n":1}')
    with refused("FAILED_PRECONDITION", "NOT_ENOUGH_VERSIONS"):
        registry.rollback(name, 0)
    seen = registry.update(name, '{"n":2}').config
    undone = registry.rollback(name, 0, request_id=f"{name}-undo", comment="undo")
    assert (undone.config.version, undone.config.source_version, undone.config.config_data) == (
        3, 1, b'{"n":1}')
    assert registry.rollback(name, 0, request_id=f"{name}-undo", comment="undo").config == undone.config
    with refused("ABORTED", "VERSION_MISMATCH"):
        registry.rollback(name, 0, expected_version=seen.version)
    with refused("ABORTED", "REVISION_MISMATCH"):
        registry.rollback(name, 0, expected_revision=seen.mod_revision)
    registry.commit([update_change(name, '{"n":4}'), rollback_change(name, 0)])
    assert registry.get(name).config.config_data == b'{"n":1}'


# ---- Expectations ----

WRITES = {
    "update": lambda r, name, **f: r.update(name, **f),
    "patch": lambda r, name, **f: r.patch(name, '{"b":1}', **f),
    "rollback": lambda r, name, **f: r.rollback(name, 1, **f),
    "delete": lambda r, name, **f: r.delete(name, **f),
    "delete version": lambda r, name, **f: r.delete(name, version=1, **f),
}


@pytest.fixture(params=WRITES.values(), ids=WRITES.keys())
def write(request, registry, name):
    registry.create(name)
    registry.update(name)
    return lambda **fields: request.param(registry, name, **fields)


def test_expected_version_must_hold(registry, name, write):
    revision = registry.revision()
    with refused("ABORTED", "VERSION_MISMATCH") as caught:
        write(expected_version=1)
    assert caught[0].info["current_version"] == "2"
    assert registry.revision() == revision
    write(expected_version=2)
    assert registry.revision() == revision + 1


def test_expected_revision_must_hold(registry, name, write):
    config = registry.get(name).config
    with refused("ABORTED", "REVISION_MISMATCH") as caught:
        write(expected_revision=config.mod_revision - 1)
    assert caught[0].info["current_revision"] == str(config.mod_revision)
    assert caught[0].info["current_epoch"] == registry.get(name).header.epoch
    write(expected_revision=config.mod_revision)


def test_expected_epoch_must_hold(registry, name, write):
    answer = registry.get(name)
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH") as caught:
        write(expected_revision=answer.config.mod_revision, expected_epoch="0" * 16)
    assert caught[0].info == {"current_epoch": answer.header.epoch, "current_version": "2",
                              "current_revision": str(answer.config.mod_revision)}
    write(expected_revision=answer.config.mod_revision, expected_epoch=answer.header.epoch)


def test_an_expectation_fails_where_there_is_nothing(registry, name):
    with refused("ABORTED", "VERSION_MISMATCH"):
        registry.update(name, allow_missing=True, expected_version=1)
    with refused("ABORTED", "REVISION_MISMATCH"):
        registry.update(name, allow_missing=True, expected_revision=1)


def test_only_one_of_two_with_the_same_expectation_wins(registry, name):
    registry.create(name)
    registry.update(name, '{"by":1}', expected_version=1)
    with refused("ABORTED", "VERSION_MISMATCH"):
        registry.update(name, '{"by":2}', expected_version=1)
    assert registry.data(name) == b'{"by":1}'


# ---- request_id ----

def test_a_repeat_gets_the_first_answer(registry, name):
    first = registry.create(name, request_id=f"{name}-create")
    registry.update(name)
    again = registry.create(name, request_id=f"{name}-create")
    assert again.config.version == 1
    assert again.config.revision == first.config.revision
    assert again.config.config_data == first.config.config_data
    assert registry.get(name).config.version == 2


def test_repeats_of_every_write(registry, name):
    registry.create(name)
    calls = [
        lambda: registry.update(name, '{"a":2}', request_id=f"{name}-1"),
        lambda: registry.patch(name, '{"b":3}', request_id=f"{name}-2"),
        lambda: registry.rollback(name, 1, request_id=f"{name}-3"),
        lambda: registry.delete(name, version=3, request_id=f"{name}-4"),
        lambda: registry.delete(name, request_id=f"{name}-5"),
    ]
    for call in calls:
        first = call()
        revision = registry.revision()
        again = call()
        assert registry.revision() == revision
        assert again.config.version == first.config.version
        assert getattr(again, "deleted_count", 0) == getattr(first, "deleted_count", 0)


def test_another_request_under_a_used_id_is_refused(registry, name):
    registry.create(name, request_id=name)
    with refused("FAILED_PRECONDITION", "REQUEST_ID_REUSED"):
        registry.create(name, '{"a":9}', request_id=name)
    with refused("FAILED_PRECONDITION", "REQUEST_ID_REUSED"):
        registry.delete(name, request_id=name)
    assert registry.version_numbers(name) == [1]


def test_a_refused_request_does_not_use_its_id_up(registry, name):
    with refused("NOT_FOUND"):
        registry.update(name, request_id=name)
    registry.create(name)
    assert registry.update(name, request_id=name).config.version == 2


def test_a_repeat_of_a_commit(registry, name):
    changes = [create_change(name), update_change(name)]
    first = registry.commit(changes, request_id=name)
    again = registry.commit(changes, request_id=name)
    assert again.commit.revision == first.commit.revision
    assert [e.version for e in again.commit.changes] == [1, 2]
    assert registry.get(name).config.version == 2


# ---- validate_only ----

def test_validate_only_answers_and_changes_nothing(registry, name):
    registry.create(name, '{"keep":1,"drop":2,"change":3}')
    revision = registry.revision()
    answer = registry.update(name, '{"keep":1.0,"change":4,"new":5}', validate_only=True)
    assert answer.config.version == 2
    diff = answer.diff
    assert [(e.key, e.new_value) for e in diff.added] == [("new", b"5")]
    assert [(e.key, e.old_value) for e in diff.removed] == [("drop", b"2")]
    assert [(e.key, e.old_value, e.new_value) for e in diff.changed] == [("change", b"3", b"4")]
    assert registry.revision() == revision
    assert registry.get(name).config.version == 1


def test_validate_only_of_each_write(registry, name):
    assert registry.create(name, validate_only=True).config.version == 1
    with refused("NOT_FOUND"):
        registry.get(name)
    registry.create(name)
    registry.update(name, '{"b":1}')
    revision = registry.revision()
    assert registry.patch(name, '{"c":1}', validate_only=True).config.version == 3
    assert registry.rollback(name, 1, validate_only=True).diff.removed[0].key == "b"
    assert registry.delete(name, validate_only=True).deleted_count == 2
    assert registry.commit([update_change(name)], validate_only=True).commit.changes[0].version == 3
    assert registry.revision() == revision
    assert registry.version_numbers(name) == [2, 1]


def test_validate_only_refuses_what_the_write_would(registry, name):
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.update(name, validate_only=True)
    with refused("INVALID_ARGUMENT", field="config_data"):
        registry.create(name, "[]", validate_only=True)
    registry.create(name)
    with refused("ABORTED", "VERSION_MISMATCH"):
        registry.update(name, validate_only=True, expected_version=5)


def test_validate_only_does_not_use_the_request_id(registry, name):
    registry.create(name, request_id=name, validate_only=True)
    assert registry.create(name, '{"other":1}', request_id=name).config.version == 1


# ---- CommitChanges ----

def test_a_commit_carries_out_its_changes_in_order(registry, name):
    other = f"{name}-other"
    registry.create(other, '{"x":1}')
    registry.update(other, '{"x":2}')
    answer = registry.commit(
        [create_change(name), patch_change(name, '{"b":2}'), update_change(name, '{"c":3}'),
         rollback_change(name, 1), rollback_change(other, 1), delete_change(other, version=2)],
        comment="all at once", created_by="ada")
    commit = answer.commit
    assert commit.revision == answer.header.revision
    assert (commit.comment, commit.created_by) == ("all at once", "ada")
    assert [(e.service_name, e.version, e.index) for e in commit.changes] == [
        (name, 1, 0), (name, 2, 1), (name, 3, 2), (name, 4, 3), (other, 3, 4), (other, 2, 5)]
    assert all(e.revision == commit.revision for e in commit.changes)
    assert registry.data(name) == b'{"a":1}'
    assert registry.version_numbers(other) == [3, 1]
    assert {registry.get(n).config.mod_revision for n in (name, other)} == {commit.revision}


def test_a_commit_is_all_or_nothing(registry, name):
    revision = registry.revision()
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND", field="changes[2]") as caught:
        registry.commit([create_change(name), update_change(name),
                         update_change(f"{name}-missing")])
    assert caught[0].info["change"] == "2"
    with refused("NOT_FOUND"):
        registry.get(name)
    assert registry.revision() == revision


@pytest.mark.parametrize("change, field", [
    (create_change("x", "[]"), "changes[1].create.config_data"),
    (update_change("x", "{"), "changes[1].update.config_data"),
    (patch_change("x", "3"), "changes[1].update.merge_patch"),
    (create_change(""), "changes[1].create.service_name"),
    (delete_change("a/b"), "changes[1].delete.service_name"),
    (rollback_change("a/b", 0), "changes[1].rollback.service_name"),
    (api_pb.Write(), "changes[1]"),
])
def test_a_bad_field_in_a_commit_is_named(registry, name, change, field):
    with refused("INVALID_ARGUMENT", field=field):
        registry.commit([create_change(name), change])


@pytest.mark.parametrize("field, value", [
    ("comment", "why"), ("created_by", "ada"), ("created_by_empty", True), ("request_id", "r"),
    ("validate_only", True)])
def test_an_option_of_a_part_of_a_commit_is_refused(registry, name, field, value):
    with refused("INVALID_ARGUMENT", "CHANGE_OPTION", field=f"changes[0].update.{field}"):
        registry.commit([update_change(name, allow_missing=True, **{field: value})])


def test_a_commit_of_nothing_is_refused(registry):
    with refused("INVALID_ARGUMENT", "CHANGES_COUNT", field="changes"):
        registry.commit([])


def test_a_commit_that_changes_nothing_makes_no_revision(registry, name):
    revision = registry.revision()
    answer = registry.commit([delete_change(name, allow_missing=True)])
    assert not answer.HasField("commit")
    assert registry.revision() == revision


def test_expectations_within_a_commit_see_its_own_changes(registry, name):
    registry.commit([create_change(name), update_change(name, expected_version=1)])
    with refused("ABORTED", "VERSION_MISMATCH", field="changes[1]"):
        registry.commit([update_change(name), update_change(name, expected_version=2)])
    assert registry.get(name).config.version == 2


# ---- The header ----

def test_the_header_never_goes_back_and_names_one_epoch(registry, name):
    answers = [registry.status(), registry.create(name), registry.get(name),
               registry.update(name), registry.versions(name), registry.diff(name),
               registry.list(service_name=name), registry.delete(name)]
    revisions = [answer.header.revision for answer in answers]
    assert revisions == sorted(revisions)
    assert len({answer.header.epoch for answer in answers}) == 1
    assert len(answers[0].header.epoch) == 16
    hashes = {(a.header.revision, a.header.chain_hash) for a in answers}
    assert len(hashes) == len(set(revisions)), "one revision, one hash"


def test_the_conditions_of_a_repeat_do_not_count(registry, name):
    registry.create(name)
    first = registry.update(name, expected_version=1, request_id=f"of {name}")
    for conditions in ({}, {"expected_version": 2}, {"expected_epoch": "0123456789abcdef"},
                       {"expected_revision": first.config.mod_revision}):
        again = registry.update(name, request_id=f"of {name}", **conditions)
        assert again.config == first.config
    with refused("FAILED_PRECONDITION", "REQUEST_ID_REUSED"):
        registry.update(name, '{"a":3}', expected_version=1, request_id=f"of {name}")


@pytest.mark.parametrize("version, old, new, removed", [(0, 2, 0, ["a"]), (2, 2, 1, []),
                                                        (1, 2, 2, [])])
def test_a_delete_that_only_validates_tells_the_difference(registry, name, version, old, new,
                                                           removed):
    registry.create(name)
    registry.update(name)
    answer = registry.delete(name, version, validate_only=True)
    diff = answer.diff
    assert (diff.old_version, diff.new_version, [entry.key for entry in diff.removed]) == (
        old, new, removed)
    assert (diff.json_patch == b"[]") == (old == new)
    assert registry.get(name).config.version == 2
    assert not registry.delete(name, 9, validate_only=True, allow_missing=True).HasField("diff")
    assert not registry.delete(name, version).HasField("diff")
