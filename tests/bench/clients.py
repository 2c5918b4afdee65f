"""The cost of client libraries for a program that uses them."""

import os
import statistics
import subprocess
import time

from harness import ROOT, figure
from programs import Confregd

DATA = '{"db_port": 5432, "db": {"hosts": ["db-1", "db-2"]}, "name": "billing", "pool": 10}'
PYTHON = ROOT / "build" / "tools" / "python-package" / "bin" / "python"

WATCHER = """
import sys, time
from confreg import ConfigWatcher, RegistryConfigProvider
left = int(sys.argv[2])
def told(data):
    global left
    print(data["n"], int(time.time() * 1e6), flush=True)
    left -= 1
    if left == 0:
        watcher.stop()
watcher = ConfigWatcher(sys.argv[1], "service-42", "prod", on_change=told)
provider = RegistryConfigProvider(sys.argv[1], "service-42", "prod")
provider.wait_ready(60)
print("ready", file=sys.stderr, flush=True)
watcher.start()
"""


def program(bench):
    return bench.build / "bench" / "bench_client"


def ask(bench, *words):
    done = subprocess.run([program(bench), *map(str, words)], check=True, capture_output=True,
                          text=True, env={**os.environ, "MALLOC_ARENA_MAX": "1"})
    return [[float(word) for word in line.split()] for line in done.stdout.splitlines()]


def start_server(bench):
    server = bench.start(Confregd(bench))
    server.fill(100)
    subprocess.run([program(bench), "set", server.address, DATA], check=True)
    return server


@figure("client-c-getters")
def time_getters(bench):
    """Typed getters of libconfreg, the value present, on one thread and on all processors."""
    server, cores = start_server(bench), os.cpu_count()
    found = [ask(bench, "getters", server.address, cores) for _ in range(bench.scaled(7, 3))]
    integer, text, rate, each = (statistics.median(run[i][0] for run in found) for i in range(4))
    bench.row("a typed getter in C", f"{integer:.0f} ns", "under 50 ns")
    bench.row("a string by a JSON Pointer of three steps in C", f"{text:.0f} ns", "")
    bench.row(f"typed getters a second in C, {cores} threads", f"{rate:.0f} million",
              f"{20 * cores} million", f"{each:.0f} ns of processor time each")


def percentiles(bench, server, command, count, by_version):
    """p50 and p99 in ms from a commit's time to the callback."""
    watcher = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    assert watcher.stderr.readline() == "ready\n", watcher.stderr.read()
    written = ask(bench, "writes", server.address, count)
    told = [line.split() for line in watcher.communicate(timeout=120)[0].splitlines()]
    first = written[0][0]
    at = {int(v) if by_version else int(v) + first: int(us) for v, us in told}
    late = sorted((at[int(version)] - us) / 1000 for version, us in written if int(version) in at)
    assert len(late) > count * 0.9, f"{len(late)} of {count} changes were told"
    return late[len(late) // 2], late[len(late) * 99 // 100]


@figure("client-callbacks")
def time_callbacks(bench):
    """From the time of a commit, which is before its fsync, to the callback, in C and in Python."""
    count = bench.scaled(3000, 1000)
    for language, aims in (("C", ("0.5 ms", "3 ms")), ("Python", ("1.5 ms", "6 ms"))):
        server = start_server(bench)
        command = [program(bench), "callbacks", server.address, count] if language == "C" else [
            PYTHON, "-c", WATCHER, server.address, count]
        half, most = percentiles(bench, server, command, count, language == "C")
        bench.row(f"commit to callback in {language}, p50", f"{half:.2f} ms", aims[0])
        bench.row(f"commit to callback in {language}, p99", f"{most:.2f} ms", aims[1])
        bench.stop_all()


@figure("client-c-watchers")
def weigh_watchers(bench):
    """What 100 more watchers of one client take."""
    server = start_server(bench)
    (size,), (streams,) = ask(bench, "watchers", server.address, 100)
    bench.row("100 watchers of a client in C: streams", f"{streams:.0f}", "1")
    bench.row("100 watchers of a client in C: memory", f"{size / 1024:.0f} KiB",
              "under 64 KiB beyond the configs")


@figure("client-c-file")
def start_from_file(bench):
    """From nothing to the first value out of the last-known-good file, the registry being down."""
    server = start_server(bench)
    path = bench.folder / "known"
    ask(bench, "keep", server.address, path)
    server.stop()
    times = [ask(bench, "file", path)[0][0] for _ in range(bench.scaled(21, 7))]
    bench.row("start from the last-known-good file in C", f"{statistics.median(times):.1f} ms",
              "under 10 ms")


def requests(server, method):
    name = f'confreg_requests_total{{grpc_service="confreg.v1.RegistryService",grpc_method="{method}"'
    return server.metric(f'{name},grpc_code="OK"}}') or 0


@figure("client-c-restart")
def restart_under_clients(bench):
    """How many calls each client of many makes until it follows a server again that was restarted."""
    server, count = start_server(bench), bench.scaled(2000, 500)
    clients = subprocess.Popen([program(bench), "stay", server.address, str(count)], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert clients.stdout.readline() == "ready\n", "the clients could not begin"
    server.stop()
    server.start()
    begun = time.monotonic()
    while requests(server, "GetStatus") < count or server.metric("confreg_watch_streams") < count:
        assert time.monotonic() - begun < 60, "not all clients came back"
        time.sleep(0.05)
    took = time.monotonic() - begun
    calls = server.metric("confreg_watch_streams") + sum(
        requests(server, method) for method in ("GetStatus", "Watch", "WatchProgress"))
    clients.communicate("")
    bench.row(f"a restart under {count:,} clients: calls of each", f"{calls / count:.2f}", "3 at most",
              f"all were back after {took:.1f} s")
