"""Streams that tell a page when to reload its products or its webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from flask import Response, current_app, request

from api import sse
from api.authentication import current_actor
from api.openapi import Blueprint
from api.sse import TOO_MANY_STREAMS, ChangeSubscription, StreamHub
from api.topics import PRODUCTS_TOPIC, WEBHOOKS_TOPIC

blueprint = Blueprint("changes", __name__, url_prefix="/api/products", tag="Products")
webhooks_blueprint = Blueprint("webhook_changes", __name__, url_prefix="/api/webhooks", tag="Webhooks")

V = TypeVar("V", bound=Callable[..., object])

# Browsers send the id of the last event when they connect again. The id only shows that they were connected before.
FIRST_LINES = f": connected\nretry: {sse.CLIENT_RETRY_MS}\nid: 1\n\n"
CHANGED_EVENT = "id: 1\nevent: changed\ndata: {}\n\n"
LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "Browsers send it when they reconnect. The first event then comes at once, because changes may have"
    " been missed.",
    "schema": {"type": "string"},
}


def _describe(blueprint: Blueprint, operation_id: str) -> Callable[[V], V]:
    """Return a decorator that describes a stream of changes."""

    def decorator(view: V) -> V:
        view = blueprint.raises(TOO_MANY_STREAMS)(view)
        view = blueprint.returns(
            200,
            {"type": "string"},
            "The events.",
            content_type="text/event-stream",
            example=f": connected\n\n{CHANGED_EVENT}",
        )(view)
        return blueprint.document(operationId=operation_id, parameters=[LAST_EVENT_ID])(view)

    return decorator


@blueprint.get("/changes")
@_describe(blueprint, "followProducts")
def follow_products() -> Response:
    """Follow changes of products

    Server-Sent Events (WHATWG HTML, section 9.2). The stream sends an event `changed` after any client or import has
    changed products: at most one per second, and always one after the last change. The event does not say what has
    changed; reload what you show. The stream sends a comment line every 5 seconds.
    """
    return _stream(PRODUCTS_TOPIC)


@webhooks_blueprint.get("/changes")
@_describe(webhooks_blueprint, "followWebhooks")
def follow_webhooks() -> Response:
    """Follow changes of webhooks

    Like the stream of changes of products: an event `changed` follows every change of a webhook, every new delivery and
    every attempt.
    """
    return _stream(WEBHOOKS_TOPIC)


def _stream(topic: int) -> Response:
    hub: StreamHub = current_app.extensions["streams"]
    subscription = hub.subscribe_to_changes(topic, current_actor())
    if subscription is None:
        raise TOO_MANY_STREAMS.exception()
    is_reconnect = "Last-Event-ID" in request.headers
    return sse.event_stream(_events(subscription, is_reconnect=is_reconnect), subscription.close)


def _events(subscription: ChangeSubscription, *, is_reconnect: bool) -> Iterator[str]:
    yield FIRST_LINES + (CHANGED_EVENT if is_reconnect else "")
    yield from (CHANGED_EVENT if changed else sse.KEEP_ALIVE for changed in subscription)
