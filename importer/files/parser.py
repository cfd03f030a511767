"""Parses CSV text (RFC 4180) into rows, chunk by chunk, and rejects malformed rows.

A whole block goes through `csv.reader` at once. If a block is malformed, the parser keeps the rows before the error and
reads the next ones with `importer.files.row_reader`.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import compress, islice

from importer.errors import FailureKind, UnusableFile
from importer.files.cells import Row, has_content
from importer.files.dialect import Dialect
from importer.files.fast_path import CleanRows, Layout, read_clean_rows
from importer.files.header_search import MAX_COLUMNS
from importer.files.mixed_rows import MixedRows, read_mixed_rows
from importer.files.row_reader import RowReader
from importer.files.row_repair import FindRow, RowRepair, find_row_end
from importer.files.rows import RowChunk, RowPositions
from importer.files.text_buffer import TextBuffer, find_blank_run
from importer.files.text_source import TextSource
from importer.files.tuning import DEFAULT_TUNING, ReaderTuning
from importer.notices import Notices

# The parser rejects rows beyond its own limit, so the limit of the csv module must not get in the way.
csv.field_size_limit(min(sys.maxsize, 1 << 30))

# A block of many short or blank lines is parsed in parts, which limits the memory.
MAX_BLOCK_LINES = 200_000
# The text below the header that shows which line end ends rows.
ROW_END_CHARACTERS = 1 << 16
# How many rows the row reader reads before the parser tries a whole block again. The number doubles after each failure.
MIN_ROW_READER_ROWS, MAX_ROW_READER_ROWS = 256, 16_384

UNREADABLE_HEADER = FailureKind(
    "unreadable_header",
    "The header row cannot be read: {reason} Correct the first line of the file and upload it again.",
    extra=frozenset({"reason_code"}),
)
EMPTY_FILE = FailureKind(
    "empty_file", "The file is empty. It needs a header row with a column `sku` and one row per product."
)
TOO_MANY_COLUMNS = FailureKind(
    "too_many_columns",
    "The file has {count:,} columns; at most {limit:,} are possible. Delete the columns that hold no products' data, or"
    " check the delimiter of the file.",
)


class Parser:
    """Parses a text source. `max_record` is in characters, including the line end; longer rows are rejected."""

    def __init__(self, source: TextSource, *, max_record: int, tuning: ReaderTuning = DEFAULT_TUNING) -> None:
        self._block_characters = source.block_bytes
        self._tuning = tuning
        self._buffer = TextBuffer(source)
        self._max_record = max_record
        self._row_reader_rows = MIN_ROW_READER_ROWS
        # The line end that ends rows, and the number of cells of the header.
        self._row_end, self._width = "", 0
        # Whether the last block on the fast path had slow rows between clean ones.
        self._was_mixed = False
        self._set_dialect(Dialect())

    def peek(self, size: int) -> str:
        """Return the next `size` characters without consuming them, fewer at the end of the file."""
        self._buffer.ensure(size)
        return self._buffer.text[self._buffer.position : self._buffer.position + size]

    @property
    def line(self) -> int:
        """The next line of the file, counted from 1."""
        return self._buffer.line

    def skip(self, length: int) -> None:
        """Consume the next `length` characters, which end with a row."""
        self._buffer.consume(length)

    def skip_to_line(self, line: int, find_row: FindRow = int) -> bool:
        """Consume the lines before `line`. Return whether the file has that line. `find_row` numbers the lines."""
        while self._buffer.ensure() and find_row(self._buffer.line) < line:
            self._buffer.skip_line()
        return find_row(self._buffer.line) == line and self._buffer.ensure()

    def use(self, dialect: Dialect, *, skip: int = 0) -> None:
        """Continue in this dialect after skipping `skip` characters."""
        self._buffer.consume(skip)
        self._set_dialect(dialect)

    def skip_blank_lines(self, blank: re.Pattern[str]) -> None:
        """Consume the next lines as long as `blank` matches them."""
        while self._buffer.ensure() and self._buffer.skip_blank_lines(blank, self._max_record):
            pass

    def _set_dialect(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._row_reader = RowReader(
            self._buffer, dialect, max_record=self._max_record, batch_lines=self._tuning.batch_lines
        )

    def read_header(self) -> Row:
        """Return the first row that is not blank. Raise `UnusableFile` if there is none or it has too many columns."""
        while True:
            self.skip_blank_lines(self._dialect.blank)
            raw, row, reject = self._row_reader.read_row()
            if reject is not None:
                raise UnusableFile(UNREADABLE_HEADER, reason=reject.message, reason_code=reject.code)
            if not raw:
                raise UnusableFile(EMPTY_FILE)
            if row is None or not has_content(row):
                continue
            if len(row) > MAX_COLUMNS:
                raise UnusableFile(TOO_MANY_COLUMNS, count=len(row), limit=MAX_COLUMNS)
            sample = self.peek(ROW_END_CHARACTERS) if raw.endswith("\r\n") else ""
            self._row_end, self._width = find_row_end(raw, sample, self._dialect.quote), len(row)
            return row

    def read_chunks(
        self,
        chunk_rows: int,
        layout: Layout | None = None,
        notices: Notices | None = None,
        find_row: FindRow = int,
        min_cells: int | None = None,
    ) -> Iterator[RowChunk]:
        """Yield the rows after the header, at most `chunk_rows` at a time.

        Rows of empty cells may be left out. A chunk is empty if a whole block has no rows, so that the caller gets
        control. With a `layout`, clean rows take the fast path; see `importer.files.fast_path`. `notices` gets the
        notices about the rows, in which `find_row` numbers the lines. `min_cells` says which short rows are accepted;
        see `RowRepair`.
        """
        repair = RowRepair(
            self._dialect,
            width=self._width,
            row_end=self._row_end,
            max_record=self._max_record,
            notices=notices,
            find_row=find_row,
            min_cells=min_cells,
        )
        for chunk in repair.repair(self._parse_chunks(chunk_rows, layout, repair)):
            yield from _split(chunk, chunk_rows)

    def _parse_chunks(self, chunk_rows: int, layout: Layout | None, repair: RowRepair) -> Iterator[RowChunk]:
        buffer = self._buffer
        length = max_length = min(self._block_characters, self._max_record)
        misses = 0
        while buffer.ensure():
            if buffer.skip_blank_lines(self._dialect.blank, self._max_record):
                yield RowChunk([], buffer.line)
                continue
            if layout is not None and misses < self._tuning.max_fast_path_misses and not repair.has_open_row:
                end = buffer.position + length
                block = self._read_block(
                    buffer.text[buffer.position : end],
                    layout,
                    at_end=buffer.at_end and end >= len(buffer.text),
                    requires_crlf=repair.requires_crlf,
                )
                misses = misses + 1 if block is None else 0
                if block is not None:
                    rows_count = block.rows if isinstance(block, CleanRows) else block.max_rows
                    length = max(1, min(max_length, block.length * chunk_rows // rows_count))
                    if rows_count <= chunk_rows:
                        first_line = buffer.line
                        buffer.consume(block.length, line_ends=block.line_ends)
                        yield _create_chunk(block, first_line)
                    continue
            block_end = self._find_last_row_end()
            rows, end = self._parse(block_end)
            is_parsed = end == block_end > buffer.position
            chunk = RowChunk(rows, buffer.line, buffer.text[buffer.position : end])
            buffer.consume(end - buffer.position)
            if not all(rows):
                chunk = _without_blank_lines(chunk)
            if rows:
                yield chunk
            if not is_parsed:
                yield from self._read_singly(chunk_rows, len(rows))

    def _read_block(
        self, text: str, layout: Layout, *, at_end: bool, requires_crlf: bool
    ) -> CleanRows | MixedRows | None:
        """Read the rows of a block on the fast path, if it can read most of them."""
        if not self._was_mixed:
            clean = self._read_clean_rows(text, layout, at_end=at_end, requires_crlf=requires_crlf)
            if clean is not None:
                return clean
        dialect = self._dialect
        mixed = None
        if not (dialect.wrapped or (dialect.escaped and "\\" in text)):
            mixed = read_mixed_rows(
                text, layout, dialect, at_end=at_end, requires_crlf=requires_crlf, first_line=self._buffer.line
            )
        # After a block with slow rows, the next one usually has some, too. Looking for clean blocks would be in vain.
        was_mixed, self._was_mixed = self._was_mixed, mixed is not None and bool(mixed.clean.starts)
        if mixed is None and was_mixed:
            return self._read_clean_rows(text, layout, at_end=at_end, requires_crlf=requires_crlf)
        return mixed

    def _read_clean_rows(self, text: str, layout: Layout, *, at_end: bool, requires_crlf: bool) -> CleanRows | None:
        """Read clean rows; if quotes are not as RFC 4180 has them, rewrite the text first."""
        dialect = self._dialect
        line = self._buffer.line
        if not (dialect.wrapped or (dialect.escaped and "\\" in text)):
            clean = read_clean_rows(text, layout, at_end=at_end, requires_crlf=requires_crlf, first_line=line)
            if clean is not None or not dialect.has_spaced_quotes(text):
                return clean
        rewritten = "".join(dialect.repair(io.StringIO(text, newline="")))
        clean = read_clean_rows(rewritten, layout, at_end=at_end, requires_crlf=requires_crlf, first_line=line)
        if clean is None or clean.length == len(rewritten):
            return clean and clean._replace(length=len(text))
        # Rewriting keeps the line ends, so the rest has as many of them as before.
        start = len(text)
        for _ in range(rewritten.count("\n", clean.length) + 1):
            start = text.rfind("\n", 0, start)
        return clean._replace(length=start + 1)

    def _read_singly(self, chunk_rows: int, parsed_rows: int) -> Iterator[RowChunk]:
        """Read the next rows with the row reader: more and more of them while parsing whole blocks fails."""
        self._row_reader_rows = (
            min(2 * self._row_reader_rows, MAX_ROW_READER_ROWS)
            if parsed_rows < self._row_reader_rows
            else MIN_ROW_READER_ROWS
        )
        left = self._row_reader_rows
        while left > 0 and self._buffer.ensure():
            chunk = self._row_reader.read_rows(min(left, chunk_rows))
            left -= max(1, len(chunk.rows) + len(chunk.rejects))
            yield chunk

    def _find_last_row_end(self) -> int:
        """Return the end of the last complete row in the buffer, judged by its quotes; the start if there is none.

        A row ends at a line end with an even number of quotes before it. If a stray quote makes that wrong, the text
        ends within a quoted field, which `_parse` detects. Rows from a NUL on are left to the row reader. The text also
        ends before a long run of blank lines, because skipping them is faster than parsing them.
        """
        text, start, quote = self._buffer.text, self._buffer.position, self._dialect.quote
        end = blank_run if (blank_run := find_blank_run(text, start)) >= 0 else len(text)
        end = nul if (nul := text.find("\0", start, end)) >= 0 else end
        if (lines := text.count("\n", start, end)) > MAX_BLOCK_LINES:
            end = start + (end - start) * MAX_BLOCK_LINES // lines
        if end == len(text) and self._buffer.at_end:
            return end
        if self._dialect.escaped and "\\" in text:
            # Escaped quotes open and close nothing.
            text = text.replace("\\\\", "  ").replace(f"\\{quote}", "  ")
        quotes = text.count(quote, start, end) if quote else 0
        newline = carriage = end
        while True:
            # Search again only if the last match is after `end`; otherwise this would be quadratic.
            newline = text.rfind("\n", start, end) if newline >= end else newline
            # A CR at the very end may be the first half of a line end.
            carriage = text.rfind("\r", start, min(end, len(text) - 1)) if carriage >= end else carriage
            row_end = max(newline, carriage) + 1
            if row_end <= start or not quote:
                return max(row_end, start)
            quotes -= text.count(quote, row_end, end)
            if quotes % 2 == 0:
                return row_end
            end = text.rfind(quote, start, row_end)
            quotes -= 1

    def _parse(self, end: int) -> tuple[list[Row], int]:
        """Parse the text up to `end`. Return the leading rows that need no row reader, and the position after them."""
        position = self._buffer.position
        text = self._buffer.text[position:end]
        dialect = self._dialect.for_text(text)
        rows: list[Row] = []
        is_complete = False
        with suppress(csv.Error):
            # After an error, `rows` has the rows before the malformed one.
            rows.extend(dialect.reader(io.StringIO(text, newline="")))
            is_complete = True
        # An upper bound of the length of a row, with its quotes, delimiters and line end. The row reader is exact.
        longest, widest = max(map(len, map("".join, rows)), default=0), max(map(len, rows), default=0)
        if 2 * longest + 3 * widest + 2 > self._max_record:
            sizes = (2 * len("".join(row)) + 3 * len(row) + 2 for row in rows)
            kept = next((number for number, size in enumerate(sizes) if size > self._max_record), len(rows))
            is_complete = is_complete and kept == len(rows)
            del rows[kept:]
        if is_complete:
            return rows, end
        lines = io.StringIO(text, newline="")
        deque(islice(dialect.reader(lines), len(rows)), maxlen=0)
        return rows, position + lines.tell()


def _create_chunk(block: CleanRows | MixedRows, first_line: int) -> RowChunk:
    if isinstance(block, CleanRows):
        return RowChunk([], first_line, clean=block, clean_lines=block.lines)
    positions = RowPositions(block.lines, block.raws)
    return RowChunk(block.rows, first_line, known_positions=positions, around=block.clean)


def _without_blank_lines(chunk: RowChunk) -> RowChunk:
    lines, raws = chunk.positions()
    positions = RowPositions(list(compress(lines, chunk.rows)), list(compress(raws, chunk.rows)))
    return replace(chunk, rows=list(filter(None, chunk.rows)), known_positions=positions)


def _split(chunk: RowChunk, chunk_rows: int) -> Iterator[RowChunk]:
    """Split a chunk into chunks of at most `chunk_rows` rows. The first one has the rejects, and `taken_in`."""
    rows = chunk.rows
    if len(rows) <= chunk_rows:
        yield chunk
        return
    lines, raws = chunk.positions()
    for start in range(0, len(rows), chunk_rows):
        end = start + chunk_rows
        positions = RowPositions(lines[start:end], raws[start:end])
        rejects, taken_in = ([], []) if start else (chunk.rejects, chunk.taken_in)
        yield replace(
            chunk,
            rows=rows[start:end],
            first_line=lines[start],
            rejects=rejects,
            known_positions=positions,
            taken_in=taken_in,
        )
