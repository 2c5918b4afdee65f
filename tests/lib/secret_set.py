"""Labelled configs for the search for secrets, made from a seed. Nothing here is or ever was a secret:
tokens are put together from random characters and the published forms of the services, when a test runs,
so that no file of the tree looks like one.

`labelled()` gives lines (config, pointer): the pointer of the secret, or None where there is none.
`ordinary_configs()` gives configs as services have them, without a secret."""

import base64
import json
import random
import string
import subprocess
import zlib

from ordinary_configs import HARMLESS, ordinary

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM = DIGITS + UPPER + LOWER  # in the order of the digits of base 62
HEX, WORD, BASE64 = DIGITS + "abcdef", ALNUM + "_-", ALNUM + "+/"


class Maker:
    """Random parts, and what is made of them."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def run(self, length, alphabet=ALNUM):
        return "".join(self.random.choice(alphabet) for _ in range(length))

    def any(self, *choices):
        return self.random.choice(choices)

    def uuid(self):
        return "-".join(self.run(n, HEX) for n in (8, 4, 4, 4, 12))

    def bytes(self, length):
        return bytes(self.random.randrange(256) for _ in range(length))

    def base64(self, length):
        return base64.b64encode(self.bytes(length)).decode()

    def base64url(self, data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    # ---- Tokens with a checksum or a structure ----

    def sum(self, body):
        rest, check = zlib.crc32(body.encode()), ""
        for _ in range(6):
            rest, digit = divmod(rest, 62)
            check = ALNUM[digit] + check
        return check

    def confreg(self):
        body = "cf" + "r_" + self.run(43)
        return body + self.sum(body)

    def github(self, prefix):
        body = self.run(30)
        return prefix + body + self.sum(body)

    def jwt(self, **claims):
        header = {"alg": self.any("HS256", "RS256", "ES256", "EdDSA"), "typ": "JWT"}
        if self.random.random() < 0.5:
            header = {"kid": self.run(12), **header}
        claims = {"sub": self.uuid(), "iat": self.random.randrange(10**9, 2 * 10**9), **claims}
        parts = [self.base64url(json.dumps(part).encode()) for part in (header, claims)]
        return ".".join(parts + [self.base64url(self.bytes(self.any(32, 64, 256)))])

    def age(self):
        alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
        name, values = "age-secret-key-", [self.random.randrange(32) for _ in range(52)]

        def checksum(numbers):
            sum = 1
            for number in numbers:
                top = sum >> 25
                sum = (sum & 0x1FFFFFF) << 5 ^ number
                for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
                    sum ^= generator if top >> bit & 1 else 0
            return sum

        start = [ord(c) >> 5 for c in name] + [0] + [ord(c) & 31 for c in name]
        sum = checksum(start + values + [0] * 6) ^ 1
        values += [sum >> 5 * (5 - i) & 31 for i in range(6)]
        return (name + "1" + "".join(alphabet[value] for value in values)).upper()

    def pem(self, label, length=None):
        text = self.base64(length or self.any(48, 118, 121, 608, 1190))
        lines = [text[at:at + 64] for at in range(0, len(text), 64)]
        return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])

    def discord(self):
        snowflake = str(self.random.randrange(10**17, 10**18))
        return f"{self.base64url(snowflake.encode())}.{self.run(6, WORD)}.{self.run(38, WORD)}"


# The forms of services: a name, and what makes a token of it.
SERVICES = {
    "aws": lambda m: m.any("AK", "AS") + "IA" + m.run(16, UPPER + "234567"),
    "google-api": lambda m: "AI" + "za" + m.run(35, WORD),
    "google-client": lambda m: "GOC" + "SPX-" + m.run(28, WORD),
    "google-oauth": lambda m: "ya2" + "9." + m.any("a0", "c.") + m.run(m.any(120, 160), WORD),
    "alibaba": lambda m: "LT" + "AI5t" + m.run(18),
    "tencent": lambda m: "AK" + "ID" + m.run(32),
    "yandex": lambda m: "AQ" + "VN" + m.run(36, WORD),
    "digitalocean": lambda m: m.any("dop", "doo", "dor") + "_v1_" + m.run(64, HEX),
    "heroku": lambda m: "HRKU" + "-" + m.any(m.uuid(), "AA" + m.run(58, WORD)),
    "fly": lambda m: "fo" + "1_" + m.run(43, WORD),
    "netlify": lambda m: "nf" + "p_" + m.run(36),
    "cloudflare": lambda m: "v1" + ".0-" + m.run(24, HEX) + "-" + m.run(146, HEX),
    "planetscale": lambda m: "pscale" + m.any("_tkn_", "_pw_", "_oauth_") + m.run(43, WORD),
    "supabase": lambda m: m.any("sb" + "p_" + m.run(40, HEX), "sb_" + "secret_" + m.run(31, WORD)),
    "tailscale": lambda m: "tskey" + m.any("-auth-", "-api-") + "k" + m.run(9) + "CNTRL-" + m.run(32),
    "databricks": lambda m: "da" + "pi" + m.run(32, HEX) + m.any("", "-2"),
    "github": lambda m: m.any(*[m.github("gh" + c + "_") for c in "pousr"],
                              "github" + "_pat_" + m.run(22) + "_" + m.run(59)),
    "gitlab": lambda m: m.any("glpat", "gldt", "glrt", "glft", "glsoat") + "-" + m.run(20, WORD),
    "gitlab-routable": lambda m: "glp" + "at-" + m.run(27, WORD) + ".01." + m.run(9, DIGITS + LOWER),
    "npm": lambda m: "np" + "m_" + m.run(36),
    "pypi": lambda m: "pypi" + "-AgEIcHlwaS5vcmcC" + m.run(140, WORD),
    "rubygems": lambda m: "ruby" + "gems_" + m.run(48, HEX),
    "crates": lambda m: "ci" + "o" + m.run(32),
    "nuget": lambda m: "oy" + "2" + m.run(43, LOWER + DIGITS),
    "clojars": lambda m: "CLOJ" + "ARS_" + m.run(60, HEX),
    "docker": lambda m: "dckr" + "_pat_" + m.run(27, WORD),
    "jfrog": lambda m: "AK" + "Cp" + m.run(69),
    "buildkite": lambda m: "bk" + "ua_" + m.run(40, HEX),
    "circleci": lambda m: "CCI" + "PAT_" + m.run(22) + "_" + m.run(40, HEX),
    "pulumi": lambda m: "pu" + "l-" + m.run(40, HEX),
    "sonarqube": lambda m: m.any("squ", "sqp", "sqa") + "_" + m.run(40, HEX),
    "postman": lambda m: "PM" + "AK-" + m.run(24, HEX) + "-" + m.run(34, HEX),
    "vault": lambda m: "hv" + "s." + m.run(m.any(24, 95), WORD),
    "doppler": lambda m: "dp" + m.any(".pt.", ".st.prd.", ".sa.") + m.run(43),
    "terraform": lambda m: m.run(14) + ".atlas" + "v1." + m.run(67, WORD),
    "slack-bot": lambda m: "xo" + "xb-" + m.run(12, DIGITS) + "-" + m.run(13, DIGITS) + "-" + m.run(24),
    "slack-user": lambda m: "xo" + "xp-" + "-".join(m.run(12, DIGITS) for _ in range(3)) + "-" + m.run(32, HEX),
    "slack-app": lambda m: "xa" + "pp-1-A" + m.run(10, UPPER + DIGITS) + "-" + m.run(13, DIGITS) + "-" + m.run(64, HEX),
    "slack-webhook": lambda m: ("https://hooks.sl" + "ack.com/services/T" + m.run(10, UPPER + DIGITS) + "/B" +
                                m.run(10, UPPER + DIGITS) + "/" + m.run(24)),
    "discord": lambda m: m.discord(),
    "discord-webhook": lambda m: ("https://disc" + "ord.com/api/webhooks/" + m.run(19, DIGITS[1:]) + "/" +
                                  m.run(68, WORD)),
    "telegram": lambda m: m.run(10, DIGITS[1:]) + ":A" + "A" + m.run(33, WORD),
    "teams": lambda m: (f"https://acme.webhook.off" + f"ice.com/webhookb2/{m.uuid()}@{m.uuid()}/IncomingWebhook/" +
                        f"{m.run(32, HEX)}/{m.uuid()}"),
    "sendgrid": lambda m: "S" + "G." + m.run(22, WORD) + "." + m.run(43, WORD),
    "mailgun": lambda m: "ke" + "y-" + m.run(32, HEX),
    "mailchimp": lambda m: m.run(32, HEX) + "-u" + "s" + str(m.random.randrange(1, 22)),
    "brevo": lambda m: "xkey" + "sib-" + m.run(64, HEX) + "-" + m.run(16),
    "resend": lambda m: "r" + "e_" + m.run(8) + "_" + m.run(24),
    "twilio": lambda m: "S" + "K" + m.run(32, HEX),
    "stripe": lambda m: m.any("sk", "rk") + m.any("_live_", "_test_") + m.run(m.any(24, 99)),
    "stripe-webhook": lambda m: "wh" + "sec_" + m.run(32),
    "square": lambda m: m.any("sq0" + "atp-" + m.run(22, WORD), "sq0" + "csp-" + m.run(43, WORD)),
    "shopify": lambda m: "shp" + m.any("at", "ca", "pa", "ss") + "_" + m.run(32, HEX),
    "plaid": lambda m: "access" + m.any("-production-", "-sandbox-") + m.uuid(),
    "flutterwave": lambda m: "FLW" + "SECK-" + m.run(32, HEX) + "-X",
    "mercadopago": lambda m: ("APP" + "_USR-" + m.run(16, DIGITS) + "-" + m.run(6, DIGITS) + "-" + m.run(32, HEX) + "-" +
                              m.run(9, DIGITS)),
    "shippo": lambda m: "ship" + "po_live_" + m.run(40, HEX),
    "easypost": lambda m: "EZ" + "AK" + m.run(54),
    "duffel": lambda m: "duf" + "fel_live_" + m.run(43, WORD),
    "openai": lambda m: m.any("sk-" + "proj-" + m.run(124, WORD), "sk" + "-" + m.run(20) + "T3Blbk" + "FJ" + m.run(20)),
    "anthropic": lambda m: "sk-" + "ant-api03-" + m.run(93, WORD) + "AA",
    "openrouter": lambda m: "sk-" + "or-v1-" + m.run(64, HEX),
    "huggingface": lambda m: "h" + "f_" + m.run(34, LOWER + UPPER),
    "groq": lambda m: "gs" + "k_" + m.run(52),
    "perplexity": lambda m: "pp" + "lx-" + m.run(48),
    "replicate": lambda m: "r" + "8_" + m.run(37),
    "xai": lambda m: "xa" + "i-" + m.run(80),
    "langsmith": lambda m: "lsv" + "2_pt_" + m.run(32, HEX) + "_" + m.run(10, HEX),
    "newrelic": lambda m: "NR" + "AK-" + m.run(27, UPPER + DIGITS),
    "grafana": lambda m: "gl" + "sa_" + m.run(32) + "_" + m.run(8, HEX),
    "sentry": lambda m: "sntr" + "yu_" + m.run(64, HEX),
    "dynatrace": lambda m: "dt" + "0c01." + m.run(24, UPPER + "234567") + "." + m.run(64, UPPER + "234567"),
    "posthog": lambda m: "ph" + "x_" + m.run(43),
    "atlassian": lambda m: "ATAT" + "T3xFfGF0" + m.run(171, WORD) + "=" + m.run(8, HEX.upper()),
    "linear": lambda m: "lin" + "_api_" + m.run(40),
    "notion": lambda m: "nt" + "n_" + m.run(46),
    "airtable": lambda m: "pa" + "t" + m.run(14) + "." + m.run(64, HEX),
    "figma": lambda m: "fig" + "d_" + m.run(40, WORD),
    "contentful": lambda m: "CFP" + "AT-" + m.run(43, WORD),
    "typeform": lambda m: "tf" + "p_" + m.run(44, WORD) + "_" + m.run(14),
    "readme": lambda m: "rd" + "me_" + m.run(70, LOWER + DIGITS),
    "dropbox": lambda m: "s" + "l." + m.run(136, WORD),
    "facebook": lambda m: "EA" + "AG" + m.run(170),
    "mapbox": lambda m: "sk" + ".ey" + "J" + m.run(60) + "." + m.run(22, WORD),
    "adafruit": lambda m: "ai" + "o_" + m.run(28),
    "prefect": lambda m: "pn" + "u_" + m.run(36),
    "zapier": lambda m: "https://hooks.zap" + "ier.com/hooks/catch/" + m.run(7, DIGITS[1:]) + "/" + m.run(7, LOWER + DIGITS),
    "confreg": lambda m: m.confreg(),
    "age": lambda m: m.age(),
    "entra": lambda m: m.run(3) + "8Q" + "~" + m.run(34, WORD),
    "jwt": lambda m: m.jwt(),
    "azure-storage": lambda m: ("DefaultEndpointsProtocol=https;AccountName=acme;Account" + "Key=" + m.base64(64) +
                                ";EndpointSuffix=core.windows.net"),
    "azure-bus": lambda m: ("Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=send;Shared" + "AccessKey=" +
                            m.base64(32)),
    "azure-sas": lambda m: ("https://acme.blob.core.windows.net/in?sv=2022-11-02&se=2026-01-01&sr=c&sp=rl&si" + "g=" +
                            m.base64(32).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")),
}

PEM_LABELS = ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY",
              "DSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]

# How a token stands in a config: the config and the pointer. No key tells that a secret comes.
PLACES = [
    lambda m, token: ({"region": "eu", "value": token}, "/value"),
    lambda m, token: ({"upstream": {"id": token, "retries": 3}}, "/upstream/id"),
    lambda m, token: ({"args": ["--verbose", token]}, "/args/1"),
    lambda m, token: ({"env": f"MODE=prod\nTHE_THING={token}\nLEVEL=info\n"}, "/env"),
    lambda m, token: ({"note": f"for the nightly job: {token} (ask ops)"}, "/note"),
    lambda m, token: ({"hook": f"https://api.example.com/v1/run?k={token}&dry=1"}, "/hook"),
    lambda m, token: ({"inner": json.dumps({"a": 1, "x": token})}, "/inner"),
    lambda m, token: ({"a/b": {"c~d": token}}, "/a~1b/c~0d"),
    lambda m, token: ({"list": [{"n": 1}, {"n": 2, "it": [token]}]}, "/list/1/it/0"),
    lambda m, token: ({"header": f"X-Thing: {token}"}, "/header"),
]

PASSWORD_NAMES = ["password", "db_password", "dbPassword", "DB_PASSWORD", "smtp-password", "passwd", "admin_pwd",
                  "postgres.password", "redisPass", "keystore_passphrase", "Password", "proxy_password"]
KEY_NAMES = ["secret", "client_secret", "clientSecret", "api_key", "apiKey", "API-KEY", "access_token", "authToken",
             "jwt_secret", "SECRET_KEY", "signing_key", "encryptionKey", "session_secret", "webhook_secret",
             "datadog_api_key", "algolia_admin_api_key", "private_key", "auth_token", "cookie_secret", "hmac_key"]


def password(m):
    word = m.any("sommer", "Winter", "dragon", "Falcon", "orange", "Monkey", "berlin", "kestrel", "Marmot")
    return m.any(
        word + m.run(4, DIGITS), word.capitalize() + m.any("!", "#", "$", "?") + m.run(3, DIGITS),
        m.run(12), m.run(16, ALNUM + "!#%*+-_?"), m.run(20, ALNUM + "!@#%^&*()-_=+"), m.run(10, LOWER + DIGITS),
        word[:3] + "0" + word[3:] + m.any("!", "@", "_") + m.run(2, DIGITS), m.run(24, HEX), m.run(32),
    )


def key(m):
    return m.any(m.run(32, HEX), m.run(64, HEX), m.run(40), m.base64(32), m.base64(24), m.run(20), m.run(43, WORD),
                 m.run(24, LOWER + DIGITS), m.run(50, LOWER + DIGITS + "!@#$%^&*(-_=+)"), m.run(40, BASE64))


def named(m):
    """A random text under a name that tells, in the shapes that configs have for it."""
    kind = m.any("password", "key")
    name = m.any(*(PASSWORD_NAMES if kind == "password" else KEY_NAMES))
    secret = password(m) if kind == "password" else key(m)
    return m.any(
        ({name: secret}, "/" + name),
        ({"database": {"host": "db.internal", name: secret}}, f"/database/{name}"),
        ({"env": [{"name": "MODE", "value": "production"}, {"name": name, "value": secret}]}, "/env/1/value"),
        ({name: {"value": secret, "rotated": "2025-03-01"}}, f"/{name}/value"),
        ({"dotenv": f"MODE=prod\n{name}=\"{secret}\"\n".replace(".", "_")}, "/dotenv") if '"' not in secret else
        ({name: secret}, "/" + name),
        ({"yaml": f"host: db\n{name}: '{secret}'\nport: 5432\n"}, "/yaml"),
        ({"raw": json.dumps({"host": "db", name: secret})}, "/raw"),
        ({name + "s": [secret]}, f"/{name}s/0") if kind == "password" and not name.endswith("s") else
        ({name: secret}, "/" + name),
    )


def uri(m):
    secret = m.any(m.run(12), m.run(8, LOWER + DIGITS), m.run(24), "k" + m.run(6, DIGITS), m.run(16, ALNUM + "!*-_.~"))
    scheme, port = m.any(("postgres", 5432), ("postgresql+asyncpg", 5432), ("mysql", 3306), ("mongodb+srv", 27017),
                         ("redis", 6379), ("amqps", 5671), ("https", 443), ("smtp", 587), ("ftp", 21), ("nats", 4222))
    user = m.any("app", "billing", "svc-orders", "admin", "")
    text = f"{scheme}://{user}:{secret}@{m.any('db', 'primary')}.internal:{port}/{m.any('', 'main', 'vhost')}"
    return m.any(
        ({"url": text}, "/url"), ({"pool": {"dsn": text, "size": 5}}, "/pool/dsn"),
        ({"servers": ["https://a.example", text]}, "/servers/1"), ({"cmd": f"migrate --to {text} --yes"}, "/cmd"),
        ({"dsn": f"{user or 'app'}:{secret}@tcp(db.internal:3306)/main?parseTime=true"}, "/dsn"),
        ({"jdbc": f"jdbc:postgresql://db.internal/main?user=app&password={m.run(6)}{m.run(2, LOWER)}{m.run(2, DIGITS)}"},
         "/jdbc"),
        ({"ado": f"Server=db;Database=main;User Id=app;Password={m.run(8)}{m.run(2, LOWER)}{m.run(2, DIGITS)};Encrypt=true"},
         "/ado"),
        ({"libpq": f"host=db user=app password={m.run(9)}{m.run(2, LOWER)}{m.run(2, DIGITS)} sslmode=require"}, "/libpq"),
    )


def private_key(m):
    pem = m.pem(m.any(*PEM_LABELS))
    return m.any(
        ({"tls": {"key": pem}}, "/tls/key"), ({"files": {"id": pem.replace("\n", "\r\n")}}, "/files/id"),
        ({"inline": pem.replace("\n", "\\n")}, "/inline"), ({"encoded": base64.b64encode(pem.encode()).decode()}, "/encoded"),
        ({"bundle": m.pem("CERTIFICATE") + pem}, "/bundle"),
        ({"account": {"type": "service_account", "private_key": m.pem("PRIVATE KEY", 1218), "client_id": "1"}},
         "/account/private_key"),
        ({"ssh": "PuTTY-User-Key-" + "File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n" + m.base64(36)}, "/ssh"),
        ({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": m.base64url(m.bytes(32)), "d": m.base64url(m.bytes(32))}},
         "/jwk/d"),
    )


def http(m):
    pair = base64.b64encode(f"app:{m.run(14)}".encode()).decode()
    return m.any(({"headers": {"Authorization": f"Basic {pair}"}}, "/headers/Authorization"),
                 ({"headers": {"authorization": f"Bearer {m.run(40)}"}}, "/headers/authorization"),
                 ({"curl": f"curl -H 'Authorization: Bearer {m.run(32, HEX)}' https://api.example.com"}, "/curl"))


def labelled(seed):
    """Lines (config, pointer), with a secret and without."""
    m = Maker(seed)
    lines = [m.any(*PLACES)(m, make(m)) for make in SERVICES.values() for _ in range(6)]
    for make, count in ((named, 200), (uri, 60), (private_key, 40), (http, 20)):
        lines += [make(m) for _ in range(count)]
    lines += [(config, None) for config in HARMLESS + ordinary(m, 700)]
    m.random.shuffle(lines)
    return lines


def ordinary_configs(seed, count=2000):
    return ordinary(Maker(seed), count)


class Measured:
    """What `bench_secrets find` made of labelled lines and of ordinary configs."""

    def __init__(self, program, seed):
        lines = labelled(seed)
        self.hits, self.misses, self.false = [], [], []
        for (config, pointer), found in zip(lines, find(program, [config for config, _ in lines])):
            pointers = [there for _, there in found]
            if pointer is not None:
                (self.hits if pointer in pointers else self.misses).append((config, found))
            if any(there != pointer for there in pointers):
                self.false.append((config, found))
        self.lines = len(lines)
        self.services = len(SERVICES)
        self.precision = len(self.hits) / (len(self.hits) + len(self.false))
        self.recall = len(self.hits) / (len(self.hits) + len(self.misses))
        configs = ordinary_configs(seed + 1)
        self.ordinary = len(configs)
        self.alarms = [(config, found) for config, found in zip(configs, find(program, configs)) if found]


def find(program, configs):
    """What is found in each config: lists of rule and pointer."""
    lines = "".join(json.dumps(config, ensure_ascii=False) + "\n" for config in configs)
    done = subprocess.run([program, "find"], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line)["found"] for line in done.stdout.splitlines()]
