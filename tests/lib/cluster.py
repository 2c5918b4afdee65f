"""Several nodes on one database, as tests use them: clients that move between them, and the verdict."""

import history
import linear
import traffic
from calls import Registry
from daemon import until

SEED = 20260131
NODES = 3


def registries(nodes):
    return [Registry(node.stub) for node in nodes]


def in_step(nodes):
    """Waits until all nodes are where the furthest is."""
    newest = max(registry.revision() for registry in registries(nodes))
    until(lambda: all(r.revision() >= newest for r in registries(nodes)), "the nodes are in step")
    return newest


def start_clients(nodes, number=6):
    """Each begins at another node, and goes to the next one when its own cannot be reached."""
    clients = []
    for index in range(number):
        addresses = [node.listen for node in nodes]
        addresses = addresses[index % len(nodes):] + addresses[:index % len(nodes)]
        clients.append(traffic.Client(index, SEED, addresses, linearizable=True))
        clients[-1].start()
    return clients


def wait_for_more(clients, count):
    wanted = sum(len(c.operations) for c in clients) + count
    until(lambda: sum(len(c.operations) for c in clients) >= wanted or
          any(c.failure for c in clients), f"{count} operations", seconds=120)


def stop_and_check(nodes, recorder, clients):
    for client in clients:
        client.stop()
    in_step(nodes)
    log = history.check(nodes[0], recorder)
    traffic.check_against_log(clients, log)
    linear.check(clients)
