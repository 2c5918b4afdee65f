"""The methods of Client and AsyncClient. Made by generate_methods.py: edit _calls.py."""

from __future__ import annotations

import abc
import datetime
from collections.abc import Sequence
from typing import Callable, TypeVar

from . import errors
from ._calls import Call, Calls, Listing, Steps, Watching
from ._follow import Selector
from ._pages import AsyncPages, Pages
from ._watch import AsyncWatch, Watch
from .models import (
    Access,
    Batch,
    Breach,
    Commit,
    CommitResult,
    Config,
    Diff,
    Json,
    Position,
    Status,
    Suspect,
    WatchProgress,
    Write,
    WriteOutcome,
    WriteResult,
)

T = TypeVar("T")


class Methods(abc.ABC):
    """Whoever inherits it makes the calls."""

    _calls: Calls

    @abc.abstractmethod
    def _run(self, call: Call[T]) -> T: ...

    @abc.abstractmethod
    def _run_all(self, steps: Steps[T]) -> T: ...

    @abc.abstractmethod
    def _list(self, listing: Listing[T]) -> Pages[T]: ...

    @abc.abstractmethod
    def _watch(self, watching: Watching) -> Watch: ...

    def get(self, service_name: str, environment: str = "default", *, version: int = 0,
            resolve: bool = False, include_deleted: bool = False, apply_defaults: bool = False,
            after: Position | None = None, linearizable: bool = False) -> Config:
        """The config's head, or a version of it. resolve: merged over the one of the environment
        "default". apply_defaults: with the defaults of the schema in force where it lacks a member.
        after: at least as new as this position, such as that of a write."""
        return self._run(self._calls.get(service_name, environment, version=version,
                                         resolve=resolve, include_deleted=include_deleted,
                                         apply_defaults=apply_defaults, after=after,
                                         linearizable=linearizable))

    def get_many(self, names: Sequence[tuple[str, str]]) -> Batch:
        """The configs of these (environment, service name). More than 1,000 are got by several calls,
        each as of a revision of its own."""
        return self._run_all(self._calls.get_many(names))

    def configs(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                deleted: bool = False, data: bool = True, page_size: int = 0) -> Pages[Config]:
        """All configs that fit, as of one revision; empty texts fit everything. deleted: those that
        are deleted, instead. data: with their payloads."""
        return self._list(self._calls.configs(environment, service_name, prefix, deleted=deleted,
                                              data=data, page_size=page_size))

    def versions(self, service_name: str, environment: str = "default", *,
                 include_deleted: bool = False, data: bool = True,
                 page_size: int = 0) -> Pages[Config]:
        """The versions of a config, newest first."""
        return self._list(self._calls.versions(service_name, environment,
                                               include_deleted=include_deleted, data=data,
                                               page_size=page_size))

    def diff(self, service_name: str, environment: str = "default", *, old_version: int = 0,
             new_version: int = 0, new_environment: str = "",
             include_deleted: bool = False) -> Diff:
        """The difference between two versions (0: the last two), or between two environments."""
        return self._run(self._calls.diff(service_name, environment, old_version=old_version,
                                          new_version=new_version, new_environment=new_environment,
                                          include_deleted=include_deleted))

    def diffs(self, environment: str = "default", new_environment: str = "", *,
              old_revision: int = 0, new_revision: int = 0, service_name: str = "",
              prefix: str = "", page_size: int = 0) -> Pages[Diff]:
        """All configs that differ between two environments, or two revisions of one."""
        return self._list(self._calls.diffs(environment, new_environment, old_revision=old_revision,
                                            new_revision=new_revision, service_name=service_name,
                                            prefix=prefix, page_size=page_size))

    def commits(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                actor: str = "", author: str = "", kinds: Sequence[str] = (),
                since: datetime.datetime | None = None, until: datetime.datetime | None = None,
                start_revision: int = 0, end_revision: int = 0, pointer: str = "",
                oldest_first: bool = False, view: str = "", page_size: int = 0) -> Pages[Commit]:
        """The change log, newest first. view: "", "payloads" or "diff"."""
        return self._list(self._calls.commits(environment, service_name, prefix, actor=actor,
                                              author=author, kinds=kinds, since=since, until=until,
                                              start_revision=start_revision,
                                              end_revision=end_revision, pointer=pointer,
                                              oldest_first=oldest_first, view=view,
                                              page_size=page_size))

    def find_secrets(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                     include_superseded: bool = False, page_size: int = 0) -> Pages[Suspect]:
        """Places in configs that look like secrets. Empty texts fit everything.
        include_superseded: of all versions that are kept, not only of the heads."""
        return self._list(self._calls.find_secrets(environment, service_name, prefix,
                                                   include_superseded=include_superseded,
                                                   page_size=page_size))

    def create(self, service_name: str, data: Json, environment: str = "default", *,
               comment: str = "", author: str = "", request_id: str = "",
               validate_only: bool = False, allow_secrets: bool = False) -> WriteResult:
        """Makes a config. The options are the members of confreg.Create."""
        return self._run(self._calls.create(service_name, data, environment, comment=comment,
                                            author=author, request_id=request_id,
                                            validate_only=validate_only,
                                            allow_secrets=allow_secrets))

    def update(self, service_name: str, data: Json, environment: str = "default", *,
               comment: str = "", author: str = "", request_id: str = "",
               validate_only: bool = False, allow_secrets: bool = False, expected_version: int = 0,
               expected_revision: int = 0, expected_epoch: str = "",
               allow_missing: bool = False) -> WriteResult:
        """Replaces the value. The options are the members of confreg.Update."""
        return self._run(self._calls.update(service_name, data, environment, comment=comment,
                                            author=author, request_id=request_id,
                                            validate_only=validate_only,
                                            allow_secrets=allow_secrets,
                                            expected_version=expected_version,
                                            expected_revision=expected_revision,
                                            expected_epoch=expected_epoch,
                                            allow_missing=allow_missing))

    def patch(self, service_name: str, merge_patch: Json, environment: str = "default", *,
              comment: str = "", author: str = "", request_id: str = "",
              validate_only: bool = False, allow_secrets: bool = False, expected_version: int = 0,
              expected_revision: int = 0, expected_epoch: str = "",
              allow_missing: bool = False) -> WriteResult:
        """Changes some keys by an RFC 7396 patch. The options are the members of confreg.Update."""
        return self._run(self._calls.patch(service_name, merge_patch, environment, comment=comment,
                                           author=author, request_id=request_id,
                                           validate_only=validate_only, allow_secrets=allow_secrets,
                                           expected_version=expected_version,
                                           expected_revision=expected_revision,
                                           expected_epoch=expected_epoch,
                                           allow_missing=allow_missing))

    def delete(self, service_name: str, environment: str = "default", *, comment: str = "",
               author: str = "", request_id: str = "", validate_only: bool = False,
               expected_version: int = 0, expected_revision: int = 0, expected_epoch: str = "",
               version: int = 0, erase: bool = False, allow_missing: bool = False) -> WriteResult:
        """Deletes a config, or erases a version. The options are the members of confreg.Delete."""
        return self._run(self._calls.delete(service_name, environment, comment=comment,
                                            author=author, request_id=request_id,
                                            validate_only=validate_only,
                                            expected_version=expected_version,
                                            expected_revision=expected_revision,
                                            expected_epoch=expected_epoch, version=version,
                                            erase=erase, allow_missing=allow_missing))

    def rollback(self, service_name: str, environment: str = "default", version: int = 0, *,
                 comment: str = "", author: str = "", request_id: str = "",
                 validate_only: bool = False, allow_secrets: bool = False,
                 expected_version: int = 0, expected_revision: int = 0,
                 expected_epoch: str = "") -> WriteResult:
        """Goes back to a version; 0: undoes the last change. The options are the members of
        confreg.Rollback."""
        return self._run(self._calls.rollback(service_name, environment, version, comment=comment,
                                              author=author, request_id=request_id,
                                              validate_only=validate_only,
                                              allow_secrets=allow_secrets,
                                              expected_version=expected_version,
                                              expected_revision=expected_revision,
                                              expected_epoch=expected_epoch))

    def copy(self, service_name: str, source_environment: str, environment: str = "default",
             version: int = 0, allow_missing: bool = True, *, comment: str = "", author: str = "",
             request_id: str = "", validate_only: bool = False, allow_secrets: bool = False,
             expected_version: int = 0, expected_revision: int = 0,
             expected_epoch: str = "") -> WriteResult:
        """Copies what the service has in another environment; version 0: its head. The options are the
        members of confreg.Update."""
        return self._run(self._calls.copy(service_name, source_environment, environment, version,
                                          allow_missing, comment=comment, author=author,
                                          request_id=request_id, validate_only=validate_only,
                                          allow_secrets=allow_secrets,
                                          expected_version=expected_version,
                                          expected_revision=expected_revision,
                                          expected_epoch=expected_epoch))

    def undelete(self, service_name: str, environment: str = "default", *, comment: str = "",
                 author: str = "", request_id: str = "", validate_only: bool = False,
                 allow_secrets: bool = False, version: int = 0, expected_revision: int = 0,
                 expected_epoch: str = "") -> WriteResult:
        """Brings a deleted config back. The options are the members of confreg.Undelete."""
        return self._run(self._calls.undelete(service_name, environment, comment=comment,
                                              author=author, request_id=request_id,
                                              validate_only=validate_only,
                                              allow_secrets=allow_secrets, version=version,
                                              expected_revision=expected_revision,
                                              expected_epoch=expected_epoch))

    def write(self, write: Write) -> WriteResult:
        """Makes one write."""
        return self._run(self._calls.write(write))

    def commit(self, writes: Sequence[Write], *, comment: str = "", author: str = "",
               request_id: str = "", validate_only: bool = False,
               allow_secrets: bool = False) -> CommitResult:
        """Makes up to 128 writes in one commit, all or none."""
        return self._run(self._calls.commit(writes, comment=comment, author=author,
                                            request_id=request_id, validate_only=validate_only,
                                            allow_secrets=allow_secrets))

    def write_many(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Makes up to 128 independent writes; each has a result or an error."""
        return self._run(self._calls.write_many(writes))

    def compact(self, revision: int = 0, keep_versions: int = 1, *, comment: str = "",
                author: str = "", request_id: str = "", validate_only: bool = False) -> int:
        """Removes payloads of superseded versions for good. Returns the oldest revision that is
        left."""
        return self._run(self._calls.compact(revision, keep_versions, comment=comment,
                                             author=author, request_id=request_id,
                                             validate_only=validate_only))

    def get_schema(self, service_name: str, environment: str = "", *, version: int = 0,
                   in_force: bool = False, include_deleted: bool = False,
                   after: Position | None = None, linearizable: bool = False) -> Config:
        """A schema, which is the data of the answer, or a version of it. in_force: the one that counts
        for the config of this name."""
        return self._run(self._calls.get_schema(service_name, environment, version=version,
                                                in_force=in_force, include_deleted=include_deleted,
                                                after=after, linearizable=linearizable))

    def schemas(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                deleted: bool = False, data: bool = True, page_size: int = 0) -> Pages[Config]:
        """All schemas that fit, as configs() lists configs."""
        return self._list(self._calls.schemas(environment, service_name, prefix, deleted=deleted,
                                              data=data, page_size=page_size))

    def schema_versions(self, service_name: str, environment: str = "", *,
                        include_deleted: bool = False, data: bool = True,
                        page_size: int = 0) -> Pages[Config]:
        """The versions of a schema, newest first."""
        return self._list(self._calls.schema_versions(service_name, environment,
                                                      include_deleted=include_deleted, data=data,
                                                      page_size=page_size))

    def diff_schema(self, service_name: str, environment: str = "", *, old_version: int = 0,
                    new_version: int = 0, new_environment: str = "",
                    include_deleted: bool = False) -> Diff:
        """The difference between two versions (0: the last two), or between the schemas of two
        environments."""
        return self._run(self._calls.diff_schema(service_name, environment, old_version=old_version,
                                                 new_version=new_version,
                                                 new_environment=new_environment,
                                                 include_deleted=include_deleted))

    def set_schema(self, service_name: str, schema: Json | None, environment: str = "", *,
                   source_version: int = 0, undo: bool = False, force: bool = False,
                   expected_version: int = 0, expected_revision: int = 0, expected_epoch: str = "",
                   comment: str = "", author: str = "", request_id: str = "",
                   validate_only: bool = False) -> WriteResult:
        """Sets a schema, which every value that is written from then on must keep. With schema None:
        to what it was in source_version, or, with undo, before the last change. force: even if live
        configs break it. The answer's config has the schema as its data."""
        return self._run(self._calls.set_schema(service_name, schema, environment,
                                                source_version=source_version, undo=undo,
                                                force=force, expected_version=expected_version,
                                                expected_revision=expected_revision,
                                                expected_epoch=expected_epoch, comment=comment,
                                                author=author, request_id=request_id,
                                                validate_only=validate_only))

    def delete_schema(self, service_name: str, environment: str = "", *, force: bool = False,
                      allow_missing: bool = False, expected_version: int = 0,
                      expected_revision: int = 0, expected_epoch: str = "", comment: str = "",
                      author: str = "", request_id: str = "",
                      validate_only: bool = False) -> WriteResult:
        """Deletes a schema. force: even if live configs break what is left in force."""
        return self._run(self._calls.delete_schema(service_name, environment, force=force,
                                                   allow_missing=allow_missing,
                                                   expected_version=expected_version,
                                                   expected_revision=expected_revision,
                                                   expected_epoch=expected_epoch, comment=comment,
                                                   author=author, request_id=request_id,
                                                   validate_only=validate_only))

    def try_schema(self, service_name: str, schema: Json | None, environment: str = "", *,
                   include_superseded: bool = False, page_size: int = 0) -> Pages[Breach]:
        """What would break the schema of a service, if it were set; None: if it were deleted.
        include_superseded: of all versions that are kept, not only of the heads."""
        return self._list(self._calls.try_schema(service_name, schema, environment,
                                                 include_superseded=include_superseded,
                                                 page_size=page_size))

    def find_broken(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                    page_size: int = 0) -> Pages[Breach]:
        """What breaks the schemas in force: they were set with force, or an erase has brought an
        older version back. Empty texts fit everything."""
        return self._list(self._calls.find_broken(environment, service_name, prefix,
                                                  page_size=page_size))

    def status(self) -> Status:
        """The state of the node."""
        return self._run(self._calls.status())

    def access(self) -> Access:
        """Who the caller is and what he may, as of now."""
        return self._run(self._calls.access())

    def watch(self, *selectors: Selector, latest_only: bool = False, resolve: bool = False,
              resume_after: Position | None = None, watch_id: str = "",
              on_failure: Callable[[errors.ConfregError], None] | None = None,
              on_connected: Callable[[], None] | None = None) -> Watch:
        """Iterate over it: first the state of all that is selected (none: everything), then every
        change, each once and in order, for ever. It goes on over restarts of the server.

        latest_only   of several changes of a config that wait, only the newest
        resume_after  the position of an update that was handled: without the first state
        watch_id      a random text for watch_progress
        on_failure    called with each error that interrupts it; it tries again whatever it is
        on_connected  called when it is connected, at first and after each failure
        """
        return self._watch(self._calls.watch(*selectors, latest_only=latest_only, resolve=resolve,
                                             resume_after=resume_after, watch_id=watch_id,
                                             on_failure=on_failure, on_connected=on_connected))

    def watch_progress(self, watch_id: str) -> WatchProgress:
        """Asks the open watches with this id for a progress mark, which moves their positions on."""
        return self._run(self._calls.watch_progress(watch_id))


class AsyncMethods(abc.ABC):
    """Whoever inherits it makes the calls."""

    _calls: Calls

    @abc.abstractmethod
    async def _run(self, call: Call[T]) -> T: ...

    @abc.abstractmethod
    async def _run_all(self, steps: Steps[T]) -> T: ...

    @abc.abstractmethod
    def _list(self, listing: Listing[T]) -> AsyncPages[T]: ...

    @abc.abstractmethod
    def _watch(self, watching: Watching) -> AsyncWatch: ...

    async def get(self, service_name: str, environment: str = "default", *, version: int = 0,
                  resolve: bool = False, include_deleted: bool = False,
                  apply_defaults: bool = False, after: Position | None = None,
                  linearizable: bool = False) -> Config:
        """The config's head, or a version of it. resolve: merged over the one of the environment
        "default". apply_defaults: with the defaults of the schema in force where it lacks a member.
        after: at least as new as this position, such as that of a write."""
        return await self._run(self._calls.get(service_name, environment, version=version,
                                               resolve=resolve, include_deleted=include_deleted,
                                               apply_defaults=apply_defaults, after=after,
                                               linearizable=linearizable))

    async def get_many(self, names: Sequence[tuple[str, str]]) -> Batch:
        """The configs of these (environment, service name). More than 1,000 are got by several calls,
        each as of a revision of its own."""
        return await self._run_all(self._calls.get_many(names))

    def configs(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                deleted: bool = False, data: bool = True, page_size: int = 0) -> AsyncPages[Config]:
        """All configs that fit, as of one revision; empty texts fit everything. deleted: those that
        are deleted, instead. data: with their payloads."""
        return self._list(self._calls.configs(environment, service_name, prefix, deleted=deleted,
                                              data=data, page_size=page_size))

    def versions(self, service_name: str, environment: str = "default", *,
                 include_deleted: bool = False, data: bool = True,
                 page_size: int = 0) -> AsyncPages[Config]:
        """The versions of a config, newest first."""
        return self._list(self._calls.versions(service_name, environment,
                                               include_deleted=include_deleted, data=data,
                                               page_size=page_size))

    async def diff(self, service_name: str, environment: str = "default", *, old_version: int = 0,
                   new_version: int = 0, new_environment: str = "",
                   include_deleted: bool = False) -> Diff:
        """The difference between two versions (0: the last two), or between two environments."""
        return await self._run(self._calls.diff(service_name, environment, old_version=old_version,
                                                new_version=new_version,
                                                new_environment=new_environment,
                                                include_deleted=include_deleted))

    def diffs(self, environment: str = "default", new_environment: str = "", *,
              old_revision: int = 0, new_revision: int = 0, service_name: str = "",
              prefix: str = "", page_size: int = 0) -> AsyncPages[Diff]:
        """All configs that differ between two environments, or two revisions of one."""
        return self._list(self._calls.diffs(environment, new_environment, old_revision=old_revision,
                                            new_revision=new_revision, service_name=service_name,
                                            prefix=prefix, page_size=page_size))

    def commits(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                actor: str = "", author: str = "", kinds: Sequence[str] = (),
                since: datetime.datetime | None = None, until: datetime.datetime | None = None,
                start_revision: int = 0, end_revision: int = 0, pointer: str = "",
                oldest_first: bool = False, view: str = "",
                page_size: int = 0) -> AsyncPages[Commit]:
        """The change log, newest first. view: "", "payloads" or "diff"."""
        return self._list(self._calls.commits(environment, service_name, prefix, actor=actor,
                                              author=author, kinds=kinds, since=since, until=until,
                                              start_revision=start_revision,
                                              end_revision=end_revision, pointer=pointer,
                                              oldest_first=oldest_first, view=view,
                                              page_size=page_size))

    def find_secrets(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                     include_superseded: bool = False, page_size: int = 0) -> AsyncPages[Suspect]:
        """Places in configs that look like secrets. Empty texts fit everything.
        include_superseded: of all versions that are kept, not only of the heads."""
        return self._list(self._calls.find_secrets(environment, service_name, prefix,
                                                   include_superseded=include_superseded,
                                                   page_size=page_size))

    async def create(self, service_name: str, data: Json, environment: str = "default", *,
                     comment: str = "", author: str = "", request_id: str = "",
                     validate_only: bool = False, allow_secrets: bool = False) -> WriteResult:
        """Makes a config. The options are the members of confreg.Create."""
        return await self._run(self._calls.create(service_name, data, environment, comment=comment,
                                                  author=author, request_id=request_id,
                                                  validate_only=validate_only,
                                                  allow_secrets=allow_secrets))

    async def update(self, service_name: str, data: Json, environment: str = "default", *,
                     comment: str = "", author: str = "", request_id: str = "",
                     validate_only: bool = False, allow_secrets: bool = False,
                     expected_version: int = 0, expected_revision: int = 0,
                     expected_epoch: str = "", allow_missing: bool = False) -> WriteResult:
        """Replaces the value. The options are the members of confreg.Update."""
        return await self._run(self._calls.update(service_name, data, environment, comment=comment,
                                                  author=author, request_id=request_id,
                                                  validate_only=validate_only,
                                                  allow_secrets=allow_secrets,
                                                  expected_version=expected_version,
                                                  expected_revision=expected_revision,
                                                  expected_epoch=expected_epoch,
                                                  allow_missing=allow_missing))

    async def patch(self, service_name: str, merge_patch: Json, environment: str = "default", *,
                    comment: str = "", author: str = "", request_id: str = "",
                    validate_only: bool = False, allow_secrets: bool = False,
                    expected_version: int = 0, expected_revision: int = 0, expected_epoch: str = "",
                    allow_missing: bool = False) -> WriteResult:
        """Changes some keys by an RFC 7396 patch. The options are the members of confreg.Update."""
        return await self._run(self._calls.patch(service_name, merge_patch, environment,
                                                 comment=comment, author=author,
                                                 request_id=request_id, validate_only=validate_only,
                                                 allow_secrets=allow_secrets,
                                                 expected_version=expected_version,
                                                 expected_revision=expected_revision,
                                                 expected_epoch=expected_epoch,
                                                 allow_missing=allow_missing))

    async def delete(self, service_name: str, environment: str = "default", *, comment: str = "",
                     author: str = "", request_id: str = "", validate_only: bool = False,
                     expected_version: int = 0, expected_revision: int = 0,
                     expected_epoch: str = "", version: int = 0, erase: bool = False,
                     allow_missing: bool = False) -> WriteResult:
        """Deletes a config, or erases a version. The options are the members of confreg.Delete."""
        return await self._run(self._calls.delete(service_name, environment, comment=comment,
                                                  author=author, request_id=request_id,
                                                  validate_only=validate_only,
                                                  expected_version=expected_version,
                                                  expected_revision=expected_revision,
                                                  expected_epoch=expected_epoch, version=version,
                                                  erase=erase, allow_missing=allow_missing))

    async def rollback(self, service_name: str, environment: str = "default", version: int = 0, *,
                       comment: str = "", author: str = "", request_id: str = "",
                       validate_only: bool = False, allow_secrets: bool = False,
                       expected_version: int = 0, expected_revision: int = 0,
                       expected_epoch: str = "") -> WriteResult:
        """Goes back to a version; 0: undoes the last change. The options are the members of
        confreg.Rollback."""
        return await self._run(self._calls.rollback(service_name, environment, version,
                                                    comment=comment, author=author,
                                                    request_id=request_id,
                                                    validate_only=validate_only,
                                                    allow_secrets=allow_secrets,
                                                    expected_version=expected_version,
                                                    expected_revision=expected_revision,
                                                    expected_epoch=expected_epoch))

    async def copy(self, service_name: str, source_environment: str, environment: str = "default",
                   version: int = 0, allow_missing: bool = True, *, comment: str = "",
                   author: str = "", request_id: str = "", validate_only: bool = False,
                   allow_secrets: bool = False, expected_version: int = 0,
                   expected_revision: int = 0, expected_epoch: str = "") -> WriteResult:
        """Copies what the service has in another environment; version 0: its head. The options are the
        members of confreg.Update."""
        return await self._run(self._calls.copy(service_name, source_environment, environment,
                                                version, allow_missing, comment=comment,
                                                author=author, request_id=request_id,
                                                validate_only=validate_only,
                                                allow_secrets=allow_secrets,
                                                expected_version=expected_version,
                                                expected_revision=expected_revision,
                                                expected_epoch=expected_epoch))

    async def undelete(self, service_name: str, environment: str = "default", *, comment: str = "",
                       author: str = "", request_id: str = "", validate_only: bool = False,
                       allow_secrets: bool = False, version: int = 0, expected_revision: int = 0,
                       expected_epoch: str = "") -> WriteResult:
        """Brings a deleted config back. The options are the members of confreg.Undelete."""
        return await self._run(self._calls.undelete(service_name, environment, comment=comment,
                                                    author=author, request_id=request_id,
                                                    validate_only=validate_only,
                                                    allow_secrets=allow_secrets, version=version,
                                                    expected_revision=expected_revision,
                                                    expected_epoch=expected_epoch))

    async def write(self, write: Write) -> WriteResult:
        """Makes one write."""
        return await self._run(self._calls.write(write))

    async def commit(self, writes: Sequence[Write], *, comment: str = "", author: str = "",
                     request_id: str = "", validate_only: bool = False,
                     allow_secrets: bool = False) -> CommitResult:
        """Makes up to 128 writes in one commit, all or none."""
        return await self._run(self._calls.commit(writes, comment=comment, author=author,
                                                  request_id=request_id,
                                                  validate_only=validate_only,
                                                  allow_secrets=allow_secrets))

    async def write_many(self, writes: Sequence[Write]) -> list[WriteOutcome]:
        """Makes up to 128 independent writes; each has a result or an error."""
        return await self._run(self._calls.write_many(writes))

    async def compact(self, revision: int = 0, keep_versions: int = 1, *, comment: str = "",
                      author: str = "", request_id: str = "", validate_only: bool = False) -> int:
        """Removes payloads of superseded versions for good. Returns the oldest revision that is
        left."""
        return await self._run(self._calls.compact(revision, keep_versions, comment=comment,
                                                   author=author, request_id=request_id,
                                                   validate_only=validate_only))

    async def get_schema(self, service_name: str, environment: str = "", *, version: int = 0,
                         in_force: bool = False, include_deleted: bool = False,
                         after: Position | None = None, linearizable: bool = False) -> Config:
        """A schema, which is the data of the answer, or a version of it. in_force: the one that counts
        for the config of this name."""
        return await self._run(self._calls.get_schema(service_name, environment, version=version,
                                                      in_force=in_force,
                                                      include_deleted=include_deleted, after=after,
                                                      linearizable=linearizable))

    def schemas(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                deleted: bool = False, data: bool = True, page_size: int = 0) -> AsyncPages[Config]:
        """All schemas that fit, as configs() lists configs."""
        return self._list(self._calls.schemas(environment, service_name, prefix, deleted=deleted,
                                              data=data, page_size=page_size))

    def schema_versions(self, service_name: str, environment: str = "", *,
                        include_deleted: bool = False, data: bool = True,
                        page_size: int = 0) -> AsyncPages[Config]:
        """The versions of a schema, newest first."""
        return self._list(self._calls.schema_versions(service_name, environment,
                                                      include_deleted=include_deleted, data=data,
                                                      page_size=page_size))

    async def diff_schema(self, service_name: str, environment: str = "", *, old_version: int = 0,
                          new_version: int = 0, new_environment: str = "",
                          include_deleted: bool = False) -> Diff:
        """The difference between two versions (0: the last two), or between the schemas of two
        environments."""
        return await self._run(self._calls.diff_schema(service_name, environment,
                                                       old_version=old_version,
                                                       new_version=new_version,
                                                       new_environment=new_environment,
                                                       include_deleted=include_deleted))

    async def set_schema(self, service_name: str, schema: Json | None, environment: str = "", *,
                         source_version: int = 0, undo: bool = False, force: bool = False,
                         expected_version: int = 0, expected_revision: int = 0,
                         expected_epoch: str = "", comment: str = "", author: str = "",
                         request_id: str = "", validate_only: bool = False) -> WriteResult:
        """Sets a schema, which every value that is written from then on must keep. With schema None:
        to what it was in source_version, or, with undo, before the last change. force: even if live
        configs break it. The answer's config has the schema as its data."""
        return await self._run(self._calls.set_schema(service_name, schema, environment,
                                                      source_version=source_version, undo=undo,
                                                      force=force,
                                                      expected_version=expected_version,
                                                      expected_revision=expected_revision,
                                                      expected_epoch=expected_epoch,
                                                      comment=comment, author=author,
                                                      request_id=request_id,
                                                      validate_only=validate_only))

    async def delete_schema(self, service_name: str, environment: str = "", *, force: bool = False,
                            allow_missing: bool = False, expected_version: int = 0,
                            expected_revision: int = 0, expected_epoch: str = "", comment: str = "",
                            author: str = "", request_id: str = "",
                            validate_only: bool = False) -> WriteResult:
        """Deletes a schema. force: even if live configs break what is left in force."""
        return await self._run(self._calls.delete_schema(service_name, environment, force=force,
                                                         allow_missing=allow_missing,
                                                         expected_version=expected_version,
                                                         expected_revision=expected_revision,
                                                         expected_epoch=expected_epoch,
                                                         comment=comment, author=author,
                                                         request_id=request_id,
                                                         validate_only=validate_only))

    def try_schema(self, service_name: str, schema: Json | None, environment: str = "", *,
                   include_superseded: bool = False, page_size: int = 0) -> AsyncPages[Breach]:
        """What would break the schema of a service, if it were set; None: if it were deleted.
        include_superseded: of all versions that are kept, not only of the heads."""
        return self._list(self._calls.try_schema(service_name, schema, environment,
                                                 include_superseded=include_superseded,
                                                 page_size=page_size))

    def find_broken(self, environment: str = "", service_name: str = "", prefix: str = "", *,
                    page_size: int = 0) -> AsyncPages[Breach]:
        """What breaks the schemas in force: they were set with force, or an erase has brought an
        older version back. Empty texts fit everything."""
        return self._list(self._calls.find_broken(environment, service_name, prefix,
                                                  page_size=page_size))

    async def status(self) -> Status:
        """The state of the node."""
        return await self._run(self._calls.status())

    async def access(self) -> Access:
        """Who the caller is and what he may, as of now."""
        return await self._run(self._calls.access())

    def watch(self, *selectors: Selector, latest_only: bool = False, resolve: bool = False,
              resume_after: Position | None = None, watch_id: str = "",
              on_failure: Callable[[errors.ConfregError], None] | None = None,
              on_connected: Callable[[], None] | None = None) -> AsyncWatch:
        """Iterate over it: first the state of all that is selected (none: everything), then every
        change, each once and in order, for ever. It goes on over restarts of the server.

        latest_only   of several changes of a config that wait, only the newest
        resume_after  the position of an update that was handled: without the first state
        watch_id      a random text for watch_progress
        on_failure    called with each error that interrupts it; it tries again whatever it is
        on_connected  called when it is connected, at first and after each failure
        """
        return self._watch(self._calls.watch(*selectors, latest_only=latest_only, resolve=resolve,
                                             resume_after=resume_after, watch_id=watch_id,
                                             on_failure=on_failure, on_connected=on_connected))

    async def watch_progress(self, watch_id: str) -> WatchProgress:
        """Asks the open watches with this id for a progress mark, which moves their positions on."""
        return await self._run(self._calls.watch_progress(watch_id))
