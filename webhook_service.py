"""Webhooks: which events there are, how one is written beside the change that it tells of, how a request is signed.

An event and its deliveries are rows that are written in the transaction of the change: none without the other, whatever
dies. `webhooks/` has what happens to them then: a deliverer, told by PostgreSQL, makes signed requests of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

EVENTS = {
    "product.created": "A product was created.",
    "product.updated": "A product was changed.",
    "product.deleted": "A product was deleted.",
    "product.bulk_deleted": "Many products were deleted at once.",
    "products.imported": "An import created or changed these products, at most 500 a request.",
    "import.completed": "An import has ended; the counts say what it did.",
    "import.failed": "An import could not be carried out.",
}
ALL_EVENTS = "*"
BATCH_PRODUCTS = 500

SECRET_PREFIX = "whsec_"  # noqa: S105
SECRET_BYTES = 24
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
MAX_SECRET_CHARACTERS = 255
MASK = "••••••••"
SHOWN_OF_SECRET = 4

# So many ids are together in a row; a deliverer reads all of a row's to take the next few.
IDS_PER_EVENT = 25_000

SUBSCRIBED = "string_to_array(replace(w.event_type, ' ', ''), ',') && ARRAY['*', {event}]"
RECORD = f"""
WITH receivers AS MATERIALIZED (
    SELECT id FROM webhooks w WHERE enabled AND {SUBSCRIBED.format(event="%(event)s")}
), event AS (
    INSERT INTO webhook_events (type, body) SELECT %(event)s, %(body)s WHERE EXISTS (SELECT FROM receivers) RETURNING id
)
INSERT INTO webhook_deliveries (webhook_id, event_id) SELECT receivers.id, event.id FROM receivers, event
"""
WANTS_IMPORTED = f"""
SELECT EXISTS (SELECT FROM webhooks w WHERE enabled AND ({SUBSCRIBED.format(event="'products.imported'")}
    OR imports = 'each' AND ({SUBSCRIBED.format(event="'product.created', 'product.updated'")})))
"""

# Parts of statements that write products and have their ids in the CTEs `inserted` and `updated`. One row holds them
# all: what they are cut into is only written when it is due, a few deliveries at a time.
TELL_IMPORTED = f""", ids AS MATERIALIZED (
    SELECT (SELECT array_agg(id) FROM inserted) AS created, (SELECT array_agg(id) FROM updated) AS updated
), cuts AS MATERIALIZED (
    SELECT w.id AS webhook_id, c.cut, c.parts
    FROM (
        SELECT coalesce(cardinality(created), 0) AS new, coalesce(cardinality(updated), 0) AS changed FROM ids
    ) numbers
    CROSS JOIN webhooks w
    CROSS JOIN LATERAL (VALUES
        ('batch', (new + changed + {BATCH_PRODUCTS} - 1) / {BATCH_PRODUCTS},
            {SUBSCRIBED.format(event="'products.imported'")}),
        ('created', new, w.imports = 'each' AND {SUBSCRIBED.format(event="'product.created'")}),
        ('updated', changed, w.imports = 'each' AND {SUBSCRIBED.format(event="'product.updated'")})
    ) c (cut, parts, wanted)
    WHERE w.enabled AND c.wanted AND c.parts > 0
), event AS (
    INSERT INTO webhook_events (type, task_id, created, updated)
    SELECT 'products.imported', {{task_id}}, created, updated FROM ids WHERE EXISTS (SELECT FROM cuts) RETURNING id
), told AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)
    SELECT webhook_id, event.id, cut, parts FROM cuts, event
)"""
TELL_UPDATED = f""", receivers AS MATERIALIZED (
    SELECT id FROM webhooks w WHERE enabled AND {SUBSCRIBED.format(event="'product.updated'")}
), event AS (
    INSERT INTO webhook_events (type, updated)
    SELECT 'product.updated', array_agg(id) FROM (
        SELECT id, (row_number() OVER () - 1) / {IDS_PER_EVENT} AS portion FROM updated
    ) numbered WHERE EXISTS (SELECT FROM receivers) GROUP BY portion ORDER BY portion
    RETURNING id, cardinality(updated) AS parts
), told AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)
    SELECT receivers.id, event.id, 'updated', event.parts FROM event, receivers
)"""


def record(cursor: Cursor, event: str, content: Mapping[str, Any]) -> None:
    """Writes the event and a delivery for each webhook that wants it, in the caller's transaction.

    `content` is what the body has beside `event`. Where no webhook wants it nothing is written.
    """
    if event not in EVENTS:
        raise ValueError(f"There is no event {event}.")
    cursor.execute(RECORD, {"event": event, "body": body_of(event, content)})


def wants_imported(cursor: Cursor) -> bool:
    """Whether any webhook wants to be told of the products that an import writes."""
    cursor.execute(WANTS_IMPORTED)
    return cursor.fetchone() == (True,)


def tell_imported(task_id: str) -> sql.Composable:
    """The part TELL_IMPORTED of a statement, for the import `task_id`."""
    return sql.SQL(TELL_IMPORTED).format(task_id=sql.Literal(task_id))


def body_of(event: str, content: Mapping[str, Any]) -> str:
    """The body of a request, as JSON."""
    return json.dumps({"event": event, **content}, ensure_ascii=False, separators=(",", ":"))


def new_secret() -> str:
    """A secret as Standard Webhooks 1.0 has them: `whsec_` and the base64 of 24 random bytes."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_secret(secret: str) -> None:
    """Raises `ValueError` with a sentence where a secret cannot be used."""
    if len(secret) > MAX_SECRET_CHARACTERS:
        raise ValueError(f"At most {MAX_SECRET_CHARACTERS} characters are allowed, these are {len(secret)}.")
    length = len(secret_bytes(secret))
    if secret.startswith(SECRET_PREFIX) and not MIN_SECRET_BYTES <= length <= MAX_SECRET_BYTES:
        raise ValueError(
            f"The base64 behind {SECRET_PREFIX} must hold {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, not {length}."
        )


def masked(secret: str | None) -> str | None:
    """A secret as lists show it: nobody can sign with that, and somebody who knows it can tell it from another."""
    if secret is None:
        return None
    return MASK + (secret[-SHOWN_OF_SECRET:] if len(secret) > 2 * SHOWN_OF_SECRET else "")


def is_masked(secret: str) -> bool:
    """Whether this is not a secret, but what `masked` made of one."""
    return secret.startswith(MASK)


def secret_bytes(secret: str) -> bytes:
    """The key that a secret stands for: base64 behind `whsec_`, else the UTF-8 bytes of the text itself.

    Raises `ValueError` when what follows the prefix is not base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"The part behind {SECRET_PREFIX} is not base64.") from None


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Returns the `webhook-signature` of a request after Standard Webhooks 1.0; `timestamp` is in Unix seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def headers(used_secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a request after Standard Webhooks 1.0, with a signature for each secret that is in use."""
    signature = " ".join(sign(secret, message_id, timestamp, body) for secret in used_secrets)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        **({"webhook-signature": signature} if signature else {}),
    }
