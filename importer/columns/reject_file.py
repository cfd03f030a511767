"""Rejected rows: encoded for their table, and as a file to correct and upload again."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Literal

from importer.columns.column_mapping import REJECT_COLUMNS, width_without_reject_columns
from importer.files.cells import has_width
from importer.files.dialect import DELIMITERS, Dialect
from importer.files.rows import Reject

# The reason codes of rows that cannot be split into cells.
UNSPLITTABLE_CODES = {"bad_quoting", "nul", "row_too_long"}

# The reason codes of rows that have too few cells in a reject file, unless they are corrected.
SHORT_ROW_CODES = {*UNSPLITTABLE_CODES, "wrong_field_count"}

# The code of the row that says that more rows were rejected than the file has.
MISSING_CODE = "more_rejects"

# How many ends of lines are kept for the next rows. Messages may name values, so each row may have its own.
MAX_KEPT_ENDS = 1000

# The backslash comes first, because the other escapes contain one.
COPY_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def encode_rejects(job_id: int, rejects: Sequence[Reject]) -> bytes:
    """Return rejects in the text format of COPY: job_id, line, code, message, row, column, value."""
    if not rejects:
        return b""
    lines, codes, messages, rows, columns, values = zip(*rejects, strict=True)
    optional = (_escape_optional(texts) for texts in (columns, values))
    cells = zip(repeat(str(job_id)), map(str, lines), codes, _escape(messages), _escape(rows), *optional)
    return ("\n".join(map("\t".join, cells)) + "\n").encode()


def _escape(texts: Sequence[str]) -> list[str]:
    # NUL separates the texts, because no reject contains one.
    text = "\0".join(texts)
    for letter, escape in COPY_ESCAPES.items():
        text = text.replace(letter, escape)
    return text.split("\0")


def _escape_optional(texts: Sequence[str | None]) -> list[str]:
    escaped = _escape([text or "" for text in texts])
    return ["\\N" if text is None else cell for text, cell in zip(texts, escaped, strict=True)]


def encode_reject_file(
    header: Sequence[str],
    dialect: Dialect,
    batches: Iterable[Sequence[Reject]],
    *,
    byte_order_mark: bool = False,
    explain_missing: Callable[[int], str | None] = lambda written: None,
) -> Iterator[bytes]:
    """Yield rejects as a CSV file (RFC 4180, UTF-8), one block per batch.

    The file has the columns of the imported file, `header`, followed by line, code and message. An import of the
    unchanged file rejects each row again. The delimiter is that of the imported file. With `byte_order_mark`,
    spreadsheets recognise UTF-8. `explain_missing` is called with the number of rejects in the file; if it returns a
    sentence, the file ends with a row that has it as its message.
    """
    width = len(header)
    # If the imported file was a reject file, the new reasons replace its old ones.
    kept = width_without_reject_columns(header)
    # A header that starts with an apostrophe must be quoted, or the apostrophe would be taken for the quote.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if any(name.startswith("'") for name in header) else csv.QUOTE_MINIMAL
    first = io.StringIO(newline="")
    if dialect.delimiter not in DELIMITERS:
        first.write(f"sep={dialect.delimiter}\r\n")
    csv.writer(first, delimiter=dialect.delimiter, quoting=quoting).writerow([*header[:kept], *REJECT_COLUMNS])
    yield first.getvalue().encode("utf-8-sig" if byte_order_mark else "utf-8")
    written = 0
    lines = _RejectLines(dialect, width, kept)
    for batch in batches:
        written += len(batch)
        yield "".join(lines.encode(batch)).encode()
    if message := explain_missing(written):
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=dialect.delimiter).writerow([*[""] * kept, "", MISSING_CODE, message])
        yield out.getvalue().encode()


class _RejectLines:
    """Encodes rejects as the lines of a reject file.

    Most rows are written as they are: those with all their cells, whose quotes are as RFC 4180 has them. The others are
    split into cells, aligned and joined again, which takes several times as long.
    """

    def __init__(self, dialect: Dialect, width: int, kept: int) -> None:
        self._dialect = dialect
        self._width = width
        self._kept = kept
        self._can_keep_rows = kept == width and not (dialect.escaped or dialect.wrapped or dialect.spaced)
        # Quotes that must be replaced, or that are text.
        self._foreign_quotes = () if dialect.quote == '"' else ('"', *dialect.quote)
        # What follows the number of the line, for each code and message.
        self._ends: dict[tuple[str, str], str] = {}

    def encode(self, batch: Sequence[Reject]) -> list[str]:
        """Return the lines of a batch."""
        delimiter = self._dialect.delimiter
        lines = [
            f"{reject.row}{delimiter}{reject.line}{self._end(reject.code, reject.message)}"
            if self._can_keep(reject)
            else ""
            for reject in batch
        ]
        others = [index for index, line in enumerate(lines) if not line]
        for index, line in zip(others, self._join([batch[index] for index in others]), strict=True):
            lines[index] = line
        return lines

    def _can_keep(self, reject: Reject) -> bool:
        row, delimiter = reject.row, self._dialect.delimiter
        if not row or not self._can_keep_rows or reject.code in UNSPLITTABLE_CODES:
            return False
        # A line end may be within a field. A quote after a space may be text or the start of a field.
        if "\n" in row or "\r" in row or ' "' in row:
            return False
        for quote in self._foreign_quotes:
            if quote in row:
                return False
        if '"' not in row:
            return row.count(delimiter) == self._width - 1
        # Every second part is within quotes. The others begin and end with a delimiter, or are between two quotes.
        parts = row.split('"')
        if len(parts) % 2 == 0:
            return False
        outer = parts[::2]
        for before in outer[:-1]:
            if before and before[-1] != delimiter:
                return False
        for behind in outer[1:]:
            if behind and behind[0] != delimiter:
                return False
        return "".join(outer).count(delimiter) == self._width - 1

    def _end(self, code: str, message: str) -> str:
        if (end := self._ends.get((code, message))) is None:
            if len(self._ends) >= MAX_KEPT_ENDS:
                self._ends.clear()
            end = self._ends[code, message] = self._write([["", code, message]])[0]
        return end

    def _join(self, rejects: Sequence[Reject]) -> list[str]:
        return self._write(
            [*_align_cells(reject, cells, self._width, self._kept), reject.line, reject.code, reject.message]
            for reject, cells in zip(rejects, split_rejects(rejects, self._dialect), strict=True)
        )

    def _write(self, rows: Iterable[Sequence[object]]) -> list[str]:
        """Return rows as lines of CSV."""
        out = _Lines()
        csv.writer(out, delimiter=self._dialect.delimiter).writerows(rows)
        return out.lines


class _Lines:
    """The target of a `csv.writer`, which writes each line by itself."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.write = self.lines.append


