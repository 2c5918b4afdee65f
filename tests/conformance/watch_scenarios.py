"""Scenarios of a watch that goes well, and of one that is interrupted and resumed."""

from case import api_pb, pause, pb, scenario
from registry import NEXT_EPOCH, Registry, position
from wire import CANCEL

INTERNAL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM = 2, 7, 11  # error codes of HTTP/2


@scenario()
def changes(case):
    """The first state, then every change, each once and in order."""
    case.commit(billing='{"pool":20}')
    case.commit(search='{"shards":3}')
    case.commit(billing='{"pool":30}', mail=None)
    case.commit(mail='{"host":"b"}')
    assert len(case.server.streams) == 1, "more than one stream was opened"


@scenario(begins=False)
def nothing_there(case):
    """The first state of a registry without configs is a state, too."""
    case.server.commit({"billing": None, "mail": None})
    case.begin()
    case.commit(billing='{"pool":1}')


@scenario(begins=False)
def numbers(case):
    """Numbers keep all their digits."""
    case.server.commit({"billing": '{"big":9007199254740993,"fine":0.10000000000000000555}'})
    case.begin()
    case.commit(billing='{"big":-9223372036854775808,"fine":1.50}')


@scenario()
def restart(case):
    """The server stops, is away, and comes back: the watch resumes after the last response, and what was
    committed meanwhile is told."""
    case.commit(billing='{"pool":20}')
    revision = case.server.registry.revision
    case.wire.close()
    case.newest().end("UNAVAILABLE", "SHUTTING_DOWN")
    case.ended(case.newest())
    case.wire.cut()
    missed = case.server.commit({"billing": '{"pool":30}'}) + case.server.commit({"mail": None})
    pause(0.3)
    case.wire.open()
    case.tells(missed)
    case.resumed(case.newest(), revision)


@scenario()
def connection_lost(case):
    """The connection breaks without a word, twice."""
    for n in range(2):
        case.commit(billing=f'{{"pool":{n}}}')
        revision = case.server.registry.revision
        stream = case.newest()
        case.wire.cut(abruptly=n == 1)
        case.ended(stream)
        case.tells(case.server.commit({"mail": f'{{"port":{n}}}'}))
        case.resumed(case.newest(), revision)


@scenario()
def streams_reset(case):
    """Streams are reset (RST_STREAM) with codes that libraries make CANCELLED, INTERNAL, UNAVAILABLE and
    RESOURCE_EXHAUSTED of: each time the client waits at random, and resumes."""
    codes = (CANCEL, INTERNAL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM) * 2
    for n, code in enumerate(codes, 1):
        case.commit(billing=f'{{"pool":{n}}}')
        revision = case.server.registry.revision
        case.wire.each(lambda connection, code=code: connection.reset_streams(code))
        case.resumed(case.stream(n + 1), revision)
    # Waits of up to 0.1 s are shorter together once in 200,000 times.
    waits = case.waited(case.server.streams, 0.08)
    assert max(waits) - min(waits) > 0.015, f"the waits are not random: {waits}"


@scenario()
def goaway(case):
    """The server sends GOAWAY: the stream goes on until it ends, the next one is on another
    connection."""
    case.wire.each(lambda connection: connection.go_away())
    case.commit(billing='{"pool":20}')
    revision = case.server.registry.revision
    case.newest().end("UNAVAILABLE", "SHUTTING_DOWN")
    case.tells(case.server.commit({"billing": '{"pool":30}'}))
    case.resumed(case.newest(), revision)


@scenario()
def stream_ended(case):
    """The server ends the stream with OK, which is no reason to stop watching."""
    case.newest().end()
    case.stream(2)
    case.resumed(case.newest(), case.server.registry.revision)


@scenario()
def progress(case):
    """A progress mark moves the position on, where nothing that is watched has changed."""
    for _ in range(3):
        case.server.registry.commit({})  # nothing that this client may see
    stream = case.newest()
    with case.server.lock:
        stream.send(case.server.registry.progress(stream.delivered))
        stream.end("UNAVAILABLE", "SHUTTING_DOWN")
    case.resumed(case.stream(2), case.server.registry.revision)


