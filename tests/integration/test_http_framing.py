"""Raw requests: every message form of RFC 9112 that a peer can send, with what has to come back.

Behind each request stands LAST, whose answer says that the connection was kept and that the two
sides agree where the request ended. Where it must not be kept, nothing may follow the refusal."""

import contextlib
import os
import resource
import socket
import struct

import pytest
from daemon import PATIENCE, until
from rest import gauge, read_answer

pytestmark = pytest.mark.any_store

SOON = 20  # seconds, of the 60 that a silent client is given

LAST = b"GET /livez HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n"
HIDDEN = (b"PUT /api/configs/hidden HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
          b"Content-Length: 18\r\n\r\n" b'{"config_data":{}}')
CREATE = HIDDEN.replace(b"PUT", b"POST")


def get(line=b"GET /livez HTTP/1.1", *fields, host=b"Host: x\r\n"):
    return line + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def with_field(*fields):
    return get(b"GET /livez HTTP/1.1", *fields)


def with_host(host):
    return get(host=host)


def post(*fields, body=b"", line=b"POST /livez HTTP/1.1"):
    return get(line, *fields) + body


def chunked(body, *fields):
    return post(b"Transfer-Encoding: chunked", *fields, body=body)


def chunk(data, extension=b""):
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


END = b"0\r\n\r\n"

# RFC 9112, 2: messages. 2.2: what a robust reader takes, and what would be read in two ways.
MESSAGES = {
    "plain": (get(), 200),
    "an empty line before it": (b"\r\n" + get(), 200),
    "several empty lines before it": (b"\r\n\r\n\r\n" + get(), 200),
    "two in a row": (get() + get(), 200, 200),
    "an empty line between two": (get() + b"\r\n" + get(), 200, 200),
    "a bare LF before it": (b"\n" + get(), 400, None),
    "a bare CR before it": (b"\r" + get(), 400, None),
    "lines that end with LF": (b"GET /livez HTTP/1.1\nHost: x\n\n", 400, None),
    "one line that ends with LF": (b"GET /livez HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, None),
    "a head that ends with LF": (b"GET /livez HTTP/1.1\r\nHost: x\r\n\n", 400, None),
    "a bare CR in a value": (with_field(b"A: b\rc"), 400, None),
    "a bare CR behind a colon": (with_field(b"A:\rTransfer-Encoding: chunked"), 400, None),
    "a bare CR in the request line": (get(b"GET /livez\r HTTP/1.1"), 400, None),
    "a bare CR before the empty line": (b"GET /livez HTTP/1.1\r\nHost: x\r\n\rX\r\n\r\n", 400, None),
    "a blank before the first field": (b"GET /livez HTTP/1.1\r\n Host: x\r\n\r\n", 400, None),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, None),
    "bytes that are no text": (bytes(range(128, 256)), 400, None),
    "zeroes": (b"\0" * 64, 400, None),
}

