"""A plain HTTP client: sends exactly what the test says."""

import contextlib
import http.client
import json
import re
import socket
from urllib.parse import urlencode

import exercised


SEEN = set()  # (method, path, status) of all calls


def documented_statuses(document):
    """All (route, method, status) of an OpenAPI document."""
    return {(route, method.upper(), int(status))
            for route, item in document["paths"].items()
            for method, operation in item.items() if method != "parameters"
            for status in operation["responses"]}


def path_of(route, service="billing", **names):
    """The path of a route of an OpenAPI document, with names for its parameters."""
    names = {"service_name": service, "environment": "prod", "key": "a", "profiles": "prod", "label": "1",
             **names}
    return re.sub(r"{(\w+)}", lambda found: names[found[1]], route)


def pattern_of(route):
    """Matches the paths of a route."""
    return re.compile(re.sub(r"{\w+}", "[^/]+", route))


def undocumented(document):
    """The (method, path, status) that were seen for an operation of the document and are missing in
    it. Other calls (405, 307, unknown paths) do not count."""
    statuses = documented_statuses(document)
    routes = {route: pattern_of(route) for route, _, _ in statuses}
    for method, path, status in sorted(SEEN):
        route = next((r for r, form in routes.items() if form.fullmatch(path)), None)
        method = "GET" if method == "HEAD" else method
        known = any(s[:2] == (route, method) for s in statuses)
        if known and (route, method, status) not in statuses:
            yield method, path, status


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def documented(self):
        """The body; of an error the documented part, without the members for programs."""
        body = self.json()
        return {"detail": body["detail"]} if self.status >= 400 else body

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


def from_then_on(response):
    """The header that requests a state that includes the result of a gRPC call."""
    header = response.header
    return {"X-Config-Min-Revision": f"{header.epoch}-{header.revision}"}


class Rest:
    """Calls one gateway, each call on a new connection. context: an ssl.SSLContext: over TLS."""

    def __init__(self, port, host="127.0.0.1", context=None):
        self.host, self.port, self.context = host, port, context

    def connection(self, timeout=60):
        if self.context is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout,
                                           context=self.context)

    def call(self, method, path, body=None, headers=None, query=None, timeout=60):
        """body: bytes and text are sent as they are, anything else as JSON. A header of None is not
        sent."""
        if query:
            path += "?" + urlencode(query)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        headers = {header: value for header, value in headers.items() if value is not None}
        with contextlib.closing(self.connection(timeout)) as connection:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        exercised.note_http(method, path, headers, answer.status, answer.headers)
        if b'"ROUTE_UNKNOWN"' not in answer.body:
            SEEN.add((method, path.partition("?")[0], answer.status))
        return answer

    def get(self, path, **kwargs):
        return self.call("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.call("POST", path, body=body, **kwargs)

    def put(self, path, body=None, **kwargs):
        return self.call("PUT", path, body=body, **kwargs)

    def delete(self, path, **kwargs):
        return self.call("DELETE", path, **kwargs)

    def raw(self, request, timeout=60):
        """Sends bytes and reads one response."""
        with self.open(timeout) as sock:
            sock.sendall(request)
            return read_answer(sock)

    def open(self, timeout=60):
        sock = socket.create_connection((self.host, self.port), timeout=timeout)
        return self.context.wrap_socket(sock, server_hostname=self.host) if self.context else sock


def gauge(port, name):
    """The value of a metric without labels."""
    for line in Rest(port).get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"{name} is not on the page")


def read_answer(sock, method="GET"):
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return Answer(response.status, response.headers, response.read())
