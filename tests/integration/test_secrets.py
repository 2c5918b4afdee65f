"""Values that look like secrets, on every way in. No token here is real, and none stands in one piece."""

import gzip
import json
import re
import subprocess

import pytest
from access import AccessFile, grant
from calls import (Registry, create_change, json_patch_change, patch_change, rollback_change, undelete_change,
                   update_change)
from daemon import BUILD, Confregd, Gateway, free_port
from errors import refused
from planted import plant
from test_http_access import Site
from test_metrics import scrape
from rest import Rest, from_then_on
from secret_set import Maker
from stubs import api_pb

TOKEN = "hv" + "s." + Maker(1).run(24)
pytestmark = pytest.mark.any_store

SECRET = json.dumps({"vault": {"token": TOKEN}})
POINTER, RULE = "/vault/token", "vault-token"
HARMLESS = '{"vault":{"token":"${env:VAULT_TOKEN}"}}'


class Screened(Confregd):
    """Refuses in prod, says nothing in "off", warns elsewhere."""

    def __init__(self, folder, extra=(), **kwargs):
        self.metrics = f"127.0.0.1:{free_port()}"
        super().__init__(folder, extra=["--secrets", "warn,prod*=refuse,off=off", *extra], **kwargs)

    def arguments(self):
        return [*super().arguments(), "--metrics", self.metrics]

    def metric(self, name, **labels):
        return scrape(self.metrics).get(f"confreg_{name}", **labels)


@pytest.fixture(scope="module")
def confregd(launch):
    return launch(Screened).start()


def is_refused(field=None):
    return refused("INVALID_ARGUMENT", "SECRET_FOUND", field)


def suspects(response):
    return [(suspect.pointer, suspect.rule, suspect.allowed) for suspect in response.suspects]


# ---- Refused ----

def test_every_way_in_is_refused(registry, confregd, name):
    registry.create(name, SECRET, allow_secrets=True)  # version 1, to come back to
    registry.update(name, HARMLESS)
    patch = json.dumps([{"op": "replace", "path": "/vault/token", "value": TOKEN}])
    for attempt in (lambda: registry.create(name + "-new", SECRET), lambda: registry.update(name, SECRET),
                    lambda: registry.patch(name, SECRET), lambda: registry.json_patch(name, patch),
                    lambda: registry.rollback(name, 1), lambda: registry.update(name, SECRET, validate_only=True)):
        with is_refused() as caught:
            attempt()
        assert POINTER in caught[0].message and RULE in caught[0].message
        assert TOKEN not in repr(caught[0])
    registry.delete(name)
    with is_refused():
        registry.undelete(name, 1)
    assert registry.undelete(name, 2).config.config_data == HARMLESS.encode()
    assert TOKEN not in confregd.log.read_text()


def test_the_field_has_the_way_to_the_value(registry, name):
    with is_refused(f"config_data{POINTER}"):
        registry.create(name, SECRET)
    with is_refused(f"changes[1].create.config_data{POINTER}"):
        registry.commit([create_change(name), create_change(name + "-b", SECRET)])
    with refused("NOT_FOUND"):
        registry.get(name)


def test_a_commit_is_refused_whole_and_writes_one_by_one(registry, name):
    registry.create(name, HARMLESS)
    registry.create(name + "-x", SECRET, allow_secrets=True)
    registry.update(name + "-x", HARMLESS)
    registry.create(name + "-y", SECRET, allow_secrets=True)
    registry.delete(name + "-y")
    before = registry.revision()
    patch = json.dumps([{"op": "add", "path": "/b", "value": TOKEN}])
    for change in (update_change(name, SECRET), patch_change(name, SECRET), json_patch_change(name, patch),
                   rollback_change(name + "-x", 1), undelete_change(name + "-y")):
        with is_refused():
            registry.commit([create_change(name + "-z"), change])
        outcome = registry.write([change]).outcomes[0]
        assert outcome.WhichOneof("outcome") == "error" and "looks like a secret" in outcome.error.message
    assert registry.revision() == before


