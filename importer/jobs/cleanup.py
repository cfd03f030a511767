"""Cleans up after jobs: ends expired previews, and deletes staging tables, files, change logs and old jobs.

Every worker runs these functions from time to time. They may run at the same time in any number of workers. Tables with
many rows are emptied in batches, each in a short transaction, until it is time for the reaper's other work.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from psycopg2 import errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.connect import SET_TABLE_LOCK_LIMIT_SQL, transaction
from importer.errors import FailureKind, ImportFailure
from importer.jobs import deleted_tables, repository
from importer.jobs.log_messages import log_message
from importer.jobs.repository import BUMP_REVISION_SQL
from importer.jobs.retention import HistoryRetention, Retention

# How many jobs are looked up at a time.
BATCH_JOBS = 100

FIND_EXPIRED_PREVIEWS_SQL = """
SELECT id FROM import_jobs WHERE status = 'awaiting_confirmation' AND confirm_until < clock_timestamp()
FOR UPDATE SKIP LOCKED
"""
HAS_ENDED_SQL = "status IN ('completed', 'failed', 'cancelled')"
HAS_ENDED_WITH_STAGING_SQL = f"staging_table IS NOT NULL AND {HAS_ENDED_SQL}"
HAS_UNFINISHED_UNDO_SQL = """EXISTS (
    SELECT FROM import_jobs u WHERE u.undo_of = j.task_id AND u.status IN ('pending', 'processing')
)"""
# Keeps the change log of an import whose undo has not ended.
FIND_EXPIRED_CHANGE_LOGS_SQL = f"""
SELECT id FROM import_jobs j WHERE undo_until < clock_timestamp() AND NOT {HAS_UNFINISHED_UNDO_SQL}
    AND EXISTS (SELECT FROM import_changes c WHERE c.job_id = j.id)
LIMIT {BATCH_JOBS}
"""
FIND_OLD_JOBS_SQL = f"""
SELECT id FROM import_jobs j
WHERE finished_at < clock_timestamp() - make_interval(days => %s) AND {HAS_ENDED_SQL}
    AND coalesce(retry_until < clock_timestamp(), true) AND coalesce(undo_until < clock_timestamp(), true)
    AND NOT {HAS_UNFINISHED_UNDO_SQL}
ORDER BY finished_at LIMIT {BATCH_JOBS}
"""
DELETE_OLD_MAPPINGS_SQL = "DELETE FROM import_mappings WHERE used_at < clock_timestamp() - make_interval(days => %s)"
# Finds the rows of a batch in the order of an index, and deletes them by their physical addresses. The next batch
# starts after them, so it does not scan the index entries of deleted rows again.
DELETE_BATCH_SQL = """
WITH batch AS MATERIALIZED (
    SELECT ctid AS address, {position} AS position FROM {table}
    WHERE job_id = %(job_id)s AND {position} > %(after)s ORDER BY {position} LIMIT {rows}
), deleted AS (
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT address FROM batch))
)
SELECT max(position) FROM batch
"""
# Without statistics of a large job's new rows, the planner would sort all of them for each batch.
BATCH_PLANNER_SETTINGS_SQL = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off"
LOCK_ENDED_JOB_SQL = f"SELECT task_id, undone_by FROM import_jobs j WHERE id = %s AND {HAS_ENDED_SQL} FOR UPDATE"
# Imports are locked before their undos, here and in `actions` and `repository`.
LOCK_IMPORT_OF_UNDO_SQL = """
SELECT FROM import_jobs WHERE task_id = (SELECT undo_of FROM import_jobs WHERE id = %s) FOR UPDATE
"""
# Deleting an undo makes its import undoable again if the undo left something to reverse: it left products alone, or it
# did not complete.
DETACH_UNDO_SQL = f"""
UPDATE import_jobs SET undone_by = NULL, left_alone_count = 0, {BUMP_REVISION_SQL}
WHERE (task_id, undone_by) = (SELECT undo_of, task_id FROM import_jobs WHERE id = %(id)s)
    AND (left_alone_count > 0 OR (SELECT status FROM import_jobs WHERE id = %(id)s) <> 'completed')
