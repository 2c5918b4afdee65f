"""Watch: the loop around a Follower that makes one endless watch of many streams."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Callable

import grpc

from . import _channels, errors
from ._calls import Watching
from ._connection import Backoff
from ._follow import WATCH, Update, decode
from ._silence import Guard, guards

AsyncWatch = AsyncGenerator[Update, None]  # aclose() ends it


class Watch:
    """An iterator over updates. close() ends it, on any thread, the one that iterates included."""

    def __init__(self, channels: _channels.Channels, watching: Watching,
                 closed: Callable[[Watch], None]) -> None:
        self._channels = channels
        self._follower = watching.follower
        self._on_failure = watching.on_failure
        self._on_connected = watching.on_connected
        self._connected = False
        self._on_closed = closed
        self._backoff = Backoff()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._call: Any = None
        self._guard: Guard | None = None  # of the call

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Update:
        while not self._stop.is_set():
            channel = None
            try:
                channel = self._channels.get()
                update = self._next_of_stream(channel)
                if update is not None:
                    return update
                error: errors.ConfregError = errors.UnavailableError(
                    "the server ended the stream", "UNAVAILABLE")
            except grpc.RpcError as failure:
                error = self._error_of(failure)
            except errors.ConfregError as unusable:
                error = unusable
            except OSError as unreadable:
                error = errors.of_file(unreadable)
            except _channels.ClosedError:
                break
            self._interrupted(error, channel)
        raise StopIteration

    def _next_of_stream(self, channel: grpc.Channel) -> Update | None:
        """None: the stream has ended."""
        with self._lock:
            if self._call is None:
                if self._stop.is_set():
                    return None
                self._call = _channels.stream(channel, WATCH)(
                    self._follower.request(), metadata=self._channels.metadata())
                self._guard = Guard(self._call)
                guards.add(self._guard)
            call, guard = self._call, self._guard
        assert guard is not None, "a call has a guard"
        while True:
            guard.wait()
            data = next(call, None)
            guard.heard()
            if data is None:
                return None
            response = decode(data)
            self._heard(response)
            update = self._follower.feed(response)
            if update is not None:
                return update

    def _error_of(self, failure: grpc.RpcError) -> errors.ConfregError:
        if self._guard is not None and self._guard.is_silent:
            return errors.UnavailableError("the server has gone silent", "UNAVAILABLE")
        return errors.of_call(failure)

    def _heard(self, response: Any) -> None:
        if self._follower.has_succeeded(response):
            self._backoff.reset()
        if not self._connected:
            self._connected = True
            if self._on_connected is not None:
                self._on_connected()

    def _interrupted(self, error: errors.ConfregError, channel: grpc.Channel | None) -> None:
        with self._lock:
            if self._call is not None:
                self._call.cancel()
                self._call = None
            if self._guard is not None:
                guards.discard(self._guard)
                self._guard = None
        self._connected = False
        if self._stop.is_set():
            return
        begins_anew = self._follower.lost(error)
        if channel is not None and error.code == "UNAVAILABLE":
            self._channels.failed(channel)
        if self._on_failure is not None:
            self._on_failure(error)
        if not begins_anew:
            self._stop.wait(self._backoff.next(error.retry_after))

    def close(self) -> None:
        """Ends the iteration."""
        self._stop.set()
        with self._lock:
            if self._call is not None:
                self._call.cancel()
            if self._guard is not None:
                guards.discard(self._guard)
        self._on_closed(self)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()
