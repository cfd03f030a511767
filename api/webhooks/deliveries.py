"""The deliveries of a webhook: what was sent, what came of it, and sending it again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, jsonify
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DataError

from api.errors import Failure
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import page_of
from api.responses import MessageSchema
from api.webhooks.routes import NOT_FOUND, WEBHOOK_ID, find_webhook
from api.webhooks.schemas import (
    DeliveriesQuerySchema,
    DeliveriesSchema,
    DeliveryWithBodySchema,
    RecoveredSchema,
    RecoverSchema,
)
from database.serializers import iso
from models import Webhook, WebhookAttempt, WebhookDelivery, WebhookEvent, db
from webhooks.expander import EVENT_TYPE_BY_CUT
from webhooks.outbox import DELIVERIES_CHANNEL

blueprint = Blueprint("deliveries", __name__, url_prefix="/api/webhooks/<int:webhook_id>", tag="Webhooks")

DELIVERY_NOT_FOUND = Failure(404, "delivery_not_found", "This webhook has no delivery with this id.")
SWITCHED_OFF = Failure(409, "webhook_disabled", "The webhook is switched off, so nothing is sent. Switch it on first.")
INVALID_RECOVERY = Failure(400, RecoverSchema.code, "This must be a time such as 2026-11-24T04:00:00Z.", ("since",))
DELIVERY_ID = [*WEBHOOK_ID, {"in": "path", "name": "delivery_id", "description": "The id of the delivery."}]
# From the beginning of the schedule.
AGAIN = {"status": "pending", "tries": 0, "next_attempt_at": func.clock_timestamp(), "finished_at": None}


@blueprint.get("/deliveries", parameters=WEBHOOK_ID)
@blueprint.document(operationId="listDeliveries")
@blueprint.takes(DeliveriesQuerySchema, check=True)
@blueprint.answers(200, DeliveriesSchema, "A page.")
@blueprint.fails(INVALID_PARAMETER, NOT_FOUND)
def list_deliveries(asked: dict[str, Any], webhook_id: int) -> Response:
    """List what was and is to be sent

    The latest first, with every attempt. What an import still has to tell in many requests is not listed before its
    turn comes.
    """
    find_webhook(webhook_id)
    query = (
        select(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.parts_left.is_(None))
        .order_by(WebhookDelivery.id.desc())
    )
    if status := asked.get("status"):
        query = query.where(WebhookDelivery.status == status)
    rows, pagination = page_of(query)
    return jsonify(deliveries=_deliveries_json(rows), pagination=pagination)


@blueprint.get("/deliveries/<int:delivery_id>", parameters=DELIVERY_ID)
@blueprint.document(operationId="getDelivery")
@blueprint.answers(200, DeliveryWithBodySchema, "The delivery, with what is sent.")
@blueprint.fails(NOT_FOUND, DELIVERY_NOT_FOUND)
def show_delivery(webhook_id: int, delivery_id: int) -> Response:
    """Get a delivery"""
    delivery = _find(webhook_id, delivery_id)
    event = db.session.get_one(WebhookEvent, delivery.event_id)
    (found,) = _deliveries_json([delivery])
    return jsonify({**found, "request_body": delivery.body or event.body})


@blueprint.post("/deliveries/<int:delivery_id>/resend", parameters=DELIVERY_ID)
@blueprint.document(operationId="resendDelivery")
@blueprint.answers(202, MessageSchema, "It is sent again.")
@blueprint.fails(NOT_FOUND, DELIVERY_NOT_FOUND, SWITCHED_OFF)
def resend(webhook_id: int, delivery_id: int) -> tuple[Response, int]:
    """Send a delivery again

    At once, under the same `webhook-id`, also where it has arrived; with all the attempts of a new one if need be.
    """
    _check_enabled(find_webhook(webhook_id))
    delivery = _find(webhook_id, delivery_id)
    db.session.execute(update(WebhookDelivery).where(WebhookDelivery.id == delivery.id).values(AGAIN))
    _tell_deliverers()
    return jsonify(message="The delivery is sent again."), 202


@blueprint.post("/recover", parameters=WEBHOOK_ID)
@blueprint.document(operationId="recoverDeliveries")
@blueprint.takes(RecoverSchema, location="json", example={"since": "2026-11-24T04:00:00Z"})
@blueprint.answers(202, RecoveredSchema, "They are sent again.")
@blueprint.fails(INVALID_RECOVERY, NOT_FOUND, SWITCHED_OFF)
def recover(values: dict[str, datetime], webhook_id: int) -> tuple[Response, int]:
    """Send all that failed again

    Every delivery that was given up and whose event happened at the given time or later.
    """
    _check_enabled(find_webhook(webhook_id))
    changed: Any = db.session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.webhook_id == webhook_id,
            WebhookDelivery.status == "failed",
            WebhookDelivery.created_at >= values["since"],
        )
        .values(AGAIN)
    )
    _tell_deliverers()
    count = changed.rowcount
    sentence = "1 delivery is sent again." if count == 1 else f"{count:,} deliveries are sent again."
    return jsonify(message=sentence, count=count), 202


def _check_enabled(webhook: Webhook) -> None:
    if not webhook.enabled:
        raise SWITCHED_OFF.error()


def _tell_deliverers() -> None:
    """Commits, and with that says that something is due."""
    db.session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": DELIVERIES_CHANNEL})
    db.session.commit()


def _find(webhook_id: int, delivery_id: int) -> WebhookDelivery:
    find_webhook(webhook_id)
    try:
        delivery = db.session.get(WebhookDelivery, delivery_id)
    except DataError:
        delivery = None
    if delivery is None or delivery.webhook_id != webhook_id or delivery.parts_left is not None:
        raise DELIVERY_NOT_FOUND.error()
    return delivery


def _deliveries_json(deliveries: list[WebhookDelivery]) -> list[dict[str, Any]]:
    """Deliveries as clients see them, each with its attempts, the first attempt first."""
    events = {
        event_id: (uid, kind)
        for event_id, uid, kind in db.session.execute(
            select(WebhookEvent.id, WebhookEvent.uid, WebhookEvent.type).where(
                WebhookEvent.id.in_({delivery.event_id for delivery in deliveries})
            )
        )
    }
    attempts: dict[int, list[dict[str, Any]]] = {delivery.id: [] for delivery in deliveries}
    query = select(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(attempts)).order_by(WebhookAttempt.id)
    for attempt in db.session.scalars(query):
        attempts[attempt.delivery_id].append(
            {
                "at": iso(attempt.at),
                "url": attempt.url,
                "status_code": attempt.status_code,
                "response_time_ms": attempt.response_time_ms,
                "response_text": attempt.response_text,
                "error": attempt.error,
                "request_headers": attempt.request_headers,
                "response_headers": attempt.response_headers,
            }
        )
    return [
        {
            "id": delivery.id,
            "event_id": f"evt_{events[delivery.event_id][0].hex}{delivery.label}",
            "event": EVENT_TYPE_BY_CUT[delivery.cut] if delivery.cut else events[delivery.event_id][1],
            "status": delivery.status,
            "next_attempt_at": iso(delivery.next_attempt_at),
            "created_at": iso(delivery.created_at),
            "attempts": attempts[delivery.id],
        }
        for delivery in deliveries
    ]
