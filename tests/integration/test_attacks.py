"""Callers that use more than their share are refused, and told when to try again; a bystander's calls
all succeed meanwhile."""

import contextlib
import queue
import socket
import time
import uuid

import grpc
import pytest
from access import AccessFile, as_caller, grant, new_token, with_headers
from calls import Registry
from daemon import PATIENCE, Confregd, Gateway, connect, free_port, until
from errors import Refusal, refused
from rest import Rest, gauge
from stubs import api_grpc, api_pb

pytestmark = pytest.mark.any_store

LIMITS = ["--caller-calls", "20", "--caller-bytes", "100K", "--caller-watches", "5",
          "--caller-writes", "20", "--peer-connections", "8", "--peer-failures", "2"]


class Limited(Confregd):
    """confregd with low limits, and admins: attackers and a bystander."""

    def __init__(self, folder, extra=()):
        self.metrics = free_port()
        super().__init__(folder, store="memory:",
                         extra=["--metrics", f"127.0.0.1:{self.metrics}", *LIMITS, *extra])
        self.access = AccessFile(self.folder)
        self.attacker = self.access.add("attacker", grant("admin"))
        self.attackers = [self.access.add(f"attacker-{n}", grant("admin")) for n in range(10)]
        self.bystander = self.access.add("bystander", grant("admin"))
        self.gateway_token = self.folder / "gateway.token"
        self.gateway_token.write_text(self.access.add("gateway", grant("gateway"), grant("reader")))
        self.gateway_token.chmod(0o600)

    def arguments(self):
        return [*super().arguments(), *self.access.arguments()]

    def caller(self, token):
        return Registry(api_grpc.RegistryServiceStub(as_caller(self.channel, token)))

    def of_resource(self, name, resource):
        page = Rest(self.metrics).get("/metrics").body.decode()
        line, = [line for line in page.splitlines()
                 if line.startswith(f'{name}{{resource="{resource}"}} ')]
        return int(float(line.split()[1]))

    def refusals(self, resource):
        return self.of_resource("confreg_limit_refusals_total", resource)


@pytest.fixture(scope="module")
def server(launch):
    return launch(Limited).start()


@pytest.fixture
def attacker(server):
    """One that has used nothing yet: what another one has cancelled may count on for a while."""
    return server.caller(server.attackers.pop())


@pytest.fixture
def bystander(server):
    """All of its calls succeed, before and after."""
    registry = server.caller(server.bystander)
    registry.update("bystander", allow_missing=True)
    yield registry
    registry.update("bystander")
    assert registry.data("bystander") == b'{"a":2}'


def exceeded(error, resource):
    """The seconds to wait that a refusal tells."""
    found = Refusal(error)
    assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED"), found
    assert found.info["resource"] == resource and found.retry_s is not None, found
    return found.retry_s


def write(name, data=b"{}"):
    return api_pb.UpdateConfigRequest(environment="prod", service_name=name, config_data=data,
                                      allow_missing=True)


def writes(name, n):
    return api_pb.WriteConfigsRequest(writes=[api_pb.Write(update=write(f"{name}-{i}"))
                                              for i in range(n)])


def test_writes_in_a_second(server, attacker, bystander):
    before = server.refusals("writes")
    with pytest.raises(grpc.RpcError) as caught:
        for _ in range(1000):
            attacker.stub.WriteConfigs(writes("flood", 20))
            bystander.data("bystander")
    assert 0 < exceeded(caught.value, "writes") <= 1
    assert server.refusals("writes") > before
    bystander.update("bystander")


def test_a_debt_is_paid_before_the_next_write(launch):
    server = launch(Limited, extra=["--caller-calls", "0"]).start()
    attacker, bystander = server.caller(server.attacker), server.caller(server.bystander)
    attacker.stub.WriteConfigs(writes("debt", 128))
    with pytest.raises(grpc.RpcError) as caught:
        attacker.stub.WriteConfigs(writes("debt", 1))
    assert 1 < exceeded(caught.value, "writes") < 5
    bystander.create("paid")


