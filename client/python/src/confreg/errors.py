"""Errors of the registry: one class a gRPC status code, with the server's stable reason."""

from __future__ import annotations

from typing import Any

import grpc

from . import _api


class ConfregError(Exception):
    """A call has failed.

    code     the name of the gRPC status, "NOT_FOUND"
    reason   the server's stable reason, "CONFIG_NOT_FOUND"; "": the server gave none
    field    the path of the request's member that is at fault; "": none
    details  numbers and names, such as current_version or limit, as texts
    faults   all (field, description) of a refused value
    retry_after  when to try again at the earliest, in seconds; 0: it is not said
    """

    def __init__(self, message: str, code: str = "UNKNOWN", reason: str = "", field: str = "",
                 details: dict[str, str] | None = None,
                 faults: tuple[tuple[str, str], ...] = (), retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.field = field
        self.details = details or {}
        self.faults = faults
        self.retry_after = retry_after

    def __str__(self) -> str:
        return ": ".join(part for part in (self.reason or self.code, self.message) if part)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.code, self.reason, self.field, self.details,
                            self.faults, self.retry_after)


class NotFoundError(ConfregError):
    """There is no such config or version."""


class AlreadyExistsError(ConfregError):
    """The config to be created exists."""


class ConflictError(ConfregError):
    """A condition of a write does not hold: somebody else was first (ABORTED)."""


class InvalidArgumentError(ConfregError):
    """The request is refused; field names the member."""


class FailedPreconditionError(ConfregError):
    """The state of the registry forbids it, such as another epoch or an erased payload."""


class OutOfRangeError(ConfregError):
    """The revision was compacted, or does not exist yet."""


class ResourceExhaustedError(ConfregError):
    """A limit was exceeded, or the server is overloaded."""


class UnauthenticatedError(ConfregError):
    """The credentials are missing, wrong or expired."""


class PermissionDeniedError(ConfregError):
    """The caller may not do this."""


class UnavailableError(ConfregError):
    """The registry cannot be reached, or did not answer in time. With the reason OUTCOME_UNKNOWN it
    is not known whether a write happened: repeat it with the same request_id."""


_CLASSES: dict[str, type[ConfregError]] = {
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "ABORTED": ConflictError,
    "INVALID_ARGUMENT": InvalidArgumentError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "OUT_OF_RANGE": OutOfRangeError,
    "RESOURCE_EXHAUSTED": ResourceExhaustedError,
    "UNAUTHENTICATED": UnauthenticatedError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": UnavailableError,
}

_MOST_RETRY_AFTER = 24 * 3600  # seconds; a longer wait is not believed: no timer may take it

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


def believed(retry_after: float) -> float:
    """0 for a wait that nobody can mean."""
    return retry_after if 0 < retry_after <= _MOST_RETRY_AFTER else 0.0


def of_status(status: Any) -> ConfregError:
    """The error of a google.rpc.Status."""
    code = _CODES.get(status.code, "UNKNOWN")
    reason, field = "", ""
    details: dict[str, str] = {}
    faults: list[tuple[str, str]] = []
    retry_after = 0.0
    for packed in status.details:
        info = _api.message_class("google.rpc.ErrorInfo")()
        request = _api.message_class("google.rpc.BadRequest")()
        retry = _api.message_class("google.rpc.RetryInfo")()
        if packed.Unpack(info):
            reason, details = info.reason, dict(info.metadata)
        elif packed.Unpack(request):
            faults += [(fault.field, fault.description) for fault in request.field_violations]
        elif packed.Unpack(retry):
            retry_after = believed(retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)
    if faults:
        field = faults[0][0]
    return _CLASSES.get(code, ConfregError)(status.message, code, reason, field, details,
                                            tuple(faults), retry_after)


def of_file(error: OSError) -> ConfregError:
    """A file of credentials cannot be used."""
    return UnavailableError(str(error), "UNAVAILABLE", "CREDENTIALS_BROKEN")


def of_call(error: Any) -> ConfregError:
    """The error of a failed gRPC call, sync or asyncio."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return of_status(_api.message_class("google.rpc.Status").FromString(value))
    code = error.code().name
    return _CLASSES.get(code, ConfregError)(error.details() or "", code)
