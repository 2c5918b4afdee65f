"""A client for server-sent events as the HTML standard defines them, on a plain socket."""

import collections
import json
import re
import socket

import exercised

Event = collections.namedtuple("Event", "name id data")


class Refused(Exception):
    """The response was not a stream."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body!r}")
        self.status, self.body = status, body


class EventStream:
    """EventStream(port, "?environment=prod"). next() returns an Event, and raises StopIteration when
    the gateway ends the stream. A browser would reconnect with `last_id`."""

    def __init__(self, port, query="", last_id=None, timeout=60, receive_buffer=None,
                 context=None, headers=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.last_id, self.query = last_id, query
        header = "" if last_id is None else f"Last-Event-ID: {last_id}\r\n"
        header += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self.socket.sendall(f"GET /api/watch{query} HTTP/1.1\r\nHost: x\r\n"
                            f"Accept: text/event-stream\r\n{header}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.comments = 0
        self.retry = None
        self._lines = None
        self._read_head()

    def _read_head(self):
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        sent = {} if self.last_id is None else {"Last-Event-ID": self.last_id}
        exercised.note_http("GET", f"/api/watch{self.query}", sent, self.status, self.headers)
        if self.status != 200:
            body = self.file.read(int(self.headers.get("content-length", 0)))
            self.close()
            raise Refused(self.status, json.loads(body))
        assert self.headers["content-type"].startswith("text/event-stream")
        assert self.headers["transfer-encoding"] == "chunked"
        self._lines = self._read_lines()

    def _read_chunks(self):
        while (size := int(self.file.readline(), 16)) > 0:
            yield self.file.read(size)
            assert self.file.read(2) == b"\r\n"

    def _read_lines(self):
        rest = b""
        for chunk in self._read_chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        assert rest == b"", f"the stream ended within a line: {rest!r}"

    def block(self):
        """The fields up to the next blank line."""
        fields = {}
        for line in self._lines:
            if not line:
                if "id" in fields:
                    self.last_id = fields["id"]
                return fields
            if line.startswith(b":"):
                self.comments += 1
                continue
            name, _, value = line.decode().partition(": ")
            assert name in ("event", "data", "id", "retry") and name not in fields, line
            fields[name] = value
        raise StopIteration

    def next(self):
        while True:
            fields = self.block()
            if "data" in fields:
                return Event(fields["event"], self.last_id, json.loads(fields["data"]))

    def take(self, count):
        return [self.next() for _ in range(count)]

    def begun(self):
        """Reads the first block: the stream is established."""
        fields = self.block()
        assert fields["retry"] == "1000"
        return self

    @property
    def position(self):
        """The revision of the last id."""
        return int(re.fullmatch(r"[0-9a-f]{16}:(\d+)", self.last_id)[1])

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
