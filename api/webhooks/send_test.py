"""The call that sends a test request to a webhook."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, current_app, jsonify, request

import config
from access.audit import Target
from api.audit import record
from api.errors import BAD_REQUEST, BODY_TOO_LARGE, ErrorType
from api.openapi import JSON, Blueprint
from api.products.schemas import EXAMPLE_PRODUCT
from api.webhooks.lookup import WEBHOOK_ID, WEBHOOK_NOT_FOUND, find_webhook
from api.webhooks.schemas import WebhookTestSchema
from database import clock
from models import Webhook, db
from monitoring.context import current_request_id
from webhooks import signing
from webhooks.events import ALL_EVENTS
from webhooks.sender import Sender

blueprint = Blueprint("webhook_tests", __name__, url_prefix="/api/webhooks", tag="Webhooks")

SAMPLE_TASK_ID = str(uuid.UUID(int=0))
TEST_BODY = {
    "description": 'The JSON object to send instead of the sample. It must contain `"test": true`.',
    "content": {
        JSON: {
            "schema": {"type": "object", "properties": {"test": {"const": True}}, "required": ["test"]},
            "example": {"event": "product.created", "test": True},
        }
    },
}
# Without the mark, a body would look like an event to the receiver, because this server signs it.
NOT_MARKED_AS_TEST = ErrorType(
    400,
    "not_marked_as_test",
    'The body must be a JSON object with "test": true, so that the receiver can tell it from an event.',
    ("test",),
)


@blueprint.post("/<int:webhook_id>/test", parameters=WEBHOOK_ID)
@blueprint.document(operationId="testWebhook", requestBody=TEST_BODY)
@blueprint.returns(200, WebhookTestSchema, "The result, whatever the receiver responded.")
@blueprint.raises(WEBHOOK_NOT_FOUND, BAD_REQUEST, NOT_MARKED_AS_TEST, BODY_TOO_LARGE)
def send_test_request(webhook_id: int) -> Response:
    """Send a test request

    Sends one request at once, even if the webhook is switched off, and returns the result. The request is not a
    delivery and is not repeated. Its body is a sample of an event, or the JSON object that you give. Both contain
    `"test": true`.
    """
    webhook = find_webhook(webhook_id)
    settings: config.Settings = current_app.config["SETTINGS"]
    body = request.get_json(force=True) if request.get_data().strip() else _sample_event(webhook)
    if not isinstance(body, dict) or body.get("test") is not True:
        raise NOT_MARKED_AS_TEST.exception()
    data = current_app.json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    secrets = [webhook.secret, webhook.previous_secret if webhook.has_previous_secret else None]
    headers = signing.sign_headers(filter(None, secrets), f"test_{uuid.uuid4().hex}", int(clock.unix_time()), data)
    headers |= signing.request_id_header(current_request_id())
    url = webhook.url
    record("webhook.tested", Target("webhook", webhook_id, url))
    # The receiver may take long to respond. Keep no transaction open meanwhile.
    db.session.commit()
    sender = Sender(settings.webhook_allowed_networks)
    try:
        response = sender.post(url, data, headers)
    finally:
        sender.close()
    result = {
        "success": response.success,
        "status_code": response.status_code,
        "response_time_ms": response.response_time_ms,
        "response_text": response.response_text,
        "error": response.error,
    }
    return jsonify(webhook_id=webhook_id, webhook_url=url, test_result=result)


def _sample_event(webhook: Webhook) -> dict[str, Any]:
    """Return a body like those of the webhook's first event type, with `"test": true`."""
    event_type = webhook.event_type.split(",")[0]
    if event_type == ALL_EVENTS:
        event_type = "product.created"
    if event_type == "product.bulk_deleted":
        content: dict[str, Any] = {"count": 12}
    elif event_type == "products.imported":
        content = {"import": SAMPLE_TASK_ID, "created": [EXAMPLE_PRODUCT], "updated": []}
    elif event_type.startswith("import."):
        content = {"import": {"task_id": SAMPLE_TASK_ID, "status": event_type.partition(".")[2]}}
    else:
        content = {"product": EXAMPLE_PRODUCT}
    return {"event": event_type, **content, "test": True}
