"""ConfigUpdate: the body of an update over HTTP, as the documentation of the service shows it."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass
class ConfigUpdate:
    """TypeError: config_data is no dict."""

    config_data: dict[str, Any]
    comment: str | None = None
    created_by: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.config_data, dict):
            raise TypeError(f"config_data is a dict, not {type(self.config_data).__name__}")

    def model_dump(self, *, exclude_none: bool = False) -> dict[str, Any]:
        """The members as a dict, such as for the `json` of an HTTP client."""
        members = dataclasses.asdict(self)
        if exclude_none:
            return {name: value for name, value in members.items() if value is not None}
        return members

    dict = model_dump
