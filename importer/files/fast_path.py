"""The fast path for clean CSV: it checks that PostgreSQL can read a text unchanged, without parsing it into rows.

Nearly all blocks of nearly all files are clean: every quote is where RFC 4180 requires it, every row has the same
number of fields, SKUs need no repair, and no value is too long. To check this, the fast path only splits
the text at quotes and delimiters. That is several times faster than parsing it into rows, and COPY gets the text
unchanged. Text that is not obviously clean goes through the parser and the validation. If only some rows of a block
are not clean, only these do; see `importer.files.mixed_rows`. The result is the same; tests compare both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, compress, repeat
from operator import itemgetter
from typing import NamedTuple

from database.skus import are_clean
from importer.files.dialect import COPY_QUOTE_FOR_NONE
from importer.files.rewritten_skus import has_rewritten
from importer.files.spreadsheet_errors import may_have_error

# The words that COPY reads as booleans. The validation translates all others.
COPY_BOOLEANS = frozenset(("true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0", ""))
# What `str.strip` removes, but for LF.
ASCII_SPACES = " \t\v\f\r\x1c\x1d\x1e\x1f"


@dataclass(frozen=True)
class Layout:
    """The index of each product field in a row of `width` cells, from 0; None if the file has no such column.

    `sku_max` and `name_max` are in characters. `quote` is the quote for COPY. A row whose SKU is one of `header_names`
    may repeat the header, unless it has a boolean in the column `active` that is not one of them.
    """

    width: int
    sku: int
    name: int | None
    active: int | None
    sku_max: int
    name_max: int
    delimiter: str = ","
    quote: str = '"'
    header_names: frozenset[str] = frozenset()


class CleanRows(NamedTuple):
    """Complete rows at the start of a text.

    `payload` has them in the format of COPY (FORMAT csv), `rows` is their number, and `length` the number of characters
    of the text that they take up. `lines` has the first line of each row in the file, `line_ends` is the number of line
    ends in the text, and `line_ends_in_values` that of LF within values. Line ends count as in `count_line_breaks`.
    """

    payload: bytes
    rows: int
    length: int
    lines: Sequence[int]
    line_ends: int
    line_ends_in_values: int


def read_clean_rows(
    text: str, layout: Layout, *, at_end: bool, requires_crlf: bool = False, first_line: int = 1
) -> CleanRows | None:
    """Return the complete rows at the start of `text` if all of them are clean, otherwise None.

    `text` starts at the start of a row, on the line `first_line` of the file. `at_end` means that no text follows, so
    the last line needs no line end. With `requires_crlf`, rows that end with LF alone are not clean.
    """
    if "\0" in text or ("\\" in text and "\\." in text) or may_have_error(text):
        return None
    delimiter, quote = layout.delimiter, layout.quote
    if quote == COPY_QUOTE_FOR_NONE and quote in text:
        return None
    if quote != '"' and '="' in text:
        return None
    length = len(text)
    lacks_line_end = at_end and not text.endswith("\n")
    if lacks_line_end:
        text += "\r\n" if requires_crlf else "\n"
    # Every second part is inside quotes. If the number of parts is even, the last quoted field is not closed yet.
    parts = text.split(quote)
    cut = len(parts[-1]) + 1 if len(parts) % 2 == 0 else 0
    if cut:
        if at_end:
            return None
        parts.pop()
    # The text after the last line end outside of quotes is not a complete row.
    while (end := parts[-1].rfind("\n") + 1) == 0:
        if len(parts) == 1:
            return None
        cut += len(parts.pop()) + len(parts.pop()) + 2
    cut += len(parts[-1]) - end
    parts[-1] = parts[-1][:end]
    outside = parts[::2]
    if "\r" in text or requires_crlf:
        # NUL separates the parts, because the text has none.
        with_carriages = "\0".join(outside)
        joined = with_carriages.replace("\r\n", "\n")
        if "\r" in joined or (requires_crlf and joined.count("\n") != len(with_carriages) - len(joined)):
            return None
        parts[::2] = outside = joined.split("\0")
        payload = quote.join(parts)
    else:
        payload = text[: len(text) - cut] if cut else text
    quoted = parts[1::2]
    has_blank_lines = False
    rows = _count_clean_rows(outside, quoted, layout)
    if not rows:
        # Nearly all text is clean at once, so blank lines are only searched for when the first check has failed.
        if not _blank_lines(delimiter).search("\n" + text):
            return None
        parts[::2] = outside = _remove_blank_lines(outside, delimiter)
        has_blank_lines = True
        rows = _count_clean_rows(outside, quoted, layout)
        if not rows:
            return None
        payload = quote.join(parts)
    joined = quote.join(quoted)
    has_line_ends = "\n" in joined
    has_carriages = "\r" in joined
    if (has_line_ends or has_carriages) and _has_rows_in_values(parts, joined, layout):
        return None
    try:
        encoded = payload.encode()
    except UnicodeEncodeError:
        return None
    length = min(length, len(text) - cut)
    lines: Sequence[int] = range(first_line, first_line + rows)
    line_ends = rows
    line_ends_in_values = 0
    if has_blank_lines or has_carriages:
        # The text is counted as it is in the file, without the line end that was added.
        text = text[:length]
        line_ends = count_line_ends(text) + lacks_line_end
        line_ends_in_values = joined.count("\n")
        lines = _find_clean_lines(text, layout, first_line, rows)
    elif has_line_ends:
        lines, line_ends = _count_lines(encoded, quote, first_line)
        line_ends_in_values = line_ends - rows
    return CleanRows(encoded, rows, length, lines, line_ends - lacks_line_end, line_ends_in_values)


def count_line_ends(text: str) -> int:
    """Count line ends as `count_line_breaks` does."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _count_lines(payload: bytes, quote: str, first_line: int) -> tuple[list[int], int]:
    """Return the first line of each row, and the number of line ends.

    All line ends must be LF, and none of them that of a blank line.
    """
    kept, mark = f"\n{quote}".encode(), quote.encode()
    # Only quotes and line ends stay. Two quotes in a row change nothing about which line ends are between quotes.
    ends = payload.translate(None, _all_bytes_but(kept)).replace(mark * 2, b"")
    # For each line end: whether a row starts after it.
    parts = ends.replace(b"\n", b"\1").split(mark)
    parts[1::2] = mark.join(parts[1::2]).replace(b"\1", b"\0").split(mark)
    starts_row = b"".join(parts)
    lines = range(first_line + 1, first_line + 1 + len(starts_row))
    # No row starts after the last line end.
    return [first_line, *compress(lines, starts_row[:-1])], len(starts_row)


