"""The job's row in PostgreSQL: who works on it, how far it is, how it ends.

Every change that clients see counts `revision` up, which a trigger announces. A worker holds a lease: a token and a
time. Each write of the worker names the token, so that one that was given up for dead cannot write any more.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection

import webhook_service
from importer import leases
from importer.errors import LeaseLost
from shapes import IMPORT_FIELDS, import_json

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.5
CONNECT_TIMEOUT_SECONDS = 10
LOCK_WAIT_SECONDS = 10
IDLE_IN_TRANSACTION_SECONDS = 10
LIMIT_IDLING = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'"
STAGING_PREFIX = "import_staging_"
TOUCH = "revision = revision + 1, updated_at = clock_timestamp()"
JOB_COLUMNS = (
    "id, task_id::text, lease_token::text, stored_name, staging_table, staged_columns, checkpoint, total_records,"
    " rejected_count, attempts"
)


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


@dataclass
class Reading:
    """How far reading is; the parser counts, the keeper of the lease writes it down."""

    rows: int = 0
    rejected: int = 0
    share: float = 0.0
    changed: threading.Event = field(default_factory=threading.Event)


def connect(url: str) -> Connection:
    """Opens a connection of our own; raises `psycopg2.OperationalError` when the database cannot be reached."""
    return psycopg2.connect(
        url,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        application_name="acme-importer",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
    )


@contextlib.contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection that is closed at the end; `with connection` is one transaction of it."""
    connection = connect(url)
    try:
        yield connection
    finally:
        connection.close()


def take(connection: Connection, task_id: str, *, lease_seconds: int) -> Job | None:
    """Takes the lease of an unfinished job that nobody works on; None when there is nothing to do.

    A lease whose holder was a process of this machine that is gone need not run out first. Where another transaction
    keeps the row locked, somebody is at work on it, or hangs and will be cut off: then too there is nothing to do now.
    """
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        try:
            cursor.execute(
                "SELECT lease_holder, lease_expires_at > clock_timestamp() FROM import_jobs"
                " WHERE task_id = %s AND status IN ('pending', 'processing') FOR UPDATE",
                (task_id,),
            )
        except errors.LockNotAvailable:
            connection.rollback()
            return None
        row = cursor.fetchone()
        if row is None or (row[1] and not leases.holder_is_gone(row[0])):
            return None
        cursor.execute(
            f"UPDATE import_jobs SET status = 'processing',"
            " phase = CASE phase WHEN 'queued' THEN 'reading' ELSE phase END,"
            " started_at = coalesce(started_at, clock_timestamp()), attempts = attempts + 1, lease_token = %s,"
            f" lease_holder = %s, lease_expires_at = clock_timestamp() + make_interval(secs => %s), {TOUCH}"
            " WHERE task_id = %s"
            f" RETURNING {JOB_COLUMNS}",
            (str(uuid.uuid4()), leases.present_holder(), lease_seconds, task_id),
        )
        taken: tuple[Any, ...] = cursor.fetchone()  # type: ignore[assignment]
        return Job(*taken)


def reload(connection: Connection, job: Job) -> Job:
    """Returns the job as its row stands now, under the same lease; raises `LeaseLost` when that is gone."""
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {JOB_COLUMNS} FROM import_jobs WHERE id = %s AND lease_token = %s", (job.id, job.token))
        row = cursor.fetchone()
        if row is None:
            raise LeaseLost
        return Job(*row)


def update(cursor: Any, job: Job, assignments: str, values: dict[str, Any]) -> None:
    """Changes the job's row in the caller's transaction; raises `LeaseLost` when the job is no longer ours."""
    cursor.execute(
        f"UPDATE import_jobs SET {assignments}, {TOUCH}"
        " WHERE id = %(id)s AND lease_token = %(token)s AND status = 'processing'",
        {**values, "id": job.id, "token": job.token},
    )
    if cursor.rowcount != 1:
        raise LeaseLost


def lock(cursor: Any, job: Job) -> None:
    """Holds the job's row until the transaction ends, so that the lease cannot move meanwhile."""
    cursor.execute(
        "SELECT FROM import_jobs WHERE id = %s AND lease_token = %s AND status = 'processing' FOR UPDATE",
        (job.id, job.token),
    )
    if cursor.rowcount != 1:
        raise LeaseLost


def release(connection: Connection, job: Job) -> None:
    """Gives the lease back before it runs out; the job goes on when the next worker takes it."""
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        cursor.execute(
            "UPDATE import_jobs SET lease_token = NULL, lease_holder = NULL, lease_expires_at = NULL,"
            " announced_at = NULL WHERE id = %s AND lease_token = %s",
            (job.id, job.token),
        )


def complete(connection: Connection, job: Job) -> None:
    """Ends the job as completed and says so; the staging table goes in the same transaction."""
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        update(
            cursor,
            job,
            "status = 'completed', phase = 'finished', progress = 100, processed_records = total_records,"
            " finished_at = clock_timestamp(), lease_token = NULL, lease_holder = NULL, lease_expires_at = NULL",
            {},
        )
        _tell(cursor, "import.completed", job.id)
        drop_staging(cursor, job.id)


