"""Credentials and rights through the gateway: each route x caller, and each way around a right."""

import contextlib
import json
import re
import threading
import time

import pytest
from access import AccessFile, grant, new_token
from browser import Browser, page
from certificates import Authority
from daemon import PATIENCE, ROOT, Gateway, until
from guarded import Guarded
from rest import Rest, path_of
from sse import EventStream, Refused
from test_https import HttpsGateway

pytestmark = pytest.mark.any_store

BILLING = (["prod"], ["billing*"])  # what the callers of the matrix have a role for


class Site:
    """A server with an access file, and a gateway with a token of the role gateway."""

    def __init__(self, launch, folder, kind=Gateway, *kind_arguments, extra=(), **kwargs):
        self.access = AccessFile(folder)
        self.root = self.access.add("root", grant("super-admin"))
        self.tokens = {role: self.access.add(role, grant(role, *BILLING))
                       for role in ("reader", "admin", "super-admin", "auditor")}
        self.tokens["nothing"] = self.access.add("nothing")
        own = self.access.add("gateway", grant("gateway"), grant("reader"))
        self.token_file = folder / "token"
        self.token_file.write_text(own + "\n")
        self.server = launch(Guarded, access=self.access).start()
        self.gateway = launch(
            kind, self.server.listen, *kind_arguments,
            extra=["--server-token-file", str(self.token_file), *extra], **kwargs).start()
        self.rest = Rest(self.gateway.port)
        self.delegated()

    def delegated(self):
        until(lambda: "mode=delegated" in self.gateway.log.read_text(), "the gateway is known")

    def call(self, token, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            named["Authorization"] = f"Bearer {token}"
        return self.rest.call(method, path, body, headers=named)

    def counts(self, name, **labels):
        from test_metrics import scrape
        return scrape(f"127.0.0.1:{self.gateway.port}").get(name, **labels)


@pytest.fixture(scope="module")
def site(launch, tmp_path_factory):
    site = Site(launch, tmp_path_factory.mktemp("site"))
    for environment in ("prod", "test", "default"):
        for service in ("billing", "billing-api", "web"):
            made = site.call(site.root, "POST",
                             f"/api/configs/{service}?environment={environment}",
                             {"config_data": {"secret": f"{environment}-{service}"}})
            assert made.status == 201, made
    return site


# ---- Every route x caller ----

DATA = {"config_data": {"a": 1}}
READ, WRITE, DELETE = {"reader", "admin", "super-admin"}, {"admin", "super-admin"}, {"super-admin"}
# Of each route that names a config: who may call it, and with what.
NAMED = {
    ("GET", "/api/configs/{service_name}"): (READ, "", None),
    ("POST", "/api/configs/{service_name}"): (WRITE, "&validate_only=true", DATA),
    ("PUT", "/api/configs/{service_name}"): (WRITE, "&validate_only=true", DATA),
    ("PATCH", "/api/configs/{service_name}"): (WRITE, "&validate_only=true", {"b": 2}),
    ("DELETE", "/api/configs/{service_name}"): (DELETE, "&validate_only=true", None),
    ("GET", "/api/configs/{service_name}/history"): (READ, "", None),
    ("GET", "/api/configs/{service_name}/diff"): (READ, "&old_version=1&new_version=1", None),
    ("POST", "/api/configs/{service_name}/copy"):
        (WRITE, "&validate_only=true&source_environment=prod", {}),
    ("POST", "/api/configs/{service_name}/rollback"):
        (WRITE, "&validate_only=true", {"version": 1}),
    ("POST", "/api/configs/{service_name}/undelete"): (WRITE, "&validate_only=true", {}),
}
# Routes that answer with what the caller may read of all that there is.
PARTS = {
    ("GET", "/api/configs"): "/api/configs?environment=prod",
    ("GET", "/api/diff"): "/api/diff?environment=prod&new_environment=test",
    ("GET", "/api/commits"): "/api/commits?view=diff",
    ("GET", "/api/watch"): "/api/watch?environment=prod&snapshot=true",
    ("GET", "/api/configs:batchGet"): "/api/configs:batchGet?name=prod/billing&name=prod/web",
    ("POST", "/api/configs:batchGet"): "/api/configs:batchGet",
}
OTHERS = {("POST", "/api/commits"), ("GET", "/api/secrets"),  # test_secrets.py
          ("GET", "/api/broken"),  # test_broken.py
          ("GET", "/api/session"), ("POST", "/api/session"),
          ("DELETE", "/api/session")}
DOORS = ("/api/ofrep/", "/api/spring/")  # test_doors.py


def documented_routes():
    document = json.loads((ROOT / "gateway" / "openapi.json").read_text())
    return {(method.upper(), path) for path, item in document["paths"].items()
            for method in item if path.startswith("/api/") and method != "parameters"}


def test_every_route_is_in_the_matrix():
    elsewhere = {route for route in documented_routes()
                 if "/schema" in route[1] or route[1].startswith(DOORS)}
    assert set(NAMED) | set(PARTS) | OTHERS == documented_routes() - elsewhere


@pytest.mark.parametrize("route", NAMED, ids=" ".join)
def test_who_may_call_it(site, route):
    roles, query, body = NAMED[route]
    method, path = route
    kind = {"Content_Type": "application/merge-patch+json"} if method == "PATCH" else {}

    def call(token, service, environment="prod"):
        target = path_of(path, service) + f"?environment={environment}{query}"
        return site.call(token, method, target, body, **kind)

    for role, token in site.tokens.items():
        status = call(token, "billing").status
        assert (status not in (401, 403)) == (role in roles), (role, status)
        for service, environment in (("web", "prod"), ("billing", "test")):
            there = call(token, service, environment)
            missing = call(token, "web-missing", environment)
            assert there.status == missing.status == 403, (role, there, missing)
            assert there.body == missing.body and there.json()["reason"] == "NOT_ALLOWED"
    for token in (None, new_token(), "x", f"{site.root}, Bearer {site.root}"):
        answer = call(token, "billing")
        assert answer.status == 401 and site.root.encode() not in answer.body
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="confreg"'
        assert answer.headers["Cache-Control"] == "private"


@pytest.mark.parametrize("route", [route for route in PARTS if route[1] != "/api/watch"],
                         ids=" ".join)
def test_who_sees_what_of_it(site, route):
    body = {"names": ["prod/billing", "prod/web"]} if route[0] == "POST" else None
    for role, token in site.tokens.items():
        answer = site.call(token, route[0], PARTS[route], body)
        if role in READ and route[1] != "/api/diff":  # which needs a right for both sides
            assert answer.status == 200, answer
            assert b"billing" in answer.body, answer
        elif role == "auditor" and route[1] == "/api/commits":
            assert answer.status == 200
        else:
            assert answer.status == 403, (role, answer)
        assert b"prod-web" not in answer.body and b"test-" not in answer.body, role
    assert b"prod-web" in site.call(site.root, route[0], PARTS[route], body).body
    assert site.call(None, route[0], PARTS[route], body).status == 401


def test_who_sees_what_of_a_watch(site):
    for role, token in site.tokens.items():
        if role in READ:
            with stream_of(site, token, "?snapshot=true") as stream:
                names = set()
                while (event := stream.next()).name == "snapshot":
                    names.add((event.data["environment"], event.data["service_name"]))
            assert names == {("prod", "billing"), ("prod", "billing-api")}
        else:
            with pytest.raises(Refused) as caught:
                stream_of(site, token)
            assert caught.value.status == 403
    with pytest.raises(Refused) as caught:
        EventStream(site.gateway.port)
    assert caught.value.status == 401


def test_a_commit_is_all_or_none(site):
    def change(service):
        return {"update": {"environment": "prod", "service_name": service, **DATA}}

    for role, token in site.tokens.items():
        for services in (["billing"], ["billing", "web"]):
            answer = site.call(token, "POST", "/api/commits?validate_only=true",
                               {"changes": [change(service) for service in services]})
            allowed = role in WRITE and services == ["billing"]
            assert answer.status == (200 if allowed else 403), (role, answer)


def stream_of(site, token, query="", **options):
    return EventStream(site.gateway.port, query, headers={"Authorization": f"Bearer {token}"},
                       **options)


# ---- The mirror ----

def reads(site, source):
    return site.counts("confreg_gateway_reads_total", source=source)


def read(site, token, path="/api/configs/billing?environment=prod"):
    return site.call(token, "GET", path)


def test_reads_are_answered_from_the_mirror_under_the_caller_s_rights(site):
    token = site.tokens["reader"]
    before = reads(site, "mirror")
    for _ in range(20):
        assert read(site, token).json() == {"secret": "prod-billing"}
    assert reads(site, "mirror") >= before + 20
    answer = read(site, token)
    assert answer.headers["Cache-Control"] == "private"
    assert "Authorization" in answer.headers["Vary"]
    again = site.call(token, "GET", "/api/configs/billing?environment=prod",
                      If_None_Match=answer.headers["ETag"])
    assert again.status == 304 and again.headers["Cache-Control"] == "private"


def test_the_tag_of_another_caller_is_no_right(site):
    tag = read(site, site.root, "/api/configs/web?environment=prod").headers["ETag"]
    answer = site.call(site.tokens["reader"], "GET", "/api/configs/web?environment=prod",
                       If_None_Match=tag)
    assert answer.status == 403


def test_both_layers_of_a_resolved_config_need_a_right(site):
    path = "/api/configs/billing?environment=prod&resolve=true"
    assert read(site, site.tokens["reader"], path).status == 403
    assert read(site, site.root, path).status == 200


def test_a_token_in_the_target_is_no_token(site):
    for query in ("access_token", "token", "authorization", "Authorization"):
        path = f"/api/configs/billing?environment=prod&{query}={site.root}"
        assert read(site, None, path).status == 401


def test_open_routes_need_nothing(site):
    for path in ("/livez", "/readyz", "/health", "/stats", "/metrics", "/openapi.json"):
        answer = read(site, None, path)
        assert answer.status == 200, path
        assert b"billing" not in answer.body or path == "/openapi.json"


def test_rights_that_change_are_followed_within_a_second(launch, tmp_path):
    site = Site(launch, tmp_path)
    token = site.access.add("ada", grant("reader", ["prod"]))
    site.server.access_reloaded()
    site.call(site.root, "POST", "/api/configs/a?environment=prod", {"config_data": {"n": 0}})
    site.call(site.root, "POST", "/api/configs/b?environment=prod", {"config_data": {"n": 0}})
    assert read(site, token, "/api/configs/a?environment=prod").status == 200
    stream = stream_of(site, token)
    stream.begun()
    site.access.set_grants("ada", grant("reader", ["prod"], ["b"]))
    site.server.access_reloaded()
    begun = time.monotonic()
    until(lambda: read(site, token, "/api/configs/a?environment=prod").status == 403, "it is gone")
    assert time.monotonic() - begun < PATIENCE
    time_of_rights(site, token)
    for service in ("a", "b"):  # the stream is narrower now
        site.call(site.root, "PUT", f"/api/configs/{service}?environment=prod",
                  {"config_data": {"n": 1}})
    assert stream.next().data["service_name"] == "b"
    with pytest.raises(Refused) as caught:  # its copy has what it may not read any more
        stream_of(site, token, last_id=stream.last_id)
    assert (caught.value.status, caught.value.body["reason"]) == (410, "RIGHTS_CHANGED")
    site.access.revoke(token)
    site.server.access_reloaded()
    with pytest.raises(StopIteration):
        while True:
            stream.next()
    assert read(site, token, "/api/configs/b?environment=prod").status == 401


def test_rights_that_changed_while_a_reader_was_away(launch, tmp_path):
    """Another part, by grants of the same size; the id tells, as nothing else does."""
    site = Site(launch, tmp_path)
    token = site.access.add("ada", grant("reader", ["prod"], ["a"]))
    site.server.access_reloaded()
    stream = stream_of(site, token)
    stream.begun()
    last_id = stream.last_id
    stream.close()
    stream_of(site, token, last_id=last_id).close()
    site.access.set_grants("ada", grant("reader", ["prod"], ["b"]))
    site.server.access_reloaded()
    time_of_rights(site, token)
    with pytest.raises(Refused) as caught:
        stream_of(site, token, last_id=last_id)
    assert (caught.value.status, caught.value.body["reason"]) == (410, "RIGHTS_CHANGED")
    stream_of(site, token, last_id=last_id.rpartition(":")[0]).close()  # an id of before


def time_of_rights(site, token):
    """Waits until the rights that the gateway has asked for by now have replaced all before."""
    name = site.call(token, "GET", "/api/session").json()["name"]
    assert name == "ada"
    deadline = time.monotonic() + 1  # IDENTITY_MAX_AGE_NS
    until(lambda: time.monotonic() > deadline, "older rights have run out")


def test_nobody_is_served_from_the_mirror_while_the_server_is_away(launch, tmp_path):
    site = Site(launch, tmp_path)
    site.call(site.root, "POST", "/api/configs/a", {"config_data": {}})
    assert read(site, site.root, "/api/configs/a").status == 200
    stream = stream_of(site, site.root)
    stream.begun()
    site.server.freeze()
    until(lambda: read(site, site.root, "/api/configs/a").status in (503, 504),
          "the rights have run out")
    site.server.thaw()
    until(lambda: read(site, site.root, "/api/configs/a").status == 200, "it is back")
    site.call(site.root, "PUT", "/api/configs/a", {"config_data": {"n": 1}})
    assert stream.next().data["version"] == 2  # the stream has waited
    site.server.stop()
    until(lambda: read(site, site.root, "/api/configs/a").status == 503, "it is away")
    assert read(site, None, "/readyz").status == 503


def test_credentials_of_strangers_take_bounded_memory(launch, tmp_path):
    site = Site(launch, tmp_path, extra=["--peer-failures", "1000000"])

    def resident():
        status = open(f"/proc/{site.gateway.process.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def knock(n):
        with contextlib.closing(site.gateway.connection()) as connection:
            for k in range(n):
                connection.request("GET", "/api/configs/billing", headers={
                    "Authorization": f"Bearer {k}" + "x" * 7_000})
                answer = connection.getresponse()
                answer.read()
                assert answer.status in (401, 429)

    knock(2500)  # 17 MB of headers
    before = resident()
    knock(4000)
    assert resident() - before < site.gateway.memory_bound(40_000)


# ---- Writes ----

def test_writes_that_travel_together_are_of_one_caller(site):
    """Each has its own actor and its own rights."""
    writers = {}
    for n in range(4):
        writers[f"writer-{n}"] = site.access.add(f"writer-{n}",
                                                 grant("admin", ["prod"], [f"w{n}-*"]))
    site.server.access_reloaded()
    refused = []

    def write(name, token):
        n = name[-1]
        for k in range(10):
            for service, wanted in ((f"w{n}-{k}", 201), (f"w{(int(n) + 1) % 4}-x{k}", 403)):
                answer = site.call(token, "POST", f"/api/configs/{service}?environment=prod", DATA)
                if answer.status != wanted:
                    refused.append((name, service, answer))

    threads = [threading.Thread(target=write, args=item) for item in writers.items()
               for _ in range(1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not refused, refused[:3]
    for n in range(4):
        commits = site.call(site.root, "GET", f"/api/commits?prefix=w{n}-&limit=100").json()
        actors = {commit["actor"] for commit in commits["commits"]}
        assert len(commits["commits"]) == 10 and actors == {f"writer-{n}"}


# ---- Certificates ----

@pytest.fixture(scope="module")
def with_certificates(launch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder / "ca")
    site = Site(launch, folder, HttpsGateway, authority,
                extra=["--tls-client-auth", "request", "--tls-client-ca", authority.ca])
    site.access.add("ada", grant("admin"), certificates=["cn:ada"])
    site.server.access_reloaded()
    return site, authority


def test_a_certificate_is_passed_on(with_certificates):
    site, authority = with_certificates
    ada = site.gateway.rest(authority.client("ada"))
    assert ada.post("/api/configs/by-ada", DATA).status == 201
    assert ada.get("/api/session").json()["name"] == "ada"
    log = site.gateway.rest().get("/api/commits?service_name=by-ada",
                                  headers={"Authorization": f"Bearer {site.root}"})
    assert log.json()["commits"][0]["actor"] == "ada"
    stranger = site.gateway.rest(authority.client("stranger"))
    assert stranger.get("/api/configs/by-ada").status == 401
    assert site.gateway.rest().get("/api/configs/by-ada").status == 401


def test_a_token_counts_before_a_certificate(with_certificates):
    site, authority = with_certificates
    ada = site.gateway.rest(authority.client("ada"))
    told = ada.get("/api/session", headers={"Authorization": f"Bearer {site.tokens['reader']}"})
    assert told.json()["name"] == "reader"


@pytest.mark.parametrize("name", ("Authorization", "Cookie"))
def test_a_long_credential_does_not_end_the_calls_of_others(site, name):
    prefix = "Bearer " if name == "Authorization" else "confreg_session="
    away = site.gateway.log.read_text().count("event=server_away")
    for length in (13000, 20000, 30000):
        answer = site.call(None, "GET", "/api/session", **{name: prefix + "x" * length})
        assert (answer.status, answer.json()["reason"]) == (401, "CREDENTIALS_INVALID")
    assert site.call(site.root, "GET", "/api/configs/billing?environment=prod").status == 200
    assert site.gateway.log.read_text().count("event=server_away") == away


def test_headers_of_gateways_are_not_taken_from_clients(site):
    answer = site.call(None, "GET", "/api/session", X_Confreg_On_Behalf_Of="root",
                       X_Confreg_Gateway_Authorization=f"Bearer {site.root}")
    assert answer.status == 401


# ---- Gateways without the role ----

def test_a_gateway_without_credentials_passes_tokens_on(launch, site):
    plain = Rest(launch(Gateway, site.server.listen).start().port)
    token = {"Authorization": f"Bearer {site.tokens['reader']}"}
    path = "/api/configs/billing?environment=prod"
    assert plain.get(path, headers=token).json() == {"secret": "prod-billing"}
    assert plain.get(path).status == 401


def test_a_gateway_s_own_credential_is_nobody_else_s(launch, site, tmp_path):
    """It is no gateway by the access file: who has no token does not become the gateway."""
    (tmp_path / "token").write_text(site.root)
    gateway = launch(Gateway, site.server.listen,
                     extra=["--server-token-file", str(tmp_path / "token")]).start()
    until(lambda: "mode=passed_on" in gateway.log.read_text(), "it is known")
    rest = Rest(gateway.port)
    assert rest.get("/api/configs/billing?environment=prod").status == 401
    assert rest.get("/api/session").json()["reason"] == "CREDENTIALS_MISSING"
    token = {"Authorization": f"Bearer {site.tokens['nothing']}"}
    assert rest.get("/api/session", headers=token).json()["name"] == "nothing"


def test_a_token_file_that_is_none(launch, site, tmp_path):
    for text in ("", "two lines\nof text", "\n"):
        (tmp_path / "token").write_text(text)
        gateway = launch(Gateway, site.server.listen,
                         extra=["--server-token-file", str(tmp_path / "token")])
        code, said = gateway.fails_to_start()
        assert code == 1 and "reason=TOKEN_FILE_BROKEN" in said
        assert not text or text not in said


def test_the_gateway_s_token_is_rotated_under_load(launch, tmp_path):
    site = Site(launch, tmp_path)
    site.call(site.root, "POST", "/api/configs/a", {"config_data": {}})
    failed, ending = [], threading.Event()

    def work():
        while not ending.is_set():
            answer = read(site, site.root, "/api/configs/a")
            if answer.status != 200:
                failed.append(answer)

    thread = threading.Thread(target=work)
    thread.start()
    old = site.token_file.read_text().strip()
    new = site.access.add_token("gateway")
    site.server.access_reloaded()
    site.token_file.write_text(new)
    until(lambda: "event=server_token_reloaded" in site.gateway.log.read_text(), "it is read")
    site.access.revoke(old)
    site.server.access_reloaded()
    assert read(site, site.root, "/api/configs/a").status == 200
    ending.set()
    thread.join()
    assert not failed, failed[:3]


# ---- Sessions of browsers ----

CSRF = {"X_Confreg_Csrf": "1", "Sec_Fetch_Site": "same-origin"}


def sign_in(site, token):
    answer = site.call(token, "POST", "/api/session")
    assert answer.status == 200, answer
    cookie = answer.headers["Set-Cookie"]
    assert re.search("; HttpOnly; Secure; SameSite=Strict", cookie) and "Path=/;" in cookie
    return cookie.split(";")[0]


def test_a_session(site):
    cookie = sign_in(site, site.tokens["admin"])
    told = site.call(None, "GET", "/api/session", Cookie=f"a=b; {cookie}; c=d").json()
    assert (told["name"], told["credential"]) == ("admin", "token")
    assert told["grants"] == [
        {"role": "admin", "environments": ["prod"], "services": ["billing*"]}]
    path = "/api/configs/billing?environment=prod"
    assert site.call(None, "GET", path, Cookie=cookie).status == 200
    written = site.call(None, "PUT", path + "&validate_only=true", DATA, Cookie=cookie, **CSRF)
    assert written.status == 200
    gone = site.call(None, "DELETE", "/api/session", Cookie=cookie)
    assert gone.status == 204 and "confreg_session=; " in gone.headers["Set-Cookie"]
    assert "Max-Age=0" in gone.headers["Set-Cookie"]


def test_signing_in_needs_a_good_token(site):
    for token in (None, "x", new_token()):
        answer = site.call(token, "POST", "/api/session")
        assert answer.status == 401 and answer.headers["Set-Cookie"] is None
    cookie = sign_in(site, site.tokens["reader"])
    assert site.call(None, "POST", "/api/session", Cookie=cookie, **CSRF).status == 401


@pytest.mark.parametrize("headers", [
    {},
    {"X_Confreg_Csrf": "1"},
    {"Sec_Fetch_Site": "same-origin"},
    {"X_Confreg_Csrf": "1", "Sec_Fetch_Site": "cross-site"},
    {"X_Confreg_Csrf": "1", "Sec_Fetch_Site": "same-site"},
    {"X_Confreg_Csrf": "1", "Sec_Fetch_Site": "none"},
    {"X_Confreg_Csrf": "1", "Origin": "https://elsewhere.example"},
    {"X_Confreg_Csrf": "1", "Origin": "null"},
    {"X_Confreg_Csrf": "1", "Origin": "http://registry.example", "Host": "registry.example"},
    {"X_Confreg_Csrf": "1", "Origin": "http://localhost.example", "Host": "localhost.example"},
    {"X_Confreg_Csrf": "1", "Origin": "ftp://localhost:80", "Host": "localhost:80"},
    {"X_Confreg_Csrf": "1", "Origin": "x+https://registry.example", "Host": "registry.example"},
    {"X_Confreg_Csrf": "0", "Sec_Fetch_Site": "same-origin"},
    {"X_Confreg_Csrf": "1", "Sec_Fetch_Site": "same-origin, cross-site"},
])
def test_a_forged_request_is_refused(site, headers):
    cookie = sign_in(site, site.tokens["super-admin"])
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = site.call(None, method, "/api/configs/billing?environment=prod",
                           None if method == "DELETE" else DATA, Cookie=cookie, **headers)
        assert answer.status == 403 and answer.json()["reason"] == "CSRF_REFUSED", method
    assert site.call(None, "GET", "/api/configs/billing?environment=prod",
                     Cookie=cookie, **headers).status == 200


def test_a_page_of_this_origin_may_write(site):
    """On this machine; or behind a proxy that has the certificate."""
    cookie = sign_in(site, site.tokens["admin"])
    for headers in (CSRF, *({"X_Confreg_Csrf": "1", "Origin": f"{scheme}://{host}", "Host": host}
                            for scheme, host in (
                                ("http", f"127.0.0.1:{site.gateway.port}"), ("http", "localhost"),
                                ("http", "[::1]:80"), ("https", "registry.example")))):
        answer = site.call(None, "PUT", "/api/configs/billing?environment=prod&validate_only=true",
                           DATA, Cookie=cookie, **headers)
        assert answer.status == 200, (headers, answer)


@pytest.mark.parametrize(("scheme", "status"), [("https", 200), ("http", 403)])
def test_an_origin_has_the_scheme_of_the_gateway(with_certificates, scheme, status):
    """A page that came over plain HTTP may be made by somebody on the way."""
    site, _ = with_certificates
    rest = site.gateway.rest()
    answer = rest.post("/api/session", headers={"Authorization": f"Bearer {site.root}"})
    answer = rest.put("/api/configs/new?validate_only=true&upsert=true", DATA, headers={
        "Cookie": answer.headers["Set-Cookie"].split(";")[0], "X-Confreg-Csrf": "1",
        "Origin": f"{scheme}://localhost:{site.gateway.port}",
        "Host": f"localhost:{site.gateway.port}"})
    assert answer.status in (status, 201) if status == 200 else answer.status == status, answer


# ---- In a browser ----

@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser"), trusting=True) as opened:
        yield opened


SIGN_IN = """const answer = await fetch("/api/session", {
                 method: "POST", headers: {Authorization: "Bearer " + args[0],
                                           "Content-Type": "application/json"}});
             return [answer.status, document.cookie];"""
CALL = """const [method, path, headers, body] = args;
          return (await fetch(path, {method, headers, body})).status;"""
LISTEN = """return await new Promise(resolve => {
                const source = new EventSource(args[0]);
                source.addEventListener("snapshot",
                                        event => resolve(JSON.parse(event.data).service_name));
                source.onerror = () => resolve("error"); });"""
FORGE = """await fetch(args[0], {method: args[1], mode: "no-cors", credentials: "include",
                                  body: args[2]}).catch(() => null);
           return document.cookie;"""


def test_a_browser_signs_in_and_out(with_certificates, browser):
    site, _ = with_certificates
    url, path = f"https://localhost:{site.gateway.port}", "/api/configs/of-a-page?environment=prod"
    token = site.access.add("page", grant("admin", ["prod"], ["of-a-page"]))
    site.server.access_reloaded()
    browser.open(f"{url}/livez")
    headers, body = {"Content-Type": "application/json"}, json.dumps(DATA)
    assert browser.run(CALL, "GET", path, {}) == 401
    assert browser.run(SIGN_IN, "cfr_wrong")[0] == 401
    assert browser.run(SIGN_IN, token) == [200, ""]  # scripts do not see the cookie
    assert browser.run(CALL, "POST", path, headers, body) == 403
    assert browser.run(CALL, "POST", path, headers | {"X-Confreg-Csrf": "1"}, body) == 201
    assert browser.run(CALL, "GET", path, {}) == 200
    assert browser.run(LISTEN, "/api/watch?environment=prod&snapshot=true") == "of-a-page"
    with page() as port:  # of another site
        browser.open(f"http://127.0.0.1:{port}/")
        for method in ("POST", "GET"):
            browser.run(FORGE, url + path, method, body if method == "POST" else None)
    versions = site.gateway.rest().get(
        "/api/configs/of-a-page/history?environment=prod",
        headers={"Authorization": f"Bearer {site.root}"}).json()
    assert len(versions) == 1
    browser.open(f"{url}/livez")
    assert browser.run(CALL, "DELETE", "/api/session", {}) == 204
    assert browser.run(CALL, "GET", path, {}) == 401


# ---- Without rights in force ----

def test_without_rights_credentials_mean_nothing(launch, tmp_path):
    from daemon import Confregd
    server = launch(Confregd, store="memory:").start()
    rest = Rest(launch(Gateway, server.listen).start().port)
    basic = {"Authorization": "Basic eDp5"}  # of a proxy, say
    assert rest.post("/api/configs/open", DATA, headers=basic).status == 201
    answer = rest.get("/api/configs/open", headers=basic)
    assert answer.status == 200 and answer.headers["Cache-Control"] is None
    told = rest.get("/api/session").json()
    assert told["rights_in_force"] is False and told["name"] == ""
    signed = rest.post("/api/session", headers={"Authorization": f"Bearer {new_token()}"})
    assert signed.status == 200 and signed.headers["Set-Cookie"] is None


def test_a_gateway_for_others_needs_rights(launch, tmp_path):
    from daemon import Confregd
    authority = Authority(tmp_path / "ca")
    server = launch(Confregd, store="memory:").start()
    gateway = launch(HttpsGateway, server.listen, authority)
    gateway.extra = ["--listen", f"0.0.0.0:{gateway.port}"]
    gateway.start()
    answer = until(lambda: (now := gateway.rest().get("/api/configs")).status == 503 and now,
                   "the server's rights are known")
    assert answer.json()["reason"] == "RIGHTS_MISSING"
    assert gateway.rest().get("/health").status == 200


def test_a_comparison_of_a_part_says_so(site):
    """The caller may read one service of both environments."""
    own = site.access.add(f"pair-{time.time_ns()}", grant("reader", ["prod", "test"], ["billing"]))
    answer = until(lambda: (told := site.call(own, "GET", "/api/diff?environment=prod&new_environment=test")
                            ).status == 200 and told, "the new token counts")
    assert [d["service_name"] for d in answer.json()["diffs"]] == ["billing"]
    assert answer.headers["X-Config-Filtered"] == "true"
