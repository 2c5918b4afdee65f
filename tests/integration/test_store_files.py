"""The files of a SQLite store under running servers: only one process has them open, by whatever
name; removed files are noticed before a write is acknowledged; an empty file is no registry."""

import os
import stat
import subprocess
import urllib.request

import pytest
from calls import Registry
from daemon import BUILD, Confregd, Gateway, free_port
from disk import as_root
from errors import refused
from rest import Rest

pytestmark = pytest.mark.sqlite


def said_by(program, event):
    return [line for line in program.log.read_text().splitlines() if f" event={event}" in line]


@pytest.mark.parametrize("alias", ["symbolic", "hard", "moved"])
def test_a_second_server_by_another_name_is_refused(launch, tmp_path, alias):
    first = launch(Confregd).start()
    other = tmp_path / "other.db"
    if alias == "symbolic":
        other.symlink_to(first.database)
    elif alias == "hard":
        other.hardlink_to(first.database)
    else:
        first.database.rename(other)
    (first.folder / "confreg.db.lock").unlink(missing_ok=True)
    code, said = launch(Confregd, store=f"sqlite:{other}").fails_to_start()
    assert code == 1 and "STORE_LOCKED" in said and f"number {first.process.pid}" in said
    if alias == "moved":
        other.rename(first.database)
    elif alias == "hard":
        first.kill()
        for store in (first.store, f"sqlite:{other}"):
            code, said = launch(Confregd, store=store).fails_to_start()
            assert code == 1 and "STORE_LINKED" in said
        other.unlink()
        first.start()
    assert Registry(first.stub).create("still-alive").config.version == 1


def test_a_store_that_is_mounted_without_its_folder_is_refused(launch, tmp_path):
    server = launch(Confregd).start()
    server.stop()
    alone = tmp_path / "alone.db"
    alone.touch()
    as_root("mount", "--bind", str(server.database), str(alone))
    try:
        code, said = launch(Confregd, store=f"sqlite:{alone}").fails_to_start()
    finally:
        as_root("umount", str(alone))
    assert code == 1 and "STORE_LINKED" in said and "mount its folder" in said


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_goes_away_is_noticed_before_a_write_is_answered(launch, suffix, replaced):
    metrics = f"127.0.0.1:{free_port()}"
    server = launch(Confregd, extra=["--metrics", metrics]).start()
    rest = Rest(launch(Gateway, server.listen).start().port)
    registry = Registry(server.stub)
    registry.create("kept", environment="default")
    path = server.database.with_name(server.database.name + suffix)
    away = path.with_name("away")
    path.rename(away)
    if replaced:
        path.write_bytes(away.read_bytes())
    for number in range(3):
        with refused("UNAVAILABLE", "STORE_REPLACED"):
            registry.create(f"lost-{number}")
    assert rest.put("/api/configs/kept", {"config_data": {"x": 1}}).status == 503
    status = registry.status()
    assert not status.writable and str(path) in status.not_writable_reason
    assert len(said_by(server, "writes_refused")) == 1
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=30) as page:
        assert b"\nconfreg_writable 0\n" in page.read()
    assert registry.get("kept", environment="default").config.version == 1
    assert rest.get("/api/configs/kept").status == 200

    away.rename(path)
    assert registry.create("again").config.version == 1
    assert registry.status().writable and len(said_by(server, "writes_resumed")) == 1
    header = registry.status().header
    server.kill()
    server.start()
    assert Registry(server.stub).status().header == header


def test_a_restart_mends_what_is_beside_the_file(launch):
    """SQLite still has the log open, and copies it into the file at the end."""
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create("kept")
    server.database.with_name("confreg.db-wal").unlink()
    with refused("UNAVAILABLE", "STORE_REPLACED"):
        registry.create("refused")
    server.stop()
    server.start()
    registry = Registry(server.stub)
    assert registry.get("kept").config.version == 1
    assert registry.create("refused").config.version == 1


def test_the_files_are_for_their_user_only(launch, tmp_path):
    server = launch(Confregd, store=f"sqlite:{tmp_path}/new/folder/confreg.db").start()
    Registry(server.stub).create("some")
    for path in [tmp_path / "new", *(tmp_path / "new").rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(os.stat(path).st_mode) == wanted, path


def test_a_new_registry_is_said_to_be_new(launch):
    server = launch(Confregd).start()
    (line,) = said_by(server, "new_registry")
    assert "level=warning" in line and "new" in line.split("message=")[1]
    server.stop()
    server.start()
    assert len(said_by(server, "new_registry")) == 1


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_none_is_made_where_that_is_forbidden(launch, by):
    server = launch(Confregd)
    if by == "flag":
        server.extra = ["--create=never"]
    else:
        server.variables["CONFREG_CREATE"] = "never"
    code, said = server.fails_to_start()
    assert code == 1 and "STORE_MISSING" in said and not list(server.folder.glob("*.db*"))
    launch(Confregd, folder=server.folder, store=server.store).start().stop()
    server.start()
    assert Registry(server.stub).create("some").config.version == 1


def test_create_takes_two_words():
    done = subprocess.run([BUILD / "confregd", "--create=perhaps"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 2 and "--create" in done.stderr and "perhaps" in done.stderr


@pytest.mark.parametrize("size", [0, 1, 50, 4096])
def test_a_file_that_was_cut_off_is_no_registry(launch, size):
    server = launch(Confregd).start()
    Registry(server.stub).create("kept")
    server.stop()
    os.truncate(server.database, size)
    code, said = server.fails_to_start()
    assert code == 1 and ("STORE_NOT_WHOLE" in said or "STORE_DAMAGED" in said)
    assert server.database.stat().st_size == size
