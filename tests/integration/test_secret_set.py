"""How well secrets are found, over a labelled set made from a seed; no server takes part."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from secret_set import SERVICES, Maker, Measured, find

pytestmark = pytest.mark.own_store

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CONFREG_BUILD", "build")).resolve() / "bench" / "bench_secrets"


def test_precision_recall_and_false_alarms():
    measured = Measured(PROGRAM, 1)
    assert measured.lines >= 500 and measured.services >= 40 and measured.ordinary >= 2000
    assert measured.precision >= 0.99, measured.false[:5]
    assert measured.recall >= 0.95, measured.misses[:5]
    assert len(measured.alarms) <= measured.ordinary // 1000, measured.alarms[:5]


def test_each_service_is_found():
    """None is missed always: a form of the set and a rule belong together."""
    maker = Maker(2)
    configs = [{"value": make(maker)} for make in SERVICES.values() for _ in range(5)]
    found = find(PROGRAM, configs)
    for number, name in enumerate(SERVICES):
        hits = [bool(one) for one in found[number * 5:number * 5 + 5]]
        assert sum(hits) >= 4, name


def test_the_documentation_has_all_rules():
    """docs/secrets.md lists what `bench_secrets rules` prints."""
    done = subprocess.run([PROGRAM, "rules"], check=True, capture_output=True, text=True)
    rules = [tuple(line.split("\t")) for line in done.stdout.splitlines()]
    text = (ROOT / "docs" / "secrets.md").read_text().partition("## What is found")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", text, re.M)) == sorted(rules)
