"""Watches of resolved configs: the config of environment `default` merged under an overlay."""


import grpc
import pytest
from calls import Registry, create_change, delete_change, undelete_change, update_change
from daemon import Confregd
from errors import refused
from seed import chance
from stubs import api_pb, pb
from watching import Watch


def selector(**fields):
    return api_pb.Selector(**fields)


@pytest.fixture
def watch(registry, name):
    """watch("prod", "dev") watches the test's service resolved in these environments."""
    opened = []

    def start(*environments, **fields):
        selectors = [selector(environment=e, service_name=name) for e in environments]
        opened.append(Watch(registry.stub, selectors=selectors, resolve=True, **fields))
        if "include_snapshot" not in fields:
            opened[-1].started()
        return opened[-1]

    yield start
    for one in opened:
        one.cancel()


def told(event):
    data = event.config.config_data if event.HasField("config") else None
    return event.environment, pb.ChangeKind.Name(event.kind)[12:], data


def test_a_change_on_either_side_is_an_event(registry, watch, name):
    stream = watch("prod")
    registry.create(name, '{"a":1,"b":1}', environment="default")
    registry.create(name, '{"b":2}')
    registry.update(name, '{"a":3,"c":3}', environment="default")
    registry.update(name, '{"a":null}')
    registry.delete(name)
    registry.delete(name, environment="default")
    assert [told(e) for e in stream.events(6)] == [
        ("prod", "CREATE", b'{"a":1,"b":1}'), ("prod", "UPDATE", b'{"a":1,"b":2}'),
        ("prod", "UPDATE", b'{"a":3,"c":3,"b":2}'), ("prod", "UPDATE", b'{"c":3}'),
        ("prod", "UPDATE", b'{"a":3,"c":3}'), ("prod", "DELETE", None)]


def test_an_event_carries_the_config_as_get_gives_it(registry, watch, name):
    stream = watch("prod")
    for environment in ("default", "prod"):
        registry.create(name, '{"%s":1}' % environment, environment=environment, comment="why")
        assert stream.event().config == registry.get(name, resolve=True).config


def test_versions_are_those_of_what_shows(registry, watch, name):
    stream = watch("prod")
    for _ in range(3):
        registry.update(name, environment="default", allow_missing=True)
    registry.create(name)
    registry.update(name, environment="default")
    registry.delete(name)
    events = stream.events(6)
    assert [(e.previous_version, e.head_version) for e in events] == [
        (0, 1), (1, 2), (2, 3), (3, 1), (1, 1), (1, 4)]


def test_other_environments_and_services_are_not_told(registry, watch, name):
    stream = watch("prod")
    registry.create(name, environment="dev")
    registry.create(f"{name}-other", environment="default")
    registry.create(name, '{"a":9}')
    assert stream.event().config.config_data == b'{"a":9}'


def test_the_default_environment_itself_is_as_it_is(registry, watch, name):
    """A null in it removes nothing: there is nothing under it."""
    stream = watch("default")
    registry.create(name, '{"a":null}', environment="default")
    assert told(stream.event()) == ("default", "CREATE", b'{"a":null}')


def test_one_commit_on_both_sides_is_one_event(registry, watch, name):
    stream = watch("prod")
    registry.commit([create_change(name, '{"a":1}', "default"), create_change(name, '{"b":1}'),
                     update_change(name, '{"a":2}', "default"), create_change(f"{name}-x")])
    event = stream.event()
    assert told(event) == ("prod", "CREATE", b'{"a":2,"b":1}')
    assert event.index == 2
    registry.update(name, '{"b":2}')
    assert told(stream.event()) == ("prod", "UPDATE", b'{"a":2,"b":2}')


def test_a_change_of_default_is_told_for_each_environment(registry, name):
    registry.create(name, '{"own":1}', environment="dev")
    stream = registry.stub.Watch(api_pb.WatchRequest(resolve=True, selectors=[
        selector(environment="prod", service_name=name),
        selector(environment="dev", service_name_prefix=name),
        selector(environment="dev", service_name=name)]), timeout=60)
    assert next(stream).kind == api_pb.WATCH_RESPONSE_KIND_STARTED
    registry.create(name, '{"a":1}', environment="default")
    response = next(stream)
    assert [told(e) for e in response.events] == [
        ("prod", "CREATE", b'{"a":1}'), ("dev", "UPDATE", b'{"a":1,"own":1}')]
    stream.cancel()


def test_what_leaves_the_heads_alone_is_not_told(registry, watch, name):
    registry.create(name)
    registry.update(name)
    stream = watch("prod")
    registry.delete(name, version=1)
    registry.update(name, '{"a":3}')
    assert stream.event().config.version == 3


