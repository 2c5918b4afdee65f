"""Streams that have gone silent are ended: a server sends a progress mark after every PROGRESS_SECONDS
without a change, so one that sends nothing for SILENCE_SECONDS hangs, or cannot be reached."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

PROGRESS_SECONDS = 5
SILENCE_SECONDS = 15
LOOK_SECONDS = 1


class Guard:
    """Of one stream. It counts while somebody waits for the next response, and not while the one before
    is handled."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.waiting_since: float | None = None
        self.is_silent = False

    def wait(self) -> None:
        """From now on somebody waits."""
        self.waiting_since = time.monotonic()

    def heard(self) -> None:
        self.waiting_since = None

    def look(self, now: float) -> None:
        """Ends the call if it is due."""
        since = self.waiting_since
        if since is not None and now - since > SILENCE_SECONDS:
            self.is_silent = True
            self._call.cancel()


class _Guards:
    """All of the process, with one thread that lives while there are any."""

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """In a child process there is no thread, and the streams are the parent's."""
        self._lock = threading.Lock()
        self._guards: set[Guard] = set()
        self._is_looking = False

    def add(self, guard: Guard) -> None:
        with self._lock:
            self._guards.add(guard)
            if not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._look, daemon=True, name="confreg silence").start()

    def discard(self, guard: Guard) -> None:
        with self._lock:
            self._guards.discard(guard)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                if not self._guards:
                    self._is_looking = False
                    return
                guards = list(self._guards)
            for guard in guards:
                guard.look(time.monotonic())


guards = _Guards()
os.register_at_fork(after_in_child=guards.forked)
