"""Options of watches: progress marks, previous values, conflation."""


import grpc
import pytest
from calls import Registry, create_change, delete_change, undelete_change, update_change
from daemon import Confregd, until
from errors import refused
from google.protobuf.duration_pb2 import Duration
from seed import chance
from stubs import api_pb, pb
from watching import Watch

PROGRESS = api_pb.WATCH_RESPONSE_KIND_PROGRESS
TENTH = Duration(nanos=100_000_000)


def selector(**fields):
    return api_pb.Selector(**fields)


@pytest.fixture
def watch(registry):
    """watch(name, conflate=True) watches one service and has started; ends with the test."""
    opened = []

    def start(service, **fields):
        opened.append(Watch(registry.stub, selectors=[selector(service_name=service)], **fields))
        if "include_snapshot" not in fields:
            opened[-1].started()
        return opened[-1]

    yield start
    for one in opened:
        one.cancel()


# ---- Progress marks ----

def test_a_silent_stream_gets_marks(watch, name):
    stream = watch(name, progress_interval=TENTH)
    for _ in range(3):
        assert stream.next().kind == PROGRESS


def test_a_stream_that_did_not_ask_gets_none(registry, watch, name):
    plain = watch(name)
    marked = watch(name, progress_interval=TENTH)
    for _ in range(3):
        assert marked.next().kind == PROGRESS
    registry.create(name)
    assert plain.next().events


def test_a_mark_stands_behind_what_does_not_concern_the_stream(registry, watch, name):
    """Nobody looks at the stream meanwhile; its position moves all the same."""
    stream = watch(name, progress_interval=TENTH)
    for i in range(20):
        registry.create(f"{name}-other-{i}")
    header = registry.status().header
    while stream.next().header.revision < header.revision:
        pass
    assert stream.position == header
    registry.create(name)
    resumed = watch(name, resume_after=header)
    assert stream.event() == resumed.event()


def test_marks_and_events_come_in_one_order(registry, watch, name):
    """A mark never overtakes an event: all that is at or below it has been delivered."""
    stream = watch(name, progress_interval=TENTH)
    delivered = []
    marks = 0
    newest = registry.create(name).config
    while marks < 5:
        response = stream.next()
        delivered += [e.version for e in response.events]
        if response.kind == PROGRESS and response.header.revision >= newest.mod_revision:
            assert newest.version == len(delivered), "the mark came before an event"
            newest = registry.update(name).config
            assert response.header.revision < newest.mod_revision
            marks += 1
    assert delivered == list(range(1, len(delivered) + 1))


def test_a_mark_follows_a_snapshot(registry, watch, name):
    registry.create(name)
    stream = watch(name, include_snapshot=True, progress_interval=TENTH)
    assert stream.snapshot()[0][0].version == 1
    assert stream.next().kind == PROGRESS


def test_a_start_in_the_future_keeps_its_position(registry, watch, name):
    now = registry.create(name).header
    stream = watch(name, start_revision=now.revision + 3, progress_interval=TENTH)
    mark = stream.next()
    assert (mark.kind, mark.header.revision) == (PROGRESS, now.revision + 2)
    for _ in range(3):
        registry.update(name)
    assert stream.event().revision == now.revision + 3


@pytest.mark.parametrize("interval", [
    Duration(), Duration(nanos=99_999_999), Duration(seconds=3600, nanos=1), Duration(seconds=-1),
    Duration(seconds=1, nanos=-1), Duration(nanos=1_000_000_000), Duration(seconds=2**62)])
def test_intervals_that_are_refused(registry, interval):
    with refused("INVALID_ARGUMENT", "PROGRESS_INTERVAL", field="progress_interval"):
        Watch(registry.stub, progress_interval=interval).next()


def test_a_stop_tells_a_silent_stream_how_far_it_has_come(launch, name):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    stream = Watch(server.stub, selectors=[selector(service_name=name)])
    stream.started()
    for i in range(5):
        registry.create(f"{name}-other-{i}")
    header = registry.status().header
    server.stop(seconds=20)
    assert stream.next().kind == PROGRESS
    assert stream.position == header
    with refused("UNAVAILABLE"):
        stream.next()


# ---- Marks that are asked for ----

def ask(registry, watch_id):
    return registry.stub.WatchProgress(api_pb.WatchProgressRequest(watch_id=watch_id), timeout=60)


def until_at(stream, header):
    """Reads on until the stream says to be there; returns the events on the way."""
    events = []
    while stream.position.revision < header.revision:
        events += stream.next().events
    return events


