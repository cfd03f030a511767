"""Records one by one, where something is wrong with some: which are to blame, and on which line each of them starts.

A malformed quote costs its own line and no other: reading goes on with the line behind it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from importer.files.dialect import Dialect
from importer.files.rows import Places, Records, Reject, Row, all_visible, visible
from importer.files.text_buffer import Window

GOES_ON_BEHIND_QUOTE = (
    "A quoted field goes on behind its closing quote. Write a quote within a quoted field as {quote}{quote} and put a "
    "{delimiter} behind the closing one, or choose another quote for the whole file."
)
NEVER_CLOSED = (
    "A quote is opened on this line and never closed. Close it, or write a quote within a quoted field as two."
)
CLOSED_TOO_FAR = (
    "A quote is opened on this line and not closed within {limit:,} characters, which is the limit of a row. Close it, "
    "or write a quote within a quoted field as two."
)
HAS_NUL = "The row contains a NUL character. Remove it."
SHOWN_OF_LONG_ROW = 200
# How much text is looked at together, and how many lines a record may have to be read there.
TOGETHER_CHARACTERS = 1 << 18
TOGETHER_LINES = 16
# Records read by themselves before lines are looked at together again; more where that does not pay.
MAX_ALONE = 1024


class OpenQuote(NamedTuple):
    """What became of a quote that was not closed: a line above `until` opened it, and there it was open still.

    Lines that open one before `until` meet the same end, so that nothing is read for each of them again: `problem` on
    the line at `until`, or, without a problem, a line that reaches to `reaches`, which was too far. Both are counted
    in characters from the start of the file.
    """

    until: int = 0
    reaches: int = 0
    problem: str | None = None


class Bad(NamedTuple):
    """Lines that are rejects: where each starts, why, and their text."""

    lines: list[int]
    reasons: list[tuple[str, str]]
    raws: list[str]


class SingleReader:
    """Takes records off a window. `max_record` is in characters, line end included: a longer record is a reject."""

    def __init__(self, window: Window, dialect: Dialect, *, max_record: int) -> None:
        self._window = window
        self._dialect = dialect
        self._max_record = max_record
        self._open = OpenQuote()
        self._behind_quote = GOES_ON_BEHIND_QUOTE.format(quote=dialect.quote, delimiter=dialect.word)
        self._too_far = CLOSED_TOO_FAR.format(limit=max_record)
        self._alone = 1

    def take(self, most: int) -> Records:
        """Reads up to `most` records, or to the end of the text at hand."""
        window = self._window
        lines: list[int] = []
        raws: list[str] = []
        records = Records([], window.line, known=Places(lines, raws))
        left = len(window)
        alone = 0
        while left > 0 and len(records.rows) + len(records.rejects) < most:
            at = window.passed + window.position
            if alone > 0 or not self._take_together(records, lines, raws, most):
                alone = self._alone if alone <= 0 else alone - 1
                line = window.line
                raw, row, reject = self.next_record()
                if not raw:
                    break
                if reject is not None:
                    records.rejects.append(reject)
                elif row:
                    records.rows.append(row)
                    lines.append(line)
                    raws.append(raw)
            left -= window.passed + window.position - at
        return records

    def _take_together(self, records: Records, lines: list[int], raws: list[str], most: int) -> bool:
        """Takes the next records, if they have few and short lines, as they nearly always do; tells if there are any.

        One reader goes through all of them and past each that is malformed. Where a record is not that simple, it stops
        in front of it.
        """
        window, dialect = self._window, self._dialect
        text = window.text[window.position : window.position + TOGETHER_CHARACTERS]
        if len(text) < len(window) or not window.at_end:
            # The CR at the very end may be the first half of a line end.
            text = text[: max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1]
        of_text = io.StringIO(text, newline="").readlines()
        if not of_text or max(map(len, of_text)) * TOGETHER_LINES > self._max_record:
            return False
        has_nul = "\0" in text
        readable = [line.replace("\0", "\ufffd") for line in of_text] if has_nul else of_text
        bad = Bad([], [], [])
        most -= len(records.rows) + len(records.rejects)
        first_line, start, offset, taken = window.line, 0, 0, 0
        reader = dialect.reader(iter(readable))
        while taken < most:
            try:
                row: Row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if "expected after" not in str(error) or offset + reader.line_num - start > TOGETHER_LINES:
                    break
                bad.lines.append(first_line + start)
                bad.reasons.append(("bad_quoting", self._behind_quote))
                bad.raws.append(of_text[start])
                start += 1
                if offset + reader.line_num != start:
                    # The lines behind the first are read again.
                    reader, offset = dialect.reader(islice(readable, start, None)), start
            else:
                end = offset + reader.line_num
                if end - start > TOGETHER_LINES:
                    break
                raw = of_text[start] if end - start == 1 else "".join(of_text[start:end])
                if has_nul and "\0" in raw:
                    bad.lines.append(first_line + start)
                    bad.reasons.append(("nul", HAS_NUL))
                    bad.raws.append(raw)
                elif row:
                    records.rows.append(row)
                    lines.append(first_line + start)
                    raws.append(raw)
                start = end
            taken += 1
        if not start:
            self._alone = min(2 * self._alone, MAX_ALONE)
            return False
        self._alone = 1
        window.drop(sum(map(len, of_text[:start])))
        records.rejects += [
            Reject(line, code, message, row)
            for line, (code, message), row in zip(bad.lines, bad.reasons, all_visible(bad.raws), strict=True)
        ]
        return True

    def next_record(self) -> tuple[str, Row | None, Reject | None]:
        """Takes one record, or one line of a malformed one, off the text; "" at the end of the file."""
        window = self._window
        line = window.line
        first_end = window.reach(0, self._max_record)
        if first_end > self._max_record:
            return self._skip_long_line(line)
        end, row, problem = self._read_record(first_end)
        raw = window.text[window.position : window.position + end]
        window.drop(end)
        if problem is not None:
            return raw, None, Reject(line, "bad_quoting", problem, visible(raw))
        if "\0" in raw:
            return raw, None, Reject(line, "nul", HAS_NUL, visible(raw))
        return raw, row, None

    def _read_record(self, first_end: int) -> tuple[int, Row | None, str | None]:
        """How far the next record reaches, whose first line ends at `first_end`, and its cells.

        Of a malformed one it is the first line, and what is wrong with it.
        """
        here = self._window.passed + self._window.position
        if first_end > self._open.until - here:
            return self._read(first_end, 0)
        try:
            return first_end, next(self._dialect.reader([self._ahead(0, first_end)])), None
        except csv.Error as error:
            if "expected after" in str(error):
                return first_end, None, self._behind_quote
        if self._open.problem is not None:
            return first_end, None, self._open.problem
        if self._open.reaches - here > self._max_record:
            return first_end, None, self._too_far
        _, _, problem = read = self._read(first_end, self._open.until - here)
        return read if problem is not None else self._read(first_end, 0)

    def _read(self, first_end: int, start: int) -> tuple[int, Row | None, str | None]:
        """Reads the next record from its line at `start` on; the lines before that are known to end in an open quote.

        Returns the same as `_read_record`, but for the cells, which are the record's only when `start` is 0.
        """
        window = self._window
        begin = end = start
        seen = OpenQuote(problem=NEVER_CLOSED)

        def lines() -> Iterator[str]:
            nonlocal begin, end, seen
            if start:
                yield self._dialect.quote
            while True:
                begin, end = end, window.reach(end, self._max_record)
                if begin == end:
                    return
                if end > self._max_record:
                    seen = OpenQuote(reaches=here + end)
                    return
                yield self._ahead(begin, end)

        here = window.passed + window.position
        try:
            row = next(self._dialect.reader(lines()), None)
            return end, row, None
        except csv.Error as error:
            if "expected after" in str(error):
                seen = OpenQuote(problem=self._behind_quote)
        if here + begin > self._open.until:
            self._open = seen._replace(until=here + begin)
        return first_end, None, seen.problem or self._too_far

    def _ahead(self, begin: int, end: int) -> str:
        # Python below 3.11 refuses NUL; its place is all that counts here, the row is a reject anyway.
        text, position = self._window.text, self._window.position
        return text[position + begin : position + end].replace("\0", "\ufffd")

    def _skip_long_line(self, line: int) -> tuple[str, None, Reject]:
        """Drops a line that is longer than a record may be, without ever holding the whole of it."""
        window = self._window
        start = window.text[window.position : window.position + min(SHOWN_OF_LONG_ROW, self._max_record)]
        window.skip_line()
        message = f"The row is longer than {self._max_record:,} characters, which is the limit. Shorten it."
        return start, None, Reject(line, "row_too_long", message, visible(start) + "…")
