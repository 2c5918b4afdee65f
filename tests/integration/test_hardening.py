"""How the programs are built, and what they keep from others while they run."""

import os
import platform
import pwd
import resource
import signal
import subprocess

import pytest
from calls import Registry
from daemon import BUILD, ROOT, Confregd, Gateway
from rest import Rest

# Builds with sanitizers are built otherwise.
pytestmark = [pytest.mark.own_checks, pytest.mark.own_store]

PROGRAMS = ["confregd", "confreg-gateway"]
NOBODY = pwd.getpwnam("nobody")


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


# ---- Built ----

@pytest.mark.parametrize("program", PROGRAMS)
def test_code_is_at_random_addresses(program):
    assert "Type:                              DYN" in said("readelf", "-h", BUILD / program)
    assert "PIE" in said("readelf", "-d", BUILD / program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_tables_of_addresses_are_read_only(program):
    assert "BIND_NOW" in said("readelf", "-d", BUILD / program)
    assert "GNU_RELRO" in said("readelf", "-lW", BUILD / program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_memory_is_both_written_and_run(program):
    segments = said("readelf", "-lW", BUILD / program).split("Section to Segment")[0].splitlines()
    flags = ["".join(line.split()[6:-1]) for line in segments
             if line.split() and line.split()[0] in ("LOAD", "GNU_STACK")]
    assert len(flags) > 3 and not [flag for flag in flags if "W" in flag and "E" in flag]


@pytest.mark.parametrize("program", PROGRAMS)
def test_stack_and_copies_are_checked(program):
    symbols = said("readelf", "-W", "--dyn-syms", BUILD / program)
    assert "__stack_chk_fail" in symbols
    assert "__vsnprintf_chk" in symbols


@pytest.mark.parametrize("program", PROGRAMS)
def test_jumps_land_where_they_may(program):
    first = {"x86_64": "endbr64", "aarch64": "bti"}.get(platform.machine())
    code = said("objdump", "-d", "--disassemble=main", BUILD / program)
    assert first is None or first in code


# ---- As a service ----

@pytest.mark.parametrize("program", PROGRAMS)
def test_the_unit_of_systemd_is_valid_and_confines(program, tmp_path):
    unit = ROOT / "deploy" / "systemd" / f"{program}.service"
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace("/usr/local/bin", str(BUILD)))
    said("systemd-analyze", "verify", "--man=no", here)
    # From 0, fully confined, to 10.
    said("systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", unit)


# ---- Running ----

def status_of(program):
    """The fields of /proc/PID/status."""
    with open(f"/proc/{program.process.pid}/status") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


def core_limits_of(program):
    with open(f"/proc/{program.process.pid}/limits") as limits:
        return next(line.split()[4:6] for line in limits if line.startswith("Max core file size"))


def dies_with_core(program):
    """Whether the program leaves a core file."""
    program.process.send_signal(signal.SIGQUIT)
    end = os.waitid(os.P_PID, program.process.pid, os.WEXITED | os.WNOWAIT)
    program.process.wait()
    return end.si_code == os.CLD_DUMPED


@pytest.mark.parametrize("kind", [Confregd, Gateway])
def test_no_core_is_written(launch, kind):
    server = launch(Confregd, store="memory:").start()
    program = server if kind is Confregd else launch(Gateway, server.listen).start()
    assert core_limits_of(program) == ["0", "0"]
    assert not dies_with_core(program)
    assert list(program.folder.glob("core*")) == []


def test_a_core_is_written_where_it_is_allowed(launch):
    program = launch(Confregd, store="memory:", extra=["--allow-core"]).start()
    allowed = (resource.RLIM_INFINITY,) * 2
    resource.prlimit(program.process.pid, resource.RLIMIT_CORE, allowed)
    # By default a core is a file beside the program; elsewhere a pipe takes it.
    with open("/proc/sys/kernel/core_pattern") as pattern:
        is_file = not pattern.read().startswith(("|", "/"))
    assert dies_with_core(program) or not is_file
    for core in program.folder.glob("core*"):
        core.unlink()


def test_no_rights_are_gained(launch):
    assert status_of(launch(Confregd, store="memory:").start())["NoNewPrivs"] == "1"


def test_root_becomes_another_user(launch):
    server = launch(Confregd, listen="127.0.0.1:81", extra=["--user", "nobody"])
    os.chown(server.folder, NOBODY.pw_uid, NOBODY.pw_gid)
    for folder in server.folder.parents:
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o001)
    server.start()
    Registry(server.stub).create("billing")
    status = status_of(server)
    assert status["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    assert status["Gid"].split() == [str(NOBODY.pw_gid)] * 4
    assert set(status["Groups"].split()) <= {str(NOBODY.pw_gid)}
    for kind in ("CapPrm", "CapEff"):
        assert int(status[kind], 16) == 1 << 10, "only CAP_NET_BIND_SERVICE"
    assert server.database.stat().st_uid == NOBODY.pw_uid
    gateway = launch(Gateway, server.listen, extra=["--user", "nobody"])
    assert Rest(gateway.start().port).get("/api/configs/billing?environment=prod").status == 200
    assert status_of(gateway)["Uid"].split() == [str(NOBODY.pw_uid)] * 4


def test_a_user_that_there_is_not(launch):
    code, log = launch(Confregd, store="memory:", extra=["--user", "no-such-user"]).fails_to_start()
    assert code == 1 and "there is no such user" in log


def test_only_root_becomes_another_user(launch):
    """The program runs as nobody, and would like to be daemon."""
    def as_nobody():
        os.setgroups([])
        os.setgid(NOBODY.pw_gid)
        os.setuid(NOBODY.pw_uid)

    done = subprocess.run([BUILD / "confregd", "--store", "memory:", "--listen", "127.0.0.1:0",
                           "--user", "daemon"], preexec_fn=as_nobody, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 1 and "--user daemon: Operation not permitted" in done.stderr
