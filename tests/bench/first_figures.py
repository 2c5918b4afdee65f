"""The figures that scripts/bench prints: reads against an empty method of the same server, durable
writes against etcd. Rounds are interleaved (A B A B …) because a machine's speed drifts; medians
and their ratio are what counts. Prints, never asserts a speed; but a load whose calls did not
really succeed is no figure and ends the run."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from grpc_load import Load, field

ROOT = Path(__file__).resolve().parents[2]
SERVER, GATEWAY = "127.0.0.1:21051", "127.0.0.1:21080"
ETCD, ETCD_PEER = "127.0.0.1:21379", "127.0.0.1:21380"
CONFIGS = 100
SERVICE = "/confreg.v1.RegistryService/"


def payload(size):
    return '{"k":"%s"}' % ("v" * (size - 8))


def wait_for(process, answers):
    """Until answers() is true; the process must not have ended meanwhile."""
    deadline = time.monotonic() + 30
    while True:
        try:
            if answers():
                return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{process.args[0]} does not answer (exit code {process.poll()})")
        time.sleep(0.05)


def fetch(url, body=None, method="GET"):
    request = urllib.request.Request(url, method=method, data=body,
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def start_confreg(folder):
    """The server, and the gateway through which it is filled and asked."""
    log = open(folder / "confreg.log", "wb")
    build = Path(os.environ.get("CONFREG_BUILD", ROOT / "build"))
    server = subprocess.Popen([build / "confregd", "--listen", SERVER,
                               "--store", f"sqlite:{folder}/confreg.db"], stderr=log)
    gateway = subprocess.Popen([build / "confreg-gateway", "--listen", GATEWAY,
                                "--server", SERVER], stderr=log)
    wait_for(gateway, lambda: urllib.request.urlopen(f"http://{GATEWAY}/readyz").status == 200)
    for i in range(CONFIGS):
        body = '{"config_data":%s}' % payload(500)
        fetch(f"http://{GATEWAY}/api/configs/service-{i}?environment=prod", body.encode(), "POST")
    return [gateway, server]


def start_etcd(folder):
    log = open(folder / "etcd.log", "wb")
    etcd = subprocess.Popen(
        ["etcd", "--data-dir", folder / "etcd", "--listen-client-urls", f"http://{ETCD}",
         "--advertise-client-urls", f"http://{ETCD}", "--listen-peer-urls", f"http://{ETCD_PEER}",
         "--initial-advertise-peer-urls", f"http://{ETCD_PEER}",
         "--initial-cluster", f"default=http://{ETCD_PEER}", "--log-level", "error"],
        stdout=log, stderr=log)
    wait_for(etcd, lambda: fetch(f"http://{ETCD}/health")["health"] == "true")
    return etcd


def etcd_revision():
    return int(fetch(f"http://{ETCD}/v3/maintenance/status", b"{}", "POST")["header"]["revision"])


def confreg_versions():
    path = f"http://{GATEWAY}/api/configs/written/history?environment=prod&limit=1"
    history = fetch(path)
    return history[0]["version"] if history else 0


def interleaved(rounds, loads, run):
    """The median rate of each load."""
    rates = {load.title: [] for load in loads}
    for number in range(rounds):
        for load in loads:
            rates[load.title].append(run(load))
        shown = "  ".join(f"{title} {figures[-1]:9.0f}/s" for title, figures in rates.items())
        print(f"  round {number + 1}: {shown}")
    return [statistics.median(rates[load.title]) for load in loads]


def print_ratio(titles, medians):
    for title, median in zip(titles, medians):
        print(f"  {title:<34} {median:10.0f}/s")
    print(f"  {'ratio':<34} {medians[0] / medians[1]:10.2f}\n")


def bench_reads(folder, rounds, requests):
    message = field(1, "prod") + field(2, "service-42")
    get = Load(folder, "GetConfig", SERVER, SERVICE + "GetConfig", message)
    null = Load(folder, "Health-Check", SERVER, "/grpc.health.v1.Health/Check", b"")
    sizes = {}

    def run(load):
        result = load.run(requests, connections=4, streams=50)
        sizes[load.title] = result.bytes_an_answer
        if load is get and result.bytes_an_answer < 500:
            sys.exit(f"answers of {result.bytes_an_answer} bytes hold no payload of 500: no reads")
        return result.per_second

    print("Reads: GetConfig (500-byte payload, 100 configs) against an empty method of the same "
          "server\n       (grpc.health.v1.Health/Check); 4 connections x 50 streams")
    medians = interleaved(rounds, [get, null], run)
    print(f"  checked: {sizes[get.title]:.0f} bytes an answer of GetConfig, "
          f"{sizes[null.title]:.0f} of Check")
    print_ratio(["GetConfig", "empty method"], medians)


def counted(load, requests, count, run):
    """A run of writes, each of which must have moved the store's own counter by one."""
    before = count()
    rate = run(load, requests).per_second
    made = count() - before
    if made != requests:
        sys.exit(f"{load.title}: {requests} calls, but {made} writes")
    return rate


def bench_writes(folder, rounds, requests):
    update = Load(folder, "UpdateConfig", SERVER, SERVICE + "UpdateConfig",
                  field(1, "prod") + field(2, "written") + field(3, payload(500)) + b"\x40\x01")
    put = Load(folder, "etcd-Put", ETCD, "/etcdserverpb.KV/Put",
               field(1, "prod/written") + field(2, payload(500)))
    counts = {update.title: confreg_versions, put.title: etcd_revision}

    def run(load):
        return counted(load, requests, counts[load.title],
                       lambda l, n: l.run(n, connections=1, streams=50))

    print("Durable writes: UpdateConfig against etcd's Put, 500 bytes, 1 connection x 50 streams, "
          "data on\n       the same file system")
    medians = interleaved(rounds, [update, put], run)
    print(f"  checked: each round made exactly {requests} versions, {requests} revisions of etcd")
    print_ratio(["UpdateConfig", "etcd Put"], medians)


def versions_of_tools():
    for command in (["h2load", "--version"], ["etcd", "--version"]):
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(" ", re.split(r"\n", text)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reads", type=int, default=150_000, help="requests of a round")
    parser.add_argument("--writes", type=int, default=20_000, help="requests of a round")
    parser.add_argument("--folder", type=Path, default=ROOT / "build",
                        help="where the data goes; its file system is what is measured")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, {arguments.rounds} interleaved rounds, medians")
    versions_of_tools()
    print()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.folder) as name:
        folder = Path(name)
        running = start_confreg(folder)
        try:
            running.insert(0, start_etcd(folder))
            bench_reads(folder, arguments.rounds, arguments.reads)
            bench_writes(folder, arguments.rounds, arguments.writes)
        finally:
            for process in running:
                process.terminate()
                process.wait(30)


if __name__ == "__main__":
    main()
