"""A server of the registry's gRPC interface that fails on request."""

import itertools
import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2

from seed import chance
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


class RefusingFront(grpc.GenericRpcHandler):
    """Passes calls on to a server as they are, after it has refused the first watches with these codes."""

    def __init__(self, target, codes):
        self.codes = list(codes)  # that are still to come
        self.channel = grpc.insecure_channel(target)
        self.server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[self])
        self.listen = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def stop(self):
        self.channel.close()
        self.server.stop(None).wait()

    def service(self, details):
        if details.method.endswith("/Watch"):
            return grpc.unary_stream_rpc_method_handler(
                lambda message, context: self._watch(details.method, message, context))
        return grpc.unary_unary_rpc_method_handler(
            lambda message, context: self._call(details.method, message, context))

    def _call(self, method, message, context):
        try:
            return self.channel.unary_unary(method)(message, wait_for_ready=True)
        except grpc.RpcError as error:
            context.set_trailing_metadata(error.trailing_metadata())
            context.abort(error.code(), error.details())

    def _watch(self, method, message, context):
        if self.codes:
            context.abort(self.codes.pop(0), "as told")
        stream = self.channel.unary_stream(method)(message)
        context.add_callback(stream.cancel)
        yield from stream


class LogServer(grpc.GenericRpcHandler):
    """A server of one config, whose versions are the revisions of the log. A watch begins with a
    snapshot of version 1, or after the position that it names.
    cuts: each stream ends after some events, now and then within a commit."""

    ENVIRONMENT, SERVICE = "prod", "scripted"

    def __init__(self, versions, cuts=False):
        self.versions = versions
        self.cuts = cuts
        self.n_cut = 0
        self.lock = threading.Lock()
        self.random = chance("log server")
        self.stopping = threading.Event()
        self.server = grpc.server(futures.ThreadPoolExecutor(64), handlers=[self])
        self.listen = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def stop(self):
        self.stopping.set()
        self.server.stop(None).wait()

    def service(self, details):
        if details.method.endswith("/Watch"):
            return grpc.unary_stream_rpc_method_handler(
                self._watch, request_deserializer=api_pb.WatchRequest.FromString,
                response_serializer=api_pb.WatchResponse.SerializeToString)
        if details.method.endswith("/GetStatus"):
            return grpc.unary_unary_rpc_method_handler(
                lambda _, context: self._status(), response_serializer=lambda r: r.SerializeToString())
        return None

    def _status(self):
        response = api_pb.GetStatusResponse()
        response.header.CopyFrom(self._position(len(self.versions)))
        return response

    def _position(self, revision):
        return api_pb.WatchResponse(
            header={"epoch": EPOCH, "revision": revision, "chain_hash": revision * 1000 + 1}).header

    def _config(self, version):
        return {"environment": self.ENVIRONMENT, "service_name": self.SERVICE, "version": version,
                "revision": version, "mod_revision": version, "kind": 1 if version == 1 else 2,
                "config_data": self.versions[version - 1].encode()}

    def _response(self, kind, revision, previous, **fields):
        return api_pb.WatchResponse(kind=kind, header=self._position(revision),
                                    previous_revision=previous, **fields)

    def _cut(self, context):
        with self.lock:
            self.n_cut += 1
        context.abort(grpc.StatusCode.UNAVAILABLE, "as told")

    def _watch(self, request, context):
        at, delivered = request.resume_after.revision, 0
        yield self._response(api_pb.WATCH_RESPONSE_KIND_STARTED, at, 0)
        if request.include_snapshot:
            snapshot = self._response(api_pb.WATCH_RESPONSE_KIND_SNAPSHOT, 0, 0,
                                      configs=[self._config(1)])
            yield snapshot
            yield self._response(api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END, 1, 0)
            at = delivered = 1
        last = at + 1
        while at < len(self.versions):
            if self.cuts and at >= last:
                self._cut(context)
            cuts_in_commit = self.cuts and self.random.random() < 0.2
            event = {"revision": at + 1, "environment": self.ENVIRONMENT,
                     "service_name": self.SERVICE, "version": at + 1, "head_version": at + 1,
                     "kind": 2, "config": self._config(at + 1)}
            yield self._response(api_pb.WATCH_RESPONSE_KIND_EVENTS, at if cuts_in_commit else at + 1,
                                 delivered, events=[event], more=cuts_in_commit)
            if cuts_in_commit:
                self._cut(context)
            at = delivered = at + 1
        while context.is_active() and not self.stopping.is_set():
            self.stopping.wait(0.1)


class EndlessServer(LogServer):
    """Sends parts of a snapshot, or of a commit, that come to no end, or one message that is small on the wire
    only; how: "snapshot", "commit", "message", or "" for an end like any other's."""

    PART = 100_000

    def __init__(self, how=""):
        self.how = how
        self.n_streams = 0
        super().__init__(['{"a": 1}'])

    def _part(self, n):
        return [{**self._config(1), "service_name": f"{self.SERVICE}-{n}", "config_data": b'"%s"' % (b"x" * self.PART)}]

    def _watch(self, request, context):
        self.n_streams += 1
        if self.how != "snapshot":
            yield from itertools.islice(super()._watch(request, context), 3 if request.include_snapshot else 1)
        snapshot, events = api_pb.WATCH_RESPONSE_KIND_SNAPSHOT, api_pb.WATCH_RESPONSE_KIND_EVENTS
        for n in itertools.count(1):
            if self.stopping.is_set() or not context.is_active() or not self.how:
                break
            if self.how == "snapshot":
                yield self._response(snapshot, 0, 0, configs=self._part(n))
            elif self.how == "commit":
                event = {"revision": 2, "environment": self.ENVIRONMENT, "service_name": self.SERVICE,
                         "version": 2, "head_version": 2, "kind": 2, "config": self._part(n)[0]}
                yield self._response(events, 1, 1 if n == 1 else 2, events=[event], more=True)
            else:
                yield self._response(events, 1, 1, events=[{}] * self.PART)
        if self.how == "":
            while context.is_active() and not self.stopping.is_set():
                self.stopping.wait(0.1)
