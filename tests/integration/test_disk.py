"""A store that runs out of space or cannot be written: writes fail with the reason, reads continue,
and writing resumes by itself."""

import contextlib

import disk
import grpc
import pytest
from calls import Registry, create_change
from daemon import PATIENCE, Confregd, Gateway, until
from disk import as_root, fill_up, fill_up_again, write_until_refused
from errors import refused
from rest import Rest
from watching import Watch

pytestmark = pytest.mark.sqlite


@pytest.fixture
def small_disk(tmp_path):
    with disk.small_disk(tmp_path / "disk", "24m") as folder:
        yield folder


@pytest.fixture
def server(launch, small_disk):
    program = launch(Confregd, store=f"sqlite:{small_disk}/confreg.db").start()
    yield program
    program.end()


def test_a_full_disk(launch, server, small_disk):
    registry = Registry(server.stub)
    rest = Rest(launch(Gateway, server.listen).start().port)
    registry.create("kept", '{"a":1}', environment="default")
    ballast = fill_up(small_disk)

    written, refusal = write_until_refused(registry, "large")
    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "STORE_UNAVAILABLE"), refusal
    assert "full" in refusal.message or "space" in refusal.message, refusal
    answer = rest.put("/api/configs/kept", {"config_data": {"x": "y" * 60_000}})
    assert answer.status == 503 and "detail" in answer.json()

    status = registry.status()
    assert not status.writable and status.not_writable_reason
    assert registry.data("kept", environment="default") == b'{"a":1}'
    assert rest.get("/api/configs/kept").json() == {"a": 1}
    assert registry.list().configs
    assert (registry.get("large").config.version if written else 0) == written

    ballast.unlink()
    answer = registry.update("large", '{"again":true}', allow_missing=True)
    assert answer.config.version == written + 1, "a refused write took a version"
    assert registry.status().writable
    body = {"config_data": {"x": "y" * 60_000}}
    assert rest.put("/api/configs/kept", body).json()["version"] == 2
    revision = registry.revision()
    server.stop()
    server.start()
    assert Registry(server.stub).revision() == revision


def test_a_refused_commit_on_a_full_disk_leaves_nothing(server, small_disk):
    registry = Registry(server.stub)
    registry.create("first")
    ballast = fill_up(small_disk)
    payload = '{"x":"%s"}' % ("y" * 900_000)
    with refused("UNAVAILABLE", "STORE_UNAVAILABLE"):
        registry.commit([create_change(f"part-{i}", payload) for i in range(8)])
    assert [c.service_name for c in registry.list().configs] == ["first"]
    ballast.unlink()
    registry.commit([create_change(f"part-{i}", payload) for i in range(8)])
    assert registry.status().config_count == 9


def test_kill_on_a_full_disk_loses_nothing(server, small_disk):
    registry = Registry(server.stub)
    ballast = fill_up(small_disk)
    written, _ = write_until_refused(registry, "large")
    server.kill()
    ballast.unlink()
    server.start()
    registry = Registry(server.stub)
    assert registry.revision() == written
    assert registry.update("large", "{}", allow_missing=True).config.version == written + 1


def test_a_start_on_a_full_disk_serves_reads(server, small_disk):
    registry = Registry(server.stub)
    registry.create("kept", '{"a":1}')
    registry.create("secret", '{"a":"to be erased"}')
    ballast = fill_up(small_disk)
    written, _ = write_until_refused(registry, "large")
    revision = registry.revision()
    server.kill()
    fill_up_again(ballast)
    server.start()
    registry = Registry(server.stub)
    assert registry.revision() == revision
    assert registry.data("kept") == b'{"a":1}'
    assert registry.version_numbers("kept") == [1]
    with Watch(server.stub, start_revision=1) as watch:
        assert [event.revision for event in watch.events(2)] == [1, 2]
    with refused("UNAVAILABLE", "STORE_UNAVAILABLE"):
        registry.update("kept", '{"x":"%s"}' % ("y" * 10_000))
    assert not registry.status().writable

    ballast.unlink()
    assert registry.update("kept").config.version == 2
    assert registry.update("large", "{}", allow_missing=True).config.version == written + 1
    assert registry.status().writable
    registry.delete("secret", erase=True)
    server.stop()
    assert b"to be erased" not in b"".join(
        path.read_bytes() for path in small_disk.glob("confreg.db*"))


def holds(folder, text):
    return any(text in path.read_bytes() for path in folder.glob("confreg.db*"))


@pytest.mark.failpoints
def test_an_erase_that_a_full_disk_cut_off_is_finished_when_there_is_room(server, small_disk):
    registry = Registry(server.stub)
    registry.create("erased", '{"a":"to be erased"}')
    server.stop()
    server.variables["CONFREG_FAILPOINT"] = "scrub_before:1"
    server.start()
    with contextlib.suppress(grpc.RpcError):
        Registry(server.stub).delete("erased", erase=True)
    server.process.wait(PATIENCE)
    del server.variables["CONFREG_FAILPOINT"]
    ballast = fill_up(small_disk)
    server.start()
    with refused("NOT_FOUND"):
        Registry(server.stub).get("erased")
    assert holds(small_disk, b"to be erased")
    ballast.unlink()
    until(lambda: not holds(small_disk, b"to be erased"), "it is gone without another start")


def test_a_store_on_a_read_only_file_system(launch, server, small_disk):
    registry = Registry(server.stub)
    registry.create("kept")
    server.stop()
    as_root("mount", "-o", "remount,ro", str(small_disk))
    code, said = launch(Confregd, store=server.store).fails_to_start()
    assert code != 0 and "read-only" in said.lower(), said
    as_root("mount", "-o", "remount,rw", str(small_disk))
    server.start()
    assert Registry(server.stub).get("kept").config.version == 1


@pytest.fixture
def freeze(launch):
    """freeze(program): its store's files take no write any more, also through open handles. Not
    confreg.db-shm, which is memory that its process shares with itself: the kernel answers a write
    to a mapped file that has become immutable by a signal, whatever program it is."""
    frozen = []

    def apply(program):
        frozen[:] = [str(path) for path in program.folder.glob("confreg.db*")
                     if not path.name.endswith("-shm")]
        as_root("chattr", "+i", *frozen)

    def undo():
        if frozen:
            as_root("chattr", "-i", *frozen)
            frozen.clear()

    apply.undo = undo
    yield apply
    undo()


def test_a_store_that_becomes_read_only(launch, freeze):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create("kept")
    freeze(server)
    for _ in range(3):
        with refused("UNAVAILABLE", "STORE_UNAVAILABLE"):
            registry.update("kept", '{"x":"%s"}' % ("y" * 10_000))
    assert not registry.status().writable
    assert registry.data("kept") == b'{"a":1}'
    assert registry.version_numbers("kept") == [1]
    freeze.undo()
    assert registry.update("kept").config.version == 2
    assert registry.status().writable
