"""ConfigWatcher: calls back when a config changes."""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable

from . import errors
from ._connection import Credentials
from ._reading import Name, Reading
from ._sources import open_source

_log = logging.getLogger("confreg")


class ConfigWatcher:
    """Calls on_change with the whole new config for each change of it, at once.

    registry_url           as of RegistryConfigProvider
    poll_interval_seconds  the time between two looks where the server can only be polled
    on_change              called with the new value (a dict), on the thread that runs start(). It is
                           not called for the state that the watcher finds first. An exception that it
                           raises is logged
    on_delete              called without arguments when the config was deleted
    resolve, credentials, decimals  as of RegistryConfigProvider

    The registry's being away is no error: the watcher goes on when it is back, and then tells the
    newest state if that is another one.
    """

    def __init__(self, registry_url: str, service_name: str, environment: str = "default",
                 poll_interval_seconds: float = 30,
                 on_change: Callable[[dict[str, Any]], None] | None = None, *,
                 on_delete: Callable[[], None] | None = None,
                 credentials: Credentials | None = None, resolve: bool = False,
                 timeout_seconds: float = 10, decimals: bool = False) -> None:
        self._on_change = on_change
        self._on_delete = on_delete
        self._name = Name(service_name, environment, resolve)
        self._source = open_source(registry_url, self._name, credentials or Credentials(),
                                   timeout_seconds, poll_interval_seconds, decimals)
        self._last: Reading | None = None
        self._error: errors.ConfregError | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watches, and returns after stop(). A watcher is started once."""
        self._source.run(self._take, self._failed, self._connected)

    def start_in_background(self) -> None:
        """Watches on a daemon thread of its own."""
        self._thread = threading.Thread(target=self.start, daemon=True,
                                        name=f"confreg {self._name.service_name}")
        self._thread.start()

    def stop(self) -> None:
        """Ends it: on any thread, in a callback, and before start(), too. Does not wait for a callback
        that runs."""
        self._source.close()

    @property
    def last_error(self) -> errors.ConfregError | None:
        """Why the registry cannot be read now; None: it can."""
        return self._error

    def _take(self, reading: Reading) -> None:
        last, self._last = self._last, reading
        if last is None or last == reading:
            return
        if reading.data is not None:
            self._call(self._on_change, reading.data)
        elif last.data is not None:
            self._call(self._on_delete)

    def _call(self, callback: Callable[..., None] | None, *arguments: Any) -> None:
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception:
            _log.exception("the callback for %s/%s has failed", self._name.environment,
                           self._name.service_name)

    def _failed(self, error: errors.ConfregError) -> None:
        if self._error is None:
            _log.warning("%s/%s cannot be watched now: %s", self._name.environment,
                         self._name.service_name, error)
        self._error = error

    def _connected(self) -> None:
        self._error = None
