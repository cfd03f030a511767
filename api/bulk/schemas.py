"""The schemas of bulk changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import RAISE, ValidationError, fields, post_load, validates_schema

from api.errors import ErrorType
from api.imports.options import STARTED_BY, STARTED_BY_MAX_CHARACTERS, STARTED_FROM
from api.imports.schemas import ImportSchema
from api.openapi import JSON
from api.products.schemas import MAX_IDS, ProductFilterSchema, ProductUpdateSchema
from api.request_fields import REQUIRED_MESSAGE, Boolean, Choice, Ids, NestedFilter, ShortText
from api.response_fields import dictionary, integer, optional, text, timestamp, uuid
from api.schemas import MessageSchema, QuerySchema, RequestSchema
from catalogue.bulk import ACTIONS, FIELDS, BulkChange
from models import ORIGINS

DRY_RUN = "Whether only to count the products, without changing anything."
VALUE_MESSAGE = "Send field and value with the action set, and with no other."

INVALID_BULK = ErrorType(400, "invalid_bulk", "Send either ids or filter.", ("ids", "filter"))


@dataclass(frozen=True)
class BulkRequest:
    """A bulk change, whether only to count its products, and who starts it."""

    change: BulkChange
    dry_run: bool
    started_from: str
    started_by: str | None


class BulkRequestSchema(RequestSchema):
    """An action, and the products to apply it to: either `ids` or a `filter`. Unknown fields are errors."""

    class Meta:
        unknown = RAISE

    code = INVALID_BULK.code
    error_messages = {  # noqa: RUF012
        "unknown": "This field does not exist. Send action, either ids or filter, and with the action set field and"
        " value."
    }

    action = Choice("What to do with the products.", *ACTIONS, required=True)
    ids = Ids("products", MAX_IDS)
    filter = NestedFilter(ProductFilterSchema, "products")
    field = Choice("The field to set, with the action `set`.", *FIELDS)
    value = fields.Raw(
        error_messages={"null": REQUIRED_MESSAGE},
        metadata={
            "description": "The new value of the field, as in a single product: a string, or true or false for"
            " `active`.",
            "type": ["string", "boolean"],
            "examples": ["Blue lamp"],
        },
    )
    dry_run = Boolean(DRY_RUN)
    started_from = Choice(STARTED_FROM, *ORIGINS, default="api")
    started_by = ShortText(STARTED_BY, "night shift", STARTED_BY_MAX_CHARACTERS)

    @validates_schema
    def check_selection(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a body with both `ids` and `filter`, or with neither."""
        if ("ids" in data) == ("filter" in data):
            raise ValidationError({name: [INVALID_BULK.message] for name in INVALID_BULK.fields})

    @validates_schema
    def check_value(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a value that a single product could not have, and a field or a value with another action."""
        given = [name for name in ("field", "value") if name in data]
        if data.get("action") != "set":
            if given:
                raise ValidationError({name: [VALUE_MESSAGE] for name in given})
        elif missing := {"field", "value"}.difference(given):
            raise ValidationError({name: [REQUIRED_MESSAGE] for name in missing})
        elif errors := ProductUpdateSchema().validate({data["field"]: data["value"]}):
            raise ValidationError({"value": errors[data["field"]]})

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `BulkRequest`."""
        selection = data["ids"] if "ids" in data else data["filter"]
        change = BulkChange(data["action"], selection, data.get("field"), data.get("value"))
        return BulkRequest(change, data.get("dry_run", False), data["started_from"], data.get("started_by"))


# What `check_selection` and `check_value` check, in JSON Schema.
BULK_REQUEST_BODY = {
    "content": {
        JSON: {
            "schema": {
                "allOf": [
                    BulkRequestSchema,
                    {"oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]},
                    {
                        "oneOf": [
                            {
                                "properties": {"action": {"enum": [name for name in ACTIONS if name != "set"]}},
                                "not": {"anyOf": [{"required": ["field"]}, {"required": ["value"]}]},
                            },
                            {
                                "required": ["field", "value"],
                                "properties": {
                                    "action": {"const": "set"},
                                    "field": {"const": "active"},
                                    "value": {"type": "boolean"},
                                },
                            },
                            {
                                "required": ["field", "value"],
                                "properties": {
                                    "action": {"const": "set"},
                                    "field": {"const": "name"},
                                    "value": {"type": "string", "maxLength": 500, "pattern": "^[^\\u0000]*$"},
                                },
                            },
                            {
                                "required": ["field", "value"],
                                "properties": {
                                    "action": {"const": "set"},
                                    "field": {"const": "description"},
                                    "value": {"type": "string", "pattern": "^[^\\u0000]*$"},
                                },
                            },
                        ]
                    },
                ]
            }
        }
    }
}


class DeletionQuerySchema(QuerySchema):
    """Whether only to count, and who deletes all products."""

    dry_run = Boolean(DRY_RUN, in_query=True)
    started_from = Choice(STARTED_FROM, *ORIGINS, default="api")
    started_by = ShortText(STARTED_BY, "night shift", STARTED_BY_MAX_CHARACTERS)


class BulkResultSchema(MessageSchema):
    """The result of a bulk change, or of its dry run."""

    message = text("One sentence that says what was done, or what would be done.", "12 products were deactivated.")
    code = optional(text("The same as `message`, as a code for programs. A dry run has none.", "bulk_completed"))
    details = optional(
        dictionary(
            "The content of `message` as named values: what was done, and the numbers of products that were changed,"
            " had the new value already, and no longer exist. A dry run has none.",
            examples=[{"change": "deactivate", "changed": 12, "unchanged": 2, "gone": 0}],
        )
    )
    count = integer("The number of products that were changed, or would be.", examples=[12])
    found = optional(integer("Only of a dry run: the number of products that are selected.", examples=[14]))
    task_id = optional(uuid("The id of the job that made the change. A dry run has none."))
    undo_until = optional(
        timestamp(
            "The deadline for an undo; in a dry run, the deadline if the change were made now. Null if there is nothing"
            " to undo, or if the product keeps nothing for undos (UNDO_DAYS is 0).",
            nullable=True,
        )
    )


class RunningBulkSchema(ImportSchema):
    """The job of a bulk change that goes on, with its result so far."""

    message = text("One sentence that says what was done so far.")
    count = integer("The number of products that were changed so far.")