def fail(connection: Connection, job_id: int, message: str, *, token: str | None) -> bool:
    """Ends the job as failed, if it is still held under `token` (None: by nobody); tells whether it was."""
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        cursor.execute(
            "UPDATE import_jobs SET status = 'failed', phase = 'finished', error_message = %(message)s,"
            " finished_at = clock_timestamp(), lease_token = NULL, lease_holder = NULL, lease_expires_at = NULL,"
            f" {TOUCH} WHERE id = %(id)s AND status IN ('pending', 'processing')"
            " AND (lease_token = %(token)s OR %(token)s IS NULL AND (lease_token IS NULL OR"
            " lease_expires_at < clock_timestamp()))",
            {"id": job_id, "message": message, "token": token},
        )
        failed: bool = cursor.rowcount == 1
        if failed:
            _tell(cursor, "import.failed", job_id)
            drop_staging(cursor, job_id)
        return failed


def _tell(cursor: Any, event: str, job_id: int) -> None:
    """Tells the webhooks of the job as it stands now, in the caller's transaction."""
    cursor.execute(f"SELECT {', '.join(IMPORT_FIELDS)} FROM import_jobs WHERE id = %s", (job_id,))
    job = SimpleNamespace(**dict(zip(IMPORT_FIELDS, cursor.fetchone(), strict=True)))
    webhook_service.record(cursor, event, {"import": import_json(job)})


def new_staging_table(job: Job) -> str:
    """A name that no other attempt at the job uses: a worker given up for dead may still hold the table of its own."""
    return f"{STAGING_PREFIX}{job.id}_{job.token[:8]}"


def drop_staging(cursor: Any, job_id: int) -> None:
    """Removes the staging table that the job's row names, if there is one."""
    cursor.execute("SELECT staging_table FROM import_jobs WHERE id = %s", (job_id,))
    row = cursor.fetchone()
    if row and row[0]:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(row[0])))
        cursor.execute("UPDATE import_jobs SET staging_table = NULL WHERE id = %s", (job_id,))


def limit_waits(cursor: Any) -> None:
    """Bounds, for one transaction, how long it waits for others and how long others wait for a worker that hangs."""
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'; {LIMIT_IDLING}")


class LeaseKeeper:
    """Renews a job's lease on a connection of its own, and writes the progress of reading, while the job is worked on.

    `check()` raises `LeaseLost` in the working thread once the lease is gone.
    """

    def __init__(self, url: str, job: Job, *, lease_seconds: int) -> None:
        self._url = url
        self._job = job
        self._lease_seconds = lease_seconds
        self._stop = threading.Event()
        self._lost = threading.Event()
        self.reading: Reading | None = None
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def check(self) -> None:
        """Raises `LeaseLost` when the job is known to be no longer ours."""
        if self._lost.is_set():
            raise LeaseLost

    def _run(self) -> None:
        connection: Connection | None = None
        renew_every = max(1, round(self._lease_seconds / 4 / PROGRESS_SECONDS))
        ticks = 0
        while not self._stop.wait(PROGRESS_SECONDS):
            ticks += 1
            reading = self.reading
            if ticks % renew_every and (reading is None or not reading.changed.is_set()):
                continue
            try:
                if connection is None:
                    connection = connect(self._url)
                with connection, connection.cursor() as cursor:
                    cursor.execute(LIMIT_IDLING)
                    self._write(cursor, reading)
            except LeaseLost:
                self._lost.set()
                break
            except psycopg2.Error as error:
                # The lease may run out meanwhile; then the token keeps this worker from writing.
                log.warning("Import %s: the lease could not be renewed: %s", self._job.id, str(error).strip())
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _write(self, cursor: Any, reading: Reading | None) -> None:
        renewal = "lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s)"
        values: dict[str, Any] = {"lease": self._lease_seconds}
        if reading is None or not reading.changed.is_set():
            cursor.execute(
                f"UPDATE import_jobs SET {renewal}"
                " WHERE id = %(id)s AND lease_token = %(token)s AND status = 'processing'",
                {**values, "id": self._job.id, "token": self._job.token},
            )
            if cursor.rowcount != 1:
                raise LeaseLost
            return
        reading.changed.clear()
        seen = reading.rows + reading.rejected
        values |= {
            "rows": reading.rows,
            "rejected": reading.rejected,
            "progress": int(reading.share * 50),
            "estimate": round(seen / reading.share) if reading.share else 0,
        }
        # Once a first pass was through (`staged_columns`), the numbers are exact and a repeated reading keeps them.
        update(
            cursor,
            self._job,
            f"{renewal}, rows_read = greatest(rows_read, %(rows)s + %(rejected)s),"
            " progress = greatest(progress, %(progress)s),"
            " total_records = CASE WHEN staged_columns IS NULL THEN %(estimate)s ELSE total_records END,"
            " rejected_count = CASE WHEN staged_columns IS NULL THEN %(rejected)s ELSE rejected_count END",
            values,
        )
