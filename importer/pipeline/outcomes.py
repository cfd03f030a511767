"""The outcome of a check: what the import would do with each staged row, in a table beside the staging table.

The table has one row for each slice: arrays with the addresses of the staged rows in the order of their keys, which are
much cheaper than one row per staged row. Lists of rows read it, so they compare nothing again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from importer.jobs.repository import OUTCOMES_TABLE_SUFFIX
from importer.pipeline.slice_sql import Slice

# The kinds of rows. A row that its mode does not write is skipped.
KINDS = ("created", "changed", "unchanged", "skipped")
# The bits of a row's changes: the field gets another value; the field has a value that becomes empty.
CHANGED_BITS = {"name": 1, "description": 2, "active": 4}
CLEARED_BITS = {"name": 8, "description": 16}

# For each kind: the addresses of its staged rows, the ids of their products, and their changes. New products have no
# id, and only changed ones have changes.
CREATE_OUTCOMES_TABLE_SQL = """
CREATE UNLOGGED TABLE {outcomes} (
    slice integer PRIMARY KEY, created tid[], changed tid[], unchanged tid[], skipped tid[],
    changed_ids bigint[], unchanged_ids bigint[], skipped_ids bigint[], changes smallint[]
) WITH (autovacuum_enabled = off)
"""
# Compressing the arrays would take longer than writing them.
STORE_UNCOMPRESSED_SQL = "ALTER TABLE {outcomes} ALTER {column} SET STORAGE EXTERNAL"
ARRAY_COLUMNS = (*KINDS, "changed_ids", "unchanged_ids", "skipped_ids", "changes")
# The rows of `compared` come in the order of their keys, and so do the entries of the arrays.
RECORD_OUTCOMES_SQL = """
WITH compared AS MATERIALIZED (
    SELECT s.address, p.id, ({changes})::smallint AS changes
    FROM (
        SELECT DISTINCT ON (key) ctid AS address, * FROM {table}
        WHERE {staged_range} ORDER BY key, number DESC
    ) s
    LEFT JOIN (
        SELECT id, {columns} FROM products WHERE {products_range}
    ) p ON lower(p.sku) COLLATE "C" = s.key
    ORDER BY s.key
), recorded AS (
    INSERT INTO {outcomes}
    SELECT {slice},
        array_agg(address) FILTER (WHERE {created}),
        array_agg(address) FILTER (WHERE {changed}),
        array_agg(address) FILTER (WHERE {unchanged}),
        array_agg(address) FILTER (WHERE {skipped}),
        array_agg(id) FILTER (WHERE {changed}),
        array_agg(id) FILTER (WHERE {unchanged}),
        array_agg(id) FILTER (WHERE {skipped}),
        array_agg(changes) FILTER (WHERE {changed})
    FROM compared
)
SELECT count(*), count(*) FILTER (WHERE {created}), count(*) FILTER (WHERE {changed}),
    count(*) FILTER (WHERE {skipped}){counts}
