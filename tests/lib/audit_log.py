"""The audit and the access log of a program: their lines, and what `confregd verify` says."""

import json
import subprocess

from daemon import BUILD, until


def lines_of(file):
    """The lines as objects; the newest may still be on its way."""
    text = file.read_text() if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def matching(file, **members):
    return [line for line in lines_of(file)
            if all(line.get(name) == value for name, value in members.items())]


def wait_for_line(file, **members):
    """The first line with these members, once it is there."""
    return until(lambda: matching(file, **members), f"{file} has a line with {members}")[0]


def verify(*arguments):
    """(exit code, lines printed)."""
    done = subprocess.run([BUILD / "confregd", "verify", "--audit-log", *map(str, arguments)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "" or done.returncode == 1, done.stderr
    return done.returncode, done.stdout.splitlines()


def heads(log):
    """The heads of the chain that a program has told in its log."""
    return [part.removeprefix("head=") for line in log.read_text().splitlines()
            if "event=audit_head" in line for part in line.split() if part.startswith("head=")]
