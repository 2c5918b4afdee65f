"""References in texts of a config: ${env:NAME} stands for a variable of the environment, ${file:PATH}
for the content of a file without white space at its end. They keep secrets out of the registry."""

from __future__ import annotations

import logging
import os
import pathlib
import re
from typing import Any

MISSING: Any = object()  # a value that is not there

_log = logging.getLogger("confreg")
_FILE_MAX = 1 << 20  # bytes
_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


class _NotThere(Exception):
    """What a reference names is not there."""


def replaced(value: Any) -> Any:
    """The value with what its references stand for, as of now. MISSING: one of them leads nowhere, which
    is logged. The value itself stays as it is."""
    try:
        return _replaced(value)
    except _NotThere as error:
        _log.warning("%s", error)
        return MISSING


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(_content, value) if "${" in value else value
    if isinstance(value, dict):
        return {key: _replaced(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_replaced(item) for item in value]
    return value


def _read(path: pathlib.Path) -> str:
    """A regular file: a pipe would hold up the caller, a device has no end."""
    if not path.is_file():
        raise OSError(f"{path} is no file")
    with path.open("rb") as file:
        content = file.read(_FILE_MAX + 1)
    if len(content) > _FILE_MAX:
        raise OSError(f"{path} has more than {_FILE_MAX} bytes")
    return content.decode()


def _content(found: re.Match[str]) -> str:
    kind, name = found.groups()
    if kind == "env":
        if name not in os.environ:
            raise _NotThere(f"the variable {name}, which a config refers to, is not set")
        return os.environ[name]
    try:
        return _read(pathlib.Path(name)).rstrip()
    except (OSError, ValueError) as error:
        raise _NotThere(f"a file that a config refers to cannot be read: {error}") from None
