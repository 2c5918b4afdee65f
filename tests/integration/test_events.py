"""Events on a real RabbitMQ: their content and order, also across failures."""

import contextlib
import datetime
import itertools
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import grpc
import mongodb
import pika
import pymongo
import pytest
from broker import PASSWORD, USER, Broker
from calls import Registry, create_change, delete_change, update_change
from daemon import BUILD, Confregd, Gateway, connect, until
from listener import Listener, changes_of, check
from proxy import Proxy
from rest import Rest
from stubs import api_grpc, api_pb

CONNECTING = api_pb.RELAY_STATE_CONNECTING
PUBLISHING = api_pb.RELAY_STATE_PUBLISHING
STANDING_BY = api_pb.RELAY_STATE_STANDING_BY


@pytest.fixture(scope="module")
def broker(launch):
    return launch(Broker).start()


@pytest.fixture
def server(launch, broker):
    """A server on the broker; no password of it may be in its log."""
    server = launch(Confregd, extra=["--bus", broker.address()]).start()
    yield server
    assert_no_password(server)


@pytest.fixture
def listen(broker, name):
    """listen(server): hears that server's events from now on."""
    made = []

    def start(server, queue=name, **fields):
        epoch = Registry(server.stub).status().header.epoch
        made.append(Listener(broker, epoch, queue, **fields).start())
        return made[-1]

    yield start
    for listener in made:
        listener.stop()
        assert listener.failure is None, listener.failure


def assert_no_password(server):
    said = server.log.read_text()
    assert PASSWORD not in said and "p%40ss" not in said


def relay_of(server):
    return Registry(server.stub).status().relay


def wait_for_state(server, state):
    return until(lambda: (r := relay_of(server)).state == state and r, f"the relay is {state}")


def wait_until_told(server):
    return until(lambda: (r := relay_of(server)).commits_behind == 0 and r, "all is published")


def check_all(server, listener):
    """Everything in the log has been heard."""
    changes = changes_of(server.stub, Registry(server.stub).revision())
    listener.wait_for_place(max(changes))
    check(listener.events, changes)
    return changes


