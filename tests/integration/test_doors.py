"""The doors of the gateway: OpenFeature's remote evaluation protocol, and Spring Cloud Config. The real
clients of both are in test_clients.py."""

import base64
import contextlib
import gzip
import json

import pytest
from access import new_token
from daemon import Confregd, Gateway, until
from fake_server import FakeServer
from rest import Rest, gauge
from test_http_access import Site, grant

pytestmark = pytest.mark.any_store

FRESH = {"Cache-Control": "no-cache"}  # from the server, not from the mirror
ARRAY = "The value is an array, which is no type of a flag"


def flags_of(service, environment="prod", key=None):
    return (f"/api/ofrep/{environment}/{service}/ofrep/v1/evaluate/flags"
            + ("" if key is None else f"/{key}"))


def spring_of(service, *parts):
    return "/".join([f"/api/spring/{service}", *parts])


def write(rest, service, environment="default", **data):
    answer = rest.put(f"/api/configs/{service}?upsert=true&environment={environment}",
                      {"config_data": data})
    assert answer.status < 300, answer
    return answer.json()["version"]


def sources_of(answer):
    return [(s["name"], s["source"]) for s in answer.json()["propertySources"]]


@pytest.mark.parametrize("open_doors, statuses", [
    ([], [404, 404]), (["--ofrep"], [200, 404]), (["--spring"], [404, 200])])
def test_doors_are_closed_unless_an_option_opens_them(launch, open_doors, statuses):
    gateway = launch(Gateway, launch(Confregd).start().listen)
    gateway.doors = open_doors
    gateway.start()
    rest = Rest(gateway.port)
    write(rest, "x", a=1)
    found = [rest.post(flags_of("x"), {}), rest.get(spring_of("x", "default"))]
    assert [answer.status for answer in found] == statuses
    for answer in found:
        assert answer.status == 200 or answer.json()["reason"] == "ROUTE_UNKNOWN"
    metrics = rest.get("/metrics").body
    assert [b"/api/ofrep/" in metrics, b"/api/spring/" in metrics] == [s == 200 for s in statuses]


# ---- OFREP ----

CONTEXT = {"context": {"targetingKey": "user-123", "plan": "free"}}


def test_a_flag_is_the_member_of_the_resolved_config(rest, name):
    write(rest, name, "prod", on=True, n=3, f=2.0, o={"a": 1, "gone": None}, off=None, list=[1])
    write(rest, name, on=False, o={"b": 2, "gone": 3}, text="blue", nothing=None)
    resolved = rest.get(f"/api/configs/{name}?environment=prod&resolve=true").json()
    for key, origin, variant in (("on", "prod", "on"), ("n", "prod", "3"), ("f", "prod", "2.0"),
                                 ("o", "prod", ...), ("text", "default", "blue")):
        for headers in ({}, FRESH):
            answer = rest.post(flags_of(name, key=key), CONTEXT, headers=headers)
            found = answer.json()
            assert variant in (..., found["variant"])
            assert (answer.status, found) == (200, {
                "key": key, "value": resolved[key], "reason": "STATIC", "variant": found["variant"],
                "metadata": {"environment": origin}})
    for key, origin in (("off", "prod"), ("nothing", "default")):
        assert rest.post(flags_of(name, key=key), CONTEXT).json() == {
            "key": key, "reason": "DISABLED", "variant": "default", "metadata": {"environment": origin}}
    every = rest.post(flags_of(name), CONTEXT).json()
    assert [flag["key"] for flag in every["flags"]] == ["on", "n", "f", "o", "off", "list", "text", "nothing"]
    for flag in every["flags"]:
        alone = rest.post(flags_of(name, key=flag["key"]), CONTEXT).json()
        assert flag == {member: alone[member] for member in flag}


@pytest.mark.parametrize("key, body, status, code, told", [
    ("none", CONTEXT, 404, "FLAG_NOT_FOUND", "There is no such flag"),
    ("a%00", CONTEXT, 404, "FLAG_NOT_FOUND", "There is no such flag"),
    ("list", CONTEXT, 400, "PARSE_ERROR", ARRAY),
    ("a", "{", 400, "PARSE_ERROR", ...), ("a", b"", 400, "PARSE_ERROR", ...),
    ("a", [], 400, "PARSE_ERROR", ...), ("a", '{"a":1,"a":2}', 400, "PARSE_ERROR", ...),
    ("a", '{"context":' * 70 + "1" + "}" * 70, 400, "PARSE_ERROR", ...),
    ("a", {"context": []}, 400, "INVALID_CONTEXT", "context should be an object"),
    ("a", {"context": None}, 400, "INVALID_CONTEXT", "context should be an object"),
    ("a", {"context": {"targetingKey": 1}}, 400, "INVALID_CONTEXT",
     "context.targetingKey should be a string")])
