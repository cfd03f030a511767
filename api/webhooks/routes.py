"""Webhooks: who is told of what, and how they are doing."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, current_app, jsonify, request
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import func, select
from sqlalchemy.exc import DataError

import config
from api.errors import CODES, SENTENCES, Failure
from api.openapi import BODY_TOO_LARGE, JSON, Blueprint
from api.responses import EXAMPLE_TIME, MessageSchema
from api.webhooks.schemas import (
    EXAMPLE_EVENTS,
    EXAMPLE_SECRET,
    EventTypeSchema,
    NewWebhookSchema,
    RotatedSchema,
    TestSchema,
    WebhookChangeSchema,
    WebhookSchema,
)
from database.serializers import iso
from models import Webhook, db
from webhooks import events, signing
from webhooks.sender import Sender

blueprint = Blueprint("webhooks", __name__, url_prefix="/api/webhooks", tag="Webhooks")

ROTATION_HOURS = 24
HEALTH_HOURS = 24

INVALID_WEBHOOK = Failure(
    400, WebhookChangeSchema.code, WebhookChangeSchema.sentence, ("url",), "10.0.0.5 is a private address."
)
NOT_FOUND = Failure(404, "webhook_not_found", "There is no webhook with this id.")
BAD_BODY = Failure(400, CODES[400], SENTENCES[400])
WEBHOOK_ID = [{"in": "path", "name": "webhook_id", "description": "The id of the webhook."}]
LINKS = {
    operation: {"operationId": operation, "parameters": {"webhook_id": "$response.body#/id"}}
    for operation in ("getWebhook", "changeWebhook", "deleteWebhook", "rotateSecret", "listDeliveries")
}
EXAMPLE = {
    "id": 3,
    "url": "https://example.com/hooks",
    "description": "Stock of the shop",
    "event_type": EXAMPLE_EVENTS,
    "imports": "none",
    "enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "secret": EXAMPLE_SECRET,
    "previous_secret_expires_at": None,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
    "health": {"delivered": 12, "pending": 0, "failed": 0, "hours": []},
}
SAMPLE_PRODUCT = {
    "id": 42,
    "sku": "A-1",
    "name": "Blue lamp",
    "description": "Goes with the blue sofa.",
    "active": True,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}

# A row with `parts_left` stands for so many deliveries.
PENDING = """
SELECT webhook_id, sum(coalesce(parts_left, 1))::bigint FROM webhook_deliveries
WHERE webhook_id = ANY (%s) AND status = 'pending' GROUP BY webhook_id
"""
HOURS = """
SELECT webhook_id, hour, delivered, failed, failed_attempts FROM webhook_hours
WHERE webhook_id = ANY (%s) AND hour > %s ORDER BY hour
"""


def webhook_json(webhook: Webhook, health: dict[str, Any], *, masked: bool = False) -> dict[str, Any]:
    """A webhook as clients see it."""
    expires_at = webhook.previous_secret_expires_at
    overlap = webhook.previous_secret is not None and expires_at is not None and expires_at > _now()
    return {
        "id": webhook.id,
        "url": webhook.url,
        "description": webhook.description,
        "event_type": webhook.event_type,
        "imports": webhook.imports,
        "enabled": webhook.enabled,
        "disabled_reason": webhook.disabled_reason,
        "failing_since": iso(webhook.failing_since),
        "secret": signing.mask_secret(webhook.secret) if masked else webhook.secret,
        "previous_secret_expires_at": iso(expires_at) if overlap else None,
        "created_at": iso(webhook.created_at),
        "updated_at": iso(webhook.updated_at),
        "health": health,
    }


@blueprint.get("")
@blueprint.document(operationId="listWebhooks")
@blueprint.answers(200, WebhookSchema(many=True), "All of them.", example=[EXAMPLE])
def list_webhooks() -> Response:
    """List the webhooks

    In the order in which they were created. Of the secrets only the end is shown.
    """
    webhooks = list(db.session.scalars(select(Webhook).order_by(Webhook.id)))
    health = _health([webhook.id for webhook in webhooks])
    return jsonify([webhook_json(webhook, health[webhook.id], masked=True) for webhook in webhooks])


@blueprint.get("/events")
@blueprint.document(operationId="listEventTypes")
@blueprint.answers(200, EventTypeSchema(many=True), "All of them.")
def list_event_types() -> Response:
    """List the kinds of events"""
    return jsonify([{"event": event, "description": text} for event, text in events.EVENT_TYPES.items()])


@blueprint.post("")
@blueprint.document(operationId="createWebhook")
@blueprint.takes(
    NewWebhookSchema, location="json", example={"url": "https://example.com/hooks", "event_type": EXAMPLE_EVENTS}
)
@blueprint.answers(201, WebhookSchema, "The new webhook.", example=EXAMPLE, links=LINKS)
@blueprint.fails(INVALID_WEBHOOK)
def create_webhook(values: dict[str, Any]) -> tuple[Response, int]:
    """Create a webhook

    From now on it gets a request for every event of its kinds. Without a `secret` one is made up. Unknown fields are
    ignored.
    """
    if "secret" not in values or signing.is_masked(values["secret"] or ""):
        values["secret"] = signing.create_secret()
    webhook = Webhook(**values)
    db.session.add(webhook)
    return _saved(webhook), 201


@blueprint.get("/<int:webhook_id>", parameters=WEBHOOK_ID)
@blueprint.document(operationId="getWebhook")
@blueprint.answers(200, WebhookSchema, "The webhook.", example=EXAMPLE)
@blueprint.fails(NOT_FOUND)
def show_webhook(webhook_id: int) -> Response:
    """Get a webhook"""
    webhook = find_webhook(webhook_id)
    return jsonify(webhook_json(webhook, _health([webhook_id])[webhook_id]))


@blueprint.put("/<int:webhook_id>", parameters=WEBHOOK_ID)
@blueprint.document(operationId="changeWebhook")
@blueprint.takes(WebhookChangeSchema, location="json", example={"enabled": False})
@blueprint.answers(200, WebhookSchema, "The webhook as it is now.", example=EXAMPLE)
@blueprint.fails(INVALID_WEBHOOK, NOT_FOUND)
def change_webhook(values: dict[str, Any], webhook_id: int) -> Response:
    """Change a webhook

    Only the given fields change. What is on its way goes to the new URL, signed with the new secret. A webhook that is
    switched off keeps what is on its way until it is switched on again; what happens meanwhile is not sent.
    """
    webhook = find_webhook(webhook_id, lock=True)
    if signing.is_masked(values.get("secret") or ""):
        del values["secret"]
    changed = {name: value for name, value in values.items() if getattr(webhook, name) != value}
    for name, value in changed.items():
        setattr(webhook, name, value)
    if "secret" in changed:
        webhook.previous_secret = webhook.previous_secret_expires_at = None
    if "enabled" in changed:
        webhook.disabled_reason = webhook.failing_since = None
    if changed:
        webhook.updated_at = func.clock_timestamp()
    return _saved(webhook)


@blueprint.delete("/<int:webhook_id>", parameters=WEBHOOK_ID)
@blueprint.document(operationId="deleteWebhook")
@blueprint.answers(200, MessageSchema, "It is gone.")
@blueprint.fails(NOT_FOUND)
def delete_webhook(webhook_id: int) -> Response:
    """Delete a webhook

    Its deliveries go with it.
    """
    webhook = find_webhook(webhook_id, lock=True)
    db.session.delete(webhook)
    db.session.commit()
    return jsonify(message=f"The webhook to {webhook.url} was deleted.")


@blueprint.post("/<int:webhook_id>/rotate-secret", parameters=WEBHOOK_ID)
@blueprint.document(operationId="rotateSecret")
@blueprint.answers(200, RotatedSchema, "The new secret.")
@blueprint.fails(NOT_FOUND)
def rotate_secret(webhook_id: int) -> Response:
    """Replace the secret

    For 24 hours requests are signed with both, the new one and the one before, so that the receiver can be changed in
    between. One that was replaced before that is not used any more.
    """
    webhook = find_webhook(webhook_id, lock=True)
    webhook.previous_secret = webhook.secret
    webhook.previous_secret_expires_at = _now() + timedelta(hours=ROTATION_HOURS) if webhook.secret else None
    webhook.secret = signing.create_secret()
    webhook.updated_at = func.clock_timestamp()
    answer = {"secret": webhook.secret, "previous_secret_expires_at": iso(webhook.previous_secret_expires_at)}
    db.session.commit()
    return jsonify(answer)


@blueprint.post("/<int:webhook_id>/test", parameters=WEBHOOK_ID)
@blueprint.document(
    operationId="testWebhook",
    requestBody={
        "description": "What to send in place of the sample.",
        "content": {JSON: {"schema": {}, "example": {"event": "product.created"}}},
    },
)
@blueprint.answers(200, TestSchema, "What came of it, whatever the receiver said.")
@blueprint.fails(NOT_FOUND, BAD_BODY, BODY_TOO_LARGE)
def test_webhook(webhook_id: int) -> Response:
    """Send a test request

    Sends one request now, also while the webhook is switched off, and answers what came of it. It is no delivery and is
    not repeated. A JSON body is sent in place of the sample.
    """
    webhook = find_webhook(webhook_id)
    settings: config.Settings = current_app.config["SETTINGS"]
    given = request.get_data()
    body = request.get_json(force=True) if given.strip() else _sample(webhook)
    now = _now()
    previous = webhook.previous_secret_expires_at is not None and webhook.previous_secret_expires_at > now
    used = [webhook.secret, webhook.previous_secret if previous else None]
    data = current_app.json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    headers = signing.sign_headers(filter(None, used), f"test_{uuid.uuid4().hex}", int(now.timestamp()), data)
    url = webhook.url
    # The receiver may take its time; nothing of the database is held meanwhile.
    db.session.rollback()
    sender = Sender(settings.webhook_allowed_networks)
    try:
        answer = sender.post(url, data, headers)
    finally:
        sender.close()
    result = {
        "success": answer.success,
        "status_code": answer.status_code,
        "response_time_ms": answer.response_time_ms,
        "response_text": answer.response_text,
        "error": answer.error,
    }
    return jsonify(webhook_id=webhook_id, webhook_url=url, test_result=result)


def find_webhook(webhook_id: int, *, lock: bool = False) -> Webhook:
    """Returns the webhook, or raises the 404."""
    try:
        webhook = db.session.get(Webhook, webhook_id, with_for_update=lock)
    except DataError:
        webhook = None
    if webhook is None:
        raise NOT_FOUND.error()
    return webhook


def _saved(webhook: Webhook) -> Response:
    db.session.flush()
    answer = webhook_json(webhook, _health([webhook.id])[webhook.id])
    db.session.commit()
    return jsonify(answer)


def _sample(webhook: Webhook) -> dict[str, Any]:
    """A body as the first of the webhook's events has it."""
    event = webhook.event_type.split(",")[0]
    event = "product.created" if event == events.ALL_EVENTS else event
    content: dict[str, Any] = {"product": SAMPLE_PRODUCT}
    if event == "product.bulk_deleted":
        content = {"count": 12}
    elif event == "products.imported":
        content = {"import": str(uuid.UUID(int=0)), "created": [SAMPLE_PRODUCT], "updated": []}
    elif event.startswith("import."):
        content = {"import": {"task_id": str(uuid.UUID(int=0)), "status": event.partition(".")[2]}}
    return {"event": event, **content, "test": True}


