"""For tests of programs that use the registry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

_overrides: list[tuple[str | None, Mapping[str, Any]]] = []


@contextlib.contextmanager
def overrides(values: Mapping[str, Any], service_name: str | None = None) -> Iterator[None]:
    """Within the block every provider (of this service, if one is named) has these values and no
    others, without a registry. The innermost block counts."""
    entry = (service_name, dict(values))
    _overrides.append(entry)
    try:
        yield
    finally:
        _overrides.remove(entry)


def is_active() -> bool:
    """Whether any block is open."""
    return bool(_overrides)


def values_of(service_name: str) -> Mapping[str, Any] | None:
    """What a block sets for the service; None: no block does."""
    fitting = [values for name, values in _overrides if name in (None, service_name)]
    return fitting[-1] if fitting else None
