"""The conformance program, and the clients of this tree under it."""

import subprocess
import sys

import pytest
from daemon import ROOT

pytestmark = [pytest.mark.own_store, pytest.mark.own_checks]

PROGRAM = ROOT / "tests/conformance/run"
CLIENTS = ROOT / "tests/conformance/clients"

# What starts each client; {address} is the server's.
COMMANDS = {
    "reference": [sys.executable, CLIENTS / "reference.py", "{address}"],
}


@pytest.mark.parametrize("client", COMMANDS)
def test_a_client_keeps_the_contract(client):
    played = subprocess.run([sys.executable, PROGRAM, "--", *COMMANDS[client]], text=True,
                            capture_output=True, check=False, timeout=300)
    assert played.returncode == 0, played.stdout + played.stderr
