"""TLS between the gateway and its clients, and at the listeners of metrics."""

import contextlib
import datetime
import http.client
import socket
import ssl
import subprocess
import threading

import pytest
from certificates import Authority, Pair
from daemon import PATIENCE, Confregd, Gateway, free_port, until
from rest import Rest, read_answer
from sse import EventStream, Refused
from test_http_framing import LAST, ROWS, expected, read_to_the_end, send_all, statuses
from test_metrics import scrape

pytestmark = pytest.mark.any_store

HSTS = "max-age=31536000"


class HttpsGateway(Gateway):
    """The gateway with TLS; its files can be replaced. client: the certificate that the test's own
    client shows."""

    def __init__(self, folder, server, authority, client=None, extra=()):
        super().__init__(folder, server, extra)
        self.authority, self.client = authority, client
        self.files = Pair(self.folder / "server.pem", self.folder / "server.key")
        authority.server().copy_to(self.files)

    def arguments(self):
        return [*super().arguments(), "--tls-cert", str(self.files.cert), "--tls-key",
                str(self.files.key)]

    def context(self, client=None):
        return self.authority.context(client or self.client)

    def connection(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10,
                                           context=self.context())

    def rest(self, client=None):
        return Rest(self.port, context=self.context(client))

    def metric(self, name, **labels):
        page = scrape(f"127.0.0.1:{self.port}", self.context())
        return page.get(f"confreg_gateway_tls_{name}", **labels)

    def failures(self, reason):
        return self.metric("handshake_failures_total", reason=reason)

    def expect_failure(self, reason, before):
        until(lambda: self.failures(reason) > before, f"a handshake fails: {reason}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "other", "other")


@pytest.fixture(scope="module")
def server(launch):
    return launch(Confregd, store="memory:").start()


@pytest.fixture(scope="module")
def gateway(launch, server, authority):
    """It asks no client for a certificate."""
    return launch(HttpsGateway, server.listen, authority).start()


@pytest.fixture
def rest(gateway):
    return gateway.rest()


def asking(authority, how="require", *more):
    return ["--tls-client-auth", how, "--tls-client-ca", str(authority.ca), *more]


def s_client(gateway, *arguments, text=b""):
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-CAfile",
         gateway.authority.ca, "-verify_return_error", *arguments], input=text,
        capture_output=True, timeout=60, check=False)


def curl(gateway, path, *arguments):
    made = subprocess.run(
        ["curl", "-sS", "-i", "--cacert", gateway.authority.ca, *map(str, arguments),
         f"https://localhost:{gateway.port}{path}"], capture_output=True, timeout=60, check=False)
    return made.returncode, made.stdout.decode(), made.stderr.decode()


# ---- Requests ----

def test_curl(gateway, rest):
    assert rest.post("/api/configs/curl", {"config_data": {"a": 1}}).status == 201
    code, said, _ = curl(gateway, "/api/configs/curl", "--http2")
    assert code == 0 and said.startswith("HTTP/1.1 200 OK\r\n") and said.endswith('{"a":1}')
    assert f"Strict-Transport-Security: {HSTS}\r\n" in said


def test_every_answer_demands_tls(gateway, rest):
    for path in ("/livez", "/nowhere", "/api/configs/missing", "/api/configs?limit=x"):
        assert rest.get(path).headers["Strict-Transport-Security"] == HSTS, path
    with rest.open() as sock:  # refused by the HTTP server itself
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_answer(sock).headers["Strict-Transport-Security"] == HSTS


def test_answers_over_tls_are_those_of_plain_http(rest):
    """Framing, pipelining and refusals: the whole table of test_http_framing.py."""
    for row in ROWS:
        request, wanted = row.values
        with rest.open(timeout=PATIENCE) as sock:
            with contextlib.suppress(ssl.SSLError):  # a refusal ends the connection
                send_all(sock, request + LAST)
            answers = read_to_the_end(sock)
        assert statuses(answers, request) == expected(wanted), row.id


