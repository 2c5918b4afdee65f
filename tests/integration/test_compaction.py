"""Compaction removes superseded payloads, and keeps heads, facts and what watches need."""

import os

import pytest
from calls import Registry
from daemon import Confregd, Gateway, until
from errors import refused
from rest import Rest
from stubs import api_pb, pb
from watching import Watch

COMPACTED, THERE = pb.PAYLOAD_STATE_COMPACTED, pb.PAYLOAD_STATE_UNSPECIFIED


@pytest.fixture
def server(launch):
    return launch(Confregd).start()


def compact(server, **fields):
    return server.stub.Compact(api_pb.CompactRequest(**fields), timeout=60)


def states(server, service):
    page = Registry(server.stub).versions(service)
    return {v.version: v.payload_state for v in page.versions}


def wait_compacted(server, service, versions):
    def done():
        found = states(server, service)
        return all(found[v] == COMPACTED for v in versions)

    until(done, f"versions {versions} of {service} are compacted")


def fill(server, versions=4):
    registry = Registry(server.stub)
    registry.create("billing", '{"n":1}')
    for number in range(2, versions + 1):
        registry.update("billing", '{"n":%d}' % number)
    return registry


def test_superseded_versions_are_told_as_compacted(server):
    registry = fill(server)
    assert compact(server, keep_versions=2).oldest_revision == 5
    wait_compacted(server, "billing", [1, 2])
    assert states(server, "billing") == {4: THERE, 3: THERE, 2: COMPACTED, 1: COMPACTED}
    assert registry.data("billing") == b'{"n":4}'
    assert registry.data("billing", version=3) == b'{"n":3}'
    for refuse in (lambda: registry.get("billing", version=2),
                   lambda: registry.diff("billing", 1, 4),
                   lambda: registry.rollback("billing", 1)):
        with refused("FAILED_PRECONDITION", "PAYLOAD_COMPACTED"):
            refuse()
    assert registry.diff("billing").diff.old_version == 3
    assert registry.status().oldest_revision == 5


def test_the_facts_stay_and_the_floor_holds_over_restarts(server):
    fill(server)
    compact(server)
    server.kill()
    server.start()
    wait_compacted(server, "billing", [1, 2, 3])
    versions = Registry(server.stub).versions("billing").versions
    assert [(v.version, v.revision, v.kind) for v in versions] == [
        (4, 4, pb.CHANGE_KIND_UPDATE), (3, 3, pb.CHANGE_KIND_UPDATE),
        (2, 2, pb.CHANGE_KIND_UPDATE), (1, 1, pb.CHANGE_KIND_CREATE)]
    assert Registry(server.stub).status().oldest_revision == 5
    server.stop()
    server.start()
    assert Registry(server.stub).status().oldest_revision == 5


def test_a_watch_starts_above_the_floor_only(server):
    registry = fill(server)
    compact(server, revision=2)
    registry.update("billing", '{"n":5}')
    with refused("OUT_OF_RANGE", "COMPACTED") as caught:
        Watch(server.stub, start_revision=2).next()
    assert caught[0].info == {"oldest_revision": "3", "newest_revision": "6"}
    wait_compacted(server, "billing", [1])
    with Watch(server.stub, start_revision=3) as watch:
        events = watch.events(3)
    assert [(e.revision, e.version, e.config.config_data) for e in events] == [
        (3, 3, b'{"n":3}'), (4, 4, b'{"n":4}'), (6, 5, b'{"n":5}')]


def test_a_compaction_is_no_event_and_moves_watches_on(server):
    registry = fill(server)
    with Watch(server.stub) as watch:
        started = watch.started()
        compact(server)
        registry.update("billing", '{"n":5}')
        assert watch.event().revision == started.header.revision + 2


def test_an_open_watch_loses_nothing(server):
    registry = fill(server, versions=50)
    with Watch(server.stub, start_revision=1) as watch:
        watch.started()
        compact(server)
        wait_compacted(server, "billing", range(1, 50))
        registry.update("billing", '{"n":51}')
        events = watch.events(51)
    assert [e.version for e in events] == list(range(1, 52))
    assert [e.config.config_data for e in events] == [b'{"n":%d}' % n for n in range(1, 52)]


