"""The schemas of webhooks and of their deliveries."""

from __future__ import annotations

from typing import Any

from flask import current_app
from marshmallow import Schema, ValidationError, fields

from api.field_problems import FieldProblem
from api.request_fields import (
    NO_NUL_PATTERN,
    NOT_STRING_MESSAGE,
    REQUIRED_MESSAGE,
    Boolean,
    Choice,
    PositiveInteger,
    Text,
    is_storable,
)
from api.response_fields import boolean, integer, nested, nested_list, text, timestamp
from api.schemas import QuerySchema, RequestSchema
from webhooks import signing
from webhooks.events import ALL_EVENTS, EVENT_TYPES
from webhooks.ssrf_guard import MAX_URL_CHARACTERS, check_url

DESCRIPTION_MAX_CHARACTERS = 500
MAX_SHOWN_CHARACTERS = 50
# How a webhook gets `product.created` and `product.updated` from imports.
IMPORT_EVENTS = ("none", "each")
EXAMPLE_EVENT_TYPE = "product.created,product.updated"
EXAMPLE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105

# The fields that describe the response to a request.
STATUS_CODE = "The HTTP status of the response; null without a response."
RESPONSE_TIME = "The time until the response or the failure, in milliseconds."
RESPONSE_TEXT = "The start of the response, at most 4 kB; null without a response."
ERROR = "Why the request failed, in one sentence; null if it succeeded."
MAX_HOURS = 7 * 24

NOT_URL_MESSAGE = "This must be a URL."

EVENT_TYPE = "One event type, several separated by commas, or `*` for all."
DESCRIPTION = "What the webhook is for."
PREVIOUS_SECRET = "Until when requests are signed with the previous secret, too"  # noqa: S105


