"""The gRPC channels of a sync client: one at a time, to the address that worked last."""

from __future__ import annotations

import os
import threading
from typing import Any

import grpc

from . import _connection


class ClosedError(ValueError):
    """The client was closed."""


class Channels:
    """Opens a channel at the first call, and again in a child process after a fork, after the files of
    TLS changed, and to the next address after a failure. Any thread."""

    def __init__(self, targets: list[_connection.Target],
                 credentials: _connection.Credentials) -> None:
        self._targets = targets
        self._credentials = credentials
        self._lock = threading.Lock()
        self._at = 0
        self._channel: grpc.Channel | None = None
        self._opened_by = 0
        self._files: object = None
        self._closed = False

    def get(self) -> grpc.Channel:
        """ClosedError; OSError: a file of TLS cannot be read."""
        with self._lock:
            if self._closed:
                raise ClosedError("the client was closed")
            files = self._credentials.state()
            if self._channel is None or self._opened_by != os.getpid() or files != self._files:
                # The old channel is left to calls that use it; in a child it is the parent's.
                self._channel = self._open(self._targets[self._at])
                self._opened_by, self._files = os.getpid(), files
            return self._channel

    def _open(self, target: _connection.Target) -> grpc.Channel:
        options = _connection.options_of(self._credentials)
        if target.tls:
            return grpc.secure_channel(target.address, _connection.tls_of(self._credentials),
                                       options=options)
        return grpc.insecure_channel(target.address, options=options)

    def failed(self, channel: grpc.Channel) -> None:
        """The server at the other end of the channel is away: another address is next."""
        with self._lock:
            if channel is self._channel and len(self._targets) > 1:
                self._at = (self._at + 1) % len(self._targets)
                self._channel = None

    def metadata(self) -> list[tuple[str, str]]:
        bearer = self._credentials.bearer()
        return [] if bearer is None else [("authorization", bearer)]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channel, self._channel = self._channel, None
        if channel is not None and self._opened_by == os.getpid():
            channel.close()


def unary(channel: grpc.Channel, method: Any) -> Any:
    return channel.unary_unary(method.path, method.encode, method.decode)


def stream(channel: grpc.Channel, method: Any) -> Any:
    """Its responses are bytes: gRPC leaves a stream open of which it cannot decode a message."""
    return channel.unary_stream(method.path, method.encode)
