"""confregd check-schema: values against a schema, offline."""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.own_store

PROGRAM = Path(os.environ.get("CONFREG_BUILD", "build")).resolve() / "confregd"
SCHEMA = {"type": "object", "properties": {"port": {"type": "integer", "maximum": 65535},
                                           "host": {"format": "hostname"}},
          "required": ["port"], "additionalProperties": False}


@pytest.fixture
def check(tmp_path):
    """Writes each text to a file and runs check-schema on them."""
    def run(files, *arguments):
        for name, content in files.items():
            (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return subprocess.run([PROGRAM, "check-schema", *arguments], cwd=tmp_path,
                              capture_output=True, text=True, timeout=60)
    return run


def test_valid_values_print_nothing(check):
    done = check({"s.json": SCHEMA, "a.json": {"port": 1}, "b.json": {"port": 2, "host": "h"}},
                 "s.json", "a.json", "b.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("value", [1, "a", [1], None, True, 1.5])
def test_any_value_can_be_the_root(check, value):
    done = check({"s.json": {"enum": [1, "a", [1], None, True, 1.5]}, "v.json": json.dumps(value)},
                 "s.json", "v.json")
    assert (done.returncode, done.stdout) == (0, "")


def test_every_violation_of_every_value_is_printed(check):
    done = check({"s.json": SCHEMA, "good.json": {"port": 1}, "text.json": "{",
                  "bad.json": {"port": 65536, "host": "-", "x": "hunter2"}},
                 "s.json", "bad.json", "good.json", "text.json")
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "bad.json: /port: must be at most 65535 (schema: /properties/port/maximum)",
        "bad.json: /host: must be a host name (schema: /properties/host/format)",
        "bad.json: /x: is not allowed (schema: /additionalProperties)",
        "text.json: (root): the value ends too early at byte 1"]
    assert done.stderr == ""


def test_a_wrong_schema_is_1_with_all_that_is_wrong(check):
    done = check({"s.json": {"type": "text", "items": {"minimum": "1"}}, "v.json": 1}, "s.json", "v.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "s.json: /type: must be one of array, boolean, integer, null, number, object, string",
        "s.json: /items/minimum: must be a number"]


def test_other_schemas_are_given_by_their_uri(check):
    files = {"s.json": {"properties": {"a": {"$ref": "confreg:/other#/$defs/n"}}},
             "o.json": {"$defs": {"n": {"minimum": 5}}}, "v.json": {"a": 4}}
    done = check(files, "--ref", "confreg:/other=o.json", "s.json", "v.json")
    assert done.returncode == 2
    assert done.stdout == "v.json: /a: must be at least 5 (schema: confreg:/other#/$defs/n/minimum)\n"
    done = check(files, "s.json", "v.json")
    assert done.returncode == 1
    assert 'refers to "confreg:/other#/$defs/n", which is not known' in done.stderr


@pytest.mark.parametrize("arguments", [[], ["s.json"], ["--none", "s.json", "v.json"],
                                       ["--ref", "x", "s.json", "v.json"], ["--ref"],
                                       ["none.json", "v.json"], ["s.json", "none.json"],
                                       ["--ref", "confreg:/o=none.json", "r.json", "v.json"]])
def test_wrong_arguments_and_files_are_1(check, arguments):
    done = check({"s.json": True, "v.json": 1, "r.json": {"$ref": "confreg:/o"}}, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr


def test_help_is_printed(check):
    done = check({}, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: confregd check-schema")
