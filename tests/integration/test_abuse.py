"""Peers that violate the protocols: the server answers or disconnects them, and is not harmed."""

import contextlib
import errno
import os
import resource
import select
import socket
import struct
from pathlib import Path

import grpc
import pytest
from calls import Registry
from daemon import PATIENCE, Confregd, free_port, until
from errors import refused
from rest import gauge
from stubs import api_pb

pytestmark = pytest.mark.any_store

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A header without compression (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call_headers(method=b"GetStatus"):
    return (literal(b":method", b"POST") + literal(b":scheme", b"http") +
            literal(b":path", b"/confreg.v1.RegistryService/" + method) +
            literal(b":authority", b"localhost") + literal(b"te", b"trailers") +
            literal(b"content-type", b"application/grpc"))


HELLO = PREFACE + frame(SETTINGS)
CALL = HELLO + frame(HEADERS, END_HEADERS, 1, call_headers())

ABUSES = {
    "nothing": b"",
    "garbage": bytes(range(256)) * 64,
    "zeroes": b"\0" * 4096,
    "http/1": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "half a preface": PREFACE[:11],
    "wrong preface": PREFACE.replace(b"2.0", b"2.1"),
    "no settings": PREFACE + frame(PING, payload=b"12345678"),
    "half a frame header": HELLO + b"\0\0",
    "a frame cut short": HELLO + frame(HEADERS, END_HEADERS, 1, call_headers())[:-5],
    "a frame that promises too much": HELLO + frame(DATA, 0, 1, b"x", length=0xFFFFFF),
    "data on an idle stream": HELLO + frame(DATA, END_STREAM, 7, b"x" * 10),
    "an even stream": HELLO + frame(HEADERS, END_HEADERS, 2, call_headers()),
    "a stream number that goes back": (
        HELLO + frame(HEADERS, END_HEADERS | END_STREAM, 9, call_headers()) +
        frame(HEADERS, END_HEADERS | END_STREAM, 3, call_headers())),
    "bad hpack": HELLO + frame(HEADERS, END_HEADERS, 1, b"\xff" * 50),
    "headers without end": HELLO + frame(HEADERS, 0, 1, call_headers()),
    "a continuation out of place": HELLO + frame(CONTINUATION, END_HEADERS, 1, b"x"),
    "settings of a wrong size": PREFACE + frame(SETTINGS, payload=b"12345"),
    "a window of zero": HELLO + frame(WINDOW, 0, 0, b"\0\0\0\0"),
    "a window overflow": HELLO + frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 3,
    "ping flood": HELLO + frame(PING, payload=b"12345678") * 5000,
    "reset flood": HELLO + b"".join(
        frame(HEADERS, END_HEADERS, i, call_headers()) + frame(RST, 0, i, b"\0\0\0\x08")
        for i in range(1, 2000, 2)),
    "goaway": HELLO + frame(GOAWAY, payload=b"\0" * 8),
    "no message": CALL + frame(DATA, END_STREAM, 1),
    "half a message": CALL + frame(DATA, END_STREAM, 1, b"\0\0\0\0\x09abc"),
    "half a prefix": CALL + frame(DATA, END_STREAM, 1, b"\0\0"),
    "a message that promises 4 GiB": CALL + frame(DATA, 0, 1, b"\0\xff\xff\xff\xff" + b"x" * 100),
    "two messages": CALL + frame(DATA, END_STREAM, 1, b"\0\0\0\0\0" * 2),
    "compressed without saying how": CALL + frame(DATA, END_STREAM, 1, b"\1\0\0\0\x02ab"),
    "a flag that is none": CALL + frame(DATA, END_STREAM, 1, b"\7\0\0\0\0"),
    "a watch that is never read": (
        HELLO + frame(HEADERS, END_HEADERS, 1, call_headers(b"Watch")) +
        frame(DATA, END_STREAM, 1, b"\0\0\0\0\0")),
}


def address(confregd):
    host, port = confregd.listen.rsplit(":", 1)
    return host, int(port)


def assert_unharmed(confregd, registry):
    confregd.assert_alive()
    registry.update("unharmed", allow_missing=True)
    assert registry.data("unharmed") == b'{"a":2}'


def send_and_read_to_the_end(sock, bytes_sent):
    """Sends, half-closes, reads until the other side has nothing more to say or hangs up."""
    try:
        sock.sendall(bytes_sent)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    except OSError as error:
        # It has hung up; which of these is seen depends on who was faster.
        if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
            raise


@pytest.mark.parametrize("bytes_sent", ABUSES.values(), ids=ABUSES.keys())
def test_abuse_of_http2(confregd, registry, bytes_sent):
    with socket.create_connection(address(confregd), timeout=PATIENCE) as sock:
        send_and_read_to_the_end(sock, bytes_sent)
    assert_unharmed(confregd, registry)


@pytest.mark.parametrize("bytes_sent", ABUSES.values(), ids=ABUSES.keys())
def test_peers_that_vanish(confregd, registry, bytes_sent):
    """Sent and reset at once, in the middle of everything."""
    sock = socket.create_connection(address(confregd), timeout=PATIENCE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.sendall(bytes_sent[:8192])
    sock.close()
    assert_unharmed(confregd, registry)


def test_half_open_connections_hold_nobody_up(confregd, registry):
    """Many connections that stop in the middle and stay."""
    socks = []
    for i, bytes_sent in enumerate(list(ABUSES.values()) * 8):
        sock = socket.create_connection(address(confregd), timeout=PATIENCE)
        sock.sendall(bytes_sent[:1 + i * 7 % 2048])
        socks.append(sock)
    assert_unharmed(confregd, registry)
    for sock in socks:
        sock.close()
    assert_unharmed(confregd, registry)


def test_descriptors_that_run_out(launch):
    """Who is connected goes on; who waits is taken once there are descriptors again."""
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create("before")
    pid = server.process.pid
    most = len(os.listdir(f"/proc/{pid}/fd")) + 8
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
    socks = [socket.create_connection(address(server), timeout=PATIENCE) for _ in range(40)]
    assert_unharmed(server, registry)
    waiting = socket.create_connection(address(server), timeout=PATIENCE)
    waiting.sendall(HELLO + frame(PING, payload=b"12345678"))
    for sock in socks:
        sock.close()
    heard = b""
    while frame(PING, 1, payload=b"12345678") not in heard:
        heard += waiting.recv(4096)
        assert heard
    waiting.close()
    assert_unharmed(server, registry)


def resident_bytes(process):
    pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def resets(method, count):
    return b"".join(frame(HEADERS, END_HEADERS, i, call_headers(method)) +
                    frame(DATA, END_STREAM, i, b"\0\0\0\0\0") +
                    frame(RST, 0, i, b"\0\0\0\x08") for i in range(1, 2 * count, 2))


def read_until(sock, wanted):
    """False if the peer closes the connection before."""
    heard = b""
    with contextlib.suppress(ConnectionError):
        while wanted not in heard:
            more = sock.recv(65536)
            if not more:
                return False
            heard = heard[-len(wanted):] + more
        return True
    return False


@pytest.mark.parametrize("method", [b"GetStatus", b"Watch", b"NoSuchMethod"])
def test_clients_that_take_back_all_their_calls_are_cut(launch, method):
    """The cost of each is bounded, and other clients are served."""
    metrics = free_port()
    server = launch(Confregd, extra=["--metrics", f"127.0.0.1:{metrics}"]).start()
    registry = Registry(server.stub)
    assert_unharmed(server, registry)
    before = resident_bytes(server.process)
    flood = HELLO + resets(method, 20_000)
    for _ in range(4):
        with socket.create_connection(address(server), timeout=PATIENCE) as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(flood)
            assert not read_until(sock, b"never said")
        assert_unharmed(server, registry)
    assert resident_bytes(server.process) - before < server.memory_bound(100 << 20)
    assert gauge(metrics, "confreg_connections_cut_total") == 4


def test_a_connection_has_a_bounded_number_of_calls_open(launch):
    """Clients are told how many; one that opens more is cut."""
    server = launch(Confregd, extra=["--max-watches", "10"]).start()
    registry = Registry(server.stub)
    most = struct.pack(">HI", 3, 1010)  # SETTINGS_MAX_CONCURRENT_STREAMS
    with socket.create_connection(address(server), timeout=PATIENCE) as sock:
        sock.sendall(HELLO)
        assert read_until(sock, most)
        sock.sendall(frame(SETTINGS, 1))
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"".join(frame(HEADERS, END_HEADERS, i, call_headers(b"Watch"))
                                  for i in range(1, 4000, 2)))
        assert not read_until(sock, b"never said")
    assert_unharmed(server, registry)


class Flood:
    """A connection that begins requests of 4 MiB and does not finish them, as fast as it may."""

    STREAMS, BYTES = 60, 4 << 20

    def __init__(self, server):
        self.sock = socket.create_connection(address(server), timeout=PATIENCE)
        self.sock.sendall(HELLO + b"".join(
            frame(HEADERS, END_HEADERS, i, call_headers(b"CreateConfig"))
            for i in range(1, 2 * self.STREAMS, 2)))
        self.windows = dict.fromkeys(range(0, 2 * self.STREAMS), 65535)
        self.heard, self.begun = b"", set()
        self.left = {i: self.BYTES for i in range(1, 2 * self.STREAMS, 2)}

    def chunk(self, stream):
        n = min(16384, self.windows[0], self.windows[stream], self.left[stream])
        prefix = b"" if stream in self.begun else b"\0" + struct.pack(">I", self.BYTES)
        if n <= len(prefix):
            return b""
        self.begun.add(stream)
        self.left[stream] -= n
        for number in (0, stream):
            self.windows[number] -= n
        return frame(DATA, 0, stream, prefix.ljust(n, b"x"))

    def take_windows(self):
        """Takes what the server has sent; False: it has closed the connection."""
        more = self.sock.recv(1 << 20)
        self.heard += more
        while len(self.heard) >= 9:
            n, kind, flags = int.from_bytes(self.heard[:3], "big"), *self.heard[3:5]
            stream = int.from_bytes(self.heard[5:9], "big")
            if len(self.heard) < 9 + n:
                break
            payload, self.heard = self.heard[9:9 + n], self.heard[9 + n:]
            self.take_frame(kind, flags, stream, payload)
        return more != b""

    def take_frame(self, kind, flags, stream, payload):
        if kind == WINDOW:
            self.windows[stream] += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags:
            self.sock.sendall(frame(SETTINGS, 1))
            for key, value in struct.iter_unpack(">HI", payload):
                if key == 4:  # SETTINGS_INITIAL_WINDOW_SIZE
                    for each in self.left:
                        self.windows[each] += value - 65535

    def go_on(self):
        """Sends what the server takes; False: it has closed the connection."""
        data = b"".join(self.chunk(stream) for stream in self.left)
        try:
            self.sock.sendall(data)
            heard, _, _ = select.select([self.sock], [], [], 0 if data else PATIENCE)
            return not heard or self.take_windows()
        except ConnectionError:
            return False


def test_requests_that_are_not_finished_are_bounded(launch):
    """Nobody has seen such a request, so it counts as nobody's: all of them together are bounded.
    Those who have most of it are cut, and others are served."""
    metrics = free_port()
    server = launch(Confregd, extra=["--metrics", f"127.0.0.1:{metrics}"]).start()
    registry = Registry(server.stub)
    assert_unharmed(server, registry)
    before = resident_bytes(server.process)
    floods = [Flood(server) for _ in range(2)]
    goes_on = floods
    while len(goes_on) == len(floods):
        goes_on = [flood for flood in floods if flood.go_on()]
        assert any(any(flood.left.values()) for flood in floods), "nobody was cut"
    assert resident_bytes(server.process) - before < server.memory_bound(400 << 20)
    assert gauge(metrics, "confreg_connections_cut_total") >= 1
    assert_unharmed(server, registry)
    for flood in floods:
        flood.sock.close()
    until(lambda: gauge(metrics, "confreg_unfinished_request_bytes") == 0, "all have ended")


def test_a_client_may_take_back_some_calls(confregd, registry):
    ping = frame(PING, payload=b"the last")
    with socket.create_connection(address(confregd), timeout=PATIENCE) as sock:
        sock.sendall(HELLO + resets(b"GetStatus", 900) + ping)
        assert read_until(sock, b"the last")
    assert_unharmed(confregd, registry)


def test_calls_that_are_cancelled_at_any_moment(confregd, registry, name):
    registry.create(name)
    for i in range(300):
        call = registry.stub.UpdateConfig.future(api_pb.UpdateConfigRequest(
            environment="prod", service_name=name, config_data=b'{"n":%d}' % i), timeout=60)
        if i % 3:
            call.cancel()
        else:
            call.result()
    assert_unharmed(confregd, registry)


def test_deadlines_that_are_too_short(registry, confregd, name):
    registry.create(name)
    for _ in range(100):
        try:
            registry.stub.GetConfig(api_pb.GetConfigRequest(
                environment="prod", service_name=name), timeout=0.0005)
        except Exception as error:  # pylint: disable=broad-except
            assert error.code().name in ("DEADLINE_EXCEEDED", "CANCELLED"), error
    assert_unharmed(confregd, registry)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_requests_may_be_compressed(registry, name, compression):
    data = b'{"x":"%s"}' % (b"y" * 9999)
    request = api_pb.CreateConfigRequest(service_name=name, config_data=data)
    assert registry.stub.CreateConfig(request, compression=compression).config.version == 1


def test_nonsense_in_headers_does_not_fill_the_log(launch):
    """The core logs a line for each; their number is limited."""
    server = launch(Confregd).start()
    nonsense = b"".join(
        frame(HEADERS, END_HEADERS, i, call_headers() + literal(b"grpc-encoding", b"no-%d" % i)) +
        frame(DATA, END_STREAM, i, b"\0\0\0\0\0") for i in range(1, 4000, 2))
    with socket.create_connection(address(server), timeout=PATIENCE) as sock:
        send_and_read_to_the_end(sock, HELLO + nonsense)
    assert_unharmed(server, Registry(server.stub))
    assert 1 <= server.log.read_text().count("event=grpc_core") < 1000


def test_a_request_of_20_mebibytes_is_refused_and_the_connection_goes_on(registry, name):
    with refused("RESOURCE_EXHAUSTED"):
        registry.create(name, b"x" * (20 << 20))
    assert registry.create(name).config.version == 1


# ---- The gateway ----

HTTP_ABUSES = {
    "nothing": b"",
    "garbage": bytes(range(256)) * 16,
    "no end of headers": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "a request line without end": b"GET /" + b"a" * 200_000,
    "a header without end": b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
    "very many headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    "no method": b" / HTTP/1.1\r\n\r\n",
    "http/9": b"GET / HTTP/9.9\r\n\r\n",
    "a length that is none": b"PUT /api/configs/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a length beyond all": (b"PUT /api/configs/x HTTP/1.1\r\nHost: x\r\n"
                            b"Content-Length: 99999999999999999999\r\n\r\n{}"),
    "a body cut short": (b"PUT /api/configs/x HTTP/1.1\r\nHost: x\r\n"
                         b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"),
    "a bad chunk": (b"PUT /api/configs/x HTTP/1.1\r\nHost: x\r\n"
                    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
    "chunks without end": (b"PUT /api/configs/x HTTP/1.1\r\nHost: x\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "both lengths": (b"PUT /api/configs/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "an http/2 preface": HELLO,
    "nul in the path": b"GET /api/configs/a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path that is none": b"GET api HTTP/1.1\r\nHost: x\r\n\r\n",
    "pipelined": b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 200,
}


@pytest.mark.parametrize("bytes_sent", HTTP_ABUSES.values(), ids=HTTP_ABUSES.keys())
def test_abuse_of_http1(gateway, rest, bytes_sent):
    with rest.open(timeout=2) as sock:
        # It may keep the connection until that has been idle for long enough.
        with contextlib.suppress(TimeoutError):
            send_and_read_to_the_end(sock, bytes_sent)
    gateway.assert_alive()
    assert rest.get("/health").status == 200
    vanishing = rest.open()
    vanishing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    vanishing.sendall(bytes_sent[:8192])
    vanishing.close()
    gateway.assert_alive()
    assert rest.get("/health").status == 200


def test_a_body_that_is_too_large_gets_413(rest):
    body = b'{"config_data":{"x":"' + b"y" * (5 << 20) + b'"}}'
    answer = rest.put("/api/configs/large", body)
    assert answer.status == 413 and "detail" in answer.json()


def test_half_open_http_connections_hold_nobody_up(rest, gateway):
    socks = [rest.open() for _ in range(200)]
    for i, sock in enumerate(socks):
        sock.sendall(b"POST /api/configs/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"[:i % 70])
    assert rest.get("/health").status == 200
    for sock in socks:
        sock.close()
    gateway.assert_alive()
