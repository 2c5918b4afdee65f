"""The reads: heads and versions, batches, lists in pages, differences."""

import json
import threading

import pytest
from calls import create_change, delete_change, update_change
from daemon import until
from errors import refused
from stubs import api_pb, pb


# ---- GetConfig ----

def test_get_of_nothing(registry, name):
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.get(name)
    registry.create(name)
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        registry.get(name, version=2)


def test_get_of_an_old_version_tells_its_own_facts(registry, name):
    first = registry.create(name, comment="first", created_by="ada").config
    registry.update(name, comment="second")
    old = registry.get(name, version=1).config
    assert (old.version, old.comment, old.created_by) == (1, "first", "ada")
    assert (old.revision, old.create_time) == (first.revision, first.create_time)


def test_environments_are_apart(registry, name):
    registry.create(name, '{"e":"prod"}')
    registry.create(name, '{"e":"dev"}', environment="dev")
    registry.update(name, '{"e":"dev2"}', environment="dev")
    assert registry.get(name).config.version == 1
    assert registry.data(name, environment="dev") == b'{"e":"dev2"}'


def test_resolve_merges_default_under_the_overlay(registry, name):
    registry.create(name, '{"a":1,"b":{"c":1.0,"d":2},"e":5}', environment="default")
    registry.create(name, '{"b":{"c":7},"e":null,"f":[1]}', comment="overlay")
    answer = registry.get(name, resolve=True)
    assert json.loads(answer.config.config_data) == {"a": 1, "b": {"c": 7, "d": 2}, "f": [1]}
    assert (answer.config.environment, answer.config.comment) == ("prod", "overlay")
    assert [(s.environment, s.version) for s in answer.sources] == [("prod", 1), ("default", 1)]
    assert [s.mod_revision for s in answer.sources] == [
        registry.get(name).config.mod_revision,
        registry.get(name, environment="default").config.mod_revision]


def test_resolve_with_one_side_only(registry, name):
    registry.create(name, '{"x":1}', environment="default")
    answer = registry.get(name, resolve=True)
    assert (answer.config.environment, answer.config.config_data) == ("prod", b'{"x":1}')
    assert [(s.environment, s.version, s.mod_revision > 0) for s in answer.sources] == [
        ("prod", 0, False), ("default", 1, True)]
    other = f"{name}-other"
    registry.create(other, '{"y":1}')
    answer = registry.get(other, resolve=True)
    assert answer.config.config_data == b'{"y":1}'
    assert [(s.environment, s.version) for s in answer.sources] == [("prod", 1), ("default", 0)]


def test_resolve_counts_tombstones(registry, name):
    registry.create(name, environment="default")
    registry.create(name)
    deleted = registry.delete(name).header.revision
    sources = registry.get(name, resolve=True).sources
    assert (sources[0].version, sources[0].mod_revision) == (0, deleted)


def test_resolve_of_nothing_and_with_a_version(registry, name):
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.get(name, resolve=True)
    registry.create(name)
    with refused("INVALID_ARGUMENT", "VERSION_WITH_RESOLVE", field="version"):
        registry.get(name, version=1, resolve=True)


# ---- ReadOptions ----

def test_a_read_of_a_revision_that_is_there(registry, name):
    header = registry.create(name).header
    read = api_pb.ReadOptions(min_revision=header.revision, epoch=header.epoch)
    assert registry.get(name, read=read).config.version == 1
    read = api_pb.ReadOptions(consistency=api_pb.CONSISTENCY_LINEARIZABLE)
    assert registry.get(name, read=read).config.version == 1


def test_a_read_waits_for_its_revision(registry, name):
    header = registry.create(name).header
    read = api_pb.ReadOptions(min_revision=header.revision + 1)
    request = api_pb.GetConfigRequest(environment="prod", service_name=name, read=read)
    waiting = registry.stub.GetConfig.future(request, timeout=60)
    registry.get(name)
    assert not waiting.done()
    registry.update(name)
    assert waiting.result().config.version == 2


def test_a_read_that_waits_ends_with_its_deadline(registry, name):
    registry.create(name)
    read = api_pb.ReadOptions(min_revision=registry.revision() + 1000)
    request = api_pb.GetConfigRequest(environment="prod", service_name=name, read=read)
    with refused("DEADLINE_EXCEEDED"):
        registry.stub.GetConfig(request, timeout=0.2)


def test_a_read_of_another_epoch_is_refused(registry, name):
    registry.create(name)
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH"):
        registry.get(name, read=api_pb.ReadOptions(min_revision=1, epoch="f" * 16))


# ---- BatchGetConfigs ----

def names_of(*services, environment="prod"):
    return [pb.ConfigName(environment=environment, service_name=service) for service in services]