class Url(fields.String):
    """The URL of a receiver, checked by `webhooks.ssrf_guard`."""

    def __init__(self, *, required: bool = False) -> None:
        description = (
            "Where requests are sent: http or https, to a public address, without user name and fragment."
            " WEBHOOK_ALLOWED_NETWORKS lists further networks that are allowed."
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
            error_messages={"null": NOT_URL_MESSAGE, "required": REQUIRED_MESSAGE},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(NOT_URL_MESSAGE)
        try:
            url: str = check_url(value, current_app.config["SETTINGS"].webhook_allowed_networks)
            return url
        except ValueError as error:
            raise ValidationError(FieldProblem("bad_url", str(error))) from None


class EventType(fields.String):
    """One event type, several separated by commas, or `*`."""

    def __init__(self, *, required: bool = False) -> None:
        event_type = "|".join(event.replace(".", r"\.") for event in EVENT_TYPES)
        metadata = {
            "description": EVENT_TYPE,
            "examples": [EXAMPLE_EVENT_TYPE],
            "pattern": rf"^(\*|({event_type})(,({event_type})){{0,6}})$",
        }
        super().__init__(
            required=required,
            metadata=metadata,
            error_messages={"null": NOT_STRING_MESSAGE, "required": REQUIRED_MESSAGE},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(NOT_STRING_MESSAGE)
        event_types = list(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        unknown = [event_type for event_type in event_types if event_type not in {*EVENT_TYPES, ALL_EVENTS}]
        if unknown or not event_types:
            reason = f"There is no event type {unknown[0][:MAX_SHOWN_CHARACTERS]!r}. " if unknown else ""
            message = f"{reason}Use one or more of {', '.join(EVENT_TYPES)}, or *."
            raise ValidationError(FieldProblem("no_event_type", message))
        return ",".join(event_types)


class Secret(fields.String):
    """The secret that signs the requests of a webhook, checked by `webhooks.signing`; an empty one loads as None."""

    def __init__(self, description: str) -> None:
        description += " It can be any text. If it starts with `whsec_`, the rest must be 24 to 64 bytes in base64."
        metadata = {
            "description": description,
            "examples": [EXAMPLE_SECRET],
            "pattern": NO_NUL_PATTERN,
            "maxLength": signing.MAX_SECRET_CHARACTERS,
        }
        super().__init__(allow_none=True, metadata=metadata)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or not is_storable(value):
            raise ValidationError("This must be a string, or null for requests without a signature.")
        try:
            signing.check_secret(value)
        except ValueError as error:
            raise ValidationError(FieldProblem("bad_secret", str(error))) from None
        return value or None


class WebhookUpdateSchema(RequestSchema):
    """The fields of a webhook to change. Fields that are not given keep their values."""

    code = "invalid_webhook"
    message = "The webhook has invalid values; see `fields`."

    url = Url()
    event_type = EventType()
    description = Text(DESCRIPTION, "Stock of the shop", DESCRIPTION_MAX_CHARACTERS)
    imports = Choice(
        "Whether imports send `product.created` and `product.updated`: `none` of them, or one for `each` product that"
        " they write. Subscribe to `products.imported` to get these products in batches.",
        *IMPORT_EVENTS,
    )
    enabled = Boolean("Whether events are sent. Events that happen while it is off are never sent.")
    secret = Secret("The new secret; null switches signatures off. A masked secret from the list changes nothing.")


class NewWebhookSchema(WebhookUpdateSchema):
    """A webhook to create. By default `enabled` is true, `imports` is `none` and a secret is generated."""

    url = Url(required=True)
    event_type = EventType(required=True)
    secret = Secret(
        "The secret that signs requests; null switches signatures off. Without it, or with a masked one, a secret is"
        " generated."
    )


class WebhookHourSchema(Schema):
    """The requests of a webhook in one hour."""

    hour = timestamp("The start of the hour")
    delivered = integer("Deliveries that succeeded.")
    failed = integer("Deliveries that failed and are not attempted again.")
    failed_attempts = integer("Requests that failed, whether or not they are attempted again.")


class HoursQuerySchema(QuerySchema):
    """How far back to look."""

    hours = PositiveInteger("The number of hours, the current one included.", MAX_HOURS, 24)


class ResponseHourSchema(WebhookHourSchema):
    """The requests of a webhook in one hour, with their response times."""

    requests = integer("Requests whose response time was recorded.")
    median_ms = integer("Half of the requests took at most so many milliseconds; null without requests.", nullable=True)
    p95_ms = integer("95% of the requests took at most so many milliseconds; null without requests.", nullable=True)


class WebhookHoursSchema(Schema):
    """The requests of a webhook by hours, the oldest first; hours without requests are included."""

    hours = nested_list(ResponseHourSchema)


class WebhookHealthSchema(Schema):
    """The health of a webhook in the last 24 hours."""

    delivered = integer("Deliveries that succeeded.")
    pending = integer("Deliveries that are waiting for their first or next attempt.")
    waiting = integer("Of the pending deliveries, those that have failed before and wait for their next attempt.")
    next_attempt_at = timestamp("When the next pending delivery is due; null if none is pending", nullable=True)
    failed = integer("Deliveries that failed and are not attempted again.")
    hours = nested_list(WebhookHourSchema)


class WebhookSchema(Schema):
    """A receiver of events."""

    id = integer("The id of the webhook; it never changes.", minimum=1, examples=[3])
    url = text("Where requests are sent.", "https://example.com/hooks")
    description = text(DESCRIPTION, "Stock of the shop")
    event_type = text(EVENT_TYPE, EXAMPLE_EVENT_TYPE)
    imports = text("Whether imports send `product.created` and `product.updated`.", "none", enum=list(IMPORT_EVENTS))
    enabled = boolean("Whether events are sent.")
    disabled_reason = text("Why the webhook was switched off automatically; null if it was not.", nullable=True)
    failing_since = timestamp("The start of a series of failed requests; null if the last one succeeded", nullable=True)
    last_error = text(
        "Why the last request failed, in one sentence; null if it succeeded.",
        "The receiver answered 503.",
        nullable=True,
    )
    secret = text("The secret that signs requests, in full or masked.", EXAMPLE_SECRET, nullable=True)
    secret_is_masked = boolean("Whether `secret` is masked, except for its last characters.")
    previous_secret_expires_at = timestamp(PREVIOUS_SECRET, nullable=True)
    created_at = timestamp("When the webhook was created")
    updated_at = timestamp("When the webhook was last changed")
    health = nested(WebhookHealthSchema)


class EventTypeSchema(Schema):
    """A type of events."""

    event = text("The name of the event type.", "product.created", enum=list(EVENT_TYPES))
    description = text("When events of this type are sent.", "A product was created.")


class RotationRequestSchema(RequestSchema):
    """How to replace a secret."""

    force = Boolean("Whether to replace the secret although the previous one is still valid, and end that one at once.")


class RotatedSecretSchema(Schema):
    """A new secret."""

    secret = text("The new secret, which signs all requests from now on, in full or masked.", EXAMPLE_SECRET)
    secret_is_masked = boolean("Whether `secret` is masked, except for its last characters.")
    previous_secret_expires_at = timestamp(f"{PREVIOUS_SECRET}; null if there was none", nullable=True)


class WebhookTestResultSchema(Schema):
    """The result of a test request."""

    success = boolean("Whether the receiver responded with a 2xx status.")
    status_code = integer(STATUS_CODE, nullable=True, examples=[200])
    response_time_ms = integer(RESPONSE_TIME, examples=[38])
    response_text = text(RESPONSE_TEXT, "OK", nullable=True)
    error = text(ERROR, nullable=True)


class WebhookTestSchema(Schema):
    """A test request that was sent."""

    webhook_id = integer("The id of the webhook.", minimum=1, examples=[3])
    webhook_url = text("Where the request was sent.", "https://example.com/hooks")
    test_result = nested(WebhookTestResultSchema)
