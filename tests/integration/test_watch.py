"""Watches: selectors, start, resuming, and the cost of slow readers."""

import threading

import grpc
import pytest
from calls import Registry, create_change, delete_change, update_change
from daemon import PATIENCE, Confregd, connect, until
from errors import Refusal, refused
from stubs import api_grpc, api_pb, health_grpc, health_pb, pb
from watching import Watch


def selector(**fields):
    return api_pb.Selector(**fields)


@pytest.fixture
def watch(registry):
    """watch(service_name=…) watches what one selector says and has started; ends with the test."""
    opened = []

    def start(*selectors, **fields):
        opened.append(Watch(registry.stub, selectors=selectors, **fields))
        return opened[-1]

    yield start
    for one in opened:
        one.cancel()


def of(event):
    return (event.environment, event.service_name, event.version)


# ---- Events ----

def test_every_kind_of_change_is_told(registry, name, watch):
    stream = watch(selector(service_name=name))
    stream.started()
    registry.create(name, '{"v":1}', comment="first", created_by="ada")
    registry.update(name, '{"v":2}')
    registry.rollback(name, 1)
    registry.delete(name, version=2)
    registry.delete(name, version=3, comment="not good")
    registry.delete(name)
    events = stream.events(6)
    assert [(e.kind, e.version, e.head_version, e.previous_version) for e in events] == [
        (pb.CHANGE_KIND_CREATE, 1, 1, 0), (pb.CHANGE_KIND_UPDATE, 2, 2, 1),
        (pb.CHANGE_KIND_ROLLBACK, 3, 3, 2), (pb.CHANGE_KIND_ERASE, 2, 3, 3),
        (pb.CHANGE_KIND_ERASE, 3, 1, 3), (pb.CHANGE_KIND_DELETE, 0, 0, 1)]
    assert [e.HasField("config") for e in events] == [True, True, True, False, True, False]
    assert events[0].config.config_data == b'{"v":1}'
    assert (events[0].comment, events[0].created_by) == ("first", "ada")
    assert (events[4].comment, events[4].config.version) == ("not good", 1)
    assert events[4].config.config_data == b'{"v":1}'
    assert not events[1].created_by and not events[1].created_by_empty
    assert all(e.commit_time.seconds for e in events)


def test_an_event_carries_the_head_as_get_gives_it(registry, name, watch):
    stream = watch(selector(service_name=name))
    stream.started()
    registry.create(name, comment="why", created_by="")
    assert stream.event().config == registry.get(name).config


def test_a_commit_is_delivered_together(registry, name, watch):
    stream = watch(selector(service_name_prefix=name))
    stream.started()
    registry.commit([create_change(f"{name}-{i}") for i in range(50)])
    response = stream.next()
    assert [e.index for e in response.events] == list(range(50)) and not response.more


def test_a_large_commit_says_more_until_it_is_complete(registry, name, watch):
    stream = watch(selector(service_name_prefix=name))
    stream.started()
    payload = '{"x":"%s"}' % ("y" * 600_000)
    header = registry.commit([create_change(f"{name}-{i}", payload) for i in range(8)]).header
    responses = [stream.next()]
    while responses[-1].more:
        assert responses[-1].header.revision < header.revision
        responses.append(stream.next())
    assert len(responses) > 1
    assert responses[-1].header == header
    assert [e.index for r in responses for e in r.events] == list(range(8))
    assert all(r.ByteSize() <= 1 << 20 for r in responses)


def test_a_change_that_is_larger_than_a_message_comes_alone(registry, name, watch):
    stream = watch(selector(service_name=name))
    stream.started()
    payload = '{"x":"%s"}' % ("y" * ((1 << 20) - 8))
    registry.create(name, payload)
    assert stream.event().config.config_data == payload.encode()


# ---- Selectors ----