def test_calls_at_a_time(server, attacker, bystander):
    """Reads that wait for a revision that does not come."""
    ahead = bystander.stub.GetStatus(api_pb.GetStatusRequest()).header
    wait = api_pb.GetConfigRequest(environment="prod", service_name="bystander",
                                   read={"epoch": ahead.epoch,
                                            "min_revision": ahead.revision + 1})
    ended = queue.Queue()
    calls = [attacker.stub.GetConfig.future(wait, timeout=PATIENCE) for _ in range(40)]
    for call in calls:
        call.add_done_callback(ended.put)
    for _ in range(20):
        assert exceeded(ended.get(timeout=PATIENCE).exception(), "calls") == 1
    bystander.data("bystander")
    for call in calls:
        call.cancel()


def test_a_call_of_many_writes_counts_as_so_many(attacker, bystander):
    with refused("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED"):
        attacker.stub.WriteConfigs(writes("many", 21))
    bystander.update("bystander")


def test_bytes_at_a_time(attacker, bystander):
    with pytest.raises(grpc.RpcError) as caught:
        attacker.stub.UpdateConfig(write("large", b'{"a":"%s"}' % (b"x" * 110_000)))
    assert exceeded(caught.value, "bytes") == 1
    bystander.update("bystander")


def test_watches(attacker, bystander):
    def open_watch(registry):
        stream = registry.stub.Watch(api_pb.WatchRequest(
            selectors=[api_pb.Selector(environment="prod")], include_snapshot=True))
        next(stream)
        return stream

    streams = [open_watch(attacker) for _ in range(5)]
    with pytest.raises(grpc.RpcError) as caught:
        open_watch(attacker)
    assert exceeded(caught.value, "streams") == 1
    own = open_watch(bystander)
    for stream in [*streams, own]:
        stream.cancel()
    end = time.monotonic() + PATIENCE  # what has ended is given back
    while time.monotonic() < end:
        try:
            open_watch(attacker).cancel()
            return
        except grpc.RpcError as error:
            assert exceeded(error, "streams") == 1
    raise AssertionError("watches that have ended count on")


def wrong(server):
    return server.caller(new_token()).stub.GetStatus.future(api_pb.GetStatusRequest(),
                                                            timeout=PATIENCE)


def test_wrong_credentials_slow_down_and_right_ones_do_not(launch):
    """Each refusal takes twice as long as the one before, for a bounded number at a time."""
    server = launch(Limited).start()
    bystander = server.caller(server.bystander)
    bystander.create("bystander")
    begun = time.monotonic()
    refusals = []
    while len(refusals) < 1000 and (not refusals or refusals[-1].code == "UNAUTHENTICATED"):
        refusals.append(Refusal(wrong(server).exception()))
    assert len(refusals) > 20
    for _ in range(3):
        refusals.append(Refusal(wrong(server).exception()))
    assert time.monotonic() - begun > 0.1 + 0.2 + 0.4 + 0.8
    assert refusals[-4].info["resource"] == "failures" and 0 < refusals[-4].retry_s <= 0.5
    held_before = gauge(server.metrics, "confreg_limit_held_total")
    at_once = queue.Queue()
    calls = [wrong(server) for _ in range(40)]
    for call in calls:
        call.add_done_callback(at_once.put)
    at_once.get(timeout=PATIENCE)
    assert server.of_resource("confreg_limit_used", "held") <= 16
    bystander.update("bystander")
    until(lambda: gauge(server.metrics, "confreg_limit_held_total") - held_before +
          server.refusals("held") == 40, "all have arrived")
    assert server.refusals("held") > 0
    server.stop()
    for call in calls:  # those that are held back end with the server
        assert Refusal(call.exception()).code in ("RESOURCE_EXHAUSTED", "UNAUTHENTICATED")


