"""The schemas of the deliveries of a webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validates_schema

from api.pagination import DEFAULT_PER_PAGE, MAX_PAGE, MAX_PER_PAGE
from api.request_fields import Choice, Ids, NestedFilter, PositiveInteger, ShortText, Timestamp
from api.response_fields import boolean, dictionary, integer, nested, nested_list, text, timestamp
from api.schemas import MessageSchema, PaginationSchema, QuerySchema, RequestSchema
from api.webhooks.schemas import ERROR, RESPONSE_TEXT, RESPONSE_TIME, STATUS_CODE
from models import DELIVERY_STATUSES
from webhooks.delivery_filter import EVENT_ID_RE, DeliveryFilter, parse_id
from webhooks.events import EVENT_TYPES

MAX_RESENT_IDS = 10_000
TEXT_MAX_CHARACTERS = 500
EXAMPLE_EVENT_ID = "evt_2f6a51f0f6a34c529d6b5b0c6d1e7f0a"
SUBJECT_TYPES = ("product", "import", "products")
IDS_OR_FILTER_MESSAGE = "Send either ids or filter."


class RecoveryRequestSchema(RequestSchema):
    """The deliveries to send again."""

    code = "invalid_recovery"
    since = Timestamp(
        "Only deliveries of events that happened at this time or later (ISO 8601, with a time zone). Without it, all."
    )


class DeliveryId(fields.String):
    """The number of a delivery, or the id of its event."""

    def __init__(self) -> None:
        description = (
            "The number of the delivery, or the event id: the `webhook-id` header of the requests. An unknown id"
            " matches no delivery."
        )
        metadata = {
            "description": description,
            "examples": [EXAMPLE_EVENT_ID],
            "pattern": rf"^({EVENT_ID_RE.pattern}|[0-9]{{1,18}})$",
        }
        super().__init__(metadata=metadata, error_messages={"null": "This must be a string."})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        id = parse_id(value.strip()) if isinstance(value, str) else None
        if id is None:
            raise ValidationError(
                f"{attr} must be the number of a delivery or an event id, such as {EXAMPLE_EVENT_ID}."
            )
        return id


class DeliveryFilterSchema(RequestSchema):
    """A filter of deliveries. A delivery must match every given field."""

    status = Choice("Only deliveries with this status.", *DELIVERY_STATUSES)
    event = Choice("Only deliveries of this event type.", *EVENT_TYPES)
    since = Timestamp("Only events that happened at this time or later (ISO 8601, with a time zone).")
    until = Timestamp("Only events that happened before this time (ISO 8601, with a time zone).")
    id = DeliveryId()
    text = ShortText(
        "Only deliveries whose body contains this text, ignoring case. One search reads a limited number of bodies, the"
        " newest first.",
        "A-1",
        TEXT_MAX_CHARACTERS,
    )

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `DeliveryFilter`."""
        return DeliveryFilter(**data)


@dataclass(frozen=True)
class DeliveryQuery:
    """The query of a page of deliveries."""

    filter: DeliveryFilter
    page: int
    per_page: int


