"""Watches: every change once and in order, over restarts, compactions and another log."""

import shutil
import signal
import threading

import pytest
from conftest import Server, until

import confreg


class Collector:
    """Iterates over a watch on a thread of its own."""

    def __init__(self, client, *selectors, **options):
        self.updates, self.failures = [], []
        self.watch = client.watch(*selectors, on_failure=self.failures.append, **options)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        for update in self.watch:
            self.updates.append(update)

    def changes(self):
        return [change for update in list(self.updates) if not update.first
                for change in update.changes]

    def numbers(self):
        return [change.config.data["n"] for change in self.changes() if change.config]

    def close(self):
        self.watch.close()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def collect():
    collectors = []

    def make(*arguments, **options):
        collectors.append(Collector(*arguments, **options))
        until(lambda: collectors[-1].updates or options.get("resume_after"), "it has begun")
        return collectors[-1]

    yield make
    for collector in collectors:
        collector.close()


def test_every_change_in_order(client, name, collect):
    client.create(name, {"n": 0}, "prod")
    seen = collect(client, confreg.Selector("prod", name))
    assert [c.config.data for c in seen.updates[0].changes] == [{"n": 0}]
    for n in range(1, 101):
        client.update(name, {"n": n}, "prod")
    until(lambda: len(seen.numbers()) == 100, "all have come")
    assert seen.numbers() == list(range(1, 101))


def test_a_commit_comes_at_once(client, name, collect):
    seen = collect(client, confreg.Selector("prod", prefix=name))
    client.commit([confreg.Create(f"{name}{i}", "prod", data={"n": i}) for i in range(100)])
    until(lambda: len(seen.updates) == 2, "it has come")
    assert len(seen.updates[1].changes) == 100


def test_a_delete_is_told(client, name, collect):
    client.create(name, {"n": 0})
    seen = collect(client, confreg.Selector("default", name))
    client.delete(name, author="ada", comment="why")
    until(seen.changes, "it has come")
    change, = seen.changes()
    assert (change.kind, change.head_version, change.config) == ("delete", 0, None)
    assert (change.created_by, change.comment) == ("ada", "why")


def test_resuming(client, name, collect):
    position = client.create(name, {"n": 0}).position
    for n in range(1, 4):
        client.update(name, {"n": n})
    seen = collect(client, confreg.Selector("default", name), resume_after=position)
    until(lambda: len(seen.numbers()) == 3, "all have come")
    assert seen.numbers() == [1, 2, 3]


def test_a_progress_mark_that_is_asked_for(client, name, collect):
    client.create(name, {"n": 0})
    collect(client, confreg.Selector("default", name), watch_id=name)
    assert client.watch_progress(name).watch_count == 1
    with pytest.raises(confreg.NotFoundError):
        client.watch_progress(f"{name}-other")


def test_a_snapshot_that_is_too_large_is_told(server, name):
    failures = []
    with confreg.Client(server.address, max_watch_bytes=10_000) as client:
        client.commit([confreg.Create(f"{name}{n}", data={"n": n}) for n in range(10)])
        with client.watch(confreg.Selector("default", f"{name}7")) as watch:
            assert next(watch).first
        watch = client.watch(confreg.Selector("default", prefix=name), on_failure=lambda error: (
            failures.append(error), watch.close()))
        assert list(watch) == []
    assert (failures[0].code, failures[0].reason) == ("RESOURCE_EXHAUSTED", "WATCH_TOO_LARGE")


def test_only_the_newest(client, name, collect):
    client.create(name, {"n": 0})
    seen = collect(client, confreg.Selector("default", name), latest_only=True)
    for n in range(1, 51):
        client.update(name, {"n": n})
    until(lambda: seen.numbers()[-1:] == [50], "the newest has come")
    assert seen.numbers() == sorted(seen.numbers())


def test_over_restarts_nothing_is_lost_or_doubled(launch, name, collect):
    server = launch(Server).start()
    with confreg.Client(server.address, timeout=60) as client:
        client.create(name, {"n": 0})
        seen = collect(client, confreg.Selector("default", name))
        for n in range(1, 41):
            if n % 10 == 0:
                server.kill()
                server.start()
            client.update(name, {"n": n})
        until(lambda: len(seen.numbers()) >= 40, "all have come")
        assert seen.numbers() == list(range(1, 41))
        assert {error.code for error in seen.failures} == {"UNAVAILABLE"}


def test_a_frozen_server_does_not_end_a_watch(launch, name, collect):
    server = launch(Server).start()
    with confreg.Client(server.address) as client:
        client.create(name, {"n": 0})
        seen = collect(client, confreg.Selector("default", name))
        server.send(signal.SIGSTOP)
        server.send(signal.SIGCONT)
        client.update(name, {"n": 1})
        until(seen.numbers, "it has come")


def test_another_log_begins_anew(launch, name, collect):
    server = launch(Server).start()
    with confreg.Client(server.address, timeout=60) as client:
        client.create(f"{name}-a", {"n": 0})
        client.create(f"{name}-b", {"n": 0})
        seen = collect(client, confreg.Selector("default", prefix=name))
        server.end()
        shutil.rmtree(server.folder)
        server.folder.mkdir()
        server.start()
        client.create(f"{name}-b", {"n": 7})
        until(lambda: seen.numbers()[-1:] == [7], "the new log is told")
        assert ("delete", f"{name}-a") in [(c.kind, c.service_name) for c in seen.changes()]


def test_closing_in_the_loop(client, name):
    client.create(name, {})
    watch = client.watch(confreg.Selector("default", name))
    for update in watch:
        assert update.first
        watch.close()
