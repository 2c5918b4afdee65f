"""GET /api/watch: changes as server-sent events."""

import threading

import pytest
from calls import Registry, create_change, delete_change, update_change
from daemon import Confregd, Gateway, until
from rest import Rest, gauge
from sse import EventStream, Refused

pytestmark = pytest.mark.any_store

DATA = {"config_data": {"n": 1}}


def in_step(port):
    return b"\nconfreg_gateway_mirror_in_step 1\n" in Rest(port).get("/metrics").body


@pytest.fixture(scope="module")
def port(gateway):
    until(lambda: in_step(gateway.port), "the mirror is in step")
    return gateway.port


def caught_up(port, registry):
    """Until the gateway has all that was written past it: its streams start there."""
    revision = registry.revision()
    until(lambda: gauge(port, "confreg_gateway_mirror_revision") >= revision, "the mirror is there")
    return port


def read_head(sock):
    """The headers of an answer, by name."""
    with sock.makefile("rb") as reader:
        assert reader.readline().startswith(b"HTTP/1.1 ")
        lines = iter(lambda: reader.readline().strip().decode(), "")
        return {name.lower(): value.strip() for name, _, value in
                (line.partition(":") for line in lines)}


class Pair:
    def __init__(self, launch, **kwargs):
        self.launch = launch
        self.server = launch(Confregd, **kwargs).start()
        self.gateway = launch(Gateway, self.server.listen, extra=["--heartbeat", "200ms"]).start()
        self.port = self.gateway.port
        until(lambda: in_step(self.port), "the mirror is in step")

    @property
    def registry(self):
        return Registry(self.server.stub)

    def fresh_gateway(self):
        """Another one, whose window holds nothing yet."""
        gateway = self.launch(Gateway, self.server.listen, extra=["--heartbeat", "200ms"]).start()
        until(lambda: in_step(gateway.port), "the mirror is in step")
        return gateway


@pytest.fixture
def pair(launch):
    pair = Pair(launch)
    yield pair
    pair.gateway.end()
    pair.server.end()


# ---- What is told ----

def test_every_kind_of_change(port, rest, registry, name):
    path = f"/api/configs/{name}?environment=prod"
    with EventStream(port, f"?service_name={name}").begun() as stream:
        rest.post(path, {"config_data": {"a": 1.50}, "comment": "why\n", "created_by": "ada"})
        rest.put(path, {"config_data": {"a": 2}, "created_by": ""})
        registry.rollback(name, 1)
        rest.delete(path + "&version=2")
        rest.delete(path + "&version=3")
        rest.delete(path)
        registry.undelete(name, comment="back")
        events = stream.take(7)
    told = [(e.name, e.data["version"], e.data["head_version"], e.data.get("config_data"))
            for e in events]
    assert told == [("created", 1, 1, {"a": 1.5}), ("updated", 2, 2, {"a": 2}),
                    ("updated", 3, 3, {"a": 1.5}), ("deleted", 2, 3, None),
                    ("deleted", 3, 1, {"a": 1.5}), ("deleted", 0, 0, None),
                    ("created", 4, 4, {"a": 1.5})]
    first = events[0].data
    assert list(first) == ["service_name", "environment", "version", "head_version", "change_type",
                           "timestamp", "created_by", "comment", "config_data"]
    assert (first["service_name"], first["environment"], first["change_type"], first["created_by"],
            first["comment"]) == (name, "prod", "created", "ada", "why\n")
    assert [(e.data["created_by"], e.data["comment"]) for e in events[1:]] == [
        ("", ""), ("system", ""), *[("system", "Configuration deleted")] * 3,
        ("system", "back")]
    positions = [int(e.id.split(":")[1]) for e in events]
    assert positions == list(range(positions[0], positions[0] + 7))


def test_payloads_are_told_byte_for_byte(port, rest, name):
    with EventStream(port, f"?service_name={name}").begun() as stream:
        rest.post(f"/api/configs/{name}", '{"config_data":{"z":1.0,"e":1E+05,"s":"\\u2028\\n"}}')
        while not (line := next(stream._lines)).startswith(b"data: "):
            pass
    assert b'"config_data":{"z":1.0,"e":1E+05,"s":"\\u2028\\n"}}' in line


@pytest.mark.parametrize("query, selected", [
    ("", "abcd"), ("?environment={e}", "abc"), ("?service_name=x-{n}", "ad"),
    ("?prefix=x-", "abd"), ("?prefix=x-{n}&environment={e}", "ab"),
    ("?environment={e}&service_name=x-{n}", "a"), ("?environment=&service_name=&prefix=", "abcd")])
