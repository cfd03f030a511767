"""Finds the dialect of a CSV file from its first rows: the delimiter, the quote, and how quotes are escaped."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from importer.errors import FailureKind, UnusableFile
from importer.files.cells import has_width
from importer.files.header_search import MAX_COLUMNS, MAX_HEADER_ROWS, RateHeader, choose_header, read_leading_rows
from importer.files.line_repair import LineRepair, spaced_quote, unescape, unwrap

# The delimiters that are detected. Earlier ones win ties.
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
# Further delimiters that a client can choose, and a separator line can name.
OTHER_DELIMITERS = "^~:*#!$%&+-./<=>?@_"
# The quotes that a client can name. In the last two, a backslash escapes quotes within fields; they are not doubled.
QUOTES = {'"': "double", "'": "single", "none": "none", '\\"': "double-escaped", "\\'": "single-escaped"}
UNKNOWN_DELIMITER = FailureKind(
    "unknown_delimiter",
    "The delimiter `{delimiter}` is unknown. Use comma, semicolon, tab or pipe, or one of the characters"
    f" {' '.join(OTHER_DELIMITERS)} instead.",
)
UNKNOWN_QUOTE = FailureKind(
    "unknown_quote", f"The quote `{{quote}}` is unknown. Use one of {', '.join(QUOTES.values())}."
)
SNIFFED_CHARACTERS = 1 << 16
SNIFFED_ROWS = 200
# The line, such as `sep=;`, that names the delimiter for Excel at the start of a file.
SEPARATOR_LINE = re.compile(
    rf'"?sep=([{re.escape("".join(DELIMITERS) + OTHER_DELIMITERS)}])"?(?:\r\n|\n|\r)', re.IGNORECASE
)
# Blank text at the start of a file whose delimiter is not known yet.
BLANK_BEFORE_HEADER = re.compile(rf"[\s{re.escape(''.join(DELIMITERS))}]*")
# The quote that COPY gets for a file without quotes. Texts rarely contain it; if they do, it is doubled like any quote.
COPY_QUOTE_FOR_NONE = "\x01"


@dataclass(frozen=True)
class Dialect:
    """A delimiter and a quote: `"`, `'`, or "" if fields are never quoted.

    If `escaped`, quotes within fields are written as backslash and quote, not doubled. If `wrapped`, whole lines are
    quoted once more. If `spaced`, quotes may have spaces before them.
    """

    delimiter: str = ","
    quote: str = '"'
    escaped: bool = False
    wrapped: bool = False
    spaced: bool = False

    @property
    def copy_quote(self) -> str:
        """The quote for COPY, which cannot do without one."""
        return self.quote or COPY_QUOTE_FOR_NONE

    def reader(self, lines: Any) -> Any:
        """Return a `csv.reader` of lines. It raises `csv.Error` at a misplaced quote."""
        if not self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)
        if self.escaped or self.wrapped or self.spaced:
            lines = self.repair(lines)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)

    def repair(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield lines, of which the first one starts a row, with their quotes as RFC 4180 has them."""
        return self._line_repair.repair(lines)

    @cached_property
    def _line_repair(self) -> LineRepair:
        return LineRepair(self.delimiter, self.quote, escaped=self.escaped, wrapped=self.wrapped)

    @cached_property
    def with_spaces(self) -> Dialect:
        """The same dialect for text in which quotes may have spaces before them."""
        return replace(self, spaced=True)

    @cached_property
    def without_wrapper(self) -> Dialect:
        """The same dialect for what a wrapped line holds."""
        return replace(self, wrapped=False)

    def for_text(self, text: str) -> Dialect:
        """Return the dialect to read a text with: `with_spaces` if any quote at the start of a field follows spaces."""
        return self.with_spaces if self.has_spaced_quotes(text) else self

    def has_spaced_quotes(self, text: str) -> bool:
        """Return whether any quote at the start of a field has spaces before it. It may be within a quoted field."""
        quote = self.quote
        return bool(quote) and f" {quote}" in text and spaced_quote(self.delimiter, quote).search(text) is not None

    @cached_property
    def blank(self) -> re.Pattern[str]:
        """Matches blank text at the start of a row: whitespace, line ends, delimiters and empty quoted fields."""
        delimiter = re.escape(self.delimiter)
        if not self.quote:
            return re.compile(rf"[\s{delimiter}]*")
        # The possessive quantifier keeps no position to go back to, so the memory does not grow with the text.
        empty_field = rf"(?<![^\r\n{delimiter}]){self.quote * 2}(?![^\r\n{delimiter}])"
        return re.compile(rf"(?:[\s{delimiter}]+|{empty_field})*+")

    @property
    def delimiter_name(self) -> str:
        """The name of the delimiter for users."""
        return DELIMITERS.get(self.delimiter, f"`{self.delimiter}`")


class Sniffed(NamedTuple):
    """The dialect of a file, and the number of characters of its separator line, 0 without one."""

    dialect: Dialect
    separator_line_length: int


def find_delimiter(name: str) -> str:
    """Return the delimiter that a client gives, as a character or by name. Raise `UnusableFile` if it is unknown."""
    wanted = name.strip(" \r\n").lower()
    for delimiter, delimiter_name in DELIMITERS.items():
        if wanted in {delimiter, delimiter_name} or (wanted, delimiter_name) == ("\\t", "tab"):
            return delimiter
    if len(wanted) == 1 and wanted in OTHER_DELIMITERS:
        return wanted
    shown = "".join(filter(str.isprintable, name))[:20]
    raise UnusableFile(UNKNOWN_DELIMITER, delimiter=shown)


