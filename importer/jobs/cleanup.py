"""The removal of what expired or ended jobs leave: previews, staging tables, files and change logs.

Every worker runs these functions from time to time. They may run at the same time in any number of workers.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from importer.jobs import repository
from importer.jobs.retention import Retention

# A file without a job is a broken upload. It may still be under way until this has passed since its last write.
STALE_UPLOAD_SECONDS = 24 * 3600

FIND_EXPIRED_PREVIEWS_SQL = """
SELECT id FROM import_jobs WHERE status = 'awaiting_confirmation' AND confirm_until < clock_timestamp()
FOR UPDATE SKIP LOCKED
"""
HAS_ENDED_WITH_STAGING_SQL = "staging_table IS NOT NULL AND status IN ('completed', 'failed', 'cancelled')"
# Keeps the change log of an import whose undo has not ended.
DELETE_EXPIRED_CHANGE_LOGS_SQL = """
DELETE FROM import_changes WHERE job_id IN (
    SELECT id FROM import_jobs j WHERE undo_until < clock_timestamp() AND NOT EXISTS (
        SELECT FROM import_jobs u WHERE u.undo_of = j.task_id AND u.status IN ('pending', 'processing')
    ) AND EXISTS (SELECT FROM import_changes c WHERE c.job_id = j.id)
)
"""
FILE_IS_EXPIRED_SQL = """
SELECT status IN ('completed', 'failed', 'cancelled') AND coalesce(retry_until < clock_timestamp(), true)
FROM import_jobs WHERE stored_name = %s
"""


def cancel_expired_previews(connection: Connection, retention: Retention) -> None:
    """Cancel the previews that nobody confirmed in time."""
    message = f"The preview was not confirmed within {retention.preview_hours} hours, so nothing was imported."
    with connection, connection.cursor() as cursor:
        cursor.execute(FIND_EXPIRED_PREVIEWS_SQL)
        for (job_id,) in cursor.fetchall():
            repository.cancel(cursor, job_id, retention, event="expired", message=message)


def drop_staging_of_ended_jobs(connection: Connection) -> None:
    """Drop the staging tables that ended jobs have left; skip a table that a worker still uses."""
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM import_jobs WHERE {HAS_ENDED_WITH_STAGING_SQL}")
        job_ids = [row[0] for row in cursor.fetchall()]
    for job_id in job_ids:
        with contextlib.suppress(errors.LockNotAvailable), connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
            # A client may have retried the job since; then it needs the table.
            cursor.execute(
                f"SELECT FROM import_jobs WHERE id = %s AND {HAS_ENDED_WITH_STAGING_SQL} FOR UPDATE", (job_id,)
            )
            if cursor.rowcount:
                repository.drop_staging_table(cursor, job_id)


def delete_expired_change_logs(connection: Connection) -> None:
    """Delete the change logs of imports that can no longer be undone."""
    with connection, connection.cursor() as cursor:
        cursor.execute(DELETE_EXPIRED_CHANGE_LOGS_SQL)


def delete_expired_files(connection: Connection, upload_dir: Path, now: float) -> None:
    """Delete the files of jobs that can no longer be retried, and stale files without a job; `now` in Unix seconds."""
    for path in [*upload_dir.glob("*.upload"), *upload_dir.glob("*.part")]:
        with connection, connection.cursor() as cursor:
            cursor.execute(FILE_IS_EXPIRED_SQL, (path.name,))
            row = cursor.fetchone()
        # Another worker may delete the same file.
        with contextlib.suppress(FileNotFoundError):
            if row == (True,) or (row is None and path.stat().st_mtime < now - STALE_UPLOAD_SECONDS):
                path.unlink()
