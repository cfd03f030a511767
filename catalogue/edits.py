"""Edits of single products: what the page and scripts change, with the full values before and after.

The audit log also has each edit, but it cuts long texts and masks values, so it cannot bring a value back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from access.actors import Actor

# Follows the write of the product in its transaction, and so reads the version that this has written. An edit does not
# change `restored`, so the product still tells whether an undo made the version before.
RECORD_EDIT_SQL = """
INSERT INTO product_edits (product_id, at, previous_at, restored_version, changes, started_from, actor_type, actor_name)
SELECT id, updated_at, %(previous_at)s, CASE WHEN restored[2] = %(previous_at)s THEN restored[1] END, %(changes)s,
    %(started_from)s, %(actor_type)s, %(actor_name)s
FROM products WHERE id = %(product_id)s
"""


def record_edit(
    cursor: Cursor,
    product_id: int,
    changes: Mapping[str, list[Any]],
    *,
    previous_at: datetime | None,
    started_from: str,
    actor: Actor,
) -> None:
    """Record an edit in its transaction, after the product was written.

    `changes` maps each field to its values before and after. `previous_at` is the `updated_at` of the product before
    the edit, and None if the edit created it. `started_from` is one of `models.ORIGINS`.
    """
    values = {
        "product_id": product_id,
        "previous_at": previous_at,
        "changes": Json(changes),
        "started_from": started_from,
        "actor_type": actor.type,
        "actor_name": actor.name,
    }
    cursor.execute(RECORD_EDIT_SQL, values)
