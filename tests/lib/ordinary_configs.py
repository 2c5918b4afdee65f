"""Configs as services have them, without a secret, made from a seed. Many of their values look like one:
hashes, ids, public keys, references, placeholders, names of secrets. `m` is a Maker of secret_set.py."""

import base64
import json

LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
ALNUM, HEX = DIGITS + UPPER + LOWER, DIGITS + "abcdef"

# Written by hand, each as a config may have it.
HARMLESS = [
    # References and where secrets are kept
    {"password": "${env:DB_PASSWORD}"}, {"password": "${DB_PASSWORD}"}, {"password": "$DB_PASSWORD"},
    {"password": "%DB_PASSWORD%"}, {"password": "{{ .Values.db.password }}"}, {"password": "${file:/run/secrets/db}"},
    {"password": "vault:secret/data/billing#password"}, {"password": "secret://prod/billing/db1/PassWord99"},
    {"api_key": "op://Production/Stripe-2024/credential"}, {"token": "ref+awsssm://prod/Billing2/Token9"},
    {"secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/Billing-AbC12x"},
    {"secret": "projects/4711/secrets/billing-Key9/versions/7"}, {"db_password": "/run/secrets/db_password"},
    {"token": "file:/var/run/secrets/kubernetes.io/serviceaccount/token"}, {"password": "env:PGPASSWORD_9"},
    {"client_secret": "@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net/secrets/Db9/1)"},
    {"password": "ENC[AES256_GCM,data:p673w7Yq,iv:9aB3,tag:zz,type:str]"}, {"password": "{cipher}AQB8fz3dZ19kQp"},
    {"password": "ENC(G6N718UuyPE5bHyWKyuLQSm02auQPUtm)"}, {"password": "$ANSIBLE_VAULT;1.1;AES256"},
    {"passwordFile": "/etc/app/db.pass"}, {"password_file": "/run/secrets/Db1"}, {"secretName": "billing-db-9f8e7d6c5b"},
    {"secretKeyRef": {"name": "billing-db", "key": "password"}}, {"vault": {"path": "secret/data/app", "field": "token"}},
    {"url": "postgres://app:${env:DB_PASSWORD}@db/main"}, {"url": "postgres://app:$DB_PASSWORD@db/main"},
    {"url": "amqp://{{user}}:{{password}}@mq:5672/"}, {"url": "https://user:<password>@host/"},
    {"jdbc": "jdbc:mysql://db/main?user=app&password=${DB_PASSWORD}"}, {"env": "DB_PASSWORD=${env:DB_PASSWORD}\nX=1"},
    {"dotenv": "API_KEY=\nDB_PASSWORD=$(cat /run/secrets/db)\n"},
    # Placeholders and defaults that everybody knows
    {"password": "changeme"}, {"password": "CHANGE_ME"}, {"password": "<your-password>"}, {"password": "xxxxxxxxxxxx"},
    {"password": "********"}, {"password": "password123"}, {"api_key": "YOUR_API_KEY_HERE"}, {"token": "insert-token-here"},
    {"secret": "example-secret-value"}, {"api_key": "REPLACE_WITH_YOUR_KEY"}, {"password": ""}, {"password": None},
    {"token": "dummy-token-for-tests"}, {"apiKey": "[REDACTED]"}, {"secret": "(hidden)"}, {"password": "admin"},
    {"url": "amqp://guest:guest@localhost:5672/"}, {"url": "postgres://postgres:postgres@localhost/dev"},
    {"url": "mysql://root:password@127.0.0.1/dev"}, {"aws_access_key_id": "AKIA" + "IOSFODNN7EXAMPLE"},
    {"aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"}, {"key": "AKIA" + "XXXXXXXXXXXXXXXX"},
    {"token": "ghp_" + "x" * 36}, {"token": "sk_test_" + "your_key_here_0000"}, {"hint": "starts with sk_live_"},
    {"help": "Paste the key, from -----BEGIN " + "PRIVATE KEY----- to -----END " + "PRIVATE KEY-----"},
    {"password": "12345678"}, {"pin": "4711"}, {"password": "secret"}, {"passcode": "0000000000"},
    # Names that only look telling
    {"password_policy": {"min_length": 12, "classes": "Upper,Lower,Digit9"}}, {"password_hash_algorithm": "argon2id"},
    {"token_url": "https://login.example.com/oauth2/v2.0/token"}, {"tokenizer": "bert-base-uncased-v2"},
    {"token_ttl": "PT15M"}, {"max_tokens": 4096}, {"token_type": "Bearer"}, {"tokens_per_minute": 90000},
    {"access_token_lifetime": "3600s"}, {"token_endpoint_auth_method": "client_secret_basic"}, {"secret_rotation": "P90D"},
    {"key": "user:{id}:profile:v2"}, {"partition_key": "tenant_id"}, {"primary_key": "order_id"}, {"sort_key": "SK#2024"},
    {"routing_key": "orders.created.v1"}, {"cache_key": "profile-v12-eu"}, {"keyboard": "qwertz"}, {"monkey": "Abu12345678"},
    {"api_key_header": "X-Api-Key-V2"}, {"apiKeyHeaderName": "x-acme-api-key"}, {"secret_store": "aws-secrets-manager"},
    {"auth": {"type": "oauth2", "scopes": ["openid", "profile", "offline_access"]}}, {"compass": "NNE-22.5-deg"},
    {"passthrough": "Accept-Language9"}, {"bypass": "10.0.0.0/8,*.internal"}, {"csrf": {"cookie": "XSRF-TOKEN"}},
    {"author": "Passmore, J."}, {"authorization": "enabled"}, {"authorization_url": "https://idp.example/authorize"},
    {"password": "minimum 12 characters, 1 digit"}, {"labels": {"password": "Passwort"}}, {"labels": {"token": "Zugangstoken"}},
    {"messages": {"forgot_password": "Passwort vergessen?"}}, {"i18n": {"password": "密码"}}, {"password": "Contraseña nueva"},
    {"text": "The password must have 8 characters: letters, digits, symbols."}, {"text": "token: see the vault"},
    {"password_regex": "^(?=.*[A-Z])(?=.*[0-9]).{12,}$"}, {"token": "^[A-Za-z0-9_-]{43}$"}, {"secret": "[a-f0-9]{64}"},
    {"password": "app@example.com"}, {"password_reset_url": "https://app.example.com/reset?step=1"},
    {"secret": "billing-db-credentials"}, {"secret": "prod/billing/db-primary"}, {"credentials": "instance-profile"},
    {"credentials": {"source": "environment", "profile": "billing-prod-2"}}, {"token": "kubernetes-service-account"},
    {"secrets": {"database": "billing-database-primary", "queue": "billing-queue-main"}},
    {"tokens": {"issuer": "https://idp.example.com/realms/main", "audience": "billing-api-v2"}},
    {"encoder": "org.springframework.security.crypto.bcrypt.BCryptPasswordEncoder"},
    {"password": "BCryptPasswordEncoder"}, {"token": "com.acme.auth.JwtTokenProvider"}, {"secret": "SecretProviderFactory"},
    # Hashes, ids, fingerprints
    {"password": "$2b$12$KIXQ4zqv8b1Q0y2yR5e6UuWq7pTn3mF5sL0aVbCdEfGhIjKlMnOpQ"}, {"password": "{SSHA}9x2kQp7Lm4Nz8Rv1Tc6Yb3"},
    {"password": "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b"}, {"password": "SCRAM-SHA-256$4096:9aBc=="},
    {"password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}, {"token_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c"},
    {"token": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    {"client_id": "0oa1b2c3d4E5f6G7h8i9"}, {"tenant": "72f988bf-86f1-41af-91ab-2d7cd011db47"},
    {"secret": "72f988bf-86f1-41af-91ab-2d7cd011db47"}, {"api_key": "123e4567-e89b-12d3-a456-426614174000"},
    {"commit": "9fceb02d0ae598e95dc970b74767f19372d61af8"}, {"etag": "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""},
    {"image": "registry.example.com/app@sha256:" + "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"},
    {"integrity": "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC"},
    {"fingerprint": "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"}, {"serial": "04:00:00:00:00:01:15:4B:5A:C3:94"},
    {"ulid": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, {"trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    {"object_id": "507f1f77bcf86cd799439011"}, {"account": "GB29NWBK60161331926819"}, {"vin": "1HGCM82633A004352"},
    # Public keys and the like
    {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ops"},
    {"recipient": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"}, {"stripe": "pk_live_" + "51H8aBcDeFgHiJkLmNoPqRsT"},
    {"jwk": {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}},
    {"sentry_dsn": "https://9f8e7d6c5b4a39281706f5e4d3c2b1a0@o447951.ingest.sentry.io/5429219"},
    {"posthog": "phc_" + "Xx9yAbCdEfGhIjKlMnOpQrStUvWxYz0123456789abc"}, {"mapbox": "pk.eyJ" + "1IjoiYWNtZSIsImEiOiJjazEifQ.AbCdEfGhIjKlMn"},
    {"recaptcha_site_key": "6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI"}, {"vapid_public_key": "BNJxwHmq8s3l1hA5m0p9R2z7"},
    {"git": "ssh://git@github.com/acme/app.git"}, {"git": "git@github.com:acme/app.git"}, {"smtp": "smtp://relay.internal:587"},
    {"proxy": "http://proxy.internal:3128"}, {"url": "https://[2001:db8::1]:8443/x@y"}, {"url": "redis://cache.internal:6379/0"},
    {"mongodb": "mongodb://app@db1:27017,db2:27017/main?authSource=admin"}, {"mention": "see https://a.example/@user:name"},
    # Long words, paths, versions, formats
    {"class": "org.apache.kafka.common.security.plain.PlainLoginModule"}, {"arn": "arn:aws:iam::123456789012:role/Billing-Prod-9x"},
    {"cron": "0 3 * * 1-5"}, {"layout": "%d{yyyy-MM-dd HH:mm:ss.SSS} [%thread] %-5level %logger{36} - %msg%n"},
    {"format": "{\"ts\":\"%(asctime)s\",\"level\":\"%(levelname)s\"}"}, {"csp": "default-src 'self'; script-src 'self' 'nonce-{n}'"},
    {"glob": "**/*.{ts,tsx,js,jsx}"}, {"sql": "SELECT token FROM sessions WHERE token = :token AND expires > now()"},
    {"query": "sum(rate(http_requests_total{job=\"api\",code=~\"5..\"}[5m])) by (pod)"}, {"go": "2006-01-02T15:04:05Z07:00"},
    {"svg": "M10 10h80v80h-80zM20 20l60 60"}, {"gif": "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"},
    {"feature": "EXPERIMENT_2024_Q3_NewCheckoutFlow_v2"}, {"bucket": "acme-prod-eu-west-1-logs-a1b2c3d4"},
    {"user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"},
    {"locale": "zh-Hant-TW-u-ca-roc"}, {"mime": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"k8s": "billing-7d9f8b6c5d-x2k4q"}, {"host": "ip-10-0-12-34.eu-west-1.compute.internal"}, {"mac": "02:42:ac:11:00:02"},
    {"eyJ": "eyJ"}, {"note": "header.payload.signature"}, {"jwt_header": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"},
    {"cert": "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ2k1vB7xY3z9kqFz5nRk0l3b8Q0wCgYIKoZIzj0EAwIw\n-----END CERTIFICATE-----"},
    {"pub": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQ2k1vB7xY3z9kqFz5nRk0l3b8Q0w\n-----END PUBLIC KEY-----"},
    {"pgp": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ2k1vB7xY3z9kqFz5nRk0l3b8Q0wCgYIKoZIzj0EAwIw\n-----END PGP PUBLIC KEY BLOCK-----"},
]


def word(m):
    return m.any("billing", "orders", "catalog", "search", "gateway", "checkout", "ledger", "stock", "mail", "report", "media",
                 "profile", "pricing", "shipping", "session", "audit", "export", "import", "render", "risk")


def host(m):
    return m.any(f"{word(m)}.internal", f"{word(m)}-{m.random.randrange(9)}.eu-west-1.example.com", "127.0.0.1",
                 f"10.{m.random.randrange(256)}.{m.random.randrange(256)}.{m.random.randrange(256)}",
                 f"{word(m)}.{word(m)}.svc.cluster.local", f"ip-10-0-{m.random.randrange(256)}-7.ec2.internal")


# What a config is put together from: a name and its value.
PARTS = [
    lambda m: ("database", {"host": host(m), "port": 5432, "name": word(m), "user": word(m), "sslmode": "verify-full",
                            "password": m.any("${env:DB_PASSWORD}", f"vault:secret/data/{word(m)}#password", "changeme", "")}),
    lambda m: ("redis", {"url": f"redis://{host(m)}:6379/{m.random.randrange(16)}", "ttl_seconds": 300, "key_prefix": word(m) + ":v2:"}),
    lambda m: ("kafka", {"brokers": [f"{host(m)}:9092" for _ in range(3)], "group": f"{word(m)}-consumer-{m.run(5, LOWER + DIGITS)}",
                         "sasl": {"mechanism": "SCRAM-SHA-512", "username": word(m), "password": "${file:/run/secrets/kafka}"}}),
    lambda m: ("log", {"level": m.any("INFO", "DEBUG"), "format": "%(asctime)s %(levelname)s %(name)s: %(message)s", "json": True}),
    lambda m: ("features", {f"{word(m)}_{m.any('v2', 'beta', '2024')}": m.any(True, False) for _ in range(5)}),
    lambda m: ("image", f"registry.example.com/{word(m)}:{m.random.randrange(9)}.{m.random.randrange(99)}.0-{m.run(7, HEX)}"),
    lambda m: ("image_digest", "sha256:" + m.run(64, HEX)), lambda m: ("git_commit", m.run(40, HEX)),
    lambda m: ("build", {"id": m.uuid(), "time": "2025-11-03T14:22:07.123Z", "sha": m.run(12, HEX)}),
    lambda m: ("tenant_id", m.uuid()), lambda m: ("client_id", m.run(20, LOWER + DIGITS)),
    lambda m: ("oauth", {"client_id": m.uuid(), "client_secret": m.any("${env:CLIENT_SECRET}", "secret://idp/client"),
                         "token_url": f"https://login.example.com/{m.uuid()}/oauth2/v2.0/token", "scopes": ["read:all", "write:own"]}),
    lambda m: ("jwks_uri", "https://idp.example.com/.well-known/jwks.json"),
    lambda m: ("jwk", {"kty": "RSA", "kid": m.run(12), "use": "sig", "e": "AQAB", "n": m.base64url(m.bytes(256))}),
    lambda m: ("ca", m.pem("CERTIFICATE", 700)), lambda m: ("public_key", m.pem("PUBLIC KEY", 91)),
    lambda m: ("authorized_key", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ" + m.run(300, ALNUM + "+/") + f" {word(m)}@{word(m)}"),
    lambda m: ("s3", {"bucket": f"acme-{word(m)}-{m.run(8, HEX)}", "region": "eu-central-1", "kms_key_id": m.uuid(),
                      "role": f"arn:aws:iam::{m.run(12, DIGITS)}:role/{word(m).title()}Role"}),
    lambda m: ("sentry_dsn", f"https://{m.run(32, HEX)}@o{m.run(6, DIGITS)}.ingest.sentry.io/{m.run(7, DIGITS)}"),
    lambda m: ("cors", {"origins": [f"https://{word(m)}.example.com" for _ in range(3)], "max_age": 600}),
    lambda m: ("schedule", {"cron": m.any("*/5 * * * *", "0 3 * * 1"), "timezone": "Europe/Berlin", "jitter": "PT30S"}),
    lambda m: ("limits", {"rate": 1000.5, "burst": 200, "bytes": 1 << 20, "per": "1m"}),
    lambda m: ("texts", {"title": "Willkommen zurück!", "password": "Passwort", "forgot": "Passwort vergessen?", "token": "Code aus der App"}),
    lambda m: ("help", "Set the password with --password-file; tokens are read from /run/secrets/token."),
    lambda m: ("template", f"Hello {{{{name}}}}, your order {{{{order.id}}}} ({word(m)}) has shipped."),
    lambda m: ("regex", {"sku": "^[A-Z]{3}-[0-9]{6}$", "token": "^[A-Za-z0-9_-]{20,}$", "uuid": "[0-9a-f]{8}-[0-9a-f]{4}"}),
    lambda m: ("sql", f"SELECT id, token FROM {word(m)} WHERE key = $1 AND secret IS NOT NULL ORDER BY id LIMIT 100"),
    lambda m: ("promql", f"histogram_quantile(0.99, sum(rate({word(m)}_seconds_bucket[5m])) by (le))"),
    lambda m: ("integrity", "sha384-" + m.base64(48)), lambda m: ("etag", f"W/\"{m.run(32, HEX)}\""),
    lambda m: ("icon", "data:image/png;base64," + m.base64(m.any(60, 300, 900))), lambda m: ("font", m.base64(400)),
    lambda m: ("checksum", m.run(64, HEX)), lambda m: ("md5", m.run(32, HEX)), lambda m: ("signature_public", m.base64(64)),
    lambda m: ("trace_id", m.run(32, HEX)), lambda m: ("ulid", "01" + m.run(24, "0123456789ABCDEFGHJKMNPQRSTVWXYZ")),
    lambda m: ("object_id", m.run(24, HEX)), lambda m: ("iban", "DE" + m.run(20, DIGITS)), lambda m: ("short_id", m.run(11, ALNUM + "-_")),
    lambda m: ("ids", [m.run(22) for _ in range(4)]), lambda m: ("experiments", {m.run(10): m.random.random() for _ in range(3)}),
    lambda m: ("pod", f"{word(m)}-{m.run(10, LOWER + DIGITS)}-{m.run(5, LOWER + DIGITS)}"),
    lambda m: ("endpoint", f"https://{host(m)}/v{m.random.randrange(9)}/{word(m)}?limit=100&sort=-created_at&cursor={m.run(24)}"),
    lambda m: ("webhook", f"https://{word(m)}.example.com/hooks/{m.uuid()}"), lambda m: ("youtube", f"https://youtu.be/{m.run(11, ALNUM + '-_')}"),
    lambda m: ("maps", f"https://maps.example.com/place/@52.{m.run(6, DIGITS)},13.{m.run(6, DIGITS)},15z"),
    lambda m: ("stripe_public", "pk_" + "live_" + m.run(24)), lambda m: ("analytics", "G-" + m.run(10, UPPER + DIGITS)),
    lambda m: ("gtm", "GTM-" + m.run(7, UPPER + DIGITS)), lambda m: ("firebase_app_id", f"1:{m.run(12, DIGITS)}:web:{m.run(22, HEX)}"),
    lambda m: ("java", {"class": f"com.acme.{word(m)}.{word(m).title()}TokenProviderFactoryBean", "opts": "-Xmx2g -XX:+UseG1GC"}),
    lambda m: ("password_policy", {"min_length": 12, "hash": "argon2id", "rotate": "P90D", "history": 5}),
    lambda m: ("users", [{"name": word(m), "password_hash": "$2b$12$" + m.run(53, ALNUM + "./")} for _ in range(2)]),
    lambda m: ("htpasswd", f"{word(m)}:$apr1${m.run(8)}${m.run(22)}"), lambda m: ("secret_name", f"{word(m)}-tls-{m.run(5, LOWER + DIGITS)}"),
    lambda m: ("secrets", {"db": f"prod/{word(m)}/database", "mq": f"prod/{word(m)}/queue"}),
    lambda m: ("env", [{"name": "LOG_LEVEL", "value": "info"}, {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": word(m), "key": "password"}}}]),
    lambda m: ("yaml", f"server:\n  host: {host(m)}\n  port: 8080\n  token: ${{TOKEN}}\n  password: changeme\n"),
    lambda m: ("properties", f"spring.datasource.url=jdbc:postgresql://{host(m)}/{word(m)}\nspring.datasource.password=${{DB_PASSWORD}}\n"),
    lambda m: ("nginx", "location /api { proxy_pass http://upstream; proxy_set_header Authorization $http_authorization; }"),
    lambda m: ("embedded", json.dumps({"host": host(m), "password": "${env:P}", "id": m.uuid()})),
    lambda m: ("avro", json.dumps({"type": "record", "name": "Session", "fields": [{"name": "token", "type": "string"}, {"name": "secret", "type": "bytes"}]})),
    lambda m: ("openapi", {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}}),
    lambda m: ("encoded_list", base64.b64encode(json.dumps([word(m) for _ in range(6)]).encode()).decode()),
    lambda m: ("phone", "+49 30 901820"), lambda m: ("mail", f"{word(m)}-team@example.com"), lambda m: ("color", "#" + m.run(6, HEX)),
    lambda m: ("coordinates", [52.5200066, 13.404954]), lambda m: ("version", f"v{m.random.randrange(9)}.{m.random.randrange(30)}.1+build.{m.run(8, HEX)}"),
    lambda m: ("matrix", [[m.random.random() for _ in range(3)] for _ in range(3)]), lambda m: ("blob", m.run(120)),
    lambda m: ("license_text", "Permission is hereby granted, free of charge, to any person obtaining a copy of this software."),
    lambda m: ("timeouts", {"connect_ms": 500, "read_ms": 2000, "token_refresh": "PT5M"}), lambda m: ("locale", m.any("de-DE", "en-GB", "zh-Hant-TW")),
]


def ordinary(m, count):
    """So many configs of 3 to 12 parts each."""
    configs = []
    for _ in range(count):
        parts = dict(part(m) for part in m.random.sample(PARTS, m.random.randrange(3, 13)))
        configs.append(m.any(parts, parts, {"service": word(m), "settings": parts}, {"environments": {m.any("dev", "prod"): parts}}))
    return configs
