"""Ports for servers that tests start."""

import contextlib
import random
import socket

# Below the range that the kernel uses for outgoing connections.
FIRST, LAST = 12000, 32000
# Of its own: what is drawn from the others' generator is the same in processes with the same seed.
_random = random.SystemRandom()


def free_port():
    while True:
        port = _random.randint(FIRST, LAST)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
