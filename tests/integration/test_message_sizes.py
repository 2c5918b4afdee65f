"""The largest message of each method, at the server's default limits, fits a client with default
limits of its own: 4 MiB."""

import itertools
import json

import grpc
import pytest
from calls import Registry, create_change, update_change
from daemon import Confregd
from stubs import api_grpc, api_pb, pb

CLIENT = 4 << 20
PAYLOAD = 1 << 20
COMMENT = "c" * (64 << 10)
AUTHOR = "a" * 1024
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
NAMES = (f"{i}-".ljust(255, "n") for i in itertools.count())
ELSEWHERE = "e" * 255


def many_members(turn):
    """A largest object of the shortest members, none of which is in that of another turn: their
    entries in a difference are the longest, for what they are made of."""
    count = (PAYLOAD - 1) // 8
    keys = ("".join(key) for key in itertools.product(LETTERS, repeat=3))
    data = "{%s}" % ",".join(f'"{key}":1'
                             for key in itertools.islice(keys, turn * count, (turn + 1) * count))
    assert PAYLOAD - 8 <= len(data) <= PAYLOAD
    return data


FIRST, SECOND = many_members(0), many_members(1)
WRITTEN = {"comment": COMMENT, "created_by": AUTHOR, "environment": ELSEWHERE}


def size(message):
    return len(message.SerializeToString())


def two_versions(registry):
    name = next(NAMES)
    registry.create(name, FIRST, **WRITTEN)
    registry.update(name, SECOND, **WRITTEN)
    return name


# Each gives the largest message of its method.

def largest_create(registry):
    answer = registry.create(next(NAMES), FIRST, **WRITTEN, validate_only=True)
    assert size(answer) > 2 * PAYLOAD
    return answer


def check_difference(answer, removed, added):
    """Everything except the patch."""
    diff = answer.diff
    assert answer.config.config_data == added.encode() and not diff.json_patch
    assert (len(diff.removed), len(diff.added)) == (removed.count(":"), added.count(":"))


def largest_update(registry):
    name = next(NAMES)
    registry.create(name, FIRST, **WRITTEN)
    answer = registry.update(name, SECOND, **WRITTEN, validate_only=True)
    check_difference(answer, FIRST, SECOND)
    return answer


def largest_delete(registry):
    return registry.delete(two_versions(registry), version=2, **WRITTEN)


def largest_rollback(registry):
    answer = registry.rollback(two_versions(registry), 1, **WRITTEN, validate_only=True)
    check_difference(answer, SECOND, FIRST)
    return answer


def largest_undelete(registry):
    name = two_versions(registry)
    registry.delete(name, environment=ELSEWHERE)
    answer = registry.undelete(name, 1, **WRITTEN, validate_only=True)
    assert answer.config.config_data == FIRST.encode() and len(answer.diff.added) == FIRST.count(":")
    return answer


def largest_commit(registry):
    fields = {field: WRITTEN[field] for field in ("comment", "created_by")}
    return registry.commit([create_change(next(NAMES), "{}", ELSEWHERE) for _ in range(128)],
                           request_id="r" * 128, **fields)


def largest_writes(registry):
    """As many writes as a request can hold, the largest answer first."""
    name = next(NAMES)
    registry.create(name, FIRST, **WRITTEN)
    fields = WRITTEN | {"comment": "c" * 60_000}
    answer = registry.write([
        update_change(name, SECOND, **WRITTEN, validate_only=True),
        *(create_change(next(NAMES), '{"a":1}', **fields) for _ in range(127))])
    assert size(answer) > 3 << 20
    return answer


def largest_get(registry):
    name = next(NAMES)
    registry.create(name, FIRST, **WRITTEN | {"environment": "default"})
    registry.create(name, SECOND, **WRITTEN)
    answer = registry.get(name, environment=ELSEWHERE, resolve=True)
    assert size(answer) > 2 * PAYLOAD - 16
    return answer


def largest_batch(registry):
    """Heads up to the limit of answers, then names that are missing."""
    heads = [next(NAMES) for _ in range(4)]
    fields = WRITTEN | {"comment": ""}
    for i, name in enumerate(heads):
        registry.create(name, FIRST if i < 2 else '{"x":"%s"}' % ("x" * 500_000), **fields)
    answer = registry.batch([pb.ConfigName(environment=ELSEWHERE, service_name=name)
                             for name in heads + [next(NAMES) for _ in range(996)]])
    assert size(answer) > 3 << 20
    return answer


def largest_list(registry):
    for _ in range(4):
        registry.create(next(NAMES), FIRST, **WRITTEN)
    return registry.list()


def largest_versions(registry):
    name = two_versions(registry)
    registry.update(name, FIRST, **WRITTEN)
    registry.update(name, SECOND, **WRITTEN)
    return registry.versions(name, environment=ELSEWHERE)


