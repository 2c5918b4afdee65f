"""h2load as a load of one gRPC method, and what its output says."""

import re
import subprocess


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


def framed(message):
    """A message as it stands in the body of a gRPC request."""
    return b"\0" + len(message).to_bytes(4, "big") + message


class Load:
    """A method with a request that is sent over and over."""

    def __init__(self, folder, title, address, method, message):
        self.title = title
        self.url = f"http://{address}{method}"
        self.body = folder / f"{title.replace(' ', '-')}.bin"
        self.body.write_bytes(framed(message))

    def run(self, requests, connections, streams):
        output = subprocess.run(
            ["h2load", "-n", str(requests), "-t", "1", "-c", str(connections), "-m", str(streams),
             "-d", str(self.body), "-H", "content-type: application/grpc", "-H", "te: trailers",
             self.url], capture_output=True, text=True, check=True).stdout
        return Result(output)


class Result:
    """What h2load says of one run. It counts HTTP 200 as a success whatever grpc-status says, so
    the bytes of the answers are kept for a check."""

    def __init__(self, output):
        self.per_second = float(re.search(r"finished in .*?, ([\d.]+) req/s", output)[1])
        self.succeeded = int(re.search(r"(\d+) succeeded", output)[1])
        self.failed = int(re.search(r"(\d+) failed", output)[1])
        self.data_bytes = int(re.search(r"\((\d+)\) data", output)[1])
        if self.failed:
            raise RuntimeError(f"h2load had {self.failed} failed requests:\n{output}")

    @property
    def bytes_an_answer(self):
        return self.data_bytes / self.succeeded
