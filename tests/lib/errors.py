"""Decodes the service's gRPC errors: code, stable reason, path of the field."""

import contextlib

import grpc

from stubs import error_details_pb, rpc_status_pb


class Refusal:
    """The status of a failed call."""

    def __init__(self, error):
        self.code = error.code().name
        self.message = error.details()
        self.reason = self.domain = self.field = None
        self.info = {}
        self.violations = []  # (field, description)
        self.retry_s = None  # how long to wait before the next attempt
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                self._take_details(rpc_status_pb.Status.FromString(value))

    def _take_details(self, status):
        assert status.code == grpc.StatusCode[self.code].value[0]
        assert status.message == self.message
        for packed in status.details:
            info, request = error_details_pb.ErrorInfo(), error_details_pb.BadRequest()
            retry = error_details_pb.RetryInfo()
            if packed.Unpack(info):
                self.reason, self.domain = info.reason, info.domain
                self.info = dict(info.metadata)
            elif packed.Unpack(request):
                self.field = request.field_violations[0].field
                self.violations = [(v.field, v.description) for v in request.field_violations]
            elif packed.Unpack(retry):
                self.retry_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9

    def __repr__(self):
        return (f"{self.code} reason={self.reason} field={self.field} info={self.info}:"
                f" {self.message}")


@contextlib.contextmanager
def refused(code, reason=None, field=None):
    """The block must fail with this status. Yields a list that receives the Refusal."""
    caught = []
    try:
        yield caught
    except grpc.RpcError as error:
        refusal = Refusal(error)
        caught.append(refusal)
        assert refusal.code == code, refusal
        if reason is not None:
            assert (refusal.reason, refusal.domain) == (reason, "confreg"), refusal
        if field is not None:
            assert refusal.field == field, refusal
        return
    raise AssertionError(f"the call succeeded, {code} {reason or ''} was due")
