"""Secrets and signatures as defined by Standard Webhooks 1.0: https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable

SECRET_PREFIX = "whsec_"  # noqa: S105
SECRET_BYTES = 24
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
MAX_SECRET_CHARACTERS = 255
MASK = "••••••••"
SHOWN_SECRET_CHARACTERS = 4


def create_secret() -> str:
    """Return a new secret: `whsec_` and 24 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_secret(secret: str) -> None:
    """Raise `ValueError` with a sentence if a secret cannot be used."""
    if len(secret) > MAX_SECRET_CHARACTERS:
        raise ValueError(f"At most {MAX_SECRET_CHARACTERS} characters are allowed; this secret has {len(secret)}.")
    length = len(decode_secret(secret))
    if secret.startswith(SECRET_PREFIX) and not MIN_SECRET_BYTES <= length <= MAX_SECRET_BYTES:
        raise ValueError(
            f"The base64 after {SECRET_PREFIX} must hold {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, not {length}."
        )


def mask_secret(secret: str | None) -> str | None:
    """Return a secret as lists show it: masked, except for its last characters if it is long. None stays None."""
    if secret is None:
        return None
    return MASK + (secret[-SHOWN_SECRET_CHARACTERS:] if len(secret) > 2 * SHOWN_SECRET_CHARACTERS else "")


def is_masked(secret: str) -> bool:
    """Return whether a text is a masked secret."""
    return secret.startswith(MASK)


def decode_secret(secret: str) -> bytes:
    """Return the signing key of a secret: the base64 after `whsec_`, otherwise the UTF-8 bytes of the text.

    Raises `ValueError` if the text after the prefix is not base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"The part after {SECRET_PREFIX} is not base64.") from None


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return a signature for the header `webhook-signature`; `timestamp` is in Unix seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(decode_secret(secret), signed, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def request_id_header(request_id: str | None) -> dict[str, str]:
    """Return the header that names the request to the API that caused an event; nothing if it is not known."""
    return {"x-request-id": request_id} if request_id else {}


def sign_headers(active_secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a request, with one signature for each active secret."""
    signature = " ".join(sign(secret, message_id, timestamp, body) for secret in active_secrets)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        **({"webhook-signature": signature} if signature else {}),
    }
