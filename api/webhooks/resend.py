"""Calls that send deliveries of a webhook again: one, several, or all that failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Response, jsonify
from psycopg2.extensions import cursor as Cursor

from access.audit import Target
from api.audit import record
from api.errors import ErrorType
from api.openapi import JSON, Blueprint
from api.request_fields import NOT_TIMESTAMP_MESSAGE
from api.schemas import MessageSchema
from api.webhooks.deliveries import DELIVERY_ID, DELIVERY_NOT_FOUND, find_delivery
from api.webhooks.delivery_schemas import (
    IDS_OR_FILTER_MESSAGE,
    RecoveryRequestSchema,
    RecoveryResultSchema,
    Resend,
    ResendRequestSchema,
    ResendResultSchema,
)
from api.webhooks.lookup import WEBHOOK_ID, WEBHOOK_NOT_FOUND, driver_cursor, find_webhook
from database import clock
from database.serializers import format_timestamp
from models import Webhook, db
from webhooks import resend
from webhooks.delivery_filter import limit_search
from webhooks.resend import Position, Restarted

blueprint = Blueprint("resend", __name__, url_prefix="/api/webhooks/<int:webhook_id>", tag="Webhooks")

WEBHOOK_DISABLED = ErrorType(
    409, "webhook_disabled", "The webhook is switched off, so nothing is sent. Switch it on first."
)
INVALID_RECOVERY = ErrorType(400, RecoveryRequestSchema.code, NOT_TIMESTAMP_MESSAGE, ("since",))
INVALID_RESEND = ErrorType(400, ResendRequestSchema.code, IDS_OR_FILTER_MESSAGE, ("ids", "filter"))
# What `ResendRequestSchema` checks, in JSON Schema.
EITHER_IDS_OR_FILTER = {
    "content": {
        JSON: {"schema": {"allOf": [ResendRequestSchema], "oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]}}
    }
}


@blueprint.post("/deliveries/<int:delivery_id>/resend", parameters=DELIVERY_ID)
@blueprint.document(operationId="resendDelivery")
@blueprint.returns(202, MessageSchema, "The delivery is sent again.")
@blueprint.raises(WEBHOOK_NOT_FOUND, DELIVERY_NOT_FOUND, WEBHOOK_DISABLED)
def resend_delivery(webhook_id: int, delivery_id: int) -> tuple[Response, int]:
    """Send a delivery again

    Sends it at once with the same `webhook-id`, even if it succeeded before. If it fails, it is attempted again as
    often as a new delivery.
    """
    webhook = _find_enabled(webhook_id)
    delivery = find_delivery(webhook_id, delivery_id)
    with driver_cursor() as cursor:
        restarted = resend.restart_chosen(cursor, webhook_id, [delivery.id], None)
    if not restarted.count:
        # It was removed after it had been found, because it is too old.
        raise DELIVERY_NOT_FOUND.exception()
    record("webhook.deliveries_resent", _target(webhook), changes={"delivery": [None, delivery_id]})
    db.session.commit()
    return jsonify(message="The delivery is sent again."), 202


@blueprint.post("/deliveries/resend", parameters=WEBHOOK_ID)
@blueprint.document(operationId="resendDeliveries", requestBody=EITHER_IDS_OR_FILTER)
@blueprint.accepts(ResendRequestSchema, location="json", example={"filter": {"event": "product.updated"}})
@blueprint.returns(202, ResendResultSchema, "The deliveries are sent again.")
@blueprint.raises(INVALID_RESEND, WEBHOOK_NOT_FOUND, WEBHOOK_DISABLED)
def resend_deliveries(body: Resend, webhook_id: int) -> tuple[Response, int]:
    """Send several deliveries again

    Sends the deliveries with the given `ids`, or all that match the `filter`, at once and in the order of their events,
    each with the same `webhook-id`, even if it succeeded before. If one fails, it is attempted again as often as a new
    delivery. A delivery that is due or being sent already keeps its place, and is not sent twice. A filter without
    `until` matches events up to now. A filter with `text` reaches as far back as in the list of deliveries.
    """
    if body.filter is None:
        ids = set(body.ids or ())
        selected: dict[str, Any] = {"ids": len(ids)}
        searched_since = None

        def restart(cursor: Cursor, after: Position | None) -> Restarted:
            return resend.restart_chosen(cursor, webhook_id, ids, after)
    else:
        find_webhook(webhook_id)
        filter = replace(body.filter, until=body.filter.until or clock.now())
        selected = {"filter": body.filter.to_json()}
        with driver_cursor() as cursor:
            limited, searched_since = limit_search(cursor, webhook_id, filter)

        def restart(cursor: Cursor, after: Position | None) -> Restarted:
            return resend.restart_matching(cursor, webhook_id, limited, after)

    total = _restart_all(webhook_id, "webhook.deliveries_resent", selected, restart)
    message = f"{_are_sent(total.count)} again." if total.count else "No delivery matches, so nothing is sent again."
    return jsonify(message=message, count=total.count, searched_since=format_timestamp(searched_since)), 202


@blueprint.post("/recover", parameters=WEBHOOK_ID)
@blueprint.document(operationId="recoverDeliveries")
@blueprint.accepts(RecoveryRequestSchema, location="json", example={"since": "2026-11-24T04:00:00Z"})
@blueprint.returns(202, RecoveryResultSchema, "The deliveries are sent again.")
@blueprint.raises(INVALID_RECOVERY, WEBHOOK_NOT_FOUND, WEBHOOK_DISABLED)
def recover_deliveries(values: dict[str, datetime], webhook_id: int) -> tuple[Response, int]:
    """Send all failed deliveries again

    Sends every delivery that has failed for good, and every one that has failed and waits for its next attempt, at once
    and in the order of their events. `since` leaves out events that happened before that time. Deliveries that are due
    or being sent already are not counted, so a repeated call sends nothing twice.
    """
    since = values.get("since")
    total = _restart_all(
        webhook_id,
        "webhook.deliveries_recovered",
        {"since": format_timestamp(since)},
        lambda cursor, after: resend.restart_failed(cursor, webhook_id, since, after),
    )
    counts = {"count": total.count, "failed_count": total.failed, "waiting_count": total.pending}
    return jsonify(message=_describe_recovery(total), **counts), 202


def _restart_all(
    webhook_id: int,
    action: str,
    selected: dict[str, Any],
    restart: Callable[[Cursor, Position | None], Restarted],
) -> Restarted:
    """Let deliveries start over, in as many transactions as it takes, each with its audit entry; return the counts.

    `selected` says which deliveries, for the entries. Another process may switch the webhook off meanwhile: then this
    raises the 409, and the deliveries that start over already wait until it is on again.
    """
    total = Restarted(0, 0, 0, None)
    while True:
        webhook = _find_enabled(webhook_id)
        with driver_cursor() as cursor:
            restarted = restart(cursor, total.last)
        if restarted.count:
            values = {**selected, "count": restarted.count}
            record(action, _target(webhook), changes={name: [None, value] for name, value in values.items()})
        db.session.commit()
        total = Restarted(
            total.count + restarted.count,
            total.failed + restarted.failed,
            total.pending + restarted.pending,
            restarted.last,
        )
        if total.last is None:
            return total


def _find_enabled(webhook_id: int) -> Webhook:
    """Return a webhook and keep its row; raise the 404 if there is none, and the 409 if it is switched off."""
    webhook = find_webhook(webhook_id, lock="keep")
    if not webhook.enabled:
        raise WEBHOOK_DISABLED.exception()
    return webhook


def _target(webhook: Webhook) -> Target:
    return Target("webhook", webhook.id, webhook.url)


def _describe_recovery(total: Restarted) -> str:
    if not total.count:
        return "No delivery has failed or waits for its next attempt."
    if total.failed and total.pending:
        return f"{total.failed:,} failed and {total.pending:,} waiting deliveries are sent again."
    return f"{_are_sent(total.count, 'failed' if total.failed else 'waiting')} again."


def _are_sent(count: int, kind: str = "") -> str:
    """Return the start of a sentence, such as "1 failed delivery is sent"."""
    noun, verb = ("delivery", "is") if count == 1 else ("deliveries", "are")
    return f"{count:,} {kind}{' ' if kind else ''}{noun} {verb} sent"