def test_a_mark_can_be_asked_for(registry, watch, name):
    stream = watch(name, watch_id=f"id-{name}")
    registry.create(f"{name}-other")
    written = registry.update(f"{name}-other").header
    answer = ask(registry, f"id-{name}")
    assert answer.header.revision >= written.revision and answer.watch_count == 1
    mark = stream.next()
    assert mark.kind == PROGRESS and mark.header.revision >= answer.header.revision
    registry.create(name)
    assert stream.event().version == 1


def test_a_mark_that_was_asked_for_stands_behind_the_events(registry, watch, name):
    registry.create(name)
    first = registry.revision()
    for _ in range(500):
        registry.update(name)
    stream = watch(name, watch_id=name, start_revision=first)
    assert [e.version for e in until_at(stream, ask(registry, name).header)] == list(range(1, 502))


def test_every_watch_of_an_id_answers(registry, watch, name):
    streams = [watch(name, watch_id=name) for _ in range(3)]
    other = watch(name, watch_id=f"{name}-other")
    registry.create(f"{name}-b")
    answer = ask(registry, name)
    assert answer.watch_count == 3
    for stream in streams:
        until_at(stream, answer.header)
    registry.create(name)
    assert other.next().events, "who was not asked says nothing"


def test_a_watch_that_starts_in_the_future_is_there_already(registry, watch, name):
    now = registry.create(name).header.revision
    stream = watch(name, watch_id=name, start_revision=now + 10)
    assert ask(registry, name).header.revision >= now
    assert stream.next().header.revision == now + 9


def test_an_id_that_no_watch_has(registry, watch, name):
    with refused("NOT_FOUND", "WATCH_NOT_FOUND"):
        ask(registry, name)
    stream = watch(name, watch_id=name)
    assert ask(registry, name).watch_count == 1
    stream.cancel()

    def is_gone():
        try:
            ask(registry, name)
        except grpc.RpcError as error:
            return error.code() == grpc.StatusCode.NOT_FOUND
        return False

    until(is_gone, "the watch that was cancelled is not found any more")


def test_ids_that_are_refused(registry):
    for watch_id in ("", "x" * 129):
        with refused("INVALID_ARGUMENT", field="watch_id"):
            ask(registry, watch_id)
    with refused("INVALID_ARGUMENT", "TEXT_TOO_LONG", field="watch_id"):
        Watch(registry.stub, watch_id="x" * 129).next()


# ---- The value before ----

def write_five_versions(registry, name):
    registry.create(name, '{"v":1}')
    registry.update(name, '{"v":2}', comment="second")
    registry.rollback(name, 1)
    registry.commit([update_change(name, '{"v":4}'), update_change(name, '{"v":5}')])


def delete_in_every_way(registry, name):
    registry.delete(name, version=5)
    registry.delete(name, version=2)
    registry.delete(name)
    registry.create(name, '{"v":6}')


def previous_of(event):
    if not event.HasField("previous"):
        return None
    before = event.previous
    return before.version, before.config_data or pb.PayloadState.Name(before.payload_state)


ERASED = "PAYLOAD_STATE_ERASED"


def test_events_carry_the_value_before(registry, watch, name):
    stream = watch(name, include_previous=True)
    plain = watch(name)
    write_five_versions(registry, name)  # told before any is erased: what is told later says so
    events, alone = stream.events(5), plain.events(5)
    delete_in_every_way(registry, name)
    events += stream.events(4)
    alone += plain.events(4)
    assert [previous_of(e) for e in events] == [
        None, (1, b'{"v":1}'), (2, b'{"v":2}'), (3, b'{"v":1}'), (4, b'{"v":4}'),
        (5, ERASED), None, (4, b'{"v":4}'), None]
    for event, plainly in zip(events, alone):
        event.ClearField("previous")
        assert event == plainly
    registry.delete(name, erase=True)
    assert previous_of(stream.event()) == (6, ERASED)


def test_the_value_before_is_the_config_as_it_was(registry, watch, name):
    """Field by field, not its payload alone."""
    stream = watch(name, include_previous=True)
    registry.create(name, '{"v":1}', comment="one", created_by="ada")
    first = registry.get(name).config
    registry.update(name, '{"v":2}')
    registry.delete(name, version=2)
    fallen_back = registry.get(name).config
    registry.update(name, '{"v":3}')
    events = stream.events(4)
    assert events[1].previous == first
    assert events[3].previous == fallen_back
    assert fallen_back.mod_revision == events[2].revision


