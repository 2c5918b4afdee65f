"""Where the registry is and how a client proves who it is."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import pathlib
import random
from collections.abc import Sequence

import grpc

CHANNEL_OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),  # a frozen server is noticed
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.enable_retries", 0),  # the client repeats calls itself, with their request_id
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclasses.dataclass(frozen=True)
class Credentials:
    """How the connection is secured and who the caller is. Files are read again when they change.

    ca_file              certificates (PEM) of the authorities that may have signed the server's;
                         with it, or an address with "grpcs://" or "https://", the connection has TLS
    cert_file, key_file  the client's own certificate
    server_name          the name in the server's certificate, where the address has another
    token, token_file    a bearer token, or the file that it stands in
    token_in_clear       sends the token to other machines without TLS, too, where something else
                         protects the network
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    token: str | None = None
    token_file: str | None = None
    token_in_clear: bool = False

    def __repr__(self) -> str:
        return f"Credentials(ca_file={self.ca_file!r}, cert_file={self.cert_file!r})"

    def bearer(self) -> str | None:
        """The value of the header `authorization`; None: there is no token. OSError: the file cannot be
        used."""
        if self.token_file is not None:
            token = pathlib.Path(self.token_file).read_text(errors="replace").strip()
            if not (token.isascii() and token.isprintable() and token):
                raise OSError(f"{self.token_file} has no token")
        elif self.token is not None:
            token = self.token
        else:
            return None
        return f"Bearer {token}"

    @property
    def has_token(self) -> bool:
        return self.token is not None or self.token_file is not None

    def check_clear(self, host: str) -> None:
        """ValueError: the token would cross the network without TLS."""
        if self.has_token and not self.token_in_clear and not _is_local(host):
            raise ValueError(f"without TLS the token would cross the network to {host} in the clear: "
                             "use TLS, or token_in_clear")

    def state(self) -> tuple[object, ...]:
        """Differs from before when one of the files of TLS was replaced."""
        return tuple(_identity(path) for path in (self.ca_file, self.cert_file, self.key_file))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _identity(path: str | None) -> object:
    if path is None:
        return None
    try:
        found = os.stat(path)  # noqa: PTH116 (follows the links of a mounted secret)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: str | None) -> bytes | None:
    return None if path is None else pathlib.Path(path).read_bytes()


@dataclasses.dataclass(frozen=True)
class Target:
    """An address of a server that speaks gRPC."""

    address: str
    tls: bool


def parse_targets(addresses: str | Sequence[str], credentials: Credentials) -> list[Target]:
    """Of "HOST:PORT", "grpc://HOST:PORT", "grpcs://HOST:PORT" or "unix:PATH", or several of these, in a
    list or with commas between them. ValueError: it is none, or a token would cross the network in the
    clear."""
    targets = []
    items = addresses.split(",") if isinstance(addresses, str) else addresses
    for item in items:
        scheme, separator, rest = item.strip().partition("://")
        if not separator:
            scheme, rest = "grpc", item.strip()
        if scheme not in ("grpc", "grpcs") or not rest:
            raise ValueError(f"{item!r} is no address: HOST:PORT, grpc://HOST:PORT, "
                             "grpcs://HOST:PORT or unix:PATH")
        is_unix = rest.startswith("unix:")
        tls = not is_unix and (scheme == "grpcs" or credentials.ca_file is not None)
        if not is_unix and not tls:
            credentials.check_clear(rest.rpartition(":")[0].strip("[]"))
        targets.append(Target(rest, tls))
    if not targets:
        raise ValueError("an empty list is no address")
    return targets


def tls_of(credentials: Credentials) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        _read(credentials.ca_file), _read(credentials.key_file), _read(credentials.cert_file))


def options_of(credentials: Credentials) -> list[tuple[str, object]]:
    options: list[tuple[str, object]] = list(CHANNEL_OPTIONS)
    if credentials.server_name is not None:
        options.append(("grpc.ssl_target_name_override", credentials.server_name))
    return options


class Backoff:
    """Full jitter: each wait is between nothing and a bound that doubles. Nobody comes back before a
    random wait, so clients of a restarted server come back spread over time."""

    FIRST, MOST = 0.2, 15.0

    def __init__(self) -> None:
        self._bound = self.FIRST

    def next(self, least: float = 0.0) -> float:
        """How long to wait now, in seconds; least: what the server has said."""
        wait = least + random.uniform(0, self._bound)
        self._bound = min(2 * self._bound, self.MOST)
        return wait

    def reset(self) -> None:
        self._bound = self.FIRST
