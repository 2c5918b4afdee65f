"""The scripted server: gRPC in front of a Registry. It answers as confregd does, except where a
scenario has planned something else for the next calls."""

import queue
import threading
import time
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from patience import PATIENCE
from registry import Registry
from stubs import api_pb, error_details_pb, health_pb, pb, rpc_status_pb

STREAM_THREADS = 16
END = object()


class Refusal(Exception):
    """How a call ends. retry_s: RetryInfo says to wait for so long. field: BadRequest names it."""

    def __init__(self, code, reason="", details=None, retry_s=None, field=None):
        super().__init__(code, reason)
        self.code, self.reason, self.details, self.retry_s = code, reason, details or {}, retry_s
        self.field = field

    def end(self, context):
        code = grpc.StatusCode[self.code]
        status = rpc_status_pb.Status(code=code.value[0], message=f"{self.reason}: as planned")
        if self.reason:
            self._add(status, error_details_pb.ErrorInfo(reason=self.reason, domain="confreg",
                                                         metadata=self.details))
        if self.retry_s is not None:
            retry = error_details_pb.RetryInfo()
            retry.retry_delay.FromMilliseconds(int(self.retry_s * 1000))
            self._add(status, retry)
        if self.field is not None:
            fault = error_details_pb.BadRequest.FieldViolation(field=self.field, description="as planned")
            self._add(status, error_details_pb.BadRequest(field_violations=[fault]))
        if status.details:
            context.set_trailing_metadata((
                ("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, status.message)

    @staticmethod
    def _add(status, detail):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)


class Stream:
    """One call of Watch. `at` is when it came, on time.monotonic(); peer is whom it came from."""

    def __init__(self, request, context):
        self.at = time.monotonic()
        self.request = request
        self.peer = context.peer()
        self.token = dict(context.invocation_metadata()).get("authorization")
        self.items = queue.Queue()
        self.delivered = 0
        self.spoke_at = self.at
        self.follows = False  # commits are sent to it
        self.is_mute = False  # nothing is sent to it
        self.ended_at = None
        context.add_callback(self._closed)

    def _closed(self):
        if self.ended_at is None:
            self.ended_at = time.monotonic()
        self.items.put(END)

    def send(self, *responses):
        """Each is a WatchResponse, or the bytes that stand for one."""
        if self.is_mute:
            return
        for response in responses:
            if isinstance(response, bytes):
                self.items.put(response)
                continue
            if response.events:
                self.delivered = response.events[-1].revision
            elif response.kind == api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END:
                self.delivered = response.header.revision
            self.items.put(response.SerializeToString())
        self.spoke_at = time.monotonic()

    def end(self, *refusal, **more):
        """Ends it behind all that was sent: with a Refusal's members, or with OK."""
        self.follows = False
        self.items.put(Refusal(*refusal, **more) if refusal else END)

    def run(self, context):
        while True:
            item = self.items.get()
            if isinstance(item, Refusal):
                self._closed()
                item.end(context)
            if item is END:
                self._closed()
                return
            yield item


class Call:
    """One unary call."""

    def __init__(self, method, request, context):
        self.at = time.monotonic()
        self.method, self.request = method, request
        self.peer = context.peer()
        self.seconds_left = context.time_remaining()
        self.token = dict(context.invocation_metadata()).get("authorization")


class Server(grpc.GenericRpcHandler):
    """lock protects all members; moved tells each change of streams and calls."""

    def __init__(self, credentials=None):
        self.lock = threading.RLock()
        self.moved = threading.Condition(self.lock)
        self.registry = Registry()
        self.streams, self.calls = [], []
        self.next_streams = []  # functions of a stream, for the next calls of Watch
        self.next_calls = []  # functions of a call, for the next calls that a client was told to make
        self.stopped = threading.Event()
        self.grpc = grpc.server(futures.ThreadPoolExecutor(STREAM_THREADS), handlers=[self],
                                options=[("grpc.http2.max_ping_strikes", 0)])
        add = self.grpc.add_insecure_port if credentials is None else (
            lambda address: self.grpc.add_secure_port(address, credentials))
        self.port = add("127.0.0.1:0")
        self.grpc.start()
        threading.Thread(target=self._mark_progress, daemon=True).start()

    def stop(self):
        self.stopped.set()
        self.grpc.stop(None).wait()

    # ---- Calls ----

    def service(self, details):
        method = details.method.rpartition("/")[2]
        if method == "Watch":
            return grpc.unary_stream_rpc_method_handler(
                self._watch, request_deserializer=api_pb.WatchRequest.FromString)
        answer = getattr(self, f"_answer_{method}", None)
        if answer is None:
            return None
        kind = (health_pb.HealthCheckRequest if method == "Check"
                else getattr(api_pb, f"{method}Request"))
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._call(method, answer, request, context),
            request_deserializer=kind.FromString,
            response_serializer=lambda message: message.SerializeToString())

    def _watch(self, request, context):
        stream = Stream(request, context)
        with self.lock:
            self.streams.append(stream)
            plan = self.next_streams.pop(0) if self.next_streams else self.serve
            plan(stream)
            self.moved.notify_all()
        yield from stream.run(context)

    def _call(self, method, answer, request, context):
        call = Call(method, request, context)
        with self.lock:
            self.calls.append(call)
            plan = None
            if self.next_calls and method in ("GetConfig", "UpdateConfig"):
                plan = self.next_calls.pop(0)
            self.moved.notify_all()
        try:
            if plan is not None:
                plan(call)
            with self.lock:
                return answer(request)
        except Refusal as refusal:
            return refusal.end(context)

    def _answer_GetConfig(self, request):
        head = self.registry.heads.get(request.service_name)
        if head is None:
            raise Refusal("NOT_FOUND", "CONFIG_NOT_FOUND")
        return api_pb.GetConfigResponse(header=self.registry.here(), config=head)

    def _answer_UpdateConfig(self, request):
        self.commit({request.service_name: request.config_data.decode()})
        return api_pb.UpdateConfigResponse(header=self.registry.here(),
                                           config=self.registry.heads[request.service_name])

    def _answer_GetStatus(self, _):
        return api_pb.GetStatusResponse(
            header=self.registry.here(), version="0.1.0", store="memory", writable=True,
            oldest_revision=self.registry.oldest, config_count=len(self.registry.heads),
            log_revision=self.registry.revision)

    def _answer_GetAccess(self, _):
        return api_pb.GetAccessResponse(header=self.registry.here(), credential_kind="none")

    def _answer_Check(self, _):
        return health_pb.HealthCheckResponse(status="SERVING")

    # ---- Streams ----

    def serve(self, stream):
        """The plan of every stream that has no other: what confregd does."""
        refusal = self.registry.refusal(stream.request)
        if refusal is not None:
            stream.end(*refusal)
            return
        stream.send(*self.registry.first_responses(stream.request))
        stream.follows = True

    def commit(self, changes):
        """Commits, and tells the streams that follow."""
        with self.lock:
            events = self.registry.commit(changes)
            for stream in self.streams:
                if stream.follows:
                    stream.send(*self.registry.events(self.registry.revision, stream.delivered))
            return events

    def change_rights(self, *hidden):
        """From now on the client may not read these services. Streams that follow are told at once
        whether that is all that they select."""
        with self.lock:
            self.registry.hidden = frozenset(hidden)
            for stream in self.streams:
                if stream.follows:
                    stream.send(self.registry.progress(stream.delivered))

    def _mark_progress(self):
        while not self.stopped.wait(0.05):
            with self.lock:
                now = time.monotonic()
                for stream in self.streams:
                    interval = stream.request.progress_interval.ToMilliseconds() / 1000
                    if stream.follows and interval and now - stream.spoke_at > interval:
                        stream.send(self.registry.progress(stream.delivered))

    def wait_for(self, condition, what, seconds=PATIENCE):
        """Waits until condition() returns a true value, and returns it."""
        value = self.look_for(condition, seconds)
        if not value:
            raise AssertionError(f"within {seconds:g} s not: {what}")
        return value

    def look_for(self, condition, seconds):
        """The same; where that has not come in this time, returns the last value."""
        with self.moved:
            deadline = time.monotonic() + seconds
            while True:
                value = condition()
                left = deadline - time.monotonic()
                if value or left <= 0:
                    return value
                self.moved.wait(min(left, 0.05))

    def stream(self, n):
        """Waits for the n-th call of Watch, from 1 on."""
        self.wait_for(lambda: len(self.streams) >= n, f"the watch is opened {n} times")
        return self.streams[n - 1]
