"""The products that a job created, changed, deleted or left out, page by page, as its change log names them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from importer.pipeline.change_log import PREVIOUS_VALUE_ARRAYS

# The array of an entry of the change log for each kind of change.
ARRAYS_SQL = {
    "created": "created",
    "updated": "CASE WHEN NOT deactivated THEN updated END",
    "deactivated": "CASE WHEN deactivated THEN updated END",
    "deleted": "deleted",
    "left_out": "skipped",
}

# The lengths of these arrays. Only entries of earlier versions do not have them beside the arrays, which take long to
# read.
LENGTHS_SQL = {
    "created": "coalesce(created_count, cardinality(created), 0)",
    "updated": "CASE WHEN deactivated THEN 0 ELSE coalesce(updated_count, cardinality(updated), 0) END",
    "deactivated": "CASE WHEN deactivated THEN coalesce(updated_count, cardinality(updated), 0) ELSE 0 END",
    "deleted": "coalesce(deleted_rows, deleted_count, cardinality(deleted), 0)",
    "left_out": "CASE WHEN skipped IS NULL THEN 0 ELSE coalesce(skipped_count, cardinality(skipped)) END",
}

# A removal appends its ranges to the change log from both ends, so their entries are sorted by their first keys.
FIND_ENTRIES_SQL = """
SELECT c.id, c.at, c.deleted_table, {lengths}
FROM import_changes c LEFT JOIN products p ON c.deactivated AND p.id = coalesce(c.first_updated, c.updated[1])
WHERE job_id = %s ORDER BY lower(coalesce(p.sku, c.first_sku, c.skus[1])) COLLATE "C" NULLS FIRST, c.id
"""
# The products that a deletion of all has moved to a table, as long as they are there.
READ_DELETED_TABLE_SQL = """
SELECT id, sku, name, description, active FROM {deleted_table}
ORDER BY lower(sku) COLLATE "C" OFFSET {first} LIMIT {limit}
"""
FIND_PRODUCTS_BY_SKU_SQL = """
SELECT p.id, s.sku FROM unnest(%s) WITH ORDINALITY s (sku, place)
LEFT JOIN products p ON lower(p.sku) COLLATE "C" = lower(s.sku) COLLATE "C" ORDER BY s.place
"""


class AffectedProduct(NamedTuple):
    """A product that an import affected; `change` is a key of `ARRAYS_SQL`.

    For a product that was left out, `sku` is the SKU in the file, and `product_id` is None if no product has it now.
    For a deleted product, `sku` is the SKU that it had. For the other changes, `sku` is None, and the product may have
    been deleted since.

    `before` has the values before the change: of the fields that the job changed, or all of them if it deleted the
    product. It is None for products that the job created or left out. `version` is the version that the job wrote.
    """

    change: str
    product_id: int | None
    sku: str | None
    before: dict[str, Any] | None = None
    version: datetime | None = None


def list_affected_products(
    cursor: Cursor, job_id: int, changes: Sequence[str], offset: int, limit: int
) -> tuple[list[AffectedProduct], int]:
    """Return at most `limit` products with the given changes, from `offset` on, and the number of all such products.

    They are sorted by change, in the order of `changes`, then by key as they were written.
    """
    arrays = [ARRAYS_SQL[change] for change in changes]
    lengths = ", ".join(LENGTHS_SQL[change] for change in changes)
    cursor.execute(FIND_ENTRIES_SQL.format(lengths=lengths), (job_id,))
    entries = cursor.fetchall()
    products: list[AffectedProduct] = []
    passed = 0
    for place, (change, array) in enumerate(zip(changes, arrays, strict=True), 3):
        for entry in entries:
            entry_id, at, deleted_table, length = *entry[:3], entry[place]
            first, last = max(0, offset - passed), min(length, offset + limit - passed)
            passed += length
            if first < last and deleted_table:
                products += _read_deleted_table(cursor, deleted_table, first, last)
            elif first < last:
                values = _read_part(cursor, array, entry_id, first, last)
                if change == "left_out":
                    products += _find_left_out(cursor, values)
                elif change == "created":
                    products += (AffectedProduct(change, product_id, None, None, at) for product_id in values)
                else:
                    products += _read_changed(cursor, change, (entry_id, first, last), values, at)
    return products, passed


def _read_part(cursor: Cursor, array: str, entry_id: int, first: int, last: int) -> Sequence[Any]:
    """Return the values of an array of an entry from the index `first`, counted from 0, to `last` (exclusive)."""
    cursor.execute(f"SELECT ({array})[%s:%s] FROM import_changes WHERE id = %s", (first + 1, last, entry_id))
    (values,) = cursor.fetchone() or ((),)
    return tuple(values or ())


def _read_changed(
    cursor: Cursor, change: str, part: tuple[int, int, int], ids: Sequence[int], at: datetime
) -> Iterator[AffectedProduct]:
    """Yield the products of a part of an entry that were updated or deleted, with their previous values."""
    names = ("skus", *PREVIOUS_VALUE_ARRAYS.values())
    # The array of a field is NULL if the field of none of the products has changed.
    columns = (_read_part(cursor, name, *part) or itertools.repeat(None) for name in names)
    for product_id, sku, *values in zip(ids, *columns, strict=False):
        previous = zip(PREVIOUS_VALUE_ARRAYS, values, strict=True)
        before = {name: value for name, value in previous if value is not None}
        yield AffectedProduct(change, product_id, sku, before, None if change == "deleted" else at)


def _read_deleted_table(cursor: Cursor, table: str, first: int, last: int) -> Iterator[AffectedProduct]:
    statement = sql.SQL(READ_DELETED_TABLE_SQL)
    parts = {"first": sql.Literal(first), "limit": sql.Literal(last - first)}
    cursor.execute(statement.format(deleted_table=sql.Identifier(table), **parts))
    return (
        AffectedProduct("deleted", product_id, sku, dict(zip(PREVIOUS_VALUE_ARRAYS, values, strict=True)))
        for product_id, sku, *values in cursor.fetchall()
    )


def _find_left_out(cursor: Cursor, skus: Sequence[str]) -> Iterator[AffectedProduct]:
    cursor.execute(FIND_PRODUCTS_BY_SKU_SQL, (list(skus),))
    return (AffectedProduct("left_out", product_id, sku) for product_id, sku in cursor.fetchall())
