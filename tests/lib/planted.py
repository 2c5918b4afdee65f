"""Secrets that tests give to the programs, and the search for them in all that the programs say.

Whatever makes a token, a key or a password for a test plants it here. At the end of each program its
logs are searched (conftest.py), the audit and the access log included."""

import itertools

PLANTED = {}  # secret: what it is

_numbers = itertools.count(1)


def plant(secret, what):
    """Notes a secret; returns it."""
    assert len(secret) >= 12, "a shorter text may be there by chance"
    PLANTED[secret.encode() if isinstance(secret, str) else secret] = what
    return secret


def plant_key(pem):
    """Notes the lines of a private key."""
    for line in pem.splitlines():
        if len(line) >= 40 and not line.startswith("-----"):
            plant(line, "a line of a private key")
    return pem


def marker(what):
    """A new text that stands for a secret."""
    return plant(f"planted{next(_numbers)}hush{what.replace(' ', '')}", what)


def found_in(data):
    return sorted({what for secret, what in PLANTED.items() if secret in data})


def assert_none_in(data, where):
    data = data.encode() if isinstance(data, str) else data
    assert found_in(data) == [], f"{where} has {found_in(data)}"


def assert_none_in_logs(folder):
    for log in sorted(folder.glob("*.log*")):
        assert_none_in(log.read_bytes(), log)
