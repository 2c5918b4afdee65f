"""The change log: ListCommits against what a watch of everything has delivered."""

import json
import random
import re

import pytest
from calls import Registry, create_change, delete_change, update_change
from daemon import Confregd
from errors import refused
from google.protobuf.timestamp_pb2 import Timestamp
from stubs import api_pb, pb
from watching import Watch

SERVICES = ["billing", "billing-worker", "mail"]
ENVIRONMENTS = ["prod", "dev"]
PAYLOADS, DIFF = api_pb.COMMIT_VIEW_PAYLOADS, api_pb.COMMIT_VIEW_DIFF
ERASED, COMPACTED = pb.PAYLOAD_STATE_ERASED, pb.PAYLOAD_STATE_COMPACTED


@pytest.fixture(scope="module")
def server(launch):
    return launch(Confregd).start()


@pytest.fixture(scope="module")
def history(server):
    """A random history of some hundred commits; returns what a watch tells of it."""
    return make_history(server, random.Random(4), 300)


def list_commits(server, **fields):
    return server.stub.ListCommits(api_pb.ListCommitsRequest(**fields), timeout=60)


def pages_of(server, **fields):
    token = ""
    while True:
        page = list_commits(server, page_token=token, **fields)
        yield page
        token = page.next_page_token
        if not token:
            return


def all_commits(server, **fields):
    """Those of all pages, each in one piece."""
    commits = []
    for page in pages_of(server, **fields):
        assert not any(commit.more for commit in page.commits[:-1])
        for commit in page.commits:
            if commits and commits[-1].revision == commit.revision:
                assert commits[-1].more
                commits[-1].changes.extend(commit.changes)
                commits[-1].more = commit.more
            else:
                commits.append(commit)
    return commits


def write_something(registry, chance):
    service, environment = chance.choice(SERVICES), chance.choice(ENVIRONMENTS)
    data = json.dumps({"pool": chance.randrange(3), "host": f"h{chance.randrange(2)}"})
    who = {"created_by": chance.choice(["ada", "bob", ""]), "comment": f"c{chance.randrange(9)}"}
    kind = chance.randrange(10)
    if kind == 0:
        registry.delete(service, environment=environment, allow_missing=True, **who)
    elif kind == 1:
        registry.commit([update_change(name, data, environment, allow_missing=True)
                         for name in SERVICES], **who)
    else:
        registry.update(service, data, environment, allow_missing=True, **who)


def make_history(server, chance, n):
    registry = Registry(server.stub)
    first = registry.revision() + 1
    for _ in range(n):
        write_something(registry, chance)
    last = registry.revision()
    events = {}
    with Watch(server.stub, start_revision=first, include_previous=True) as watch:
        while True:
            event = watch.event()
            events.setdefault(event.revision, []).append(event)
            if event.revision == last:
                break
    # The last commit may have several events, which come together.
    events[last] += watch._events
    return events


def value(config, key):
    return json.loads(config.config_data).get(key) if config.config_data else None


def expected(history, newest_first=True, matches=lambda event: True):
    """[(revision, [index…])] of the commits with a change that matches."""
    found = [(revision, [e.index for e in events if matches(e)])
             for revision, events in sorted(history.items(), reverse=newest_first)]
    return [(revision, indexes) for revision, indexes in found if indexes]


def listed(commits):
    return [(commit.revision, [change.index for change in commit.changes]) for commit in commits]


FILTERS = [
    ({}, lambda e: True),
    ({"environment": "prod"}, lambda e: e.environment == "prod"),
    ({"service_name": "billing"}, lambda e: e.service_name == "billing"),
    ({"service_name_prefix": "billing"}, lambda e: e.service_name.startswith("billing")),
    ({"environment": "dev", "service_name": "mail"},
     lambda e: (e.environment, e.service_name) == ("dev", "mail")),
    ({"created_by": "ada"}, lambda e: e.created_by == "ada"),
    ({"kinds": [pb.CHANGE_KIND_DELETE]}, lambda e: e.kind == pb.CHANGE_KIND_DELETE),
    ({"kinds": [pb.CHANGE_KIND_DELETE, pb.CHANGE_KIND_CREATE], "environment": "prod"},
     lambda e: e.kind in (pb.CHANGE_KIND_DELETE, pb.CHANGE_KIND_CREATE)
     and e.environment == "prod"),
    ({"json_pointer": "/pool"}, lambda e: value(e.config, "pool") != value(e.previous, "pool")),
    ({"json_pointer": "/host", "service_name": "mail", "created_by": "bob"},
     lambda e: value(e.config, "host") != value(e.previous, "host")
     and e.service_name == "mail" and e.created_by == "bob"),
    ({"service_name": "nobody"}, lambda e: False),
    ({"actor": "nobody"}, lambda e: False),
    ({"credential": "certificate:cn:nobody"}, lambda e: False),
]