def test_large_bodies_both_ways(rest):
    value = "x" * 1_000_000
    assert rest.post("/api/configs/large", {"config_data": {"a": value}}).status == 201
    answer = rest.get("/api/configs/large")
    assert answer.json() == {"a": value}
    assert rest.get("/api/configs/large", headers={"Accept-Encoding": "gzip"}).status == 200
    with rest.open() as sock:  # one byte at a time at first: the records wait in the gateway
        sock.sendall(b"GET /api/configs/large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        slow = b"".join(sock.recv(1) for _ in range(500))
        whole = slow + read_to_the_end(sock)
    assert whole.endswith(answer.body) and b" 200 OK\r\n" in slow


def test_events_over_tls(gateway, rest):
    with EventStream(gateway.port, "?service_name=events", context=gateway.context()) as stream:
        stream.begun()
        for n in range(50):
            rest.call("PUT" if n else "POST", "/api/configs/events", {"config_data": {"n": n}})
        assert [event.data["version"] for event in stream.take(50)] == list(range(1, 51))


def test_the_end_is_told(gateway):
    """close_notify: the client knows that nothing was cut off."""
    for request in (LAST, b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"):
        with (socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as plain,
              gateway.context().wrap_socket(plain, server_hostname="127.0.0.1",
                                            suppress_ragged_eofs=False) as sock):
            sock.sendall(request)
            while sock.recv(4096):  # SSLEOFError without close_notify
                pass


def test_a_client_that_only_writes_no_more_gets_its_answer(rest):
    with rest.open() as sock:
        sock.sendall(LAST)
        socket.socket.shutdown(sock, socket.SHUT_WR)  # TCP's, below TLS
        assert read_answer(sock).status == 200


# ---- Versions, ciphers, protocols ----

@pytest.mark.parametrize("version", ["tls1", "tls1_1"])
def test_old_versions_are_refused(gateway, version):
    before = gateway.failures("version")
    made = s_client(gateway, f"-{version}", "-cipher", "ALL:@SECLEVEL=0")
    assert b"alert protocol version" in made.stderr
    gateway.expect_failure("version", before)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("offered", [[], ["-alpn", "h2,http/1.1"]])
def test_new_versions_are_accepted(gateway, version, offered):
    made = s_client(gateway, "-" + version.lower().replace(".", "_").replace("v", ""), *offered)
    assert f"New, {version}, Cipher is".encode() in made.stdout
    assert b"Verify return code: 0 (ok)" in made.stdout
    said = b"ALPN protocol: http/1.1" if offered else b"No ALPN negotiated"
    assert said in made.stdout
    assert b"Compression: NONE" in made.stdout and b"TLS session ticket" not in made.stdout


def test_another_protocol_is_refused(gateway):
    before = gateway.failures("protocol")
    made = s_client(gateway, "-alpn", "h2")
    assert b"alert no application protocol" in made.stderr
    gateway.expect_failure("protocol", before)


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA",
                                    "DHE-RSA-AES128-GCM-SHA256", "AECDH-AES128-SHA"])
