"""What the calls on webhooks share: finding the webhook of a call, and a cursor for statements in SQL."""

from __future__ import annotations

from typing import Any, Literal

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import select

from api.errors import ErrorType
from models import Webhook, db

WEBHOOK_NOT_FOUND = ErrorType(404, "webhook_not_found", "There is no webhook with this id.")
WEBHOOK_ID = [{"in": "path", "name": "webhook_id", "description": "The id of the webhook."}]


def find_webhook(webhook_id: int, *, lock: Literal["change", "keep"] | None = None) -> Webhook:
    """Return a webhook; raise the 404 if there is none.

    `lock="change"` locks its row for a change. `lock="keep"` only keeps the row from being removed, while the caller
    writes rows of its deliveries. Both locks let others insert deliveries of the webhook meanwhile.
    """
    query = select(Webhook).where(Webhook.id == webhook_id, Webhook.deleted_at.is_(None))
    if lock is not None:
        query = query.with_for_update(key_share=True, read=lock == "keep", of=Webhook)
    webhook = db.session.scalar(query.execution_options(populate_existing=lock is not None))
    if webhook is None:
        raise WEBHOOK_NOT_FOUND.exception()
    return webhook


def driver_cursor() -> Cursor:
    """Return a cursor of the driver, in the transaction of the session."""
    connection: Any = db.session.connection().connection.driver_connection
    cursor: Cursor = connection.cursor()
    return cursor
