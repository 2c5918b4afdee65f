"""The check of histories itself: it accepts a correct history, and reports each kind of fault."""

import copy

import history
import pytest
from log import Log
from stubs import api_pb, pb
from tape import Stream

pytestmark = [pytest.mark.any_store, pytest.mark.own_checks]

EPOCH = "0123456789abcdef"
KIND = {name[len("WATCH_RESPONSE_KIND_"):]: number
        for name, number in api_pb.WatchResponseKind.items()}


def event(revision, index, kind, service, version, head, previous, mod_before=0):
    told = pb.Event(kind=kind, environment="prod", service_name=service, version=version,
                    head_version=head, previous_version=previous, revision=revision, index=index)
    if head:
        told.config.CopyFrom(config(service, head, revision))
    if previous:
        told.previous.CopyFrom(config(service, previous, mod_before))
    return told


def config(service, version, mod_revision):
    return pb.Config(environment="prod", service_name=service, version=version, revision=version,
                     mod_revision=mod_revision, config_data=b'{"%s":%d}' % (service.encode(),
                                                                           version))


CREATE, UPDATE, DELETE = pb.CHANGE_KIND_CREATE, pb.CHANGE_KIND_UPDATE, pb.CHANGE_KIND_DELETE


def sound_events():
    return [
        event(1, 0, CREATE, "a", 1, 1, 0),
        event(2, 0, CREATE, "b", 1, 1, 0),
        event(2, 1, UPDATE, "a", 2, 2, 1, mod_before=1),
        event(3, 0, UPDATE, "b", 2, 2, 1, mod_before=2),
        event(4, 0, DELETE, "a", 0, 0, 2, mod_before=2),
        event(5, 0, CREATE, "a", 3, 3, 0),
    ]


def header(revision):
    return position(revision, 1000 + revision)


def position(revision, chain_hash):
    return pb.Position(epoch=EPOCH, revision=revision, chain_hash=chain_hash,
                       token=f"{EPOCH}-{revision}-{chain_hash:016x}")


def response(kind, revision, previous, events=(), **fields):
    return api_pb.WatchResponse(kind=KIND[kind], header=header(revision), events=events,
                                previous_revision=previous, **fields)


def stream_of(events, begin=0, **request):
    """A stream as the server would send it, a commit a response."""
    responses = [response("STARTED", begin, 0)]
    delivered = 0
    for revision in sorted({e.revision for e in events}):
        part = [e for e in events if e.revision == revision]
        responses.append(response("EVENTS", revision, delivered, part))
        delivered = revision
    return Stream(api_pb.WatchRequest(**request), responses)


def selected(service):
    return stream_of([e for e in sound_events() if e.service_name == service],
                     start_revision=1, selectors=[api_pb.Selector(service_name=service)])


# ---- What is sound ----

def test_a_sound_history_passes():
    log = Log(sound_events())
    assert log.heads_at(3) == {("prod", "a"): (2, 2), ("prod", "b"): (2, 3)}
    assert log.heads_at(4) == {("prod", "b"): (2, 3)}
    for stream in (stream_of(sound_events(), start_revision=1), selected("a"), selected("b")):
        history.check_stream(log, stream)


def test_a_sound_snapshot_passes():
    history.check_stream(Log(sound_events()), snapshot([config("a", 2, 2), config("b", 2, 3)]))


def test_a_commit_in_parts_passes():
    history.check_stream(Log(sound_events()), in_parts(more=True))


# ---- Events that cannot be ----

def break_log(change):
    events = sound_events()
    change(events)
    with pytest.raises(AssertionError):
        Log(events)


@pytest.mark.parametrize("place", range(5))
def test_a_dropped_event(place):
    break_log(lambda events: events.pop(place))


@pytest.mark.parametrize("place", range(6))
def test_a_doubled_event(place):
    break_log(lambda events: events.insert(place, copy.deepcopy(events[place])))


@pytest.mark.parametrize("place", range(5))
def test_two_swapped_events(place):
    def swap(events):
        events[place], events[place + 1] = events[place + 1], events[place]

    break_log(swap)


@pytest.mark.parametrize("place,field,value", [
    (0, "kind", UPDATE), (2, "kind", CREATE), (5, "kind", UPDATE), (2, "version", 3),
    (5, "version", 1), (3, "head_version", 1), (4, "head_version", 1), (3, "previous_version", 0),
    (2, "index", 2), (3, "revision", 4)])
def test_an_event_that_lies(place, field, value):
    break_log(lambda events: setattr(events[place], field, value))


@pytest.mark.parametrize("place,field,value", [
    (2, "version", 2), (3, "mod_revision", 1), (4, "config_data", b'{"a":1}')])
def test_another_value_before(place, field, value):
    break_log(lambda events: setattr(events[place].previous, field, value))


def test_a_config_that_is_not_the_head():
    break_log(lambda events: setattr(events[3].config, "version", 1))
    break_log(lambda events: setattr(events[3].config, "mod_revision", 2))
    break_log(lambda events: events[3].ClearField("config"))


# ---- Streams that are not the log's ----

def break_stream(stream, change):
    change(stream.responses)
    with pytest.raises(AssertionError):
        history.check_stream(Log(sound_events()), stream)


@pytest.mark.parametrize("place", range(1, 5))
def test_a_response_that_is_lost(place):
    break_stream(stream_of(sound_events(), start_revision=1), lambda r: r.pop(place))


def repair(responses):
    """Makes what a response says of the one before it fit again: the log has to find the fault."""
    delivered = 0
    for told in responses:
        told.previous_revision = delivered
        delivered = told.events[-1].revision if told.events else delivered


@pytest.mark.parametrize("make", [lambda: stream_of(sound_events(), start_revision=1),
                                  lambda: selected("a")])
