"""Who callers are and what they may call: tokens and certificates against the access file."""

import collections
import concurrent.futures
import datetime
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request

import grpc
import pytest
from access import digest, grant, new_token
from calls import Registry
from daemon import BUILD, Confregd, free_port, until
from errors import refused
from guarded import Guarded as WithAccessFile
from stubs import ROOT, api_pb, health_grpc, health_pb
from test_metrics import scrape

pytestmark = pytest.mark.any_store


class Guarded(WithAccessFile):
    """With its metrics."""

    def __init__(self, folder, extra=()):
        super().__init__(folder, extra=extra)
        self.metrics = f"127.0.0.1:{free_port()}"

    def arguments(self):
        return [*super().arguments(), "--metrics", self.metrics]

    def reload(self):
        """Returns when the file is in force as it is now."""
        before = self.metric("reloads_total")
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.metric("reloads_total") > before, "the access file is read again")

    def metric(self, name, **labels):
        return scrape(self.metrics).get(f"confreg_access_{name}", **labels)


@pytest.fixture(scope="module")
def guarded(launch):
    return launch(Guarded).start()


def test_a_call_needs_a_credential(guarded):
    with refused("UNAUTHENTICATED", "CREDENTIALS_MISSING"):
        guarded.registry().status()


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer cfr_x"])
def test_a_wrong_credential_is_told(guarded, header):
    with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID"):
        guarded.registry_with(("authorization", header)).status()


def test_a_foreign_token_is_told(guarded):
    token = new_token()
    with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID") as caught:
        guarded.registry(token).status()
    assert token not in caught[0].message


def test_health_is_open_to_all(guarded):
    health = health_grpc.HealthStub(guarded.channel)
    assert health.Check(health_pb.HealthCheckRequest(), timeout=20).status == 1


def test_a_method_needs_a_right(launch):
    server = launch(Guarded)
    reader = server.access.add("billing", grant("reader", ["prod"], ["billing*"]))
    admin = server.access.add("admin", grant("admin"))
    server.start()
    server.registry(admin).create("billing")
    assert server.registry(reader).data("billing") == b'{"a":1}'
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        server.registry(reader).update("billing")
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        server.registry(admin).delete("billing")


def test_anonymous_callers_have_their_role(launch):
    server = launch(Guarded, extra=["--anonymous-role", "reader"]).start()
    assert server.registry().status().header.epoch
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        server.registry().create("billing")


@pytest.mark.parametrize("text", ["{", '{"principals": [{"name": ""}]}'])
def test_a_broken_file_does_not_start(launch, text):
    server = launch(Guarded)
    server.access.write_text(text)
    code, log = server.fails_to_start()
    assert code == 1 and "ACCESS_FILE_BROKEN" in log


def test_an_unknown_role_does_not_start(launch):
    code, log = launch(Guarded, extra=["--anonymous-role", "gateway"]).fails_to_start()
    assert code == 1 and "--anonymous-role" in log


def last_commit(registry):
    return registry.stub.ListCommits(api_pb.ListCommitsRequest(page_size=1), timeout=20).commits[0]


def test_the_actor_is_the_principal(guarded):
    token = guarded.access.add("ada", grant("admin"))
    guarded.reload()
    ada = guarded.registry(token)
    ada.create("actor", created_by="bob")
    commit = last_commit(ada)
    assert (commit.actor, commit.created_by) == ("ada", "bob")
    assert commit.credential == f"token:{digest(token)[:12]}"


def test_an_author_has_to_be_proven_where_asked_for(launch):
    server = launch(Guarded, extra=["--author", "trusted"])
    ada = server.access.add("ada", grant("admin"))
    gate = server.access.add("gate", grant("admin"), grant("gateway"))
    server.start()
    ada, gate = server.registry(ada), server.registry(gate)
    ada.create("own", created_by="ada")
    ada.update("own", '{"a":3}')
    for claim in ({"created_by": "bob"}, {"created_by_empty": True}):
        with refused("PERMISSION_DENIED", "AUTHOR_NOT_ALLOWED"):
            ada.update("own", **claim)
    gate.update("own", created_by="bob")
    assert last_commit(gate).created_by == "bob"


