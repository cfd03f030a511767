"""What the API answers, as marshmallow schemas, of which the OpenAPI document is made.

No answer is written through a schema, which would make long lists slow: `shapes.py` does. A
schemathesis run against the running application (tests/test_openapi.py) shows that they are as described here.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from models import NAME_MAX_CHARACTERS, SKU_MAX_CHARACTERS

EXAMPLE_TIME = "2026-11-24T04:00:00.123456Z"
EXAMPLE_TASK = "5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3"


def text(description: str = "", example: Any = None, **more: Any) -> fields.String:
    """A text that is always there."""
    nullable = more.pop("allow_none", False)
    metadata = (
        {"description": description, "examples": [example]} if example is not None else {"description": description}
    )
    return fields.String(required=True, allow_none=nullable, metadata={**metadata, **more})


def number(description: str, **more: Any) -> fields.Integer:
    """A whole number, not negative, that is always there."""
    nullable = more.pop("allow_none", False)
    return fields.Integer(
        required=True, allow_none=nullable, metadata={"description": description, "minimum": 0, **more}
    )


def switch(description: str) -> fields.Boolean:
    """true or false."""
    return fields.Boolean(required=True, metadata={"description": description})


def time(description: str, *, nullable: bool = False) -> fields.DateTime:
    """A time."""
    metadata = {"description": f"{description} (ISO 8601, UTC).", "examples": [EXAMPLE_TIME]}
    return fields.DateTime(required=True, allow_none=nullable, metadata=metadata)


def nested(schema: type[Schema], *, many: bool = False) -> Any:
    """An object, or a list of them."""
    return fields.List(fields.Nested(schema), required=True) if many else fields.Nested(schema, required=True)


class ErrorSchema(Schema):
    """Every error of the API."""

    error = text("One sentence for a person: what is wrong and what to do.", "There is no product with this id.")
    code = text("What a program can go by; it does not change.", "product_not_found")
    status = fields.Integer(required=True, metadata={"description": "The status of the answer.", "minimum": 400})
    fields_ = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        data_key="fields",
        metadata={"description": "Only where fields are to blame: each one's sentences."},
    )


class MessageSchema(Schema):
    """Done."""

    message = text("A sentence that says what was done.", "The product A-1 was deleted.")


class CountSchema(MessageSchema):
    """Done, with many products."""

    message = text("A sentence that says what was done.", "12 products were deactivated.")
    count = number("How many products it was done with.", examples=[12])


class PaginationSchema(Schema):
    """Where a page is in its list."""

    page = number("The number of this page.", minimum=1, examples=[1])
    per_page = number("How many a full page has.", minimum=1, examples=[50])
    total = number("How many there are in all.", examples=[120])
    pages = number("How many pages that makes.", examples=[3])


class ProductPaginationSchema(PaginationSchema):
    """Where a page is in its list."""

    next = text("What to send as `after` for the page behind this one; null on the last page.", allow_none=True)
    total_is_estimate = switch("Whether `total` and `pages` are estimates. `total=exact` in the query forbids that.")


class ProductSchema(Schema):
    """A product."""

    id = number("The number of the product, which it keeps.", minimum=1, examples=[42])
    sku = text("The key, unique without regard to case.", "A-1", minLength=1, maxLength=SKU_MAX_CHARACTERS)
    name = text("The name.", "Blue lamp", maxLength=NAME_MAX_CHARACTERS)
    description = text("Any text.", "Goes with the blue sofa.")
    active = switch("Whether the product is on sale.")
    created_at = time("When it was created")
    updated_at = time("When it was last changed; in double quotes it is the product's ETag")


class ProductsSchema(Schema):
    """A page of products."""

    products = nested(ProductSchema, many=True)
    pagination = nested(ProductPaginationSchema)


class UploadedSchema(Schema):
    """A file that was taken."""

    task_id = fields.UUID(required=True, metadata={"description": "The id of its import.", "examples": [EXAMPLE_TASK]})
    filename = text("The name of the file.", "products.csv")
    status = text("What its import does now.", "pending", enum=["pending"])


class HealthSchema(Schema):
    """Whether every part the product needs is there."""

    status = text("Whether all of them are.", "healthy", enum=["healthy", "unhealthy"])
    database = text("PostgreSQL.", "up", enum=["up", "down"])
    broker = text("What wakes the workers.", "up", enum=["up", "down"])
    worker = text("At least one worker; nobody knows without the database.", "up", enum=["up", "down", "unknown"])
