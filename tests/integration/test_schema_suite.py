"""The validator of JSON Schema against the official JSON-Schema-Test-Suite, which the source archive
of Python's jsonschema carries, and against that package on schemas and values made at random."""

import json
import os
import tarfile
from pathlib import Path

import jsonschema
import pytest
from schemas import DRAFTS, schema_lines, with_dialect
from seed import SAID, chance

pytestmark = pytest.mark.own_store

BUILD = Path(os.environ.get("CONFREG_BUILD", "build"))
PROGRAM = BUILD / "tests" / "schema_lines"

# Optional tests that fail, by file: how many in draft 7 and in 2020-12. docs/schemas.md says why.
NOT_DONE = {
    "bignum.json": (7, 7),
    "content.json": (4, 0),
    "cross-draft.json": (2, 1),
    "dependencies-compatibility.json": (0, 14),
    "format/idn-email.json": (2, 2),
    "format/idn-hostname.json": (34, 34),
    "format/uri-template.json": (1, 1),
}
# Formats are asserted in these; elsewhere the suite takes them for annotations.
ASSERTED = ("format/", "ecmascript-regex.json")


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """The folder of the suite, unpacked."""
    folder = tmp_path_factory.mktemp("suite")
    archives = list((Path(os.environ["CONFREG_TOOLS"]).parent / "jsonschema").glob("jsonschema-*.tar.gz"))
    assert len(archives) == 1, "scripts/lib.sh (schema_suite) has not brought the archive"
    with tarfile.open(archives[0]) as archive:
        # Debian 12's Python has no filter that keeps members inside the folder: take plain files only.
        archive.extractall(folder, [member for member in archive if member.isfile()
                                    and ".." not in Path(member.name).parts])
    return next(folder.glob("jsonschema-*")) / "json"


def remotes_of(suite, draft):
    folder = suite / "remotes"
    texts = {path.relative_to(folder).as_posix(): json.loads(path.read_text())
             for path in folder.rglob("*.json")}
    others = tuple(f"draft{name}" for name in ("3", "4", "6", "2019-09", "-next"))
    return {f"http://localhost:1234/{name}": with_dialect(schema, DRAFTS[draft])
            for name, schema in texts.items() if not name.startswith(others)}


def has_large_number(text):
    """Numbers beyond what the registry stores at all."""
    try:
        return any(abs(n) >= 2**63 for n in integers(json.loads(text)))
    except RecursionError:
        return False


def integers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from integers(item)
    elif isinstance(value, int):
        yield value


def run(lines, draft, path, formats):
    """(tests, descriptions of those that fail) of a file of the suite."""
    total, failed = 0, []
    for group in json.loads(path.read_text()):
        schema = with_dialect(group["schema"], DRAFTS[draft])
        for case in group["tests"]:
            total += 1
            text = json.dumps({"schema": schema, "formats": formats, "values": [case["data"]]})
            answer = {} if has_large_number(text) else lines.ask(text)
            if "valid" not in answer or (answer["valid"] == [[]]) != case["valid"]:
                failed.append(f"{path.name}: {group['description']}: {case['description']}: {answer}")
    return total, failed


@pytest.mark.parametrize("draft", DRAFTS)
def test_every_required_test_of_the_suite_passes(suite, tmp_path, draft):
    total, failed = 0, []
    with schema_lines(PROGRAM, tmp_path, remotes_of(suite, draft)) as lines:
        for path in sorted((suite / "tests" / draft).glob("*.json")):
            n, wrong = run(lines, draft, path, False)
            total += n
            failed += wrong
    assert total > 900
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("draft", DRAFTS)
def test_of_the_optional_tests_those_fail_that_are_listed(suite, tmp_path, draft):
    found, failed = {}, []
    folder = suite / "tests" / draft / "optional"
    with schema_lines(PROGRAM, tmp_path, remotes_of(suite, draft)) as lines:
        for path in sorted(folder.rglob("*.json")):
            name = path.relative_to(folder).as_posix()
            _, wrong = run(lines, draft, path, name.startswith(ASSERTED))
            if wrong:
                found[name] = len(wrong)
                failed += wrong
    column = list(DRAFTS).index(draft)
    listed = {name: counts[column] for name, counts in NOT_DONE.items() if counts[column] > 0}
    assert found == listed, "\n".join(failed)


def test_optional_tests_that_fail_are_documented():
    page = (Path(__file__).parents[2] / "docs" / "schemas.md").read_text()
    for name, counts in NOT_DONE.items():
        assert f"| `{name}` | {counts[0]} | {counts[1]} |" in page, name


# ---- Against Python's jsonschema ----

NAMES = ["a", "b", "c", "d/e", "f~"]
TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"]
PATTERNS = ["^a", "b$", "^[a-c]*$", "a|b", "c{2}"]


def scalar(rng):
    return rng.choice([None, True, False, 0, 1, 2, 3, -1, 1.0, 2.5, 10, 1e3, "", "a", "b", "ab", "abc",
                       "cc", "é", "\U0001f600"])


def value(rng, levels=3):
    kind = rng.random()
    if levels == 0 or kind < 0.4:
        return scalar(rng)
    if kind < 0.7:
        return [value(rng, levels - 1) for _ in range(rng.randrange(5))]
    return {name: value(rng, levels - 1) for name in rng.sample(NAMES, rng.randrange(5))}


