"""The short cut for clean CSV: a block that PostgreSQL can read as it stands is checked, not parsed.

Nearly all blocks of nearly all files are clean: every quote where RFC 4180 wants it, the same number of fields in every
row, SKUs without surrounding spaces, no value too long. For those, splitting the text at quotes and delimiters tells
all there is to know, several times faster than parsing it into rows, and COPY gets the text itself. Whatever is not
obviously clean goes the way of `parser` and `columns`; the outcome is the same, which the tests hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from importer.files.dialect import NO_QUOTE

# What COPY takes as boolean by itself; our other words for it need a translation.
COPY_BOOLEANS = frozenset(("true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0", ""))


@dataclass(frozen=True)
class Layout:
    """Where the fields are in a row of `width` fields; None where the file has no such column.

    `quote` is what COPY takes as the quote.
    """

    width: int
    sku: int
    name: int | None
    active: int | None
    sku_max: int
    name_max: int
    delimiter: str = ","
    quote: str = '"'


class Clean(NamedTuple):
    """Whole records at the beginning of a text: as COPY (FORMAT csv) reads them, how many, how much of the text."""

    payload: bytes
    rows: int
    length: int


def take_clean(text: str, layout: Layout, *, at_end: bool) -> Clean | None:
    """Takes the whole records off the beginning of `text`, if they are all clean.

    `text` begins at the boundary of a record; `at_end` says that nothing follows it, so that its last line may lack its
    line end.
    """
    if "\0" in text or ("\\" in text and "\\." in text):
        return None
    delimiter, quote = layout.delimiter, layout.quote
    if quote == NO_QUOTE and quote in text:
        return None
    length = len(text)
    if at_end and not text.endswith("\n"):
        text += "\n"
    # Every second part lies within quotes; where their number is even, the last quoted field is not closed yet.
    parts = text.split(quote)
    cut = len(parts[-1]) + 1 if len(parts) % 2 == 0 else 0
    if cut:
        if at_end:
            return None
        parts.pop()
    # What follows the last line end outside of quotes is no whole record.
    while (end := parts[-1].rfind("\n") + 1) == 0:
        if len(parts) == 1:
            return None
        cut += len(parts.pop()) + len(parts.pop()) + 2
    cut += len(parts[-1]) - end
    parts[-1] = parts[-1][:end]
    outside = parts[::2]
    if "\r" in text:
        outside = [part.replace("\r\n", "\n") for part in outside]
        if any("\r" in part for part in outside):
            return None
        parts[::2] = outside
        payload = quote.join(parts)
    else:
        payload = text[: len(text) - cut] if cut else text
    structure = _structure(outside, delimiter, quote)
    if structure is None:
        return None
    # A line end ends its cell. As many of them in the last column as rows in all: each row has its `width` fields.
    cells = structure.replace("\n", "\n" + delimiter).split(delimiter)
    cells.pop()
    rows = -(-len(cells) // layout.width)
    if len(cells) != rows * layout.width or {cell[-1:] for cell in cells[layout.width - 1 :: layout.width]} != {"\n"}:
        return None
    if structure.count("\n") != rows or not _values_are_clean(cells, parts[1::2], layout):
        return None
    try:
        return Clean(payload.encode(), rows, min(length, len(text) - cut))
    except UnicodeEncodeError:
        return None


def _structure(outside: list[str], delimiter: str, quote: str) -> str | None:
    """Joins what is outside of quotes, one quote in the place of each quoted field; None where a quote is misplaced."""
    if len(outside) == 1:
        return outside[0]
    field_ends = {delimiter, "\n"}
    first, *middle, last = outside
    if "" in middle:
        # Nothing between two quotes: they are a doubled one, and the field goes on.
        middle = list(filter(None, middle))
    behind = set(map(itemgetter(0), [*middle, last]))
    before = set(map(itemgetter(-1), [first or "\n", *middle]))
    return quote.join([first, *middle, last]) if behind <= field_ends and before <= field_ends else None


def _values_are_clean(cells: list[str], quoted: list[str], layout: Layout) -> bool:
    """Checks the columns that have rules. `cells` has a quote for each field of `quoted`, and the line ends."""
    width, last, quote = layout.width, layout.width - 1, layout.quote
    ruled = [layout.sku] if layout.name is None else [layout.sku, layout.name]
    if quoted and any(quote in "".join(cells[place::width]) for place in ruled):
        # A doubled quote splits its field in two; then the values are not where they seem to be.
        if "".join(cells).count(quote) != len(quoted):
            return False
        filling = iter(quoted)
        cells = [next(filling) + cell[1:] if cell[:1] == quote else cell for cell in cells]

    def column(place: int) -> list[str]:
        values = cells[place::width]
        return [value[:-1] for value in values] if place == last else values

    skus = column(layout.sku)
    if not all(skus) or max(map(len, skus)) > layout.sku_max or list(map(str.strip, skus)) != skus:
        return False
    if layout.name is not None and max(map(len, column(layout.name))) > layout.name_max:
        return False
    return layout.active is None or set(map(str.lower, column(layout.active))) <= COPY_BOOLEANS
