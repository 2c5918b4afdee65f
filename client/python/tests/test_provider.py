"""RegistryConfigProvider."""

import contextlib
import http.server
import itertools
import json
import os
import stat
import subprocess
import sys
import threading
import time

import pytest
from conftest import Server, free_port, until

import confreg
from confreg import _references, _sources, testing

NOWHERE = f"127.0.0.1:{free_port()}"


@pytest.fixture
def provider(url, client, name):
    client.create(name, {"db_host": "db-1", "port": "5432", "ratio": 0.5, "pool": 3.9, "debug": "Yes",
                         "off": "off", "null": None, "yes": True, "word": "abc",
                         "list": [1, {"a/b": "deep"}], "big": 2**62}, "prod")
    with confreg.RegistryConfigProvider(url, name, environment="prod") as provider:
        until(lambda: provider.get("db_host"), "the gateway has heard of it, too")
        yield provider


def test_values_and_their_conversion(provider):
    assert provider.get("db_host") == "db-1"
    assert provider.get("none") is None and provider.get("none", "x") == "x"
    assert provider.get("null", "x") is None
    assert (provider.get_bool("debug"), provider.get_bool("off"), provider.get_bool("word", True),
            provider.get_bool("null", True), provider.get_bool("none", True)) == (
                True, False, False, False, True)
    assert (provider.get_int("port"), provider.get_int("pool"), provider.get_int("yes"),
            provider.get_int("word", 7), provider.get_int("null", 7), provider.get_int("list", 7),
            provider.get_int("ratio", 7), provider.get_int("none", 7), provider.get_int("big")) == (
                5432, 3, 1, 7, 7, 7, 0, 7, 2**62)
    assert (provider.get_float("ratio"), provider.get_float("port"), provider.get_float("word", 2.5),
            provider.get_float("null", 2.5)) == (0.5, 5432.0, 2.5, 2.5)
    assert provider.get_pointer("/list/1/a~1b") == "deep"
    assert provider.get_pointer("/list/9", "x") == "x" and provider.get_pointer("/db_host/x") is None
    assert provider.get_int("none", None) is None


def test_it_follows_the_registry(provider, client, name):
    assert (provider.get("pool"), provider.state) == (3.9, confreg.READY)
    version = client.patch(name, {"pool": 4}, "prod").config.version
    until(lambda: provider.get_int("pool") == 4, "the change has come")
    assert provider.version == version
    client.delete(name, "prod")
    until(lambda: provider.get("pool", "default") == "default", "the delete has come")
    client.undelete(name, "prod")
    until(lambda: provider.get_int("pool") == 4, "it is back")


def test_several_keys_of_one_version(provider, client, name):
    """No reader ever sees the keys of two versions."""
    client.update(name, {"a": 0, "b": 0}, "prod")
    until(lambda: provider.get("a") == 0, "it has come")
    wrong = []

    def read():
        while not stop.is_set():
            values = provider.snapshot()
            if values["a"] != values["b"]:
                wrong.append(dict(values))

    stop = threading.Event()
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for n in range(1, 31):
        client.update(name, {"a": n, "b": n}, "prod")
    until(lambda: provider.get("a") == 30, "the last has come")
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_nothing_is_fetched_before_the_first_access():
    provider = confreg.RegistryConfigProvider(NOWHERE, "billing", timeout_seconds=60)
    assert provider.state == confreg.LOADING
    assert not [t for t in threading.enumerate() if t.name == "confreg billing"]
    provider.close()


@pytest.mark.parametrize("address", [NOWHERE, f"http://{NOWHERE}"], ids=["grpc", "http"])
def test_a_registry_that_is_away_gives_defaults(address):
    with confreg.RegistryConfigProvider(address, "billing", timeout_seconds=60) as provider:
        assert provider.get_int("pool", 5) == 5
        assert isinstance(provider.last_error, confreg.UnavailableError)
        assert provider.refresh() is False


def test_a_config_that_is_required(url, client, name):
    with pytest.raises(confreg.NotFoundError):
        confreg.RegistryConfigProvider(url, name, required=True)
    with pytest.raises(confreg.UnavailableError):
        confreg.RegistryConfigProvider(NOWHERE, name, timeout_seconds=0.3, required=True)
    client.create(name, {"n": 1})
    with confreg.RegistryConfigProvider(url, name, required=True) as provider:
        until(lambda: provider.get("n") == 1, "the gateway has heard of it")


