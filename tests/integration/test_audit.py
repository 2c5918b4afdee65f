"""The audit log and the access log: what is in them, rotation, restarts, full disks, and what
`confregd verify` finds."""

import hashlib
import signal

import disk
import grpc
import planted
import pytest
from access import AccessFile, as_caller, grant, new_token
from audit_log import heads, lines_of, matching, verify, wait_for_line
from calls import Registry, create_change, delete_change
from daemon import PATIENCE, Confregd, Gateway, free_port, until
from disk import fill_up
from errors import refused
from planted import marker
from rest import Rest, gauge
from stubs import api_grpc, api_pb, health_grpc, health_pb
from watching import Watch

pytestmark = pytest.mark.any_store

COMMON = {"service": "confreg.v1.RegistryService"}


class Audited(Confregd):
    """confregd with both logs, and with an access file where access is true."""

    def __init__(self, folder, extra=(), access=False):
        super().__init__(folder, store="memory:", extra=extra)
        self.audit, self.calls = self.folder / "audit.log", self.folder / "access.log"
        self.access = AccessFile(self.folder) if access else None

    def arguments(self):
        given = self.access.arguments() if self.access else []
        return [*super().arguments(), "--audit-log", str(self.audit), "--access-log",
                str(self.calls), *given]

    def registry(self, token=None):
        channel = self.channel if token is None else as_caller(self.channel, token)
        return Registry(api_grpc.RegistryServiceStub(channel))

    def refuse_one(self, name):
        """Makes a call that is refused."""
        with refused("INVALID_ARGUMENT"):
            self.registry().get(f"{name}/")
        return wait_for_line(self.audit, configs=[f"prod/{name}/"])


@pytest.fixture(scope="module")
def audited(launch):
    return launch(Audited, extra=["--audit-reads"]).start()


@pytest.fixture
def registry(audited):
    return audited.registry()


# ---- What stands in the lines ----

@pytest.mark.parametrize(("code", "reason", "method", "call"), [
    ("ALREADY_EXISTS", "CONFIG_EXISTS", "CreateConfig",
     lambda registry, name: registry.create(name, request_id=f"id-{name}")),
    ("ABORTED", "VERSION_MISMATCH", "UpdateConfig",
     lambda registry, name: registry.update(name, expected_version=7, request_id=f"id-{name}")),
    ("INVALID_ARGUMENT", "JSON_SYNTAX", "UpdateConfig",
     lambda registry, name: registry.update(name, "{", request_id=f"id-{name}")),
    ("FAILED_PRECONDITION", "EPOCH_MISMATCH", "DeleteConfig",
     lambda registry, name: registry.delete(name, expected_revision=1, expected_epoch="0" * 16,
                                            request_id=f"id-{name}")),
])
def test_refused_writes(audited, registry, name, code, reason, method, call):
    registry.create(name)
    with refused(code, reason):
        call(registry, name)
    line = wait_for_line(audited.audit, request_id=f"id-{name}")
    assert line["peer"].startswith("ipv4:127.0.0.1:") and line["time"].endswith("Z")
    assert {key: line[key] for key in line if key not in ("seq", "prev", "time", "peer")} == {
        **COMMON, "what": "refused", "method": method, "configs": [f"prod/{name}"], "code": code,
        "reason": reason, "request_id": f"id-{name}"}


def test_refused_parts_of_a_call_that_succeeds(audited, registry, name):
    registry.create(name)
    registry.write([create_change(name), create_change(f"{name}-new"), create_change("a/b"),
                    delete_change(f"{name}-none")])
    taken = wait_for_line(audited.audit, configs=[f"prod/{name}"], reason="CONFIG_EXISTS")
    assert (taken["what"], taken["method"]) == ("refused", "CreateConfig")
    assert wait_for_line(audited.audit, configs=["prod/a/b"])["code"] == "INVALID_ARGUMENT"
    assert matching(audited.audit, configs=[f"prod/{name}-new"]) == []
    assert matching(audited.audit, configs=[f"prod/{name}-none"]) == []


