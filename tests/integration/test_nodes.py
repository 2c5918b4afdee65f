"""Several nodes on one database are equals, whichever a client uses and whichever dies."""

import os
import signal
import threading
import time
import uuid

import grpc
import history
import mongodb
import pytest
from calls import Registry
from cluster import (NODES, Wanderer, in_step, registries, start_clients, stop_and_check,
                     wait_for_more)
from daemon import BUILD, Confregd, connect, until
from errors import refused
from schema_race import race
from seed import chance
from stubs import api_grpc, api_pb, pb
from watching import Watch

TIMEOUT = 5  # shorter than the 10 s that a read waits for a revision
LINEARIZABLE = api_pb.ReadOptions(consistency=api_pb.CONSISTENCY_LINEARIZABLE)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The server that the nodes share; its own where CONFREG_TEST_MONGODB_URI names none."""
    given = os.environ.get("CONFREG_TEST_MONGODB_URI")
    server = mongodb.Server("secantus", tmp_path_factory.mktemp("mongodb"),
                            mongodb.DURABLE["secantus"])
    if given is None:
        server.start()
    yield server
    server.stop()


@pytest.fixture
def nodes(launch, database):
    given = os.environ.get("CONFREG_TEST_MONGODB_URI", database.address)
    store = mongodb.database(given, f"nodes_{uuid.uuid4().hex[:12]}")
    nodes = [launch(Confregd, store=store).start() for _ in range(NODES)]
    yield nodes
    for node in nodes:
        node.end()  # before the database does


@pytest.fixture
def recorder(nodes):
    """Watches the first node, and at the end the whole history is checked."""
    recorder = history.Recorder(nodes[0])
    recorder.start()
    yield recorder
    recorder.stop()


# ---- One step at a time ----

def test_what_one_node_wrote_the_others_refuse_and_build_on(nodes):
    first, second, third = registries(nodes)
    assert first.create("billing").header.revision == 1
    with refused("ALREADY_EXISTS", "CONFIG_EXISTS"):
        second.create("billing")
    assert second.update("billing", expected_version=1).config.version == 2
    with refused("ABORTED", "VERSION_MISMATCH") as caught:
        third.update("billing", expected_version=1)
    assert caught[0].info["current_version"] == "2"
    assert third.delete("billing").deleted_count == 2
    with refused("NOT_FOUND", "CONFIG_NOT_FOUND"):
        first.update("billing")


def test_what_one_node_deleted_another_brings_back(nodes):
    first, second, third = registries(nodes)
    for number in (1, 2, 3):
        first.update("billing", '{"n":%d}' % number, allow_missing=True)
    first.delete("billing", version=2)
    deleted = first.delete("billing", comment="by accident")
    config, = second.list(show_deleted=True, read=LINEARIZABLE).configs
    assert (config.comment, config.last_version) == ("by accident", 3)
    undeleted = third.undelete("billing", expected_revision=config.mod_revision, request_id="back")
    assert undeleted.header.revision == deleted.header.revision + 1
    assert second.undelete("billing", expected_revision=config.mod_revision,
                           request_id="back").config == undeleted.config
    with refused("ALREADY_EXISTS", "CONFIG_EXISTS"):
        first.undelete("billing")
    assert first.version_numbers("billing", read=LINEARIZABLE) == [4, 3, 1]
    first.delete("billing", erase=True)
    with refused("FAILED_PRECONDITION", "PAYLOAD_ERASED"):
        second.undelete("billing")
    for node in nodes:
        node.kill()
        node.start()
    config, = Registry(nodes[1].stub).list(show_deleted=True).configs
    assert (config.last_version, config.payload_state) == (4, pb.PAYLOAD_STATE_ERASED)


def test_only_one_of_two_nodes_brings_a_config_back(nodes):
    """Both know of the delete, and one does not know of the undelete of the other."""
    writers = registries(nodes)
    outcomes = []
    writers[0].create("billing")
    for turn in range(20):
        revision = writers[0].delete("billing").header.revision
        threads = [threading.Thread(target=undelete_into, args=(outcomes, writer, revision))
                   for writer in writers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert outcomes.count("made") == turn + 1 and len(outcomes) == 3 * (turn + 1), outcomes
    assert len(writers[1].version_numbers("billing", read=LINEARIZABLE)) == 21


def test_no_value_gets_past_a_schema_that_another_node_sets(nodes):
    writing = registries(nodes)
    for setter in writing:
        race(setter, writing, "billing", [chance("writer", i) for i in range(NODES)], 2)


def undelete_into(outcomes, registry, revision):
    try:
        registry.undelete("billing", expected_revision=revision)
    except grpc.RpcError as error:
        outcomes.append(error.code())
    else:
        outcomes.append("made")


def test_a_repeat_at_another_node_gets_the_first_answer(nodes):
    first, second, _ = registries(nodes)
    answer = first.create("billing", request_id="once")
    again = second.create("billing", request_id="once")
    assert again.config == answer.config
    assert second.revision() == 1
    with refused("FAILED_PRECONDITION", "REQUEST_ID_REUSED"):
        second.update("billing", request_id="once")


def test_a_linearizable_read_sees_what_another_node_acknowledged(nodes):
    writer, reader, _ = registries(nodes)
    writer.create("billing")
    for number in range(2, 30):
        written = writer.update("billing", '{"n":%d}' % number)
        read = reader.get("billing", read=LINEARIZABLE)
        assert read.config.config_data == b'{"n":%d}' % number
        assert read.header.revision >= written.header.revision


def test_min_revision_waits_for_the_other_node(nodes):
    writer, reader, _ = registries(nodes)
    written = writer.create("billing")
    read = reader.get("billing", read=api_pb.ReadOptions(
        min_revision=written.header.revision, epoch=written.header.epoch))
    assert read.header == written.header


def test_a_comparison_sees_a_revision_of_another_node_and_refuses_one_of_the_future(nodes):
    first, second, _ = registries(nodes)
    before = first.create("named", '{"a":1}').header.revision
    for value in range(2, 12):
        newest = first.update("named", f'{{"a":{value}}}').header.revision
        answer = second.stub.DiffConfigs(api_pb.DiffConfigsRequest(
            environment="prod", old_revision=before, new_revision=newest), timeout=TIMEOUT)
        assert [diff.new_version for diff in answer.diffs] == [value]
    with refused("OUT_OF_RANGE", "REVISION_AHEAD", field="new_revision"):
        second.stub.DiffConfigs(api_pb.DiffConfigsRequest(
            environment="prod", old_revision=before, new_revision=newest + 100), timeout=TIMEOUT)


def test_a_watch_sees_the_commits_of_all_nodes_and_resumes_at_another(nodes):
    parts = registries(nodes)
    with Watch(nodes[0].stub, complete=True) as watch:
        watch.started()
        for number in range(9):
            parts[number % NODES].create(f"c-{number}")
        watch.events(5)
        position = watch.position
    with Watch(nodes[1].stub, resume_after=position) as watch:
        events = watch.events(9 - position.revision)
    assert [e.revision for e in events] == list(range(position.revision + 1, 10))


def test_pages_go_on_at_another_node(nodes):
    first, second, _ = registries(nodes)
    for service in "abcd":
        first.create(service)
    page = first.list(page_size=2)
    first.update("d")
    rest = second.list(page_size=2, page_token=page.next_page_token)
    assert [c.service_name for c in rest.configs] == ["c", "d"]
    assert rest.configs[1].version == 1, "as of the first page"
    assert rest.header == page.header


def test_the_change_log_is_the_same_at_each_node(nodes):
    """What each node wrote is in it, and its pages go on at another one."""
    everybody = registries(nodes)
    for number in range(9):
        everybody[number % NODES].update("billing", '{"pool":%d}' % (number // 2), allow_missing=True,
                                         created_by=f"node {number % NODES}")
    logs = [node.stub.ListCommits(api_pb.ListCommitsRequest(
        service_name="billing", json_pointer="/pool", view=api_pb.COMMIT_VIEW_DIFF,
        read=LINEARIZABLE), timeout=60) for node in nodes]
    assert [c.revision for c in logs[0].commits] == [9, 7, 5, 3, 1]
    assert [c.created_by for c in logs[0].commits] == [f"node {n % NODES}" for n in (8, 6, 4, 2, 0)]
    assert all(log == logs[0] for log in logs)
    found, token = [], ""
    for node in [*nodes, *nodes]:
        page = node.stub.ListCommits(api_pb.ListCommitsRequest(page_size=2, page_token=token),
                                     timeout=60)
        found += [c.revision for c in page.commits]
        token = page.next_page_token
        everybody[0].update("billing")
        if not token:
            break
    assert found == list(range(9, 0, -1)) and not token


def test_each_node_tells_how_far_it_is(nodes):
    first, second, _ = registries(nodes)
    first.create("billing")
    revision = first.revision()
    until(lambda: second.status().log_revision == revision, "the other one has looked")
    status = second.status()
    assert status.store == "mongodb" and status.writable
    assert status.log_time.seconds > status.start_time.seconds - 60
    until(lambda: second.status().log_time.ToNanoseconds() > status.log_time.ToNanoseconds(),
          "it looks again and again")


def test_a_compaction_holds_on_all_nodes(nodes):
    first, second, _ = registries(nodes)
    for _ in range(4):
        first.update("billing", allow_missing=True)
    nodes[1].stub.Compact(api_pb.CompactRequest(), timeout=60)

    def is_compacted():
        versions = first.versions("billing", read=LINEARIZABLE).versions
        return [bool(v.config_data) for v in versions] == [True, False, False, False]

    until(is_compacted, "the payloads are gone")
    with refused("FAILED_PRECONDITION", "PAYLOAD_COMPACTED"):
        second.get("billing", version=2)
    with refused("OUT_OF_RANGE", "COMPACTED"):
        Watch(nodes[0].stub, start_revision=1).next()
    assert {r.status().oldest_revision for r in registries(nodes[:2])} == {5}


# ---- Races and faults under load ----

@pytest.mark.concurrent
def test_traffic_over_three_nodes_is_linearizable(nodes, recorder):
    clients = start_clients(nodes)
    wanderer = Wanderer(nodes)
    wait_for_more(clients, 1500)
    stop_and_check(nodes, recorder, clients, wanderer)
    assert sum(client.lost for client in clients) == 0
    assert wanderer.visits >= 3 * NODES


@pytest.mark.concurrent
def test_traffic_over_kills_of_nodes_is_linearizable(nodes, recorder):
    clients = start_clients(nodes)
    wanderer = Wanderer(nodes)
    moments = chance("kills of nodes")
    for number in range(6):
        wait_for_more(clients, moments.randrange(50, 150))
        victims = nodes if number % 3 == 2 else [nodes[number % NODES]]
        for node in victims:
            node.kill()
        for node in victims:
            node.start()
    wait_for_more(clients, 100)
    stop_and_check(nodes, recorder, clients, wanderer)
    assert sum(client.lost for client in clients) > 0
    assert wanderer.visits > 0


@pytest.mark.concurrent
def test_traffic_over_faults_of_the_database_is_linearizable(nodes, recorder, database):
    if database.process is None:
        pytest.fail("the database of CONFREG_TEST_MONGODB_URI is not the tests' own to stop: "
                    "run this without it")
    clients = start_clients(nodes)
    for fault in ("freeze", "restart", "freeze"):
        wait_for_more(clients, 80)
        if fault == "freeze":
            database.freeze()
            threading.Event().wait(1)  # the length of the fault, not a wait for something
            database.thaw()
        else:
            database.kill()
            database.start()
    wait_for_more(clients, 80)
    stop_and_check(nodes, recorder, clients)


@pytest.mark.concurrent
def test_no_writer_starves(nodes):
    """One node writes without a pause; a single write at another one gets in all the same."""
    stop = threading.Event()
    made = []

    def write_on(number):
        channel = connect(nodes[0].listen)
        registry = Registry(api_grpc.RegistryServiceStub(channel))
        while not stop.is_set():
            registry.update(f"busy-{number}", allow_missing=True)
            made.append(number)
        channel.close()

    writers = [threading.Thread(target=write_on, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    until(lambda: len(made) > 50, "the node is busy")
    lone = Registry(nodes[1].stub)
    for _ in range(10):
        lone.update("lone", allow_missing=True)
    stop.set()
    for writer in writers:
        writer.join()
    assert lone.get("lone").config.version == 10
    in_step(nodes)


def test_a_frozen_node_catches_up(nodes):
    first, second, _ = registries(nodes)
    nodes[0].process.send_signal(signal.SIGSTOP)
    for number in range(20):
        second.create(f"c-{number}")
    nodes[0].process.send_signal(signal.SIGCONT)
    until(lambda: first.revision() == 20, "it has caught up")
    assert first.update("c-19").header.revision == 21


def test_the_clock_of_a_node_steps(nodes, recorder, tmp_path):
    """An hour ahead, then an hour behind, then right again: the log's times never go back, and
    nothing else depends on them."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    nodes[1].stop()
    nodes[1].variables = {"LD_PRELOAD": str(BUILD / "tests" / "libstepped_clock.so"),
                          "CONFREG_STEPPED_CLOCK": str(clock)}
    nodes[1].start()
    started = time.time()
    clients = start_clients(nodes)
    for step in ("+3600", "-3600", "+0"):
        wait_for_more(clients, 80)
        clock.write_text(step)
        registries(nodes)[1].update("by-that-node", allow_missing=True)
    wait_for_more(clients, 80)
    stop_and_check(nodes, recorder, clients)
    times = [(event.revision, event.commit_time.ToNanoseconds()) for event in recorder.events]
    assert [at for _, at in sorted(times)] == sorted(at for _, at in times)
    assert max(at for _, at in times) > (started + 3600) * 1e9, "the clock was never ahead"
