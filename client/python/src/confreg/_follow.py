"""The state machine of a watch: responses go in, whole updates come out. It does no I/O, and the sync
and the asyncio clients share it.

It resumes after the last response that it handled. Where the server can no longer resume there (a
compaction, another epoch, a response that is missing), it starts with a snapshot again and compares:
the changes in between are then told as synthetic ones, deletes included."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from . import _api, errors
from ._connection import Backoff
from ._silence import PROGRESS_SECONDS
from .models import Change, Config, Position

WATCH = _api.Method("Watch")
MAX_WATCH_BYTES = 256 << 20
ITEM_BYTES = 1 << 10  # what a config takes beyond its message, roughly

STARTED, SNAPSHOT, SNAPSHOT_END, EVENTS = 1, 2, 3, 4  # WatchResponseKind

@dataclasses.dataclass(frozen=True)
class Selector:
    """Configs whose names fit all members that are not empty."""

    environment: str = ""
    service_name: str = ""
    prefix: str = ""


@dataclasses.dataclass(frozen=True)
class Update:
    """What a watch delivers: the changes of whole commits, or the first state of all that is watched
    (first is True; config of each change is then what is there, and kind says how it was made).

    synthetic: the changes were found by comparing with a new snapshot, as the steps between are gone.
    filtered: the caller may not read all that is selected; the others are left out.
    """

    changes: tuple[Change, ...]
    position: Position
    first: bool = False
    synthetic: bool = False
    filtered: bool = False


class MessageMissedError(errors.ConfregError):
    """A response of the stream is missing."""


# After these the position is of no use.
_LOST = (errors.OutOfRangeError, errors.FailedPreconditionError, MessageMissedError)


def _loses_position(error: errors.ConfregError) -> bool:
    """The server will never take the position: it is of another log or of other rights, is compacted,
    or has the form of a newer server's."""
    return isinstance(error, _LOST) or (
        error.code == "INVALID_ARGUMENT" and error.field.startswith("resume_after"))


class DamagedError(errors.ConfregError):
    """A response is no message, or has data that are no JSON."""


def decode(data: bytes) -> Any:
    """A response of a watch. DamagedError: it is none."""
    try:
        return WATCH.decode(data)
    except DecodeError as error:
        raise DamagedError(f"a response cannot be read: {error}", "INTERNAL") from None


