"""TLS between confregd and its clients, with certificates that are made for the test."""

import contextlib
import datetime
import json
import re
import resource
import socket
import ssl
import subprocess
import threading
import time

import grpc
import pytest
from access import AccessFile
from calls import Registry
from certificates import Authority, Pair
from daemon import CHANNEL_OPTIONS, PATIENCE, Confregd, Gateway, free_port, until
from errors import refused
from rest import Rest
from stubs import api_grpc, api_pb, health_grpc, health_pb
from test_metrics import scrape
from watching import Watch

pytestmark = pytest.mark.any_store


class TlsServer(Confregd):
    """confregd with TLS; its files can be replaced. client: the certificate that the test's own
    client shows."""

    def __init__(self, folder, authority, client=None, extra=(), server=None):
        super().__init__(folder, store="memory:", listen=f"localhost:{free_port()}", extra=extra)
        self.authority, self.client = authority, client
        self.files = Pair(self.folder / "server.pem", self.folder / "server.key")
        (server or authority.server()).copy_to(self.files)
        self.metrics, self.n_scrapes = f"127.0.0.1:{free_port()}", 0

    def arguments(self):
        return [*super().arguments(), "--metrics", self.metrics, "--tls-cert", str(self.files.cert),
                "--tls-key", str(self.files.key)]

    def open_channel(self, client=None, authority=None):
        pair = client or self.client
        credentials = grpc.ssl_channel_credentials(
            (authority or self.authority).ca.read_bytes(),
            *([pair.key.read_bytes(), pair.cert.read_bytes()] if pair else []))
        return grpc.secure_channel(self.listen, credentials, options=CHANNEL_OPTIONS)

    def reconnect(self):
        if self.channel is not None:
            self.channel.close()
        self.channel = self.open_channel()

    @property
    def port(self):
        return int(self.listen.rpartition(":")[2])

    def metric(self, name, **labels):
        return self.scrape().get(f"confreg_tls_{name}", **labels)

    def scrape(self):
        self.n_scrapes += 1
        return scrape(self.metrics, self.authority.context(self.client))

    def failures(self, reason):
        return self.metric("handshake_failures_total", reason=reason)

    def expect_failure(self, reason, before=0):
        until(lambda: self.failures(reason) > before, f"a handshake fails: {reason}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "other", "other")


@pytest.fixture(scope="module")
def tls(launch, authority):
    """A server that asks no client for a certificate."""
    return launch(TlsServer, authority).start()


def asking(authority, how="require", *more):
    return ["--tls-client-auth", how, "--tls-client-ca", str(authority.ca), *more]


def get_status(channel):
    return api_grpc.RegistryServiceStub(channel).GetStatus(api_pb.GetStatusRequest(), timeout=PATIENCE)


def cannot_call(channel):
    with contextlib.closing(channel), refused("UNAVAILABLE"):
        get_status(channel)


def s_client(server, *arguments):
    return subprocess.run(
        ["openssl", "s_client", "-connect", server.listen, "-CAfile", server.authority.ca,
         "-verify_return_error", *arguments], input=b"", capture_output=True, timeout=60,
        check=False)


# ---- Versions, ciphers, protocols ----

@pytest.mark.parametrize("version", ["tls1", "tls1_1"])
def test_old_versions_are_refused(tls, version):
    before = tls.failures("version")
    made = s_client(tls, f"-{version}", "-alpn", "h2", "-cipher", "ALL:@SECLEVEL=0")
    assert b"alert protocol version" in made.stderr
    tls.expect_failure("version", before)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_new_versions_are_accepted(tls, version):
    made = s_client(tls, "-" + version.lower().replace(".", "_").replace("v", ""), "-alpn", "h2")
    assert f"New, {version}, Cipher is".encode() in made.stdout
    assert b"ALPN protocol: h2" in made.stdout and b"Verify return code: 0 (ok)" in made.stdout


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA",
                                    "DHE-RSA-AES128-GCM-SHA256", "AECDH-AES128-SHA"])