def test_a_gateway_does_not_wait_for_what_its_clients_show(launch):
    """It has others. What it says is the proof of a gateway counts only if it is one."""
    server = launch(Limited).start()

    def knock(proof):
        with pytest.raises(grpc.RpcError) as caught:
            stub = api_grpc.RegistryServiceStub(with_headers(
                server.channel, ("authorization", f"Bearer {new_token()}"),
                ("x-confreg-gateway-authorization", f"Bearer {proof}")))
            stub.GetStatus(api_pb.GetStatusRequest(), timeout=PATIENCE)
        return Refusal(caught.value).code

    gateway = server.gateway_token.read_text()
    assert {knock(gateway) for _ in range(50)} == {"UNAUTHENTICATED"}
    assert gauge(server.metrics, "confreg_limit_held_total") == 0
    until(lambda: knock(new_token()) == "RESOURCE_EXHAUSTED", "others count as well")
    assert gauge(server.metrics, "confreg_limit_held_total") >= 1


def test_connections_of_an_address(server, bystander):
    """From another address of this machine; the bystander has one more connection after that."""
    host, port = server.listen.rsplit(":", 1)
    socks = []
    for _ in range(20):
        sock = socket.socket()
        sock.settimeout(PATIENCE)
        sock.bind(("127.0.0.2", 0))
        sock.connect((host, int(port)))
        socks.append(sock)
    heard = []
    for sock in socks:
        try:
            heard.append(sock.recv(100))  # the settings of HTTP/2, or the end
        except ConnectionError:
            heard.append(b"")
    assert sum(bool(each) for each in heard) == 8
    with connect(server.listen) as channel:
        Registry(api_grpc.RegistryServiceStub(as_caller(channel, server.bystander))).status()
    assert server.refusals("connections") == 12
    for sock in socks:
        sock.close()


def test_no_limit_where_the_option_says_so(launch):
    zero = [text if i % 2 == 0 else "0" for i, text in enumerate(LIMITS)]
    server = launch(Limited, extra=zero).start()
    registry = server.caller(server.attacker)
    for i in range(10):
        registry.stub.WriteConfigs(writes(f"free-{i}", 128))


# ---- Over HTTP ----

@pytest.fixture(scope="module")
def gateway(launch, server):
    return launch(Gateway, server=server.listen, extra=[
        "--peer-requests", "3", "--peer-streams", "2", "--peer-connections", "6",
        "--server-token-file", str(server.gateway_token)]).start()


def from_address(gateway, host, request):
    """A connection from this address of this machine, on which the request was sent."""
    sock = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE, (host, 0))
    with contextlib.suppress(ConnectionError):
        sock.sendall(request)
    return sock


def head(sock):
    """Status line and headers of an answer; empty: the connection was closed."""
    heard = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in heard:
            more = sock.recv(4096)
            if not more:
                break
            heard += more
    return heard.split(b"\r\n\r\n")[0].decode().lower()


LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def assert_served(gateway):
    with from_address(gateway, "127.0.0.1", LIVEZ) as sock:
        assert " 200 " in head(sock)


def test_metrics_tell_no_names(server, gateway, bystander):
    """Not of configs and environments, principals, or what strangers ask for; to whoever may look."""
    names = [f"{kind}-{uuid.uuid4().hex}" for kind in ("service", "environment", "stranger")]
    service, environment, stranger = names
    bystander.create(service, environment=environment)
    bystander.update(service, environment=environment)
    rest = Rest(gateway.port)
    for token, status in ((server.bystander, 200), (stranger, 401)):
        answer = rest.get(f"/api/configs/{service}?environment={environment}",
                          headers={"Authorization": f"Bearer {token}", "Cache-Control": "no-cache"})
        assert answer.status == status, answer
    assert rest.get(f"/{stranger}").status == 404
    with pytest.raises(grpc.RpcError):
        server.caller(stranger).status()
    for port in (server.metrics, gateway.port):
        page = rest.get("/metrics").body if port == gateway.port else Rest(port).get("/metrics").body
        for name in [*names, "bystander", "attacker", server.bystander]:
            assert name.encode() not in page, (port, name)


