"""How often a node asks its database server, counted on the wire: the table of docs/operations.md.

Each node looks at the log's end once a second beside what it is asked to do: a bound grows by one
for each second that went by."""

import time

import mongodb
import pymongo
import pytest
from broker import Broker
from calls import Registry
from commands import Commands
from daemon import Confregd, until
from errors import refused
from stubs import api_pb

pytestmark = pytest.mark.own_store

LINEARIZABLE = api_pb.ReadOptions(consistency=api_pb.CONSISTENCY_LINEARIZABLE)
INSERT = ("insert", "confreg_commits")
FIND = ("find", "confreg_commits")
PROOF = ("find", "confreg_meta")  # that the database is the one that was opened
TIMES = 20


@pytest.fixture(scope="module", params=["secantus", "ferretdb"])
def database(request, tmp_path_factory):
    server = mongodb.Server(request.param, tmp_path_factory.mktemp("database")).start()
    yield server
    server.stop()


class Counted:
    """A node behind a proxy of its own."""

    def __init__(self, launch, database, bus):
        self.way = Commands(database.port)
        self.node = launch(Confregd, store=f"mongodb://127.0.0.1:{self.way.port}/counted",
                           extra=["--bus", bus]).start()
        self.registry = Registry(self.node.stub)

    def during(self, work):
        """(what was asked meanwhile, how many looks there can have been)."""
        before, begun = self.way.taken(), time.monotonic()
        work()
        return self.way.taken() - before, int(time.monotonic() - begun) + 2

    def end(self):
        self.node.end()
        self.way.close()


@pytest.fixture
def counted(launch, database):
    with pymongo.MongoClient(database.address) as client:
        client.drop_database("counted")
    nodes = []

    def add(bus="local:"):
        nodes.append(Counted(launch, database, bus))
        return nodes[-1]

    yield add
    for node in nodes:
        node.end()


def test_a_write_is_one_insert(counted):
    node = counted()
    node.registry.create("billing")

    def write():
        for n in range(TIMES):
            node.registry.update("billing", f'{{"n":{n}}}')

    asked, looks = node.during(write)
    assert asked[INSERT] == asked[PROOF] == TIMES
    assert asked[FIND] <= looks, asked


def test_a_write_with_a_request_id_is_a_find_and_an_insert(counted):
    node = counted()
    node.registry.create("billing")

    def write():
        for n in range(TIMES):
            node.registry.update("billing", f'{{"n":{n}}}', request_id=f"once-{n}")

    asked, looks = node.during(write)
    assert asked[INSERT] == TIMES
    assert TIMES <= asked[FIND] <= TIMES + looks, asked


def test_writes_at_the_same_time_share_an_insert(counted):
    node = counted()
    node.registry.create("billing")

    def write():
        calls = [node.node.stub.UpdateConfig.future(api_pb.UpdateConfigRequest(
            environment="prod", service_name=f"c-{n}", config_data=b"{}", allow_missing=True),
            timeout=60) for n in range(100)]
        for call in calls:
            call.result()

    asked, _ = node.during(write)
    assert 1 <= asked[INSERT] <= 50, asked


def test_a_read_is_none_and_a_linearizable_one_is_one_find(counted):
    node = counted()
    node.registry.create("billing")

    def read(**fields):
        for _ in range(TIMES):
            node.registry.get("billing", **fields)

    asked, looks = node.during(read)
    assert asked[FIND] <= looks, asked
    asked, looks = node.during(lambda: read(read=LINEARIZABLE))
    assert TIMES <= asked[FIND] <= TIMES + looks, asked


def test_an_idle_node_looks_once_a_second(counted):
    node = counted()
    node.registry.create("billing")

    def saved():
        return node.way.taken()["update", "confreg_heads_3"] > 0

    until(saved, "the heads are saved when nothing comes")
    before = node.way.taken()[FIND]
    asked, looks = node.during(
        lambda: until(lambda: node.way.taken()[FIND] >= before + 5, "it has looked five times"))
    assert 5 <= asked[FIND] <= looks + 1, asked
    assert asked[INSERT] == 0


