"""The examples in openapi.json: they fit their schemas, and those of requests are sent, in this order,
to a new registry, where they are answered as the examples of responses say."""

import json
from urllib.parse import urlencode

import jsonschema
import pytest
from daemon import Confregd, Gateway, until
from rest import Rest, gauge
from sse import EventStream
from stubs import ROOT

pytestmark = pytest.mark.any_store

DOCUMENT = json.loads((ROOT / "gateway" / "openapi.json").read_text())
SENT = ["createConfig", "updateConfig", "patchConfig", "rollbackConfig", "commitChanges", "getConfig",
        "listVersions", "diffVersions", "listConfigs", "batchGetConfigs", "batchGetConfigsOfList",
        "evaluateFlags", "evaluateFlag", "getSpringEnvironment", "getSpringEnvironmentOfLabel",
        "diffConfigs", "listCommits", "deleteConfig", "undeleteConfig", "setSchema", "rollbackSchema",
        "getSchema", "listSchemas", "getSchemaHistory", "diffSchemas", "trySchema", "findBroken", "deleteSchema",
        "getSession", "signOut", "health", "stats", "livez", "readyz", "metrics", "copyConfig"]
STREAM = "watch"
# Not answered as the example says by a registry without credentials and secrets: test_http_access.py and
# test_secrets.py have these.
ELSEWHERE = {"signIn", "findSecrets"}
WITHOUT = {"openapi"}  # it is its own example
# What differs from run to run, beside the version of the programs.
VOLATILE = {"state", "timestamp", "created_at", "updated_at", "peer", "notifications_sent",
            "next"}


def resolved(item):
    return item if "$ref" not in item else resolved_path(item["$ref"])


def resolved_path(reference):
    found = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return resolved(found)


def operations():
    """{operationId: (method, path, operation with the parameters of its path)}"""
    return {operation["operationId"]: (method.upper(), path, {
                **operation, "parameters": item.get("parameters", []) + operation.get("parameters", [])})
            for path, item in DOCUMENT["paths"].items()
            for method, operation in item.items() if method != "parameters"}


OPERATIONS = operations()


def main_response(operation):
    responses = operation["responses"]
    return next((int(status), responses[status]) for status in ("201", "200", "204") if status in responses)


def response_of(name):
    """A PUT and a copy replace what is there; a PUT creates only where it is asked to."""
    operation = OPERATIONS[name][2]
    return (200, operation["responses"]["200"]) if name in {"updateConfig", "copyConfig"} else main_response(operation)


def check_schema(schema, value, where):
    whole = {**schema, "components": DOCUMENT["components"]}
    found = [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(value)]
    assert not found, f"{where}: {found}"


def media(content, where):
    for kind, described in content.items():
        assert "example" in described, f"{where}, {kind}: no example"
        check_schema(described.get("schema", {}), described["example"], f"{where}, {kind}")
        yield kind, described["example"]


# ---- The document ----

def test_every_operation_has_examples_that_fit_their_schemas():
    assert {*SENT, STREAM, *ELSEWHERE, *WITHOUT} == set(OPERATIONS)
    for name in [*SENT, STREAM, *ELSEWHERE]:
        _, _, operation = OPERATIONS[name]
        for parameter in map(resolved, operation["parameters"]):
            assert "example" in parameter or parameter.get("required") is not True, (name, parameter)
            if "example" in parameter:
                check_schema(parameter["schema"], parameter["example"], (name, parameter["name"]))
        if "requestBody" in operation:
            assert list(media(operation["requestBody"]["content"], name))
        status, response = response_of(name)
        assert list(media(response.get("content", {}), name)) or status == 204


@pytest.mark.parametrize("name", DOCUMENT["components"]["responses"])
def test_every_error_has_an_example_that_fits_its_schema(name):
    described = DOCUMENT["components"]["responses"][name]["content"]
    forms = dict(media(described, name))
    plain, problem = forms["application/json"], forms["application/problem+json"]
    assert problem["reason"] == plain["reason"]


# ---- Sending them ----

def request_of(name):
    """(method, target, headers) with the parameters that have examples."""
    method, path, operation = OPERATIONS[name]
    query, headers = [], {}
    for parameter in map(resolved, operation["parameters"]):
        key, value = parameter["name"], parameter.get("example")
        if value is None:
            continue
        if parameter["in"] == "path":
            path = path.replace("{%s}" % key, value)
        elif parameter["in"] == "header":
            headers[key] = value
        else:
            values = value if isinstance(value, list) else [value]
            query += [(key, str(v).lower() if isinstance(v, bool) else v) for v in values]
    return method, path + ("?" + urlencode(query) if query else ""), headers


def steady(value):
    """Without what differs from run to run."""
    if isinstance(value, dict):
        hidden = VOLATILE | {key for key in ("version", "revision") if isinstance(value.get(key), str)}
        return {key: "…" if key in hidden and inner is not None else steady(inner)
                for key, inner in value.items()}
    return [steady(inner) for inner in value] if isinstance(value, list) else value


def answers(rest):
    """Sends all examples; yields (operationId, target, answer)."""
    for name in SENT:
        method, target, headers = request_of(name)
        bodies = OPERATIONS[name][2].get("requestBody", {"content": {None: {}}})["content"]
        for kind, described in bodies.items():
            body = None if kind is None else json.dumps(described["example"])
            more = {} if kind is None else {"Content-Type": kind}
            yield name, target, rest.call(method, target, body, {**headers, **more})


@pytest.fixture(scope="module")
def rest(launch):
    server = launch(Confregd).start()
    rest = Rest(launch(Gateway, server.listen).start().port)
    until(lambda: gauge(rest.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    return rest


def test_the_examples_are_answered_as_the_document_says(rest):
    first = set()
    for name, target, answer in answers(rest):
        status, described = response_of(name)
        assert answer.status == status, (name, target, answer)
        if status == 204:
            continue
        [(told, content)] = described["content"].items()
        if told == "text/plain":
            assert set(content["example"].splitlines()) <= set(answer.body.decode().splitlines()), name
            continue
        check_schema(content["schema"], answer.json(), (name, target))
        if name not in first:  # of several bodies the first one leads to the example
            assert steady(answer.json()) == steady(content["example"]), name
        first.add(name)
    stream = EventStream(rest.port, request_of(STREAM)[1].removeprefix("/api/watch"))
    found = stream.next().data
    stream.close()
    content = response_of(STREAM)[1]["content"]["text/event-stream"]
    check_schema(content["schema"], found, "watch")
    assert steady(found) == steady(content["example"])