def test_filters(port, registry, name, query, selected):
    environment = f"env-{name}"
    changes = {"a": (f"x-{name}", environment), "b": (f"x-{name}-2", environment),
               "c": (f"y-{name}", environment), "d": (f"x-{name}", f"other-{name}")}
    query = query.format(e=environment, n=name)
    with EventStream(caught_up(port, registry), query).begun() as stream:
        for letter, (service, where) in changes.items():
            registry.create(service, '{"letter":"%s"}' % letter, environment=where)
        # The last one of all, for filters that select nothing behind what they select.
        got = [stream.next().data["config_data"]["letter"] for _ in selected]
        assert got == list(selected)


def test_a_commit_has_one_id_on_its_last_event(port, registry, name):
    with EventStream(port, f"?prefix={name}").begun() as stream:
        before = stream.last_id
        registry.commit([create_change(f"{name}-1"), create_change(f"other-{name}"),
                         create_change(f"{name}-2"), update_change(f"{name}-1"),
                         create_change(f"another-{name}")])
        events = stream.take(3)
    assert [e.data["service_name"] for e in events] == [f"{name}-1", f"{name}-2", f"{name}-1"]
    assert [e.id == before for e in events] == [True, True, False]


def test_malformed_requests(port):
    for query, last_id, place in (("?environment=a%2Fb", None, ["query", "environment"]),
                                  ("?prefix=%01", None, ["query", "prefix"]),
                                  ("?snapshot=maybe", None, ["query", "snapshot"]),
                                  ("", "7", ["header", "Last-Event-ID"]),
                                  ("", "0123456789abcdef-7", ["header", "Last-Event-ID"]),
                                  ("", "0123456789abcdef:x", ["header", "Last-Event-ID"]),
                                  ("", "0123456789abcdef:1.2", ["header", "Last-Event-ID"]),
                                  ("", "x" * 5000, ["header", "Last-Event-ID"])):
        with pytest.raises(Refused) as refused:
            EventStream(port, query, last_id)
        assert refused.value.status == 422
        assert refused.value.body["detail"][0]["loc"] == place


def test_head_and_http_1_0(port, rest, name):
    with rest.open() as sock:
        sock.sendall(b"HEAD /api/watch HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, end, body = sock.makefile("rb").read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and end and not body
        assert b"text/event-stream" in head and b"Content-Length" not in head
    with rest.open() as sock:
        sock.sendall(b"GET /api/watch HTTP/1.0\r\n\r\n")
        reader = sock.makefile("rb")
        while reader.readline().strip():
            pass
        assert reader.readline() == b"retry: 1000\n"
        rest.post(f"/api/configs/{name}", DATA)
        while not reader.readline().startswith(b"event: created"):
            pass


HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def watch_head(more=""):
    return f"GET /api/watch HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()


def test_a_connection_ends_with_its_stream(rest):
    with rest.open() as sock:
        sock.sendall(watch_head())
        assert read_head(sock)["connection"] == "close"


def test_heads_of_a_watch_in_pieces(rest):
    with rest.open() as sock:
        sock.sendall(watch_head()[:20])
        assert rest.get("/health").status == 200  # the gateway has seen that piece
        sock.sendall(watch_head()[20:])
        assert read_head(sock)["content-type"].startswith("text/event-stream")


def test_heads_of_a_watch_of_every_size(rest):
    """As many lines, cookies and bytes as others take; beyond those it is the same answer."""
    for more in ("X: y\r\n", "Cookie: a=b;c=d\r\n", "X-Padding: " + 40 * "x" + "\r\n"):
        for n in range(0, 40):
            with rest.open() as sock:
                sock.sendall(watch_head(n * more))
                assert read_head(sock)["content-type"].startswith("text/event-stream")
    for count in (30000, 33000):
        answers = {rest.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                            f"X: {'x' * count}\r\nLast-Event-ID: 7\r\n\r\n".encode()).status
                   for path in ("/api/watch", "/api/watch/none")}
        assert answers == ({422, 404} if count == 30000 else {431})


def test_a_watch_behind_another_request(rest):
    with rest.open() as sock:
        sock.sendall(HEALTH + watch_head())
        reader = sock.makefile("rb")
        text = b""
        while b"event-stream" not in text:
            text += reader.readline()
        assert text.startswith(b"HTTP/1.1 200")


# ---- Snapshots ----

