"""Three nodes under traffic while connections, database and broker fail them. Afterwards the history
is checked, what clients saw is judged as linearizable, and events are compared to the log."""

import contextlib
import threading
import time

import disk
import grpc
import history
import mongodb
import pytest
from broker import Broker
from calls import Registry
from cluster import NODES, in_step, registries, start_clients, stop_and_check, wait_for_more
from daemon import Confregd, until
from listener import Listener, changes_of, check
from proxy import Proxy
from stubs import api_pb

QUICK = "serverSelectionTimeoutMS=500&connectTimeoutMS=500&socketTimeoutMS=1500"
QUICK_BUS = "/?heartbeat=1&connection_timeout=1000"
PUBLISHING = api_pb.RELAY_STATE_PUBLISHING


def endure(seconds):
    """The length of a fault, not a wait for something."""
    threading.Event().wait(seconds)


# ---- What may happen to connections ----

def cut(proxy, _):
    proxy.cut()


def cut_and_refuse_to_pass(proxy, _):
    proxy.hold()
    proxy.cut()
    endure(1)
    proxy.release()


def lose_everything_for_a_second(proxy, _):
    proxy.hold()
    endure(1)
    proxy.release()


def swallow_until_it_is_noticed(proxy, is_noticed):
    proxy.hold()
    until(is_noticed, "the fault is noticed")
    proxy.release()


def delay_everything(proxy, _):
    proxy.delay(0.075, 0.05)
    endure(2)
    proxy.release()


def leave_half_open(proxy, _):
    proxy.abandon()


HARMS = [cut, cut_and_refuse_to_pass, lose_everything_for_a_second, swallow_until_it_is_noticed,
         delay_everything, leave_half_open]


# ---- Between a node and the database ----

def is_out_of_touch(node):
    """It says itself that it has not seen the log's end for some seconds."""
    return time.time() - Registry(node.stub).status().log_time.ToSeconds() > 6


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    server = mongodb.Server("secantus", tmp_path_factory.mktemp("mongodb"),
                            mongodb.DURABLE["secantus"]).start()
    yield server
    server.stop()


@pytest.fixture
def proxies():
    """proxies(port): proxies to it, one for each node."""
    made = []

    def make(port):
        made.extend(Proxy(port) for _ in range(NODES))
        return made[-NODES:]

    yield make
    for proxy in made:
        proxy.close()


@contextlib.contextmanager
def recorded(node):
    recorder = history.Recorder(node)
    recorder.start()
    yield recorder
    recorder.stop()


def start_nodes(launch, addresses, name, **fields):
    return [launch(Confregd, store=f"{address}/{name}?{QUICK}", **fields).start()
            for address in addresses]


def end(nodes):
    for node in nodes:
        node.end()


@contextlib.contextmanager
def under_traffic(nodes):
    """Clients at work; the caller goes on when they have begun. At the end all is checked."""
    with recorded(nodes[0]) as recorder:
        clients = start_clients(nodes)
        wait_for_more(clients, 60)
        yield clients
        wait_for_more(clients, 60)
        stop_and_check(nodes, recorder, clients)


