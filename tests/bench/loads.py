"""The loads: h2load for a gRPC method, wrk for HTTP, and bench_grpc_load where requests differ. Each
run gives the number of calls and the seconds that they took, and ends everything where calls did
not really succeed."""

import json
import re
import subprocess
import sys


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, data):
    """A length-delimited field of a protobuf message."""
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(tag, value):
    return varint(tag << 3) + varint(value)


def switch(number):
    """A bool of a protobuf message that is true."""
    return varint(number << 3) + b"\x01"


def framed(message):
    """A message as it stands in the body of a gRPC request."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def payload(size):
    return '{"k":"%s"}' % ("v" * (size - 8))


def _run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


# 50 calls at once, on one connection (as one client has them) and on a connection each.
SHAPES = {"1 connection x 50 streams": {"connections": 1, "streams": 50},
          "50 connections x 1 stream": {"connections": 50, "streams": 1}}


class GrpcLoad:
    """One request of one method over and over, by h2load. It counts HTTP 200 as a success whatever
    grpc-status says: answers shorter than `least` bytes end the run. p99s has the milliseconds of
    each run."""

    def __init__(self, bench, title, program, method, message, connections=4, streams=50, least=0, headers=()):
        self.title, self.program, self.least = title, program, least
        self.url = f"{program.scheme}://{program.address}{method}"
        self.body = bench.new_file(framed(message))
        self.shape = ["-c", connections, "-m", streams]
        self.headers = [part for header in headers for part in ("-H", header)]
        self.log = bench.new_file(b"")
        self.p99s = []

    def _take_p99(self):
        """Of the log: when a call began, its HTTP status, the microseconds that it took."""
        times = sorted(int(line.split()[2]) for line in self.log.read_text().splitlines())
        self.log.write_bytes(b"")
        self.p99s.append(times[len(times) * 99 // 100] / 1e3)

    def run(self, calls):
        output = _run(["h2load", "-n", calls, "-t", 1, *self.shape, *self.headers, "-d", self.body,
                       f"--log-file={self.log}", "-H", "content-type: application/grpc", "-H", "te: trailers", self.url])
        failed = int(re.search(r"(\d+) failed", output)[1])
        answer = int(re.search(r"\((\d+)\) data", output)[1]) / calls
        if failed or answer < self.least:
            sys.exit(f"{self.title}: {failed} failed, {answer:.0f} bytes an answer, "
                     f"{self.least} wanted:\n{output}")
        self._take_p99()
        return calls, calls / float(re.search(r"finished in .*?, ([\d.]+) req/s", output)[1])


class ManyGrpcLoad:
    """Different requests of one method, in random order."""

    def __init__(self, bench, title, program, method, messages, connections=4, streams=50):
        self.title, self.program = title, program
        host, _, port = program.address.rpartition(":")
        self.command = [bench.build / "bench" / "bench_grpc_load", host, port, method,
                        bench.new_file(b"".join(framed(message) for message in messages)),
                        connections, streams]

    def run(self, calls):
        result = json.loads(_run([*self.command, calls]))
        return result["calls"], result["seconds"]


class HttpLoad:
    """One HTTP request over and over for some seconds, by wrk."""

    def __init__(self, bench, title, program, path, connections, method="GET", body=None,
                 is_kept=True):
        self.title, self.program, self.connections = title, program, connections
        self.url = f"{getattr(program, 'scheme', 'http')}://{program.http}{path}"
        script = f'wrk.method = "{method}"\n'
        if not is_kept:  # each call is a handshake
            script += 'wrk.headers["Connection"] = "close"\n'
        if body is not None:
            script += f'wrk.headers["Content-Type"] = "application/json"\nwrk.body = [[{body}]]\n'
        self.script = bench.new_file(script.encode(), ".lua")
        self.calls = 0

    def run(self, seconds):
        output = _run(["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "-s", self.script,
                       self.url])
        if "Non-2xx" in output or "Socket errors" in output:
            sys.exit(f"{self.title}: {self.url}:\n{output}")
        calls = int(re.search(r"(\d+) requests in", output)[1])
        self.calls += calls
        return calls, calls / float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


class InsertLoad:
    """Single inserts by MongoDB's driver, each at majority concern."""

    def __init__(self, bench, title, program, in_flight, size):
        self.title, self.program = title, program
        self.command = [bench.build / "bench" / "bench_inserts", program.uri, in_flight, size]

    def run(self, calls):
        result = json.loads(_run([*self.command, calls]))
        return result["calls"], result["seconds"]