def test_weak_ciphers_are_refused(gateway, cipher):
    before = gateway.failures("cipher")
    made = s_client(gateway, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert made.returncode != 0 and b"Cipher is (NONE)" in made.stdout
    gateway.expect_failure("cipher", before)


def test_no_renegotiation(gateway):
    made = s_client(gateway, "-tls1_2", text=b"R\n")
    assert b"no renegotiation" in made.stderr + made.stdout


def test_plain_http_is_told(gateway):
    before = gateway.failures("not_tls")
    requests = (LAST, LAST.replace(b"GET", b"DELETE"), b"garbage from who knows whom\r\n\r\n")
    for request in requests:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as sock:
            sock.sendall(request)
            answer = read_answer(sock)
            assert answer.status == 400 and "https" in answer.json()["detail"]
            assert answer.headers["Strict-Transport-Security"] is None  # RFC 6797, 7.2
            assert sock.recv(1) == b""
    assert gateway.failures("not_tls") == before + len(requests)


def test_a_client_that_does_not_trust_the_gateway(gateway, other_authority):
    before = gateway.failures("refused")
    code, _, said = curl(gateway, "/livez", "--cacert", other_authority.ca)
    assert code == 60 and "unable to get local issuer certificate" in said
    gateway.expect_failure("refused", before)


# ---- Client certificates ----

@pytest.fixture(scope="module")
def strict(launch, server, authority):
    return launch(HttpsGateway, server.listen, authority, client=authority.client(),
                  extra=asking(authority, "require", "--tls-crl", authority.crl)).start()


def why_refused(gateway, pair):
    arguments = ["--cert", pair.cert, "--key", pair.key] if pair else []
    code, said, why = curl(gateway, "/livez", *arguments)
    assert code != 0 and said == ""
    return why


def test_clients_that_are_refused(strict, authority, other_authority):
    revoked = authority.client("revoked")
    authority.revoke(revoked)
    reloads = strict.log.read_text().count("event=tls_loaded")
    strict.process.send_signal(1)  # SIGHUP
    until(lambda: strict.log.read_text().count("event=tls_loaded") > reloads, "the list is read")
    for reason, pair, alert in (
            ("no_certificate", None, "certificate required"),
            ("untrusted", other_authority.client(), "unknown ca"),
            ("untrusted", authority.server(), "unsupported certificate"),  # not for clients
            ("expired", authority.client(end="20240101000000Z"), "certificate expired"),
            ("revoked", revoked, "certificate revoked")):
        before = strict.failures(reason)
        assert alert in why_refused(strict, pair), reason
        strict.expect_failure(reason, before)
    assert strict.rest(authority.client("other")).get("/livez").status == 200


def test_request_lets_clients_without_a_certificate_in(launch, server, authority, other_authority):
    gateway = launch(HttpsGateway, server.listen, authority,
                     extra=asking(authority, "request")).start()
    assert gateway.rest().get("/livez").status == 200
    assert gateway.rest(authority.client()).get("/livez").status == 200
    assert "unknown ca" in why_refused(gateway, other_authority.client())


def expect_end(stream):
    with contextlib.suppress(StopIteration, OSError, ValueError):
        while True:
            stream.next()


def test_revoking_ends_what_is_open(launch, server, tmp_path):
    authority = Authority(tmp_path / "ca")
    stays, goes = authority.client("stays"), authority.client("goes")
    gateway = launch(HttpsGateway, server.listen, authority, client=stays,
                     extra=asking(authority, "require", "--tls-crl", authority.crl)).start()
    stream = EventStream(gateway.port, context=gateway.context(goes))
    other = EventStream(gateway.port, "?service_name=other", context=gateway.context())
    stream.begun()
    other.begun()
    with gateway.rest(goes).open() as kept:
        kept.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(kept).status == 200
        authority.revoke(goes)
        with contextlib.suppress(OSError):
            assert kept.recv(1) == b""
    expect_end(stream)
    assert gateway.metric("clients_ended_total") == 2
    gateway.rest().post("/api/configs/other", {"config_data": {}})
    assert other.next().data["version"] == 1
    other.close()


def has_its_copy(gateway):
    """Whether it serves streams, which is a little after /readyz has said that the server is there."""
    try:
        EventStream(gateway.port, context=gateway.context()).close()
    except Refused:
        return False
    return True


def test_a_certificate_that_expires_ends_what_is_open(launch, server, authority):
    gateway = launch(HttpsGateway, server.listen, authority, client=authority.client(),
                     extra=asking(authority)).start()
    until(lambda: has_its_copy(gateway), "the gateway has its copy")
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=6)
    short = authority.client("short", end=end.strftime("%Y%m%d%H%M%SZ"))
    stream = EventStream(gateway.port, context=gateway.context(short))
    stream.begun()
    expect_end(stream)
    assert datetime.datetime.now(datetime.timezone.utc) >= end
    assert "certificate expired" in why_refused(gateway, short)


# ---- Files that change ----

def serial_of(gateway):
    with gateway.rest().open() as sock:
        return sock.getpeercert()["serialNumber"]