def test_errors_are_those_of_openfeature(rest, name, key, body, status, code, told):
    write(rest, name, "prod", a=1, list=[])
    answer = rest.post(flags_of(name, key=key), body)
    found = answer.json()
    assert (answer.status, found["errorCode"], found["reason"]) == (status, code, code), answer
    assert found["key"] == key.replace("%00", "\0")
    assert found["detail"] == found["errorDetails"] and told in (..., found["detail"])
    if status == 400 and key == "a":
        whole = rest.post(flags_of(name), body)
        assert whole.status == 400 and whole.json() == {k: v for k, v in found.items() if k != "key"}


def test_a_key_with_a_slash(rest):
    write(rest, "slashes", **{"a/b": 1, "/": 2, "a": {"b": 3}})
    for key, value in (("a%2Fb", 1), ("a%2fb", 1), ("%2F", 2)):
        answer = rest.post(flags_of("slashes", key=key), CONTEXT)
        assert (answer.status, answer.json()["value"]) == (200, value), answer
    missing = rest.post(flags_of("slashes", key="a%2Fc"), CONTEXT)
    assert (missing.status, missing.json()["key"]) == (404, "a/c")
    assert missing.json()["errorCode"] == "FLAG_NOT_FOUND"
    for path in (flags_of("sla%2Fshes", key="a"), flags_of("slashes", "pr%2Fod", key="a"),
                 flags_of("slashes").replace("/flags", "%2Fflags")):
        assert rest.post(path, CONTEXT).json()["reason"] == "ROUTE_UNKNOWN", path


def test_a_body_that_is_too_large(rest):
    """As other errors of OFREP, whether its length is told before or not."""
    body = b" " * (4 << 20) + b"{} "
    for chunked in (False, True):
        for key, shown in ((None, {}), ("a", {"key": "a"})):
            with contextlib.closing(rest.connection()) as connection:
                connection.request("POST", flags_of("x", key=key), iter([body]) if chunked else body,
                                   encode_chunked=chunked)
                answer = connection.getresponse()
                assert answer.status == 413
                told = json.loads(answer.read())
            assert told.items() >= ({"errorCode": "GENERAL", "reason": "BODY_TOO_LARGE"} | shown).items()
            assert told["errorDetails"] == told["detail"]


def test_a_body_without_a_context_and_parameters_of_newer_providers(rest, name):
    write(rest, name, "prod", a=1)
    answer = rest.post(flags_of(name) + "?flagConfigEtag=x&flagConfigLastModified=1", {})
    assert answer.status == 200 and len(answer.json()["flags"]) == 1


def test_malformed_names_are_bad_requests(rest, name):
    for environment, service, field in (("%01", name, "environment"), ("prod", "%01", "service_name"),
                                        ("x" * 256, name, "environment")):
        answer = rest.post(flags_of(service, environment, "a"), {})
        found = answer.json()
        assert (answer.status, found["errorCode"], found["field"]) == (400, "GENERAL", field), answer
        problem = rest.post(flags_of(service, environment, "a"), {},
                            headers={"Accept": "application/problem+json"}).json()
        assert (problem["status"], problem["errorCode"]) == (400, "GENERAL")


def test_the_tag_of_all_flags_changes_with_them_only(rest, name):
    def tag(headers=None):
        answer = rest.post(flags_of(name), {}, headers=headers)
        assert answer.status == 200
        assert answer.json()["metadata"]["revision"] == answer.headers["X-Config-Revision"]
        return answer.headers["ETag"]

    write(rest, name, "prod", a=1)
    tags = [tag()]
    for write_one in (lambda: write(rest, name, "prod", a=2), lambda: write(rest, name, b=1),
                      lambda: rest.delete(f"/api/configs/{name}?environment=prod"),
                      lambda: write(rest, name, "prod", a=3)):
        write_one()
        write(rest, f"{name}-other", "prod", a=1)
        write(rest, name, "test", a=1)
        assert tag() == tag(FRESH)
        for before in tags:
            assert rest.post(flags_of(name), {}, headers={"If-None-Match": before}).status == 200
        tags.append(tag())
        known = rest.post(flags_of(name), {}, headers={"If-None-Match": f'"x", {tags[-1]}'})
        assert (known.status, known.body, known.headers["ETag"]) == (304, b"", tags[-1])
    assert len(set(tags)) == 5


def test_answers_are_compressed(rest, name):
    write(rest, name, large={f"flag-{i}": i for i in range(100)})
    gzip_too = {"Accept-Encoding": "gzip"}
    for method, path in (("POST", flags_of(name)), ("POST", flags_of(name, key="large")),
                         ("GET", spring_of(name, "default")), ("GET", spring_of(name, "default", "1"))):
        body = {} if method == "POST" else None
        packed = rest.call(method, path, body, gzip_too)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.body) == rest.call(method, path, body).body
    packed = rest.post(flags_of(name), {}, headers=gzip_too)
    assert rest.post(flags_of(name), {}, headers={"If-None-Match": packed.headers["ETag"]}).status == 304