def test_calls_beyond_a_limit(launch):
    server = launch(Audited, extra=["--caller-writes", "1"]).start()
    server.registry().write([create_change(f"many-{i}") for i in range(100)])
    with refused("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED"):
        server.registry().create("more")
    line = wait_for_line(server.audit, configs=["prod/more"])
    assert (line["what"], line["code"], line["reason"]) == (
        "refused", "RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED")


def test_a_refused_commit_names_all_configs(audited, registry, name):
    registry.create(f"{name}-40")
    with refused("ALREADY_EXISTS"):
        registry.commit([create_change(f"{name}-{i}") for i in range(128)], request_id=name)
    line = wait_for_line(audited.audit, request_id=name)
    assert line["configs"][:2] == [f"prod/{name}-0", f"prod/{name}-1"]
    assert len(line["configs"]) + line["more_configs"] == 128


def test_reads_where_they_are_asked_for(audited, registry, name):
    registry.create(name)
    registry.get(name)
    registry.batch([{"environment": "prod", "service_name": name}, {"service_name": f"{name}-b"}])
    registry.list(service_name_prefix=name)
    read = wait_for_line(audited.audit, method="GetConfig", configs=[f"prod/{name}"])
    assert (read["what"], read["code"]) == ("read", "OK")
    wait_for_line(audited.audit, method="BatchGetConfigs",
                  configs=[f"prod/{name}", f"default/{name}-b"])
    wait_for_line(audited.audit, method="ListConfigs", what="read", configs=[f"*/{name}*"])
    assert matching(audited.audit, method="CreateConfig", what="read") == []


def test_a_watch_is_a_read_from_its_beginning(audited, registry, name):
    pattern = [f"*/{name}", f"prod/{name}-*"]
    selectors = [{"service_name": name},
                 {"environment": "prod", "service_name_prefix": f"{name}-"}]
    with Watch(audited.stub, selectors=selectors) as watch:
        watch.started()
        wait_for_line(audited.audit, what="opened", method="Watch", configs=pattern)
        assert matching(audited.calls, configs=pattern) == []
    line = wait_for_line(audited.calls, method="Watch", configs=pattern)
    assert line["code"] == "CANCELLED" and line["response_bytes"] > 0


def test_health_checks_are_no_reads(audited, name):
    health = health_grpc.HealthStub(audited.channel)
    health.Check(health_pb.HealthCheckRequest(), timeout=PATIENCE)
    wait_for_line(audited.calls, service="grpc.health.v1.Health")
    assert matching(audited.audit, service="grpc.health.v1.Health") == []


def test_each_call_is_a_line_of_the_access_log(audited, registry, name):
    registry.create(name, '{"a":"%s"}' % ("x" * 1000))
    registry.get(name)
    made = wait_for_line(audited.calls, method="CreateConfig", configs=[f"prod/{name}"])
    got = wait_for_line(audited.calls, method="GetConfig", configs=[f"prod/{name}"])
    assert made["code"] == got["code"] == "OK"
    assert made["request_bytes"] > 1000 and got["response_bytes"] > 1000
    assert 0 < made["duration_us"] < PATIENCE * 1_000_000
    assert "x" * 100 not in audited.calls.read_text() + audited.audit.read_text()


def test_who_it_was(launch):
    server = launch(Audited, access=True)
    reader = server.access.add("billing", grant("reader", ["prod"], ["billing*"]))
    server.start()
    stranger = new_token()
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        server.registry(reader).create("billing")
    with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID"):
        server.registry(stranger).create("billing")
    denied = wait_for_line(server.audit, code="PERMISSION_DENIED")
    unknown = wait_for_line(server.audit, code="UNAUTHENTICATED")
    assert denied["principal"] == "billing" and denied["credential"].startswith("token:")
    assert "principal" not in unknown and unknown["reason"] == "CREDENTIALS_INVALID"
    for token in (reader, stranger):
        assert token not in server.audit.read_text() + server.calls.read_text()


