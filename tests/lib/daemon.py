"""Starts the real programs on free ports with their own folders, and stops them by process id.

A program has started when its health check (or /readyz) says so. It has stopped well when it ended
with exit code 0 and no sanitizer wrote a report.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import time
from pathlib import Path

import grpc

from ports import free_port
from stubs import ROOT, api_grpc, health_grpc, health_pb
from tape import tap

BUILD = Path(os.environ.get("CONFREG_BUILD", ROOT / "build"))
TOOLS = Path(os.environ.get("CONFREG_TOOLS", ROOT / "build" / "tools" / "bin"))
# Programs with sanitizers are slow on a busy machine. Only a defect makes a test wait this long.
PATIENCE = 60

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 20),
    # Bounds each attempt to connect as well: a server on a busy machine may take its time to answer.
    ("grpc.min_reconnect_backoff_ms", PATIENCE * 1000),
    ("grpc.max_reconnect_backoff_ms", 100),
    # Each channel gets a connection of its own.
    ("grpc.use_local_subchannel_pool", 1),
]


def until(condition, what, seconds=PATIENCE):
    """Waits until condition() returns a true value, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"within {seconds} s not: {what}"
        time.sleep(0.01)


def connect(address):
    return grpc.insecure_channel(address, options=CHANNEL_OPTIONS)


def memory_bound(program, size):
    """A bound for a program's memory: `size`, or a multiple of it with sanitizers."""
    code = program.read_bytes()
    return size * (10 if b"__asan_init" in code or b"__tsan_init" in code else 1)


class Daemon:
    """One of the programs. Its log is folder/NAME.log."""

    program = None

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / f"{self.program}.log"
        self.process = None
        self.variables = {}  # more variables of the environment

    def arguments(self):
        raise NotImplementedError

    def wait_ready(self):
        raise NotImplementedError

    def environment(self):
        """Does not inherit the caller's variables, which could set options."""
        report = f"log_path={self.folder}/sanitizer"
        return {
            "PATH": os.environ["PATH"],
            "MONGOC_DISABLE_SHM": "1",  # else a killed server leaves a shared memory file
            "ASAN_OPTIONS": f"{report}:detect_leaks=1:verify_asan_link_order=0",
            "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lib/lsan.supp:print_suppressions=0",
            "UBSAN_OPTIONS": f"{report}:print_stacktrace=1",
            "TSAN_OPTIONS": f"{report}:ignore_noninstrumented_modules=1"
                            f":suppressions={ROOT}/scripts/tsan.supp",
            **self.variables,
        }

    def spawn(self):
        """Starts the program and does not wait for anything."""
        path = BUILD / self.program
        assert path.exists(), f"{path} is missing: build it first (scripts/test does)"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(path), *self.arguments()], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.environment(),
                                            cwd=self.folder)
        return self

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def assert_alive(self):
        assert self.process.poll() is None, (
            f"{self.program} ended with {self.process.returncode}:\n{self.tail()}")

    def memory_bound(self, size):
        return memory_bound(BUILD / self.program, size)

    def tail(self, lines=40):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        said = text.splitlines()[-lines:]
        for report in sorted(self.folder.glob("sanitizer*")):
            said += report.read_text(errors="replace").splitlines()[:lines]
        return "\n".join(said)

    def stop(self, by=signal.SIGTERM, seconds=PATIENCE):
        """Sends the signal and waits; the program must end with exit code 0."""
        self.assert_alive()
        self.process.send_signal(by)
        code = self.process.wait(seconds)
        assert code == 0, f"{self.program} ended with {code} on {by!r}:\n{self.tail()}"
        self.assert_no_reports()

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.assert_no_reports()

    def freeze(self):
        """Stops all threads of the program, with its connections open, until thaw()."""
        def stands_still():
            tasks = Path(f"/proc/{self.process.pid}/task").glob("*/stat")
            return all(task.read_text().rsplit(")", 1)[1].split()[0] == "T" for task in tasks)

        self.process.send_signal(signal.SIGSTOP)
        until(stands_still, f"{self.program} stands still")

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        """Ends the program at the end of a test, whatever state it is in."""
        if self.process is None or self.process.returncode is not None:
            self.assert_no_reports()
        else:
            self.stop()

    def fails_to_start(self, seconds=PATIENCE):
        """Starts a program that must refuse to run; returns (exit code, end of its log)."""
        self.spawn()
        code = self.process.wait(seconds)
        self.assert_no_reports()
        return code, self.tail()

    def assert_no_reports(self):
        reports = sorted(self.folder.glob("sanitizer*"))
        assert not reports, f"{self.program}: {reports[0]}:\n{reports[0].read_text()[:8000]}"


class Confregd(Daemon):
    program = "confregd"
    # The --store of servers that name none, from their folder; conftest.py may replace it.
    default_store = staticmethod(lambda folder: f"sqlite:{folder / 'confreg.db'}")
    # The --bus of servers that name none; conftest.py may set it.
    default_bus = None

    def __init__(self, folder, store=None, listen=None, extra=()):
        super().__init__(folder)
        self.database = self.folder / "confreg.db"
        self.store = store or self.default_store(self.folder)
        self.listen = listen or f"127.0.0.1:{free_port()}"
        self.extra = list(extra)
        self.channel = None

    def arguments(self):
        bus = ["--bus", self.default_bus] if self.default_bus else []
        return ["--listen", self.listen, "--store", self.store, *bus, *self.extra]

    def wait_ready(self):
        self.reconnect()
        health = health_grpc.HealthStub(self.channel)

        def is_serving():
            self.assert_alive()
            with contextlib.suppress(grpc.RpcError):
                answer = health.Check(health_pb.HealthCheckRequest(), timeout=5)
                return answer.status == health_pb.HealthCheckResponse.SERVING
            return False

        until(is_serving, f"{self.program} is serving")

    def reconnect(self):
        if self.channel is not None:
            self.channel.close()
        self.channel = tap(connect(self.listen))

    @property
    def stub(self):
        return api_grpc.RegistryServiceStub(self.channel)


class Gateway(Daemon):
    program = "confreg-gateway"

    def __init__(self, folder, server, extra=()):
        super().__init__(folder)
        self.server = server
        self.port = free_port()
        self.doors = ["--ofrep", "--spring"]  # open, so that tests of all routes have theirs, too
        self.extra = list(extra)

    def arguments(self):
        return ["--listen", f"127.0.0.1:{self.port}", "--server", self.server, *self.doors, *self.extra]

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def status_of(self, path):
        """The HTTP status of a GET; 0: no answer."""
        with (contextlib.closing(self.connection()) as connection,
              contextlib.suppress(OSError, http.client.HTTPException)):
            connection.request("GET", path)
            return connection.getresponse().status
        return 0

    def wait_ready(self):
        def is_ready():
            self.assert_alive()
            return self.status_of("/readyz") == 200

        until(is_ready, f"{self.program} is ready")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"
