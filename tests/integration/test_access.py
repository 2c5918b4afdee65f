"""Who callers are and what they may call: tokens and certificates against the access file."""

import signal

import pytest
from access import AccessFile, as_caller, digest, grant, new_token, with_headers
from calls import Registry
from daemon import Confregd, until, free_port, until
from errors import refused
from stubs import api_grpc, api_pb, health_grpc, health_pb
from test_metrics import scrape

pytestmark = pytest.mark.any_store


class Guarded(Confregd):
    """confregd with an access file. registry(token) is what its owner can call."""

    def __init__(self, folder, extra=()):
        super().__init__(folder, store="memory:", extra=extra)
        self.access = AccessFile(self.folder)
        self.metrics = f"127.0.0.1:{free_port()}"

    def arguments(self):
        return [*super().arguments(), "--metrics", self.metrics, *self.access.arguments()]

    def registry(self, token=None):
        channel = self.channel if token is None else as_caller(self.channel, token)
        return Registry(api_grpc.RegistryServiceStub(channel))

    def reload(self):
        """Returns when the file is in force as it is now."""
        before = self.metric("reloads_total")
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.metric("reloads_total") > before, "the access file is read again")

    def metric(self, name, **labels):
        return scrape(self.metrics).get(f"confreg_access_{name}", **labels)

    def registry_with(self, *headers):
        return Registry(api_grpc.RegistryServiceStub(with_headers(self.channel, *headers)))


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
