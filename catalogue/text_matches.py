"""SQL conditions for texts in products, and how the search index of texts finds several of them at once.

The index (catalogue/search_indexes.py) has each text column. It finds the products that have one text in one column and
another text in the same or another column without reading any others. So a condition for it lists the pairs of columns.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from database.skus import clean_part

TRIGRAM_PATTERN = re.compile(r"[^\W_]{3}")
TEXT_COLUMNS = ("sku", "name", "description")
# Comparisons of a column with a pattern, ignoring case. An index serves the first one only. The last one is for columns
# that are in lower case already, so that many texts cost little more than one.
INDEXABLE, NOT_INDEXABLE, IN_LOWER_CASE = "{} ILIKE {}", "({} || '') ILIKE {}", "{} LIKE lower({})"
# Two texts in any of three columns make nine pairs of columns, three texts would make 27.
MAX_INDEXED_MATCHES = 2


@dataclass(frozen=True)
class TextMatch:
    """The demand that one of the columns contains a text, ignoring case, or that none does if it is `excluded`."""

    text: str
    columns: tuple[str, ...] = TEXT_COLUMNS
    excluded: bool = False

    @property
    def is_indexable(self) -> bool:
        """Whether the index helps: the text is wanted, and has three letters or digits in a row."""
        return not self.excluded and TRIGRAM_PATTERN.search(self.text) is not None

    def condition(self, comparison: str = INDEXABLE) -> sql.Composable:
        """Return the SQL condition, with one of the comparisons above."""
        in_any_column = sql.SQL(" OR ").join(contains(column, self.text, comparison) for column in self.columns)
        return sql.SQL("NOT ({})" if self.excluded else "({})").format(in_any_column)

    def contradicts(self, other: TextMatch) -> bool:
        """Return whether no product can meet both demands: this one wants a text that has the other, excluded one."""
        return (
            other.excluded > self.excluded
            and set(self.columns) <= set(other.columns)
            and other.text in self.text
            and self.text.isascii()  # SKUs are compared in NFC, where a letter may be no part of a longer text.
        )


def contains(column: str, text: str, comparison: str = INDEXABLE) -> sql.Composable:
    """Return the SQL condition that a column contains a text, ignoring case; `%` and `_` are plain characters.

    A text of invisible characters only is in no SKU. Without them it would be empty, and every SKU contains that.
    """
    if column == "sku":
        text = clean_part(text)
        if not text:
            return sql.SQL("false")
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return sql.SQL(comparison).format(sql.Identifier(column), sql.Literal(f"%{escaped}%"))


def indexed_condition(matches: Sequence[TextMatch]) -> sql.Composable:
    """Return a condition for products that meet all demands, which uses the index for the first indexable ones.

    The planner would use the index for one demand only, because it does not intersect partial indexes with the same
    condition.
    """
    indexed = [match for match in matches if match.is_indexable][:MAX_INDEXED_MATCHES]
    others = [match.condition(NOT_INDEXABLE) for match in matches if match not in indexed]
    pairs = [
        sql.SQL(" AND ").join(contains(column, match.text) for match, column in zip(indexed, columns, strict=True))
        for columns in itertools.product(*(match.columns for match in indexed))
    ]
    return sql.SQL(" AND ").join([sql.SQL("({})").format(sql.SQL(" OR ").join(pairs)), *others])
