"""A TCP proxy that cuts connections, delays them, or lets them stand and passes nothing on."""

import contextlib
import random
import select
import socket
import threading

from daemon import free_port


class Proxy:
    def __init__(self, target):
        self.target = ("127.0.0.1", target)
        self.port = free_port()
        self.passing = threading.Event()
        self.passing.set()
        self.connections = []  # (near, far)
        self.abandoned = set()  # far ends that are gone while the near one stands
        self.late = None        # (seconds, more or less by so many) that everything takes
        self.mark = None        # bytes that nothing passes from
        self.met = threading.Event()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near):
        with contextlib.suppress(OSError), near, socket.create_connection(self.target) as far:
            with self.lock:
                self.connections.append((near, far))
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    self.passing.wait()
                    if far in self.abandoned:
                        self._swallow(near)
                        return
                    data = ready.recv(65536)
                    if not data:
                        return
                    self._look_for_mark(data)
                    self._dawdle()
                    (far if ready is near else near).sendall(data)

    def _dawdle(self):
        if self.late is not None:
            mean, spread = self.late
            threading.Event().wait(random.uniform(mean - spread, mean + spread))

    def _look_for_mark(self, data):
        if self.mark is not None and self.mark in data:
            self.mark = None
            self.hold()
            self.met.set()
            self.passing.wait()

    @staticmethod
    def _swallow(near):
        while near.recv(65536):
            pass

    def cut(self):
        """Ends every connection at once, both ways."""
        with self.lock:
            for connection in (end for pair in self.connections for end in pair):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.connections.clear()

    def abandon(self):
        """Every connection loses its far end, and the near one is not told. New ones are well."""
        with self.lock:
            for _, far in self.connections:
                self.abandoned.add(far)
                with contextlib.suppress(OSError):
                    far.shutdown(socket.SHUT_RDWR)

    def delay(self, mean, spread):
        """Everything takes so many seconds longer from now on."""
        self.late = (mean, spread)

    def hold(self):
        """Nothing passes any more, and nobody is told."""
        self.passing.clear()

    def hold_from(self, mark):
        """Holds as soon as these bytes come, and them, too; returns what is set then."""
        self.met.clear()
        self.mark = mark
        return self.met

    def release(self):
        """Holds and delays nothing any more."""
        self.late = None
        self.passing.set()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # also of the accept that waits
        self.listener.close()
        self.release()
        self.cut()
