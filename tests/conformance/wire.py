"""The address that a client under test connects to: a proxy in front of a server that can refuse
connections, cut them, and put HTTP/2 frames of its own between those of the server.

A connection with TLS is passed on as it is: it can be cut, but no frame can be put into it."""

import contextlib
import socket
import struct
import threading
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, GOAWAY, CONTINUATION = 0, 1, 3, 7, 9
END_STREAM = 1
CANCEL = 8  # error code of HTTP/2


def frame(kind, stream, payload):
    return (len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + payload)


def _receive(sock, n):
    parts = []
    while n:
        part = sock.recv(min(n, 1 << 16))
        if not part:
            raise ConnectionError("the peer has closed")
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


class Connection:
    """One connection of the client (near), and the one to the server (far). Frames are forwarded
    whole, so that others fit between them."""

    def __init__(self, near, far, has_frames):
        self.near, self.far, self.has_frames = near, far, has_frames
        self.opened = set()  # streams that the client has opened and the server has not ended
        self.newest = 0
        # Streams that were reset: the server's frames are left out, but not its headers, which
        # change the state of the connection's header compression.
        self.dropped = set()
        self.near_lock, self.far_lock = threading.Lock(), threading.Lock()
        self.is_open = True

    def run(self):
        up = threading.Thread(target=self._carry, args=(self._take_up,), daemon=True)
        up.start()
        self._carry(self._take_down)
        up.join()

    def _carry(self, take):
        try:
            while True:
                take()
        except OSError:
            self.close()

    def _take_up(self):
        if not self.has_frames:
            self._pass_on(self.near, self.far)
            return
        if not self.newest:
            self.newest = -1
            self.far.sendall(_receive(self.near, len(PREFACE)))
        head, kind, _, stream, payload = self._frame(self.near)
        if kind == HEADERS and stream > self.newest:
            self.newest = stream
            self.opened.add(stream)
        elif kind == RST_STREAM:
            self.opened.discard(stream)
        with self.far_lock:
            self.far.sendall(head + payload)

    def _take_down(self):
        if not self.has_frames:
            self._pass_on(self.far, self.near)
            return
        head, kind, flags, stream, payload = self._frame(self.far)
        with self.near_lock:
            if stream in self.dropped and kind not in (HEADERS, CONTINUATION):
                return
            if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
                self.opened.discard(stream)
            self.near.sendall(head + payload)

    @staticmethod
    def _frame(sock):
        head = _receive(sock, 9)
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        return head, kind, flags, int.from_bytes(head[5:], "big") & 0x7FFFFFFF, _receive(sock, size)

    @staticmethod
    def _pass_on(source, target):
        data = source.recv(1 << 16)
        if not data:
            raise ConnectionError("the peer has closed")
        target.sendall(data)

    def reset_streams(self, code):
        """Ends the open streams: for the client with RST_STREAM and the code, for the server as
        cancelled."""
        with self.near_lock:
            streams, self.opened = self.opened, set()
            self.dropped |= streams
            for stream in streams:
                self.near.sendall(frame(RST_STREAM, stream, code.to_bytes(4, "big")))
        with self.far_lock:
            for stream in streams:
                self.far.sendall(frame(RST_STREAM, stream, CANCEL.to_bytes(4, "big")))

    def go_away(self):
        with self.near_lock:
            self.near.sendall(frame(GOAWAY, 0, struct.pack(">II", max(self.newest, 0), 0)))

    def send_bytes(self, data):
        with self.near_lock:
            self.near.sendall(data)

    def close(self, abruptly=False):
        """abruptly: with a TCP reset, not an orderly end."""
        self.is_open = False
        for sock in (self.near, self.far):
            with contextlib.suppress(OSError):
                if abruptly:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RDWR)


class Wire:
    """Listens at .port while it is open. target: (host, port) of the server, or None: there is none
    yet."""

    def __init__(self, target, has_frames=True):
        self.target = target
        self.has_frames = has_frames
        self.connections = []
        self.peers = set()  # as whom the server sees the connections, those that are gone included
        self.lock = threading.Lock()
        self.listener = None
        self.is_open = False
        # Bound for good, so that nobody else gets the port while nothing listens at it.
        self.holder = socket.socket()
        self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.holder.bind(("127.0.0.1", 0))
        self.port = self.holder.getsockname()[1]
        self.open()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.is_open = True
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near):
        with near, contextlib.suppress(OSError), socket.create_connection(self.target) as far:
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(near, far, self.has_frames)
            with self.lock:
                self.connections.append(connection)
                self.peers.add(f"ipv4:127.0.0.1:{far.getsockname()[1]}")
            connection.run()

    def live(self):
        with self.lock:
            self.connections = [c for c in self.connections if c.is_open]
            return list(self.connections)

    def close(self):
        """Refuses connections from now on; those that are open stay."""
        self.is_open = False
        # shutdown wakes accept, which holds the listening socket otherwise.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def cut(self, abruptly=False):
        """Ends all connections."""
        for connection in self.live():
            connection.close(abruptly)

    def end(self):
        """For good."""
        self.close()
        self.cut()
        self.holder.close()

    def refuse_for(self, seconds):
        """Ends all connections and refuses new ones for this time."""
        self.close()
        self.cut()
        time.sleep(seconds)
        self.open()

    def each(self, act):
        for connection in self.live():
            with contextlib.suppress(OSError):
                act(connection)