def test_rotation_under_load(launch, server, authority):
    """Clients connect, call and watch while the certificate is replaced several times."""
    gateway = launch(HttpsGateway, server.listen, authority).start()
    failed, calls, ending = [], [0], threading.Event()

    def call(connection):
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        calls[0] += 1
        if answer.status != 200 or answer.read() == b"":
            failed.append(answer.status)

    def work(is_kept):
        connection = gateway.connection()
        while not ending.is_set():
            try:
                call(connection)
            except (OSError, http.client.HTTPException) as error:
                failed.append(error)
            if not is_kept:
                connection.close()
        connection.close()

    stream = EventStream(gateway.port, "?service_name=rotated", context=gateway.context())
    stream.begun()
    threads = [threading.Thread(target=work, args=[kept]) for kept in (True, False, False)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = serial_of(gateway)
        authority.server().copy_to(gateway.files)
        until(lambda old=before: serial_of(gateway) != old, "the new certificate is used")
    ending.set()
    for thread in threads:
        thread.join()
    assert not failed and calls[0] > 100, (failed[:3], calls)
    gateway.rest().post("/api/configs/rotated", {"config_data": {}})
    assert stream.next().data["version"] == 1
    stream.close()


def test_broken_files_keep_the_last_good_ones(launch, server, authority):
    gateway = launch(HttpsGateway, server.listen, authority).start()
    before = serial_of(gateway)
    gateway.files.key.write_bytes(b"no key")
    until(lambda: gateway.metric("reload_failures_total") == 1, "it was tried")
    assert gateway.metric("files_in_force") == 0 and serial_of(gateway) == before
    said = gateway.log.read_text()
    assert "event=tls_reload_failed" in said and "PRIVATE" not in said


# ---- Against abuse ----

def test_silent_clients_are_dropped_at_the_handshake(launch, server, authority):
    gateway = launch(HttpsGateway, server.listen, authority,
                     extra=["--tls-handshake-timeout", "500ms"]).start()
    silent = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(50)]
    silent[0].send(b"\x16\x03\x01\x02\x00\x01")
    for each in silent:
        each.settimeout(PATIENCE)
        assert each.recv(1) == b""
        each.close()
    assert gateway.failures("timeout") == 50
    assert gateway.rest().get("/livez").status == 200


def test_a_silent_client_does_not_delay_the_stop(launch, server, authority):
    gateway = launch(HttpsGateway, server.listen, authority).start()
    with socket.create_connection(("127.0.0.1", gateway.port)) as silent, gateway.rest().open():
        gateway.stop()
        assert silent.recv(1) == b""


# ---- Listening ----

@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_plain_listeners_for_others_need_insecure(launch, server, host):
    gateway = launch(Gateway, server.listen)
    gateway.extra = ["--listen", f"{host}:{gateway.port}"]
    code, said = gateway.fails_to_start()
    assert code == 1 and "reason=INSECURE_LISTENER" in said and "--insecure" in said
    gateway.extra.append("--insecure")
    gateway.start()


def test_tls_listeners_for_others_need_nothing(launch, server, authority):
    gateway = launch(HttpsGateway, server.listen, authority)
    gateway.extra = ["--listen", f"0.0.0.0:{gateway.port}"]
    gateway.start()


def test_a_unix_socket_stays_plain(launch, server, authority, tmp_path):
    gateway = launch(HttpsGateway, server.listen, authority)
    path = tmp_path / "socket"
    gateway.extra = ["--listen", f"unix:{path}"]
    gateway.spawn()
    until(path.exists, "it listens")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(LAST)
        answer = read_answer(sock)
        assert answer.status == 200 and answer.headers["Strict-Transport-Security"] is None


@pytest.mark.parametrize(("extra", "code", "why"), [
    (["--redirect-http", "127.0.0.1:0"], 2, "--redirect-http needs --tls-cert"),
    (["--tls-cert", "/no/file", "--tls-key", "/no/file"], 1, "reason=TLS_FILE_BROKEN"),
    (["--tls-cert", "/no/file"], 1, "reason=TLS_SETTINGS"),
    (["--tls-client-auth", "maybe"], 2, "--tls-client-auth: none, request or require"),
])
def test_settings_that_cannot_be_used(launch, server, extra, code, why):
    ended, said = launch(Gateway, server.listen, extra=extra).fails_to_start()
    assert ended == code and why in said


# ---- The redirect ----