def test_batch_keeps_the_order_and_tells_what_is_missing(registry, name):
    names = [f"{name}-{i}" for i in range(4)]
    registry.commit([create_change(n, '{"n":"%s"}' % n) for n in names])
    registry.delete(names[1])
    answer = registry.batch(names_of(names[3], names[1], names[0], "nowhere", names[2]))
    assert [c.service_name for c in answer.configs] == [names[3], names[0], names[2]]
    assert [m.service_name for m in answer.missing] == [names[1], "nowhere"]
    assert not answer.unprocessed
    assert answer.configs[0] == registry.get(names[3]).config


def test_batch_limits(registry, name):
    registry.create(name)
    assert len(registry.batch(names_of(*[name] * 1000)).configs) == 1000
    for bad in ([], names_of(*[name] * 1001)):
        with refused("INVALID_ARGUMENT", "NAMES_COUNT", field="names"):
            registry.batch(bad)
    with refused("INVALID_ARGUMENT", field="names[1].service_name"):
        registry.batch(names_of(name, ""))


def test_a_large_batch_is_cut_by_bytes_and_says_so(registry, name):
    names = [f"{name}-{i}" for i in range(8)]
    for n in names:
        registry.create(n, '{"x":"%s"}' % ("y" * 900_000))
    wanted, got = names_of(*names), []
    while wanted:
        answer = registry.batch(wanted)
        assert answer.configs, "an answer without progress"
        assert answer.ByteSize() < 4 << 20
        got += [c.service_name for c in answer.configs]
        wanted = list(answer.unprocessed)
    assert got == names


