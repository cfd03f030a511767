"""The catalogue: find, create, change, remove products."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from flask import Response, jsonify, request
from sqlalchemy import func
from sqlalchemy.exc import DataError, IntegrityError

from api.errors import ApiError, Failure
from api.openapi import INVALID_PARAMETER, Blueprint
from api.requests import ListQuery, NewProductSchema, ProductChangeSchema, ProductsQuerySchema
from api.responses import EXAMPLE_TIME, MessageSchema, ProductSchema, ProductsSchema
from catalogue import search
from catalogue.sorting import InvalidPageToken
from database.retry import retry
from database.serializers import iso, product_json
from models import Product, db
from webhooks import events

blueprint = Blueprint("products", __name__, url_prefix="/api/products", tag="Products")

P = ParamSpec("P")
R = TypeVar("R")

MAX_ATTEMPTS = 6

INVALID_PRODUCT = Failure(400, NewProductSchema.code, NewProductSchema.sentence, ("sku",), "The SKU must not be empty.")
NOT_FOUND = Failure(404, "product_not_found", "There is no product with this id.")
DUPLICATE = Failure(409, "duplicate_sku", "A product with the SKU A-1 exists already.", ("sku",))
CHANGED = Failure(
    412,
    "precondition_failed",
    "The product was changed in the meantime, and nothing was overwritten. Load it again, then repeat what you did.",
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
    "description": "The ETag of the product as you know it (several are separated by commas; `*` is any). If it has"
    " been changed since, nothing is done and the answer is 412: nobody's work is overwritten unnoticed. Without this"
    " header the last one wins.",
    "schema": {"type": "string"},
    "examples": {"version": {"value": ETAG}},
}
IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "An ETag that you have (several are separated by commas; `*` is any). If it is the present one, the"
    " answer is 304 without a body.",
    "schema": {"type": "string"},
    "examples": {"version": {"value": ETAG}},
}
LINKS = {
    operation: {
        "operationId": operation,
        "parameters": {
            "product_id": "$response.body#/id",
            **({} if operation == "getProduct" else {"header.If-Match": "$response.header.ETag"}),
        },
    }
    for operation in ("getProduct", "changeProduct", "deleteProduct")
}
PRODUCT_ID = [{"in": "path", "name": "product_id", "description": "The id of the product."}]
EXAMPLE = {
    "id": 42,
    "sku": "A-1",
    "name": "Blue lamp",
    "description": "Goes with the blue sofa.",
    "active": True,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}
EXAMPLE_PAGE = {"page": 1, "per_page": 50, "total": 1, "pages": 1, "next": None, "total_is_estimate": False}


def repeated(view: Callable[P, R]) -> Callable[P, R]:
    """Runs a view again when PostgreSQL chose its transaction to end a deadlock, as with an import's that met it."""

    @functools.wraps(view)
    def run(*arguments: P.args, **named: P.kwargs) -> R:
        return retry(lambda: view(*arguments, **named), attempts=MAX_ATTEMPTS, roll_back=db.session.rollback)

    return run


