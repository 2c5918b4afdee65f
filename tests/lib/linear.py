"""Passes recorded operations (traffic.Operation) to the linearizability checker, a Go program."""

import dataclasses
import json
import subprocess

from daemon import TOOLS


def verdict(operations):
    """(whether the operations are linearizable, output of the checker)."""
    checker = TOOLS / "linearizable"
    assert checker.exists(), f"{checker} is missing: scripts/test --stage release builds it"
    lines = "".join(json.dumps(dataclasses.asdict(o)) + "\n" for o in operations)
    result = subprocess.run([str(checker)], input=lines, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    return result.returncode == 0, result.stdout.strip()


def check(clients):
    sound, said = verdict([o for client in clients for o in client.operations])
    assert sound, said
