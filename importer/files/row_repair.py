"""Repairs rows whose line ends or quotes are misplaced, after the parser has split the text into rows.

One kind of line end ends the rows of a file, see `find_row_end`. The parser ends rows at any line end, so this module
joins the parts of a row again. A quote without an end takes in the rows below it; if that shows, only its own line is
rejected.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from importer.files.cells import Row, has_content, has_width
from importer.files.dialect import Dialect
from importer.files.fast_path import find_rows
from importer.files.reject_messages import BROKEN_ROW, STRAY_END, STRAY_QUOTE, WRAPPED_ROW
from importer.files.rows import Reject, RowChunk, RowPositions, count_line_breaks, make_printable
from importer.notices import MAX_LINES, MAX_SAMPLE_CHARACTERS, MAX_SAMPLES, Notices

# Returns the number that users know a line by, which may be that of a row of a sheet.
FindRow = Callable[[int], int]


class Part(NamedTuple):
    """A row as the parser has split it: its first line in the file, its text, and its cells."""

    line: int
    raw: str
    row: Row


class RowRepair:
    """Repairs the rows of a file whose header has `width` cells, and whose rows end with `row_end`.

    `max_record` is in characters, including the line end; longer rows are not joined. Rows of at least `min_cells`
    cells are accepted although they lack their last cells; None stands for `width`. Adds the notices
    `rows_inside_a_value` and `line_ends_differ`, in which `find_row` numbers the lines.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        width: int,
        row_end: str,
        max_record: int,
        notices: Notices | None,
        find_row: FindRow = int,
        min_cells: int | None = None,
    ) -> None:
        self._dialect = dialect
        self._width = width
        self._min_cells = width if min_cells is None else min_cells
        self._max_record = max_record
        self._notices = notices
        self._find_row = find_row
        # Line ends that do not end a row if they are outside of quotes.
        self._has_crlf = row_end == "\r\n"
        self._is_strict = row_end.endswith("\n")
        # Parts of a row that has not ended yet, and their size in characters.
        self._parts: list[Part] = []
        self._size = 0
        # Line ends within quoted values, apart from the values that seem to hold rows.
        self._line_ends_in_values = 0
        # The values that seem to hold rows: how many, and the lines and the starts of the first of them.
        self._suspect_count = 0
        self._suspects: list[tuple[int, str]] = []
        # The lines within the values of a chunk that look like rows.
        self._taken_in: list[str] = []

    @property
    def has_open_row(self) -> bool:
        """Whether the last row has not ended yet."""
        return bool(self._parts)

    @property
    def requires_crlf(self) -> bool:
        """Whether only CR LF ends a row."""
        return self._has_crlf

    def repair(self, chunks: Iterable[RowChunk]) -> Iterator[RowChunk]:
        """Yield the chunks with their rows repaired. A chunk may end with the rows that the one before began."""
        line = 1
        for chunk in chunks:
            line = chunk.first_line
            if chunk.clean is not None:
                self._line_ends_in_values += chunk.clean.line_ends_in_values
                yield chunk
                continue
            if chunk.around is not None:
                self._line_ends_in_values += chunk.around.line_ends_in_values
            if self._parts or self._needs_repair(chunk):
                chunk = self._repair_chunk(chunk)
            yield chunk
        if self._parts:
            chunk = RowChunk([], line, known_positions=RowPositions([], []))
            rows: list[Part] = []
            self._end_row(rows, chunk.rejects)
            yield self._with_rows(chunk, rows)
        self._add_notice()

    def _needs_repair(self, chunk: RowChunk) -> bool:
        if not chunk.rows:
            return False
        text = chunk.text if chunk.known_positions is None else "".join(chunk.known_positions.raws)
        if count_line_breaks(text) > len(chunk.rows) - (not text.endswith(("\n", "\r"))):
            # A row has several lines.
            return True
        if not self._is_strict:
            return False
        carriages = text.count("\r")
        pairs = text.count("\r\n") if carriages else 0
        return carriages != pairs or (self._has_crlf and text.count("\n") != pairs)

    def _repair_chunk(self, chunk: RowChunk) -> RowChunk:
        rows: list[Part] = []
        lines, raws = chunk.positions()
        bad_lines = {reject.line for reject in chunk.rejects}
        for part in map(Part, lines, raws, chunk.rows):
            if not has_content(part.row):
                # The parser skips most blank lines, but which ones depends on where its blocks end.
                continue
            if self._parts:
                last = self._parts[-1]
                next_line = last.line + count_line_breaks(last.raw)
                if next_line != part.line:
                    # Blank lines, or rejected ones, are between them.
                    is_cut = next_line in bad_lines
                    if not is_cut and not all(has_width(row, self._width) for _, _, row in [*self._parts, part]):
                        # The blank lines may be within a value, so this part may be the other half of a row.
                        self._parts.append(part)
                        self._end_row(rows, chunk.rejects, is_cut=True)
                        continue
                    self._end_row(rows, chunk.rejects, is_cut=is_cut)
            if self._ends_within(part.raw):
                if self._size + len(part.raw) > self._max_record:
                    self._end_row(rows, chunk.rejects)
                self._parts.append(part)
                self._size += len(part.raw)
            elif self._parts:
                self._parts.append(part)
                self._end_row(rows, chunk.rejects)
            elif has_lines(part.raw):
                self._add_row_of_lines(part, rows, chunk.rejects)
            else:
                rows.append(part)
        if self._parts and (last := self._parts[-1]).line + count_line_breaks(last.raw) in bad_lines:
            self._end_row(rows, chunk.rejects, is_cut=True)
        return self._with_rows(chunk, rows)

    def _ends_within(self, raw: str) -> bool:
        """Return whether a part ends with a line end that does not end rows in this file."""
        if not self._is_strict:
            return False
        return raw.endswith("\r") or (self._has_crlf and raw.endswith("\n") and not raw.endswith("\r\n"))

    def _end_row(self, rows: list[Part], rejects: list[Reject], *, is_cut: bool = False) -> None:
        """Add the parts of a row as one row if they have the width of the header together, as rows if each has it.

        They are one row only if the last one ends as rows do: otherwise the end of the row is not known.
        `is_cut` says that the text after the parts was rejected.
        """
        parts, self._parts, self._size = self._parts, [], 0
        fits = [has_width(part.row, self._width) for part in parts]
        if not is_cut and not all(fits) and not self._ends_within(parts[-1].raw):
            joined = _join(parts, self._dialect.quote)
            if joined and has_width(joined.row, self._width):
                rows.append(joined)
                return
        # A part beside one with another width may be half a row.
        fits = [True, *fits, not is_cut]
        message = BROKEN_ROW.format(expected=self._width)
        if self._width == 1 and len(parts) > 1:
            # Nothing shows whether a part is a value or half of one.
            self._note_line_ends([part for part in parts if self._ends_within(part.raw)])
        for number, part in enumerate(parts):
            if all(fits[number : number + 3]):
                rows.append(part)
                self._note_values(part)
            else:
                rejects.append(Reject(part.line, BROKEN_ROW.code, message, make_printable(part.raw)))

    def _add_row_of_lines(self, part: Part, rows: list[Part], rejects: list[Reject]) -> None:
        """Add a row with line ends within quotes, or the rows that a quote without an end has taken in."""
        if self._dialect.wrapped and len(part.row) == 1 < self._width:
            row = self._unwrap(part.row[0])
            if row is None:
                rejects.append(Reject(part.line, WRAPPED_ROW.code, WRAPPED_ROW.format(), make_printable(part.raw)))
            else:
                rows.append(part._replace(row=row))
            return
        if not has_width(part.row, self._width):
            lines = io.StringIO(part.raw, newline="").readlines()
            if not self._is_short_row(part.row, lines) and self._count_fields_without_quotes(lines[0]) == self._width:
                self._split_at_stray_quote(part.line, lines, rows, rejects)
                return
        rows.append(part)
        self._note_values(part)

    def _unwrap(self, text: str) -> Row | None:
        """Return the row that is in quotes as a whole, if it has the width of the header. Its values have line ends."""
        dialect = self._dialect.without_wrapper
        if dialect.escaped and "\\" in text:
            # The backslashes that escape are no longer known.
            return None
        parts: list[Part] = []
        with suppress(csv.Error):
            lines = io.StringIO(text, newline="").readlines()
            reader, start = dialect.for_text(text).reader(iter(lines)), 0
            for row in reader:
                parts.append(Part(0, "".join(lines[start : reader.line_num]), row or [""]))
                start = reader.line_num
            # The end of the row is known, so a line end without quotes is within a value.
            joined = _join(parts, dialect.quote)
            if joined is not None and has_width(joined.row, self._width):
                return joined.row
        return None

    def _is_short_row(self, row: Row, lines: Sequence[str]) -> bool:
        """Return whether a row with these lines only lacks its last cells, and none of the lines may be another row."""
        return self._min_cells <= len(row) < self._width and all(
            line.count(self._dialect.delimiter) < self._width - 1 for line in lines[1:]
        )

    def _note_line_ends(self, parts: Sequence[Part]) -> None:
        if self._notices is not None:
            self._notices.add(
                "line_ends_differ",
                count=len(parts),
                lines=[self._find_row(part.line) for part in parts[:MAX_LINES]],
                samples=[{"text": make_printable(part.raw)} for part in parts[:MAX_SAMPLES]],
            )

    def _note_values(self, part: Part) -> None:
        """Count the line ends within values, and the values that seem to hold rows."""
        if not has_lines(part.raw):
            return
        for value in part.row:
            if taken_in := list(find_rows(value, self._width, self._dialect.delimiter)):
                self._taken_in += taken_in
                self._suspect_count += 1
                if len(self._suspects) < MAX_LINES:
                    self._suspects.append((part.line, value[: 2 * MAX_SAMPLE_CHARACTERS]))
            else:
                self._line_ends_in_values += value.count("\n")

    def _count_fields_without_quotes(self, line: str) -> int:
        """Return the number of fields of a line whose last quote is not closed, taken as a plain character."""
        dialect = self._dialect.with_spaces
        lines = dialect.repair([line]) if dialect.quote else [line]
        row = next(csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote or None), [])
        return len(row) + (row[-1].count(dialect.delimiter) if row else 0)

    def _split_at_stray_quote(self, line: int, lines: list[str], rows: list[Part], rejects: list[Reject]) -> None:
        """Reject the line with the quote and the one with its end; the lines between them are rows of their own.

        A line between them that has quotes other than doubled ones was not taken in as a whole, and is rejected, too.
        """
        below = len(lines) - 1
        stray = STRAY_QUOTE.format(count=below)
        rejects.append(Reject(line, STRAY_QUOTE.code, stray, make_printable(lines[0])))
        end = STRAY_END.format(line=line)
        for number, raw in enumerate(lines[1:-1], line + 1):
            row = self._read_line(raw)
            if row is None:
                rejects.append(Reject(number, STRAY_END.code, end, make_printable(raw)))
            elif has_content(row):
                rows.append(Part(number, raw, row))
        rejects.append(Reject(line + below, STRAY_END.code, end, make_printable(lines[-1])))

    def _read_line(self, raw: str) -> Row | None:
        """Return the cells of a line without quotes other than doubled ones; None if it has others."""
        quote = self._dialect.quote
        if quote in raw.replace(quote * 2, ""):
            return None
        with suppress(csv.Error):
            return next(self._dialect.reader([raw]), [])
        return None

    def _with_rows(self, chunk: RowChunk, rows: Sequence[Part]) -> RowChunk:
        positions = RowPositions([part.line for part in rows], [part.raw for part in rows])
        taken_in, self._taken_in = self._taken_in, []
        return RowChunk(
            [part.row for part in rows],
            chunk.first_line,
            rejects=chunk.rejects,
            known_positions=positions,
            around=chunk.around,
            taken_in=taken_in,
        )

    def _add_notice(self) -> None:
        """Add the notice, unless values with several lines mostly look like that in this file."""
        if self._notices is not None and self._suspects and not 0 < self._line_ends_in_values < self._suspect_count:
            self._notices.add(
                "rows_inside_a_value",
                count=self._suspect_count,
                lines=[self._find_row(line) for line, _ in self._suspects],
                samples=[{"text": make_printable(value)} for _, value in self._suspects],
            )


