"""Expands an event with many products into deliveries, a few at a time, after the earlier ones were sent.

The event holds product ids. The body of a delivery has the products as they are when it is written. A product that was
deleted by then is listed as `gone` in a batch, and gets no delivery of its own. Of products that an import deletes, the
event holds all columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from database.serializers import PRODUCT_FIELDS, serialize_product
from webhooks.events import BATCH_PRODUCTS, encode_body

# How many deliveries one call writes: enough to keep a receiver busy, and few enough to keep memory and latency low.
BATCHES_PER_CALL = 8
SINGLES_PER_CALL = 250
# One call stops once the bodies are this long. It exceeds this by at most the products that it reads at once.
BYTES_PER_CALL = 4_000_000
SINGLES_PER_READ = 50
# The event type of a delivery, by the column `cut` of the row that it comes from.
EVENT_TYPE_BY_CUT = {
    "batch": "products.imported",
    "created": "product.created",
    "updated": "product.updated",
    "deleted": "product.deleted",
}

# Locks webhooks before deliveries, and only rows that are free. If another transaction holds one of the rows, this
# expansion waits for its next turn, so it does not delay the expansions of other webhooks.
LOCK_UNEXPANDED_SQL = """
SELECT d.webhook_id, d.event_id, d.cut, d.position, d.parts_left, d.next_attempt_at, d.created_at, e.task_id::text,
    coalesce(e.created, '{}'), coalesce(e.updated, '{}'), coalesce(e.deleted, '[]')
FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id JOIN webhooks w ON w.id = d.webhook_id
WHERE d.id = %s AND d.parts_left IS NOT NULL AND d.status = 'pending'
FOR KEY SHARE OF w SKIP LOCKED FOR UPDATE OF d SKIP LOCKED FOR KEY SHARE OF e SKIP LOCKED
"""
READ_PRODUCTS_SQL = f"SELECT {', '.join(PRODUCT_FIELDS)} FROM products WHERE id = ANY (%s)"
INSERT_DELIVERIES_SQL = """
INSERT INTO webhook_deliveries (webhook_id, event_id, cut, position, label, body, next_attempt_at, created_at) VALUES %s
"""
ADVANCE_SQL = """
UPDATE webhook_deliveries SET position = position + %(parts)s, parts_left = parts_left - %(parts)s WHERE id = %(id)s
"""
DELETE_EXPANDED_SQL = "DELETE FROM webhook_deliveries WHERE id = %s AND parts_left <= 0"


@dataclass(frozen=True)
class Part:
    """A delivery of an expanded event: its position, the suffix of its message id, and its body."""

    position: int
    label: str
    body: str


def expand(
    cursor: Cursor,
    delivery_id: int,
    *,
    max_batches: int = BATCHES_PER_CALL,
    max_singles: int = SINGLES_PER_CALL,
) -> bool:
    """Write the next few deliveries that an unexpanded delivery stands for, in the caller's transaction.

    Returns False and does nothing if another transaction has locked the delivery, its webhook or its event, if the
    delivery has been expanded, or if it is not pending any more.
    """
    cursor.execute(LOCK_UNEXPANDED_SQL, (delivery_id,))
    row = cursor.fetchone()
    if row is None:
        return False
    webhook_id, event_id, cut, position, left, due_at, created_at, task_id, created, updated, deleted = row
    max_parts, read_size = (max_batches, 1) if cut == "batch" else (max_singles, SINGLES_PER_READ)
    parts: list[Part] = []
    count = size = 0
    while count < min(left, max_parts) and size < BYTES_PER_CALL:
        positions = range(position + count, position + min(count + read_size, left, max_parts))
        if deleted:
            new = _create_deletions(task_id, cut, deleted, positions)
        elif cut == "batch":
            new = [_create_batch(cursor, task_id, created, updated, number) for number in positions]
        else:
            new = _create_singles(cursor, cut, created if cut == "created" else updated, positions)
        parts += new
        count += len(positions)
        size += sum(len(part.body) for part in new)
    values = [(webhook_id, event_id, cut, part.position, part.label, part.body, due_at, created_at) for part in parts]
    if values:
        execute_values(cursor, INSERT_DELIVERIES_SQL, values, page_size=len(values))
    cursor.execute(ADVANCE_SQL, {"id": delivery_id, "parts": count})
    cursor.execute(DELETE_EXPANDED_SQL, (delivery_id,))
    return True


def _create_batch(cursor: Cursor, task_id: str, created: Sequence[int], updated: Sequence[int], position: int) -> Part:
    # A batch may begin with the last created products and end with the first updated ones.
    start, end = position * BATCH_PRODUCTS, (position + 1) * BATCH_PRODUCTS
    batch_created = created[start:end]
    batch_updated = updated[max(0, start - len(created)) : max(0, end - len(created))]
    ids = [*batch_created, *batch_updated]
    products = _read_products(cursor, ids)
    content: dict[str, Any] = {
        "import": task_id,
        "created": [products[id] for id in batch_created if id in products],
        "updated": [products[id] for id in batch_updated if id in products],
    }
    if gone := [id for id in ids if id not in products]:
        content["gone"] = gone
    return Part(position, f"_b{position}", encode_body(EVENT_TYPE_BY_CUT["batch"], content))


def _create_deletions(task_id: str, cut: str, deleted: Sequence[dict[str, Any]], positions: range) -> list[Part]:
    """Return the parts of an event with deleted products, which fit into one batch."""
    products = [_deserialize_product(product) for product in deleted]
    if cut == "batch":
        content = {"import": task_id, "created": [], "updated": [], "deleted": products}
        return [Part(0, "_b0", encode_body(EVENT_TYPE_BY_CUT[cut], content))]
    return [
        Part(number, f"_p{products[number]['id']}", encode_body(EVENT_TYPE_BY_CUT[cut], {"product": products[number]}))
        for number in positions
    ]


def _deserialize_product(product: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a product from its columns as `webhook_events.deleted` has them."""
    times = {name: datetime.fromisoformat(product[name]) for name in ("created_at", "updated_at")}
    return serialize_product(SimpleNamespace(**{**product, **times}))


def _create_singles(cursor: Cursor, cut: str, ids: Sequence[int], positions: range) -> list[Part]:
    products = _read_products(cursor, ids[positions.start : positions.stop])
    return [
        Part(position, f"_p{id}", encode_body(EVENT_TYPE_BY_CUT[cut], {"product": products[id]}))
        for position in positions
        if (id := ids[position]) in products
    ]


def _read_products(cursor: Cursor, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    cursor.execute(READ_PRODUCTS_SQL, (list(ids),))
    rows = [SimpleNamespace(**dict(zip(PRODUCT_FIELDS, row, strict=True))) for row in cursor.fetchall()]
    return {row.id: serialize_product(row) for row in rows}
