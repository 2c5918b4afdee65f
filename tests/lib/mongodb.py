#!/usr/bin/env python3
"""Servers of MongoDB's protocol for tests, each on a free port with its own folder.

As a program, starts a server, runs a command and stops the server:

    tests/lib/mongodb.py secantus build/tests/contract_store

The command finds the address in CONFREG_TEST_STORE. If CONFREG_TEST_MONGODB_URI is set, that server
is used and none is started. Needs only Python's standard library.
"""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ports import free_port

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "tools"
PATIENCE = 60
# For tests whose subject is not a server that is slow: on a busy machine any of them is, for longer
# than confregd waits by default.
PATIENT = "serverSelectionTimeoutMS=60000&connectTimeoutMS=60000&socketTimeoutMS=120000"


def secantus(port, folder):
    return [TOOLS / "venv" / "bin" / "secantusd-py", "--host", "127.0.0.1", "--port", port,
            "--storage-path", Path(folder) / "data", "--log-level", "WARNING"]


def ferretdb(port, folder):
    return [TOOLS / "bin" / "ferretdb", f"127.0.0.1:{port}", folder]


KINDS = {"secantus": secantus, "ferretdb": ferretdb}
# Options that make acknowledged writes survive kill -9.
DURABLE = {"secantus": ["--sync-on-commit"], "ferretdb": []}


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def need(program):
    """Builds the servers if they are missing, as scripts/test does."""
    with open(tempfile.gettempdir() + "/confreg-test-servers.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.access(program, os.X_OK):
            subprocess.run(["bash", "-euc", ". scripts/lib.sh; store_tools"], cwd=ROOT,
                           stdout=sys.stderr, check=False)
    if not os.access(program, os.X_OK):
        raise SystemExit(f"{program} is missing and cannot be made: see store_tools in "
                         "scripts/lib.sh; or name a server with CONFREG_TEST_MONGODB_URI")


class Server:
    """One server. It can be killed, frozen and restarted; its data stays."""

    def __init__(self, kind, folder, extra=()):
        self.kind = kind
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.extra = list(extra)
        self.process = None

    @property
    def address(self):
        return f"mongodb://127.0.0.1:{self.port}"

    def start(self):
        command = [str(part) for part in [*KINDS[self.kind](self.port, self.folder), *self.extra]]
        need(command[0])
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=self.folder)
        deadline = time.monotonic() + PATIENCE
        while not listens(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} does not start:\n{self.tail()}")
            time.sleep(0.02)
        return self

    def tail(self):
        return "\n".join((self.folder / "server.log").read_text(errors="replace").splitlines()[-30:])

    def freeze(self):
        """Stops all threads of the server; returns when none runs any more."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.process.pid}/task")
        while any((task / "stat").read_text().rsplit(")", 1)[1].split()[0] != "T"
                  for task in tasks.iterdir()):
            time.sleep(0.001)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        """Ends the server, whatever state it is in."""
        if self.process is None or self.process.poll() is not None:
            return
        self.thaw()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


@contextlib.contextmanager
def server(kind, folder):
    """Yields the address of a new server of this kind, or of the one named by the environment."""
    given = os.environ.get("CONFREG_TEST_MONGODB_URI")
    if given:
        yield given
        return
    started = Server(kind, folder).start()
    try:
        yield started.address
    finally:
        started.stop()


def database(address, name):
    """The address with the name of a database, before its options, and PATIENT after them."""
    hosts, _, options = address.partition("?")
    scheme, _, rest = hosts.partition("://")
    return f"{scheme}://{rest.split('/')[0]}/{name}?{'&'.join(filter(None, (options, PATIENT)))}"


def run_beside(kind, command):
    with tempfile.TemporaryDirectory(prefix="confreg-mongodb-") as folder:
        with server(kind, folder) as address:
            return subprocess.call(command, env={**os.environ, "CONFREG_TEST_STORE": database(address, "")})


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in KINDS:
        raise SystemExit(f"usage: {sys.argv[0]} {'|'.join(KINDS)} COMMAND …")
    sys.exit(run_beside(sys.argv[1], sys.argv[2:]))