@pytest.mark.parametrize("newest_first", [True, False], ids=["newest", "oldest"])
@pytest.mark.parametrize("page_size", [0, 7], ids=["whole", "pages"])
@pytest.mark.parametrize("fields, matches", FILTERS, ids=[",".join(f) or "all" for f, _ in FILTERS])
def test_commits_are_listed_as_a_watch_tells_them(server, history, fields, matches, page_size,
                                                  newest_first):
    start, end = min(history), max(history)
    commits = all_commits(server, start_revision=start, end_revision=end, page_size=page_size,
                          oldest_first=not newest_first, **fields)
    assert listed(commits) == expected(history, newest_first, matches)


def test_the_facts_are_the_events(server, history):
    for commit in all_commits(server, start_revision=min(history), end_revision=max(history)):
        events = history[commit.revision]
        assert commit.change_count == len(events)
        assert commit.commit_time == events[0].commit_time
        assert (commit.created_by, commit.comment) == (events[0].created_by, events[0].comment)
        assert re.match(r"(ipv[46]|unix|fd):", commit.peer), commit.peer
        for change, event in zip(commit.changes, events):
            assert not change.HasField("config") and not change.HasField("previous")
            assert (change.kind, change.version, change.head_version, change.previous_version) == (
                event.kind, event.version, event.head_version, event.previous_version)


def test_payloads_are_those_of_the_events(server, history):
    for commit in all_commits(server, start_revision=min(history), end_revision=max(history),
                              view=PAYLOADS):
        for change, event in zip(commit.changes, history[commit.revision]):
            assert change.HasField("config") == event.HasField("config")
            assert change.config == event.config
            assert change.previous == event.previous


def test_differences_are_those_of_the_payloads(server, history):
    for commit in all_commits(server, start_revision=min(history), end_revision=max(history),
                              view=DIFF, page_size=50):
        for change, event in zip(commit.changes, history[commit.revision]):
            old = json.loads(event.previous.config_data or "{}")
            new = json.loads(event.config.config_data or "{}")
            diff = change.diff
            assert {e.key for e in diff.added} == new.keys() - old.keys()
            assert {e.key for e in diff.removed} == old.keys() - new.keys()
            assert {e.key: json.loads(e.new_value) for e in diff.changed} == {
                key: new[key] for key in old.keys() & new.keys() if old[key] != new[key]}
            assert (diff.old_version, diff.new_version) == (event.previous_version,
                                                            event.head_version)


@pytest.mark.parametrize("newest_first", [True, False], ids=["newest", "oldest"])
def test_times_bound_the_list(server, history, newest_first):
    revisions = sorted(history)
    start = history[revisions[50]][0].commit_time
    end = history[revisions[200]][0].commit_time
    commits = all_commits(server, start_time=start, end_time=end, oldest_first=not newest_first)
    inside = {r: e for r, e in history.items()
              if (start.seconds, start.nanos)
              <= (e[0].commit_time.seconds, e[0].commit_time.nanos) < (end.seconds, end.nanos)}
    assert listed(commits) == expected(inside, newest_first)


@pytest.mark.parametrize("seconds", [-62135596800, 0, 253402300799])
def test_times_outside_the_log(server, history, seconds):
    everything = len(all_commits(server))
    after = all_commits(server, start_time=Timestamp(seconds=seconds))
    before = all_commits(server, end_time=Timestamp(seconds=seconds))
    assert (len(after), len(before)) == ((0, everything) if seconds > 2 ** 33 else (everything, 0))


def test_pages_are_as_of_one_revision(launch):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    for _ in range(5):
        registry.update("billing", allow_missing=True)
    first = list_commits(server, page_size=2)
    registry.update("billing")
    rest = list_commits(server, page_token=first.next_page_token)
    assert first.header == rest.header
    assert [c.revision for c in [*first.commits, *rest.commits]] == [5, 4, 3, 2, 1]
    oldest = list_commits(server, page_size=4, oldest_first=True)
    registry.update("billing")
    rest = list_commits(server, page_token=oldest.next_page_token, oldest_first=True)
    assert [c.revision for c in rest.commits] == [5, 6] and not rest.next_page_token
    server.stop()
    server.start()
    assert list_commits(server, page_token=first.next_page_token).commits == [
        c for c in all_commits(server) if c.revision in (3, 2, 1)]


