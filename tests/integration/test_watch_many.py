"""Thousands of watches, and watches whose clients do not read."""

import contextlib
import threading
from pathlib import Path

import grpc
import pytest
from calls import Registry, update_change
from daemon import PATIENCE, Confregd, free_port, until
from errors import refused
from many_streams import ManyStreams, StalledStreams
from rest import gauge
from stubs import api_pb
from watching import Watch


def write_on(registry, name, written):
    """Until the server refuses."""
    try:
        while True:
            written.append(registry.update(name, allow_missing=True).header.revision)
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def test_a_server_stops_well_in_the_midst_of_ten_thousand_streams(launch, name):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    streams = ManyStreams(server.listen, 20, 500)
    streams.start()
    streams.wait_for(streams.total)
    assert registry.status().watch_streams == streams.total
    written = []
    writer = threading.Thread(target=write_on, args=(registry, name, written))
    writer.start()
    streams.wait_for(3 * streams.total)
    server.stop()
    writer.join()
    streams.join(60)
    assert not streams.is_alive(), "the server has not closed its connections"
    assert len(streams.ended) == streams.total and set(streams.ended.values()) == {1}
    server.start()
    assert Registry(server.stub).revision() >= written[-1]


def resident_bytes(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_streams_that_nobody_reads_cost_little_and_end(launch, name):
    """A hundred thousand events pass a hundred streams that stall; kept for each they would take
    three gigabytes. A message and a piece of the log for each are a tenth of that at most."""
    server = launch(Confregd, extra=["--ring", "1M", "--caller-writes", "0"]).start()
    registry = Registry(server.stub)
    stalled = [StalledStreams(server.listen, 20) for _ in range(5)]
    until(lambda: registry.status().watch_streams == 100, "the streams stand")
    with Watch(server.stub, complete=True, seconds=300) as reader:
        reader.started()
        changes = [update_change(f"{name}-{i}", '{"x":"%s"}' % ("y" * 200), allow_missing=True)
                   for i in range(125)]
        registry.commit(changes)
        reader.events(125)
        before = resident_bytes(server)
        for _ in range(799):
            registry.commit(changes)
        assert len(reader.events(799 * 125)) == 99_875
        grown = resident_bytes(server) - before
        assert grown < 1 << 30, f"{grown >> 20} MiB for streams that are not read"
        until(lambda: registry.status().watch_streams == 1,
              "peers that answer no ping are given up", seconds=120)
    for one in stalled:
        one.close()


@pytest.mark.any_store
def test_what_stalled_streams_have_from_the_store_is_bounded(launch, name):
    """Eight hundred streams read the log from its beginning and stall in the first message. With a
    mebibyte for each they would take 800; within the budget they take some 200. A stream that comes
    when the budget is used up gets to the end."""
    port = free_port()
    server = launch(Confregd, extra=["--ring", "1M", "--metrics", f"127.0.0.1:{port}"]).start()
    registry = Registry(server.stub)
    payload = '{"x":"%s"}' % ("y" * 100_000)
    for _ in range(300):
        registry.update(name, payload, allow_missing=True)
    before = resident_bytes(server)
    with contextlib.ExitStack() as stack:
        request = api_pb.WatchRequest(start_revision=1).SerializeToString()
        for _ in range(16):
            # Each gets its first response and a piece of the second, within the connection's window.
            stalled = StalledStreams(server.listen, 50, request, window=1000)
            stack.enter_context(contextlib.closing(stalled))
        until(lambda: gauge(port, "confreg_watch_messages_total") >= 800, "all streams stall",
                  3 * PATIENCE)
        with Watch(server.stub, complete=True, start_revision=1) as reader:
            assert [event.version for event in reader.events(300)] == list(range(1, 301))
            grown = resident_bytes(server) - before
            assert registry.status().watch_streams == 801
        assert grown < server.memory_bound(400 << 20), f"{grown >> 20} MiB for stalled streams"


def test_what_a_stalled_message_keeps_of_the_ring_is_counted(launch, name):
    """While the ring has the commits, the message takes nothing of its own. Once they have left it,
    it counts against the budget of those that lag, until its stream is gone."""
    port = free_port()
    server = launch(Confregd, extra=["--ring", "1M", "--metrics", f"127.0.0.1:{port}"]).start()
    registry = Registry(server.stub)
    payload = '{"x":"%s"}' % ("y" * 16_000)
    first = registry.revision() + 1
    for i in range(20):
        registry.update(f"{name}-{i}", payload, allow_missing=True)
    request = api_pb.WatchRequest(start_revision=first, conflate=True).SerializeToString()
    stalled = StalledStreams(server.listen, 1, request, window=1000)
    with contextlib.closing(stalled):
        until(lambda: gauge(port, "confreg_watch_messages_total") == 1, "the stream stalls")
        assert gauge(port, "confreg_watch_held_memory_bytes") == 0
        for _ in range(100):
            registry.update(f"{name}-0", payload)
        assert 320_000 < gauge(port, "confreg_watch_held_memory_bytes") < 400_000
        with Watch(server.stub, complete=True, start_revision=first) as reader:
            assert len(reader.events(120)) == 120
    until(lambda: gauge(port, "confreg_watch_held_memory_bytes") == 0, "all was given back")


def test_what_a_stalled_snapshot_has_been_read_is_counted_and_bounded(launch, name):
    """Resolved configs are made for one stream. It is given a mebibyte of them at a time, which
    counts against the budget of those that lag; heads as they are take nothing of their own."""
    port = free_port()
    server = launch(Confregd, extra=["--metrics", f"127.0.0.1:{port}"]).start()
    registry = Registry(server.stub)
    for half in range(2):
        registry.commit([update_change(f"{name}-{half}-{i}", '{"x":"%s"}' % ("y" * 16_000),
                                       environment="default", allow_missing=True)
                         for i in range(50)])
    for resolve, environment, held in ((False, "default", 0), (True, "prod", 1 << 20)):
        fields = dict(include_snapshot=True, resolve=resolve,
                      selectors=[api_pb.Selector(environment=environment)])
        request = api_pb.WatchRequest(**fields).SerializeToString()
        with contextlib.closing(StalledStreams(server.listen, 1, request, window=1000)):
            with Watch(server.stub, complete=True, **fields) as reader:
                assert len(reader.snapshot()[0]) == 100
            until(lambda: gauge(port, "confreg_watch_streams") == 1, "only the stalled one is left")
            until(lambda: held <= gauge(port, "confreg_watch_held_memory_bytes") <= held * 1.02,
                  "it has its first part, and no more")
        until(lambda: gauge(port, "confreg_watch_streams") == 0, "it is gone, too")
        until(lambda: gauge(port, "confreg_watch_held_memory_bytes") == 0, "all was given back")


def test_a_connection_has_so_many_watches_and_no_more(launch, name):
    server = launch(Confregd, extra=["--max-watches", "3"]).start()
    with contextlib.ExitStack() as stack:
        watches = [stack.enter_context(Watch(server.stub)) for _ in range(3)]
        for watch in watches:
            watch.started()
        for _ in range(100):
            with refused("RESOURCE_EXHAUSTED", "WATCHES_COUNT") as caught:
                next(server.stub.Watch(api_pb.WatchRequest(), timeout=60))
            assert "3" in caught[0].message
        with contextlib.closing(StalledStreams(server.listen, 3)):
            registry = Registry(server.stub)
            until(lambda: registry.status().watch_streams == 6, "another connection has its own")
        registry.update(name, allow_missing=True)
        for watch in watches:
            assert watch.event().config.service_name == name
        watches[0].cancel()
        until(lambda: registry.status().watch_streams == 2, "the streams that were closed go")
        with Watch(server.stub) as watch:
            watch.started()
