"""Backup and restore of a SQLite store, by the commands of docs/operations.md."""

import contextlib
import os
import shutil
import subprocess
import threading

import documents
import pytest
from calls import Registry
from daemon import BUILD, PATIENCE, Confregd, connect, until
from stubs import ROOT, api_grpc
from watching import Watch

pytestmark = pytest.mark.sqlite


def blocks_of(heading):
    """The code of a section of docs/operations.md, in order."""
    page = "docs/operations.md"
    section = (ROOT / page).read_text().split(f"\n{heading}\n")[1].split("\n#")[0]
    return [block.text for block in documents.blocks(page, section)]


BACKUP, RESTORE, START = blocks_of("### Backup")


def start_of(command, folder):
    """The folder is the one that the page is read in: data/ is in it, the programs are found."""
    path = f"{BUILD}:{os.environ['PATH']}"
    return subprocess.Popen(["bash", "-e", "-c", command], cwd=folder, text=True,
                            env={"PATH": path, "MONGOC_DISABLE_SHM": "1"},
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def run(command, folder):
    with start_of(command, folder) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    return said


@pytest.fixture
def desk(launch, tmp_path):
    """A server with its store at data/confreg.db of a folder."""
    (tmp_path / "data").mkdir()
    server = launch(Confregd, store=f"sqlite:{tmp_path}/data/confreg.db").start()
    server.desk = tmp_path
    return server


@contextlib.contextmanager
def constant_writes(server, n_writers=4):
    """Gives a function that tells how many writes were answered."""
    stop = threading.Event()
    counts = [0] * n_writers
    faults = []

    def write(number):
        with connect(server.listen) as channel:
            registry = Registry(api_grpc.RegistryServiceStub(channel))
            try:
                while not stop.is_set():
                    content = '{"n":%d,"x":"%s"}' % (counts[number], "y" * 4000)
                    registry.update(f"busy-{number}", content, allow_missing=True)
                    counts[number] += 1
            except Exception as error:  # noqa: BLE001: it is the test's to tell
                faults.append(error)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(n_writers)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: sum(counts)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults, faults[0]


def open_copy(launch, path):
    return launch(Confregd, store=f"sqlite:{path}", extra=["--create=never"])


def test_a_backup_under_constant_writes_is_a_whole_store(launch, desk):
    registry = Registry(desk.stub)
    registry.create("first", '{"a":1}')
    with constant_writes(desk) as written:
        until(lambda: written() > 200, "writes are under way")
        before = registry.revision()
        run(BACKUP, desk.desk)
        after = registry.revision()
        until(lambda: registry.revision() > after + 50, "writes go on")
    assert (desk.desk / "backup.db").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in desk.desk.iterdir()) == ["backup.db", "data"]
    copy = open_copy(launch, desk.desk / "backup.db").start()
    found = Registry(copy.stub)
    assert before <= found.revision() <= after
    assert found.data("first") == b'{"a":1}'
    for number in range(4):
        name = f"busy-{number}"
        versions = found.version_numbers(name)
        assert versions == list(range(len(versions), 0, -1))
        assert found.data(name) == registry.data(name, version=versions[0])
    with Watch(desk.stub, resume_after=found.status().header) as watch:
        assert watch.event().revision == found.revision() + 1, "its chain is the server's"


def test_a_backup_is_restored_as_the_page_says(launch, desk):
    registry = Registry(desk.stub)
    registry.create("billing", '{"a":1}')
    run(BACKUP, desk.desk)
    registry.update("billing", '{"lost":1}')
    desk.kill()  # leaves the write-ahead log of what is given up
    run(RESTORE, desk.desk)
    assert START == "confregd --store sqlite:data/confreg.db\n"
    desk.start()
    registry = Registry(desk.stub)
    assert registry.data("billing") == b'{"a":1}'
    assert registry.update("billing").config.version == 2


def test_a_restored_copy_beside_the_old_log_is_refused(launch, desk):
    registry = Registry(desk.stub)
    registry.create("billing", '{"a":1}')
    run(BACKUP, desk.desk)
    registry.update("billing", '{"lost":1}')
    desk.kill()
    shutil.copy(desk.desk / "backup.db", desk.desk / "data" / "confreg.db")
    code, said = desk.fails_to_start()
    assert code == 1 and "STORE_STRAY_LOG" in said
    run(RESTORE, desk.desk)
    desk.start()
    assert Registry(desk.stub).data("billing") == b'{"a":1}'


@pytest.mark.parametrize("kib", [4, 8, 20, 100, 800])
def test_a_backup_that_is_killed_is_refused(launch, desk, kib):
    """By the signal that a process gets whose file would become larger than it may."""
    registry = Registry(desk.stub)
    for number in range(40):
        registry.create(f"config-{number}", '{"x":"%s"}' % ("y" * 40_000))
    with start_of(f"ulimit -c 0; ulimit -f {kib}\n{BACKUP}", desk.desk) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0, said
    assert not (desk.desk / "backup.db").exists()
    part = desk.desk / "backup.part"
    (desk.desk / "moved").mkdir()
    moved = desk.desk / "moved" / "confreg.db"  # without its journal
    shutil.copy(part, moved)
    for path in (part, moved):
        code, said = open_copy(launch, path).fails_to_start()
        assert code == 1 and ("STORE_NOT_WHOLE" in said or "STORE_DAMAGED" in said), said
    run(BACKUP, desk.desk)
    copy = open_copy(launch, desk.desk / "backup.db").start()
    assert Registry(copy.stub).status().config_count == 40