def test_a_token_is_for_its_filters_only(server, history):
    token = list_commits(server, page_size=1).next_page_token
    list_commits(server, page_size=9, page_token=token)
    for fields in ({"environment": "prod"}, {"oldest_first": True}, {"view": DIFF}):
        with refused("INVALID_ARGUMENT", "PAGE_TOKEN"):
            list_commits(server, page_token=token, **fields)
    other = Registry(server.stub).list(page_size=1).next_page_token
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN"):
        list_commits(server, page_token=other)


def test_a_token_is_for_its_method_only(server, history):
    """Where the requests of two methods have the same bytes: one text is the other's field."""
    comparison = api_pb.DiffConfigsRequest(environment="none", new_environment="dev", page_size=1)
    token = server.stub.DiffConfigs(comparison, timeout=60).next_page_token
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN"):
        list_commits(server, environment="none", service_name="dev", page_token=token)


def test_a_call_looks_at_a_bounded_part_of_the_log(launch):
    """A rare commit far down is found all the same, by empty pages."""
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create("rare", created_by="ada")
    for _ in range(50):
        registry.write([update_change("billing", allow_missing=True) for _ in range(128)])
    page = list_commits(server, created_by="ada")
    assert not page.commits and page.next_page_token
    assert [c.revision for c in all_commits(server, created_by="ada")] == [1]
    direct = list_commits(server, service_name="rare")
    assert [c.revision for c in direct.commits] == [1] and not direct.next_page_token


def test_a_call_reads_a_bounded_number_of_bytes(launch):
    """Thirty large payloads are fewer changes than a call compares, but too many bytes for one."""
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create("billing", '{"pool":1}')
    for number in range(30):
        registry.update("billing", '{"pool":1,"x":"%s"}' % (str(number % 10) * 900_000))
    page = list_commits(server, json_pointer="/pool")
    assert not page.commits and page.next_page_token
    assert [c.revision for c in all_commits(server, json_pointer="/pool")] == [1]


@pytest.mark.parametrize("oldest_first", [False, True], ids=["newest", "oldest"])
def test_pages_go_on_over_whatever_happens_meanwhile(launch, oldest_first):
    """Writes, a compaction, an erase, a delete and a restart between pages: the list is of the first
    page's revision, each commit once."""
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    for number in range(12):
        registry.update("billing", '{"pool":%d}' % number, allow_missing=True)

    def restart():
        server.stop()
        server.start()

    steps = iter([
        lambda: registry.update("billing", '{"pool":-1}'),
        lambda: server.stub.Compact(api_pb.CompactRequest(), timeout=60),
        lambda: registry.commit([delete_change("billing", erase=True)]),
        restart,
        lambda: Registry(server.stub).create("billing"),
    ])
    found, headers, token = [], [], ""
    fields = {"page_size": 2, "oldest_first": oldest_first, "service_name": "billing",
              "view": PAYLOADS}
    while True:
        page = list_commits(server, page_token=token, **fields)
        found += [commit.revision for commit in page.commits]
        headers.append(page.header)
        token = page.next_page_token
        if not token:
            break
        next(steps, lambda: None)()
    assert found == sorted(range(1, 13), reverse=not oldest_first)
    assert all(header == headers[0] for header in headers)


def test_what_is_gone_is_told(launch):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create("billing", '{"pool":1}')
    registry.update("billing", '{"pool":1,"secret":"x"}')
    registry.update("billing", '{"pool":2}')
    registry.update("billing", '{"pool":2,"a":1}')
    registry.delete("billing", version=2)
    commits = {c.revision: c.changes[0] for c in all_commits(server, view=PAYLOADS)}
    assert commits[2].config.payload_state == ERASED and not commits[2].config.config_data
    assert commits[3].previous.payload_state == ERASED
    assert commits[5].kind == pb.CHANGE_KIND_ERASE and not commits[5].HasField("config")
    # What cannot be compared is listed; what can is not.
    found = [c.revision for c in all_commits(server, json_pointer="/pool")]
    assert found == [3, 2, 1]
    assert not [c for c in all_commits(server, view=DIFF, start_revision=2, end_revision=3)
                if c.changes[0].HasField("diff")]
    server.stub.Compact(api_pb.CompactRequest(), timeout=60)
    listing = all_commits(server)
    assert [c.revision for c in listing] == [6, 5, 4, 3, 2, 1]
    assert listing[0].changes[0].kind == pb.CHANGE_KIND_COMPACT
    assert 6 not in [c.revision for c in all_commits(server, environment="prod")]


