"""From text to rows: CSV after RFC 4180, chunk by chunk, with the rows that cannot be taken set aside.

Whole blocks go through `csv.reader` at once. Where something is wrong in one, the rows before it are kept and some
records from there on are read one by one, to find out which rows are to blame and on which line of the file each of
them starts. A malformed quote costs its own line and no other: reading goes on with the line behind it.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from importer.clean import Clean, Layout, take_clean
from importer.errors import UnusableFile
from importer.source import BLOCK_BYTES, Source

# Records are bounded by our own limit, which knows what to do about it.
csv.field_size_limit(min(sys.maxsize, 1 << 30))

Row = list[str]

GOES_ON_BEHIND_QUOTE = (
    'A quoted field goes on behind its closing quote. Write a quote within a quoted field as "" and put a comma behind '
    "the closing one."
)
NEVER_CLOSED = (
    "A quote is opened on this line and never closed. Close it, or write a quote within a quoted field as two."
)
CLOSED_TOO_FAR = (
    "A quote is opened on this line and not closed within {limit:,} characters, which is the limit of a row. Close it, "
    "or write a quote within a quoted field as two."
)
SHOWN_OF_LONG_ROW = 200
LINE_END = re.compile("[\r\n]")
# Records read one by one before a whole block is tried again; more where trying does not pay.
MIN_CLOSE_LOOK, MAX_CLOSE_LOOK = 256, 16_384
# After so many blocks in a row that were not clean the short cut is not tried any more.
MISSED_SHORT_CUTS = 8
LONE_BYTE = re.compile("[\udc80-\udcff]")


class Reject(NamedTuple):
    """A row set aside: the line of the file where it starts (from 1), a reason code, a sentence, the row as CSV."""

    line: int
    code: str
    message: str
    row: str


@dataclass
class Records:
    """Rows in the order of the file, and the rejects found among them.

    Where `clean` is there, it holds all the rows as COPY reads them, and `rows` is empty.
    """

    rows: list[Row]
    first_line: int
    rejects: list[Reject] = field(default_factory=list)
    known_lines: list[int] | None = None
    clean: Clean | None = None

    def lines(self) -> list[int]:
        """The line of the file on which each row starts, counted from 1."""
        if self.known_lines is None:
            self.known_lines = []
            line = self.first_line
            for row in self.rows:
                self.known_lines.append(line)
                line += 1 + sum(map(count_line_breaks, row))
        return self.known_lines


def count_line_breaks(text: str, start: int = 0, end: int = sys.maxsize) -> int:
    """Counts line ends as editors do: LF, CR LF and a lone CR are one each."""
    newlines = text.count("\n", start, end)
    if text.find("\r", start, end) < 0:
        return newlines
    return newlines + text.count("\r", start, end) - text.count("\r\n", start, end)


def visible(raw: str) -> str:
    """Makes a row that cannot be stored as it is readable: bytes that are not UTF-8 are shown as Windows-1252."""
    return LONE_BYTE.sub(_windows_1252, raw.rstrip("\r\n").replace("\0", "\ufffd"))


def _windows_1252(match: re.Match[str]) -> str:
    return bytes([ord(match[0]) - 0xDC00]).decode("cp1252", "replace")


def as_csv(row: Row) -> str:
    """Writes a row as it stands in a CSV file, without the line end."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue()


class OpenQuote(NamedTuple):
    """What became of a quote that was not closed: a line above `until` opened it, and there it was open still.

    Lines that open one before `until` meet the same end, so that nothing is read for each of them again: `problem` on
    the line at `until`, or, without a problem, a line that reaches to `reaches`, which was too far. Both are counted
    in characters from the start of the file.
    """

    until: int = 0
    reaches: int = 0
    problem: str | None = None


