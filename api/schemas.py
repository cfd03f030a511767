"""The schemas that several resources share. Those of a single resource are in its package.

Request schemas check what clients send. Response schemas only describe the JSON that views build, for the OpenAPI
document; a run of schemathesis (tests/integration/api/test_openapi.py) checks that responses match
their schemas.
"""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load

from api.pagination import DEFAULT_PER_PAGE, MAX_PAGE, MAX_PER_PAGE
from api.request_fields import PositiveInteger
from api.response_fields import integer, text


class RequestSchema(Schema):
    """The base of all request schemas; unknown fields are ignored.

    `code` and `message` are those of the 400 response that lists the invalid fields. Without a `message` the error has
    the message of the first invalid field.
    """

    code = "invalid_parameter"
    message = ""

    class Meta:
        unknown = EXCLUDE


class QuerySchema(RequestSchema):
    """Query parameters. An empty one, as forms and address bars send it, counts as not given."""

    @pre_load
    def read_parameters(self, data: Any, **_: Any) -> dict[str, str]:
        """Return the single value of each known parameter; refuse a parameter that is given twice."""
        given = {name: values for name in self.fields if (values := data.getlist(name))}
        if repeated := [name for name, values in given.items() if len(values) > 1]:
            raise ValidationError({name: [f"{name} must be given only once."] for name in repeated})
        return {name: values[0] for name, values in given.items() if values[0]}


class FormSchema(QuerySchema):
    """Fields of a form, which are read like query parameters."""


class PageQuerySchema(QuerySchema):
    """The query of a page of a list."""

    page = PositiveInteger("The page number, starting at 1.", MAX_PAGE, 1)
    per_page = PositiveInteger("The number of entries per page.", MAX_PER_PAGE, DEFAULT_PER_PAGE)


class FieldProblemSchema(Schema):
    """What is wrong with a field, for programs."""

    code = text("The kind of problem; it never changes.", "too_long")
    details = fields.Dict(
        required=True,
        keys=fields.String(),
        metadata={
            "description": "What the message says beside the kind of problem, by name.",
            "examples": [{"limit": 100, "characters": 120}],
        },
    )


class ErrorSchema(Schema):
    """The body of every error."""

    error = text("What is wrong and what to do, in one sentence for people.", "There is no product with this id.")
    code = text("The kind of error, as a code for programs; it never changes.", "product_not_found")
    status = fields.Integer(required=True, metadata={"description": "The HTTP status.", "minimum": 400})
    fields_ = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        data_key="fields",
        metadata={"description": "The messages for each invalid field; only present if fields are invalid."},
    )
    field_problems = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Nested(FieldProblemSchema, allow_none=True)),
        metadata={
            "description": "The codes of the messages in `fields`, in the same order; null for a message without one."
            " Only present if any of them has a code."
        },
    )
    details = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "What the sentence in `error` says beside its code, by name, for programs. Which names there"
            " are depends on the code; only present if there are any."
        },
    )


class MessageSchema(Schema):
    """A confirmation that the call succeeded."""

    message = text("One sentence that says what was done.", "The product A-1 was deleted.")


class PaginationSchema(Schema):
    """The position of a page in its list."""

    page = integer("The number of this page.", minimum=1, examples=[1])
    per_page = integer("The number of entries on a full page.", minimum=1, examples=[50])
    total = integer("The number of entries on all pages.", examples=[120])
    pages = integer("The number of pages.", examples=[3])
