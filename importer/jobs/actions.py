"""What clients may do with an import: confirm, cancel, retry, undo. Each is one change of its row in PostgreSQL.

A worker that is at the job notices by its lease, without which it cannot write; what it had written stays, and is
counted exactly. Each function works in the caller's transaction, but for `cancel`, which has its own.
"""

from __future__ import annotations

import uuid
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from database.advisory_locks import cancel_work
from database.lease import RELEASE_LEASE_SQL
from importer.jobs import repository
from importer.jobs.repository import FINISH, MAY_RETRY, TOUCH, Retention

# A slice of an import holds the job's row; one that takes longer is asked to give way.
FIRST_WAIT_MS = 500
NEXT_WAIT_MS = 1000
CANCEL_ATTEMPTS = 3

OPTIONS = ("wants_preview", "mode", "on_reject", "mapping", "delimiter", "quote", "encoding")
SEEN = (
    "id, kind, status, filename, on_reject, rejected_count, started_from, file, staged_columns IS NOT NULL,"
    " undone_by, retry_until > clock_timestamp(), undo_until > clock_timestamp(), undo_until IS NULL, started_by, run"
)
FIND = f"SELECT {SEEN}, {', '.join(OPTIONS)} FROM import_jobs WHERE task_id = %s FOR UPDATE"
UNDO_OF = "SELECT id, status, checkpoint::bigint FROM import_jobs WHERE task_id = %s FOR UPDATE"
CANCEL = f"""
UPDATE import_jobs j SET status = 'cancelled', error_message = %(message)s, {FINISH}, {MAY_RETRY}, {TOUCH}
WHERE id = %(id)s AND status IN ('pending', 'processing', 'awaiting_confirmation')
RETURNING kind, created_count, updated_count
"""
EXPIRED = "SELECT id FROM import_jobs WHERE status = 'awaiting_confirmation' AND confirm_until < clock_timestamp()"
CONFIRM = f"""
UPDATE import_jobs SET status = 'pending', phase = 'queued', confirmed_at = clock_timestamp(), confirm_until = NULL,
    attempts = 0, announced_at = NULL, {TOUCH}
WHERE id = %s
"""
REMEMBER = """
INSERT INTO import_mappings (header_key, mapping, used_at) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (header_key) DO UPDATE SET mapping = excluded.mapping, used_at = excluded.used_at
"""
AGAIN = (
    "status = 'pending', phase = 'queued', run = run + 1, error_message = NULL, finished_at = NULL, retry_until = NULL,"
    f" confirm_until = NULL, undo_until = NULL, attempts = 0, announced_at = NULL, {RELEASE_LEASE_SQL}"
)
FROM_THE_START = (
    "progress = 0, total_records = 0, processed_records = 0, rows_read = 0, rows_written = 0, created_count = 0,"
    " updated_count = 0, unchanged_count = 0, duplicate_count = 0, rejected_count = 0, skipped_count = 0,"
    " staged_columns = NULL, checkpoint = NULL, confirmed_at = NULL, file = NULL, preview = NULL, started_at = NULL,"
    " worked_seconds = 0, active_since = NULL, undone_by = NULL"
)
# One that was not confirmed is counted anew.
WHERE_IT_WAS = "preview = CASE WHEN confirmed_at IS NOT NULL THEN preview END"
NEW_UNDO = """
INSERT INTO import_jobs (task_id, kind, filename, stored_name, file_size, started_from, started_by, undo_of,
    total_records)
SELECT %(task_id)s, 'undo', filename, '', 0, %(started_from)s, %(started_by)s, j.task_id, (
    SELECT coalesce(sum(coalesce(cardinality(created), 0) + coalesce(cardinality(updated), 0)), 0)
    FROM import_changes c WHERE c.job_id = j.id
) FROM import_jobs j WHERE id = %(id)s RETURNING id
"""


class NotAllowed(Exception):
    """The state of an import does not allow what is asked for: a code for programs, a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Busy(Exception):
    """The job's row could not be had in time; nothing was changed."""