@scenario()
def commit_in_parts(case):
    """A commit comes in several responses, `more` set on all but the last: it is told whole, once."""
    case.commit(billing=f'{{"pool":1,"fill":"{"x" * 700_000}"}}',
                mail=f'{{"port":1,"fill":"{"y" * 700_000}"}}', search='{"shards":1}')
    assert len(case.server.streams) == 1


@scenario()
def commit_broken_off(case):
    """The stream ends between two parts of a commit: the watch resumes before that commit, and each of
    its changes is told once."""
    before = case.server.registry.revision
    stream = case.newest()
    with case.server.lock:
        stream.follows = False
        events = case.server.commit({"billing": f'{{"fill":"{"x" * 700_000}"}}',
                                     "mail": f'{{"fill":"{"y" * 700_000}"}}'})
        first, _ = case.server.registry.events(before + 1, stream.delivered)
        stream.send(first)
        stream.end("UNAVAILABLE", "SHUTTING_DOWN")
    case.resumed(case.stream(2), before)
    case.tells(events)


@scenario()
def compacted(case):
    """The position has been compacted (OUT_OF_RANGE): the client takes a new snapshot and tells what
    differs, deletes included, as synthetic changes."""
    before = case.server.registry.state()
    case.wire.close()
    case.wire.cut()
    case.server.commit({"billing": '{"pool":20}'})
    case.server.commit({"billing": '{"pool":30}', "mail": None})
    case.server.commit({"search": '{"shards":3}'})
    case.server.registry.compact(case.server.registry.revision)
    case.wire.open()
    case.tells_difference(before)
    case.resumed(case.stream(2), 2)
    case.begins_anew(case.stream(3))


@scenario()
def another_epoch(case):
    """The log is another one (FAILED_PRECONDITION EPOCH_MISMATCH), as after a restore: as after a
    compaction, although the revisions go back. Of two logs only names and values are compared: mail
    has other revisions and is the same."""
    case.commit(billing='{"pool":20}')
    before = case.server.registry.state()
    with case.server.lock:
        case.server.registry = Registry(NEXT_EPOCH)
        case.server.registry.commit({"billing": '{"pool":10}'})
        case.server.registry.commit({"search": '{"shards":3}'})
        case.server.registry.commit({"mail": '{"host":"a","port":25}'})
        case.newest().end("UNAVAILABLE", "LOG_CHANGED")
    case.tells_difference(before)
    case.begins_anew(case.stream(3))


@scenario()
def another_history(case):
    """The epoch is the same but the log has another commit at the position (FAILED_PRECONDITION
    POSITION_MISMATCH)."""
    before = case.server.registry.state()
    case.server.next_streams = [lambda stream: stream.end("FAILED_PRECONDITION",
                                                          "POSITION_MISMATCH")]
    case.newest().end("UNAVAILABLE", "SHUTTING_DOWN")
    with case.server.lock:
        case.server.registry.commit({"mail": None})
    case.tells_difference(before)
    case.begins_anew(case.stream(3))


@scenario()
def response_missing(case):
    """A response is missing, which `previous_revision` shows: the client takes a new snapshot."""
    before = case.server.registry.state()
    with case.server.lock:
        case.server.registry.commit({"mail": None})  # is not sent
        stream, registry = case.newest(), case.server.registry
        registry.commit({"billing": '{"pool":20}'})
        stream.send(*registry.events(registry.revision, registry.revision - 1))
    case.tells_difference(before)
    case.begins_anew(case.stream(2))


@scenario(begins=False)
def snapshot_broken_off(case):
    """The first stream ends within the snapshot, and meanwhile a config goes away: the first state is
    told once, and has nothing of the first attempt."""
    def half(stream):
        stream.send(*case.server.registry.snapshot_parts())
        stream.end("UNAVAILABLE", "SHUTTING_DOWN")
        case.server.registry.commit({"billing": None})
    case.server.next_streams = [half]
    case.begin()
    case.begins_anew(case.stream(2))