def test_weak_ciphers_are_refused(tls, cipher):
    """Without forward secrecy, without authenticated encryption, without a certificate."""
    made = s_client(tls, "-tls1_2", "-alpn", "h2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert made.returncode != 0 and b"Cipher is (NONE)" in made.stdout


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256",
                                    "ECDHE-ECDSA-AES256-GCM-SHA384",
                                    "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_strong_ciphers_are_accepted(tls, cipher):
    made = s_client(tls, "-tls1_2", "-alpn", "h2", "-cipher", cipher)
    assert f"Cipher is {cipher}".encode() in made.stdout


def test_renegotiation_is_refused(tls):
    def asked():
        made = subprocess.run(
            ["openssl", "s_client", "-connect", tls.listen, "-tls1_2", "-alpn", "h2"], input=b"R\n",
            capture_output=True, timeout=60, check=False)
        assert b"RENEGOTIATING" in made.stdout + made.stderr
        return made.stderr

    # Where the server's first frames come after the question, openssl takes them for its answer.
    until(lambda: b"no renegotiation" in asked(), "it is refused")


@pytest.mark.parametrize("offer", [["-alpn", "http/1.1"], []], ids=["http/1.1", "none"])
def test_a_client_must_offer_h2(tls, offer):
    before = tls.failures("protocol")
    made = s_client(tls, *offer)
    assert b"No ALPN negotiated" in made.stdout
    tls.expect_failure("protocol", before)


def test_plain_clients_are_refused(tls):
    before = tls.failures("not_tls")
    cannot_call(grpc.insecure_channel(tls.listen, options=CHANNEL_OPTIONS))
    tls.expect_failure("not_tls", before)


# ---- Clients ----

def test_calls_and_streams(tls):
    registry = Registry(tls.stub)
    large = '{"a":"' + "x" * 900_000 + '"}'
    header = registry.create("large", large).header
    assert registry.data("large") == large.encode()
    with Watch(tls.stub, start_revision=header.revision) as watch:
        assert watch.event().service_name == "large"


def test_many_calls_at_once(tls):
    """Answers of 500 kB each to one connection, more than its buffers hold."""
    Registry(tls.stub).create("at-once", json.dumps({"a": "y" * 500_000}))
    request = api_pb.GetConfigRequest(environment="prod", service_name="at-once")
    calls = [tls.stub.GetConfig.future(request, timeout=PATIENCE) for _ in range(100)]
    assert {len(call.result().config.config_data) for call in calls} == {500_008}


def test_tools(tls, tool):
    def run(*command):
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    run(tool("grpcurl"), "-cacert", tls.authority.ca, tls.listen, "list")
    run(tool("grpc-health-probe"), f"-addr={tls.listen}", "-tls", f"-tls-ca-cert={tls.authority.ca}")


def test_a_client_with_another_authority(tls, other_authority):
    """It tells why (openssl), or just goes (gRPC)."""
    before = {reason: tls.failures(reason) for reason in ("refused", "closed")}
    made = s_client(tls, "-alpn", "h2", "-CAfile", other_authority.ca)
    assert b"verify error" in made.stdout + made.stderr
    tls.expect_failure("refused", before["refused"])
    cannot_call(tls.open_channel(authority=other_authority))
    tls.expect_failure("closed", before["closed"])


def test_a_unix_socket_stays_plain(launch, authority, tmp_path):
    path = f"unix:{tmp_path}/socket"
    server = launch(TlsServer, authority)
    server.extra = ["--listen", f"{server.listen},{path}"]
    server.start()
    with grpc.insecure_channel(path) as channel:
        assert get_status(channel).store == "memory"
    assert get_status(server.channel).store == "memory"


# ---- Client certificates ----

NAMES = [
    ("client", "", "cn:client"),
    ("client", "DNS:one.example,DNS:two.example", "dns:one.example"),
    ("client", "DNS:one.example,URI:spiffe://example/billing", "spiffe://example/billing"),
    ("", "URI:cn:client,DNS:one.example", "dns:one.example"),
]


@pytest.fixture(scope="module")
def asks(launch, authority):
    return launch(TlsServer, authority, client=authority.client(), extra=asking(authority)).start()


def actor_of(server, service):
    """Who wrote it last, as the change log has it."""
    request = api_pb.ListCommitsRequest(service_name=service, page_size=1)
    return server.stub.ListCommits(request, timeout=PATIENCE).commits[0].actor


@pytest.mark.parametrize(("name", "names", "proven"), NAMES, ids=[row[2] for row in NAMES])
def test_the_log_names_who_has_proven_it(asks, authority, name, names, proven):
    with asks.open_channel(client=authority.client(name, names)) as channel:
        registry = Registry(api_grpc.RegistryServiceStub(channel))
        service = f"by-{time.monotonic_ns()}"
        registry.create(service)
    request = api_pb.ListCommitsRequest(service_name=service, credential=f"certificate:{proven}")
    commit, = asks.stub.ListCommits(request, timeout=PATIENCE).commits
    assert (commit.actor, commit.method) == (proven, "CreateConfig")


def test_the_actor_of_a_plain_client_is_empty(tls):
    Registry(tls.stub).create("by-nobody")
    assert actor_of(tls, "by-nobody") == ""


def test_clients_that_are_refused(asks, authority, other_authority):
    for reason, pair in {
        "no_certificate": None,
        "untrusted": other_authority.client(),
        "expired": authority.client(end="20240101000000Z"),
    }.items():
        before = asks.failures(reason)
        channel = asks.open_channel(client=pair) if pair else TlsServer.open_channel(
            _without_client(asks))
        cannot_call(channel)
        asks.expect_failure(reason, before)
    before = asks.failures("untrusted")
    cannot_call(asks.open_channel(client=authority.server()))  # not for clients
    cannot_call(asks.open_channel(client=authority.client("", "email:a@example")))  # no name
    until(lambda: asks.failures("untrusted") >= before + 2, "both are refused")
    assert asks.process.poll() is None


def _without_client(server):
    copy = TlsServer.__new__(TlsServer)
    copy.__dict__ |= server.__dict__ | {"client": None}
    return copy


def test_request_lets_clients_without_a_certificate_in(launch, authority, other_authority):
    server = launch(TlsServer, authority, extra=asking(authority, "request")).start()
    assert get_status(server.channel).store == "memory"
    with server.open_channel(client=authority.client()) as channel:
        assert get_status(channel).store == "memory"
    cannot_call(server.open_channel(client=other_authority.client()))
    server.expect_failure("untrusted")


def open_watch(channel):
    """A watch that has begun."""
    watch = api_grpc.RegistryServiceStub(channel).Watch(api_pb.WatchRequest())
    next(watch)
    return watch


def expect_end(watch):
    with refused("UNAVAILABLE"):
        for _ in watch:
            pass


def test_revoking_ends_what_is_open(launch, tmp_path):
    authority = Authority(tmp_path / "ca")
    stays, goes = authority.client("stays"), authority.client("goes")
    server = launch(TlsServer, authority, client=stays,
                    extra=asking(authority, "require", "--tls-crl", str(authority.crl))).start()
    channel = server.open_channel(client=goes)
    watch, other = open_watch(channel), open_watch(server.channel)
    authority.revoke(goes)
    expect_end(watch)
    channel.close()
    cannot_call(server.open_channel(client=goes))
    server.expect_failure("revoked")
    assert server.metric("clients_ended_total") == 1
    assert server.metric("crl_expiry_timestamp_seconds") > time.time()
    assert get_status(server.channel).store == "memory"
    other.cancel()


def test_a_certificate_that_expires_ends_what_is_open(launch, authority):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)
    short = authority.client("short", end=end.strftime("%Y%m%d%H%M%SZ"))
    server = launch(TlsServer, authority, client=authority.client(),
                    extra=asking(authority)).start()
    channel = server.open_channel(client=short)
    expect_end(open_watch(channel))
    assert datetime.datetime.now(datetime.timezone.utc) >= end
    channel.close()
    cannot_call(server.open_channel(client=short))
    server.expect_failure("expired")


