"""A registry that has no more than its log: what confregd would answer to a watch, without confregd.
test_conformance.py compares the two."""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from client import loads  # noqa: E402
from stubs import api_pb, pb  # noqa: E402

ENVIRONMENT = "prod"
FIRST_EPOCH, NEXT_EPOCH = "0123456789abcdef", "fedcba9876543210"
MAX_PART = 1 << 20  # bytes of events in a response, where a commit is split
BATCH = 32 << 10  # bytes of commits that come in one response, where a stream catches up


def position(epoch, revision):
    """The position of a commit; its hash is any that depends on the commit."""
    digest = hashlib.sha256(f"{epoch}-{revision}".encode()).digest()[:8] if revision else bytes(8)
    return pb.Position(epoch=epoch, revision=revision, chain_hash=int.from_bytes(digest, "big"),
                       token=f"{epoch}-{revision}-{digest.hex()}")


class Registry:
    """The configs of ENVIRONMENT. Not for several threads."""

    def __init__(self, epoch=FIRST_EPOCH):
        self.epoch = epoch
        self.oldest = 1  # the first revision that a watch can start at
        self.commits = []  # of revision 1, 2 …: the events
        self.heads = {}  # service: Config
        self.versions = {}  # service: the newest version number
        self.hidden = frozenset()  # services that the client may not read

    @property
    def revision(self):
        return len(self.commits)

    def here(self):
        return position(self.epoch, self.revision)

    def commit(self, changes):
        """changes: service to JSON text, or None to delete. Returns the events."""
        revision = self.revision + 1
        events = [self._change(service, data, revision, index)
                  for index, (service, data) in enumerate(changes.items())]
        self.commits.append(events)
        return events

    def _change(self, service, data, revision, index):
        before = self.heads.get(service)
        event = pb.Event(environment=ENVIRONMENT, service_name=service, revision=revision,
                         index=index, previous_version=before.version if before else 0)
        event.commit_time.FromSeconds(1_700_000_000 + revision)
        if data is None:
            event.kind = pb.CHANGE_KIND_DELETE
            del self.heads[service]
            return event
        version = self.versions.get(service, 0) + 1
        self.versions[service] = version
        event.kind = pb.CHANGE_KIND_UPDATE if before else pb.CHANGE_KIND_CREATE
        event.version = event.head_version = version
        event.config.CopyFrom(pb.Config(
            environment=ENVIRONMENT, service_name=service, version=version, kind=event.kind,
            create_time=event.commit_time, revision=revision, mod_revision=revision,
            config_data=data.encode()))
        self.heads[service] = event.config
        return event

    def compact(self, revision):
        """As confregd: a commit without events; watches start above the revision."""
        self.commits.append([])
        self.oldest = revision + 1

    def rights(self):
        """What a token says of them; "": the client may read everything."""
        if not self.hidden:
            return ""
        return "-" + hashlib.sha256(" ".join(sorted(self.hidden)).encode()).hexdigest()[:16]

    def header(self, revision):
        """Of a response of a watch."""
        header = position(self.epoch, revision)
        header.token += self.rights()
        return header

    def readable(self):
        """The heads that the client may read."""
        return {service: head for service, head in self.heads.items() if service not in self.hidden}

    def state(self):
        """What a client that has everything reports: service to (version, data)."""
        return {service: (head.version, loads(head.config_data))
                for service, head in self.readable().items()}

    # ---- What a watch answers ----

    def refusal(self, request):
        """(code, reason, details) of a watch that cannot start; None: it can."""
        after = resumed_after(request)
        if after is None:
            return None
        epoch, revision, chain_hash = after
        if epoch != self.epoch:
            return "FAILED_PRECONDITION", "EPOCH_MISMATCH", {}
        if revision + 1 < self.oldest:
            return "OUT_OF_RANGE", "COMPACTED", {"oldest_revision": str(self.oldest),
                                                 "newest_revision": str(self.revision)}
        if chain_hash is not None and chain_hash != position(epoch, revision).chain_hash:
            return "FAILED_PRECONDITION", "POSITION_MISMATCH", {}
        token = request.resume_after.token
        if token and token.split("-")[3:] != self.rights().split("-")[1:]:
            return "FAILED_PRECONDITION", "RIGHTS_CHANGED", {}
        return None

    def first_responses(self, request):
        """What a watch that can start begins with."""
        after = resumed_after(request)
        if request.include_snapshot:
            return [*self.snapshot_parts(), self.snapshot_end()]
        start = after[1] if after else self.revision
        started = self._response(kind=api_pb.WATCH_RESPONSE_KIND_STARTED,
                                 header=self.header(start))
        responses, delivered, batch = [started], 0, []
        for revision in range(start + 1, self.revision + 1):
            commit = self._readable_events(revision)
            if batch and _size(batch) + _size(commit) > BATCH:
                responses += self._responses(batch, delivered)
                delivered, batch = batch[-1].revision, []
            batch += commit
        responses += self._responses(batch, delivered)
        if responses[-1] is not started:
            responses[-1].header.CopyFrom(self.header(self.revision))  # commits without events included
        return responses

    def snapshot_parts(self):
        """Each config in a response of its own, in the order of the names."""
        return [self._response(kind=api_pb.WATCH_RESPONSE_KIND_SNAPSHOT,
                               header=pb.Position(epoch=self.epoch), configs=[head])
                for _, head in sorted(self.readable().items())]

    def snapshot_end(self):
        return self._response(kind=api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END,
                              header=self.header(self.revision))

    def events(self, revision, delivered):
        """The responses with a commit, none if the client may read none of its events. delivered: the
        revision of the event or snapshot that the stream has delivered last."""
        return self._responses(self._readable_events(revision), delivered)

    def _readable_events(self, revision):
        return [event for event in self.commits[revision - 1]
                if event.service_name not in self.hidden]

    def _response(self, **members):
        return api_pb.WatchResponse(filtered=bool(self.hidden), **members)

    def _responses(self, events, delivered):
        """The responses with the events of one or more commits; only one that is alone is split."""
        responses, parts = [], _parts(events)
        for index, part in enumerate(parts):
            more = index < len(parts) - 1
            revision = part[-1].revision
            responses.append(self._response(
                kind=api_pb.WATCH_RESPONSE_KIND_EVENTS, events=part, more=more,
                previous_revision=revision if index else delivered,
                header=self.header(revision - 1 if more else revision)))
        return responses

    def progress(self, delivered):
        return self._response(kind=api_pb.WATCH_RESPONSE_KIND_PROGRESS,
                              header=self.header(self.revision), previous_revision=delivered)


def _size(events):
    return sum(event.ByteSize() for event in events)


def _parts(events):
    parts, size = [], 0
    for event in events:
        if not parts or size + event.ByteSize() > MAX_PART:
            parts.append([])
            size = 0
        parts[-1].append(event)
        size += event.ByteSize()
    return parts


def resumed_after(request):
    """(epoch, revision, hash or None) that a WatchRequest resumes after, in any of the forms that the
    contract allows; None: it does not resume. ValueError: the forms are mixed."""
    if request.HasField("resume_after"):
        given = request.resume_after
        if given.token:
            epoch, revision, chain_hash = given.token.split("-")[:3]
            told = epoch, int(revision), int(chain_hash, 16)
            for member, value in zip(("epoch", "revision", "chain_hash"), told):
                if getattr(given, member) not in (type(value)(), value):
                    raise ValueError(f"the token {given.token} and {member} "
                                     f"{getattr(given, member)} differ")
            return told
        return given.epoch, given.revision, given.chain_hash
    if request.start_revision:
        return request.epoch, request.start_revision - 1, None
    return None
