"""Attacks: how long a bystander waits while somebody does his worst."""

import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from harness import SERVICE, figure
from identities import new_token, principal
from loads import GrpcLoad, field, payload, switch
from programs import NO_LIMITS, Confregd
from reads import get_config

SECONDS_BEFORE = 0.5  # for an attack to be under way


class Attacked(Confregd):
    """With limits, as it is by default, and an access file."""

    def __init__(self, bench, *names):
        self.tokens = {name: new_token() for name in names}
        content = {"principals": [principal(*each) for each in self.tokens.items()]}
        super().__init__(bench, "--access", bench.new_file(json.dumps(content).encode(), ".json"))

    def command(self):
        return [part for part in super().command() if part not in NO_LIMITS]

    def fill(self, configs):
        """By the bystander, who is not limited yet."""
        load = GrpcLoad(self.bench, "UpdateConfig", self, SERVICE + "UpdateConfig",
                        field(1, "prod") + field(2, "service-42") + field(3, payload(500)) + switch(8),
                        1, 1, headers=[self.authorization("bystander")])
        load.run(configs)

    def authorization(self, name):
        return f"authorization: Bearer {self.tokens.get(name) or new_token()}"


# Each gives the command of an attacker.

def by_sockets(kind):
    def command(bench, server):
        host, _, port = server.address.rpartition(":")
        return [sys.executable, Path(__file__).with_name("attacker.py"), kind, host, port]
    return command


def by_calls(name, method, message, connections, streams):
    def command(bench, server):
        load = GrpcLoad(bench, method, server, SERVICE + method, message, connections, streams,
                        headers=[server.authorization(name)])
        return ["h2load", "-D", "60", "-t", 1, *load.shape, *load.headers, "-d", load.body, "-H",
                "content-type: application/grpc", "-H", "te: trailers", load.url]
    return command


NAME = field(1, "prod") + field(2, "service-42")
WRITE = field(1, "prod") + field(2, "flooded") + field(3, payload(500)) + switch(8)
ATTACKS = {
    "wrong credentials": by_calls("nobody", "GetConfig", NAME, 4, 50),
    "reads of one caller": by_calls("attacker", "GetConfig", NAME, 50, 50),
    "writes of one caller": by_calls("attacker", "UpdateConfig", WRITE, 4, 50),
    "large requests": by_calls("attacker", "UpdateConfig",
                               field(1, "prod") + field(2, "large") + field(3, b"{" * (1 << 20)), 4, 8),
    "rapid resets": by_sockets("resets"),
    "half-open connections": by_sockets("half-open"),
    "unfinished requests": by_sockets("unfinished"),
}


@contextlib.contextmanager
def under_way(command):
    """Attackers are elsewhere: here they get what processor time the others leave."""
    process = subprocess.Popen(["nice", "-n", "19", *(str(part) for part in command)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(SECONDS_BEFORE)
        yield
        if process.poll() is not None:
            sys.exit(f"the attack {command[:3]} has ended by itself: {process.returncode}")
    finally:
        process.kill()
        process.wait()


@figure("attacks")
def bystander_under_attack(bench):
    """The p99 of GetConfig of a bystander, one call at a time, during each attack, against none."""
    server = bench.start(Attacked(bench, "bystander", "attacker"))
    server.fill(10)
    load = get_config(bench, server, connections=1, streams=1,
                      headers=[server.authorization("bystander")])
    calls = bench.scaled(5_000, 500)
    p99s = {None: [], **{name: [] for name in ATTACKS}}
    for _, name in itertools.product(range(3), p99s):
        attack = contextlib.nullcontext() if name is None else under_way(ATTACKS[name](bench, server))
        with attack:
            load.run(calls)
        p99s[name].append(load.p99s[-1])
    alone = statistics.median(p99s.pop(None))
    for name, during in p99s.items():
        bench.row(f"p99 of a bystander's GetConfig during {name}, against none",
                  f"{statistics.median(during) / alone:.1f}", "5 or less",
                  f"{statistics.median(during):.2f} ms against {alone:.2f} ms")
