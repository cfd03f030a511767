"""Counts what the undo of a job would do, without doing it.

The count follows the rules of `undo`, `restore` and `restore_table`, with all entries of the change log in one
statement. So it agrees with the undo if nobody changes the products in between.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from importer.pipeline.change_log import VERSION_SQL

# The planner misjudges the number of ids in the arrays and would otherwise sort or hash the whole catalogue.
PLANNER_SETTINGS_SQL = "SET LOCAL random_page_cost = 1.1; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'"

# An undo walks through the records of a product from the last one back: `version` is the version that the product has
# then, and NULL while there is no such product. Nearly all products have a single record. A retried import may have
# written a product several times; `earlier` has these further records.
COUNT_SQL = """
WITH RECURSIVE entries AS MATERIALIZED (
    SELECT id, at, created, updated, deleted, stamps, skus, left_alone FROM import_changes
    WHERE job_id = {job_id} AND num_nonnulls(created, updated, deleted) > 0
        AND (left_alone IS NULL OR cardinality(left_alone) > 0)
), rest AS MATERIALIZED (
    SELECT id AS entry_id, unnest(left_alone) AS product_id FROM entries
), records AS MATERIALIZED (
    SELECT e.id AS entry_id, e.at, r.* FROM entries e CROSS JOIN LATERAL (
        SELECT 'created' AS change, u.id AS product_id, NULL::timestamptz AS previous, NULL AS sku
        FROM unnest(e.created) u (id)
        UNION ALL
        SELECT 'updated', u.id, u.version, NULL FROM unnest(e.updated, e.stamps) u (id, version)
        WHERE e.updated IS NOT NULL
        UNION ALL
        SELECT 'deleted', u.id, u.version, u.sku FROM unnest(e.deleted, e.stamps, e.skus) u (id, version, sku)
        WHERE e.deleted IS NOT NULL
    ) r
    WHERE e.left_alone IS NULL OR (e.id, r.product_id) IN (SELECT entry_id, product_id FROM rest)
), numbered AS MATERIALIZED (
    SELECT *, row_number() OVER (PARTITION BY product_id ORDER BY entry_id DESC) AS step FROM records
), earlier AS MATERIALIZED (
    SELECT * FROM numbered WHERE step > 1
), walk AS (
    SELECT r.product_id, r.step, o.outcome, {next_version} AS version
    FROM numbered r LEFT JOIN LATERAL (
        SELECT {product_version} AS version FROM products p WHERE p.id = r.product_id
    ) present ON true
    CROSS JOIN LATERAL (SELECT {outcome} AS outcome) o
    WHERE r.step = 1
    UNION ALL
    SELECT r.product_id, r.step, o.outcome, {next_version} AS version
    FROM walk present JOIN earlier r ON r.product_id = present.product_id AND r.step = present.step + 1
    CROSS JOIN LATERAL (SELECT {outcome} AS outcome) o
)
SELECT {counts} FROM walk
"""
# A product that the job created, and that the undo removes before, does not keep its SKU.
OUTCOME_SQL = """CASE
        WHEN r.change = 'deleted' THEN CASE WHEN present.version IS NOT NULL OR EXISTS (
            SELECT FROM products q WHERE lower(q.sku) COLLATE "C" = lower(r.sku) COLLATE "C"
                AND (q.id, {other_version}) NOT IN (SELECT product_id, at FROM records WHERE change = 'created')
        ) THEN 'sku_taken' ELSE 'inserted_again' END
        WHEN present.version IS NULL THEN 'already_gone'
        WHEN present.version <> r.at THEN 'edited_since'
        WHEN r.change = 'created' THEN 'removed' ELSE 'changed_back' END"""
NEXT_VERSION_SQL = """CASE o.outcome WHEN 'removed' THEN NULL
        WHEN 'changed_back' THEN coalesce(r.previous, '-infinity')
        WHEN 'inserted_again' THEN coalesce(r.previous, '-infinity') ELSE present.version END"""
COUNT_OUTCOME_SQL = "count(*) FILTER (WHERE outcome = {})"
FIND_DELETED_TABLES_SQL = """
SELECT deleted_table FROM import_changes WHERE job_id = %s AND deleted_rows > 0
    AND (left_alone IS NULL OR cardinality(left_alone) > 0)
"""
COUNT_DELETED_TABLE_SQL = """
SELECT count(*), count(*) FILTER (WHERE
    EXISTS (SELECT FROM products p WHERE lower(p.sku) COLLATE "C" = lower(d.sku) COLLATE "C")
    OR EXISTS (SELECT FROM products p WHERE p.id = d.id)
) FROM {deleted_table} d
"""


@dataclass
class UndoPlan:
    """How many products an undo would remove, change back and insert again, and how many it would leave alone.

    It leaves those alone that were edited since, and deleted ones whose SKU another product has now. `already_gone` are
    those that no longer exist.
    """

    removed: int = 0
    changed_back: int = 0
    inserted_again: int = 0
    edited_since: int = 0
    sku_taken: int = 0
    already_gone: int = 0


OUTCOMES = tuple(field.name for field in fields(UndoPlan))


def plan_undo(cursor: Cursor, job_id: int) -> UndoPlan:
    """Return what the undo of a job would do now. Changes settings of the planner in the caller's transaction."""
    cursor.execute(PLANNER_SETTINGS_SQL)
    cursor.execute(render_count(job_id))
    plan = UndoPlan(*(cursor.fetchone() or ()))
    cursor.execute(FIND_DELETED_TABLES_SQL, (job_id,))
    for (name,) in cursor.fetchall():
        cursor.execute(sql.SQL(COUNT_DELETED_TABLE_SQL).format(deleted_table=sql.Identifier(name)))
        deleted, taken = cursor.fetchone() or (0, 0)
        plan.inserted_again += deleted - taken
        plan.sku_taken += taken
    return plan


def render_count(job_id: int) -> sql.Composed:
    """Return the statement that counts the outcomes of the products of a job, in the order of `OUTCOMES`."""
    other_version = sql.SQL(VERSION_SQL.format(p="q"))
    return sql.SQL(COUNT_SQL).format(
        job_id=sql.Literal(job_id),
        product_version=sql.SQL(VERSION_SQL.format(p="p")),
        outcome=sql.SQL(OUTCOME_SQL).format(other_version=other_version),
        next_version=sql.SQL(NEXT_VERSION_SQL),
        counts=sql.SQL(", ").join(sql.SQL(COUNT_OUTCOME_SQL).format(sql.Literal(outcome)) for outcome in OUTCOMES),
    )