def test_denied_names_of_a_batch(launch):
    server = launch(Audited, access=True)
    reader = server.access.add("billing", grant("reader", ["prod"], ["billing"]))
    names = [{"environment": "prod", "service_name": name} for name in ("billing", "mail")]
    server.start().registry(reader).batch(names)
    denied = wait_for_line(server.audit, code="PERMISSION_DENIED")
    assert (denied["principal"], denied["configs"]) == ("billing", ["prod/mail"])
    server.stop()
    assert len(matching(server.audit, what="refused")) == 1


def test_rights_that_came_into_force(launch):
    server = launch(Audited, access=True)
    server.access.add("billing", grant("reader"))
    files = [hashlib.sha256(server.access.path.read_bytes()).hexdigest()]
    server.start()
    assert wait_for_line(server.audit, what="rights")["sha256"] == files[0]
    server.access.remove("billing")
    files.append(hashlib.sha256(server.access.path.read_bytes()).hexdigest())
    line = wait_for_line(server.audit, what="rights", sha256=files[1])
    assert line["file"] == str(server.access.path)
    server.stop()
    assert verify(server.audit)[0] == 0


def test_a_commit_names_its_principal(launch):
    server = launch(Audited, access=True)
    admin = server.access.add("deployer", grant("admin"))
    registry = server.start().registry(admin)
    registry.create("billing", created_by="ada")
    commit, = registry.stub.ListCommits(api_pb.ListCommitsRequest(), timeout=PATIENCE).commits
    assert (commit.actor, commit.created_by, commit.method) == ("deployer", "ada", "CreateConfig")
    kind, _, key = commit.credential.partition(":")
    assert (kind, len(key)) == ("token", 12) and key not in admin
    for credential, found in ((commit.credential, 1), ("token:000000000000", 0)):
        request = api_pb.ListCommitsRequest(credential=credential)
        assert len(registry.stub.ListCommits(request, timeout=PATIENCE).commits) == found


def test_only_refusals_by_default(launch):
    server = launch(Audited).start()
    server.registry().create("billing")
    server.registry().get("billing")
    server.refuse_one("x")
    assert [line["what"] for line in lines_of(server.audit)] == ["refused"]


# ---- The chain ----

def test_the_chain_goes_on_over_rotations_restarts_and_kills(launch):
    server = launch(Audited).start()
    old = [server.folder / f"audit.log.{i}" for i in range(3)]
    server.refuse_one("a")
    server.audit.rename(old[0])
    server.process.send_signal(signal.SIGHUP)
    until(server.audit.exists, "the log was opened again")
    server.refuse_one("b")
    server.stop()
    server.start()
    server.refuse_one("c")
    server.audit.rename(old[1])
    server.process.send_signal(signal.SIGHUP)
    until(server.audit.exists, "the log was opened again")
    server.refuse_one("d")
    server.kill()
    server.start()
    server.refuse_one("e")
    server.stop()
    assert [line["seq"] for path in (old[0], old[1], server.audit) for line in lines_of(path)] == [
        1, 2, 3, 4, 5]
    code, said = verify("--head", heads(server.log)[-1], old[0], old[1], server.audit)
    assert (code, said[-1][:23]) == (0, "whole: 5 lines, 1 to 5,")
    code, said = verify(old[0], server.audit)
    assert code == 2 and said[0] == f"{server.audit}:1: lines 2 to 3 are missing"


def test_the_place_of_a_change_is_told(launch):
    server = launch(Audited).start()
    for name in "abcd":
        server.refuse_one(name)
    server.stop()
    text = server.audit.read_text()
    server.audit.write_text(text.replace("prod/b/", "prod/x/"))
    code, said = verify(server.audit)
    assert code == 2 and said[0].startswith(f"{server.audit}:2: line 2 was changed")
    lines = text.splitlines(keepends=True)
    server.audit.write_text("".join(lines[:-1]))
    assert verify(server.audit)[0] == 0, "the chain alone does not know its end"
    code, said = verify("--head", heads(server.log)[-1], server.audit)
    assert code == 2 and said[0].startswith("no line has the head 4:")


