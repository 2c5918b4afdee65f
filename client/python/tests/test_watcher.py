"""ConfigWatcher."""

import signal
import threading

import pytest
from conftest import Server, free_port, until

import confreg


class Watching:
    """A watcher that runs on a thread, as documented, and what it has told."""

    def __init__(self, url, name, **options):
        self.seen, self.deletes = [], []
        self.watcher = confreg.ConfigWatcher(
            url, name, "prod", poll_interval_seconds=30,
            on_change=options.pop("on_change", self.seen.append),
            on_delete=lambda: self.deletes.append(1), **options)
        self.thread = threading.Thread(target=self.watcher.start, daemon=True)
        self.thread.start()

    def ready(self):
        until(lambda: self.watcher._last is not None, "it has looked once")
        return self

    def stop(self):
        self.watcher.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def watch(url):
    all_of_them = []

    def make(name, **options):
        all_of_them.append(Watching(options.pop("url", url), name, **options))
        return all_of_them[-1]

    yield make
    for watching in all_of_them:
        watching.stop()


def test_each_change_is_told_once(watch, client, name):
    client.create(name, {"n": 0}, "prod")
    watching = watch(name).ready()
    for n in range(1, 6):
        client.update(name, {"n": n}, "prod")
        until(lambda n=n: watching.seen[-1:] == [{"n": n}], "it has come")
    assert watching.seen == [{"n": n} for n in range(1, 6)]


def test_a_config_that_is_made_deleted_and_made_again(watch, client, name):
    watching = watch(name).ready()
    client.create(name, {"n": 1}, "prod")
    until(lambda: watching.seen == [{"n": 1}], "the create has come")
    client.delete(name, "prod")
    until(lambda: watching.deletes == [1], "the delete has come")
    client.create(name, {"n": 1}, "prod")
    until(lambda: watching.seen == [{"n": 1}] * 2, "the second create has come")


def test_a_callback_that_fails_does_not_end_it(watch, client, name, caplog):
    seen = []

    def fail(config):
        seen.append(config)
        raise RuntimeError("the reload has failed")

    client.create(name, {"n": 0}, "prod")
    watch(name, on_change=fail).ready()
    for n in (1, 2):
        client.update(name, {"n": n}, "prod")
        until(lambda n=n: seen[-1:] == [{"n": n}], "it has come")
    assert "the reload has failed" in caplog.text


def test_stopping_in_the_callback(url, client, name):
    client.create(name, {"n": 0}, "prod")
    watching = Watching(url, name, on_change=lambda config: watching.watcher.stop()).ready()
    client.update(name, {"n": 1}, "prod")
    watching.thread.join(60)
    assert not watching.thread.is_alive()


def test_stopping_before_the_start(url, name):
    watcher = confreg.ConfigWatcher(url, name)
    watcher.stop()
    watcher.start()


def test_in_the_background(url, client, name):
    seen = []
    client.create(name, {"n": 0})
    watcher = confreg.ConfigWatcher(url, name, on_change=seen.append)
    watcher.start_in_background()
    # A gateway's first answer can be older than the config.
    until(lambda: watcher._last is not None and watcher._last.data == {"n": 0}, "it has seen the config")
    seen.clear()
    client.update(name, {"n": 1})
    until(lambda: seen == [{"n": 1}], "it has come")
    watcher.stop()


def test_a_registry_that_comes_late_and_goes(launch, name):
    server = launch(Server)
    watching = Watching(server.address, name)
    until(lambda: watching.watcher.last_error, "it has tried")
    server.start()
    with confreg.Client(server.address, timeout=60) as client:
        client.create(name, {"n": 1}, "prod")
        watching.ready()
        server.kill()
        server.start()
        client.update(name, {"n": 2}, "prod")
        until(lambda: watching.seen[-1:] == [{"n": 2}], "the change has come")
        server.send(signal.SIGSTOP)
        server.send(signal.SIGCONT)
        client.update(name, {"n": 3}, "prod")
        until(lambda: watching.seen[-1:] == [{"n": 3}], "the next has come")
    watching.stop()


def test_no_network_at_all_is_no_error(name):
    watching = Watching(f"http://127.0.0.1:{free_port()}", name)
    until(lambda: watching.watcher.last_error, "it has tried")
    watching.stop()
    assert watching.seen == []
