"""How a list of products is sorted, and the page tokens that continue such a list."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2 import sql

from catalogue.search_indexes import ACTIVE_INDEX, CREATED_INDEX, NAME_INDEX, SKU_INDEX

MAX_BIGINT = 2**63 - 1
MAX_TOKEN_CHARACTERS = 8_000


class SortKey(NamedTuple):
    """A value that products are sorted by.

    `expression` is SQL over `products`, and `type` the Python type of its values. `unique`: no two products share a
    value. `indexed`: an index on the whole table has this order. `search_index`: the kind of search index that has this
    order (catalogue/search_indexes.py), which leaves out the recent products.
    """

    expression: str
    type: type
    unique: bool
    indexed: bool
    search_index: str


# `id` names the search index of `active`, because that has the products of each state in the order of their ids.
# Texts are sorted by their lower-case bytes, which gives the same order in every database.
SORT_KEYS = {
    "id": SortKey("id", int, unique=True, indexed=True, search_index=ACTIVE_INDEX),
    "sku": SortKey('lower(sku) COLLATE "C"', str, unique=True, indexed=True, search_index=SKU_INDEX),
    "name": SortKey('lower(name) COLLATE "C"', str, unique=False, indexed=False, search_index=NAME_INDEX),
    "active": SortKey("active", bool, unique=False, indexed=False, search_index=ACTIVE_INDEX),
    "created_at": SortKey("created_at", datetime, unique=False, indexed=False, search_index=CREATED_INDEX),
    "updated_at": SortKey("updated_at", datetime, unique=False, indexed=True, search_index=""),
}


class InvalidPageToken(ValueError):
    """The page token was not issued by this API, or belongs to another sorting."""


@dataclass(frozen=True)
class Sorting:
    """The order of a list of products; products with equal keys are sorted by id.

    `by` is a name in `SORT_KEYS`.
    """

    by: str = "id"
    descending: bool = False

    @property
    def key(self) -> SortKey:
        """The sort key named by `by`."""
        return SORT_KEYS[self.by]

    def order_by(self) -> sql.Composable:
        """Return the ORDER BY list for rows with the columns `key` and `id`."""
        direction = "DESC" if self.descending else "ASC"
        return sql.SQL(f"key {direction}" + ("" if self.key.unique else f", id {direction}"))


@dataclass(frozen=True)
class PageToken:
    """The position of the last product of a page, from which the next page continues.

    `page` is the number of that page, counted from 1; `value` and `product_id` are the sort key and the id of its last
    product.
    """

    sorting: Sorting
    page: int
    value: Any
    product_id: int

    def encode(self) -> str:
        """Return the token as an opaque text for clients, in the URL-safe base64 of RFC 4648 without padding."""
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        fields = [self.sorting.by, int(self.sorting.descending), self.page, value, self.product_id]
        text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @staticmethod
    def decode(text: str, sorting: Sorting) -> PageToken:
        """Return the token that `encode` turned into `text`.

        Raises `InvalidPageToken` if `text` is no token, or the token of another sorting. Clients may send anything, so
        every field is checked before it reaches SQL.
        """
        try:
            if len(text) > MAX_TOKEN_CHARACTERS:
                raise ValueError
            fields = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            by, descending, page, value, product_id = fields
            if sorting.key.type is datetime:
                value = datetime.fromisoformat(value)
            numbers = (descending, page, product_id)
            if not all(type(number) is int and 0 <= number <= MAX_BIGINT for number in numbers):
                raise ValueError
            if (by, descending) != (sorting.by, int(sorting.descending)) or type(value) is not sorting.key.type:
                raise ValueError
            _check_value(value)
        except (binascii.Error, ValueError, TypeError, RecursionError):
            raise InvalidPageToken from None
        return PageToken(sorting, page, value, product_id)

    def follows(self, key: str) -> sql.Composable:
        """Return the SQL condition that a row comes after this position.

        `key` is the SQL expression of the row's sort key; the row also has the column `id`.
        """
        sign = "<" if self.sorting.descending else ">"
        if self.sorting.key.unique:
            return sql.SQL(f"{key} {sign} {{}}").format(sql.Literal(self.value))
        return sql.SQL(f"({key}, id) {sign} ({{}}, {{}})").format(sql.Literal(self.value), sql.Literal(self.product_id))


def _check_value(value: Any) -> None:
    """Raise `ValueError` if PostgreSQL cannot compare the value with a sort key of its type."""
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError
    if isinstance(value, int) and abs(value) > MAX_BIGINT:
        raise ValueError
    if isinstance(value, str):
        value.encode()  # A lone surrogate raises `UnicodeEncodeError`, which is a `ValueError`.
        if "\0" in value:
            raise ValueError
