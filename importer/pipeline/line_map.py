"""The lines of staged rows: a table beside the staging table that maps the numbers of rows to lines of the file.

COPY numbers the rows of the staging table from 1, and keeps no lines. Nearly all rows have one line each, so the map
has one entry for each run of such rows. Rows with several lines are in entries with one line number for each row.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2 import sql

from importer.jobs.repository import LINES_TABLE_SUFFIX

# An array of this length is stored beside its row, so that a single line is found quickly.
MAX_ENTRY_LINES = 400

CREATE_LINES_TABLE_SQL = """
CREATE UNLOGGED TABLE {lines} (
    first_number integer PRIMARY KEY, first_line integer NOT NULL, lines integer[]
) WITH (autovacuum_enabled = off)
"""
COPY_LINES_SQL = "COPY {lines} (first_number, first_line, lines) FROM STDIN (FREEZE)"
# The line of the row with a number.
FIND_LINE_SQL = """(
    SELECT coalesce(l.lines[{number} - l.first_number + 1], l.first_line + {number} - l.first_number)
    FROM {lines} l WHERE l.first_number <= {number} ORDER BY l.first_number DESC LIMIT 1
)"""


class LineMap:
    """Collects the lines of rows in the order in which COPY gets them, and encodes them for their table."""

    def __init__(self) -> None:
        self._entries: list[str] = []
        # The run that may continue with the next rows.
        self._first_number = 1
        self._first_line = 0
        self._rows = 0

    def add(self, lines: Sequence[int]) -> None:
        """Add the lines of the next rows."""
        if _is_run(lines):
            self._add_run(lines)
            return
        for start in range(0, len(lines), MAX_ENTRY_LINES):
            part = lines[start : start + MAX_ENTRY_LINES]
            if _is_run(part):
                self._add_run(part)
            else:
                self._end_run()
                # The text of a whole list is made faster than those of its numbers.
                self._add_entry(part[0], len(part), "{" + str(list(part))[1:-1] + "}")

    def take(self) -> bytes:
        """Return the entries since the last call in the text format of COPY, without a run that may continue."""
        payload = "".join(self._entries).encode()
        self._entries.clear()
        return payload

    def finish(self) -> bytes:
        """Return the remaining entries, after the last rows."""
        self._end_run()
        return self.take()

    @property
    def entry_count(self) -> int:
        """How many entries the next call of `take` returns."""
        return len(self._entries)

    def _add_run(self, lines: Sequence[int]) -> None:
        if lines and lines[0] != self._first_line + self._rows:
            self._end_run()
            self._first_line = lines[0]
        self._rows += len(lines)

    def _end_run(self) -> None:
        if self._rows:
            self._add_entry(self._first_line, self._rows, "\\N")
            self._first_line, self._rows = 0, 0

    def _add_entry(self, first_line: int, rows: int, lines: str) -> None:
        self._entries.append(f"{self._first_number}\t{first_line}\t{lines}\n")
        self._first_number += rows


def _is_run(lines: Sequence[int]) -> bool:
    """Return whether each line follows the one before it."""
    return not lines or lines[-1] - lines[0] == len(lines) - 1


def lines_table(staging_table: str) -> sql.Identifier:
    """Return the name of the table with the lines of a staging table as an identifier."""
    return sql.Identifier(staging_table + LINES_TABLE_SUFFIX)


def render_line(staging_table: str, number: str) -> sql.Composed:
    """Return the line of a staged row; `number` is the SQL of its number."""
    return sql.SQL(FIND_LINE_SQL).format(lines=lines_table(staging_table), number=sql.SQL(number))
