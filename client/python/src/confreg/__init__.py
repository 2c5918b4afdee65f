"""Client of the confreg configuration registry.

    from confreg import RegistryConfigProvider

    config = RegistryConfigProvider("http://127.0.0.1:8000", "billing", environment="prod")
    config.get_int("pool", 10)          # follows the registry by itself

Client has every call of the API, ConfigWatcher calls back, AsyncClient is for asyncio.
"""

from ._connection import Credentials
from ._follow import Selector
from ._follow import Update as WatchUpdate
from ._pages import AsyncPages, Pages
from ._watch import AsyncWatch, Watch
from .aio import AsyncClient
from .client import Client
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
                     Access,
                     Batch,
                     Breach,
                     Change,
                     Commit,
                     CommitResult,
                     Config,
                     Create,
                     Delete,
                     Diff,
                     Grant,
                     Position,
                     Relay,
                     Rollback,
                     Status,
                     Suspect,
                     Undelete,
                     Update,
                     WatchProgress,
                     WriteResult,
)
from .provider import LOADING, READY, STALE, RegistryConfigProvider
from .subscriber import Subscriber, create_subscriber
from .typed_config import ConfigSchemaError, ConfigValidationError, TypedConfig, load_typed_config
from .updates import ConfigUpdate
from .watcher import ConfigWatcher

__all__ = [
    "LOADING", "READY", "STALE", "Access", "AlreadyExistsError", "AsyncClient", "AsyncPages",
    "AsyncWatch", "Batch", "Breach", "Change", "Client", "Commit", "CommitResult", "Config",
    "ConfigSchemaError", "ConfigUpdate", "ConfigValidationError", "ConfigWatcher", "ConflictError",
    "ConfregError", "Create", "Credentials", "Delete", "Diff", "FailedPreconditionError", "Grant",
    "InvalidArgumentError", "NotFoundError", "OutOfRangeError", "Pages", "PermissionDeniedError",
    "Position", "RegistryConfigProvider", "Relay", "ResourceExhaustedError", "Rollback", "Selector",
    "Status", "Subscriber", "Suspect", "TypedConfig", "UnauthenticatedError", "UnavailableError",
    "Undelete", "Update", "Watch", "WatchProgress", "WatchUpdate", "WriteResult",
    "create_subscriber", "load_typed_config",
]
