"""A watch for tests: every response is checked on arrival."""

import collections

import exercised
from history import StreamChecker
from stubs import api_pb
from tape import TAPE


class Watch:
    """Watch(stub, start_revision=1). Ends after `seconds`."""

    def __init__(self, stub, complete=False, seconds=60, **fields):
        self.request = request = api_pb.WatchRequest(**fields)
        self.call = stub.Watch(request, timeout=seconds)
        self.tape = TAPE.add_stream(request)
        self.checker = StreamChecker(complete)
        self._responses = iter(self.call)
        self._events = collections.deque()

    def next(self):
        response = next(self._responses)
        self.checker.take(response)
        exercised.note_method("Watch", self.request, response)
        self.tape.responses.append(response)
        return response

    def started(self):
        """Reads the first response: the watch is established."""
        response = self.next()
        assert response.kind == api_pb.WATCH_RESPONSE_KIND_STARTED
        return response

    def event(self):
        while not self._events:
            self._events.extend(self.next().events)
        return self._events.popleft()

    def events(self, count):
        return [self.event() for _ in range(count)]

    def snapshot(self):
        """The configs of a snapshot and its revision."""
        configs = []
        while True:
            response = self.next()
            configs += response.configs
            if response.kind == api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END:
                return configs, response.header.revision

    @property
    def position(self):
        return self.checker.position

    def cancel(self):
        self.call.cancel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cancel()
