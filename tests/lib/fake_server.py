"""A server of the registry's gRPC interface that fails on request."""

import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2

from stubs import api_pb, error_details_pb, health_pb, rpc_status_pb

EPOCH = "0123456789abcdef"
REVISION = 7


def details_of(code, reason):
    packed = any_pb2.Any()
    packed.Pack(error_details_pb.ErrorInfo(reason=reason, domain="confreg"))
    return rpc_status_pb.Status(code=code.value[0], message="as told", details=[packed])


class FakeServer(grpc.GenericRpcHandler):
    """fault: (code, reason) with which all calls fail, except a mirror's watch; None: no fault.
    pause: seconds between the first part and the end of a snapshot."""

    def __init__(self):
        self.fault = None
        self.pause = 0
        self.stopping = threading.Event()
        self.server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[self])
        self.listen = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.access_fails = False
        self.server.start()

    def stop(self):
        self.stopping.set()
        self.server.stop(None).wait()

    def service(self, details):
        method = details.method.rpartition("/")[2]
        if method == "Watch":
            return grpc.unary_stream_rpc_method_handler(self._watch)
        return grpc.unary_unary_rpc_method_handler(
            lambda _, context: self._answer(method, context))

    def _fail(self, context):
        code, reason = self.fault or (grpc.StatusCode.UNIMPLEMENTED, "")
        if reason:
            context.set_trailing_metadata((
                ("grpc-status-details-bin", details_of(code, reason).SerializeToString()),))
        context.abort(code, "as told")

    def _answer(self, method, context):
        if method == "GetAccess" and not self.access_fails:  # as a server without rights
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
        if self.fault is None and method == "Check":
            return health_pb.HealthCheckResponse(status="SERVING").SerializeToString()
        if self.fault is None and method == "GetStatus":
            return api_pb.GetStatusResponse().SerializeToString()
        return self._fail(context)

    def _watch(self, message, context):
        if not api_pb.WatchRequest.FromString(message).include_snapshot:
            self._fail(context)
        over = threading.Event()
        context.add_callback(over.set)
        response = api_pb.WatchResponse(kind=api_pb.WATCH_RESPONSE_KIND_SNAPSHOT)
        response.header.epoch, response.header.revision = EPOCH, REVISION
        if self.pause:
            yield response.SerializeToString()
            over.wait(self.pause)
        response.kind = api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END
        yield response.SerializeToString()
        while not over.is_set() and not self.stopping.is_set():
            over.wait(0.1)
