"""From text to rows: CSV after RFC 4180, chunk by chunk, with the rows that cannot be taken set aside.

Whole blocks go through `csv.reader` at once. Only a block in which something is wrong is read again, record by record,
to find out which rows are to blame and on which line of the file each of them starts. A malformed quote costs its own
line and no other: reading goes on with the line behind it.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
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
SHOWN_OF_LONG_ROW = 200
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


class Parser:
    """Reads a `Source` as records. `max_record` is in characters: a longer record is a reject, however long it is."""

    def __init__(self, source: Source, *, max_record: int) -> None:
        self._source = source
        self._max_record = max_record
        # The text at hand is `_text[_position:]`; what lies before is taken and goes with the next block.
        self._text = ""
        self._position = 0
        self._at_end = False
        self._line = 1

    def header(self) -> Row:
        """Returns the first record that is not blank; raises `UnusableFile` where there is none."""
        while True:
            records = self._one_by_one(1)
            if records.rejects:
                raise UnusableFile(
                    f"The header row cannot be read: {records.rejects[0].message} "
                    "Correct the first line of the file and upload it again."
                )
            if not records.rows:
                raise UnusableFile(
                    "The file is empty. It needs a header row with a column `sku` and one row a product."
                )
            if any(cell.strip() for cell in records.rows[0]):
                return records.rows[0]

    def chunks(self, chunk_rows: int, layout: Layout | None = None) -> Iterator[Records]:
        """Yields the records behind the header, at most `chunk_rows` rows at a time.

        With a `layout`, blocks that are clean take the short cut, see `importer.clean`.
        """
        reach = BLOCK_BYTES
        missed = 0
        while self._top_up():
            if layout is not None and missed < MISSED_SHORT_CUTS:
                end = self._position + reach
                clean = take_clean(
                    self._text[self._position : end], layout, at_end=self._at_end and end >= len(self._text)
                )
                missed = missed + 1 if clean is None else 0
                if clean is not None:
                    reach = max(1, min(BLOCK_BYTES, clean.length * chunk_rows // clean.rows))
                    if clean.rows <= chunk_rows:
                        records = Records([], self._line, clean=clean)
                        self._drop(clean.length)
                        yield records
                    continue
            cut = self._last_boundary()
            rows = self._parse(self._text[self._position : cut])
            if rows is None:
                yield self._one_by_one(chunk_rows)
                continue
            records = Records(rows, self._line)
            self._drop(cut - self._position)
            if len(rows) <= chunk_rows:
                yield records
                continue
            lines = records.lines()
            for start in range(0, len(rows), chunk_rows):
                end = start + chunk_rows
                yield Records(rows[start:end], lines[start], known_lines=lines[start:end])

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
            self._position = 0

    def _last_boundary(self) -> int:
        """Where the last whole record of the text ends, as far as the quotes tell; `_position` when that is not seen.

        A boundary is a line end with an even number of quotes before it. Where a stray quote makes that wrong, the
        text ends within a quoted field, which `_parse` notices.
        """
        text, start, end = self._text, self._position, len(self._text)
        if self._at_end:
            return end
        quotes = text.count('"', start)
        while True:
            # The CR at the very end may be the first half of a line end.
            cut = max(text.rfind("\n", start, end), text.rfind("\r", start, min(end, len(text) - 1))) + 1
            if cut <= start:
                return start
            if text[cut - 1] == "\r" and text[cut] == "\n":
                cut += 1
            quotes -= text.count('"', cut, end)
            if quotes % 2 == 0:
                return cut
            end = text.rfind('"', start, cut)
            quotes -= 1

    @staticmethod
    def _parse(text: str) -> list[Row] | None:
        """Parses whole records; None when something in them needs a closer look."""
        if not text or "\0" in text:
            return None
        try:
            return list(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error:
            return None

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
        """Takes one record, or one line of a malformed one, off the text."""
        line = self._line
        taken: list[str] = []
        too_long = False

        def feed() -> Iterator[str]:
            nonlocal too_long
            length = 0
            while length < self._max_record:
                text = self._peek_line(length)
                if not text:
                    return
                length += len(text)
                taken.append(text)
                # Python below 3.11 refuses NUL; its place is all that counts here, the row is a reject anyway.
                yield text.replace("\0", "\ufffd")
            too_long = True

        problem = None
        row: Row | None = None
        try:
            row = next(csv.reader(feed(), strict=True), None)
        except csv.Error as error:
            problem = str(error)
        if not taken:
            return "", None, None
        if len(taken[0]) > self._max_record:
            return self._skip_long_line(line)
        if too_long or problem is not None:
            raw = taken[0]
            self._drop(len(raw))
            sentence = GOES_ON_BEHIND_QUOTE if problem and "expected after" in problem else NEVER_CLOSED
            return raw, None, Reject(line, "bad_quoting", sentence, visible(raw))
        raw = "".join(taken)
        self._drop(len(raw))
        if "\0" in raw:
            return raw, None, Reject(line, "nul", "The row contains a NUL character. Remove it.", visible(raw))
        return raw, row, None

    def _peek_line(self, offset: int) -> str:
        """The line that starts `offset` characters ahead; longer than the limit when it has no end within it."""
        searched = 0
        while True:
            start = self._position + offset
            cut = _line_end(self._text, start + searched, self._at_end)
            if cut or self._at_end:
                return self._text[start : cut or len(self._text)]
            length = len(self._text) - start
            if length > self._max_record:
                return self._text[start:]
            searched = max(0, length - 1)
            self._fill()

    def _skip_long_line(self, line: int) -> tuple[str, None, Reject]:
        """Drops a line that is longer than a record may be, without ever holding the whole of it."""
        start = self._text[self._position : self._position + SHOWN_OF_LONG_ROW]
        while not (cut := _line_end(self._text, self._position, self._at_end)) and not self._at_end:
            self._position = len(self._text) - 1
            self._fill()
        self._position = cut or len(self._text)
        self._line = line + 1
        message = f"The row is longer than {self._max_record:,} characters, which is the limit. Shorten it."
        return start, None, Reject(line, "row_too_long", message, visible(start) + "…")

    def _drop(self, length: int) -> None:
        end = self._position + length
        self._line += count_line_breaks(self._text, self._position, end)
        self._position = end


def _line_end(text: str, start: int, at_end: bool) -> int:
    """Where the line that goes through `start` ends, behind its LF, CR LF or CR; 0 when that is not to be seen yet."""
    newline = text.find("\n", start)
    carriage = text.find("\r", start, newline if newline >= 0 else len(text))
    if carriage < 0:
        return newline + 1
    if carriage + 1 == newline:
        return newline + 1
    return carriage + 1 if newline >= 0 or at_end or carriage + 1 < len(text) else 0