def test_required_by_the_environment(monkeypatch):
    monkeypatch.setenv("CONFREG_REQUIRED", "1")
    with pytest.raises(confreg.UnavailableError):
        confreg.RegistryConfigProvider(NOWHERE, "billing", timeout_seconds=0.3)


def test_the_last_known_values_stay(launch, name):
    server = launch(Server).start()
    states = []
    with confreg.Client(server.address, timeout=60) as client, confreg.RegistryConfigProvider(
            server.address, name, cache_ttl_seconds=0.2, on_state=states.append) as provider:
        client.create(name, {"n": 1})
        until(lambda: provider.get("n") == 1, "it has come")
        server.kill()
        until(lambda: provider.state == confreg.STALE, "it is stale")
        assert provider.get("n") == 1
        server.start()
        client.update(name, {"n": 2})
        until(lambda: provider.get("n") == 2, "it is back")
        until(lambda: states == [confreg.READY, confreg.STALE, confreg.READY], states)


def test_refresh(provider, client, name):
    client.update(name, {"n": 1}, "prod")
    assert provider.refresh() and provider.get("n") == 1


def test_waiting_for_the_registry(launch, name):
    server = launch(Server)
    with confreg.RegistryConfigProvider(server.address, name) as provider:
        assert not provider.wait_ready(0.1)
        server.start()
        assert provider.wait_ready(60)


def test_variables_of_the_environment_are_under_the_config(url, client, name, monkeypatch):
    monkeypatch.setenv("BILLING_DB_HOST", "of-the-environment")
    monkeypatch.setenv("BILLING_POOL", "7")
    client.create(name, {"db_host": "of-the-registry"})
    with confreg.RegistryConfigProvider(url, name, env_prefix="BILLING_") as provider:
        until(lambda: provider.get("db_host") == "of-the-registry", "the gateway has heard of it")
        assert provider.get_int("pool") == 7
        assert provider.get("other") is None


def test_resolved(url, client, name):
    client.create(name, {"a": 1, "b": 1})
    client.create(name, {"b": 2}, "prod")
    with confreg.RegistryConfigProvider(url, name, "prod", resolve=True) as provider:
        until(lambda: dict(provider.snapshot()) == {"a": 1, "b": 2}, "the gateway has heard of it")
        client.patch(name, {"a": 5})
        until(lambda: provider.get("a") == 5, "the change of the base has come")


def test_references(server, client, name, monkeypatch, tmp_path, caplog):
    secret = tmp_path / "password"
    secret.write_text("hush\n")
    monkeypatch.setenv("BILLING_USER", "ada")
    monkeypatch.delenv("BILLING_NOBODY", raising=False)
    client.create(name, {
        "uri": f"amqp://${{env:BILLING_USER}}:${{file:{secret}}}@mq", "n": 1, "price": "${5}",
        "deep": {"users": ["${env:BILLING_USER}"]}, "none": "${env:BILLING_NOBODY}",
        "no_file": f"${{file:{tmp_path}/nothing}}", "int": "${env:BILLING_POOL}"})
    monkeypatch.setenv("BILLING_POOL", "7")
    kept = tmp_path / "kept.json"
    with confreg.RegistryConfigProvider(server.address, name, references=True,
                                        last_known_good=str(kept)) as provider:
        assert provider.get("uri") == "amqp://ada:hush@mq"
        assert provider.get("deep") == {"users": ["ada"]} == provider.snapshot()["deep"]
        assert provider.get_pointer("/deep/users/0") == "ada"
        assert (provider.get("price"), provider.get("n"), provider.get_int("int")) == ("${5}", 1, 7)
        assert provider.get("none", "default") == provider.get_pointer("/none", "default") == "default"
        assert provider.get("no_file") is None and "none" not in provider.snapshot()
        assert "BILLING_NOBODY" in caplog.text and "hush" not in caplog.text
        secret.write_text("hush-hush")
        assert provider.get("uri") == "amqp://ada:hush-hush@mq", "as of now"
        until(kept.exists, "it is kept")
        assert "hush" not in kept.read_text(), "the file has the reference"
    with confreg.RegistryConfigProvider(server.address, name) as provider:
        assert provider.get("none") == "${env:BILLING_NOBODY}", "only who asks for it"


# ---- The file with the last values ----

def last_known_good(path, name, address=NOWHERE, **options):
    return confreg.RegistryConfigProvider(address, name, timeout_seconds=60,
                                          last_known_good=str(path), **options)


