"""Checks a whole history: every watch and every answer against the log, and the log against the
registry's present state.

A stream must be ordered, unique, atomic and without gaps, deliver exactly the selected configs, and
be resumable after every response (its position names the log's hash). The log's events must be
possible: a small model of the registry executes them, kinds and previous versions included.
"""

import re
import threading

import grpc

from daemon import connect
from log import BRINGS_VERSION, Log, is_schema, name_of, selects
from stubs import api_grpc, api_pb, pb
from tape import TAPE

FIRST = (api_pb.WATCH_RESPONSE_KIND_STARTED, api_pb.WATCH_RESPONSE_KIND_SNAPSHOT,
         api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END)


class StreamChecker:
    """Takes the responses of one stream in order and checks the promises of each."""

    def __init__(self, complete=True):
        self.complete = complete  # the stream selects everything: revisions must be contiguous
        self.delivered = 0        # revision of the newest event or snapshot
        self.position = None      # header of the last response
        self.open_commit = False  # the last response had `more`
        self.started = False

    def take(self, response):
        kind = api_pb.WatchResponseKind.Name(response.kind)
        assert response.previous_revision == self.delivered, (
            f"{kind} says that {response.previous_revision} came before, it was {self.delivered}")
        if self.position is not None:
            assert response.header.epoch == self.position.epoch
            assert response.header.revision >= self.position.revision, "the position went back"
        if not self.started:
            assert response.kind in FIRST, kind
            self.started = True
        if response.events:
            assert response.kind == api_pb.WATCH_RESPONSE_KIND_EVENTS, kind
            self._take_events(response, self.position.revision if self.position else 0)
        elif response.kind == api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END:
            self.delivered = response.header.revision
        if response.kind != api_pb.WATCH_RESPONSE_KIND_SNAPSHOT:
            self.position = response.header

    def _take_events(self, response, passed):
        events = response.events
        places = [(event.revision, event.index) for event in events]
        assert places == sorted(set(places)), f"not in order: {places}"
        first, last = events[0].revision, events[-1].revision
        if self.open_commit:
            assert first == self.delivered, "another commit began before the last one was complete"
        else:
            assert first > self.delivered, f"{first} after {self.delivered}"
        assert first > passed, f"{first}, when the stream had said to be at {passed}"
        if self.complete:
            before = self.delivered or self.position.revision
            revisions = sorted({revision for revision, _ in places})
            start = before if self.open_commit else before + 1
            assert revisions == list(range(start, last + 1)), f"gap: {before}, then {revisions}"
        self.open_commit = response.more
        if response.more:
            assert response.header.revision < last, "a commit counts before it is complete"
        else:
            assert response.header.revision >= last
        self.delivered = last


class Recorder(threading.Thread):
    """Watches everything from revision 1 on, across restarts of the server."""

    def __init__(self, confregd):
        super().__init__(daemon=True)
        # A channel of its own: the one of Confregd is replaced at each start.
        self.channel = connect(confregd.listen)
        self.stub = api_grpc.RegistryServiceStub(self.channel)
        self.checker = StreamChecker()
        self.events = []
        self.bookmarks = {}  # revision: hash of the log at that revision
        self.failure = None
        self.arrived = threading.Condition()
        self.call = None
        self.stopped = False

    def run(self):
        while not self.stopped:
            try:
                self._follow()
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    self._fail(error)
                    return
            except Exception as error:  # pylint: disable=broad-except
                self._fail(error)
                return

    def _request(self):
        if self.checker.position is None:
            return api_pb.WatchRequest(start_revision=1, include_previous=True, include_schemas=True)
        return api_pb.WatchRequest(resume_after=self.checker.position, include_previous=True,
                                   include_schemas=True)

    def _follow(self):
        pending = []
        checker = StreamChecker()
        checker.position = self.checker.position
        self.call = self.stub.Watch(self._request(), wait_for_ready=True)
        for response in self.call:
            checker.take(response)
            pending.extend(response.events)
            if not response.more:
                with self.arrived:
                    self.events += pending
                    self.checker = checker
                    self.bookmarks[response.header.revision] = response.header.chain_hash
                    self.arrived.notify_all()
                pending = []

    def _fail(self, error):
        with self.arrived:
            self.failure = error
            self.arrived.notify_all()

    def wait_for(self, revision, seconds=60):
        """Waits until everything up to this revision has been received."""
        def reached():
            position = self.checker.position
            return self.failure or (position is not None and position.revision >= revision)

        with self.arrived:
            assert self.arrived.wait_for(reached, seconds), (
                f"the watch is at {self.checker.position}, not at {revision}")
        if self.failure:
            raise AssertionError("the watch broke the rules") from self.failure

    def stop(self):
        self.stopped = True
        if self.call is not None:
            self.call.cancel()
        self.join(20)
        self.channel.close()


# ---- Streams against the log ----

def _identity(event):
    return (event.revision, event.index, event.kind, event.environment, event.service_name,
            event.version, event.head_version, event.previous_version)


