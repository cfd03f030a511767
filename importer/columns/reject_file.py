"""Rows set aside: on their way into the table, and from there into a file that can be corrected and uploaded again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Literal

from importer.columns.column_mapping import REJECT_COLUMNS, width_without_reasons
from importer.files.dialect import DELIMITERS, Dialect
from importer.files.rows import Reject

# Rows that could not be split into cells.
WHOLE_ROWS = {"bad_quoting", "nul", "row_too_long"}

# In this order: what the others put in has backslashes, too.
COPY_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def copy_lines(job_id: int, rejects: Sequence[Reject]) -> bytes:
    """Rejects as COPY's text format has them: job_id, line, code, message, row."""
    if not rejects:
        return b""
    lines, codes, messages, rows = zip(*rejects, strict=True)
    cells = zip(repeat(str(job_id)), map(str, lines), codes, _escaped(messages), _escaped(rows))
    return ("\n".join(map("\t".join, cells)) + "\n").encode()


def _escaped(texts: Sequence[str]) -> list[str]:
    # No reject has a NUL, which PostgreSQL does not take.
    text = "\0".join(texts)
    for letter, escape in COPY_ESCAPES.items():
        text = text.replace(letter, escape)
    return text.split("\0")


def as_file(
    header: Sequence[str], dialect: Dialect, batches: Iterable[Sequence[Reject]], *, mark: bool = False
) -> Iterator[bytes]:
    """Rejects as a file that is rejected again, row by row, until it is corrected: CSV after RFC 4180 in UTF-8.

    The columns are those of the file they come from, `header`, and line, code and message behind; the delimiter is the
    file's. `mark` puts a byte order mark in front, by which spreadsheets know UTF-8. Yields a block for each batch.
    """
    width = len(header)
    # Where the file was such a one itself, the new reasons take the place of the old ones.
    kept = width_without_reasons(header)
    # As the first character of a header, ' would be taken for the quote.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if any(name.startswith("'") for name in header) else csv.QUOTE_MINIMAL
    first = io.StringIO(newline="")
    if dialect.delimiter not in DELIMITERS:
        first.write(f"sep={dialect.delimiter}\r\n")
    csv.writer(first, delimiter=dialect.delimiter, quoting=quoting).writerow([*header[:kept], *REJECT_COLUMNS])
    yield first.getvalue().encode("utf-8-sig" if mark else "utf-8")
    for batch in batches:
        out = io.StringIO(newline="")
        rows = (
            [*_cells(reject, cells, width, kept), reject.line, reject.code, reject.message]
            for reject, cells in zip(batch, _split(batch, dialect), strict=True)
        )
        csv.writer(out, delimiter=dialect.delimiter).writerows(rows)
        yield out.getvalue().encode()


def _split(batch: Sequence[Reject], dialect: Dialect) -> Iterator[list[str]]:
    """The cells of each row; the row as one cell where it cannot be split."""
    rows = [reject.row for reject in batch if reject.code not in WHOLE_ROWS]
    try:
        # Each row is a line to the reader, whatever line ends its cells have.
        split = iter([*dialect.reader(rows)])
    except csv.Error:
        split = (_split_one(row, dialect) for row in rows)
    return ([reject.row] if reject.code in WHOLE_ROWS else next(split) for reject in batch)


def _split_one(row: str, dialect: Dialect) -> list[str]:
    try:
        return next(dialect.reader([row]), [row])
    except csv.Error:
        return [row]


def _cells(reject: Reject, cells: list[str], width: int, kept: int) -> list[str]:
    """The cells that stand under the file's columns; of a row with too many or too few so many that it stays so."""
    if len(cells) == width and reject.code not in WHOLE_ROWS:
        return cells[:kept]
    if len(cells) == kept or reject.code in WHOLE_ROWS:
        return [reject.row, ""] if kept == 1 else [reject.row]
    return cells
