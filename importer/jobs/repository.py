"""The row of a job in `import_jobs`: what a worker reads from it, and how the job changes and ends.

Each change that clients can see increases `revision`; a trigger then notifies the progress streams. A worker names the
fencing token of its lease in each change, so a worker that lost its lease cannot write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from catalogue.bulk import BulkChange
from database.connect import transaction
from database.lease import RELEASE_LEASE_SQL
from database.serializers import IMPORT_COLUMNS, serialize_import
from importer.errors import ImportFailure, LeaseLost
from importer.jobs.forecast import Estimate
from importer.jobs.log_messages import NOUNS, LogMessage, failure_message
from importer.jobs.messages import describe_bulk_change, describe_cancellation, describe_import, describe_undo
from importer.jobs.retention import SET_RETRY_DEADLINE_SQL, SET_UNDO_DEADLINE_SQL, Retention
from importer.notices import Notices
from models import LAST_UNDO_SQL, STAGING_TABLE_PREFIX
from webhook_service import record_event

# A staging table has two companions: the lines of its rows, and what the check found out about each of them.
LINES_TABLE_SUFFIX = "_lines"
OUTCOMES_TABLE_SUFFIX = "_outcomes"

# Assignments of an UPDATE of `import_jobs`.
BUMP_REVISION_SQL = "revision = revision + 1, updated_at = clock_timestamp()"
# The seconds of work on the job so far, in all its attempts.
WORKED_SECONDS_SQL = "worked_seconds + coalesce(extract(epoch FROM clock_timestamp() - active_since), 0)"
# The expected seconds and the current speed of the run. They are unknown unless a worker reports them.
REPORT_ESTIMATE_SQL = "seconds_left = %(seconds_left)s, current_rows_per_second = %(current_rows_per_second)s"
FORGET_ESTIMATE_SQL = "seconds_left = NULL, current_rows_per_second = NULL"
STOP_WORK_SQL = f"worked_seconds = {WORKED_SECONDS_SQL}, active_since = NULL, {RELEASE_LEASE_SQL}"
FINISH_SQL = (
    f"phase = 'finished', finished_at = clock_timestamp(), confirm_until = NULL, {STOP_WORK_SQL},"
    f" {SET_UNDO_DEADLINE_SQL}"
)

# The condition under which a worker may write: it still holds the lease. Parameters: id and token.
HOLDS_LEASE_SQL = "id = %(id)s AND lease_token = %(token)s AND status = 'processing'"
UPDATE_JOB_SQL = (
    f"UPDATE import_jobs j SET {{assignments}}, {REPORT_ESTIMATE_SQL}, {BUMP_REVISION_SQL} WHERE {HOLDS_LEASE_SQL}"
    " AND {condition}"
)
FIND_UNENDED_SQL = "SELECT FROM import_jobs WHERE id = %s AND status IN ('pending', 'processing')"
READ_CHECKPOINT_SQL = f"SELECT checkpoint, written_ahead FROM import_jobs WHERE {HOLDS_LEASE_SQL}"
# The rows that a phase has processed, which the throughput chart shows.
ROWS_OF_PHASE_SQL = """CASE {phase} WHEN 'reading' THEN rows_read WHEN 'reading_workbook' THEN rows_read
    WHEN 'comparing' THEN rows_compared WHEN 'finding' THEN 0 ELSE processed_records END"""
# Also adds a point to the throughput chart of the import.
UPDATE_AND_SAMPLE_JOB_SQL = f"""
WITH updated AS ({UPDATE_JOB_SQL}
    RETURNING id, run, rows_read, rows_compared, processed_records, {WORKED_SECONDS_SQL} AS worked)
INSERT INTO import_samples (job_id, run, at, phase, rows)
SELECT id, run, worked, %(phase_of_sample)s,
    coalesce(%(rows_of_sample)s, {ROWS_OF_PHASE_SQL.format(phase="%(phase_of_sample)s")})