def schemas(rng, levels):
    return [schema(rng, levels - 1) for _ in range(rng.randrange(1, 4))]


def by_name(rng, levels, names):
    return {name: schema(rng, levels - 1) for name in rng.sample(names, rng.randrange(1, 4))}


KEYWORDS = {
    "type": lambda r, n: r.choice([r.choice(TYPES), r.sample(TYPES, r.randrange(1, 5))]),
    "enum": lambda r, n: [value(r, 1) for _ in range(r.randrange(1, 6))],
    "const": lambda r, n: value(r, 1),
    "multipleOf": lambda r, n: r.choice([1, 2, 0.5, 5]),
    "maximum": lambda r, n: r.choice([0, 1, 2.5, 10]),
    "minimum": lambda r, n: r.choice([0, 1, 2.5, 10]),
    "exclusiveMaximum": lambda r, n: r.choice([0, 1, 2.5, 10]),
    "exclusiveMinimum": lambda r, n: r.choice([0, 1, 2.5, 10]),
    "maxLength": lambda r, n: r.randrange(4),
    "minLength": lambda r, n: r.randrange(4),
    "pattern": lambda r, n: r.choice(PATTERNS),
    "maxItems": lambda r, n: r.randrange(4),
    "minItems": lambda r, n: r.randrange(4),
    "uniqueItems": lambda r, n: r.random() < 0.8,
    "maxProperties": lambda r, n: r.randrange(4),
    "minProperties": lambda r, n: r.randrange(4),
    "required": lambda r, n: r.sample(NAMES, r.randrange(3)),
    "items": lambda r, n: schema(r, n - 1),
    "contains": lambda r, n: schema(r, n - 1),
    "properties": lambda r, n: by_name(r, n, NAMES),
    "patternProperties": lambda r, n: by_name(r, n, PATTERNS),
    "additionalProperties": lambda r, n: schema(r, n - 1),
    "propertyNames": lambda r, n: schema(r, n - 1),
    "allOf": schemas, "anyOf": schemas, "oneOf": schemas,
    "not": lambda r, n: schema(r, n - 1),
    "if": lambda r, n: schema(r, n - 1),
    "then": lambda r, n: schema(r, n - 1),
    "else": lambda r, n: schema(r, n - 1),
}
ONLY_2020 = {
    "minContains": lambda r, n: r.randrange(3),
    "maxContains": lambda r, n: r.randrange(3),
    "prefixItems": schemas,
    "dependentRequired": lambda r, n: {r.choice(NAMES): r.sample(NAMES, r.randrange(3))},
    "dependentSchemas": lambda r, n: by_name(r, n, NAMES),
    "unevaluatedItems": lambda r, n: schema(r, n - 1),
    "unevaluatedProperties": lambda r, n: schema(r, n - 1),
}
ONLY_7 = {
    "items": lambda r, n: r.choice([schema, schemas])(r, n),
    "additionalItems": lambda r, n: schema(r, n - 1),
    "dependencies": lambda r, n: {r.choice(NAMES): r.choice([r.sample(NAMES, r.randrange(3)),
                                                             schema(r, n - 1)])},
}


def schema(rng, levels=3):
    """rng.known: the keywords to choose from."""
    if levels <= 0 or rng.random() < 0.1:
        return rng.choice([True, False, {"type": rng.choice(TYPES)}])
    names = rng.sample(sorted(rng.known), rng.randrange(1, 5))
    made = {name: rng.known[name](rng, levels) for name in names}
    if isinstance(made.get("items"), bool):  # which jsonschema does not survive in draft 7
        made.pop("additionalItems", None)
    return made


def whole_schema(rng, draft):
    """With what `$ref` may name; none of these leads on, so that there are no loops."""
    rng.known = {**KEYWORDS, **(ONLY_7 if draft == "draft7" else ONLY_2020)}
    place = "definitions" if draft == "draft7" else "$defs"
    refs = [f"#/{place}/x", f"#/{place}/y", "#z"]
    leaves = {"x": schema(rng, 2), "y": schema(rng, 1)}
    z = {"$id": "#z"} if draft == "draft7" else {"$anchor": "z"}
    leaves["z"] = {**z, "type": rng.choice(TYPES)}
    rng.known["$ref"] = lambda r, n: r.choice(refs)
    return {"$schema": DRAFTS[draft], place: leaves, "allOf": [schema(rng)], **schema_object(rng)}


def schema_object(rng):
    made = schema(rng)
    return made if isinstance(made, dict) else {}


@pytest.mark.parametrize("draft", DRAFTS)
def test_random_schemas_and_values_are_judged_as_by_jsonschema(tmp_path, draft):
    rng = chance("schemas", draft)
    validator = {"draft7": jsonschema.Draft7Validator,
                 "draft2020-12": jsonschema.Draft202012Validator}[draft]
    counts = {True: 0, False: 0}
    with schema_lines(PROGRAM, tmp_path, {}) as lines:
        for _ in range(1500):
            made = whole_schema(rng, draft)
            values = [value(rng) for _ in range(6)]
            for given, violations in zip(values, lines.violations(made, values)):
                wanted = validator(made).is_valid(given)
                counts[wanted] += 1
                assert (violations == []) == wanted, \
                    f"{SAID}: {json.dumps(made)} {json.dumps(given)}: {wanted}, {violations}"
    assert min(counts.values()) > 500, counts
