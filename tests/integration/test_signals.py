"""The effect of every signal on the programs, under traffic: the table of docs/operations.md."""

import contextlib
import re
import signal
import socket
import subprocess

import grpc
import pytest
from calls import Registry
from cluster import start_clients, stop_and_check, wait_for_more
from daemon import BUILD, Confregd, Gateway, until
from history import Recorder
from rest import Rest
from stubs import ROOT

ENDS = {signal.SIGTERM, signal.SIGINT}
RELOADS = {signal.SIGHUP}
# With a core dump; what a fault raises, and what is for a debugger.
DUMPS = {signal.SIGQUIT, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS,
         signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS, signal.SIGXCPU}
# Handled by the system, whatever a program would like, or stop and go on by job control.
SYSTEMS = {signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
           signal.SIGCONT}
HARMLESS_BY_NATURE = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH}
IGNORED = sorted(set(range(1, signal.SIGRTMAX + 1)) - {32, 33} - ENDS - RELOADS - DUMPS - SYSTEMS
                 - HARMLESS_BY_NATURE)


def name_of(number):
    if signal.SIGRTMIN < number < signal.SIGRTMAX:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
    return signal.Signals(number).name


def reloads(program):
    return program.log.read_text().count("event=reloaded")


def documented():
    """What docs/operations.md says becomes of each signal."""
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (`SIG[^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
    return {name: outcome for names, outcome in rows for name in re.findall(r"SIG\w+", names)}


def test_the_documented_table_has_every_signal():
    table = documented()
    for numbers, word in ((ENDS, "ends in order"), (RELOADS, "reload"), (DUMPS, "core dump"),
                          (IGNORED, "ignored")):
        for number in numbers:
            name = "SIGRTMIN" if number >= signal.SIGRTMIN else name_of(number)
            assert word in table[name], name


def test_no_signal_ends_the_programs_in_the_middle(launch):
    """Each signal that does not end them, to both, while clients work and a gateway answers."""
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    recorder = Recorder(server)
    recorder.start()
    rest = Rest(gateway.port)
    clients = start_clients([server])
    wait_for_more(clients, 20)
    started = server.log.read_text().count("event=listening")
    for number in [*IGNORED, *HARMLESS_BY_NATURE, *RELOADS]:
        for program in (server, gateway):
            program.process.send_signal(number)
        assert rest.get("/livez").status == 200, name_of(number)
    wait_for_more(clients, 20)
    for program in (server, gateway):
        until(lambda p=program: reloads(p) == 1, "SIGHUP was taken")
        program.assert_alive()
    assert rest.post("/api/configs/after", {"config_data": {"a": 1}}).status == 201
    stop_and_check([server], recorder, clients)
    recorder.stop()
    assert server.log.read_text().count("event=listening") == started, "nothing started anew"
    assert "event=stopping" not in server.log.read_text() + gateway.log.read_text()
    gateway.stop()
    server.stop()


@pytest.mark.parametrize("number", sorted(ENDS), ids=name_of)
def test_a_signal_ends_both_in_order(launch, number):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    Registry(server.stub).create("kept")
    for program in (gateway, server):
        program.process.send_signal(signal.SIGHUP)
        program.stop(number)
        said = program.log.read_text()
        assert "event=stopping signal=" in said and said.rstrip().endswith("event=stopped")


@pytest.mark.parametrize("number", sorted(DUMPS), ids=name_of)
def test_a_signal_that_dumps_core_ends_like_kill(launch, number):
    """As after kill -9: no acknowledged write is lost."""
    server = launch(Confregd).start()
    Registry(server.stub).create("kept")
    server.process.send_signal(number)
    assert server.process.wait(60) != 0
    for report in server.folder.glob("sanitizer*"):  # a sanitizer tells of a SIGSEGV
        report.unlink()
    server.start()
    assert Registry(server.stub).get("kept").config.version == 1
    server.stop()


def test_ignored_signals_of_a_parent_change_nothing(launch):
    """Under nohup SIGHUP is ignored, and stays so; SIGTERM still ends it."""
    server = launch(Confregd)
    with open(server.log, "ab") as log:
        server.process = subprocess.Popen(
            ["nohup", BUILD / "confregd", *server.arguments()], stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, env=server.environment(), cwd=server.folder)
    server.wait_ready()
    server.process.send_signal(signal.SIGHUP)
    Registry(server.stub).create("alive")
    server.stop()


# ---- While they start ----

@contextlib.contextmanager
def silent_server():
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


IMPORT = ["import-legacy", "--store", "memory:", "--from"]


@pytest.mark.own_store
@pytest.mark.parametrize("number", sorted(ENDS), ids=name_of)
@pytest.mark.parametrize("arguments, code", [
    (["--listen", "127.0.0.1:0", "--store"], 0), (["--new-epoch", "--store"], 1), (IMPORT, 1)],
    ids=["start", "new-epoch", "import-legacy"])
def test_a_start_can_be_interrupted(launch, tmp_path, number, arguments, code):
    """The server waits for a database that never answers, longer than any time-out of the test."""
    patience = "serverSelectionTimeoutMS=600000&connectTimeoutMS=600000&socketTimeoutMS=600000"
    with silent_server() as listener:
        address = f"mongodb://127.0.0.1:{listener.getsockname()[1]}/registry?{patience}"
        program = launch(Confregd)
        program.arguments = lambda: [*arguments, address]
        program.spawn()
        listener.settimeout(60)
        connection, _ = listener.accept()
        program.process.send_signal(signal.SIGHUP)
        program.process.send_signal(number)
        assert program.process.wait(30) == code
        connection.close()
    assert "event=stopping signal=" in program.log.read_text()
    assert "event=listening" not in program.log.read_text()


def test_a_start_that_is_interrupted_leaves_a_store_that_starts(launch):
    """At any moment: the signal comes a little later in each round."""
    server = launch(Confregd)
    for round_ in range(20):
        server.spawn()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(round_ * 0.005)
        server.process.send_signal(signal.SIGTERM)
        # Before main has set anything up the system's own way counts.
        assert server.process.wait(60) in (0, -signal.SIGTERM)
    server.start()
    with contextlib.suppress(grpc.RpcError):
        Registry(server.stub).create("works")
    assert Registry(server.stub).get("works").config.version == 1
    server.stop()
