"""Calls that list, create, read, change and delete webhooks, and replace their secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Response, jsonify
from sqlalchemy import func, select

from access import sessions
from access.audit import Target
from access.roles import Scope
from api.audit import record, record_once
from api.authentication import current_actor
from api.errors import ErrorType
from api.openapi import INVALID_PARAMETER, OPTIONAL_BODY, Blueprint, load_optional_body
from api.response_fields import EXAMPLE_TIME
from api.schemas import MessageSchema
from api.webhooks.health import read_health, read_hours
from api.webhooks.lookup import WEBHOOK_ID, WEBHOOK_NOT_FOUND, find_webhook
from api.webhooks.schemas import (
    EXAMPLE_EVENT_TYPE,
    EXAMPLE_SECRET,
    EventTypeSchema,
    HoursQuerySchema,
    NewWebhookSchema,
    RotatedSecretSchema,
    RotationRequestSchema,
    WebhookHoursSchema,
    WebhookSchema,
    WebhookUpdateSchema,
)
from database.serializers import format_timestamp
from models import Webhook, db
from webhooks import signing
from webhooks.events import EVENT_TYPES

blueprint = Blueprint("webhooks", __name__, url_prefix="/api/webhooks", tag="Webhooks")

ROTATION_HOURS = 24

INVALID_WEBHOOK = ErrorType(
    400, WebhookUpdateSchema.code, WebhookUpdateSchema.message, ("url",), "10.0.0.5 is a private address."
)
ROTATION_PENDING = ErrorType(
    409,
    "rotation_pending",
    "The secret was replaced already, and the previous one is valid until 2026-11-25T04:00:00Z. Wait until then, or"
    " force the replacement, which ends the previous secret now.",
)
LINKS = {
    operation: {"operationId": operation, "parameters": {"webhook_id": "$response.body#/id"}}
    for operation in ("getWebhook", "changeWebhook", "deleteWebhook", "rotateSecret", "listDeliveries")
}
EXAMPLE_WEBHOOK = {
    "id": 3,
    "url": "https://example.com/hooks",
    "description": "Stock of the shop",
    "event_type": EXAMPLE_EVENT_TYPE,
    "imports": "none",
    "enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "last_error": None,
    "secret": EXAMPLE_SECRET,
    "secret_is_masked": False,
    "previous_secret_expires_at": None,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
    "health": {"delivered": 12, "pending": 0, "waiting": 0, "next_attempt_at": None, "failed": 0, "hours": []},
}
# The fields that people set, for the audit log, which masks the secret.
VALUES = ("url", "description", "event_type", "imports", "enabled", "secret")
EXAMPLE_NEW_WEBHOOK = {"url": "https://example.com/hooks", "event_type": EXAMPLE_EVENT_TYPE}


@blueprint.get("")
@blueprint.document(operationId="listWebhooks")
@blueprint.returns(200, WebhookSchema(many=True), "All webhooks.", example=[EXAMPLE_WEBHOOK])
def list_webhooks() -> Response:
    """List the webhooks

    Lists all webhooks in the order of their creation. Their secrets are masked, except for the last characters.
    """
    webhooks = list(db.session.scalars(select(Webhook).where(Webhook.deleted_at.is_(None)).order_by(Webhook.id)))
    health = read_health([webhook.id for webhook in webhooks])
    return jsonify([_serialize(webhook, health[webhook.id], masked=True) for webhook in webhooks])


@blueprint.get("/events")
@blueprint.document(operationId="listEventTypes")
@blueprint.returns(200, EventTypeSchema(many=True), "All event types.")
def list_event_types() -> Response:
    """List the event types"""
    return jsonify([{"event": event, "description": description} for event, description in EVENT_TYPES.items()])


@blueprint.post("")
@blueprint.document(operationId="createWebhook")
@blueprint.accepts(NewWebhookSchema, location="json", example=EXAMPLE_NEW_WEBHOOK)
@blueprint.returns(201, WebhookSchema, "The new webhook.", example=EXAMPLE_WEBHOOK, links=LINKS)
@blueprint.raises(INVALID_WEBHOOK)
def create_webhook(values: dict[str, Any]) -> tuple[Response, int]:
    """Create a webhook

    The webhook then receives a request for every event of its types. If you give no `secret`, one is generated.
    Unknown fields are ignored.
    """
    if "secret" not in values or signing.is_masked(values["secret"] or ""):
        values["secret"] = signing.create_secret()
    webhook = Webhook(**values)
    db.session.add(webhook)
    db.session.flush()
    changes = {name: [None, getattr(webhook, name)] for name in VALUES}
    # The one who creates a webhook sees its secret once.
    return _commit(webhook, "webhook.created", changes), 201


@blueprint.get("/<int:webhook_id>", parameters=WEBHOOK_ID)
@blueprint.document(operationId="getWebhook")
@blueprint.returns(200, WebhookSchema, "The webhook.", example=EXAMPLE_WEBHOOK)
@blueprint.raises(WEBHOOK_NOT_FOUND)
def show_webhook(webhook_id: int) -> Response:
    """Get a webhook

    The secret is shown to a person who gave the password within the last 10 minutes (`POST /api/account/confirm`, or
    the sign-in itself), to an API key with the scope `admin`, and to `local`. For others it is masked, and
    `secret_is_masked` is true.
    """
    webhook = find_webhook(webhook_id)
    shows_secret = webhook.secret is not None and _may_see_secrets()
    body = _serialize(webhook, read_health([webhook_id])[webhook_id], masked=not shows_secret)
    if shows_secret:
        record_once("webhook.secret_shown", _target(webhook))
        db.session.commit()
    return jsonify(body)


@blueprint.get("/<int:webhook_id>/hours", parameters=WEBHOOK_ID)
@blueprint.document(operationId="listWebhookHours")
@blueprint.accepts(HoursQuerySchema)
@blueprint.returns(200, WebhookHoursSchema, "The requests by hours.")
@blueprint.raises(INVALID_PARAMETER, WEBHOOK_NOT_FOUND)
def list_hours(query: dict[str, int], webhook_id: int) -> Response:
    """List the requests of a webhook by hours

    Lists for each full hour of UTC how many deliveries succeeded and failed, and the median and the 95th percentile of
    the response times. Response times from 100 ms on are rounded to two digits. A request that failed counts with the
    time until it failed.
    """
    find_webhook(webhook_id)
    return jsonify(hours=read_hours(webhook_id, query["hours"]))


@blueprint.put("/<int:webhook_id>", parameters=WEBHOOK_ID)
@blueprint.document(operationId="changeWebhook")
@blueprint.accepts(WebhookUpdateSchema, location="json", example={"enabled": False})
@blueprint.returns(200, WebhookSchema, "The changed webhook.", example=EXAMPLE_WEBHOOK)
@blueprint.raises(INVALID_WEBHOOK, WEBHOOK_NOT_FOUND)
def change_webhook(values: dict[str, Any], webhook_id: int) -> Response:
    """Change a webhook

    Changes only the given fields. Pending deliveries are sent to the new URL and signed with the new secret. A webhook
    that is switched off keeps its pending deliveries until it is switched on again; events that happen in between are
    not sent. The response masks the secret as `GET` does, unless this call has set it.
    """
    webhook = find_webhook(webhook_id, lock="change")
    if signing.is_masked(values.get("secret") or ""):
        del values["secret"]
    changes = {name: [before, value] for name, value in values.items() if (before := getattr(webhook, name)) != value}
    for name, (_, value) in changes.items():
        setattr(webhook, name, value)
    if "secret" in changes:
        webhook.previous_secret = webhook.previous_secret_expires_at = None
    if "enabled" in changes:
        webhook.disabled_reason = webhook.failing_since = webhook.last_error = None
    if changes:
        webhook.updated_at = func.clock_timestamp()
    # Who has just set the secret knows it.
    masked = "secret" not in changes and not _may_see_secrets()
    return _commit(webhook, "webhook.updated" if changes else None, changes, masked=masked)


@blueprint.delete("/<int:webhook_id>", parameters=WEBHOOK_ID)
@blueprint.document(operationId="deleteWebhook")
@blueprint.returns(200, MessageSchema, "The webhook was deleted.")
@blueprint.raises(WEBHOOK_NOT_FOUND)
def delete_webhook(webhook_id: int) -> Response:
    """Delete a webhook

    The webhook is gone at once, and so are its deliveries.
    """
    webhook = find_webhook(webhook_id, lock="change")
    url = webhook.url
    # There may be millions of deliveries, so webhooks/retention.py removes them in small transactions.
    webhook.deleted_at = webhook.updated_at = func.clock_timestamp()
    record("webhook.deleted", _target(webhook), changes={name: [getattr(webhook, name), None] for name in VALUES})
    webhook.enabled = False
    webhook.secret = webhook.previous_secret = webhook.previous_secret_expires_at = None
    db.session.commit()
    return jsonify(message=f"The webhook to {url} was deleted.")


@blueprint.post("/<int:webhook_id>/rotate-secret", parameters=WEBHOOK_ID)
@blueprint.document(operationId="rotateSecret", requestBody=OPTIONAL_BODY)
@blueprint.accepts(RotationRequestSchema, location="json", check=False)
@blueprint.returns(200, RotatedSecretSchema, "The new secret.")
@blueprint.raises(WEBHOOK_NOT_FOUND, INVALID_PARAMETER, ROTATION_PENDING)
def rotate_secret(webhook_id: int) -> Response:
    """Replace the secret

    For 24 hours requests are signed with both the new and the previous secret, so that the receiver can switch at any
    time. Within these 24 hours the call is refused, because a receiver that still knows only the previous secret would
    refuse every request after another replacement. `force` replaces the secret all the same, for example because both
    have leaked: requests are then signed with the new secret and the one that it replaces. The body may be empty. The
    response masks the new secret for those who do not see it in `GET` either.
    """
    force = load_optional_body(RotationRequestSchema()).get("force", False)
    webhook = find_webhook(webhook_id, lock="change")
    if webhook.has_previous_secret and not force:
        raise ROTATION_PENDING.exception(
            "The secret was replaced already, and the previous one is valid until"
            f" {format_timestamp(webhook.previous_secret_expires_at)}. Wait until then, or force the replacement, which"
            " ends the previous secret now."
        )
    expires_at: Any = func.clock_timestamp() + timedelta(hours=ROTATION_HOURS)
    webhook.previous_secret = webhook.secret
    webhook.previous_secret_expires_at = expires_at if webhook.secret else None
    webhook.secret = signing.create_secret()
    webhook.updated_at = func.clock_timestamp()
    db.session.flush()
    masked = not _may_see_secrets()
    body = {
        "secret": signing.mask_secret(webhook.secret) if masked else webhook.secret,
        "secret_is_masked": masked,
        "previous_secret_expires_at": format_timestamp(webhook.previous_secret_expires_at),
    }
    changes = {"secret": [webhook.previous_secret, webhook.secret], "force": [None, force]}
    record("webhook.secret_rotated", _target(webhook), changes=changes)
    db.session.commit()
    return jsonify(body)


def _target(webhook: Webhook) -> Target:
    return Target("webhook", webhook.id, webhook.url)


def _may_see_secrets() -> bool:
    """Return whether the actor may see secrets in full now.

    A person must have given the password a short while ago, so that a browser left alone gives nothing away. A key has
    nobody to ask, so it needs the scope of administrators.
    """
    actor = current_actor()
    if actor.session_id is not None:
        return sessions.is_confirmed(db.session(), actor.session_id)
    return actor.may(Scope.ADMIN)


def _serialize(webhook: Webhook, health: dict[str, Any], *, masked: bool = False) -> dict[str, Any]:
    """Return the JSON of a webhook, with its secret masked if wanted."""
    expires_at = webhook.previous_secret_expires_at
    if expires_at is not None and not webhook.has_previous_secret:
        expires_at = None
    return {
        "id": webhook.id,
        "url": webhook.url,
        "description": webhook.description,
        "event_type": webhook.event_type,
        "imports": webhook.imports,
        "enabled": webhook.enabled,
        "disabled_reason": webhook.disabled_reason,
        "failing_since": format_timestamp(webhook.failing_since),
        "last_error": webhook.last_error,
        "secret": signing.mask_secret(webhook.secret) if masked else webhook.secret,
        "secret_is_masked": masked and webhook.secret is not None,
        "previous_secret_expires_at": format_timestamp(expires_at),
        "created_at": format_timestamp(webhook.created_at),
        "updated_at": format_timestamp(webhook.updated_at),
        "health": health,
    }


def _commit(webhook: Webhook, action: str | None, changes: dict[str, list[Any]], *, masked: bool = False) -> Response:
    """Commit a new or changed webhook with its audit entries.

    Returns the response, built before others can change the webhook again.
    """
    db.session.flush()
    if action:
        record(action, _target(webhook), changes=changes)
    if webhook.secret is not None and not masked and "secret" not in changes:
        record_once("webhook.secret_shown", _target(webhook))
    body = _serialize(webhook, read_health([webhook.id])[webhook.id], masked=masked)
    db.session.commit()
    return jsonify(body)