class Writers:
    """Write on connections of their own, without a pause but no more than they are allowed: how long
    a broker takes to start must not decide how much there is to hear. Survive a server that is away.
    """

    def __init__(self, server, count=3):
        self.server = server
        self.allowed = threading.Semaphore(0)
        self.stopping = threading.Event()
        self.acknowledged = []
        self.slowest = 0
        self.failure = None
        self.threads = [threading.Thread(target=self._write, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def _write(self, number):
        channel = connect(self.server.listen)
        registry = Registry(api_grpc.RegistryServiceStub(channel))
        with contextlib.closing(channel):
            for i in itertools.count():
                self.allowed.acquire()
                while not self.stopping.is_set() and not self._write_one(registry, number, i):
                    self.stopping.wait(0.01)
                if self.stopping.is_set():
                    return

    def _write_one(self, registry, number, i):
        begun = time.monotonic()
        try:
            answer = registry.commit([
                update_change(f"w{number}-{k}", allow_missing=True) for k in range(i % 3 + 1)])
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                self.failure = error
                self.stopping.set()
            return False
        self.acknowledged.append(answer.commit.revision)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        return True

    def wait_for(self, more, allowed=None):
        """Until so many more are acknowledged; what else is allowed goes on."""
        goal = len(self.acknowledged) + more
        self.allowed.release(allowed or more)
        until(lambda: self.failure or len(self.acknowledged) >= goal, f"{more} writes more")
        assert self.failure is None, self.failure

    def stop(self):
        self.stopping.set()
        self.allowed.release(len(self.threads))
        for thread in self.threads:
            thread.join(60)
        assert self.failure is None, self.failure


# ---- What is told ----


def test_the_documented_events(server, listen):
    listener = listen(server)
    registry = Registry(server.stub)
    registry.create("billing", comment="first", created_by="ada")
    registry.update("billing", '{"a":2}')
    registry.patch("billing", '{"b":1}', comment="ünï \"quoted\"")
    registry.rollback("billing", 1)
    registry.delete("billing", version=2)
    registry.delete("billing", comment="no longer needed")
    registry.create("billing", environment="test")
    registry.delete("billing", environment="test", erase=True)
    registry.undelete("billing", comment="needed")
    events = listener.wait_for(9)
    told = [(e.key, e.body["environment"], e.body["version"], e.body["change_type"],
             e.body["comment"]) for e in events]
    assert told == [
        ("config.created", "prod", 1, "created", "first"),
        ("config.updated", "prod", 2, "updated", ""),
        ("config.updated", "prod", 3, "updated", "ünï \"quoted\""),
        ("config.updated", "prod", 4, "updated", ""),
        ("config.deleted", "prod", 2, "deleted", "Configuration deleted"),
        ("config.deleted", "prod", 0, "deleted", "no longer needed"),
        ("config.created", "test", 1, "created", ""),
        ("config.deleted", "test", 0, "deleted", "Configuration deleted"),
        ("config.created", "prod", 5, "created", "needed"),
    ]
    epoch = registry.status().header.epoch
    for number, event in enumerate(events, 1):
        assert set(event.body) == {"event_type", "service_name", "environment", "version",
                                   "timestamp", "change_type", "comment", "created_by"}
        assert event.body["created_by"] == ("ada" if number == 1 else "system")
        assert event.body["event_type"] == "config.changes"
        assert event.body["service_name"] == "billing"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event.body["timestamp"])
        assert event.properties.content_type == "application/json"
        assert event.properties.delivery_mode == pika.DeliveryMode.Persistent.value
        assert event.properties.message_id == f"{epoch}:{number}:0"
    relay = wait_until_told(server)
    assert (relay.bus, relay.state, relay.published_revision) == ("amqp", PUBLISHING, 9)
    assert registry.status().notifications_sent == 9


def test_a_commit_of_many_changes(server, listen):
    listener = listen(server)
    registry = Registry(server.stub)
    registry.commit([create_change(f"many-{i}") for i in range(128)])
    registry.commit([update_change("many-1"), delete_change("many-2"), create_change("more")])
    check_all(server, listener)
    assert len(listener.events) == 131
    assert [e.place for e in listener.events[-3:]] == [(2, 0), (2, 1), (2, 2)]


def test_the_longest_comments(server, listen):
    listener = listen(server)
    registry = Registry(server.stub)
    longest = ["\x01" * 65536, "c" * 65536]
    registry.create("billing", comment=longest[0])
    registry.commit([create_change(f"long-{i}") for i in range(128)], comment=longest[1])
    check_all(server, listener)
    assert [e.body["comment"] for e in listener.events] == longest[:1] + longest[1:] * 128


def test_what_changed_nothing_is_not_told(server, listen):
    listener = listen(server)
    registry = Registry(server.stub)
    registry.create("x", validate_only=True)
    registry.create("x", request_id="once")
    registry.create("x", request_id="once")
    registry.delete("gone", allow_missing=True)
    registry.update("x")
    check_all(server, listener)
    assert [e.key for e in listener.events] == ["config.created", "config.updated"]


# ---- Where it begins ----


def test_a_log_that_was_never_announced_begins_now(launch, broker, listen):
    server = launch(Confregd, extra=["--bus", "local:"]).start()
    listener = listen(server)
    registry = Registry(server.stub)
    registry.create("before")
    server.stop()
    server.extra = ["--bus", broker.address(), "--publish-history=no"]
    server.start()
    registry = Registry(server.stub)
    registry.create("after")
    assert [e.place for e in listener.wait_for(1)] == [(2, 0)]


def test_a_log_is_announced_from_its_beginning_where_that_is_wanted(launch, broker, listen):
    server = launch(Confregd, extra=["--bus", "local:"]).start()
    listener = listen(server)
    registry = Registry(server.stub)
    for i in range(3):
        registry.create(f"x{i}")
    server.stop()
    server.extra = ["--bus", broker.address(), "--publish-history"]
    for round_number in range(2):
        server.start()
        Registry(server.stub).create(f"round-{round_number}")
        check_all(server, listener)
        server.stop()
    assert [e.place[0] for e in listener.events] == [1, 2, 3, 4, 5], "once, not at every start"


# ---- Failures ----


def test_a_broker_that_is_away_at_first(launch, broker, listen):
    proxy = Proxy(broker.port)
    proxy.close()
    server = launch(Confregd, extra=["--bus", broker.address(proxy.port)]).start()
    listener = listen(server)
    registry = Registry(server.stub)
    gateway = launch(Gateway, server.listen).start()
    for i in range(5):
        registry.create(f"x{i}")
    relay = wait_for_state(server, CONNECTING)
    assert relay.commits_behind == 5 and relay.published_revision == 0
    assert str(proxy.port) in until(lambda: relay_of(server).reason, "a reason")
    health = Rest(gateway.port).get("/health").json()
    assert health["status"] == "healthy" and "5 commits" in health["degraded"][0]
    server.kill()
    server.extra = ["--bus", broker.address()]
    server.start()
    check_all(server, listener)
    wait_until_told(server)
    assert "degraded" not in Rest(gateway.port).get("/health").json()
    assert_no_password(server)


@pytest.mark.concurrent
def test_a_broker_that_is_killed_and_comes_back(server, broker, listen):
    listener = listen(server)
    writers = Writers(server)
    for _ in range(2):
        writers.wait_for(100, 400)
        broker.kill()
        wait_for_state(server, CONNECTING)
        writers.wait_for(300)
        broker.start()
        wait_for_state(server, PUBLISHING)
    writers.wait_for(100)
    writers.stop()
    changes = check_all(server, listener)
    assert set(writers.acknowledged) == {revision for revision, _ in changes}


@pytest.mark.concurrent
def test_a_server_that_is_killed_and_comes_back(server, listen):
    listener = listen(server)
    writers = Writers(server)
    for _ in range(5):
        writers.wait_for(100, 200)
        server.kill()
        server.start()
    writers.wait_for(20)
    writers.stop()
    changes = check_all(server, listener)
    assert set(writers.acknowledged) <= {revision for revision, _ in changes}


def test_a_server_that_stops_well_repeats_nothing(server, listen):
    listener = listen(server)
    for i in range(3):
        for k in range(50):
            Registry(server.stub).create(f"x{i}-{k}")
        server.stop()
        server.start()
    check_all(server, listener)
    assert len(listener.events) == 150


def test_a_frozen_broker_holds_up_no_write_and_no_stop(server, broker, listen):
    listener = listen(server)
    writers = Writers(server)
    writers.wait_for(100, 200)
    broker.freeze()
    try:
        writers.slowest = 0
        writers.wait_for(3000)
        slowest = writers.slowest
        writers.stop()
        behind = relay_of(server).commits_behind
        server.stop(seconds=20)
    finally:
        broker.thaw()
    assert behind > 2500 and slowest < 5, (behind, slowest)
    server.start()
    check_all(server, listener)


@pytest.mark.parametrize("harm", ["cut", "hold"])
def test_connections_that_break(launch, broker, listen, harm):
    proxy = Proxy(broker.port)
    address = broker.address(proxy.port, suffix="/?heartbeat=1&connection_timeout=1000")
    server = launch(Confregd, extra=["--bus", address]).start()
    listener = listen(server)
    writers = Writers(server, 1)
    for _ in range(3):
        writers.wait_for(50, 100)
        getattr(proxy, harm)()
        writers.wait_for(50)
        if harm == "hold":
            wait_for_state(server, CONNECTING)
            proxy.release()
    writers.stop()
    check_all(server, listener)
    proxy.close()


@pytest.mark.parametrize("alarm", Broker.ALARMS)
def test_a_broker_that_takes_no_more(launch, server, broker, listen, alarm):
    """One whose disk or memory is full keeps the connection and does not read from it."""
    listener = listen(server)
    gateway = launch(Gateway, server.listen).start()
    Registry(server.stub).create("before")
    wait_until_told(server)
    writers = Writers(server)
    broker.raise_alarm(alarm)
    try:
        writers.wait_for(3000)
        relay = wait_for_state(server, CONNECTING)
        health = Rest(gateway.port).get("/health").json()
    finally:
        broker.clear_alarm(alarm)
        writers.stop()
    assert "confirmed nothing" in relay.reason and relay.commits_behind > 0
    assert health["status"] == "healthy" and "commits" in health["degraded"][0]
    assert writers.slowest < 5, writers.slowest
    wait_until_told(server)
    assert relay_of(server).state == PUBLISHING and relay_of(server).reason == ""
    check_all(server, listener)
    assert "degraded" not in Rest(gateway.port).get("/health").json()


def test_an_event_that_the_broker_refuses(server, broker, listen, name):
    """A full queue makes the broker refuse; what was refused is told when there is room."""
    listener = listen(server)
    connection = pika.BlockingConnection(broker.parameters)
    channel = connection.channel()
    channel.queue_declare(f"{name}-full", durable=True, arguments={
        "x-max-length": 1, "x-overflow": "reject-publish"})
    channel.queue_bind(f"{name}-full", "config.changes", "config.#")
    registry = Registry(server.stub)
    for i in range(5):
        registry.create(f"x{i}")
    refused = until(lambda: (r := relay_of(server)).state == CONNECTING and r, "a refusal")
    assert "refused" in refused.reason and refused.commits_behind > 0
    channel.queue_delete(f"{name}-full")
    connection.close()
    check_all(server, listener)
    wait_until_told(server)


@pytest.mark.sqlite
def test_the_lease_goes_to_the_next_when_its_holder_dies(launch, broker, listen):
    """Two servers of one registry: a copy of the store has its epoch."""
    first = launch(Confregd, extra=["--bus", broker.address()]).start()
    listener = listen(first)
    for i in range(5):
        Registry(first.stub).create(f"x{i}")
    first.stop()
    second = launch(Confregd, extra=["--bus", broker.address()])
    shutil.copy(first.database, second.database)
    first.start()
    wait_for_state(first, PUBLISHING)
    second.start()
    wait_for_state(second, STANDING_BY)
    Registry(second.stub).create("told later")
    assert relay_of(second).commits_behind == 1
    assert len(listener.events) == 5
    first.kill()
    wait_for_state(second, PUBLISHING)
    check_all(second, listener)
    assert len(listener.events) == 6
    first.start()
    wait_for_state(first, STANDING_BY)
    second.stop()
    wait_for_state(first, PUBLISHING)


def test_nodes_are_woken_over_the_bus(server, broker):
    """A write is told to the others; what is not of a node of this registry does no harm."""
    connection = pika.BlockingConnection(broker.parameters)
    channel = connection.channel()
    registry = Registry(server.stub)
    epoch = registry.status().header.epoch

    def is_bound():
        probe = connection.channel()
        with contextlib.suppress(pika.exceptions.AMQPError):
            probe.exchange_declare("confreg.wakeups", passive=True)
            return True
        return False

    until(is_bound, "the exchange for wake-ups")
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "confreg.wakeups")
    registry.create("woken")

    def next_wakeup():
        for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=60):
            return method and body.decode().split(" ")

    told_epoch, node, revision = next_wakeup()
    assert (told_epoch, revision) == (epoch, "1") and re.fullmatch("[0-9a-f]{16}", node)
    for body in [b"", b"x" * 100_000, b"\0", f"{epoch} {node} 7".encode(), epoch.encode(),
                 f"{epoch} 0123456789abcdef 99999999999999999999999".encode(),
                 f"{epoch} 0123456789abcdef 18446744073709551615".encode(),
                 b"0123456789abcdef 0123456789abcdef 5"]:
        channel.basic_publish("confreg.wakeups", "", body)
        assert next_wakeup() is not None
    registry.create("alive")
    assert next_wakeup()[2] == "2"
    assert registry.revision() == 2
    connection.close()