@pytest.mark.parametrize("arguments", [[], ["--head"], ["--unknown", "x"]])
def test_wrong_arguments(arguments):
    assert verify(*arguments) == (1, [])


def test_a_log_is_written_by_one_program(launch):
    server = launch(Audited).start()
    other = launch(Audited)
    other.audit = server.audit
    code, log = other.fails_to_start()
    assert code == 1 and "LOG_IN_USE" in log


@pytest.mark.parametrize("extra", [["--audit-reads"], ["--audit-required"]])
def test_options_that_need_the_log(launch, extra):
    code, log = launch(Confregd, store="memory:", extra=extra).fails_to_start()
    assert code == 1 and "AUDIT_LOG_MISSING" in log


# ---- A log that cannot be written ----

@pytest.fixture
def small_disk(tmp_path):
    with disk.small_disk(tmp_path / "disk", "1m") as folder:
        yield folder


def test_calls_go_on_with_a_full_disk(launch, small_disk):
    server = launch(Audited)
    server.audit = small_disk / "audit.log"
    server.start()
    ballast = fill_up(small_disk)
    with refused("INVALID_ARGUMENT"):
        server.registry().get("a/")
    until(lambda: "event=log_not_written" in server.log.read_text(), "it is told")
    server.registry().create("billing")
    ballast.unlink()
    wait_for_line(server.audit, configs=["prod/a/"])
    server.stop()
    assert verify(server.audit)[0] == 0


def test_calls_are_refused_where_the_log_is_required(launch, small_disk):
    server = launch(Audited, extra=["--audit-required"])
    server.audit = small_disk / "audit.log"
    server.start()
    ballast = fill_up(small_disk)
    with refused("INVALID_ARGUMENT"):
        server.registry().get("a/")
    until(lambda: "event=log_not_written" in server.log.read_text(), "it is told")
    for call in (server.registry().status, lambda: server.registry().create("billing")):
        with refused("UNAVAILABLE", "AUDIT_UNAVAILABLE"):
            call()
    health = health_grpc.HealthStub(server.channel)
    assert health.Check(health_pb.HealthCheckRequest(), timeout=PATIENCE).status == 1
    ballast.unlink()
    until(lambda: "event=log_written_again" in server.log.read_text(), "it is told")
    server.registry().create("billing")
    server.stop()
    assert [line["configs"] for line in lines_of(server.audit)] == [["prod/a/"]]
    assert verify(server.audit)[0] == 0


def test_metrics(launch):
    port = free_port()
    server = launch(Audited, extra=["--metrics", f"127.0.0.1:{port}"]).start()
    server.refuse_one("a")
    assert gauge(port, "confreg_audit_log_lines_total") == 1
    assert gauge(port, "confreg_audit_log_lost_lines_total") == 0
    assert gauge(port, "confreg_audit_log_failing") == 0
    assert gauge(port, "confreg_access_log_lines_total") >= 1


# ---- The gateway ----

class AuditedGateway(Gateway):
    def __init__(self, folder, server, extra=()):
        super().__init__(folder, server, extra=extra)
        self.audit, self.calls = self.folder / "audit.log", self.folder / "access.log"

    def arguments(self):
        return [*super().arguments(), "--audit-log", str(self.audit), "--access-log",
                str(self.calls)]


@pytest.fixture(scope="module")
def audited_gateway(launch, audited):
    return launch(AuditedGateway, audited.listen, extra=["--audit-reads"]).start()


@pytest.fixture
def audited_rest(audited_gateway):
    return Rest(audited_gateway.port)


