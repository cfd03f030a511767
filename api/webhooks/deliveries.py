"""Calls that list and show the deliveries of a webhook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response, jsonify
from sqlalchemy import select

from api.errors import ErrorType
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import pagination_json
from api.webhooks.delivery_schemas import (
    DeliveryDetailsSchema,
    DeliveryPageSchema,
    DeliveryQuery,
    DeliveryQuerySchema,
)
from api.webhooks.lookup import WEBHOOK_ID, WEBHOOK_NOT_FOUND, driver_cursor, find_webhook
from api.webhooks.subjects import list_subjects
from database.serializers import format_timestamp
from models import WebhookAttempt, WebhookDelivery, WebhookEvent, db
from webhooks.delivery_filter import find_page
from webhooks.expander import EVENT_TYPE_BY_CUT

blueprint = Blueprint("deliveries", __name__, url_prefix="/api/webhooks/<int:webhook_id>", tag="Webhooks")

DELIVERY_NOT_FOUND = ErrorType(404, "delivery_not_found", "This webhook has no delivery with this id.")
DELIVERY_ID = [*WEBHOOK_ID, {"in": "path", "name": "delivery_id", "description": "The id of the delivery."}]


@blueprint.get("/deliveries", parameters=WEBHOOK_ID)
@blueprint.document(operationId="listDeliveries")
@blueprint.accepts(DeliveryQuerySchema)
@blueprint.returns(200, DeliveryPageSchema, "A page of deliveries.")
@blueprint.raises(INVALID_PARAMETER, WEBHOOK_NOT_FOUND)
def list_deliveries(query: DeliveryQuery, webhook_id: int) -> Response:
    """List the deliveries of a webhook

    Lists those of the newest events first, with all attempts. A delivery must match every given filter. If an event of
    many products needs many requests, their deliveries are listed only shortly before they are sent.

    `text` searches the bodies of a limited number of deliveries, the newest first. `pagination.searched_since` says how
    far it got, and `total` counts the matches up to there.
    """
    find_webhook(webhook_id)
    with driver_cursor() as cursor:
        page = find_page(cursor, webhook_id, query.filter, query.page, query.per_page)
    found = {row.id: row for row in db.session.scalars(select(WebhookDelivery).where(WebhookDelivery.id.in_(page.ids)))}
    pagination = {
        **pagination_json(query.page, query.per_page, page.total),
        "total_is_estimate": page.total_is_estimate,
        "searched_since": format_timestamp(page.searched_since),
    }
    # A delivery that was removed meanwhile is left out.
    deliveries = [found[id] for id in page.ids if id in found]
    return jsonify(deliveries=_serialize(deliveries), pagination=pagination)


@blueprint.get("/deliveries/<int:delivery_id>", parameters=DELIVERY_ID)
@blueprint.document(operationId="getDelivery")
@blueprint.returns(200, DeliveryDetailsSchema, "The delivery with its body.")
@blueprint.raises(WEBHOOK_NOT_FOUND, DELIVERY_NOT_FOUND)
def show_delivery(webhook_id: int, delivery_id: int) -> Response:
    """Get a delivery"""
    delivery = find_delivery(webhook_id, delivery_id)
    event = db.session.get_one(WebhookEvent, delivery.event_id)
    (serialized,) = _serialize([delivery])
    return jsonify({**serialized, "request_body": delivery.body or event.body})


def find_delivery(webhook_id: int, delivery_id: int) -> WebhookDelivery:
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
    with driver_cursor() as cursor:
        subjects = list_subjects(cursor, attempts)
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
                "subject": subjects.get(delivery.id),
                "status": delivery.status,
                "next_attempt_at": format_timestamp(delivery.next_attempt_at),
                "created_at": format_timestamp(delivery.created_at),
                "attempts": attempts[delivery.id],
            }
        )
    return serialized
