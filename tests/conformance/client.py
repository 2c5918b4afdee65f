"""The client under test: a process that tells on its standard output, in lines of JSON, what its
library has reported. README.md describes the lines."""

import contextlib
import decimal
import json
import os
import subprocess
import threading
import time

from patience import PATIENCE

SECONDS_TO_START = max(60, PATIENCE)
SECONDS_TO_END = max(10, PATIENCE / 2)


def loads(text):
    """JSON, with every digit of its numbers."""
    return json.loads(text, parse_float=decimal.Decimal)


class Client:
    """command: where an argument contains {address}, the address takes its place."""

    def __init__(self, command, address, variables):
        self.lines = []  # that have come; not of JSON: an `unreadable` event
        self.taken = 0  # how many of them a scenario has looked at
        self.moved = threading.Condition()
        self.errors = []
        self.process = subprocess.Popen(
            [part.replace("{address}", address) for part in command], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **variables})
        self.readers = [threading.Thread(target=read, args=(pipe,), daemon=True) for read, pipe in (
            (self._read_lines, self.process.stdout), (self._read_errors, self.process.stderr))]
        for reader in self.readers:
            reader.start()

    def _read_lines(self, pipe):
        for line in pipe:
            try:
                event = loads(line)
                event["event"]
            except (ValueError, TypeError, KeyError):
                event = {"event": "unreadable", "line": line}
            with self.moved:
                self.lines.append(event)
                self.moved.notify_all()
        with self.moved:
            self.lines.append({"event": "end of output"})
            self.moved.notify_all()

    def _read_errors(self, pipe):
        for line in pipe:
            self.errors = [*self.errors[-19:], line.rstrip()]

    def next(self, kinds):
        """Waits for the next event of one of these kinds. Those of other kinds before it are
        passed over, except those that must not come unexpected."""
        deadline = time.monotonic() + PATIENCE
        with self.moved:
            while True:
                while self.taken < len(self.lines):
                    event = self.lines[self.taken]
                    self.taken += 1
                    if event["event"] in kinds:
                        return event
                    if event["event"] not in ("connected", "interrupted"):
                        raise AssertionError(f"the client has told {event}, {' or '.join(kinds)} "
                                             "was due")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"within {PATIENCE:g} s the client has told no "
                                         f"{' or '.join(kinds)}")
                self.moved.wait(left)

    def send(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def has_ended(self):
        return self.process.poll() is not None

    def end(self):
        """Closes its standard input: it must end by itself, with exit code 0. Returns the events that
        nobody has looked at."""
        self.process.stdin.close()
        try:
            code = self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the client has not ended within {SECONDS_TO_END:g} s after the end of "
                                 "its standard input") from None
        for reader in self.readers:
            reader.join(SECONDS_TO_END)
        if code != 0:
            raise AssertionError(f"the client has ended with {code}")
        return self.lines[self.taken:]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader in self.readers:
            reader.join(SECONDS_TO_END)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):  # a command that nobody has read
                pipe.close()
