"""Payloads larger than the messages that gRPC clients accept by default (4 MiB)."""

import hashlib
import json
import subprocess

import grpc
import pytest
from calls import Registry, create_change, update_change
from daemon import Confregd, Gateway, until
from rest import Rest, gauge
from sse import EventStream
from stubs import api_grpc, api_pb, pb
from tape import tap

pytestmark = pytest.mark.any_store

LIMIT = 8 << 20
CLIENT = 4 << 20
OMITTED = pb.PAYLOAD_STATE_OMITTED
WHOLE = pb.PAYLOAD_STATE_UNSPECIFIED


def large(letter, size=LIMIT):
    return '{"x":"%s"}' % (letter * (size - 8))


A, B = large("a"), large("b")
# The largest payload that is sent without being asked for, about.
FITS = large("f", (3 << 20) - 200)


@pytest.fixture(scope="module")
def server(launch):
    return launch(Confregd, extra=["--max-payload", "8M"]).start()


@pytest.fixture
def plain(server):
    """The calls on a channel without any option."""
    with grpc.insecure_channel(server.listen) as channel:
        yield Registry(api_grpc.RegistryServiceStub(tap(channel)))


@pytest.fixture
def wide(server):
    """The calls of a client that raised its limit."""
    return Registry(server.stub)


def state(config):
    return config.payload_state, bool(config.config_data)


LEFT_OUT, SENT = (OMITTED, False), (WHOLE, True)


def test_a_client_with_default_limits_writes(plain, wide, name):
    """Every write answers in the first form, and with its payload where that is asked for."""
    previews = [
        plain.create(name, A, validate_only=True), plain.create(name, A),
        plain.update(name, B, validate_only=True), plain.update(name, B),
        plain.patch(name, '{"y":null}', validate_only=True), plain.patch(name, '{"x":1}'),
        plain.rollback(name, 1, validate_only=True), plain.rollback(name, 2),
        plain.delete(name, version=4)]
    states = [state(answer.config) for answer in previews]
    assert states == [LEFT_OUT] * 5 + [SENT] + [LEFT_OUT] * 2 + [SENT]
    # The patch's is empty; the others are too large, or not asked for.
    assert [answer.HasField("diff") for answer in previews[:-1]] == [False] * 4 + [True] + [False] * 3
    assert all(answer.ByteSize() <= CLIENT for answer in previews)
    assert wide.data(name, 2).decode() == B
    asked = wide.update(name, A, validate_only=True, include_large=True)
    assert (asked.config.config_data.decode(), asked.diff.changed[0].key) == (A, "x")
    assert asked.diff.json_patch
    assert state(wide.rollback(name, 1, include_large=True).config) == SENT


def test_writes_together_and_a_commit(plain, name):
    answer = plain.write([create_change(name, A, request_id=name)])
    assert state(answer.outcomes[0].create.config) == LEFT_OUT
    assert plain.commit([update_change(name, B)]).commit.revision > 0


def test_a_smaller_payload_is_sent_unasked(plain, name):
    assert state(plain.create(name, FITS).config) == SENT
    assert plain.create(name + "-2", FITS, validate_only=True).ByteSize() <= CLIENT


def watch(registry, name, **fields):
    return registry.stub.Watch(api_pb.WatchRequest(
        selectors=[api_pb.Selector(environment="prod", service_name=name)], **fields), timeout=60)


def events(stream, count):
    found = []
    while len(found) < count:
        response = next(stream)
        assert response.ByteSize() <= CLIENT
        found += response.events
    return found


def test_a_client_with_default_limits_watches(plain, name):
    """From the ring and from the store, with previous values and without."""
    with_previous, without = watch(plain, name, include_previous=True), watch(plain, name)
    began = next(with_previous), next(without)
    plain.create(name, A)
    plain.update(name, B)
    plain.update(name, '{"a":1}')
    start = began[0].header.revision + 1
    for stream, previous in ((with_previous, True), (without, False),
                             (watch(plain, name, start_revision=start), False),
                             (watch(plain, name, start_revision=start, include_previous=True),
                              True)):
        found = events(stream, 3)
        stream.cancel()
        assert [state(event.config) for event in found] == [LEFT_OUT] * 2 + [SENT]
        assert [event.HasField("previous") for event in found] == [False, previous, previous]
        if previous:
            assert state(found[1].previous) == state(found[2].previous) == LEFT_OUT
        assert [event.config.version for event in found] == [1, 2, 3]


def test_a_watch_that_asks_for_large_payloads(wide, name):
    stream = watch(wide, name, include_large=True)
    next(stream)
    wide.create(name, A)
    assert next(stream).events[0].config.config_data.decode() == A
    stream.cancel()
    stream = watch(wide, name, include_large=True, include_snapshot=True)
    assert next(stream).configs[0].config_data.decode() == A
    stream.cancel()


@pytest.mark.parametrize("resolve", [False, True])
def test_a_snapshot(plain, name, resolve):
    plain.create(name, A, environment="default")
    plain.create(name, '{"y":1}')
    plain.update(name, B)
    stream = watch(plain, name, include_snapshot=True, resolve=resolve)
    response = next(stream)
    stream.cancel()
    assert [state(config) for config in response.configs] == [LEFT_OUT]
    assert response.configs[0].version == 2


