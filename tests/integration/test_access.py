"""Who callers are and what they may call: tokens and certificates against the access file."""

import pytest
from access import AccessFile, as_caller, grant, new_token, with_headers
from calls import Registry
from daemon import Confregd
from errors import refused
from stubs import api_grpc, health_grpc, health_pb

pytestmark = pytest.mark.any_store


class Guarded(Confregd):
    """confregd with an access file. registry(token) is what its owner can call."""

    def __init__(self, folder, extra=()):
        super().__init__(folder, store="memory:", extra=extra)
        self.access = AccessFile(self.folder)

    def arguments(self):
        return [*super().arguments(), *self.access.arguments()]

    def registry(self, token=None):
        channel = self.channel if token is None else as_caller(self.channel, token)
        return Registry(api_grpc.RegistryServiceStub(channel))

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
