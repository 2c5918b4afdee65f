"""The client for asyncio: the calls of confreg.Client, awaited, and the same watches.

Lists are asynchronous iterators, and so is a watch:

    async with AsyncClient("127.0.0.1:50051") as client:
        async for update in client.watch(Selector("prod", "billing")):
            ...
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, TypeVar

import grpc
import grpc.aio

from . import _channels, _connection, errors
from ._base import Attempts, ClientBase
from ._calls import Call, Listing, Steps, Watching
from ._connection import Backoff
from ._follow import WATCH, decode
from ._methods import AsyncMethods
from ._pages import AsyncPages
from ._silence import SILENCE_SECONDS
from ._watch import AsyncWatch

T = TypeVar("T")


class AsyncClient(ClientBase, AsyncMethods):
    """As confreg.Client. Of one event loop."""

    def _begin(self) -> None:
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
        attempts = Attempts(self)
        while True:
            try:
                channel = self._open()
                return call.parse(await _channels.unary(channel, call.method)(
                    call.request, timeout=attempts.seconds_left(), metadata=self._metadata()))
            except grpc.aio.AioRpcError as failure:
                error = errors.of_call(failure)
            except OSError as unreadable:
                raise errors.of_file(unreadable) from None
            if error.code == "UNAVAILABLE":
                self._failed(channel)
            await asyncio.sleep(attempts.wait_after(error))

    async def _run_all(self, steps: Steps[T]) -> T:
        try:
            call = next(steps)
            while True:
                call = steps.send(await self._run(call))
        except StopIteration as end:
            result: T = end.value
            return result

    def _list(self, listing: Listing[T]) -> AsyncPages[T]:
        return AsyncPages(listing, self._run)

    async def _watch(self, watching: Watching) -> AsyncWatch:
        backoff = Backoff()
        while True:
            channel = None
            error: errors.ConfregError = errors.UnavailableError("the server ended the stream",
                                                                 "UNAVAILABLE")
            call, alarm = None, _Alarm()
            try:
                channel = self._open()
                call = _channels.stream(channel, WATCH)(watching.follower.request(),
                                                        metadata=self._metadata())
                connected = False
                alarm.set(call)
                async for data in call:
                    alarm.stop()
                    response = decode(data)
                    if watching.follower.has_succeeded(response):
                        backoff.reset()
                    if not connected and watching.on_connected is not None:
                        watching.on_connected()
                    connected = True
                    update = watching.follower.feed(response)
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
            except OSError as unreadable:
                error = errors.of_file(unreadable)
            finally:
                alarm.stop()
                if call is not None:
                    call.cancel()
            begins_anew = watching.follower.lost(error)
            if channel is not None and error.code == "UNAVAILABLE":
                self._failed(channel)
            if watching.on_failure is not None:
                watching.on_failure(error)
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
