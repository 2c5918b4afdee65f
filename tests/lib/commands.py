"""A TCP proxy in front of a database server that counts the commands of MongoDB's protocol, can
delay each of them and each reply as a long way to the server does, and can hold commands back."""

import collections
import contextlib
import socket
import struct
import threading
import time

import bson

from daemon import free_port

OP_MSG = 2013
HEADER = struct.Struct("<iiii")  # length, id, answer to, operation
# What the driver does on its own.
DRIVER = {"hello", "isMaster", "ismaster", "endSessions", "ping"}


def receive(end, size):
    data = bytearray()
    while len(data) < size:
        part = end.recv(size - len(data))
        if not part:
            raise OSError("the end")
        data += part
    return bytes(data)


def receive_message(end):
    header = receive(end, HEADER.size)
    length, _, _, operation = HEADER.unpack(header)
    return operation, header + receive(end, length - HEADER.size)


def command_of(message):
    """The body of an OP_MSG: the first document, behind the flags and the kind of its section."""
    start = HEADER.size + 4
    while message[start] == 1:
        start += 1 + struct.unpack_from("<i", message, start + 1)[0]
    size = struct.unpack_from("<i", message, start + 1)[0]
    return bson.decode(message[start + 1:start + 1 + size])


class Commands:
    def __init__(self, target, seconds=0):
        self.target = ("127.0.0.1", target)
        self.port = free_port()
        self.seconds = seconds  # that each message takes, one way
        self.lock = threading.Lock()
        self.released = threading.Condition(self.lock)
        self.allowed = None  # ((command, collection), how many of them may still pass)
        self.counts = collections.Counter()  # by (command, collection)
        self.finds = []  # the commands of all finds
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, sink, seen in ((near, far, self._count), (far, near, None)):
                    threading.Thread(target=self._carry, args=(source, sink, seen),
                                     daemon=True).start()

    def _carry(self, source, sink, seen):
        with contextlib.suppress(OSError):
            while True:
                operation, message = receive_message(source)
                if seen is not None and operation == OP_MSG:
                    seen(command_of(message))
                if self.seconds:
                    time.sleep(self.seconds)
                sink.sendall(message)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, command):
        name, value = next(iter(command.items()))
        collection = command["collection"] if name == "getMore" else str(value)
        if name not in DRIVER:
            with self.lock:
                self.counts[name, collection] += 1
                if name == "find":
                    self.finds.append(command)
                self.released.wait_for(lambda: self._take((name, collection)))

    def _take(self, command):
        """Whether a command may pass. Under the lock."""
        if self.allowed is None or self.allowed[0] != command:
            return True
        self.allowed = (command, self.allowed[1] - 1)
        return self.allowed[1] >= 0

    def allow(self, command, times):
        """Lets this command pass so many times; holds all others of them back until release()."""
        with self.lock:
            self.allowed = (command, times)

    def release(self):
        with self.lock:
            self.allowed = None
            self.released.notify_all()

    def taken(self):
        """What has been counted so far."""
        with self.lock:
            return collections.Counter(self.counts)

    def close(self):
        self.release()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
