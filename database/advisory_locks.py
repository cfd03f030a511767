"""The advisory locks of the application. They end with their transaction, so they also work behind a pooler."""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

# Other programs must not use these keys in the same database. They are "ACME" in ASCII and the numbers after it.
MIGRATION_KEY = 0x41434D45
SEARCH_INDEX_BUILD_KEY = 0x41434D46
# Work that writes products holds this lock in shared mode; the deletion of all products holds it exclusively.
CATALOGUE_KEY = 0x41434D4A
# These are the first halves of two-part keys; the second half is the number of the job. A transaction that works on a
# job holds a lock of JOB_WORK_CLASS if its connection has a backend of its own. Behind a transaction pooler, where the
# backend also serves other clients, it holds a lock of POOLED_JOB_WORK_CLASS.
JOB_WORK_CLASS = 0x41434D47
POOLED_JOB_WORK_CLASS = 0x41434D48
# The first half of a two-part key; the second half is a hash of what an entry of the audit log reports.
AUDIT_CLASS = 0x41434D4B
# A transaction that has changed products shares this lock until it has committed; a trigger takes it.
PRODUCT_CHANGES_KEY = 0x41434D50
# The first half of a two-part key; the second half is the time in tenths of a second. The trigger takes the lock of the
# moment, and only the transaction that gets it notifies.
PRODUCT_NOTIFIER_CLASS = 0x41434D51
PRODUCT_COUNT_KEY = 0x41434D52

TRY_LOCK_SQL = "SELECT pg_try_advisory_xact_lock(%s)"
TRY_LOCK_PAIR_SQL = "SELECT pg_try_advisory_xact_lock(%s, %s)"
LOCK_SQL = "SELECT pg_advisory_xact_lock(%s)"
SHARE_SQL = "SELECT pg_advisory_xact_lock_shared(%s)"
MARK_WORK_SQL = f"""
SELECT pg_advisory_xact_lock_shared(
    CASE WHEN pg_backend_pid() = %s THEN {JOB_WORK_CLASS} ELSE {POOLED_JOB_WORK_CLASS} END, %s
)
"""
# A condition on `pg_locks`: the lock is granted, is on the given job, and has one of the given `classes`.
JOB_LOCK_SQL = """locktype = 'advisory' AND granted AND classid IN ({classes}) AND objid = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
CANCEL_WORK_SQL = f"""
SELECT pg_cancel_backend(pid) FROM pg_locks
WHERE {JOB_LOCK_SQL.format(classes=JOB_WORK_CLASS)} AND pid <> pg_backend_pid()
"""
# A backend that waits for its client, such as a COPY that waits for more rows, does not count as running.
IS_WORK_RUNNING_SQL = f"""
SELECT EXISTS (
    SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE {JOB_LOCK_SQL.format(classes=f"{JOB_WORK_CLASS}, {POOLED_JOB_WORK_CLASS}")}
        AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'
)
"""


def try_lock(cursor: Cursor, key: int) -> bool:
    """Acquire an exclusive lock until the transaction ends; return False if another transaction holds it."""
    cursor.execute(TRY_LOCK_SQL, (key,))
    return cursor.fetchone() == (True,)


def try_lock_pair(cursor: Cursor, first: int, second: int) -> bool:
    """Do the same as `try_lock` for a two-part key; both parts are 32-bit integers."""
    cursor.execute(TRY_LOCK_PAIR_SQL, (first, second))
    return cursor.fetchone() == (True,)


def lock(cursor: Cursor, key: int) -> None:
    """Acquire an exclusive lock until the transaction ends.

    Waits while other transactions hold or share it. Raises `psycopg2.errors.LockNotAvailable` after the `lock_timeout`.
    """
    cursor.execute(LOCK_SQL, (key,))


def share(cursor: Cursor, key: int) -> None:
    """Acquire a shared lock until the transaction ends.

    Waits while another transaction holds it exclusively, and then raises the same error as `lock` after the
    `lock_timeout`.
    """
    cursor.execute(SHARE_SQL, (key,))


def mark_work(cursor: Cursor, job_id: int) -> None:
    """Mark this transaction as work on a job, so that `cancel_work` and `is_work_running` find its backend.

    The lock is shared, so it never blocks. It only shows which backend works on the job.
    """
    cursor.execute(MARK_WORK_SQL, (cursor.connection.info.backend_pid, _job_number(job_id)))


def is_work_running(cursor: Cursor, job_id: int) -> bool:
    """Return whether PostgreSQL is running a statement of a transaction that is marked as work on a job."""
    cursor.execute(IS_WORK_RUNNING_SQL, (_job_number(job_id),))
    return cursor.fetchone() == (True,)


def cancel_work(cursor: Cursor, job_id: int) -> None:
    """Cancel the statement of every transaction that is marked as work on a job, unless it is behind a pooler.

    The transaction may end between the look-up of its backend and the cancellation. A backend that serves only the
    worker can then only be running the next statement of the same run, which is repeated. Behind a pooler, the backend
    may be running a statement of another client. There, only the worker's own heartbeat cancels the statement.
    """
    cursor.execute(CANCEL_WORK_SQL, (_job_number(job_id),))


def _job_number(job_id: int) -> int:
    # The second half of a key is a signed 32-bit integer. Two jobs get the same number only if their ids differ by a
    # multiple of 2^31.
    return job_id & 0x7FFFFFFF