@cache
def _all_bytes_but(kept: bytes) -> bytes:
    return bytes(set(range(256)).difference(kept))


def _find_clean_lines(text: str, layout: Layout, first_line: int, row_count: int) -> list[int]:
    """Return the first line of each clean row in the file. `text` has complete clean rows and starts at `first_line`.

    Line ends count as in `count_line_breaks`.
    """
    quote = layout.quote
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if quote in text:
        # Only the line ends outside of quotes stay, so each row is one line. No clean text has a NUL.
        parts = text.split(quote)
        parts[1::2] = quote.join(parts[1::2]).replace("\n", "\0").split(quote)
        text = quote.join(parts)
    rows = text.split("\n")
    if not rows[-1]:
        rows.pop()
    starts = accumulate(map((1).__add__, map(str.count, rows[:-1], repeat("\0"))), initial=first_line)
    if len(rows) == row_count:
        return list(starts)
    return list(compress(starts, map(_row_content(layout.delimiter).search, rows)))


@cache
def _row_content(delimiter: str) -> re.Pattern[str]:
    return re.compile(rf"[^\s{re.escape(delimiter)}]")


def _remove_blank_lines(outside: list[str], delimiter: str) -> list[str]:
    """Remove the lines that consist of whitespace and delimiters from the text outside of quotes."""
    blank_lines = _blank_lines(delimiter)
    # Only the first part begins at the start of a line; the others continue one.
    first, *others = outside
    return [blank_lines.sub("\n", "\n" + first)[1:], *(blank_lines.sub("\n", part) for part in others)]


def _has_rows_in_values(parts: list[str], joined: str, layout: Layout) -> bool:
    """Return whether `find_rows` finds any in a quoted value.

    Every second part is inside quotes. `joined` has these parts with one quote between them.
    """
    width, delimiter, quote = layout.width, layout.delimiter, layout.quote
    if width < 2 or not _delimiters_of_row(width, delimiter).search(joined):
        return False
    if "" in parts[2:-1:2]:
        # Doubled quotes split a value. With NUL in their place, every second part is a whole value.
        joined = quote.join(quote.join(parts).replace(quote * 2, "\0").split(quote)[1::2])
    rows = _row_in_value(width, delimiter, quote).finditer(joined)
    return any(row[0].strip(f"{delimiter} \r\n") for row in rows)


@cache
def _delimiters_of_row(width: int, delimiter: str) -> re.Pattern[str]:
    """Match what each row in a value has: a delimiter, or two in a line. Spaces follow the delimiters of prose.

    As the search for a single character is fast, this finds texts without rows much faster than `_row_in_value`. A
    doubled quote is one quote here, so it may be between the delimiters.
    """
    delimiter = re.escape(delimiter)
    return re.compile(rf"{delimiter}(?! )" + (rf"[^{delimiter}\r\n]*+{delimiter}(?! )" if width > 2 else ""))


