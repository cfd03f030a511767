"""Webhooks: which events there are, and how a request is signed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

EVENTS = {
    "product.created": "A product was created.",
    "product.updated": "A product was changed.",
    "product.deleted": "A product was deleted.",
    "product.bulk_deleted": "Many products were deleted at once.",
    "products.imported": "An import created or changed these products, at most 500 a request.",
    "import.completed": "An import has ended; the counts say what it did.",
    "import.failed": "An import could not be carried out.",
}
SECRET_PREFIX = "whsec_"  # noqa: S105


def secret_bytes(secret: str) -> bytes:
    """The key that a secret stands for: base64 behind `whsec_`, else the UTF-8 bytes of the text itself.

    Raises `ValueError` when what follows the prefix is not base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("The part behind whsec_ is not base64.") from None


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Returns the `webhook-signature` of a request after Standard Webhooks 1.0; `timestamp` is in Unix seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
