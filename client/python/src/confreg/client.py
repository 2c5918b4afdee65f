"""The client: every call of the API, and watches."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Callable, TypeVar

import grpc

from . import _channels, _connection, errors
from ._calls import WATCH, Call, Calls, Page
from ._connection import Backoff, Credentials
from ._follow import Follower, Selector, Update, decode
from ._silence import Guard, guards
from .models import (
    Breach,
    Commit,
    Config,
    Create,
    Delete,
    Diff,
    Json,
    Position,
    Rollback,
    Status,
    Undelete,
    Write,
    WriteOutcome,
    WriteResult,
)
from .models import Update as UpdateConfig

T = TypeVar("T")


class Client:
    """A client of the registry's gRPC service. Any thread may use it.

    address      "HOST:PORT", "grpcs://HOST:PORT", "unix:PATH", or several with commas: the next one
                 is used while one is away
    timeout      seconds for a call, with its repeats; UnavailableError afterwards
    decimals     numbers with a fraction are decimal.Decimal, with every digit, not float

    repeat       call again while the server is away, until the timeout. That is safe for writes, too:
                 each has a request_id

    The connection is made by the first call, and anew in a child process after a fork.
    """

    def __init__(self, address: str, credentials: Credentials | None = None, *,
                 timeout: float = 10.0, decimals: bool = False, repeat: bool = True) -> None:
        credentials = credentials or Credentials()
        self._channels = _channels.Channels(_connection.parse_targets(address, credentials),
                                            credentials)
        self._timeout = timeout
        self._repeat = repeat
        self._decimals = decimals
        self._calls = Calls(decimals)
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
        deadline = time.monotonic() + self._timeout
        backoff = Backoff()
        while True:
            channel = self._channels.get()
            try:
                return call.parse(_channels.unary(channel, call.method)(
                    call.request, timeout=max(deadline - time.monotonic(), 0),
                    metadata=self._channels.metadata()))
            except grpc.RpcError as failure:
                error = errors.of_call(failure)
                if error.code != "UNAVAILABLE":
                    raise error from None
                self._channels.failed(channel)
                wait = backoff.next(error.retry_after)
                if not self._repeat or time.monotonic() + wait >= deadline:
                    raise error from None
                time.sleep(wait)

    def _pages(self, page: Callable[[str], Call[Page[T]]]) -> Iterator[T]:
        token = ""
        while True:
            answer = self._run(page(token))
            yield from answer.items
            token = answer.next_token
            if not token:
                return

    # ---- Reads ----

    def get(self, service_name: str, environment: str = "default", *, version: int = 0,
            resolve: bool = False, include_deleted: bool = False, apply_defaults: bool = False,
            after: Position | None = None, linearizable: bool = False) -> Config:
        """The config's head, or a version of it. resolve: merged over the one of the environment
        "default". apply_defaults: with the defaults of the schema in force where it lacks a member.
        after: at least as new as this position, such as that of a write."""
        return self._run(self._calls.get(service_name, environment, version, resolve,
                                         include_deleted, apply_defaults, after, linearizable))

    def get_many(self, names: Sequence[tuple[str, str]]) -> list[Config]:
        """The configs of these (environment, service name) that exist."""
        found: list[Config] = []
        names = list(names)
        while names:
            configs, left = self._run(self._calls.get_many(names[:1000]))
            found += configs
            names = left + names[1000:]
        return found

    def configs(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                deleted: bool = False, data: bool = True, page_size: int = 0) -> Iterator[Config]:
        """All configs that fit, as of one revision; empty texts fit everything. deleted: those that
        are deleted, instead. data: with their payloads."""
        return self._pages(lambda token: self._calls.configs(
            environment, service_name, prefix, deleted, data, page_size, token))

    def versions(self, service_name: str, environment: str = "default", *,
                 include_deleted: bool = False, data: bool = True,
                 page_size: int = 0) -> Iterator[Config]:
        """The versions of a config, newest first."""
        return self._pages(lambda token: self._calls.versions(
            service_name, environment, include_deleted, data, page_size, token))

    def diff(self, service_name: str, environment: str = "default", *, old_version: int = 0,
             new_version: int = 0, new_environment: str = "",
             include_deleted: bool = False) -> Diff:
        """The difference between two versions (0: the last two), or between two environments."""
        return self._run(self._calls.diff(service_name, environment, old_version, new_version,
                                          new_environment, include_deleted))

    def diffs(self, environment: str = "default", new_environment: str = "", *,
              old_revision: int = 0, new_revision: int = 0, service_name: str = "",
              prefix: str = "") -> Iterator[Diff]:
        """All configs that differ between two environments, or two revisions of one."""
        return self._pages(lambda token: self._calls.diffs(
            environment, new_environment, old_revision, new_revision, service_name, prefix, token))

    def commits(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                actor: str = "", created_by: str = "", kinds: Sequence[str] = (),
                since: datetime.datetime | None = None,
                until: datetime.datetime | None = None, start_revision: int = 0,
                end_revision: int = 0, pointer: str = "", oldest_first: bool = False,
                view: str = "") -> Iterator[Commit]:
        """The change log, newest first. view: "", "payloads" or "diff"."""
        return self._pages(lambda token: self._calls.commits(
            environment, service_name, prefix, actor, created_by, kinds, since, until,
            start_revision, end_revision, pointer, oldest_first, view, token))

    def try_schema(self, service_name: str, schema: Json | None, environment: str = "", *,
                   include_superseded: bool = False, page_size: int = 0) -> Iterator[Breach]:
        """What would break the schema of a service, if it were set; None: if it were deleted.
        environment "": the one for all environments. include_superseded: of all versions that are
        kept, not only of the heads."""
        return self._pages(lambda token: self._calls.try_schema(
            service_name, schema, environment, include_superseded, page_size, token))

    def find_broken(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                    page_size: int = 0) -> Iterator[Breach]:
        """What breaks the schemas in force: they were set with force, or an erase has brought an
        older version back. Empty texts fit everything."""
        return self._pages(lambda token: self._calls.find_broken(
            environment, service_name, prefix, page_size, token))

    def status(self) -> Status:
        """The state of the node."""
        return self._run(self._calls.status())

    # ---- Writes ----

    def create(self, service_name: str, data: Json, environment: str = "default",
               **options: Any) -> WriteResult:
        """Makes a config; options are the members of confreg.Create."""
        return self.write(Create(service_name, environment, data=data, **options))

    def update(self, service_name: str, data: Json, environment: str = "default",
               **options: Any) -> WriteResult:
        """Replaces the value; options are the members of confreg.Update."""
        return self.write(UpdateConfig(service_name, environment, data=data, **options))

    def patch(self, service_name: str, merge_patch: Json, environment: str = "default",
              **options: Any) -> WriteResult:
        """Changes some keys by an RFC 7396 patch; options are the members of confreg.Update."""
        return self.write(UpdateConfig(service_name, environment, merge_patch=merge_patch,
                                       **options))

    def delete(self, service_name: str, environment: str = "default",
               **options: Any) -> WriteResult:
        """Deletes a config; options are the members of confreg.Delete."""
        return self.write(Delete(service_name, environment, **options))

    def rollback(self, service_name: str, environment: str = "default", version: int = 0,
                 **options: Any) -> WriteResult:
        """Goes back to a version; 0: undoes the last change. Options: those of confreg.Rollback."""
        return self.write(Rollback(service_name, environment, version=version, **options))

    def copy(self, service_name: str, source_environment: str, environment: str = "default",
             version: int = 0, **options: Any) -> WriteResult:
        """Copies what the service has in another environment, whether it has a config here or not;
        version 0: its head. Options are the members of confreg.Update."""
        options.setdefault("allow_missing", True)
        return self.write(UpdateConfig(
            service_name, environment, source_environment=source_environment,
            source_version=version, **options))

    def undelete(self, service_name: str, environment: str = "default",
                 **options: Any) -> WriteResult:
        """Brings a deleted config back; options are the members of confreg.Undelete."""
        return self.write(Undelete(service_name, environment, **options))

    def write(self, write: Write) -> WriteResult:
        """Makes one write."""
        return self._run(self._calls.write(write))

    def commit(self, writes: Sequence[Write], *, comment: str = "", created_by: str = "",
               request_id: str = "", validate_only: bool = False) -> Commit | None:
        """Makes up to 128 writes in one commit, all or none. None: nothing changed."""
        return self._run(self._calls.commit(writes, comment, created_by, request_id,
                                            validate_only))

    def write_many(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Makes up to 128 independent writes; each has a result or an error."""
        return self._run(self._calls.write_many(writes))

    def compact(self, revision: int = 0, keep_versions: int = 1, *, comment: str = "",
                created_by: str = "", validate_only: bool = False) -> int:
        """Removes payloads of superseded versions for good. Returns the oldest revision that is
        left."""
        return self._run(self._calls.compact(revision, keep_versions, comment, created_by,
                                             validate_only))

    # ---- Watches ----

    def watch(self, *selectors: Selector, latest_only: bool = False, resolve: bool = False,
              resume_after: Position | None = None,
              on_failure: Callable[[errors.ConfregError], None] | None = None,
              on_connected: Callable[[], None] | None = None) -> Watch:
        """Iterate over it: first the state of all that is selected (none: everything), then every
        change, each once and in order, for ever. It goes on over restarts of the server.

        latest_only   of several changes of a config that wait, only the newest
        resume_after  the position of an update that was handled: without the first state
        on_failure    called with each error that interrupts it; it tries again whatever it is
        on_connected  called when it is connected, at first and after each failure
        """
        watch = Watch(self._channels,
                      Follower(selectors, self._decimals, latest_only, resolve, resume_after),
                      on_failure, on_connected, self._watches.discard)
        with self._lock:
            self._watches.add(watch)
        return watch


class Watch:
    """An iterator over updates. close() ends it, on any thread, the one that iterates included."""

    def __init__(self, channels: _channels.Channels, follower: Follower,
                 on_failure: Callable[[errors.ConfregError], None] | None,
                 on_connected: Callable[[], None] | None,
                 closed: Callable[[Watch], None]) -> None:
        self._channels = channels
        self._follower = follower
        self._on_failure = on_failure
        self._on_connected = on_connected
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
            except OSError as unreadable:  # a file of credentials
                error = errors.UnavailableError(str(unreadable), "UNAVAILABLE")
            except ValueError:
                break  # the client was closed
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
