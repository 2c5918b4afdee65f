"""The log of a registry, from a recorded watch of everything, and the state at each revision."""

import bisect
import collections

from stubs import pb

BRINGS_VERSION = (pb.CHANGE_KIND_CREATE, pb.CHANGE_KIND_UPDATE, pb.CHANGE_KIND_ROLLBACK,
                  pb.CHANGE_KIND_IMPORT, pb.CHANGE_KIND_UNDELETE)
BEGINS = (pb.CHANGE_KIND_CREATE, pb.CHANGE_KIND_UNDELETE)  # where there was no head


class Model:
    """A model of one config, driven by its events."""

    def __init__(self):
        self.head = self.last = 0
        self.mod_revision = 0
        self.live = set()
        self.ended = set()  # of a deleted config: live when it was deleted
        self.kept = set()   # given and not erased, in any life

    def apply(self, event):
        where = f"{event.environment}/{event.service_name} at {event.revision}"
        assert event.previous_version == self.head, f"{where}: {event}"
        if event.HasField("previous"):
            self._check_previous(event, where)
        if event.kind in BRINGS_VERSION:
            self._bring(event, where)
        elif event.version == 0:
            assert event.kind in (pb.CHANGE_KIND_DELETE, pb.CHANGE_KIND_ERASE), where
            self._delete(event)
        else:
            assert event.kind == pb.CHANGE_KIND_ERASE and event.version in self.live, where
            self.live.remove(event.version)
            self.kept.remove(event.version)
            self.ended = set(self.live)
        self.head = max(self.live, default=0)
        assert event.head_version == self.head, f"{where}: {event}"
        changed = event.kind in BRINGS_VERSION or self.head != event.previous_version
        assert event.HasField("config") == (changed and self.head != 0), f"{where}: {event}"
        if event.HasField("config"):
            self._check_config(event, where)
        if changed:
            self.mod_revision = event.revision

    def _bring(self, event, where):
        if event.kind != pb.CHANGE_KIND_IMPORT:
            assert event.version == self.last + 1, f"{where}: version {event.version}"
            assert (event.kind in BEGINS) == (self.head == 0), f"{where}: is create?"
        if event.kind == pb.CHANGE_KIND_UNDELETE:
            self.live = set(self.ended)
            assert event.config.source_version in self.kept, f"{where}: an erased version is back"
        self.last = event.version
        self.live.add(event.version)
        self.kept.add(event.version)

    def _delete(self, event):
        if event.kind == pb.CHANGE_KIND_ERASE:
            self.ended, self.kept = set(), set()
        elif self.live:
            self.ended = self.live
        self.live = set()

    def _check_config(self, event, where):
        config = event.config
        assert (config.environment, config.service_name) == (event.environment, event.service_name)
        assert config.version == self.head, where
        assert config.mod_revision == event.revision, where
        assert bool(config.config_data) == (config.payload_state == pb.PAYLOAD_STATE_UNSPECIFIED)

    def _check_previous(self, event, where):
        previous = event.previous
        assert previous.version == self.head != 0, f"{where}: the value before is {previous.version}"
        assert previous.mod_revision == self.mod_revision, f"{where}: {previous}"


SCHEMA = "\x01"  # begins the environment in the name of a schema, so that it is none of a config


def name_of(message):
    if message.resource == pb.RESOURCE_KIND_SCHEMA:
        return SCHEMA + message.environment, message.service_name
    return message.environment or "default", message.service_name


def is_schema(name):
    return name[0].startswith(SCHEMA)


def selects(selectors, name, schemas=False):
    """Whether a selector matches the name. No selectors: everything matches. schemas: whether they
    are selected beside their configs, with those for all environments."""
    if is_schema(name) and not schemas:
        return False
    environment = name[0][1:] if is_schema(name) else name[0]
    return not selectors or any(
        (not s.environment or s.environment == environment or name[0] == SCHEMA) and
        (not s.service_name or s.service_name == name[1]) and
        name[1].startswith(s.service_name_prefix) for s in selectors)


class Log:
    """A whole history. Checks that its events are possible in this order."""

    def __init__(self, events):
        self.events = list(events)
        self.models = {}
        self.revisions = []
        self.payloads = {}                         # (name, version): bytes, as first delivered
        self.touches = collections.defaultdict(list)  # name: [(revision, version, mod_revision)]
        for event in self.events:
            self._take(event)
        assert self.revisions == list(range(1, len(self.revisions) + 1)), (
            "revisions are not 1, 2, 3 …")

    def _take(self, event):
        if not self.revisions or self.revisions[-1] != event.revision:
            self.revisions.append(event.revision)
            self.index = 0
        else:
            self.index += 1
        assert event.index == self.index, (
            f"change {event.index} of {event.revision}, {self.index} was due")
        name = name_of(event)
        model = self.models.setdefault(name, Model())
        self._check_previous_payload(name, event)
        model.apply(event)
        self.touches[name].append((event.revision, model.head, model.mod_revision))
        if event.HasField("config") and event.config.config_data:
            self.payloads.setdefault((name, event.config.version), event.config.config_data)

    def _check_previous_payload(self, name, event):
        if event.HasField("previous") and event.previous.config_data:
            known = self.payloads.get((name, event.previous.version))
            assert known in (None, event.previous.config_data), (
                f"{name} at {event.revision}: another value before")

    @property
    def newest(self):
        return self.revisions[-1] if self.revisions else 0

    def head_at(self, name, revision):
        """(version, mod_revision) of the head as of a revision; (0, …): there was none."""
        touches = self.touches.get(name, [])
        place = bisect.bisect_right(touches, revision, key=lambda touch: touch[0])
        return touches[place - 1][1:] if place else (0, 0)

    def is_erased_since(self, name, version, revision):
        return any(e.revision > revision and e.kind == pb.CHANGE_KIND_ERASE
                   and e.version in (0, version) for e in self.events if name_of(e) == name)

    def heads_at(self, revision, selectors=(), schemas=False):
        """{name: (version, mod_revision)} of all heads as of a revision."""
        heads = {name: self.head_at(name, revision) for name in self.models
                 if selects(selectors, name, schemas)}
        return {name: head for name, head in heads.items() if head[0]}

    def between(self, after, through, selectors=(), schemas=True):
        """The selected events after one revision and up to another."""
        return [e for e in self.events if after < e.revision <= through
                and selects(selectors, name_of(e), schemas)]
