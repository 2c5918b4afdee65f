"""JSON without loss: integers are exact, and numbers with a fraction are floats or, if asked for,
decimals that keep every digit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any


def loads(data: bytes | str, decimals: bool = False) -> Any:
    """ValueError: it is no JSON, or nests deeper than Python's stack."""
    try:
        return json.loads(data, parse_float=Decimal if decimals else float)
    except RecursionError:
        raise ValueError("the JSON nests too deep") from None


def _parts(value: Any) -> Iterator[str]:
    """The text of a value that contains decimals, in pieces."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"JSON has no number {value}")
        yield str(value)
    elif isinstance(value, dict):
        yield "{"
        for i, (key, member) in enumerate(value.items()):
            if not isinstance(key, str):
                raise TypeError(f"keys of JSON objects are texts, not {type(key).__name__}")
            yield ("," if i else "") + json.dumps(key, ensure_ascii=False) + ":"
            yield from _parts(member)
        yield "}"
    elif isinstance(value, (list, tuple)):
        yield "["
        for i, item in enumerate(value):
            yield "," if i else ""
            yield from _parts(item)
        yield "]"
    else:
        yield json.dumps(value, allow_nan=False, ensure_ascii=False)


def dumps(value: Any) -> bytes:
    """TypeError: it has something that is no JSON; ValueError: a number that is not finite."""
    return "".join(_parts(value)).encode()