# ---- Connecting ----


def test_tls_with_a_known_authority(launch, broker, listen):
    address = broker.address(scheme="amqps", hosts=f"localhost:{broker.tls_port}",
                             suffix=f"?cacertfile={broker.folder}/ca.pem&{broker.certificate()}")
    server = launch(Confregd, extra=["--bus", address]).start()
    listener = listen(server)
    for i in range(20):
        Registry(server.stub).create(f"x{i}")
    check_all(server, listener)
    assert relay_of(server).bus == "amqps"
    assert_no_password(server)


@pytest.mark.parametrize("authority", ["", "&cacertfile={0}/stranger.pem",
                                       "&cacertfile={0}/no-such-file.pem"])
def test_tls_with_an_authority_that_is_not_trusted(launch, broker, authority):
    suffix = f"?{broker.certificate()}" + authority.format(broker.folder)
    address = broker.address(broker.tls_port, "amqps", suffix=suffix)
    server = launch(Confregd, extra=["--bus", address]).start()
    reason = until(lambda: relay_of(server).reason, "a reason")
    assert relay_of(server).state == CONNECTING and str(broker.tls_port) in reason


def test_tls_that_trusts_anyone_because_it_was_told_to(launch, broker):
    address = broker.address(broker.tls_port, "amqps",
                             suffix=f"?verify=verify_none&{broker.certificate()}")
    server = launch(Confregd, extra=["--bus", address]).start()
    wait_for_state(server, PUBLISHING)


