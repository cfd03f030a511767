"""Calls that list, create, read, change and delete products."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, jsonify, request
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import undefer

from access.audit import Target
from api.audit import record
from api.authentication import current_actor, current_origin
from api.errors import ErrorType
from api.etags import meets_if_match, version_of
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import pagination_json
from api.products.changes import require_known_changes
from api.products.schemas import (
    EXAMPLE_PRODUCT,
    NewProductSchema,
    ProductPageSchema,
    ProductQuery,
    ProductQuerySchema,
    ProductSchema,
    ProductUpdateSchema,
)
from api.reading import primary_cursor, read_products
from api.response_fields import EXAMPLE_TIME
from api.schemas import MessageSchema
from catalogue import search
from catalogue.edits import EditedProduct, record_edits
from catalogue.page_reader import ProductRow
from catalogue.sorting import InvalidPageToken
from database.serializers import PRODUCT_FIELDS, serialize_product
from models import Product, db
from webhook_service import record_event

blueprint = Blueprint("products", __name__, url_prefix="/api/products", tag="Products")

INVALID_PRODUCT = ErrorType(
    400, NewProductSchema.code, NewProductSchema.message, ("sku",), "The SKU must not be empty."
)
INVALID_PAGE_TOKEN = (
    "after must be the value of pagination.next of the previous page, with the same sort_by and sort_order."  # noqa: S105
)
PRODUCT_NOT_FOUND = ErrorType(404, "product_not_found", "There is no product with this id.")
DUPLICATE_SKU = ErrorType(409, "duplicate_sku", "A product with the SKU A-1 already exists.", ("sku",))
PRECONDITION_FAILED = ErrorType(
    412,
    "precondition_failed",
    "Someone else changed this product, so your change was not saved. Load the product again and repeat your change.",
)

ETAG = f'"{EXAMPLE_TIME}"'
ETAG_HEADER = {
    "ETag": {
        "description": "The version of the product: its `updated_at` in double quotes.",
        "required": True,
        "schema": {"type": "string", "examples": [ETAG]},
    }
}
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "description": "The ETag of the product as you know it; several are separated by commas, and `*` matches any. If"
    " the product has changed since, the call returns 412 and changes nothing. Without this header, the last change"
    " wins.",
    "schema": {"type": "string"},
    "examples": {"version": {"value": ETAG}},
}
IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "The ETag of a copy that you have; several are separated by commas, and `*` matches any. If the"
    " product has not changed since, the call returns 304 without a body.",
    "schema": {"type": "string"},
    "examples": {"version": {"value": ETAG}},
}
LINKS = {
    operation: {
        "operationId": operation,
        "parameters": {
            "product_id": "$response.body#/id",
            **({"header.If-Match": "$response.header.ETag"} if operation in {"changeProduct", "deleteProduct"} else {}),
        },
    }
    for operation in ("getProduct", "changeProduct", "deleteProduct", "getHistory", "getLastChange")
}
# The fields that people set.
VALUES = [name for name in PRODUCT_FIELDS if name not in {"id", "created_at", "updated_at"}]
READ_PRODUCT_SQL = f"SELECT {', '.join(ProductRow._fields)} FROM products WHERE id = %s"
PRODUCT_ID = [{"in": "path", "name": "product_id", "description": "The id of the product."}]
EXAMPLE_PAGE = {
    "products": [EXAMPLE_PRODUCT],
    "pagination": {"page": 1, "per_page": 50, "total": 1, "pages": 1, "next": None, "total_is_estimate": False},
}


@blueprint.get("")
@blueprint.document(operationId="listProducts")
@blueprint.accepts(ProductQuerySchema)
@blueprint.returns(200, ProductPageSchema, "A page of products.", example=EXAMPLE_PAGE)
@blueprint.raises(INVALID_PARAMETER)
def list_products(query: ProductQuery) -> Response:
    """Find products

    Returns a page of the products that match every given filter. Get further pages with `after`, which is equally fast
    for every page, or with `page`. Unknown and empty parameters are ignored.
    """

    def find(cursor: Cursor) -> search.ProductPage:
        require_known_changes(cursor, query.filter, INVALID_PARAMETER)
        return search.find_page(
            cursor,
            query.filter,
            query.sorting,
            page=query.page,
            per_page=query.per_page,
            after=query.after,
            exact_total=query.exact_total,
        )

    try:
        result = read_products(find)
    except InvalidPageToken:
        raise INVALID_PARAMETER.exception(INVALID_PAGE_TOKEN, fields=["after"]) from None
    pagination = {
        **pagination_json(result.page, query.per_page, result.total),
        "next": result.next,
        "total_is_estimate": result.total_is_estimate,
    }
    return jsonify(products=[serialize_product(product) for product in result.products], pagination=pagination)


@blueprint.post("")
@blueprint.document(operationId="createProduct")
@blueprint.accepts(NewProductSchema, location="json", example={"sku": "A-1", "name": "Blue lamp"})
@blueprint.returns(201, ProductSchema, "The new product.", example=EXAMPLE_PRODUCT, headers=ETAG_HEADER, links=LINKS)
@blueprint.raises(INVALID_PRODUCT, DUPLICATE_SKU)
def create_product(values: dict[str, Any]) -> tuple[Response, int]:
    """Create a product

    Returns 409 if a product already has this SKU, ignoring case. If several requests create the same SKU at the same
    time, exactly one succeeds. Unknown fields are ignored.
    """
    started_from = _pop_origin(values)
    product = Product(**values)
    db.session.add(product)
    changes = {name: [None, value] for name, value in values.items()}
    return _commit(product, "product.created", changes, started_from=started_from), 201


@blueprint.get("/<int:product_id>", parameters=PRODUCT_ID)
@blueprint.document(operationId="getProduct", parameters=[IF_NONE_MATCH])
@blueprint.returns(200, ProductSchema, "The product.", example=EXAMPLE_PRODUCT, headers=ETAG_HEADER)
@blueprint.returns(304, None, "The product still has the version in `If-None-Match`.", headers=ETAG_HEADER)
@blueprint.raises(PRODUCT_NOT_FOUND)
def show_product(product_id: int) -> Response:
    """Get a product"""
    with primary_cursor() as cursor:
        cursor.execute(READ_PRODUCT_SQL, [product_id])
        row = cursor.fetchone()
    if row is None:
        raise PRODUCT_NOT_FOUND.exception()
    product = ProductRow(*row)
    version = etag(product)
    response = (
        Response(status=304) if request.if_none_match.contains_weak(version) else jsonify(serialize_product(product))
    )
    response.set_etag(version)
    # Browsers may keep a copy, but must ask whether it is current before they use it.
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.put("/<int:product_id>", parameters=PRODUCT_ID)
@blueprint.document(operationId="changeProduct", parameters=[IF_MATCH])
@blueprint.accepts(ProductUpdateSchema, location="json", example={"name": "Red lamp", "active": False})
@blueprint.returns(
    200, ProductSchema, "The changed product.", example=EXAMPLE_PRODUCT, headers=ETAG_HEADER, links=LINKS
)
@blueprint.raises(INVALID_PRODUCT, PRODUCT_NOT_FOUND, DUPLICATE_SKU, PRECONDITION_FAILED)
def change_product(values: dict[str, Any], product_id: int) -> Response:
    """Change a product

    Changes only the given fields. If they all have these values already, nothing is written and `updated_at` stays the
    same. `id`, `created_at`, `updated_at` and unknown fields are ignored, so you can send back a product as you got it.
    """
    started_from = _pop_origin(values)
    product = _find_locked(product_id)
    _check_if_match(product)
    previous_at = product.updated_at
    if request.get_json().get("sku") == product.sku:
        # The migration may have left a SKU with invisible characters as it was. Sending it back is no change.
        del values["sku"]
    changes = {name: [before, value] for name, value in values.items() if (before := getattr(product, name)) != value}
    for name, (_, value) in changes.items():
        setattr(product, name, value)
    if changes:
        product.updated_at = func.clock_timestamp()
    event = "product.updated" if changes else None
    return _commit(product, event, changes, started_from=started_from, previous_at=previous_at)


@blueprint.delete("/<int:product_id>", parameters=PRODUCT_ID)
@blueprint.document(operationId="deleteProduct", parameters=[IF_MATCH])
@blueprint.returns(200, MessageSchema, "The product was deleted.", example={"message": "The product A-1 was deleted."})
@blueprint.raises(PRODUCT_NOT_FOUND, PRECONDITION_FAILED)
def delete_product(product_id: int) -> Response:
    """Delete a product"""
    product = _find_locked(product_id)
    _check_if_match(product)
    db.session.delete(product)
    db.session.flush()
    _record_event("product.deleted", product)
    values = {name: [getattr(product, name), None] for name in VALUES}
    record("product.deleted", Target("product", product.id, product.sku), changes=values)
    db.session.commit()
    return jsonify(message=f"The product {product.sku} was deleted.")


def etag(product: Product | ProductRow) -> str:
    """Return the ETag of a product without its quotes: its `updated_at`, which lists also show."""
    return version_of(product.updated_at)


def default_origin() -> str:
    """Return where edits of this request are made if it does not say so. People edit on the page."""
    return "page" if current_actor().type == "user" else "api"


def _check_if_match(product: Product) -> None:
    """Raise the 412 if `If-Match` does not name the current version of a product (RFC 9110, section 13.1.1).

    The product's row must be locked.
    """
    if not meets_if_match(etag(product)):
        db.session.rollback()
        raise PRECONDITION_FAILED.exception()


def _pop_origin(values: dict[str, Any]) -> str:
    """Take where an edit was made out of the values of a product, and return it."""
    origin: str = values.pop("started_from", default_origin())
    return origin


def _find_locked(product_id: int) -> Product:
    """Return a product with its row locked; raise the 404 if there is none."""
    product = db.session.get(Product, product_id, options=[undefer(Product.restored)], with_for_update=True)
    if product is None:
        raise PRODUCT_NOT_FOUND.exception()
    return product


def _record_event(event: str, product: Product) -> None:
    """Record an event for webhooks in the transaction of the change."""
    with primary_cursor() as cursor:
        record_event(cursor, event, {"product": serialize_product(product)})


def _commit(
    product: Product,
    event: str | None,
    changes: dict[str, list[Any]],
    *,
    started_from: str,
    previous_at: datetime | None = None,
) -> Response:
    """Commit a new or changed product with its event, audit entry and edit; return the response, or raise the 409.

    `previous_at` is the `updated_at` before the change, and None for a new product. The response is built before the
    commit, because others may change or delete the product right after it.
    """
    sku = product.sku
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        message = f"A product with the SKU {sku} already exists."
        raise DUPLICATE_SKU.exception(message, details={"sku": sku}) from None
    if event:
        _record_event(event, product)
        restored = product.restored if previous_at else None
        edited = EditedProduct(product.id, product.sku, product.updated_at, previous_at, restored)
        with primary_cursor() as cursor:
            record_edits(cursor, current_origin(), event, [(edited, changes)], started_from=started_from)
    response = jsonify(serialize_product(product))
    response.set_etag(etag(product))
    db.session.commit()
    return response
