"""Erased payloads are removed from the files of the store and from all answers."""

import pytest
from calls import Registry, delete_change
from daemon import Confregd
from errors import refused
from stubs import pb
from watching import Watch

pytestmark = pytest.mark.sqlite

SECRET = "very-secret-marker-0123456789"


@pytest.fixture
def server(launch):
    return launch(Confregd).start()


def files_with(server, text):
    return [path.name for path in sorted(server.folder.glob("confreg.db*"))
            if text.encode() in path.read_bytes()]


def is_in_files(server, text):
    return bool(files_with(server, text))


def assert_gone_after_stop(server):
    server.stop()
    assert not is_in_files(server, SECRET)
    assert is_in_files(server, "what stays")
    server.start()
    assert not is_in_files(server, SECRET)


def fill(server):
    registry = Registry(server.stub)
    registry.create("billing", '{"key":"%s-1"}' % SECRET)
    registry.update("billing", '{"key":"%s-2"}' % SECRET)
    registry.update("billing", '{"key":"what stays"}')
    registry.create("other", '{"key":"what stays"}')
    assert is_in_files(server, SECRET)
    return registry


def test_a_deleted_version_is_erased(server):
    registry = fill(server)
    registry.delete("billing", version=1)
    registry.delete("billing", version=2)
    assert_gone_after_stop(server)
    assert Registry(server.stub).version_numbers("billing") == [3]


def test_an_erased_config_is_gone_and_its_history_stays(server):
    registry = fill(server)
    registry.delete("billing", erase=True, comment="by request")
    assert_gone_after_stop(server)
    with Watch(server.stub, complete=True, start_revision=1) as watch:
        events = watch.events(5)
    assert [e.version for e in events] == [1, 2, 3, 1, 0]
    assert [e.config.payload_state for e in events[:3]] == [pb.PAYLOAD_STATE_ERASED] * 3
    assert (events[4].kind, events[4].comment) == (pb.CHANGE_KIND_ERASE, "by request")
    registry = Registry(server.stub)
    with refused("NOT_FOUND"):
        registry.get("billing")
    assert registry.create("billing").config.version == 4


def test_a_config_that_was_deleted_before_can_be_erased(server):
    registry = fill(server)
    registry.delete("billing")
    assert is_in_files(server, SECRET)
    registry.delete("billing", erase=True)
    assert_gone_after_stop(server)


def test_an_erase_in_a_commit(server):
    registry = fill(server)
    registry.commit([delete_change("billing", erase=True), delete_change("other", version=1)])
    server.stop()
    assert not is_in_files(server, SECRET)
    server.start()
    assert Registry(server.stub).status().config_count == 0


def test_an_erase_survives_kill(server):
    registry = fill(server)
    registry.delete("billing", erase=True)
    server.kill()
    server.start()
    server.stop()
    assert not is_in_files(server, SECRET)


def test_open_watches_do_not_give_an_erased_payload(server):
    registry = fill(server)
    registry.delete("billing", erase=True)
    with Watch(server.stub, complete=True, start_revision=1) as watch:
        assert not any(SECRET.encode() in e.config.config_data for e in watch.events(5))


def test_a_large_erased_payload_leaves_no_overflow_page(server):
    registry = Registry(server.stub)
    registry.create("large", '{"key":"%s"}' % (SECRET * 20_000))
    registry.create("other", '{"key":"what stays"}')
    registry.delete("large", erase=True)
    assert_gone_after_stop(server)


def test_the_log_of_the_program_holds_no_payload(server):
    fill(server)
    server.stop()
    assert SECRET not in server.log.read_text()
