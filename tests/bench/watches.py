"""Watch streams."""

import subprocess
import sys
import time

from harness import SERVICE, figure
from loads import framed
from programs import Confregd, Etcd


def wait_for_streams(program, metric, count):
    deadline = time.monotonic() + 60
    while program.metric(metric) != count:
        if time.monotonic() > deadline:
            sys.exit(f"{program.metric(metric)} streams, {count} wanted")
        time.sleep(0.05)


def memory_of_each(program, metric, count, command):
    """What a program's memory grows by with each stream that a command opens: they never end, so
    it waits for them."""
    before = program.resident_bytes
    client = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    try:
        wait_for_streams(program, metric, count)
        return (program.resident_bytes - before) / count
    finally:
        client.terminate()
        client.wait()


@figure("stream-memory")
def stream_memory(bench):
    """What the server's memory grows by with each idle stream, 100 of them a connection."""
    count = bench.scaled(10_000, 5_000)
    server = bench.start(Confregd(bench))
    server.fill(100)
    command = ["h2load", "-n", count, "-c", count // 100, "-m", 100, "-t", 1,
               "-d", bench.new_file(framed(b"")), "-H", "content-type: application/grpc",
               "-H", "te: trailers", f"http://{server.address}{SERVICE}Watch"]
    each = memory_of_each(server, "confreg_watch_streams", count, command)
    bench.row(f"memory an idle watch stream, 100 a connection ({count:,} streams)",
              f"{each / 1024:.1f} KiB", "under 16 KiB")


WATCH_AIMS = {
    "watch_memory_of_idle_stream": "under 16",
    "watch_one_change_delivered": "under 40",
    "watch_commit_to_selectors_delivered": "under 16",
    "watch_writer_blocked_by_a_change": "under 1",
    "watch_slowest_read_meanwhile": "under 20",
    "watch_burst_rate": "over 1",
    "watch_resume_all": "under 3,000",
}


@figure("watch-load", with_etcd=True)
def watch_load(bench):
    """Changes to 10,000 streams on 100 connections, ours and etcd's in turn; a commit to 100 clients
    of which each has one stream with 100 selectors; and the return of our streams after a restart."""
    connections = bench.scaled(100, 50)
    etcd = bench.start(Etcd(bench))
    command = [bench.build / "bench" / "bench_watch_load", bench.build / "confregd",
               bench.new_folder(), connections, 100, etcd.port, etcd.process.pid]
    output = subprocess.run([str(part) for part in command], check=True, capture_output=True,
                            text=True).stdout
    for line in output.splitlines():
        name, value, unit, *beside = line.split(maxsplit=3)
        title = name.replace("watch_", "watch: ").replace("_", " ")
        what = "watches" if "selectors" in name else "streams"
        bench.row(f"{title} ({connections * 100:,} {what})", f"{value} {unit}",
                  f"{WATCH_AIMS[name]} {unit}" if name in WATCH_AIMS else "", *beside)


@figure("rights-events")
def rights_events(bench):
    """A change to 10,000 streams of 1,000 principals with rights in force, and without, in turn. The
    streams select the config that changes; then everything, of which they may read a part."""
    connections = bench.scaled(100, 50)
    command = [bench.build / "bench" / "bench_rights_load", bench.build / "confregd",
               bench.new_folder(), connections, 100, 1000]
    output = subprocess.run([str(part) for part in command], check=True, capture_output=True,
                            text=True).stdout
    for line in output.splitlines():
        name, without, having, unit, ratio = line.split()
        title = name.replace("rights_event_", "an event with rights against without, ")
        bench.row(f"{title.replace('_', ' ')} ({connections * 100:,} streams)",
                  f"{ratio} ({having} {unit} against {without} {unit})", "0.90")