def test_a_start_while_the_registry_is_away(url, client, name, tmp_path):
    path = tmp_path / "billing.json"
    client.create(name, {"n": 1, "d": 0.1})
    with last_known_good(path, name, url) as provider:
        until(lambda: provider.get("n") == 1, "the gateway has heard of it")
        until(path.exists, "it is kept")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with last_known_good(path, name) as provider:
        assert (provider.get("n"), provider.get("d"), provider.version) == (1, 0.1, 1)
        assert provider.state == confreg.LOADING
    assert [entry.name for entry in tmp_path.iterdir()] == ["billing.json"]


@pytest.mark.parametrize("damage", [
    lambda kept: b"", lambda kept: kept[:-9], lambda kept: kept.replace(b'"n":1', b'"n":2'),
    lambda kept: b"[]", lambda kept: b'{"of":1}', lambda kept: b"\xff"])
def test_a_damaged_file_is_not_used(client, server, name, tmp_path, damage):
    path = tmp_path / "billing.json"
    client.create(name, {"n": 1})
    with last_known_good(path, name, server.address) as provider:
        until(lambda: provider.get("n") and path.exists(), "it is kept")
    path.write_bytes(damage(path.read_bytes()))
    with last_known_good(path, name) as provider:
        assert provider.get("n", "default") == "default"


def test_a_file_of_another_config_is_not_used(client, server, name, tmp_path):
    path = tmp_path / "kept"
    client.create(name, {"n": 1})
    with last_known_good(path, name, server.address) as provider:
        until(lambda: provider.get("n") and path.exists(), "it is kept")
    with last_known_good(path, "another") as provider:
        assert provider.get("n") is None


def test_a_file_that_cannot_be_written_is_no_error(client, server, name, tmp_path):
    client.create(name, {"n": 1})
    with last_known_good(tmp_path / "missing" / "kept", name, server.address) as provider:
        assert provider.get("n") == 1


# ---- Processes and threads ----

def test_a_child_follows_by_itself(server, name, tmp_path):
    """A server that forks its workers, as gunicorn does with --preload: nothing of gRPC has begun."""
    program = f"""
import confreg, os
provider = confreg.RegistryConfigProvider({server.address!r}, {name!r})
if os.fork() == 0:
    print(provider.get("n"), flush=True)
    os._exit(0)
os.wait()
print(provider.get("n"), flush=True)
"""
    with confreg.Client(server.address) as client:
        client.create(name, {"n": 1})
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                           timeout=60, check=True)
    assert ended.stdout.split() == ["1", "1"]


def test_a_child_of_one_that_follows_over_http(gateway, client, name):
    program = f"""
import confreg, os
provider = confreg.RegistryConfigProvider({gateway.url!r}, {name!r})
assert provider.get("n") == 1
if os.fork() == 0:
    while provider.get("n") != 2:
        pass
    print("followed", flush=True)
    os._exit(0)
print("ready", flush=True)
os.wait()
"""
    client.create(name, {"n": 1})
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout.readline() == "ready\n"
        client.update(name, {"n": 2})
        assert process.stdout.readline() == "followed\n"


def test_a_program_ends_without_closing(server, client, name):
    client.create(name, {"n": 1})
    program = (f"import confreg; print(confreg.RegistryConfigProvider("
               f"{server.address!r}, {name!r}).get('n'))")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                           timeout=60, check=True)
    assert (ended.stdout, ended.stderr) == ("1\n", "")


def test_closing_is_quick(provider):
    assert provider.get("db_host")
    started = time.monotonic()
    provider.close()
    thread = f"confreg {provider._name.service_name}"
    until(lambda: thread not in [t.name for t in threading.enumerate()], "the thread has ended")
    assert time.monotonic() - started < 20, "it did not wait for a long poll to end"
    assert provider.get("db_host") == "db-1"


# ---- A server that cannot wait, as the one before confreg ----

class Old(http.server.BaseHTTPRequestHandler):
    data = {"n": 1}

    def do_GET(self):
        body = json.dumps(self.data).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def old():
    class Handler(Old):
        pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        Handler.url = f"http://127.0.0.1:{listening.server_port}"
        yield Handler
        listening.shutdown()
        thread.join()


def test_an_old_server_is_polled(old):
    with confreg.RegistryConfigProvider(old.url, "billing", cache_ttl_seconds=0.05) as provider:
        assert provider.get("n") == 1
        old.data = {"n": 2}
        until(lambda: provider.get("n") == 2, "it has been polled")


def test_an_answer_that_is_no_object(old):
    old.data = [1]
    with confreg.RegistryConfigProvider(old.url, "billing") as provider:
        assert provider.get("n", 7) == 7
        assert "no JSON object" in str(provider.last_error)