def test_selectors(registry, name, watch):
    streams = {
        "name": watch(selector(environment="prod", service_name=name)),
        "service": watch(selector(service_name=name)),
        "prefix": watch(selector(service_name_prefix=name)),
        "prefix in dev": watch(selector(service_name_prefix=name, environment="dev")),
        "two": watch(selector(environment="dev", service_name=name),
                     selector(service_name=f"{name}-b")),
        "all": watch(),
    }
    for stream in streams.values():
        stream.started()
    for service, environment in ((name, "prod"), (name, "dev"), (f"{name}-b", "prod"),
                                 (f"{name}-b", "dev"), (f"other-{name}", "prod")):
        registry.create(service, environment=environment)
    everything = [("prod", name, 1), ("dev", name, 1), ("prod", f"{name}-b", 1),
                  ("dev", f"{name}-b", 1), ("prod", f"other-{name}", 1)]
    expected = {"name": [0], "service": [0, 1], "prefix": [0, 1, 2, 3], "prefix in dev": [1, 3],
                "two": [1, 2, 3], "all": [0, 1, 2, 3, 4]}
    for kind, places in expected.items():
        seen = [of(e) for e in streams[kind].events(len(places))]
        assert seen == [everything[i] for i in places], kind


def test_an_environment_is_selected(registry, name, watch):
    environment = f"env-{name}"
    stream = watch(selector(environment=environment))
    stream.started()
    registry.create(name)
    registry.create(name, environment=environment)
    assert of(stream.event()) == (environment, name, 1)


def test_a_filtered_watch_gets_only_the_matching_part_of_a_commit(registry, name, watch):
    stream = watch(selector(service_name=f"{name}-3"), selector(service_name=f"{name}-5"))
    stream.started()
    registry.commit([create_change(f"{name}-{i}") for i in range(8)])
    assert [e.index for e in stream.events(2)] == [3, 5]


@pytest.mark.parametrize("fields, path", [
    ({"selectors": [selector(service_name="a/b")]}, "selectors[0].service_name"),
    ({"selectors": [selector(), selector(environment="x" * 256)]}, "selectors[1].environment"),
    ({"selectors": [selector(service_name_prefix="\x01")]}, "selectors[0].service_name_prefix"),
    ({"selectors": [selector()] * 129}, "selectors"),
    ({"include_snapshot": True, "start_revision": 1}, "start_revision"),
    ({"include_snapshot": True, "resume_after": pb.Position(revision=1)}, "resume_after"),
    ({"start_revision": 1, "resume_after": pb.Position(revision=1)}, "resume_after"),
])
def test_watches_that_are_refused(registry, fields, path):
    with refused("INVALID_ARGUMENT", field=path):
        Watch(registry.stub, **fields).next()


# ---- Where a watch starts ----

def test_the_next_revision_is_where_a_watch_starts_by_itself(registry, name, watch):
    registry.create(name)
    stream = watch(selector(service_name=name))
    assert stream.started().header.revision == registry.revision()
    registry.update(name)
    assert stream.event().version == 2


def test_start_at_a_past_revision(registry, name, watch):
    first = registry.create(name).header
    registry.update(name)
    registry.update(name)
    stream = watch(selector(service_name=name), start_revision=first.revision + 1,
                   epoch=first.epoch)
    stream.started()
    assert [e.version for e in stream.events(2)] == [2, 3]


def test_a_start_in_the_future_is_held_until_it_comes(registry, name, watch):
    now = registry.create(name).header.revision
    stream = watch(selector(service_name=name), start_revision=now + 3)
    for _ in range(4):
        registry.update(name)
    assert [e.revision for e in stream.events(2)] == [now + 3, now + 4]


def test_another_epoch_is_refused(registry):
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH"):
        Watch(registry.stub, start_revision=1, epoch="0" * 16).next()
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH"):
        position = pb.Position(epoch="0" * 16, revision=1, chain_hash=1)
        Watch(registry.stub, resume_after=position).next()