FROM updated
"""
# The point at which an attempt begins, so that the chart counts neither earlier runs nor the time between two attempts.
SAMPLE_START_SQL = f"""
INSERT INTO import_samples (job_id, run, at, phase, rows)
SELECT id, run, {WORKED_SECONDS_SQL}, phase, {ROWS_OF_PHASE_SQL.format(phase="phase")}
FROM import_jobs WHERE id = %s
"""
COMPLETE_SQL = f"status = 'completed', progress = 100, processed_records = total_records, {FINISH_SQL}"
FAIL_SQL = (
    "status = 'failed', error_message = %(message)s, error_code = %(code)s, error_details = %(details)s,"
    f" file = coalesce(%(file)s, file), {FINISH_SQL}, {SET_RETRY_DEADLINE_SQL}"
)
# Needs no lease: it takes the lease away from the worker, if there is one.
CANCEL_JOB_SQL = f"""
UPDATE import_jobs j SET status = 'cancelled', error_message = %(message)s, error_code = %(code)s,
    error_details = %(details)s, {FINISH_SQL}, {SET_RETRY_DEADLINE_SQL}, {FORGET_ESTIMATE_SQL}, {BUMP_REVISION_SQL}
WHERE id = %(id)s AND status IN ('pending', 'processing', 'awaiting_confirmation')
RETURNING kind, created_count, updated_count, removed_count, missing_count, missing, bulk ->> 'action' AS action
"""
# An import whose undo left products alone can be undone again. Imports are locked before their undos, as in `actions`.
RECORD_LEFT_ALONE_SQL = f"""
UPDATE import_jobs
SET left_alone_count = (SELECT rejected_count FROM import_jobs WHERE id = %(id)s), {BUMP_REVISION_SQL}
WHERE task_id = %(undo_of)s AND undone_by = %(task_id)s
"""
FIND_INTERRUPTION_SQL = """
SELECT message FROM (
    SELECT event, message FROM import_log WHERE job_id = %s AND event <> 'resumed' ORDER BY id DESC LIMIT 1
) last WHERE event = 'interrupted'
"""
# Replaces earlier notices with the same codes.
ADD_NOTICES_SQL = """
UPDATE import_jobs SET notices = (
    SELECT coalesce(jsonb_agg(kept), '[]') FROM jsonb_array_elements(coalesce(notices, '[]')) kept
    WHERE kept ->> 'code' <> ALL (%(codes)s)
) || %(notices)s::jsonb
WHERE id = %(id)s
"""
# What the JSON of a job needs.
READ_JSON_SQL = f"SELECT {', '.join(IMPORT_COLUMNS)}, {LAST_UNDO_SQL} FROM import_jobs WHERE id = %s"
# Lets clients see that the undo of a job has ended early. Imports are locked before their undos, as in `actions`.
REPORT_END_OF_UNDO_SQL = f"""
UPDATE import_jobs SET {BUMP_REVISION_SQL}
WHERE undone_by = (SELECT task_id FROM import_jobs WHERE id = %s AND kind = 'undo')
"""
APPEND_LOG_SQL = "INSERT INTO import_log (job_id, event, message, code, details) VALUES (%s, %s, %s, %s, %s)"

JOB_COLUMNS_SQL = (
    "id, task_id::text, lease_token::text, stored_name, file_size, file_sha256, staging_table, staged_columns,"
    " checkpoint, total_records, rejected_count, attempts, kind, mode, on_reject, wants_preview,"
    " confirmed_at IS NOT NULL, mapping, delimiter, quote, encoding, header_line, sheet,"
    " short_rows, missing, missing_limit, missing_found, missing_snapshot, missing_checkpoint, started_from,"
    " undo_of::text, processed_records, missing_count, bulk, bulk_input, written_ahead"
)


@dataclass(frozen=True)
class Job:
    """A job as its worker knows it: the columns of `JOB_COLUMNS_SQL`, in that order.

    `token` is the fencing token of the worker's lease. `checkpoint` is the key up to which an import or a bulk change
    has written everything, or the id of the last change log entry that an undo has reversed. `written_ahead` has the
    ranges of keys that are written beyond it: the key before each range, and its last key. `missing_found`,
    `missing_snapshot` and `missing_checkpoint` belong to `importer.pipeline.missing`.
    """

    id: int
    task_id: str
    token: str
    stored_name: str
    file_size: int
    file_sha256: str | None
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
    header_line: int | None
    sheet: str | None
    short_rows: str
    missing: str
    missing_limit: float
    missing_found: int | None
    missing_snapshot: str | None
    missing_checkpoint: str | None
    started_from: str
    undo_of: str | None
    processed_records: int
    missing_count: int
    bulk: dict[str, Any] | None = None
    bulk_input: dict[str, Any] | None = None
    written_ahead: list[list[str]] | None = None

    @property
    def noun(self) -> str:
        """What sentences call the job, such as "bulk change"."""
        return NOUNS[self.kind]

    @property
    def label(self) -> str:
        """What log lines call the job: its kind and its task id."""
        return f"{self.noun.capitalize()} {self.task_id}"

    @property
    def bulk_change(self) -> BulkChange:
        """The change that a job of the kind `bulk` makes."""
        return BulkChange.from_json(self.bulk or {}, self.bulk_input or {})

    @property
    def is_preview(self) -> bool:
        """Whether the job must wait for a confirmation before it may write."""
        return self.wants_preview and not self.confirmed

    @property
    def removes_missing(self) -> bool:
        """Whether the import deactivates or deletes the products that its file does not have.

        A file without valid rows never removes anything. The property is only valid once the rows are staged.
        """
        return self.missing != "keep" and self.total_records > self.rejected_count


def reload(connection: Connection, job: Job) -> Job:
    """Return the job with the current values of its row; raises `LeaseLost`."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {JOB_COLUMNS_SQL} FROM import_jobs WHERE id = %s AND lease_token = %s", (job.id, job.token)
        )
        row = cursor.fetchone()
        if row is None:
            raise LeaseLost
        return Job(*row)


