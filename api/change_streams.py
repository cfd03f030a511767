"""Word of every change of the products, and of the webhooks."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, current_app, request

from api.errors import Failure
from api.openapi import Blueprint
from api.sse import PRODUCTS, WEBHOOKS, Changes, Progress

blueprint = Blueprint("changes", __name__, url_prefix="/api/products", tag="Products")
webhooks_blueprint = Blueprint("webhook_changes", __name__, url_prefix="/api/webhooks", tag="Webhooks")

RETRY_MS = 2000
TOO_MANY_STREAMS = Failure(503, "too_many_streams", "Too many streams are open. Ask now and then instead.")
# With an id, browsers say that they come again.
CHANGED = "id: 1\nevent: changed\ndata: {}\n\n"
LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "Sent by browsers that connect again: the first event then comes at once, since one may be missed.",
    "schema": {"type": "string"},
}


@blueprint.get("/changes")
@blueprint.document(operationId="followProducts", parameters=[LAST_EVENT_ID])
@blueprint.answers(
    200, {"type": "string"}, "The events.", content_type="text/event-stream", example=f": hello\n\n{CHANGED}"
)
@blueprint.fails(TOO_MANY_STREAMS)
def follow_products() -> Response:
    """Be told when products change

    Server-Sent Events (WHATWG HTML, 9.2): an event `changed` after any change of any product by anyone, at most one a
    second, the last change never left out. It says nothing of what has changed: ask for what you show. A comment line
    every 5 seconds is a sign of life.
    """
    return _stream(PRODUCTS)


@webhooks_blueprint.get("/changes")
@webhooks_blueprint.document(operationId="followWebhooks", parameters=[LAST_EVENT_ID])
@webhooks_blueprint.answers(
    200, {"type": "string"}, "The events.", content_type="text/event-stream", example=f": hello\n\n{CHANGED}"
)
@webhooks_blueprint.fails(TOO_MANY_STREAMS)
def follow_webhooks() -> Response:
    """Be told when webhooks change

    The same for webhooks: an event `changed` after any change of a webhook, and when a delivery comes up or is tried.
    """
    return _stream(WEBHOOKS)


def _stream(topic: int) -> Response:
    progress: Progress = current_app.extensions["progress"]
    changes = progress.subscribe_to_changes(topic)
    if changes is None:
        raise TOO_MANY_STREAMS.error()
    response = Response(_events(changes, missed="Last-Event-ID" in request.headers), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-transform"
    # Proxies such as nginx would collect the events otherwise.
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(changes.close)
    return response


def _events(changes: Changes, *, missed: bool) -> Iterator[str]:
    yield f": changes\nretry: {RETRY_MS}\nid: 1\n\n{CHANGED if missed else ''}"
    for changed in changes:
        yield CHANGED if changed else ": still here\n\n"
