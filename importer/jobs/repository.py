"""The job's row in PostgreSQL: who works on it, how far it is, how it ends.

Every change that clients see counts `revision` up, which a trigger announces. A worker holds a lease: a token and a
time. Each write of the worker names the token, so that one that was given up for dead cannot write any more.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import Json

import webhook_service
from database.advisory_locks import mark_work
from database.connect import limit_waits
from database.lease import ACQUIRE_LEASE_SQL, LEASE_IS_VALID_SQL, RELEASE_LEASE_SQL, current_holder, holder_has_ended
from database.serializers import IMPORT_COLUMNS, import_json
from importer.errors import LeaseLost
from models import STAGING_TABLE_PREFIX

TOUCH = "revision = revision + 1, updated_at = clock_timestamp()"
# How long a job was worked on in all, when this is evaluated.
WORKED = "worked_seconds + coalesce(extract(epoch FROM clock_timestamp() - active_since), 0)"
REST = f"worked_seconds = {WORKED}, active_since = NULL, {RELEASE_LEASE_SQL}"
WROTE_SOMETHING = (
    "EXISTS (SELECT FROM import_changes c WHERE c.job_id = j.id AND (c.created IS NOT NULL OR c.updated IS NOT NULL))"
)
FINISH = (
    f"phase = 'finished', finished_at = clock_timestamp(), confirm_until = NULL, {REST},"
    f" undo_until = CASE WHEN kind = 'import' AND {WROTE_SOMETHING}"
    " THEN clock_timestamp() + make_interval(days => %(undo_days)s) END"
)
# An undo needs no file, but what the import left for it.
MAY_RETRY = (
    "retry_until = CASE WHEN kind = 'undo' THEN (SELECT o.undo_until FROM import_jobs o WHERE o.task_id = j.undo_of)"
    " WHEN %(retry_hours)s > 0 THEN clock_timestamp() + make_interval(hours => %(retry_hours)s) END"
)
SAMPLE = f"""
WITH moved AS ({{update}} RETURNING id, run, rows_read, processed_records, {WORKED} AS worked)
INSERT INTO import_samples (job_id, run, at, phase, rows)
SELECT id, run, worked, %(sampled)s, CASE %(sampled)s WHEN 'reading' THEN rows_read ELSE processed_records END
FROM moved
"""
COMPLETED = (
    "{created_count:,} products created, {updated_count:,} updated; {unchanged_count:,} rows changed nothing,"
    " {duplicate_count:,} were duplicates, {rejected_count:,} were rejected."
)
UNDONE = "{removed_count:,} products removed, {restored:,} given their former values, {rejected_count:,} left alone."
JOB_COLUMNS = (
    "id, task_id::text, lease_token::text, stored_name, staging_table, staged_columns, checkpoint, total_records,"
    " rejected_count, attempts, kind, mode, on_reject, wants_preview, confirmed_at IS NOT NULL, mapping, delimiter,"
    " quote, encoding, started_from, undo_of::text"
)


@dataclass(frozen=True)
class Retention:
    """How long things are kept for what may be wanted of them; 0 of the last two: not at all."""

    preview_hours: int
    retry_hours: int
    undo_days: int

    @property
    def values(self) -> dict[str, int]:
        """The same as parameters of statements."""
        return {"preview_hours": self.preview_hours, "retry_hours": self.retry_hours, "undo_days": self.undo_days}


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of the job it has taken."""

    id: int
    task_id: str
    token: str
    stored_name: str
    staging_table: str | None
    staged_columns: list[str] | None
    checkpoint: str | None
    total_records: int
    rejected_count: int
    attempts: int
    kind: str
    mode: str
    on_reject: str
    wants_preview: bool
    confirmed: bool
    mapping: dict[str, str | None] | None
    delimiter: str | None
    quote: str | None
    encoding: str | None
    started_from: str
    undo_of: str | None

    @property
    def is_preview(self) -> bool:
        """Whether nothing may be written yet."""
        return self.wants_preview and not self.confirmed


def take(connection: Connection, task_id: str, *, lease_seconds: int) -> Job | None:
    """Takes the lease of an unfinished job that nobody works on; None when there is nothing to do.

    A lease whose holder was a process of this machine that is gone need not run out first. Where another transaction
    keeps the row locked, somebody is at work on it, or hangs and will be cut off: then too there is nothing to do now.
    """
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        try:
            cursor.execute(
                f"SELECT lease_holder, {LEASE_IS_VALID_SQL}, started_at IS NULL FROM import_jobs"
                " WHERE task_id = %s AND status IN ('pending', 'processing') FOR UPDATE",
                (task_id,),
            )
        except errors.LockNotAvailable:
            connection.rollback()
            return None
        row = cursor.fetchone()
        if row is None or (row[1] and not holder_has_ended(row[0])):
            return None
        cursor.execute(
            "UPDATE import_jobs SET status = 'processing', phase = CASE WHEN phase <> 'queued' THEN phase"
            " WHEN kind = 'undo' THEN 'undoing' WHEN staged_columns IS NULL THEN 'reading' ELSE 'writing' END,"
            " started_at = coalesce(started_at, clock_timestamp()),"
            " active_since = coalesce(active_since, clock_timestamp()), attempts = attempts + 1,"
            f" {ACQUIRE_LEASE_SQL}, {TOUCH} WHERE task_id = %(task_id)s RETURNING {JOB_COLUMNS}",
            {
                "token": str(uuid.uuid4()),
                "holder": current_holder(),
                "lease_seconds": lease_seconds,
                "task_id": task_id,
            },
        )
        job = Job(*cursor.fetchone())  # type: ignore[misc]
        if row[0]:
            note(cursor, job.id, "resumed", "The worker that was at it is gone; another one goes on.")
        elif row[2]:
            note(cursor, job.id, "started", "A worker began.")
        return job


