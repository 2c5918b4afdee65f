"""Every unary call of the API as data: the method, the request, and how the response is read. The
clients, sync and asyncio, differ only in how they send it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any, Callable, Generic, TypeVar

from . import _api, _json, errors
from .models import (
    WRITE_NAMES,
    Breach,
    Change,
    Commit,
    Config,
    Diff,
    Json,
    Position,
    Status,
    Write,
    WriteOutcome,
    WriteResult,
    new_request_id,
)

T = TypeVar("T")

_METHODS = {name: _api.Method(name) for name in _api.method_names()}
WATCH = _METHODS["Watch"]


@dataclasses.dataclass(frozen=True)
class Call(Generic[T]):
    method: _api.Method
    request: Any
    parse: Callable[[Any], T]


@dataclasses.dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list. All pages are as of the position of the first. A page can be empty and have
    a token: the server bounds the work of one call."""

    position: Position
    items: list[T]
    next_token: str  # "": this is the last page


class Calls:
    """Makes calls; decimals: see _json.loads."""

    def __init__(self, decimals: bool) -> None:
        self._decimals = decimals

    def _call(self, name: str, request: Any, parse: Callable[[Any], T]) -> Call[T]:
        return Call(_METHODS[name], request, parse)

    def _page(self, response: Any, items: Sequence[T]) -> Page[T]:
        return Page(Position.of(response.header), list(items), response.next_page_token)

    # ---- Reads ----

    def get(self, service_name: str, environment: str, version: int, resolve: bool,
            include_deleted: bool, apply_defaults: bool, after: Position | None,
            linearizable: bool) -> Call[Config]:
        return self._call(
            "GetConfig",
            _api.new("GetConfigRequest", service_name=service_name, environment=environment,
                     version=version, resolve=resolve, include_deleted=include_deleted,
                     apply_defaults=apply_defaults, read=_read_options(after, linearizable)),
            lambda response: Config.of_get(response, self._decimals))

    def get_many(self, names: Sequence[tuple[str, str]]) -> Call[tuple[list[Config],
                                                                     list[tuple[str, str]]]]:
        """The configs that exist, and the names that did not fit into the response."""
        return self._call(
            "BatchGetConfigs",
            _api.new("BatchGetConfigsRequest", names=[
                _api.new("ConfigName", environment=environment, service_name=service)
                for environment, service in names]),
            lambda response: ([Config.of(config, self._decimals) for config in response.configs],
                              [(name.environment, name.service_name)
                               for name in response.unprocessed]))

    def configs(self, environment: str, service_name: str, prefix: str, deleted: bool, data: bool,
                page_size: int, token: str) -> Call[Page[Config]]:
        return self._call(
            "ListConfigs",
            _api.new("ListConfigsRequest", environment=environment, service_name=service_name,
                     service_name_prefix=prefix, only_deleted=deleted, view=0 if data else 1,
                     page_size=page_size, page_token=token),
            lambda response: self._page(
                response, [Config.of(config, self._decimals) for config in response.configs]))

    def versions(self, service_name: str, environment: str, include_deleted: bool, data: bool,
                 page_size: int, token: str) -> Call[Page[Config]]:
        return self._call(
            "ListVersions",
            _api.new("ListVersionsRequest", service_name=service_name, environment=environment,
                     include_deleted=include_deleted, view=0 if data else 1, page_size=page_size,
                     page_token=token),
            lambda response: self._page(
                response, [Config.of(version, self._decimals, environment, service_name)
                           for version in response.versions]))

    def diff(self, service_name: str, environment: str, old_version: int, new_version: int,
             new_environment: str, include_deleted: bool) -> Call[Diff]:
        return self._call(
            "DiffVersions",
            _api.new("DiffVersionsRequest", service_name=service_name, environment=environment,
                     old_version=old_version, new_version=new_version,
                     new_environment=new_environment, include_deleted=include_deleted),
            lambda response: Diff.of(response.diff, self._decimals))

    def diffs(self, environment: str, new_environment: str, old_revision: int, new_revision: int,
              service_name: str, prefix: str, token: str) -> Call[Page[Diff]]:
        return self._call(
            "DiffConfigs",
            _api.new("DiffConfigsRequest", environment=environment,
                     new_environment=new_environment, old_revision=old_revision,
                     new_revision=new_revision, service_name=service_name,
                     service_name_prefix=prefix, page_token=token),
            lambda response: self._page(
                response, [Diff.of(diff, self._decimals) for diff in response.diffs]))

    def commits(self, environment: str, service_name: str, prefix: str, actor: str,
                created_by: str, kinds: Sequence[str], since: datetime.datetime | None,
                until: datetime.datetime | None, start_revision: int, end_revision: int,
                pointer: str, oldest_first: bool, view: str, token: str) -> Call[Page[Commit]]:
        request = _api.new(
            "ListCommitsRequest", environment=environment, service_name=service_name,
            service_name_prefix=prefix, actor=actor, created_by=created_by,
            kinds=[_api.enum_number("ChangeKind", kind, "CHANGE_KIND_") for kind in kinds],
            start_revision=start_revision, end_revision=end_revision, json_pointer=pointer,
            oldest_first=oldest_first, page_token=token,
            view=_api.enum_number("CommitView", view or "unspecified", "COMMIT_VIEW_"))
        if since is not None:
            request.start_time.FromDatetime(since)
        if until is not None:
            request.end_time.FromDatetime(until)
        return self._call("ListCommits", request, lambda response: self._page(
            response, [Commit.of(commit, self._decimals) for commit in response.commits]))

    def try_schema(self, service_name: str, schema: Json | None, environment: str,
                   include_superseded: bool, page_size: int, token: str) -> Call[Page[Breach]]:
        return self._call(
            "TrySchema",
            _api.new("TrySchemaRequest", service_name=service_name, environment=environment,
                     schema=b"" if schema is None else _json.dumps(schema),
                     include_superseded=include_superseded, page_size=page_size, page_token=token),
            lambda response: self._page(response, [Breach.of(breach)
                                                   for breach in response.breaches]))

    def find_broken(self, environment: str, service_name: str, prefix: str, page_size: int,
                    token: str) -> Call[Page[Breach]]:
        return self._call(
            "FindBroken",
            _api.new("FindBrokenRequest", environment=environment, service_name=service_name,
                     service_name_prefix=prefix, page_size=page_size, page_token=token),
            lambda response: self._page(response, [Breach.of(breach)
                                                   for breach in response.breaches]))

    def status(self) -> Call[Status]:
        return self._call("GetStatus", _api.new("GetStatusRequest"), Status.of)

    # ---- Writes ----

    def write(self, write: Write) -> Call[WriteResult]:
        name = type(write).__name__ + "Config"
        return self._call(name, write.message(),
                          lambda response: WriteResult.of(response, self._decimals))

    def commit(self, writes: Sequence[Write], comment: str, created_by: str, request_id: str,
               validate_only: bool) -> Call[Commit | None]:
        request = _api.new(
            "CommitChangesRequest", changes=[_part(write, alone=False) for write in writes],
            comment=comment, created_by=created_by,
            request_id=request_id or new_request_id(), validate_only=validate_only)
        return self._call("CommitChanges", request, lambda response: (
            Commit.of(response.commit, self._decimals) if response.HasField("commit") else None))

    def write_many(self, writes: Sequence[Write]) -> Call[list[WriteOutcome]]:
        def outcome(message: Any) -> WriteOutcome:
            name = message.WhichOneof("outcome")
            value = getattr(message, name)
            if name == "error":
                return errors.of_status(value)
            return WriteResult.of(value, self._decimals)

        return self._call(
            "WriteConfigs",
            _api.new("WriteConfigsRequest", writes=[_part(write, alone=True) for write in writes]),
            lambda response: [outcome(message) for message in response.outcomes])

    def compact(self, revision: int, keep_versions: int, comment: str, created_by: str,
                validate_only: bool) -> Call[int]:
        return self._call(
            "Compact",
            _api.new("CompactRequest", revision=revision, keep_versions=keep_versions,
                     comment=comment, created_by=created_by, request_id=new_request_id(),
                     validate_only=validate_only),
            lambda response: int(response.oldest_revision))


def _read_options(after: Position | None, linearizable: bool) -> Any:
    options = _api.new("ReadOptions", consistency=1 if linearizable else 0)
    if after is not None:
        options.min_revision, options.epoch = after.revision, after.epoch
    return options


def _part(write: Write, alone: bool) -> Any:
    """A write as a part of a request; only one that stands alone there has a request_id of its
    own."""
    message = write.message()
    if not alone:
        message.ClearField("request_id")
    return _api.new("Write", **{WRITE_NAMES[type(write)]: message})


__all__ = ["WATCH", "Call", "Calls", "Change", "Page"]
