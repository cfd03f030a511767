"""Cuts an event of many products into deliveries, a few at a time, when the ones before have gone out.

The event holds the ids of the products; a delivery's body is made of the products as they are when it is cut. Those
that are gone by then are named as `gone` in a batch; one of their own is not told of again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from database.serializers import PRODUCT_FIELDS, product_json
from webhook_service import BATCH_PRODUCTS, body_of

# How many deliveries are cut at once; enough to keep a receiver busy, few enough for memory and for what comes after.
BATCHES_AT_ONCE = 8
SINGLES_AT_ONCE = 250
EVENT_OF_CUT = {"batch": "products.imported", "created": "product.created", "updated": "product.updated"}

LOCKED = """
SELECT d.webhook_id, d.event_id, d.cut, d.position, d.parts_left, d.next_attempt_at, d.created_at, e.task_id::text,
    coalesce(e.created, '{}'), coalesce(e.updated, '{}')
FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
WHERE d.id = %s AND d.parts_left IS NOT NULL AND d.status = 'pending' FOR UPDATE OF d
"""
PRODUCTS = f"SELECT {', '.join(PRODUCT_FIELDS)} FROM products WHERE id = ANY (%s)"
ADD = """
INSERT INTO webhook_deliveries (webhook_id, event_id, cut, position, label, body, next_attempt_at, created_at) VALUES %s
"""
CUT_OFF = """
UPDATE webhook_deliveries SET position = position + %(parts)s, parts_left = parts_left - %(parts)s WHERE id = %(id)s
"""
USED_UP = "DELETE FROM webhook_deliveries WHERE id = %s AND parts_left <= 0"


@dataclass(frozen=True)
class Part:
    """A delivery that was cut off: its place, what its message's id ends in, its body."""

    position: int
    label: str
    body: str


def cut(cursor: Cursor, delivery_id: int) -> None:
    """Cuts the next few deliveries off, in the caller's transaction; does nothing where there are none left."""
    cursor.execute(LOCKED, (delivery_id,))
    row = cursor.fetchone()
    if row is None:
        return
    webhook_id, event_id, kind, position, left, due_at, created_at, task_id, created, updated = row
    parts_now = min(left, BATCHES_AT_ONCE if kind == "batch" else SINGLES_AT_ONCE)
    if kind == "batch":
        parts = _batches(cursor, task_id, created, updated, range(position, position + parts_now))
    else:
        ids = created if kind == "created" else updated
        parts = _singles(cursor, kind, ids[position : position + parts_now], position)
    values = [(webhook_id, event_id, kind, part.position, part.label, part.body, due_at, created_at) for part in parts]
    if values:
        execute_values(cursor, ADD, values, page_size=len(values))
    cursor.execute(CUT_OFF, {"id": delivery_id, "parts": parts_now})
    cursor.execute(USED_UP, (delivery_id,))


def _batches(
    cursor: Cursor, task_id: str, created: Sequence[int], updated: Sequence[int], positions: range
) -> Iterator[Part]:
    ids = [*created, *updated]
    products = _products(cursor, ids[positions.start * BATCH_PRODUCTS : positions.stop * BATCH_PRODUCTS])
    for position in positions:
        places = range(position * BATCH_PRODUCTS, min((position + 1) * BATCH_PRODUCTS, len(ids)))
        new = [ids[place] for place in places if place < len(created)]
        changed = [ids[place] for place in places if place >= len(created)]
        content: dict[str, Any] = {
            "import": task_id,
            "created": [products[id] for id in new if id in products],
            "updated": [products[id] for id in changed if id in products],
        }
        if gone := [id for id in [*new, *changed] if id not in products]:
            content["gone"] = gone
        yield Part(position, f"_b{position}", body_of(EVENT_OF_CUT["batch"], content))


def _singles(cursor: Cursor, kind: str, ids: Sequence[int], position: int) -> Iterator[Part]:
    products = _products(cursor, ids)
    for place, id in enumerate(ids, position):
        if id in products:
            yield Part(place, f"_p{id}", body_of(EVENT_OF_CUT[kind], {"product": products[id]}))


def _products(cursor: Cursor, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    cursor.execute(PRODUCTS, (list(ids),))
    rows = [SimpleNamespace(**dict(zip(PRODUCT_FIELDS, row, strict=True))) for row in cursor.fetchall()]
    return {row.id: product_json(row) for row in rows}
