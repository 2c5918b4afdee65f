"""Fixtures of the integration tests: running programs, and names that no other test uses."""

import contextlib
import itertools
import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
# The library of the tests logs connection attempts to servers that are down on purpose.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import daemon  # noqa: E402
import exercised  # noqa: E402
import history  # noqa: E402
import mongodb  # noqa: E402
import planted  # noqa: E402
import seed  # noqa: E402
from broker import Broker  # noqa: E402
from calls import Registry  # noqa: E402
from rest import Rest, undocumented  # noqa: E402

RUNNING = []


def pytest_addoption(parser):
    parser.addoption("--store", choices=["sqlite", *mongodb.KINDS], default="sqlite",
                     help="the store that the servers use: a SQLite file each, or a database each "
                          "on one server of this kind, which the run starts (the one that "
                          "CONFREG_TEST_MONGODB_URI names, where it is set)")
    parser.addoption("--bus", choices=["local", "rabbitmq"], default="local",
                     help="the bus of servers that name none: nothing outside the process, or one "
                          "RabbitMQ, which the run starts")


def pytest_report_header():
    return seed.SAID


# A run in parallel takes a file at a time: the files that take longest go first, else one worker
# ends long after the others.
LONGEST = ["test_events", "test_node_faults", "test_mongodb", "test_watch_many", "test_documentation",
           "test_crash", "test_bounds", "test_commits", "test_nodes", "test_sse"]


def place(item):
    name = item.path.stem
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(config, items):
    """Orders the files, and deselects tests that a run with another store or bus does not need.
    `sqlite`: tests of the files of a SQLite store (torn or damaged files, full disks, remains of an
    erase, copies as backups, locks, the metric of the disk). `own_store`: tests that start their own
    database servers, or no server at all. `any_store`: tests of what is in front of every store."""
    items.sort(key=place)
    store, bus = config.getoption("store"), config.getoption("bus")
    out = ["sqlite"] * (store != "sqlite")
    if (store, bus) != ("sqlite", "local"):
        out += ["own_store", "any_store"]
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in out)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def default_store(request, tmp_path_factory):
    """Starts the server for --store; each program gets a database of its own on it."""
    kind = request.config.getoption("store")
    if kind == "sqlite":
        yield
        return
    with mongodb.server(kind, tmp_path_factory.mktemp(kind)) as address:
        sqlite = daemon.Confregd.default_store
        run = os.urandom(4).hex()
        daemon.Confregd.default_store = staticmethod(
            lambda folder: mongodb.database(address, f"confreg_test_{run}_{folder.name}"))
        yield
        daemon.Confregd.default_store = sqlite


@pytest.fixture(scope="session", autouse=True)
def noted():
    yield
    exercised.save()


@pytest.fixture(scope="session", autouse=True)
def documented():
    """Checks that /openapi.json contains every status that the gateway answered in the run."""
    yield
    document = json.loads((daemon.ROOT / "gateway" / "openapi.json").read_text())
    assert list(undocumented(document)) == []


@pytest.fixture(scope="session", autouse=True)
def default_bus(request, tmp_path_factory):
    """Starts the broker for --bus; logs share it, because their epochs differ."""
    if request.config.getoption("bus") == "local":
        yield
        return
    broker = Broker(tmp_path_factory.mktemp("broker"))
    try:
        daemon.Confregd.default_bus = broker.start().address()
        yield
    finally:
        daemon.Confregd.default_bus = None
        broker.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the logs of the programs to the report of a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections.append(("seed", seed.SAID))
        for program in RUNNING:
            report.sections.append((f"log of {program.program} in {program.folder}",
                                    program.tail()))


def _end(program):
    """Ends a program; none of its logs may have a secret that a test has given to a program."""
    RUNNING.remove(program)
    if program.process is not None:
        program.end()
    planted.assert_none_in_logs(program.folder)


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    """launch(Confregd, store="memory:") makes a program with its own folder; it is not started.
    Programs that still run at the end of the module must stop with exit code 0."""
    made = []

    def make(kind, *args, folder=None, **kwargs):
        program = kind(folder or tmp_path_factory.mktemp(kind.program), *args, **kwargs)
        made.append(program)
        RUNNING.append(program)
        return program

    yield make
    with contextlib.ExitStack() as ends:  # if one fails to end, the others are ended, too
        for program in made:
            ends.callback(_end, program)


@pytest.fixture(scope="module")
def confregd(launch):
    """A server for one module. The whole history is checked at the end of the module."""
    server = launch(daemon.Confregd).start()
    recorder = history.Recorder(server)
    recorder.start()
    yield server
    history.check(server, recorder)
    history.check_memory_against_store(server)
    recorder.stop()


@pytest.fixture
def registry(confregd):
    confregd.assert_alive()
    return Registry(confregd.stub)


@pytest.fixture(scope="module")
def gateway(launch, confregd):
    return launch(daemon.Gateway, confregd.listen).start()


@pytest.fixture
def rest(gateway):
    gateway.assert_alive()
    return Rest(gateway.port)


_numbers = itertools.count(1)


@pytest.fixture
def name():
    """A service name that no other test uses."""
    return f"service-{next(_numbers)}"


@pytest.fixture
def tool():
    """tool("grpcurl"): the path of a tool that a test uses."""
    def find(wanted):
        path = daemon.TOOLS / wanted
        assert path.exists(), f"{path} is missing: scripts/test --stage release builds it"
        return str(path)

    return find
