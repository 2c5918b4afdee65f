"""DiffConfigs: what differs between two environments, or between two revisions."""

import json

import pytest
from calls import Registry
from daemon import Confregd
from errors import refused
from seed import chance
from stubs import api_pb

TIMEOUT = 60


def pages(registry, page_size=0, between=lambda: None, **fields):
    """All pages of a comparison; `between` runs after each of them."""
    token, found = fields.pop("page_token", ""), []
    while True:
        page = registry.stub.DiffConfigs(api_pb.DiffConfigsRequest(
            page_size=page_size, page_token=token, **fields), timeout=TIMEOUT)
        found.append(page)
        token = page.next_page_token
        if token == "":
            return found
        between()


def diffs(registry, **fields):
    return [diff for page in pages(registry, **fields) for diff in page.diffs]


def versions(registry, **fields):
    return {d.service_name: (d.old_version, d.new_version) for d in diffs(registry, **fields)}


@pytest.fixture
def old_name(name):
    return f"{name}-old"


def test_two_environments(registry, name, old_name):
    for service, data in (("a", '{"x":1,"y":[1]}'), ("b", "{}"), ("c", '{"z":1.0}')):
        registry.create(service, data, environment=old_name)
    registry.create("a", '{"x":2,"n":{}}', environment=name)
    registry.create("c", '{"z":1}', environment=name)
    registry.create("d", "{}", environment=name)
    found = diffs(registry, environment=old_name, new_environment=name)
    assert [(d.service_name, d.old_version, d.new_version) for d in found] == [
        ("a", 1, 1), ("b", 1, 0), ("d", 0, 1)]
    first = found[0]
    assert (first.environment, first.new_environment) == (old_name, name)
    assert [[e.key for e in entries] for entries in (first.added, first.removed, first.changed)] == [
        ["n"], ["y"], ["x"]]
    assert json.loads(first.json_patch) == [
        {"op": "replace", "path": "/x", "value": 2}, {"op": "remove", "path": "/y"},
        {"op": "add", "path": "/n", "value": {}}]
    between = {"environment": old_name, "new_environment": name}
    assert list(versions(registry, **between, service_name="b")) == ["b"]
    assert list(versions(registry, **between, service_name_prefix="d")) == ["d"]
    assert versions(registry, **between, service_name="c") == {}


def test_two_revisions_across_deletes_and_erases(registry, name):
    registry.create("a", '{"n":1}', environment=name)
    registry.create("b", '{"n":1}', environment=name)
    start = registry.create("c", '{"n":1}', environment=name).header.revision
    registry.update("a", '{"n":2}', environment=name)
    registry.delete("b", environment=name)
    registry.update("c", '{"n":2}', environment=name)
    middle = registry.create("d", '{"n":1}', environment=name).header.revision
    registry.update("c", '{"n":1.0}', environment=name)
    registry.delete("d", environment=name)
    assert versions(registry, environment=name, old_revision=start) == {
        "a": (1, 2), "b": (1, 0)}
    assert versions(registry, environment=name, old_revision=start, new_revision=middle) == {
        "a": (1, 2), "b": (1, 0), "c": (1, 2), "d": (0, 1)}
    assert versions(registry, environment=name, old_revision=middle, new_revision=start) == {
        "a": (2, 1), "b": (0, 1), "c": (2, 1), "d": (1, 0)}
    registry.delete("c", version=2, environment=name)
    assert "c" not in versions(registry, environment=name, old_revision=start,
                               new_revision=middle)


def test_pages_compare_one_revision_while_writes_go_on(registry, name, old_name):
    for i in range(30):
        registry.create(f"s{i:02}", "{}", environment=old_name)
    number = iter(range(1000))

    def write():
        n = next(number)
        registry.create(f"s{n:02}", "{}", environment=name)
        registry.update(f"s{29 - n:02}", '{"n":1}', environment=old_name)
        registry.create(f"t{n}", "{}", environment=old_name)

    found = pages(registry, page_size=4, between=write, environment=old_name, new_environment=name)
    assert {page.header.revision for page in found} == {found[0].header.revision}
    listed = [(d.service_name, d.old_version, d.new_version) for p in found for d in p.diffs]
    assert listed == [(f"s{i:02}", 1, 0) for i in range(30)]
    assert max(len(page.diffs) for page in found) == 4


