"""What schemathesis cannot send to /api/watch, whose answer does not end: random values of its
documented parameters, of kinds that they allow and of others. Each answer is a documented one."""

import json
import random
from urllib.parse import quote_plus

import jsonschema
import pytest
from calls import Registry
from daemon import Confregd, Gateway, until
from rest import Rest, gauge
from seed import chance
from sse import EventStream, Refused
from stubs import ROOT, api_pb

pytestmark = pytest.mark.any_store

DOCUMENT = json.loads((ROOT / "gateway" / "openapi.json").read_text())
WATCH = DOCUMENT["paths"]["/api/watch"]["get"]
NAMES = ["", "prod", "billing", "b", "é ü", "x" * 255]
BAD_NAMES = ["..", "a/b", "x" * 256, "a\x01", "\0"]
SWITCHES, BAD_SWITCHES = ["true", "1", "ON", "no", "false", "off"], ["", "2", "yes!", "tru"]
REQUESTS = 400


def resolved(item):
    found = item
    while "$ref" in found:
        reference, found = found["$ref"], DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    return found


PARAMETERS = {parameter["name"]: parameter for parameter in map(resolved, WATCH["parameters"])}


@pytest.fixture(scope="module")
def registry(launch):
    """A gateway whose server has a config with compacted events; the log's epoch and its end."""
    server = launch(Confregd).start()
    calls = Registry(server.stub)
    calls.create("billing")
    for _ in range(5):
        header = calls.update("billing").header
    server.stub.Compact(api_pb.CompactRequest(revision=3), timeout=60)
    calls.update("billing")
    # One that has not seen the events that are gone.
    gateway = launch(Gateway, server.listen).start()
    until(lambda: gauge(gateway.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    return gateway, header.epoch, header.revision + 2


def draw(rng, good, bad):
    """(a value, whether it is allowed)"""
    return (rng.choice(good), True) if rng.random() < 0.85 else (rng.choice(bad), False)


def draw_position(rng, epoch, newest):
    good = [f"{epoch}:{revision}" for revision in (0, 1, 3, 4, newest, newest + 5, 2**63)]
    bad = ["x", ":", f"{epoch}:", f"{epoch}:-1", f"{epoch}:x", epoch, f"{epoch}:1:1", "0:1"]
    other = [f"{'0' * 16}:{revision}" for revision in (1, newest)]
    return draw(rng, good + other, bad)


def draw_request(rng, epoch, newest):
    """(the query, the id or None, whether all of it is allowed)"""
    query, is_allowed, last_id = [], True, None
    for name in PARAMETERS:
        if rng.random() < 0.5:
            continue
        if name == "Last-Event-ID":
            last_id, allowed = draw_position(rng, epoch, newest)
        else:
            is_switch = PARAMETERS[name]["schema"]["type"] == "boolean"
            bad = BAD_NAMES[name == "prefix":]  # of a prefix more may follow
            value, allowed = draw(rng, *((SWITCHES, BAD_SWITCHES) if is_switch else (NAMES, bad)))
            query.append(f"{name}={quote_plus(value)}")
        is_allowed = is_allowed and allowed
    extra = rng.random()
    if extra < 0.05:
        query.append(rng.choice(["env=prod", "Snapshot=true", "limit=1", "x"]))
    elif extra < 0.1 and query:
        query.append(query[0])
    rng.shuffle(query)
    return "?" + "&".join(query), last_id, is_allowed and (extra >= 0.1 or not query)


def check_refusal(refused):
    described = resolved(WATCH["responses"][str(refused.status)])
    schema = {**described["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(refused.body)


def test_random_parameters_have_documented_answers(registry):
    gateway, epoch, newest = registry
    rng, found = chance("watch parameters"), {}
    for _ in range(REQUESTS):
        query, last_id, is_allowed = draw_request(rng, epoch, newest)
        try:
            stream = EventStream(gateway.port, query, last_id)
        except Refused as refused:
            status = refused.status
            check_refusal(refused)
        else:
            status = 200
            stream.close()
        assert (status == 422) == (not is_allowed), (query, last_id, status)
        found[status] = found.get(status, 0) + 1
    assert set(found) == {200, 410, 422} and min(found.values()) > REQUESTS / 50, found
    gateway.assert_alive()
    # Every stream that was closed has been given up.
    until(lambda: gauge(gateway.port, "confreg_gateway_event_streams") == 0, "no stream is left")


def test_every_parameter_is_drawn():
    drawn = " ".join(str(draw_request(random.Random(seed), "0" * 16, 1)) for seed in range(50))
    assert set(PARAMETERS) == {"service_name", "environment", "prefix", "snapshot", "Last-Event-ID"}
    assert all(f"{name}=" in drawn for name in PARAMETERS if name != "Last-Event-ID")
