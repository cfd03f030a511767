"""The actions of clients on a job: confirm, cancel, retry, undo and delete. Each one changes the row of the job.

`cancel` takes the lease away from the worker that runs the job. The worker can no longer write, and notices that at its
next heartbeat. What it has written stays and is counted exactly. The other actions only accept jobs that no worker
runs. `cancel` and `delete` open their own transactions; the others run in the caller's.
"""

from __future__ import annotations

import uuid
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from access import audit
from access.audit import Origin, Target
from catalogue.bulk import name_change
from database.advisory_locks import cancel_work
from database.connect import transaction
from database.lease import RELEASE_LEASE_SQL
from importer.jobs import cleanup, repository
from importer.jobs.log_messages import NOUNS, LogMessage, log_message
from importer.jobs.messages import kind_of_undone, noun_of_undone
from importer.jobs.missing_limit import MissingProducts
from importer.jobs.repository import BUMP_REVISION_SQL
from importer.jobs.retention import Retention
from models import FINAL_STATUSES
from monitoring.context import current_request_id

# How long an action waits for the job's row. A worker locks it only while it commits, which may be long on a slow disk.
LOCK_WAIT_MS = 1000
CANCEL_LOCK_WAIT_MS = 3000

# The columns of a job that a retry may change.
OPTIONS = (
    "wants_preview",
    "mode",
    "on_reject",
    "mapping",
    "delimiter",
    "quote",
    "encoding",
    "header_line",
    "sheet",
    "short_rows",
    "missing",
    "missing_limit",
)
READ_JOB_SQL = f"""
SELECT id, kind, status, filename, bulk, rejected_count, started_from, file, undone_by,
    left_alone_count, created_count + updated_count + missing_count AS written, {", ".join(OPTIONS)},
    preview ->> 'missing' AS missing_products, preview ->> 'catalogue' AS catalogue,
    staged_columns IS NOT NULL AS is_staged, retry_until > clock_timestamp() AS can_retry,
    undo_until, undo_until IS NOT NULL AS has_undo_deadline, undo_until > clock_timestamp() AS can_undo
FROM import_jobs WHERE task_id = %s
"""
LOCK_JOB_SQL = f"{READ_JOB_SQL} FOR UPDATE"
LOCK_UNDO_SQL = "SELECT id, status, checkpoint::bigint FROM import_jobs WHERE task_id = %s FOR UPDATE"
CONFIRM_SQL = f"""
UPDATE import_jobs SET status = 'pending', phase = 'queued', confirmed_at = clock_timestamp(), confirm_until = NULL,
    attempts = 0, announced_at = NULL, {BUMP_REVISION_SQL}
WHERE id = %s
"""
SAVE_MAPPING_SQL = """
INSERT INTO import_mappings (header_key, mapping, used_at) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (header_key) DO UPDATE SET mapping = excluded.mapping, used_at = excluded.used_at
"""
# Assignments of every retry. `CONTINUE_SQL` or `START_OVER_SQL` is added to them.
QUEUE_AGAIN_SQL = (
    "status = 'pending', phase = 'queued', run = run + 1, error_message = NULL, error_code = NULL,"
    " error_details = NULL, finished_at = NULL, retry_until = NULL, confirm_until = NULL, undo_until = NULL,"
    " attempts = 0, announced_at = NULL, rejects_removed_at = NULL,"
    " duplicates_removed_at = NULL, samples_removed_at = NULL, worked_seconds = 0, active_since = NULL,"
    f" {RELEASE_LEASE_SQL}"
)
# A preview that was not confirmed is removed, because the retry creates a new one.
CONTINUE_SQL = (
    "preview = CASE WHEN confirmed_at IS NOT NULL THEN preview END, rows_before_run = processed_records,"
    " rows_compared = 0"
)
START_OVER_SQL = (
    "progress = 0, total_records = 0, processed_records = 0, rows_read = 0, rows_written = 0, created_count = 0,"
    " updated_count = 0, unchanged_count = 0, duplicate_count = 0, rejected_count = 0, skipped_count = 0,"
    " removed_count = 0, staged_columns = NULL, checkpoint = NULL, written_ahead = NULL, confirmed_at = NULL,"
    " file = NULL, preview = NULL, notices = NULL, started_at = NULL, rows_before_run = 0, rows_compared = 0,"
    " undone_by = NULL, left_alone_count = 0, missing_count = 0, missing_found = NULL, missing_snapshot = NULL,"
    " missing_checkpoint = NULL"
)
DELETE_REJECTS_SQL = (
    "DELETE FROM import_rejects WHERE job_id = %(id)s; DELETE FROM import_duplicates WHERE job_id = %(id)s"
)
FORGET_SKIPPED_PRODUCTS_SQL = "UPDATE import_changes SET skipped = NULL WHERE job_id = %s AND skipped IS NOT NULL"
# Keeps the entries with products that the undo left alone. An undo reverses the change log from its last entry to its
# first, and its checkpoint is the entry that it reversed last. Version 1.1 did not set `left_alone`: without it, the
# entries from the checkpoint on are the reversed ones.
DELETE_REVERSED_ENTRIES_SQL = """
DELETE FROM import_changes WHERE job_id = %s AND (cardinality(left_alone) = 0 OR (left_alone IS NULL AND id >= %s))
"""
FORBID_RETRY_SQL = f"UPDATE import_jobs SET retry_until = NULL, {BUMP_REVISION_SQL} WHERE id = %s"
CREATE_UNDO_SQL = """
INSERT INTO import_jobs (task_id, kind, filename, stored_name, file_size, bulk, started_from, started_by, request_id,
    undo_of, total_records)
SELECT %(task_id)s, 'undo', filename, '', 0, bulk, %(started_from)s, %(started_by)s, %(request_id)s, j.task_id, (
    SELECT coalesce(sum(coalesce(
        cardinality(left_alone), cardinality(deleted), deleted_rows,
        coalesce(cardinality(created), 0) + coalesce(cardinality(updated), 0)
    )), 0)
    FROM import_changes c WHERE c.job_id = j.id
) FROM import_jobs j WHERE id = %(id)s RETURNING id
"""
LINK_UNDO_SQL = f"UPDATE import_jobs SET undone_by = %s, left_alone_count = 0, {BUMP_REVISION_SQL} WHERE id = %s"