@pytest.mark.parametrize("certificate", [None, "forged"])
def test_the_broker_refuses_a_client_that_it_does_not_know(launch, broker, certificate):
    own = f"&{broker.certificate(certificate)}" if certificate else ""
    address = broker.address(hosts=f"localhost:{broker.tls_port}", scheme="amqps",
                             suffix=f"?cacertfile={broker.folder}/ca.pem{own}")
    server = launch(Confregd, extra=["--bus", address]).start()
    until(lambda: relay_of(server).reason, "a reason")
    assert relay_of(server).state == CONNECTING
    Registry(server.stub).create("not-announced")
    assert relay_of(server).published_revision == 0


def test_the_first_host_that_answers_is_taken(launch, broker, listen):
    proxy = Proxy(broker.port)
    dead = Proxy(broker.port)
    dead.close()
    address = broker.address(hosts=f"127.0.0.1:{dead.port},127.0.0.1:{proxy.port},"
                                   f"127.0.0.1:{broker.port}")
    server = launch(Confregd, extra=["--bus", address]).start()
    listener = listen(server)
    Registry(server.stub).create("one")
    check_all(server, listener)
    proxy.close()
    Registry(server.stub).create("two")
    check_all(server, listener)


@pytest.mark.parametrize("change, said", [
    (("confreg:", "nobody:"), "refused"), (("/none", "/no-such-vhost"), "not found")])
