"""What the calls about webhooks take and answer, as marshmallow schemas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import current_app
from marshmallow import Schema, ValidationError, fields

from api.requests import NO_NUL, Choice, PageQuerySchema, ProductText, RequestSchema, Switch, is_text
from api.responses import EXAMPLE_TIME, MessageSchema, PaginationSchema, nested, number, switch, text, time
from models import DELIVERY_STATUSES
from webhooks import signing
from webhooks.events import ALL_EVENTS, EVENT_TYPES
from webhooks.ssrf_guard import MAX_URL_CHARACTERS, check_url

DESCRIPTION_MAX_CHARACTERS = 500
IMPORTS = ("none", "each")
EXAMPLE_EVENTS = "product.created,product.updated"
EXAMPLE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105
EXAMPLE_MESSAGE = "evt_2f6a51f0f6a34c529d6b5b0c6d1e7f0a"


class Url(fields.String):
    """The address of a receiver."""

    def __init__(self, *, required: bool = False) -> None:
        description = (
            "Where the requests go: http or https, a public address. No user name, no fragment. Networks that are not"
            " public are reached only where WEBHOOK_ALLOWED_NETWORKS has them."
        )
        metadata = {
            "description": description,
            "examples": ["https://example.com/hooks"],
            "maxLength": MAX_URL_CHARACTERS,
            "format": "uri",
        }
        super().__init__(
            required=required,
            metadata=metadata,
            error_messages={"null": "This must be a URL.", "required": "This field is required."},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("This must be a URL.")
        try:
            url: str = check_url(value, current_app.config["SETTINGS"].webhook_allowed_networks)
            return url
        except ValueError as error:
            raise ValidationError(str(error)) from None


class EventType(fields.String):
    """One event, several separated by commas, or `*`."""

    def __init__(self, *, required: bool = False) -> None:
        one = "|".join(event.replace(".", r"\.") for event in EVENT_TYPES)
        metadata = {
            "description": "One event, several separated by commas, or `*` for all.",
            "examples": [EXAMPLE_EVENTS],
            "pattern": rf"^(\*|({one})(,({one})){{0,6}})$",
        }
        super().__init__(
            required=required,
            metadata=metadata,
            error_messages={"null": "This must be a text.", "required": "This field is required."},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("This must be a text.")
        events = list(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        known = {*EVENT_TYPES, ALL_EVENTS}
        unknown = [event for event in events if event not in known]
        if unknown or not events:
            wrong = f"There is no event {unknown[0][:50]!r}. " if unknown else ""
            raise ValidationError(f"{wrong}Use one or more of {', '.join(EVENT_TYPES)}, or *.")
        return ",".join(events)


class Secret(fields.String):
    """What requests are signed with."""

    def __init__(self, description: str) -> None:
        limit = signing.MAX_SECRET_CHARACTERS
        description += " Any text; what begins with `whsec_` has base64 of 24 to 64 bytes behind that."
        metadata = {"description": description, "examples": [EXAMPLE_SECRET], "pattern": NO_NUL, "maxLength": limit}
        super().__init__(allow_none=True, metadata=metadata)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or not is_text(value):
            raise ValidationError("This must be a text, or null for requests that are not signed.")
        try:
            signing.check_secret(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        return value or None


class WebhookChangeSchema(RequestSchema):
    """The fields of a webhook that a client may change: those that are given are."""

    code = "invalid_webhook"
    sentence = "The webhook has unusable values: see fields."

    url = Url()
    event_type = EventType()
    description = ProductText("What it is for.", "Stock of the shop", DESCRIPTION_MAX_CHARACTERS)
    imports = Choice(
        "What an import tells a webhook of `product.created` and `product.updated`: nothing, or one event for each"
        " product that it wrote. Batches come to those who subscribe to `products.imported`.",
        *IMPORTS,
    )
    enabled = Switch("Whether events are sent. Those that happen while it is off are not.")
    secret = Secret("Another secret, from now on; null: requests are not signed. What the list shows changes nothing.")


class NewWebhookSchema(WebhookChangeSchema):
    """A webhook to create. Without them, `enabled` is true, `imports` is `none` and a secret is made up."""

    url = Url(required=True)
    event_type = EventType(required=True)
    secret = Secret(
        "What requests are signed with; not given, or what the list shows of one: one is made up; null: no signature."
    )


class Moment(fields.DateTime):
    """A time with its zone."""

    def __init__(self, description: str) -> None:
        sentence = "This must be a time such as 2026-11-24T04:00:00Z."
        super().__init__(
            required=True,
            metadata={"description": description, "examples": [EXAMPLE_TIME]},
            error_messages={"required": "This field is required.", "null": sentence},
        )
        self._sentence = sentence

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            moment: datetime = super()._deserialize(value, attr, data, **kwargs)
            if moment.tzinfo is not None:
                # PostgreSQL takes no zone beyond 16 hours.
                return moment.astimezone(UTC)
        except (ValidationError, TypeError, ValueError, OverflowError):
            pass
        raise ValidationError(self._sentence)


class RecoverSchema(RequestSchema):
    """Which failed deliveries to send again."""

    code = "invalid_recovery"
    since = Moment("Those whose event happened at this time or later (ISO 8601, with a zone).")


class DeliveriesQuerySchema(PageQuerySchema):
    """A page of deliveries."""

    status = Choice("Only deliveries with this status.", *DELIVERY_STATUSES)


class HourSchema(Schema):
    """What became of a webhook's requests within an hour."""

    hour = time("When it began")
    delivered = number("Deliveries that arrived.")
    failed = number("Deliveries that were given up.")
    failed_attempts = number("Requests that failed, whether or not they are repeated.")