# RFC 9112, 3: the request line. 3.2: targets and Host.
REQUEST_LINES = {
    "another method": (get(b"BREW /livez HTTP/1.1"), 405),
    "a method in small letters": (get(b"get /livez HTTP/1.1"), 405),
    "a method that is no token": (get(b"G@T /livez HTTP/1.1"), 400, None),
    "no method": (get(b" /livez HTTP/1.1"), 400, None),
    "a method without end": (b"G" * 100, 400, None),
    "two blanks before the target": (get(b"GET  /livez HTTP/1.1"), 400, None),
    "two blanks before the version": (get(b"GET /livez  HTTP/1.1"), 400, None),
    "a tab for a blank": (get(b"GET\t/livez HTTP/1.1"), 400, None),
    "a blank at the end": (get(b"GET /livez HTTP/1.1 "), 400, None),
    "a blank in the target": (get(b"GET /li vez HTTP/1.1"), 400, None),
    "no version": (get(b"GET /livez"), 400, None),
    "no target": (get(b"GET HTTP/1.1"), 400, None),
    "HTTP/0.9": (b"GET /livez\r\n\r\n", 400, None),
    "HTTP/1.0": (get(b"GET /livez HTTP/1.0"), 200, None),
    "HTTP/1.0 without a host": (get(b"GET /livez HTTP/1.0", host=b""), 200, None),
    "HTTP/1.0 that is kept": (get(b"GET /livez HTTP/1.0", b"Connection: keep-alive"), 200),
    "HTTP/1.2": (get(b"GET /livez HTTP/1.2"), 200),
    "HTTP/2.0": (get(b"GET /livez HTTP/2.0"), 505, None),
    "a preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, None),
    "HTTP/9.9": (get(b"GET /livez HTTP/9.9"), 505, None),
    "http/1.1": (get(b"GET /livez http/1.1"), 400, None),
    "HTTP/11": (get(b"GET /livez HTTP/11"), 400, None),
    "HTTP/1.": (get(b"GET /livez HTTP/1."), 400, None),
    "HTTP/01.1": (get(b"GET /livez HTTP/01.1"), 400, None),
    "RTSP/1.0": (get(b"GET /livez RTSP/1.0"), 400, None),
    "a NUL in the target": (get(b"GET /li\0vez HTTP/1.1"), 400, None),
    "a control character in the target": (get(b"GET /li\x01vez HTTP/1.1"), 400, None),
    "a DEL in the target": (get(b"GET /li\x7fvez HTTP/1.1"), 400, None),
    "UTF-8 in the target, as curl sends it": (get("GET /ü HTTP/1.1".encode()), 404),
    "absolute form": (get(b"GET http://x/livez HTTP/1.1"), 200),
    "absolute form of another host": (get(b"GET http://y:80/livez HTTP/1.1"), 200),
    "absolute form in capitals": (get(b"GET HTTP://X/livez HTTP/1.1"), 200),
    "absolute form without a host": (get(b"GET http:///livez HTTP/1.1"), 400, None),
    "absolute form with a user": (get(b"GET http://a@x/livez HTTP/1.1"), 400, None),
    "absolute form of another scheme": (get(b"GET ftp://x/livez HTTP/1.1"), 400, None),
    "a target without a slash": (get(b"GET livez HTTP/1.1"), 400, None),
    "authority form": (get(b"GET x:80 HTTP/1.1"), 400, None),
    "asterisk form": (get(b"OPTIONS * HTTP/1.1"), 404),
    "asterisk form of GET": (get(b"GET * HTTP/1.1"), 400, None),
    "CONNECT": (get(b"CONNECT x:80 HTTP/1.1") + b"\0\1\2", 501, None),
    "CONNECT and HTTP behind it": (get(b"CONNECT x:80 HTTP/1.1") + HIDDEN, 501, None),
    "no host": (with_host(b""), 400, None),
    "two hosts": (with_host(b"Host: x\r\nHost: y\r\n"), 400, None),
    "two equal hosts": (with_host(b"Host: x\r\nhost: x\r\n"), 400, None),
    "two hosts of HTTP/1.0": (get(b"GET /livez HTTP/1.0", host=b"Host: x\r\nHost: x\r\n"), 400, None),
    "an empty host": (with_host(b"Host:\r\n"), 200),
    "a host with a port": (with_host(b"Host: x:8000\r\n"), 200),
    "a host with an empty port": (with_host(b"Host: x:\r\n"), 200),
    "IPv6": (with_host(b"Host: [::1]:8000\r\n"), 200),
    "a host with a path": (with_host(b"Host: x/y\r\n"), 400, None),
    "a host with a user": (with_host(b"Host: a@x\r\n"), 400, None),
    "a list of hosts": (with_host(b"Host: x, y\r\n"), 400, None),
    "a port that is none": (with_host(b"Host: x:http\r\n"), 400, None),
    "a bracket that does not close": (with_host(b"Host: [::1\r\n"), 400, None),
    "a blank in the host": (with_host(b"Host: x y\r\n"), 400, None),
}

