"""Callers with JSON Web Tokens: rules of the access file make claims grants."""

import json
import time

import pytest
from access import AccessFile, as_caller, grant
from calls import Registry
from daemon import PATIENCE, Confregd, free_port
from errors import refused
from rest import gauge
from stubs import api_grpc
from tokens import ALGORITHMS, Key, jwks, mac
from watching import Watch

pytestmark = pytest.mark.any_store

ISSUER, AUDIENCE = "https://issuer.example/", "confreg"
RULES = [{"claim": "groups", "value": "sre", "grants": [grant("super-admin")]},
         {"claim": "/realm_access/roles", "value": "billing", "grants": [
             grant("admin", ["prod"], ["billing*"]), grant("reader", ["default"])]},
         {"claim": "scope", "value": "config:read", "grants": [grant("reader")]}]


class Trusting(Confregd):
    """confregd that trusts an issuer, whose keys are in `keys`."""

    def __init__(self, folder, extra=()):
        self.metrics = free_port()
        super().__init__(folder, store="memory:",
                         extra=["--metrics", f"127.0.0.1:{self.metrics}", *extra])
        self.access = AccessFile(self.folder)
        self.access.content["jwt"] = [{"issuer": ISSUER, "audience": AUDIENCE, "keys": "keys.json",
                                       "leeway_seconds": 0, "rules": RULES}]
        self.keys = {algorithm: Key(algorithm, algorithm) for algorithm in ALGORITHMS[1:]}
        self.set_keys(*self.keys.values())
        self.access.write()

    def arguments(self):
        return [*super().arguments(), *self.access.arguments()]

    def set_keys(self, *keys):
        new = self.folder / "keys.new"
        new.write_text(jwks(*keys))
        new.rename(self.folder / "keys.json")

    def token(self, algorithm="ES256", **claims):
        now = int(time.time())
        return self.keys[algorithm].sign(
            {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + 600} | claims)

    def registry(self, token):
        return Registry(api_grpc.RegistryServiceStub(as_caller(self.channel, token)))


@pytest.fixture(scope="module")
def trusting(launch):
    return launch(Trusting).start()


@pytest.mark.parametrize("algorithm", ALGORITHMS[1:])
def test_a_token_has_the_grants_of_its_claims(trusting, algorithm):
    sre = trusting.registry(trusting.token(algorithm, groups=["dev", "sre"]))
    sre.create(f"billing-{algorithm}")
    billing = trusting.registry(trusting.token(algorithm, realm_access={"roles": ["billing"]}))
    billing.update(f"billing-{algorithm}")
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        billing.delete(f"billing-{algorithm}")
    reader = trusting.registry(trusting.token(algorithm, scope="openid config:read"))
    assert reader.data(f"billing-{algorithm}") == b'{"a":2}'
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        reader.update(f"billing-{algorithm}")


def test_a_token_without_a_rule_may_nothing(trusting):
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        trusting.registry(trusting.token(groups=["dev"])).data("billing")


@pytest.mark.parametrize("change, told", [
    ({"exp": 1}, ("CREDENTIALS_EXPIRED", "has expired")),
    ({"nbf": 2**40}, ("CREDENTIALS_INVALID", "is not valid yet")),
    ({"iss": "https://other.example/"}, ("CREDENTIALS_INVALID", "issuer")),
    ({"aud": "other"}, ("CREDENTIALS_INVALID", "audience")),
    ({"sub": ""}, ("CREDENTIALS_INVALID", "no name")),
    ({"sub": "a\nb"}, ("CREDENTIALS_INVALID", "no name")),
    ({"sub": 7}, ("CREDENTIALS_INVALID", "no name"))], ids=str)
def test_a_token_that_is_not_accepted_is_told_why(trusting, change, told):
    token = trusting.token(groups=["sre"], **change)
    with refused("UNAUTHENTICATED", told[0]) as caught:
        trusting.registry(token).status()
    assert told[1] in caught[0].message
    assert not any(part in caught[0].message for part in token.split("."))


