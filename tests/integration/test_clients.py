"""Clients with generated code: the examples of client/examples."""

import os
import subprocess

import grpc
import pytest
from access import AccessFile, as_caller, grant
from calls import Registry
from certificates import Authority
from daemon import CHANNEL_OPTIONS, TOOLS, Confregd, Gateway, until
from fake_server import RefusingFront
from guarded import Guarded
from rest import Rest
from stubs import api_grpc

pytestmark = [pytest.mark.own_store, pytest.mark.own_checks]

# scripts/test builds them. Of the two in Python, CLIENT names the program.
CLIENTS = {
    "go": ["client-go"], "node": ["env", "NODE_NO_WARNINGS=1", "client-node"], "java": ["client-java"],
    "python": ["client-python"],
    "python_asyncio": ["env", "CLIENT=client_asyncio", "client-python"]}

# Those that read their config back, and take the files of an authority and of a token.
READERS = ["go", "java", "node"]


class Secure(Confregd):
    """confregd with TLS and one token, which its stub shows."""

    def __init__(self, folder):
        super().__init__(folder)
        self.authority = Authority(self.folder / "authority")
        self.pair = self.authority.server()
        self.access = AccessFile(self.folder)
        self.token = self.access.add("tester", grant("admin"))
        self.token_file = self.folder / "token"
        self.token_file.write_text(f"{self.token}\n")

    def arguments(self):
        return [*super().arguments(), *self.access.arguments(), "--tls-cert", str(self.pair.cert),
                "--tls-key", str(self.pair.key)]

    def reconnect(self):
        if self.channel is not None:
            self.channel.close()
        self.channel = grpc.secure_channel(
            self.listen, grpc.ssl_channel_credentials(self.authority.ca.read_bytes()),
            options=CHANNEL_OPTIONS)

    @property
    def stub(self):
        return api_grpc.RegistryServiceStub(as_caller(self.channel, self.token))


class Client:
    """A running client, and what it prints."""

    def __init__(self, command, log):
        self.log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL)

    def lines(self):
        return self.log.read_text().splitlines()

    def interruptions(self):
        return [line for line in self.lines() if line.startswith("interrupted: ")]

    def expect(self, line):
        self.until(lambda: line in self.lines(), f"the client prints {line}")

    def until(self, condition, what):
        def has_come():
            assert condition() or self.process.poll() is None, self.log.read_text()
            return condition()
        until(has_come, what)


@pytest.fixture
def start_client(launch, tmp_path):
    clients = []

    def start(language, server, *files):
        *prefix, program = CLIENTS[language]
        clients.append(Client([*prefix, TOOLS / program, server.listen, *files],
                              tmp_path / "client.log"))
        return clients[-1]
    yield start
    for client in clients:
        client.process.kill()
        client.process.wait(60)


def follow(server, client, language):
    """Drives a client from its start to its end, over a restart of the server."""
    client.expect("watching")
    Registry(server.stub).update(f"client-{language}", '{"pool":30}')
    client.expect('event 3 {"pool":30}')
    server.stop()
    client.until(client.interruptions, "the client notices that the server has stopped")
    server.start()
    Registry(server.stub).update(f"client-{language}", '{"pool":40}')
    client.expect('event 4 {"pool":40}')
    assert client.process.wait(60) == 0, client.log.read_text()
    assert [line for line in client.lines() if line not in client.interruptions()] == [
        "created 1 ada", *(['read {"pool":10}'] if language in READERS else []),
        "conflict VERSION_MISMATCH 1", "updated 2",
        'snapshot 2 {"pool":20}', "watching", 'event 3 {"pool":30}', 'event 4 {"pool":40}']


@pytest.mark.parametrize("language", CLIENTS)
def test_a_generated_client(launch, start_client, language):
    """Creates, meets a conflict, changes, watches from a snapshot on, and resumes over a restart."""
    server = launch(Confregd).start()
    follow(server, start_client(language, server), language)


@pytest.mark.parametrize("language", READERS)
def test_a_generated_client_with_tls_and_a_token(launch, start_client, language):
    """The same, by TLS and with a token."""
    server = launch(Secure).start()
    client = start_client(language, server, server.authority.ca, server.token_file)
    follow(server, client, language)


@pytest.mark.parametrize("language", CLIENTS)
def test_no_error_ends_the_watch_of_a_generated_client(launch, start_client, language):
    """It says what refuses it, and tries again until it is let in."""
    codes = [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAUTHENTICATED]
    front = RefusingFront(launch(Confregd).start().listen, codes)
    try:
        client = start_client(language, front)
        client.expect("watching")
        assert len(client.interruptions()) == len(codes), client.lines()
        for line in client.interruptions():
            assert "as told" in line
    finally:
        front.stop()


