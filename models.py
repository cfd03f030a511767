"""The database tables. Migrations create them; `database/migrate.py` applies the migrations.

SKUs are unique without regard to case. PostgreSQL's `lower()` decides which SKUs are equal, and queries that look up a
SKU compare `lower(sku) COLLATE "C"`, the expression of the unique index. Collation "C" compares bytes, so the index has
the same order in every database, and an import can merge its sorted rows with the index.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from flask_sqlalchemy import SQLAlchemy
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
    MetaData,
    String,
    Text,
    and_,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

SKU_MAX_CHARACTERS = 255
NAME_MAX_CHARACTERS = 500

JOB_STATUSES = ("pending", "processing", "awaiting_confirmation", "completed", "failed", "cancelled")
FINAL_STATUSES = ("completed", "failed", "cancelled")
JOB_KINDS = ("import", "undo")
IMPORT_MODES = ("upsert", "create", "update")
REJECT_POLICIES = ("skip", "fail")
SHORT_ROW_POLICIES = ("reject", "accept")
MISSING_POLICIES = ("keep", "deactivate", "delete")
# Prefixes of tables and indexes that the application creates at run time. They have no models.
STAGING_TABLE_PREFIX = "import_staging_"
SEARCH_INDEX_PREFIX = "products_search_"
ORIGINS = ("page", "api")
DELIVERY_STATUSES = ("pending", "delivered", "failed")


class Base(DeclarativeBase):
    """The base class of all tables. Constraint names follow a convention, so migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "ix": "%(table_name)s_%(column_0_name)s_idx",
            "uq": "%(table_name)s_%(column_0_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True), int: BigInteger, str: Text}


db = SQLAlchemy(metadata=Base.metadata)


def _is_one_of(column: str, values: tuple[str, ...]) -> str:
    """Return an SQL condition that limits a column to the given words."""
    return f"{column} IN ({', '.join(map(repr, values))})"


class Product(Base):
    """A product in the catalogue."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    sku: Mapped[str] = mapped_column(String(SKU_MAX_CHARACTERS))
    name: Mapped[str] = mapped_column(String(NAME_MAX_CHARACTERS), server_default="")
    description: Mapped[str] = mapped_column(server_default="")
    active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # An undo sets two timestamps: the `updated_at` of the version that it restored, and the time of the restoration.
    # See importer/pipeline/undo.py.
    restored: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)), deferred=True)

    __table_args__ = (
        Index("products_sku_key", text('lower(sku) COLLATE "C"'), unique=True),
        # Every write updates this index. The indexes of the other sort orders are built in the background, see
        # catalogue/search_indexes.py.
        Index("products_updated_at_idx", "updated_at", "id"),
    )


class ImportJob(Base):
    """The job of an import or of an undo. This row holds its whole state; a message to a worker only names it.

    `revision` increases with each change that clients can see. A trigger then notifies the channel `import_progress`.
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
    error_message: Mapped[str | None]
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

    # The results. `file` holds what was detected in the file. `preview` holds what the import would do, and
    # `notices` what a person should know about the file: a list of the objects of `importer.notices`.
    skipped_count: Mapped[int] = mapped_column(server_default="0")
    removed_count: Mapped[int] = mapped_column(server_default="0")
    run: Mapped[int] = mapped_column(server_default="1")
    worked_seconds: Mapped[float] = mapped_column(Double, server_default="0")
    active_since: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    confirm_until: Mapped[datetime | None]
    retry_until: Mapped[datetime | None]
    undo_until: Mapped[datetime | None]
    undone_by: Mapped[uuid.UUID | None]
    # How many products the last completed undo of this import left alone. If any, the import can be undone again.
    left_alone_count: Mapped[int] = mapped_column(server_default="0")
    file: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    preview: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    # Products that the file does not have: how many of them the import has deactivated or deleted so far, and how many
    # it found before it wrote anything.
    missing_count: Mapped[int] = mapped_column(server_default="0")
    missing_found: Mapped[int | None]
    notices: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)

    # State for the next worker that acquires the lease: the staging table, its columns, and the last key written.
    staging_table: Mapped[str | None]
    staged_columns: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    checkpoint: Mapped[str | None]
    # The snapshot of PostgreSQL in which the missing products were found, and the last key up to which they have been
    # deactivated or deleted. See importer/pipeline/missing.py.
    missing_snapshot: Mapped[str | None]
    missing_checkpoint: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    lease_token: Mapped[uuid.UUID | None]
    lease_holder: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    announced_at: Mapped[datetime | None]

    # When the reaper removed the rejects, the duplicates and the samples of the ended job, which are kept for less time
    # than the job.
    rejects_removed_at: Mapped[datetime | None]
    duplicates_removed_at: Mapped[datetime | None]
    samples_removed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(_is_one_of("status", JOB_STATUSES), name="status"),
        CheckConstraint(_is_one_of("kind", JOB_KINDS), name="kind"),
        CheckConstraint(_is_one_of("mode", IMPORT_MODES), name="mode"),
        CheckConstraint(_is_one_of("on_reject", REJECT_POLICIES), name="on_reject"),
        CheckConstraint(_is_one_of("started_from", ORIGINS), name="started_from"),
        CheckConstraint("header_line >= 1", name="header_line"),
        CheckConstraint(_is_one_of("short_rows", SHORT_ROW_POLICIES), name="short_rows"),
        CheckConstraint(_is_one_of("missing", MISSING_POLICIES), name="missing"),
        CheckConstraint("missing_limit BETWEEN 0 AND 1", name="missing_limit"),
        CheckConstraint("progress BETWEEN 0 AND 100 AND (progress = 100) = (status = 'completed')", name="progress"),
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
    holds the ids that the last undo left alone, and is NULL until an undo has reversed the entry.

    With `deactivated`, the file did not have the products in `updated`, and the import deactivated them. In an entry
    with `deleted` products, the other arrays have all that an undo needs to insert these again.
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

    __table_args__ = (Index("import_changes_job_id_idx", "job_id", "id"),)


