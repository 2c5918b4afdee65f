"""Watch streams."""

import subprocess
import sys
import time

from harness import SERVICE, figure
from loads import framed
from programs import Confregd


def wait_for_streams(server, count):
    deadline = time.monotonic() + 60
    while server.metric("confreg_watch_streams") != count:
        if time.monotonic() > deadline:
            sys.exit(f"{server.metric('confreg_watch_streams')} streams, {count} wanted")
        time.sleep(0.05)


@figure("stream-memory")
def stream_memory(bench):
    """What the server's memory grows by with each idle stream, 100 of them a connection."""
    count = bench.scaled(10_000, 5_000)
    server = bench.start(Confregd(bench))
    server.fill(100)
    before = server.resident_bytes
    # Streams that never end are calls that never end: h2load waits for them.
    command = ["h2load", "-n", count, "-c", count // 100, "-m", 100, "-t", 1,
               "-d", bench.new_file(framed(b"")), "-H", "content-type: application/grpc",
               "-H", "te: trailers", f"http://{server.address}{SERVICE}Watch"]
    client = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    try:
        wait_for_streams(server, count)
        each = (server.resident_bytes - before) / count
    finally:
        client.terminate()
        client.wait()
    bench.row(f"memory an idle watch stream, 100 a connection ({count:,} streams)",
              f"{each / 1024:.1f} KiB", "under 16 KiB")
