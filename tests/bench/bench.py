"""Prints how fast confreg is here and now, against things that everybody knows. No verdict: figures
with what they should be beside them, as a table in Markdown at the end."""

import argparse
import datetime
import os
import subprocess
import time
from pathlib import Path

import clients  # noqa: F401: its figures
import abuse  # noqa: F401
import document
import events  # noqa: F401
import gateway  # noqa: F401
import identities  # noqa: F401
import nodes  # noqa: F401
import reads  # noqa: F401
import scale  # noqa: F401
import secret_search  # noqa: F401
import tails  # noqa: F401
import validation  # noqa: F401
import watches  # noqa: F401
import writes  # noqa: F401
from harness import FIGURES, ROOT, Bench, machine
from programs import ETCDS

BUILD = ROOT / "build-bench"


def version_of(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()[0].partition(" Copyright")[0]


def surroundings(etcds):
    packages = ["libgrpc29", "libsqlite3-0", "rabbitmq-server"]
    versions = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *packages],
                              capture_output=True, text=True).stdout.splitlines()
    commands = (*([executable, "--version"] for _, executable in etcds),
                ["/usr/sbin/nginx", "-v"], ["h2load", "--version"], ["wrk", "-v"])
    load = os.getloadavg()[0]
    return [f"{datetime.date.today()}, {machine()}, load {load:.1f} before",
            "; ".join([version_of(command) for command in commands] + versions)]


def split(texts):
    """Names that are repeated, or parted by commas."""
    return [name for text in texts for name in text.split(",") if name]


def chosen(parser, only):
    names = split(only)
    known = [figure.name for figure in FIGURES]
    unknown = sorted(set(names) - set(known))
    if unknown:
        parser.error(f"no figure is named {', '.join(unknown)}; there are: {', '.join(known)}")
    return [figure for figure in FIGURES if figure.name in names or not names]


def chosen_etcds(parser, text):
    """(what it is called in the table, its executable) of each."""
    names = list(ETCDS) if text == "both" else [text]
    if names[0] not in ETCDS and not os.access(names[0], os.X_OK):
        parser.error(f"--etcd: newest, debian, both or a program, found \"{text}\"")
    return [ETCDS.get(name, (name, name)) for name in names]


def run_one(figure, arguments, etcd):
    """Each figure has programs and a folder of its own."""
    print(f"{figure.name}: {figure.says}", flush=True)
    bench = Bench(arguments.folder, arguments.build, arguments.quick, etcd)
    try:
        figure.measure(bench)
    finally:
        bench.close()
    return bench.rows


def prepare(newest_etcd, with_jsonschema):
    """Installs what is missing, and builds."""
    script = f"""
        . scripts/lib.sh
        need_packages "${{BENCH_PACKAGES[@]}}"
        build_in {BUILD.name} -DCMAKE_BUILD_TYPE=Release -DCONFREG_TESTS=OFF -DCONFREG_BENCH=ON
        {"go_program etcd-newest tests/lib/etcd" if newest_etcd else ""}
        {"python_tools" if with_jsonschema else ""}"""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=ROOT)
    if done.returncode != 0:
        raise SystemExit(done.returncode)


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="figures:\n" + "\n".join(f"  {figure.name}" for figure in FIGURES))
    parser.add_argument("--only", metavar="NAME[,NAME...]", action="append", default=[],
                        help="these figures; repeatable")
    parser.add_argument("--etcd", metavar="WHICH", default=os.environ.get("ETCD", "newest"),
                        help="newest (built from its Go module), debian (the package), both, or the "
                             "path of one; also $ETCD; default newest")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller numbers")
    parser.add_argument("--build", type=Path, metavar="FOLDER", default=BUILD,
                        help="where the programs are, ready built")
    parser.add_argument("--folder", type=Path, help="where the data goes; its file system is what "
                                                    "is measured; default the build's")
    parser.add_argument("--update", type=Path, metavar="FILE",
                        help="write the figures into the table of docs/benchmarks.md, too; those "
                             "that were not measured stay as they are")
    arguments = parser.parse_args()
    arguments.figures = chosen(parser, arguments.only)
    arguments.etcds = chosen_etcds(parser, arguments.etcd)
    arguments.folder = arguments.folder or arguments.build
    return arguments


def main():
    arguments = parse()
    with_etcd = any(figure.with_etcd for figure in arguments.figures)
    etcds = arguments.etcds if with_etcd else []
    if arguments.build == BUILD:
        prepare(ETCDS["newest"] in etcds,
                any(figure.name == "schema" for figure in arguments.figures))
    begun = time.monotonic()
    around = surroundings(etcds)
    print("\n".join(around) + "\n")
    rows = []
    for figure in arguments.figures:
        for etcd in [name for name, _ in etcds] if figure.with_etcd else [None]:
            rows += run_one(figure, arguments, etcd)
    print(document.render(rows))
    if arguments.update:
        document.update(arguments.update, around, rows)
    print(f"\ntook {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
