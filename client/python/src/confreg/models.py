"""What the registry answers with, and the writes that it takes."""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from typing import Any, Union

from . import _api, _json, errors

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Position:
    """A place in the registry's log. `token` is the whole position as text."""

    epoch: str
    revision: int
    token: str

    @classmethod
    def of(cls, message: Any) -> Position:
        return cls(message.epoch, message.revision, message.token)


@dataclasses.dataclass(frozen=True)
class Config:
    """A config's head, or one version of it. data is None where the payload was not sent: it was
    erased or compacted, was not asked for, or the config is deleted (version 0)."""

    environment: str
    service_name: str
    version: int
    data: Json | None
    kind: str  # "create", "update", "rollback", "undelete", "import"; of a deleted one "delete", "erase"
    created_at: datetime.datetime  # in UTC
    created_by: str
    comment: str
    revision: int      # the commit that made this version
    mod_revision: int  # the newest commit that changed the head: order copies by it
    source_version: int  # of a rollback, undelete or copy: where the payload comes from; 0: none
    payload: str  # "": it is in data; "erased", "compacted", "omitted"
    deleted: bool = False
    source_environment: str = ""  # of a copy, in a list of versions: what source_version is of
    defaulted: tuple[str, ...] = ()  # with apply_defaults: JSON Pointers to what was filled in

    @classmethod
    def of(cls, message: Any, decimals: bool = False, environment: str = "",
           service_name: str = "") -> Config:
        """Of a Config, or of a Version of the config that is named."""
        state = message.payload_state
        is_config = hasattr(message, "mod_revision")
        deleted = message.version == 0 if is_config else message.deleted
        has_data = state == 0 and message.version > 0
        return cls(
            environment=message.environment if is_config else environment,
            service_name=message.service_name if is_config else service_name,
            version=message.version,
            data=_json.loads(message.config_data, decimals) if has_data else None,
            kind=_api.enum_name("ChangeKind", message.kind, "CHANGE_KIND_"),
            created_at=message.create_time.ToDatetime(tzinfo=datetime.timezone.utc),
            created_by=message.created_by,
            comment=message.comment,
            revision=message.revision,
            mod_revision=message.mod_revision if is_config else message.revision,
            source_version=message.source_version,
            payload=_api.enum_name("PayloadState", state, "PAYLOAD_STATE_") if state else "",
            deleted=deleted,
            source_environment="" if is_config else message.source_environment)

    @classmethod
    def of_get(cls, response: Any, decimals: bool) -> Config:
        """Of a GetConfigResponse."""
        return dataclasses.replace(cls.of(response.config, decimals),
                                   defaulted=tuple(response.defaulted))


@dataclasses.dataclass(frozen=True)
class Diff:
    """The difference between two versions, by top-level key, and whole as an RFC 6902 patch (None:
    it is too large to be sent)."""

    environment: str
    new_environment: str
    service_name: str
    old_version: int  # 0: the config does not exist on this side
    new_version: int
    added: Json
    removed: Json
    changed: dict[str, tuple[Any, Any]]  # key: (old value, new value)
    json_patch: list[Json] | None

    @classmethod
    def of(cls, message: Any, decimals: bool = False) -> Diff:
        def value(data: bytes) -> Any:
            return _json.loads(data, decimals) if data else None

        return cls(
            environment=message.environment,
            new_environment=message.new_environment or message.environment,
            service_name=message.service_name,
            old_version=message.old_version,
            new_version=message.new_version,
            added={entry.key: value(entry.new_value) for entry in message.added},
            removed={entry.key: value(entry.old_value) for entry in message.removed},
            changed={entry.key: (value(entry.old_value), value(entry.new_value))
                     for entry in message.changed},
            json_patch=value(message.json_patch))