"""
CLOSE_JOB_SQL = f"UPDATE import_jobs SET retry_until = NULL, undo_until = NULL, {BUMP_REVISION_SQL} WHERE id = %s"
# The reaper must not wait long for a job that another transaction has locked.
LIMIT_JOB_LOCK_SQL = "SET LOCAL lock_timeout = '1s'"
FORBID_RETRY_SQL = "UPDATE import_jobs SET retry_until = NULL WHERE task_id = %s"


@dataclass(frozen=True)
class Details:
    """A table with details of jobs. `position` is a column that orders the rows of a job.

    The table has an index on `job_id` and that column. A batch deletes at most `batch_rows` rows.
    """

    table: str
    position: str
    batch_rows: int


REJECTS = Details("import_rejects", "line", 10_000)
DUPLICATES = Details("import_duplicates", "line", 10_000)
SAMPLES = Details("import_samples", "id", 10_000)
# An entry can hold all products of a slice with their previous values, so a batch has few entries.
CHANGES = Details("import_changes", "id", 20)
LOG = Details("import_log", "id", 10_000)


@dataclass(frozen=True)
class ExpiringDetails:
    """Details that are removed before their job.

    `removed_at` is the column of the job that records when. `condition` is true for jobs that may have such details.
    `code` is that of the message for the job's log.
    """

    details: Details
    removed_at: str
    condition: str
    code: str


NOT_CONFIRMED = FailureKind(
    "not_confirmed", "The preview was not confirmed within {hours} hours, so nothing was imported."
)
EXPIRING_REJECTS = ExpiringDetails(REJECTS, "rejects_removed_at", "rejected_count > 0", "rejects_removed")
# A job that was not confirmed has counted its duplicates in its preview only.
EXPIRING_DUPLICATES = ExpiringDetails(
    DUPLICATES,
    "duplicates_removed_at",
    "(duplicate_count > 0 OR (preview ->> 'duplicate')::bigint > 0)",
    "duplicates_removed",
)
EXPIRING_SAMPLES = ExpiringDetails(SAMPLES, "samples_removed_at", "true", "samples_removed")


def cancel_expired_previews(connection: Connection, retention: Retention) -> None:
    """Cancel the previews that nobody confirmed in time."""
    reason = ImportFailure(NOT_CONFIRMED, hours=retention.preview_hours)
    with transaction(connection) as cursor:
        cursor.execute(FIND_EXPIRED_PREVIEWS_SQL)
        for (job_id,) in cursor.fetchall():
            repository.cancel(cursor, job_id, retention, event="expired", reason=reason)


def drop_staging_of_ended_jobs(connection: Connection) -> None:
    """Drop the staging tables that ended jobs have left; skip a table that a worker still uses."""
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT id FROM import_jobs WHERE {HAS_ENDED_WITH_STAGING_SQL}")
        job_ids = [row[0] for row in cursor.fetchall()]
    for job_id in job_ids:
        drop_staging_if_ended(connection, job_id)


def drop_staging_if_ended(connection: Connection, job_id: int) -> None:
    """Drop the staging table of a job, unless the job has not ended, or another process uses the table."""
    with contextlib.suppress(errors.LockNotAvailable), transaction(connection) as cursor:
        cursor.execute(SET_TABLE_LOCK_LIMIT_SQL)
        # A client may have retried the job since; then it needs the table.
        cursor.execute(f"SELECT FROM import_jobs WHERE id = %s AND {HAS_ENDED_WITH_STAGING_SQL} FOR UPDATE", (job_id,))
        if cursor.rowcount:
            repository.drop_staging_table(cursor, job_id)


def delete_expired(connection: Connection, history: HistoryRetention, *, seconds: float) -> bool:
    """Delete expired change logs, old rejects, duplicates and samples, old jobs and unused mappings.

    Returns False if it stops after about `seconds` with something left to delete.
    """
    ends_at = time.monotonic() + seconds
    with transaction(connection) as cursor:
        cursor.execute(DELETE_OLD_MAPPINGS_SQL, (history.history_days,))
    return (
        delete_expired_change_logs(connection, ends_at=ends_at)
        and _delete_expiring(connection, EXPIRING_REJECTS, history.reject_days, ends_at)
        and _delete_expiring(connection, EXPIRING_DUPLICATES, history.reject_days, ends_at)
        and _delete_expiring(connection, EXPIRING_SAMPLES, history.sample_days, ends_at)
        and _delete_old_jobs(connection, history.history_days, ends_at)
    )


def delete_expired_change_logs(connection: Connection, *, ends_at: float = math.inf) -> bool:
    """Delete the change logs of imports that can no longer be undone; return False if the time is up first.

    `ends_at` is in the seconds of `time.monotonic`.
    """
    while job_ids := _find_jobs(connection, FIND_EXPIRED_CHANGE_LOGS_SQL):
        for job_id in job_ids:
            if not delete_details(connection, job_id, CHANGES, ends_at):
                return False
    deleted_tables.drop_unnamed_tables(connection)
    return True


def delete_job(
    connection: Connection,
    job_id: int,
    *,
    ends_at: float = math.inf,
    on_start: Callable[[Cursor], None] = lambda cursor: None,
) -> bool:
    """Delete an ended job and all its data except its file; return whether it is gone.

    A job that has not ended, or whose undo has not ended, stays as it is. After the first transaction, which also calls
    `on_start`, the job can be neither retried nor undone. Its details are then deleted in batches, and its row last, so
    an interrupted deletion leaves a job that can be deleted again. The same is true if the deletion stops because the
    time `ends_at`, in the seconds of `time.monotonic`, has come. `connection` must not be in a transaction. Raises
    `psycopg2.errors.LockNotAvailable` if the job or its staging table stays locked.
    """
    with transaction(connection) as cursor:
        cursor.execute(LIMIT_JOB_LOCK_SQL)
        cursor.execute(LOCK_IMPORT_OF_UNDO_SQL, (job_id,))
        job = _lock_ended_job(cursor, job_id)
        if job is None:
            return False
        _, undone_by = job
        repository.drop_staging_table(cursor, job_id)
        cursor.execute(DETACH_UNDO_SQL, {"id": job_id})
        cursor.execute(FORBID_RETRY_SQL, (undone_by,))
        cursor.execute(CLOSE_JOB_SQL, (job_id,))
        on_start(cursor)
    for details in (REJECTS, DUPLICATES, CHANGES, SAMPLES, LOG):
        if not delete_details(connection, job_id, details, ends_at):
            return False
    deleted_tables.drop_unnamed_tables(connection)
    with transaction(connection) as cursor:
        if _lock_ended_job(cursor, job_id) is not None:
            cursor.execute("DELETE FROM import_jobs WHERE id = %s", (job_id,))
    return True


def _lock_ended_job(cursor: Cursor, job_id: int) -> tuple[str, str | None] | None:
    """Lock a job and return its task id and that of its undo; None if the job or its undo has not ended."""
    cursor.execute(LOCK_ENDED_JOB_SQL, (job_id,))
    row: tuple[str, str | None] | None = cursor.fetchone()
    if row is None:
        return None
    # A separate statement sees an undo that was created while the first one waited for the lock.
    cursor.execute(f"SELECT FROM import_jobs j WHERE id = %s AND {HAS_UNFINISHED_UNDO_SQL}", (job_id,))
    return None if cursor.rowcount else row


def _delete_old_jobs(connection: Connection, days: int, ends_at: float) -> bool:
    locked: set[int] = set()
    while job_ids := set(_find_jobs(connection, FIND_OLD_JOBS_SQL, days)) - locked:
        for job_id in sorted(job_ids):
            try:
                if not delete_job(connection, job_id, ends_at=ends_at):
                    return False
            except errors.LockNotAvailable:
                locked.add(job_id)
    return True


def _delete_expiring(connection: Connection, expiring: ExpiringDetails, days: int, ends_at: float) -> bool:
    """Delete the details of jobs that ended more than `days` ago; return False if the time is up first.

    Jobs that another transaction has locked are left for the next time.
    """
    old_sql = (
        f"finished_at < clock_timestamp() - make_interval(days => %s) AND {HAS_ENDED_SQL}"
        f" AND {expiring.removed_at} IS NULL AND {expiring.condition}"
    )
    find_sql = f"SELECT id FROM import_jobs j WHERE {old_sql} ORDER BY finished_at LIMIT {BATCH_JOBS}"
    locked: set[int] = set()
    while job_ids := set(_find_jobs(connection, find_sql, days)) - locked:
        for job_id in sorted(job_ids):
            try:
                # A client may retry the job in the meantime, so each batch checks that the job is still old.
                if not delete_details(connection, job_id, expiring.details, ends_at, guard_sql=old_sql, days=days):
                    return False
                with transaction(connection) as cursor:
                    cursor.execute(LIMIT_JOB_LOCK_SQL)
                    cursor.execute(
                        f"UPDATE import_jobs SET {expiring.removed_at} = clock_timestamp() WHERE id = %s AND {old_sql}",
                        (job_id, days),
                    )
                    if cursor.rowcount:
                        repository.append_log(cursor, job_id, "removed", log_message(expiring.code, days=days))
            except errors.LockNotAvailable:
                locked.add(job_id)
    return True


def _find_jobs(connection: Connection, statement: str, days: int | None = None) -> list[int]:
    with transaction(connection) as cursor:
        cursor.execute(statement, None if days is None else (days,))
        return [row[0] for row in cursor.fetchall()]


def delete_details(
    connection: Connection,
    job_id: int,
    details: Details,
    ends_at: float,
    *,
    guard_sql: str | None = None,
    days: int | None = None,
) -> bool:
    """Delete the details of a job in batches; return False if the time is up first.

    `guard_sql` is an optional condition on the job, with the parameter `days`. Each batch locks the job and checks the
    condition; once it is no longer true, the deletion ends and returns True.
    """
    statement = DELETE_BATCH_SQL.format(table=details.table, position=details.position, rows=details.batch_rows)
    after: int | None = -1
    while True:
        with transaction(connection) as cursor:
            if guard_sql is not None:
                cursor.execute(LIMIT_JOB_LOCK_SQL)
                cursor.execute(f"SELECT FROM import_jobs WHERE id = %s AND {guard_sql} FOR UPDATE", (job_id, days))
                if not cursor.rowcount:
                    return True
            cursor.execute(BATCH_PLANNER_SETTINGS_SQL)
            cursor.execute(statement, {"job_id": job_id, "after": after})
            (after,) = cursor.fetchone() or (None,)
        if after is None:
            return True
        # The time is only checked after a batch, so even the shortest deletion deletes something.
        if time.monotonic() > ends_at:
            return False
