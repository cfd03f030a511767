"""The lease of a job: at most one worker at a time works on it.

The lease has a fencing token and an expiry time. A heartbeat extends it while the worker makes progress. Each write
names the token, so a worker can no longer write after another one has acquired the lease. See `database.lease`.
"""

from __future__ import annotations

import uuid

from psycopg2 import errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.connect import transaction
from database.lease import ACQUIRE_LEASE_SQL, LEASE_IS_VALID_SQL, RELEASE_LEASE_SQL, current_holder, holder_has_ended
from importer.errors import ImportFailure, LeaseLost
from importer.jobs.log_messages import failure_message, log_message
from importer.jobs.repository import (
    BUMP_REVISION_SQL,
    FORGET_ESTIMATE_SQL,
    HOLDS_LEASE_SQL,
    JOB_COLUMNS_SQL,
    SAMPLE_START_SQL,
    Job,
    append_log,
)
from monitoring.metrics import LEASE_TAKEOVERS

LOCK_UNFINISHED_JOB_SQL = f"""
SELECT lease_holder, {LEASE_IS_VALID_SQL}, started_at IS NULL FROM import_jobs
WHERE task_id = %s AND status IN ('pending', 'processing') FOR UPDATE
"""
# A queued job moves to the phase in which its work begins: 'writing' if its rows are staged already, or if its products
# are found. An attempt that takes over an interrupted job continues in the same phase.
START_WORK_SQL = f"""
UPDATE import_jobs SET status = 'processing',
    phase = CASE WHEN phase <> 'queued' THEN phase
        WHEN kind = 'undo' THEN 'undoing' WHEN staged_columns IS NOT NULL THEN 'writing'
        WHEN kind = 'bulk' THEN 'finding' ELSE 'reading' END,
    started_at = coalesce(started_at, clock_timestamp()), active_since = coalesce(active_since, clock_timestamp()),
    attempts = attempts + 1, {ACQUIRE_LEASE_SQL}, {FORGET_ESTIMATE_SQL}, {BUMP_REVISION_SQL}
WHERE task_id = %(task_id)s RETURNING {JOB_COLUMNS_SQL}
"""
IS_HELD_SQL = f"SELECT FROM import_jobs WHERE {HOLDS_LEASE_SQL}"
HOLD_LEASE_SQL = f"{IS_HELD_SQL} FOR KEY SHARE"
# Without `announced_at` the reaper sends the next message at once.
RELEASE_JOB_SQL = (
    f"UPDATE import_jobs SET {RELEASE_LEASE_SQL}, announced_at = NULL,"
    " attempts = greatest(0, attempts - %(uncounted_attempts)s) WHERE id = %(id)s AND lease_token = %(token)s"
)


def acquire(connection: Connection, task_id: str, *, lease_seconds: int) -> Job | None:
    """Acquire the lease of a job for `lease_seconds`; return None if the job has ended or another worker has it.

    If the holder was a process on this machine that has ended, its lease can be acquired before it expires. A job whose
    row stays locked also counts as taken: its worker is writing, or hangs until PostgreSQL ends its transaction.
    """
    with transaction(connection) as cursor:
        try:
            cursor.execute(LOCK_UNFINISHED_JOB_SQL, (task_id,))
        except errors.LockNotAvailable:
            connection.rollback()
            return None
        row = cursor.fetchone()
        if row is None:
            return None
        previous_holder, is_valid, is_first_attempt = row
        if is_valid and not holder_has_ended(previous_holder):
            return None
        lease = {"token": str(uuid.uuid4()), "holder": current_holder(), "lease_seconds": lease_seconds}
        cursor.execute(START_WORK_SQL, {**lease, "task_id": task_id})
        job = Job(*cursor.fetchone())  # type: ignore[misc]
        cursor.execute(SAMPLE_START_SQL, (job.id,))
        if previous_holder:
            append_log(cursor, job.id, "resumed", log_message("resumed"))
        elif is_first_attempt:
            append_log(cursor, job.id, "started", log_message("started"))
    if previous_holder:
        LEASE_TAKEOVERS.labels("job").inc()
    return job


def hold(cursor: Cursor, job: Job) -> None:
    """Keep everyone else from acquiring the lease of a job until the transaction ends; raises `LeaseLost`.

    The writers of a run and its heartbeat do not wait for each other: this lock on the row conflicts with that of
    `acquire`, but not with an UPDATE. So a client can cancel the job at any moment. The transaction then fails when it
    changes the row (`repository.update`), which every transaction that writes products must do before its end.
    """
    cursor.execute(HOLD_LEASE_SQL, {"id": job.id, "token": job.token})
    if cursor.rowcount != 1:
        raise LeaseLost


def is_held(cursor: Cursor, job: Job) -> bool:
    """Return whether the worker holds the lease at the moment; only `hold` guarantees that no other worker gets it."""
    cursor.execute(IS_HELD_SQL, {"id": job.id, "token": job.token})
    return bool(cursor.rowcount == 1)


def release(connection: Connection, job: Job, *, reason: ImportFailure | None = None, is_attempt: bool = True) -> bool:
    """Release the lease before it expires; the next worker that acquires it continues the job.

    Returns False if the worker does not hold the lease any more. Otherwise the `reason` goes into the log of
    the job. If it is no fault of the job that the worker stops, this is no attempt.
    """
    with transaction(connection) as cursor:
        cursor.execute(RELEASE_JOB_SQL, {"id": job.id, "token": job.token, "uncounted_attempts": int(not is_attempt)})
        was_held = bool(cursor.rowcount == 1)
        if reason and was_held:
            append_log(cursor, job.id, "interrupted", failure_message(reason))
        return was_held