def test_an_unknown_author_rule_is_told(launch):
    code, log = launch(Guarded, extra=["--author", "all"]).fails_to_start()
    assert code == 2 and "--author" in log


def test_a_caller_can_ask_what_he_may(launch):
    server = launch(Guarded)
    token = server.access.add("billing", grant("reader", ["prod"], ["billing*", "pay"]), grant("auditor"))
    short = server.access.add_token("billing", expires="2036-01-01T00:00:00Z")
    idle = server.access.add("idle")
    server.start()
    told = server.registry(token).access()
    assert (told.name, told.credential_kind, told.rights_in_force) == ("billing", "token", True)
    assert [(g.role, list(g.environments), list(g.services)) for g in told.grants] == [
        (api_pb.ACCESS_ROLE_READER, ["prod"], ["billing*", "pay"]),
        (api_pb.ACCESS_ROLE_AUDITOR, [], [])]
    assert not told.HasField("expire_time") and told.header.epoch
    assert server.registry(short).access().expire_time.ToJsonString() == "2036-01-01T00:00:00Z"
    assert list(server.registry(idle).access().grants) == []  # no right is needed
    with refused("UNAUTHENTICATED", "CREDENTIALS_MISSING"):
        server.registry().access()
    server.access.set_grants("billing", grant("admin"))
    told = until(lambda: (now := server.registry(token).access()) and
                 now.generation != told.generation and now, "the new rights are in force")
    assert [g.role for g in told.grants] == [api_pb.ACCESS_ROLE_ADMIN]


def test_without_an_access_file_no_rights_are_in_force(launch):
    told = Registry(launch(Confregd, store="memory:").start().stub).access()
    assert not told.rights_in_force and told.name == ""
    assert [g.role for g in told.grants] == [api_pb.ACCESS_ROLE_SUPER_ADMIN]


# ---- The file ----

def wait_for(condition):
    until(condition, "the change of the access file counts")


def works(call):
    try:
        call()
    except grpc.RpcError:
        return False
    return True


def test_a_change_of_the_file_counts_by_itself(guarded):
    token = guarded.access.add("comes", grant("reader"))
    registry = guarded.registry(token)
    wait_for(lambda: works(registry.list))
    guarded.access.set_grants("comes")
    wait_for(lambda: not works(registry.list))
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        registry.list()
    guarded.access.revoke(token)
    guarded.reload()
    with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID"):
        registry.list()