def test_a_snapshot_then_what_follows(port, rest, registry, name):
    registry.commit([create_change(f"{name}-{i}", '{"i":%d}' % i) for i in range(20)])
    registry.delete(f"{name}-7")
    with EventStream(caught_up(port, registry), f"?prefix={name}&snapshot=true") as stream:
        assert "id" not in stream.block()
        events = stream.take(19)
        assert {e.name for e in events} == {"snapshot"} and {e.id for e in events} == {None}
        assert [e.data["service_name"] for e in events] == sorted(
            f"{name}-{i}" for i in range(20) if i != 7)
        end = stream.next()
        assert end.name == "snapshot_end" and end.id is not None
        registry.update(f"{name}-3")
        assert stream.next().data["version"] == 2
        kept = stream.last_id
    with EventStream(port, f"?prefix={name}&snapshot=true", kept).begun() as stream:
        registry.update(f"{name}-4")
        event = stream.next()
        assert (event.name, event.data["service_name"]) == ("updated", f"{name}-4")


def test_snapshots_leave_no_gap_while_writes_go_on(port, registry, name):
    registry.create(name, '{"n":1}')
    caught_up(port, registry)
    stop = threading.Event()

    def write():
        n = 1
        while not stop.is_set():
            n += 1
            registry.update(name, '{"n":%d}' % n)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            with EventStream(port, f"?service_name={name}&snapshot=true") as stream:
                n = stream.next().data["config_data"]["n"]
                assert stream.next().name == "snapshot_end"
                assert [e.data["config_data"]["n"] for e in stream.take(3)] == [n + 1, n + 2, n + 3]
    finally:
        stop.set()
        writer.join()


# ---- Resuming ----

def test_every_position_can_be_resumed_from(port, registry, name):
    with EventStream(caught_up(port, registry), f"?prefix={name}").begun() as stream:
        ids = [stream.last_id]
        for i in range(5):
            registry.create(f"{name}-{i}", '{"i":%d}' % i)
            registry.create(f"other-{name}-{i}")
            ids.append(stream.next().id)
    for i, last_id in enumerate(ids[:-1]):
        with EventStream(port, f"?prefix={name}", last_id).begun() as stream:
            assert stream.last_id == last_id
            assert [e.data["config_data"]["i"] for e in stream.take(5 - i)] == list(range(i, 5))


def test_a_resume_from_before_the_window_asks_the_server(pair):
    registry = pair.registry
    with EventStream(pair.port).begun() as stream:
        start = stream.last_id
        registry.commit([create_change("a"), create_change("b"), create_change("c")])
        for i in range(40):
            registry.update("b", '{"i":%d}' % i)
        ids = [e.id for e in stream.take(43)]
    fresh = pair.fresh_gateway()
    with EventStream(fresh.port, last_id=start).begun() as stream:
        events = stream.take(43)
        assert [e.id for e in events][2:] == ids[2:]
        assert [e.data["service_name"] for e in events[:4]] == ["a", "b", "c", "b"]
        registry.update("b", '{"i":40}')
        assert stream.next().data["config_data"] == {"i": 40}
    with EventStream(fresh.port, "?service_name=b", last_id=ids[20]).begun() as stream:
        numbers = [stream.next().data["config_data"]["i"] for _ in range(22)]
        assert numbers == list(range(18, 40))
    fresh.stop()


def test_a_resume_that_has_missed_nothing_goes_over_to_the_window(pair):
    """Nothing of what came in between is selected: only a mark tells so."""
    registry = pair.registry
    with EventStream(pair.port).begun() as stream:
        start = stream.last_id
    registry.create("other")
    fresh = pair.fresh_gateway()
    with EventStream(fresh.port, "?service_name=mine", last_id=start).begun() as stream:
        until(lambda: stream.block() is not None and stream.position > int(start.split(":")[1]),
              "the position has moved on")
        registry.create("mine")
        assert stream.next().name == "created"
    fresh.stop()


def test_a_position_of_another_log(pair):
    pair.registry.create("x")
    with EventStream(caught_up(pair.port, pair.registry)).begun() as stream:
        epoch, revision = stream.last_id.split(":")
    with pytest.raises(Refused) as refused:
        EventStream(pair.port, last_id=f"0000000000000000:{revision}")
    assert refused.value.status == 410
    assert refused.value.body["reason"] == "EPOCH_MISMATCH"
    assert (refused.value.body["epoch"], refused.value.body["revision"]) == (epoch, int(revision))


def test_a_position_of_the_future_waits(pair):
    registry = pair.registry
    registry.create("x")
    with EventStream(caught_up(pair.port, registry)).begun() as stream:
        epoch, revision = stream.last_id.split(":")
    with EventStream(pair.port, last_id=f"{epoch}:{int(revision) + 2}").begun() as stream:
        for n in range(4):
            registry.update("x", '{"n":%d}' % n)
        assert [stream.next().data["config_data"]["n"] for _ in range(2)] == [2, 3]