def test_a_prefix_may_be_of_dots(registry, name, watch):
    stream = watch(selector(service_name_prefix=".."))
    stream.started()
    registry.create(f"..{name}")
    assert stream.event().service_name == f"..{name}"
    assert [c.service_name for c in registry.list(service_name_prefix=".").configs] == [f"..{name}"]


def test_nothing_can_follow_the_highest_revision(registry):
    position = pb.Position(epoch=registry.status().header.epoch, revision=2 ** 64 - 1, chain_hash=1)
    with refused("OUT_OF_RANGE", "REVISION_AHEAD", field="resume_after.revision"):
        Watch(registry.stub, resume_after=position).next()


def test_resume_after_checks_the_hash(registry, name, watch):
    header = registry.create(name).header
    registry.update(name)
    stream = watch(selector(service_name=name), resume_after=header)
    stream.started()
    assert stream.event().version == 2
    header.chain_hash ^= 1
    header.token = ""
    with refused("FAILED_PRECONDITION", "POSITION_MISMATCH"):
        Watch(registry.stub, resume_after=header).next()


def test_a_token_alone_is_a_position(registry, name, watch):
    header = registry.create(name).header
    registry.update(name)
    assert header.token == f"{header.epoch}-{header.revision}-{header.chain_hash:016x}"
    stream = watch(selector(service_name=name), resume_after=pb.Position(token=header.token))
    stream.started()
    assert stream.event().version == 2
    other = f"{header.epoch}-{header.revision}-{header.chain_hash ^ 1:016x}"
    with refused("FAILED_PRECONDITION", "POSITION_MISMATCH"):
        Watch(registry.stub, resume_after=pb.Position(token=other)).next()


def test_a_rounded_position_is_refused(registry, name):
    header = registry.create(name).header
    header.chain_hash = int(float(header.chain_hash | 1))
    with refused("INVALID_ARGUMENT", "POSITION_ROUNDED", field="resume_after"):
        Watch(registry.stub, resume_after=header).next()
    header.token = ""  # a client of before there were tokens
    with refused("FAILED_PRECONDITION", "POSITION_MISMATCH") as refusals:
        Watch(registry.stub, resume_after=header).next()
    assert "send the token" in refusals[0].message


@pytest.mark.parametrize("token", [
    "x", "-1-", "0123456789abcdef", "0123456789abcdef-1", "0123456789abcdef--0123456789abcdef",
    "0123456789abcdef-1-0123456789abcde", "0123456789abcdef-1-0123456789abcdef0",
    "0123456789abcdef-18446744073709551616-0123456789abcdef", "0123456789abcdeg-1-0123456789abcdef",
    "0123456789abcdef- 1-0123456789abcdef", "0123456789abcdef-1- 123456789abcdef"])
def test_what_is_no_token_is_refused(registry, token):
    with refused("INVALID_ARGUMENT", "POSITION_TOKEN", field="resume_after.token"):
        Watch(registry.stub, resume_after=pb.Position(token=token)).next()


def test_every_position_of_a_stream_can_be_resumed_from(registry, name, watch):
    stream = watch(selector(service_name=name))
    position = stream.started().header
    positions = []
    for i in range(5):
        registry.update(name, allow_missing=True)
        positions.append((i, position))
        stream.event()
        position = stream.position
    for i, position in positions:
        resumed = watch(selector(service_name=name), resume_after=position)
        resumed.started()
        assert [e.version for e in resumed.events(5 - i)] == list(range(i + 1, 6))


def test_an_erased_payload_is_told_as_erased(registry, name, watch):
    first = registry.create(name, '{"secret":1}').header
    registry.update(name, '{"v":2}')
    registry.delete(name, version=1)
    stream = watch(selector(service_name=name), start_revision=first.revision)
    stream.started()
    events = stream.events(3)
    assert events[0].config.payload_state == pb.PAYLOAD_STATE_ERASED
    assert events[0].config.config_data == b""
    assert events[1].config.config_data == b'{"v":2}'


