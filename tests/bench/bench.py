"""Prints how fast confreg is here and now, against things that everybody knows. No verdict: figures
with what they should be beside them, as a table in Markdown at the end."""

import argparse
import datetime
import os
import subprocess
import time
from pathlib import Path

import document
import events  # noqa: F401: its figures
import gateway  # noqa: F401
import nodes  # noqa: F401
import reads  # noqa: F401
import scale  # noqa: F401
import watches  # noqa: F401
import writes  # noqa: F401
from harness import FIGURES, ROOT, Bench, machine
from programs import Etcd


def version_of(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()[0].partition(" Copyright")[0]


def surroundings():
    packages = ["libgrpc29", "libsqlite3-0", "rabbitmq-server"]
    versions = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *packages],
                              capture_output=True, text=True).stdout.splitlines()
    commands = ([Etcd.executable, "--version"], ["/usr/sbin/nginx", "-v"], ["h2load", "--version"],
                ["wrk", "-v"])
    load = os.getloadavg()[0]
    return [f"{datetime.date.today()}, {machine()}, load {load:.1f} before",
            "; ".join([version_of(command) for command in commands] + versions)]


def chosen(only):
    if not only:
        return FIGURES
    unknown = set(only) - {name for name, _ in FIGURES}
    if unknown:
        raise SystemExit(f"no figure is named {', '.join(sorted(unknown))}")
    return [(name, function) for name, function in FIGURES if name in only]


def run_one(name, function, arguments):
    """Each figure has programs and a folder of its own."""
    print(f"{name}: {' '.join(function.__doc__.split())}", flush=True)
    bench = Bench(arguments.folder, arguments.build, arguments.quick)
    try:
        function(bench)
    finally:
        bench.close()
    return bench.rows


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     epilog="figures: " + ", ".join(n for n, _ in FIGURES))
    parser.add_argument("--only", metavar="NAME", action="append", help="one figure; repeatable")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller numbers")
    parser.add_argument("--build", type=Path, default=ROOT / "build-bench",
                        help="the folder with the programs")
    parser.add_argument("--folder", type=Path, default=ROOT / "build-bench",
                        help="where the data goes; its file system is what is measured")
    parser.add_argument("--update", type=Path, metavar="FILE",
                        help="write the figures into the table of docs/benchmarks.md, too; those "
                             "that were not measured stay as they are")
    arguments = parser.parse_args()
    begun = time.monotonic()
    around = surroundings()
    print("\n".join(around) + "\n")
    rows = []
    for name, function in chosen(arguments.only):
        rows += run_one(name, function, arguments)
    print(document.render(rows))
    if arguments.update:
        document.update(arguments.update, around, rows)
    print(f"\ntook {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