def test_what_the_broker_does_not_allow_is_said(launch, broker, change, said):
    address = broker.address(suffix="/none").replace(*change)
    server = launch(Confregd, extra=["--bus", address]).start()
    reason = until(lambda: relay_of(server).reason, "a reason")
    assert said in reason.lower(), reason
    Registry(server.stub).create("writes go on")
    assert_no_password(server)


@contextlib.contextmanager
def virtual_host(broker, name):
    """One of its own, where nothing has been declared; gives a channel there."""
    broker.control("add_vhost", name)
    broker.control("set_permissions", "-p", name, USER, ".*", ".*", ".*")
    parameters = broker.parameters
    parameters.virtual_host = name
    with contextlib.closing(pika.BlockingConnection(parameters)) as connection:
        yield connection.channel()


def test_an_exchange_with_an_alternate_exchange_is_taken(launch, broker):
    detour = {"alternate-exchange": "lost"}
    with virtual_host(broker, "detour") as channel:
        channel.exchange_declare("lost", "fanout")
        channel.exchange_declare("config.changes", "topic", durable=True, arguments=detour)
        channel.exchange_declare("confreg.wakeups", "fanout", arguments=detour)
        channel.queue_declare("found", durable=True)
        channel.queue_bind("found", "lost")
        server = launch(Confregd, extra=["--bus", broker.address(suffix="/detour")]).start()
        wait_for_state(server, PUBLISHING)
        Registry(server.stub).create("heard-by-nobody")
        wait_until_told(server)
        assert b"heard-by-nobody" in channel.basic_get("found", auto_ack=True)[2]

        def heard_by_the_server():
            channel.basic_publish("confreg.wakeups", "", b"no wake-up")
            return channel.basic_get("found", auto_ack=True)[0] is None

        until(heard_by_the_server, "the server hears what is sent to confreg.wakeups")


