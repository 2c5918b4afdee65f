"""confregd convert-schema: schema files of the old service as JSON Schema."""

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest
from errors import refused

pytestmark = pytest.mark.any_store

PROGRAM = Path(os.environ.get("CONFREG_BUILD", "build")).resolve() / "confregd"
OLD = {"service_name": "billing", "schema_version": "1.0.0", "metadata": {"owner": "payments"}, "fields": {
    "host": {"type": "string", "source": "env", "env_var": "DB_HOST", "required": True, "description": "of the database"},
    "port": {"type": "int", "default": 5432, "required": True},
    "ratio": {"type": "float"}, "on": {"type": "bool"}, "tags": {"type": "array"}, "any": {"type": "object"},
    "pool": {"type": "object", "required": True, "properties": {"max": {"type": "int", "required": True}}},
    "password": {"type": "string", "source": "secret", "secret_name": "db_password"}}}
NEW = {"type": "object", "required": ["host", "pool"], "properties": {
    "host": {"type": "string", "description": "of the database"},
    "port": {"type": "integer", "default": 5432},
    "ratio": {"type": "number"}, "on": {"type": "boolean"}, "tags": {"type": "array"}, "any": {"type": "object"},
    "pool": {"type": "object", "properties": {"max": {"type": "integer"}}, "required": ["max"]},
    "password": {"type": "string"}}}


@pytest.fixture
def convert(tmp_path):
    def run(content, *arguments):
        path = tmp_path / "old.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return subprocess.run([PROGRAM, "convert-schema", *arguments, path.name], cwd=tmp_path, capture_output=True,
                              text=True, timeout=60)
    return run


def test_an_old_schema_becomes_a_json_schema(convert):
    done = convert(OLD)
    assert (done.returncode, json.loads(done.stdout)) == (0, NEW)
    jsonschema.Draft202012Validator.check_schema(NEW)
    assert done.stderr.splitlines() == [
        'old.json: host: left out: "source": "env"', 'old.json: host: left out: "env_var": "DB_HOST"',
        'old.json: password: left out: "source": "secret"', 'old.json: password: left out: "secret_name": "db_password"',
        'old.json: (root): left out: "service_name": "billing"', 'old.json: (root): left out: "schema_version": "1.0.0"',
        'old.json: (root): left out: "metadata": {"owner":"payments"}']


def test_the_body_sets_it(convert, rest, registry, name):
    done = convert(OLD, "--body")
    assert rest.put(f"/api/schemas/{name}", json.loads(done.stdout)).status == 201
    with refused("INVALID_ARGUMENT", "SCHEMA_VIOLATED", "config_data/pool"):
        registry.create(name, '{"host":"a","pool":{}}')
    registry.create(name, '{"host":"a","pool":{"max":1},"more":[]}')


def test_a_json_schema_stays_as_it_is(convert):
    done = convert(NEW)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, NEW, "")


@pytest.mark.parametrize(("content", "why"), [
    ("{", "old.json: "), ("[]", "neither"), ({"fields": []}, "neither"), ({"fields": {"a": 1}}, "a: is no object"),
    ({"fields": {"a": {"type": "object", "properties": {"b": {"type": "date"}}}}}, "a.b: its type is none of"),
    ({"type": "object", "properties": {"a": {"type": "int"}}}, "/properties/a/type: ")], ids=str)
def test_what_is_no_schema_is_refused(convert, content, why):
    done = convert(content)
    assert (done.returncode, done.stdout) == (1, "") and why in done.stderr


def test_arguments(convert):
    assert "usage:" in subprocess.run([PROGRAM, "convert-schema", "--help"], capture_output=True, text=True,
                                      timeout=60).stdout
    for arguments in ([], ["--body"], ["a", "b"], ["--none", "a"]):
        done = subprocess.run([PROGRAM, "convert-schema", *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "usage:" in done.stderr
