"""Which products are meant: the filters of the API as a condition in SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg2 import sql

TRIGRAM = re.compile(r"[^\W_]{3}")
TEXTS = ("sku", "name", "description")


@dataclass(frozen=True)
class Filter:
    """Products that match every given part. A text matches where it contains the part, in any case; empty: any.

    `q` looks into all three texts. No part may hold a NUL or a lone surrogate, which PostgreSQL has no text for.
    """

    q: str = ""
    sku: str = ""
    name: str = ""
    description: str = ""
    active: bool | None = None

    @property
    def has_text(self) -> bool:
        """Whether any text is looked for."""
        return bool(self.q or self.sku or self.name or self.description)

    @property
    def has_trigrams(self) -> bool:
        """Whether a text has three letters or digits in a row; without, an index on trigrams is of no use."""
        return any(map(TRIGRAM.search, (self.q, self.sku, self.name, self.description)))

    @property
    def is_empty(self) -> bool:
        """Whether every product matches."""
        return not self.has_text and self.active is None

    def condition(self) -> sql.Composable:
        """The filter for a WHERE over `products`, with its values as literals: the planner sees what is looked for."""
        parts: list[sql.Composable] = []
        if self.q:
            anywhere = sql.SQL(" OR ").join(contains(column, self.q) for column in TEXTS)
            parts.append(sql.SQL("({})").format(anywhere))
        parts += [contains(column, text) for column in TEXTS if (text := getattr(self, column))]
        if self.active is not None:
            parts.append(sql.SQL("active" if self.active else "NOT active"))
        return sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")


def contains(column: str, text: str) -> sql.Composable:
    """The condition that a column contains a text, in any case; `%` and `_` are plain characters."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return sql.SQL("{} ILIKE {}").format(sql.Identifier(column), sql.Literal(f"%{escaped}%"))
