"""Bounds that hold while a store or a broker hangs: the time of calls, and the time of a stop.

A store hangs when its server stands still (SIGSTOP) with its connections open. The bounds are
generous; without them the same took several times as long, or for ever."""

import concurrent.futures
import contextlib
import re
import time
import urllib.request

import grpc
import mongodb
import pytest
from broker import Broker
from calls import Registry
from daemon import Confregd, Gateway, free_port, until
from errors import refused
from proxy import Proxy
from rest import Rest, gauge
from stubs import api_pb
from watching import Watch

GRACE = 2
SECOND = 1      # that a stop may take beside the grace
SLACK = 7       # of a busy machine
STOPS_WITHIN = GRACE + SECOND + SLACK
PUBLISHING = api_pb.RELAY_STATE_PUBLISHING
BY_FORCE = "event=ended_by_force"
IN_FLIGHT = "confreg_gateway_requests_in_flight"

pytestmark = pytest.mark.own_store


@pytest.fixture
def database(tmp_path):
    server = mongodb.Server("secantus", tmp_path / "database").start()
    yield server
    server.stop()


@contextlib.contextmanager
def frozen(program):
    program.freeze()
    try:
        yield
    finally:
        program.thaw()


def start(launch, database, options="", extra=()):
    """The address has no time-outs, so the defaults apply."""
    return launch(Confregd, store=f"{database.address}/registry{options}",
                  extra=["--grace", f"{GRACE}s", *extra]).start()


def stop_in_time(server):
    begun = time.monotonic()
    server.stop()
    took = time.monotonic() - begun
    assert took < STOPS_WITHIN, f"it took {took:.1f} s to stop"


def old_read(server, timeout):
    """A read of the store: an old version is not in memory."""
    return server.stub.GetConfig.future(api_pb.GetConfigRequest(
        environment="prod", service_name="x", version=1), timeout=timeout)


def code_of(future):
    with contextlib.suppress(grpc.FutureCancelledError):
        return future.exception().code()
    return grpc.StatusCode.CANCELLED


def with_history(server):
    registry = Registry(server.stub)
    registry.create("x")
    registry.update("x")
    return registry


# ---- Stopping ----

def test_a_stop_while_the_database_stands_still(launch, database):
    server = start(launch, database)
    with_history(server)
    with frozen(database):
        stop_in_time(server)
    server.start()
    assert Registry(server.stub).get("x").config.version == 2
    server.stop()


def test_a_stop_with_reads_that_hang(launch, database):
    """Thirty calls, most of them long past their deadlines."""
    server = start(launch, database)
    with_history(server)
    with frozen(database):
        reads = [old_read(server, 0.5) for _ in range(27)] + [old_read(server, 60)] * 3
        assert {code_of(read) for read in reads[:27]} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        stop_in_time(server)
        assert reads[-1].exception() is not None


def test_a_stop_while_a_write_is_in_doubt(launch, database):
    """The write was sent, but never reaches the database: the link is frozen."""
    way = Proxy(database.port)
    server = launch(Confregd, store=f"mongodb://127.0.0.1:{way.port}/registry",
                    extra=["--grace", f"{GRACE}s"]).start()
    with_history(server)
    held = way.hold_from(b"doubt")
    write = server.stub.UpdateConfig.future(api_pb.UpdateConfigRequest(
        environment="prod", service_name="x", config_data=b'{"in":"doubt"}'), timeout=60)
    assert held.wait(60)
    stop_in_time(server)
    assert code_of(write) in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    way.close()
    server.store = f"{database.address}/registry"
    server.start()
    assert Registry(server.stub).get("x").config.version in (2, 3)
    server.stop()


def test_a_stop_with_watches_that_read_what_is_old(launch, database):
    server = start(launch, database, extra=["--ring", "1M"])
    registry = with_history(server)
    for number in range(30):
        registry.update("x", f'{{"n":{number},"ballast":"{"b" * 100000}"}}')
    with frozen(database):
        watches = [Watch(server.stub, start_revision=1) for _ in range(20)]
        until(lambda: registry.status().watch_streams == len(watches), "the watches are there")
        stop_in_time(server)
        for watch in watches:
            with refused("UNAVAILABLE"):
                watch.next()