def test_a_resume_while_the_server_is_away(pair):
    """What the window has is told; what it has not is 503, and can be asked for again."""
    registry = pair.registry
    with EventStream(pair.port).begun() as stream:
        start = stream.last_id
        registry.create("x")
        stream.next()
    fresh = pair.fresh_gateway()
    pair.server.kill()
    for gateway in (pair.gateway, fresh):
        until(lambda g=gateway: not in_step(g.port), "the mirror has noticed")
    with EventStream(pair.port, last_id=start).begun() as stream:
        assert stream.next().name == "created"
    with pytest.raises(Refused) as refused:
        EventStream(fresh.port, last_id=start)
    assert refused.value.status == 503
    pair.server.start()
    until(lambda: in_step(fresh.port), "the mirror is in step")
    with EventStream(fresh.port, last_id=start).begun() as stream:
        assert stream.next().name == "created"
    fresh.stop()


def test_streams_go_on_over_a_restart_of_the_server(pair):
    pair.registry.create("x", '{"n":0}')
    with EventStream(caught_up(pair.port, pair.registry), "?service_name=x").begun() as stream:
        for n in range(1, 4):
            pair.server.kill()
            pair.server.start()
            pair.registry.update("x", '{"n":%d}' % n)
            assert stream.next().data["config_data"] == {"n": n}


def test_streams_end_when_another_log_comes(pair):
    pair.registry.create("x")
    with EventStream(caught_up(pair.port, pair.registry)).begun() as stream:
        pair.server.stop()
        other = pair.launch(Confregd, listen=pair.server.listen).start()
        with pytest.raises((StopIteration, RuntimeError)):
            while True:
                stream.block()
        with pytest.raises(Refused) as refused:
            EventStream(pair.port, last_id=stream.last_id)
        assert refused.value.status == 410
    with EventStream(pair.port, "?snapshot=true") as stream:
        assert stream.next().name == "snapshot_end"
    other.stop()


def test_a_gateway_that_has_no_copy_yet(launch):
    gateway = launch(Gateway, "127.0.0.1:9").spawn()
    until(lambda: gateway.status_of("/livez") == 200, "the gateway lives")
    with pytest.raises(Refused) as refused:
        EventStream(gateway.port)
    assert refused.value.status == 503
    gateway.stop()


# ---- Staying open ----

def test_heartbeats_carry_the_position(pair):
    with EventStream(pair.port, "?service_name=quiet").begun() as stream:
        pair.registry.create("x")
        pair.registry.create("y")
        revision = pair.registry.revision()
        until(lambda: stream.block() is not None and stream.position == revision,
              "a heartbeat with the newest position")
        assert stream.comments > 0


def test_streams_end_when_the_gateway_stops(pair):
    streams = [EventStream(pair.port).begun() for _ in range(50)]
    pair.gateway.stop(seconds=20)
    for stream in streams:
        with pytest.raises((StopIteration, RuntimeError)):
            while True:
                stream.block()
        stream.close()


def test_streams_that_clients_leave(pair):
    for _ in range(50):
        EventStream(pair.port).begun().close()
    until(lambda: gauge(pair.port, "confreg_gateway_event_streams") == 0, "all streams are gone")


PADDING = "x" * 100_000


def test_a_slow_reader_holds_nobody_up_and_misses_nothing(pair):
    """60 MB pass by one that hardly reads, which is far more than the window holds."""
    registry = pair.registry
    registry.create("big", '{"n":0}')
    caught_up(pair.port, registry)
    slow = EventStream(pair.port, receive_buffer=4096).begun()
    seen = []
    with EventStream(pair.port).begun() as fast:
        for n in range(1, 600):
            registry.update("big", '{"n":%d,"p":"%s"}' % (n, PADDING))
            assert fast.next().data["config_data"]["n"] == n
            if n % 100 == 0:  # one that takes nothing for a minute is disconnected
                seen.append(slow.next().data["config_data"]["n"])
    memory = gauge(pair.port, "process_resident_memory_bytes")
    assert memory < pair.gateway.memory_bound(160e6), f"{memory / 1e6:.0f} MB for one slow reader"
    seen += [slow.next().data["config_data"]["n"] for _ in range(len(seen), 599)]
    assert seen == list(range(1, 600))
    registry.update("big", '{"n":600}')
    assert slow.next().data["config_data"]["n"] == 600
    slow.close()


