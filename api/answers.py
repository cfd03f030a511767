"""What the API answers, as marshmallow schemas, of which the OpenAPI document is made.

No answer is written through a schema, which would make long lists slow: `product_json` and its like write them. A
schemathesis run against the running application (tests/test_openapi.py) shows that they are as described here.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from models import JOB_STATUSES, NAME_MAX_CHARACTERS, SKU_MAX_CHARACTERS

EXAMPLE_TIME = "2026-11-24T04:00:00.123456Z"
EXAMPLE_TASK = "5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3"


def _text(description: str = "", example: Any = None, **more: Any) -> fields.String:
    nullable = more.pop("allow_none", False)
    metadata = (
        {"description": description, "examples": [example]} if example is not None else {"description": description}
    )
    return fields.String(required=True, allow_none=nullable, metadata={**metadata, **more})


def _number(description: str, **more: Any) -> fields.Integer:
    return fields.Integer(required=True, metadata={"description": description, "minimum": 0, **more})


def _switch(description: str) -> fields.Boolean:
    return fields.Boolean(required=True, metadata={"description": description})


def _time(description: str, *, nullable: bool = False) -> fields.DateTime:
    metadata = {"description": f"{description} (ISO 8601, UTC).", "examples": [EXAMPLE_TIME]}
    return fields.DateTime(required=True, allow_none=nullable, metadata=metadata)


def _nested(schema: type[Schema], *, many: bool = False) -> Any:
    return fields.List(fields.Nested(schema), required=True) if many else fields.Nested(schema, required=True)


class ErrorSchema(Schema):
    """Every error of the API."""

    error = _text("One sentence for a person: what is wrong and what to do.", "There is no product with this id.")
    code = _text("What a program can go by; it does not change.", "product_not_found")
    status = fields.Integer(required=True, metadata={"description": "The status of the answer.", "minimum": 400})
    fields_ = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        data_key="fields",
        metadata={"description": "Only where fields are to blame: each one's sentences."},
    )


class MessageSchema(Schema):
    """Done."""

    message = _text("A sentence that says what was done.", "The product A-1 was deleted.")


class CountSchema(MessageSchema):
    """Done, with many products."""

    message = _text("A sentence that says what was done.", "12 products were deactivated.")
    count = _number("How many products it was done with.", examples=[12])


class PaginationSchema(Schema):
    """Where a page is in its list."""

    page = _number("The number of this page.", minimum=1, examples=[1])
    per_page = _number("How many a full page has.", minimum=1, examples=[50])
    total = _number("How many there are in all.", examples=[120])
    pages = _number("How many pages that makes.", examples=[3])


class ProductPaginationSchema(PaginationSchema):
    """Where a page is in its list."""

    next = _text("What to send as `after` for the page behind this one; null on the last page.", allow_none=True)
    total_is_estimate = _switch("Whether `total` and `pages` are estimates. `total=exact` in the query forbids that.")


class ProductSchema(Schema):
    """A product."""

    id = _number("The number of the product, which it keeps.", minimum=1, examples=[42])
    sku = _text("The key, unique without regard to case.", "A-1", minLength=1, maxLength=SKU_MAX_CHARACTERS)
    name = _text("The name.", "Blue lamp", maxLength=NAME_MAX_CHARACTERS)
    description = _text("Any text.", "Goes with the blue sofa.")
    active = _switch("Whether the product is on sale.")
    created_at = _time("When it was created")
    updated_at = _time("When it was last changed; in double quotes it is the product's ETag")


class ProductsSchema(Schema):
    """A page of products."""

    products = _nested(ProductSchema, many=True)
    pagination = _nested(ProductPaginationSchema)


class UploadedSchema(Schema):
    """A file that was taken."""

    task_id = fields.UUID(required=True, metadata={"description": "The id of its import.", "examples": [EXAMPLE_TASK]})
    filename = _text("The name of the file.", "products.csv")
    status = _text("What its import does now.", "pending", enum=["pending"])


class ImportSchema(Schema):
    """An import."""

    id = _number("The number of the import.", minimum=1, examples=[7])
    task_id = fields.UUID(required=True, metadata={"description": "The id of the import.", "examples": [EXAMPLE_TASK]})
    filename = _text("The name of the file.", "products.csv")
    status = _text("How far it is.", "processing", enum=list(JOB_STATUSES))
    phase = _text("What it does now.", "writing")
    progress = _number("Percent; never goes back, and is 100 exactly when `completed`.", maximum=100, examples=[64])
    total_records = _number("Rows of the file: 0 or an estimate while it is read, exact from then on.")
    processed_records = _number("Rows that are done; never goes back.")
    rows_read = _number("Rows read so far.")
    rows_written = _number("Rows compared and written so far.")
    created_count = _number("Products that are new.")
    updated_count = _number("Products that were changed.")
    unchanged_count = _number("Rows that changed nothing.")
    duplicate_count = _number("Rows whose SKU came again further down, which wins.")
    rejected_count = _number("Rows that could not be taken.")
    file_size = _number("Bytes of the file.")
    error_message = _text("Why it failed.", allow_none=True)
    created_at = _time("When the file was taken")
    updated_at = _time("When anything of this last changed")
    started_at = _time("When a worker began", nullable=True)
    finished_at = _time("When it ended", nullable=True)


class ImportsSchema(Schema):
    """A page of imports."""

    imports = _nested(ImportSchema, many=True)
    pagination = _nested(PaginationSchema)


class RejectSchema(Schema):
    """A row that could not be taken."""

    line = _number("The line of the file that it begins on.", minimum=1, examples=[17])
    code = _text("What a program can go by.", "missing_sku")
    message = _text("A sentence that says why.", "The row has no SKU.")
    row = _text("The row as it was.", ",Blue lamp,")


class RejectsSchema(Schema):
    """A page of rejected rows."""

    rejects = _nested(RejectSchema, many=True)
    pagination = _nested(PaginationSchema)


class HealthSchema(Schema):
    """Whether every part the product needs is there."""

    status = _text("Whether all of them are.", "healthy", enum=["healthy", "unhealthy"])
    database = _text("PostgreSQL.", "up", enum=["up", "down"])
    broker = _text("What wakes the workers.", "up", enum=["up", "down"])
    worker = _text("At least one worker; nobody knows without the database.", "up", enum=["up", "down", "unknown"])