def find_row_end(header: str, sample: str, quote: str) -> str:
    """Return the line end that ends the rows of a file: that of the `header`, unless the rows below it show another.

    `sample` is the text below the header. If some of its rows end with CR LF, an LF alone is within a value.
    """
    if header.endswith("\r\n"):
        outside = "".join(sample.split(quote)[::2]) if quote else sample
        if "\r\n" not in outside and outside.count("\n") > (not outside.endswith("\n")):
            return "\n"
    return header[len(header.rstrip("\r\n")) :]


def has_lines(raw: str) -> bool:
    """Return whether the text of a row has a line end before the one at its end."""
    return count_line_breaks(raw.rstrip("\r\n")) > 0


def _join(parts: Sequence[Part], quote: str) -> Part | None:
    """Return the row of which these are the parts; None if a part starts or ends in a quoted field."""
    # Texts are only put together at the end: a row may have many parts, and to copy it for each would be quadratic.
    row: Row = []
    last_cell: list[str] = []
    end = ""
    for number, part in enumerate(parts):
        if number and quote and (parts[number - 1].raw.endswith(quote + end) or part.raw.startswith(quote)):
            return None
        first, *others = part.row
        last_cell += [end, first]
        if others:
            row.append("".join(last_cell))
            row += others[:-1]
            last_cell = [others[-1]]
        end = part.raw[len(part.raw.rstrip("\r\n")) :]
    return Part(parts[0].line, "".join(part.raw for part in parts), [*row, "".join(last_cell)])