def test_a_list_from_below_the_floor_begins_anew(server):
    registry = Registry(server.stub)
    for service in "abc":
        registry.create(service)
    page = registry.list(page_size=1)
    registry.update("b")
    compact(server)
    with refused("ABORTED", "PAGE_TOKEN_COMPACTED"):
        registry.list(page_size=1, page_token=page.next_page_token)
    page = registry.list(page_size=1)
    assert registry.list(page_size=1, page_token=page.next_page_token).configs[0].version == 2


def test_a_list_that_would_fall_back_to_what_was_compacted_begins_anew(server):
    """The listed version was erased since, and the version below it had been compacted before."""
    registry = Registry(server.stub)
    for service in "ab":
        registry.create(service)
    registry.update("b")
    compact(server)
    wait_compacted(server, "b", [1])
    page = registry.list(page_size=1)
    registry.update("b")
    registry.delete("b", version=2)
    with refused("ABORTED", "PAGE_TOKEN_COMPACTED"):
        registry.list(page_size=1, page_token=page.next_page_token)
    page = registry.list(page_size=1)
    assert registry.list(page_size=1, page_token=page.next_page_token).configs[0].version == 3


def test_what_compact_refuses(server):
    registry = fill(server)
    with refused("OUT_OF_RANGE", "REVISION_AHEAD"):
        compact(server, revision=5)
    assert compact(server, revision=3, validate_only=True).oldest_revision == 4
    assert registry.status().oldest_revision == 1, "nothing was changed"
    assert compact(server, revision=3, request_id="once").oldest_revision == 4
    revision = registry.revision()
    assert compact(server, revision=3, request_id="once").oldest_revision == 4
    wait_compacted(server, "billing", [1, 2])
    assert compact(server, revision=2).oldest_revision == 4, "it does not move back"
    assert registry.revision() == revision


@pytest.mark.sqlite
def test_the_file_becomes_smaller(server):
    registry = Registry(server.stub)
    registry.create("billing")
    for _ in range(40):
        registry.update("billing", '{"text":"%s"}' % os.urandom(60_000).hex())
    server.stop()  # all is in the file itself then
    full = server.database.stat().st_size
    assert full > 4_000_000
    server.start()
    compact(server)
    until(lambda: server.database.stat().st_size < full / 4, "the file is smaller")


def test_over_http(launch, server):
    fill(server)
    rest = Rest(launch(Gateway, server.listen).start().port)
    compact(server, keep_versions=2)
    wait_compacted(server, "billing", [1, 2])
    path, query = "/api/configs/billing", {"environment": "prod"}
    assert rest.get(path, query=query).json() == {"n": 4}
    assert rest.get(path, query={**query, "version": 1}).status == 410
    history = rest.get(f"{path}/history", query=query).json()
    assert [document["version"] for document in history] == [4, 3]


def test_a_policy_compacts_without_being_asked(launch):
    server = launch(Confregd, extra=["--compact-keep-versions", "2",
                                     "--compact-interval", "100ms"]).start()
    registry = fill(server, versions=6)
    wait_compacted(server, "billing", [1, 2, 3, 4])
    assert states(server, "billing")[5] == THERE
    registry.update("billing", '{"n":7}')
    wait_compacted(server, "billing", [5])
    revision = registry.revision()
    until(lambda: registry.status().oldest_revision > 6, "the floor has moved")
    registry.create("other")
    until(lambda: registry.status().oldest_revision > revision, "it goes on")


def test_a_policy_by_age_leaves_what_is_young(launch):
    server = launch(Confregd, extra=["--compact-keep-age", "1h",
                                     "--compact-interval", "100ms"]).start()
    registry = fill(server)
    other = launch(Confregd, extra=["--compact-keep-age", "1s",
                                    "--compact-interval", "100ms"]).start()
    fill(other)
    wait_compacted(other, "billing", [1, 2, 3])
    assert set(states(server, "billing").values()) == {THERE}
    assert registry.status().oldest_revision == 1