class Follower:
    """max_bytes: what an unfinished snapshot or commit may hold, its messages and ITEM_BYTES for each
    config; a server that sends endless ones must not take all memory."""

    def __init__(self, selectors: Sequence[Selector], decimals: bool, latest_only: bool,
                 resolve: bool, resume_after: Position | None, watch_id: str = "",
                 max_bytes: int = MAX_WATCH_BYTES) -> None:
        self._selectors = list(selectors)
        self._decimals = decimals
        self._latest_only = latest_only
        self._resolve = resolve
        self._watch_id = watch_id
        self._max_bytes = max_bytes
        self._unfinished_bytes = 0  # of _snapshot and _changes
        self._position: Any = None  # of the last response handled; None: begin with a snapshot
        if resume_after is not None:
            self._position = _api.new("Position", token=resume_after.token)
        self._configs: dict[tuple[str, str], Config] | None = None  # None: not known
        self._epoch = ""  # of _configs
        self._is_loading = False  # the snapshot that the stream begins with is not complete
        self._snapshot: dict[tuple[str, str], Config] = {}
        self._changes: list[Change] = []  # of a commit that is not complete
        self._delivered = 0  # revision of the newest event or snapshot on this stream
        # Of the copy, and of the snapshot that replaces it; None: not known yet.
        self._filtered: bool | None = None
        self._at_once = False  # the stream was opened without a wait, as a position was lost

    def request(self) -> Any:
        """The request of the next stream."""
        self._snapshot, self._changes, self._delivered = {}, [], 0
        self._unfinished_bytes = 0
        self._is_loading = self._position is None
        if self._is_loading:
            self._filtered = None
        request = _api.new(
            "WatchRequest", conflate=self._latest_only, resolve=self._resolve, include_large=True,
            watch_id=self._watch_id, include_snapshot=self._is_loading,
            resume_after=self._position,
            selectors=[_api.new("Selector", environment=s.environment,
                                service_name=s.service_name, service_name_prefix=s.prefix)
                       for s in self._selectors])
        request.progress_interval.FromSeconds(PROGRESS_SECONDS)
        return request

    def lost(self, error: errors.ConfregError) -> bool:
        """The stream has ended with this. Whether the next one is opened at once: the position is of
        no use any more, so that one begins with a snapshot. If a stream that was opened so loses its
        position, too, there is a wait, so that a server that takes away every position is not
        overrun."""
        is_lost = _loses_position(error) and self._position is not None
        if is_lost:
            self._position = None
        self._at_once = is_lost and not self._at_once
        return self._at_once

    @staticmethod
    def has_succeeded(response: Any) -> bool:
        """Whether the stream has got somewhere: one that was only established has not."""
        return bool(response.kind != STARTED)

    def feed(self, response: Any) -> Update | None:
        """Takes the next response. MessageMissedError: one before it is missing; DamagedError: it is
        not what a server sends; FailedPreconditionError: the rights have changed;
        ResourceExhaustedError: what is unfinished is too large. End the stream then."""
        try:
            return self._take(response)
        except ValueError as error:
            raise DamagedError(f"a config cannot be read: {error}", "DATA_LOSS",
                               "PAYLOAD_MALFORMED") from None

    def _take(self, response: Any) -> Update | None:
        self._check_order(response)
        self._check_rights(response)
        self._check_place(response)
        self._check_size(response)
        update = None
        if response.kind == SNAPSHOT:
            for message in response.configs:
                config = Config.of(message, self._decimals)
                self._snapshot[config.environment, config.service_name] = config
        elif response.kind == SNAPSHOT_END:
            update = self._take_snapshot(Position.of(response.header))
            self._is_loading, self._unfinished_bytes = False, 0
        elif response.kind == EVENTS:
            self._changes += [Change.of(event, self._decimals) for event in response.events]
            if not response.more:
                update = self._take_changes(Position.of(response.header))
                self._unfinished_bytes = 0
        if response.header.revision > 0 and not response.more and not self._is_loading:
            self._position = response.header
        return update

    def _check_order(self, response: Any) -> None:
        before = response.previous_revision
        if before != self._delivered:
            raise MessageMissedError(f"the response after revision {self._delivered} is missing",
                                     "DATA_LOSS", "MESSAGE_MISSED")
        if response.kind == SNAPSHOT_END:
            self._delivered = response.header.revision
        elif response.kind == EVENTS and response.events:
            self._delivered = response.events[-1].revision

    def _check_rights(self, response: Any) -> None:
        if self._filtered is None:
            self._filtered = response.filtered
        elif response.filtered != self._filtered:
            raise errors.FailedPreconditionError("the rights have changed: a new snapshot is needed",
                                                 "FAILED_PRECONDITION", "RIGHTS_CHANGED")

    def _check_place(self, response: Any) -> None:
        """Parts of a snapshot come at the beginning of a stream that asked for one, commits after it."""
        if ((response.kind in (SNAPSHOT, SNAPSHOT_END) and not self._is_loading)
                or (response.kind == EVENTS and self._is_loading)):
            raise DamagedError("the response does not belong here", "DATA_LOSS",
                               "RESPONSE_UNEXPECTED")

    def _check_size(self, response: Any) -> None:
        if response.kind in (SNAPSHOT, EVENTS):
            items = len(response.configs) + len(response.events)
            self._unfinished_bytes += response.ByteSize() + items * ITEM_BYTES
            if self._unfinished_bytes > self._max_bytes:
                raise errors.ResourceExhaustedError(
                    f"the server has sent more than {self._max_bytes} bytes of a snapshot or a commit "
                    "that is not complete: see max_watch_bytes", "RESOURCE_EXHAUSTED",
                    "WATCH_TOO_LARGE", retry_after=Backoff.MOST)

    def _take_changes(self, position: Position) -> Update | None:
        changes, self._changes = tuple(self._changes), []
        if self._configs is not None:
            for change in changes:
                name = change.environment, change.service_name
                if change.config is not None:
                    self._configs[name] = change.config
                elif change.head_version == 0:
                    self._configs.pop(name, None)
        return Update(changes, position, filtered=bool(self._filtered)) if changes else None

    def _take_snapshot(self, position: Position) -> Update | None:
        before, self._configs, self._snapshot = self._configs, self._snapshot, {}
        differs = _differs if self._epoch == position.epoch else _differs_in_value
        self._epoch = position.epoch
        if before is None:
            found = sorted(self._configs.values(), key=lambda c: (c.environment, c.service_name))
            self._configs = dict(self._configs)
            return Update(tuple(_synthetic(config, None, position) for config in found), position,
                          first=True, filtered=bool(self._filtered))
        changes = [_synthetic(config, before.get(name), position)
                   for name, config in self._configs.items() if differs(before.get(name), config)]
        changes += [_gone(config, position)
                    for name, config in before.items() if name not in self._configs]
        return Update(tuple(changes), position, synthetic=True,
                      filtered=bool(self._filtered)) if changes else None


def _differs(before: Config | None, now: Config) -> bool:
    return before is None or dataclasses.replace(before, data=None) != dataclasses.replace(
        now, data=None) or before.data != now.data


def _differs_in_value(before: Config | None, now: Config) -> bool:
    """Of two logs, whose revisions and versions have nothing to do with each other."""
    return before is None or before.payload != now.payload or before.data != now.data


def _synthetic(config: Config, before: Config | None, position: Position) -> Change:
    return Change(config.environment, config.service_name, config.kind, config.version, config,
                  before, config.version, position.revision, None, config.created_by,
                  config.comment)


def _gone(config: Config, position: Position) -> Change:
    return Change(config.environment, config.service_name, "delete", 0, None, config, 0,
                  position.revision, None, "", "")
