"""From text to rows: CSV after RFC 4180, chunk by chunk, with the rows that cannot be taken set aside.

Whole blocks go through `csv.reader` at once. Where something is wrong in one, the rows before it are kept and some
records from there on are read one by one, see `importer.files.row_reader`.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from importer.errors import UnusableFile
from importer.files.dialect import Dialect
from importer.files.fast_path import Layout, take_clean
from importer.files.row_reader import SingleReader
from importer.files.rows import Places, Records, Row
from importer.files.text_buffer import Window
from importer.files.text_source import BLOCK_BYTES, Source

# Records are bounded by our own limit, which knows what to do about it.
csv.field_size_limit(min(sys.maxsize, 1 << 30))

# Records read one by one before a whole block is tried again; more where trying does not pay.
MIN_CLOSE_LOOK, MAX_CLOSE_LOOK = 256, 16_384
# After so many blocks in a row that were not clean the short cut is not tried any more.
MISSED_SHORT_CUTS = 8


class Parser:
    """Reads a `Source` as records. `max_record` is in characters, line end included: a longer record is a reject."""

    def __init__(self, source: Source, *, max_record: int) -> None:
        self._window = Window(source)
        self._max_record = max_record
        self._close_look = MIN_CLOSE_LOOK
        self._use(Dialect())

    def peek(self, size: int) -> str:
        """Returns the next `size` characters, fewer at the end of the file; nothing is taken."""
        self._window.top_up(size)
        return self._window.text[self._window.position : self._window.position + size]

    def use(self, dialect: Dialect, *, skip: int = 0) -> None:
        """Reads on in this dialect, behind `skip` characters."""
        self._window.drop(skip)
        if dialect.escaped:
            self._window.unescape(dialect.quote)
        self._use(dialect)

    def _use(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._singly = SingleReader(self._window, dialect, max_record=self._max_record)

    def header(self) -> Row:
        """Returns the first record that is not blank; raises `UnusableFile` where there is none."""
        while True:
            raw, row, reject = self._singly.next_record()
            if reject is not None:
                raise UnusableFile(
                    f"The header row cannot be read: {reject.message} "
                    "Correct the first line of the file and upload it again."
                )
            if not raw:
                raise UnusableFile(
                    "The file is empty. It needs a header row with a column `sku` and one row a product."
                )
            if row and any(cell.strip() for cell in row):
                return row

    def chunks(self, chunk_rows: int, layout: Layout | None = None) -> Iterator[Records]:
        """Yields the records behind the header, at most `chunk_rows` rows at a time.

        With a `layout`, blocks that are clean take the short cut, see `importer.files.fast_path`.
        """
        window = self._window
        reach = longest = min(BLOCK_BYTES, self._max_record)
        missed = 0
        while window.top_up():
            if layout is not None and missed < MISSED_SHORT_CUTS:
                end = window.position + reach
                clean = take_clean(
                    window.text[window.position : end], layout, at_end=window.at_end and end >= len(window.text)
                )
                missed = missed + 1 if clean is None else 0
                if clean is not None:
                    reach = max(1, min(longest, clean.length * chunk_rows // clean.rows))
                    if clean.rows <= chunk_rows:
                        records = Records([], window.line, clean=clean)
                        window.drop(clean.length)
                        yield records
                    continue
            cut = self._last_boundary()
            rows, end = self._parse(cut)
            all_taken = end == cut > window.position
            records = Records(rows, window.line, window.text[window.position : end])
            window.drop(end - window.position)
            yield from _split(records, chunk_rows)
            if not all_taken:
                yield from self._look_closely(chunk_rows, len(rows))

    def _look_closely(self, chunk_rows: int, parsed_rows: int) -> Iterator[Records]:
        """Reads the next records one by one: few when parsing whole blocks pays, more and more when it does not."""
        self._close_look = (
            min(2 * self._close_look, MAX_CLOSE_LOOK) if parsed_rows < self._close_look else MIN_CLOSE_LOOK
        )
        left = self._close_look
        while left > 0 and self._window.top_up():
            records = self._singly.take(min(left, chunk_rows))
            left -= max(1, len(records.rows) + len(records.rejects))
            yield records

    def _last_boundary(self) -> int:
        """Where the last whole record of the text ends, as far as the quotes tell; the start when that is not seen.

        A boundary is a line end with an even number of quotes before it. Where a stray quote makes that wrong, the
        text ends within a quoted field, which `_parse` notices. Records from a NUL on need a closer look.
        """
        text, start, quote = self._window.text, self._window.position, self._dialect.quote
        end = text.find("\0", start)
        if end < 0:
            end = len(text)
            if self._window.at_end:
                return end
        quotes = text.count(quote, start, end) if quote else 0
        newline = carriage = end
        while True:
            # Each is looked for only where the last one found lies behind `end`, or this would be quadratic.
            newline = text.rfind("\n", start, end) if newline >= end else newline
            # The CR at the very end may be the first half of a line end.
            carriage = text.rfind("\r", start, min(end, len(text) - 1)) if carriage >= end else carriage
            cut = max(newline, carriage) + 1
            if cut <= start or not quote:
                return max(cut, start)
            quotes -= text.count(quote, cut, end)
            if quotes % 2 == 0:
                return cut
            end = text.rfind(quote, start, cut)
            quotes -= 1

    def _parse(self, end: int) -> tuple[list[Row], int]:
        """Parses the text up to `end`; returns the rows before the first that needs a closer look, and where it is."""
        position = self._window.position
        text = self._window.text[position:end]
        rows: list[Row] = []
        whole = False
        with suppress(csv.Error):
            # Where this raises, the rows before the bad one are there.
            rows.extend(self._dialect.reader(io.StringIO(text, newline="")))
            whole = True
        # The limit is checked exactly by the closer look; quotes, delimiters and line end are not among the cells.
        longest, widest = max(map(len, map("".join, rows)), default=0), max(map(len, rows), default=0)
        if 2 * longest + 3 * widest + 2 > self._max_record:
            sizes = (2 * len("".join(row)) + 3 * len(row) + 2 for row in rows)
            kept = next((number for number, size in enumerate(sizes) if size > self._max_record), len(rows))
            whole = whole and kept == len(rows)
            del rows[kept:]
        if whole:
            return rows, end
        lines = io.StringIO(text, newline="")
        deque(islice(self._dialect.reader(lines), len(rows)), maxlen=0)
        return rows, position + lines.tell()


def _split(records: Records, chunk_rows: int) -> Iterator[Records]:
    """The same in pieces of at most `chunk_rows` rows."""
    rows = records.rows
    if len(rows) <= chunk_rows:
        if rows:
            yield records
        return
    lines, raws = records.places()
    for start in range(0, len(rows), chunk_rows):
        end = start + chunk_rows
        known = Places(lines[start:end], raws[start:end])
        yield replace(records, rows=rows[start:end], first_line=lines[start], rejects=[], known=known)
