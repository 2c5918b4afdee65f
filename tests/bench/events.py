"""Events on RabbitMQ."""

import json
import subprocess
import sys

from harness import SERVICE, figure
from loads import GrpcLoad, field, payload, switch
from programs import Confregd, RabbitMq


class Listener:
    """Hears so many events; ready when made."""

    def __init__(self, bench, broker, count):
        host, _, port = broker.address.rpartition(":")
        self.process = subprocess.Popen(
            [str(bench.build / "bench" / "bench_event_load"), host, port, "guest", "guest", str(count)],
            stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            sys.exit("bench_event_load does not get ready")

    def result(self):
        said = self.process.stdout.read()
        if self.process.wait() != 0:
            sys.exit("bench_event_load failed")
        return json.loads(said)


@figure("event-latency")
def event_latency(bench):
    """From a commit to its event at a consumer, broker up, writes by 1 connection x 8 streams."""
    broker = bench.start(RabbitMq(bench))
    server = bench.start(Confregd(bench, "--bus", f"amqp://{broker.address}"))
    update = GrpcLoad(bench, "UpdateConfig", server, SERVICE + "UpdateConfig",
                      field(1, "prod") + field(2, "written") + field(3, payload(500)) + switch(8),
                      connections=1, streams=8)
    update.run(1000)
    calls = bench.scaled(20_000, 5_000)
    listener = Listener(bench, broker, calls)
    _, seconds = update.run(calls)
    heard = listener.result()
    bench.row("commit to event seen by a consumer, p99", f"{heard['p99_ms']:.1f} ms", "20 ms",
              f"p50 {heard['p50_ms']:.1f} ms, {calls / seconds:,.0f} writes/s meanwhile")


@figure("event-catch-up")
def event_catch_up(bench):
    """A log that no broker has heard of, told from its beginning to a durable queue."""
    commits = bench.scaled(100_000, 20_000)
    broker = bench.start(RabbitMq(bench))
    server = bench.start(Confregd(bench))
    update = GrpcLoad(bench, "UpdateConfig", server, SERVICE + "UpdateConfig",
                      field(1, "prod") + field(2, "written") + field(3, payload(500)) + switch(8),
                      connections=1, streams=100)
    update.run(commits)
    server.stop()
    server.options = ["--bus", f"amqp://{broker.address}", "--publish-history"]
    listener = Listener(bench, broker, commits)
    bench.start(server)
    heard = listener.result()
    bench.row(f"events caught up after {commits:,} commits without a broker",
              f"{commits / heard['seconds']:,.0f}/s", "5,000/s", "")