def largest_difference(registry):
    answer = registry.diff(two_versions(registry), environment=ELSEWHERE)
    assert answer.diff.json_patch and size(answer) > 3 * PAYLOAD
    return answer


def largest_comparison(registry):
    """One difference of the largest; the next one goes to the next page."""
    environments = [f"{ELSEWHERE[:100]}-{i}" for i in range(2)]
    for name in sorted(next(NAMES) for _ in range(2)):
        for environment, data in zip(environments, (FIRST, SECOND)):
            registry.create(name, data, environment=environment)
    answer = registry.stub.DiffConfigs(api_pb.DiffConfigsRequest(
        environment=environments[0], new_environment=environments[1]), timeout=60)
    assert len(answer.diffs) == 1 and answer.next_page_token and size(answer) > 3 * PAYLOAD
    return answer


def largest_change_log(registry):
    """A commit whose difference is the largest, and its payloads."""
    name = two_versions(registry)
    answers = [registry.stub.ListCommits(api_pb.ListCommitsRequest(
        environment=ELSEWHERE, service_name=name, view=view), timeout=60)
        for view in (api_pb.COMMIT_VIEW_DIFF, api_pb.COMMIT_VIEW_PAYLOADS)]
    return max(answers, key=size)


def largest_search(registry):
    """As many suspects as a version can have, and the next version on the next page."""
    name = next(NAMES)
    keys = [f"{number:03}" + "k" * 990 for number in range(64)]
    for _ in range(60):
        registry.update(name, json.dumps({key: {"password": "kT7w9Qz2m"} for key in keys}), environment=ELSEWHERE,
                        allow_missing=True)
    return registry.stub.FindSecrets(api_pb.FindSecretsRequest(service_name=name, include_superseded=True), timeout=60)


def largest_trial(registry):
    """As many breaches as a version can have, and the next version on the next page."""
    name, schema = breaking(registry, 60)
    return registry.stub.TrySchema(api_pb.TrySchemaRequest(
        environment=ELSEWHERE, service_name=name, schema=schema, include_superseded=True), timeout=60)


def largest_list_of_broken(registry):
    """As many breaches as a config can have, and the next config on the next page."""
    for _ in range(60):
        name, schema = breaking(registry, 1)
        registry.set_schema(name, schema, ELSEWHERE, force=True)
    return registry.stub.FindBroken(api_pb.FindBrokenRequest(environment=ELSEWHERE), timeout=60)


def breaking(registry, versions):
    """A config with values that break a schema in 64 places."""
    name = next(NAMES)
    keys = [f"{number:03}" + "k" * 990 for number in range(64)]
    for _ in range(versions):
        registry.update(name, json.dumps(dict.fromkeys(keys, 1)), environment=ELSEWHERE, allow_missing=True)
    return name, json.dumps({"additionalProperties": {"type": "string"}}).encode()


SCHEMA = '{"description":"%s"}' % ("d" * ((256 << 10) - 20))


def set_schema(registry, name):
    fields = {field: WRITTEN[field] for field in ("comment", "created_by")}
    return registry.stub.SetSchema(api_pb.SetSchemaRequest(
        environment=ELSEWHERE, service_name=name, schema=SCHEMA.encode(), **fields), timeout=60)


def largest_schema(registry):
    return set_schema(registry, next(NAMES))


def got_schema(registry):
    name = next(NAMES)
    set_schema(registry, name)
    return registry.stub.GetSchema(api_pb.GetSchemaRequest(
        environment=ELSEWHERE, service_name=name), timeout=60)


def largest_schemas(registry):
    """More than a page may hold."""
    for _ in range(16):
        set_schema(registry, next(NAMES))
    answer = registry.stub.ListSchemas(api_pb.ListSchemasRequest(), timeout=60)
    assert answer.next_page_token and size(answer) > 2 << 20
    return answer


def several_versions(registry):
    name = next(NAMES)
    for _ in range(16):
        set_schema(registry, name)
    return name


def largest_schema_versions(registry):
    answer = registry.stub.ListSchemaVersions(api_pb.ListSchemaVersionsRequest(
        environment=ELSEWHERE, service_name=several_versions(registry)), timeout=60)
    assert answer.next_page_token and size(answer) > 2 << 20
    return answer


def largest_schema_difference(registry):
    name = next(NAMES)
    set_schema(registry, name)
    registry.stub.SetSchema(api_pb.SetSchemaRequest(
        environment=ELSEWHERE, service_name=name, schema=b'{"title":"%s"}' % (b"t" * 260_000)), timeout=60)
    answer = registry.stub.DiffSchemas(api_pb.DiffSchemasRequest(
        environment=ELSEWHERE, service_name=name), timeout=60)
    assert size(answer) > 500_000
    return answer


def deleted_schema(registry):
    name = next(NAMES)
    set_schema(registry, name)
    return registry.stub.DeleteSchema(api_pb.DeleteSchemaRequest(
        environment=ELSEWHERE, service_name=name), timeout=60)


