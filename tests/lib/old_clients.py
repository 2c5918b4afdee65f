"""Clients of the replaced service: they use the HTTP contract as it is documented."""

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request


def _fetch(url, timeout):
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return json.load(response)


class RegistryConfigProvider:
    """Fetches a config on first access, and again when it is older than the TTL. Never raises."""

    def __init__(self, registry_url, service_name, environment="default", cache_ttl_seconds=60,
                 timeout_seconds=10, clock=time.monotonic):
        self._url = (f"{registry_url}/api/configs/{urllib.parse.quote(service_name, safe='')}"
                     f"?environment={urllib.parse.quote(environment, safe='')}")
        self._ttl, self._timeout, self._clock = cache_ttl_seconds, timeout_seconds, clock
        self._config = self._fetched_at = None

    def refresh(self):
        self._config = self._fetched_at = None

    def _current(self):
        if self._fetched_at is None or self._clock() - self._fetched_at >= self._ttl:
            try:
                self._config = _fetch(self._url, self._timeout)
                self._fetched_at = self._clock()
            except (OSError, ValueError):
                return {}
        return self._config

    def get(self, key, default=None):
        return self._current().get(key, default)

    def get_bool(self, key, default=False):
        value = self.get(key)
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            return value.lower() in ("true", "1", "yes", "on")
        return default

    def get_int(self, key, default=0):
        return self._converted(int, key, default)

    def get_float(self, key, default=0.0):
        return self._converted(float, key, default)

    def _converted(self, kind, key, default):
        try:
            return kind(self.get(key, default))
        except (TypeError, ValueError):
            return default


class ConfigWatcher:
    """Polls the newest version and calls back when it has changed."""

    def __init__(self, registry_url, service_name, environment="default",
                 poll_interval_seconds=30, on_change=None):
        self._url = (f"{registry_url}/api/configs/{urllib.parse.quote(service_name, safe='')}"
                     f"/history?environment={urllib.parse.quote(environment, safe='')}&limit=1")
        self._interval, self._on_change = poll_interval_seconds, on_change
        self._version = None
        self._stopped = threading.Event()
        self.polls = 0

    def start(self):
        while not self._stopped.is_set():
            self._poll()
            self._stopped.wait(self._interval)

    def stop(self):
        self._stopped.set()

    def _poll(self):
        try:
            history = _fetch(self._url, timeout=10)
            version = history[0]["version"]
        except (OSError, ValueError, LookupError):
            return
        finally:
            self.polls += 1
        if self._version is not None and version != self._version and self._on_change:
            self._on_change(history[0]["config_data"])
        self._version = version
