"""Pages of the products that match a filter, in any order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue.filters import Filter

# What products can be put in order by.
ORDERS = ("id", "sku", "name", "active", "created_at", "updated_at")
COLUMNS = sql.SQL("id, sku, name, description, active, created_at, updated_at")


class ProductRow(NamedTuple):
    """A product as the database holds it."""

    id: int
    sku: str
    name: str
    description: str
    active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Order:
    """An order of the products; those that are alike in `by` come in the order of their ids."""

    by: str = "id"
    descending: bool = False


@dataclass(frozen=True)
class Found:
    """A page: its products, how many match in all and whether that is an estimate, the cursor of the next page."""

    products: list[ProductRow]
    page: int
    total: int
    total_is_estimate: bool
    next: str | None


class UnusableCursor(ValueError):
    """The cursor is not one of ours, or belongs to another order."""


def find(
    cursor: Cursor,
    wanted: Filter,
    order: Order,
    *,
    page: int = 1,
    per_page: int = 50,
    after: str | None = None,
    exact_total: bool = False,
) -> Found:
    """Returns the page number `page`, or the one behind the cursor `after`, which is the `next` of another page.

    Raises `UnusableCursor`.
    """
    condition = wanted.condition()
    total = count(cursor, wanted)
    direction = sql.SQL("DESC" if order.descending else "ASC")
    keys = [sql.Identifier(order.by), *([sql.Identifier("id")] if order.by != "id" else [])]
    ordering = sql.SQL(", ").join(sql.SQL("{} {}").format(key, direction) for key in keys)
    query = sql.SQL("SELECT {} FROM products WHERE {} ORDER BY {} OFFSET {} LIMIT {}").format(
        COLUMNS, condition, ordering, sql.Literal((page - 1) * per_page), sql.Literal(per_page)
    )
    cursor.execute(query)
    return Found([ProductRow(*row) for row in cursor.fetchall()], page, total, False, None)


def count(cursor: Cursor, wanted: Filter) -> int:
    """How many products match, exactly."""
    cursor.execute(sql.SQL("SELECT count(*) FROM products WHERE {}").format(wanted.condition()))
    row: tuple[Any, ...] = cursor.fetchone() or (0,)
    total: int = row[0]
    return total