def test_from_the_store_the_value_before_is_the_same(launch, name):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    live = Watch(server.stub, complete=True, include_previous=True, start_revision=1)
    live.started()
    write_five_versions(registry, name)
    delete_in_every_way(registry, name)
    told = live.events(9)
    server.stop()
    server.start()
    stored = Watch(server.stub, complete=True, include_previous=True, start_revision=1)
    stored.started()
    for early, late in zip(told, stored.events(9)):
        for field in ("previous", "config"):
            if early.HasField(field) and getattr(early, field).version in (2, 5):  # erased since
                getattr(early, field).config_data = b""
                getattr(early, field).payload_state = pb.PAYLOAD_STATE_ERASED
        assert early == late
    stored.cancel()


def test_a_value_before_that_was_erased_is_not_shown_from_memory(registry, watch, name):
    keeper = watch(name, include_previous=True)
    first = registry.create(name, '{"secret":1}').header
    registry.update(name, '{"v":2}')
    assert previous_of(keeper.events(2)[1]) == (1, b'{"secret":1}')
    registry.delete(name, version=1)
    late = watch(name, include_previous=True, start_revision=first.revision)
    assert [previous_of(e) for e in late.events(3)] == [None, (1, ERASED), None]


# ---- The newest only ----

def test_what_waits_is_told_by_its_newest_change(registry, watch, name):
    first = registry.create(name).header
    for _ in range(600):
        registry.update(name)
    stream = watch(name, conflate=True, start_revision=first.revision)
    response = stream.next()
    assert [e.version for e in response.events] == [601]
    assert response.header == registry.status().header
    registry.update(name)
    assert stream.event().version == 602


def test_a_delete_is_the_newest_change_too(registry, watch, name):
    first = registry.create(name).header
    registry.update(name)
    registry.delete(name)
    stream = watch(name, conflate=True, start_revision=first.revision)
    event = stream.event()
    assert (event.kind, event.head_version) == (pb.CHANGE_KIND_DELETE, 0)
    registry.create(name)
    assert stream.event().version == 3


def test_what_leaves_the_head_alone_is_not_told(registry, watch, name):
    """It would take the place of the event that brought the head."""
    first = registry.create(name).header
    registry.update(name)
    registry.delete(name, version=1)
    stream = watch(name, conflate=True, start_revision=first.revision)
    assert stream.event().version == 2
    registry.delete(name)
    assert stream.event().kind == pb.CHANGE_KIND_DELETE


def test_conflating_and_the_value_before_exclude_each_other(registry):
    with refused("INVALID_ARGUMENT", "CONFLATE_WITH_PREVIOUS", field="include_previous"):
        Watch(registry.stub, conflate=True, include_previous=True).next()


def apply(copy, events):
    for event in events:
        if event.head_version:
            copy[event.service_name] = event.config.config_data
        else:
            copy.pop(event.service_name, None)


def any_change(rng, names, living, deleted):
    service = rng.choice(names)
    if service not in living:
        living.add(service)
        if service in deleted and rng.random() < 0.5:
            return undelete_change(service)
        return create_change(service, f'{{"v":{rng.random()}}}')
    if rng.random() < 0.2:
        living.remove(service)
        deleted.add(service)
        return delete_change(service)
    return update_change(service, f'{{"v":{rng.random()}}}')


@pytest.mark.parametrize("ring", ["1M", "64M"])
def test_after_each_response_a_copy_is_the_state_at_its_header(launch, name, ring):
    """However far the reader lags, and whether memory or the store serves it."""
    rng = chance("copies")
    server = launch(Confregd, extra=["--ring", ring]).start()
    registry = Registry(server.stub)
    names = [f"{name}-{i}" for i in range(40)]
    living, deleted = set(), set()
    starts = rng.sample(range(1, 700), 12)
    streams = [Watch(server.stub, conflate=True, start_revision=start) for start in starts]
    for stream in streams[:6]:
        stream.started()
    for _ in range(700):
        registry.commit([any_change(rng, names, living, deleted) for _ in range(rng.choice([1, 1, 5]))])
    states = {0: {}}
    with Watch(server.stub, complete=True, start_revision=1) as everything:
        everything.started()
        while everything.position.revision < 700:
            response = everything.next()
            for event in response.events:
                states[event.revision] = dict(states.get(event.revision,
                                                         states[event.revision - 1]))
                apply(states[event.revision], [event])
    for start, stream in zip(starts, streams):
        copy = dict(states[start - 1])
        while stream.position is None or stream.position.revision < 700:
            response = stream.next()
            apply(copy, response.events)
            touched = [e.service_name for e in response.events]
            assert len(touched) == len(set(touched)), "a config is told of twice in a response"
            assert response.more or copy == states[response.header.revision]
        stream.cancel()