def test_a_lost_response_that_is_hidden(make):
    def lose(responses):
        del responses[2]
        repair(responses)

    break_stream(make(), lose)


def test_a_response_that_comes_twice():
    break_stream(stream_of(sound_events()), lambda r: r.insert(2, copy.deepcopy(r[2])))


def test_two_swapped_responses():
    def swap(responses):
        responses[2], responses[3] = responses[3], responses[2]
        repair(responses)

    break_stream(stream_of(sound_events()), swap)


def test_an_event_that_is_lost_from_a_commit():
    break_stream(stream_of(sound_events()), lambda r: r[2].events.pop(0))
    break_stream(stream_of(sound_events()), lambda r: r[2].events.pop(1))


def in_parts(more):
    stream = stream_of(sound_events(), start_revision=1)
    whole = stream.responses[2]
    first = response("EVENTS", 1 if more else 2, 1, whole.events[:1], more=more)
    second = response("EVENTS", 2, 2, whole.events[1:])
    stream.responses[2:3] = [first, second]
    return stream


def test_a_commit_that_is_split_without_saying_so():
    break_stream(in_parts(more=False), lambda _: None)


def test_a_commit_that_counts_before_it_is_complete():
    def count_early(responses):
        responses[2].header.revision = 2

    break_stream(in_parts(more=True), count_early)


def test_an_event_that_is_not_selected():
    def add_another(responses):
        responses.insert(2, response("EVENTS", 2, 1, [sound_events()[1]]))
        repair(responses)

    break_stream(selected("a"), add_another)


def test_a_filter_that_takes_too_much():
    stream = stream_of(sound_events(), start_revision=1,
                       selectors=[api_pb.Selector(service_name="b")])
    break_stream(stream, lambda _: None)


def test_a_filter_that_takes_too_little():
    stream = selected("b")
    del stream.request.selectors[:]
    break_stream(stream, lambda r: r.append(response("PROGRESS", 5, 3)))


def test_a_position_that_goes_back():
    break_stream(stream_of(sound_events()), lambda r: setattr(r[3].header, "revision", 1))


def test_a_progress_mark_ahead_of_events():
    def mark(responses):
        responses.insert(3, response("PROGRESS", 3, 2))

    break_stream(stream_of(sound_events()), mark)


def test_events_before_the_stream_stands():
    break_stream(stream_of(sound_events()), lambda r: r.pop(0))


def snapshot(configs):
    return Stream(api_pb.WatchRequest(include_snapshot=True), [
        api_pb.WatchResponse(kind=KIND["SNAPSHOT"], header=pb.Position(epoch=EPOCH),
                             configs=configs),
        response("SNAPSHOT_END", 3, 0),
        response("EVENTS", 4, 3, [sound_events()[4]])])


@pytest.mark.parametrize("configs", [
    [], [config("a", 2, 2)], [config("a", 1, 1), config("b", 2, 3)],
    [config("a", 2, 2), config("b", 2, 2)]])
def test_a_snapshot_of_something_else(configs):
    break_stream(snapshot(configs), lambda _: None)


def test_bookmarks_that_contradict():
    streams = [stream_of(sound_events()), stream_of(sound_events())]
    history.check_bookmarks({3: 1003}, streams)
    other = streams[1].responses[3].header
    other.CopyFrom(position(other.revision, 7))
    with pytest.raises(AssertionError):
        history.check_bookmarks({}, streams)
    with pytest.raises(AssertionError):
        history.check_bookmarks({3: 7}, streams[:1])


# ---- Answers that are not the log's ----

def answer(method, told, request=None):
    history.check_answer(Log(sound_events()), method,
                         request or getattr(api_pb, f"{method}Request")(), told)


def wrong(method, told, request=None):
    with pytest.raises(AssertionError):
        answer(method, told, request)


def test_reads_that_are_not_of_their_revision():
    answer("GetConfig", api_pb.GetConfigResponse(header=header(3), config=config("a", 2, 2)))
    wrong("GetConfig", api_pb.GetConfigResponse(header=header(3), config=config("a", 1, 1)))
    wrong("GetConfig", api_pb.GetConfigResponse(header=header(1), config=config("a", 2, 2)))
    wrong("GetConfig", api_pb.GetConfigResponse(header=header(4), config=config("a", 2, 2)))
    changed = config("a", 2, 2)
    changed.config_data = b"{}"
    wrong("GetConfig", api_pb.GetConfigResponse(header=header(3), config=changed))
    wrong("BatchGetConfigs", api_pb.BatchGetConfigsResponse(
        header=header(3), configs=[config("a", 2, 2), config("b", 1, 2)]))


def test_lists_that_lack_one():
    both = [config("a", 2, 2), config("b", 2, 3)]
    answer("ListConfigs", api_pb.ListConfigsResponse(header=header(3), configs=both))
    wrong("ListConfigs", api_pb.ListConfigsResponse(header=header(3), configs=both[:1]))


def test_writes_that_are_not_in_the_log():
    answer("UpdateConfig", api_pb.UpdateConfigResponse(header=header(3), config=config("b", 2, 3)))
    wrong("UpdateConfig", api_pb.UpdateConfigResponse(header=header(3), config=config("b", 3, 3)))
    wrong("UpdateConfig", api_pb.UpdateConfigResponse(header=header(2), config=config("b", 2, 3)))
    commit = pb.Commit(revision=2, changes=sound_events()[1:3])
    answer("CommitChanges", api_pb.CommitChangesResponse(header=header(2), commit=commit))
    wrong("CommitChanges", api_pb.CommitChangesResponse(
        header=header(2), commit=pb.Commit(revision=2, changes=sound_events()[1:2])))
