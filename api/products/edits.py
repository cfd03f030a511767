"""The call that edits several products, each with values of its own."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from psycopg2.errors import UniqueViolation
from psycopg2.extensions import cursor as Cursor

from api.authentication import current_origin
from api.errors import BUSY, ApiError, ErrorType, error_body
from api.openapi import Blueprint
from api.products.routes import DUPLICATE_SKU, PRECONDITION_FAILED, PRODUCT_NOT_FOUND, default_origin
from api.products.schemas import EXAMPLE_PRODUCT, EditOutcomesSchema, ProductEditsSchema
from api.response_fields import EXAMPLE_TIME
from catalogue.edit_batches import EditResult, ProductEdit, edit_products
from database.retry import retry
from database.serializers import serialize_product
from models import db

blueprint = Blueprint("product_edits", __name__, url_prefix="/api/products", tag="Products")

INVALID_EDITS = ErrorType(
    400,
    ProductEditsSchema.code,
    ProductEditsSchema.message,
    ("edits.0.sku",),
    "The SKU must not be empty.",
)
REPEATED_ID = ErrorType(409, "repeated_id", "An earlier edit of this call is for the same product. Join the two.")
EXAMPLE_EDITS = {
    "edits": [
        {"id": 42, "name": "Blue lamp", "if_match": EXAMPLE_TIME},
        {"id": 43, "name": "Red lamp", "active": False},
    ]
}
EXAMPLE_OUTCOMES = {
    "message": "1 product was changed, 1 edit was refused.",
    "count": 1,
    "outcomes": [
        {"id": 42, "outcome": "changed", "product": EXAMPLE_PRODUCT, "error": None},
        {"id": 43, "outcome": "refused", "product": None, "error": error_body(PRODUCT_NOT_FOUND.exception())},
    ],
}
# Another client that takes a SKU at the same moment has it when the edits are repeated.
ATTEMPTS = 4


@blueprint.post("/edits")
@blueprint.document(operationId="editProducts")
@blueprint.accepts(ProductEditsSchema, location="json", example=EXAMPLE_EDITS)
@blueprint.returns(200, EditOutcomesSchema, "What became of each edit.", example=EXAMPLE_OUTCOMES)
@blueprint.raises(INVALID_EDITS)
def edit_several(body: dict[str, Any]) -> Response:
    """Edit several products

    Changes each product as `PUT /api/products/{product_id}` does, with values of its own, all in one transaction. The
    response is 200 even if edits were refused: `outcomes` has one entry for each edit, in their order, with the error
    of a refused one. Refused edits do not hinder the others. If a value is invalid, the call returns 400 and changes
    nothing.

    With `if_match`, an edit is refused if somebody else has changed the product since. An edit that makes no difference
    is never refused, so a call can be repeated when its response was lost. Products may exchange their SKUs.
    """
    started_from = body.get("started_from", default_origin())
    edits = [_read_edit(values) for values in body["edits"]]
    try:
        results = retry(
            lambda: edit_products(_cursor(), current_origin(), edits, started_from=started_from),
            attempts=ATTEMPTS,
            retry_on=lambda error: isinstance(error, UniqueViolation),
            roll_back=db.session.rollback,
        )
    except UniqueViolation:
        # Others keep taking the same SKUs.
        raise BUSY.exception() from None
    outcomes = [_outcome_json(result) for result in results]
    db.session.commit()
    count = sum(result.is_changed for result in results)
    return jsonify(message=_describe(results, count), count=count, outcomes=outcomes)


def _read_edit(values: dict[str, Any]) -> ProductEdit:
    version = values.get("if_match")
    fields = {name: value for name, value in values.items() if name not in {"id", "if_match"}}
    # An ETag is the version in quotes. Proxies that compress responses make it weak.
    return ProductEdit(values["id"], fields, None if version is None else version.removeprefix("W/").strip('"'))


def _outcome_json(result: EditResult) -> dict[str, Any]:
    outcome = "refused" if result.refusal else "changed" if result.is_changed else "unchanged"
    return {
        "id": result.edit.id,
        "outcome": outcome,
        "product": result.product and serialize_product(result.product),
        "error": error_body(_error(result)) if result.refusal else None,
    }


def _error(result: EditResult) -> ApiError:
    """Return the error of a refused edit."""
    if result.refusal == "duplicate_sku":
        sku = result.edit.values["sku"]
        return DUPLICATE_SKU.exception(f"A product with the SKU {sku} already exists.", details={"sku": sku})
    error_types = {
        "not_found": PRODUCT_NOT_FOUND,
        "changed_since": PRECONDITION_FAILED,
        "repeated_id": REPEATED_ID,
    }
    return error_types[str(result.refusal)].exception()


def _describe(results: list[EditResult], count: int) -> str:
    """Return the sentence that says what was done."""
    refused = sum(result.refusal is not None for result in results)
    unchanged = len(results) - count - refused
    parts = [f"{count:,} products were changed" if count != 1 else "1 product was changed"]
    if unchanged:
        parts.append(f"{unchanged:,} {'was' if unchanged == 1 else 'were'} as wanted already")
    if refused:
        parts.append(f"{refused:,} {'edit was' if refused == 1 else 'edits were'} refused")
    return f"{', '.join(parts)}."


def _cursor() -> Cursor:
    """Return a cursor of the driver in the transaction of the request."""
    connection: Any = db.session.connection().connection.driver_connection
    cursor: Cursor = connection.cursor()
    return cursor
