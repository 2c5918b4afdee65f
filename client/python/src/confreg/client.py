"""The client: every call of the API, and watches."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TypeVar

import grpc

from . import _channels, errors
from ._base import Attempts, ClientBase
from ._calls import Call, Listing, Steps, Watching
from ._methods import Methods
from ._pages import Pages
from ._watch import Watch

T = TypeVar("T")


class Client(ClientBase, Methods):
    """A client of the registry's gRPC service. Any thread may use it.

    addresses    "HOST:PORT", "grpcs://HOST:PORT" or "unix:PATH"; several, of one registry, in a list or
                 with commas: the next one is used while one is away
    timeout      seconds for a call, with its repeats; UnavailableError afterwards
    decimals     numbers with a fraction are decimal.Decimal, with every digit, not float
    repeat       call again while the server is away, until the timeout. That is safe for writes, too:
                 each has a request_id
    author       the created_by of writes that name none
    max_watch_bytes  the most that a watch keeps of a snapshot or a commit that is not complete yet. If
                 there is more, the watch tells ResourceExhaustedError, reason WATCH_TOO_LARGE, and
                 tries again

    The connection is made by the first call, and anew in a child process after a fork.
    """

    def _begin(self) -> None:
        self._channels = _channels.Channels(self._targets, self._credentials)
        self._watches: set[Watch] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ends all watches. Calls that are open fail."""
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.close()
        self._channels.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def _run(self, call: Call[T]) -> T:
        attempts = Attempts(self)
        while True:
            try:
                channel = self._channels.get()
                return call.parse(_channels.unary(channel, call.method)(
                    call.request, timeout=attempts.seconds_left(),
                    metadata=self._channels.metadata()))
            except grpc.RpcError as failure:
                error = errors.of_call(failure)
            except OSError as unreadable:
                raise errors.of_file(unreadable) from None
            if error.code == "UNAVAILABLE":
                self._channels.failed(channel)
            time.sleep(attempts.wait_after(error))

    def _run_all(self, steps: Steps[T]) -> T:
        try:
            call = next(steps)
            while True:
                call = steps.send(self._run(call))
        except StopIteration as end:
            result: T = end.value
            return result

    def _list(self, listing: Listing[T]) -> Pages[T]:
        return Pages(listing, self._run)

    def _watch(self, watching: Watching) -> Watch:
        watch = Watch(self._channels, watching, self._watches.discard)
        with self._lock:
            self._watches.add(watch)
        return watch