def _find(cursor: Cursor, task_id: str) -> dict[str, Any]:
    """The job's row, locked until the transaction ends; raises `Busy`."""
    cursor.execute(f"SET LOCAL lock_timeout = '{NEXT_WAIT_MS}ms'")
    try:
        cursor.execute(FIND, (task_id,))
    except errors.LockNotAvailable:
        raise Busy from None
    row = cursor.fetchone()
    names: tuple[str, ...] = (
        "id",
        "kind",
        "status",
        "filename",
        "on_reject",
        "rejected_count",
        "started_from",
        "file",
        "staged",
    )
    names += ("undone_by", "may_retry", "may_undo", "never_undo", "started_by", "run", *OPTIONS)
    return dict(zip(names, row or (), strict=True))


def confirm(cursor: Cursor, task_id: str) -> None:
    """Lets a preview be written. Raises `NotAllowed` and `Busy`."""
    job = _find(cursor, task_id)
    if job["status"] != "awaiting_confirmation":
        raise NotAllowed("not_awaiting_confirmation", _state_of(job, "there is nothing to confirm"))
    if job["on_reject"] == "fail" and job["rejected_count"]:
        raise NotAllowed(
            "has_rejects",
            f"{_rows(job['rejected_count'])} cannot be taken, and this import is all or nothing (on_reject=fail)."
            " Correct the file, or try again with bad rows set aside (on_reject=skip).",
        )
    cursor.execute(CONFIRM, (job["id"],))
    repository.note(cursor, job["id"], "confirmed", "The preview was confirmed.")
    found = job["file"] or {}
    if job["started_from"] == "page" and found.get("header_key"):
        mapping = {column["name"]: column["field"] for column in found["columns"]}
        cursor.execute(REMEMBER, (found["header_key"], Json(mapping)))


