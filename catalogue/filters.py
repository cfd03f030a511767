"""The product filters of the API, and the SQL condition that they stand for."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from psycopg2 import sql

from database.skus import clean_part

TRIGRAM_PATTERN = re.compile(r"[^\W_]{3}")
TEXT_COLUMNS = ("sku", "name", "description")


@dataclass(frozen=True)
class Filter:
    """A filter of products: a product matches if it meets every given field. Empty texts and None match everything.

    A text matches if the column contains it, ignoring case; `q` matches if any of the three text columns contains it.
    A text that is looked for in SKUs is cleaned like a SKU.
    No text may hold a NUL or a lone surrogate, which PostgreSQL cannot store.
    """

    q: str = ""
    sku: str = ""
    name: str = ""
    description: str = ""
    active: bool | None = None

    @property
    def has_text(self) -> bool:
        """Whether the filter looks for a text."""
        return bool(self.q or self.sku or self.name or self.description)

    @property
    def has_trigrams(self) -> bool:
        """Whether a text has three letters or digits in a row; a trigram index cannot help to find any other text."""
        return any(map(TRIGRAM_PATTERN.search, (self.q, self.sku, self.name, self.description)))

    @property
    def is_empty(self) -> bool:
        """Whether every product matches."""
        return not self.has_text and self.active is None

    def to_json(self) -> dict[str, Any]:
        """Return the given fields, as a JSON body has them."""
        return {name: value for name, value in asdict(self).items() if value not in {"", None}}

    def condition(self) -> sql.Composable:
        """Return the condition for a WHERE clause over `products`.

        The values are literals, not parameters, so the planner can estimate how many rows match them.
        """
        conditions: list[sql.Composable] = []
        if self.q:
            in_any_column = sql.SQL(" OR ").join(contains(column, self.q) for column in TEXT_COLUMNS)
            conditions.append(sql.SQL("({})").format(in_any_column))
        conditions += [contains(column, text) for column in TEXT_COLUMNS if (text := getattr(self, column))]
        if self.active is not None:
            conditions.append(sql.SQL("active" if self.active else "NOT active"))
        return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")


def contains(column: str, text: str) -> sql.Composable:
    """Return the SQL condition that a column contains a text, ignoring case; `%` and `_` are plain characters.

    A text of invisible characters only is in no SKU. Without them it would be empty, and every SKU contains that.
    """
    if column == "sku":
        text = clean_part(text)
        if not text:
            return sql.SQL("false")
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return sql.SQL("{} ILIKE {}").format(sql.Identifier(column), sql.Literal(f"%{escaped}%"))