@dataclasses.dataclass(frozen=True)
class Change:
    """One change of one config, as a watch and the change log tell it."""

    environment: str
    service_name: str
    kind: str  # "create", "update", "rollback", "delete", "erase", "undelete", "import"
    version: int  # that was added; of a delete the one asked for, 0: the whole config
    config: Config | None  # the head afterwards; None: deleted, or the head was not touched
    previous: Config | None  # the head before, where it is known
    head_version: int  # afterwards; 0: the config is deleted
    revision: int
    time: datetime.datetime | None  # of the commit; None: it was found by comparing two copies
    created_by: str
    comment: str
    diff: Diff | None = None
    source_environment: str = ""  # of a copy: the environment and the version of the payload
    source_version: int = 0

    @property
    def touches_head(self) -> bool:
        return self.config is not None or self.head_version == 0

    @classmethod
    def of(cls, message: Any, decimals: bool = False) -> Change:
        return cls(
            environment=message.environment,
            service_name=message.service_name,
            kind=_api.enum_name("ChangeKind", message.kind, "CHANGE_KIND_"),
            version=message.version,
            config=Config.of(message.config, decimals) if message.HasField("config") else None,
            previous=Config.of(message.previous, decimals) if message.HasField("previous") else None,
            head_version=message.head_version,
            revision=message.revision,
            time=message.commit_time.ToDatetime(tzinfo=datetime.timezone.utc),
            created_by=message.created_by,
            comment=message.comment,
            diff=Diff.of(message.diff, decimals) if message.HasField("diff") else None,
            source_environment=message.source_environment,
            source_version=message.source_version)


@dataclasses.dataclass(frozen=True)
class Commit:
    """One atomic step of the registry. `actor` has proven who it is, `created_by` was named."""

    revision: int
    time: datetime.datetime
    actor: str
    created_by: str
    comment: str
    request_id: str
    peer: str
    changes: tuple[Change, ...]
    change_count: int

    @classmethod
    def of(cls, message: Any, decimals: bool = False) -> Commit:
        return cls(
            revision=message.revision,
            time=message.commit_time.ToDatetime(tzinfo=datetime.timezone.utc),
            actor=message.actor,
            created_by=message.created_by,
            comment=message.comment,
            request_id=message.request_id,
            peer=message.peer,
            changes=tuple(Change.of(change, decimals) for change in message.changes),
            change_count=message.change_count)


@dataclasses.dataclass(frozen=True)
class Breach:
    """A place in a config that breaks a schema. The value is not told."""

    environment: str
    service_name: str
    version: int   # that has it
    revision: int  # the commit of this version
    pointer: str   # JSON Pointer into the value
    rule: str      # the place in the schema: "confreg:/billing#/properties/port/maximum"
    description: str  # a sentence without subject: "must be at most 65535"
    superseded: bool  # the version is not the head
    resolved: bool    # the value resolved with the environment "default" breaks it

    @classmethod
    def of(cls, message: Any) -> Breach:
        return cls(**{field.name: getattr(message, field.name)
                      for field in dataclasses.fields(cls)})


@dataclasses.dataclass(frozen=True)
class Suspect:
    """A place in a config that looks like a secret. The value is not told."""

    environment: str
    service_name: str
    version: int   # that has it; 0: it is not written yet
    revision: int  # the commit of this version
    pointer: str   # JSON Pointer to the string; for a key that is a secret itself, to its object
    rule: str      # one of those in docs/secrets.md: "github-token"
    description: str  # "a token of GitHub"
    in_key: bool      # a key of the object is what looks like a secret
    superseded: bool  # the version is not the head
    allowed: bool     # it was written with allow_secrets, or the schema allows it now

    @classmethod
    def of(cls, message: Any) -> Suspect:
        return cls(**{field.name: getattr(message, field.name)
                      for field in dataclasses.fields(cls)})


@dataclasses.dataclass(frozen=True)
class Batch:
    """What there is of several configs. Names are (environment, service name)."""

    configs: tuple[Config, ...]  # in the order of the names
    missing: tuple[tuple[str, str], ...]
    denied: tuple[tuple[str, str], ...]  # the caller may not read these, whether they exist or not


