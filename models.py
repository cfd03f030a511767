"""The tables, and how a database is brought up to them.

`products.sku` is unique without regard to case: `lower()` of PostgreSQL decides, and a query that looks for a SKU
compares `lower(sku) COLLATE "C"`, which the unique index holds. The key is compared byte by byte, so that the index has
the same order in every database and an import can walk it beside its own rows.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path
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
    MetaData,
    String,
    Text,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SKU_MAX_CHARACTERS = 255
NAME_MAX_CHARACTERS = 500

JOB_STATUSES = ("pending", "processing", "awaiting_confirmation", "completed", "failed", "cancelled")
FINAL_STATUSES = ("completed", "failed", "cancelled")
JOB_KINDS = ("import", "undo")
IMPORT_MODES = ("upsert", "create", "update")
REJECT_POLICIES = ("skip", "fail")
# Tables and indexes that are made at run time, so the models do not list them.
STAGING_TABLE_PREFIX = "import_staging_"
SEARCH_INDEX_PREFIX = "products_search_"
ORIGINS = ("page", "api")
DELIVERY_STATUSES = ("pending", "delivered", "failed")


class Base(DeclarativeBase):
    """Base of all tables; constraint names are fixed so that migrations can name them."""

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


def _words(words: tuple[str, ...]) -> str:
    """A list of words in SQL."""
    return f"({', '.join(map(repr, words))})"


class Product(Base):
    """A product of the catalogue."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    sku: Mapped[str] = mapped_column(String(SKU_MAX_CHARACTERS))
    name: Mapped[str] = mapped_column(String(NAME_MAX_CHARACTERS), server_default="")
    description: Mapped[str] = mapped_column(server_default="")
    active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # Set by an undo: the product is as it was at the first moment, since the second; see importer/undo.py.
    restored: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)), deferred=True)

    __table_args__ = (
        Index("products_sku_key", text('lower(sku) COLLATE "C"'), unique=True),
        # The only order that imports pay for row by row; catalogue/search_indexes.py has the others.
        Index("products_updated_at_idx", "updated_at", "id"),
    )


class ImportJob(Base):
    """An import, or the undo of one: the truth about it. A message to a worker only says "look at this row".

    `revision` counts the changes that clients see; a trigger tells each of them on the channel `import_progress`.
    """

    __tablename__ = "import_jobs"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(unique=True)
    filename: Mapped[str]
    stored_name: Mapped[str]
    file_size: Mapped[int]
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

    # What was asked for. Where `mapping`, `delimiter`, `quote` and `encoding` are empty the file tells.
    kind: Mapped[str] = mapped_column(String(16), server_default="import")
    mode: Mapped[str] = mapped_column(String(16), server_default="upsert")
    on_reject: Mapped[str] = mapped_column(String(16), server_default="skip")
    wants_preview: Mapped[bool] = mapped_column(server_default=false())
    mapping: Mapped[dict[str, str | None] | None] = mapped_column(JSON(none_as_null=True))
    delimiter: Mapped[str | None]
    quote: Mapped[str | None]
    encoding: Mapped[str | None]
    started_from: Mapped[str] = mapped_column(String(16), server_default="api")
    started_by: Mapped[str] = mapped_column(server_default="")
    undo_of: Mapped[uuid.UUID | None]

    # What came of it. `file` describes what was found in the file, `preview` what an import would do.
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
    file: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    preview: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)

    # How far the work is, for the worker that takes it over: the table that
    # holds its rows, the columns staged, the last key written.
    staging_table: Mapped[str | None]
    staged_columns: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    checkpoint: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    lease_token: Mapped[uuid.UUID | None]
    lease_holder: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    announced_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(f"status IN {_words(JOB_STATUSES)}", name="status"),
        CheckConstraint(f"kind IN {_words(JOB_KINDS)}", name="kind"),
        CheckConstraint(f"mode IN {_words(IMPORT_MODES)}", name="mode"),
        CheckConstraint(f"on_reject IN {_words(REJECT_POLICIES)}", name="on_reject"),
        CheckConstraint(f"started_from IN {_words(ORIGINS)}", name="started_from"),
        CheckConstraint("progress BETWEEN 0 AND 100 AND (progress = 100) = (status = 'completed')", name="progress"),
        # The sweep looks at unfinished jobs only, and there are few.
        Index("import_jobs_unfinished_idx", "id", postgresql_where=text("status IN ('pending', 'processing')")),
        # Those of ended jobs are dropped by the sweep.
        Index("import_jobs_staged_idx", "id", postgresql_where=text("staging_table IS NOT NULL")),
    )


