"""Finds the header of a file among its first rows: reports have titles, dates and comments above it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from importer.files.cells import has_content

# The header is among this many rows with content.
MAX_HEADER_ROWS = 30
# Spreadsheets have at most this many columns. The limit bounds the work on a header and what is stored of it.
MAX_COLUMNS = 16_384


class HeaderRating(NamedTuple):
    """How well a row names the columns of products.

    `has_sku` says whether a cell names the SKU, `is_exact` whether it is `sku` itself or what the client has mapped.
    `known_columns` counts the cells that name a product field.
    """

    has_sku: bool
    is_exact: bool
    known_columns: int


RateHeader = Callable[[list[str]], HeaderRating]


class LeadingRow(NamedTuple):
    """A row at the start of a text: where it starts, in characters, its text, its cells, and if it could be read."""

    start: int
    raw: str
    cells: list[str]
    is_readable: bool = True


def read_leading_rows(text: str, read: Callable[[Iterator[str]], Iterator[Any]], limit: int) -> list[LeadingRow]:
    """Return the first `limit` rows of a text that have content; `read` is the reader of a dialect.

    A line that cannot be read counts as a row of one cell. The rows end at the `MAX_HEADER_ROWS`-th such line.
    """
    lines = io.StringIO(text.replace("\0", " "), newline="").readlines()
    rows: list[LeadingRow] = []
    # The first line of the next row, its start in the text, and the line at which `reader` started.
    line = start = reader_line = malformed = 0
    reader: Any = read(iter(lines))
    while line < len(lines) and len(rows) < limit and malformed < MAX_HEADER_ROWS:
        is_readable = True
        try:
            cells = next(reader, None)
            end = reader_line + reader.line_num
        except csv.Error:
            is_readable = False
            malformed += 1
            end = line + 1
            cells = [lines[line].rstrip("\r\n")]
            reader, reader_line = read(islice(lines, end, None)), end
        if cells is None:
            break
        raw = "".join(lines[line:end])
        if has_content(cells):
            rows.append(LeadingRow(start, raw, cells, is_readable))
        line, start = end, start + len(raw)
    return rows


def choose_header(rows: Sequence[list[str]], rate: RateHeader) -> int:
    """Return the index of the header among the first rows of a file, all of which have content.

    It is the first row that names a SKU column, unless a later one names more columns and only titles and comments are
    between them. If no row names a SKU column, it is the first row that is not a title line.
    """
    best: tuple[int, HeaderRating] | None = None
    for index, row in enumerate(rows[:MAX_HEADER_ROWS]):
        rating = rate(row[:MAX_COLUMNS])
        if not rating.has_sku:
            continue
        if best is None:
            # A single known name may be a value of a file whose header is unknown.
            if rating.is_exact or rating.known_columns > 1 or _are_titles(rows[:index], row):
                best = index, rating
        elif _rank(rating) > _rank(best[1]) and _are_titles(rows[best[0] + 1 : index], row):
            best = index, rating
    if best is not None:
        return best[0]
    if rows and len(rows[0]) == 1:
        return next((index for index, row in enumerate(rows[:MAX_HEADER_ROWS]) if _count_filled(row) > 1), 0)
    return 0


def _rank(rating: HeaderRating) -> tuple[int, bool]:
    return rating.known_columns, rating.is_exact


def _are_titles(rows: Sequence[list[str]], header: list[str]) -> bool:
    """Return whether each row is a comment, or has fewer cells with content than a header."""
    filled = _count_filled(header)
    return all(_count_filled(row) < filled or row[0].lstrip().startswith("#") for row in rows)


def _count_filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)
