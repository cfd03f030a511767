"""Orders of the products, and bookmarks in them: where the next page begins."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2 import sql

MAX_NUMBER = 2**63 - 1
LONGEST_BOOKMARK = 8_000


class Key(NamedTuple):
    """What an order goes by: an expression in SQL, the type of its values, whether no two products share one.

    `indexed`: all products have an index in this order; for the others those of catalogue/index.py do.
    """

    expression: str
    type: type
    unique: bool
    indexed: bool


# Texts are in order by their small letters, byte by byte: the same order in every database.
KEYS = {
    "id": Key("id", int, unique=True, indexed=True),
    "sku": Key('lower(sku) COLLATE "C"', str, unique=True, indexed=True),
    "name": Key('lower(name) COLLATE "C"', str, unique=False, indexed=False),
    "active": Key("active", bool, unique=False, indexed=False),
    "created_at": Key("created_at", datetime, unique=False, indexed=False),
    "updated_at": Key("updated_at", datetime, unique=False, indexed=True),
}


class UnusableCursor(ValueError):
    """The cursor is not one of ours, or belongs to another order."""


@dataclass(frozen=True)
class Order:
    """An order of the products; those that are alike in `by` come in the order of their ids."""

    by: str = "id"
    descending: bool = False

    @property
    def key(self) -> Key:
        """What the order goes by."""
        return KEYS[self.by]

    def clause(self) -> sql.Composable:
        """For an ORDER BY over rows that have `key` and `id`."""
        direction = "DESC" if self.descending else "ASC"
        return sql.SQL(f"key {direction}" + ("" if self.key.unique else f", id {direction}"))


@dataclass(frozen=True)
class Bookmark:
    """The last product of a page: the page's number, the product's key in the order, its id."""

    order: Order
    page: int
    value: Any
    id: int

    def text(self) -> str:
        """The bookmark as clients hand it back: URL-safe, and theirs to keep, not to read."""
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        fields = [self.order.by, int(self.order.descending), self.page, value, self.id]
        return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")

    @staticmethod
    def read(text: str, order: Order) -> Bookmark:
        """Reads what `text` gave; raises `UnusableCursor` where it is not that, or of another order."""
        try:
            if len(text) > LONGEST_BOOKMARK:
                raise ValueError
            fields = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            by, descending, page, value, product_id = fields
            if order.key.type is datetime:
                value = datetime.fromisoformat(value)
            whole = all(type(number) is int and 0 <= number <= MAX_NUMBER for number in (descending, page, product_id))
            if not whole or type(value) is not order.key.type or (by, descending) != (order.by, int(order.descending)):
                raise ValueError
            if isinstance(value, datetime) and value.tzinfo is None:
                raise ValueError
            if isinstance(value, int) and abs(value) > MAX_NUMBER:
                raise ValueError
            if isinstance(value, str):
                value.encode()
                if "\0" in value:
                    raise ValueError
        except (binascii.Error, ValueError, TypeError, RecursionError):
            raise UnusableCursor from None
        return Bookmark(order, page, value, product_id)

    def behind(self, key: str) -> sql.Composable:
        """The condition that a row comes behind this one; `key` is the order's key of the row in SQL."""
        sign = "<" if self.order.descending else ">"
        if self.order.key.unique:
            return sql.SQL(f"{key} {sign} {{}}").format(sql.Literal(self.value))
        return sql.SQL(f"({key}, id) {sign} ({{}}, {{}})").format(sql.Literal(self.value), sql.Literal(self.id))
