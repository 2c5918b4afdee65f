"""Where a provider and a watcher get one config from: a gRPC watch, or HTTP long polls. Both deliver
the config at first and after each change."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.parse
from typing import Any, Callable

from . import _json, errors
from ._connection import Backoff, Credentials, parse_targets
from ._reading import Name, Reading
from ._shared import Follower, Server
from .client import Client

WAIT_SECONDS = 30  # of a long poll
MOST_BYTES = 64 << 20  # of an answer


class Source:
    """run blocks, and calls back on its thread, until close. fetch asks once. Any thread may call
    fetch and close."""

    def run(self, on_reading: Callable[[Reading], None],
            on_failure: Callable[[errors.ConfregError], None],
            on_connected: Callable[[], None]) -> None:
        raise NotImplementedError

    def fetch(self) -> Reading:
        """ConfregError: it cannot be read."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def check_clear(url: str, credentials: Credentials) -> None:
    """ValueError: a token would cross the network in the clear."""
    if url.startswith("http://"):
        credentials.check_clear(urllib.parse.urlsplit(url).hostname or "")
    elif credentials.has_token and not url.startswith("https://"):
        parse_targets(url, credentials)


def open_source(url: str, name: Name, credentials: Credentials, timeout: float, interval: float,
                decimals: bool) -> Source:
    """Of an address as of Client, or of "http://…" and "https://…". interval: seconds between two
    reads of a server that cannot wait."""
    if url.startswith(("http://", "https://")):
        return HttpSource(url, name, credentials, timeout, interval, decimals)
    return GrpcSource(url, name, credentials, timeout, decimals)


class GrpcSource(Source):
    """Follows on a stream that the process shares."""

    def __init__(self, address: str, name: Name, credentials: Credentials, timeout: float,
                 decimals: bool) -> None:
        parse_targets(address, credentials)  # ValueError: it is no address
        self._server = Server(address, credentials, name.resolve, decimals)
        self._name = name
        self._timeout = timeout
        self._follower = Follower(self._server, name)

    def run(self, on_reading: Callable[[Reading], None],
            on_failure: Callable[[errors.ConfregError], None],
            on_connected: Callable[[], None]) -> None:
        self._follower.run(on_reading, on_failure, on_connected)

    def fetch(self) -> Reading:
        with Client(self._server.address, self._server.credentials, timeout=self._timeout,
                    decimals=self._server.decimals, repeat=False) as client:
            try:
                config = client.get(self._name.service_name, self._name.environment,
                                    resolve=self._name.resolve)
            except errors.NotFoundError:
                return Reading(None)
            return Reading(config.data, config.version)

    def close(self) -> None:
        self._follower.close()


# ---- HTTP ----