@pytest.fixture(scope="module")
def broad(launch):
    """A last commit with 40 changes, which remove 36 MB of payloads; every tenth one changes /pool."""
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    for part in range(5):
        registry.commit([create_change(f"s{i:02}", '{"pool":0,"x":"%s"}' % ("x" * 900_000))
                         for i in range(8 * part, 8 * part + 8)])
    registry.commit([update_change(f"s{i:02}", '{"pool":%d}' % (i % 10 == 0)) for i in range(40)])
    return server


@pytest.mark.parametrize("oldest_first", [False, True], ids=["newest", "oldest"])
@pytest.mark.parametrize("view", [PAYLOADS, DIFF], ids=["payloads", "diff"])
def test_a_large_commit_goes_on_over_pages(broad, view, oldest_first):
    pages = list(pages_of(broad, view=view, start_revision=5, oldest_first=oldest_first))
    assert len(pages) > 10 and max(page.ByteSize() for page in pages) < 4 << 20
    commits = all_commits(broad, view=view, start_revision=5, oldest_first=oldest_first)
    assert listed(commits) == sorted([(5, list(range(8))), (6, list(range(40)))],
                                     reverse=not oldest_first)
    last = commits[0 if not oldest_first else -1]
    assert last.change_count == 40
    for change in last.changes:
        if view == DIFF:
            assert [entry.key for entry in change.diff.removed] == ["x"]
        else:
            assert len(change.previous.config_data) > 900_000 and change.config.config_data


def test_the_payloads_of_one_commit_that_a_call_reads_are_bounded(broad):
    """A commit is compared in several calls, and listed with what matches in each."""
    fields = {"json_pointer": "/pool", "start_revision": 6}
    pages = list(pages_of(broad, **fields))
    assert len(pages) == 3 and [len(page.commits) for page in pages] == [1, 1, 0]
    assert pages[0].commits[0].more
    assert listed(all_commits(broad, **fields)) == [(6, [0, 10, 20, 30])]




@pytest.mark.parametrize("fields, reason, field", [
    ({"environment": "a/b"}, "NAME_CHARACTER", "environment"),
    ({"service_name": "x" * 256}, "NAME_TOO_LONG", "service_name"),
    ({"service_name_prefix": "a/"}, "NAME_CHARACTER", "service_name_prefix"),
    ({"kinds": [7, 99]}, "KIND_UNKNOWN", "kinds"),
    ({"kinds": [0]}, "KIND_UNKNOWN", "kinds"),
    ({"json_pointer": "pool"}, "JSON_POINTER", "json_pointer"),
    ({"json_pointer": "/~2"}, "JSON_POINTER", "json_pointer"),
    ({"start_time": Timestamp(seconds=253402300800)}, "TIME_RANGE", "start_time"),
    ({"end_time": Timestamp(nanos=-1)}, "TIME_RANGE", "end_time"),
    ({"view": 9}, "VIEW_UNKNOWN", "view"),
    ({"page_token": "x"}, "PAGE_TOKEN", "page_token"),
    ({"created_by": "x" * 1025}, "TEXT_TOO_LONG", "created_by"),
])
def test_bad_requests_are_refused(server, fields, reason, field):
    with refused("INVALID_ARGUMENT", reason, field=field):
        list_commits(server, **fields)


def test_another_epoch_is_refused(server):
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH"):
        list_commits(server, start_revision=1, epoch="0" * 16)


def test_an_erased_config_and_a_delete_are_in_the_log(server):
    registry = Registry(server.stub)
    registry.create("gone", '{"a":1}', comment="why")
    registry.commit([delete_change("gone", erase=True)], comment="away", created_by="eve")
    newest, first = list_commits(server, service_name="gone").commits
    assert (newest.comment, newest.created_by) == ("away", "eve")
    assert newest.changes[0].kind == pb.CHANGE_KIND_ERASE and newest.changes[0].version == 0
    assert first.comment == "why"
