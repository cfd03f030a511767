"""Secret tokens: those of sessions and links, and API keys. The database only has their SHA-256.

Tokens have 190 random bits or more, so a fast hash is enough: nobody can try them all.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

TOKEN_BYTES = 32
KEY_PREFIX = "acme_"
KEY_CHARACTERS = 32
CHECKSUM_CHARACTERS = 6
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# How much of a key is shown, so that people recognise it.
SHOWN_PREFIX_CHARACTERS = len(KEY_PREFIX) + 4
SHOWN_SUFFIX_CHARACTERS = 4


def create_token() -> str:
    """Return a new token of 43 characters that a URL and a cookie can hold."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return the SHA-256 of a token or a key."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def create_key() -> str:
    """Return a new API key: `acme_`, 32 random characters and a checksum of 6 characters.

    As with the tokens of GitHub, the checksum is the CRC-32 of what comes before it, in base 62. It lets scanners for
    leaked secrets, and this server, recognise a mistyped key without a query.
    """
    body = KEY_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(KEY_CHARACTERS))
    return body + _checksum(body)


def is_well_formed_key(key: str) -> bool:
    """Return whether a text has the form of an API key and the right checksum."""
    length = len(KEY_PREFIX) + KEY_CHARACTERS + CHECKSUM_CHARACTERS
    if len(key) != length or not key.startswith(KEY_PREFIX) or not key.isascii():
        return False
    return _checksum(key[:-CHECKSUM_CHARACTERS]) == key[-CHECKSUM_CHARACTERS:]


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