def test_requests_of_an_address(gateway):
    """Requests whose bodies do not come."""
    half = b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    socks = [from_address(gateway, "127.0.0.3", half) for _ in range(3)]
    told, end = "", time.monotonic() + PATIENCE
    while " 429 " not in told and time.monotonic() < end:
        with from_address(gateway, "127.0.0.3", LIVEZ) as sock:
            told = head(sock)
    assert " 429 " in told and "retry-after: 1" in told
    assert_served(gateway)
    for sock in socks:
        sock.close()


def test_connections_of_an_address_over_http(gateway):
    """The last ones are closed at once."""
    socks = [from_address(gateway, "127.0.0.4", LIVEZ) for _ in range(10)]
    assert sum(" 200 " in head(sock) for sock in socks) == 6
    assert_served(gateway)
    for sock in socks:
        sock.close()


def test_streams_of_an_address(gateway, server):
    watch = (f"GET /api/watch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.bystander}"
             "\r\n\r\n").encode()
    socks = [from_address(gateway, "127.0.0.5", watch) for _ in range(2)]
    assert all(" 200 " in head(sock) for sock in socks)
    last = from_address(gateway, "127.0.0.5", watch)
    told = head(last)
    assert " 429 " in told and "retry-after: 1" in told
    assert_served(gateway)
    for sock in [*socks, last]:
        sock.close()


def test_a_limit_of_confregd_is_told_over_http(gateway, server):
    """Many writes at once: their rate is used up, whatever the time between them."""
    rest = Rest(gateway.port)
    for n in range(1000):
        changes = [{"create": {"service_name": f"http-{n}-{i}", "config_data": {}}} for i in range(20)]
        answer = rest.post("/api/commits", {"changes": changes},
                           headers={"Authorization": f"Bearer {server.attacker}"})
        if answer.status != 201:
            break
    assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 1, answer
    assert answer.json()["reason"] == "LIMIT_EXCEEDED"
    assert_served(gateway)


def test_a_gateway_slows_down_clients_of_its_own(launch, server):
    """Each refusal takes twice as long as the one before, whatever comes with it; another address, and
    a right credential, wait for nothing. What is held back ends with its client, or with the gateway."""
    gateway = launch(Gateway, server=server.listen, extra=[
        "--peer-failures", "2", "--server-token-file", str(server.gateway_token)]).start()

    def knock(host, token, method="GET", body=""):
        return from_address(gateway, host, (
            f"{method} /api/configs/web?environment=prod HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())

    def told(*arguments, **named):
        with knock(*arguments, **named) as sock:
            return head(sock)

    def is_refused(text):
        return " 401 " in text or " 429 " in text  # as time passes

    def held():
        return gauge(gateway.port, "confreg_gateway_limit_held_total")

    def at_once():
        return gauge(gateway.port, 'confreg_gateway_limit_refusals_total{resource="held"}')

    refusals = []
    while not refusals or " 401 " in refusals[-1]:
        refusals.append(told("127.0.0.9", new_token()))
        assert len(refusals) < 1000
    assert len(refusals) > 20 and " 429 " in refusals[-1] and "retry-after: 1" in refusals[-1]
    begun = time.monotonic()
    again, body = new_token(), '{"config_data": {}}'
    for _ in range(2):  # the second time before its body is read
        assert is_refused(told("127.0.0.9", again, "PUT", body))
    assert time.monotonic() - begun > 0.15
    assert " 404 " in told("127.0.0.9", server.bystander)
    assert " 401 " in told("127.0.0.8", new_token())
    before = held()
    socks = [knock("127.0.0.9", new_token()) for _ in range(40)]
    until(lambda: held() - before + at_once() == 40, "all have arrived")
    assert at_once() > 0
    for sock in socks[20:]:
        sock.close()
    gateway.stop()
    assert all(is_refused(head(sock)) for sock in socks[:20])
    for sock in socks:
        sock.close()