def cancel(connection: Connection, task_id: str, retention: Retention) -> None:
    """Ends an import where it is; what it has written stays. Raises `NotAllowed` and `Busy`, after two seconds at most.

    `connection` must not be in a transaction.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM import_jobs WHERE task_id = %s", (task_id,))
        (job_id,) = cursor.fetchone() or (0,)
    for attempt in range(CANCEL_ATTEMPTS):
        try:
            with connection, connection.cursor() as cursor:
                if attempt:
                    cancel_work(cursor, job_id)
                cursor.execute(f"SET LOCAL lock_timeout = '{NEXT_WAIT_MS if attempt else FIRST_WAIT_MS}ms'")
                if not _end(cursor, job_id, retention, event="cancelled", message=None):
                    raise NotAllowed("already_ended", _state_of(_find(cursor, task_id), "there is nothing to cancel"))
                return
        except errors.LockNotAvailable:
            continue
    raise Busy


def expire(connection: Connection, retention: Retention) -> None:
    """Cancels the previews that nobody has confirmed in time."""
    with connection, connection.cursor() as cursor:
        cursor.execute(f"{EXPIRED} FOR UPDATE SKIP LOCKED")
        message = f"The preview was not confirmed within {retention.preview_hours} hours, so nothing was imported."
        for (job_id,) in cursor.fetchall():
            _end(cursor, job_id, retention, event="expired", message=message)


def _end(cursor: Cursor, job_id: int, retention: Retention, *, event: str, message: str | None) -> bool:
    cursor.execute(CANCEL, {"id": job_id, "message": message, **retention.values})
    row = cursor.fetchone()
    if row is None:
        return False
    kind, created, updated = row
    done = f"{created:,} created, {updated:,} updated" if kind == "import" else f"{updated:,} products taken back"
    kept = f"What was done until then stays: {done}." if created or updated else "Nothing had been written."
    repository.note(cursor, job_id, event, message or f"Cancelled. {kept}")
    return True


def retry(cursor: Cursor, task_id: str, changes: dict[str, Any]) -> None:
    """Lets an import that ended early go on, or with other options begin anew. `changes` has some of OPTIONS.

    One that was cut off while it wrote goes on behind what it has written. The caller sees to it that the file is
    there. Raises `NotAllowed` and `Busy`.
    """
    job = _find(cursor, task_id)
    awaits = job["status"] == "awaiting_confirmation"
    if not awaits and job["status"] not in {"failed", "cancelled"}:
        raise NotAllowed("not_retryable", _state_of(job, "there is nothing to try again"))
    if job["kind"] == "undo" and not job["may_retry"]:
        sentence = "What it needs is not kept any more, or its import was tried again since."
        raise NotAllowed("not_retryable", sentence)
    if not awaits and not job["may_retry"]:
        raise NotAllowed("file_gone", "Its file is not kept any more. Upload it again.")
    if job["kind"] == "undo" and changes:
        raise NotAllowed("not_retryable", "An undo has no options. Try it again without any.")
    changed = any(job[name] != value for name, value in changes.items())
    anew = job["kind"] == "import" and (awaits or changed or job["undone_by"] is not None or not job["staged"])
    if job["undone_by"] is not None:
        _part_from_undo(cursor, job)
    if anew:
        cursor.execute("DELETE FROM import_rejects WHERE job_id = %s", (job["id"],))
        cursor.execute(
            "UPDATE import_changes SET skipped = NULL WHERE job_id = %s AND skipped IS NOT NULL", (job["id"],)
        )
    assignments = ", ".join(
        [AGAIN, FROM_THE_START if anew else WHERE_IT_WAS, *(f"{name} = %({name})s" for name in changes)]
    )
    values = {name: Json(value) if isinstance(value, dict) else value for name, value in changes.items()}
    cursor.execute(f"UPDATE import_jobs SET {assignments}, {TOUCH} WHERE id = %(id)s", {**values, "id": job["id"]})
    repository.note(cursor, job["id"], "retried", "Begun anew." if anew else "It goes on where it was.")


def _part_from_undo(cursor: Cursor, job: dict[str, Any]) -> None:
    """Lets an import begin anew that was undone, if only in part: what was not taken back can still be undone later."""
    try:
        cursor.execute(UNDO_OF, (job["undone_by"],))
    except errors.LockNotAvailable:
        raise Busy from None
    undo_id, status, taken_back_from = cursor.fetchone() or (0, "", None)
    if status in {"pending", "processing"}:
        raise NotAllowed("not_retryable", "Its undo is not finished. Wait until it is, or cancel it.")
    cursor.execute("DELETE FROM import_changes WHERE job_id = %s AND id >= %s", (job["id"], taken_back_from))
    # It would take back what the import does from now on.
    cursor.execute(f"UPDATE import_jobs SET retry_until = NULL, {TOUCH} WHERE id = %s", (undo_id,))


def undo(cursor: Cursor, task_id: str, *, started_from: str, started_by: str) -> str:
    """Makes the job that takes an import back, and returns its task id. Raises `NotAllowed` and `Busy`."""
    job = _find(cursor, task_id)
    if job["kind"] == "undo":
        raise NotAllowed("not_undoable", "This is itself an undo. Import the file again to have its products back.")
    if job["status"] in {"pending", "processing", "awaiting_confirmation"}:
        raise NotAllowed("not_undoable", _state_of(job, "it can be undone when it has ended"))
    if job["undone_by"] is not None:
        raise NotAllowed("not_undoable", "Its undo was started already; see what became of that one.")
    if job["never_undo"]:
        raise NotAllowed("not_undoable", "It wrote nothing that could be undone.")
    if not job["may_undo"]:
        raise NotAllowed("not_undoable", "It is too long ago: what an undo needs is not kept any more.")
    undo_id = str(uuid.uuid4())
    values = {"task_id": undo_id, "started_from": started_from, "started_by": started_by, "id": job["id"]}
    cursor.execute(NEW_UNDO, values)
    (undo_job,) = cursor.fetchone() or (0,)
    cursor.execute(f"UPDATE import_jobs SET undone_by = %s, {TOUCH} WHERE id = %s", (undo_id, job["id"]))
    repository.note(cursor, job["id"], "undone", "Its undo was started.")
    repository.note(cursor, undo_job, "uploaded", f"The undo of {job['filename']} was asked for.")
    return undo_id


STATES = {
    "pending": "waits for a worker",
    "processing": "is running",
    "awaiting_confirmation": "waits to be confirmed",
    "completed": "has completed",
    "failed": "has failed",
    "cancelled": "was cancelled",
}


def _state_of(job: dict[str, Any], consequence: str) -> str:
    what = "undo" if job["kind"] == "undo" else "import"
    return f"The {what} {STATES[job['status']]}, so {consequence}."


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