def test_erasing_a_version_looks_at_its_commit_alone(counted):
    node = counted()
    node.registry.create("billing", '{"n":1}')
    for n in range(2, 12):
        node.registry.update("billing", f'{{"n":{n}}}')
    before = len(node.way.finds)
    node.registry.delete("billing", version=3)
    asked = [find for find in node.way.finds[before:] if "configs" in find["filter"]]
    assert [find["limit"] for find in asked] == [1], asked
    assert all("payloads" not in find["projection"] for find in asked)


def test_a_page_of_older_configs_is_read_by_few_finds(counted):
    node = counted()
    stub = node.node.stub
    for n in range(40):
        node.registry.create(f"c-{n:02}", f'{{"n":{n}}}')
    first = stub.ListConfigs(api_pb.ListConfigsRequest(page_size=20), timeout=60)
    for n in range(40):
        node.registry.update(f"c-{n:02}", '{"n":"new"}')
    pages = []
    asked, looks = node.during(lambda: pages.append(stub.ListConfigs(
        api_pb.ListConfigsRequest(page_size=20, page_token=first.next_page_token), timeout=60)))
    assert [config.config_data for config in pages[0].configs] == [
        f'{{"n":{n}}}'.encode() for n in range(20, 40)]
    assert asked[FIND] <= 4 + looks, asked


# The finds in the log that a start makes before the node serves. A server that looks nothing up by
# an index reads the whole log for each, so there it is one. The others find, by an index, the end
# and the newest versions of the heads; and after a kill the commit that the heads are of, those
# after it, and those that may have erased something.
FINDS_OF_A_START = {"ferretdb": {"stop": 1, "kill": 1}, "secantus": {"stop": 2, "kill": 9}}


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_start_reads_the_log_by_few_finds(counted, database, end):
    node = counted()
    for n in range(40):
        node.registry.create(f"c-{n}", f'{{"n":{n}}}')
    until(lambda: node.way.taken()["update", "confreg_heads_3"] > 0, "the heads are saved")
    for n in range(40):
        node.registry.update(f"c-{n % 5}", f'{{"again":{n}}}')
    node.registry.delete("c-39")
    revision = node.registry.revision()
    getattr(node.node, end)()
    node.way.allow(FIND, FINDS_OF_A_START[database.kind][end])
    node.node.start()
    node.way.release()
    registry = Registry(node.node.stub)
    assert registry.revision() == revision
    for n in range(39):
        assert registry.data(f"c-{n}") == (f'{{"again":{35 + n}}}' if n < 5 else f'{{"n":{n}}}').encode()
    with refused("NOT_FOUND"):
        registry.get("c-39")
    assert registry.update("c-0", "{}").header.revision == revision + 1


# Of a list of commits between two times, of which the first ones do not match. A server that looks
# nothing up is asked once for each bound and once for the commits.
FINDS_OF_A_LIST = {"ferretdb": 3, "secantus": 20}


def test_commits_are_listed_by_few_finds(counted, database):
    node = counted()
    for n in range(40):
        node.registry.create(f"c-{n}")
    every = node.node.stub.ListCommits(api_pb.ListCommitsRequest(page_size=100), timeout=60)
    times = sorted((commit.commit_time for commit in every.commits), key=lambda at: at.ToMicroseconds())
    request = api_pb.ListCommitsRequest(start_time=times[10], end_time=times[-1], page_size=1,
                                        created_by="nobody")

    def listed():
        assert not node.node.stub.ListCommits(request, timeout=60).commits

    asked, looks = node.during(listed)
    assert asked[FIND] <= FINDS_OF_A_LIST[database.kind] + looks, asked


@pytest.fixture
def bus(database, tmp_path):
    """What wakes a follower: a broker, where the server has no change streams."""
    if database.kind == "secantus":
        yield "local:"
        return
    broker = Broker(tmp_path / "broker")
    yield broker.start().address()
    broker.end()


def test_a_follower_reads_a_commit_by_one_find(counted, bus):
    writer, follower = counted(bus), counted(bus)
    writer.registry.create("billing")

    def follow():
        for n in range(TIMES):
            revision = writer.registry.update("billing", f'{{"n":{n}}}').header.revision
            until(lambda revision=revision: follower.registry.revision() >= revision, "it follows")

    asked, looks = follower.during(follow)
    assert asked[FIND] <= TIMES + 2 * looks, asked
    assert asked[INSERT] == 0
