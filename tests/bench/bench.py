"""Prints how fast confreg is here and now, against things that everybody knows. No verdict: figures
with what they should be beside them."""

import argparse
import datetime
import re
import subprocess
import time
from pathlib import Path

import events  # noqa: F401: its figures
import gateway  # noqa: F401
import reads  # noqa: F401
import scale  # noqa: F401
import watches  # noqa: F401
import writes  # noqa: F401
from harness import FIGURES, ROOT, Bench, machine
from programs import Etcd


def version_of(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return re.split(r"\n", done.stdout + done.stderr)[0]


def print_surroundings():
    print(f"{datetime.date.today()}, {machine()}")
    for command in ([Etcd.executable, "--version"], ["/usr/sbin/nginx", "-v"],
                    ["h2load", "--version"], ["wrk", "-v"]):
        print(" ", version_of(command))
    print()


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
    arguments = parser.parse_args()
    begun = time.monotonic()
    print_surroundings()
    table = Bench(arguments.folder, arguments.build, arguments.quick)
    for name, function in chosen(arguments.only):
        table.rows += run_one(name, function, arguments)
    table.print_table()
    table.close()
    print(f"\ntook {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
