"""Finding the webhook of a call."""

from __future__ import annotations

from api.errors import ErrorType
from models import Webhook, db

WEBHOOK_NOT_FOUND = ErrorType(404, "webhook_not_found", "There is no webhook with this id.")
WEBHOOK_ID = [{"in": "path", "name": "webhook_id", "description": "The id of the webhook."}]


def find_webhook(webhook_id: int, *, lock: bool = False) -> Webhook:
    """Return a webhook, with its row locked if wanted; raise the 404 if there is none."""
    webhook = db.session.get(Webhook, webhook_id, with_for_update=lock)
    if webhook is None:
        raise WEBHOOK_NOT_FOUND.exception()
    return webhook
