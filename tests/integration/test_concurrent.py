"""All calls at once, from many threads. The history is checked at the end of the module."""

import threading

import grpc
import pytest
from calls import (
    Registry, create_change, delete_change, rollback_change, undelete_change, update_change)
from daemon import connect
from rest import Rest
from seed import chance
from stubs import api_grpc, api_pb, health_grpc, health_pb
from watching import Watch

pytestmark = pytest.mark.concurrent

THREADS = 8
STEPS = 150
# What a call may be told when others change the same configs at the same time.
LOST_RACES = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.ABORTED,
              grpc.StatusCode.FAILED_PRECONDITION}


def pick(rng):
    return f"shared-{rng.randrange(10)}"


def newest(registry, service):
    return registry.get(service).config


def take_page(registry, rng):
    page = registry.list(service_name_prefix="shared-", page_size=3)
    while page.next_page_token and rng.random() < 0.8:
        page = registry.list(service_name_prefix="shared-", page_size=3,
                             page_token=page.next_page_token)


def watch_a_little(registry, rng):
    with Watch(registry.stub, include_snapshot=rng.random() < 0.5,
               selectors=[api_pb.Selector(service_name=pick(rng))]) as stream:
        stream.next()


STEP_KINDS = [
    lambda r, c: r.create(pick(c)),
    lambda r, c: r.update(pick(c), '{"n":%d}' % c.randrange(10**9), allow_missing=True),
    lambda r, c: r.update(pick(c), allow_missing=True, request_id=f"id-{c.randrange(40)}"),
    lambda r, c: r.patch(pick(c), '{"p":%d}' % c.randrange(100), allow_missing=True),
    lambda r, c: r.rollback(pick(c), max(1, newest(r, f"shared-{c.randrange(10)}").version - 1)),
    lambda r, c: r.delete(pick(c), allow_missing=True),
    lambda r, c: r.delete(s := pick(c), version=newest(r, s).version),
    lambda r, c: r.delete(pick(c), erase=True),
    lambda r, c: r.undelete(pick(c)),
    lambda r, c: r.undelete(pick(c), c.randrange(1, 30)),
    lambda r, c: r.update(s := pick(c), expected_revision=newest(r, s).mod_revision),
    lambda r, c: r.commit([update_change(pick(c), allow_missing=True) for _ in range(5)] +
                          [delete_change(pick(c), allow_missing=True)]),
    lambda r, c: r.write([update_change(pick(c), allow_missing=True), create_change(pick(c)), delete_change(pick(c)),
                          rollback_change(pick(c), 1), undelete_change(pick(c)),
                          update_change(pick(c), allow_missing=True, request_id=f"w-{c.randrange(40)}")]),
    lambda r, c: r.get(pick(c), resolve=True),
    lambda r, c: r.get(pick(c), version=c.randrange(1, 30)),
    lambda r, c: r.get(pick(c), version=c.randrange(1, 30), include_deleted=True),
    lambda r, c: r.diff(pick(c)),
    lambda r, c: r.diff(pick(c), include_deleted=True),
    lambda r, c: r.list(show_deleted=True),
    lambda r, c: r.versions(pick(c), page_size=5),
    lambda r, c: r.versions(pick(c), include_deleted=True),
    lambda r, c: r.status(),
    take_page,
    watch_a_little,
]


def run_all(target, count=THREADS):
    """Runs target(number) on threads; the first thing that any of them raises comes out here."""
    failures = []

    def run(number):
        try:
            target(number)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_all_calls_from_many_threads(confregd):
    def work(number):
        rng = chance("thread", number)
        channel = connect(confregd.listen)
        registry = Registry(api_grpc.RegistryServiceStub(channel))
        for _ in range(STEPS):
            try:
                rng.choice(STEP_KINDS)(registry, rng)
            except grpc.RpcError as error:
                assert error.code() in LOST_RACES, error
        channel.close()

    run_all(work)


def test_one_config_by_compare_and_set(confregd, registry):
    """Each thread adds its part by expected_version; nothing of anybody's is lost."""
    registry.create("counter", '{"n":0}')

    def work(_):
        mine = Registry(confregd.stub)
        for _ in range(25):
            while True:
                config = mine.get("counter").config
                number = int(config.config_data[5:-1])
                try:
                    mine.update("counter", '{"n":%d}' % (number + 1),
                                expected_version=config.version)
                    break
                except grpc.RpcError as error:
                    assert error.code() == grpc.StatusCode.ABORTED, error

    run_all(work, 4)
    assert registry.data("counter") == b'{"n":100}'
    assert registry.get("counter").config.version == 101


def test_health_and_reflection_from_many_threads(confregd):
    def work(_):
        channel = connect(confregd.listen)
        health = health_grpc.HealthStub(channel)
        for _ in range(50):
            health.Check(health_pb.HealthCheckRequest(), timeout=60)
            watch = health.Watch(health_pb.HealthCheckRequest(), timeout=60)
            next(watch)
            watch.cancel()
        channel.close()

    run_all(work)


def test_the_gateway_from_many_threads(gateway):
    def work(number):
        rng = chance("thread", number)
        rest = Rest(gateway.port)
        for _ in range(60):
            path = f"/api/configs/http-{rng.randrange(5)}"
            call = rng.choice([
                lambda: rest.post(path, {"config_data": {"a": 1}}),
                lambda: rest.put(path, {"config_data": {"a": rng.randrange(100)}}),
                lambda: rest.put(path, "{"),
                lambda: rest.get(path),
                lambda: rest.get(path + "/history?limit=100"),
                lambda: rest.get(path + "/diff"),
                lambda: rest.get("/api/configs?environment=default"),
                lambda: rest.delete(path + "?version=2"),
                lambda: rest.delete(path),
                lambda: rest.get("/stats"),
            ])
            assert call().status in (200, 201, 400, 404, 422)

    run_all(work)
