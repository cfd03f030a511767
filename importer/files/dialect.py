"""Finds the dialect of a CSV file from its first rows: the delimiter, the quote, and how quotes are escaped."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from importer.errors import UnusableFile
from importer.files.header_search import MAX_COLUMNS, MAX_HEADER_ROWS, RateHeader, choose_header, read_leading_rows

# The delimiters that are detected. Earlier ones win ties.
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
# Further delimiters that a client can choose, and a separator line can name.
OTHER_DELIMITERS = "^~:*#!$%&+-./<=>?@_"
# The quotes that a client can name. In the last two, a backslash escapes quotes within fields; they are not doubled.
QUOTES = {'"': "double", "'": "single", "none": "none", '\\"': "double-escaped", "\\'": "single-escaped"}
SNIFFED_CHARACTERS = 1 << 16
SNIFFED_ROWS = 200
# The line, such as `sep=;`, that names the delimiter for Excel at the start of a file.
SEPARATOR_LINE = re.compile(
    rf'"?sep=([{re.escape("".join(DELIMITERS) + OTHER_DELIMITERS)}])"?(?:\r\n|\n|\r)', re.IGNORECASE
)
ESCAPED_CHARACTER = re.compile(r"\\(.)", re.DOTALL)
# Blank text at the start of a file whose delimiter is not known yet.
BLANK_BEFORE_HEADER = re.compile(rf"[\s{re.escape(''.join(DELIMITERS))}]*")
# The quote that COPY gets for a file without quotes. Texts rarely contain it; if they do, it is doubled like any quote.
COPY_QUOTE_FOR_NONE = "\x01"


@dataclass(frozen=True)
class Dialect:
    """A delimiter and a quote: `"`, `'`, or "" if fields are never quoted.

    If `escaped`, quotes within fields are written as backslash and quote, not doubled.
    """

    delimiter: str = ","
    quote: str = '"'
    escaped: bool = False

    @property
    def copy_quote(self) -> str:
        """The quote for COPY, which cannot do without one."""
        return self.quote or COPY_QUOTE_FOR_NONE

    def reader(self, lines: Any) -> Any:
        """Return a `csv.reader` of lines. It raises `csv.Error` at a misplaced quote."""
        if not self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)

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
    raise UnusableFile(
        f"The delimiter `{shown}` is unknown. Use comma, semicolon, tab or pipe, or one of the characters"
        f" {' '.join(OTHER_DELIMITERS)} instead."
    )


def find_quote(name: str) -> str:
    """Return the quote that a client gives, one of QUOTES or its name. Raise `UnusableFile` if it is unknown."""
    wanted = name.strip().lower()
    for quote, quote_name in QUOTES.items():
        if wanted in {quote, quote_name}:
            return quote
    shown = "".join(filter(str.isprintable, name))[:20]
    raise UnusableFile(f"The quote `{shown}` is unknown. Use one of {', '.join(QUOTES.values())}.")


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
    chosen = delimiter or _sniff_delimiter(text, rate_header, quote, max_header_rows)
    return Sniffed(_create_dialect(text, chosen, quote), separator_line.end() if separator_line else 0)


def _create_dialect(text: str, delimiter: str, quote: str | None) -> Dialect:
    if quote is None:
        return _sniff_quote(text, delimiter)
    return Dialect(delimiter, "" if quote == "none" else quote[-1], escaped=quote.startswith("\\"))


def _sniff_delimiter(text: str, rate_header: RateHeader, quote: str | None, max_header_rows: int) -> str:
    best, best_score = ",", (False, 0.0, 0, 1)
    for delimiter in DELIMITERS:
        if delimiter not in text:
            continue
        dialect = _create_dialect(text, delimiter, quote)
        rows = [row.cells for row in read_leading_rows(text, dialect.reader, SNIFFED_ROWS)]
        if not rows:
            continue
        header, *others = rows[choose_header(rows[:max_header_rows], rate_header) :]
        if len(header) > 1:
            # The last row may be cut off, so the share is rounded.
            same_width = sum(len(row) == len(header) for row in others) / len(others) if others else 1.0
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
        unescaped = unescape(text, quote)[0]
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


def unescape(text: str, quote: str, *, is_complete: bool = True) -> tuple[str, str]:
    """Double the quotes that a backslash escapes, and halve double backslashes.

    Returns the text, and a backslash that was cut off from its end because it may escape the next character, or "".
    """
    rest = ""
    if not is_complete and text.endswith("\\") and (len(text) - len(text.rstrip("\\"))) % 2:
        text, rest = text[:-1], "\\"
    if "\\" not in text:
        return text, rest

    def replace(match: re.Match[str]) -> str:
        character = match[1]
        return character * 2 if character == quote else character if character == "\\" else match[0]

    return ESCAPED_CHARACTER.sub(replace, text), rest