@blueprint.get("")
@blueprint.document(operationId="listProducts")
@blueprint.takes(ProductsQuerySchema)
@blueprint.answers(200, ProductsSchema, "A page.", example={"products": [EXAMPLE], "pagination": EXAMPLE_PAGE})
@blueprint.fails(INVALID_PARAMETER)
def list_products(asked: ListQuery) -> Response:
    """Find products

    A page of the products that match every given filter. Go on with `after`, which stays fast however far, or with
    `page`. Parameters that are unknown or empty are ignored.
    """
    connection: Any = db.session.connection().connection.driver_connection
    with connection.cursor() as cursor:
        try:
            found = search.find_page(
                cursor,
                asked.filter,
                asked.sorting,
                page=asked.page,
                per_page=asked.per_page,
                after=asked.after,
                exact_total=asked.exact_total,
            )
        except InvalidPageToken:
            raise _unusable_cursor() from None
    pagination = {
        "page": found.page,
        "per_page": asked.per_page,
        "total": found.total,
        "pages": -(-found.total // asked.per_page),
        "next": found.next,
        "total_is_estimate": found.total_is_estimate,
    }
    return jsonify(products=[product_json(product) for product in found.products], pagination=pagination)


@blueprint.post("")
@blueprint.document(operationId="createProduct")
@blueprint.takes(NewProductSchema, location="json", example={"sku": "A-1", "name": "Blue lamp"})
@blueprint.answers(201, ProductSchema, "The new product.", example=EXAMPLE, headers=ETAG_HEADER, links=LINKS)
@blueprint.fails(INVALID_PRODUCT, DUPLICATE)
@repeated
def create_product(values: dict[str, Any]) -> tuple[Response, int]:
    """Create a product

    409 when a product has this SKU already, in whatever case. Of several who create the same SKU at once exactly one
    succeeds. Unknown fields are ignored.
    """
    product = Product(**values)
    db.session.add(product)
    return _saved(product, values, "product.created"), 201


@blueprint.get("/<int:product_id>", parameters=PRODUCT_ID)
@blueprint.document(operationId="getProduct", parameters=[IF_NONE_MATCH])
@blueprint.answers(200, ProductSchema, "The product.", example=EXAMPLE, headers=ETAG_HEADER)
@blueprint.answers(304, None, "The product is still the one of `If-None-Match`.", headers=ETAG_HEADER)
@blueprint.fails(NOT_FOUND)
def show_product(product_id: int) -> Response:
    """Get a product"""
    product = _find(product_id)
    version = etag(product)
    response = Response(status=304) if request.if_none_match.contains_weak(version) else jsonify(product_json(product))
    response.set_etag(version)
    # Kept copies are fine, but whether they still hold is to be asked.
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.put("/<int:product_id>", parameters=PRODUCT_ID)
@blueprint.document(operationId="changeProduct", parameters=[IF_MATCH])
@blueprint.takes(ProductChangeSchema, location="json", example={"name": "Red lamp", "active": False})
@blueprint.answers(200, ProductSchema, "The product as it is now.", example=EXAMPLE, headers=ETAG_HEADER, links=LINKS)
@blueprint.fails(INVALID_PRODUCT, NOT_FOUND, DUPLICATE, CHANGED)
@repeated
def change_product(values: dict[str, Any], product_id: int) -> Response:
    """Change a product

    Only the given fields change, and where nothing would change nothing is written: `updated_at` stays. `id`,
    `created_at`, `updated_at` and unknown fields are ignored, so that a product can be sent back as it was answered.
    """
    product = _find(product_id, lock=True)
    _check_if_match(product)
    changed = {name: value for name, value in values.items() if getattr(product, name) != value}
    for name, value in changed.items():
        setattr(product, name, value)
    if changed:
        product.updated_at = func.clock_timestamp()
    return _saved(product, values, "product.updated" if changed else None)


@blueprint.delete("/<int:product_id>", parameters=PRODUCT_ID)
@blueprint.document(operationId="deleteProduct", parameters=[IF_MATCH])
@blueprint.answers(200, MessageSchema, "It is gone.", example={"message": "The product A-1 was deleted."})
@blueprint.fails(NOT_FOUND, CHANGED)
@repeated
def delete_product(product_id: int) -> Response:
    """Delete a product"""
    product = _find(product_id, lock=True)
    _check_if_match(product)
    db.session.delete(product)
    db.session.flush()
    _tell("product.deleted", product)
    db.session.commit()
    return jsonify(message=f"The product {product.sku} was deleted.")


def etag(product: Product) -> str:
    """The version of a product, without the quotes: its `updated_at` just as the JSON has it, so that whoever knows
    the product from a list knows its ETag."""
    return str(iso(product.updated_at))


def _check_if_match(product: Product) -> None:
    """Raises the 412 (RFC 9110, 13.1.1) unless the request is meant for the product as it is; its row must be locked.

    A weak ETag counts as the same, against the RFC: proxies that compress the answer make it weak.
    """
    if "If-Match" in request.headers and not request.if_match.contains_weak(etag(product)):
        db.session.rollback()
        raise CHANGED.error()


def _find(product_id: int, *, lock: bool = False) -> Product:
    try:
        product = db.session.get(Product, product_id, with_for_update=lock)
    except DataError:
        product = None
    if product is None:
        raise NOT_FOUND.error()
    return product


def _tell(event: str, product: Product) -> None:
    """Tells the webhooks, in the transaction of the change."""
    connection: Any = db.session.connection().connection.driver_connection
    with connection.cursor() as cursor:
        events.record_event(cursor, event, {"product": product_json(product)})


def _saved(product: Product, values: dict[str, Any], event: str | None) -> Response:
    """Commits with its event, and answers with what was written: once that is visible, others may change it."""
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        raise DUPLICATE.error(f"A product with the SKU {values.get('sku', '')} exists already.") from None
    if event:
        _tell(event, product)
    answer = jsonify(product_json(product))
    answer.set_etag(etag(product))
    db.session.commit()
    return answer


def _unusable_cursor() -> ApiError:
    sentence = "after must be what the page before gave as pagination.next, with the same sort_by and sort_order."
    return ApiError(400, INVALID_PARAMETER.code, sentence, {"after": [sentence]})