@pytest.mark.parametrize("kind, durable, differs", [("fanout", True, "type"),
                                                    ("topic", False, "durable")])
def test_an_exchange_of_another_kind_is_refused(launch, broker, kind, durable, differs):
    with virtual_host(broker, f"other-{differs}") as channel:
        channel.exchange_declare("config.changes", kind, durable=durable,
                                 arguments={"alternate-exchange": "lost"})
        address = broker.address(suffix=f"/other-{differs}")
        server = launch(Confregd, extra=["--bus", address]).start()
        reason = until(lambda: relay_of(server).reason, "a reason")
        assert f"inequivalent arg '{differs}'" in reason
        Registry(server.stub).create("writes go on")


def timers_to(process, port):
    """Which timer of TCP runs for each connection of the process to that port (proc(5))."""
    mine = {os.readlink(fd) for fd in Path(f"/proc/{process.pid}/fd").iterdir()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[5].split(":")[0] for row in rows
            if int(row[2].split(":")[1], 16) == port and f"socket:[{row[9]}]" in mine]


def test_without_a_heartbeat_tcp_watches_the_broker(launch, broker, listen):
    address = broker.address(suffix="?heartbeat=0")
    server = launch(Confregd, extra=["--bus", address]).start()
    listener = listen(server)
    Registry(server.stub).create("one")
    check_all(server, listener)
    until(lambda: timers_to(server.process, broker.port) == ["02", "02"], "two keepalive timers")


class OldDeployment(Confregd):
    """A server that is set up by the variables and secrets of the replaced service alone."""

    def __init__(self, folder, variables):
        super().__init__(folder)
        self.variables = variables

    def arguments(self):
        store = [] if "DOCUMENT_DATABASE_HOST" in self.variables else ["--store", self.store]
        return ["--listen", self.listen, *store, "--secrets-dir", str(self.folder)]

    def environment(self):
        return super().environment() | self.variables


@pytest.mark.parametrize("as_files", [True, False])
def test_the_variables_of_the_replaced_service(launch, broker, listen, as_files):
    secrets = {"message_bus_user": USER, "message_bus_password": PASSWORD}
    variables = {"MESSAGE_BUS_TYPE": "rabbitmq", "MESSAGE_BUS_HOST": "127.0.0.1",
                 "MESSAGE_BUS_PORT": str(broker.port)}
    if not as_files:
        variables |= {name.upper(): value for name, value in secrets.items()}
    server = launch(OldDeployment, variables)
    if as_files:
        for name, value in secrets.items():
            (server.folder / name).write_text(f"{value}\n")
    server.start()
    listener = listen(server)
    Registry(server.stub).create("old")
    check_all(server, listener)
    assert_no_password(server)