def unsent_bytes(port, client):
    """What the kernel holds that the gateway has sent to this client."""
    ends = [f":{port:04X}", f":{client.socket.getsockname()[1]:04X}"]
    with open("/proc/net/tcp") as file:
        for fields in map(str.split, file):
            if [fields[1][8:], fields[2][8:]] == ends:
                return int(fields[4].partition(":")[0], 16)
    raise AssertionError("no such connection")


def test_the_kernel_holds_little_for_a_slow_reader(pair):
    """More would cost memory, and a slow reader its connection: the kernel says that there is room
    only when a good part of it has gone."""
    registry = pair.registry
    registry.create("big", '{"n":0}')
    with EventStream(caught_up(pair.port, registry), receive_buffer=4096).begun() as slow:
        with EventStream(pair.port).begun() as fast:
            for n in range(1, 100):
                registry.update("big", '{"n":%d,"p":"%s"}' % (n, PADDING))
                fast.next()
        assert 0 < unsent_bytes(pair.port, slow) < 600_000
        assert [slow.next().data["config_data"]["n"] for _ in range(1, 100)] == list(range(1, 100))


def test_slow_readers_together_cost_bounded_memory(pair):
    registry = pair.registry
    registry.create("big", '{"n":0}')
    caught_up(pair.port, registry)
    slow = [EventStream(pair.port, receive_buffer=4096).begun() for _ in range(100)]
    for n in range(1, 250):
        registry.update("big", '{"n":%d,"p":"%s"}' % (n, PADDING))
    until(lambda: gauge(pair.port, "confreg_gateway_mirror_revision") == 250, "all has arrived")
    memory = gauge(pair.port, "process_resident_memory_bytes")
    assert memory < pair.gateway.memory_bound(320e6), f"{memory / 1e6:.0f} MB for a hundred slow readers"
    for stream in slow[:3]:
        assert [stream.next().data["config_data"]["n"] for _ in range(1, 250)] == list(range(1, 250))
    for stream in slow:
        stream.close()


def test_a_large_commit_is_told_in_one_piece(pair):
    """8 MB in one commit, to a stream that has to be brought up by the server."""
    registry = pair.registry
    with EventStream(pair.port).begun() as stream:
        start = stream.last_id
    registry.commit([create_change(f"s-{i:03}", '{"p":"%s"}' % PADDING[:60_000])
                     for i in range(128)])
    registry.commit([delete_change("s-000")])
    fresh = pair.fresh_gateway()
    with EventStream(fresh.port, last_id=start).begun() as stream:
        names = [stream.next().data["service_name"] for _ in range(128)]
        assert names == [f"s-{i:03}" for i in range(128)]
        assert stream.next().name == "deleted"
    fresh.stop()


@pytest.mark.concurrent
def test_many_streams_see_everything(pair):
    registry, streams, count = pair.registry, [], 300
    for i in range(100):
        streams.append(EventStream(pair.port, f"?service_name=s-{i % 10}").begun())
    failures = []

    def follow(stream, number):
        try:
            seen = [stream.next().data["config_data"]["n"] for _ in range(count // 10)]
            assert seen == list(range(number, count, 10))
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=follow, args=(s, i % 10)) for i, s in enumerate(streams)]
    for thread in threads:
        thread.start()
    for n in range(count):
        registry.update(f"s-{n % 10}", '{"n":%d}' % n, allow_missing=True)
    for thread in threads:
        thread.join(60)
    assert not failures
    for stream in streams:
        stream.close()


def test_idle_streams_are_small(pair):
    """The memory of a thousand, and that all of them hear of a change."""
    streams = [EventStream(pair.port).begun() for _ in range(200)]
    before = gauge(pair.port, "process_resident_memory_bytes")
    streams += [EventStream(pair.port).begun() for _ in range(1000)]
    each = (gauge(pair.port, "process_resident_memory_bytes") - before) / 1000
    assert each < pair.gateway.memory_bound(9_000), f"{each:.0f} bytes an idle stream"
    pair.registry.create("x")
    for stream in streams:
        assert stream.next().name == "created"
        stream.close()


def test_a_gateway_stops_while_a_stream_waits_for_the_server(pair):
    """The server hangs; the stream's question to it is still open."""
    registry = pair.registry
    with EventStream(pair.port).begun() as stream:
        start = stream.last_id
    registry.create("x")
    fresh = pair.fresh_gateway()
    pair.server.freeze()
    try:
        with Rest(fresh.port).open() as sock:
            sock.sendall(f"GET /api/watch HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {start}\r\n\r\n"
                         .encode())
            until(lambda: gauge(fresh.port, "confreg_gateway_event_streams") == 1, "it waits")
            fresh.stop(seconds=20)
            assert b" 503 " in sock.makefile("rb").readline()
    finally:
        pair.server.thaw()
