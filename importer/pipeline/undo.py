"""Undoing an import or a bulk change: products that it created are deleted, those that it updated get their previous
values back.

Products that it deleted are inserted again; see `restore` and `restore_table`.

An undo is a job of its own. It reverses the entries of the import's change log, the last one first, each in a short
transaction. It does not change products that were edited after the import: their version is no longer that of the
entry (see `change_log`). So any number of imports can be undone, the last one first. The entry keeps the ids of the
products that were left alone, and a later undo of the same import reverses only these.
"""

from __future__ import annotations

import contextlib

from psycopg2 import errors, sql

from catalogue import search_indexes
from database.connect import transaction
from importer.files.reject_messages import EDITED_SINCE
from importer.jobs.messages import kind_of_undone
from importer.jobs.repository import Job
from importer.pipeline.change_log import VERSION_SQL
from importer.pipeline.restore import render_restoration
from importer.pipeline.restore_table import DeletedTable, restore_table
from importer.pipeline.reversal import render_event, reverse
from importer.pipeline.run import Run

# How often an undo tries to drop the index of texts while others use the table.
DROP_ATTEMPTS = 2

FIND_ENTRIES_SQL = """
SELECT c.id, c.deleted IS NOT NULL, c.deleted_table,
    CASE WHEN num_nonnulls(c.deleted, c.deleted_table) > 0
        THEN coalesce(cardinality(c.left_alone), c.deleted_rows, cardinality(c.deleted)) ELSE 0 END
FROM import_changes c JOIN import_jobs j ON j.id = c.job_id
WHERE j.task_id = %s AND (%s::bigint IS NULL OR c.id < %s::bigint)
    AND num_nonnulls(c.created, c.updated, c.deleted, c.deleted_table) > 0
    AND (c.left_alone IS NULL OR cardinality(c.left_alone) > 0)
ORDER BY c.id DESC
"""
# `locked` locks the products in key order, as imports do. It sees the edits of transactions for which it had to wait.
# The event for the webhooks reads the CTEs `inserted` and `updated`. It reports every product as updated.
REVERSE_ENTRY_SQL = """
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), rest AS MATERIALIZED (
    SELECT unnest(left_alone) AS id FROM import_changes WHERE id = {entry_id}
), logged AS MATERIALIZED (
    SELECT u.id, true AS was_created, NULL AS name, NULL AS description, NULL::boolean AS active,
        NULL::timestamptz AS version
    FROM import_changes c, unnest(c.created) u (id)
    WHERE c.id = {entry_id} AND (c.left_alone IS NULL OR u.id IN (SELECT id FROM rest))
    UNION ALL
    SELECT u.* FROM import_changes c CROSS JOIN LATERAL (
        SELECT u.id, false, u.name, u.description, u.active, u.version
        FROM unnest(c.updated, c.names, c.descriptions, c.actives, c.stamps) u (id, name, description, active, version)
    ) u WHERE c.id = {entry_id} AND (c.left_alone IS NULL OR u.id IN (SELECT id FROM rest))
), locked AS MATERIALIZED (
    SELECT p.id, p.sku, (
        {version}
    ) = (SELECT at FROM import_changes WHERE id = {entry_id}) AS is_unedited
    FROM products p WHERE p.id IN (SELECT id FROM logged) ORDER BY lower(p.sku) COLLATE "C" FOR UPDATE
), removed AS (
    DELETE FROM products p USING logged g JOIN locked l USING (id)
    WHERE p.id = g.id AND l.is_unedited AND g.was_created RETURNING p.id
), restored AS (
    UPDATE products p SET name = coalesce(g.name, p.name), description = coalesce(g.description, p.description),
        active = coalesce(g.active, p.active), updated_at = (SELECT at FROM write_time),
        restored = ARRAY[g.version, (SELECT at FROM write_time)]
    FROM logged g JOIN locked l USING (id)
    WHERE p.id = g.id AND l.is_unedited AND NOT g.was_created RETURNING p.id
), left_alone AS (
    UPDATE import_changes SET left_alone = ARRAY(SELECT id FROM locked WHERE NOT is_unedited),
        reversals = reversals || (SELECT at FROM write_time)
    WHERE id = {entry_id}
), listed AS (
    INSERT INTO import_rejects (job_id, line, code, message, row)
    SELECT {job_id}, line, 'edited_since',
        {edited_since}, sku
    FROM (
        SELECT rejected_count + row_number() OVER (ORDER BY lower(sku) COLLATE "C") AS line, sku
        FROM locked, import_jobs j WHERE NOT is_unedited AND j.id = {job_id}
    ) numbered WHERE line <= {max_rejects}
), inserted AS (SELECT id FROM removed WHERE false), updated AS (
    SELECT id FROM restored UNION ALL SELECT id FROM removed
){record_event}
SELECT (SELECT count(*) FROM logged), (SELECT count(*) FROM removed), (SELECT count(*) FROM restored),
    (SELECT count(*) FROM locked WHERE NOT is_unedited)
"""


def undo_import(run: Run, *, slice_rows: int, max_rejects: int) -> None:
    """Reverse every entry before the checkpoint of the job; list at most `max_rejects` products that are left alone.

    Products of a deletion of all are restored in slices of about `slice_rows`. Raises `Interrupted` between two
    transactions when the time is up, `LeaseLost`, and `ImportFailure` if other clients keep interfering.
    """
    job = run.job
    with transaction(run.connection) as cursor:
        cursor.execute(FIND_ENTRIES_SQL, (job.undo_of, job.checkpoint, job.checkpoint))
        entries = cursor.fetchall()
    _make_way(run, sum(deleted_rows for *_, deleted_rows in entries))
    run.forecast.begin("undoing", done=job.processed_records)
    checkpoint, last_key = job.checkpoint, job.missing_checkpoint
    for entry_id, has_deleted, deleted_table, _ in entries:
        if deleted_table:
            table = DeletedTable(deleted_table, entry_id, checkpoint, last_key)
            restore_table(run, table, slice_rows=slice_rows, max_rejects=max_rejects)
        else:
            render = render_restoration if has_deleted else render_reversal
            run.check()
            reverse(
                run,
                lambda has_subscriber, render=render, entry_id=entry_id: render(  # type: ignore[misc]
                    job, entry_id, max_rejects=max_rejects, has_subscriber=has_subscriber
                ),
                checkpoint=str(entry_id),
            )
        checkpoint, last_key = str(entry_id), None


def _make_way(run: Run, restored_rows: int) -> None:
    """Prepare the search indexes for so many restored products; without it, the undo only takes longer."""
    for _ in range(DROP_ATTEMPTS):
        # Others may use the table, and another role may own the indexes.
        with (
            contextlib.suppress(errors.LockNotAvailable, errors.InsufficientPrivilege),
            transaction(run.connection) as cursor,
        ):
            search_indexes.make_way(cursor, restored_rows)
            return
        run.check()


def render_reversal(job: Job, entry_id: int, *, max_rejects: int, has_subscriber: bool) -> sql.Composed:
    """Return the statement that reverses an entry; `has_subscriber` tells whether a webhook wants the products.

    It returns one row: the numbers of products in the entry, removed, restored and left alone.
    """
    return sql.SQL(REVERSE_ENTRY_SQL).format(
        entry_id=sql.Literal(entry_id),
        job_id=sql.Literal(job.id),
        edited_since=sql.Literal(EDITED_SINCE[kind_of_undone(job.bulk)].format()),
        max_rejects=sql.Literal(max_rejects),
        version=sql.SQL(VERSION_SQL.format(p="p")),
        record_event=render_event(job, has_subscriber=has_subscriber),
    )
