"""Edits of single products: what the page and scripts change, with the full values before and after.

The audit log also has each edit, but it cuts long texts, so it cannot bring a value back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from access import audit
from access.audit import Origin, Target

# One statement for both rows: every edit waits for it.
RECORD_EDIT_SQL = f"""
WITH edit AS (
    INSERT INTO product_edits (product_id, at, previous_at, restored_version, changes, started_from, actor_type,
        actor_name)
    VALUES (%(product_id)s, %(at)s, %(previous_at)s, %(restored_version)s, %(full_changes)s, %(started_from)s,
        %(actor_type)s, %(actor_name)s)
)
{audit.INSERT_SQL}
"""


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


def record_edit(
    cursor: Cursor,
    origin: Origin,
    action: str,
    product: EditedProduct,
    changes: Mapping[str, list[Any]],
    *,
    started_from: str,
) -> None:
    """Record an edit and its entry in the audit log, in the transaction of the edit.

    `action` is that of the entry. `changes` maps each field to its values before and after. `started_from` is one of
    `models.ORIGINS`.
    """
    entry = audit.entry_values(origin, action, Target("product", product.id, product.sku), changes=changes)
    values = {
        **entry,
        "changes": Json(entry["changes"]),
        "product_id": product.id,
        "at": product.at,
        "previous_at": product.previous_at,
        "restored_version": product.restored_version,
        "full_changes": Json(changes),
        "started_from": started_from,
    }
    cursor.execute(RECORD_EDIT_SQL, values)