# ---- Snapshots ----

def test_a_snapshot_comes_first(registry, name, watch):
    registry.commit([create_change(f"{name}-{i}") for i in range(3)])
    registry.commit([update_change(f"{name}-1"), delete_change(f"{name}-2")])
    stream = watch(selector(service_name_prefix=name), include_snapshot=True)
    configs, revision = stream.snapshot()
    assert [(c.service_name, c.version) for c in configs] == [(f"{name}-0", 1), (f"{name}-1", 2)]
    assert configs[0] == registry.get(f"{name}-0").config
    assert revision == registry.revision()
    registry.update(f"{name}-0")
    assert of(stream.event()) == ("prod", f"{name}-0", 2)


def test_a_snapshot_of_nothing(registry, name, watch):
    stream = watch(selector(service_name=name), include_snapshot=True)
    assert stream.snapshot()[0] == []
    registry.create(name)
    assert stream.event().version == 1


def test_snapshot_and_events_leave_no_gap_while_writes_go_on(registry, name, watch):
    names = [f"{name}-{i}" for i in range(20)]
    registry.commit([create_change(n) for n in names])
    stop = threading.Event()

    def write():
        while not stop.is_set():
            registry.commit([update_change(n) for n in names])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(10):
            stream = watch(selector(service_name_prefix=name), include_snapshot=True)
            configs, revision = stream.snapshot()
            assert len({c.version for c in configs}) == 1, "a torn snapshot"
            event = stream.event()
            assert event.revision == revision + 1
            assert event.version == configs[0].version + 1
            stream.cancel()
    finally:
        stop.set()
        writer.join()


# ---- Many and slow ----

@pytest.mark.concurrent
def test_a_thousand_streams(launch, name):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    channels = [connect(server.listen) for _ in range(10)]
    streams = [Watch(api_grpc.RegistryServiceStub(channels[i % 10]),
                     selectors=[selector(service_name=f"{name}-{i % 50}")]) for i in range(1000)]
    for stream in streams:
        stream.started()
    assert registry.status().watch_streams == 1000
    registry.commit([create_change(f"{name}-{i}") for i in range(50)])
    registry.commit([update_change(f"{name}-{i}") for i in range(50)])
    for i, stream in enumerate(streams):
        assert [of(e) for e in stream.events(2)] == [("prod", f"{name}-{i % 50}", 1),
                                                     ("prod", f"{name}-{i % 50}", 2)]
    for stream in streams[::2]:
        stream.cancel()
    until(lambda: registry.status().watch_streams == 500, "500 streams have ended")
    for channel in channels:
        channel.close()
    until(lambda: registry.status().watch_streams == 0, "all streams have ended")


@pytest.mark.concurrent
def test_a_slow_reader_holds_nobody_up_and_misses_nothing(launch, name):
    """What it has not read falls out of the ring; then it is read from the store."""
    server = launch(Confregd, extra=["--ring", "1M"]).start()
    registry = Registry(server.stub)
    slow_channel = connect(server.listen)
    slow = Watch(api_grpc.RegistryServiceStub(slow_channel), complete=True, seconds=300)
    fast = Watch(server.stub, complete=True, seconds=300)
    slow.started()
    fast.started()
    payload = '{"x":"%s"}' % ("y" * 100_000)
    for _ in range(200):
        registry.update(name, payload, allow_missing=True)
    assert [e.version for e in fast.events(200)] == list(range(1, 201))
    assert [e.version for e in slow.events(200)] == list(range(1, 201))
    registry.update(name)
    assert slow.event().version == fast.event().version == 201
    slow_channel.close()


@pytest.mark.concurrent
def test_watches_come_and_go_under_writes(registry, name):
    stop = threading.Event()

    def write():
        while not stop.is_set():
            registry.update(name, allow_missing=True)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(100):
            with Watch(registry.stub, complete=True) as stream:
                stream.started()
                stream.events(3)
    finally:
        stop.set()
        for writer in writers:
            writer.join()