class Parser:
    """Reads a `Source` as records. `max_record` is in characters, line end included: a longer record is a reject."""

    def __init__(self, source: Source, *, max_record: int) -> None:
        self._source = source
        self._max_record = max_record
        # The text at hand is `_text[_position:]`; what lies before is taken and goes with the next block. `_passed`
        # characters of the file lie before `_text`.
        self._text = ""
        self._position = 0
        self._passed = 0
        self._at_end = False
        self._line = 1
        self._open = OpenQuote()
        self._close_look = MIN_CLOSE_LOOK

    def header(self) -> Row:
        """Returns the first record that is not blank; raises `UnusableFile` where there is none."""
        while True:
            raw, row, reject = self._next_record()
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

        With a `layout`, blocks that are clean take the short cut, see `importer.clean`.
        """
        reach = longest = min(BLOCK_BYTES, self._max_record)
        missed = 0
        while self._top_up():
            if layout is not None and missed < MISSED_SHORT_CUTS:
                end = self._position + reach
                clean = take_clean(
                    self._text[self._position : end], layout, at_end=self._at_end and end >= len(self._text)
                )
                missed = missed + 1 if clean is None else 0
                if clean is not None:
                    reach = max(1, min(longest, clean.length * chunk_rows // clean.rows))
                    if clean.rows <= chunk_rows:
                        records = Records([], self._line, clean=clean)
                        self._drop(clean.length)
                        yield records
                    continue
            cut = self._last_boundary()
            rows, end = self._parse(cut)
            all_taken = end == cut > self._position
            records = Records(rows, self._line)
            self._drop(end - self._position)
            yield from _split(records, chunk_rows)
            if not all_taken:
                yield from self._look_closely(chunk_rows, len(rows))

    def _look_closely(self, chunk_rows: int, parsed_rows: int) -> Iterator[Records]:
        """Reads the next records one by one: few when parsing whole blocks pays, more and more when it does not."""
        self._close_look = (
            min(2 * self._close_look, MAX_CLOSE_LOOK) if parsed_rows < self._close_look else MIN_CLOSE_LOOK
        )
        left = self._close_look
        while left > 0 and self._top_up():
            records = self._one_by_one(min(left, chunk_rows))
            left -= max(1, len(records.rows) + len(records.rejects))
            yield records

    def _top_up(self) -> bool:
        """Reads on unless a block's worth of text is at hand; tells whether any is left."""
        if len(self._text) - self._position < BLOCK_BYTES:
            self._fill()
        return self._position < len(self._text)

    def _fill(self) -> None:
        if not self._at_end:
            block = self._source.read_block()
            self._at_end = not block
            self._text = self._text[self._position :] + block
            self._passed += self._position
            self._position = 0

    def _last_boundary(self) -> int:
        """Where the last whole record of the text ends, as far as the quotes tell; `_position` when that is not seen.

        A boundary is a line end with an even number of quotes before it. Where a stray quote makes that wrong, the
        text ends within a quoted field, which `_parse` notices. Records from a NUL on need a closer look.
        """
        text, start = self._text, self._position
        end = text.find("\0", start)
        if end < 0:
            end = len(text)
            if self._at_end:
                return end
        quotes = text.count('"', start, end)
        newline = carriage = end
        while True:
            # Each is looked for only where the last one found lies behind `end`, or this would be quadratic.
            newline = text.rfind("\n", start, end) if newline >= end else newline
            # The CR at the very end may be the first half of a line end.
            carriage = text.rfind("\r", start, min(end, len(text) - 1)) if carriage >= end else carriage
            cut = max(newline, carriage) + 1
            if cut <= start:
                return start
            quotes -= text.count('"', cut, end)
            if quotes % 2 == 0:
                return cut
            end = text.rfind('"', start, cut)
            quotes -= 1

    def _parse(self, end: int) -> tuple[list[Row], int]:
        """Parses the text up to `end`; returns the rows before the first that needs a closer look, and where it is."""
        text = self._text[self._position : end]
        rows: list[Row] = []
        whole = False
        with suppress(csv.Error):
            # Where this raises, the rows before the bad one are there.
            rows.extend(csv.reader(io.StringIO(text, newline=""), strict=True))
            whole = True
        # The limit is checked exactly by the closer look; quotes, commas and the line end are not among the cells.
        longest, widest = max(map(len, map("".join, rows)), default=0), max(map(len, rows), default=0)
        if 2 * longest + 3 * widest + 2 > self._max_record:
            sizes = (2 * len("".join(row)) + 3 * len(row) + 2 for row in rows)
            kept = next((number for number, size in enumerate(sizes) if size > self._max_record), len(rows))
            whole = whole and kept == len(rows)
            del rows[kept:]
        if whole:
            return rows, end
        lines = io.StringIO(text, newline="")
        deque(islice(csv.reader(lines, strict=True), len(rows)), maxlen=0)
        return rows, self._position + lines.tell()

    def _one_by_one(self, max_rows: int) -> Records:
        """Reads records singly, up to `max_rows` or the end of the text at hand, with the line of each."""
        records = Records([], self._line, known_lines=[])
        lines = records.lines()
        at_hand = len(self._text) - self._position
        taken = 0
        while len(records.rows) + len(records.rejects) < max_rows and taken <= at_hand:
            line = self._line
            raw, row, reject = self._next_record()
            if not raw:
                break
            taken += len(raw)
            if reject is not None:
                records.rejects.append(reject)
            elif row:
                records.rows.append(row)
                lines.append(line)
        return records

    def _next_record(self) -> tuple[str, Row | None, Reject | None]:
        """Takes one record, or one line of a malformed one, off the text; "" at the end of the file."""
        line = self._line
        first_end = self._reach(0)
        if first_end > self._max_record:
            return self._skip_long_line(line)
        end, row, problem = self._read_record(first_end)
        raw = self._text[self._position : self._position + end]
        self._drop(end)
        if problem is not None:
            return raw, None, Reject(line, "bad_quoting", problem, visible(raw))
        if "\0" in raw:
            return raw, None, Reject(line, "nul", "The row contains a NUL character. Remove it.", visible(raw))
        return raw, row, None

    def _read_record(self, first_end: int) -> tuple[int, Row | None, str | None]:
        """How far the next record reaches, whose first line ends at `first_end`, and its cells.

        Of a malformed one it is the first line, and what is wrong with it.
        """
        here = self._passed + self._position
        if first_end > self._open.until - here:
            return self._read(first_end, 0)
        try:
            return first_end, next(csv.reader([self._ahead(0, first_end)], strict=True)), None
        except csv.Error as error:
            if "expected after" in str(error):
                return first_end, None, GOES_ON_BEHIND_QUOTE
        if self._open.problem is not None:
            return first_end, None, self._open.problem
        if self._open.reaches - here > self._max_record:
            return first_end, None, CLOSED_TOO_FAR.format(limit=self._max_record)
        _, _, problem = read = self._read(first_end, self._open.until - here)
        return read if problem is not None else self._read(first_end, 0)

    def _read(self, first_end: int, start: int) -> tuple[int, Row | None, str | None]:
        """Reads the next record from its line at `start` on; the lines before that are known to end in an open quote.

        Returns the same as `_read_record`, but for the cells, which are the record's only when `start` is 0.
        """
        begin = end = start
        seen = OpenQuote(problem=NEVER_CLOSED)

        def lines() -> Iterator[str]:
            nonlocal begin, end, seen
            if start:
                yield '"'
            while True:
                begin, end = end, self._reach(end)
                if begin == end:
                    return
                if end > self._max_record:
                    seen = OpenQuote(reaches=here + end)
                    return
                yield self._ahead(begin, end)

        here = self._passed + self._position
        try:
            row = next(csv.reader(lines(), strict=True), None)
            return end, row, None
        except csv.Error as error:
            if "expected after" in str(error):
                seen = OpenQuote(problem=GOES_ON_BEHIND_QUOTE)
        if here + begin > self._open.until:
            self._open = seen._replace(until=here + begin)
        return first_end, None, seen.problem or CLOSED_TOO_FAR.format(limit=self._max_record)

    def _ahead(self, begin: int, end: int) -> str:
        # Python below 3.11 refuses NUL; its place is all that counts here, the row is a reject anyway.
        return self._text[self._position + begin : self._position + end].replace("\0", "\ufffd")

    def _reach(self, offset: int) -> int:
        """How far the line that starts `offset` characters ahead reaches, its end included.

        Where that is further than a record may, how far it was followed.
        """
        searched = offset
        while True:
            if end := _line_end(self._text, self._position + searched, self._at_end):
                return end - self._position
            length = len(self._text) - self._position
            if self._at_end or length - offset > self._max_record:
                return length
            # The CR at the very end is looked at again with what follows it.
            searched = max(offset, length - 1)
            self._fill()

    def _skip_long_line(self, line: int) -> tuple[str, None, Reject]:
        """Drops a line that is longer than a record may be, without ever holding the whole of it."""
        start = self._text[self._position : self._position + min(SHOWN_OF_LONG_ROW, self._max_record)]
        while not (end := _line_end(self._text, self._position, self._at_end)) and not self._at_end:
            self._position = len(self._text) - 1
            self._fill()
        self._position = end or len(self._text)
        self._line = line + 1
        message = f"The row is longer than {self._max_record:,} characters, which is the limit. Shorten it."
        return start, None, Reject(line, "row_too_long", message, visible(start) + "…")

    def _drop(self, length: int) -> None:
        end = self._position + length
        self._line += count_line_breaks(self._text, self._position, end)
        self._position = end


def _split(records: Records, chunk_rows: int) -> Iterator[Records]:
    """The same in pieces of at most `chunk_rows` rows."""
    rows = records.rows
    if len(rows) <= chunk_rows:
        if rows:
            yield records
        return
    lines = records.lines()
    for start in range(0, len(rows), chunk_rows):
        end = start + chunk_rows
        yield Records(rows[start:end], lines[start], known_lines=lines[start:end])


def _line_end(text: str, start: int, at_end: bool) -> int:
    """Where the line that goes through `start` ends, behind its LF, CR LF or CR; 0 when that is not to be seen yet."""
    match = LINE_END.search(text, start)
    if match is None or (match[0] == "\r" and match.end() == len(text) and not at_end):
        return 0
    return match.end() + (match[0] == "\r" and text.startswith("\n", match.end()))