def reload(connection: Connection, job: Job) -> Job:
    """Returns the job as its row stands now, under the same lease; raises `LeaseLost` when that is gone."""
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {JOB_COLUMNS} FROM import_jobs WHERE id = %s AND lease_token = %s", (job.id, job.token))
        row = cursor.fetchone()
        if row is None:
            raise LeaseLost
        return Job(*row)


def note(cursor: Any, job_id: int, event: str, message: str) -> None:
    """Writes a line into the log of a job, in the caller's transaction."""
    cursor.execute("INSERT INTO import_log (job_id, event, message) VALUES (%s, %s, %s)", (job_id, event, message))


def update(cursor: Any, job: Job, assignments: str, values: dict[str, Any], *, sampled: str = "") -> None:
    """Changes the job's row in the caller's transaction; raises `LeaseLost` when the job is no longer ours.

    `sampled` is a phase: also notes how far that is at which time.
    """
    statement = (
        f"UPDATE import_jobs j SET {assignments}, {TOUCH}"
        " WHERE id = %(id)s AND lease_token = %(token)s AND status = 'processing'"
    )
    cursor.execute(
        SAMPLE.format(update=statement) if sampled else statement,
        {**values, "id": job.id, "token": job.token, "sampled": sampled},
    )
    if cursor.rowcount != 1:
        raise LeaseLost


def lock(cursor: Any, job: Job) -> None:
    """Holds the job's row until the transaction ends, so that the lease cannot move meanwhile.

    Who cannot wait for that finds this transaction by its advisory lock, and cancels what it is at.
    """
    mark_work(cursor, job.id)
    cursor.execute(
        "SELECT FROM import_jobs WHERE id = %(id)s AND lease_token = %(token)s AND status = 'processing' FOR UPDATE",
        {"id": job.id, "token": job.token},
    )
    if cursor.rowcount != 1:
        raise LeaseLost


def release(connection: Connection, job: Job) -> None:
    """Gives the lease back before it runs out; the job goes on when the next worker takes it."""
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        cursor.execute(
            f"UPDATE import_jobs SET {RELEASE_LEASE_SQL}, announced_at = NULL WHERE id = %s AND lease_token = %s",
            (job.id, job.token),
        )


def complete(connection: Connection, job: Job, retention: Retention) -> None:
    """Ends the job as completed and says so; the staging table goes in the same transaction."""
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        update(
            cursor,
            job,
            f"status = 'completed', progress = 100, processed_records = total_records, {FINISH}",
            retention.values,
        )
        done = tell(cursor, "import.completed", job.id)
        sentence = UNDONE if job.kind == "undo" else COMPLETED
        note(
            cursor, job.id, "completed", sentence.format(**done, restored=done["updated_count"] - done["removed_count"])
        )
        drop_staging(cursor, job.id)


def fail(
    connection: Connection,
    job_id: int,
    message: str,
    *,
    token: str | None,
    retention: Retention,
    file: dict[str, Any] | None = None,
) -> bool:
    """Ends the job as failed, if it is still held under `token` (None: by nobody); tells whether it was.

    `file` describes what was found in its file so far.
    """
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        cursor.execute(
            f"UPDATE import_jobs j SET status = 'failed', error_message = %(message)s, {FINISH}, {MAY_RETRY},"
            f" file = coalesce(%(file)s, file), {TOUCH} WHERE id = %(id)s AND status IN ('pending', 'processing')"
            " AND (lease_token = %(token)s OR %(token)s IS NULL AND (lease_token IS NULL OR"
            " lease_expires_at < clock_timestamp()))",
            {
                "id": job_id,
                "message": message,
                "token": token,
                "file": Json(file) if file else None,
                **retention.values,
            },
        )
        failed: bool = cursor.rowcount == 1
        if failed:
            note(cursor, job_id, "failed", message)
            tell(cursor, "import.failed", job_id)
            drop_staging(cursor, job_id)
        return failed


def tell(cursor: Any, event: str, job_id: int) -> dict[str, Any]:
    """Tells the webhooks of the job as it stands now, in the caller's transaction; returns what they are told."""
    cursor.execute(f"SELECT {', '.join(IMPORT_COLUMNS)} FROM import_jobs WHERE id = %s", (job_id,))
    job = import_json(SimpleNamespace(**dict(zip(IMPORT_COLUMNS, cursor.fetchone(), strict=True))))
    webhook_service.record(cursor, event, {"import": job})
    return job


def new_staging_table(job: Job) -> str:
    """A name that no other attempt at the job uses: a worker given up for dead may still hold the table of its own."""
    return f"{STAGING_TABLE_PREFIX}{job.id}_{job.token[:8]}"


def drop_staging(cursor: Any, job_id: int) -> None:
    """Removes the staging table that the job's row names, if there is one."""
    cursor.execute("SELECT staging_table FROM import_jobs WHERE id = %s", (job_id,))
    row = cursor.fetchone()
    if row and row[0]:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(row[0])))
        cursor.execute("UPDATE import_jobs SET staging_table = NULL WHERE id = %s", (job_id,))