def test_a_token_of_the_command_is_refused(registry, tmp_path, name):
    made = subprocess.run([BUILD / "confregd", "access", "token", "billing", "--role", "reader",
                           "--access", tmp_path / "access.json"], capture_output=True, text=True, timeout=60, check=True)
    token = plant(made.stdout.strip(), "a token")
    for value in (token, f"see {token}, of Tuesday", f"confregd --x={token}"):
        with is_refused("config_data/text") as caught:
            registry.create(name, json.dumps({"text": value}))
        assert "confreg-token" in caught[0].message
    registry.create(name, json.dumps({"text": token[:-1] + ("b" if token[-1] == "a" else "a")}))  # no token: its checksum


def test_other_values_pass(registry, name):
    assert suspects(registry.create(name, HARMLESS)) == []
    assert suspects(registry.update(name, '{"url":"postgres://app:${env:P}@db/x"}')) == []


# ---- Warned, and off ----

def test_a_warning_names_place_and_rule(registry, confregd, name):
    mark = len(confregd.log.read_text())
    before = confregd.metric("secrets_total", rule=RULE, outcome="warned")
    answer = registry.create(name, SECRET, environment="dev")
    assert suspects(answer) == [(POINTER, RULE, False)]
    assert (answer.suspects[0].environment, answer.suspects[0].service_name) == ("dev", name)
    assert registry.data(name, environment="dev") == SECRET.replace(" ", "").encode()
    lines = [line for line in confregd.log.read_text()[mark:].splitlines() if "event=secret_found" in line]
    assert len(lines) == 1
    assert f"service={name}" in lines[0] and f"rule={RULE}" in lines[0] and "outcome=warned" in lines[0]
    assert TOKEN not in lines[0]
    assert confregd.metric("secrets_total", rule=RULE, outcome="warned") == before + 1


def test_each_config_of_a_commit_has_its_warnings(registry, name):
    answer = registry.commit([create_change(name, SECRET, environment="dev"), create_change(name, environment="qa"),
                              create_change(name + "-b", SECRET, environment="dev")])
    assert [(s.service_name, s.pointer) for s in answer.suspects] == [(name, POINTER), (name + "-b", POINTER)]
    outcome = registry.write([patch_change(name, '{"b":"' + TOKEN + '"}', environment="dev")]).outcomes[0]
    assert suspects(outcome.update) == [(POINTER, RULE, False), ("/b", RULE, False)]


def test_off_says_nothing(registry, name):
    assert suspects(registry.create(name, SECRET, environment="off")) == []


# ---- Allowed ----

def test_what_is_allowed_stands_in_the_commit(registry, name):
    assert suspects(registry.create(name, SECRET, allow_secrets=True)) == [(POINTER, RULE, True)]
    registry.update(name, HARMLESS, allow_secrets=True)  # nothing to allow
    registry.rollback(name, 1, allow_secrets=True)
    versions = registry.versions(name).versions
    assert [version.secrets_allowed for version in versions] == [True, False, True]
    commits = registry.stub.ListCommits(api_pb.ListCommitsRequest(service_name=name)).commits
    assert [commit.changes[0].secrets_allowed for commit in commits] == [True, False, True]
    with is_refused():
        registry.rollback(name, 1)


def test_the_mark_survives_a_restart(launch, tmp_path, name):
    store = f"sqlite:{tmp_path}/confreg.db"
    server = launch(Screened, store=store).start()
    Registry(server.stub).create(name, SECRET, allow_secrets=True)
    Registry(server.stub).create(name, SECRET, environment="dev")
    assert server.metric("suspect_configs") == 1
    server.stop()
    server = launch(Screened, store=store).start()
    assert Registry(server.stub).versions(name).versions[0].secrets_allowed
    assert server.metric("suspect_configs") == 1


def test_a_part_of_a_commit_cannot_allow(registry, name):
    with refused("INVALID_ARGUMENT", "CHANGE_OPTION", "changes[0].create.allow_secrets"):
        registry.commit([create_change(name, SECRET, allow_secrets=True)])
    registry.commit([create_change(name, SECRET)], allow_secrets=True)