# ---- Restarts ----

@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_watch_resumes_after_a_restart(launch, name, how):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create(name)
    stream = Watch(server.stub, complete=True, start_revision=1)
    stream.started()
    assert stream.event().version == 1
    position = stream.position
    registry.update(name)
    getattr(server, how)()
    server.start()
    registry = Registry(server.stub)
    registry.update(name)
    resumed = Watch(server.stub, complete=True, resume_after=position)
    assert resumed.started().header == position
    assert [e.version for e in resumed.events(2)] == [2, 3]
    assert resumed.position == registry.status().header
    resumed.cancel()


def test_a_stop_ends_streams_with_unavailable(launch, name):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    streams = [Watch(server.stub) for _ in range(20)]
    for stream in streams:
        stream.started()
    header = registry.create(name).header
    for stream in streams:
        assert stream.event().version == 1
    server.stop(seconds=20)
    for stream in streams:
        with refused("UNAVAILABLE"):
            while True:
                last = stream.next()
                assert last.kind == api_pb.WATCH_RESPONSE_KIND_PROGRESS
        assert stream.position == header


# ---- While the server stops ----

class Caller(threading.Thread):
    """Calls again and again over the stop of a server, until nobody is there. step(channel) gives
    a thing for each answer."""

    def __init__(self, listen, step):
        super().__init__()
        self.channel, self.step = connect(listen), step
        self.answers, self.told, self.end = 0, 0, None
        self.start()

    def run(self):
        grpc.channel_ready_future(self.channel).result(PATIENCE)  # a first attempt may fail
        while self.end is None:
            try:
                for _ in self.step(self.channel):
                    self.answers += 1
            except grpc.RpcError as error:
                refusal = Refusal(error)
                if (refusal.code, refusal.reason) == ("UNAVAILABLE", "SHUTTING_DOWN"):
                    self.told += 1
                else:
                    self.end = refusal


def hold_watch(channel):
    return api_grpc.RegistryServiceStub(channel).Watch(
        api_pb.WatchRequest(include_snapshot=True), timeout=PATIENCE)


def open_watch(channel):
    stream = hold_watch(channel)
    yield next(stream)
    stream.cancel()


def hold_watch_of_health(channel):
    return health_grpc.HealthStub(channel).Watch(health_pb.HealthCheckRequest(), timeout=PATIENCE)


def check(channel):
    yield health_grpc.HealthStub(channel).Check(health_pb.HealthCheckRequest(), timeout=PATIENCE)


def read(channel):
    yield Registry(api_grpc.RegistryServiceStub(channel)).status()


def write(channel):
    yield Registry(api_grpc.RegistryServiceStub(channel)).update("written", allow_missing=True)


@pytest.mark.concurrent
@pytest.mark.parametrize("address", [None, "unix:{}/grpc"])
def test_no_call_is_cancelled_by_a_server_that_stops(launch, tmp_path, address):
    """No call ends with CANCELLED, which only clients cause: calls during the shutdown end with
    SHUTTING_DOWN, later ones find no server."""
    listen = address and address.format(tmp_path)
    for _ in range(5):
        server = launch(Confregd, listen=listen).start()
        callers = [Caller(server.listen, step) for _ in range(3) for step in (
            open_watch, hold_watch, hold_watch_of_health, check, read, write)]
        until(lambda: all(c.answers > 0 for c in callers), "all calls go well")
        server.stop()
        for caller in callers:
            caller.join(PATIENCE)
            assert caller.end.code == "UNAVAILABLE", caller.end
            caller.channel.close()
        standing = [c for c in callers if c.step in (hold_watch, hold_watch_of_health)]
        # One that is too slow to read on a busy machine may find its connection gone.
        assert sum(c.told > 0 for c in standing) > len(standing) / 2, "no word to those that wait"
