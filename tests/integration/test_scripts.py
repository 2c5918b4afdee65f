"""The scripts, run as after a fresh clone."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import urllib.request

import pytest
from daemon import BUILD, free_port, until
from stubs import ROOT

pytestmark = [pytest.mark.own_store, pytest.mark.own_checks]

LIBRARY = ROOT / "scripts" / "lib.sh"
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(small NONE)
add_custom_target(all-of-it ALL COMMAND ${CMAKE_COMMAND} -E echo built)
"""


def tree_with_programs(folder):
    """scripts/ and a CMake project that has our programs, as they are built already."""
    (folder / "scripts").mkdir(parents=True)
    for script in ("run", "lib.sh"):
        shutil.copy(ROOT / "scripts" / script, folder / "scripts")
    (folder / "CMakeLists.txt").write_text(PROJECT)
    (folder / "build").mkdir()
    for program in ("confregd", "confreg-gateway"):
        (folder / "build" / program).symlink_to(BUILD / program)
    return folder


class Run:
    """scripts/run, until it says that it is ready."""

    def __init__(self, tree, **variables):
        self.port, self.log = free_port(), tree / "log"
        environment = {"PATH": os.environ["PATH"], "HOME": str(tree),
                       "CONFREG_LISTEN": f"127.0.0.1:{free_port()}",
                       "CONFREG_GATEWAY_LISTEN": f"127.0.0.1:{self.port}", **variables}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([tree / "scripts" / "run"], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=environment,
                                            start_new_session=True)

    @property
    def said(self):
        return self.log.read_text()

    def wait_ready(self):
        def is_ready():
            assert self.process.poll() is None, self.said
            return "Ctrl-C stops both." in self.said

        until(is_ready, "scripts/run is ready")
        return self

    def child(self, name):
        """The process id of one of its programs."""
        for status in self.children():
            if status.split("\n", 1)[0].split("\t")[1] == name[:15]:
                return int(status.split("\nPid:\t")[1].split("\n")[0])
        raise AssertionError(f"{name} does not run:\n{self.said}")

    def children(self):
        listing = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(listing) as file:
            pids = file.read().split()
        for pid in pids:
            with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/status") as file:
                yield file.read()

    def end(self, by=signal.SIGINT):
        self.process.send_signal(by)
        return self.process.wait(60)


@pytest.fixture
def run(tmp_path):
    runs = []

    def start(**variables):
        tree = tmp_path / "tree"
        runs.append(Run(tree if tree.exists() else tree_with_programs(tree), **variables))
        return runs[-1]

    yield start
    for one in runs:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


def test_run_starts_both_and_ctrl_c_stops_them(run):
    one = run().wait_ready()
    with urllib.request.urlopen(f"http://127.0.0.1:{one.port}/readyz", timeout=30) as answer:
        assert answer.status == 200
    assert one.end() == 0
    assert one.said.count("event=stopped") == 2 and "ended" not in one.said


def test_run_starts_again_without_a_warning(run):
    """The first time it says that the registry is a new one."""
    first = run().wait_ready()
    assert first.end() == 0
    warnings = [line for line in first.said.splitlines() if "level=warning" in line]
    assert all("event=new_registry" in line for line in warnings), first.said
    again = run().wait_ready()
    assert again.end() == 0
    assert "level=warning" not in again.said and "level=error" not in again.said, again.said


def test_run_takes_addresses_of_unix_sockets_with_a_mode(run, tmp_path):
    one = run(CONFREG_LISTEN=f"unix:{tmp_path}/grpc?mode=0660,127.0.0.1:{free_port()}",
              CONFREG_GATEWAY_LISTEN=f"unix:{tmp_path}/http?mode=0666").wait_ready()
    assert f"--unix-socket {tmp_path}/http -X" in one.said
    assert one.end() == 0


@pytest.mark.parametrize("name", ["confregd", "confreg-gateway"])
def test_run_says_that_a_program_was_stopped_by_its_operator(run, name):
    one = run().wait_ready()
    os.kill(one.child(name), signal.SIGTERM)
    assert one.process.wait(60) == 0
    assert f"{name} was stopped" in one.said and "by itself" not in one.said, one.said
    assert one.said.count("event=stopped") == 2