class ImportLog(Base):
    """A line in the log of an import, written for people."""

    __tablename__ = "import_log"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("import_jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    event: Mapped[str] = mapped_column(String(32))
    message: Mapped[str]

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


class ImportMapping(Base):
    """The column mapping that was last confirmed for files with this header."""

    __tablename__ = "import_mappings"

    header_key: Mapped[str] = mapped_column(primary_key=True)
    mapping: Mapped[dict[str, str | None]] = mapped_column(JSON)
    used_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Webhook(Base):
    """A webhook: a receiver of events.

    `event_type` is one event, several separated by commas, or `*`. A dispatcher holds a lease on each webhook that it
    serves, so the deliveries of a webhook start in order.

    A webhook with `deleted_at` no longer exists for clients. The row stays, disabled, until a dispatcher has removed
    its deliveries; see webhooks/retention.py.
    """

    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    url: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    event_type: Mapped[str]
    imports: Mapped[str] = mapped_column(String(16), server_default="none")
    enabled: Mapped[bool] = mapped_column(server_default=true())
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    secret: Mapped[str | None]
    previous_secret: Mapped[str | None] = mapped_column()
    previous_secret_expires_at: Mapped[datetime | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    lease_token: Mapped[uuid.UUID | None]
    lease_holder: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]

    deleted_at: Mapped[datetime | None]
    # Whether `previous_secret` still signed requests when the row was read, by the database's clock.
    has_previous_secret: Mapped[bool] = column_property(
        and_(previous_secret.is_not(None), func.coalesce(previous_secret_expires_at > func.clock_timestamp(), false()))
    )

    __table_args__ = (CheckConstraint("imports IN ('none', 'each')", name="imports"),)


class WebhookEvent(Base):
    """An event in the outbox, inserted in the transaction of the change that it reports.

    It holds either `body`, exactly as it is sent, or the ids of `created` and `updated` products, or the `deleted`
    products of an import: a list of objects with their columns. From these, the dispatcher builds the bodies when it
    sends them.
    """

    __tablename__ = "webhook_events"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    uid: Mapped[uuid.UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    type: Mapped[str] = mapped_column(String(64))
    body: Mapped[str | None]
    task_id: Mapped[uuid.UUID | None]
    created: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    updated: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    deleted: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (Index(None, "created_at"),)


class WebhookDelivery(Base):
    """The delivery of an event to one webhook.

    Deliveries of a webhook are due in the order of `next_attempt_at`, event and `position`. If the event has many
    products, `cut` says how they are split: `batch` for requests with many products, `created`, `updated` or `deleted`
    for one request per product. A row with `parts_left` stands for the deliveries from `position` on that have not been
    split off yet.
    """

    __tablename__ = "webhook_deliveries"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"))
    cut: Mapped[str | None] = mapped_column(String(16))
    position: Mapped[int] = mapped_column(server_default="0")
    parts_left: Mapped[int | None]
    label: Mapped[str] = mapped_column(server_default="")
    body: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(16), server_default="pending")
    tries: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=func.clock_timestamp())
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(_is_one_of("status", DELIVERY_STATUSES), name="status"),
        Index(
            "webhook_deliveries_due_idx",
            "webhook_id",
            "next_attempt_at",
            "event_id",
            "position",
            postgresql_where=text("status = 'pending'"),
        ),
        Index("webhook_deliveries_webhook_id_idx", "webhook_id", "id"),
        Index("webhook_deliveries_failed_idx", "webhook_id", "id", postgresql_where=text("status = 'failed'")),
        Index(None, "event_id"),
    )


class WebhookAttempt(Base):
    """One request of a delivery and its result."""

    __tablename__ = "webhook_attempts"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    url: Mapped[str]
    request_headers: Mapped[dict[str, str]] = mapped_column(JSON)
    status_code: Mapped[int | None]
    response_time_ms: Mapped[int]
    response_headers: Mapped[dict[str, str]] = mapped_column(JSON)
    response_text: Mapped[str | None]
    error: Mapped[str | None]

    __table_args__ = (Index(None, "delivery_id"),)


class WebhookHour(Base):
    """The hourly counts of a webhook: deliveries that succeeded or failed, and attempts that failed."""

    __tablename__ = "webhook_hours"

    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    delivered: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    failed_attempts: Mapped[int] = mapped_column(server_default="0")


class Worker(Base):
    """The last heartbeat of a worker process. The reaper removes old rows."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SearchIndexBuild(Base):
    """The builds of one kind of search index since its last success; see catalogue/search_index_builds.py."""

    __tablename__ = "search_index_builds"

    kind: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    attempted_at: Mapped[datetime]
    error: Mapped[str | None]