def test_too_many_evaluations(launch):
    """Retry-After is for providers: they pause."""
    server = FakeServer()
    gateway = launch(Gateway, server.listen, extra=["--peer-requests", "1"]).start()
    rest = Rest(gateway.port)
    with rest.open() as held:  # the body of a request that is not over
        held.sendall(f"POST {flags_of('x')} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{".encode())
        livez = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        until(lambda: rest.raw(livez).status == 429, "the one request is counted")
        for path in (flags_of("x"), flags_of("x", key="a")):
            answer = rest.post(path, {})
            assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 1
    server.stop()


# ---- Spring ----

def test_property_sources_in_the_order_of_spring(rest, name):
    default = write(rest, name, db={"host": "db-0", "pool": 5}, ports=[7, 8])
    prod = write(rest, name, "prod", db={"host": "db-1"}, none=None)
    eu = write(rest, name, "eu", ports=[])
    wanted = {
        "default": (f"confreg:{name}", {"db.host": "db-0", "db.pool": 5, "ports[0]": 7, "ports[1]": 8}),
        "prod": (f"confreg:{name}-prod", {"db.host": "db-1", "none": ""}),
        "eu": (f"confreg:{name}-eu", {"ports": ""})}
    for profiles, order, version in (
            ("default", ["default"], default), ("prod", ["prod", "default"], prod),
            ("prod,eu", ["eu", "prod", "default"], eu), ("eu,prod", ["prod", "eu", "default"], prod),
            ("eu,default,prod,eu", ["eu", "prod", "default"], eu),
            ("prod,none", ["prod", "default"], prod)):
        for headers in ({}, FRESH):
            answer = rest.get(spring_of(name, profiles), headers=headers)
            assert sources_of(answer) == [wanted[environment] for environment in order]
            found = answer.json()
            assert (found["name"], found["profiles"], found["label"], found["version"]) == (
                name, profiles.split(","), None, str(version))


def test_the_state_changes_with_a_source_only(rest, name):
    def state():
        return rest.get(spring_of(name, "prod")).json()["state"]

    write(rest, name, "prod", a=1)
    before = state()
    write(rest, name, "test", a=1)
    assert state() == before
    write(rest, name, a=1)
    assert state() != before


def test_a_label_is_a_version_of_the_profile(rest, name):
    write(rest, name, base=1)
    for value in (1, 2):
        write(rest, name, "prod", a=value)
    for label, value in (("1", 1), ("2", 2), ("+01", 1)):
        answer = rest.get(spring_of(name, "prod", label))
        assert sources_of(answer) == [(f"confreg:{name}-prod", {"a": value}), (f"confreg:{name}", {"base": 1})]
        assert (answer.json()["label"], answer.json()["version"]) == (label, str(value))
    assert sources_of(rest.get(spring_of(name, "default", "1"))) == [(f"confreg:{name}", {"base": 1})]
    for label in ("3", "0", "-1", "main", "feature(_)x", "1,2", "9" * 30):
        assert rest.get(spring_of(name, "prod", label)).status == 404, label
    answer = rest.get(spring_of(name, "prod,eu", "1"))
    assert (answer.status, answer.json()["reason"]) == (422, "LABEL_AMBIGUOUS")


def test_nothing_is_not_found_except_as_default(rest, name):
    assert rest.get(spring_of(name, "prod")).status == 404
    answer = rest.get(spring_of(name, "default"))
    assert (answer.status, sources_of(answer)) == (200, [])
    assert (answer.json()["version"], answer.json()["state"]) == (None, None)


@pytest.mark.parametrize("profiles, reason", [
    (",", "NAME_EMPTY"), ("a,", "NAME_EMPTY"), ("a%01", "NAME_CHARACTER"), ("a%00b", "NAME_CHARACTER"),
    ("x" * 256, "NAME_TOO_LONG"), (",".join("abcdefghi"), "PROFILES_COUNT")])
def test_malformed_profiles(rest, name, profiles, reason):
    answer = rest.get(spring_of(name, profiles))
    assert (answer.status, answer.json()["reason"]) == (422, reason), answer
    assert rest.get(spring_of(name, ",".join("abcdefgh"))).status == 404  # as many as may be


def test_head_of_properties(rest, name):
    write(rest, name, a=1)
    got, head = (rest.call(method, spring_of(name, "default")) for method in ("GET", "HEAD"))
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(got.body)))


# ---- Where it comes from, and who may ---