def _where_it_begins(stream):
    """The revision after which the stream delivers events; None: it has not said so yet."""
    for response in stream.responses:
        if response.kind in (api_pb.WATCH_RESPONSE_KIND_STARTED,
                             api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END):
            return response.header.revision
    return None


def check_stream(log, stream):
    """The stream delivered exactly the selected events of the log between its start and its end."""
    checker = StreamChecker(complete=False)
    for response in stream.responses:
        checker.take(response)
    begin = _where_it_begins(stream)
    if begin is None or stream.request.conflate or stream.request.resolve:
        return
    selectors, schemas = stream.request.selectors, stream.request.include_schemas
    delivered = [_identity(e) for r in stream.responses for e in r.events]
    wanted = [_identity(e) for e in log.between(begin, checker.position.revision, selectors,
                                                    schemas)]
    # A part of the next commit may have been delivered, if it is not complete.
    assert delivered[:len(wanted)] == wanted, f"{stream.request}: something else than the log has"
    rest = delivered[len(wanted):]
    assert not rest or checker.open_commit, f"{stream.request}: {rest} is too much"
    if stream.request.include_snapshot:
        _check_snapshot(log, stream, begin)
    for event in (e for r in stream.responses for e in r.events):
        assert selects(selectors, name_of(event), schemas), f"{stream.request}: {event} is not selected"


def _check_snapshot(log, stream, revision):
    configs = {name_of(c): (c.version, c.mod_revision)
               for r in stream.responses for c in r.configs}
    wanted = log.heads_at(revision, stream.request.selectors, stream.request.include_schemas)
    assert configs == wanted, f"{stream.request}: a snapshot that is not of {revision}"


def check_bookmarks(bookmarks, streams):
    """All positions with the same revision have the same hash."""
    for stream in streams:
        for header in (r.header for r in stream.responses):
            position = f"{header.epoch}-{header.revision}-{header.chain_hash:016x}"
            assert re.fullmatch(f"{position}(-[0-9a-f]{{16}})?", header.token)
        for header in (r.header for r in stream.responses if r.header.chain_hash):
            known = bookmarks.setdefault(header.revision, header.chain_hash)
            assert known in (0, header.chain_hash), f"two hashes of revision {header.revision}"


# ---- Answers against the log ----

def _check_head(log, config, revision, what):
    name = name_of(config)
    assert log.head_at(name, revision) == (config.version, config.mod_revision), (
        f"{what}: {name} was {log.head_at(name, revision)} at {revision}: {config}")
    known = log.payloads.get((name, config.version))
    if config.config_data and known is not None:
        assert known == config.config_data, f"{what}: another payload of {name} {config.version}"


def _check_get(log, request, response):
    if not (request.resolve or request.version or request.apply_defaults):
        _check_head(log, response.config, response.header.revision, "GetConfig")


def _check_batch(log, _request, response):
    for config in response.configs:
        _check_head(log, config, response.header.revision, "BatchGetConfigs")


def _check_listed(log, config, revision):
    """A listed config is the head as of the revision; if that has been erased, a lower version."""
    version, _ = log.head_at(name_of(config), revision)
    if config.version < version and log.is_erased_since(name_of(config), version, revision):
        assert config.revision == config.mod_revision <= revision, config
    else:
        _check_head(log, config, revision, "ListConfigs")


def _check_list(log, request, response):
    revision = response.header.revision
    deleted = [c for c in response.configs if not c.version]
    assert not deleted or request.show_deleted or request.only_deleted
    assert not request.only_deleted or len(deleted) == len(response.configs)
    for config in deleted:
        assert log.head_at(name_of(config), revision) == (0, config.mod_revision), config
    for config in response.configs:
        if config.version:
            _check_listed(log, config, revision)
    if not (request.page_token or response.next_page_token or request.only_deleted):
        selectors = [api_pb.Selector(environment=request.environment,
                                     service_name=request.service_name,
                                     service_name_prefix=request.service_name_prefix)]
        wanted = log.heads_at(revision, selectors)
        listed = {name_of(c) for c in response.configs if c.version}
        assert listed <= set(wanted), "ListConfigs: one is too much"
        assert all(log.is_erased_since(name, wanted[name][0], revision)
                   for name in set(wanted) - listed), "ListConfigs: one is missing"


def _check_write(log, request, response):
    _check_written(log, request, response.header, response.config)


def _check_set_schema(log, request, response):
    _check_written(log, request, response.header, response.schema)


def _check_schema(log, request, response):
    if not request.version:
        _check_head(log, response.schema, response.header.revision, "GetSchema")


def _check_written(log, request, header, config):
    if request.validate_only or not config.version:
        return
    assert config.mod_revision <= header.revision, "a write that its answer does not see"
    assert any(e.revision == config.mod_revision and name_of(e) == name_of(config)
               and e.head_version == config.version
               for e in log.between(config.mod_revision - 1, config.mod_revision)), (
        f"acknowledged and not in the log: {config}")


def _check_commit(log, request, response):
    if request.validate_only or not response.HasField("commit"):
        return
    told = [(e.revision, e.index, *name_of(e), e.version) for e in response.commit.changes]
    revision = response.commit.revision
    kept = [(e.revision, e.index, *name_of(e), e.version)
            for e in log.between(revision - 1, revision)]
    assert told == kept, f"acknowledged and not in the log: {response.commit}"


