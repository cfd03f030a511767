"""Passwords: which are allowed, and their hashes (scrypt, RFC 7914).

werkzeug writes the parameters of scrypt into each hash, so they can be raised: older hashes still work.
"""

from __future__ import annotations

import functools
from pathlib import Path

from werkzeug.security import check_password_hash, generate_password_hash

MIN_CHARACTERS = 12
# More would only cost time.
MAX_CHARACTERS = 200
# Of the 20,000 most common passwords that Royce Williams took from Have I Been Pwned, and of the 30,000 in Dropbox's
# zxcvbn, those that are long enough. The others are refused for their length.
COMMON_PASSWORDS = Path(__file__).with_name("common_passwords.txt")
MIN_DIFFERENT_CHARACTERS = 5
# The default of werkzeug: N = 2^15, r = 8, p = 1.
METHOD = "scrypt:32768:8:1"
# A hash with the same parameters that belongs to no password. It is not computed, so the first attempt for an unknown
# account takes no longer than the others.
DUMMY_HASH = f"{METHOD}$salt-of-no-account${'0' * 128}"


class WeakPassword(ValueError):
    """A password is not allowed; the message says why and what to do, and `details` says the same for programs."""

    def __init__(self, message: str, **details: str | int) -> None:
        super().__init__(message)
        self.details = details


def check_password(password: str, *known_texts: str) -> None:
    """Raise `WeakPassword` if a new password is not allowed.

    `known_texts` are texts that others know of the person, such as the email address.
    """
    if len(password) < MIN_CHARACTERS:
        raise WeakPassword(
            f"The password needs at least {MIN_CHARACTERS} characters; this has {len(password)}.",
            reason="too_short",
            limit=MIN_CHARACTERS,
            characters=len(password),
        )
    if len(password) > MAX_CHARACTERS:
        raise WeakPassword(
            f"The password can have at most {MAX_CHARACTERS} characters; this has {len(password)}.",
            reason="too_long",
            limit=MAX_CHARACTERS,
            characters=len(password),
        )
    folded = password.strip().lower()
    if folded in _common_passwords() or len(set(folded)) < MIN_DIFFERENT_CHARACTERS:
        raise WeakPassword("This password is one of the most common ones. Choose another one.", reason="common")
    if folded in {text.strip().lower() for text in known_texts}:
        raise WeakPassword(
            "The password must not be the name or the email address. Choose another one.", reason="known"
        )


def hash_password(password: str) -> str:
    """Return the hash of a password, with a new salt. It takes about a tenth of a second."""
    return generate_password_hash(password, method=METHOD)


def matches(password: str, password_hash: str | None) -> bool:
    """Return whether a password belongs to a hash.

    Without a hash, as for an unknown account, the answer is False and takes as long.
    """
    is_match = check_password_hash(password_hash or DUMMY_HASH, password[:MAX_CHARACTERS])
    return is_match and password_hash is not None and len(password) <= MAX_CHARACTERS


@functools.cache
def _common_passwords() -> frozenset[str]:
    return frozenset(COMMON_PASSWORDS.read_text(encoding="ascii").splitlines())
