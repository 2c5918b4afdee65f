"""Records what the programs answered, for the check of the whole history at the end of a module.

Answers are intercepted on the channels of the tests, streams are recorded by watching.Watch. Both
are kept by the epoch of their log."""

import collections
import dataclasses
import threading

import grpc

import exercised
from stubs import api_pb


@dataclasses.dataclass
class Stream:
    """One watch: its request and its responses."""

    request: api_pb.WatchRequest
    responses: list


class Tape:
    def __init__(self):
        self.lock = threading.Lock()
        self.answers = collections.defaultdict(list)  # epoch: [(method, request, response)]
        self.streams = []

    def add_answer(self, method, request, response):
        with self.lock:
            self.answers[response.header.epoch].append((method, request, response))

    def add_stream(self, request):
        stream = Stream(request, [])
        with self.lock:
            self.streams.append(stream)
        return stream

    def take(self, epoch):
        """Removes and returns the answers and streams of a log."""
        with self.lock:
            streams = [s for s in self.streams
                       if s.responses and s.responses[0].header.epoch == epoch]
            self.streams = [s for s in self.streams if s not in streams]
            return self.answers.pop(epoch, []), streams


TAPE = Tape()


class _Tap(grpc.UnaryUnaryClientInterceptor):
    def intercept_unary_unary(self, continuation, client_call_details, request):
        call = continuation(client_call_details, request)
        method = client_call_details.method
        method = method.decode() if isinstance(method, bytes) else method
        if "RegistryService" in method:
            call.add_done_callback(lambda done: _keep(method.rsplit("/", 1)[1], request, done))
        return call


def _keep(method, request, call):
    # Some tests send and receive plain bytes.
    if call.code() == grpc.StatusCode.OK and hasattr(call.result(), "header"):
        exercised.note_method(method, request, call.result())
        TAPE.add_answer(method, request, call.result())


def tap(channel):
    return grpc.intercept_channel(channel, _Tap())
