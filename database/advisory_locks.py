"""The advisory locks of the product. All belong to a transaction, so they also work behind a transaction pooler."""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

# Other programs must not use these keys in the same database. They are "ACME" in ASCII and the numbers after it.
MIGRATION_KEY = 0x41434D45
SEARCH_INDEX_BUILD_KEY = 0x41434D46
# Work that writes products shares this lock; the deletion of all products holds it alone.
CATALOGUE_KEY = 0x41434D48
# First half of a two-part key; the second half is the number of the job.
JOB_WORK_CLASS = 0x41434D47

TRY_LOCK_SQL = "SELECT pg_try_advisory_xact_lock(%s)"
LOCK_SQL = "SELECT pg_advisory_xact_lock(%s)"
SHARE_SQL = "SELECT pg_advisory_xact_lock_shared(%s)"
MARK_WORK_SQL = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
CANCEL_WORK_SQL = """
SELECT pg_cancel_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def try_lock(cursor: Cursor, key: int) -> bool:
    """Acquire an exclusive lock until the transaction ends; return False if another transaction holds it."""
    cursor.execute(TRY_LOCK_SQL, (key,))
    return cursor.fetchone() == (True,)


def lock(cursor: Cursor, key: int) -> None:
    """Acquire an exclusive lock until the transaction ends.

    Waits while other transactions hold or share it. Raises `psycopg2.errors.LockNotAvailable` after the `lock_timeout`.
    """
    cursor.execute(LOCK_SQL, (key,))


def share(cursor: Cursor, key: int) -> None:
    """Share a lock until the transaction ends; waits, and raises, as `lock` does while another transaction has it."""
    cursor.execute(SHARE_SQL, (key,))


def mark_work(cursor: Cursor, job_id: int) -> None:
    """Mark this transaction as work on a job, so that `cancel_work` finds its backend.

    The lock is shared, so it never blocks. It only shows which backend works on the job.
    """
    cursor.execute(MARK_WORK_SQL, (JOB_WORK_CLASS, _job_number(job_id)))


def cancel_work(cursor: Cursor, job_id: int) -> None:
    """Cancel the statement of every transaction that is marked as work on a job."""
    cursor.execute(CANCEL_WORK_SQL, (JOB_WORK_CLASS, _job_number(job_id)))


def _job_number(job_id: int) -> int:
    # The second half of a key is a signed 32-bit integer. Two jobs share one only if their ids differ by a multiple of
    # 2^31.
    return job_id & 0x7FFFFFFF
