"""RegistryConfigProvider: the settings of a service, which follow the registry by themselves."""

from __future__ import annotations

import hashlib
import logging
import os
import pathlib
import tempfile
import threading
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Callable

from . import _json, errors, testing
from ._connection import Credentials
from ._reading import Name, Reading
from ._references import MISSING, replaced
from ._sources import Source, check_clear, open_source
from .models import Json

LOADING, READY, STALE = "loading", "ready", "stale"

_log = logging.getLogger("confreg")
_TRUE = ("true", "1", "yes", "on")


_all: weakref.WeakSet[RegistryConfigProvider] = weakref.WeakSet()


def _after_fork() -> None:
    """The threads that follow are the parent's: each provider of the child starts its own."""
    for provider in _all:
        provider._forked()


os.register_at_fork(after_in_child=_after_fork)


class RegistryConfigProvider:
    """The settings of one service. Reading never raises and, once there are values, never waits.

    registry_url   "http://HOST:PORT" of the gateway, or an address of the gRPC server as of
                   confreg.Client
    cache_ttl_seconds  how old values may be before `state` is "stale"; they change at once when the
                   registry does, so this matters only while the registry is away, and for a server
                   that can only be polled
    timeout_seconds    how long the first access waits for the registry at most
    required       the constructor fetches, and raises ConfregError if the registry cannot be reached
                   or has no such config. None: as CONFREG_REQUIRED=1 says
    resolve        merge the config over that of the environment "default"
    env_prefix     where the config has no key `db_host`, the variable PREFIX + "DB_HOST" counts
    references     getters replace ${env:NAME} and ${file:PATH} in texts by the variable or the file's
                   content, as of now. Where one leads nowhere, the key counts as missing. Whoever may
                   write the config can then read the variables and files of this process
    last_known_good    a file that keeps the last values, for a start while the registry is away
    on_state       called with the new state, on the provider's thread
    decimals       as of confreg.Client

    Nothing is fetched before the first access. Then a daemon thread follows the registry; after a fork
    the child starts its own. close() ends it.
    """

    def __init__(self, registry_url: str, service_name: str, environment: str = "default",
                 cache_ttl_seconds: float = 60, timeout_seconds: float = 10, *,
                 credentials: Credentials | None = None, required: bool | None = None,
                 resolve: bool = False, env_prefix: str | None = None,
                 references: bool = False, last_known_good: str | None = None,
                 on_state: Callable[[str], None] | None = None,
                 decimals: bool = False) -> None:
        self._url = registry_url
        self._name = Name(service_name, environment, resolve)
        self._ttl = cache_ttl_seconds
        self._timeout = timeout_seconds
        self._credentials = credentials or Credentials()
        check_clear(registry_url, self._credentials)
        self._env_prefix = env_prefix
        self._references = references
        self._on_state = on_state
        self._decimals = decimals
        self._file = None if last_known_good is None else _LastKnownGood(
            last_known_good, self._name, decimals)
        self._lock = threading.Lock()
        self._reading: Reading | None = None  # replaced as a whole: read without the lock
        self._live: Json | None = None  # its data while the thread of this process keeps it up to date
        self._state = LOADING
        self._error: errors.ConfregError | None = None
        self._asked = threading.Event()  # the first attempt has ended, well or not
        self._ready = threading.Event()
        self._source: Source | None = None
        self._following = False  # the thread runs, or has run, in this process
        self._stale: threading.Timer | None = None
        self._closed = False
        _all.add(self)
        if os.environ.get("CONFREG_REQUIRED") == "1" if required is None else required:
            self._require()

    def _require(self) -> None:
        source = self._open()
        try:
            reading = source.fetch()
        finally:
            source.close()
        if reading.data is None:
            raise errors.NotFoundError(
                f"the registry has no config {self._name.environment}/{self._name.service_name}",
                "NOT_FOUND", "CONFIG_NOT_FOUND")
        self._take(reading)

    def _open(self) -> Source:
        return open_source(self._url, self._name, self._credentials, self._timeout, self._ttl,
                           self._decimals)

    # ---- The thread that follows ----

    def _forked(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held it
        self._asked, self._ready = threading.Event(), threading.Event()
        self._live = self._source = self._stale = None
        self._following = False

    def _follow(self) -> None:
        """Starts the thread unless it runs."""
        with self._lock:
            if self._following or self._closed:
                return
            if self._file is not None and self._reading is None:
                self._reading = self._file.read()
            self._source = self._open()
            self._following = True
            threading.Thread(target=self._run, args=(self._source, self._asked), daemon=True,
                             name=f"confreg {self._name.service_name}").start()

    def _run(self, source: Source, asked: threading.Event) -> None:
        try:
            source.run(self._take, self._failed, self._connected)
        finally:
            asked.set()

    def _take(self, reading: Reading) -> None:
        # The state before the values: who has read them does not find "loading" or "stale".
        changed = self._set_state(READY)
        self._reading = reading
        if self._following:
            self._live = reading.data
        self._error = None
        if self._file is not None:
            self._file.write(reading)
        self._asked.set()
        self._tell(READY, changed)

    def _connected(self) -> None:
        self._error = None
        if self._state == STALE or self._stale is not None:
            self._become(READY)

    def _failed(self, error: errors.ConfregError) -> None:
        if self._error is None:
            _log.warning("the config %s/%s cannot be read now: %s", self._name.environment,
                         self._name.service_name, error)
        self._error = error
        self._asked.set()
        with self._lock:
            if self._state == READY and self._stale is None and not self._closed:
                self._stale = threading.Timer(self._ttl, self._become, (STALE,))
                self._stale.daemon = True
                self._stale.start()

    def _become(self, state: str) -> None:
        self._tell(state, self._set_state(state))

    def _set_state(self, state: str) -> bool:
        """False: it was the state already, or a close or a reading came first."""
        with self._lock:
            if self._closed or (state == STALE and self._stale is None):
                return False
            if self._stale is not None:
                self._stale.cancel()
                self._stale = None
            changed, self._state = self._state != state, state
            return changed

    def _tell(self, state: str, changed: bool) -> None:
        if state == READY:
            self._ready.set()
        if changed and self._on_state is not None:
            try:
                self._on_state(state)
            except Exception:
                _log.exception("on_state has failed")

    # ---- What it tells about itself ----

    @property
    def state(self) -> str:
        """"loading": nothing was read yet; "ready"; "stale": the registry has been away for longer
        than cache_ttl_seconds, and the values are the last known."""
        return self._state

    @property
    def last_error(self) -> errors.ConfregError | None:
        """Why the registry cannot be read now; None: it can."""
        return self._error

    @property
    def version(self) -> int:
        """Of the values; 0: not known."""
        return self._reading.version if self._reading is not None else 0

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Waits until the registry has been read."""
        self._follow()
        return self._ready.wait(timeout)

    def refresh(self) -> bool:
        """Reads the registry now. False: it cannot be read; the values stay."""
        source = self._open()
        try:
            self._take(source.fetch())
        except errors.ConfregError as error:
            self._failed(error)
            return False
        finally:
            source.close()
        return True

    def close(self) -> None:
        """Ends the thread. The values stay."""
        with self._lock:
            self._closed = True
            source, self._source = self._source, None
            if self._stale is not None:
                self._stale.cancel()
                self._stale = None
        if source is not None:
            source.close()

    def __enter__(self) -> RegistryConfigProvider:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    # ---- The values ----

    def snapshot(self) -> Mapping[str, Any]:
        """All values as of one version: several keys that belong together are read from one. Not to
        be changed. With references, a key without its value is left out."""
        values = self._values()
        if not self._references:
            return values
        found = {key: replaced(value) for key, value in values.items()}
        return {key: value for key, value in found.items() if value is not MISSING}

    def _values(self) -> Mapping[str, Any]:
        overridden = testing.values_of(self._name.service_name)
        if overridden is not None:
            return overridden
        if not self._following:
            self._follow()
        if self._reading is None and not self._closed:
            self._asked.wait(self._timeout)
        reading = self._reading
        return reading.data if reading is not None and reading.data is not None else {}

    def _look_up(self, key: str) -> Any:
        """The value; MISSING: there is none. The usual case first: it has to be quick."""
        values: Mapping[str, Any] | None = self._live
        if values is None or testing.is_active():
            values = self._values()
        if key in values:
            value = values[key] if not self._references else replaced(values[key])
            if value is not MISSING:
                return value
        if self._env_prefix is not None:
            return os.environ.get(self._env_prefix + key.upper(), MISSING)
        return MISSING

    def get(self, key: str, default: Any = None) -> Any:
        """The value as it is; None where it is null."""
        value = self._look_up(key)
        return default if value is MISSING else value

    def get_bool(self, key: str, default: bool = False) -> bool:
        """Of texts, "true", "1", "yes" and "on" in any case are true, all others false."""
        value = self._look_up(key)
        if value is MISSING:
            return default
        return value.lower() in _TRUE if isinstance(value, str) else bool(value)

    def get_int(self, key: str, default: int = 0) -> int:
        """A number without its fraction, or a text that is a whole number; else the default."""
        value = self._look_up(key)
        if type(value) is int:
            return value
        number: int = _convert(int, value, default)
        return number

    def get_float(self, key: str, default: float = 0.0) -> float:
        """A number, or a text that is one; else the default."""
        value = self._look_up(key)
        if type(value) is float:
            return value
        number: float = _convert(float, value, default)
        return number

    def get_pointer(self, pointer: str, default: Any = None) -> Any:
        """The value at an RFC 6901 pointer, such as "/db/hosts/0"."""
        value: Any = self._values()
        for step in pointer.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(value, Mapping) and step in value:
                value = value[step]
            elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                return default
        if self._references:
            value = replaced(value)
        return default if value is MISSING else value


def _convert(kind: Callable[[Any], Any], value: Any, default: Any) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return default


class _LastKnownGood:
    """The file that keeps the last values: readable by its owner only, replaced at once, with a
    checksum. One that cannot be used counts as none."""

    def __init__(self, path: str, name: Name, decimals: bool) -> None:
        self._path = pathlib.Path(path)
        self._of = {"service_name": name.service_name, "environment": name.environment,
                    "resolve": name.resolve}
        self._decimals = decimals

    def _checksum(self, data: Json) -> str:
        return hashlib.sha256(_json.dumps(data)).hexdigest()

    def read(self) -> Reading | None:
        try:
            kept = _json.loads(self._path.read_bytes(), decimals=True)
            if kept["of"] == self._of and kept["sha256"] == self._checksum(kept["data"]):
                data = _json.loads(_json.dumps(kept["data"]), self._decimals)
                return Reading(data, kept["version"], kept["tag"])
            _log.warning("%s is damaged or of another config: it is not used", self._path)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("%s cannot be used: %s", self._path, error)
        return None

    def write(self, reading: Reading) -> None:
        if reading.data is None:
            return
        data = _json.loads(_json.dumps(reading.data), decimals=True)
        text = _json.dumps({"of": self._of, "version": reading.version, "tag": reading.tag,
                            "sha256": self._checksum(data), "data": data})
        try:
            with tempfile.NamedTemporaryFile(dir=self._path.parent, prefix=self._path.name,
                                             delete=False) as file:  # made with mode 0600
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            pathlib.Path(file.name).replace(self._path)
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error)
            if "file" in locals():
                pathlib.Path(file.name).unlink(missing_ok=True)