FROM compared
"""
COUNT_BIT_SQL = ",\n    count(*) FILTER (WHERE ({changed}) AND changes & {bit} <> 0)"
# For each mode, the condition of each kind in `KINDS`. A new product has no id and no changes.
KIND_CONDITIONS_SQL = {
    "upsert": ("id IS NULL", "changes <> 0", "id IS NOT NULL AND changes = 0", "false"),
    "create": ("id IS NULL", "false", "false", "id IS NOT NULL"),
    "update": ("false", "changes <> 0", "id IS NOT NULL AND changes = 0", "id IS NULL"),
}
HAS_CHANGED_SQL = "CASE WHEN p.{name} <> s.{name} THEN {bit} ELSE 0 END"
HAS_CLEARED_SQL = "CASE WHEN p.{name} <> '' AND s.{name} = '' THEN {bit} ELSE 0 END"
DELETE_OUTCOMES_SQL = "DELETE FROM {outcomes}"


@dataclass
class OutcomeCounts:
    """How many different keys the staged rows have, and what the import would do with them.

    `changed` and `cleared` count the updated products with a change in a field, by its name.
    """

    keys: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    cleared: dict[str, int] = field(default_factory=dict)

    def fields_json(self) -> dict[str, dict[str, int]]:
        """Return the counts of the fields as clients see them."""
        return {name: {"changed": count, "cleared": self.cleared.get(name, 0)} for name, count in self.changed.items()}


def outcomes_table(staging_table: str) -> sql.Identifier:
    """Return the name of the table with the outcomes of a staging table as an identifier."""
    return sql.Identifier(staging_table + OUTCOMES_TABLE_SUFFIX)


def prepare_outcomes(cursor: Cursor, staging_table: str) -> None:
    """Create the table for the outcomes of a staging table, or empty it, in the caller's transaction.

    An interrupted check may have recorded outcomes. The transaction must hold the lease, so that the worker of that
    check cannot add any.
    """
    outcomes = outcomes_table(staging_table)
    if has_outcomes(cursor, staging_table):
        cursor.execute(sql.SQL(DELETE_OUTCOMES_SQL).format(outcomes=outcomes))
        return
    cursor.execute(sql.SQL(CREATE_OUTCOMES_TABLE_SQL).format(outcomes=outcomes))
    for column in ARRAY_COLUMNS:
        statement = sql.SQL(STORE_UNCOMPRESSED_SQL).format(outcomes=outcomes, column=sql.Identifier(column))
        cursor.execute(statement)


def has_outcomes(cursor: Cursor, staging_table: str) -> bool:
    """Return whether the table for the outcomes of a staging table exists."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (outcomes_table(staging_table).string,))
    return bool(cursor.fetchone() == (True,))


def record_outcomes(cursor: Cursor, part: Slice, number: int, total: OutcomeCounts) -> None:
    """Compare a slice with the catalogue, record what the import would do with its rows, and add that to `total`.

    `number` orders the slices. Everything happens in the caller's transaction.
    """
    cursor.execute(render_outcomes(part, number))
    keys, created, updated, skipped, *counts = cursor.fetchone() or ()
    total.keys += keys
    total.created += created
    total.updated += updated
    total.skipped += skipped
    for (counter, name), count in zip(_counted(part, total), counts, strict=True):
        counter[name] = counter.get(name, 0) + count


def render_outcomes(part: Slice, number: int) -> sql.Composed:
    """Return the statement that compares a slice and records its outcomes.

    It returns how many keys the slice has, how many products the import would create, update and skip, and how many it
    would change in each field and clear in each.
    """
    columns = part.value_columns
    terms = [(HAS_CHANGED_SQL, name, CHANGED_BITS[name]) for name in columns]
    terms += [(HAS_CLEARED_SQL, name, CLEARED_BITS[name]) for name in columns if name in CLEARED_BITS]
    changes = [
        sql.SQL(template).format(name=sql.Identifier(name), bit=sql.Literal(bit)) for template, name, bit in terms
    ]
    conditions = dict(zip(KINDS, map(sql.SQL, KIND_CONDITIONS_SQL[part.job.mode]), strict=True))
    return part.render(
        RECORD_OUTCOMES_SQL,
        outcomes=outcomes_table(part.job.staging_table or ""),
        slice=sql.Literal(number),
        changes=sql.SQL("\n        + ").join(changes) if changes else sql.SQL("0"),
        counts=sql.Composed(
            sql.SQL(COUNT_BIT_SQL).format(bit=sql.Literal(bit), changed=conditions["changed"]) for _, _, bit in terms
        ),
        **conditions,
    )


def _counted(part: Slice, total: OutcomeCounts) -> list[tuple[dict[str, int], str]]:
    """Return the counter and the field of each count of `render_outcomes`, in its order."""
    columns = part.value_columns
    return [
        *((total.changed, name) for name in columns),
        *((total.cleared, name) for name in columns if name in CLEARED_BITS),
    ]