def update(
    cursor: Cursor,
    job: Job,
    assignments: str,
    values: dict[str, Any],
    *,
    phase_of_sample: str | None = None,
    rows_of_sample: int | None = None,
    estimate: Estimate | None = None,
    condition: str = "true",
) -> None:
    """Change the row of a job in the caller's transaction.

    Raises `LeaseLost` if the lease is lost, or if the row does not meet the `condition`. `assignments` is the SQL of
    the SET clause and `values` has its parameters. With a `phase_of_sample`, such as "reading", the statement also
    records how many rows that phase has processed: `rows_of_sample`, or else what the columns of the job say. Without
    an `estimate`, the time left is unknown from now on.
    """
    estimate = estimate or Estimate()
    statement = UPDATE_AND_SAMPLE_JOB_SQL if phase_of_sample else UPDATE_JOB_SQL
    cursor.execute(
        statement.format(assignments=assignments, condition=condition),
        {
            **values,
            "id": job.id,
            "token": job.token,
            "phase_of_sample": phase_of_sample,
            "rows_of_sample": rows_of_sample,
            "seconds_left": estimate.seconds_left,
            "current_rows_per_second": estimate.rows_per_second,
        },
    )
    if cursor.rowcount != 1:
        raise LeaseLost


def has_ended(connection: Connection, job: Job) -> bool:
    """Return whether a job has ended, or was deleted after its end."""
    with transaction(connection) as cursor:
        cursor.execute(FIND_UNENDED_SQL, (job.id,))
        return cursor.fetchone() is None


def read_checkpoint(cursor: Cursor, job: Job) -> tuple[str | None, list[list[str]] | None]:
    """Return the current `checkpoint` and `written_ahead` of a job; raises `LeaseLost`."""
    cursor.execute(READ_CHECKPOINT_SQL, {"id": job.id, "token": job.token})
    row = cursor.fetchone()
    if row is None:
        raise LeaseLost
    return row[0], row[1]


def find_interruption(connection: Connection, job: Job) -> str | None:
    """Return why the previous attempt at a job was interrupted, if its log says that."""
    with transaction(connection) as cursor:
        cursor.execute(FIND_INTERRUPTION_SQL, (job.id,))
        row = cursor.fetchone()
        return row[0] if row else None


def add_notices(cursor: Cursor, job: Job, notices: Notices, *, codes: Sequence[str]) -> None:
    """Replace the notices of a job that have one of these codes, in a transaction that holds the job's lease."""
    cursor.execute(ADD_NOTICES_SQL, {"id": job.id, "codes": list(codes), "notices": Json(notices.to_json())})


def append_log(cursor: Cursor, job_id: int, event: str, message: LogMessage) -> None:
    """Append an entry to the log of a job, in the caller's transaction."""
    details = None if message.details is None else Json(message.details)
    cursor.execute(APPEND_LOG_SQL, (job_id, event, message.sentence, message.code, details))