@pytest.mark.parametrize(("method", "status", "reason", "body", "headers"), [
    ("POST", 400, "CONFIG_EXISTS", {"config_data": {}}, {}),
    ("PUT", 412, "REVISION_MISMATCH", {"config_data": {}}, {"If-Match": '"1-0000000000000000"'}),
    ("PUT", 422, "NOT_AN_OBJECT", {"config_data": 3}, {}),
])
def test_refused_requests(audited_gateway, audited_rest, name, method, status, reason, body, headers):
    path = f"/api/configs/{name}"
    assert audited_rest.post(path, {"config_data": {}}).status == 201
    answer = audited_rest.call(method, path, body, headers={"Idempotency-Key": f"key-{name}", **headers})
    assert answer.status == status
    line = wait_for_line(audited_gateway.audit, path=path, status=status)
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert {key: line[key] for key in line if key not in ("seq", "prev", "time", "peer", "reason")} == {
        "what": "refused", "method": method, "path": path, "configs": [f"default/{name}"],
        "status": status, "request_id": f"key-{name}"}
    assert line["reason"] == answer.json()["reason"]


def test_each_request_is_a_line(audited_gateway, audited_rest, name):
    token = new_token()
    audited_rest.post(f"/api/configs/{name}", {"config_data": {"a": "x" * 1000}})
    audited_rest.get(f"/api/configs/{name}?environment=default&token={token}",
                     headers={"Authorization": f"Bearer {token}"})
    audited_rest.get(f"/api/commits?prefix={name}")
    audited_rest.get("/livez")
    got = wait_for_line(audited_gateway.calls, method="GET", path=f"/api/configs/{name}")
    assert (got["status"], got["configs"]) == (200, [f"default/{name}"])
    assert got["response_bytes"] > 1000 and got["duration_us"] >= 0
    assert got["credential"] == f"token:{hashlib.sha256(token.encode()).hexdigest()[:12]}"
    wait_for_line(audited_gateway.audit, what="read", path=f"/api/configs/{name}", method="GET")
    wait_for_line(audited_gateway.audit, what="read", configs=[f"*/{name}*"])
    wait_for_line(audited_gateway.calls, path="/livez")
    assert matching(audited_gateway.audit, path="/livez") == []
    assert token not in audited_gateway.audit.read_text() + audited_gateway.calls.read_text()