def test_only_a_super_admin_allows(launch, tmp_path, name):
    access = AccessFile(tmp_path)
    writer, root = access.add("writer", grant("admin")), access.add("root", grant("super-admin", ["prod"]))
    server = launch(Screened, extra=["--access", str(access.path)]).start()

    def create(token, environment):
        request = api_pb.CreateConfigRequest(environment=environment, service_name=name, config_data=SECRET.encode(),
                                             allow_secrets=True)
        return server.stub.CreateConfig(request, metadata=[("authorization", f"Bearer {token}")])
    for token, environment in ((writer, "prod"), (writer, "dev")):
        with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
            create(token, environment)
    assert create(root, "prod").config.version == 1


@pytest.mark.parametrize("marked", [
    {"properties": {"vault": {"properties": {"token": {"x-confreg-secret": "allowed"}}}}},
    {"properties": {"vault": {"x-confreg-secret": "allowed"}}}], ids=["the value", "an object around it"])
def test_what_the_schema_allows_passes_until_it_no_longer_does(registry, confregd, name, marked):
    start = confregd.metric("suspect_configs")
    with is_refused(f"config_data{POINTER}"):
        registry.create(name, SECRET)
    registry.set_schema(name, marked)
    assert suspects(registry.create(name, SECRET)) == []
    assert suspects(registry.create(name, SECRET, environment="dev")) == []
    assert confregd.metric("suspect_configs") == start
    assert find(registry, name, include_superseded=True) == []
    assert [v.secrets_allowed for v in registry.versions(name).versions] == [False]  # nobody had to
    with is_refused("config_data/elsewhere"):
        registry.patch(name, json.dumps({"elsewhere": TOKEN}))
    with is_refused(f"config_data{POINTER}"):
        registry.create(name + "-other", SECRET)
    registry.update(name, HARMLESS)
    registry.set_schema(name, {})
    with is_refused(f"config_data{POINTER}"):
        registry.rollback(name, 1)
    assert {(s.environment, s.version) for s in find(registry, name, include_superseded=True)} == {("dev", 1), ("prod", 1)}
    registry.set_schema(name, marked, environment="prod")  # goes before that for all
    assert suspects(registry.rollback(name, 1)) == []
    assert suspects(registry.update(name, '{"vault":{"token":"%s","n":1}}' % TOKEN, environment="dev")) == [
        (POINTER, RULE, False)]


# ---- Over HTTP ----

@pytest.fixture(scope="module")
def rest(launch, confregd):
    return Rest(launch(Gateway, confregd.listen).start().port)


def test_http_refuses(rest, registry, name):
    path = f"/api/configs/{name}?environment=prod"
    answer = rest.post(path, {"config_data": json.loads(SECRET)})
    assert answer.status == 422 and answer.json()["reason"] == "SECRET_FOUND"
    assert RULE in answer.json()["detail"][0]["msg"] and TOKEN not in answer.body.decode()
    assert rest.post(path + "&allow_secrets=true", {"config_data": json.loads(SECRET)}).status == 201
    assert rest.put(path, {"config_data": json.loads(HARMLESS)}).status == 200
    for method, way, body in (("PUT", path, {"config_data": json.loads(SECRET)}),
                              ("POST", f"/api/configs/{name}/rollback?environment=prod", {"version": 1}),
                              ("PATCH", path, json.loads(SECRET))):
        headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        assert rest.call(method, way, json.dumps(body), headers).status == 422
        assert rest.call(method, way + "&allow_secrets=true", json.dumps(body), headers).status == 200
    rest.delete(path)
    way = f"/api/configs/{name}/undelete?environment=prod"
    assert rest.post(way, {"version": 1}).status == 422
    assert rest.post(way + "&allow_secrets=true", {"version": 1}).status == 200


def test_http_warns(rest, name):
    warned = f"SECRET_FOUND environment=dev service={name} pointer=%2Fvault%2Ftoken rule={RULE}"
    answer = rest.post(f"/api/configs/{name}?environment=dev", {"config_data": json.loads(SECRET)})
    assert answer.status == 201 and answer.headers["X-Confreg-Warning"] == warned
    answer = rest.put(f"/api/configs/{name}?environment=dev", {"config_data": json.loads(HARMLESS)})
    assert "X-Confreg-Warning" not in answer.headers
    changes = [{"update": {"environment": "dev", "service_name": name, "config_data": json.loads(SECRET)}}]
    answer = rest.post("/api/commits", {"changes": changes})
    assert answer.status == 201 and answer.headers["X-Confreg-Warning"] == warned
    answer = rest.post("/api/commits?allow_secrets=true", {"changes": changes})
    assert answer.status == 201 and "X-Confreg-Warning" not in answer.headers


