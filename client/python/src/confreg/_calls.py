"""The methods of a client, once: what is sent, and how the response is read. Client and AsyncClient,
which differ only in how they send it, have the same methods with the same signatures and docstrings:
generate_methods.py makes them of class Calls, in _methods.py."""

from __future__ import annotations

import dataclasses
import datetime
from collections import deque
from collections.abc import Generator, Sequence
from typing import Annotated, Any, Callable, Generic, TypeVar

from . import _api, _json, errors
from ._follow import MAX_WATCH_BYTES, Follower, Selector
from .models import (
    WRITE_NAMES,
    Access,
    Batch,
    Breach,
    Commit,
    CommitResult,
    Config,
    Create,
    Delete,
    Diff,
    Json,
    Position,
    Rollback,
    Status,
    Suspect,
    Undelete,
    Update,
    WatchProgress,
    Write,
    WriteOutcome,
    WriteResult,
    new_request_id,
)

T = TypeVar("T")

MOST_NAMES = 1000  # of a BatchGetConfigsRequest

_METHODS = {name: _api.Method(name) for name in _api.method_names()}


@dataclasses.dataclass(frozen=True)
class Call(Generic[T]):
    method: _api.Method
    request: Any
    parse: Callable[[Any], T]


Steps = Generator[Call[Any], Any, T]  # several calls; it is sent the outcome of each