@pytest.mark.parametrize("name", ["confregd", "confreg-gateway"])
def test_run_says_which_program_was_killed(run, name):
    one = run().wait_ready()
    os.kill(one.child(name), signal.SIGKILL)
    assert one.process.wait(60) == 1
    assert f"{name} was ended by signal 9" in one.said, one.said


def test_run_says_which_program_did_not_start(run):
    one = run(CONFREG_LISTEN="192.0.2.1:1")
    assert one.process.wait(60) == 1
    assert "confregd ended by itself, with exit code 1" in one.said, one.said


@pytest.fixture
def script(tmp_path):
    """A script of scripts/, where nothing can be installed or built."""
    for name in ("apt-get", "cmake", "go", "dpkg-query", "ninja"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} was called; exit 1\n")
        (tmp_path / name).chmod(0o755)

    def call(name, *arguments):
        return subprocess.run([ROOT / "scripts" / name, *arguments], capture_output=True,
                              text=True, timeout=60, check=False,
                              env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})

    return call


@pytest.fixture
def bench(script):
    return functools.partial(script, "bench")


@pytest.mark.parametrize("name", ["run", "test"])
def test_a_script_prints_its_help_at_once_and_refuses_what_it_does_not_know(script, name):
    done = script(name, "--help")
    assert done.returncode == 0 and f"scripts/{name}" in done.stdout, done.stdout + done.stderr
    wrong = script(name, "--no-such")
    assert wrong.returncode == 1 and f"usage: scripts/{name}" in wrong.stderr, wrong.stderr
    assert "was called" not in done.stdout + done.stderr + wrong.stdout + wrong.stderr


def test_bench_prints_its_help_at_once(bench):
    done = bench("--help")
    assert done.returncode == 0 and "--only" in done.stdout and "update-etcd" in done.stdout
    assert "was called" not in done.stdout + done.stderr


def test_bench_takes_lists_of_figures_and_names_all_where_one_is_unknown(bench):
    for wrong in (["--only", "get-etcd,no-such"], ["--only", "get-etcd", "--only", "no-such"]):
        done = bench(*wrong)
        assert done.returncode == 2 and "was called" not in done.stdout + done.stderr
        assert "no figure is named no-such" in done.stderr and "million-configs" in done.stderr
    done = bench("--etcd", "/no/such/etcd")
    assert done.returncode == 2 and "--etcd" in done.stderr
    good = bench("--only", "get-etcd,update-etcd", "--only", "get-empty", "--etcd", "both")
    assert good.returncode == 1 and "was called" in good.stdout + good.stderr
    clients = bench("--only", "client-c-getters,client-callbacks,client-c-watchers,client-c-file",
                    "--only", "client-c-restart")
    assert clients.returncode == 1 and "was called" in clients.stdout + clients.stderr


def build(tree):
    return subprocess.run(["bash", "-euc", f". {LIBRARY}; build_in build"], cwd=tree, timeout=60,
                          capture_output=True, text=True, check=False)


def test_a_tree_that_was_moved_builds(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "CMakeLists.txt").write_text(PROJECT)
    assert build(here).returncode == 0
    (here / "build" / "kept").write_text("tools, corpora and the like")
    shutil.copytree(here, there)
    for tree in (there, here.rename(tmp_path / "elsewhere")):
        moved = build(tree)
        assert moved.returncode == 0, moved.stdout + moved.stderr
        assert str(here) in moved.stdout, "it says why it starts anew"
        again = build(tree)
        assert again.returncode == 0 and str(here) not in again.stdout
        assert (tree / "build" / "kept").exists()


def test_a_virtual_environment_that_was_moved_is_made_again(tmp_path):
    def is_in_place(folder):
        return subprocess.run(["bash", "-euc", f'. {LIBRARY}; is_at_its_place "$0"', folder],
                              cwd=tmp_path, timeout=60, check=False).returncode == 0

    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").write_text("an interpreter")
    (venv / "bin" / "pip").write_text(f"#!{venv}/bin/python\n")
    assert is_in_place(venv)
    assert not is_in_place(venv.rename(tmp_path / "moved"))
    assert not is_in_place(tmp_path / "none")
