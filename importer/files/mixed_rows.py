"""Reads blocks in which some rows need the parser: the clean rows around them stay on the fast path.

A regular expression matches runs of clean rows. Where it stops, `csv.reader` reads one row, and the next run starts
after it. `read_clean_rows` then checks all clean rows of the block together, so the expression decides only about
speed: what it takes for clean by mistake sends the whole block to the parser. The rows between the runs are repaired
and validated like all rows of the parser, and `CleanTexts.insert` puts them back in their places.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from database.skus import INVISIBLE_CHARACTERS
from importer.files.cells import Row
from importer.files.dialect import COPY_QUOTE_FOR_NONE, Dialect
from importer.files.fast_path import COPY_BOOLEANS, Layout, count_line_ends, read_clean_rows
from importer.files.rewritten_skus import REWRITTEN_SKU
from importer.files.spreadsheet_errors import may_have_error

# If more than this share of a block's text is in slow rows, the parser reads the block faster.
MAX_SLOW_SHARE = 1 / 3
# The share is judged from this number of slow rows on.
MIN_JUDGED_ROWS = 32
# SKUs with these may not be in the normal form NFC.
COMBINING_CHARACTERS = "\u0300-\u036f"
SURROGATES = "\ud800-\udfff"


class CleanTexts(NamedTuple):
    """The clean rows of a block, in the format of COPY: `texts[i]` is before slow row `i`, and the last is after all.

    `starts` has the first lines of the slow rows in the file, and `lines` those of the clean ones.
    `line_ends_in_values` is the number of LF within the values of the clean rows.
    """

    texts: Sequence[str]
    starts: Sequence[int]
    lines: Sequence[int]
    line_ends_in_values: int

    def insert(self, lines: Sequence[int], rows: Sequence[str]) -> bytes:
        """Return the clean rows with other rows in between. `lines` has the first line of each of these `rows`.

        A slow row may have become several rows, or none.
        """
        texts = list(self.texts)
        for line, row in zip(lines, rows, strict=True):
            texts[bisect_right(self.starts, line) - 1] += row
        return "".join(texts).encode()


class MixedRows(NamedTuple):
    """Complete rows at the start of a text: clean ones, and the slow ones between them.

    `rows` are the cells of the slow rows, `lines` their first lines in the file, and `raws` their texts. Blank ones are
    left out. `max_rows` is an upper bound of the number of all rows, `length` the number of characters of the text that
    they take up, and `line_ends` the number of its line ends.
    """

    clean: CleanTexts
    rows: list[Row]
    lines: list[int]
    raws: list[str]
    max_rows: int
    length: int
    line_ends: int


def read_mixed_rows(
    text: str, layout: Layout, dialect: Dialect, *, at_end: bool, requires_crlf: bool, first_line: int
) -> MixedRows | None:
    """Return the complete rows at the start of a text; None if many of them are slow, or it takes the parser to tell.

    The parameters are those of `read_clean_rows`. The text may end before its last complete row.
    """
    if "\0" in text or (layout.quote == COPY_QUOTE_FOR_NONE and layout.quote in text):
        return None
    length = len(text)
    lacks_line_end = at_end and not text.endswith("\n")
    if lacks_line_end:
        text += "\r\n" if requires_crlf else "\n"
    pieces = _divide(text, _clean_rows(layout, requires_crlf, _find_excluded(text, layout)), dialect)
    if pieces is None:
        return None
    texts, raws, rows = pieces
    consumed = sum(map(len, texts)) + sum(map(len, raws))
    for raw in raws:
        # Where a line end may not end a row, a row may continue in the next one.
        if "\r" in raw.replace("\r\n", "") or (requires_crlf and not raw.endswith("\r\n")):
            return None
    if "\r" in text:
        texts = [_use_newlines(piece, layout.quote) for piece in texts]
    clean_text = "".join(texts)
    clean = read_clean_rows(clean_text, layout, at_end=False, first_line=0)
    if clean is None or clean.payload != clean_text.encode():
        return None
    lines: list[int] = []
    starts: list[int] = []
    line, clean_line, place = first_line, 0, 0
    for number, piece in enumerate(texts):
        line_ends = count_line_ends(piece)
        clean_line += line_ends
        end = bisect_left(clean.lines, clean_line, place)
        shift = line + line_ends - clean_line
        lines += [start + shift for start in clean.lines[place:end]]
        line, place = line + line_ends, end
        if number < len(raws):
            starts.append(line)
            line += count_line_ends(raws[number])
    has_content = list(map(bool, rows))
    return MixedRows(
        CleanTexts(texts, starts, lines, clean.line_ends_in_values),
        [row for row in rows if row],
        [start for start, is_row in zip(starts, has_content, strict=True) if is_row],
        [raw for raw, is_row in zip(raws, has_content, strict=True) if is_row],
        clean.rows + sum(map(count_line_ends, raws)),
        min(length, consumed),
        line - first_line - (lacks_line_end and consumed == len(text)),
    )


def _divide(text: str, clean_rows: re.Pattern[str], dialect: Dialect) -> tuple[list[str], list[str], list[Row]] | None:
    """Divide a text into runs of clean rows and the rows between them. Return the runs, and these rows with cells.

    There is one run more than rows; any of them may be empty. Stops before a row that is malformed or not complete.
    """
    position = 0

    def lines() -> Iterator[str]:
        nonlocal position
        while end := text.find("\n", position) + 1:
            start, position = position, end
            yield text[start:end]

    # The reader asks for no line after the end of a row, so it continues at any `position` that is the start of one.
    reader = dialect.for_text(text).reader(lines())
    texts: list[str] = []
    raws: list[str] = []
    rows: list[Row] = []
    slow_characters = 0
    while True:
        run = clean_rows.match(text, position)
        start = run.end() if run else position
        texts.append(text[position:start])
        position = start
        try:
            row = next(reader)
        except (StopIteration, csv.Error):
            return texts, raws, rows
        raws.append(text[start:position])
        rows.append(row)
        slow_characters += position - start
        if len(rows) >= MIN_JUDGED_ROWS and slow_characters > MAX_SLOW_SHARE * position:
            return None


def _use_newlines(text: str, quote: str) -> str:
    """Let clean rows end with LF. Line ends within values stay as they are."""
    if "\r" not in text:
        return text
    parts = text.split(quote)
    parts[::2] = "\0".join(parts[::2]).replace("\r\n", "\n").split("\0")
    return quote.join(parts)


def _find_excluded(text: str, layout: Layout) -> str:
    """Return the characters of a text that clean rows must not have, as a part of a character class."""
    excluded = ""
    if "\\" in text and "\\." in text:
        excluded += "\\\\"
    if may_have_error(text):
        excluded += "#"
    if layout.quote != '"' and '="' in text:
        excluded += '"'
    try:
        text.encode()
    except UnicodeEncodeError:
        excluded += SURROGATES
    return excluded


@cache
def _clean_rows(layout: Layout, requires_crlf: bool, excluded: str) -> re.Pattern[str]:
    """Match a run of rows that `read_clean_rows` takes for clean, in all but rare cases."""
    delimiter, quote = re.escape(layout.delimiter), re.escape(layout.quote)
    plain = rf"{delimiter}{quote}\r\n{excluded}"
    inside = f"{quote}{excluded}"
    # The start of a text in a formula: `"=""00123"""`.
    opening = f"{quote}(?!={quote})"
    field = rf"(?:{opening}[^{inside}]*+(?:{quote}{quote}[^{inside}]*+)*+{quote}|[^{plain}]*+)"
    fields = [field] * layout.width
    if layout.name is not None:
        short = f"[^{inside}]{{0,{layout.name_max}}}+{quote}(?!{quote})"
        doubled = f"(?:[^{inside}]|{quote}{quote}){{0,{layout.name_max}}}+{quote}"
        fields[layout.name] = rf"(?:{opening}(?:{short}|{doubled})|[^{plain}]{{0,{layout.name_max}}}+)"
    if layout.active is not None:
        words = "|".join(sorted(map(re.escape, COPY_BOOLEANS), key=len, reverse=True))
        fields[layout.active] = f"(?ai:{quote}(?:{words}){quote}|(?:{words}))"
    doubtful = f"{INVISIBLE_CHARACTERS}{COMBINING_CHARACTERS}"
    names = "".join(f"|{re.escape(name)}" for name in sorted(layout.header_names))
    not_doubtful = rf"(?!{quote}?(?:{REWRITTEN_SKU}{names}){quote}?[{delimiter}\r\n])"
    quoted, unquoted = (rf"(?=\S)[^{part}{doubtful}]{{1,{layout.sku_max}}}+(?<!\s)" for part in (inside, plain))
    fields[layout.sku] = f"{not_doubtful}(?:{opening}{quoted}{quote}|{unquoted})"
    row_end = r"\r\n" if requires_crlf else r"\r?\n"
    return re.compile(f"(?:{delimiter.join(fields)}{row_end})++")