def test_a_page_ends_before_3_mib(registry, name, old_name):
    for i in range(6):
        registry.create(f"s{i}", '{"a":"%s"}' % ("x" * 900_000), environment=name)
    found = pages(registry, environment=old_name, new_environment=name)
    assert len(found) > 1 and all(page.ByteSize() < 4 << 20 for page in found)
    assert sum(len(page.diffs) for page in found) == 6


def test_random_histories(registry, name):
    """Against states that are kept here after each write."""
    rng = chance("diffs")
    environments = [f"{name}-{i}" for i in range(2)]
    heads, states = {}, {registry.create(name).header.revision: {}}
    for _ in range(120):
        key = rng.choice(environments), f"s{rng.randrange(6)}"
        data = json.dumps({"n": rng.randrange(3)})
        if key not in heads:
            answer = registry.create(key[1], data, environment=key[0])
        elif rng.random() < 0.3:
            answer = registry.delete(key[1], environment=key[0])
        else:
            answer = registry.update(key[1], data, environment=key[0])
        heads.pop(key, None)
        if answer.HasField("config"):
            heads[key] = answer.config.version, answer.config.config_data
        states[answer.header.revision] = dict(heads)
    for _ in range(60):
        (old, new), sides = rng.choices(list(states), k=2), rng.choices(environments, k=2)
        wanted = {}
        for service in (f"s{i}" for i in range(6)):
            before, after = (states[r].get((e, service), (0, None))
                             for r, e in zip((old, new), sides))
            if before[1] != after[1]:
                wanted[service] = before[0], after[0]
        assert versions(registry, environment=sides[0], new_environment=sides[1], old_revision=old,
                        new_revision=new, page_size=rng.choice([0, 1, 2])) == wanted


@pytest.mark.parametrize("fields, code, reason", [
    ({}, "INVALID_ARGUMENT", "OLD_REVISION_MISSING"),
    ({"new_environment": "default"}, "INVALID_ARGUMENT", "OLD_REVISION_MISSING"),
    ({"new_environment": "a/b"}, "INVALID_ARGUMENT", "NAME_CHARACTER"),
    ({"old_revision": 1, "epoch": "0123456789abcdef"}, "FAILED_PRECONDITION", "EPOCH_MISMATCH"),
    ({"old_revision": 1, "page_token": "00"}, "INVALID_ARGUMENT", "PAGE_TOKEN"),
    ({"old_revision": 2**64 - 1}, "OUT_OF_RANGE", "REVISION_AHEAD"),
    ({"new_environment": "x", "new_revision": 2**62}, "OUT_OF_RANGE", "REVISION_AHEAD")])
def test_what_is_refused(registry, fields, code, reason):
    with refused(code, reason):
        diffs(registry, **fields)


def test_a_token_belongs_to_its_comparison(registry, name, old_name):
    for i in range(3):
        registry.create(f"s{i}", "{}", environment=name)
    request = api_pb.DiffConfigsRequest(environment=old_name, new_environment=name, page_size=1)
    request.page_token = registry.stub.DiffConfigs(request, timeout=TIMEOUT).next_page_token
    request.service_name_prefix = "s"
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN"):
        registry.stub.DiffConfigs(request, timeout=TIMEOUT)


def test_compacted_revisions_cannot_be_compared(launch, name, old_name):
    registry = Registry(launch(Confregd).start().stub)
    registry.create("a", '{"n":1}', environment=name)
    revision = registry.create("b", "{}", environment=name).header.revision
    request = api_pb.DiffConfigsRequest(environment=old_name, new_environment=name, page_size=1)
    request.page_token = registry.stub.DiffConfigs(request, timeout=TIMEOUT).next_page_token
    registry.update("a", '{"n":2}', environment=name)
    floor = registry.update("a", '{"n":3}', environment=name).header.revision
    registry.stub.Compact(api_pb.CompactRequest(revision=floor), timeout=TIMEOUT)
    with refused("OUT_OF_RANGE", "COMPACTED") as caught:
        diffs(registry, environment=name, old_revision=revision)
    assert caught[0].info["oldest_revision"] == str(floor)
    assert diffs(registry, environment=name, old_revision=floor) == []
    with refused("ABORTED", "PAGE_TOKEN_COMPACTED"):
        registry.stub.DiffConfigs(request, timeout=TIMEOUT)