def complete(cursor: Cursor, job: Job, retention: Retention) -> None:
    """End a job as completed, in the caller's transaction; raises `LeaseLost`.

    The staging table stays: see `cleanup.drop_staging_if_ended`.
    """
    if job.kind == "undo":
        cursor.execute(RECORD_LEFT_ALONE_SQL, {"id": job.id, "task_id": job.task_id, "undo_of": job.undo_of})
    update(cursor, job, COMPLETE_SQL, retention.parameters)
    counts = notify_webhooks(cursor, "import.completed", job)
    if job.kind == "undo":
        message = describe_undo(counts)
    elif job.kind == "bulk":
        message = describe_bulk_change(counts, job.bulk_change)
    else:
        missing_left_alone = (job.missing_found or 0) - counts["missing_count"]
        message = describe_import(counts, missing=job.missing, missing_left_alone=missing_left_alone)
    append_log(cursor, job.id, "completed", message)


def fail(
    cursor: Cursor,
    job: Job,
    failure: ImportFailure,
    retention: Retention,
    *,
    event: str = "failed",
    file_description: dict[str, Any] | None = None,
) -> None:
    """End a job as failed and drop its staging table, in the caller's transaction; raises `LeaseLost`.

    `event` is the kind of its entry in the log. `file_description` is what has been detected in the file so far.
    """
    file = Json(file_description) if file_description else None
    cursor.execute(REPORT_END_OF_UNDO_SQL, (job.id,))
    update(cursor, job, FAIL_SQL, {**_columns_of(failure), "file": file, **retention.parameters})
    append_log(cursor, job.id, event, failure_message(failure))
    notify_webhooks(cursor, "import.failed", job)
    drop_staging_table(cursor, job.id)


def _columns_of(failure: ImportFailure | None) -> dict[str, Any]:
    if failure is None:
        return {"message": None, "code": None, "details": None}
    return {"message": str(failure), "code": failure.code, "details": Json(failure.details)}


def cancel(
    cursor: Cursor, job_id: int, retention: Retention, *, event: str, reason: ImportFailure | None = None
) -> bool:
    """End an unfinished job as cancelled, in the caller's transaction; return False if it has ended already.

    The log entry has the given `event` and `reason`; without a reason, it says what the job has written. The staging
    table stays, because a worker may still use it: see `cleanup.drop_staging_of_ended_jobs`.
    """
    cursor.execute(REPORT_END_OF_UNDO_SQL, (job_id,))
    cursor.execute(CANCEL_JOB_SQL, {"id": job_id, **_columns_of(reason), **retention.parameters})
    row = cursor.fetchone()
    if row is None:
        return False
    if reason is None:
        names = [column.name for column in cursor.description or ()]
        message = describe_cancellation(dict(zip(names, row, strict=True)))
    else:
        message = failure_message(reason)
    append_log(cursor, job_id, event, message)
    return True


def notify_webhooks(cursor: Cursor, event: str, job: Job) -> dict[str, Any]:
    """Record an event about an import for the webhooks, in the caller's transaction; return its JSON.

    A bulk change and its undo have no such events, because webhooks get those of the products.
    """
    cursor.execute(READ_JSON_SQL, (job.id,))
    names = [*IMPORT_COLUMNS, "last_undo"]
    values = serialize_import(SimpleNamespace(**dict(zip(names, cursor.fetchone() or (), strict=True))))
    if job.bulk is None:
        record_event(cursor, event, {"import": values})
    return values


def staging_table_name(job: Job) -> str:
    """Return the name of the staging table for this lease of a job.

    Each lease has its own, because a worker whose lease expired may still use the previous one.
    """
    return f"{STAGING_TABLE_PREFIX}{job.id}_{job.token[:8]}"


def drop_staging_table(cursor: Cursor, job_id: int) -> None:
    """Drop the staging table that the row of a job names, if any, and its companions, in the caller's transaction."""
    cursor.execute("SELECT staging_table FROM import_jobs WHERE id = %s", (job_id,))
    row = cursor.fetchone()
    if row and row[0]:
        names = sql.SQL(", ").join(
            sql.Identifier(row[0] + suffix) for suffix in ("", LINES_TABLE_SUFFIX, OUTCOMES_TABLE_SUFFIX)
        )
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(names))
        cursor.execute("UPDATE import_jobs SET staging_table = NULL WHERE id = %s", (job_id,))