class DeliveryQuerySchema(QuerySchema, DeliveryFilterSchema):
    """The filter and the page of a list of deliveries."""

    since = Timestamp("Only events that happened at this time or later (ISO 8601, with a time zone).", in_query=True)
    until = Timestamp("Only events that happened before this time (ISO 8601, with a time zone).", in_query=True)
    page = PositiveInteger("The page number, starting at 1.", MAX_PAGE, 1)
    per_page = PositiveInteger("The number of entries per page.", MAX_PER_PAGE, DEFAULT_PER_PAGE)

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `DeliveryQuery`."""
        page, per_page = data.pop("page"), data.pop("per_page")
        return DeliveryQuery(DeliveryFilter(**data), page, per_page)


@dataclass(frozen=True)
class Resend:
    """The deliveries to send again: either `ids` or a `filter`."""

    ids: list[int] | None
    filter: DeliveryFilter | None


class ResendRequestSchema(RequestSchema):
    """The deliveries to send again: either `ids` or a `filter`. Unknown fields are errors."""

    class Meta:
        unknown = RAISE

    code = "invalid_resend"
    error_messages = {"unknown": "This field does not exist. Send either ids or filter."}  # noqa: RUF012

    ids = Ids("deliveries", MAX_RESENT_IDS)
    filter = NestedFilter(DeliveryFilterSchema, "deliveries")

    @validates_schema
    def check_selection(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a body with both `ids` and `filter`, or with neither."""
        if ("ids" in data) == ("filter" in data):
            raise ValidationError({name: [IDS_OR_FILTER_MESSAGE] for name in ("ids", "filter")})

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `Resend`."""
        return Resend(data.get("ids"), data.get("filter"))


class DeliveryAttemptSchema(Schema):
    """One request of a delivery."""

    at = timestamp("When the request was sent")
    url = text("Where the request was sent.", "https://example.com/hooks")
    status_code = integer(STATUS_CODE, nullable=True, examples=[200])
    response_time_ms = integer(RESPONSE_TIME, examples=[38])
    response_text = text(RESPONSE_TEXT, "OK", nullable=True)
    error = text(ERROR, nullable=True)
    request_headers = dictionary("The headers of the request.")
    response_headers = dictionary("The headers of the response.")


class DeliverySubjectSchema(Schema):
    """What an event is about."""

    type = text("A product, an import, or several products.", "product", enum=list(SUBJECT_TYPES))
    id = text("The id of the product, or the task id of the import; null for several products.", "42", nullable=True)
    name = text(
        "The SKU of the product, the name of the imported file, or the number of products; null if it is not known"
        " any more.",
        "A-1",
        nullable=True,
    )


class DeliverySchema(Schema):
    """The delivery of an event to a webhook."""

    id = integer("The id of the delivery.", minimum=1, examples=[815])
    event_id = text("The `webhook-id` header of every attempt.", EXAMPLE_EVENT_ID)
    event = text("The event type.", "product.created")
    subject = nested(
        DeliverySubjectSchema, "What the event is about, from its body; null if it is about nothing.", nullable=True
    )
    status = text("The state of the delivery.", "delivered", enum=list(DELIVERY_STATUSES))
    next_attempt_at = timestamp("When the next attempt is due", nullable=True)
    created_at = timestamp("When the event happened")
    attempts = nested_list(DeliveryAttemptSchema)


class DeliveryDetailsSchema(DeliverySchema):
    """The delivery of an event to a webhook, with its body."""

    request_body = text("The body of every attempt.", '{"event":"product.created","product":{…}}')


class DeliveryPaginationSchema(PaginationSchema):
    """The position of a page of deliveries."""

    total_is_estimate = boolean("Whether `total` and `pages` are estimates, because there are many deliveries.")
    searched_since = timestamp(
        "With `text`: the time of the oldest event whose body was searched. To search older ones, send it as `until`."
        " Null if all were searched",
        nullable=True,
    )


class DeliveryPageSchema(Schema):
    """A page of deliveries."""

    deliveries = nested_list(DeliverySchema)
    pagination = nested(DeliveryPaginationSchema)


class RecoveryResultSchema(MessageSchema):
    """The result of a recovery."""

    message = text("One sentence that says what is sent again.", "12 failed and 3 waiting deliveries are sent again.")
    count = integer("The number of deliveries that are sent again.", examples=[15])
    failed_count = integer("Of these, the deliveries that had failed for good.", examples=[12])
    waiting_count = integer("Of these, the deliveries that waited for their next attempt.", examples=[3])


class ResendResultSchema(MessageSchema):
    """The result of sending deliveries again."""

    message = text("One sentence that says what is sent again.", "12 deliveries are sent again.")
    count = integer("The number of deliveries that are sent again.", examples=[12])
    searched_since = timestamp(
        "With `text` in the filter: the time of the oldest event whose body was searched. Null if all were searched",
        nullable=True,
    )