def test_copies_over_http(rest, name):
    def copy(source, target, query=""):
        return rest.post(f"/api/configs/{name}/copy?source_environment={source}&environment={target}{query}", {})

    rest.post(f"/api/configs/{name}?environment=prod&allow_secrets=true", {"config_data": json.loads(SECRET)})
    for status in (201, 200):
        answer = copy("prod", "dev")
        assert answer.status == status
        assert answer.headers["X-Confreg-Warning"].startswith("SECRET_FOUND environment=dev ")
    assert copy("dev", "prod").json()["reason"] == "SECRET_FOUND"
    answer = copy("dev", "prod", "&allow_secrets=true")
    assert answer.status == 200 and "X-Confreg-Warning" not in answer.headers


# ---- Texts that are no values ----

def test_texts_of_a_request_are_searched(registry, confregd, name):
    schema = json.dumps({"properties": {"token": {"default": TOKEN}}})
    for field, call in (
            ("comment", lambda **more: registry.create(name, HARMLESS, comment=f"as {TOKEN} says", **more)),
            ("created_by", lambda **more: registry.create(name, HARMLESS, created_by=TOKEN, **more)),
            ("service_name", lambda **more: registry.create(TOKEN, HARMLESS, **more)),
            ("schema/properties/token/default", lambda **more: registry.set_schema(name, schema, **more)),
            ("comment", lambda **more: registry.set_schema(name, "{}", comment=TOKEN, **more))):
        before = confregd.metric("secrets_total", rule=RULE, outcome="refused") or 0
        with refused("INVALID_ARGUMENT", "SECRET_FOUND", field) as caught:
            call(environment="prod")
        assert TOKEN not in str(caught[0])
        assert confregd.metric("secrets_total", rule=RULE, outcome="refused") == before + 1
        warned = confregd.metric("secrets_total", rule=RULE, outcome="warned") or 0
        answer = call(environment="dev")
        assert confregd.metric("secrets_total", rule=RULE, outcome="warned") == warned + 1
        if field.startswith("schema"):
            registry.delete_schema(name, environment="dev")
        elif hasattr(answer, "config"):
            registry.delete(answer.config.service_name, environment="dev", erase=True)
    assert registry.create(name, HARMLESS, comment=TOKEN, allow_secrets=True).config.version == 1


# ---- Counting what is there ----

def test_suspect_configs_are_counted(registry, confregd, name):
    def count():
        return confregd.metric("suspect_configs")
    start = count()
    registry.create(name, SECRET, environment="dev")
    assert count() == start + 1
    registry.update(name, SECRET, environment="dev")
    assert count() == start + 1
    registry.update(name, HARMLESS, environment="dev")
    assert count() == start
    registry.delete(name, version=3, environment="dev")  # version 2 becomes the head
    assert count() == start + 1
    registry.delete(name, environment="dev")
    assert count() == start
    registry.undelete(name, environment="dev")
    assert count() == start + 1


# ---- Finding what is there ----

def find(registry, name, **fields):
    """All pages."""
    found, token = [], ""
    while True:
        page = registry.stub.FindSecrets(api_pb.FindSecretsRequest(service_name_prefix=name, page_token=token, **fields))
        found += page.suspects
        token = page.next_page_token
        if not token:
            return found


