"""The search for secrets: how well it finds, and what it costs."""

import json
import statistics
import subprocess

from harness import SERVICE, figure
from loads import GrpcLoad, field, switch
from programs import Confregd
from secret_set import Measured

VALUE = {"database": {"host": "db-primary.eu-west-1.example.com", "port": 5432, "name": "billing",
                      "pool": {"min": 5, "max": 50}, "sslmode": "verify-full", "password": "${env:DB_PASSWORD}"},
         "features": {"new_invoice": True, "dunning": False}, "log_level": "INFO",
         "endpoints": ["https://api.example.com/v1/invoices", "https://api.example.com/v1/customers"],
         "timeouts_ms": {"connect": 500, "read": 2000}, "locale": "en-GB", "queue": "billing.events.created",
         "owner": "team-billing@example.com", "image": "registry.example.com/billing:1.42.0"}


@figure("secrets")
def secrets(bench):
    """Precision and recall of the search for secrets over a labelled set, false alarms over ordinary
    configs, and the processor time for a config of 500 bytes."""
    program = bench.build / "bench" / "bench_secrets"
    measured = Measured(program, 1)
    lines = f"{measured.lines} lines, {measured.services} services"
    bench.row("secrets, precision", f"{measured.precision:.4f}", "0.99", lines)
    bench.row("secrets, recall", f"{measured.recall:.4f}", "0.95", lines)
    bench.row("secrets, false alarms", f"{len(measured.alarms)} of {measured.ordinary}", "0.1 % or less",
              "ordinary configs")
    text = json.dumps(VALUE, separators=(",", ":")) + "\n"
    times = []
    for _ in range(bench.rounds):
        done = subprocess.run([program, "time", "0.2"], input=text, capture_output=True, text=True, check=True)
        times.append(json.loads(done.stdout)["ns"])
    bench.row("secrets, a search", f"{statistics.median(times) / 1000:.2f} us", "", f"{len(text) - 1} bytes")


@figure("update-secrets")
def update_with_a_search(bench):
    """UpdateConfig of 500 bytes that are searched for secrets against one that is not, 50 in flight, on disk."""
    value = json.dumps(VALUE, separators=(",", ":"))
    loads = []
    for mode in ("warn", "off"):
        server = bench.start(Confregd(bench, "--secrets", mode))
        loads.append(GrpcLoad(bench, f"--secrets {mode}", server, SERVICE + "UpdateConfig",
                              field(1, "prod") + field(2, "written") + field(3, value) + switch(8),
                              connections=1, streams=50))
    ratio, note = bench.compare(*loads, bench.scaled(20_000, 10_000))
    bench.row("UpdateConfig searched for secrets against without", f"{ratio:.2f}", "0.97", note)
