"""SQL conditions for texts in products, and how the search index of texts finds several of them at once.

The index (catalogue/search_indexes.py) has the SKU, the name, and all texts of a product joined. The joined texts have
several words wherever each of them is, so the index finds the products with all of them without reading any others.

The index has trigrams: three characters in a row. It finds a pair of letters or digits as well, by looking for the pair
with each ASCII character before or after it. A second index lists the mixed texts, in which a pair may have no ASCII
character beside it.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from database.patterns import containing
from database.skus import clean_part

TRIGRAM_PATTERN = re.compile(r"[^\W_]{3}")
PAIR_PATTERN = re.compile(r"[0-9A-Za-z]{2}")
TEXT_COLUMNS = ("sku", "name", "description")
# Comparisons of a column with a pattern, ignoring case. An index serves the first one only. The third one does the same
# for rows that no index finds, and takes less time, because it converts the pattern once. The last one is for columns
# that are in lower case already, so that many texts cost little more than one.
INDEXABLE, NOT_INDEXABLE = "{} ILIKE {}", "({} || '') ILIKE {}"
SCANNED, IN_LOWER_CASE = "lower({}) LIKE lower({})", "{} LIKE lower({})"
# A character that hardly any text has.
SEPARATOR = "\x1f"
JOINED_TEXTS = "(sku || E'\\x1f' || name || E'\\x1f' || description)"
INDEXED_COLUMNS = ("sku", "name")
# At the start of a text, a pair has a trigram with the blank that stands for the start; at the end, it has none.
PAIR_SQL = JOINED_TEXTS + r" ~* '{pair}[\x01-\x7f]|[\x01-\x7f]{pair}|^{pair}'"
# The two characters at the end are outside ASCII, but in lower case they have an ASCII letter.
MIXED_SQL = JOINED_TEXTS + r" ~ '[^\x01-\x7f][0-9A-Za-z]{2}([^\x01-\x7f]|$)|[\u0130\u212a]'"
# The index combines the lists of many trigrams faster than PostgreSQL reads rows, but not those of any number of words.
MAX_INDEXED_MATCHES = 4


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

    @property
    def is_pair(self) -> bool:
        """Whether the index helps if few products match: the text is wanted, and is a pair of letters or digits."""
        return not self.excluded and PAIR_PATTERN.fullmatch(self.text) is not None

    def condition(self, comparison: str = INDEXABLE) -> sql.Composable:
        """Return the SQL condition, with one of the comparisons above."""
        in_any_column = sql.SQL(" OR ").join(contains(column, self.text, comparison) for column in self.columns)
        return sql.SQL("NOT ({})" if self.excluded else "({})").format(in_any_column)

    @property
    def _is_in_joined_texts(self) -> bool:
        """Whether the text is in one of the columns exactly if it is in the joined texts."""
        return self.columns == TEXT_COLUMNS and clean_part(self.text) == self.text and SEPARATOR not in self.text

    def scan_condition(self) -> sql.Composable:
        """Return a condition for rows that no index finds."""
        if not self._is_in_joined_texts:
            return self.condition(SCANNED)
        in_texts = sql.SQL(SCANNED).format(sql.SQL(JOINED_TEXTS), _pattern(self.text))
        return sql.SQL("NOT ({})" if self.excluded else "({})").format(in_texts)

    def indexed_condition(self) -> sql.Composable:
        """Return a condition that uses the index, for a match that `is_indexable`."""
        if self.columns[0] in INDEXED_COLUMNS and len(self.columns) == 1:
            return self.condition()
        in_texts = sql.SQL(INDEXABLE).format(sql.SQL(JOINED_TEXTS), _pattern(self.text))
        if self._is_in_joined_texts:
            return in_texts
        if "sku" in self.columns:
            in_texts = sql.SQL("({} OR {})").format(contains("sku", self.text), in_texts)
        return sql.SQL("{} AND {}").format(in_texts, self.condition(NOT_INDEXABLE))

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
    return sql.SQL(comparison).format(sql.Identifier(column), _pattern(text))


def _pattern(text: str) -> sql.Composable:
    """Return the pattern of the texts that contain a text."""
    return sql.Literal(containing(text))


def indexed_condition(
    matches: Sequence[TextMatch], shares: Sequence[float] = (), *, enough: float = 0
) -> sql.Composable:
    """Return a condition for products that meet all demands, which uses the index for the first indexable ones.

    `shares` are those of all products that meet each demand, if they are known. Then the condition uses the index for
    the rarest texts, until these leave `enough` of all products: about their product, as if the texts had nothing to do
    with each other. The rarest one is first, so that the index skips most of the lists of the others.
    """
    ranked = sorted(zip(shares or [0.0] * len(matches), matches, strict=True), key=operator.itemgetter(0))
    indexable = [(share, match) for share, match in ranked if match.is_indexable][:MAX_INDEXED_MATCHES]
    left = itertools.accumulate((share for share, _ in indexable), operator.mul, initial=1.0)
    indexed = [match for (_, match), share in zip(indexable, left, strict=False) if not shares or share > enough]
    others = [match.scan_condition() for match in matches if match not in indexed]
    return sql.SQL(" AND ").join([*(match.indexed_condition() for match in indexed), *others])


def pairs_condition(matches: Sequence[TextMatch]) -> sql.Composable:
    """Return a condition that uses the index, and that all matches meet except for those in mixed texts.

    One of the demands must be a pair.
    """
    pairs = [match.text for match in matches if match.is_pair][:MAX_INDEXED_MATCHES]
    return sql.SQL("(" + " AND ".join(PAIR_SQL.format(pair=pair) for pair in pairs) + ")")