class HttpSource(Source):
    def __init__(self, url: str, name: Name, credentials: Credentials, timeout: float,
                 interval: float, decimals: bool) -> None:
        self._url = urllib.parse.urlsplit(url)
        if not self._url.hostname:
            raise ValueError(f"{url!r} names no host")
        check_clear(url, credentials)
        self._credentials = credentials
        self._timeout = timeout
        self._interval = interval
        self._decimals = decimals
        query = {"environment": name.environment, **({"resolve": "true"} if name.resolve else {})}
        self._target = (f"{self._url.path.rstrip('/')}/api/configs/"
                        f"{urllib.parse.quote(name.service_name, safe='')}"
                        f"?{urllib.parse.urlencode(query)}")
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._open: set[http.client.HTTPConnection] = set()

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout)
        context = ssl.create_default_context(cafile=self._credentials.ca_file)
        if self._credentials.cert_file is not None:
            context.load_cert_chain(self._credentials.cert_file, self._credentials.key_file)
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)

    def _get(self, headers: dict[str, str], timeout: float) -> tuple[Any, bytes]:
        """The response and its body. OSError, HTTPException: there is none that can be used."""
        bearer = self._credentials.bearer()
        if bearer is not None:
            headers = {**headers, "Authorization": bearer}
        connection = self._connect(timeout)
        try:
            connection.connect()
            with self._lock:
                self._open.add(connection)
            if self._stop.is_set():
                raise OSError("the source was closed")
            connection.request("GET", self._target, headers=headers)
            response = connection.getresponse()
            body = response.read(MOST_BYTES + 1)
            if len(body) > MOST_BYTES:
                raise http.client.HTTPException(f"the answer has more than {MOST_BYTES} bytes")
            return response, body
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _ask(self, tag: str, known: bool, timeout: float,
             newest: bool = False) -> tuple[Reading | None, bool]:
        """The config, or None if it is still the one with the tag; and whether the server has waited
        for that. ConfregError: it cannot be read."""
        headers = {"Accept": "application/json"}
        if newest:
            headers["Cache-Control"] = "no-cache"  # the gateway asks the server
        if known:
            headers["Prefer"] = f"wait={WAIT_SECONDS}"
            if tag:
                headers["If-None-Match"] = tag
        try:
            response, body = self._get(headers, timeout + (WAIT_SECONDS if known else 0))
        except (OSError, http.client.HTTPException) as error:
            raise errors.UnavailableError(str(error) or type(error).__name__,
                                          "UNAVAILABLE") from None
        waits = "preference-applied" in response.headers
        if response.status == 304:
            return None, waits
        if response.status == 404:
            return Reading(None), waits
        if response.status == 200:
            return self._reading(response, body), waits
        raise _error_of(response, body)

    def _reading(self, response: Any, body: bytes) -> Reading:
        try:
            data = _json.loads(body, self._decimals)
            version = int(response.headers.get("X-Config-Version") or 0)
        except ValueError as error:
            raise errors.UnavailableError(f"the answer cannot be read: {error}",
                                          "UNAVAILABLE") from None
        if not isinstance(data, dict):
            raise errors.UnavailableError("the answer is no JSON object", "UNAVAILABLE")
        return Reading(data, version, response.headers.get("ETag") or "")

    def run(self, on_reading: Callable[[Reading], None],
            on_failure: Callable[[errors.ConfregError], None],
            on_connected: Callable[[], None]) -> None:
        last: Reading | None = None
        connected = False
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                reading, waits = self._ask(last.tag if last else "", last is not None,
                                           self._timeout)
            except errors.ConfregError as error:
                connected = False
                if not self._stop.is_set():
                    on_failure(error)
                self._stop.wait(error.retry_after + min(backoff.next(), self._interval))
                continue
            backoff.reset()
            if not connected:
                connected = True
                on_connected()
            asked_to_wait = last is not None
            if reading is not None and reading != last:
                last = reading
                on_reading(reading)
            if asked_to_wait and not waits:
                self._stop.wait(self._interval)

    def fetch(self) -> Reading:
        reading, _ = self._ask("", False, self._timeout, newest=True)
        assert reading is not None, "304 is the answer to a condition only"
        return reading

    def close(self) -> None:
        self._stop.set()
        with self._lock:
            for connection in self._open:
                if connection.sock is not None:
                    with contextlib.suppress(OSError):  # it was closed already
                        connection.sock.shutdown(socket.SHUT_RDWR)


_BY_STATUS: dict[int, type[errors.ConfregError]] = {
    401: errors.UnauthenticatedError,
    403: errors.PermissionDeniedError,
    422: errors.InvalidArgumentError,
    429: errors.ResourceExhaustedError,
    503: errors.UnavailableError,
    504: errors.UnavailableError,
}


def _error_of(response: Any, body: bytes) -> errors.ConfregError:
    status, told = response.status, response.headers.get("Retry-After") or ""
    try:
        answer = _json.loads(body)
    except ValueError:
        answer = {}
    detail = answer.get("detail") if isinstance(answer, dict) else None
    kind = _BY_STATUS.get(status, errors.ConfregError)
    return kind(f"HTTP {status}: {detail}" if detail else f"HTTP {status}", f"HTTP_{status}",
                str(answer.get("reason", "")) if isinstance(answer, dict) else "",
                retry_after=errors.believed(int(told) if told.isdecimal() else 0))
