"""Validation by JSON Schema, by itself: no server takes part."""

import json
import statistics
import subprocess

from harness import ROOT, figure

# What a property of the schema is like, and its value.
PROPERTIES = [({"type": "string", "minLength": 1, "maxLength": 64}, "some text"),
              ({"type": "integer", "minimum": 0, "maximum": 65535}, 8080),
              ({"type": "boolean"}, True),
              ({"enum": ["a", "b", "c"]}, "b"),
              ({"type": "string", "pattern": "^[a-z][a-z0-9-]*$"}, "name-one"),
              ({"type": "array", "items": {"type": "string"}}, ["x", "y"])]

# Prints the microseconds of processor time that Python's jsonschema takes.
PYTHON = """
import json, sys, time, jsonschema
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
value = json.load(open(sys.argv[2]))
start = time.process_time()
for n in range(500):
    assert validator.is_valid(value)
print((time.process_time() - start) / 500 * 1e6)
"""


def thirty_properties():
    names = [f"property{number:02}" for number in range(30)]
    kinds = [PROPERTIES[number % len(PROPERTIES)] for number in range(30)]
    schema = {"type": "object", "additionalProperties": False, "required": names[:10],
              "properties": {name: kind for name, (kind, _) in zip(names, kinds)}}
    # As many of them as make 500 bytes.
    return schema, {name: value for name, (_, value) in list(zip(names, kinds))[:24]}


@figure("schema")
def schema(bench):
    """500 bytes under a JSON Schema of 30 properties: the validator's processor time, against that of
    Python's jsonschema."""
    made, value = thirty_properties()
    text = json.dumps(value, separators=(",", ":")).encode()
    paths = [bench.new_file(json.dumps(made).encode(), ".json"), bench.new_file(text, ".json")]
    ours, python = [], []
    for _ in range(bench.rounds):
        done = subprocess.run([bench.build / "bench" / "bench_schema", *paths, "0.2"], check=True,
                              capture_output=True, text=True)
        answer = json.loads(done.stdout)
        assert answer["valid"]
        ours.append(answer["ns"] / 1000)
        done = subprocess.run([ROOT / "build" / "tools" / "venv" / "bin" / "python", "-c", PYTHON, *paths],
                              check=True, capture_output=True, text=True)
        python.append(float(done.stdout))
    ratio = statistics.median(theirs / own for theirs, own in zip(python, ours))
    bench.row("JSON Schema of 30 properties, a value", f"{statistics.median(ours):.2f} us", "3 us or less",
              f"{len(text)} bytes")
    bench.row("JSON Schema against Python's jsonschema", f"{ratio:.0f}", "100",
              f"jsonschema {statistics.median(python):.0f} us")