def test_a_stream_of_events_is_a_read_from_its_beginning(audited_gateway, audited_rest, name):
    with audited_rest.open() as connection:
        connection.sendall(f"GET /api/watch?service_name={name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_for_line(audited_gateway.audit, what="opened", configs=[f"*/{name}"])
        assert matching(audited_gateway.calls, configs=[f"*/{name}"]) == []
    wait_for_line(audited_gateway.calls, path="/api/watch", configs=[f"*/{name}"])


def test_what_is_no_request_is_logged(audited_gateway, audited_rest):
    assert audited_rest.raw(b"nonsense\r\n\r\n").status == 400
    wait_for_line(audited_gateway.audit, status=400, reason="REQUEST_MALFORMED")


def test_a_gateway_that_cannot_log_refuses(launch, audited, small_disk):
    gateway = launch(AuditedGateway, audited.listen, extra=["--audit-required"])
    gateway.audit = small_disk / "audit.log"
    rest = Rest(gateway.start().port)
    ballast = fill_up(small_disk)
    assert rest.put("/api/configs/x", {"config_data": 3}).status == 422
    until(lambda: "event=log_not_written" in gateway.log.read_text(), "it is told")
    answer = rest.get("/api/configs")
    assert (answer.status, answer.json()["reason"]) == (503, "AUDIT_UNAVAILABLE")
    assert rest.get("/readyz").status == 200
    ballast.unlink()
    until(lambda: "event=log_written_again" in gateway.log.read_text(), "it is told")
    assert rest.get("/api/configs").status == 200
    gateway.stop()
    assert verify(gateway.audit)[0] == 0


# ---- Secrets ----

def messages_of(calls):
    """What refused calls say, details included."""
    said = []
    for call in calls:
        try:
            call()
        except grpc.RpcError as error:
            said += [error.details(), *(str(value) for _, value in error.trailing_metadata() or ())]
    assert said
    return "\n".join(said)


def test_no_output_has_a_secret(launch, tmp_path):
    """Payloads, tokens and passwords, in good requests and in bad ones, against all that comes out."""
    port = free_port()
    server = launch(Audited, access=True, extra=["--audit-reads", "--log-level", "DEBUG", "--metrics",
                    f"127.0.0.1:{port}", "--bus", f"amqp://user:{marker('password of the bus')}@127.0.0.1:1/"])
    admin = server.access.add("admin", grant("super-admin"))
    registry = server.start().registry(admin)
    payload, stranger = marker("payload"), new_token()
    good = '{"a":"%s"}' % payload
    registry.create("kept", good)
    registry.get("kept")
    patch = '[{"op":"test","path":"/a","value":"%s"}]' % marker("test of a patch")
    said = messages_of([
        lambda: registry.create("kept", good),
        lambda: registry.update("kept", good[:-1]),
        lambda: registry.update("kept", '{"a":1,"a":"%s"}' % payload),
        lambda: registry.update("kept", '["%s"]' % payload),
        lambda: registry.update("kept", '{"a":"%s\\q"}' % payload),
        lambda: registry.json_patch("kept", patch),
        lambda: registry.patch("kept", f'"{payload}'),
        lambda: registry.commit([create_change("new", good), create_change("kept", good)]),
        lambda: server.registry(stranger).get("kept"),
        lambda: server.registry(admin[:-1]).get("kept"),
        lambda: server.registry(marker("made-up token")).get("kept"),
    ])
    gateway = launch(AuditedGateway, server.listen, extra=["--audit-reads", "--log-level", "DEBUG"]).start()
    rest, bearer = Rest(gateway.port), {"Authorization": f"Bearer {admin}"}
    answers = [
        rest.post("/api/configs/kept?environment=prod", {"config_data": {"a": payload}}, headers=bearer),
        rest.put("/api/configs/kept", '{"config_data":{"a":"%s"' % payload, headers=bearer),
        rest.put("/api/configs/kept", {"config_data": payload, payload: 1}, headers=bearer),
        rest.call("PATCH", "/api/configs/kept?environment=prod", patch, headers={
            **bearer, "Content-Type": "application/json-patch+json"}),
        rest.get(f"/api/configs/kept?token={admin}"),
        rest.get("/api/configs", headers={"Authorization": f"Bearer {stranger}"}),
        rest.get("/api/configs", headers={"Authorization": f"Basic {marker('basic credentials')}"}),
    ]
    # The name of an unknown member is told to who has sent it.
    said += "".join(str(a) for n, a in enumerate(answers) if n != 2)
    metrics = Rest(port).get("/metrics").body + rest.get("/metrics").body
    wait_for_line(gateway.calls, path="/metrics")
    for program in (server, gateway):
        program.stop()
        assert lines_of(program.audit) and lines_of(program.calls)
        planted.assert_none_in_logs(program.folder)
    planted.assert_none_in(said, "what callers are told")
    planted.assert_none_in(metrics, "the metrics")


@pytest.mark.parametrize("options", [
    ["--store", "mongodb://user:{}@127.0.0.1:1/confreg?serverSelectionTimeoutMS=100"],
    ["--store", "mongodb://user:{}@/"], ["--bus", "amqp://user:{}@:::/"],
])
def test_addresses_that_cannot_be_used_are_told_without_passwords(launch, options):
    password = marker("password of an address")
    program = launch(Confregd, store="memory:", extra=[text.format(password) for text in options])
    code, _ = program.fails_to_start()
    assert code == 1
    planted.assert_none_in_logs(program.folder)


def test_the_search_finds_what_is_there(tmp_path):
    (tmp_path / "program.log.1").write_text(f"event=x value={marker('proof')}\n")
    with pytest.raises(AssertionError, match="has .'proof'."):
        planted.assert_none_in_logs(tmp_path)
