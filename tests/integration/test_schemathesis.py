"""schemathesis sends requests of all kinds that openapi.json allows, and of kinds that it does not, to
a running gateway; each answer has to be a documented one."""

import json
import os
import subprocess

import pytest
import seed
from daemon import TOOLS, Confregd, Gateway

pytestmark = [pytest.mark.any_store, pytest.mark.own_checks]

# positive_data_acceptance is left out: what exists, the conditions of a write and the finer rules of
# JSON (surrogates, numbers, depth) decide as well, and no schema tells these.
CONFIGURATION = """
[checks.positive_data_acceptance]
enabled = false

[checks.negative_data_rejection]
expected-statuses = ["400", "404", "405", "409", "410", "412", "413", "414", "415", "422",
    "5xx"]
"""


def test_every_answer_is_documented(launch, tmp_path):
    """All routes but /api/watch, whose answer does not end; test_watch_parameters.py has it."""
    gateway = launch(Gateway, launch(Confregd).start().listen).start()
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    report = tmp_path / "report.json"
    ended = subprocess.run(
        [TOOLS / "schemathesis", "run", f"{gateway.url}/openapi.json", "--exclude-path", "/api/watch",
         "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "10",
         "--workers", "1", "--seed", str(seed.SEED), "--request-timeout", "20",
         "--continue-on-failure", "--no-color", "--report-json-path", report],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]
    assert json.loads(report.read_text())
    gateway.assert_alive()