STATES = {
    "pending": "is waiting for a worker",
    "processing": "is running",
    "awaiting_confirmation": "is waiting for a confirmation",
    "completed": "has completed",
    "failed": "has failed",
    "cancelled": "was cancelled",
}


class NotAllowed(Exception):
    """The state of a job does not allow an action.

    `code` is for programs; the message is a sentence for people. `details` repeats the content of the message as JSON,
    for the cases in which programs need it.
    """

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class JobLocked(Exception):
    """Another transaction kept the job's row locked for too long; nothing was changed."""


def confirm(cursor: Cursor, task_id: str) -> None:
    """Let a worker write what a preview shows; raises `NotAllowed` and `JobLocked`.

    If the page started the import, its column mapping is saved and proposed for the next file with the same header.
    """
    job = lock_job(cursor, task_id)
    if job["status"] != "awaiting_confirmation":
        raise refuse_state("not_awaiting_confirmation", job, "there is nothing to confirm")
    if job["on_reject"] == "fail" and job["rejected_count"]:
        rows = "1 row was" if job["rejected_count"] == 1 else f"{job['rejected_count']:,} rows were"
        raise NotAllowed(
            "has_rejects",
            f"{rows} rejected, and this import is all or nothing (on_reject=fail)."
            " Correct the file, or retry without the rejected rows (on_reject=skip).",
            {"count": job["rejected_count"]},
        )
    found, catalogue = (int(job[name] or 0) for name in ("missing_products", "catalogue"))
    missing = MissingProducts(job["missing"], found, catalogue, job["missing_limit"])
    if missing.exceed_limit:
        excess = missing.excess()
        raise NotAllowed("too_many_missing", str(excess), {**missing.to_json(), **excess.details})
    cursor.execute(CONFIRM_SQL, (job["id"],))
    repository.append_log(cursor, job["id"], "confirmed", log_message("confirmed"))
    file_description = job["file"] or {}
    if job["started_from"] == "page" and file_description.get("header_key"):
        mapping = {column["name"]: column["field"] for column in file_description["columns"]}
        cursor.execute(SAVE_MAPPING_SQL, (file_description["header_key"], Json(mapping)))


