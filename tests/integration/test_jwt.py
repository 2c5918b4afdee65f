"""The library in jwt/ against PyJWT: what PyJWT signs is accepted; of what is changed, nothing is
accepted that PyJWT refuses, and nothing refused that it accepts but for rules that are listed."""

import json
import os
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from seed import SAID, chance
from tokens import ALGORITHMS, Key, b64, jwks, judge, mac, unb64

pytestmark = pytest.mark.own_store

PROGRAM = Path(os.environ.get("CONFREG_BUILD", "build")) / "tests" / "jwt_lines"
ISSUER, AUDIENCE = "https://issuer.example/", "confreg"
NOW = int(time.time())
HOUR = 3600


@pytest.fixture(scope="module")
def lines():
    with judge(PROGRAM) as started:
        yield started


@pytest.fixture(scope="module")
def keys():
    return {algorithm: Key(algorithm, f"{algorithm}-1") for algorithm in ALGORITHMS}


def claims(**more):
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + HOUR} | more


def verdicts(lines, key_set, tokens, **more):
    return lines.ask(key_set, tokens, ISSUER, AUDIENCE, NOW, **more)


def accepted_by_pyjwt(key, token):
    """Its claims; None: refused."""
    try:
        return jwt.decode(token, key.public, [key.algorithm], audience=AUDIENCE, issuer=ISSUER,
                          options={"require": ["exp", "iss", "aud"]})
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def random_value(rng, levels=2):
    kind = rng.random()
    if levels == 0 or kind < 0.6:
        return rng.choice([None, True, 0, -1, 2**53, 1.5, "", "a", "é\U0001f600", "\u0001\"\\/", "x" * 300])
    if kind < 0.8:
        return [random_value(rng, levels - 1) for _ in range(rng.randrange(4))]
    return {f"k{i}": random_value(rng, levels - 1) for i in range(rng.randrange(4))}


def random_claims(rng):
    made = claims(aud=rng.choice([AUDIENCE, [AUDIENCE], ["x", AUDIENCE, "y"]]),
                  exp=NOW + rng.randrange(HOUR, 10**9))
    if rng.random() < 0.5:
        made["nbf"] = NOW - rng.randrange(HOUR, 10**9)
    if rng.random() < 0.5:
        made["iat"] = NOW - rng.randrange(HOUR, 10**9) + rng.choice([0, 0.5])
    return made | {f"c{i}": random_value(rng) for i in range(rng.randrange(6))}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_pyjwt_signs_is_accepted_with_its_claims(lines, keys, algorithm):
    rng, key = chance("jwt", algorithm), keys[algorithm]
    made = [random_claims(rng) for _ in range(200)]
    answers = verdicts(lines, jwks(key), [key.sign(each) for each in made])
    for given, answer in zip(made, answers):
        assert answer == ["is good", int(given["exp"]), given], (SAID, given, answer)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_rsa_keys_of_usual_sizes_are_used(lines, bits):
    key = Key("RS256", bits=bits)
    assert verdicts(lines, jwks(key), [key.sign(claims())])[0][0] == "is good"


def test_weak_keys_are_refused(lines):
    with pytest.raises(AssertionError, match="less than 2048 bits"):
        verdicts(lines, jwks(Key("RS256", bits=1024)), [])


def test_both_names_of_ed25519_are_known(lines, keys):
    token = keys["EdDSA"].sign_text(b'{"alg":"Ed25519"}', json.dumps(claims()).encode())
    assert verdicts(lines, jwks(keys["EdDSA"]), [token])[0][0] == "is good"


def test_the_key_is_the_one_that_kid_names(lines, keys):
    new = Key("ES256", "ES256-2")
    both = jwks(keys["ES256"], new, keys["RS256"])
    tokens = [keys["ES256"].sign(claims()), new.sign(claims()), keys["RS256"].sign(claims()),
              new.sign(claims(), kid="ES256-1"), new.sign(claims(), kid="ES256-3"),
              new.sign_text(b'{"alg":"ES256"}', json.dumps(claims()).encode())]
    assert [answer[0] for answer in verdicts(lines, both, tokens)] == \
        ["is good"] * 3 + ["has a wrong signature"] + ["names no key that is known"] * 2


# ---- Attacks ----