@scenario(begins=False)
def slow(case):
    """A snapshot that takes 2 s is waited for; no second stream is opened."""
    def slowly(stream):
        stream.send(*case.server.registry.snapshot_parts())
    case.server.next_streams = [slowly]
    case.start()
    stream = case.stream(1)
    pause(2)
    with case.server.lock:
        stream.send(case.server.registry.snapshot_end())
        stream.follows = True
    case.begin()
    assert len(case.server.streams) == 1, "the client has opened another stream meanwhile"


@scenario(is_long=True)
def silent(case):
    """The server goes silent, with its connections open: without a progress mark for some intervals the
    client opens the stream anew, within 15 s."""
    stream = case.newest()
    stream.is_mute = True
    missed = case.server.commit({"billing": '{"pool":20}'})
    case.resumed(case.stream(2), case.server.registry.revision - 1)
    case.tells(missed)


@scenario()
def unknown(case):
    """A newer server sends fields, responses and kinds of changes that the client does not know: they
    do not disturb it, and a change of an unknown kind is applied like any other."""
    stream, registry = case.newest(), case.server.registry
    strange = bytes([0xFA, 0x3E, 3]) + b"new"  # field 1007, of three bytes
    with case.server.lock:
        more = registry.progress(stream.delivered)
        more.kind = 99
        more.configs.add(environment="prod", service_name="ghost", version=1, config_data=b"{}")
        stream.send(more)
        stream.send(registry.progress(stream.delivered).SerializeToString() + strange)
        events = registry.commit({"billing": '{"pool":20}'})
        events[0].kind = events[0].config.kind = 77
        stream.send(*registry.events(registry.revision, stream.delivered))
    case.tells(events)
    case.commit(billing='{"pool":30}')
    assert len(case.server.streams) == 1, "the client has opened another stream"


@scenario()
def erased(case):
    """The payload of a new head has been erased since: the change is told without data, and is no
    delete."""
    stream, registry = case.newest(), case.server.registry
    with case.server.lock:
        events = registry.commit({"billing": '{"pool":20}'})
        events[0].config.config_data = b""
        events[0].config.payload_state = pb.PAYLOAD_STATE_ERASED
        stream.send(*registry.events(registry.revision, stream.delivered))
    case.tells(events)


@scenario()
def garbage_message(case):
    """A response is no message: the client opens the stream anew and loses nothing."""
    before = case.server.registry.revision
    stream = case.newest()
    with case.server.lock:
        stream.follows = False
        stream.send(b"\xff\xff\xff\xff")
    missed = case.server.commit({"billing": '{"pool":20}'})
    case.tells(missed)
    case.resumed(case.stream(2), before)


@scenario()
def garbage_bytes(case):
    """The connection carries no HTTP/2 any more."""
    case.wire.each(lambda connection: connection.send_bytes(b"\xff" * 64))
    case.tells(case.server.commit({"billing": '{"pool":20}'}))


@scenario()
def garbage_payload(case):
    """A config's data is no JSON, which no server sends that is sound: the client lives on. It tells an
    interruption and tries again with waits, or, if it hands data on as they are, the change with null."""
    stream, registry = case.newest(), case.server.registry
    damaged = pb.Event(environment="prod", service_name="billing", kind=pb.CHANGE_KIND_UPDATE,
                       version=9, head_version=9, revision=registry.revision + 1)
    damaged.config.CopyFrom(pb.Config(environment="prod", service_name="billing", version=9,
                                      revision=damaged.revision, config_data=b'{"pool"'))

    def damage(stream):
        stream.send(api_pb.WatchResponse(
            kind=api_pb.WATCH_RESPONSE_KIND_EVENTS, events=[damaged],
            previous_revision=stream.delivered,
            header=position(registry.epoch, registry.revision + 1)))
    case.server.next_streams = [damage]
    with case.server.lock:
        stream.follows = False
        damage(stream)
    told = case.client.next(("interrupted", "change"))
    if told["event"] == "interrupted":
        case.stream(3)
        case.tells(case.server.commit({"billing": '{"pool":20}'}))
        return
    assert told.get("data") is None, f"the client has told {told}"
    with case.server.lock:
        case.server.next_streams = []
        registry.commit({"billing": '{"pool":20}'})  # has the revision that was damaged
        stream.end("UNAVAILABLE", "SHUTTING_DOWN")
    case.resumed(case.stream(2), registry.revision)


__all__ = []