# RFC 9112, 5: fields.
FIELDS = {
    "blanks around a value": (with_field(b"A: \t b c \t "), 200),
    "no blank": (with_field(b"A:b"), 200),
    "an empty value": (with_field(b"A:"), 200),
    "Latin-1 and UTF-8": (with_field(b"A: \xfc", "B: ü".encode()), 200),
    "all characters of a token": (with_field(b"!#$%&'*+-.^_`|~09azAZ: b"), 200),
    "a blank before the colon": (with_field(b"A : b"), 400, None),
    "a tab before the colon": (with_field(b"A\t: b"), 400, None),
    "no colon": (with_field(b"A"), 400, None),
    "no name": (with_field(b": b"), 400, None),
    "a name that is no token": (with_field(b"A(b): c"), 400, None),
    "a name in UTF-8": (with_field("ü: c".encode()), 400, None),
    "folded": (with_field(b"A: b\r\n c"), 400, None),
    "folded with a tab": (with_field(b"A: b\r\n\tc"), 400, None),
    "folded before the value": (with_field(b"A:\r\n b"), 400, None),
    "a blank line that is none": (with_field(b" "), 400, None),
    "a NUL in a value": (with_field(b"A: b\0c"), 400, None),
    "a NUL in a name": (with_field(b"A\0: b"), 400, None),
    "a control character in a value": (with_field(b"A: b\x01c"), 400, None),
    "a DEL in a value": (with_field(b"A: b\x7fc"), 400, None),
}