def test_heads_are_searched(registry, name):
    registry.create(name + "-a", SECRET, environment="dev")
    registry.create(name + "-b", HARMLESS, environment="dev")
    registry.create(name + "-c", SECRET, allow_secrets=True)
    registry.create(name + "-d", SECRET, environment="off")
    registry.update(name + "-b", SECRET, environment="dev")
    registry.update(name + "-b", HARMLESS, environment="dev")
    found = find(registry, name)
    assert [(s.environment, s.service_name, s.version, s.allowed) for s in found] == [
        ("dev", name + "-a", 1, False), ("prod", name + "-c", 1, True)]
    assert {(s.pointer, s.rule, s.description, s.in_key, s.superseded) for s in found} == {
        (POINTER, RULE, "a token of HashiCorp Vault", False, False)}
    assert found[0].revision == registry.get(name + "-a", environment="dev").config.revision
    assert [s.environment for s in find(registry, name, environment="dev", service_name=name + "-a")] == ["dev"]


@pytest.mark.parametrize("page_size", [1, 2, 1000])
def test_versions_are_searched_until_they_are_erased(registry, name, page_size):
    def versions():
        return [(s.service_name[len(name):], s.version, s.superseded)
                for s in find(registry, name, include_superseded=True, page_size=page_size)]
    for service in ("-a", "-b"):
        for data in (SECRET, HARMLESS, SECRET, SECRET, HARMLESS):
            registry.update(name + service, data, environment="dev", allow_missing=True)
    registry.update(name + "-b", '{"%s":1}' % TOKEN, environment="dev")
    registry.delete(name + "-a", environment="dev")
    assert versions() == [("-a", 4, True), ("-a", 3, True), ("-a", 1, True),
                          ("-b", 6, False), ("-b", 4, True), ("-b", 3, True), ("-b", 1, True)]
    assert [s.in_key for s in find(registry, name, service_name=name + "-b")] == [True]
    registry.delete(name + "-b", version=4, environment="dev")
    registry.undelete(name + "-a", 2, environment="dev")
    registry.delete(name + "-a", erase=True, environment="dev")
    assert versions() == [("-b", 6, False), ("-b", 3, True), ("-b", 1, True)]


def test_a_search_is_of_what_the_caller_may_read(launch, tmp_path, name):
    access = AccessFile(tmp_path)
    root, reader = access.add("root", grant("super-admin")), access.add("reader", grant("reader", ["dev"]))
    server = launch(Screened, extra=["--access", str(access.path)]).start()

    def call(method, token, **fields):
        request = getattr(api_pb, f"{method}Request")(**fields)
        return getattr(server.stub, method)(request, metadata=[("authorization", f"Bearer {token}")])
    for environment in ("dev", "qa"):
        call("CreateConfig", root, environment=environment, service_name=name, config_data=SECRET.encode())
    for token, seen in ((root, ["dev", "qa"]), (reader, ["dev"])):
        for superseded in (False, True):
            answer = call("FindSecrets", token, include_superseded=superseded)
            assert [s.environment for s in answer.suspects] == seen and answer.filtered == (token == reader)
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        call("FindSecrets", reader, environment="qa")


# ---- The same over HTTP ----

def test_http_warns_on_every_way_in(rest, name):
    """Also where the request only looks."""
    path, query = f"/api/configs/{name}", "?environment=dev"
    secret, harmless = ({"config_data": json.loads(text)} for text in (SECRET, HARMLESS))

    def warned(method, target, body, status):
        answer = rest.call(method, target, json.dumps(body))
        assert (answer.status, "X-Confreg-Warning" in answer.headers) == (status, True), answer

    look = query + "&validate_only=true"
    warned("POST", path + look, secret, 200)
    warned("PUT", path + query + "&upsert=true", secret, 201)
    warned("PUT", path + query, secret, 200)
    warned("PATCH", path + query, json.loads(SECRET), 200)
    rest.put(path + query, harmless)
    warned("POST", f"{path}/rollback{query}", {"version": 1}, 200)
    rest.delete(path + query)
    warned("POST", f"{path}/undelete{query}", {"version": 1}, 200)
    warned("POST", "/api/commits?validate_only=true", {"changes": [
        {"update": {"environment": "dev", "service_name": name, **secret}}]}, 200)


def test_an_undelete_can_be_allowed(registry, name):
    registry.create(name, SECRET, allow_secrets=True)
    registry.delete(name)
    with is_refused():
        registry.undelete(name)
    assert registry.undelete(name, allow_secrets=True).config.version == 2