def test_a_stop_while_the_broker_stands_still(launch):
    broker = launch(Broker).start()
    server = launch(Confregd, extra=["--grace", f"{GRACE}s", "--bus", broker.address()]).start()
    registry = Registry(server.stub)
    registry.create("x")
    until(lambda: registry.status().relay.state == PUBLISHING, "it publishes")
    with frozen(broker):
        registry.update("x")
        stop_in_time(server)
    assert BY_FORCE not in server.log.read_text()


def test_a_stop_of_the_gateway_while_the_server_stands_still(launch):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen, extra=["--grace", f"{GRACE}s"]).start()
    assert Rest(gateway.port).post("/api/configs/x", {"config_data": {"a": 1}}).status == 201
    at_rest = gauge(gateway.port, IN_FLIGHT)  # the request that asks
    with frozen(server), concurrent.futures.ThreadPoolExecutor() as clients:
        answers = [clients.submit(Rest(gateway.port).put, "/api/configs/x",
                                  {"config_data": {"a": number}}) for number in range(5)]
        until(lambda: gauge(gateway.port, IN_FLIGHT) == at_rest + 5, "all of them wait")
        stop_in_time(gateway)
        assert {answer.result().status for answer in answers} == {503}


# ---- Working ----

def store_reads(address):
    """How many reads of the store wait, run, and were dropped, by the metrics."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        page = answer.read().decode()

    def of(sample):
        return int(re.search(rf"^{re.escape(sample)} (\d+)$", page, re.MULTILINE).group(1))

    return (of('confreg_store_reads{for="read",state="waiting"}'),
            of('confreg_store_reads{for="read",state="running"}'),
            of('confreg_store_reads_dropped_total{for="read",reason="unwanted"}'))


@pytest.mark.parametrize("over", ["deadline", "cancelled"])
def test_calls_that_are_over_hold_no_thread(launch, database, over):
    """The threads come back when the calls are over, not when the driver has had enough, while the
    database stands still; and what has not been begun by then never is."""
    metrics = f"127.0.0.1:{free_port()}"
    server = start(launch, database, "?socketTimeoutMS=600000&serverSelectionTimeoutMS=600000",
                   extra=["--metrics", metrics])
    with_history(server)
    assert old_read(server, 60).result().config.version == 1
    with frozen(database):
        running = [old_read(server, 5) for _ in range(3)]
        until(lambda: store_reads(metrics)[1] == 3, "all threads for reads are taken")
        waiting = [old_read(server, 60 if over == "cancelled" else 0.5) for _ in range(40)]
        if over == "cancelled":
            until(lambda: store_reads(metrics)[0] == 40, "all of them wait")
            for read in waiting:
                read.cancel()
        assert {code_of(read) for read in running} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        until(lambda: store_reads(metrics) == (0, 0, 40), "nothing runs or waits", seconds=30)
    assert old_read(server, 30).result().config.version == 1
    server.stop()


def test_watches_leave_reads_their_share(launch, database):
    """A thousand lagging watches read from a slow store; a call's read does not queue behind them."""
    server = start(launch, database, extra=["--ring", "1M"])
    registry = with_history(server)
    for number in range(30):
        registry.update("x", f'{{"n":{number},"ballast":"{"b" * 100000}"}}')
    watches = [Watch(server.stub, start_revision=1) for _ in range(200)]
    for watch in watches:
        watch.started()
    for _ in range(10):
        assert old_read(server, 10).result().config.version == 1
    for watch in watches:
        watch.cancel()
    server.stop()


# ---- Starting ----

@pytest.mark.parametrize("size", [1, 2])
def test_a_small_pool_of_connections_will_do(launch, database, size):
    """No thread waits for a second connection while it holds one."""
    server = start(launch, database, f"?maxPoolSize={size}")
    registry = with_history(server)
    reads = [old_read(server, 30) for _ in range(20)]
    registry.update("x", '{"a":3}')
    assert {read.result().config.version for read in reads} == {1}
    stop_in_time(server)
    server.start()  # with heads to load
    assert Registry(server.stub).get("x").config.version == 3
    server.stop()
