"""Several nodes on one database."""

import threading

from harness import SERVICE, figure
from loads import GrpcLoad, field, payload, switch
from programs import Confregd, MongoDb
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