@pytest.mark.parametrize("language", ["http_node", "http_python"])
def test_a_client_of_the_http_interface(launch, language):
    """Its code is made of openapi.json and type-checked; creates, changes on condition, reads, lists."""
    gateway = launch(Gateway, launch(Confregd).start().listen).start()
    ended = subprocess.run([TOOLS / f"client-{language}", gateway.url], capture_output=True, text=True,
                           check=False, timeout=60)
    name = f"client-{language.replace('_', '-')}"
    assert ended.stdout.splitlines() == [
        "created 1 ada", "updated 2", "conflict 412 REVISION_MISMATCH 2", 'read {"pool":20}',
        f"listed prod/{name} 2"], ended.stderr
    assert ended.returncode == 0


# ---- Clients of other ecosystems ----

def config(gateway, service, environment, data):
    rest = Rest(gateway.port)
    answer = rest.put(f"/api/configs/{service}?environment={environment}&upsert=true", {"config_data": data})
    assert answer.status < 300, answer


class Asked(Client):
    """A client that takes lines, each of which has it ask again."""

    def __init__(self, command, log, **variables):
        with open(log, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.PIPE,
                                            env={**os.environ, **variables})
        self.log = log

    def ask(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0, self.log.read_text()


FLAGS = {"new-checkout": True, "page-size": 25, "ratio": 0.25, "limits": {"items": 3}, "beta": None, "hosts": ["a"]}
EVALUATED = ["new-checkout True STATIC on", "banner blue STATIC blue", "page-size 25 STATIC 25",
             "ratio 0.25 STATIC 0.25", "limits {'orders': 5, 'items': 3} STATIC 1c49a16ea7d8",
             "beta True DISABLED default", "unheard-of False ERROR FLAG_NOT_FOUND", "hosts {} ERROR PARSE_ERROR"]


def with_flags(launch):
    gateway = launch(Gateway, launch(Confregd).start().listen).start()
    config(gateway, "shop", "default", {"banner": "blue", "limits": {"orders": 5}})
    config(gateway, "shop", "prod", FLAGS)
    return gateway


def test_the_provider_of_openfeature_in_python(launch, tmp_path):
    gateway = with_flags(launch)
    client = Asked([TOOLS / "client-openfeature_python", f"{gateway.url}/api/ofrep/prod/shop"], tmp_path / "log")
    client.expect(EVALUATED[-1])
    assert client.lines() == EVALUATED
    config(gateway, "shop", "prod", {**FLAGS, "new-checkout": False})
    client.ask()
    client.expect("new-checkout False STATIC off")
    client.end()


def test_the_providers_of_openfeature_in_node(launch, tmp_path):
    """That of browsers learns by polling which flags have changed: the one, and no other."""
    gateway = with_flags(launch)
    client = Asked([TOOLS / "client-openfeature_node", f"{gateway.url}/api/ofrep/prod/shop"], tmp_path / "log")
    client.expect("polling")
    assert client.lines()[:-1] == [
        f"{where} {line}" for where in ("server", "web") for line in (
            "new-checkout true STATIC on", 'banner "blue" STATIC blue', "page-size 25 STATIC 25",
            'limits {"orders":5,"items":3} STATIC 1c49a16ea7d8', "unheard-of false ERROR FLAG_NOT_FOUND")]
    config(gateway, "shop", "prod", {**FLAGS, "new-checkout": False})
    client.expect("changed new-checkout false")
    client.end()


def test_the_client_of_spring_cloud_config(launch, tmp_path):
    """Its profile over default, a change after a refresh; and with a token, without a default."""
    access = AccessFile(tmp_path)
    root = access.add("root", grant("super-admin"))
    token = access.add("pay", grant("reader", ["prod", "default"], ["pay"]))
    server = launch(Guarded, access=access).start()
    gateway = launch(Gateway, server.listen).start()
    rest = Rest(gateway.port)

    def write(environment, data):
        answer = rest.put(f"/api/configs/pay?environment={environment}&upsert=true", {"config_data": data},
                          headers={"Authorization": f"Bearer {root}"})
        assert answer.status < 300, answer

    write("prod", {"db": {"host": "db-1", "ports": [1, 2]}})
    client = Asked([TOOLS / "client-spring", "--spring.application.name=pay", "--spring.profiles.active=prod",
                    "--spring.cloud.config.username=any", f"--spring.cloud.config.password={token}"],
                   tmp_path / "log", CONFREG_URL=gateway.url)
    client.expect("host db-1 pool 0 ports [1, 2]")
    write("default", {"db": {"host": "db-0", "pool": 5, "ports": [7, 8]}})
    client.ask()
    client.expect("changed [db.pool]")
    client.expect("host db-1 pool 5 ports [1, 2]")
    client.end()