def find_quote(name: str) -> str:
    """Return the quote that a client gives, one of QUOTES or its name. Raise `UnusableFile` if it is unknown."""
    wanted = name.strip().lower()
    for quote, quote_name in QUOTES.items():
        if wanted in {quote, quote_name}:
            return quote
    shown = "".join(filter(str.isprintable, name))[:20]
    raise UnusableFile(UNKNOWN_QUOTE, quote=shown)


def sniff(
    text: str,
    rate_header: RateHeader,
    delimiter: str | None = None,
    quote: str | None = None,
    *,
    max_header_rows: int = MAX_HEADER_ROWS,
) -> Sniffed:
    """Find the dialect of a file from the `text` that it starts with.

    `rate_header` judges which of the first `max_header_rows` rows is the header. A given `delimiter` or `quote` (one of
    QUOTES) is used as it is.
    """
    separator_line = SEPARATOR_LINE.match(text)
    if separator_line:
        text = text[separator_line.end() :]
        delimiter = delimiter or separator_line[1]
    separator_line_length = separator_line.end() if separator_line else 0
    wrapper = _find_wrapper(text, rate_header, delimiter, quote)
    if wrapper:
        text = "".join(unwrap(line, wrapper) for line in io.StringIO(text, newline=""))
    chosen = delimiter or _sniff_delimiter(text, rate_header, quote, max_header_rows)
    if wrapper and quote is None:
        dialect, _ = _try_quote(text, chosen, wrapper)
    else:
        dialect = _create_dialect(text, chosen, quote)
    return Sniffed(replace(dialect, wrapped=bool(wrapper)), separator_line_length)


def _find_wrapper(text: str, rate_header: RateHeader, delimiter: str | None, quote: str | None) -> str | None:
    """Return the quote in which each whole line is quoted once more; None if the header is no such line.

    The name of the only column may contain a delimiter, so most rows below the header must contain one, too.
    """
    lines = io.StringIO(text, newline="").readlines()[:SNIFFED_ROWS]
    for wrapper in "\"'":
        for number, line in enumerate(lines[:MAX_HEADER_ROWS]):
            header = line.rstrip("\r\n")
            if quote not in {None, wrapper} or (inner := unwrap(header, wrapper)) == header:
                continue
            for separator in [delimiter] if delimiter else DELIMITERS:
                cells = next(csv.reader([inner], delimiter=separator, quotechar=wrapper), [])
                if len(cells) > 1 and rate_header(cells[:MAX_COLUMNS]).has_sku:
                    dialect = Dialect(separator, wrapper, wrapped=True, spaced=True)
                    rows = read_leading_rows("".join(lines[number + 1 :]), dialect.reader, SNIFFED_ROWS)
                    if 2 * sum(separator in row.raw for row in rows) >= len(rows):
                        return wrapper
    return None


def _create_dialect(text: str, delimiter: str, quote: str | None) -> Dialect:
    if quote is None:
        return _sniff_quote(text, delimiter)
    return Dialect(delimiter, "" if quote == "none" else quote[-1], escaped=quote.startswith("\\"))


def _sniff_delimiter(text: str, rate_header: RateHeader, quote: str | None, max_header_rows: int) -> str:
    best, best_score = ",", (False, 0.0, 0, 1)
    for delimiter in DELIMITERS:
        if delimiter not in text:
            continue
        dialect = _create_dialect(text, delimiter, quote).for_text(text)
        rows = [row.cells for row in read_leading_rows(text, dialect.reader, SNIFFED_ROWS)]
        if not rows:
            continue
        header, *others = rows[choose_header(rows[:max_header_rows], rate_header) :]
        if len(header) > 1:
            # The last row may be cut off, so the share is rounded.
            same_width = sum(has_width(row, len(header)) for row in others) / len(others) if others else 1.0
            rating = rate_header(header[:MAX_COLUMNS])
            score = (rating.has_sku, round(same_width, 1), rating.known_columns, len(header))
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _sniff_quote(text: str, delimiter: str) -> Dialect:
    """Return the dialect with the quote that a text uses, and with how the text writes quotes within fields."""
    # Fields can start with an apostrophe, so it is the quote only if the header uses it.
    header = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    if _count_quoted_fields(header, delimiter, "'")[0]:
        dialect, is_plausible = _try_quote(text, delimiter, "'")
        if is_plausible:
            return dialect
    dialect, is_plausible = _try_quote(text, delimiter, '"')
    # Files with tabs or pipes often use no quotes at all. With other delimiters, misplaced quotes are mistakes.
    return dialect if is_plausible or delimiter not in "\t|" else Dialect(delimiter, "")


def _try_quote(text: str, delimiter: str, quote: str) -> tuple[Dialect, bool]:
    """Return the dialect with this quote, and whether it is plausible for the text."""
    closed, continued = _count_quoted_fields(text, delimiter, quote)
    if continued and f"\\{quote}" in text:
        unescaped = unescape(text, quote)
        closed_unescaped, continued_unescaped = _count_quoted_fields(unescaped, delimiter, quote)
        if closed_unescaped and 2 * continued_unescaped < continued:
            return Dialect(delimiter, quote, escaped=True), True
    return Dialect(delimiter, quote), closed >= continued


def _count_quoted_fields(text: str, delimiter: str, quote: str) -> tuple[int, int]:
    """Return how many fields start and end with a quote, and how many continue after their closing quote."""
    if quote not in text:
        return 0, 0
    delimiter = re.escape(delimiter)
    fields = re.finditer(
        rf"(?:\A|(?<=[\r\n{delimiter}])){quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*"
        rf"({quote}(?=[\r\n{delimiter}]|\Z))?",
        text,
    )
    closed = continued = 0
    for field in fields:
        if field[1]:
            closed += 1
        elif field.end() < len(text):
            # Only the last field can be cut off; it counts for neither.
            continued += 1
    return closed, continued
