"""Pages of other origins: which may call the gateway, seen with a browser and on the wire."""

import json
import subprocess

import pytest
from browser import Browser, page
from daemon import BUILD, Gateway, until
from rest import Rest, gauge, path_of

pytestmark = pytest.mark.any_store

ORIGIN, OTHER = "https://console.example", "https://evil.example"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT",
             "Access-Control-Request-Headers": "content-type,if-match"}
DATA = {"config_data": {"n": 1}}


@pytest.fixture(scope="module")
def port(launch, confregd):
    gateway = launch(Gateway, confregd.listen, extra=[
        "--allow-origin", ORIGIN, "--allow-origin=HTTP://Console.example:80"]).start()
    until(lambda: gauge(gateway.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    return gateway.port


@pytest.fixture
def open_rest(port):
    return Rest(port)


def allowed(answer):
    return answer.headers.get("Access-Control-Allow-Origin")


def vary(answer):
    return {name for line in answer.headers.get_all("Vary", []) for name in line.split(", ")}


# ---- On the wire ----

@pytest.mark.parametrize("origin", [ORIGIN, "http://console.example"])
def test_every_answer_names_the_allowed_origin(open_rest, name, origin):
    path, headers = f"/api/configs/{name}", {"Origin": origin}
    made = open_rest.post(path, DATA, headers=headers)
    tag = made.headers["ETag"]
    answers = [
        (201, made),
        (200, open_rest.get(path, headers=headers)),
        (304, open_rest.get(path, headers=headers | {"If-None-Match": tag})),
        (200, open_rest.call("HEAD", path, headers=headers)),
        (200, open_rest.get(path, headers=headers | {"Cache-Control": "no-cache"})),
        (200, open_rest.get("/api/configs", headers=headers)),
        (200, open_rest.call("HEAD", "/api/watch", headers=headers)),
        (200, open_rest.get("/health", headers=headers)),
        (400, open_rest.post(path, DATA, headers=headers)),
        (404, open_rest.get("/nothing", headers=headers)),
        (405, open_rest.put("/health", headers=headers)),
        (307, open_rest.get("/health/", headers=headers)),
        (412, open_rest.put(path, DATA, headers=headers | {"If-Match": '"x"'})),
        (413, open_rest.put(path, b" " * (5 << 20), headers=headers)),
        (422, open_rest.put(path, {}, headers=headers)),
        (204, open_rest.call("OPTIONS", path, headers=PREFLIGHT | headers)),
    ]
    for status, answer in answers:
        assert (answer.status, allowed(answer)) == (status, origin), answer
        assert "Origin" in vary(answer)
        assert "X-Config-Revision" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_body_that_the_server_itself_refuses_names_the_origin_too(open_rest):
    answer = open_rest.raw(b"PUT /api/configs/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                           b"Origin: " + ORIGIN.encode() + b"\r\n\r\nnonsense\r\n")
    assert (answer.status, allowed(answer)) == (400, ORIGIN)


@pytest.mark.parametrize("headers", [{}, {"Origin": OTHER}, {"Origin": "null"},
                                     {"Origin": ORIGIN + ".evil.example"},
                                     {"Origin": ORIGIN + ":8443"}])
def test_other_pages_are_answered_without_a_permission(open_rest, name, headers):
    path = f"/api/configs/{name}"
    answers = [open_rest.post(path, DATA, headers=headers), open_rest.get(path, headers=headers),
               open_rest.get("/nothing", headers=headers)]
    assert [answer.status for answer in answers] == [201, 200, 404]
    for answer in answers:
        assert not [field for field in answer.headers if field.startswith("Access-Control")]
        assert "Origin" in vary(answer)


def test_a_preflight_is_answered_from_the_table_of_routes(open_rest):
    document = json.loads(open_rest.get("/openapi.json").body)
    for route, item in document["paths"].items():
        methods = {method.upper() for method in item if method != "parameters"}
        answer = open_rest.call("OPTIONS", path_of(route), headers=PREFLIGHT)
        told = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
        assert (answer.status, told - {"HEAD"}, answer.body) == (204, methods, b""), route
        assert ("HEAD" in told) == ("GET" in told)
        assert answer.headers["Access-Control-Max-Age"] == "3600"
    assert open_rest.call("OPTIONS", "/nothing", headers=PREFLIGHT).status == 404


def test_a_page_may_send_and_read_every_documented_header(open_rest):
    document = json.loads(open_rest.get("/openapi.json").body)
    components = document["components"]
    operations = [operation for item in document["paths"].values()
                  for method, operation in item.items() if method != "parameters"]

    def resolve(part):
        return components[part["$ref"].split("/")[2]][part["$ref"].split("/")[3]] \
            if "$ref" in part else part

    sent = {parameter["name"] for operation in operations
            for parameter in map(resolve, operation.get("parameters", []))
            if parameter["in"] == "header"}
    read = {header for operation in operations
            for response in map(resolve, operation["responses"].values())
            for header in response.get("headers", {})}
    preflight = open_rest.call("OPTIONS", "/api/configs/x", headers=PREFLIGHT)
    browsers_own = {"Accept-Encoding", "Content-Encoding"}
    assert sent - browsers_own <= set(
        preflight.headers["Access-Control-Allow-Headers"].split(", "))
    always_readable = {"Cache-Control", "Content-Encoding", "Accept-Encoding"}
    never_readable = {"Set-Cookie"}
    assert read - always_readable - never_readable <= set(
        preflight.headers["Access-Control-Expose-Headers"].split(", "))


def test_a_preflight_of_another_origin_is_refused(open_rest):
    answer = open_rest.call("OPTIONS", "/api/configs/x", headers=PREFLIGHT | {"Origin": OTHER})
    assert (answer.status, answer.json()["reason"]) == (403, "ORIGIN_NOT_ALLOWED")
    assert allowed(answer) is None


def test_options_without_a_preflights_headers_is_405(open_rest, rest):
    assert open_rest.call("OPTIONS", "/health", headers={"Origin": ORIGIN}).status == 405
    assert rest.call("OPTIONS", "/health", headers=PREFLIGHT).status == 405


def test_a_body_without_a_type_of_a_foreign_page_is_refused(open_rest, rest, name):
    """Such a POST takes no preflight, so any page could have it sent."""
    path, headers = f"/api/configs/{name}", {"Content-Type": None}
    for client in (rest, open_rest):
        answer = client.post(path, DATA, headers=headers | {"Origin": OTHER})
        assert (answer.status, answer.json()["reason"]) == (403, "ORIGIN_NOT_ALLOWED")
    assert open_rest.post(path, DATA, headers=headers | {"Origin": ORIGIN}).status == 201


@pytest.mark.parametrize("content_type", [
    None, "text/plain", "application/x-www-form-urlencoded", "text/plain;application/json"])
def test_an_undelete_without_a_body_of_a_foreign_page_is_refused(open_rest, rest, name,
                                                                 content_type):
    """The page's form or fetch sends it with any of these types, without a preflight."""
    path, headers = f"/api/configs/{name}", {"Content-Type": content_type}
    assert rest.post(path, DATA).status == 201
    assert rest.delete(path).status == 200
    for client in (rest, open_rest):
        answer = client.post(path + "/undelete", headers=headers | {"Origin": OTHER})
        assert (answer.status, answer.json()["reason"]) == (403, "ORIGIN_NOT_ALLOWED")
    assert open_rest.post(path + "/undelete", headers=headers | {"Origin": ORIGIN}).status == 200


def test_without_the_option_nothing_is_allowed(rest):
    answer = rest.get("/health", headers={"Origin": ORIGIN})
    assert allowed(answer) is None
    assert vary(answer) == set()


@pytest.mark.parametrize("origin, said", [
    ("*", "would allow any page"), ("null", "would allow any page"),
    ("console.example", "is not an origin"), ("https://", "is not an origin"),
    ("https://a.example/", "without a path"), ("https://*.example", "a wildcard"),
    ("https://me@a.example", "a user")])
def test_what_is_no_origin_is_refused_at_the_start(tmp_path, origin, said):
    ended = subprocess.run([BUILD / "confreg-gateway", "--allow-origin", origin], cwd=tmp_path,
                           capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("confreg-gateway: --allow-origin: ")
    assert said in ended.stderr


# ---- In a browser ----

@pytest.fixture(scope="module")
def pages():
    with page() as port:
        yield port


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def for_pages(launch, confregd, pages):
    """A gateway that allows http://127.0.0.1:PORT, and not http://localhost:PORT."""
    gateway = launch(Gateway, confregd.listen)
    gateway.variables["CONFREG_GATEWAY_ALLOW_ORIGIN"] = f"{ORIGIN}, http://127.0.0.1:{pages}"
    gateway.start()
    until(lambda: gauge(gateway.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    return gateway


WRITE_AND_READ = """
    const [url] = args;
    const json = {"Content-Type": "application/json"};
    const body = n => JSON.stringify({config_data: {n}});
    const made = await fetch(url, {method: "POST", headers: json, body: body(1)});
    const tag = made.headers.get("ETag");
    const changed = await fetch(url, {method: "PUT", body: body(2), headers: {
        ...json, "If-Match": tag, "Prefer": "handling=strict", "Authorization": "Bearer x"}});
    const stale = await fetch(url, {method: "PUT", body: body(3), headers: {
        ...json, "If-Match": tag}});
    const read = await fetch(url, {headers: {
        "X-Config-Min-Revision": changed.headers.get("X-Config-Revision")}});
    const known = await fetch(url, {cache: "no-store", headers: {
        "If-None-Match": read.headers.get("ETag")}});
    const patched = await fetch(url, {method: "PATCH", body: '{"n": 4}', headers: {
        "Content-Type": "application/merge-patch+json"}});
    const gone = await fetch(url, {method: "DELETE"});
    const missing = await fetch(url);
    return {statuses: [made, changed, stale, read, known, patched, gone, missing].map(
                a => a.status),
            value: await read.json(), version: read.headers.get("X-Config-Version"),
            reason: (await stale.json()).reason};
"""

LISTEN = """
    const [url, write] = args;
    const source = new EventSource(url);
    const heard = await new Promise((done, failed) => {
        source.addEventListener("created", e => done(JSON.parse(e.data).service_name));
        source.onopen = () => fetch(write, {method: "POST", body: '{"config_data": {}}',
            headers: {"Content-Type": "application/json"}});
        source.onerror = () => failed("refused");
    });
    source.close();
    return heard;
"""


def test_a_page_of_an_allowed_origin_reads_writes_and_listens(browser, pages, for_pages, name):
    browser.open(f"http://127.0.0.1:{pages}/")
    assert browser.run(WRITE_AND_READ, f"{for_pages.url}/api/configs/{name}") == {
        "statuses": [201, 200, 412, 200, 304, 200, 200, 404], "value": {"n": 2}, "version": "2",
        "reason": "REVISION_MISMATCH"}
    assert browser.run(LISTEN, f"{for_pages.url}/api/watch?service_name={name}",
                       f"{for_pages.url}/api/configs/{name}") == name


FORGE = """
    const body = new Blob(['{"config_data": {"forged": true}}']);
    const answer = await fetch(args[0], {method: "POST", mode: "no-cors", body});
    return answer.type;
"""


def test_a_page_of_another_origin_reads_and_writes_nothing(browser, pages, for_pages, name):
    url = f"{for_pages.url}/api/configs/{name}"
    browser.open(f"http://localhost:{pages}/")
    refused = {"error": "TypeError: Failed to fetch"}
    assert browser.run("await fetch(args[0]);", for_pages.url + "/health") == refused
    assert browser.run("await fetch(args[0], {method: 'PUT'});", url) == refused
    assert browser.run(WRITE_AND_READ, url) == refused
    assert browser.run(LISTEN, for_pages.url + "/api/watch", url) == {"error": "refused"}
    assert browser.run(FORGE, url) == "opaque"
    assert Rest(for_pages.port).get(f"/api/configs/{name}").status == 404