@dataclasses.dataclass(frozen=True)
class Relay:
    """The state of publishing events on the bus."""

    bus: str    # "local", "amqp", "amqps"
    state: str  # "connecting", "publishing"; "standing_by": another node publishes
    published_revision: int
    commits_behind: int
    reason: str  # of "connecting"

    @classmethod
    def of(cls, message: Any) -> Relay:
        return cls(bus=message.bus,
                   state=_api.enum_name("RelayState", message.state, "RELAY_STATE_"),
                   published_revision=message.published_revision,
                   commits_behind=message.commits_behind, reason=message.reason)


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of the node that was asked."""

    position: Position
    version: str
    store: str
    started_at: datetime.datetime | None  # in UTC
    oldest_revision: int
    config_count: int
    watch_streams: int
    notifications_sent: int
    writable: bool
    not_writable_reason: str
    log_revision: int  # the newest revision that the node has seen in the store
    relay: Relay | None
    filtered: bool  # the caller may see position, version, oldest_revision and writable only

    @classmethod
    def of(cls, message: Any) -> Status:
        plain = {name: getattr(message, name) for name in (
            "version", "store", "oldest_revision", "config_count", "watch_streams",
            "notifications_sent", "writable", "not_writable_reason", "log_revision", "filtered")}
        return cls(position=Position.of(message.header), started_at=_time(message, "start_time"),
                   relay=Relay.of(message.relay) if message.HasField("relay") else None, **plain)


@dataclasses.dataclass(frozen=True)
class Grant:
    """A role for the configs whose environment and service match one of the patterns each. No pattern:
    all of them."""

    role: str  # "reader", "admin", "super_admin", "auditor", "gateway"
    environments: tuple[str, ...]
    services: tuple[str, ...]

    @classmethod
    def of(cls, message: Any) -> Grant:
        return cls(_api.enum_name("AccessRole", message.role, "ACCESS_ROLE_"),
                   tuple(message.environments), tuple(message.services))


@dataclasses.dataclass(frozen=True)
class Access:
    """Who the caller is and what he may."""

    position: Position
    name: str  # "": a caller without a credential
    credential_kind: str  # "none", "token", "certificate" or "jwt"
    grants: tuple[Grant, ...]
    expires_at: datetime.datetime | None  # of the credential, in UTC; None: never
    generation: int  # another one when the rights in force may have changed
    rights_in_force: bool  # False: everybody may do everything

    @classmethod
    def of(cls, message: Any) -> Access:
        return cls(position=Position.of(message.header), name=message.name,
                   credential_kind=message.credential_kind,
                   grants=tuple(Grant.of(grant) for grant in message.grants),
                   expires_at=_time(message, "expire_time"), generation=message.generation,
                   rights_in_force=message.rights_in_force)


@dataclasses.dataclass(frozen=True)
class WatchProgress:
    """position: the end of the log. Each of watch_count watches tells a mark of it, or of a later one,
    after its changes up to there."""

    position: Position
    watch_count: int

    @classmethod
    def of(cls, message: Any) -> WatchProgress:
        return cls(Position.of(message.header), message.watch_count)


@dataclasses.dataclass(frozen=True)
class WriteResult:
    """What a write has done; with validate_only, what it would do."""

    position: Position
    config: Config | None  # the head afterwards; None: there is none
    deleted_count: int        # of a delete: how many versions
    diff: Diff | None      # only with validate_only
    suspects: tuple[Suspect, ...] = ()  # that look like secrets, where the server warns of them

    @classmethod
    def of(cls, message: Any, decimals: bool = False) -> WriteResult:
        config = _member(message, "config") or _member(message, "schema")
        diff = _member(message, "diff")
        return cls(
            position=Position.of(message.header),
            config=Config.of(config, decimals) if config is not None else None,
            deleted_count=getattr(message, "deleted_count", 0),
            diff=Diff.of(diff, decimals) if diff is not None else None,
            suspects=_suspects(message))


@dataclasses.dataclass(frozen=True)
class CommitResult:
    """What a commit of several writes has done; with validate_only, what it would do."""

    position: Position
    commit: Commit | None  # None: nothing was to be changed
    suspects: tuple[Suspect, ...] = ()  # as of WriteResult, of all writes

    @classmethod
    def of(cls, message: Any, decimals: bool = False) -> CommitResult:
        commit = _member(message, "commit")
        return cls(Position.of(message.header),
                   Commit.of(commit, decimals) if commit is not None else None, _suspects(message))


def _suspects(message: Any) -> tuple[Suspect, ...]:
    return tuple(Suspect.of(suspect) for suspect in getattr(message, "suspects", ()))


def _member(message: Any, name: str) -> Any:
    """A message in a message; None: it is not there, or this kind of message does not have it."""
    known = name in message.DESCRIPTOR.fields_by_name
    return getattr(message, name) if known and message.HasField(name) else None


def _time(message: Any, name: str) -> datetime.datetime | None:
    if not message.HasField(name):
        return None
    time: datetime.datetime = getattr(message, name).ToDatetime(tzinfo=datetime.timezone.utc)
    return time


# ---- Writes ----

def new_request_id() -> str:
    return uuid.uuid4().hex


# Of members that are the content of a write: of a client's method they are arguments, not options.
_CONTENT = {"content": True}


@dataclasses.dataclass(frozen=True)
class _Write:
    """Members of all writes. request_id makes a repeat safe; one is made where none is given. author:
    the created_by of the version; "": that of the client. The other members are those of the requests
    of docs/protocol.md."""

    service_name: str
    environment: str = "default"
    comment: str = ""
    author: str = ""
    request_id: str = ""
    validate_only: bool = False

    def __post_init__(self) -> None:
        if not self.request_id:
            object.__setattr__(self, "request_id", new_request_id())

    def message(self) -> Any:
        """The request of the single call."""
        raise NotImplementedError

    def _common(self) -> dict[str, Any]:
        return {"service_name": self.service_name, "environment": self.environment,
                "comment": self.comment, "created_by": self.author, "request_id": self.request_id,
                "validate_only": self.validate_only}


@dataclasses.dataclass(frozen=True)
class _Valued(_Write):
    """A write of a value. allow_secrets: also one that looks like a secret, which takes the role
    super-admin; for a commit of several writes it is an option of that."""

    allow_secrets: bool = False

    def _common(self) -> dict[str, Any]:
        return {"allow_secrets": self.allow_secrets, **super()._common()}


@dataclasses.dataclass(frozen=True)
class Create(_Valued):
    """Makes a config that does not exist."""

    data: Json = dataclasses.field(default_factory=dict, metadata=_CONTENT)

    def message(self) -> Any:
        return _api.new("CreateConfigRequest", config_data=_json.dumps(self.data), **self._common())


@dataclasses.dataclass(frozen=True)
class _Conditional(_Write):
    """A write that is made only if the head is as expected; 0 and "": whatever it is."""

    expected_version: int = 0
    expected_revision: int = 0
    expected_epoch: str = ""

    def _conditions(self) -> dict[str, Any]:
        return {"expected_version": self.expected_version,
                "expected_revision": self.expected_revision,
                "expected_epoch": self.expected_epoch, **self._common()}


@dataclasses.dataclass(frozen=True)
class Update(_Valued, _Conditional):
    """Adds a version: by one of the whole new value, an RFC 7396 patch, an RFC 6902 patch, and a
    copy of what the service has in source_environment."""

    data: Json | None = dataclasses.field(default=None, metadata=_CONTENT)
    merge_patch: Json | None = dataclasses.field(default=None, metadata=_CONTENT)
    json_patch: list[Json] | None = dataclasses.field(default=None, metadata=_CONTENT)
    allow_missing: bool = False  # create the config where it does not exist
    source_environment: str | None = dataclasses.field(default=None, metadata=_CONTENT)
    # With source_environment: the version to copy; 0: the head.
    source_version: int = dataclasses.field(default=0, metadata=_CONTENT)

    def message(self) -> Any:
        content: dict[str, Any] = {
            name: _json.dumps(value) for name, value in (("config_data", self.data),
                                                         ("merge_patch", self.merge_patch),
                                                         ("json_patch", self.json_patch))
            if value is not None}
        if self.source_environment is not None:
            content["source_environment"] = self.source_environment
        if len(content) != 1:
            raise ValueError("an update has exactly one of data, merge_patch, json_patch and "
                             "source_environment")
        return _api.new("UpdateConfigRequest", allow_missing=self.allow_missing,
                        source_version=self.source_version, **content, **self._conditions())


@dataclasses.dataclass(frozen=True)
class Delete(_Conditional):
    """Deletes a config, or erases one version of it."""

    version: int = 0     # 0: the whole config
    erase: bool = False  # with the whole config: remove its payloads, too
    allow_missing: bool = False

    def message(self) -> Any:
        return _api.new("DeleteConfigRequest", version=self.version, erase=self.erase,
                        allow_missing=self.allow_missing, **self._conditions())


@dataclasses.dataclass(frozen=True)
class Rollback(_Valued, _Conditional):
    """Adds a version with the payload of an older one; version 0: the one before the head."""

    version: int = 0

    def message(self) -> Any:
        return _api.new("RollbackConfigRequest", version=self.version, **self._conditions())


@dataclasses.dataclass(frozen=True)
class Undelete(_Valued):
    """Brings a deleted config back; version 0: with its last payload."""

    version: int = 0
    expected_revision: int = 0
    expected_epoch: str = ""

    def message(self) -> Any:
        return _api.new("UndeleteConfigRequest", version=self.version,
                        expected_revision=self.expected_revision,
                        expected_epoch=self.expected_epoch, **self._common())


Write = Union[Create, Update, Delete, Rollback, Undelete]

WRITE_NAMES: dict[type, str] = {Create: "create", Update: "update", Delete: "delete",
                                Rollback: "rollback", Undelete: "undelete"}

WriteOutcome = Union[WriteResult, errors.ConfregError]