def test_the_value_before_is_resolved_too(registry, watch, name):
    stream = watch("prod", include_previous=True)
    registry.create(name, '{"a":1}', environment="default")
    registry.create(name, '{"b":1}')
    registry.update(name, '{"a":2}', environment="default")
    events = stream.events(3)  # before the erase: what it takes is not shown any more
    registry.delete(name, environment="default", erase=True)
    before = [e.previous.config_data if e.HasField("previous") else None
              for e in [*events, stream.event()]]
    assert before == [None, b'{"a":1}', b'{"a":1,"b":1}', b""]


def test_a_snapshot_is_resolved(registry, name):
    """One with an overlay, one without, one that only the overlay has, one that is gone."""
    registry.commit([
        create_change(f"{name}-both", '{"a":1,"b":1}', "default"),
        create_change(f"{name}-both", '{"b":2}'),
        create_change(f"{name}-default", '{"a":1}', "default"),
        create_change(f"{name}-overlay", '{"c":1}'),
        create_change(f"{name}-gone"), create_change(f"{name}-gone-default", "{}", "default")])
    registry.commit([delete_change(f"{name}-gone"),
                     delete_change(f"{name}-gone-default", "default")])
    with Watch(registry.stub, resolve=True, include_snapshot=True, selectors=[
            selector(environment="prod", service_name_prefix=name)]) as stream:
        configs, revision = stream.snapshot()
        found = {c.service_name: (c.environment, c.config_data) for c in configs}
        assert len(found) == len(configs)
        assert found == {f"{name}-both": ("prod", b'{"a":1,"b":2}'),
                         f"{name}-default": ("prod", b'{"a":1}'),
                         f"{name}-overlay": ("prod", b'{"c":1}')}
        assert revision == registry.revision()
        registry.update(f"{name}-default", '{"a":2}', environment="default")
        assert told(stream.event()) == ("prod", "UPDATE", b'{"a":2}')


def test_a_snapshot_over_several_selectors_has_each_config_once(registry, name):
    registry.create(name, environment="default")
    with Watch(registry.stub, resolve=True, include_snapshot=True, selectors=[
            selector(environment="prod", service_name_prefix=name),
            selector(environment="prod", service_name=name),
            selector(environment="default", service_name=name)]) as stream:
        configs, _ = stream.snapshot()
        assert sorted(c.environment for c in configs) == ["default", "prod"]


@pytest.mark.parametrize("selectors, path", [
    ([], "selectors"), ([selector(service_name="x")], "selectors[0].environment"),
    ([selector(environment="prod"), selector()], "selectors[1].environment")])
def test_every_selector_must_name_its_environment(registry, selectors, path):
    with refused("INVALID_ARGUMENT", "RESOLVE_WITHOUT_ENVIRONMENT", field=path):
        Watch(registry.stub, resolve=True, selectors=selectors).next()


# ---- Any history, from memory and from the store ----

def any_change(rng, service, heads, deleted):
    environment = rng.choice(["default", "prod"])
    key = (environment, service)
    data = '{"%s":%d}' % (rng.choice("abc"), rng.randrange(100))
    if key not in heads:
        heads.add(key)
        if key in deleted and rng.random() < 0.5:
            return undelete_change(service, environment=environment)
        return create_change(service, data, environment)
    if rng.random() < 0.25:
        heads.remove(key)
        deleted.add(key)
        return delete_change(service, environment)
    return update_change(service, data, environment)


def resolved_now(registry, service):
    try:
        return registry.get(service, resolve=True).config
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
        return None


def follow(stream, revision):
    events = []
    while stream.position is None or stream.position.revision < revision:
        events += stream.next().events
    return events


@pytest.mark.parametrize("conflate", [False, True])
def test_live_and_late_streams_agree_with_get(launch, name, conflate):
    rng = chance("resolve")
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    names = [f"{name}-{i}" for i in range(6)]
    heads, deleted = set(), set()
    wanted = {"resolve": True, "selectors": [selector(environment="prod")], "conflate": conflate,
              "progress_interval": {"nanos": 100_000_000}}
    live = Watch(server.stub, start_revision=1, **wanted)
    live.started()
    states = {}
    for _ in range(300):
        service = rng.choice(names)
        revision = registry.commit([any_change(rng, service, heads, deleted)]).header.revision
        states[revision] = (service, resolved_now(registry, service))
    told_live = follow(live, 300)
    server.stop()
    server.start()
    with Watch(server.stub, start_revision=1, **wanted) as late:
        told_late = follow(late, 300)
    for events in (told_live, told_late):
        assert conflate or len(events) == sum(
            1 for r, (s, now) in states.items() if now is not None or had_before(states, r, s))
        for event in events:
            service, config = states[event.revision]
            assert (event.service_name, event.environment) == (service, "prod")
            assert event.HasField("config") == (config is not None)
            assert config is None or event.config == config
    assert conflate or told_live == told_late
    assert not conflate or len(told_late) < 50, "far fewer than there were changes"


def had_before(states, revision, service):
    before = [now for r, (s, now) in states.items() if r < revision and s == service]
    return bool(before) and before[-1] is not None
