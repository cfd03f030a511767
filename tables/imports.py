"""The tables of imports: jobs, what they keep, and the workers that run them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Text,
    false,
    func,
    literal_column,
    text,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, column_property, mapped_column

from monitoring.context import current_request_id
from tables.base import ORIGINS, Base, is_one_of

JOB_STATUSES = ("pending", "processing", "awaiting_confirmation", "completed", "failed", "cancelled")
FINAL_STATUSES = ("completed", "failed", "cancelled")
JOB_KINDS = ("import", "undo", "bulk")
IMPORT_MODES = ("upsert", "create", "update")
REJECT_POLICIES = ("skip", "fail")
SHORT_ROW_POLICIES = ("reject", "accept")
MISSING_POLICIES = ("keep", "deactivate", "delete")
# What has become of the last undo of a row of `import_jobs`; NULL if there is none, or if the undo was deleted. The
# counts are those of all undos since the job has ended, because a later undo takes back what an earlier one left alone.
LAST_UNDO_SQL = """
CASE WHEN import_jobs.undone_by IS NOT NULL THEN (
    SELECT jsonb_build_object(
        'task_id', u.task_id, 'status', u.status, 'progress', u.progress, 'error_message', u.error_message,
        'error_code', u.error_code, 'error_details', u.error_details,
        'started_from', u.started_from, 'started_by', u.started_by,
        'finished_at', to_char(u.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'removed_count', undos.removed, 'restored_count', undos.restored, 'gone_count', undos.gone,
        'left_alone_count', u.rejected_count
    ) FROM import_jobs u CROSS JOIN LATERAL (
        SELECT sum(a.removed_count) AS removed, sum(a.updated_count - a.removed_count) AS restored,
            sum(a.unchanged_count) AS gone
        FROM import_jobs a WHERE a.undo_of = u.undo_of AND a.created_at >= import_jobs.finished_at
    ) undos WHERE u.task_id = import_jobs.undone_by
) END
"""
# The prefix of the tables that hold the rows of a running import. They have no models.
STAGING_TABLE_PREFIX = "import_staging_"
# The prefix of the tables that hold the products of a deletion of all, until it can no longer be undone. They have no
# models either.
DELETED_TABLE_PREFIX = "deleted_products_"


class ImportJob(Base):
    """The job of an import, of a bulk change or of an undo. This row holds its whole state; a message only names it.

    `revision` increases with each change that clients can see. A trigger then notifies the channel `import_progress`.
    Others notify `import_jobs` when a job is created or deleted, and when its status changes.
    """

    __tablename__ = "import_jobs"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(unique=True)
    filename: Mapped[str]
    stored_name: Mapped[str]
    file_size: Mapped[int]
    file_sha256: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(32), server_default="pending")
    phase: Mapped[str] = mapped_column(String(32), server_default="queued")
    progress: Mapped[int] = mapped_column(server_default="0")
    total_records: Mapped[int] = mapped_column(server_default="0")
    processed_records: Mapped[int] = mapped_column(server_default="0")
    rows_read: Mapped[int] = mapped_column(server_default="0")
    rows_written: Mapped[int] = mapped_column(server_default="0")
    created_count: Mapped[int] = mapped_column(server_default="0")
    updated_count: Mapped[int] = mapped_column(server_default="0")
    unchanged_count: Mapped[int] = mapped_column(server_default="0")
    duplicate_count: Mapped[int] = mapped_column(server_default="0")
    rejected_count: Mapped[int] = mapped_column(server_default="0")
    # Why the job failed: the sentence, and the facts from which it was built (`importer.errors`).
    error_message: Mapped[str | None]
    error_code: Mapped[str | None]
    error_details: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    revision: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    # What the client requested. An option of the file that is NULL is detected in the file.
    kind: Mapped[str] = mapped_column(String(16), server_default="import")
    mode: Mapped[str] = mapped_column(String(16), server_default="upsert")
    on_reject: Mapped[str] = mapped_column(String(16), server_default="skip")
    wants_preview: Mapped[bool] = mapped_column(server_default=false())
    mapping: Mapped[dict[str, str | None] | None] = mapped_column(JSON(none_as_null=True))
    delimiter: Mapped[str | None]
    quote: Mapped[str | None]
    encoding: Mapped[str | None]
    header_line: Mapped[int | None] = mapped_column(Integer)
    sheet: Mapped[str | None]
    short_rows: Mapped[str] = mapped_column(String(16), server_default="reject")
    missing: Mapped[str] = mapped_column(String(16), server_default="keep")
    missing_limit: Mapped[float] = mapped_column(Double, server_default="0.1")
    started_from: Mapped[str] = mapped_column(String(16), server_default="api")
    started_by: Mapped[str] = mapped_column(server_default="")
    undo_of: Mapped[uuid.UUID | None]
    # For a bulk change and for its undo: what changes, as clients see it, and in `bulk_input` what is too long for a
    # list of jobs. See catalogue/bulk.py.
    bulk: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    bulk_input: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)

    # The results. `file` holds what was detected in the file. `preview` holds what the import would do, and
    # `notices` what a person should know about the file: a list of the objects of `importer.notices`.
    skipped_count: Mapped[int] = mapped_column(server_default="0")
    removed_count: Mapped[int] = mapped_column(server_default="0")
    run: Mapped[int] = mapped_column(server_default="1")
    worked_seconds: Mapped[float] = mapped_column(Double, server_default="0")
    active_since: Mapped[datetime | None]
    # The rows that earlier runs had processed when this run began, and those that its check has compared so far.
    rows_before_run: Mapped[int] = mapped_column(server_default="0")
    rows_compared: Mapped[int] = mapped_column(server_default="0")
    # What the worker expects of the rest of the run, as of `updated_at`.
    seconds_left: Mapped[float | None] = mapped_column(Double)
    current_rows_per_second: Mapped[float | None] = mapped_column(Double)
    confirmed_at: Mapped[datetime | None]
    confirm_until: Mapped[datetime | None]
    retry_until: Mapped[datetime | None]
    undo_until: Mapped[datetime | None]
    undone_by: Mapped[uuid.UUID | None]
    # How many products the last completed undo of this import left alone. If any, the import can be undone again.
    left_alone_count: Mapped[int] = mapped_column(server_default="0")
    last_undo: Mapped[dict[str, Any] | None] = column_property(type_coerce(literal_column(LAST_UNDO_SQL), JSONB))
    file: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    preview: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    # Products that the file does not have: how many of them the import has deactivated or deleted so far, and how many
    # it found before it wrote anything.
    missing_count: Mapped[int] = mapped_column(server_default="0")
    missing_found: Mapped[int | None]
    notices: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)

    # State for the next worker that acquires the lease: the staging table, its columns, the key up to which everything
    # is written, and the ranges of keys that are written beyond it.
    staging_table: Mapped[str | None]
    staged_columns: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    checkpoint: Mapped[str | None]
    written_ahead: Mapped[list[list[str]] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    # The snapshot of PostgreSQL in which the missing products were found, and the last key up to which they have been
    # deactivated or deleted. See importer/pipeline/missing.py.
    missing_snapshot: Mapped[str | None]
    missing_checkpoint: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    lease_token: Mapped[uuid.UUID | None]
    lease_holder: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    announced_at: Mapped[datetime | None]
    # The request that last started the job. The reaper's messages have it, too.
    request_id: Mapped[str | None] = mapped_column(Text, default=current_request_id)

    # When the reaper removed the rejects, the duplicates and the samples of the ended job, which are kept for less time
    # than the job.
    rejects_removed_at: Mapped[datetime | None]
    duplicates_removed_at: Mapped[datetime | None]
    samples_removed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(is_one_of("status", JOB_STATUSES), name="status"),
        CheckConstraint(is_one_of("kind", JOB_KINDS), name="kind"),
        CheckConstraint(is_one_of("mode", IMPORT_MODES), name="mode"),
        CheckConstraint(is_one_of("on_reject", REJECT_POLICIES), name="on_reject"),
        CheckConstraint(is_one_of("started_from", ORIGINS), name="started_from"),
        CheckConstraint("header_line >= 1", name="header_line"),
        CheckConstraint(is_one_of("short_rows", SHORT_ROW_POLICIES), name="short_rows"),
        CheckConstraint(is_one_of("missing", MISSING_POLICIES), name="missing"),
        CheckConstraint("missing_limit BETWEEN 0 AND 1", name="missing_limit"),
        CheckConstraint("progress BETWEEN 0 AND 100 AND (progress = 100) = (status = 'completed')", name="progress"),
        # For the undos of a job.
        Index("import_jobs_undo_of_idx", "undo_of", postgresql_where=text("undo_of IS NOT NULL")),
        # For queries that read only unfinished jobs, such as the reaper's. There are few such jobs.
        Index("import_jobs_unfinished_idx", "id", postgresql_where=text("status IN ('pending', 'processing')")),
        # For the reaper, which drops the staging tables of ended jobs.
        Index("import_jobs_staged_idx", "id", postgresql_where=text("staging_table IS NOT NULL")),
        # For the reaper, which removes old jobs.
        Index(None, "finished_at"),
    )


class ImportReject(Base):
    """A rejected row of a file: the line where it starts, the reason, and the original row as CSV.

    `column` is the name in the file of the column that is to blame, and `value` its value, if the reason is about them.
    `job_id` has no foreign key, because checking it takes as long as writing the row. A trigger removes the rejects of
    a deleted job.
    """

    __tablename__ = "import_rejects"

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(64))
    message: Mapped[str]
    row: Mapped[str]
    column: Mapped[str | None]
    value: Mapped[str | None]


class ImportDuplicate(Base):
    """A row of a file whose SKU appears again further down, on `kept_line`.

    `dropped` has its values and `kept` those of the row that counts, by field; `kept` is NULL if they are the same.
    `job_id` has no foreign key, as in `import_rejects`.
    """

    __tablename__ = "import_duplicates"

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kept_line: Mapped[int]
    sku: Mapped[str]
    differs: Mapped[bool]
    dropped: Mapped[dict[str, Any]] = mapped_column(JSONB)
    kept: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class ImportFix(Base):
    """A correction of a file that an import makes each time it reads the file.

    It either replaces a `value` of a `column` by `replacement`, or the row that begins on `line` by the cells in `row`.
    `column` is the name that `ImportJob.file` has. A job has few fixes; see importer/jobs/fixes.py.
    """

    __tablename__ = "import_fixes"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("import_jobs.id", ondelete="CASCADE"))
    column: Mapped[str | None]
    value: Mapped[str | None]
    replacement: Mapped[str | None]
    line: Mapped[int | None]
    row: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (
        CheckConstraint(
            "CASE WHEN line IS NULL"
            ' THEN num_nonnulls("column", value, replacement) = 3 AND "row" IS NULL'
            ' ELSE num_nonnulls("column", value, replacement) = 0 AND "row" IS NOT NULL END',
            name="kind",
        ),
        Index("import_fixes_job_id_idx", "job_id", "id"),
    )


class ImportChanges(Base):
    """An entry of the change log: what a slice of an import did, and what an undo needs to reverse it.

    `at` is the `updated_at` of every product that the slice wrote. `created` and `updated` hold product ids. `skipped`
    holds the SKUs that the mode of the import excludes. The other arrays have one entry for each id in `updated`.
    `names`, `descriptions` and `actives` hold the previous values: a value that did not change is NULL, and if none of
    the values changed, the whole array is NULL. `stamps` holds the timestamps of the previous versions. `left_alone`
    holds the ids that the last undo left alone, and is NULL until an undo has reversed the entry. `reversals` has the
    time of each undo that reversed it: the `updated_at` of the products that this undo restored.

    With `deactivated`, the file did not have the products in `updated`, and the import deactivated them. In an entry
    with `deleted` products, the other arrays have all that an undo needs to insert these again. After a deletion of
    all products, the table that `deleted_table` names has them instead, and `deleted_rows` is their number. An undo
    moves them from there into `products`, so the table has those that are still deleted.

    PostgreSQL reads an array as a whole, even for its length. So a trigger stores the lengths of `created`, `updated`,
    `deleted` and `skipped`, the range of the ids in `created` and `updated`, and the first values of `updated` and
    `skus`. They are NULL in entries of earlier versions.
    """

    __tablename__ = "import_changes"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("import_jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    created: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    updated: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    names: Mapped[list[str | None] | None] = mapped_column(ARRAY(Text))
    descriptions: Mapped[list[str | None] | None] = mapped_column(ARRAY(Text))
    actives: Mapped[list[bool | None] | None] = mapped_column(ARRAY(Boolean))
    stamps: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)))
    skipped: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    deactivated: Mapped[bool] = mapped_column(server_default=false())
    deleted: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    skus: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_ats: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)))
    updated_ats: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)))
    left_alone: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    deleted_table: Mapped[str | None]
    deleted_rows: Mapped[int | None]
    reversals: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)))
    created_count: Mapped[int | None] = mapped_column(Integer)
    updated_count: Mapped[int | None] = mapped_column(Integer)
    deleted_count: Mapped[int | None] = mapped_column(Integer)
    skipped_count: Mapped[int | None] = mapped_column(Integer)
    lowest_id: Mapped[int | None]
    highest_id: Mapped[int | None]
    first_updated: Mapped[int | None]
    first_sku: Mapped[str | None]

    __table_args__ = (
        Index("import_changes_job_id_idx", "job_id", "id"),
        # For the history of a product, which finds the entry that wrote or restored a version.
        Index(None, "at"),
        Index(
            "import_changes_reversals_idx",
            "reversals",
            postgresql_using="gin",
            postgresql_where=text("reversals IS NOT NULL"),
        ),
    )


class ImportLog(Base):
    """A line in the log of an import, written for people.

    `code` and `details` have the content of the message for programs; entries of earlier versions lack them.
    """

    __tablename__ = "import_log"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("import_jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    event: Mapped[str] = mapped_column(String(32))
    message: Mapped[str]
    code: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    __table_args__ = (Index("import_log_job_id_idx", "job_id", "id"),)


class ImportSample(Base):
    """The number of rows that a phase had processed after `at` seconds of work. The throughput chart shows these."""

    __tablename__ = "import_samples"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("import_jobs.id", ondelete="CASCADE"))
    run: Mapped[int] = mapped_column(server_default="1")
    at: Mapped[float] = mapped_column(Double)
    phase: Mapped[str] = mapped_column(String(32))
    rows: Mapped[int]

    __table_args__ = (Index("import_samples_job_id_idx", "job_id", "id"),)


class ImportSpeed(Base):
    """The seconds that a row took in a kind of work in the last jobs, the newest first. See importer/jobs/speeds.py."""

    __tablename__ = "import_speeds"

    work: Mapped[str] = mapped_column(String(64), primary_key=True)
    seconds_per_row: Mapped[list[float]] = mapped_column(ARRAY(Double))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ImportMapping(Base):
    """The column mapping that was last confirmed for files with this header."""

    __tablename__ = "import_mappings"

    header_key: Mapped[str] = mapped_column(primary_key=True)
    mapping: Mapped[dict[str, str | None]] = mapped_column(JSON)
    used_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Worker(Base):
    """The last heartbeat of a worker process. The reaper removes old rows."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
