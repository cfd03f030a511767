"""The reaper: a thread of every worker that finds jobs nobody works on, and cleans up after jobs.

A job is orphaned if it is pending or processing and no worker holds its lease. Its message may have been lost, its
worker may have died, or the broker was unavailable. The reaper sends its message again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import connection as Connection

from access import retention as access_retention
from access.retention import AccessRetention
from database.connect import Component, run_until_stopped, transaction
from database.lease import LEASE_IS_VALID_SQL, holder_has_ended
from importer.jobs import cleanup
from importer.jobs.retention import HistoryRetention, Retention
from monitoring.context import set_request_id

# A pending job is probably waiting in the queue behind others, so its message is only sent again in case it was lost.
PENDING_REMINDER_SECONDS = 30
PROCESSING_REMINDER_SECONDS = 5
# At most this many orphaned jobs, the oldest ones, have a message at the same time. The reaper sends messages for the
# others once workers have acquired these, so the queue stays short however many jobs are waiting.
MAX_ANNOUNCED_ORPHANS = 4
DELETE_EXPIRED_SECONDS = 60
# How long a round of the reaper deletes before it looks for orphaned jobs again.
MAX_DELETION_SECONDS = 2
WORKER_RETENTION_SECONDS = 3600

FIND_UNFINISHED_JOBS_SQL = f"""
SELECT task_id::text, lease_holder, {LEASE_IS_VALID_SQL}, announced_at,
    announced_at IS NULL OR announced_at < clock_timestamp() - make_interval(
        secs => CASE status WHEN 'pending' THEN %(pending_seconds)s ELSE %(processing_seconds)s END)
FROM import_jobs WHERE status IN ('pending', 'processing') ORDER BY id
"""
# Of several reapers, only the first one finds `announced_at` unchanged. A locked row belongs to a worker or another
# reaper.
CLAIM_ANNOUNCEMENT_SQL = """
UPDATE import_jobs SET announced_at = clock_timestamp() WHERE id = (
    SELECT id FROM import_jobs WHERE task_id = %s AND announced_at IS NOT DISTINCT FROM %s FOR UPDATE SKIP LOCKED
)
RETURNING request_id
"""
WITHDRAW_ANNOUNCEMENT_SQL = "UPDATE import_jobs SET announced_at = NULL WHERE task_id = %s"
RECORD_WORKER_SQL = """
INSERT INTO workers (name, seen_at) VALUES (%s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at
"""
DELETE_OLD_WORKERS_SQL = "DELETE FROM workers WHERE seen_at < clock_timestamp() - make_interval(secs => %s)"
DELETE_WORKER_SQL = "DELETE FROM workers WHERE name = %s"

# Sends the message of a job by its task id; returns False if the broker does not accept it.
Wake = Callable[[str], bool]


@dataclass(frozen=True)
class ReaperSettings:
    """What a reaper needs to know; `interval_seconds` is the time between two rounds."""

    database_url: str
    retention: Retention
    history: HistoryRetention
    interval_seconds: float
    access: AccessRetention


class Reaper(threading.Thread):
    """Reap in a worker's main process until stopped, even while the database or the broker is unavailable.

    A deployment that starts a Celery worker needs nothing else, in particular no Celery beat. Any number of workers may
    reap at the same time. `worker` is the name under which this worker records that it is alive.
    """

    def __init__(self, settings: ReaperSettings, *, worker: str, wake: Wake) -> None:
        super().__init__(name="reaper", daemon=True)
        self._settings = settings
        self._worker = worker
        self._wake = wake
        self._stopping = threading.Event()
        # In the seconds of `time.monotonic`.
        self._deletion_due = 0.0

    def stop(self) -> None:
        """Ask the thread to end after its current step."""
        self._stopping.set()

    def run(self) -> None:
        """Reap every `interval_seconds` until `stop` is called."""
        run_until_stopped(
            self._settings.database_url,
            Component.REAPER,
            self._reap_until_stopped,
            stopping=self._stopping,
            purpose="the reaper",
            bug_delay_seconds=self._settings.interval_seconds,
        )

    def _reap_until_stopped(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            record_worker(connection, self._worker)
            wake_orphaned_jobs(connection, wake=self._wake)
            cleanup.cancel_expired_previews(connection, self._settings.retention)
            cleanup.drop_staging_of_ended_jobs(connection)
            self._delete_expired(connection)
            self._stopping.wait(self._settings.interval_seconds)
        remove_worker(connection, self._worker)

    def _delete_expired(self, connection: Connection) -> None:
        # If something is left to delete, the next round continues.
        if time.monotonic() < self._deletion_due:
            return
        has_deleted_all = [
            cleanup.delete_expired(connection, self._settings.history, seconds=MAX_DELETION_SECONDS),
            access_retention.delete_expired(connection, self._settings.access, seconds=MAX_DELETION_SECONDS),
        ]
        if all(has_deleted_all):
            self._deletion_due = time.monotonic() + DELETE_EXPIRED_SECONDS


def wake_orphaned_jobs(connection: Connection, *, wake: Wake) -> None:
    """Send a message for each of the oldest orphaned jobs, unless it had one recently."""
    with transaction(connection) as cursor:
        cursor.execute(
            FIND_UNFINISHED_JOBS_SQL,
            {"pending_seconds": PENDING_REMINDER_SECONDS, "processing_seconds": PROCESSING_REMINDER_SECONDS},
        )
        rows = cursor.fetchall()
    orphans = [
        (task_id, announced_at, is_due)
        for task_id, holder, lease_is_valid, announced_at, is_due in rows
        if not lease_is_valid or holder_has_ended(holder)
    ]
    for task_id, announced_at, is_due in orphans[:MAX_ANNOUNCED_ORPHANS]:
        if is_due and not _announce(connection, task_id, announced_at, wake):
            with transaction(connection) as cursor:
                cursor.execute(WITHDRAW_ANNOUNCEMENT_SQL, (task_id,))
            # The broker is unavailable, and each further message would wait until it times out.
            break


def _announce(connection: Connection, task_id: str, announced_at: datetime | None, wake: Wake) -> bool:
    """Send the message of a job, unless another reaper or a worker has it; return False if the broker refuses it."""
    with transaction(connection) as cursor:
        cursor.execute(CLAIM_ANNOUNCEMENT_SQL, (task_id, announced_at))
        claimed = cursor.fetchone()
    if not claimed:
        return True
    (request_id,) = claimed
    set_request_id(request_id)
    try:
        return wake(task_id)
    finally:
        set_request_id(None)


def record_worker(connection: Connection, worker: str) -> None:
    """Record that a worker is alive, and delete the workers that have been silent for a long time."""
    with transaction(connection) as cursor:
        cursor.execute(RECORD_WORKER_SQL, (worker,))
        cursor.execute(DELETE_OLD_WORKERS_SQL, (WORKER_RETENTION_SECONDS,))


def remove_worker(connection: Connection, worker: str) -> None:
    """Delete a worker that ends in an orderly way."""
    with transaction(connection) as cursor:
        cursor.execute(DELETE_WORKER_SQL, (worker,))