# ---- Files that change ----

def serial_of(server):
    with socket.create_connection(("localhost", server.port), timeout=PATIENCE) as plain:
        context = ssl.create_default_context(cafile=server.authority.ca)
        context.set_alpn_protocols(["h2"])
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            return secured.getpeercert()["serialNumber"]


def test_rotation_under_load(launch, authority):
    """Clients connect, call and watch while the certificate is replaced several times."""
    server = launch(TlsServer, authority).start()
    Registry(server.stub).create("billing")
    failed, calls, ending = [], [0], threading.Event()

    def work(new_channels):
        while not ending.is_set():
            channel = server.open_channel() if new_channels else server.channel
            try:
                get_status(channel)
                calls[0] += 1
            except grpc.RpcError as error:
                failed.append(error)
            if new_channels:
                channel.close()

    watch = open_watch(server.channel)
    threads = [threading.Thread(target=work, args=[new]) for new in (True, True, False)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = serial_of(server)
        authority.server().copy_to(server.files)
        until(lambda old=before: serial_of(server) != old, "the new certificate is used")
    ending.set()
    for thread in threads:
        thread.join()
    assert not failed and calls[0] > 100, (failed[:3], calls)
    Registry(server.stub).create("seen")
    assert any(event.service_name == "seen" for answer in watch for event in answer.events)
    watch.cancel()


def test_broken_files_keep_the_last_good_ones(launch, authority):
    server = launch(TlsServer, authority).start()
    loaded = server.metric("loaded_timestamp_seconds")
    before = serial_of(server)
    good = server.files.key.read_bytes()
    for n, bad in enumerate((b"", b"no key", authority.client().key.read_bytes()), 1):
        server.files.key.write_bytes(bad)
        until(lambda count=n: server.metric("reload_failures_total") == count, "it was tried")
        assert server.metric("files_in_force") == 0
        assert serial_of(server) == before
        assert get_status(server.channel).store == "memory"
    server.files.key.write_bytes(good)
    until(lambda: server.metric("files_in_force") == 1, "the good key is read")
    assert server.metric("loaded_timestamp_seconds") >= loaded
    said = server.log.read_text()
    assert "event=tls_reload_failed" in said and "PRIVATE" not in said
    server.process.send_signal(1)  # SIGHUP
    until(lambda: said.count("event=tls_loaded") < server.log.read_text().count("event=tls_loaded"),
          "SIGHUP makes it read them again")


BAD_SETTINGS = {
    "no key": (["--tls-cert", "CERT"], "TLS_SETTINGS"),
    "no certificate": (["--tls-key", "KEY"], "TLS_SETTINGS"),
    "clients of whom": (["--tls-cert", "CERT", "--tls-key", "KEY", "--tls-client-auth", "require"],
                        "TLS_SETTINGS"),
    "an authority for nothing": (["--tls-cert", "CERT", "--tls-key", "KEY", "--tls-client-ca",
                                  "CA"], "TLS_SETTINGS"),
    "a missing file": (["--tls-cert", "/no/file", "--tls-key", "KEY"], "TLS_FILE_BROKEN"),
    "the wrong way round": (["--tls-cert", "KEY", "--tls-key", "CERT"], "TLS_FILE_BROKEN"),
    "another's key": (["--tls-cert", "CERT", "--tls-key", "OTHER"], "TLS_FILE_BROKEN"),
    "an authority without one": (["--tls-cert", "CERT", "--tls-key", "KEY", "--tls-client-auth",
                                  "require", "--tls-client-ca", "KEY"], "TLS_FILE_BROKEN"),
    "no list": (["--tls-cert", "CERT", "--tls-key", "KEY", "--tls-client-auth", "require",
                 "--tls-client-ca", "CA", "--tls-crl", "CA"], "TLS_FILE_BROKEN"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings_that_cannot_be_used(launch, authority, case):
    pair = authority.server()
    names = {"CERT": pair.cert, "KEY": pair.key, "CA": authority.ca,
             "OTHER": authority.client().key}
    given, reason = BAD_SETTINGS[case]
    server = launch(Confregd, extra=[str(names.get(each, each)) for each in given])
    code, said = server.fails_to_start()
    assert code == 1 and f"reason={reason}" in said


def test_a_key_that_everybody_may_read_is_told(launch, authority):
    server = launch(TlsServer, authority).start()
    assert "tls_key_is_open" not in server.log.read_text()
    server.files.key.chmod(0o644)
    until(lambda: "event=tls_key_is_open" in server.log.read_text(), "it is told")


# ---- Listening ----

@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_plain_listeners_for_others_need_insecure(launch, host):
    server = launch(Confregd, store="memory:", listen=f"{host}:{free_port()}")
    code, said = server.fails_to_start()
    assert code == 1 and "reason=INSECURE_LISTENER" in said and "--insecure" in said
    server.extra = ["--insecure"]
    server.spawn()
    until(lambda: "event=listening" in server.log.read_text(), "it listens")


def test_tls_listeners_for_others_need_identities(launch, authority):
    server = launch(TlsServer, authority)
    others = ["--listen", f"0.0.0.0:{server.port}"]
    server.extra = [*others, "--anonymous-role", "super-admin"]  # which proves nothing
    code, said = server.fails_to_start()
    assert code == 1 and "reason=INSECURE_LISTENER" in said and "--access" in said
    for proof in (["--access", AccessFile(server.folder).path], asking(authority, "require"), ["--insecure"]):
        server.extra = [*others, *map(str, proof)]
        server.spawn()
        until(lambda: "event=listening" in server.log.read_text(), "it listens")
        server.stop()
        server.log.unlink()


def test_strangers_elsewhere_may_nothing_unless_it_is_said(launch):
    server = launch(Confregd, store="memory:", listen=f"0.0.0.0:{free_port()}", extra=["--insecure"])
    server.start()
    assert "event=nobody_may_call" in server.log.read_text()
    with refused("UNAUTHENTICATED", "CREDENTIALS_MISSING"):
        Registry(server.stub).status()
    server.stop()
    server.extra += ["--anonymous-role", "reader"]
    server.start()
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        Registry(server.stub).create("billing")
    assert Registry(server.stub).status()


# ---- Against abuse ----

def test_silent_clients_are_dropped_at_the_handshake(launch, authority):
    server = launch(TlsServer, authority, extra=["--tls-handshake-timeout", "500ms"]).start()
    silent = [socket.create_connection(("localhost", server.port)) for _ in range(50)]
    silent[0].send(b"\x16\x03\x01\x02\x00\x01")
    for each in silent:
        each.settimeout(PATIENCE)
        assert each.recv(1) == b""
        each.close()
    assert server.failures("timeout") == 50
    assert get_status(server.channel).store == "memory"


def test_a_silent_client_does_not_delay_the_stop(launch, authority):
    server = launch(TlsServer, authority, extra=["--grace", "20s"]).start()
    with socket.create_connection(("localhost", server.port)) as silent:
        handshake = ssl.create_default_context(cafile=authority.ca)
        handshake.set_alpn_protocols(["h2"])
        with (socket.create_connection(("localhost", server.port)) as plain,
              handshake.wrap_socket(plain, server_hostname="localhost")):
            server.stop(seconds=PATIENCE)
            assert silent.recv(1) == b""
    assert "ended_by_force" not in server.log.read_text()


def test_a_server_without_descriptors_recovers(launch, authority):
    """New clients wait while there are none, and are served when there are again."""
    server = launch(TlsServer, authority).start()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    held = []
    with contextlib.suppress(OSError):
        for _ in range(100):
            held.append(socket.create_connection(("localhost", server.port), timeout=1))
    assert get_status(server.channel).store == "memory"
    with server.open_channel() as channel:
        late = api_grpc.RegistryServiceStub(channel).GetStatus.future(
            api_pb.GetStatusRequest(), timeout=PATIENCE, wait_for_ready=True)
        for each in held:
            each.close()
        assert late.result().store == "memory"


def test_rapid_resets_are_cut(tls):
    """inflow.h sees the frames inside of TLS."""
    from test_abuse import END_HEADERS, HEADERS, HELLO, RST, call_headers, frame
    context = ssl.create_default_context(cafile=tls.authority.ca)
    context.set_alpn_protocols(["h2"])
    before = tls.scrape().get("confreg_connections_cut_total")
    with socket.create_connection(("localhost", tls.port), timeout=PATIENCE) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            headers = call_headers()
            secured.sendall(HELLO)
            with pytest.raises(OSError):  # noqa: PT012
                for stream in range(1, 100_000, 2):
                    secured.sendall(frame(HEADERS, END_HEADERS, stream, headers) +
                                    frame(RST, 0, stream, b"\0\0\0\x08"))
    assert tls.scrape().get("confreg_connections_cut_total") == before + 1


# ---- The gateway ----

class TlsGateway(Gateway):
    def __init__(self, folder, server, authority, pair=None, extra=()):
        super().__init__(folder, server, extra)
        self.files = Pair(self.folder / "client.pem", self.folder / "client.key")
        self.extra += ["--server-ca", str(authority.ca)]
        if pair:
            pair.copy_to(self.files)
            self.extra += ["--server-cert", str(self.files.cert), "--server-key",
                           str(self.files.key)]


def test_a_gateway_over_tls(launch, asks, authority):
    pair = authority.client("gateway", "URI:spiffe://example/gateway")
    gateway = launch(TlsGateway, asks.listen, authority, pair).start()
    rest = Rest(gateway.port)
    assert rest.post("/api/configs/over-tls", {"config_data": {"a": 1}}).status == 201
    assert rest.get("/api/configs/over-tls").status == 200
    assert actor_of(asks, "over-tls") == "spiffe://example/gateway"


@pytest.mark.parametrize(("host", "extra", "ready"), [
    ("localhost", [], True),
    ("127.0.0.1", [], True),
    ("127.0.0.2", ["--server-name", "localhost"], True),
    ("127.0.0.2", [], False),
    ("localhost", ["--server-name", "other.example"], False),
], ids=["host", "address", "name", "another address", "another name"])
def test_the_server_must_have_the_name(launch, authority, host, extra, ready):
    tls = launch(TlsServer, authority)
    tls.extra = ["--listen", f"0.0.0.0:{tls.port}", "--insecure", "--anonymous-role", "reader"]
    tls.start()
    gateway = launch(TlsGateway, f"{host}:{tls.port}", authority, extra=extra)
    if ready:
        gateway.start()
    else:
        gateway.spawn()
        until(lambda: tls.metric("handshakes_total") - tls.n_scrapes >= 2,
              "the gateway has tried again")
        assert gateway.status_of("/readyz") == 503


def test_a_gateway_takes_a_new_certificate(launch, asks, authority):
    gateway = launch(TlsGateway, asks.listen, authority, authority.client("first")).start()
    rest, n = Rest(gateway.port), [0]

    def actor():
        n[0] += 1
        name = f"rotated-{n[0]}"
        assert rest.post(f"/api/configs/{name}", {"config_data": {}}).status == 201
        return actor_of(asks, name)

    assert actor() == "cn:first"
    gateway.files.key.write_text("no key")
    until(lambda: "event=tls_reload_failed" in gateway.log.read_text(), "it is tried")
    assert actor() == "cn:first"
    authority.client("second").copy_to(gateway.files)
    until(lambda: actor() == "cn:second", "the new certificate is shown")


@pytest.mark.parametrize("given", [["--server-cert", "x"], ["--server-name", "x"],
                                   ["--server-key", "x", "--server-cert", "x"]], ids=" ".join)
def test_options_of_the_gateway_that_need_others(launch, given):
    code, said = launch(Gateway, "127.0.0.1:1", extra=given).fails_to_start()
    assert code == 2 and "--server-" in said


def test_a_gateway_without_the_files(launch):
    code, said = launch(Gateway, "127.0.0.1:1", extra=["--server-ca", "/no/file"]).fails_to_start()
    assert code == 1 and "reason=TLS_FILE_BROKEN" in said


def test_health_over_tls(tls):
    answer = health_grpc.HealthStub(tls.channel).Check(health_pb.HealthCheckRequest(), timeout=20)
    assert answer.status == health_pb.HealthCheckResponse.SERVING


def test_the_log_has_no_secrets(tls, asks):
    for server in (tls, asks):
        assert not re.search(r"BEGIN|PRIVATE", server.log.read_text())
