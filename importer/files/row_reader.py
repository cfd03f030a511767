"""Reads rows singly where a block is malformed, to find the malformed rows and the line on which each starts.

If a quote is misplaced, only its line is rejected: reading continues with the next line. If a row is longer than the
limit, it is rejected as a whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from importer.files.cells import Row
from importer.files.dialect import Dialect
from importer.files.long_rows import LongRows, Place
from importer.files.reject_messages import LONG_ROW, NUL, TEXT_AFTER_QUOTE, UNCLOSED_QUOTE
from importer.files.rows import Reject, RowChunk, RowPositions, make_all_printable, make_printable
from importer.files.text_buffer import TextBuffer, find_blank_run
from importer.files.tuning import DEFAULT_TUNING

SHOWN_LONG_ROW_CHARACTERS = 200
# The amount of text in a batch.
BATCH_CHARACTERS = 1 << 18
# After a failed batch, some rows are read singly before the next batch. Each failure doubles their number, up to this.
MAX_SINGLE_ROWS = 1024


class OpenQuote(NamedTuple):
    """Why a row could not be read: its quote was still open at `until`, which is the place of the `problem`.

    A quote that a later line before `until` leaves open is also still open at `until`, so the row that starts on that
    line need not be read again: it has the same problem. `until` is in characters from the start of the file.
    """

    until: int = 0
    problem: str = UNCLOSED_QUOTE.format()


class BadLines(NamedTuple):
    """Rejected lines: the number of each, its reason code and sentence, and its text."""

    lines: list[int]
    reasons: list[tuple[str, str]]
    raws: list[str]


class RowReader:
    """Reads rows from a text buffer. `max_record` is in characters, with the line end; longer rows are rejected."""

    def __init__(
        self,
        buffer: TextBuffer,
        dialect: Dialect,
        *,
        max_record: int,
        batch_lines: int = DEFAULT_TUNING.batch_lines,
    ) -> None:
        self._buffer = buffer
        self._batch_lines = batch_lines
        self._dialect = dialect
        self._max_record = max_record
        self._open = OpenQuote()
        self._text_after_quote_message = TEXT_AFTER_QUOTE.format(quote=dialect.quote, delimiter=dialect.delimiter_name)
        self._long_rows = LongRows(buffer.source, dialect)
        self._single_rows = 1

    def read_rows(self, limit: int) -> RowChunk:
        """Read rows until the chunk has `limit` rows and rejects, or the text that is buffered now has been read."""
        buffer = self._buffer
        lines: list[int] = []
        raws: list[str] = []
        chunk = RowChunk([], buffer.line, known_positions=RowPositions(lines, raws))
        left = len(buffer)
        singly = 0
        while left > 0 and len(chunk.rows) + len(chunk.rejects) < limit:
            start = buffer.offset
            if buffer.skip_blank_lines(self._dialect.blank, self._max_record):
                left -= buffer.offset - start
                continue
            if singly > 0 or not self._read_batch(chunk, lines, raws, limit):
                singly = self._single_rows if singly <= 0 else singly - 1
                line = buffer.line
                raw, row, reject = self.read_row()
                if reject is not None:
                    chunk.rejects.append(reject)
                elif row:
                    chunk.rows.append(row)
                    lines.append(line)
                    raws.append(raw)
            left -= buffer.offset - start
        return chunk

    def _read_batch(self, chunk: RowChunk, lines: list[int], raws: list[str], limit: int) -> bool:
        """Read the next rows with one `csv.reader` if they have few and short lines, as nearly all rows do.

        Skips malformed lines, and stops before a row with many lines. Returns whether any row or reject was read.
        """
        buffer = self._buffer
        text = buffer.text[buffer.position : buffer.position + BATCH_CHARACTERS]
        if len(text) < len(buffer) or not buffer.at_end:
            # A CR at the very end may be the first half of a line end.
            text = text[: max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1]
        if (blank_run := find_blank_run(text, 0)) > 0:
            text = text[:blank_run]
        batch = io.StringIO(text, newline="").readlines()
        if not batch or max(map(len, batch)) * self._batch_lines > self._max_record:
            return False
        dialect = self._dialect.for_text(text)
        has_nul = "\0" in text
        readable = [line.replace("\0", "\ufffd") for line in batch] if has_nul else batch
        bad = BadLines([], [], [])
        limit -= len(chunk.rows) + len(chunk.rejects)
        first_line, start, offset, count = buffer.line, 0, 0, 0
        reader = dialect.reader(iter(readable))
        while count < limit:
            try:
                row: Row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if "expected after" not in str(error) or offset + reader.line_num - start > self._batch_lines:
                    break
                bad.lines.append(first_line + start)
                bad.reasons.append((TEXT_AFTER_QUOTE.code, self._text_after_quote_message))
                bad.raws.append(batch[start])
                start += 1
                if offset + reader.line_num != start:
                    # Read the lines after the first one again.
                    reader, offset = dialect.reader(islice(readable, start, None)), start
            else:
                end = offset + reader.line_num
                if end - start > self._batch_lines:
                    break
                raw = batch[start] if end - start == 1 else "".join(batch[start:end])
                if has_nul and "\0" in raw:
                    bad.lines.append(first_line + start)
                    bad.reasons.append((NUL.code, NUL.format()))
                    bad.raws.append(raw)
                elif row:
                    chunk.rows.append(row)
                    lines.append(first_line + start)
                    raws.append(raw)
                else:
                    # A blank line does not count. Otherwise the batch would be split into lines again and again.
                    count -= 1
                start = end
            count += 1
        if not start:
            self._single_rows = min(2 * self._single_rows, MAX_SINGLE_ROWS)
            return False
        self._single_rows = 1
        buffer.consume(sum(map(len, batch[:start])))
        chunk.rejects += [
            Reject(line, code, message, row)
            for line, (code, message), row in zip(bad.lines, bad.reasons, make_all_printable(bad.raws), strict=True)
        ]
        return True

    def read_row(self) -> tuple[str, Row | None, Reject | None]:
        """Read one row, or one line of a malformed one. Return its text ("" at the end), its cells and its reject."""
        buffer = self._buffer
        line = buffer.line
        first_end = buffer.find_line_end(0, self._max_record)
        if first_end > self._max_record:
            return self._reject_long_line(line)
        end, row, problem = self._parse_row(first_end)
        if end > self._max_record:
            return self._reject_long_row(line, end)
        raw = buffer.text[buffer.position : buffer.position + end]
        buffer.consume(end)
        if problem is not None:
            return raw, None, Reject(line, UNCLOSED_QUOTE.code, problem, make_printable(raw))
        if "\0" in raw:
            return raw, None, Reject(line, NUL.code, NUL.format(), make_printable(raw))
        return raw, row, None

    def _parse_row(self, first_end: int) -> tuple[int, Row | None, str | None]:
        """Return the length of the next row, whose first line ends at `first_end`, and its cells.

        For a malformed row: the length of its first line, and its problem. For a row that is too long: its length.
        """
        if first_end > self._open.until - self._buffer.offset:
            return self._parse_lines(first_end)
        try:
            return first_end, next(self._dialect.with_spaces.reader([self._peek(0, first_end)])), None
        except csv.Error as error:
            is_text_after_quote = "expected after" in str(error)
            return first_end, None, self._text_after_quote_message if is_text_after_quote else self._open.problem

    def _parse_lines(self, first_end: int) -> tuple[int, Row | None, str | None]:
        """Parse the next row line by line; return the same as `_parse_row`."""
        buffer, here = self._buffer, self._buffer.offset
        begin = end = 0
        is_too_long = False

        def lines() -> Iterator[str]:
            nonlocal begin, end, is_too_long
            while True:
                begin, end = end, buffer.find_line_end(end, self._max_record)
                if begin == end:
                    return
                if end > self._max_record:
                    is_too_long = True
                    return
                yield self._peek(begin, end)

        until, problem = 0, UNCLOSED_QUOTE.format()
        try:
            row = next(self._dialect.with_spaces.reader(lines()), None)
            return end, row, None
        except csv.Error as error:
            until = here + begin
            if "expected after" in str(error):
                problem = self._text_after_quote_message
            elif is_too_long:
                until, place = self._long_rows.find_end(until)
                if place is Place.LINE_END:
                    return until - here, None, None
                if place is Place.MISPLACED:
                    problem = self._text_after_quote_message
        if until > self._open.until:
            self._open = OpenQuote(until, problem)
        return first_end, None, problem

    def _peek(self, begin: int, end: int) -> str:
        # A row with NUL is rejected later; the replacement only keeps positions the same.
        text, position = self._buffer.text, self._buffer.position
        return text[position + begin : position + end].replace("\0", "\ufffd")

    def _reject_long_row(self, line: int, length: int) -> tuple[str, None, Reject]:
        """Skip a row of `length` characters without ever holding all of it."""
        start = self._peek_start()
        self._buffer.skip(length)
        return self._reject_long(line, start)

    def _reject_long_line(self, line: int) -> tuple[str, None, Reject]:
        """Skip a row whose first line is too long; skip only that line if it leaves a quote open without an end."""
        buffer = self._buffer
        start = self._peek_start()
        if self._long_rows.skip_line(buffer):
            end, place = self._long_rows.find_end(buffer.offset)
            if place is Place.LINE_END:
                buffer.skip(end - buffer.offset)
        return self._reject_long(line, start)

    def _peek_start(self) -> str:
        buffer = self._buffer
        return buffer.text[buffer.position : buffer.position + min(SHOWN_LONG_ROW_CHARACTERS, self._max_record)]

    def _reject_long(self, line: int, start: str) -> tuple[str, None, Reject]:
        message = LONG_ROW.format(limit=self._max_record)
        return start, None, Reject(line, LONG_ROW.code, message, make_printable(start) + "…")