def find_over_http(rest, name, query="", **headers):
    """All pages, each by the Link of the one before."""
    target, found = f"/api/secrets?prefix={name}{query}", []
    while target:
        answer = rest.get(target, headers=headers)
        assert answer.status == 200 and TOKEN not in answer.body.decode()
        found += answer.json()["suspects"]
        link = answer.headers["Link"]
        assert (link is None) == (answer.json()["next"] is None)
        target = link and re.fullmatch(r'<(/[^<>"]+)>; rel="next"', link)[1]
    return found


def test_http_finds_what_is_there(rest, registry, name):
    for data in (SECRET, HARMLESS, SECRET):
        made = registry.update(name, data, environment="dev", allow_missing=True)
    registry.create(name + "-b", '{"%s":1}' % TOKEN, allow_secrets=True)
    live = {"environment": "dev", "service_name": name, "version": 3, "revision": made.header.revision, "pointer": POINTER,
            "rule": RULE, "description": "a token of HashiCorp Vault", "in_key": False, "superseded": False,
            "allowed": False}
    headers = from_then_on(registry.create(name + "-c", SECRET, environment="qa"))
    found = find_over_http(rest, name, **headers)
    assert found[0] == live and [s["service_name"] for s in found] == [name, name + "-b", name + "-c"]
    assert (found[1]["in_key"], found[1]["pointer"], found[1]["allowed"]) == (True, "", True)
    assert find_over_http(rest, name, f"&environment=dev&service_name={name}&versions=live") == [live]
    for query in ("", "&limit=1", "&limit=2"):
        every = find_over_http(rest, name, "&versions=all&environment=dev" + query)
        assert [(s["version"], s["superseded"]) for s in every] == [(3, False), (1, True)]
    answer = rest.get(f"/api/secrets?prefix={name}", headers={"Accept-Encoding": "gzip"})
    assert "Accept-Encoding" in answer.headers["Vary"]


def test_http_compresses_what_it_finds(rest, registry, name):
    registry.create(name, json.dumps({f"{n}": TOKEN for n in range(20)}), environment="dev")
    path = f"/api/secrets?service_name={name}"
    answer = rest.get(path, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == rest.get(path).body


@pytest.mark.parametrize("query, reason, field", [
    ("versions=old", "WORD_UNKNOWN", "versions"), ("limit=0", "NUMBER_RANGE", "limit"), ("page=x", "PAGE_TOKEN", "page"),
    ("environment=a%2Fb", "NAME_CHARACTER", "environment"), ("version=all", "FIELD_UNKNOWN", "version")])
def test_http_refuses_a_wrong_search(rest, query, reason, field):
    answer = rest.get(f"/api/secrets?{query}")
    assert (answer.status, answer.json()["reason"], answer.json()["field"]) == (422, reason, field)


def test_http_finds_what_the_caller_may_read(launch, tmp_path, name):
    site = Site(launch, tmp_path)
    for environment in ("prod", "test"):
        made = site.call(site.root, "POST", f"/api/configs/billing?environment={environment}", {"config_data": json.loads(SECRET)})
        assert made.status == 201
    for role, token in {**site.tokens, "root": site.root}.items():
        answer = site.call(token, "GET", "/api/secrets")
        if role in ("nothing", "auditor"):
            assert (answer.status, answer.json()["reason"]) == (403, "NOT_ALLOWED")
            continue
        seen = ["prod", "test"] if role == "root" else ["prod"]
        assert [s["environment"] for s in answer.json()["suspects"]] == seen
        assert answer.headers["X-Config-Filtered"] == (None if role == "root" else "true")
        denied = site.call(token, "GET", "/api/secrets?environment=test")
        assert denied.status == (200 if role == "root" else 403)
    assert site.call(None, "GET", "/api/secrets").status == 401


# ---- The option ----

@pytest.mark.parametrize("text, message", [
    ("maybe", "neither MODE nor PATTERN=MODE"), ("prod=", "neither MODE"), ("warn,off", "second mode"), ("", "neither MODE"),
    ("=warn", "--secrets")])
def test_wrong_modes(launch, text, message):
    code, said = launch(Confregd, extra=["--secrets", text]).fails_to_start()
    assert code == 2 and message in said
