"""WriteConfigs: independent writes in one call, each with the outcome of a call of its own."""

import grpc
import pytest
from calls import create_change, delete_change, patch_change, rollback_change, update_change
from errors import refused
from stubs import api_pb, pb

MIB = 1 << 20


def kinds(answer):
    return [outcome.WhichOneof("outcome") for outcome in answer.outcomes]


def test_outcomes_come_in_the_order_of_the_writes(registry, name):
    others = [f"{name}-{number}" for number in range(3)]
    for other in others:
        registry.create(other)
    registry.update(others[2])
    answer = registry.write([
        update_change(others[0], '{"b":1}', comment="why", created_by="ada"), create_change(name, '{"new":1}'),
        delete_change(others[1]), rollback_change(others[2], 1)])
    assert kinds(answer) == ["update", "create", "delete", "rollback"]
    updated, created, deleted, rolled_back = (
        getattr(outcome, outcome.WhichOneof("outcome")) for outcome in answer.outcomes)
    assert updated.config == registry.get(others[0]).config
    assert (updated.config.version, updated.config.config_data) == (2, b'{"b":1}')
    assert (updated.config.comment, updated.config.created_by) == ("why", "ada")
    assert created.config == registry.get(name).config
    assert deleted.deleted_count == 1 and not deleted.HasField("config")
    assert (rolled_back.config.version, rolled_back.config.source_version) == (3, 1)
    revisions = [created.config.revision, updated.config.revision, rolled_back.config.revision]
    assert len(set(revisions)) == 3, "each is a commit of its own"
    assert answer.header.revision >= max(*revisions, deleted.header.revision)


def test_one_that_fails_leaves_the_others_alone(registry, name):
    registry.create(name)
    answer = registry.write([create_change(f"{name}-a"), update_change(name, expected_version=7),
                             update_change(name, "{"), create_change(f"{name}-b")])
    assert kinds(answer) == ["create", "error", "error", "create"]
    assert registry.get(name).config.version == 1
    assert registry.data(f"{name}-a") == registry.data(f"{name}-b") == b'{"a":1}'



@pytest.mark.parametrize("write", [
    create_change("there"), create_change("x", "[]"), create_change("x", '{"a":1,"a":2}'), create_change("a/b"),
    create_change("x", comment="c" * 65537), create_change("x", created_by="c" * 1025), update_change("missing"),
    update_change("x", "{"), patch_change("there", "3"), update_change("there", expected_version=999),
    update_change("there", expected_revision=9, expected_epoch="0123456789abcdef"),
    api_pb.Write(update=api_pb.UpdateConfigRequest(service_name="x")), delete_change("missing"),
    delete_change("there", version=999), rollback_change("missing", 0), rollback_change("there", 999),
    update_change("there", '{"big":"%s"}' % ("x" * MIB)),
])
def test_an_error_is_that_of_the_call_of_its_own(registry, name, write):
    registry.update("there", allow_missing=True)
    kind = write.WhichOneof("write")
    method = getattr(registry.stub, f"{kind.capitalize()}Config")
    with pytest.raises(grpc.RpcError) as caught:
        method(getattr(write, kind), timeout=60)
    alone = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    answer = registry.write([write, create_change(name), write])
    assert kinds(answer) == ["error", "create", "error"]
    assert answer.outcomes[0].error.SerializeToString() == alone
    assert answer.outcomes[2].error.SerializeToString() == alone


def test_a_write_that_is_none_is_an_error_of_its_own(registry, name):
    answer = registry.write([api_pb.Write(), create_change(name)])
    assert kinds(answer) == ["error", "create"]
    assert answer.outcomes[0].error.code == 3
    assert b"WRITE_MISSING" in answer.outcomes[0].error.details[0].value


def test_two_writes_of_one_config_both_take_effect(registry, name):
    registry.create(name)
    answer = registry.write([update_change(name, '{"n":1}'), update_change(name, '{"n":2}')])
    configs = [outcome.update.config for outcome in answer.outcomes]
    assert sorted(config.version for config in configs) == [2, 3]
    assert [config.config_data for config in configs] == [b'{"n":1}', b'{"n":2}']
    for config in configs:
        assert registry.data(name, version=config.version) == config.config_data


def test_a_repeat_within_the_call_and_after_it_gets_the_first_answer(registry, name):
    registry.create(name)
    once = update_change(name, '{"once":1}', request_id=f"{name}-once")
    answer = registry.write([once, once, update_change(name, '{"other":1}', request_id=f"{name}-once")])
    first, second, reused = answer.outcomes
    assert first.update.config == second.update.config
    assert b"REQUEST_ID_REUSED" in reused.error.details[0].value
    assert registry.stub.UpdateConfig(once.update).config == first.update.config
    assert registry.version_numbers(name) == [2, 1]


def test_validate_only_changes_nothing(registry, name):
    registry.create(name)
    answer = registry.write([update_change(name, '{"b":1}', validate_only=True), create_change(f"{name}-new")])
    assert kinds(answer) == ["update", "create"]
    assert answer.outcomes[0].update.diff.added[0].key == "b"
    assert registry.get(name).config.version == 1


def test_the_number_of_writes_has_bounds(registry, name):
    for writes in ([], [create_change(name)] * 129):
        with refused("INVALID_ARGUMENT", "WRITES_COUNT", field="writes"):
            registry.write(writes)
    with refused("NOT_FOUND"):
        registry.get(name)
    answer = registry.write([create_change(f"{name}-{number}") for number in range(128)])
    assert kinds(answer) == ["create"] * 128


def test_an_answer_that_comments_make_too_large_leaves_them_out(registry, name):
    longest = "c" * 65536
    answer = registry.write([create_change(f"{name}-{number}", comment=longest) for number in range(128)])
    assert kinds(answer) == ["create"] * 128 and answer.ByteSize() < 4 * MIB
    configs = [outcome.create.config for outcome in answer.outcomes]
    whole = [config for config in configs if config.comment == longest]
    assert 40 < len(whole) < 48
    assert all(c.payload_state == pb.PAYLOAD_STATE_OMITTED and not c.comment
               for c in configs if c not in whole)
    assert registry.get(f"{name}-127").config.comment == longest


def test_an_answer_that_grows_too_large_leaves_payloads_out(registry, name):
    def data(letter):
        return '{"big":"%s"}' % (letter * 900_000)

    for number in range(5):
        registry.create(f"{name}-{number}", data("x"))
        registry.update(f"{name}-{number}")
    writes = [rollback_change(f"{name}-{number}", 1) for number in range(5)]
    writes.append(update_change(name, data("y"), validate_only=True, allow_missing=True))
    registry.create(f"{name}-gone")
    writes.append(delete_change(f"{name}-gone"))
    answer = registry.write(writes)
    assert kinds(answer) == ["rollback"] * 5 + ["update", "delete"]
    assert answer.ByteSize() < 4 * MIB
    configs = [outcome.rollback.config for outcome in answer.outcomes[:5]]
    assert [bool(config.config_data) for config in configs] == [True] * 3 + [False] * 2
    assert [config.payload_state == pb.PAYLOAD_STATE_OMITTED for config in configs] == (
        [False] * 3 + [True] * 2)
    assert not answer.outcomes[5].update.HasField("diff")
    assert answer.outcomes[6].delete.deleted_count == 1
    assert not answer.outcomes[6].delete.HasField("config")
    for number in range(5):
        assert registry.data(f"{name}-{number}") == data("x").encode()
