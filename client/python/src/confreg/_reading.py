"""What a provider or a watcher follows, and what it reads."""

from __future__ import annotations

import dataclasses

from .models import Json


@dataclasses.dataclass(frozen=True)
class Name:
    service_name: str
    environment: str
    resolve: bool = False  # merged over the environment "default"


@dataclasses.dataclass(frozen=True)
class Reading:
    """The config as the registry has it now. `tag` is another one after each change."""

    data: Json | None  # None: there is no such config
    version: int = 0
    tag: str = ""
