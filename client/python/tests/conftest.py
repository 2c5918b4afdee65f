"""Real servers for the tests of the package: CONFREG_BUILD is the folder of their programs."""

import contextlib
import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import urllib.request
import uuid

import pytest

import confreg

BUILD = pathlib.Path(os.environ.get("CONFREG_BUILD", pathlib.Path(__file__).parents[3] / "build"))
PATIENCE = 60


def until(condition, what, seconds=PATIENCE):
    """Waits until condition() returns a true value, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"within {seconds} s not: {what}"
        time.sleep(0.01)


def free_port():
    """A free port below the range that the kernel uses for outgoing connections."""
    while True:
        port = random.randint(12000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


class Program:
    def __init__(self, folder):
        self.folder = folder
        self.process = None

    def spawn(self, *arguments):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(BUILD / arguments[0]), *arguments[1:]], stdout=log,
                                            stderr=log, cwd=self.folder,
                                            env={"PATH": os.environ["PATH"]})

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            assert self.process.wait(PATIENCE) == 0, (self.folder / "log").read_text()


class Server(Program):
    """confregd on a SQLite store."""

    def __init__(self, folder):
        super().__init__(folder)
        self.address = f"127.0.0.1:{free_port()}"
        self.store = folder / "confreg.db"

    def start(self, *options):
        self.spawn("confregd", "--listen", self.address, "--store", f"sqlite:{self.store}", *options)
        with confreg.Client(self.address, timeout=PATIENCE) as client:
            client.status()
        return self


class Gateway(Program):
    def __init__(self, folder, server):
        super().__init__(folder)
        self.server = server
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        self.spawn("confreg-gateway", "--listen", f"127.0.0.1:{self.port}", "--server", self.server)
        until(self.is_ready, "the gateway is ready")
        return self

    def is_ready(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{self.url}/readyz", timeout=5).status == 200
        return False


@pytest.fixture
def launch(tmp_path):
    """Makes servers that end with the test."""
    programs = []

    def make(kind, *arguments):
        folder = tmp_path / f"{kind.__name__}{len(programs)}"
        folder.mkdir()
        programs.append(kind(folder, *arguments))
        return programs[-1]

    yield make
    for program in reversed(programs):
        program.end()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server for tests that do not disturb it."""
    server = Server(tmp_path_factory.mktemp("server")).start()
    yield server
    server.end()


@pytest.fixture(scope="session")
def gateway(server, tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), server.address).start()
    yield gateway
    gateway.end()


@pytest.fixture
def client(server):
    with confreg.Client(server.address) as client:
        yield client


@pytest.fixture
def name():
    """A service name that no other test uses."""
    return f"service-{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["grpc", "http"])
def url(request, server, gateway):
    """Both ways to reach the registry."""
    return {"grpc": server.address, "http": gateway.url}[request.param]
