"""Finds the jobs that nobody works on and nobody was told of: lost messages, dead workers, a broker that was away."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from database.lease import LEASE_IS_VALID_SQL, holder_has_ended
from importer.jobs import repository
from importer.pipeline import change_log

log = logging.getLogger(__name__)

# A job waiting behind others in the queue has its message; it is told of again only in case that one was lost.
WAITING_SECONDS = 30
ORPHANED_SECONDS = 5
WORKER_FORGOTTEN_SECONDS = 3600
STALE_UPLOAD_SECONDS = 24 * 3600

# Jobs that wait for a worker are told of again oldest first and few at a time: the others have their turn when these
# are at work. However many wait, the queue does not fill up with messages about them.
WOKEN_AT_ONCE = 4

STAGED_AND_ENDED = "staging_table IS NOT NULL AND status IN ('completed', 'failed', 'cancelled')"
ORPHANS = f"""
SELECT task_id::text, lease_holder, {LEASE_IS_VALID_SQL}, announced_at,
    announced_at IS NULL OR announced_at < clock_timestamp() - make_interval(
        secs => CASE status WHEN 'pending' THEN %(waiting)s ELSE %(orphaned)s END)
FROM import_jobs WHERE status IN ('pending', 'processing') ORDER BY id
"""


def sweep(connection: Connection, *, wake: Callable[[str], bool]) -> None:
    """Wakes the jobs that should be worked on and are not; `wake(task_id)` sends a message and tells if it went."""
    with connection, connection.cursor() as cursor:
        cursor.execute(ORPHANS, {"waiting": WAITING_SECONDS, "orphaned": ORPHANED_SECONDS})
        rows = cursor.fetchall()
    orphans = [
        (task_id, announced, silent)
        for task_id, holder, leased, announced, silent in rows
        if not leased or holder_has_ended(holder)
    ]
    for task_id, announced, silent in orphans[:WOKEN_AT_ONCE]:
        if silent and _claim(connection, task_id, announced) and not wake(task_id):
            # The broker is away; it would keep this thread waiting for each of the others too.
            _announce(connection, task_id, None)
            break


def _claim(connection: Connection, task_id: str, seen: datetime | None) -> bool:
    """Notes that a message for the job is being sent; False when another worker was quicker, or is at its row."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE import_jobs SET announced_at = clock_timestamp() WHERE id = (SELECT id FROM import_jobs"
            " WHERE task_id = %s AND announced_at IS NOT DISTINCT FROM %s FOR UPDATE SKIP LOCKED)",
            (task_id, seen),
        )
        claimed: bool = cursor.rowcount == 1
        return claimed


def _announce(connection: Connection, task_id: str, when: datetime | None) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE import_jobs SET announced_at = %s WHERE task_id = %s", (when, task_id))


def sign_of_life(connection: Connection, worker: str) -> None:
    """Notes that the worker process `worker` lives, and forgets those that have long been silent."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO workers (name, seen_at) VALUES (%s, clock_timestamp())"
            " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at",
            (worker,),
        )
        cursor.execute(
            "DELETE FROM workers WHERE seen_at < clock_timestamp() - make_interval(secs => %s)",
            (WORKER_FORGOTTEN_SECONDS,),
        )


def sign_off(connection: Connection, worker: str) -> None:
    """Notes that the worker process `worker` ends in good order."""
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM workers WHERE name = %s", (worker,))


def drop_staging_of_ended(connection: Connection) -> None:
    """Drops what a job that was cancelled had staged; where a worker is still at it, another time."""
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM import_jobs WHERE {STAGED_AND_ENDED}")
        ended = [row[0] for row in cursor.fetchall()]
    for job_id in ended:
        with contextlib.suppress(errors.LockNotAvailable), connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
            # Begun again meanwhile, it is needed.
            cursor.execute(f"SELECT FROM import_jobs WHERE id = %s AND {STAGED_AND_ENDED} FOR UPDATE", (job_id,))
            if cursor.rowcount:
                repository.drop_staging(cursor, job_id)


def remove_leftovers(connection: Connection, upload_dir: Path, now: float) -> None:
    """Removes files whose job has ended for good, and those that never got a job, long before `now` (Unix seconds).

    Also what imports had kept for an undo that nobody wants any more.
    """
    with connection, connection.cursor() as cursor:
        change_log.forget(cursor)
    for path in [*upload_dir.glob("*.upload"), *upload_dir.glob("*.part")]:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT status IN ('completed', 'failed', 'cancelled')"
                " AND coalesce(retry_until < clock_timestamp(), true) FROM import_jobs WHERE stored_name = %s",
                (path.name,),
            )
            row = cursor.fetchone()
        # Another worker may sweep the same folder.
        with contextlib.suppress(FileNotFoundError):
            if row == (True,) or (row is None and path.stat().st_mtime < now - STALE_UPLOAD_SECONDS):
                path.unlink()