def test_a_token_expires(guarded):
    guarded.access.add("short", grant("reader"))
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1.5)
    token = guarded.access.add_token("short", expires=ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    guarded.reload()
    wait_for(lambda: not works(guarded.registry(token).list))
    with refused("UNAUTHENTICATED", "CREDENTIALS_EXPIRED"):
        guarded.registry(token).list()
    assert datetime.datetime.now(datetime.UTC) >= ends


def test_a_damaged_file_keeps_the_last_good_one(guarded):
    token = guarded.access.add("stays", grant("reader"))
    guarded.reload()
    assert guarded.metric("file_in_force") == 1
    failures = guarded.metric("reload_failures_total")
    guarded.access.write_text('{"principals": [{"name": "stays", "tokens": [{"sha256": "SECRET"}]}]}')
    until(lambda: guarded.metric("reload_failures_total") > failures, "the file is looked at")
    assert guarded.metric("file_in_force") == 0
    assert guarded.registry(token).list()
    kept = [line for line in guarded.log.read_text().splitlines() if "event=access_kept" in line]
    assert "principals[0].tokens[0].sha256" in kept[-1] and "SECRET" not in kept[-1]
    guarded.access.write()
    guarded.reload()
    assert guarded.metric("file_in_force") == 1


def test_a_file_that_all_can_read_is_told(launch):
    server = launch(Guarded)
    server.access.path.chmod(0o644)
    server.start()
    assert "event=access_file_open" in server.log.read_text()


def test_metrics_tell_the_last_use_of_a_token(guarded):
    token = guarded.access.add("used", grant("reader"))
    unused = guarded.access.add_token("used")
    guarded.reload()
    guarded.registry(token).status()
    name = "token_last_use_timestamp_seconds"
    used = guarded.metric(name, token=digest(token)[:12])
    assert abs(used - time.time()) < 60
    guarded.reload()  # which does not forget it
    assert guarded.metric(name, token=digest(token)[:12]) == used
    page = urllib.request.urlopen(f"http://{guarded.metrics}/metrics").read().decode()
    assert digest(unused)[:12] not in page


def test_refusals_are_counted(guarded):
    before = guarded.metric("refused_total", reason="missing")
    with refused("UNAUTHENTICATED"):
        guarded.registry().status()
    assert guarded.metric("refused_total", reason="missing") == before + 1


# ---- confregd access ----

def confregd(*arguments, code=0):
    result = subprocess.run([BUILD / "confregd", *map(str, arguments)], capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout if code in (0, 2) else result.stderr


def token(path, name, *arguments):
    return confregd("access", "token", name, "--access", path, *arguments).strip()


def follows_schema(path):
    confregd("check-schema", ROOT / "docs" / "access.schema.json", path)


def test_the_command_makes_tokens_that_are_good(launch):
    server = launch(Guarded)
    path = server.access.path
    path.unlink()
    first = token(path, "billing", "--role", "reader", "--role", "admin", "--environment", "prod",
                  "--service", "billing*", "--service", "tax", "--expires", "90d")
    assert path.stat().st_mode & 0o777 == 0o600
    second = token(path, "billing")
    root = token(path, "root", "--role", "super-admin", "--expires", "2100-01-01T00:00:00Z")
    follows_schema(path)
    content = json.loads(path.read_text())
    assert content["principals"][0]["grants"] == [
        grant("reader", ["prod"], ["billing*", "tax"]), grant("admin", ["prod"], ["billing*", "tax"])]
    tokens = content["principals"][0]["tokens"]
    assert [t["sha256"] for t in tokens] == [digest(first), digest(second)]
    ends = datetime.datetime.fromisoformat(tokens[0]["expires"])
    assert abs(ends.timestamp() - time.time() - 90 * 86400) < 60
    server.start()
    server.registry(root).create("billing")
    for each in (first, second):
        assert server.registry(each).data("billing")
    assert confregd("access", "check", path) == (
        "billing\n"
        "  role reader, environments prod, services billing* tax\n"
        "  role admin, environments prod, services billing* tax\n"
        f"  token {digest(first)[:12]}, expires {ends:%Y-%m-%dT%H:%M:%S}.000000Z\n"
        f"  token {digest(second)[:12]}\n"
        "root\n"
        "  role super-admin\n"
        f"  token {digest(root)[:12]}, expires 2100-01-01T00:00:00.000000Z\n")


def test_the_command_keeps_what_is_there(tmp_path):
    path = tmp_path / "access.json"
    path.write_text('{"principals":[{"certificates":["cn:\\u0061"],"name":"\\u0061","grants":'
                    '[{"role":"reader"}]},{"name":"b","tokens":[]}]}')
    path.chmod(0o640)
    os.chown(path, 1234, 2345)
    made = token(path, "a", "--role", "reader", "--role", "auditor")
    assert json.loads(path.read_text()) == {"principals": [
        {"certificates": ["cn:a"], "name": "a", "tokens": [{"sha256": digest(made)}],
         "grants": [grant("reader"), grant("auditor")]}, {"name": "b", "tokens": []}]}
    found = path.stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o640, 1234, 2345)
    assert list(tmp_path.iterdir()) == [path]


def test_several_commands_at_once_lose_nothing(tmp_path):
    path = tmp_path / "access.json"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: token(path, f"p{i % 4}", "--role", "reader"), range(24)))
    content = json.loads(path.read_text())
    found = {t["sha256"] for principal in content["principals"] for t in principal["tokens"]}
    assert found == {digest(t) for t in made} and len(content["principals"]) == 4


