"""Several nodes on one database: clients that move between them, and the checks at the end."""

import itertools
import threading

import grpc
import history
import linear
import traffic
from calls import Registry
from daemon import connect, until
from stubs import api_grpc, api_pb
from tape import tap
from watching import Watch

NODES = 3


def registries(nodes):
    return [Registry(node.stub) for node in nodes]


def in_step(nodes):
    """Waits until all nodes have reached the newest revision of any of them; returns it."""
    newest = max(registry.revision() for registry in registries(nodes))
    until(lambda: all(r.revision() >= newest for r in registries(nodes)), "the nodes are in step")
    return newest


def start_clients(nodes, number=6):
    """Starts clients, each at another node. A client moves to the next node if its own is away."""
    clients = []
    for index in range(number):
        addresses = [node.listen for node in nodes]
        addresses = addresses[index % len(nodes):] + addresses[:index % len(nodes)]
        clients.append(traffic.Client(index, addresses, linearizable=True))
        clients[-1].start()
    return clients


def wait_for_more(clients, count):
    wanted = sum(len(c.operations) for c in clients) + count
    until(lambda: sum(len(c.operations) for c in clients) >= wanted or
          any(c.failure for c in clients), f"{count} operations", seconds=120)


def stop_and_check(nodes, recorder, clients, wanderer=None):
    for client in clients:
        client.stop()
    if wanderer is not None:
        wanderer.stop()
    in_step(nodes)
    log = history.check(nodes[0], recorder)
    traffic.check_against_log(clients, log)
    linear.check(clients)
    if wanderer is not None:
        wanderer.check(log)


class Wanderer(threading.Thread):
    """One client that moves to the next node all the time. On each node it resumes its watch and
    reads with min_revision. All its responses together must be one history."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.addresses = [node.listen for node in nodes]
        self.events = []      # (revision, index), in the order of delivery
        self.position = None  # header of the last watch response
        self.newest = 0       # the highest revision seen
        self.visits = 0       # visits of nodes that answered everything
        self.failure = None
        self.stopping = threading.Event()
        self.start()

    def run(self):
        try:
            for address in itertools.cycle(self.addresses):
                if self.stopping.is_set():
                    return
                self._visit(address)
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def _visit(self, address):
        channel = tap(connect(address))
        try:
            stub = api_grpc.RegistryServiceStub(channel)
            if self.position is not None:
                self._read(stub)
            self._watch(stub)
            self._read(stub)
            self.visits += 1
        except grpc.RpcError as error:
            if error.code() not in traffic.LOST:
                raise
        finally:
            channel.close()

    def _watch(self, stub):
        fields = {"progress_interval": {"nanos": 100_000_000}}
        if self.position is None:
            fields["start_revision"] = 1
        else:
            fields["resume_after"] = self.position
        with Watch(stub, complete=True, seconds=10, **fields) as watch:
            for _ in range(3):
                response = watch.next()
                if self.position is not None:
                    assert response.header.revision >= self.position.revision, "it went back"
                self.events += [(event.revision, event.index) for event in response.events]
                self.position = response.header
        self.newest = max(self.newest, self.position.revision)

    def _read(self, stub):
        answer = stub.ListConfigs(api_pb.ListConfigsRequest(
            environment="prod", page_size=1000, read=api_pb.ReadOptions(
                min_revision=self.newest, epoch=self.position.epoch)), timeout=10)
        assert answer.header.revision >= self.newest, "an older answer than one before"
        self.newest = answer.header.revision

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive(), "the wanderer hangs"
        if self.failure is not None:
            raise AssertionError("the wanderer failed") from self.failure

    def check(self, log):
        """The events are the log's first ones: in order, each once, without gaps."""
        wanted = [(event.revision, event.index) for event in log.between(0, log.newest)]
        assert self.events and self.events == wanted[:len(self.events)]