def split_rejects(batch: Sequence[Reject], dialect: Dialect) -> Iterator[list[str]]:
    """Yield the cells of each row, or the whole row as one cell if it cannot be split."""
    rows = [reject.row for reject in batch if reject.code not in UNSPLITTABLE_CODES]
    dialect = dialect.for_text("\n".join(rows))
    split: list[list[str]] = []
    with suppress(csv.Error):
        # The reader takes each row as one line, even if its cells contain line ends.
        split = [*dialect.reader(rows)]
    if len(split) != len(rows):
        # A row has a misplaced quote, or one without an end that takes in the next row.
        split = [_split_one(row, dialect) for row in rows]
    cells = iter(split)
    return ([reject.row] if reject.code in UNSPLITTABLE_CODES else next(cells) for reject in batch)


def _split_one(row: str, dialect: Dialect) -> list[str]:
    try:
        return next(dialect.reader([row]), [row])
    except csv.Error:
        return [row]


def _align_cells(reject: Reject, cells: list[str], width: int, kept: int) -> list[str]:
    """Return the cells of a row for the columns of the reject file.

    A row with a wrong number of cells keeps a wrong number, so that an import of the unchanged file rejects it again.
    """
    if has_width(cells, width) and reject.code not in UNSPLITTABLE_CODES:
        return cells[:kept]
    if len(cells) == kept or reject.code in UNSPLITTABLE_CODES:
        return [reject.row, ""] if kept == 1 else [reject.row]
    return cells


def find_own_width(row: Sequence[str], kept: int) -> int | None:
    """Return the number of cells of a row of a reject file, if its line and code are not in the columns for them.

    `kept` is the number of columns of the imported file. A short row has them further to the left, also after a
    spreadsheet has filled it up. They are no values of a product.
    """
    for index in range(min(kept, len(row) - 1)):
        if row[index + 1] in SHORT_ROW_CODES and row[index].isdigit():
            return index
    return None