@pytest.mark.parametrize("arguments", [
    ["token"], ["token", "a"], ["token", "a", "b"], ["check"], ["explain", "GetConfig"], ["other"], []])
def test_the_command_says_how_it_is_used(arguments):
    assert "usage: confregd access" in confregd("access", *arguments, code=1)


@pytest.mark.parametrize("arguments", [
    ["a"], ["a/b", "--role", "reader"], ["a", "--role", "king"], ["a", "--role", "reader", "--service", ""],
    ["a", "--role", "reader", "--expires", "90"], ["a", "--role", "reader", "--expires", "2100-02-30T00:00:00Z"]])
def test_the_command_refuses_what_no_file_can_have(tmp_path, arguments):
    path = tmp_path / "access.json"
    confregd("access", "token", "--access", path, *arguments, code=1)
    assert list(tmp_path.iterdir()) == []


def test_the_command_checks_files(tmp_path):
    path = tmp_path / "access.json"
    path.write_text('{"principals": [{"name": "a", "token": "SECRET"}]}')
    said = confregd("access", "check", path, code=1)
    assert "principals[0]: has an unknown member token" in said and "SECRET" not in said
    path.write_text('{"principals": [{"name": "a", "grants": []}]}')
    path.chmod(0o644)
    said = confregd("access", "check", path)
    assert said.count("warning: ") == 3


def test_the_command_explains(tmp_path):
    path, file = tmp_path / "access.json", tmp_path / "token"
    made = token(path, "billing", "--role", "reader", "--environment", "prod", "--service", "billing*")
    file.write_text(made + "\n")
    ask = ["access", "explain", "--access", path, "--token-file", file]
    said = confregd(*ask, "GetConfig", "prod/billing-eu")
    assert said.startswith("yes: billing has READ for prod/billing-eu as reader, by line ")
    line = int(said.split(" by line ")[1].split()[0])
    assert '"role": "reader"' in path.read_text().splitlines()[line]
    assert confregd(*ask, "GetConfig", "test/billing", code=2).startswith("no: billing has no grant")
    assert confregd(*ask, "DeleteConfig", "prod/billing", code=2).startswith("no: billing")
    file.write_text(new_token())
    assert "nobody's" in confregd(*ask, "GetConfig", "prod/billing", code=2)
    confregd(*ask, "NoMethod", "prod/billing", code=1)


# ---- Rotation ----

class Reader(threading.Thread):
    """Reads over and over, each time with the token that is current then."""

    def __init__(self, server, current):
        super().__init__()
        self.server, self.current = server, current
        self.reads = collections.Counter()  # that have ended, by token
        self.failure, self.ends = None, threading.Event()

    def run(self):
        registries = {}
        while not self.ends.is_set() and self.failure is None:
            token = self.current[0]
            registry = registries.setdefault(token, self.server.registry(token))
            try:
                assert registry.data("billing")
            except grpc.RpcError as error:
                self.failure = error
            self.reads[token] += 1


def test_tokens_rotate_under_load_without_a_failed_call(launch):
    server = launch(Guarded)
    current = [server.access.add("billing", grant("admin"))]
    server.start()
    server.registry(current[0]).create("billing")
    readers = [Reader(server, current) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(5):
            old, new = current[0], server.access.add_token("billing")
            wait_for(lambda: works(server.registry(new).list))
            current[0] = new
            until(lambda: all(r.reads[new] or r.failure for r in readers), "all use the new token")
            server.access.revoke(old)
            wait_for(lambda: not works(server.registry(old).list))
            until(lambda: all(r.reads[new] > 20 or r.failure for r in readers), "all go on")
    finally:
        for reader in readers:
            reader.ends.set()
        for reader in readers:
            reader.join()
    assert [reader.failure for reader in readers] == [None] * 4