class OldGateway(Gateway):
    def arguments(self):
        return ["--server", self.server]

    def environment(self):
        return super().environment() | {"HTTP_PORT": str(self.port), "LOG_LEVEL": "CRITICAL"}


@pytest.mark.own_store
def test_a_deployment_of_the_replaced_service_goes_on(launch, broker, listen, tmp_path):
    """Its variables and secrets, and its database: the data is brought over, and served from beside
    where it was; changes go to its broker."""
    with contextlib.ExitStack() as ends:
        database = mongodb.Server("secantus", tmp_path / "database").start()
        ends.callback(database.stop)
        client = ends.enter_context(pymongo.MongoClient(database.address))
        client.admin.command("createUser", "writer", pwd="s3cret",
                             roles=[{"role": "readWrite", "db": "copilot_config"}])
        client.copilot_config.configs.insert_one(
            {"service_name": "billing", "environment": "prod", "version": 3,
             "config_data": {"pool": 10}, "created_by": "ada", "comment": "old",
             "created_at": datetime.datetime(2025, 3, 1)})
        database.stop()
        database.extra = ["--auth"]
        database.start()
        server = launch(OldDeployment, {
            "DOCUMENT_STORE_TYPE": "mongodb", "DOCUMENT_DATABASE_HOST": "127.0.0.1",
            "DOCUMENT_DATABASE_PORT": str(database.port), "MESSAGE_BUS_TYPE": "rabbitmq",
            "MESSAGE_BUS_HOST": "127.0.0.1", "MESSAGE_BUS_PORT": str(broker.port)})
        for secret, value in {"document_database_user": "writer", "message_bus_user": USER,
                              "document_database_password": "s3cret",
                              "message_bus_password": PASSWORD}.items():
            (server.folder / secret).write_text(f"{value}\n")
        done = subprocess.run([BUILD / "confregd", "import-legacy", "--secrets-dir", server.folder],
                              env=server.environment(), cwd=server.folder, capture_output=True,
                              text=True, check=False, timeout=60)
        assert "imported: 1" in done.stdout, done.stdout + done.stderr
        server.start()
        ends.callback(server.end)
        listener = listen(server)
        rest = Rest(launch(OldGateway, server.listen).start().port)
        history = rest.get("/api/configs/billing/history?environment=prod").json()
        assert [(v["version"], v["created_by"], v["comment"]) for v in history] == [(3, "ada", "old")]
        changed = rest.put("/api/configs/billing?environment=prod", {"config_data": {"pool": 20}})
        assert changed.json()["version"] == 4
        event, = listener.wait_for(1)
        assert (event.key, event.body["version"]) == ("config.updated", 4)


def test_the_gateway_listens_on_the_old_port(launch):
    server = launch(Confregd).start()
    gateway = launch(OldGateway, server.listen).start()
    assert Rest(gateway.port).get("/health").json()["status"] == "healthy"
    assert gateway.log.read_text() == ""


def test_a_variable_that_is_wrong_is_named(launch):
    server = launch(OldDeployment, {"MESSAGE_BUS_HOST": "h", "MESSAGE_BUS_PORT": "amqp"})
    code, said = server.fails_to_start()
    assert code == 1 and "MESSAGE_BUS_PORT" in said


@pytest.mark.parametrize("bus", ["amqp:", "amqp://", "amqp://u:secret@", "amqp://u:secret@h:0",
                                 "amqp://u:secret@h:x", "kafka://u:secret@h", "local:secret",
                                 "amqp://u:secret@h?colour=red", "amqp://u:secret@[::1",
                                 "amqps://u:secret@h?certfile=x", "amqp://u:secret@h?verify=x"])
def test_an_address_that_is_none(launch, bus):
    code, said = launch(Confregd, extra=["--bus", bus]).fails_to_start()
    assert code == 1 and "BUS_ADDRESS" in said
    assert "secret" not in said