def test_tokens_that_are_forged_are_refused(trusting):
    key = trusting.keys["ES256"]
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": 2**40, "groups": ["sre"]}
    own = Key("ES256", key.kid)
    body = json.dumps(claims).encode()
    for token in (own.sign(claims), own.sign(claims, jwk=own.jwk), key.sign(claims)[:-4],
                  key.sign_text(b'{"alg":"none","kid":"ES256"}', body).rsplit(".", 1)[0] + ".",
                  mac(json.dumps(key.jwk).encode(), {"alg": "HS256", "kid": "ES256"}, claims),
                  "a.b.c", "..", "."):
        with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID"):
            trusting.registry(token).status()


def test_a_token_is_verified_once(trusting):
    registry = trusting.registry(trusting.token(groups=["sre"]))
    registry.status()
    before = gauge(trusting.metrics, "confreg_access_jwt_verified_total")
    for _ in range(20):
        registry.status()
    assert gauge(trusting.metrics, "confreg_access_jwt_verified_total") == before
    assert gauge(trusting.metrics, "confreg_access_jwt_kept") >= 1


def test_a_token_that_is_kept_expires_all_the_same(trusting):
    registry = trusting.registry(trusting.token(groups=["sre"], exp=time.time() + 1.5))
    registry.status()
    with refused("UNAUTHENTICATED", "CREDENTIALS_EXPIRED"):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            registry.status()


def test_an_open_watch_ends_when_its_token_expires(trusting):
    """At the claim exp, whether anything is sent or not."""
    ends = time.time() + 1.5
    registry = trusting.registry(trusting.token(groups=["sre"], exp=ends))
    with Watch(registry.stub) as watch:
        watch.started()
        with refused("UNAUTHENTICATED", "CREDENTIALS_EXPIRED"):
            watch.next()
    assert ends <= time.time() < ends + PATIENCE


def wait_for_reload(server, before):
    end = time.monotonic() + PATIENCE
    while gauge(server.metrics, "confreg_access_reloads_total") <= before:
        assert time.monotonic() < end
        server.assert_alive()


def test_keys_are_read_again_when_their_file_changes(launch):
    """A key that has gone ends its tokens, also those that were verified before."""
    server = launch(Trusting).start()
    old = server.registry(server.token("ES256", groups=["sre"]))
    old.status()
    before = gauge(server.metrics, "confreg_access_reloads_total")
    server.keys["ES256"] = Key("ES256", "ES256-new")
    server.set_keys(*server.keys.values())
    wait_for_reload(server, before)
    server.registry(server.token("ES256", groups=["sre"])).status()
    with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID"):
        old.status()


def test_keys_that_cannot_be_used_change_nothing(launch):
    server = launch(Trusting).start()
    server.set_keys(*server.keys.values(), Key("RS256", "weak", bits=1024))
    end = time.monotonic() + PATIENCE
    while gauge(server.metrics, "confreg_access_file_in_force") == 1:
        assert time.monotonic() < end
    server.registry(server.token("RS256", groups=["sre"])).status()
    assert "keys[3]: the RSA key has less than 2048 bits" in server.log.read_text()


@pytest.mark.parametrize("change, told", [
    ({"keys": "missing.json"}, "jwt[0].keys"), ({"issuer": ""}, "jwt[0].issuer"),
    ({"leeway_seconds": 301}, "jwt[0].leeway_seconds"), ({"name_claim": "/a~b"}, "jwt[0].name_claim"),
    ({"algorithm": "RS256"}, "jwt[0]: has an unknown member algorithm"),
    ({"rules": [{"claim": "a"}]}, "jwt[0].rules[0]: needs a claim and a value"),
    ({"rules": [{"claim": "a", "value": "b", "grants": [{"role": "king"}]}]},
     "jwt[0].rules[0].grants[0].role")], ids=str)
def test_a_file_that_is_wrong_does_not_start(launch, change, told):
    server = launch(Trusting)
    server.access.content["jwt"][0] |= change
    server.access.write()
    code, log = server.fails_to_start()
    assert code == 1 and "ACCESS_FILE_BROKEN" in log and told in log