class HealthOfWebhookSchema(Schema):
    """How a webhook is doing."""

    delivered = number("Deliveries that arrived within 24 hours.")
    pending = number("Deliveries on their way or to be repeated.")
    failed = number("Deliveries that were given up within 24 hours.")
    hours = nested(HourSchema, many=True)


class WebhookSchema(Schema):
    """A receiver of events."""

    id = number("The number of the webhook, which it keeps.", minimum=1, examples=[3])
    url = text("Where the requests go.", "https://example.com/hooks")
    description = text("What it is for.", "Stock of the shop")
    event_type = text("One event, several separated by commas, or `*`.", EXAMPLE_EVENTS)
    imports = text("What an import tells it of single products.", "none", enum=list(IMPORTS))
    enabled = switch("Whether events are sent.")
    disabled_reason = text("Why it was switched off, where nobody did.", allow_none=True)
    failing_since = time("Since when every request has failed", nullable=True)
    secret = text("What requests are signed with; in the list only its end.", EXAMPLE_SECRET, allow_none=True)
    previous_secret_expires_at = time("Until when the secret before signs too", nullable=True)
    created_at = time("When it was created")
    updated_at = time("When it was last changed")
    health = nested(HealthOfWebhookSchema)


class EventTypeSchema(Schema):
    """A kind of event."""

    event = text("Its name.", "product.created", enum=list(EVENT_TYPES))
    description = text("When it is sent.", "A product was created.")


class TestResultSchema(Schema):
    """What came of a request."""

    success = switch("Whether the receiver answered with a 2xx status.")
    status_code = number("The status of the answer; null: there was none.", allow_none=True, examples=[200])
    response_time_ms = number("How long it took, in milliseconds.", examples=[38])
    response_text = text("The beginning of the answer, at most 4 kB.", "OK", allow_none=True)
    error = text("What went wrong, in a sentence.", allow_none=True)


class TestSchema(Schema):
    """A request that was sent as a test."""

    webhook_id = number("The webhook.", minimum=1, examples=[3])
    webhook_url = text("Where the request went.", "https://example.com/hooks")
    test_result = nested(TestResultSchema)


class AttemptSchema(Schema):
    """One request of a delivery."""

    at = time("When it was sent")
    url = text("Where it went.", "https://example.com/hooks")
    status_code = number("The status of the answer; null: there was none.", allow_none=True, examples=[200])
    response_time_ms = number("How long it took, in milliseconds.", examples=[38])
    response_text = text("The beginning of the answer, at most 4 kB.", "OK", allow_none=True)
    error = text("What went wrong, in a sentence.", allow_none=True)
    request_headers = fields.Dict(required=True, metadata={"description": "The headers that were sent."})
    response_headers = fields.Dict(required=True, metadata={"description": "The headers of the answer."})


class DeliverySchema(Schema):
    """An event on its way to a webhook."""

    id = number("The number of the delivery.", minimum=1, examples=[815])
    event_id = text("The `webhook-id` of every attempt.", EXAMPLE_MESSAGE)
    event = text("What happened.", "product.created")
    status = text("How far it is.", "delivered", enum=list(DELIVERY_STATUSES))
    next_attempt_at = time("When the next attempt is due", nullable=True)
    created_at = time("When the event happened")
    attempts = nested(AttemptSchema, many=True)


class DeliveryWithBodySchema(DeliverySchema):
    """An event on its way to a webhook, with what is sent."""

    request_body = text("The body of every attempt.", '{"event":"product.created","product":{…}}')


class DeliveriesSchema(Schema):
    """A page of deliveries."""

    deliveries = nested(DeliverySchema, many=True)
    pagination = nested(PaginationSchema)


class RecoveredSchema(MessageSchema):
    """What is sent again."""

    message = text("A sentence that says what is done.", "12 deliveries are sent again.")
    count = number("How many deliveries that are.", examples=[12])


class RotatedSchema(Schema):
    """A new secret."""

    secret = text("What requests are signed with from now on.", EXAMPLE_SECRET)
    previous_secret_expires_at = time("Until when the secret before signs too; null: there was none", nullable=True)