def test_reads_say_what_they_leave_out(plain, wide, name):
    plain.create(name, A)
    plain.update(name, B)
    plain.create(name + "-small")
    names = [pb.ConfigName(environment="prod", service_name=n) for n in (name, name + "-small")]
    batch = plain.batch(names)
    assert [state(config) for config in batch.configs] == [LEFT_OUT, SENT]
    listed = plain.list(service_name=name)
    assert [state(config) for config in listed.configs] == [LEFT_OUT]
    versions = plain.versions(name)
    assert [state(version) for version in versions.versions] == [LEFT_OUT] * 2
    assert wide.batch(names, include_large=True).configs[0].config_data.decode() == B
    assert wide.list(service_name=name, include_large=True).configs[0].config_data.decode() == B
    assert wide.versions(name, include_large=True).versions[0].config_data.decode() == B


def test_a_comparison_leaves_values_out(plain, wide, name):
    """Its entries have keys only; the comparison of the one config has the values."""
    wide.create(name, A, environment=f"{name}-old")
    epoch = wide.create(name, B, environment=name).header.epoch
    diff, = plain.stub.DiffConfigs(api_pb.DiffConfigsRequest(
        environment=f"{name}-old", new_environment=name, epoch=epoch), timeout=60).diffs
    assert diff.values_omitted and not diff.json_patch
    assert [(e.key, e.old_value, e.new_value) for e in diff.changed] == [("x", b"", b"")]


def test_the_documented_option_reads_it(server, name):
    """As docs/protocol.md says."""
    with grpc.insecure_channel(server.listen) as channel:
        registry = Registry(api_grpc.RegistryServiceStub(channel))
        registry.create(name, A)
        with pytest.raises(grpc.RpcError) as refused:
            registry.get(name)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    options = [("grpc.max_receive_message_length", 10 << 20)]
    with grpc.insecure_channel(server.listen, options=options) as channel:
        registry = Registry(api_grpc.RegistryServiceStub(channel))
        assert registry.data(name).decode() == A


# ---- The gateway ----

@pytest.fixture(scope="module")
def port(launch, server):
    gateway = launch(Gateway, server.listen, extra=["--max-body", "9M"]).start()
    until(lambda: gauge(gateway.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    return gateway.port


def test_the_gateway_takes_and_shows_it(port, name, tmp_path):
    """With curl, and with everything that shows a payload."""
    (tmp_path / "body").write_text('{"config_data":%s}' % A)
    url = f"http://127.0.0.1:{port}/api/configs/{name}"
    made = subprocess.run(
        ["curl", "-sS", "--fail-with-body", "--data-binary", "@body", "-H",
         "Content-Type: application/json", url], cwd=tmp_path, capture_output=True, check=True,
        timeout=60)
    assert json.loads(made.stdout)["config_data"] == json.loads(A)
    rest = Rest(port)
    path = f"/api/configs/{name}"
    assert rest.get(path).body.decode() == A
    assert rest.get(path, headers={"Cache-Control": "no-cache"}).body.decode() == A
    packed = rest.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and len(packed.body) < 100_000
    changed = rest.call("PATCH", path, '{"y":null}')
    assert changed.json()["config_data"] == json.loads(A)
    assert rest.put(path, {"config_data": json.loads(B)}).json()["config_data"] == json.loads(B)
    assert rest.post(f"{path}/rollback", {"version": 1}).json()["config_data"] == json.loads(A)
    history = rest.get(f"{path}/history").json()
    assert [hashlib.sha1(version["config_data"]["x"].encode()).digest() for version in history] == [
        hashlib.sha1(json.loads(text)["x"].encode()).digest() for text in (A, B, A, A)]
    assert rest.get("/api/configs", query={"service_name": name}).json()[0]["config_data"] == (
        json.loads(A))
    batch = rest.get("/api/configs:batchGet", query={"name": name}).json()
    assert batch["configs"][0]["config_data"] == json.loads(A)
    diff = rest.get(f"{path}/diff", query={"old_version": 1, "new_version": 3}).json()
    assert list(diff["changed"]) == ["x"]


def test_an_undelete_over_http_shows_it(port, name):
    rest, path = Rest(port), f"/api/configs/{name}"
    assert rest.post(path, f'{{"config_data":{A}}}').status == 201
    assert rest.delete(path).status == 200
    looked = rest.post(f"{path}/undelete?validate_only=true", {})
    assert (looked.status, looked.json()["config_data"]) == (200, json.loads(A)), looked.status
    answer = rest.post(f"{path}/undelete", {})
    assert answer.status == 200, answer.body[:300]
    assert answer.json()["config_data"] == json.loads(A)
    assert rest.get(path).json() == json.loads(A)


def test_streams_of_the_gateway_carry_it(port, name):
    stream = EventStream(port, f"?service_name={name}")
    assert Rest(port).post(f"/api/configs/{name}", {"config_data": json.loads(A)}).status == 201
    assert stream.next().data["config_data"] == json.loads(A)
    stream.close()
