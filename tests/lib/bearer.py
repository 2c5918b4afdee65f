"""Bearer tokens, as `confregd access token` makes them."""

import binascii
import hashlib
import secrets

from planted import plant

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(number, n):
    digits = ""
    for _ in range(n):
        number, digit = divmod(number, 62)
        digits = DIGITS[digit] + digits
    return digits


def new_token():
    """As `confregd access token` makes them."""
    text = "cfr_" + base62(int.from_bytes(secrets.token_bytes(32), "big"), 43)
    return plant(text + base62(binascii.crc32(text.encode()), 6), "a token")


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()
