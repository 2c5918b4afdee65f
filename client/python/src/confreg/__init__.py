"""Client of the confreg configuration registry.

    from confreg import RegistryConfigProvider

    config = RegistryConfigProvider("http://127.0.0.1:8000", "billing", environment="prod")
    config.get_int("pool", 10)          # follows the registry by itself

Client has every call of the API, ConfigWatcher calls back, AsyncClient is for asyncio.
"""

from ._calls import Page
from ._connection import Credentials
from ._follow import Selector
from ._follow import Update as WatchUpdate
from .aio import AsyncClient
from .client import Client, Watch
from .errors import (
                     AlreadyExistsError,
                     ConflictError,
                     ConfregError,
                     FailedPreconditionError,
                     InvalidArgumentError,
                     NotFoundError,
                     OutOfRangeError,
                     PermissionDeniedError,
                     ResourceExhaustedError,
                     UnauthenticatedError,
                     UnavailableError,
)
from .models import (
                     Breach,
                     Change,
                     Commit,
                     Config,
                     Create,
                     Delete,
                     Diff,
                     Position,
                     Rollback,
                     Status,
                     Undelete,
                     Update,
                     WriteResult,
)
from .provider import LOADING, READY, STALE, RegistryConfigProvider
from .subscriber import Subscriber, create_subscriber
from .typed_config import ConfigSchemaError, ConfigValidationError, TypedConfig, load_typed_config
from .updates import ConfigUpdate
from .watcher import ConfigWatcher

__all__ = [
    "LOADING", "READY", "STALE", "AlreadyExistsError", "AsyncClient", "Breach", "Change", "Client",
    "Commit", "Config", "ConfigSchemaError", "ConfigUpdate", "ConfigValidationError", "ConfigWatcher",
    "ConflictError", "ConfregError", "Create", "Credentials", "Delete", "Diff",
    "FailedPreconditionError", "InvalidArgumentError", "NotFoundError", "OutOfRangeError", "Page",
    "PermissionDeniedError", "Position", "RegistryConfigProvider", "ResourceExhaustedError",
    "Rollback", "Selector", "Status", "Subscriber", "TypedConfig", "UnauthenticatedError",
    "UnavailableError", "Undelete", "Update", "Watch", "WatchUpdate", "WriteResult",
    "create_subscriber", "load_typed_config",
]
