"""What an import leaves behind so that it can be undone and looked up: whom it created, changed and left out.

A slice of an import writes one row, or a few, into `import_changes`: arrays of ids and of former values, and nothing
else, which costs a fraction of a row a product. The products themselves carry nothing but the moment of the slice, as
their `updated_at`: one that has another since was edited by somebody.

Where an undo brings a product back to what it was at an earlier moment, `restored` says so. What that moment's import
did can then be undone too, as if what came later had never been; any further edit ends that by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

# The moment whose state the product `p` is in.
STATE_OF = "CASE WHEN {p}.restored[2] = {p}.updated_at THEN {p}.restored[1] ELSE {p}.updated_at END"

# Former values of one row of `import_changes`; PostgreSQL has no value beyond a gigabyte.
PORTION_BYTES = 1 << 26
COLUMNS = {"created": "created", "updated": "updated", "left_out": "skipped"}
ARRAYS = {"name": "names", "description": "descriptions", "active": "actives"}

# Parts of the statement of a slice, behind its CTEs `moment`, `found`, `inserted` and `updated`.
KEPT_CREATED = """, kept_created AS (
    INSERT INTO import_changes (job_id, at, created, skipped) SELECT {job_id}, at, created, skipped
    FROM moment, (SELECT array_agg(id) AS created FROM inserted) i, (SELECT {skipped} AS skipped) s
    WHERE created IS NOT NULL OR skipped IS NOT NULL
)"""
KEPT_UPDATED = """, kept_updated AS (
    INSERT INTO import_changes (job_id, at, updated, stamps, {arrays})
    SELECT {job_id}, (SELECT at FROM moment), array_agg(id), array_agg(stamp), {values}
    FROM (SELECT *, sum({bytes}) OVER (ROWS UNBOUNDED PRECEDING) / {limit} AS portion FROM updated) portions
    GROUP BY portion
)"""
FORGET = """
DELETE FROM import_changes WHERE job_id IN (
    SELECT id FROM import_jobs j WHERE undo_until < clock_timestamp() AND NOT EXISTS (
        SELECT FROM import_jobs u WHERE u.undo_of = j.task_id AND u.status IN ('pending', 'processing')
    ) AND EXISTS (SELECT FROM import_changes c WHERE c.job_id = j.id)
)
"""


def former(values: list[str]) -> sql.Composable:
    """The former value of each column of `values` that changes, as columns of `found`."""
    return _each(", CASE WHEN p.{name} <> s.{name} THEN p.{name} END AS {old}", values, "")


def returned(values: list[str]) -> sql.Composable:
    """What the update of a slice returns beside the id."""
    return sql.SQL(", found.stamp") + _each(", found.{old}", values, "")


def kept(job_id: int, values: list[str], *, skips: bool, updates: bool) -> sql.Composable:
    """The CTEs that keep what a slice did; `skips` and `updates` tell whether it may leave out or change products."""
    skipped = sql.SQL("(SELECT array_agg(sku) FROM found WHERE skip)" if skips else "NULL::text[]")
    parts = [sql.SQL(KEPT_CREATED).format(job_id=sql.Literal(job_id), skipped=skipped)]
    if updates and values:
        texts = [name for name in values if name != "active"]
        parts.append(
            sql.SQL(KEPT_UPDATED).format(
                job_id=sql.Literal(job_id),
                arrays=sql.SQL(", ").join(sql.Identifier(ARRAYS[name]) for name in values),
                values=_each("CASE WHEN count({old}) > 0 THEN array_agg({old}) END", values, ", "),
                bytes=_each("coalesce(octet_length({old}), 0)", texts, " + ") if texts else sql.SQL("1"),
                limit=sql.Literal(PORTION_BYTES),
            )
        )
    return sql.Composed(parts)


def forget(cursor: Cursor) -> None:
    """Removes what can no longer be undone, in the caller's transaction."""
    cursor.execute(FORGET)


class Change(NamedTuple):
    """What an import did with a product: `change` is created, updated or left_out.

    One that was left out has its SKU as the file has it, and an id where there is such a product now.
    """

    change: str
    product_id: int | None
    sku: str | None


def page_of_changes(
    cursor: Cursor, job_id: int, kinds: Sequence[str], offset: int, limit: int
) -> tuple[list[Change], int]:
    """The changes of the given kinds from `offset` on, at most `limit`, and how many there are in all."""
    columns = [COLUMNS[kind] for kind in kinds]
    cursor.execute(
        "SELECT id, {} FROM import_changes WHERE job_id = %s ORDER BY id".format(
            ", ".join(f"coalesce(cardinality({column}), 0)" for column in columns)
        ),
        (job_id,),
    )
    sizes = cursor.fetchall()
    changes: list[Change] = []
    passed = 0
    for place, (kind, column) in enumerate(zip(kinds, columns, strict=True), 1):
        for row in sizes:
            first, last = max(0, offset - passed), min(row[place], offset + limit - passed)
            passed += row[place]
            if first < last:
                cursor.execute(f"SELECT {column}[%s:%s] FROM import_changes WHERE id = %s", (first + 1, last, row[0]))
                (values,) = cursor.fetchone() or ((),)
                changes += (
                    _left_out(cursor, values) if kind == "left_out" else (Change(kind, id, None) for id in values)
                )
    return changes, passed


def _left_out(cursor: Cursor, skus: Sequence[str]) -> Iterator[Change]:
    cursor.execute(
        "SELECT p.id, s.sku FROM unnest(%s) WITH ORDINALITY s (sku, place)"
        ' LEFT JOIN products p ON lower(p.sku) COLLATE "C" = lower(s.sku) COLLATE "C" ORDER BY s.place',
        (list(skus),),
    )
    return (Change("left_out", id, sku) for id, sku in cursor.fetchall())


def _each(template: str, values: list[str], separator: str) -> sql.Composed:
    return sql.SQL(separator).join(
        sql.SQL(template).format(name=sql.Identifier(name), old=sql.Identifier(f"old_{name}")) for name in values
    )
