"""The access file of a test, the tokens in it, and callers who show them."""

import json
import os
from pathlib import Path

import grpc

from bearer import digest, new_token  # noqa: F401


def grant(role, environments=None, services=None):
    made = {"role": role}
    if environments is not None:
        made["environments"] = environments
    if services is not None:
        made["services"] = services
    return made


class AccessFile:
    """access = AccessFile(folder); token = access.add("billing", grant("reader", ["prod"])).
    Each change is written at once, by a rename."""

    def __init__(self, folder):
        self.path = Path(folder) / "access.json"
        self.content = {"principals": []}
        self.write()

    def write(self):
        self.write_text(json.dumps(self.content))

    def write_text(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o600)
        os.replace(new, self.path)

    def principal(self, name):
        return next(p for p in self.content["principals"] if p["name"] == name)

    def add(self, name, *grants, certificates=()):
        """Adds a principal; returns a token of his."""
        self.content["principals"].append(
            {"name": name, "certificates": list(certificates), "grants": list(grants)})
        return self.add_token(name)

    def add_token(self, name, **members):
        """Another token of a principal; members: expires="2030-01-01T00:00:00Z"."""
        token = new_token()
        tokens = self.principal(name).setdefault("tokens", [])
        tokens.append({"sha256": digest(token), **members})
        self.write()
        return token

    def revoke(self, token):
        for principal in self.content["principals"]:
            principal["tokens"] = [t for t in principal.get("tokens", [])
                                   if t["sha256"] != digest(token)]
        self.write()

    def remove(self, name):
        self.content["principals"].remove(self.principal(name))
        self.write()

    def set_grants(self, name, *grants):
        self.principal(name)["grants"] = list(grants)
        self.write()

    def arguments(self):
        """Of confregd."""
        return ["--access", str(self.path)]


class _Details(grpc.ClientCallDetails):
    def __init__(self, details, metadata):
        self.method, self.timeout = details.method, details.timeout
        self.credentials, self.wait_for_ready = details.credentials, details.wait_for_ready
        self.compression = details.compression
        self.metadata = metadata


class _Headers(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor,
               grpc.StreamStreamClientInterceptor):
    def __init__(self, headers):
        self.headers = headers

    def _call(self, continuation, details, request):
        return continuation(_Details(details, [*(details.metadata or ()), *self.headers]), request)

    intercept_unary_unary = intercept_unary_stream = intercept_stream_stream = _call


def with_headers(channel, *headers):
    """The channel with these (key, value) in every call."""
    return grpc.intercept_channel(channel, _Headers(headers))


def as_caller(channel, token):
    """The channel of a caller with this token."""
    return with_headers(channel, ("authorization", f"Bearer {token}"))