def test_a_batch_is_as_of_one_revision(registry, name):
    one, two = f"{name}-1", f"{name}-2"
    registry.commit([create_change(one), create_change(two)])
    stop = threading.Event()

    def write():
        while not stop.is_set():
            registry.commit([update_change(one), update_change(two)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            configs = registry.batch(names_of(one, two)).configs
            assert configs[0].mod_revision == configs[1].mod_revision
    finally:
        stop.set()
        writer.join()


# ---- ListConfigs ----

def listed(registry, **fields):
    """Names of all pages; every page must tell the same position."""
    found, headers, token = [], set(), ""
    while True:
        page = registry.list(page_token=token, **fields)
        headers.add((page.header.revision, page.header.chain_hash))
        found += [(c.environment, c.service_name) for c in page.configs]
        token = page.next_page_token
        if not token:
            assert len(headers) == 1
            return found


def test_list_filters(registry, name):
    for environment in ("prod", "dev"):
        for service in (f"{name}-a", f"{name}-b", f"{name}x"):
            registry.create(service, environment=environment)
    assert listed(registry, service_name=f"{name}-a") == [("dev", f"{name}-a"),
                                                          ("prod", f"{name}-a")]
    assert listed(registry, service_name_prefix=f"{name}-", environment="dev") == [
        ("dev", f"{name}-a"), ("dev", f"{name}-b")]
    assert len(listed(registry, service_name_prefix=name)) == 6
    assert listed(registry, service_name=name) == []


def test_list_without_payloads(registry, name):
    registry.create(name, comment="why")
    config = registry.list(service_name=name, view=api_pb.VIEW_BASIC).configs[0]
    assert (config.version, config.comment) == (1, "why")
    assert config.payload_state == pb.PAYLOAD_STATE_OMITTED and not config.config_data
    assert registry.list(service_name=name).configs[0].config_data == b'{"a":1}'


def test_list_does_not_show_deleted_configs(registry, name):
    registry.create(name)
    registry.delete(name)
    assert listed(registry, service_name=name) == []


@pytest.mark.parametrize("page_size", [1, 3, 7, 10, 1000])
def test_pages_have_the_size_asked_for(registry, name, page_size):
    names = [f"{name}-{i}" for i in range(10)]
    registry.commit([create_change(n) for n in names])
    first = registry.list(service_name_prefix=name, page_size=page_size)
    assert len(first.configs) == min(page_size, 10)
    assert [s for _, s in listed(registry, service_name_prefix=name, page_size=page_size)] == names


def test_pages_stay_as_of_the_first_while_writes_go_on(registry, name):
    names = [f"{name}-{i:02}" for i in range(20)]
    registry.commit([create_change(n, '{"n":1}') for n in names])
    page = registry.list(service_name_prefix=name, page_size=5)
    seen = list(page.configs)
    for number, n in enumerate(names):
        if number % 3 == 0:
            registry.delete(n)
        else:
            registry.update(n, '{"n":2}')
            registry.update(n, '{"n":3}')
    registry.create(f"{name}-00a")
    registry.create(f"{name}-19a")
    while page.next_page_token:
        page = registry.list(service_name_prefix=name, page_size=5,
                             page_token=page.next_page_token)
        assert page.header.revision == seen[-1].mod_revision
        seen += page.configs
    assert [c.service_name for c in seen] == names
    assert {(c.version, c.config_data, c.mod_revision) for c in seen} == {
        (1, b'{"n":1}', seen[0].mod_revision)}


def test_a_list_passes_over_what_was_erased_since(registry, name):
    """One that fell back, one that went on, one that fell back twice, one that is left without a
    version, one that is erased as a whole, one that began again after that."""
    names = [f"{name}-{letter}" for letter in "abcdef"]
    registry.commit([create_change(n, '{"v":1}') for n in names])
    registry.commit([update_change(n, '{"v":2}') for n in names if not n.endswith("d")])
    registry.update(names[2], '{"v":3}')
    page = registry.list(service_name_prefix=name, page_size=1)
    page_of_names = registry.list(service_name_prefix=name, page_size=1, view=api_pb.VIEW_BASIC)
    registry.delete(names[1], version=2)
    registry.update(names[1], '{"v":3}')
    registry.delete(names[2], version=3)
    registry.delete(names[2], version=2)
    registry.delete(names[3], version=1)
    registry.delete(names[4], erase=True)
    registry.delete(names[5], erase=True)
    registry.create(names[5], '{"v":3}')
    for first, payloads in ((page, True), (page_of_names, False)):
        rest = registry.list(service_name_prefix=name, page_token=first.next_page_token,
                             view=page_of_names and (0 if payloads else api_pb.VIEW_BASIC))
        assert rest.header == first.header
        assert [(c.service_name, c.version) for c in rest.configs] == [
            (names[1], 1), (names[2], 1)]
        assert [c.config_data for c in rest.configs] == [b'{"v":1}' if payloads else b""] * 2
        assert all(c.mod_revision <= rest.header.revision for c in rest.configs)


def test_a_page_as_of_a_commit_that_changed_a_config_twice(registry, name):
    """The commit's last change of the config is not the one that brought its head."""
    registry.create(f"{name}-a")
    registry.create(f"{name}-b", '{"v":1}')
    registry.commit([update_change(f"{name}-b", '{"v":2}'), delete_change(f"{name}-b", version=1)])
    first = registry.list(service_name_prefix=name, page_size=1)
    registry.update(f"{name}-b", '{"v":3}')
    second = registry.list(service_name_prefix=name, page_size=1,
                           page_token=first.next_page_token)
    assert [(c.version, c.config_data) for c in second.configs] == [(2, b'{"v":2}')]


def test_a_page_token_is_good_for_its_own_list_only(registry, name):
    registry.commit([create_change(f"{name}-{i}") for i in range(3)])
    token = registry.list(service_name_prefix=name, page_size=1).next_page_token
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN", field="page_token"):
        registry.list(service_name_prefix=f"{name}-", page_size=1, page_token=token)
    other_digit = "0" if token[40] != "0" else "1"
    for bad in ("x", token[:-1], token + "00", token[:40] + other_digit + token[41:], "ü" * 80):
        with refused("INVALID_ARGUMENT", "PAGE_TOKEN", field="page_token"):
            registry.list(service_name_prefix=name, page_size=1, page_token=bad)
    assert registry.list(service_name_prefix=name, page_size=2, page_token=token).configs


def test_a_page_has_at_most_1000_configs(registry, name):
    for start in range(0, 1024, 128):
        registry.commit([create_change(f"{name}-{i:04}") for i in range(start, start + 128)])
    for page_size in (0, 1000, 1001, 4_000_000_000):
        page = registry.list(service_name_prefix=name, page_size=page_size, view=api_pb.VIEW_BASIC)
        assert len(page.configs) == 1000
        page = registry.list(service_name_prefix=name, page_size=page_size, view=api_pb.VIEW_BASIC,
                             page_token=page.next_page_token)
        assert len(page.configs) == 24 and not page.next_page_token


def test_a_large_list_is_cut_by_bytes(registry, name):
    for i in range(6):
        registry.create(f"{name}-{i}", '{"x":"%s"}' % ("y" * 900_000))
    page = registry.list(service_name_prefix=name)
    assert 1 <= len(page.configs) < 6 and page.ByteSize() < 4 << 20
    assert len(listed(registry, service_name_prefix=name)) == 6


# ---- ListVersions ----

def test_versions_come_newest_first(registry, name):
    registry.create(name, '{"v":1}', comment="one", created_by="ada")
    registry.update(name, '{"v":2}', comment="two")
    registry.rollback(name, 1)
    answer = registry.versions(name)
    assert answer.total_size == 3 and not answer.next_page_token
    assert [(v.version, v.kind, v.config_data) for v in answer.versions] == [
        (3, pb.CHANGE_KIND_ROLLBACK, b'{"v":1}'), (2, pb.CHANGE_KIND_UPDATE, b'{"v":2}'),
        (1, pb.CHANGE_KIND_CREATE, b'{"v":1}')]
    assert answer.versions[0].source_version == 1
    assert (answer.versions[2].comment, answer.versions[2].created_by) == ("one", "ada")


def test_versions_in_pages(registry, name):
    registry.create(name)
    for _ in range(24):
        registry.update(name)
    registry.delete(name, version=20)
    registry.delete(name, version=3)
    numbers, token = [], ""
    while True:
        page = registry.versions(name, page_size=7, page_token=token, view=api_pb.VIEW_BASIC)
        assert page.total_size == 23
        assert all(v.payload_state == pb.PAYLOAD_STATE_OMITTED for v in page.versions)
        numbers += [v.version for v in page.versions]
        token = page.next_page_token
        if not token:
            break
    assert numbers == [v for v in range(25, 0, -1) if v not in (20, 3)]


def test_versions_of_nothing(registry, name):
    assert not registry.versions(name).versions
    registry.create(name)
    registry.delete(name)
    answer = registry.versions(name)
    assert not answer.versions and answer.total_size == 0


# ---- DiffVersions ----

def entries(diff):
    return {kind: {e.key: (e.old_value, e.new_value) for e in getattr(diff, kind)}
            for kind in ("added", "removed", "changed")}


def test_diff_of_two_versions(registry, name):
    registry.create(name, '{"same":1,"reordered":{"a":1,"b":2},"gone":true,"moved":1}')
    registry.update(name, '{"same":1.0,"reordered":{"b":2,"a":1},"moved":true,"n\\u0065w":null}')
    diff = registry.diff(name, 1, 2).diff
    assert (diff.old_version, diff.new_version, diff.environment) == (1, 2, "prod")
    assert entries(diff) == {"added": {"new": (b"", b"null")}, "removed": {"gone": (b"true", b"")},
                             "changed": {"moved": (b"1", b"true")}}


def test_diff_has_a_json_patch_for_what_lies_deeper(registry, name):
    registry.create(name, '{"a":{"b":{"c":1,"d":2}},"l":[1,2]}')
    registry.update(name, '{"a":{"b":{"c":1,"d":3}},"l":[1,2,3]}')
    patch = json.loads(registry.diff(name).diff.json_patch)
    assert {"op": "replace", "path": "/a/b/d", "value": 3} in patch
    assert len(patch) == 2


def test_diff_defaults(registry, name):
    registry.create(name, '{"v":1}')
    with refused("FAILED_PRECONDITION", "NOT_ENOUGH_VERSIONS"):
        registry.diff(name)
    registry.update(name, '{"v":2}')
    registry.update(name, '{"v":3}')
    registry.delete(name, version=2)
    diff = registry.diff(name).diff
    assert (diff.old_version, diff.new_version) == (1, 3)
    assert registry.diff(name, 3, 1).diff.changed[0].new_value == b"1"
    assert entries(registry.diff(name, 3, 3).diff) == {"added": {}, "removed": {}, "changed": {}}


def test_diff_of_what_is_not_there(registry, name):
    with refused("FAILED_PRECONDITION", "NOT_ENOUGH_VERSIONS"):
        registry.diff(name)
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        registry.diff(name, 1, 2)
    registry.create(name)
    registry.update(name)
    with refused("NOT_FOUND", "VERSION_NOT_FOUND") as caught:
        registry.diff(name, 8, 9)
    assert caught[0].info["version"] == "9"


def test_diff_of_two_environments(registry, name):
    registry.create(name, '{"host":"a","port":1}', environment="dev")
    registry.create(name, '{"host":"b","port":1}')
    diff = registry.diff(name, environment="dev", new_environment="prod").diff
    assert (diff.environment, diff.new_environment) == ("dev", "prod")
    assert entries(diff)["changed"] == {"host": (b'"a"', b'"b"')}
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        registry.diff(name, environment="dev", new_environment="staging")


# ---- GetStatus ----

def test_status(confregd, registry, name):
    before = registry.status()
    registry.commit([create_change(name), create_change(f"{name}-2")])
    registry.commit([delete_change(name)])
    after = registry.status()
    assert after.header.revision == before.header.revision + 2
    assert after.config_count == before.config_count + 1
    assert (after.store, after.writable, after.not_writable_reason) == (
        confregd.store.partition(":")[0], True, "")
    assert after.oldest_revision <= 1
    assert after.watch_streams >= 1 and after.start_time.seconds > 0 and after.version


def test_every_change_is_notified(registry, name):
    before = registry.status().notifications_sent
    registry.commit([create_change(name), delete_change(name)])
    until(lambda: registry.status().notifications_sent >= before + 2, "two notifications")