def _check_writes(log, request, response):
    for write, outcome in zip(request.writes, response.outcomes, strict=True):
        kind = outcome.WhichOneof("outcome")
        if kind in ("create", "update", "rollback", "undelete"):
            answer = getattr(outcome, kind)
            assert answer.header.revision <= response.header.revision
            _check_write(log, getattr(write, kind), answer)


ANSWERS = {
    "GetConfig": _check_get,
    "BatchGetConfigs": _check_batch,
    "ListConfigs": _check_list,
    "CreateConfig": _check_write,
    "UpdateConfig": _check_write,
    "RollbackConfig": _check_write,
    "UndeleteConfig": _check_write,
    "CommitChanges": _check_commit,
    "WriteConfigs": _check_writes,
    "SetSchema": _check_set_schema,
    "GetSchema": _check_schema,
}


def check_answer(log, method, request, response):
    if method in ANSWERS and response.header.revision <= log.newest:
        ANSWERS[method](log, request, response)


# ---- The log against the registry ----

def all_pages(method, request, field):
    """All items of a paged call, and the header of the first page."""
    items, header = [], None
    while True:
        page = method(request, timeout=60)
        assert header is None or page.header.revision == header.revision
        header = header or page.header
        items += getattr(page, field)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return items, header


def check(confregd, recorder, max_configs=200):
    """Checks the tape (answers and streams) against the recorded log, and the log against the lists.
    Checks the versions of at most max_configs configs."""
    status = confregd.stub.GetStatus(api_pb.GetStatusRequest(), timeout=60)
    recorder.wait_for(status.header.revision)
    events = [e for e in recorder.events if e.revision <= status.header.revision]
    log = Log(events)
    assert log.newest == status.header.revision
    answers, streams = TAPE.take(status.header.epoch)
    for answer in answers:
        check_answer(log, *answer)
    for stream in streams:
        check_stream(log, stream)
    check_bookmarks(dict(recorder.bookmarks), streams)
    _check_heads(confregd, log, status)
    for name in sorted(log.models)[:max_configs]:
        _check_versions(confregd, name, log.models[name], events)
    return log


def _check_heads(confregd, log, status):
    heads, _ = all_pages(confregd.stub.ListConfigs,
                         api_pb.ListConfigsRequest(view=api_pb.VIEW_BASIC), "configs")
    names = [(c.environment.encode(), c.service_name.encode()) for c in heads]
    assert names == sorted(set(names)), "the list is not in order"
    models = {name: model for name, model in log.models.items() if not is_schema(name)}
    live = {name: model.head for name, model in models.items() if model.head}
    assert {name_of(c): c.version for c in heads} == live
    everything, _ = all_pages(confregd.stub.ListConfigs, api_pb.ListConfigsRequest(
        view=api_pb.VIEW_BASIC, show_deleted=True), "configs")
    assert [c for c in everything if c.version] == heads
    assert {name_of(c): (c.mod_revision, c.last_version) for c in everything if not c.version} == {
        name: (model.mod_revision, model.last) for name, model in models.items()
        if not model.head}
    assert status.config_count == len(live)
    schemas, _ = all_pages(confregd.stub.ListSchemas,
                           api_pb.ListSchemasRequest(view=api_pb.VIEW_BASIC), "schemas")
    assert {name_of(s): s.version for s in schemas} == {
        name: model.head for name, model in log.models.items() if is_schema(name) and model.head}


def _check_versions(confregd, name, model, events):
    if is_schema(name):
        method = confregd.stub.ListSchemaVersions
        request = api_pb.ListSchemaVersionsRequest(environment=name[0][1:], service_name=name[1],
                                                   view=api_pb.VIEW_BASIC)
    else:
        method = confregd.stub.ListVersions
        request = api_pb.ListVersionsRequest(environment=name[0], service_name=name[1],
                                             view=api_pb.VIEW_BASIC)
    versions, _ = all_pages(method, request, "versions")
    assert [v.version for v in versions] == sorted(model.live, reverse=True), name
    request.include_deleted = True
    everything, _ = all_pages(method, request, "versions")
    numbers = [version.version for version in everything]
    assert numbers == sorted(model.kept, reverse=True), name
    assert [v for v in everything if not v.deleted] == versions, name
    brought = {e.version: e.revision for e in events
               if name_of(e) == name and e.kind in BRINGS_VERSION}
    assert {v.version: v.revision for v in everything} == {n: brought[n] for n in numbers}


def check_memory_against_store(confregd):
    """A restart does not change the heads: memory and store agree."""
    def everything():
        heads, header = all_pages(confregd.stub.ListConfigs, api_pb.ListConfigsRequest(), "configs")
        schemas, _ = all_pages(confregd.stub.ListSchemas, api_pb.ListSchemasRequest(), "schemas")
        return [h.SerializeToString() for h in heads + schemas], header.SerializeToString()

    before = everything()
    confregd.stop()
    confregd.start()
    assert everything() == before, "a restart changed heads"
