"""Validation by JSON Schema: by itself, in a write, and of all that is there."""

import json
import statistics
import subprocess
import threading
import time

from harness import ROOT, SERVICE, figure
from loads import GrpcLoad, field, payload, switch
from programs import Confregd, Gateway, fetch

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


@figure("update-schema")
def update_under_a_schema(bench):
    """UpdateConfig of 500 bytes under a JSON Schema of 30 properties against one without, 50 in flight, on disk."""
    schema, value = thirty_properties()
    text = json.dumps(value, separators=(",", ":"))
    loads = []
    for title in ("with a schema", "without"):
        server = bench.start(Confregd(bench))
        gateway = bench.start(Gateway(bench, server))
        if title == "with a schema":
            set_schema(gateway, "written", schema)
        loads.append(GrpcLoad(bench, title, server, SERVICE + "UpdateConfig",
                              field(1, "prod") + field(2, "written") + field(3, text) + switch(8),
                              connections=1, streams=50))
    ratio, note = bench.compare(*loads, bench.scaled(20_000, 10_000))
    bench.row("UpdateConfig under a schema against without", f"{ratio:.2f}", "0.95", note)


def set_schema(gateway, service, schema):
    fetch(f"http://{gateway.http}/api/schemas/{service}", json.dumps({"schema": schema}).encode(), "PUT")


def fill_environments(gateway, service, value, count):
    """One service in many environments."""
    for start in range(0, count, 100):
        changes = [{"create": {"service_name": service, "environment": f"e{number:06}", "config_data": value}}
                   for number in range(start, min(start + 100, count))]
        fetch(f"http://{gateway.http}/api/commits", json.dumps({"changes": changes}).encode(), "POST")


@figure("schema-try")
def schema_tried(bench):
    """A schema of 30 properties, tried against 100,000 live configs of 500 bytes and set, while others are
    written, 50 in flight, on disk."""
    schema, value = thirty_properties()
    server = bench.start(Confregd(bench))
    gateway = bench.start(Gateway(bench, server))
    count = bench.scaled(100_000, 20_000)
    fill_environments(gateway, "tried", value, count)
    load = GrpcLoad(bench, "writes", server, SERVICE + "UpdateConfig",
                    field(1, "prod") + field(2, "written") + field(3, payload(500)) + switch(8),
                    connections=1, streams=50)
    ended = threading.Event()

    def write():
        while not ended.is_set():
            load.run(5000)

    writes = threading.Thread(target=write)
    writes.start()
    url = f"http://{gateway.http}/api/schemas/tried/try"
    tried, put = [], []
    for _ in range(bench.rounds):
        start = time.monotonic()
        answer = fetch(url, json.dumps({"schema": schema}).encode(), "POST")
        tried.append(time.monotonic() - start)
        assert (answer["checked"], answer["breaches"], answer["next"]) == (count, [], None), answer
        start = time.monotonic()
        set_schema(gateway, "tried", schema)
        put.append(time.monotonic() - start)
    ended.set()
    writes.join()
    note = f"writes go on, their p99 {statistics.median(load.p99s):.1f} ms"
    bench.row(f"a schema tried against {count:,} configs", f"{statistics.median(tried):.2f} s", "1 s or less", note)
    bench.row("the same set", f"{statistics.median(put):.2f} s", "", note)


# Schemas and values that are known to take validators down, with what they are.
HOSTILE = [
    ("^(a+)+$", {"pattern": "^(a+)+$"}, "a" * 60 + "!"),
    ("^(a|b)*$ of 200 kB", {"pattern": "^(a|b)*$"}, "ab" * 100_000),
    ("^(a|a)*$", {"pattern": "^(a|a)*$"}, "a" * 60 + "!"),
    ("nested alternatives", {"pattern": "^((a|ab)(b|bb)?)*c$"}, "ab" * 5_000),
    ("many anyOf", {"$defs": {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]}
                              for n in range(40)} | {"d40": False}, "$ref": "#/$defs/d0"}, 1),
    ("uniqueItems of 20,000", {"uniqueItems": True}, [{"n": n} for n in range(20_000)]),
    ("a list in itself", {"items": {"$ref": "#"}}, json.loads("[" * 60 + "]" * 60)),
    ("a number of 300 digits", {"multipleOf": 0.01}, float("1e300")),
]


@figure("schema-hostile")
def hostile(bench):
    """Schemas and values that take validators down: the longest of them."""
    longest, name = 0, ""
    for title, made, value in HOSTILE:
        paths = [bench.new_file(json.dumps(part).encode(), ".json") for part in (made, value)]
        done = subprocess.run([bench.build / "bench" / "bench_schema", *paths, "0"], check=True, capture_output=True,
                              text=True)
        milliseconds = json.loads(done.stdout)["ns"] / 1e6
        longest, name = max((longest, name), (milliseconds, title))
    bench.row(f"the worst of {len(HOSTILE)} hostile schemas", f"{longest:.1f} ms", "20 ms or less", name)
