"""How a file writes its rows: what stands between fields and around them, found from its first rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from importer.errors import UnusableFile

# Those that are looked for, the likelier first.
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
# What a client may name: the quote, with a backslash in front where that, not doubling, is how it gets into a field.
QUOTES = {'"': "double", "'": "single", "none": "none", '\\"': "double-escaped", "\\'": "single-escaped"}
SNIFFED_CHARACTERS = 1 << 16
SNIFFED_ROWS = 200
# What Excel writes, and takes, as the first line of a file.
HINT = re.compile(r'"?sep=([\t!#-&*-/:-@^_|~])"?(?:\r\n|\n|\r)', re.IGNORECASE)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# Stands for the quote of files without one. Never seen in texts; where it is, it is doubled like any quote.
NO_QUOTE = "\x01"


@dataclass(frozen=True)
class Dialect:
    """A delimiter, and a quote: `"`, `'`, or "" where fields are never quoted.

    `escaped` says that quotes within fields are written as backslash and quote, not doubled.
    """

    delimiter: str = ","
    quote: str = '"'
    escaped: bool = False

    @property
    def copy_quote(self) -> str:
        """The quote for COPY, which needs one."""
        return self.quote or NO_QUOTE

    def reader(self, lines: Any) -> Any:
        """A `csv.reader`, which raises `csv.Error` where a quote is misplaced."""
        if not self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)

    @property
    def word(self) -> str:
        """What people call the delimiter."""
        return DELIMITERS.get(self.delimiter, f"`{self.delimiter}`")


class Sniffed(NamedTuple):
    """What the first rows tell, and how many characters of them are no rows but a hint at the delimiter."""

    dialect: Dialect
    hint: int


def delimiter_named(name: str) -> str:
    """Returns the delimiter that a client names, itself or by its word; raises `UnusableFile` where it is none."""
    wanted = name.strip(" \r\n").lower()
    for delimiter, word in DELIMITERS.items():
        if wanted in {delimiter, word} or (wanted, word) == ("\\t", "tab"):
            return delimiter
    shown = "".join(filter(str.isprintable, name))[:20]
    raise UnusableFile(f"There is no delimiter `{shown}`. It is one of comma, semicolon, tab and pipe.")


def quote_named(name: str) -> str:
    """Returns the quote that a client names, one of QUOTES or its word; raises `UnusableFile` where it is none."""
    wanted = name.strip().lower()
    for quote, word in QUOTES.items():
        if wanted in {quote, word}:
            return quote
    shown = "".join(filter(str.isprintable, name))[:20]
    raise UnusableFile(f"There is no quote `{shown}`. It is one of {', '.join(QUOTES.values())}.")


def sniff(
    text: str,
    known: Callable[[list[str]], tuple[bool, int]],
    delimiter: str | None = None,
    quote: str | None = None,
) -> Sniffed:
    """Finds out how a file writes its rows from the `text` it begins with.

    `known` says of a header whether the SKU is among its columns, and how many of them are known. A given `delimiter`
    or `quote` (one of QUOTES) is taken as it is.
    """
    hint = HINT.match(text)
    if hint:
        text = text[hint.end() :]
        delimiter = delimiter or hint[1]
    found = delimiter or _find_delimiter(text, known, quote)
    return Sniffed(_quoted(text, found, quote), hint.end() if hint else 0)


def _quoted(text: str, delimiter: str, quote: str | None) -> Dialect:
    if quote is None:
        return _find_quote(text, delimiter)
    return Dialect(delimiter, "" if quote == "none" else quote[-1], escaped=quote.startswith("\\"))


def _find_delimiter(text: str, known: Callable[[list[str]], tuple[bool, int]], quote: str | None) -> str:
    best, best_score = ",", (False, 0.0, 0, 1)
    for delimiter in DELIMITERS:
        if delimiter not in text:
            continue
        reader = _quoted(text, delimiter, quote).reader(io.StringIO(text.replace("\0", " "), newline=""))
        rows: list[list[str]] = []
        with suppress(csv.Error):
            # Where this raises, the rows up to there will do.
            rows.extend(filter(_has_content, islice(reader, SNIFFED_ROWS)))
        if rows and len(rows[0]) > 1:
            header, *others = rows
            # The last row may be cut off.
            alike = sum(len(row) == len(header) for row in others) / len(others) if others else 1.0
            has_sku, count = known(header)
            score = (has_sku, round(alike, 1), count, len(header))
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _has_content(row: list[str]) -> bool:
    return any(cell.strip() for cell in row)


def _find_quote(text: str, delimiter: str) -> Dialect:
    """Which quote the fields of a text have, and how quotes within them are written."""
    # Apostrophes begin fields, too: only a file whose header is quoted by them is written that way.
    header = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    if _quoted_fields(header, delimiter, "'")[0]:
        dialect, mostly_good = _quoted_by(text, delimiter, "'")
        if mostly_good:
            return dialect
    dialect, mostly_good = _quoted_by(text, delimiter, '"')
    # Where commas or semicolons are between fields quotes are around some, or are a mistake; tabs and pipes are often
    # used so that none are needed.
    return dialect if mostly_good or delimiter not in "\t|" else Dialect(delimiter, "")


def _quoted_by(text: str, delimiter: str, quote: str) -> tuple[Dialect, bool]:
    """How the quotes within fields are written when this is the quote, and whether it makes sense."""
    good, bad = _quoted_fields(text, delimiter, quote)
    if bad and f"\\{quote}" in text:
        unescaped_good, unescaped_bad = _quoted_fields(unescape(text, quote)[0], delimiter, quote)
        if unescaped_good and 2 * unescaped_bad < bad:
            return Dialect(delimiter, quote, escaped=True), True
    return Dialect(delimiter, quote), good >= bad


def _quoted_fields(text: str, delimiter: str, quote: str) -> tuple[int, int]:
    """How many fields begin with a quote and end with one, and how many go on behind theirs."""
    if quote not in text:
        return 0, 0
    delimiter = re.escape(delimiter)
    fields = re.finditer(
        rf"(?:\A|(?<=[\r\n{delimiter}])){quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*"
        rf"({quote}(?=[\r\n{delimiter}]|\Z))?",
        text,
    )
    good = bad = 0
    for field in fields:
        if field[1]:
            good += 1
        elif field.end() < len(text):
            bad += 1
        # The last one may be cut off, with nothing behind it.
    return good, bad


def unescape(text: str, quote: str, *, whole: bool = True) -> tuple[str, str]:
    """Doubles quotes that are escaped by a backslash, and takes one of two backslashes away.

    Returns the text and what of it must wait for the text that follows, which is none where it is `whole`.
    """
    rest = ""
    if not whole and text.endswith("\\") and (len(text) - len(text.rstrip("\\"))) % 2:
        text, rest = text[:-1], "\\"
    if "\\" not in text:
        return text, rest

    def plain(match: re.Match[str]) -> str:
        letter = match[1]
        return letter * 2 if letter == quote else letter if letter == "\\" else match[0]

    return ESCAPED.sub(plain, text), rest
