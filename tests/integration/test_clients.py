"""Clients with generated code: the examples of client/examples."""

import subprocess

import pytest
from calls import Registry
from daemon import TOOLS, Confregd, Gateway, until

pytestmark = [pytest.mark.own_store, pytest.mark.own_checks]

# scripts/test builds them. Of the two in Python, CLIENT names the program.
CLIENTS = {
    "go": ["client-go"], "node": ["client-node"], "java": ["client-java"],
    "python": ["client-python"],
    "python_asyncio": ["env", "CLIENT=client_asyncio", "client-python"]}


class Client:
    """A running client, and what it prints."""

    def __init__(self, command, log):
        self.log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL)

    def lines(self):
        return self.log.read_text().splitlines()

    def expect(self, line):
        def has_come():
            assert line in self.lines() or self.process.poll() is None, self.log.read_text()
            return line in self.lines()
        until(has_come, f"the client prints {line}")


@pytest.fixture
def start_client(launch, tmp_path):
    clients = []

    def start(language, server):
        *prefix, program = CLIENTS[language]
        clients.append(Client([*prefix, TOOLS / program, server.listen], tmp_path / "client.log"))
        return clients[-1]
    yield start
    for client in clients:
        client.process.kill()
        client.process.wait(60)


@pytest.mark.parametrize("language", CLIENTS)
def test_a_generated_client(launch, start_client, language):
    """Creates, meets a conflict, changes, watches from a snapshot on, and resumes over a restart."""
    server = launch(Confregd).start()
    client = start_client(language, server)
    client.expect("watching")
    Registry(server.stub).update(f"client-{language}", '{"pool":30}')
    client.expect('event 3 {"pool":30}')
    server.stop()
    client.expect("interrupted")
    server.start()
    Registry(server.stub).update(f"client-{language}", '{"pool":40}')
    client.expect('event 4 {"pool":40}')
    assert client.process.wait(60) == 0, client.log.read_text()
    assert [line for line in client.lines() if line != "interrupted"] == [
        "created 1 ada", "conflict VERSION_MISMATCH 1", "updated 2",
        'snapshot 2 {"pool":20}', "watching", 'event 3 {"pool":30}', 'event 4 {"pool":40}']


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