def cancel(connection: Connection, task_id: str, retention: Retention, origin: Origin) -> None:
    """End a job early; what it has written stays. Raises `NotAllowed` and `JobLocked`.

    `origin` is for the entry of the audit log, which the transaction of the change writes. `connection` must not be in
    a transaction. The statement that the worker is running is cancelled, and its slice is rolled back. Behind a
    transaction pooler the worker's heartbeat does that.
    """
    with transaction(connection) as cursor:
        cursor.execute("SELECT id, filename FROM import_jobs WHERE task_id = %s", (task_id,))
        job_id, filename = cursor.fetchone() or (0, "")
    try:
        with transaction(connection) as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{CANCEL_LOCK_WAIT_MS}ms'")
            if not repository.cancel(cursor, job_id, retention, event="cancelled"):
                job = lock_job(cursor, task_id)
                raise refuse_state("already_ended", job, "there is nothing to cancel")
            audit.record(cursor, origin, "import.cancelled", Target("import", task_id, filename))
    except errors.LockNotAvailable:
        raise JobLocked from None
    with transaction(connection) as cursor:
        cancel_work(cursor, job_id)


def retry(cursor: Cursor, task_id: str, options: dict[str, Any]) -> None:
    """Queue a job again that failed, was cancelled or awaits confirmation; raises `NotAllowed` and `JobLocked`.

    `options` are new values for some of `OPTIONS`. If they change something, if the import awaits confirmation or was
    undone, or if its file has not been read completely, the import starts over. Otherwise it continues after the last
    slice that was written. The caller must make sure that the file of an import still exists.
    """
    job = lock_job(cursor, task_id)
    is_undo, awaits_confirmation = job["kind"] == "undo", job["status"] == "awaiting_confirmation"
    if not awaits_confirmation and job["status"] not in {"failed", "cancelled"}:
        raise refuse_state("not_retryable", job, "it cannot be retried")
    if is_undo and not job["can_retry"]:
        noun = noun_of_undone(job["bulk"])
        message = f"The undo cannot be retried: its change log has expired, or its {noun} was retried after it."
        raise NotAllowed("not_retryable", message, {"reason": "undo_expired", "job": kind_of_undone(job["bulk"])})
    if job["kind"] == "bulk" and not job["can_retry"]:
        message = "This bulk change is too old to be retried. Start it again."
        raise NotAllowed("not_retryable", message, {"reason": "expired", "job": "bulk"})
    if not awaits_confirmation and not job["can_retry"]:
        raise NotAllowed("file_gone", "The file is no longer stored. Upload it again.")
    if job["kind"] != "import" and options:
        message = f"The {NOUNS[job['kind']]} has no options. Retry it without any."
        raise NotAllowed("not_retryable", message, {"reason": "no_options", "job": job["kind"]})
    options_change = any(job[name] != value for name, value in options.items())
    must_start_over = awaits_confirmation or options_change or job["undone_by"] is not None or not job["is_staged"]
    starts_over = not is_undo and must_start_over
    entry = log_message("retried_from_start" if starts_over else "retried")
    queue_again(cursor, job, options, starts_over=starts_over, event="retried", message=entry)


