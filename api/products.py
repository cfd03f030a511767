"""The catalogue: find, create, change, remove products."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from flask import Blueprint, Response, jsonify, request
from psycopg2 import errorcodes
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from api.errors import ApiError
from api.pages import iso, page_of
from models import NAME_MAX_CHARACTERS, SKU_MAX_CHARACTERS, Product, db

blueprint = Blueprint("products", __name__, url_prefix="/api/products")

P = ParamSpec("P")
R = TypeVar("R")

MAX_REPEATS = 5
REPEATABLE = {errorcodes.DEADLOCK_DETECTED, errorcodes.SERIALIZATION_FAILURE}
TEXT_COLUMNS = {"sku": Product.sku, "name": Product.name, "description": Product.description}
SORTABLE = {column: getattr(Product, column) for column in ("id", "sku", "name", "active", "created_at", "updated_at")}


def product_json(product: Product) -> dict[str, Any]:
    """A product as clients see it."""
    return {
        "id": product.id,
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "active": product.active,
        "created_at": iso(product.created_at),
        "updated_at": iso(product.updated_at),
    }


def repeated(view: Callable[P, R]) -> Callable[P, R]:
    """Runs a view again when PostgreSQL chose its transaction to end a deadlock, as with an import's that met it."""

    @functools.wraps(view)
    def run(*arguments: P.args, **named: P.kwargs) -> R:
        for _ in range(MAX_REPEATS):
            try:
                return view(*arguments, **named)
            except OperationalError as error:
                if getattr(error.orig, "pgcode", None) not in REPEATABLE:
                    raise
                db.session.rollback()
        return view(*arguments, **named)

    return run


@blueprint.get("")
def list_products() -> Response:
    """A page of the products that match every given filter; texts match when they contain it, in any case."""
    query = select(Product).where(*_filters())
    sort_by, sort_order = request.args.get("sort_by") or "id", request.args.get("sort_order") or "asc"
    if sort_by not in SORTABLE:
        raise _unusable("sort_by", f"sort_by must be one of {', '.join(SORTABLE)}.")
    if sort_order not in {"asc", "desc"}:
        raise _unusable("sort_order", "sort_order must be asc or desc.")
    column = SORTABLE[sort_by]
    order = [column, Product.id] if sort_by != "id" else [column]
    rows, pagination = page_of(query.order_by(*(item.desc() if sort_order == "desc" else item for item in order)))
    return jsonify(products=[product_json(product) for product in rows], pagination=pagination)


def _filters() -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for name in ("q", *TEXT_COLUMNS):
        text = request.args.get(name, "").strip()
        if "\0" in text:
            raise _unusable(name, f"{name} must not contain NUL characters.")
        if text:
            columns = TEXT_COLUMNS.values() if name == "q" else [TEXT_COLUMNS[name]]
            conditions.append(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    active = request.args.get("active", "").strip().lower()
    if active not in {"", "true", "false"}:
        raise _unusable("active", "active must be true or false.")
    if active:
        conditions.append(Product.active.is_(active == "true"))
    return conditions


@blueprint.post("")
@repeated
def create_product() -> tuple[Response, int]:
    """Creates a product; 409 when its SKU exists."""
    values = _values(_body(), {"sku"})
    product = Product(**values)
    db.session.add(product)
    return _saved(product, values), 201


@blueprint.get("/<int:product_id>")
def show_product(product_id: int) -> Response:
    """A single product."""
    return jsonify(product_json(_find(product_id)))


@blueprint.put("/<int:product_id>")
@repeated
def change_product(product_id: int) -> Response:
    """Changes the fields that are given; a change to what is there already changes nothing."""
    values = _values(_body(), set())
    product = _find(product_id, lock=True)
    changed = {name: value for name, value in values.items() if getattr(product, name) != value}
    for name, value in changed.items():
        setattr(product, name, value)
    if changed:
        product.updated_at = func.clock_timestamp()
    return _saved(product, values)


@blueprint.delete("/<int:product_id>")
@repeated
def delete_product(product_id: int) -> Response:
    """Removes a product."""
    product = _find(product_id, lock=True)
    db.session.delete(product)
    db.session.commit()
    return jsonify(message=f"The product {product.sku} was deleted.")


def _find(product_id: int, *, lock: bool = False) -> Product:
    try:
        product = db.session.get(Product, product_id, with_for_update=lock)
    except DataError:
        product = None
    if product is None:
        raise ApiError(404, "product_not_found", "There is no product with this id.")
    return product


def _body() -> dict[str, Any]:
    body = request.get_json()
    if not isinstance(body, dict):
        raise ApiError(400, "invalid_body", "The body must be a JSON object.")
    return body


def _values(body: dict[str, Any], required: set[str]) -> dict[str, Any]:
    """Checks the fields of a product; raises a 400 that names every unusable one."""
    problems: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    limits = {"sku": SKU_MAX_CHARACTERS, "name": NAME_MAX_CHARACTERS, "description": None}
    for name, limit in limits.items():
        if name not in body and name not in required:
            continue
        text = body.get(name)
        if not isinstance(text, str):
            problems[name] = ["This must be a text." if name in body else "This field is required."]
            continue
        text = text.strip() if name == "sku" else text
        if name == "sku" and not text:
            problems[name] = ["The SKU must not be empty."]
        elif limit and len(text) > limit:
            problems[name] = [f"At most {limit} characters are allowed, these are {len(text)}."]
        elif "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            problems[name] = ["This contains characters that are no text."]
        values[name] = text
    if "active" in body:
        values["active"] = body["active"]
        if not isinstance(body["active"], bool):
            problems["active"] = ["This must be true or false."]
    if problems:
        raise ApiError(400, "invalid_product", "The product has unusable values: see fields.", problems)
    return values


def _saved(product: Product, values: dict[str, Any]) -> Response:
    """Commits, and answers with what was written: once that is visible, others may change or delete it."""
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        sentence = f"A product with the SKU {values.get('sku', '')} exists already."
        raise ApiError(409, "duplicate_sku", sentence, {"sku": [sentence]}) from None
    answer = jsonify(product_json(product))
    db.session.commit()
    return answer


def _unusable(name: str, sentence: str) -> ApiError:
    return ApiError(400, "invalid_parameter", sentence, {name: [sentence]})
