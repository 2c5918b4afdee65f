"""Which parts of the two contracts the tests exercised: of gateway/openapi.json each operation with
its parameters, statuses, headers and content types; of proto each method, and each field of requests
and responses with a value other than its default.

The clients of the tests note what they send and receive. Each process of a run adds a file to the
folder CONFREG_EXERCISED; without that variable nothing is noted. `exercised.py FOLDER` tells what a
whole run did not exercise."""

import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

FOLDER = os.environ.get("CONFREG_EXERCISED")
NOTED = set()  # tuples of texts
MANY = 50  # of a repeated field the first ones are enough


# ---- Notes ----

def note_http(method, target, sent, status, received):
    """sent, received: the headers of the request and of the answer."""
    if not FOLDER:
        return
    url = urlsplit(target)
    call = (method, url.path, str(status))
    NOTED.add(("status", *call))
    for name, _ in parse_qsl(url.query, keep_blank_values=True):
        NOTED.add(("query", *call, name))
    for side, headers in (("sent", sent), ("received", received)):
        for name, value in headers.items():
            NOTED.add((side, *call, name.lower()))
            if name.lower() == "content-type":
                NOTED.add((f"{side} type", *call, value.partition(";")[0].strip().lower()))


def note_message(side, message):
    """side: "request" or "response"."""
    if not FOLDER:
        return
    for field, value in message.ListFields():
        NOTED.add((side, field.containing_type.full_name, field.name))
        if field.message_type is not None:
            for inner in (value[:MANY] if field.is_repeated else [value]):
                note_message(side, inner)


def note_method(name, request, response):
    if FOLDER:
        NOTED.add(("method", name))
        note_message("request", request)
        note_message("response", response)


def save():
    if FOLDER:
        folder = Path(FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{os.getpid()}.json").write_text(json.dumps(sorted(NOTED)))


# ---- Check ----

def resolved(document, part):
    """The part that a $ref stands for."""
    while "$ref" in part:
        path = part["$ref"].removeprefix("#/").split("/")
        part = document
        for name in path:
            part = part[name]
    return part


def wanted_of_operation(document, item, operation):
    """What an operation documents: (kind, status or None, name)."""
    for parameter in item.get("parameters", []) + operation.get("parameters", []):
        parameter = resolved(document, parameter)
        if parameter["in"] != "path":
            kind = {"query": "query", "header": "sent"}[parameter["in"]]
            yield kind, None, parameter["name"]
    body = resolved(document, operation.get("requestBody", {}))
    for kind in body.get("content", {}):
        yield "sent type", None, kind
    for status, response in operation["responses"].items():
        response = resolved(document, response)
        yield "status", status, ""
        for name in response.get("headers", {}):
            yield "received", status, name
        for kind in response.get("content", {}) if status < "400" else ():
            yield "received type", status, kind  # errors have the two forms everywhere


def missing_of_http(document, noted):
    routes = {route: re.compile(re.sub(r"{\w+}", "[^/]+", route) + "$")
              for route in document["paths"]}
    found = set()
    for kind, method, path, status, *name in noted:
        method = "get" if method == "HEAD" else method.lower()
        exact = [path] if path in routes else [r for r, form in routes.items() if form.match(path)]
        for route in exact[:1]:
            found.add((route, method, kind, status, "".join(name).lower()))
            found.add((route, method, kind, None, "".join(name).lower()))
    for route, item in document["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            for kind, status, name in wanted_of_operation(document, item, operation):
                if (route, method, kind, status, name.lower()) not in found:
                    yield f"{method.upper()} {route}: {kind} {name} {status or ''}".rstrip()


def fields_of(side, message, seen):
    """All fields that a message of this package can have, at any depth."""
    if message.full_name in seen or not message.full_name.startswith("confreg."):
        return
    seen.add(message.full_name)
    for field in message.fields:
        yield side, message.full_name, field.name
        if field.message_type is not None:
            yield from fields_of(side, field.message_type, seen)


def missing_of_grpc(service, noted):
    requests, responses = set(), set()
    for method in service.methods:
        wanted = [("method", method.name)]
        wanted += fields_of("request", method.input_type, requests)
        wanted += fields_of("response", method.output_type, responses)
        for what in wanted:
            if what not in noted:
                yield "gRPC: " + " ".join(what)


def main(folder):
    from stubs import ROOT, api_pb
    noted = {tuple(note) for file in Path(folder).glob("*.json")
             for note in json.loads(file.read_text())}
    document = json.loads((ROOT / "gateway" / "openapi.json").read_text())
    of_grpc = {note for note in noted if note[0] in ("method", "request", "response")}
    service = api_pb.DESCRIPTOR.services_by_name["RegistryService"]
    missing = [*missing_of_http(document, noted - of_grpc), *missing_of_grpc(service, of_grpc)]
    for line in missing:
        print("not exercised:", line)
    return 1 if missing or not noted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