def answers(old, status, headers, parts):
    """From now on it answers so."""
    def answer(self):
        self.send_response(status)
        for header in headers.items():
            self.send_header(*header)
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has gone away
            for part in parts:
                self.wfile.write(part)
    old.do_GET = answer


def test_an_answer_without_an_end(old, monkeypatch):
    monkeypatch.setattr(_sources, "MOST_BYTES", 1 << 20)
    answers(old, 200, {}, itertools.repeat(b" " * 65536))
    with confreg.RegistryConfigProvider(old.url, "billing") as provider:
        assert not provider.refresh()
        assert "more than 1048576 bytes" in str(provider.last_error)


def test_garbage_in_an_answer_does_not_end_a_provider(old):
    answers(old, 200, {"X-Config-Version": "new"}, [b"{}"])
    with confreg.RegistryConfigProvider(old.url, "billing", cache_ttl_seconds=0.05) as provider:
        assert provider.get("n", 7) == 7
        assert "cannot be read" in str(provider.last_error)
        old.do_GET = Old.do_GET
        until(lambda: provider.get("n") == 1, "it goes on")


@pytest.mark.parametrize("told, waits", [("3600", 3600), ("soon", 0), (str(1 << 40), 0)])
def test_the_time_to_wait_is_that_of_the_server(old, told, waits):
    answers(old, 429, {"Retry-After": told}, [b"{}"])
    with confreg.RegistryConfigProvider(old.url, "billing") as provider:
        assert not provider.refresh()
        assert (provider.last_error.code, provider.last_error.retry_after) == ("HTTP_429", waits)


# ---- For tests of programs ----

def test_overrides():
    provider = confreg.RegistryConfigProvider(NOWHERE, "billing")
    with testing.overrides({"pool": 1}):
        assert provider.get_int("pool") == 1
        with testing.overrides({"pool": 2}, service_name="billing"):
            assert provider.get_int("pool") == 2
        with testing.overrides({"pool": 3}, service_name="another"):
            assert provider.get_int("pool") == 1
        assert provider.get("none", "default") == "default"
    assert not testing.is_active()


def test_references_read_regular_files_of_bounded_size(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    (tmp_path / "largest").write_bytes(b"x" * (1 << 20))
    for name in ("pipe", "large", ".", "none"):
        assert _references.replaced(f"${{file:{tmp_path / name}}}") is _references.MISSING
    assert len(_references.replaced(f"${{file:{tmp_path / 'largest'}}}")) == 1 << 20
    assert _references.replaced("${file:/dev/zero}") is _references.MISSING


@pytest.mark.parametrize("address", ["registry.example:50051", "grpc://192.0.2.1:1", "[2001:db8::1]:1",
                                     "127.0.0.1:1,registry.example:1", "http://registry.example"])
def test_a_token_does_not_cross_the_network_in_the_clear(address):
    for token in ({"token": "cfr_secret"}, {"token_file": "/nowhere"}):
        with pytest.raises(ValueError, match="in the clear") as caught:
            confreg.RegistryConfigProvider(address, "billing", credentials=confreg.Credentials(**token))
        assert "secret" not in str(caught.value)
        confreg.RegistryConfigProvider(
            address, "billing", credentials=confreg.Credentials(**token, token_in_clear=True)).close()
    confreg.RegistryConfigProvider(address, "billing").close()


@pytest.mark.parametrize("address", ["localhost:1", "127.0.0.1:1", "[::1]:1", "unix:/x",
                                     "grpcs://registry.example:1", "https://registry.example"])
def test_a_token_may_be_sent_to_this_machine_or_by_tls(address):
    confreg.RegistryConfigProvider(address, "billing",
                                   credentials=confreg.Credentials(token="cfr_secret")).close()


def test_a_token_is_sent(old, tmp_path):
    seen = []
    old.do_GET = lambda self: (seen.append(self.headers["Authorization"]), Old.do_GET(self))
    path = tmp_path / "token"
    path.write_text("cfr_secret\n")
    credentials = confreg.Credentials(token_file=str(path))
    assert "secret" not in repr(confreg.Credentials(token="cfr_secret"))
    with confreg.RegistryConfigProvider(old.url, "billing", credentials=credentials,
                                        cache_ttl_seconds=0.05) as provider:
        assert provider.get("n") == 1
        path.write_text("cfr_another\n")
        until(lambda: seen[-1] == "Bearer cfr_another", "the file was read again")
    assert seen[0] == "Bearer cfr_secret"
