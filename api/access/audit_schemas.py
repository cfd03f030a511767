"""The schemas of the audit log: its filters, its entries, and a page of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError, fields, post_load

from api.pagination import DEFAULT_PER_PAGE, MAX_PER_PAGE
from api.request_fields import Boolean, Choice, PositiveInteger, ShortText, Timestamp, is_storable
from api.response_fields import dictionary, integer, nested, nested_list, text, timestamp
from api.schemas import QuerySchema
from models import ACTOR_TYPES, AUDIT_OUTCOMES

MAX_ID = 2**63 - 1
ACTION_MAX_CHARACTERS = 64
TARGET_MAX_CHARACTERS = 200
ACTOR_RE = re.compile(rf"({'|'.join(ACTOR_TYPES)})(?::([0-9]{{1,19}}))?")
TARGET_RE = re.compile(r"([a-z_]{1,32})(?::(.+))?")
POSITION_RE = re.compile(r"([0-9]{1,17})-([0-9]{1,19})")
MICROSECONDS = 1_000_000


class Reference(NamedTuple):
    """Actors or targets: all of a type, or the one with an id."""

    type: str
    id: str | None


class Position(NamedTuple):
    """The place of an entry in the list, which is sorted by these two."""

    at: datetime
    id: int

    def to_token(self) -> str:
        """Return the page token for the entries after this one."""
        return f"{int(self.at.timestamp()) * MICROSECONDS + self.at.microsecond}-{self.id}"


class ActorField(fields.String):
    """A type of actors, or one actor as type and id."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        match = ACTOR_RE.fullmatch(value)
        if match is None or int(match[2] or 0) > MAX_ID:
            raise ValidationError(f"{attr} must be a type of actors or one of them, such as user or user:2.")
        return Reference(match[1], match[2])


class TargetField(fields.String):
    """A type of objects, or one object as type and id."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        match = TARGET_RE.fullmatch(value) if len(value) <= TARGET_MAX_CHARACTERS and is_storable(value) else None
        if match is None:
            raise ValidationError(f"{attr} must be a type of objects or one of them, such as product or product:42.")
        return Reference(match[1], match[2])


class PositionField(fields.String):
    """A page token."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        match = POSITION_RE.fullmatch(value)
        if match is not None and int(match[2]) <= MAX_ID:
            seconds, microseconds = divmod(int(match[1]), MICROSECONDS)
            try:
                return Position(datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds), int(match[2]))
            except (ValueError, OverflowError, OSError):
                pass
        raise ValidationError(f"{attr} must be the value of pagination.next of the previous page.")


@dataclass(frozen=True)
class AuditFilter:
    """The entries that match every given field; `since` is inclusive, `until` exclusive."""

    actor: Reference | None = None
    action: str | None = None
    target: Reference | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class AuditQuery:
    """The query of a page, or of a file with all pages."""

    filter: AuditFilter
    after: Position | None
    per_page: int
    byte_order_mark: bool


class AuditFilterSchema(QuerySchema):
    """The filter of entries. An entry must match every given parameter."""

    actor = ActorField(
        metadata={
            "description": "Who acted: a type (`user`, `key`, `local`, `system`, `anonymous`), or a type and an id.",
            "pattern": f"^{ACTOR_RE.pattern}$",
            "examples": ["user:2"],
        }
    )
    action = ShortText("The action, in full.", "webhook.updated", ACTION_MAX_CHARACTERS)
    target = TargetField(
        metadata={
            "description": "The object: a type, such as `product`, `import` or `webhook`, or a type and an id.",
            "maxLength": TARGET_MAX_CHARACTERS,
            "pattern": r"^[a-z_]{1,32}(:[^\u0000\n]+)?$",
            "examples": ["product:42"],
        }
    )
    outcome = Choice("How it ended.", *AUDIT_OUTCOMES)
    since = Timestamp("Entries of this time or later (ISO 8601, with a time zone).", in_query=True)
    until = Timestamp("Entries before this time (ISO 8601, with a time zone).", in_query=True)

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `AuditQuery`."""
        after, per_page = data.pop("after", None), data.pop("per_page", MAX_PER_PAGE)
        byte_order_mark = data.pop("bom", False)
        return AuditQuery(AuditFilter(**data), after, per_page, byte_order_mark)


class AuditQuerySchema(AuditFilterSchema):
    """The filter and the page of entries."""

    after = PositionField(metadata={"description": "The page token from `pagination.next` of the previous page."})
    per_page = PositiveInteger("The number of entries per page.", MAX_PER_PAGE, DEFAULT_PER_PAGE)


class AuditFileQuerySchema(AuditFilterSchema):
    """The filter and the format of a file of entries."""

    bom = Boolean(
        "Whether the file starts with a byte order mark, so that spreadsheets read it as UTF-8.", in_query=True
    )


class AuditActorSchema(Schema):
    """Who acted."""

    type = text(
        "A person, an API key, `local`, the product itself, or nobody who is signed in.", "user", enum=[*ACTOR_TYPES]
    )
    id = integer("The id of the person or the key; null for others.", nullable=True)
    name = text("The name at that time.", "Ada Lovelace")


class AuditTargetSchema(Schema):
    """The object of an action."""

    type = text("The type of the object.", "product")
    id = text("The id of the object; null for several objects.", "42", nullable=True)
    name = text("The name at that time: a SKU, a file name, a URL, a person.", "A-1", nullable=True)


class AuditEntrySchema(Schema):
    """An entry of the audit log."""

    id = integer("The id.", minimum=1)
    at = timestamp("When it happened")
    actor = nested(AuditActorSchema)
    action = text("The object and the verb.", "product.updated")
    target = nested(AuditTargetSchema, "The object; null if there is none.", nullable=True)
    outcome = text("How it ended.", "success", enum=[*AUDIT_OUTCOMES])
    address = text("The address of the client.", "192.0.2.7", nullable=True)
    request_id = text("The id of the request, as in the header X-Request-ID.", nullable=True)
    changes = dictionary(
        "Each changed field with its values before and after. Secrets are masked, and long texts are cut.",
        nullable=True,
    )


class AuditPaginationSchema(Schema):
    """The position of a page of entries."""

    per_page = integer("The number of entries on a full page.", minimum=1, examples=[50])
    next = text("The page token of the next page, to send as `after`; null on the last page.", nullable=True)


class AuditPageSchema(Schema):
    """A page of entries."""

    entries = nested_list(AuditEntrySchema)
    pagination = nested(AuditPaginationSchema)
