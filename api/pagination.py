"""Pages of a list: how they are asked for and what is said about them."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import request
from sqlalchemy import Select, func, select

from api.errors import ApiError
from models import db

Row = TypeVar("Row")

DEFAULT_PER_PAGE = 50
MAX_PER_PAGE = 500
MAX_PAGE = 10**12
GIVEN_TWICE = "{} must be given only once."


def read_whole_number(name: str, text: str, high: int) -> int:
    """Returns a text as a number from 1 to `high`; raises `ValueError` with a sentence that names it."""
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or not 1 <= int(text) <= high:
        raise ValueError(f"{name} must be a whole number from 1 to {high}.")
    return int(text)


def parameter(name: str) -> str:
    """Returns a query parameter, empty where there is none; raises a 400 where there are several of the name."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise _unusable(name, GIVEN_TWICE.format(name))
    return values[0] if values else ""


def whole_number(name: str, default: int, high: int) -> int:
    """Returns the query parameter `name` as a number from 1 to `high`; raises a 400 that names it."""
    text = parameter(name)
    try:
        return read_whole_number(name, text, high) if text else default
    except ValueError as error:
        raise _unusable(name, str(error)) from None


def _unusable(name: str, sentence: str) -> ApiError:
    return ApiError(400, "invalid_parameter", sentence, {name: [sentence]})


def page_of(query: Select[Row]) -> tuple[list[Row], dict[str, Any]]:
    """Runs an ordered query for the page that the request asks for; returns its rows and the `pagination` object."""
    page, per_page = whole_number("page", 1, MAX_PAGE), whole_number("per_page", DEFAULT_PER_PAGE, MAX_PER_PAGE)
    total = db.session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    offset = (page - 1) * per_page
    rows = list(db.session.scalars(query.offset(offset).limit(per_page))) if offset < total else []
    return rows, {"page": page, "per_page": per_page, "total": total, "pages": -(-total // per_page)}
