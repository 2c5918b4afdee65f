"""Thousands of watch streams on a few connections. To be fast enough for a test, it counts HTTP/2
frames and does not decode them."""

import collections
import selectors
import socket
import struct
import threading

DATA, HEADERS, RST, SETTINGS, PING, WINDOW = 0, 1, 3, 4, 6, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGE = (1 << 30) - 1


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """An uncompressed header field (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


HEADER_BLOCK = b"".join(literal(*header) for header in (
    (b":method", b"POST"), (b":scheme", b"http"),
    (b":path", b"/confreg.v1.RegistryService/Watch"), (b":authority", b"localhost"),
    (b"te", b"trailers"), (b"content-type", b"application/grpc")))


def hello(window):
    """The client's preface. window: the flow-control window of each stream and the connection."""
    settings = struct.pack(">HI", 4, window)
    opening = PREFACE + frame(SETTINGS, payload=settings)
    if window > 65535:
        opening += frame(WINDOW, payload=struct.pack(">I", window - 65535))
    return opening


def watches(count, request):
    message = b"\0" + struct.pack(">I", len(request)) + request
    return b"".join(frame(HEADERS, END_HEADERS, stream, HEADER_BLOCK) +
                    frame(DATA, END_STREAM, stream, message)
                    for stream in range(1, 2 * count, 2))


class StalledStreams:
    """Streams on one connection whose responses are never read."""

    def __init__(self, listen, count, request=b"", window=65535):
        host, port = listen.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        self.socket.sendall(hello(window) + watches(count, request))

    def close(self):
        self.socket.close()


class ManyStreams(threading.Thread):
    """Reads until the server has closed all connections."""

    def __init__(self, listen, connections, streams, request=b""):
        super().__init__(daemon=True)
        self.address = listen.rsplit(":", 1)
        self.total = connections * streams
        self.changed = threading.Condition()
        self.messages = collections.Counter()  # by (connection, stream)
        self.ended = collections.Counter()
        self.rests = {}
        opening = hello(LARGE) + watches(streams, request)
        for _ in range(connections):
            sock = socket.create_connection((self.address[0], int(self.address[1])), timeout=60)
            sock.sendall(opening)
            self.rests[sock] = b""

    def run(self):
        with selectors.DefaultSelector() as selector:
            for sock in self.rests:
                selector.register(sock, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    if not self._read(key.fileobj):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()

    def _read(self, sock):
        try:
            received = sock.recv(1 << 18)
        except ConnectionResetError:
            return False
        if not received:
            return False
        data = self.rests[sock] + received
        at = 0
        with self.changed:
            while len(data) - at >= 9:
                size = int.from_bytes(data[at:at + 3], "big")
                if len(data) - at - 9 < size:
                    break
                self._take(sock, data[at + 3], data[at + 4],
                           int.from_bytes(data[at + 5:at + 9], "big"), data[at + 9:at + 9 + size])
                at += 9 + size
            self.changed.notify_all()
        self.rests[sock] = data[at:]
        return True

    def _take(self, sock, kind, flags, stream, payload):
        if kind == DATA:
            self.messages[sock, stream] += 1
        if kind == RST or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self.ended[sock, stream] += 1
        if kind == PING and not flags & ACK:
            sock.sendall(frame(PING, ACK, 0, payload))
        if kind == SETTINGS and not flags & ACK:
            sock.sendall(frame(SETTINGS, ACK))

    def wait_for(self, messages, seconds=120):
        """Waits until this many messages have arrived on all streams together."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.messages.total() >= messages, seconds), (
                f"{self.messages.total()} of {messages} messages")
