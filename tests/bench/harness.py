"""What the figures share: folders, rounds, and rows of the table at the end.

Rounds are interleaved (A B A B …) because a machine's speed drifts; what counts is the median of the
rounds' ratios. Nothing is asserted about speed; a load whose calls did not really succeed is no
figure and ends the run."""

import os
import shutil
import statistics
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "/confreg.v1.RegistryService/"

FIGURES = []


class Figure:
    def __init__(self, name, measure, with_etcd):
        self.name, self.measure, self.with_etcd = name, measure, with_etcd
        self.says = " ".join(measure.__doc__.split())


def figure(name, with_etcd=False):
    """Marks a function of a Bench as the figure of that name. One with etcd is taken with each etcd
    that is asked for."""
    def add(function):
        FIGURES.append(Figure(name, function, with_etcd))
        return function
    return add


class Bench:
    def __init__(self, folder, build, quick, etcd=None):
        self.etcd = etcd  # of programs.ETCDS, for figures that need one
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=folder))
        self.folder.chmod(0o755)
        self.build, self.quick = build, quick
        self.rounds = 5 if quick else 15
        self.running = []
        self.rows = []
        self._n_files = 0

    def scaled(self, full, quick):
        return quick if self.quick else full

    def _new_path(self, ending=""):
        self._n_files += 1
        return self.folder / f"{self._n_files}{ending}"

    def new_folder(self):
        path = self._new_path()
        path.mkdir()
        return path

    def new_file(self, content, ending=""):
        path = self._new_path(ending)
        path.write_bytes(content)
        return path

    def start(self, program):
        program.start()
        return program

    def stop_all(self):
        for program in reversed(list(self.running)):
            program.stop()

    def close(self):
        self.stop_all()
        shutil.rmtree(self.folder)

    # ---- Measuring ----

    def compare(self, load, other, amount):
        """Runs two loads in turn. Gives the median ratio of their rates, and a line that says what
        the medians were and how much processor time their programs took for a call."""
        rates, costs = {load: [], other: []}, {load: [], other: []}
        for number in range(self.rounds):
            for one in (load, other):
                before = one.program.cpu_seconds
                calls, seconds = one.run(amount)
                rates[one].append(calls / seconds)
                costs[one].append((one.program.cpu_seconds - before) / calls * 1e6)
            print(f"  round {number + 1}: {load.title} {rates[load][-1]:,.0f}/s  "
                  f"{other.title} {rates[other][-1]:,.0f}/s", flush=True)
        ratio = statistics.median(a / b for a, b in zip(rates[load], rates[other]))
        return ratio, "; ".join(
            f"{one.title} {statistics.median(rates[one]):,.0f}/s, "
            f"{statistics.median(costs[one]):.0f} us CPU" for one in (load, other))

    def row(self, title, value, aim, note=""):
        """value and aim as they are to be shown."""
        if self.etcd:
            title += f" ({self.etcd})"
        self.rows.append((title, str(value), str(aim), note))
        print(f"  -> {title}: {value} (aim: {aim}){'; ' + note if note else ''}\n", flush=True)


def machine():
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file
                  if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE") >> 30
    kernel = os.uname().release.partition("-")[0]
    kind = models[0] if models else "an unknown kind"
    return f"{len(models)} cores of {kind}, {memory} GiB, Linux {kernel}"
