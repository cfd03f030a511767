"""Taking an import back: what it created goes, what it changed gets its former values, what was edited since stays.

A job of its own, that goes through what the import left in `import_changes`, the last first, one short transaction
each. A product is as the import left it when its `updated_at` is still the import's; or when an undo has brought it
back to that, which `restored` tells. So imports can be undone in the opposite order, however many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from importer.errors import Interrupted
from importer.jobs import repository
from importer.jobs.heartbeat import LeaseKeeper
from importer.jobs.repository import Job
from importer.pipeline.change_log import STATE_OF
from importer.pipeline.merge import Counts, write_held
from webhook_service import record, tell_imported, wants_imported

RECORDS = """
SELECT c.id FROM import_changes c JOIN import_jobs j ON j.id = c.job_id
WHERE j.task_id = %s AND (%s::bigint IS NULL OR c.id < %s::bigint)
    AND (c.created IS NOT NULL OR c.updated IS NOT NULL) ORDER BY c.id DESC
"""
# Rows are locked in the order of their keys, as imports lock them; edits until then are seen behind the lock.
TAKEN_BACK = """
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS at), wanted AS MATERIALIZED (
    SELECT u.id, true AS is_created, NULL AS name, NULL AS description, NULL::boolean AS active,
        NULL::timestamptz AS stamp
    FROM import_changes c, unnest(c.created) u (id) WHERE c.id = {record}
    UNION ALL
    SELECT u.* FROM import_changes c CROSS JOIN LATERAL (
        SELECT u.id, false, u.name, u.description, u.active, u.stamp
        FROM unnest(c.updated, c.names, c.descriptions, c.actives, c.stamps) u (id, name, description, active, stamp)
    ) u WHERE c.id = {record}
), locked AS MATERIALIZED (
    SELECT p.id, p.sku, {state} = (SELECT at FROM import_changes WHERE id = {record}) AS untouched
    FROM products p WHERE p.id IN (SELECT id FROM wanted) ORDER BY lower(p.sku) COLLATE "C" FOR UPDATE
), removed AS (
    DELETE FROM products p USING wanted w JOIN locked l USING (id)
    WHERE p.id = w.id AND l.untouched AND w.is_created RETURNING p.id
), restored AS (
    UPDATE products p SET name = coalesce(w.name, p.name), description = coalesce(w.description, p.description),
        active = coalesce(w.active, p.active), updated_at = (SELECT at FROM moment),
        restored = ARRAY[w.stamp, (SELECT at FROM moment)]
    FROM wanted w JOIN locked l USING (id) WHERE p.id = w.id AND l.untouched AND NOT w.is_created RETURNING p.id
), left_alone AS (
    INSERT INTO import_rejects (job_id, line, code, message, row)
    SELECT {job_id}, rejected_count + row_number() OVER (ORDER BY lower(sku) COLLATE "C"), 'edited_since',
        'The product was edited after the import, so it was left as it is.', sku
    FROM locked, import_jobs j WHERE NOT untouched AND j.id = {job_id}
), inserted AS (SELECT id FROM removed WHERE false), updated AS (
    SELECT id FROM restored UNION ALL SELECT id FROM removed
){told}
SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM removed), (SELECT count(*) FROM restored),
    (SELECT count(*) FROM locked WHERE NOT untouched)
"""
# As `writing` has it; a rough guess of how many ids there are would make the planner read the whole table.
SETTINGS = "SET LOCAL enable_seqscan = off; SET LOCAL random_page_cost = 1.1; SET LOCAL jit = off"
COUNTED = (
    "checkpoint = %(record)s, attempts = 0, updated_count = updated_count + %(removed)s + %(restored)s,"
    " removed_count = removed_count + %(removed)s, rejected_count = rejected_count + %(left)s,"
    " unchanged_count = unchanged_count + %(gone)s, rows_written = rows_written + %(removed)s + %(restored)s,"
    " processed_records = processed_records + %(all)s,"
    " progress = greatest(progress, least(99, 100 * (processed_records + %(all)s) / greatest(total_records, 1)))"
)


def take_back(connection: Connection, job: Job, keeper: LeaseKeeper, *, out_of_time: Callable[[], bool]) -> None:
    """Goes on with the undo `job` to its end.

    Raises `Interrupted` between two transactions once `out_of_time()`, and `LeaseLost` when the job went elsewhere.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(RECORDS, (job.undo_of, job.checkpoint, job.checkpoint))
        records = [row[0] for row in cursor.fetchall()]
    for number in records:
        if out_of_time():
            raise Interrupted
        keeper.check()
        _take_back_record(connection, job, number)


def _take_back_record(connection: Connection, job: Job, number: int) -> None:
    def write(cursor: Any) -> Counts:
        cursor.execute(SETTINGS)
        counts = _write(cursor, job, number)
        repository.update(cursor, job, COUNTED, {**counts, "record": str(number)}, sampled="undoing")
        return counts

    kept = "What was taken back until then stays so; try again to take back the rest."
    write_held(connection, job, write, kept=kept)


def _write(cursor: Any, job: Job, number: int) -> Counts:
    told = tell_imported(job.task_id) if wants_imported(cursor) else sql.SQL("")
    statement = sql.SQL(TAKEN_BACK).format(
        record=sql.Literal(number),
        job_id=sql.Literal(job.id),
        state=sql.SQL(STATE_OF.format(p="p")),
        told=told,
    )
    cursor.execute(statement)
    everything, removed, restored, left = cursor.fetchone()
    if removed:
        record(cursor, "product.bulk_deleted", {"count": removed})
    return {
        "all": everything,
        "removed": removed,
        "restored": restored,
        "left": left,
        "gone": everything - removed - restored - left,
    }
