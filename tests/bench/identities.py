"""Identities: tokens with calls, and by the million."""

import base64
import hmac
import json
import secrets
import statistics
import subprocess
import sys

from harness import ROOT, figure
from programs import Confregd
from reads import get_config

sys.path.insert(0, str(ROOT / "tests" / "lib"))
from bearer import digest, new_token  # noqa: E402


def principal(name, token):
    return {"name": name, "tokens": [{"sha256": digest(token)}],
            "grants": [{"role": "super-admin"}]}


@figure("token")
def get_with_a_token(bench):
    """GetConfig with a token, under an access file of 1,000 principals, against GetConfig without."""
    tokens = [new_token() for _ in range(1000)]
    content = {"principals": [principal(f"principal-{i}", token) for i, token in enumerate(tokens)]}
    file = bench.new_file(json.dumps(content).encode(), ".json")
    loads = []
    for title, options, headers in (
            ("with a token", ["--access", file, "--anonymous-role", "super-admin"],
             [f"authorization: Bearer {tokens[500]}"]),
            ("without", [], [])):
        server = bench.start(Confregd(bench, *options))
        server.fill(100)
        loads.append(get_config(bench, server, headers=headers))
        loads[-1].title += f" {title}"
    ratio, note = bench.compare(*loads, bench.scaled(60_000, 30_000))
    bench.row("GetConfig with a token against without", f"{ratio:.2f}", "0.95", note)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(secret, claims):
    """A JSON Web Token by HS256."""
    start = b64(b'{"alg":"HS256","kid":"bench"}') + "." + b64(json.dumps(claims).encode())
    return start + "." + b64(hmac.digest(secret, start.encode(), "sha256"))


@figure("jwt")
def get_with_a_jwt(bench):
    """GetConfig with a JSON Web Token that was seen before against GetConfig with a token."""
    secret, token = secrets.token_bytes(32), new_token()
    keys = bench.new_file(json.dumps({"keys": [{"kty": "oct", "kid": "bench", "k": b64(secret)}]})
                          .encode(), ".json")
    content = {"principals": [principal("ada", token)],
               "jwt": [{"issuer": "bench", "audience": "confreg", "keys": keys.name, "rules": [
                   {"claim": "groups", "value": "sre", "grants": [{"role": "super-admin"}]}]}]}
    file = bench.new_file(json.dumps(content).encode(), ".json")
    jwt = sign(secret, {"iss": "bench", "aud": "confreg", "sub": "ada", "exp": 2**33,
                        "groups": ["dev", "sre"], "name": "Ada Lovelace", "email": "ada@example.com"})
    server = bench.start(Confregd(bench, "--access", file, "--anonymous-role", "super-admin"))
    server.fill(100)
    loads = []
    for title, shown in (("with a JSON Web Token", jwt), ("with a token", token)):
        loads.append(get_config(bench, server, headers=[f"authorization: Bearer {shown}"]))
        loads[-1].title += f" {title}"
    ratio, note = bench.compare(*loads, bench.scaled(60_000, 30_000))
    bench.row("GetConfig with a JSON Web Token seen before against a token", f"{ratio:.2f}", "0.95",
              note)


@figure("tokens")
def a_million_tokens(bench):
    """One million tokens of 1,000 principals in the access file: the start, memory, and the
    processor time to identify a caller."""
    n = bench.scaled(1_000_000, 100_000)
    made = [secrets.token_hex(32) for _ in range(n - 1000)]
    known = [new_token() for _ in range(1000)]
    principals = []
    for i, token in enumerate(known):
        one = principal(f"principal-{i}", token)
        one["tokens"] += [{"sha256": hash} for hash in made[i::1000]]
        principals.append(one)
    path = bench.new_file(json.dumps({"principals": principals}).encode(), ".json")
    tokens = bench.new_file("\n".join(known).encode())
    answers = []
    for _ in range(bench.rounds):
        done = subprocess.run([bench.build / "bench" / "bench_access", path, tokens, "0.5"], check=True,
                              capture_output=True, text=True)
        answers.append(json.loads(done.stdout))
    def median(key):
        return statistics.median(answer[key] for answer in answers)
    file = f"An access file of {n:,} tokens"
    bench.row(f"{file}: the start", f"{median('seconds'):.2f} s", "2 s or less")
    bench.row(f"{file}: memory of a token", f"{median('bytes') / n:.0f} bytes", "200 bytes or less")
    bench.row(f"{file}: a caller by a token", f"{median('ns') / 1000:.2f} us", "1 us or less")
