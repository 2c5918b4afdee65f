"""The slowest writes: what one write may have to wait for, while the server does its upkeep."""

import statistics
import subprocess
import sys
import threading
import time

from harness import SERVICE, figure
from loads import GrpcLoad, ManyGrpcLoad, field, number, payload, switch
from programs import Confregd, MongoDb


class Times:
    """Milliseconds of each call of a run."""

    def __init__(self, lines):
        fields = [line.split("\t") for line in lines]
        if any(status != "200" for _, status, _ in fields):
            sys.exit("a write has failed")
        self.all = sorted(int(microseconds) / 1000 for _, _, microseconds in fields)

    @property
    def slowest(self):
        return self.all[-1]

    def __str__(self):
        cuts = statistics.quantiles(self.all, n=100)
        return f"p50 {cuts[49]:.1f}, p99 {cuts[98]:.1f}, slowest {self.slowest:.1f} ms"


def update(service):
    return field(1, "prod") + field(2, service) + field(3, payload(500)) + switch(8)


class Writes:
    """One UpdateConfig after the other."""

    def __init__(self, bench, server):
        self.bench, self.server = bench, server
        self.body = GrpcLoad(bench, "UpdateConfig", server, SERVICE + "UpdateConfig",
                             update("written"), 1, 1).body

    def run(self, calls):
        times = self.bench.new_file(b"")
        before = self.server.metric("confreg_revision")
        subprocess.run([str(part) for part in (
            "h2load", "-n", calls, "-c", 1, "-m", 1, "-d", self.body, "--log-file", times,
            "-H", "content-type: application/grpc", "-H", "te: trailers",
            f"http://{self.server.address}{SERVICE}UpdateConfig")],
            check=True, stdout=subprocess.DEVNULL)
        if self.server.metric("confreg_revision") - before < calls:
            sys.exit("a write has failed")
        return Times(times.read_text().splitlines())


def once(bench, server, method, message):
    GrpcLoad(bench, method, server, SERVICE + method, message, 1, 1, least=10).run(1)


# Each prepares the server, and gives what is to be done beside the writes.

def compaction(bench, server):
    server.fill(1_000, versions=bench.scaled(20, 10))
    return lambda: once(bench, server, "Compact", number(2, 1))


def erasing(bench, server):
    GrpcLoad(bench, "UpdateConfig", server, SERVICE + "UpdateConfig", update("erased"), 1,
             20).run(1_000)
    return lambda: once(bench, server, "DeleteConfig",
                        field(1, "prod") + field(2, "erased") + number(4, 1))


def saving_heads(bench, server):
    """Of 100,000 configs, 20,000 in a quick run. Heads are saved as so many have changed; they
    change in commits of 100."""
    commits = []
    for commit in range(bench.scaled(1_000, 200)):
        names = (f"head-{commit * 100 + i}" for i in range(100))
        commits.append(b"".join(field(1, field(2, update(name))) for name in names))
    load = ManyGrpcLoad(bench, "CommitChanges", server, SERVICE + "CommitChanges", commits, 1, 1)
    return lambda: load.run(len(commits))


UPKEEP = {
    "compaction of 1,000 configs": compaction,
    "erasing of 1,000 versions": erasing,
    "saving of heads": saving_heads,
}


def beside(writes, calls, work):
    """The times of writes that began before the work did, and whether they went on until its end."""
    done = []

    def run():
        time.sleep(0.2)  # into the run
        work()
        done.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    times = writes.run(calls)
    ended = time.monotonic()
    thread.join()
    if not done:
        sys.exit("the work beside the writes has failed")
    return times, done[0] <= ended


def slowest_on(bench, store, options):
    calls = bench.scaled(10_000, 2_000)
    for title, prepare in UPKEEP.items():
        server = bench.start(Confregd(bench, *options(bench)))
        work = prepare(bench, server)
        writes = Writes(bench, server)
        writes.run(100)
        alone = writes.run(calls)
        times, outlasted = beside(writes, calls, work)
        note = f"{times}; alone {alone}" + ("" if outlasted else "; the upkeep took longer")
        bench.row(f"slowest of {calls:,} writes on {store} beside {title}",
                  f"{times.slowest:.1f} ms",
                  "20 ms" if store == "SQLite" else "5 appends", note)
        bench.stop_all()


@figure("slowest-sqlite")
def slowest_on_sqlite(bench):
    """The slowest of 10,000 writes, one after the other, beside upkeep, on SQLite."""
    slowest_on(bench, "SQLite", lambda bench: [])


@figure("slowest-secantus")
def slowest_on_secantus(bench):
    """The same on SecantusDB, every commit on disk."""
    def options(bench):
        return ["--store", f"{bench.start(MongoDb(bench, 'secantus')).uri}/bench"]

    slowest_on(bench, "SecantusDB", options)
