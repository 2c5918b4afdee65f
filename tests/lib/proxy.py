"""A TCP proxy that cuts connections, or lets them stand and passes nothing on."""

import contextlib
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
        self.connections = []
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
                self.connections += [near, far]
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    self.passing.wait()
                    data = ready.recv(65536)
                    if not data:
                        return
                    (far if ready is near else near).sendall(data)

    def cut(self):
        """Ends every connection at once, both ways."""
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.connections.clear()

    def hold(self):
        """Nothing passes any more, and nobody is told."""
        self.passing.clear()

    def release(self):
        self.passing.set()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # also of the accept that waits
        self.listener.close()
        self.release()
        self.cut()