def queue_again(
    cursor: Cursor, job: dict[str, Any], options: dict[str, Any], *, starts_over: bool, event: str, message: LogMessage
) -> None:
    """Queue a job that `lock_job` returned and that may be retried; raises `NotAllowed` and `JobLocked`.

    `options` are new values for some of `OPTIONS`. The log gets an entry with this `event` and `message`.
    """
    if job["undone_by"] is not None:
        _detach_undo(cursor, job)
    if starts_over:
        cursor.execute(DELETE_REJECTS_SQL, {"id": job["id"]})
        cursor.execute(FORGET_SKIPPED_PRODUCTS_SQL, (job["id"],))
    assignments = [QUEUE_AGAIN_SQL, START_OVER_SQL if starts_over else CONTINUE_SQL]
    assignments += [f"{name} = %({name})s" for name in options]
    values = {name: Json(value) if isinstance(value, dict) else value for name, value in options.items()}
    cursor.execute(
        f"UPDATE import_jobs SET {', '.join(assignments)}, {BUMP_REVISION_SQL} WHERE id = %(id)s",
        {**values, "id": job["id"]},
    )
    repository.append_log(cursor, job["id"], event, message)


def _detach_undo(cursor: Cursor, job: dict[str, Any]) -> None:
    """Prepare the retry of an import that was undone, completely or in part; raises `NotAllowed` and `JobLocked`.

    Deletes the reversed entries of its change log, so that a later undo does not reverse them again.
    """
    try:
        cursor.execute(LOCK_UNDO_SQL, (job["undone_by"],))
    except errors.LockNotAvailable:
        raise JobLocked from None
    undo_id, status, reversed_from = cursor.fetchone() or (0, "", None)
    if status in {"pending", "processing"}:
        noun = noun_of_undone(job["bulk"])
        message = f"The undo of this {noun} has not ended. Wait for its end, or cancel it."
        details = {"reason": "undo_unfinished", "job": kind_of_undone(job["bulk"])}
        raise NotAllowed("not_retryable", message, details)
    cursor.execute(DELETE_REVERSED_ENTRIES_SQL, (job["id"], reversed_from))
    # A retry of the undo would reverse what the import writes from now on.
    cursor.execute(FORBID_RETRY_SQL, (undo_id,))


def undo(cursor: Cursor, task_id: str, *, started_from: str, started_by: str) -> str:
    """Create the job that undoes an import, and return its task id; raises `NotAllowed` and `JobLocked`.

    An import whose undo has left products alone can be undone again, for these products.
    `started_from` is one of `models.ORIGINS`; `started_by` names the client.
    """
    job = lock_job(cursor, task_id)
    _require_undoable(job)
    undo_task_id = str(uuid.uuid4())
    values = {
        "task_id": undo_task_id,
        "started_from": started_from,
        "started_by": started_by,
        "request_id": current_request_id(),
        "id": job["id"],
    }
    cursor.execute(CREATE_UNDO_SQL, values)
    (undo_id,) = cursor.fetchone() or (0,)
    cursor.execute(LINK_UNDO_SQL, (undo_task_id, job["id"]))
    repository.append_log(cursor, job["id"], "undone", log_message("undone"))
    repository.append_log(cursor, undo_id, "uploaded", _describe_undo_request(job))
    return undo_task_id


def _describe_undo_request(job: dict[str, Any]) -> LogMessage:
    if job["bulk"] is None:
        return log_message("undo_requested", filename=job["filename"])
    change = name_change(*(job["bulk"][name] for name in ("action", "field", "value")))
    selection = "all" if job["bulk"]["selection"] == "all" else "some"
    return log_message("undo_of_bulk_requested", change=change, selection=selection)


def find_undoable(cursor: Cursor, task_id: str) -> dict[str, Any]:
    """Return the columns of `READ_JOB_SQL` of a job that can be undone, without a lock; raises `NotAllowed`."""
    job = _fetch_job(cursor, READ_JOB_SQL, task_id)
    _require_undoable(job)
    return job