def as_secrets(key):
    """What an attacker has of a public key and might sign with."""
    formats = serialization.PublicFormat
    encodings = serialization.Encoding
    found = [json.dumps(key.jwk).encode(), key.jwk.get("x", key.jwk.get("n")).encode(),
             unb64(key.jwk.get("x", key.jwk.get("n"))), b"", b"\0" * 32]
    for encoding in (encodings.PEM, encodings.DER):
        text = key.public.public_bytes(encoding, formats.SubjectPublicKeyInfo)
        found += [text, text.strip()]
    return found


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_public_key_is_no_secret(lines, keys, algorithm):
    key = keys[algorithm]
    tokens = [mac(secret, {"alg": alg, "kid": key.kid, "typ": "JWT"}, claims())
              for secret in as_secrets(key) for alg in ("HS256", algorithm)]
    answers = verdicts(lines, jwks(key), tokens)
    assert {answer[0] for answer in answers} == {"has another algorithm than its key",
                                                 "has a wrong signature"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_algorithm_but_the_keys_own(lines, keys, algorithm):
    key = keys[algorithm]
    names = {"none", "None", "NONE", "nOnE", "", "HS384", "RS512", "PS256", "ES384", "ES256K", *ALGORITHMS}
    tokens = []
    for name in names - {algorithm}:
        header = json.dumps({"alg": name, "kid": key.kid}).encode()
        signed = key.sign_text(header, json.dumps(claims()).encode())
        tokens += [signed, signed.rsplit(".", 1)[0] + "."]
    assert {answer[0] for answer in verdicts(lines, jwks(key), tokens)} == {
        "has another algorithm than its key"}


def test_a_key_in_the_header_means_nothing(lines, keys):
    own = Key("ES256", keys["ES256"].kid)
    tokens = [own.sign(claims(), jwk=own.jwk), own.sign(claims(), jku="https://evil.example/keys"),
              own.sign(claims(), x5u="https://evil.example/x", x5c=[b64(b"x")])]
    assert {answer[0] for answer in verdicts(lines, jwks(keys["ES256"]), tokens)} == {
        "has a wrong signature"}


def test_numbers_of_an_ecdsa_signature_are_checked(lines, keys):
    key = keys["ES256"]
    start, signature = key.sign(claims()).rsplit(".", 1)
    r, s = unb64(signature)[:32], unb64(signature)[32:]
    order = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
    zero = b"\0" * 32
    n = order.to_bytes(32, "big")
    forged = [zero + zero, r + zero, zero + s, n + n, n + s, r + n, b"\xff" * 64, r + s[:-1], r,
              b"", b"\0" + r + s, r + s + b"\0", b"\0" + r + b"\0" + s]
    tokens = [f"{start}.{b64(each)}" for each in forged]
    assert {answer[0] for answer in verdicts(lines, jwks(key), tokens)} == {"has a wrong signature"}


# ---- Changes ----

def changed_header(rng, key):
    """A token that is signed well, with a header that is not."""
    header = {"alg": key.algorithm, "kid": key.kid}
    name, value = rng.choice([
        ("alg", "none"), ("alg", rng.choice(ALGORITHMS)), ("typ", "JWT"), ("cty", "JWT"), ("x", 1),
        ("kid", None), ("alg", None), ("alg", [key.algorithm]), ("typ", 1)])
    return key.sign_text(json.dumps(header | {name: value}).encode(), json.dumps(claims()).encode())


def changed_claims(rng, key):
    name, values = rng.choice([
        ("exp", [NOW - HOUR, NOW + HOUR, str(NOW - HOUR), None, [], 0, -1]),
        ("nbf", [NOW - HOUR, NOW + HOUR, "soon", None]),
        ("iat", [NOW - HOUR, NOW + HOUR, "soon", None]),
        ("aud", [AUDIENCE, "other", ["other"], [], ["other", AUDIENCE], None, {}, [[AUDIENCE]]]),
        ("iss", [ISSUER, "other", [ISSUER], None, "", ISSUER + "x"])])
    made = claims(**{name: rng.choice(values)})
    if rng.random() < 0.1:
        made.pop(name)
    return key.sign_text(json.dumps({"alg": key.algorithm, "kid": key.kid}).encode(),
                         json.dumps(made).encode())


def changed_text(rng, key):
    token = bytearray(key.sign(claims()).encode())
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(token))
        kind = rng.random()
        if kind < 0.5:
            token[at] = rng.choice(b"AZaz09-_.=+/ \n\x00")
        elif kind < 0.75:
            del token[at:at + rng.randrange(1, 5)]
        else:
            token[at:at] = rng.choice([b".", b"=", b"A", b"..", b" ", b"\n", b"AAAA"])
    return token.decode()


def swapped_parts(rng, key):
    one, other = (key.sign(claims(sub=name)).split(".") for name in ("ada", "bob"))
    return ".".join(rng.choice(pair) for pair in zip(one, other))


# What PyJWT takes and this library refuses: base64url that no encoder writes, empty or missing names,
# times that are texts or null, and purposes (typ) that are no text.
STRICTER = {"is malformed", "has a header for something else", "names no key that is known"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("change", [changed_header, changed_claims, changed_text, swapped_parts])
def test_changed_tokens_are_judged_as_by_pyjwt(lines, keys, algorithm, change):
    rng, key = chance("jwt", change.__name__, algorithm), keys[algorithm]
    tokens = [change(rng, key) for _ in range(150)]
    counts = {True: 0, False: 0}
    for token, answer in zip(tokens, verdicts(lines, jwks(key), tokens)):
        theirs = accepted_by_pyjwt(key, token)
        counts[theirs is not None] += 1
        if answer[0] == "is good":
            assert theirs == answer[2], (SAID, token)
        elif theirs is not None:
            assert answer[0] in STRICTER, (SAID, token, answer)
    assert counts[False] > 10, counts