# RFC 9112, 6: bodies; their length. POST /livez is answered 405 behind its body.
BODIES = {
    "a length": (post(b"Content-Length: 3", body=b"abc"), 405),
    "a length of 0": (post(b"Content-Length: 0"), 405),
    "no length": (post(), 405),
    "a length with zeros in front": (post(b"Content-Length: 0003", body=b"abc"), 405),
    "a length with blanks around it": (post(b"Content-Length: \t3 \t", body=b"abc"), 405),
    "a body of GET": (get(b"GET /livez HTTP/1.1", b"Content-Length: 3") + b"abc", 200),
    "a body of DELETE": (get(b"DELETE /livez HTTP/1.1", b"Content-Length: 3") + b"abc", 405),
    "a body that looks like a request": (
        post(b"Content-Length: %d" % len(HIDDEN), body=HIDDEN), 405),
    "two lengths": (post(b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN), body=HIDDEN),
                    400, None),
    "two equal lengths": (post(b"Content-Length: 3", b"content-length: 3", body=b"abc"), 400, None),
    "a list of lengths": (post(b"Content-Length: 3, 3", body=b"abc"), 400, None),
    "a length with a sign": (post(b"Content-Length: +3", body=b"abc"), 400, None),
    "a length below 0": (post(b"Content-Length: -3", body=b"abc"), 400, None),
    "a length in hexadecimal": (post(b"Content-Length: 0x3", body=b"abc"), 400, None),
    "a length with a fraction": (post(b"Content-Length: 3.0", body=b"abc"), 400, None),
    "a length with a blank in it": (post(b"Content-Length: 0 3", body=b"abc"), 400, None),
    "an empty length": (post(b"Content-Length:", body=b"abc"), 400, None),
    "a length that is a word": (post(b"Content-Length: three", body=b"abc"), 400, None),
    "a length beyond 64 bits": (post(b"Content-Length: 18446744073709551619", body=b"abc"), 400, None),
    "a length beyond all": (post(b"Content-Length: " + b"9" * 40, body=b"abc"), 400, None),
    "chunked and a length": (chunked(END + HIDDEN, b"Content-Length: 5"), 400, None),
    "a length and chunked": (
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END + HIDDEN), 400, None),
    "a length behind a name with a blank": (
        post(b"Content-Length : 3", body=b"abc"), 400, None),
    "chunked behind a name with a blank": (
        post(b"Transfer-Encoding : chunked", body=END + HIDDEN), 400, None),
    "two codings in two lines": (
        chunked(END + HIDDEN, b"Transfer-Encoding: chunked"), 400, None),
    "two codings in two lines, one unknown": (
        chunked(END + HIDDEN, b"Transfer-Encoding: identity"), 400, None),
    "chunked in capitals": (post(b"Transfer-Encoding: CHUNKED", body=END), 405),
    "chunked with blanks around it": (post(b"Transfer-Encoding: \tchunked \t", body=END), 405),
    "gzip": (post(b"Transfer-Encoding: gzip", body=b"abc" + HIDDEN), 501, None),
    "identity": (post(b"Transfer-Encoding: identity", body=b"abc"), 501, None),
    "gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked", body=END), 501, None),
    "chunked, gzip": (post(b"Transfer-Encoding: chunked, gzip", body=END), 501, None),
    "chunked, chunked": (post(b"Transfer-Encoding: chunked, chunked", body=END), 501, None),
    "chunked with a parameter": (post(b"Transfer-Encoding: chunked;q=1", body=END), 501, None),
    "chunked in quotes": (post(b'Transfer-Encoding: "chunked"', body=END), 501, None),
    "xchunked": (post(b"Transfer-Encoding: xchunked", body=END), 501, None),
    "a comma and chunked": (post(b"Transfer-Encoding: , chunked", body=END), 501, None),
    "an empty coding": (post(b"Transfer-Encoding:", body=END), 400, None),
    "chunked in HTTP/1.0": (
        post(b"Transfer-Encoding: chunked", body=END, line=b"POST /livez HTTP/1.0"), 400, None),
    "a coding that an upgrade offers": (
        with_field(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                   b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"), 200),
    "Expect": (with_field(b"Expect: 100-continue", b"Content-Length: 3") + b"abc", 200),
    "Expect without a body": (with_field(b"Expect: 100-continue"), 200),
    "Expect of what is refused": (
        post(b"Expect: 100-continue", b"Content-Length: 3", body=b"abc"), 405, None),
    "Expect of another kind": (post(b"Expect: more", b"Content-Length: 3", body=b"abc"), 417, None),
    "Expect in HTTP/1.0": (post(b"Expect: 100-continue", b"Content-Length: 3", body=b"abc",
                                line=b"POST /livez HTTP/1.0"), 405, None),
}

# RFC 9112, 7: chunks.
CHUNKS = {
    "no chunk": (chunked(END), 405),
    "chunks": (chunked(chunk(b"abc") + chunk(b"x" * 300) + END), 405),
    "a chunk that looks like a request": (chunked(chunk(HIDDEN) + END), 405),
    "sizes in both cases": (chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n" + END), 405),
    "zeros in front": (chunked(b"0003\r\nabc\r\n00\r\n\r\n"), 405),
    "an extension": (chunked(chunk(b"abc", b";a") + END), 405),
    "extensions": (chunked(chunk(b"abc", b';a=b;c="d;\\"e" ; f = g') + b"0;x=y\r\n\r\n"), 405),
    "blanks before an extension": (chunked(chunk(b"abc", b" \t;a=b") + END), 405),
    "an extension of 1 kB": (chunked(chunk(b"abc", b";a=" + b"b" * 1000) + END), 405),
    "an extension of 10 kB": (chunked(chunk(b"abc", b";a=" + b"b" * 10000) + END), 400, None),
    "an extension without end": (chunked(b"3;" + b"b" * 100_000), 400, None),
    "many extensions": (chunked(chunk(b"a", b";a=" + b"b" * 1000) * 100 + END), 400, None),
    "a trailer": (chunked(chunk(b"abc") + b"0\r\nA: b\r\nC:\r\n\r\n"), 405),
    "a trailer that frames": (
        chunked(b"0\r\nContent-Length: %d\r\n\r\n" % len(LAST)), 405),
    "a trailer of 10 kB": (chunked(b"0\r\nA: " + b"b" * 10000 + b"\r\n\r\n"), 431, None),
    "trailers without end": (chunked(b"0\r\n" + b"A: b\r\n" * 10000), 431, None),
    "a folded trailer": (chunked(b"0\r\nA: b\r\n c\r\n\r\n"), 400, None),
    "a trailer with a blank before the colon": (chunked(b"0\r\nA : b\r\n\r\n"), 400, None),
    "a trailer without a name": (chunked(b"0\r\n: b\r\n\r\n"), 400, None),
    "a trailer without a colon": (chunked(b"0\r\nA\r\n\r\n"), 400, None),
    "a trailer with a NUL": (chunked(b"0\r\nA: \0\r\n\r\n"), 400, None),
    "a bare LF behind a trailer": (chunked(b"0\r\nA: b\n\r\n"), 400, None),
    "a bare LF at the end": (chunked(b"0\r\n\n"), 400, None),
    "a bare LF behind a size": (chunked(b"3\nabc\r\n" + END), 400, None),
    "a bare LF behind a chunk": (chunked(b"3\r\nabc\n" + END), 400, None),
    "a bare CR behind a size": (chunked(b"3\rabc\r\n" + END), 400, None),
    "a bare CR behind a chunk": (chunked(b"3\r\nabc\r" + END), 400, None),
    "a bare LF in an extension": (chunked(b"3;a\nb\r\nabc\r\n" + END), 400, None),
    "a bare CR in an extension": (chunked(b"3;a\rb\r\nabc\r\n" + END), 400, None),
    "a NUL in an extension": (chunked(b"3;\0\r\nabc\r\n" + END), 400, None),
    "a chunk that is longer than its size": (chunked(b"3\r\nabcd\r\n" + END), 400, None),
    "two bytes for the end of a chunk": (chunked(b"3\r\nabcXY" + END), 400, None),
    "a chunk that is shorter than its size": (chunked(b"5\r\nabc\r\n" + END), 400, None),
    "no size": (chunked(b"\r\nabc\r\n" + END), 400, None),
    "a size that is none": (chunked(b"xyz\r\nabc\r\n" + END), 400, None),
    "a size with a prefix": (chunked(b"0x3\r\nabc\r\n" + END), 400, None),
    "a size with a sign": (chunked(b"+3\r\nabc\r\n" + END), 400, None),
    "a size below 0": (chunked(b"-3\r\nabc\r\n" + END), 400, None),
    "a blank before a size": (chunked(b" 3\r\nabc\r\n" + END), 400, None),
    "a blank behind a size": (chunked(b"3 \r\nabc\r\n" + END), 400, None),
    "a size beyond 64 bits": (chunked(b"10000000000000003\r\nabc\r\n" + END), 400, None),
    "the largest size": (chunked(b"ffffffffffffffff\r\nabc\r\n" + END), 405, None),
    "a size of 10 kB": (chunked(b"0" * 10000 + b"3\r\nabc\r\n" + END), 400, None),
}

# RFC 9112, 9: connections.
CONNECTIONS = {
    "close": (with_field(b"Connection: close"), 200, None),
    "Close among others": (with_field(b"Connection: keep-alive, Close"), 200, None),
    "close in a second line": (with_field(b"Connection: x", b"Connection: close"), 200, None),
    "close that is a part of a word": (with_field(b"Connection: closed, enclose"), 200),
    "close and a body": (post(b"Connection: close", b"Content-Length: 3", body=b"abc"), 405, None),
    "HEAD": (get(b"HEAD /livez HTTP/1.1"), 200),
    "HEAD of what is not there": (get(b"HEAD /nothing HTTP/1.1"), 404),
    "HEAD, GET and POST": (get(b"HEAD /livez HTTP/1.1") + get() + post(), 200, 200, 405),
    "a hundred": (get() * 100, *[200] * 100),
    "a refusal among them": (get() + get(b"GET /livez HTTP/1.1 ") + get(), 200, 400, None),
}

# Every head up to 32 KiB gets an answer, whatever it is made of.
HEADS = {
    "a batch of 100 names": (
        get(b"GET /api/configs:batchGet?" + b"&".join(b"name=prod%%2Fservice-%03d" % i
                                                      for i in range(100)) + b" HTTP/1.1"), 200),
    "105 arguments": (get(b"GET /livez?" + b"&".join(b"a%d=%d" % (i, i) for i in range(105)) +
                          b" HTTP/1.1"), 200),
    "200 ampersands": (get(b"GET /livez?" + b"&" * 200 + b" HTTP/1.1"), 200),
    "116 short fields": (with_field(*[b"A%d: b" % i for i in range(116)]), 200),
    "200 fields of one name": (with_field(*[b"A: b"] * 200), 200),
    "110 cookies": (with_field(b"Cookie: " + b"; ".join(b"c%d=%d" % (i, i) for i in range(110))), 200),
    "110 lines of cookies": (with_field(*[b"Cookie: c%d=%d" % (i, i) for i in range(110)]), 200),
    "a field of 7.9 kB": (with_field(b"A: " + b"b" * 7900), 200),
    "a field of 30 kB": (with_field(b"A: " + b"b" * 30000), 200),
    "a target of 7.9 kB": (get(b"GET /livez?" + b"a" * 7900 + b" HTTP/1.1"), 200),
    "a target of 16 KiB": (get(b"GET /livez?" + b"a" * (16384 - 7) + b" HTTP/1.1"), 200),
    "a larger target": (get(b"GET /livez?" + b"a" * (16384 - 6) + b" HTTP/1.1"), 414, None),
    "a target without end": (b"GET /" + b"a" * 200_000, 414, None),
    "a head of 32 KiB": (with_field(b"A: " + b"b" * (32768 - len(with_field(b"A: ")))), 200),
    "a larger head": (with_field(b"A: " + b"b" * (32769 - len(with_field(b"A: ")))), 431, None),
    "a field without end": (b"GET /livez HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 200_000, 431, None),
    "a name without end": (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"b" * 200_000, 431, None),
    "256 fields": (with_field(*[b"A:"] * 255), 200),
    "more fields": (with_field(*[b"A:"] * 256), 431, None),
    "fields without end": (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20000, 431, None),
    "empty lines without end": (b"\r\n" * 50_000, 400, None),
    "tags of 30 kB": (with_field(b"If-None-Match: " + b", ".join([b'"a"'] * 6000)), 200),
}

ROWS = [pytest.param(row[0], row[1:], id=f"{part}: {title}")
        for part, table in (("2", MESSAGES), ("3", REQUEST_LINES), ("5", FIELDS), ("6", BODIES),
                            ("7", CHUNKS), ("9", CONNECTIONS), ("heads", HEADS))
        for title, row in table.items()]


def read_to_the_end(sock):
    received = b""
    while True:
        try:
            part = sock.recv(1 << 16)
        except ConnectionResetError:
            return received
        if not part:
            return received
        received += part


def take_answer(text, is_head):
    """The status of the first answer, and what is behind it."""
    head, _, rest = text.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0].startswith("HTTP/1.1 "), text[:200]
    status = int(lines[0].split()[1])
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    if status == 100 or is_head:
        return status, rest
    return status, rest[int(fields["content-length"]):]


def statuses(text, request):
    """Of all answers; interim ones are left out."""
    found = []
    is_head = request.lstrip(b"\r\n").startswith(b"HEAD")
    while text:
        status, text = take_answer(text, is_head and not found)
        found += [] if status == 100 else [status]
    return found


def send_all(sock, data):
    """As much as the other side takes."""
    try:
        sock.sendall(data)
    except (ConnectionResetError, BrokenPipeError):
        pass


def expected(wanted):
    """None stands for a connection that is closed."""
    return list(wanted[:-1]) if wanted[-1] is None else [*wanted, 200]


@pytest.mark.parametrize("request_bytes, wanted", ROWS)
def test_message(rest, request_bytes, wanted):
    with rest.open(timeout=PATIENCE) as sock:
        send_all(sock, request_bytes + LAST)
        answers = read_to_the_end(sock)
    assert statuses(answers, request_bytes) == expected(wanted)
    assert rest.get("/api/configs/hidden").status == 404  # nothing was carried out


@pytest.mark.parametrize("request_bytes, wanted",
                         [row for row in ROWS if len(row.values[0]) < 2000])
def test_message_byte_by_byte(rest, request_bytes, wanted):
    """The answers do not depend on how the bytes are cut into reads."""
    with rest.open(timeout=PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request_bytes + LAST:
            send_all(sock, bytes([byte]))
        answers = read_to_the_end(sock)
    assert statuses(answers, request_bytes) == expected(wanted)
    assert rest.get("/api/configs/hidden").status == 404


def test_the_hidden_request_is_one(rest):
    """The hidden request of the table would be carried out if it were read as one."""
    with rest.open(timeout=PATIENCE) as sock:
        sock.sendall(CREATE.replace(b"hidden", b"found"))
        assert read_answer(sock).status == 201
    assert rest.get("/api/configs/found").status == 200


def test_a_refusal_says_why(rest):
    answer = rest.raw(post(b"Content-Length: 1", b"Content-Length: 1"))
    assert answer.status == 400 and "Content-Length" in answer.json()["detail"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Connection"] == "close"


# ---- Bodies that wait ----

def test_100_continue(rest, name):
    body = b'{"config_data":{}}'
    head = get(b"POST /api/configs/%s HTTP/1.1" % name.encode(), b"Content-Type: application/json",
               b"Content-Length: %d" % len(body), b"Expect: 100-Continue")
    with rest.open(timeout=PATIENCE) as sock:
        sock.sendall(head)
        assert sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_answer(sock).status == 201
        sock.sendall(head.replace(b"POST", b"PUT") + body)  # it does not wait
        while not (answer := sock.recv(4096)).startswith(b"HTTP/1.1 200"):
            assert answer == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_no_100_continue_for_what_is_refused(rest):
    with rest.open(timeout=PATIENCE) as sock:
        sock.sendall(get(b"POST /api/configs/x HTTP/1.1", b"Content-Length: 99000000",
                         b"Expect: 100-continue"))
        assert statuses(read_to_the_end(sock), b"POST") == [413]


def test_a_body_beyond_all_is_refused_while_it_is_sent(rest):
    with rest.open(timeout=PATIENCE) as sock:
        send_all(sock, get(b"POST /api/configs/x HTTP/1.1", b"Content-Length: 999000000") +
                 b"x" * 300_000)
        assert statuses(read_to_the_end(sock), b"POST") == [413]


# ---- Clients that leave ----

def whole(sock):
    """Sends no more, as `printf … | nc -N` does, and reads the answers."""
    sock.shutdown(socket.SHUT_WR)
    return read_to_the_end(sock)


@pytest.mark.parametrize("kept", [b"", b"Connection: close"])
def test_a_client_that_has_said_all_gets_its_answers(rest, kept):
    with rest.open(timeout=PATIENCE) as sock:
        sock.sendall(get() + post(b"Content-Length: 3", body=b"abc") +
                     with_field(*[kept] if kept else []))
        assert statuses(whole(sock), b"GET") == [200, 405, 200]


def test_a_write_of_a_client_that_has_said_all(rest, name):
    with rest.open(timeout=PATIENCE) as sock:
        sock.sendall(CREATE.replace(b"hidden", name.encode()))
        assert statuses(whole(sock), b"POST") == [201]


HALVES = {
    "nothing": b"",
    "half a method": b"G",
    "half a request line": b"GET /livez HT",
    "half a head": b"GET /livez HTTP/1.1\r\nHost: x\r\nA",
    "half a body": post(b"Content-Length: 9", body=b"abc"),
    "half a size": chunked(b"1"),
    "half a chunk": chunked(b"9\r\nabc"),
    "half an end": chunked(b"3\r\nabc\r\n0\r\n"),
    "a refusal that is not read": get(b"GET /livez HTTP/1.1 "),
    "an answer that is not read": get(),
    "an event stream": get(b"GET /api/watch HTTP/1.1"),
    "events of HTTP/1.0": get(b"GET /api/watch HTTP/1.0"),
}


def sockets_of(pid):
    """The inodes of a program's sockets."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            yield os.readlink(f"/proc/{pid}/fd/{fd}").removeprefix("socket:[").removesuffix("]")


def connections_at(pid, port):
    """How many TCP connections a program holds at its port."""
    inodes = set(sockets_of(pid))
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    return sum(row[1].endswith(f":{port:04X}") and row[3] != "0A" and row[9] in inodes
               for row in rows[1:])


@pytest.mark.parametrize("way", ["close", "shutdown", "reset"])
@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
def test_a_client_that_is_gone_frees_its_connection(gateway, rest, half, way):
    """At once, not after a time-out."""
    def connections():
        return connections_at(gateway.process.pid, gateway.port)

    with rest.open() as sock:
        sock.sendall(half)
        until(lambda: connections() == 1, "it is accepted")
        if way == "shutdown":
            sock.shutdown(socket.SHUT_WR)
        else:
            linger = struct.pack("ii", way == "reset", 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            sock.close()
        until(lambda: connections() == 0, "its connection is freed", seconds=SOON)


def test_a_loop_of_clients_that_leave_shuts_nobody_out(gateway, rest):
    """More clients than the limit of connections, each with half a request."""
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (256, 256))
    for _ in range(2000):
        with rest.open() as sock:
            sock.sendall(HALVES["half a request line"])
    assert rest.get("/livez").status == 200


def test_a_poller_that_leaves(gateway, rest, name):
    etag = rest.post(f"/api/configs/{name}", {"config_data": {}}).headers["ETag"]
    poll = get(b"GET /api/configs/%s HTTP/1.1" % name.encode(),
               b"If-None-Match: " + etag.encode(), b"Prefer: wait=60")
    with rest.open() as sock:
        sock.sendall(poll)
        until(lambda: gauge(gateway.port, "confreg_gateway_requests_in_flight") == 2, "it waits")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_the_end(sock) == b""
