"""Checks a whole history: what a watch of everything told, against what the registry says now.

The stream must be ordered, unique, atomic and without gaps, resumable at every response, and its
events must be possible: a small model of the registry carries them out and is compared with the
lists at the end.
"""

import threading

import grpc

from daemon import connect
from stubs import api_grpc, api_pb, pb

BRINGS_VERSION = (pb.CHANGE_KIND_CREATE, pb.CHANGE_KIND_UPDATE, pb.CHANGE_KIND_ROLLBACK,
                  pb.CHANGE_KIND_IMPORT)

FIRST = (api_pb.WATCH_RESPONSE_KIND_STARTED, api_pb.WATCH_RESPONSE_KIND_SNAPSHOT,
         api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END)


class StreamChecker:
    """Takes the responses of one stream in order and asserts what each of them promises."""

    def __init__(self, complete=True):
        self.complete = complete  # nothing is filtered: revisions must be contiguous
        self.delivered = 0        # the newest event or snapshot of this stream
        self.position = None      # header of the last response
        self.open_commit = False  # the last response said `more`
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
            self._take_events(response)
        elif response.kind == api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END:
            self.delivered = response.header.revision
        if response.kind != api_pb.WATCH_RESPONSE_KIND_SNAPSHOT:
            self.position = response.header

    def _take_events(self, response):
        events = response.events
        places = [(event.revision, event.index) for event in events]
        assert places == sorted(set(places)), f"not in order: {places}"
        first, last = events[0].revision, events[-1].revision
        if self.open_commit:
            assert first == self.delivered, "another commit began before the last one was complete"
        else:
            assert first > self.delivered, f"{first} after {self.delivered}"
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


class Model:
    """A config's life as events tell it."""

    def __init__(self):
        self.head = self.last = 0
        self.live = set()

    def apply(self, event):
        where = f"{event.environment}/{event.service_name} at {event.revision}"
        assert event.previous_version == self.head, f"{where}: {event}"
        if event.kind in BRINGS_VERSION:
            self._bring(event, where)
        elif event.version == 0:
            assert event.kind in (pb.CHANGE_KIND_DELETE, pb.CHANGE_KIND_ERASE), where
            self.live = set()
        else:
            assert event.kind == pb.CHANGE_KIND_ERASE and event.version in self.live, where
            self.live.remove(event.version)
        self.head = max(self.live, default=0)
        assert event.head_version == self.head, f"{where}: {event}"
        changed = event.kind in BRINGS_VERSION or self.head != event.previous_version
        assert event.HasField("config") == (changed and self.head != 0), f"{where}: {event}"
        if event.HasField("config"):
            self._check_config(event, where)

    def _bring(self, event, where):
        if event.kind != pb.CHANGE_KIND_IMPORT:
            assert event.version == self.last + 1, f"{where}: version {event.version}"
        assert (event.kind == pb.CHANGE_KIND_CREATE) == (self.head == 0), where
        self.last = event.version
        self.live.add(event.version)

    def _check_config(self, event, where):
        config = event.config
        assert (config.environment, config.service_name) == (event.environment, event.service_name)
        assert config.version == self.head, where
        assert config.mod_revision == event.revision, where
        assert bool(config.config_data) == (config.payload_state == pb.PAYLOAD_STATE_UNSPECIFIED)


class Recorder(threading.Thread):
    """Watches everything from the first revision on, over restarts of the server."""

    def __init__(self, confregd):
        super().__init__(daemon=True)
        # Of its own: the server's is made anew at each start.
        self.channel = connect(confregd.listen)
        self.stub = api_grpc.RegistryServiceStub(self.channel)
        self.checker = StreamChecker()
        self.events = []
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
            return api_pb.WatchRequest(start_revision=1)
        return api_pb.WatchRequest(resume_after=self.checker.position)

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
                    self.arrived.notify_all()
                pending = []

    def _fail(self, error):
        with self.arrived:
            self.failure = error
            self.arrived.notify_all()

    def wait_for(self, revision, seconds=60):
        """Until everything up to this revision has been seen."""
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


def all_pages(method, request, field):
    """Every item of a paged call, and the header of its first page."""
    items, header = [], None
    while True:
        page = method(request, timeout=60)
        assert header is None or page.header.revision == header.revision
        header = header or page.header
        items += getattr(page, field)
        if not page.next_page_token:
            return items, header
        request.page_token = page.next_page_token


def carry_out(events):
    """The model of each config after these events, which must be a whole history."""
    models = {}
    revisions = []
    for event in events:
        if not revisions or revisions[-1] != event.revision:
            revisions.append(event.revision)
            index = 0
        else:
            index += 1
        assert event.index == index, f"change {event.index} of {event.revision}, {index} was due"
        models.setdefault((event.environment, event.service_name), Model()).apply(event)
    assert revisions == list(range(1, len(revisions) + 1)), "revisions are not 1, 2, 3 …"
    return models


def check(confregd, recorder, max_configs=200):
    """The recorded stream against the lists; of very many configs the histories of some only."""
    status = confregd.stub.GetStatus(api_pb.GetStatusRequest(), timeout=60)
    recorder.wait_for(status.header.revision)
    events = [e for e in recorder.events if e.revision <= status.header.revision]
    assert (events[-1].revision if events else 0) == status.header.revision
    models = carry_out(events)

    heads, _ = all_pages(confregd.stub.ListConfigs,
                         api_pb.ListConfigsRequest(view=api_pb.VIEW_BASIC), "configs")
    names = [(c.environment.encode(), c.service_name.encode()) for c in heads]
    assert names == sorted(set(names)), "the list is not in order"
    live = {name: model.head for name, model in models.items() if model.head}
    assert {(c.environment, c.service_name): c.version for c in heads} == live
    assert status.config_count == len(live)
    for name in sorted(models)[:max_configs]:
        _check_versions(confregd, name, models[name], events)


def _check_versions(confregd, name, model, events):
    request = api_pb.ListVersionsRequest(environment=name[0], service_name=name[1],
                                         view=api_pb.VIEW_BASIC)
    versions, _ = all_pages(confregd.stub.ListVersions, request, "versions")
    numbers = [version.version for version in versions]
    assert numbers == sorted(model.live, reverse=True), name
    brought = {e.version: e.revision for e in events
               if (e.environment, e.service_name) == name and e.kind in BRINGS_VERSION}
    assert {v.version: v.revision for v in versions} == {n: brought[n] for n in numbers}
