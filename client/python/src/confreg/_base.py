"""What Client and AsyncClient are made with."""

from __future__ import annotations

import time
from collections.abc import Sequence

from . import errors
from ._calls import Calls
from ._connection import Backoff, Credentials, parse_targets
from ._follow import MAX_WATCH_BYTES


class ClientBase:
    def __init__(self, addresses: str | Sequence[str], credentials: Credentials | None = None, *,
                 timeout: float = 10.0, decimals: bool = False, repeat: bool = True,
                 author: str = "", max_watch_bytes: int = MAX_WATCH_BYTES) -> None:
        self._credentials = credentials or Credentials()
        self._targets = parse_targets(addresses, self._credentials)
        self._timeout = timeout
        self._repeat = repeat
        self._calls = Calls(decimals, author, max_watch_bytes)
        self._begin()

    def _begin(self) -> None:
        """Makes what is of one kind of client."""
        raise NotImplementedError


class Attempts:
    """Of one call: the time that is left, and whether and when it is made again."""

    def __init__(self, client: ClientBase) -> None:
        self._deadline = time.monotonic() + client._timeout
        self._repeat = client._repeat
        self._backoff = Backoff()

    def seconds_left(self) -> float:
        return max(self._deadline - time.monotonic(), 0)

    def wait_after(self, error: errors.ConfregError) -> float:
        """The seconds to wait before the next attempt. Raises the error if there is none."""
        if error.code != "UNAVAILABLE" or not self._repeat:
            raise error from None
        wait = self._backoff.next(error.retry_after)
        if wait >= self.seconds_left():
            raise error from None
        return wait