def test_reads_are_answered_from_the_mirror_also_while_the_server_is_away(launch):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    rest = Rest(gateway.port)
    write(rest, "billing", "prod", a=1)
    before = gauge(gateway.port, 'confreg_gateway_reads_total{source="mirror"}')
    calls = [lambda: rest.post(flags_of("billing", key="a"), {}), lambda: rest.post(flags_of("billing"), {}),
             lambda: rest.get(spring_of("billing", "prod"))]
    told = [call().body for call in calls]
    assert gauge(gateway.port, 'confreg_gateway_reads_total{source="mirror"}') == before + 3
    server.kill()
    until(lambda: calls[0]().headers["Warning"] is not None, "the gateway has noticed")
    for call, before in zip(calls, told):
        answer = call()
        assert (answer.status, answer.body) == (200, before)
        assert answer.headers["Warning"].startswith("110") and int(answer.headers["Age"]) >= 0


@pytest.fixture(scope="module")
def site(launch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    made = Site(launch, folder, extra=["--access-log", str(folder / "access.log"),
                                       "--audit-log", str(folder / "audit.log")])
    made.log, made.audit = folder / "access.log", folder / "audit.log"
    made.both = made.access.add("both", grant("reader", ["prod", "default"], ["billing"]))
    made.own = made.access.add("own", grant("reader", ["prod"], ["billing"]))
    for environment in ("prod", "default"):
        created = made.call(made.root, "POST", f"/api/configs/billing?environment={environment}",
                            {"config_data": {"secret": environment}})
        assert created.status == 201, created
    until(lambda: made.call(made.both, "GET", "/api/session").status == 200, "the token is known")
    return made


CALLS = [("POST", flags_of("billing"), {}), ("POST", flags_of("billing", key="secret"), {}),
         ("GET", spring_of("billing", "prod"), None), ("GET", spring_of("billing", "prod", "1"), None)]


@pytest.mark.parametrize("method, path, body", CALLS)
def test_a_caller_needs_a_right_to_each_config(site, method, path, body):
    assert site.call(site.both, method, path, body).status == 200
    assert site.call(site.root, method, path, body).status == 200
    for token in (site.own, site.tokens["nothing"]):
        for wanted in (path, path.replace("billing", "missing")):
            answer = site.call(token, method, wanted, body)
            assert (answer.status, answer.json()["reason"]) == (403, "NOT_ALLOWED"), answer
            assert b"secret\":" not in answer.body
    for token in (None, new_token(), "x"):
        answer = site.call(token, method, path, body)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"] == 'Bearer realm="confreg"'
        if method == "POST":
            assert answer.json()["errorCode"] == "GENERAL"


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_the_forms_of_a_token(site):
    """Each for its door only; the log names the credential, and no log has it."""
    spring, flags = spring_of("billing", "prod,default"), flags_of("billing")
    token = site.both
    for headers in (basic("any", token), basic("", token), {"X-Config-Token": token}):
        assert site.rest.get(spring, headers=headers).status == 200
        assert site.rest.post(flags, {}, headers=headers).status == 401
    assert site.rest.post(flags, {}, headers={"X-API-Key": token}).status == 200
    assert site.rest.get(spring, headers={"X-API-Key": token}).status == 401
    for headers in (basic("any", token), {"X-Config-Token": token}, {"X-API-Key": token}):
        assert site.rest.get("/api/configs/billing", headers=headers).status == 401
    for headers in (basic("any", new_token()), basic("any", ""), {"Authorization": "Basic x"},
                    basic(token, ""), basic("any", token + "\n"), {"X-Config-Token": "a b"}):
        assert site.rest.get(spring, headers=headers).status == 401, headers

    def lines():
        return [json.loads(line) for line in site.log.read_text().splitlines()]

    def of_spring():
        return [line for line in lines() if line["path"] == spring and line["status"] == 200]

    until(lambda: len(of_spring()) >= 3, "the calls are logged")
    assert site.call(token, "GET", spring).status == 200
    until(lambda: len(of_spring()) >= 4, "a call with the usual form is logged")
    [credential] = {line["credential"] for line in of_spring()[-4:]}
    assert credential.startswith("token:")
    secrets = [token, base64.b64encode(f"any:{token}".encode()).decode()]
    for log in (site.log, site.audit, site.gateway.log):
        assert not [secret for secret in secrets if secret in log.read_text()], log


def test_the_audit_log_names_each_config(site):
    site.call(site.own, "GET", spring_of("billing", "eu,prod"))
    def told():
        return [json.loads(line) for line in site.audit.read_text().splitlines()
                if "eu,prod" in line]
    until(told, "the refusal is logged")
    assert told()[0]["configs"] == ["prod/billing", "eu/billing", "default/billing"]
