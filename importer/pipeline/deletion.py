"""The deletion of all products at once: TRUNCATE, after their rows were copied to a table of their own.

That takes a fraction of the time of deleting the rows, and the copy keeps the deletion undoable. It needs the whole
table for itself for that time. If another transaction reads or writes it, the products are deleted slice by slice.
"""

from __future__ import annotations

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from database import advisory_locks
from database.connect import transaction
from database.running_imports import find_started_job, name_job
from importer.errors import FailureKind, ImportFailure
from importer.jobs import lease, repository
from importer.jobs.repository import Job
from importer.jobs.retention import Retention
from importer.pipeline.run import Run, StepKind
from models import DELETED_TABLE_PREFIX
from monitoring.metrics import count_rows
from webhook_service import record_event

# New readers queue up while the lock on the table waits for the current ones, so it must not wait for long.
TABLE_LOCK_WAIT_MS = 100


def _describe_other_job(job: str, name: str) -> str:
    return f"{name_job(job, name)} is not finished, so nothing was deleted. Retry the deletion when it has ended."


OTHER_JOB = FailureKind("other_job_unfinished", _describe_other_job)

# Without RESTART IDENTITY, so that an id is never used for another product.
TRUNCATE_SQL = "TRUNCATE products"
COPY_PRODUCTS_SQL = "CREATE TABLE {table} AS SELECT * FROM products"
LOG_DELETED_TABLE_SQL = """
INSERT INTO import_changes (job_id, at, deleted_table, deleted_rows) VALUES (%s, clock_timestamp(), %s, %s)
"""
RECORD_DELETION_SQL = (
    "phase = 'writing', attempts = 0, total_records = %(deleted)s, processed_records = %(deleted)s,"
    " rows_read = %(deleted)s, rows_written = %(deleted)s, removed_count = %(deleted)s"
)


def delete_all_at_once(run: Run, retention: Retention) -> bool:
    """Delete all products and complete the job, in one transaction; return False if the table is in use.

    Raises `LeaseLost`, and `ImportFailure` if another job has begun to write products since this one was created.
    """
    if run.job.staged_columns is not None:
        # An earlier attempt has begun to delete slice by slice.
        return False
    try:
        with run.step(StepKind.DELETE_ALL) as cursor:
            _lock_products(cursor)
            lease.hold(cursor, run.job)
            _refuse_beside_others(cursor, run.job)
            deleted = _delete_products(cursor, run.job, keep=retention.undo_days > 0)
            repository.update(cursor, run.job, RECORD_DELETION_SQL, {"deleted": deleted}, phase_of_sample="writing")
            repository.complete(cursor, run.job, retention)
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        with transaction(run.connection) as cursor:
            _refuse_beside_others(cursor, run.job)
        return False
    count_rows(removed=deleted)
    return True


def _refuse_beside_others(cursor: Cursor, job: Job) -> None:
    # A part of what the other job writes would be deleted, and the rest would stay.
    if (other := find_started_job(cursor, besides=job.id)) is not None:
        raise ImportFailure(OTHER_JOB, job=other.kind, name=other.filename)


def _lock_products(cursor: Cursor) -> None:
    """Lock the catalogue against the slices of jobs, then the table against everyone."""
    cursor.execute(f"SET LOCAL lock_timeout = '{TABLE_LOCK_WAIT_MS}ms'; SET LOCAL jit = off")
    advisory_locks.lock(cursor, advisory_locks.CATALOGUE_KEY)
    # VACUUM and CREATE INDEX may hold conflicting locks for long.
    cursor.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")


def _delete_products(cursor: Cursor, job: Job, *, keep: bool) -> int:
    """Empty the table and return how many products it had; with `keep`, keep them for an undo."""
    if keep:
        name = f"{DELETED_TABLE_PREFIX}{job.id}_{job.token[:8]}"
        cursor.execute(sql.SQL(COPY_PRODUCTS_SQL).format(table=sql.Identifier(name)))
        deleted = cursor.rowcount
        if deleted:
            cursor.execute(LOG_DELETED_TABLE_SQL, (job.id, name, deleted))
        else:
            cursor.execute(sql.SQL("DROP TABLE {table}").format(table=sql.Identifier(name)))
    else:
        cursor.execute("SELECT count(*) FROM products")
        (deleted,) = cursor.fetchone() or (0,)
    if deleted:
        cursor.execute(TRUNCATE_SQL)
        record_event(cursor, "product.bulk_deleted", {"count": deleted})
    return deleted
