"""The products that an import created, updated or left out, page by page, as its change log names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

# The array column of the change log for each kind of change.
ARRAY_COLUMNS = {"created": "created", "updated": "updated", "left_out": "skipped"}

FIND_PRODUCTS_BY_SKU_SQL = """
SELECT p.id, s.sku FROM unnest(%s) WITH ORDINALITY s (sku, place)
LEFT JOIN products p ON lower(p.sku) COLLATE "C" = lower(s.sku) COLLATE "C" ORDER BY s.place
"""


class AffectedProduct(NamedTuple):
    """A product that an import affected; `change` is created, updated or left_out.

    For a product that was left out, `sku` is the SKU in the file, and `product_id` is None if no product has it now.
    For the other changes, `sku` is None, and the product may have been deleted since.
    """

    change: str
    product_id: int | None
    sku: str | None


def list_affected_products(
    cursor: Cursor, job_id: int, changes: Sequence[str], offset: int, limit: int
) -> tuple[list[AffectedProduct], int]:
    """Return at most `limit` products with the given changes, from `offset` on, and the number of all such products.

    They are sorted by change, in the order of `changes`, then in the order of the change log.
    """
    columns = [ARRAY_COLUMNS[change] for change in changes]
    lengths = ", ".join(f"coalesce(cardinality({column}), 0)" for column in columns)
    cursor.execute(f"SELECT id, {lengths} FROM import_changes WHERE job_id = %s ORDER BY id", (job_id,))
    entries = cursor.fetchall()
    products: list[AffectedProduct] = []
    passed = 0
    for place, (change, column) in enumerate(zip(changes, columns, strict=True), 1):
        for entry in entries:
            entry_id, length = entry[0], entry[place]
            first, last = max(0, offset - passed), min(length, offset + limit - passed)
            passed += length
            if first < last:
                cursor.execute(f"SELECT {column}[%s:%s] FROM import_changes WHERE id = %s", (first + 1, last, entry_id))
                (values,) = cursor.fetchone() or ((),)
                if change == "left_out":
                    products += _find_left_out(cursor, values)
                else:
                    products += (AffectedProduct(change, product_id, None) for product_id in values)
    return products, passed


def _find_left_out(cursor: Cursor, skus: Sequence[str]) -> Iterator[AffectedProduct]:
    cursor.execute(FIND_PRODUCTS_BY_SKU_SQL, (list(skus),))
    return (AffectedProduct("left_out", product_id, sku) for product_id, sku in cursor.fetchall())
