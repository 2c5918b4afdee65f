"""Several nodes on one database."""

import http.client
import json
import threading
import time

from harness import SERVICE, figure
from loads import GrpcLoad, field, payload, switch
from programs import Confregd, Gateway, MongoDb, RabbitMq
from writes import Counted

NODES = 3


class Group:
    """Programs, as one."""

    def __init__(self, programs):
        self.programs = programs

    @property
    def cpu_seconds(self):
        return sum(program.cpu_seconds for program in self.programs)


class Together:
    """Loads that run at once, an equal part of the calls each; keeps how their rates compared."""

    def __init__(self, title, loads):
        self.title, self.loads = title, loads
        self.program = Group([load.program for load in loads])
        self.evenness = []  # the slowest against the fastest, of each run

    def run(self, calls):
        seconds = [0] * len(self.loads)

        def run_one(number):
            _, seconds[number] = self.loads[number].run(calls // len(self.loads))

        threads = [threading.Thread(target=run_one, args=(number,))
                   for number in range(len(self.loads))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if 0 in seconds:
            raise SystemExit(f"{self.title}: a load has failed")
        self.evenness.append(min(seconds) / max(seconds))
        return calls, max(seconds)


def update(bench, server, service):
    return GrpcLoad(bench, service, server, SERVICE + "UpdateConfig",
                    field(1, "prod") + field(2, service) + field(3, payload(500)) + switch(8),
                    connections=1, streams=50)


@figure("nodes-write")
def three_nodes_against_one(bench):
    """UpdateConfig on three nodes of one SecantusDB against one node, 50 in flight on each."""
    database = bench.start(MongoDb(bench, "secantus"))
    nodes = [bench.start(Confregd(bench, "--store", f"{database.uri}/three"))
             for _ in range(NODES)]
    alone = bench.start(Confregd(bench, "--store", f"{database.uri}/one"))
    three = Together("three nodes", [update(bench, node, f"written-{number}")
                                     for number, node in enumerate(nodes)])
    one = update(bench, alone, "one node")

    def revision_of_all():
        return max(node.metric("confreg_revision") for node in nodes)

    ratio, note = bench.compare(
        Counted(three, revision_of_all),
        Counted(one, lambda: alone.metric("confreg_revision")), NODES * bench.scaled(2_000, 500))
    bench.row("three nodes writing at once against one", f"{ratio:.2f}", "0.7",
              f"{note}; the slowest node against the fastest {min(three.evenness):.2f} at worst")


class Ear:
    """Hears of changes by a gateway's server-sent events; when each revision came."""

    def __init__(self, gateway):
        self.heard = threading.Condition()
        self.arrived = {}
        connection = http.client.HTTPConnection(gateway.http)
        connection.request("GET", "/api/watch?environment=prod")
        self.answer = connection.getresponse()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.answer:
            if line.startswith(b"id: "):
                now = time.perf_counter()
                with self.heard:
                    self.arrived[int(line.rpartition(b":")[2])] = now
                    self.heard.notify_all()

    def wait_for(self, revision):
        with self.heard:
            if not self.heard.wait_for(lambda: revision in self.arrived, 60):
                raise SystemExit(f"revision {revision} was not heard of")
            return self.arrived[revision]


def put(connection, number):
    """Returns the revision that it made."""
    body = json.dumps({"config_data": {"n": number, "x": "y" * 480}})
    connection.request("PUT", "/api/configs/told?environment=prod", body,
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"PUT: {answer.status}")
    return int(answer.headers["X-Config-Revision"].rpartition("-")[2])


def latency_p99(writer, ear, count):
    """Of one write after the other, in seconds, from when it was sent."""
    taken = []
    for number in range(count):
        sent = time.perf_counter()
        revision = put(writer, number)
        taken.append(ear.wait_for(revision) - sent)
    return sorted(taken)[count * 99 // 100]


@figure("nodes-watch")
def watcher_on_another_node(bench):
    """From a write sent to one node's gateway to its event at another node's: both gateways and the
    write itself, made durable by SecantusDB, count."""
    database, broker = bench.start(MongoDb(bench, "secantus")), bench.start(RabbitMq(bench))
    first, second = (bench.start(Confregd(bench, "--store", f"{database.uri}/told", "--bus",
                                          f"amqp://{broker.address}")) for _ in range(2))
    at_first, at_second = (bench.start(Gateway(bench, node)) for node in (first, second))
    writer = http.client.HTTPConnection(at_first.http)
    writer.request("POST", "/api/configs/told?environment=prod", '{"config_data": {}}',
                   {"Content-Type": "application/json"})
    writer.getresponse().read()
    ear = Ear(at_second)
    latency_p99(writer, ear, 20)
    up = latency_p99(writer, ear, bench.scaled(500, 200))
    bench.row("commit to a watcher on another node, p99, broker up", f"{up * 1e3:.1f} ms", "20 ms",
              "the write and two gateways included")
    broker.stop()
    down = latency_p99(writer, ear, bench.scaled(120, 100))
    bench.row("commit to a watcher on another node, p99, broker down", f"{down:.2f} s", "1.2 s",
              "the write and two gateways included")
