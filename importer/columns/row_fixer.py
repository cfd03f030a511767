"""Makes the fixes of a file, corrections of values and of rows, while the file is read.

Fixes are made between the parser and the validation, so fixed rows are validated like all others. A file without fixes
never comes here. With fixes, a chunk of clean rows is only split into rows if a fix may apply to one of them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from importer.columns.column_mapping import column_names
from importer.files.cells import Row, has_width
from importer.files.dialect import Dialect
from importer.files.fixes import Fixes
from importer.files.rows import RowChunk, RowPositions, make_printable
from importer.notices import Notices

# Searching a chunk for more values takes longer than splitting it into rows.
MAX_SEARCHED_VALUES = 32


class RowFixer:
    """Makes the fixes in the rows of a file with this header. Adds the notice `unused_fixes` at the end of the file."""

    def __init__(self, fixes: Fixes, *, header: Row, dialect: Dialect, notices: Notices) -> None:
        self._fixes = fixes
        self._dialect = dialect
        self._notices = notices
        self._width = len(header)
        indexes = {name: index for index, name in enumerate(column_names(header))}
        # The replacement of each value, by the index of its column.
        self._values: dict[int, dict[str, str]] = {}
        for fix in fixes.values:
            if fix.column in indexes:
                self._values.setdefault(indexes[fix.column], {})[fix.value] = fix.replacement
        self._used_values: set[tuple[int, str]] = set()
        self._indexes = indexes
        self._rows = {fix.line: fix.row for fix in fixes.rows}
        self._lines = sorted(self._rows)
        self._used_lines: set[int] = set()
        # The lines of rows that the parser rejected, until the chunk comes that has the rows around them.
        self._pending: list[int] = []
        self._needles: list[bytes] | None = self._find_needles()

    def fix(self, chunks: Iterable[RowChunk]) -> Iterator[RowChunk]:
        """Yield the chunks with their rows fixed. A fixed row keeps its place in the file."""
        for chunk in chunks:
            if self._lines:
                self._take_rejects(chunk)
            yield self._fix_chunk(chunk)
        if self._pending:
            lines, self._pending = self._pending, []
            rows = [self._rows[line] for line in lines]
            positions = RowPositions(lines, [encode_row(row, self._dialect) for row in rows])
            yield self._fix_values(RowChunk(rows, lines[0], known_positions=positions))
        self._notice_unused()

    def _take_rejects(self, chunk: RowChunk) -> None:
        """Remove the rejects that have a fix. Their rows are inserted later."""
        fixed = [reject.line for reject in chunk.rejects if reject.line in self._rows]
        if fixed:
            chunk.rejects = [reject for reject in chunk.rejects if reject.line not in self._rows]
            for line in fixed:
                insort(self._pending, line)
            self._used_lines.update(fixed)

    def _fix_chunk(self, chunk: RowChunk) -> RowChunk:
        if chunk.around is not None:
            self._parse_clean_rows(chunk)
        if self._lines and (chunk.rows or chunk.clean):
            chunk = self._fix_rows(chunk)
        if self._values and (chunk.rows or (chunk.clean and self._may_have_value(chunk.clean.payload))):
            self._parse_clean_rows(chunk)
            chunk = self._fix_values(chunk)
        return chunk

    def _fix_rows(self, chunk: RowChunk) -> RowChunk:
        """Replace the rows that have a fix, and insert the rejected ones that belong between the rows of the chunk."""
        known_lines = chunk.lines()
        first, last = known_lines[0], known_lines[-1]
        own = self._lines[bisect_left(self._lines, first) : bisect_left(self._lines, last + 1)]
        inserted = self._pending[: bisect_left(self._pending, last)]
        if not own and not inserted:
            return chunk
        self._parse_clean_rows(chunk)
        positions = chunk.positions()
        lines, raws = list(positions.lines), list(positions.raws)
        for line in own:
            index = bisect_left(lines, line)
            if lines[index] == line:
                chunk.rows[index], raws[index] = self._rows[line], encode_row(self._rows[line], self._dialect)
                self._used_lines.add(line)
        for line in inserted:
            index = bisect_left(lines, line)
            lines.insert(index, line)
            chunk.rows.insert(index, self._rows[line])
            raws.insert(index, encode_row(self._rows[line], self._dialect))
        del self._pending[: len(inserted)]
        return replace(chunk, known_positions=RowPositions(lines, raws))

    def _fix_values(self, chunk: RowChunk) -> RowChunk:
        changed: set[int] = set()
        rows = chunk.rows
        for index, replacements in self._values.items():
            for number, row in enumerate(rows):
                if index >= len(row):
                    continue
                value = row[index].strip()
                if value not in replacements:
                    if value.isascii():
                        continue
                    value = make_printable(value)
                    if value not in replacements:
                        continue
                # The cells of a row with too many may belong to other columns.
                if len(row) <= self._width or has_width(row, self._width):
                    rows[number] = [*row[:index], replacements[value], *row[index + 1 :]]
                    changed.add(number)
                    self._used_values.add((index, value))
        if not changed:
            return chunk
        lines, raws = chunk.positions()
        raws = list(raws)
        for number in changed:
            raws[number] = encode_row(rows[number], self._dialect)
        return replace(chunk, known_positions=RowPositions(lines, raws))

    def _find_needles(self) -> list[bytes] | None:
        """Return texts of which a chunk of clean rows has one if it has a value with a fix; None if there are many."""
        quote = self._dialect.copy_quote
        values = {value for replacements in self._values.values() for value in replacements}
        if len(values) > MAX_SEARCHED_VALUES:
            return None
        return [value.replace(quote, quote + quote).encode() for value in values]

    def _may_have_value(self, payload: bytes) -> bool:
        return self._needles is None or any(needle in payload for needle in self._needles)

    def _parse_clean_rows(self, chunk: RowChunk) -> None:
        chunk.parse_clean_rows(self._dialect.delimiter, self._dialect.copy_quote)

    def _notice_unused(self) -> None:
        values = [
            fix for fix in self._fixes.values if (self._indexes.get(fix.column, -1), fix.value) not in self._used_values
        ]
        lines = [line for line in self._lines if line not in self._used_lines]
        if values or lines:
            samples = [{"text": f"{fix.column}: {fix.value} → {fix.replacement}"} for fix in values]
            samples += [{"text": self._dialect.delimiter.join(self._rows[line])} for line in lines]
            self._notices.add("unused_fixes", count=len(values) + len(lines), lines=lines, samples=samples)


def encode_row(row: Sequence[str], dialect: Dialect) -> str:
    """Return a row as a line of a file in this dialect, without its line end.

    Without quotes, a delimiter or a line end within a cell stays as it is.
    """
    quote, delimiter = dialect.quote, dialect.delimiter
    if not quote:
        return delimiter.join(row)
    special = {quote, delimiter, "\n", "\r", *("\\" if dialect.escaped else "")}

    def encode(cell: str) -> str:
        if special.isdisjoint(cell) and (cell or len(row) > 1):
            return cell
        if dialect.escaped:
            cell = cell.replace("\\", "\\\\").replace(quote, f"\\{quote}")
        else:
            cell = cell.replace(quote, quote + quote)
        return f"{quote}{cell}{quote}"

    line = delimiter.join(map(encode, row))
    return f"{quote}{line.replace(quote, quote + quote)}{quote}" if dialect.wrapped else line
