"""A store whose heads or marks are damaged or stale: they are rebuilt from the log."""

import contextlib
import hashlib
import sqlite3
import struct

import history
import pytest
from calls import Registry
from daemon import Confregd
from errors import refused

pytestmark = [pytest.mark.sqlite, pytest.mark.own_store]

HEADS = 7  # the mark's number
PAGE = 4096


@pytest.fixture
def server(launch):
    server = launch(Confregd).start()
    yield server
    server.end()


def database_of(server):
    return server.store.removeprefix("sqlite:")


@contextlib.contextmanager
def sql(server):
    with contextlib.closing(sqlite3.connect(database_of(server))) as database, database:
        yield database


def heads_mark(server):
    with sql(server) as database:
        return database.execute("SELECT value FROM marks WHERE mark = ?", (HEADS,)).fetchone()[0]


def said(server, event):
    return f"event={event}" in server.log.read_text()


def check(server):
    recorder = history.Recorder(server)
    recorder.start()
    history.check(server, recorder)
    history.check_memory_against_store(server)
    recorder.stop()


def test_a_flipped_bit_in_the_heads_mark_loses_nothing(server):
    registry = Registry(server.stub)
    for n in range(100):
        registry.create(f"before-{n}")
    server.stop()
    mark = heads_mark(server)
    server.start()
    registry = Registry(server.stub)
    for n in range(100):
        registry.create(f"behind-{n}")
    server.kill()
    bit = next(bit for bit in (8, 16, 32, 64) if not mark & bit)
    with sql(server) as database:
        database.execute("UPDATE marks SET value = value + ? WHERE mark = ?", (bit, HEADS))
    server.start()
    assert said(server, "heads_made_anew")
    registry = Registry(server.stub)
    assert registry.status().config_count == 200
    for n in range(100):
        assert registry.get(f"behind-{n}").config.version == 1
        with refused("ALREADY_EXISTS", "CONFIG_EXISTS"):
            registry.create(f"behind-{n}")
    check(server)


def heads_page(server):
    """The root of the heads' tree, which is all of it: where it is, and what is there."""
    with sql(server) as database:
        number = database.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'heads'").fetchone()[0]
    with open(database_of(server), "rb") as file:
        file.seek((number - 1) * PAGE)
        return number, file.read(PAGE)


def test_heads_that_came_back_as_they_were_are_made_anew(server):
    """As if the last write of that page had been lost: every row still has a good seal."""
    registry = Registry(server.stub)
    names = [f"config-{n}" for n in range(5)]
    for name in names:
        registry.create(name, '{"n":1}')
    server.stop()
    number, page = heads_page(server)
    assert page[0] == 0x0A, "a leaf"
    server.start()
    registry = Registry(server.stub)
    for name in names:
        registry.update(name, '{"n":2}')
    server.stop()
    assert heads_page(server)[1] != page
    with open(database_of(server), "r+b") as file:
        file.seek((number - 1) * PAGE)
        file.write(page)
    server.start()
    assert said(server, "heads_made_anew")
    registry = Registry(server.stub)
    for name in names:
        assert registry.data(name) == b'{"n":2}'
        assert registry.update(name, '{"n":3}').config.version == 3
    check(server)
    server.stop()
    log_size = server.log.stat().st_size
    server.start()
    assert "heads_made_anew" not in server.log.read_text()[log_size:], "once"
    assert Registry(server.stub).data(names[0]) == b'{"n":3}'


def test_damage_of_what_the_log_does_not_say_is_told(server):
    Registry(server.stub).create("billing")
    server.stop()
    with sql(server) as database:
        database.execute("UPDATE meta SET value = zeroblob(32) WHERE name = 'secret'")
    code, told = server.fails_to_start()
    assert code == 1 and "STORE_DAMAGED" in told, told


def make_format_2(server):
    """What a build wrote whose tombstones had no history: HEADS was mark 0."""
    with sql(server) as database:
        meta = dict(database.execute("SELECT name, value FROM meta"))
        seal = hashlib.sha256(b"identity\0" + struct.pack("<Q", 2) + meta["epoch"] + meta["secret"])
        database.executescript("""
            ALTER TABLE heads DROP COLUMN first_kept_version;
            UPDATE heads SET first_live_version = last_version + 1 WHERE version = 0;
            UPDATE marks SET mark = 0 WHERE mark = 7;
            UPDATE meta SET value = 2 WHERE name = 'format';""")
        database.execute("UPDATE meta SET value = ? WHERE name = 'seal'", (seal.digest(),))


def test_a_store_of_format_2_is_made_one_of_this(server):
    registry = Registry(server.stub)
    registry.create("billing", '{"n":1}')
    registry.create("gone", '{"n":1}')
    registry.update("gone", '{"n":2}')
    registry.delete("gone")
    server.stop()
    make_format_2(server)
    server.start()
    with sql(server) as database:
        assert database.execute("SELECT value FROM meta WHERE name = 'format'").fetchone() == (3,)
    registry = Registry(server.stub)
    assert registry.data("billing") == b'{"n":1}'
    check(server)


def make_old(server, relayed):
    """What a build of before wrote: without seals, but for those of the heads, which were shorter."""
    with sql(server) as database:
        marks = database.execute("SELECT mark, value FROM marks").fetchall()
        database.executescript("""
            DROP TABLE marks;
            ALTER TABLE heads DROP COLUMN first_kept_version;
            CREATE TABLE marks(mark INTEGER PRIMARY KEY, value INTEGER NOT NULL);
            CREATE TRIGGER heads_counted AFTER INSERT ON heads BEGIN
                INSERT INTO marks VALUES(-1, 1)
                ON CONFLICT(mark) DO UPDATE SET value = value + 1; END;
            UPDATE heads SET seal = substr(seal, 1, 16);
            DELETE FROM meta WHERE name = 'seal';
            UPDATE meta SET value = 1 WHERE name = 'format';""")
        database.executemany("INSERT INTO marks VALUES(?, ?)", marks)
        database.execute("UPDATE marks SET value = ? WHERE mark = 2", (relayed,))
        database.execute("INSERT INTO marks SELECT -1, count(*) FROM heads")


def test_a_store_of_format_1_is_made_one_of_this(server):
    registry = Registry(server.stub)
    registry.create("billing", '{"n":1}')
    registry.update("billing", '{"n":2}')
    registry.create("gone")
    registry.delete("gone")
    server.stop()
    make_old(server, relayed=3)
    server.start()
    registry = Registry(server.stub)
    assert registry.data("billing") == b'{"n":2}'
    assert registry.update("billing", '{"n":3}').config.version == 3
    assert registry.create("gone").config.version == 2
    check(server)
    server.stop()
    with sql(server) as database:
        assert database.execute("SELECT value FROM meta WHERE name = 'format'").fetchone() == (3,)
        assert database.execute("SELECT value FROM marks WHERE mark = 2").fetchone() == (3,)
    make_old(server, relayed=1000)
    code, told = server.fails_to_start()
    assert code == 1 and "STORE_DAMAGED" in told, told
