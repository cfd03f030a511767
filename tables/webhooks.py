"""The tables of webhooks: receivers, the outbox of events, and their deliveries."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    String,
    and_,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, column_property, mapped_column

from tables.base import Base, is_one_of

DELIVERY_STATUSES = ("pending", "delivered", "failed")


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
    # The error of the last attempt, while the webhook is failing.
    last_error: Mapped[str | None]
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
    # The request to the API that caused the change, if it is known.
    request_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (Index(None, "created_at"), Index(None, "type"), Index(None, "uid"))


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
        CheckConstraint(is_one_of("status", DELIVERY_STATUSES), name="status"),
        Index(
            "webhook_deliveries_due_idx",
            "webhook_id",
            "next_attempt_at",
            "event_id",
            "position",
            postgresql_where=text("status = 'pending'"),
        ),
        Index("webhook_deliveries_newest_idx", "webhook_id", "created_at", "id"),
        Index(
            "webhook_deliveries_failed_idx",
            "webhook_id",
            "created_at",
            "id",
            postgresql_where=text("status = 'failed'"),
        ),
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


class WebhookResponseTime(Base):
    """How many requests of a webhook had a response time in an hour, which the dispatcher rounds to two digits."""

    __tablename__ = "webhook_response_times"

    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    response_time_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    requests: Mapped[int]
