"""Pages of a list: the limits of their parameters, the query for one page, and the `pagination` object."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Select, func, select

from models import db

Row = TypeVar("Row")

DEFAULT_PER_PAGE = 50
MAX_PER_PAGE = 500
MAX_PAGE = 10**12


def fetch_page(
    query: Select[Row], page: int, per_page: int, *, total: int | None = None
) -> tuple[list[Row], dict[str, Any]]:
    """Run a sorted query for one page, counted from 1; return its rows and the `pagination` object.

    `total` is the number of all rows; they are counted if it is not known.
    """
    if total is None:
        total = db.session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    offset = (page - 1) * per_page
    rows = list(db.session.scalars(query.offset(offset).limit(per_page))) if offset < total else []
    return rows, pagination_json(page, per_page, total)


def pagination_json(page: int, per_page: int, total: int) -> dict[str, Any]:
    """Return the `pagination` object of a list with `total` entries."""
    return {"page": page, "per_page": per_page, "total": total, "pages": -(-total // per_page)}