@pytest.fixture(scope="module")
def redirect(launch, server, authority):
    port = free_port()
    gateway = launch(HttpsGateway, server.listen, authority,
                     extra=["--redirect-http", f"127.0.0.1:{port}", "--hsts", "0s"]).start()
    return gateway, Rest(port)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_plain_http_is_sent_to_tls(redirect, method):
    gateway, plain = redirect
    for host in ("localhost", "localhost:80", "[::1]", "[::1]:8000"):
        with plain.open() as sock:
            sock.sendall(f"{method} /api/configs/a%20b?x=1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            answer = read_answer(sock, method)
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        assert answer.status == 308 and answer.body == b""
        assert answer.headers["Location"] == f"https://{name}:{gateway.port}/api/configs/a%20b?x=1"
        assert answer.headers["Strict-Transport-Security"] is None


def test_following_the_redirect(redirect):
    gateway, plain = redirect
    made = subprocess.run(
        ["curl", "-sSL", "--cacert", gateway.authority.ca, "-X", "POST", "-d",
         '{"config_data":{"a":1}}', "-H", "Content-Type: application/json",
         f"http://localhost:{plain.port}/api/configs/followed"],
        capture_output=True, timeout=60, check=True)
    assert b'"version":1' in made.stdout
    assert gateway.rest().get("/livez").headers["Strict-Transport-Security"] is None  # --hsts 0s


def test_redirects_of_odd_requests(redirect):
    gateway, plain = redirect
    to = f"https://a.example:{gateway.port}/x"
    for request, wanted in (
            (b"GET http://a.example/x HTTP/1.1\r\nHost: b\r\n\r\n", to),
            (b"GET HTTP://a.example:80/x HTTP/1.1\r\nHost: b\r\n\r\n", to),
            (b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", to[:-1])):
        assert plain.raw(request).headers["Location"] == wanted
    assert plain.raw(b"GET /x HTTP/1.0\r\n\r\n").status == 400  # it names no host
    assert plain.raw(b"GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n").status == 400


# ---- Metrics ----

def accepts(address):
    host, _, port = address.partition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
        return True
    return False


@pytest.fixture(scope="module")
def metrics(launch, authority):
    """Both programs with TLS and a listener for metrics."""
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    pair = authority.server()
    server = launch(Confregd, store="memory:", extra=[
        "--metrics", addresses[0], "--tls-cert", str(pair.cert), "--tls-key", str(pair.key),
        *asking(authority)])
    server.spawn()
    gateway = launch(HttpsGateway, server.listen, authority, client=authority.client(),
                     extra=["--metrics", addresses[1], *asking(authority)])
    gateway.spawn()
    until(lambda: all(map(accepts, addresses)), "both listen")
    return dict(zip(("server", "gateway"), addresses, strict=True))


@pytest.mark.parametrize("program", ["server", "gateway"])
def test_metrics_have_the_same_tls(metrics, authority, other_authority, program):
    address = metrics[program]
    page = scrape(address, authority.context(authority.client("prometheus")))
    prefix = "confreg" if program == "server" else "confreg_gateway"
    assert page.get(f"{prefix}_tls_handshakes_total") > 0
    for context in (authority.context(), authority.context(other_authority.client())):
        with pytest.raises(OSError):
            scrape(address, context)


def test_silent_clients_do_not_keep_a_scrape_out(metrics, authority):
    """The listener of metrics takes 16 connections; half of them may be in their handshakes."""
    address = metrics["gateway"]
    host, _, port = address.partition(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(40)]
    page = scrape(address, authority.context(authority.client()))
    assert page.get("confreg_gateway_tls_handshake_failures_total", reason="overload") >= 32
    for each in silent:
        each.close()


# ---- nginx in front ----

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream gateway {{ server 127.0.0.1:{to}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {cert}; ssl_certificate_key {key};
        location / {{
            proxy_pass https://gateway;
            proxy_ssl_trusted_certificate {ca}; proxy_ssl_verify on; proxy_ssl_name localhost;
            proxy_ssl_certificate {client_cert}; proxy_ssl_certificate_key {client_key};
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
            proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
        }}
    }}
}}
"""


def test_nginx_in_front_encrypts_again(strict, authority, tmp_path):
    port, pair, client = free_port(), authority.server(), authority.client("nginx")
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(
        folder=tmp_path, to=strict.port, port=port, ca=authority.ca, cert=pair.cert, key=pair.key,
        client_cert=client.cert, client_key=client.key))
    nginx = subprocess.Popen(["nginx", "-c", config], stderr=subprocess.DEVNULL)
    try:
        rest = Rest(port, context=authority.context())

        def is_up():
            with contextlib.suppress(OSError):
                return rest.get("/readyz").status == 200

        until(is_up, "nginx forwards")
        assert rest.post("/api/configs/nginx", {"config_data": {"a": 1}}).status == 201
        before = strict.metric("handshakes_total")
        for _ in range(20):
            assert rest.get("/api/configs/nginx").json() == {"a": 1}
        assert strict.metric("handshakes_total") - before < 5  # its connections are kept open
        with EventStream(port, "?service_name=nginx", context=authority.context()) as stream:
            stream.begun()
            rest.put("/api/configs/nginx", {"config_data": {"a": 2}})
            assert stream.next().data["version"] == 2
    finally:
        nginx.terminate()
        nginx.wait(PATIENCE)