def _require_undoable(job: dict[str, Any]) -> None:
    kind = kind_of_undone(job["bulk"])
    noun = NOUNS[kind]

    def refuse(reason: str, message: str) -> NotAllowed:
        return NotAllowed("not_undoable", message, {"reason": reason, "job": kind})

    if job["kind"] == "undo":
        again = "Import the file" if job["bulk"] is None else "Make the bulk change"
        raise refuse("is_undo", f"An undo cannot be undone. {again} again instead.")
    if job["status"] in {"pending", "processing", "awaiting_confirmation"}:
        raise refuse_state("not_undoable", job, "it cannot be undone before it ends")
    if job["undone_by"] is not None and not job["left_alone_count"]:
        raise refuse("undone", f"This {noun} has an undo already.")
    if not job["has_undo_deadline"]:
        raise refuse("nothing_written", f"There is nothing to undo: the change log of this {noun} is empty.")
    if not job["can_undo"]:
        raise refuse("expired", f"This {noun} is too old to be undone: its change log has expired.")


def delete(connection: Connection, task_id: str, origin: Origin) -> None:
    """Delete an ended job and all its data except its file; raises `NotAllowed` and `JobLocked`.

    `connection` must not be in a transaction. An interrupted deletion can be repeated; see `cleanup.delete_job`.
    `origin` is for the entry of the audit log. The first transaction of the deletion writes it, because from then on
    the job is lost; so a repeated deletion has another entry.
    """
    with transaction(connection) as cursor:
        cursor.execute("SELECT id, filename FROM import_jobs WHERE task_id = %s", (task_id,))
        job_id, filename = cursor.fetchone() or (0, "")
    target = Target("import", task_id, filename)
    try:
        if cleanup.delete_job(
            connection, job_id, on_start=lambda cursor: audit.record(cursor, origin, "import.deleted", target)
        ):
            return
    except errors.LockNotAvailable:
        raise JobLocked from None
    with transaction(connection) as cursor:
        cursor.execute("SELECT kind, status, bulk FROM import_jobs WHERE id = %s", (job_id,))
        row = cursor.fetchone()
    if row is None:
        # Another client has deleted it at the same time.
        return
    kind, status, bulk = row
    if status in FINAL_STATUSES:
        noun = noun_of_undone(bulk)
        message = f"The undo of this {noun} has not ended. Wait for its end, or cancel it; then delete the {noun}."
        raise NotAllowed("not_deletable", message, {"reason": "undo_unfinished", "job": kind_of_undone(bulk)})
    refusal = refuse_state("not_deletable", {"kind": kind, "status": status}, "it cannot be deleted before it ends")
    raise NotAllowed(refusal.code, f"{refusal.message} Cancel it first.", refusal.details)


def lock_job(cursor: Cursor, task_id: str) -> dict[str, Any]:
    """Return the columns of `LOCK_JOB_SQL`; the row stays locked until the transaction ends. Raises `JobLocked`."""
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_MS}ms'")
    try:
        return _fetch_job(cursor, LOCK_JOB_SQL, task_id)
    except errors.LockNotAvailable:
        raise JobLocked from None


def _fetch_job(cursor: Cursor, statement: str, task_id: str) -> dict[str, Any]:
    cursor.execute(statement, (task_id,))
    names = [column.name for column in cursor.description or ()]
    return dict(zip(names, cursor.fetchone() or (), strict=True))


def refuse_state(code: str, job: dict[str, Any], consequence: str) -> NotAllowed:
    """Return the refusal of an action because of the state that a job is in. `consequence` ends its sentence."""
    message = f"The {NOUNS[job['kind']]} {STATES[job['status']]}, so {consequence}."
    return NotAllowed(code, message, {"reason": "state", "job": job["kind"], "status": job["status"]})
