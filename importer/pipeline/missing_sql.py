"""The SQL that finds the products which the file of an import does not have, and deactivates or deletes them.

A product is missing if its key is in no valid row of the staging table, no rejected row, and no line within a value
that looks like a row. Like a slice, one statement removes the missing products in a range of keys, appends them to the
change log and records their event.
"""

from __future__ import annotations

from psycopg2 import sql

from importer.jobs.repository import Job
from importer.notices import MAX_SAMPLES
from importer.pipeline.change_log import VERSION_SQL, render_deleted_entry
from importer.pipeline.slice_sql import Slice, staging_table
from webhook_service import insert_deleted_sql, insert_imported_sql

# A deactivation leaves out products that are not active.
IS_REMOVABLE_SQL = {"deactivate": "p.active AND ", "delete": ""}
IS_MISSING_SQL = """NOT EXISTS (
        SELECT FROM {table} s WHERE s.key = lower(p.sku) COLLATE "C" AND {staged_range}
    )"""
IS_NOT_REJECTED_SQL = """ AND NOT EXISTS (
        SELECT FROM {table} r
        WHERE r.rejected_sku IS NOT NULL AND lower(r.rejected_sku) COLLATE "C" = lower(p.sku) COLLATE "C"
    )"""
# The statement has one snapshot, so the products that it counts are those that existed in the snapshot it returns.
# `unreadable` counts the rejected rows without a readable SKU.
FIND_MISSING_SQL = """
WITH missing AS MATERIALIZED (
    SELECT p.id, p.sku FROM products p WHERE {is_missing}
), samples AS (
    SELECT s.sku, p.name FROM (
        SELECT id, sku FROM missing ORDER BY lower(sku) COLLATE "C" LIMIT {max_samples}
    ) s JOIN products p USING (id) ORDER BY lower(s.sku) COLLATE "C"
)
SELECT pg_current_snapshot()::text, (SELECT count(*) FROM products), (SELECT count(*) FROM missing),
    (SELECT count(*) FROM {table} WHERE rejected_sku = '') AS unreadable,
    (SELECT coalesce(json_agg(json_build_object('text', sku, 'sku', sku, 'name', name)), '[]') FROM samples)
"""
# The planner prefers a hash join, and the slices' settings do not apply.
FIND_PLANNER_SETTINGS_SQL = "SET LOCAL jit = off"

# The common table expression that `EXISTED_SQL` reads.
HORIZON_SQL = """horizon AS MATERIALIZED (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_id
)"""
# Whether the present version of a product existed in the snapshot: the transaction that wrote it is older than the
# snapshot and was not running then. `xmin` is the id of that transaction, but only its last 32 bits, so its age is
# computed from the next id. A transaction of another client that has savepoints counts as older if it was running.
EXISTED_SQL = """ AND (
        ((SELECT next_id FROM horizon) - p.xmin::text::bigint) & 4294967295 > (SELECT next_id FROM horizon) - {xmax}
    )"""
WAS_NOT_RUNNING_SQL = " AND p.xmin::text::bigint <> ALL ({running}::bigint[])"
# The products are found by their physical addresses, as in `slice_sql.UPDATED_SQL`: fewer are removed than found if
# another client has changed one since.
MISSING_SQL = """
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), {horizon}, missing AS MATERIALIZED (
    SELECT p.ctid AS address, p.updated_at, {version} AS version
    FROM products p WHERE {products_range} AND {is_missing}{existed}
    ORDER BY lower(p.sku) COLLATE "C"
)"""
DEACTIVATED_SQL = """, updated AS (
    UPDATE products p SET active = false, updated_at = (SELECT at FROM write_time)
    FROM missing m WHERE p.ctid = m.address AND p.updated_at IS NOT DISTINCT FROM m.updated_at
    RETURNING p.id, m.version
), inserted AS (
    SELECT id FROM updated WHERE false
)"""
LOG_DEACTIVATED_SQL = """, logged AS (
    INSERT INTO import_changes (job_id, at, deactivated, updated, stamps, actives)
    SELECT {job_id}, (SELECT at FROM write_time), true, array_agg(id), array_agg(version), array_agg(true)
    FROM updated HAVING count(*) > 0
)"""
DELETED_SQL = """, deleted AS (
    DELETE FROM products p USING missing m
    WHERE p.ctid = m.address AND p.updated_at IS NOT DISTINCT FROM m.updated_at
    RETURNING p.id, p.sku, p.name, p.description, p.active, p.created_at, p.updated_at, m.version
)"""
COUNT_REMOVED_SQL = "\nSELECT (SELECT count(*) FROM missing), (SELECT count(*) FROM {removed})"
DEACTIVATE_SQL = MISSING_SQL + DEACTIVATED_SQL + "{record_event}{log_entry}" + COUNT_REMOVED_SQL
DELETE_SQL = MISSING_SQL + DELETED_SQL + "{record_event}{log_entry}" + COUNT_REMOVED_SQL


def render_find_missing(job: Job) -> sql.Composed:
    """Return the query for the missing products of a job.

    It returns one row: the snapshot in which it found them, the number of products of the catalogue, the number of
    missing ones, the number of rejected rows without a readable SKU, and a few samples of missing products.
    """
    return sql.SQL(FIND_MISSING_SQL).format(
        table=staging_table(job),
        is_missing=_render_is_missing(job, sql.SQL("true")),
        max_samples=sql.Literal(MAX_SAMPLES),
    )


def render_removal(part: Slice, *, keep_change_log: bool, has_subscriber: bool) -> sql.Composed:
    """Return the statement that deactivates or deletes the missing products in a range of keys.

    The job must have found them; its `missing_snapshot` decides which products count. `keep_change_log` makes the
    removal undoable. `has_subscriber` tells whether a webhook wants the products. The statement returns the number
    of products that it found, and of those that it removed.
    """
    job, empty = part.job, sql.SQL("")
    deletes = job.missing == "delete"
    insert_event_sql = insert_deleted_sql if deletes else insert_imported_sql
    log_entry = (
        render_deleted_entry(job.id) if deletes else sql.SQL(LOG_DEACTIVATED_SQL).format(job_id=sql.Literal(job.id))
    )
    return part.render(
        DELETE_SQL if deletes else DEACTIVATE_SQL,
        horizon=sql.SQL(HORIZON_SQL),
        version=sql.SQL(VERSION_SQL.format(p="p")),
        is_missing=_render_is_missing(job, part.render("{staged_range}")),
        existed=render_existed(job.missing_snapshot or ""),
        record_event=insert_event_sql(job.task_id) if has_subscriber else empty,
        log_entry=log_entry if keep_change_log else empty,
        removed=sql.SQL("deleted" if deletes else "updated"),
    )


def _render_is_missing(job: Job, staged_range: sql.Composable) -> sql.Composed:
    condition = IS_REMOVABLE_SQL[job.missing] + IS_MISSING_SQL + IS_NOT_REJECTED_SQL
    return sql.SQL(condition).format(table=staging_table(job), staged_range=staged_range)


def render_existed(snapshot: str) -> sql.Composed:
    """Return the condition that a product `p` existed in a snapshot, in the text format of `pg_snapshot`.

    The statement must have `HORIZON_SQL`.
    """
    _, xmax, running = snapshot.split(":")
    condition = sql.SQL(EXISTED_SQL).format(xmax=sql.Literal(int(xmax)))
    if not running:
        return condition
    ids = [int(id) & 0xFFFFFFFF for id in running.split(",")]
    return condition + sql.SQL(WAS_NOT_RUNNING_SQL).format(running=sql.Literal(ids))