@cache
def _row_in_value(width: int, delimiter: str, quote: str) -> re.Pattern[str]:
    """Match the lines that `find_rows` finds, and those of delimiters alone, in values with a quote between them."""
    delimiter = re.escape(delimiter)
    plain = rf"[^{delimiter}{quote}\r\n]*+"
    return re.compile(rf"[\r\n](?:{plain}{delimiter}(?! )){{{width - 1}}}{plain}(?=[{quote}\r\n]|\Z)")


def find_rows(value: str, width: int, delimiter: str) -> Iterator[str]:
    """Yield the lines within a value, after its first one, that look like rows of `width` fields."""
    if width < 2 or value.count(delimiter) < width - 1:
        return
    for line in value.replace("\r\n", "\n").replace("\r", "\n").split("\n")[1:]:
        if line.count(delimiter) == width - 1 and f"{delimiter} " not in line and line.strip(f"{delimiter} \r"):
            yield line


@cache
def _blank_lines(delimiter: str) -> re.Pattern[str]:
    return re.compile(rf"\n[\s{re.escape(delimiter)}]*\n")


def _count_clean_rows(outside: list[str], quoted: list[str], layout: Layout) -> int:
    """Return the number of rows that consist of these parts outside and within quotes; 0 if one is not clean."""
    structure = _join_outside(outside, layout.delimiter, layout.quote)
    if structure is None:
        return 0
    delimiter, width = layout.delimiter, layout.width
    cell_ends = structure.encode(errors="replace").translate(None, _all_bytes_but(f"{delimiter}\n".encode()))
    rows = len(cell_ends) // width
    if not rows or cell_ends != f"{delimiter * (width - 1)}\n".encode() * rows:
        return 0
    cells = structure.replace("\n", delimiter).split(delimiter)
    # The text after the last line end is empty.
    cells.pop()
    return rows if _are_values_clean(cells, quoted, layout) else 0


def _join_outside(outside: list[str], delimiter: str, quote: str) -> str | None:
    """Join the text outside of quotes with one quote for each quoted field; None if a quote is misplaced."""
    if len(outside) == 1:
        return outside[0]
    field_ends = {delimiter, "\n"}
    first, *middle, last = outside
    if "" in middle:
        # Two quotes without text between them are a doubled quote, and the field continues.
        middle = list(filter(None, middle))
    after_quotes = set(map(itemgetter(0), [*middle, last]))
    before_quotes = set(map(itemgetter(-1), [first or "\n", *middle]))
    is_well_placed = after_quotes <= field_ends and before_quotes <= field_ends
    return quote.join([first, *middle, last]) if is_well_placed else None


def _may_need_strip(joined: str) -> bool:
    """Return whether the SKUs may have whitespace at an end; they are joined with LF between and around them."""
    return not joined.isascii() or "\n\n" in joined or any(space in joined for space in ASCII_SPACES)


def _are_values_clean(cells: list[str], quoted: list[str], layout: Layout) -> bool:
    """Check the columns that have rules. In `cells`, a quote stands for each quoted field."""
    if "=" in quoted:
        # The start of a text in a formula: `"=""00123"""`.
        return False
    width, quote = layout.width, layout.quote
    skus = cells[layout.sku :: width]
    names = [] if layout.name is None else cells[layout.name :: width]
    if quoted and (quote in "".join(skus) or quote in "".join(names)):
        # A doubled quote splits its field into two parts; then parts and cells do not correspond.
        if "".join(cells).count(quote) != len(quoted):
            return False
        contents = iter(quoted)
        cells = [next(contents) if cell == quote else cell for cell in cells]
        skus = cells[layout.sku :: width]
        names = [] if layout.name is None else cells[layout.name :: width]
    if not all(skus) or max(map(len, skus)) > layout.sku_max:
        return False
    if names and max(map(len, names)) > layout.name_max:
        return False
    joined = "\n".join(["", *skus, ""])
    # Few SKUs have whitespace, and a look at all of them at once is fast.
    if _may_need_strip(joined) and list(map(str.strip, skus)) != skus:
        return False
    if not (joined.isascii() or are_clean("".join(skus))) or has_rewritten(joined):
        return False
    if layout.active is not None:
        words = set(map(str.lower, cells[layout.active :: width]))
        if not words <= COPY_BOOLEANS:
            return False
        if "" not in words and words.isdisjoint(layout.header_names):
            return True
    return layout.header_names.isdisjoint(skus)
