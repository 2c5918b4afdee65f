"""Numbers in differences are compared by exact decimal value; Python's decimal is the oracle."""

import decimal
import json

import pytest
from seed import chance

pytestmark = pytest.mark.any_store

PAIRS = [("0.1", "0.10000000000000001"), ("123456789012345678.5", "123456789012345678.25"),
         ("1e-400", "0"), ("1", "1.0"), ("10", "1e1"), ("0", "-0.0"), ("0e999999999999", "0"),
         ("1e-999999999999", "10e-1000000000000"), ("1e-999999999999", "1e-1000000000000")]


def spelled(rng, digits, exponent):
    """0.DIGITS * 10^exponent in one of the ways to write it."""
    digits += "0" * rng.randrange(3)
    whole = rng.randrange(len(digits) + 1)
    exponent -= whole
    sign = rng.choice(["", "+"]) if exponent >= 0 else ""
    return f"{digits[:whole] or '0'}.{digits[whole:] or '0'}{rng.choice('eE')}{sign}{exponent}"


def number(rng):
    """Two spellings of numbers that are equal, or differ in one place far down."""
    digits = "1" + "".join(rng.choice("0059") for _ in range(rng.randrange(40)))
    exponent = rng.choice([0, 1, 5, 18, 300, -1, -20, -324, -400, -10**6, -10**15])
    other, other_exponent = digits, exponent
    if rng.random() < 0.3:
        at = rng.randrange(1, len(digits) + 1)
        other = digits[:at] + str(rng.randrange(10)) + digits[at + 1:]
    elif rng.random() < 0.2:
        other_exponent += rng.choice([-1, 1])
    sign = rng.choice(["", "-"])
    other_sign = sign if rng.random() < 0.9 else ""
    return (sign + spelled(rng, digits, exponent),
            other_sign + spelled(rng, other, other_exponent))


def test_numbers_in_differences_compare_as_decimal_values(registry, name):
    rng = chance("numbers")
    pairs = PAIRS + [number(rng) for _ in range(4000)]
    differ = {f"k{i}" for i, (a, b) in enumerate(pairs)
              if decimal.Decimal(a) != decimal.Decimal(b)}
    assert len(pairs) * 0.2 < len(differ) < len(pairs) * 0.8
    registry.create(name, "{%s}" % ",".join(f'"k{i}":{a}' for i, (a, _) in enumerate(pairs)))
    registry.update(name, "{%s}" % ",".join(f'"k{i}":{b}' for i, (_, b) in enumerate(pairs)))
    diff = registry.diff(name).diff
    assert {entry.key for entry in diff.changed} == differ
    assert {step["path"][1:] for step in json.loads(diff.json_patch)} == differ


def test_numbers_deep_in_lists_and_objects(registry, rest, name):
    registry.create(name, '{"same":[{"a":1},[0]],"other":[{"a":0.1},[0]]}', environment="default")
    registry.update(name, '{"same":[{"a":1.0},[-0]],"other":[{"a":0.10000000000000001},[-0]]}',
                    environment="default")
    assert [entry.key for entry in
            registry.diff(name, environment="default").diff.changed] == ["other"]
    answer = rest.get(f"/api/configs/{name}/diff")
    assert list(answer.json()["changed"]) == ["other"]