def largest_of_a_watch(registry):
    """Both values resolved, of the largest that can be: twice a payload each."""
    name = next(NAMES)
    overlay = '{"x":"%s"}' % ("x" * (PAYLOAD - 8))
    registry.create(name, FIRST, **WRITTEN | {"environment": "default"})
    registry.create(name, overlay, **WRITTEN)
    stream = registry.stub.Watch(api_pb.WatchRequest(
        selectors=[api_pb.Selector(environment=ELSEWHERE, service_name=name)], resolve=True,
        include_previous=True), timeout=60)
    assert next(stream).kind == api_pb.WATCH_RESPONSE_KIND_STARTED
    registry.update(name, SECOND, **WRITTEN | {"environment": "default"})
    response = next(stream)
    stream.cancel()
    event = response.events[0]
    assert len(event.config.config_data) > 2 * PAYLOAD - 32
    assert event.previous.payload_state == pb.PAYLOAD_STATE_OMITTED
    assert (event.previous.comment, event.previous.config_data) == (COMMENT, b"")
    return response


def progress_of_a_watch(registry):
    stream = registry.stub.Watch(api_pb.WatchRequest(watch_id="w" * 64), timeout=60)
    next(stream)
    answer = registry.stub.WatchProgress(api_pb.WatchProgressRequest(watch_id="w" * 64), timeout=60)
    stream.cancel()
    return answer


def status(registry):
    return registry.status()


def access(registry):
    return registry.access()


def compaction(registry):
    return registry.stub.Compact(api_pb.CompactRequest(revision=1), timeout=60)


LARGEST = {
    "CreateConfig": largest_create, "UpdateConfig": largest_update, "DeleteConfig": largest_delete,
    "RollbackConfig": largest_rollback, "UndeleteConfig": largest_undelete,
    "CommitChanges": largest_commit,
    "WriteConfigs": largest_writes, "GetConfig": largest_get, "BatchGetConfigs": largest_batch,
    "ListConfigs": largest_list, "ListVersions": largest_versions,
    "DiffVersions": largest_difference, "DiffConfigs": largest_comparison,
    "SetSchema": largest_schema, "GetSchema": got_schema, "ListSchemas": largest_schemas,
    "ListSchemaVersions": largest_schema_versions, "DiffSchemas": largest_schema_difference,
    "DeleteSchema": deleted_schema,
    "TrySchema": largest_trial, "FindBroken": largest_list_of_broken,
    "FindSecrets": largest_search, "ListCommits": largest_change_log, "Watch": largest_of_a_watch,
    "WatchProgress": progress_of_a_watch, "GetStatus": status, "GetAccess": access, "Compact": compaction,
}
METHODS = sorted(api_pb.DESCRIPTOR.services_by_name["RegistryService"].methods_by_name)


@pytest.fixture(scope="module")
def server(launch):
    return launch(Confregd).start()


@pytest.fixture
def plain(server):
    """The calls on a channel without any option."""
    with grpc.insecure_channel(server.listen) as channel:
        yield Registry(api_grpc.RegistryServiceStub(channel))


@pytest.mark.parametrize("method", METHODS)
def test_the_largest_message_fits_a_client_with_default_limits(plain, method):
    assert size(LARGEST[method](plain)) <= CLIENT


def test_a_snapshot_of_the_largest_fits(plain):
    """More than a message may hold, and a config that was merged of two."""
    name = next(NAMES)
    for environment, data in ("default", FIRST), (ELSEWHERE, SECOND):
        plain.create(name, data, **WRITTEN | {"environment": environment})
        plain.create(next(NAMES), data, **WRITTEN | {"environment": environment})
    stream = plain.stub.Watch(api_pb.WatchRequest(
        selectors=[api_pb.Selector(environment=ELSEWHERE)], resolve=True, include_snapshot=True),
        timeout=60)
    found = {}
    for response in stream:
        assert size(response) <= CLIENT
        found.update((config.service_name, len(config.config_data)) for config in response.configs)
        if response.kind == api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END:
            break
    stream.cancel()
    assert found[name] > 2 * PAYLOAD - 32


def test_a_smaller_difference_keeps_its_patch(plain):
    name = next(NAMES)
    plain.create(name, '{"a":1}')
    assert plain.update(name, '{"a":2}', validate_only=True).diff.json_patch == (
        b'[{"op":"replace","path":"/a","value":2}]')


def test_the_largest_refusal_fits_the_headers_that_clients_take(plain):
    """The C core's clients take 8 KiB. A message is sent twice, once percent-encoded."""
    with pytest.raises(grpc.RpcError) as refused:
        plain.get("ü" * 127, environment="é" * 127)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    trailers = refused.value.trailing_metadata()
    assert sum(len(key) + len(value) + 32 for key, value in trailers) < 4096