class ImportReject(Base):
    """A row of a file that could not be taken: where it starts, why, and the row as it was (as CSV).

    A foreign key would be looked up for every row, which takes as long as writing it; a trigger removes the rows of a
    job that is deleted.
    """

    __tablename__ = "import_rejects"

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(64))
    message: Mapped[str]
    row: Mapped[str]


class ImportChanges(Base):
    """What a transaction of an import did: whom it created, changed and left out, and what it takes to undo it.

    `at` is the `updated_at` that it gave every product. `names`, `descriptions` and `actives` have the former values of
    the `updated` products, in their order and NULL where nothing changed; `stamps` the moments that they were of.
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

    __table_args__ = (Index("import_changes_job_id_idx", "job_id", "id"),)


class ImportLog(Base):
    """Something that a person who follows up an import wants to know, with its moment."""

    __tablename__ = "import_log"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("import_jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    event: Mapped[str] = mapped_column(String(32))
    message: Mapped[str]

    __table_args__ = (Index("import_log_job_id_idx", "job_id", "id"),)


class ImportSample(Base):
    """How many rows a phase had done when the import had been worked on for `at` seconds."""

    __tablename__ = "import_samples"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("import_jobs.id", ondelete="CASCADE"))
    run: Mapped[int] = mapped_column(server_default="1")
    at: Mapped[float] = mapped_column(Double)
    phase: Mapped[str] = mapped_column(String(32))
    rows: Mapped[int]

    __table_args__ = (Index("import_samples_job_id_idx", "job_id", "id"),)


class ImportMapping(Base):
    """The mapping that was last confirmed for files with this header."""

    __tablename__ = "import_mappings"

    header_key: Mapped[str] = mapped_column(primary_key=True)
    mapping: Mapped[dict[str, str | None]] = mapped_column(JSON)
    used_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Webhook(Base):
    """A receiver of events.

    `event_type` is one event, several separated by commas, or `*`. A deliverer holds a lease on the webhooks that it
    works on, so that the deliveries of each start in order.
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
    previous_secret: Mapped[str | None]
    previous_secret_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    lease_token: Mapped[uuid.UUID | None]
    lease_holder: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("imports IN ('none', 'each')", name="imports"),)


class WebhookEvent(Base):
    """Something that happened and that a webhook is to be told, written in the transaction in which it happened.

    Either with its `body`, just as it is sent, or with the ids of many products, which the deliverer makes bodies of.
    """

    __tablename__ = "webhook_events"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    uid: Mapped[uuid.UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    type: Mapped[str] = mapped_column(String(64))
    body: Mapped[str | None]
    task_id: Mapped[uuid.UUID | None]
    created: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    updated: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (Index(None, "created_at"),)


class WebhookDelivery(Base):
    """An event on its way to one webhook.

    The deliveries of a webhook are due in the order of `next_attempt_at`, event, `position`. Where the event has many
    products, `cut` says how they are cut into deliveries: `batch`, or one each of the `created` or `updated` ones. The
    row with `parts_left` stands for those that have not been cut off yet, from `position` on.
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
        CheckConstraint(f"status IN {_words(DELIVERY_STATUSES)}", name="status"),
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
    """One request of a delivery, and what came of it."""

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
    """What became of a webhook's attempts and deliveries within an hour."""

    __tablename__ = "webhook_hours"

    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    delivered: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    failed_attempts: Mapped[int] = mapped_column(server_default="0")


class Worker(Base):
    """A worker process that gave a sign of life; old rows are removed by the sweep."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


def sqlalchemy_url(url: str) -> str:
    """Returns a `postgresql://` URL with the driver named, as SQLAlchemy wants it."""
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def upgrade_database(url: str) -> None:
    """Applies the migrations that `url` lacks; several processes may call it at once.

    Raises `sqlalchemy.exc.OperationalError` when the database cannot be reached.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).resolve().parent / "migrations"))
    config.attributes["url"] = sqlalchemy_url(url)
    command.upgrade(config, "head")