@pytest.mark.concurrent
@pytest.mark.parametrize("harm", HARMS)
def test_connections_to_the_database_that_break(launch, database, proxies, name, harm):
    """Each node is met in turn, then all of them."""
    ways = proxies(database.port)
    nodes = start_nodes(launch, [f"mongodb://127.0.0.1:{way.port}" for way in ways], name)
    with under_traffic(nodes) as clients:
        for way, node in zip(ways, nodes):
            harm(way, lambda node=node: is_out_of_touch(node))
            wait_for_more(clients, 60)
        threads = [threading.Thread(target=harm, args=(
            way, lambda node=node: is_out_of_touch(node))) for way, node in zip(ways, nodes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for node in nodes:
        told = node.log.read_text().count("heads_not_saved")
        assert told <= 3, "each failure once, not as often as it is tried"
    end(nodes)


# ---- Under the database ----

def resumes(registry):
    """Whether a write goes well again."""
    with contextlib.suppress(grpc.RpcError):
        registry.update("after", allow_missing=True)
        return True
    return False


def test_a_full_disk_under_the_database(launch, tmp_path, name):
    """The nodes say why they take no writes and give what they have; a database that is started
    again once there is room has all that was acknowledged."""
    with contextlib.ExitStack() as ends:
        folder = ends.enter_context(disk.small_disk(tmp_path / "disk", "192m"))
        database = mongodb.Server("secantus", folder / "db", mongodb.DURABLE["secantus"]).start()
        ends.callback(database.stop)
        nodes = start_nodes(launch, [database.address] * NODES, name)
        with recorded(nodes[0]) as recorder:
            first, second, third = registries(nodes)
            first.create("kept", '{"a":1}')
            in_step(nodes)
            ballast = disk.fill_up(folder)
            _, refusal = disk.write_until_refused(second, "large")
            assert refusal.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"), refusal
            assert third.data("kept") == b'{"a":1}'
            assert not second.status().writable
            ballast.unlink()
            database.kill()
            database.start()
            for registry in (first, second, third):
                until(lambda r=registry: resumes(r), "it takes writes again", seconds=60)
            in_step(nodes)
            history.check(nodes[0], recorder)
        end(nodes)


# ---- Between a node and the broker ----

@pytest.fixture(scope="module")
def broker(launch):
    return launch(Broker).start()


@pytest.fixture
def listen(broker, name):
    made = []

    def start(node):
        epoch = Registry(node.stub).status().header.epoch
        made.append(Listener(broker, epoch, name).start())
        return made[-1]

    yield start
    for listener in made:
        listener.stop()
        assert listener.failure is None, listener.failure


def publisher(nodes):
    """The index of the node that publishes."""
    def find():
        states = [registry.status().relay.state for registry in registries(nodes)]
        return [index for index, state in enumerate(states) if state == PUBLISHING]

    return until(find, "a node publishes")[0]


def check_events(nodes, listener):
    publisher(nodes)
    revision = in_step(nodes)
    changes = changes_of(nodes[0].stub, revision)
    listener.wait_for_place(max(changes))
    check(listener.events, changes)


@pytest.mark.own_store
@pytest.mark.concurrent
@pytest.mark.parametrize("harm", HARMS)
def test_connections_to_the_broker_that_break(launch, database, broker, listen, proxies, name,
                                              harm):
    """Whichever node publishes is met; the next may be another one."""
    ways = proxies(broker.port)
    nodes = [launch(Confregd, store=f"{database.address}/{name}?{QUICK}",
                    extra=["--bus", broker.address(way.port, suffix=QUICK_BUS)]).start()
             for way in ways]
    listener = listen(nodes[0])
    with under_traffic(nodes) as clients:
        for _ in range(3):
            at = publisher(nodes)
            harm(ways[at], lambda at=at: Registry(nodes[at].stub).status().relay.state
                 != PUBLISHING)
            wait_for_more(clients, 60)
    assert sum(client.lost for client in clients) == 0, "a broker is nobody's business"
    check_events(nodes, listener)
    end(nodes)


@pytest.mark.own_store
@pytest.mark.concurrent
def test_events_over_deaths_of_nodes_broker_and_database(launch, database, broker, listen, name):
    """The lease moves, the broker is killed, the database stands still and is killed; every change
    is told."""
    nodes = start_nodes(launch, [database.address] * NODES, name,
                        extra=["--bus", broker.address(suffix=QUICK_BUS)])
    listener = listen(nodes[0])
    with under_traffic(nodes) as clients:
        for _ in range(3):
            at = publisher(nodes)
            nodes[at].kill()
            publisher(nodes[:at] + nodes[at + 1:])
            nodes[at].start()
            wait_for_more(clients, 60)
        broker.kill()
        wait_for_more(clients, 60)
        broker.start()
        database.freeze()
        endure(1)
        database.thaw()
        wait_for_more(clients, 60)
        database.kill()
        database.start()
    check_events(nodes, listener)
    end(nodes)


def each_goes_on(clients):
    """Whichever node a client is at, it is answered."""
    goals = [len(client.operations) + 50 for client in clients]
    until(lambda: all(len(c.operations) >= goal for c, goal in zip(clients, goals)),
          "each client goes on", seconds=15)


def are_woken(nodes):
    """Three times in a row the other one learns of a write at once: one that only looks every second
    is so lucky once at most."""
    writer, other = registries(nodes)[:2]
    for _ in range(3):
        written = writer.update("woken", allow_missing=True).header.revision
        begun = time.monotonic()
        until(lambda: other.revision() >= written, "the other one has it")
        if time.monotonic() - begun > 0.3:
            return False
    return True


def all_notice(nodes):
    """None of them publishes, none hears wake-ups."""
    return all(node.log.read_text().count("event=wake_ups_lost") > 0
               and Registry(node.stub).status().relay.state != PUBLISHING for node in nodes)


@pytest.mark.own_store
@pytest.mark.concurrent
@pytest.mark.parametrize("heartbeat", [1, 60])
def test_a_broker_that_stands_still(launch, database, broker, listen, name, heartbeat):
    """Its connections are given up, or stand and nothing comes of them: no write waits for it. When
    it goes on all events come, and nodes are woken again."""
    suffix = f"/?heartbeat={heartbeat}&connection_timeout=1000"
    nodes = start_nodes(launch, [database.address] * NODES, name,
                        extra=["--bus", broker.address(suffix=suffix)])
    listener = listen(nodes[0])
    until(lambda: are_woken(nodes), "nodes are woken")
    with under_traffic(nodes) as clients:
        publisher(nodes)
        broker.freeze()
        try:
            each_goes_on(clients)
            if heartbeat == 1:
                until(lambda: all_notice(nodes), "the fault is noticed")
            each_goes_on(clients)
        finally:
            broker.thaw()
    assert sum(client.lost for client in clients) == 0, "a broker is nobody's business"
    check_events(nodes, listener)
    until(lambda: are_woken(nodes), "nodes are woken again")
    end(nodes)
