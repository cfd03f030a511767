"""Calls that list the deliveries of a webhook and send them again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Response, jsonify
from sqlalchemy import func, select, text, update

from access.audit import Target
from api.audit import record
from api.errors import ErrorType
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import fetch_page
from api.schemas import MessageSchema
from api.webhooks.lookup import WEBHOOK_ID, WEBHOOK_NOT_FOUND, find_webhook
from api.webhooks.schemas import (
    NOT_TIMESTAMP_MESSAGE,
    DeliveryDetailsSchema,
    DeliveryPageSchema,
    DeliveryQuerySchema,
    RecoveryRequestSchema,
    RecoveryResultSchema,
)
from database.serializers import format_timestamp
from models import Webhook, WebhookAttempt, WebhookDelivery, WebhookEvent, db
from webhooks.expander import EVENT_TYPE_BY_CUT
from webhooks.outbox import DELIVERIES_CHANNEL

blueprint = Blueprint("deliveries", __name__, url_prefix="/api/webhooks/<int:webhook_id>", tag="Webhooks")

DELIVERY_NOT_FOUND = ErrorType(404, "delivery_not_found", "This webhook has no delivery with this id.")
WEBHOOK_DISABLED = ErrorType(
    409, "webhook_disabled", "The webhook is switched off, so nothing is sent. Switch it on first."
)
INVALID_RECOVERY = ErrorType(400, RecoveryRequestSchema.code, NOT_TIMESTAMP_MESSAGE, ("since",))
DELIVERY_ID = [*WEBHOOK_ID, {"in": "path", "name": "delivery_id", "description": "The id of the delivery."}]
# A recovery of more deliveries takes several transactions, so that it holds no locks for long.
RECOVERED_PER_TRANSACTION = 5000
# The values of a delivery that starts over: due now, with all attempts of the retry policy.
START_OVER = {"status": "pending", "tries": 0, "next_attempt_at": func.clock_timestamp(), "finished_at": None}


@blueprint.get("/deliveries", parameters=WEBHOOK_ID)
@blueprint.document(operationId="listDeliveries")
@blueprint.accepts(DeliveryQuerySchema)
@blueprint.returns(200, DeliveryPageSchema, "A page of deliveries.")
@blueprint.raises(INVALID_PARAMETER, WEBHOOK_NOT_FOUND)
def list_deliveries(query: dict[str, Any], webhook_id: int) -> Response:
    """List the deliveries of a webhook

    Lists the newest first, with all attempts. If an event of many products needs many requests, their deliveries are
    listed only shortly before they are sent.
    """
    find_webhook(webhook_id)
    deliveries = (
        select(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.parts_left.is_(None))
        .order_by(WebhookDelivery.id.desc())
    )
    if status := query.get("status"):
        deliveries = deliveries.where(WebhookDelivery.status == status)
    rows, pagination = fetch_page(deliveries, query["page"], query["per_page"])
    return jsonify(deliveries=_serialize(rows), pagination=pagination)


@blueprint.get("/deliveries/<int:delivery_id>", parameters=DELIVERY_ID)
@blueprint.document(operationId="getDelivery")
@blueprint.returns(200, DeliveryDetailsSchema, "The delivery with its body.")
@blueprint.raises(WEBHOOK_NOT_FOUND, DELIVERY_NOT_FOUND)
def show_delivery(webhook_id: int, delivery_id: int) -> Response:
    """Get a delivery"""
    delivery = _find(webhook_id, delivery_id)
    event = db.session.get_one(WebhookEvent, delivery.event_id)
    (serialized,) = _serialize([delivery])
    return jsonify({**serialized, "request_body": delivery.body or event.body})


@blueprint.post("/deliveries/<int:delivery_id>/resend", parameters=DELIVERY_ID)
@blueprint.document(operationId="resendDelivery")
@blueprint.returns(202, MessageSchema, "The delivery is sent again.")
@blueprint.raises(WEBHOOK_NOT_FOUND, DELIVERY_NOT_FOUND, WEBHOOK_DISABLED)
def resend_delivery(webhook_id: int, delivery_id: int) -> tuple[Response, int]:
    """Send a delivery again

    Sends it at once with the same `webhook-id`, even if it succeeded before. If it fails, it is attempted again as
    often as a new delivery.
    """
    webhook = find_webhook(webhook_id, lock="keep")
    _check_enabled(webhook)
    delivery = _find(webhook_id, delivery_id)
    result: Any = db.session.execute(
        update(WebhookDelivery).where(WebhookDelivery.id == delivery.id).values(START_OVER)
    )
    if not result.rowcount:
        # It was removed after it had been found, because it is too old.
        raise DELIVERY_NOT_FOUND.exception()
    target = Target("webhook", webhook_id, webhook.url)
    record("webhook.deliveries_resent", target, changes={"delivery": [None, delivery_id]})
    _commit_and_notify()
    return jsonify(message="The delivery is sent again."), 202


@blueprint.post("/recover", parameters=WEBHOOK_ID)
@blueprint.document(operationId="recoverDeliveries")
@blueprint.accepts(RecoveryRequestSchema, location="json", example={"since": "2026-11-24T04:00:00Z"})
@blueprint.returns(202, RecoveryResultSchema, "The deliveries are sent again.")
@blueprint.raises(INVALID_RECOVERY, WEBHOOK_NOT_FOUND, WEBHOOK_DISABLED)
def recover_deliveries(values: dict[str, datetime], webhook_id: int) -> tuple[Response, int]:
    """Send all failed deliveries again

    Sends every failed delivery whose event happened at the given time or later.
    """
    count, last_id = 0, 0
    while True:
        webhook = find_webhook(webhook_id, lock="keep")
        _check_enabled(webhook)
        ids = _start_over(webhook_id, values["since"], last_id)
        if ids:
            changes = {"since": [None, format_timestamp(values["since"])], "count": [None, len(ids)]}
            record("webhook.deliveries_recovered", Target("webhook", webhook_id, webhook.url), changes=changes)
        _commit_and_notify()
        count += len(ids)
        if len(ids) < RECOVERED_PER_TRANSACTION:
            break
        last_id = max(ids)
    message = "1 delivery is sent again." if count == 1 else f"{count:,} deliveries are sent again."
    return jsonify(message=message, count=count), 202


def _start_over(webhook_id: int, since: datetime, last_id: int) -> list[int]:
    """Let the next failed deliveries after `last_id` start over; return their ids, without those that are locked.

    A delivery is locked only while it is removed or sent again by another request.
    """
    failed = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.webhook_id == webhook_id,
            WebhookDelivery.status == "failed",
            WebhookDelivery.created_at >= since,
            WebhookDelivery.id > last_id,
        )
        .order_by(WebhookDelivery.id)
        .limit(RECOVERED_PER_TRANSACTION)
        .with_for_update(key_share=True, skip_locked=True)
        .cte()
    )
    change = update(WebhookDelivery).where(WebhookDelivery.id == failed.c.id).values(START_OVER)
    return list(db.session.scalars(change.returning(WebhookDelivery.id)))


def _check_enabled(webhook: Webhook) -> None:
    """Raise the 409 if a webhook is switched off."""
    if not webhook.enabled:
        raise WEBHOOK_DISABLED.exception()


def _commit_and_notify() -> None:
    """Commit, and notify the dispatchers that deliveries are due; PostgreSQL sends notifications at the commit."""
    db.session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": DELIVERIES_CHANNEL})
    db.session.commit()


def _find(webhook_id: int, delivery_id: int) -> WebhookDelivery:
    """Return a delivery of a webhook; raise the 404 if there is no such webhook or delivery."""
    find_webhook(webhook_id)
    delivery = db.session.get(WebhookDelivery, delivery_id)
    if delivery is None or delivery.webhook_id != webhook_id or delivery.parts_left is not None:
        raise DELIVERY_NOT_FOUND.exception()
    return delivery


def _serialize(deliveries: Sequence[WebhookDelivery]) -> list[dict[str, Any]]:
    """Return the JSON of deliveries, each with its attempts in the order of time."""
    event_ids = {delivery.event_id for delivery in deliveries}
    events = {
        event_id: (uid, event_type)
        for event_id, uid, event_type in db.session.execute(
            select(WebhookEvent.id, WebhookEvent.uid, WebhookEvent.type).where(WebhookEvent.id.in_(event_ids))
        )
    }
    attempts: dict[int, list[dict[str, Any]]] = {delivery.id: [] for delivery in deliveries}
    query = select(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(attempts)).order_by(WebhookAttempt.id)
    for attempt in db.session.scalars(query):
        attempts[attempt.delivery_id].append(
            {
                "at": format_timestamp(attempt.at),
                "url": attempt.url,
                "status_code": attempt.status_code,
                "response_time_ms": attempt.response_time_ms,
                "response_text": attempt.response_text,
                "error": attempt.error,
                "request_headers": attempt.request_headers,
                "response_headers": attempt.response_headers,
            }
        )
    serialized = []
    for delivery in deliveries:
        uid, event_type = events[delivery.event_id]
        serialized.append(
            {
                "id": delivery.id,
                "event_id": f"evt_{uid.hex}{delivery.label}",
                "event": EVENT_TYPE_BY_CUT[delivery.cut] if delivery.cut else event_type,
                "status": delivery.status,
                "next_attempt_at": format_timestamp(delivery.next_attempt_at),
                "created_at": format_timestamp(delivery.created_at),
                "attempts": attempts[delivery.id],
            }
        )
    return serialized
