"""The stream that the providers and watchers of a process share."""

import json
import signal
import subprocess
import threading

import pytest
from conftest import BUILD, Server, until

import confreg


@pytest.fixture
def own(launch):
    """A server that nobody else watches, and a client of it."""
    server = launch(Server).start()
    with confreg.Client(server.address) as client:
        yield server, client


def test_all_of_a_process_share_a_stream(own):
    server, client = own
    names = [f"service-{n}" for n in range(130)]
    for start in (0, 100):
        client.commit([confreg.Create(name, data={"name": name})
                       for name in names[start:start + 100]])
    providers = [confreg.RegistryConfigProvider(server.address, name) for name in names]
    assert [provider.get("name") for provider in providers] == names
    # A stream has room for 128 names.
    until(lambda: client.status().watch_streams == 2, "all are on two streams")
    changed = threading.Event()
    watcher = confreg.ConfigWatcher(server.address, names[0], on_change=lambda _: changed.set())
    watcher.start_in_background()
    until(lambda: client.update(names[0], {"name": "new"}) and changed.wait(0.1), "it was told")
    assert client.status().watch_streams == 2
    until(lambda: providers[0].get("name") == "new", "the provider has heard of it, too")
    assert [provider.get("name") for provider in providers[1:]] == names[1:]
    watcher.stop()
    for provider in providers:
        provider.close()
    until(lambda: client.status().watch_streams == 0, "the streams end with the last of them")


def test_one_that_joins_disturbs_nobody(own):
    server, client = own
    client.create("first", {"n": 1})
    heard = []
    watcher = confreg.ConfigWatcher(server.address, "first", on_change=heard.append)
    watcher.start_in_background()
    until(lambda: client.status().watch_streams == 1, "it watches")
    states = []
    for n in range(5):
        with confreg.RegistryConfigProvider(server.address, f"other-{n}",
                                            on_state=states.append) as provider:
            assert provider.get("n", "none") == "none" and provider.wait_ready(10)
    until(lambda: client.update("first", {"n": 2}) and heard, "it was told")
    assert heard[0] == {"n": 2}, "nothing but the change"
    assert set(states) == {"ready"}
    watcher.stop()


def test_a_callback_that_takes_long_delays_no_other(own):
    server, client = own
    client.commit([confreg.Create(name, data={"n": 0}) for name in ("slow", "quick")])
    release, slow, quick = threading.Event(), [], []

    def take_long(value):
        slow.append(value["n"])
        release.wait(60)

    watchers = [confreg.ConfigWatcher(server.address, "slow", on_change=take_long),
                confreg.ConfigWatcher(server.address, "quick",
                                      on_change=lambda value: quick.append(value["n"]))]
    for watcher in watchers:
        watcher.start_in_background()
    until(lambda: client.update("slow", {"n": 1}) and slow, "the first callback runs")
    until(lambda: client.update("quick", {"n": 1}) and quick, "the other one was called")
    for n in range(2, 10):
        client.update("slow", {"n": n})
    client.update("quick", {"n": 9})
    until(lambda: quick[-1] == 9, "the newest has come")
    release.set()
    until(lambda: slow[-1] == 9, "the newest has come")
    for watcher in watchers:
        watcher.stop()


def test_what_may_not_be_read_is_told_as_such(launch):
    server = launch(Server)
    access = server.folder / "access.json"
    token = subprocess.run(
        [BUILD / "confregd", "access", "token", "ada", "--access", access, "--role", "super-admin"],
        check=True, capture_output=True, text=True).stdout.strip()

    def allow(*services):
        content = json.loads(access.read_text())
        content["principals"][0]["grants"][0]["services"] = services
        new = access.with_suffix(".new")
        new.write_text(json.dumps(content))
        new.chmod(0o600)
        new.rename(access)

    allow("mine", "yours")
    server.spawn("confregd", "--listen", server.address, "--store", f"sqlite:{server.store}",
                 "--access", "access.json")
    credentials = confreg.Credentials(token=token)
    with confreg.Client(server.address, credentials, timeout=60) as client:
        client.commit([confreg.Create(name, data={"n": 1}) for name in ("mine", "yours")])
    with confreg.RegistryConfigProvider(server.address, "mine", credentials=credentials) as mine, \
            confreg.RegistryConfigProvider(server.address, "yours", credentials=credentials) as yours:
        assert (mine.get("n"), yours.get("n")) == (1, 1)
        allow("mine")
        server.send(signal.SIGHUP)
        until(lambda: yours.last_error is not None, "it is refused")
        assert yours.last_error.code == "PERMISSION_DENIED"
        assert (mine.last_error, mine.get("n"), yours.get("n")) == (None, 1, 1)
        allow("mine", "yours")
        server.send(signal.SIGHUP)
        until(lambda: yours.last_error is None, "it may be read again")
