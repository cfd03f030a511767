"""Finds the jobs that nobody works on and nobody was told of: lost messages, dead workers, a broker that was away."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from psycopg2.extensions import connection as Connection

from importer import jobs

log = logging.getLogger(__name__)

# A job waiting behind others in the queue has its message; it is told of again only in case that one was lost.
WAITING_SECONDS = 30
ORPHANED_SECONDS = 10
WORKER_FORGOTTEN_SECONDS = 3600
STALE_UPLOAD_SECONDS = 24 * 3600

ORPHANS = """
SELECT id, task_id::text, attempts, lease_token::text, lease_holder,
    coalesce(lease_expires_at > clock_timestamp(), false),
    announced_at IS NULL OR announced_at < clock_timestamp() - make_interval(
        secs => CASE status WHEN 'pending' THEN %(waiting)s ELSE %(orphaned)s END)
FROM import_jobs WHERE status IN ('pending', 'processing') ORDER BY id
"""


def sweep(connection: Connection, *, wake: Callable[[str], bool], max_attempts: int) -> None:
    """Wakes every job that should be worked on and is not; `wake(task_id)` sends its message and tells whether it went.

    A job that made no headway in `max_attempts` attempts fails with a sentence that says so.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(ORPHANS, {"waiting": WAITING_SECONDS, "orphaned": ORPHANED_SECONDS})
        rows = cursor.fetchall()
    for job_id, task_id, attempts, token, holder, leased, silent in rows:
        if leased and not jobs.holder_is_gone(holder):
            continue
        if attempts >= max_attempts:
            message = (
                f"The import was started {attempts} times and each time stopped before it got any further. "
                "The worker's log says why; upload the file again once that is mended."
            )
            if jobs.fail(connection, job_id, message, token=token):
                log.error("Import %s: given up after %s attempts", task_id, attempts)
        elif silent and wake(task_id):
            announced(connection, task_id)


def announced(connection: Connection, task_id: str) -> None:
    """Notes that a message for the job has just been sent."""
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE import_jobs SET announced_at = clock_timestamp() WHERE task_id = %s", (task_id,))


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


def remove_leftovers(connection: Connection, upload_dir: Path, now: float) -> None:
    """Removes files whose job has ended, and those that never got a job, long before `now` (Unix seconds)."""
    for path in [*upload_dir.glob("*.upload"), *upload_dir.glob("*.part")]:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT status IN ('completed', 'failed', 'cancelled') FROM import_jobs WHERE stored_name = %s",
                (path.name,),
            )
            row = cursor.fetchone()
        # Another worker may sweep the same folder.
        with contextlib.suppress(FileNotFoundError):
            if row == (True,) or (row is None and path.stat().st_mtime < now - STALE_UPLOAD_SECONDS):
                path.unlink()
