"""Edits of products: what the page and scripts change, with the full values before and after.

The audit log also has each edit, but it cuts long texts, so it cannot bring a value back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from access import audit
from access.audit import Origin

# One statement for all rows of both tables: every edit waits for it.
RECORD_EDITS_SQL = """
WITH rows AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(rows)s) AS r (product_id bigint, sku text, at timestamptz,
        previous_at timestamptz, restored_version timestamptz, full_changes json, changes json)
), edits AS (
    INSERT INTO product_edits (product_id, at, previous_at, restored_version, changes, started_from, actor_type,
        actor_name)
    SELECT product_id, at, previous_at, restored_version, full_changes, %(started_from)s, %(actor_type)s,
        %(actor_name)s
    FROM rows
)
INSERT INTO audit_entries (actor_type, actor_id, actor_name, action, target_type, target_id, target_name, outcome,
    address, request_id, changes)
SELECT %(actor_type)s, %(actor_id)s, %(actor_name)s, %(action)s, 'product', product_id::text, sku, %(outcome)s,
    %(address)s, %(request_id)s, changes
FROM rows
"""

# Each field with its values before and after.
Changes = Mapping[str, list[Any]]


class EditedProduct(NamedTuple):
    """A product after an edit: its id, its SKU and its `updated_at`, before and after.

    `previous_at` is None if the edit created the product. `restored` is the column of this name.
    """

    id: int
    sku: str
    at: datetime
    previous_at: datetime | None = None
    restored: list[datetime] | None = None

    @property
    def restored_version(self) -> datetime | None:
        """The version that an undo had brought back, if an undo made the version before the edit."""
        return self.restored[0] if self.restored and self.restored[1] == self.previous_at else None


def record_edits(
    cursor: Cursor,
    origin: Origin,
    action: str,
    edits: Sequence[tuple[EditedProduct, Changes]],
    *,
    started_from: str,
) -> None:
    """Record edits and their entries in the audit log, in the transaction of the edits.

    `action` is that of the entries. `started_from` is one of `models.ORIGINS`.
    """
    rows = [
        {
            "product_id": product.id,
            "sku": product.sku,
            "at": product.at.isoformat(),
            "previous_at": product.previous_at and product.previous_at.isoformat(),
            "restored_version": product.restored_version and product.restored_version.isoformat(),
            "full_changes": changes,
            "changes": audit.shown_changes(changes),
        }
        for product, changes in edits
    ]
    values = audit.entry_values(origin, action)
    cursor.execute(RECORD_EDITS_SQL, {**values, "rows": Json(rows), "started_from": started_from})