def _health(ids: Collection[int]) -> defaultdict[int, dict[str, Any]]:
    """How the webhooks with these ids are doing."""
    first = _now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=HEALTH_HOURS - 1)
    moments = [first + timedelta(hours=number) for number in range(HEALTH_HOURS)]

    def nothing() -> dict[str, Any]:
        hours = [{"hour": iso(moment), "delivered": 0, "failed": 0, "failed_attempts": 0} for moment in moments]
        return {"delivered": 0, "pending": 0, "failed": 0, "hours": hours}

    health: defaultdict[int, dict[str, Any]] = defaultdict(nothing)
    connection: Any = db.session.connection().connection.driver_connection
    cursor: Cursor
    with connection.cursor() as cursor:
        cursor.execute(PENDING, (list(ids),))
        for webhook_id, pending in cursor.fetchall():
            health[webhook_id]["pending"] = pending
        cursor.execute(HOURS, (list(ids), first - timedelta(hours=1)))
        for webhook_id, hour, delivered, failed, failed_attempts in cursor.fetchall():
            of_webhook = health[webhook_id]
            of_webhook["delivered"] += delivered
            of_webhook["failed"] += failed
            place = (hour - first) // timedelta(hours=1)
            if 0 <= place < HEALTH_HOURS:
                of_webhook["hours"][place] |= {
                    "delivered": delivered,
                    "failed": failed,
                    "failed_attempts": failed_attempts,
                }
    return health


def _now() -> datetime:
    return datetime.now(UTC)
