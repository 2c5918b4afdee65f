"""The client for asyncio: the calls of confreg.Client, awaited, and the same watches.

Lists are asynchronous iterators, and so is a watch:

    async with AsyncClient("127.0.0.1:50051") as client:
        async for update in client.watch(Selector("prod", "billing")):
            ...
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Callable, TypeVar

import grpc
import grpc.aio

from . import _channels, _connection, errors
from ._calls import WATCH, Call, Calls, Page
from ._connection import Backoff, Credentials
from ._follow import Follower, Selector, Update, decode
from ._silence import SILENCE_SECONDS
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


class AsyncClient:
    """As confreg.Client. Of one event loop."""

    def __init__(self, address: str, credentials: Credentials | None = None, *,
                 timeout: float = 10.0, decimals: bool = False, repeat: bool = True) -> None:
        self._credentials = credentials or Credentials()
        self._targets = _connection.parse_targets(address, self._credentials)
        self._timeout = timeout
        self._repeat = repeat
        self._decimals = decimals
        self._calls = Calls(decimals)
        self._at = 0
        self._channel: grpc.aio.Channel | None = None
        self._files: object = None

    async def close(self) -> None:
        """Ends all calls and watches."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None,
                        error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await self.close()

    def _open(self) -> grpc.aio.Channel:
        files = self._credentials.state()
        if self._channel is None or files != self._files:
            target = self._targets[self._at]
            options = _connection.options_of(self._credentials)
            self._channel = (
                grpc.aio.secure_channel(target.address, _connection.tls_of(self._credentials),
                                        options=options)
                if target.tls else grpc.aio.insecure_channel(target.address, options=options))
            self._files = files
        return self._channel

    def _failed(self, channel: grpc.aio.Channel) -> None:
        if channel is self._channel and len(self._targets) > 1:
            self._at = (self._at + 1) % len(self._targets)
            self._channel = None

    def _metadata(self) -> list[tuple[str, str]]:
        bearer = self._credentials.bearer()
        return [] if bearer is None else [("authorization", bearer)]

    async def _run(self, call: Call[T]) -> T:
        deadline = time.monotonic() + self._timeout
        backoff = Backoff()
        while True:
            channel = self._open()
            try:
                return call.parse(await _channels.unary(channel, call.method)(
                    call.request, timeout=max(deadline - time.monotonic(), 0),
                    metadata=self._metadata()))
            except grpc.aio.AioRpcError as failure:
                error = errors.of_call(failure)
                if error.code != "UNAVAILABLE":
                    raise error from None
                self._failed(channel)
                wait = backoff.next(error.retry_after)
                if not self._repeat or time.monotonic() + wait >= deadline:
                    raise error from None
                await asyncio.sleep(wait)

    async def _pages(self, page: Callable[[str], Call[Page[T]]]) -> AsyncIterator[T]:
        token = ""
        while True:
            answer = await self._run(page(token))
            for item in answer.items:
                yield item
            token = answer.next_token
            if not token:
                return

    # ---- Reads ----

    async def get(self, service_name: str, environment: str = "default", *, version: int = 0,
                  resolve: bool = False, include_deleted: bool = False,
                  apply_defaults: bool = False, after: Position | None = None,
                  linearizable: bool = False) -> Config:
        return await self._run(self._calls.get(service_name, environment, version, resolve,
                                               include_deleted, apply_defaults, after,
                                               linearizable))

    async def get_many(self, names: Sequence[tuple[str, str]]) -> list[Config]:
        found: list[Config] = []
        names = list(names)
        while names:
            configs, left = await self._run(self._calls.get_many(names[:1000]))
            found += configs
            names = left + names[1000:]
        return found

    def configs(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                deleted: bool = False, data: bool = True,
                page_size: int = 0) -> AsyncIterator[Config]:
        return self._pages(lambda token: self._calls.configs(
            environment, service_name, prefix, deleted, data, page_size, token))

    def versions(self, service_name: str, environment: str = "default", *,
                 include_deleted: bool = False, data: bool = True,
                 page_size: int = 0) -> AsyncIterator[Config]:
        return self._pages(lambda token: self._calls.versions(
            service_name, environment, include_deleted, data, page_size, token))

    async def diff(self, service_name: str, environment: str = "default", *, old_version: int = 0,
                   new_version: int = 0, new_environment: str = "",
                   include_deleted: bool = False) -> Diff:
        return await self._run(self._calls.diff(service_name, environment, old_version,
                                                new_version, new_environment, include_deleted))

    def diffs(self, environment: str = "default", new_environment: str = "", *,
              old_revision: int = 0, new_revision: int = 0, service_name: str = "",
              prefix: str = "") -> AsyncIterator[Diff]:
        return self._pages(lambda token: self._calls.diffs(
            environment, new_environment, old_revision, new_revision, service_name, prefix, token))

    def commits(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                actor: str = "", created_by: str = "", kinds: Sequence[str] = (),
                since: datetime.datetime | None = None,
                until: datetime.datetime | None = None, start_revision: int = 0,
                end_revision: int = 0, pointer: str = "", oldest_first: bool = False,
                view: str = "") -> AsyncIterator[Commit]:
        return self._pages(lambda token: self._calls.commits(
            environment, service_name, prefix, actor, created_by, kinds, since, until,
            start_revision, end_revision, pointer, oldest_first, view, token))

    def try_schema(self, service_name: str, schema: Json | None, environment: str = "", *,
                   include_superseded: bool = False, page_size: int = 0) -> AsyncIterator[Breach]:
        return self._pages(lambda token: self._calls.try_schema(
            service_name, schema, environment, include_superseded, page_size, token))

    def find_broken(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                    page_size: int = 0) -> AsyncIterator[Breach]:
        return self._pages(lambda token: self._calls.find_broken(
            environment, service_name, prefix, page_size, token))

    async def status(self) -> Status:
        return await self._run(self._calls.status())

    # ---- Writes ----

    async def create(self, service_name: str, data: Json, environment: str = "default",
                     **options: Any) -> WriteResult:
        return await self.write(Create(service_name, environment, data=data, **options))

    async def update(self, service_name: str, data: Json, environment: str = "default",
                     **options: Any) -> WriteResult:
        return await self.write(UpdateConfig(service_name, environment, data=data, **options))

    async def patch(self, service_name: str, merge_patch: Json, environment: str = "default",
                    **options: Any) -> WriteResult:
        return await self.write(UpdateConfig(service_name, environment, merge_patch=merge_patch,
                                             **options))

    async def delete(self, service_name: str, environment: str = "default",
                     **options: Any) -> WriteResult:
        return await self.write(Delete(service_name, environment, **options))

    async def rollback(self, service_name: str, environment: str = "default", version: int = 0,
                       **options: Any) -> WriteResult:
        return await self.write(Rollback(service_name, environment, version=version, **options))

    async def copy(self, service_name: str, source_environment: str, environment: str = "default",
                   version: int = 0, **options: Any) -> WriteResult:
        options.setdefault("allow_missing", True)
        return await self.write(UpdateConfig(
            service_name, environment, source_environment=source_environment,
            source_version=version, **options))

    async def undelete(self, service_name: str, environment: str = "default",
                       **options: Any) -> WriteResult:
        return await self.write(Undelete(service_name, environment, **options))

    async def write(self, write: Write) -> WriteResult:
        return await self._run(self._calls.write(write))

    async def commit(self, writes: Sequence[Write], *, comment: str = "", created_by: str = "",
                     request_id: str = "", validate_only: bool = False) -> Commit | None:
        return await self._run(self._calls.commit(writes, comment, created_by, request_id,
                                                  validate_only))

    async def write_many(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        return await self._run(self._calls.write_many(writes))

    async def compact(self, revision: int = 0, keep_versions: int = 1, *, comment: str = "",
                      created_by: str = "", validate_only: bool = False) -> int:
        return await self._run(self._calls.compact(revision, keep_versions, comment, created_by,
                                                   validate_only))

    # ---- Watches ----

    async def watch(self, *selectors: Selector, latest_only: bool = False, resolve: bool = False,
                    resume_after: Position | None = None,
                    on_failure: Callable[[errors.ConfregError], None] | None = None,
                    on_connected: Callable[[], None] | None = None) -> AsyncIterator[Update]:
        follower = Follower(selectors, self._decimals, latest_only, resolve, resume_after)
        backoff = Backoff()
        while True:
            channel = None
            error: errors.ConfregError = errors.UnavailableError("the server ended the stream",
                                                                 "UNAVAILABLE")
            call, alarm = None, _Alarm()
            try:
                channel = self._open()
                call = _channels.stream(channel, WATCH)(follower.request(),
                                                        metadata=self._metadata())
                connected = False
                alarm.set(call)
                async for data in call:
                    alarm.stop()
                    response = decode(data)
                    if follower.has_succeeded(response):
                        backoff.reset()
                    if not connected and on_connected is not None:
                        on_connected()
                    connected = True
                    update = follower.feed(response)
                    if update is not None:
                        yield update
                    alarm.set(call)
            except asyncio.CancelledError:  # of the call, or of the task
                if not alarm.has_rung:
                    raise
                error = errors.UnavailableError("the server has gone silent", "UNAVAILABLE")
            except grpc.aio.AioRpcError as failure:
                error = errors.of_call(failure)
            except errors.ConfregError as unusable:
                error = unusable
            except OSError as unreadable:  # a file of credentials
                error = errors.UnavailableError(str(unreadable), "UNAVAILABLE")
            finally:
                alarm.stop()
                if call is not None:
                    call.cancel()
            begins_anew = follower.lost(error)
            if channel is not None and error.code == "UNAVAILABLE":
                self._failed(channel)
            if on_failure is not None:
                on_failure(error)
            if not begins_anew:
                await asyncio.sleep(backoff.next(error.retry_after))


class _Alarm:
    """Ends a call for whose next response somebody has waited too long."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None
        self.has_rung = False

    def set(self, call: Any) -> None:
        self._handle = asyncio.get_running_loop().call_later(SILENCE_SECONDS, self._ring, call)

    def _ring(self, call: Any) -> None:
        self.has_rung = True
        call.cancel()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
