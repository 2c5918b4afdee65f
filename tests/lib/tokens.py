"""JSON Web Tokens for tests: keys, sets of them, tokens in any form; and build/tests/jwt_lines, a
program on the library in jwt/ that judges tokens."""

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import subprocess

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key:
    """A key to sign with; `public` is what a verifier has."""

    def __init__(self, algorithm, kid=None, bits=2048):
        self.algorithm, self.kid = algorithm, kid
        self.private = {"HS256": lambda: secrets.token_bytes(32),
                        "RS256": lambda: rsa.generate_private_key(65537, bits),
                        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
                        "EdDSA": ed25519.Ed25519PrivateKey.generate}[algorithm]()
        self.public = self.private if algorithm == "HS256" else self.private.public_key()
        made = get_default_algorithms()[algorithm].to_jwk(self.public)
        self.jwk = json.loads(made) | ({"kid": kid} if kid is not None else {})

    def sign(self, claims, **header):
        """By PyJWT."""
        named = {"kid": self.kid} if self.kid is not None else {}
        return jwt.encode(claims, self.private, self.algorithm, headers=named | header)

    def sign_text(self, header, payload):
        """Any header and payload, as they are."""
        start = f"{b64(header)}.{b64(payload)}"
        signature = get_default_algorithms()[self.algorithm].sign(start.encode(), self.private)
        return f"{start}.{b64(signature)}"


def jwks(*keys):
    return json.dumps({"keys": [key.jwk for key in keys]})


def mac(secret, header, payload):
    """A token by HMAC with any secret."""
    start = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}"
    return f"{start}.{b64(hmac.digest(secret, start.encode(), hashlib.sha256))}"


class Judge:
    def __init__(self, process):
        self.process = process

    def ask(self, keys, tokens, issuer, audience, now, leeway=0):
        """[verdict, end, claims] of each token; a refused set is an AssertionError with its text."""
        self.process.stdin.write(json.dumps({
            "keys": keys, "issuer": issuer, "audience": audience, "leeway": leeway, "now": now,
            "tokens": tokens}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "verdicts" in answer, answer["keys"]
        return answer["verdicts"]


@contextlib.contextmanager
def judge(program):
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Judge(process)
    finally:
        process.stdin.close()
        process.wait(60)