@dataclasses.dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list. A page can be empty and have a token: the server bounds the work of one
    call."""

    position: Position
    items: list[T]
    next_token: str  # "": this is the last page
    filtered: bool
    checked_count: int


@dataclasses.dataclass(frozen=True)
class Listing(Generic[T]):
    """The request of the first page of a list, and how a page is read."""

    method: _api.Method
    request: Any
    items: Callable[[Any], list[T]]

    def page(self, token: str) -> Call[Page[T]]:
        request = type(self.request)()
        request.CopyFrom(self.request)
        request.page_token = token
        return Call(self.method, request, lambda response: Page(
            Position.of(response.header), self.items(response), response.next_page_token,
            getattr(response, "filtered", False), getattr(response, "checked_count", 0)))


class Listed(Generic[T]):
    """What is known of a list after the pages that have come so far.

    position       that the list is as of; None: no page has come yet
    filtered       the caller may not read all that is asked for: the others are left out
    checked_count  of try_schema: how many values were checked
    """

    def __init__(self, listing: Listing[T]) -> None:
        self.position: Position | None = None
        self.filtered = False
        self.checked_count = 0
        self._listing = listing
        self._token: str | None = ""  # of the next page; None: there is none
        self._items: deque[T] = deque()

    def _next_page(self) -> Call[Page[T]] | None:
        return None if self._token is None else self._listing.page(self._token)

    def _take(self, page: Page[T]) -> None:
        self.position = self.position or page.position
        self.filtered = self.filtered or page.filtered
        self.checked_count += page.checked_count
        self._token = page.next_token or None
        self._items.extend(page.items)


@dataclasses.dataclass(frozen=True)
class Watching:
    """A watch that is to be opened."""

    follower: Follower
    on_failure: Callable[[errors.ConfregError], None] | None
    on_connected: Callable[[], None] | None


class Calls:
    """decimals: see _json.loads. author: the created_by of writes that name none. max_watch_bytes: see
    Follower."""

    def __init__(self, decimals: bool = False, author: str = "",
                 max_watch_bytes: int = MAX_WATCH_BYTES) -> None:
        self._decimals = decimals
        self._author = author
        self._max_watch_bytes = max_watch_bytes

    def _config(self, message: Any) -> Config:
        return Config.of(message, self._decimals)

    def _configs(self, messages: Any) -> list[Config]:
        return [self._config(message) for message in messages]

    def _result(self, response: Any) -> WriteResult:
        return WriteResult.of(response, self._decimals)

    # ---- Configs ----

    def get(self, service_name: str, environment: str = "default", *, version: int = 0,
            resolve: bool = False, include_deleted: bool = False, apply_defaults: bool = False,
            after: Position | None = None, linearizable: bool = False) -> Call[Config]:
        """The config's head, or a version of it. resolve: merged over the one of the environment
        "default". apply_defaults: with the defaults of the schema in force where it lacks a member.
        after: at least as new as this position, such as that of a write."""
        return Call(
            _METHODS["GetConfig"],
            _api.new("GetConfigRequest", service_name=service_name, environment=environment,
                     version=version, resolve=resolve, include_deleted=include_deleted,
                     apply_defaults=apply_defaults, read=_read_options(after, linearizable)),
            lambda response: Config.of_get(response, self._decimals))

    def get_many(self, names: Sequence[tuple[str, str]]) -> Steps[Batch]:
        """The configs of these (environment, service name). More than 1,000 are got by several calls,
        each as of a revision of its own."""
        configs: list[Config] = []
        missing: list[tuple[str, str]] = []
        denied: list[tuple[str, str]] = []
        left = list(names)
        while left:
            request = _api.new("BatchGetConfigsRequest", names=[
                _api.new("ConfigName", environment=environment, service_name=service)
                for environment, service in left[:MOST_NAMES]])
            response = yield Call(_METHODS["BatchGetConfigs"], request, lambda response: response)
            configs += self._configs(response.configs)
            missing += _names(response.missing)
            denied += _names(response.denied)
            left = _names(response.unprocessed) + left[MOST_NAMES:]
        return Batch(tuple(configs), tuple(missing), tuple(denied))

    def configs(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                deleted: bool = False, data: bool = True, page_size: int = 0) -> Listing[Config]:
        """All configs that fit, as of one revision; empty texts fit everything. deleted: those that
        are deleted, instead. data: with their payloads."""
        return Listing(
            _METHODS["ListConfigs"],
            _api.new("ListConfigsRequest", environment=environment, service_name=service_name,
                     service_name_prefix=prefix, only_deleted=deleted, view=0 if data else 1,
                     page_size=page_size),
            lambda response: self._configs(response.configs))

    def versions(self, service_name: str, environment: str = "default", *,
                 include_deleted: bool = False, data: bool = True,
                 page_size: int = 0) -> Listing[Config]:
        """The versions of a config, newest first."""
        return Listing(
            _METHODS["ListVersions"],
            _api.new("ListVersionsRequest", service_name=service_name, environment=environment,
                     include_deleted=include_deleted, view=0 if data else 1, page_size=page_size),
            lambda response: [Config.of(version, self._decimals, environment, service_name)
                              for version in response.versions])

    def diff(self, service_name: str, environment: str = "default", *, old_version: int = 0,
             new_version: int = 0, new_environment: str = "",
             include_deleted: bool = False) -> Call[Diff]:
        """The difference between two versions (0: the last two), or between two environments."""
        return Call(
            _METHODS["DiffVersions"],
            _api.new("DiffVersionsRequest", service_name=service_name, environment=environment,
                     old_version=old_version, new_version=new_version,
                     new_environment=new_environment, include_deleted=include_deleted),
            lambda response: Diff.of(response.diff, self._decimals))

    def diffs(self, environment: str = "default", new_environment: str = "", *,
              old_revision: int = 0, new_revision: int = 0, service_name: str = "",
              prefix: str = "", page_size: int = 0) -> Listing[Diff]:
        """All configs that differ between two environments, or two revisions of one."""
        return Listing(
            _METHODS["DiffConfigs"],
            _api.new("DiffConfigsRequest", environment=environment,
                     new_environment=new_environment, old_revision=old_revision,
                     new_revision=new_revision, service_name=service_name,
                     service_name_prefix=prefix, page_size=page_size),
            lambda response: [Diff.of(diff, self._decimals) for diff in response.diffs])

    def commits(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                actor: str = "", author: str = "", kinds: Sequence[str] = (),
                since: datetime.datetime | None = None,
                until: datetime.datetime | None = None, start_revision: int = 0,
                end_revision: int = 0, pointer: str = "", oldest_first: bool = False,
                view: str = "", page_size: int = 0) -> Listing[Commit]:
        """The change log, newest first. view: "", "payloads" or "diff"."""
        request = _api.new(
            "ListCommitsRequest", environment=environment, service_name=service_name,
            service_name_prefix=prefix, actor=actor, created_by=author,
            kinds=[_api.enum_number("ChangeKind", kind, "CHANGE_KIND_") for kind in kinds],
            start_revision=start_revision, end_revision=end_revision, json_pointer=pointer,
            oldest_first=oldest_first, page_size=page_size,
            view=_api.enum_number("CommitView", view or "unspecified", "COMMIT_VIEW_"))
        if since is not None:
            request.start_time.FromDatetime(since)
        if until is not None:
            request.end_time.FromDatetime(until)
        return Listing(_METHODS["ListCommits"], request, lambda response: [
            Commit.of(commit, self._decimals) for commit in response.commits])

    def find_secrets(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                     include_superseded: bool = False, page_size: int = 0) -> Listing[Suspect]:
        """Places in configs that look like secrets. Empty texts fit everything.
        include_superseded: of all versions that are kept, not only of the heads."""
        return Listing(
            _METHODS["FindSecrets"],
            _api.new("FindSecretsRequest", environment=environment, service_name=service_name,
                     service_name_prefix=prefix, include_superseded=include_superseded,
                     page_size=page_size),
            lambda response: [Suspect.of(suspect) for suspect in response.suspects])

    # ---- Writes ----

    def create(self, service_name: str, data: Json, environment: str = "default",
               **options: Annotated[Any, Create]) -> Call[WriteResult]:
        """Makes a config. The options are the members of confreg.Create."""
        return self.write(Create(service_name, environment, data=data, **options))

    def update(self, service_name: str, data: Json, environment: str = "default",
               **options: Annotated[Any, Update]) -> Call[WriteResult]:
        """Replaces the value. The options are the members of confreg.Update."""
        return self.write(Update(service_name, environment, data=data, **options))

    def patch(self, service_name: str, merge_patch: Json, environment: str = "default",
              **options: Annotated[Any, Update]) -> Call[WriteResult]:
        """Changes some keys by an RFC 7396 patch. The options are the members of confreg.Update."""
        return self.write(Update(service_name, environment, merge_patch=merge_patch, **options))

    def delete(self, service_name: str, environment: str = "default",
               **options: Annotated[Any, Delete]) -> Call[WriteResult]:
        """Deletes a config, or erases a version. The options are the members of confreg.Delete."""
        return self.write(Delete(service_name, environment, **options))

    def rollback(self, service_name: str, environment: str = "default", version: int = 0,
                 **options: Annotated[Any, Rollback]) -> Call[WriteResult]:
        """Goes back to a version; 0: undoes the last change. The options are the members of
        confreg.Rollback."""
        return self.write(Rollback(service_name, environment, version=version, **options))

    def copy(self, service_name: str, source_environment: str, environment: str = "default",
             version: int = 0, allow_missing: bool = True,
             **options: Annotated[Any, Update]) -> Call[WriteResult]:
        """Copies what the service has in another environment; version 0: its head. The options are the
        members of confreg.Update."""
        return self.write(Update(service_name, environment, source_environment=source_environment,
                                 source_version=version, allow_missing=allow_missing, **options))

    def undelete(self, service_name: str, environment: str = "default",
                 **options: Annotated[Any, Undelete]) -> Call[WriteResult]:
        """Brings a deleted config back. The options are the members of confreg.Undelete."""
        return self.write(Undelete(service_name, environment, **options))

    def write(self, write: Write) -> Call[WriteResult]:
        """Makes one write."""
        message = write.message()
        message.created_by = message.created_by or self._author
        return Call(_METHODS[f"{type(write).__name__}Config"], message, self._result)

    def commit(self, writes: Sequence[Write], *, comment: str = "", author: str = "",
               request_id: str = "", validate_only: bool = False,
               allow_secrets: bool = False) -> Call[CommitResult]:
        """Makes up to 128 writes in one commit, all or none."""
        request = _api.new(
            "CommitChangesRequest", changes=[_part(write) for write in writes],
            comment=comment, created_by=author or self._author,
            request_id=request_id or new_request_id(), validate_only=validate_only,
            allow_secrets=allow_secrets)
        return Call(_METHODS["CommitChanges"], request,
                    lambda response: CommitResult.of(response, self._decimals))

    def write_many(self, writes: Sequence[Write]) -> Call[list[WriteOutcome]]:
        """Makes up to 128 independent writes; each has a result or an error."""
        def outcome(message: Any) -> WriteOutcome:
            name = message.WhichOneof("outcome")
            value = getattr(message, name)
            return errors.of_status(value) if name == "error" else self._result(value)

        parts = [_api.new("Write", **{WRITE_NAMES[type(write)]: self.write(write).request})
                 for write in writes]
        return Call(_METHODS["WriteConfigs"], _api.new("WriteConfigsRequest", writes=parts),
                    lambda response: [outcome(message) for message in response.outcomes])

    def compact(self, revision: int = 0, keep_versions: int = 1, *, comment: str = "",
                author: str = "", request_id: str = "", validate_only: bool = False) -> Call[int]:
        """Removes payloads of superseded versions for good. Returns the oldest revision that is
        left."""
        return Call(
            _METHODS["Compact"],
            _api.new("CompactRequest", revision=revision, keep_versions=keep_versions,
                     comment=comment, created_by=author or self._author,
                     request_id=request_id or new_request_id(), validate_only=validate_only),
            lambda response: int(response.oldest_revision))

    # ---- Schemas, which are JSON Schemas of a service; environment "": for all environments ----

    def get_schema(self, service_name: str, environment: str = "", *, version: int = 0,
                   in_force: bool = False, include_deleted: bool = False,
                   after: Position | None = None, linearizable: bool = False) -> Call[Config]:
        """A schema, which is the data of the answer, or a version of it. in_force: the one that counts
        for the config of this name."""
        return Call(
            _METHODS["GetSchema"],
            _api.new("GetSchemaRequest", service_name=service_name, environment=environment,
                     version=version, in_force=in_force, include_deleted=include_deleted,
                     read=_read_options(after, linearizable)),
            lambda response: self._config(response.schema))

    def schemas(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                deleted: bool = False, data: bool = True, page_size: int = 0) -> Listing[Config]:
        """All schemas that fit, as configs() lists configs."""
        return Listing(
            _METHODS["ListSchemas"],
            _api.new("ListSchemasRequest", environment=environment, service_name=service_name,
                     service_name_prefix=prefix, only_deleted=deleted, view=0 if data else 1,
                     page_size=page_size),
            lambda response: self._configs(response.schemas))

    def schema_versions(self, service_name: str, environment: str = "", *,
                        include_deleted: bool = False, data: bool = True,
                        page_size: int = 0) -> Listing[Config]:
        """The versions of a schema, newest first."""
        return Listing(
            _METHODS["ListSchemaVersions"],
            _api.new("ListSchemaVersionsRequest", service_name=service_name,
                     environment=environment, include_deleted=include_deleted,
                     view=0 if data else 1, page_size=page_size),
            lambda response: [Config.of(version, self._decimals, environment, service_name)
                              for version in response.versions])

    def diff_schema(self, service_name: str, environment: str = "", *, old_version: int = 0,
                    new_version: int = 0, new_environment: str = "",
                    include_deleted: bool = False) -> Call[Diff]:
        """The difference between two versions (0: the last two), or between the schemas of two
        environments."""
        return Call(
            _METHODS["DiffSchemas"],
            _api.new("DiffSchemasRequest", service_name=service_name, environment=environment,
                     old_version=old_version, new_version=new_version,
                     new_environment=new_environment, include_deleted=include_deleted),
            lambda response: Diff.of(response.diff, self._decimals))

    def set_schema(self, service_name: str, schema: Json | None, environment: str = "", *,
                   source_version: int = 0, undo: bool = False, force: bool = False,
                   expected_version: int = 0, expected_revision: int = 0, expected_epoch: str = "",
                   comment: str = "", author: str = "", request_id: str = "",
                   validate_only: bool = False) -> Call[WriteResult]:
        """Sets a schema, which every value that is written from then on must keep. With schema None:
        to what it was in source_version, or, with undo, before the last change. force: even if live
        configs break it. The answer's config has the schema as its data."""
        return Call(
            _METHODS["SetSchema"],
            _api.new("SetSchemaRequest", service_name=service_name, environment=environment,
                     schema=_schema(schema), source_version=source_version, undo=undo, force=force,
                     expected_version=expected_version, expected_revision=expected_revision,
                     expected_epoch=expected_epoch, comment=comment,
                     created_by=author or self._author, request_id=request_id or new_request_id(),
                     validate_only=validate_only),
            self._result)

    def delete_schema(self, service_name: str, environment: str = "", *, force: bool = False,
                      allow_missing: bool = False, expected_version: int = 0,
                      expected_revision: int = 0, expected_epoch: str = "", comment: str = "",
                      author: str = "", request_id: str = "",
                      validate_only: bool = False) -> Call[WriteResult]:
        """Deletes a schema. force: even if live configs break what is left in force."""
        return Call(
            _METHODS["DeleteSchema"],
            _api.new("DeleteSchemaRequest", service_name=service_name, environment=environment,
                     force=force, allow_missing=allow_missing, expected_version=expected_version,
                     expected_revision=expected_revision, expected_epoch=expected_epoch,
                     comment=comment, created_by=author or self._author,
                     request_id=request_id or new_request_id(), validate_only=validate_only),
            self._result)

    def try_schema(self, service_name: str, schema: Json | None, environment: str = "", *,
                   include_superseded: bool = False, page_size: int = 0) -> Listing[Breach]:
        """What would break the schema of a service, if it were set; None: if it were deleted.
        include_superseded: of all versions that are kept, not only of the heads."""
        return Listing(
            _METHODS["TrySchema"],
            _api.new("TrySchemaRequest", service_name=service_name, environment=environment,
                     schema=_schema(schema), include_superseded=include_superseded,
                     page_size=page_size),
            lambda response: [Breach.of(breach) for breach in response.breaches])

    def find_broken(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                    page_size: int = 0) -> Listing[Breach]:
        """What breaks the schemas in force: they were set with force, or an erase has brought an
        older version back. Empty texts fit everything."""
        return Listing(
            _METHODS["FindBroken"],
            _api.new("FindBrokenRequest", environment=environment, service_name=service_name,
                     service_name_prefix=prefix, page_size=page_size),
            lambda response: [Breach.of(breach) for breach in response.breaches])

    # ---- The server ----

    def status(self) -> Call[Status]:
        """The state of the node."""
        return Call(_METHODS["GetStatus"], _api.new("GetStatusRequest"), Status.of)

    def access(self) -> Call[Access]:
        """Who the caller is and what he may, as of now."""
        return Call(_METHODS["GetAccess"], _api.new("GetAccessRequest"), Access.of)

    # ---- Watches ----

    def watch(self, *selectors: Selector, latest_only: bool = False, resolve: bool = False,
              resume_after: Position | None = None, watch_id: str = "",
              on_failure: Callable[[errors.ConfregError], None] | None = None,
              on_connected: Callable[[], None] | None = None) -> Watching:
        """Iterate over it: first the state of all that is selected (none: everything), then every
        change, each once and in order, for ever. It goes on over restarts of the server.

        latest_only   of several changes of a config that wait, only the newest
        resume_after  the position of an update that was handled: without the first state
        watch_id      a random text for watch_progress
        on_failure    called with each error that interrupts it; it tries again whatever it is
        on_connected  called when it is connected, at first and after each failure
        """
        return Watching(
            Follower(selectors, self._decimals, latest_only, resolve, resume_after, watch_id,
                     self._max_watch_bytes),
            on_failure, on_connected)

    def watch_progress(self, watch_id: str) -> Call[WatchProgress]:
        """Asks the open watches with this id for a progress mark, which moves their positions on."""
        return Call(_METHODS["WatchProgress"],
                    _api.new("WatchProgressRequest", watch_id=watch_id), WatchProgress.of)


def _names(messages: Any) -> list[tuple[str, str]]:
    return [(name.environment, name.service_name) for name in messages]


def _schema(schema: Json | None) -> bytes:
    return b"" if schema is None else _json.dumps(schema)


def _read_options(after: Position | None, linearizable: bool) -> Any:
    options = _api.new("ReadOptions", consistency=1 if linearizable else 0)
    if after is not None:
        options.min_revision, options.epoch = after.revision, after.epoch
    return options


def _part(write: Write) -> Any:
    """A write as a part of a commit, which has one request_id for all."""
    message = write.message()
    message.ClearField("request_id")
    return _api.new("Write", **{WRITE_NAMES[type(write)]: message})
