"""A TCP proxy that can cut connections, delay them, or keep them open and forward nothing."""

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
        self.abandoned = set()  # far ends that are closed while the near end stays open
        self.late = None        # (mean, spread) of the delay in seconds
        self.mark = None        # bytes at which forwarding stops
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
        """Closes both ends of every connection at once."""
        with self.lock:
            for connection in (end for pair in self.connections for end in pair):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.connections.clear()

    def abandon(self):
        """Closes the far end of every connection and keeps the near end open. New ones work."""
        with self.lock:
            for _, far in self.connections:
                self.abandoned.add(far)
                with contextlib.suppress(OSError):
                    far.shutdown(socket.SHUT_RDWR)

    def delay(self, mean, spread):
        """Delays all data by mean ± spread seconds from now on."""
        self.late = (mean, spread)

    def hold(self):
        """Stops forwarding; connections stay open."""
        self.passing.clear()

    def hold_from(self, mark):
        """Stops forwarding before these bytes. Returns an event that is set when they arrive."""
        self.met.clear()
        self.mark = mark
        return self.met

    def release(self):
        """Forwards again, without delay."""
        self.late = None
        self.passing.set()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # this also ends a waiting accept
        self.listener.close()
        self.release()
        self.cut()
