"""Lists of the staged rows of a check, read from its outcomes: what the import would do with each row, and its line.

The lists show what the check found out. Products that were edited since are shown as they are now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from database.patterns import containing
from importer.pipeline.line_map import render_line
from importer.pipeline.outcomes import CHANGED_BITS, CLEARED_BITS, has_outcomes, outcomes_table

# The first characters of long values in a list.
MAX_SHOWN_CHARACTERS = 2000

COUNT_ROWS_SQL = "SELECT slice, coalesce(cardinality({kind}), 0) FROM {outcomes} ORDER BY slice"
# The rows of a kind with their place in the list: the number of the slice, and the place in it.
OUTCOMES_SQL = """
SELECT o.slice, u.place, u.address, u.id, u.changes
FROM {outcomes} o, unnest({addresses}, {ids}, {changes}) WITH ORDINALITY u (address, id, changes, place)"""
# The join by physical address finds each row at once. A product that was deleted since has no values before.
SHOW_ROWS_SQL = """
SELECT r.slice, r.place, {line}, coalesce(p.sku, s.sku), p.id IS NOT NULL, r.changes{values}
FROM rows r JOIN {table} s ON s.ctid = r.address LEFT JOIN products p ON p.id = r.id
ORDER BY r.slice, r.place"""
SHOW_PART_SQL = (
    "WITH rows AS MATERIALIZED ("
    + OUTCOMES_SQL
    + "\nWHERE o.slice = {slice} AND u.address IS NOT NULL ORDER BY u.place)"
    + SHOW_ROWS_SQL
)
# A search in the whole staging table reads it in its physical order, which is several times faster than row by row.
FIND_TEXT_SQL = "found AS MATERIALIZED (SELECT s.ctid AS address FROM {table} s WHERE {matches}), "
JOIN_FOUND_SQL = "JOIN found ON found.address = m.address"
JOIN_TEXT_SQL = "JOIN {table} s ON s.ctid = m.address AND ({matches})"
# The page is empty if it lies after the last row; the number of rows is there all the same.
SHOW_MATCHING_SQL = (
    """
WITH {found_rows}matching AS MATERIALIZED (SELECT m.* FROM ("""
    + OUTCOMES_SQL
    + """
WHERE {in_slice}) m {join} WHERE {condition}), rows AS MATERIALIZED (
    SELECT * FROM matching ORDER BY slice, place OFFSET {offset} LIMIT {limit}
), shown AS ("""
    + SHOW_ROWS_SQL
    + """)
SELECT total.count, shown.* FROM (SELECT count(*) FROM matching) total LEFT JOIN shown ON true
ORDER BY slice, place"""
)


class CheckedRow(NamedTuple):
    """A staged row: its line, the SKU of its product, the fields that would change, and the values before and after.

    `line` is None if it is not known or there is no row. `before` is None if there is no such product, and `after` if
    the import would delete it.
    """

    line: int | None
    sku: str
    fields: list[str]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True)
class RowFilter:
    """Which rows a list has: one kind of `outcomes.KINDS`, with a text, with a change of a field, or with a field that
    becomes empty.
    """

    kind: str
    text: str = ""
    field: str | None = None
    cleared: bool = False

    @property
    def bits(self) -> int:
        """The changes of which a row must have one; 0 if every row matches."""
        bits = CLEARED_BITS if self.cleared else CHANGED_BITS
        if self.field is not None:
            return bits.get(self.field, 0)
        return sum(bits.values()) if self.cleared else 0

    @property
    def is_plain(self) -> bool:
        """Whether all rows of the kind match."""
        return not self.text and self.field is None and not self.cleared


class CheckLost(Exception):
    """The outcomes of the check no longer exist, or the check was made by an earlier version."""


class CheckEnded(Exception):
    """The import no longer awaits its confirmation."""


class RowList:
    """The rows of a check that match a filter. `columns` are the columns of the staging table.

    The methods run in the caller's transaction. Values have at most `max_characters`, or all of them without a limit.
    """

    def __init__(
        self,
        staging_table: str,
        columns: list[str],
        row_filter: RowFilter,
        *,
        max_characters: int | None = MAX_SHOWN_CHARACTERS,
    ) -> None:
        self._filter = row_filter
        self._staging_table = staging_table
        self._columns = [name for name in columns if name != "sku"]
        self._max_characters = max_characters
        kind = row_filter.kind
        self._arrays = {
            "addresses": kind,
            "ids": None if kind == "created" else f"{kind}_ids",
            "changes": "changes" if kind == "changed" else None,
        }

    def fetch_page(self, cursor: Cursor, offset: int, limit: int) -> tuple[list[CheckedRow], int]:
        """Return at most `limit` rows from `offset` on, and the number of all rows. Raises `CheckLost`."""
        counts = self._count_rows(cursor)
        if self._filter.is_plain:
            return self._fetch_plain_page(cursor, counts, offset, limit)
        cursor.execute(self._render_matching(None, offset, limit))
        found = cursor.fetchall()
        return [self._to_row(row[3:]) for row in found if row[1] is not None], found[0][0]

    def fetch_slices(self, cursor: Cursor) -> list[int]:
        """Return the numbers of the slices, for `fetch_batch`. Raises `CheckLost`."""
        return [number for number, _ in self._count_rows(cursor)]

    def fetch_batch(self, cursor: Cursor, number: int, after: int, limit: int) -> tuple[list[CheckedRow], int]:
        """Return at most `limit` rows of a slice after a place, and the place of the last of them.

        The first place is 1. There are no more rows if it returns none.
        """
        in_slice = sql.SQL("o.slice = {} AND u.place > {}").format(sql.Literal(number), sql.Literal(after))
        cursor.execute(self._render_matching(in_slice, 0, limit))
        found = [row for row in cursor.fetchall() if row[1] is not None]
        return [self._to_row(row[3:]) for row in found], found[-1][2] if found else after

    def _count_rows(self, cursor: Cursor) -> list[tuple[int, int]]:
        """Return the number of rows of the kind in each slice."""
        outcomes = outcomes_table(self._staging_table)
        if not has_outcomes(cursor, self._staging_table):
            raise CheckLost
        kind = sql.Identifier(self._filter.kind)
        cursor.execute(sql.SQL(COUNT_ROWS_SQL).format(kind=kind, outcomes=outcomes))
        counts = cursor.fetchall()
        if not counts:
            raise CheckLost
        return counts

    def _fetch_plain_page(
        self, cursor: Cursor, counts: list[tuple[int, int]], offset: int, limit: int
    ) -> tuple[list[CheckedRow], int]:
        rows: list[CheckedRow] = []
        passed = 0
        for number, count in counts:
            first, last = max(0, offset - passed), min(count, offset + limit - passed)
            passed += count
            if first < last:
                parts = self._render_parts(f"[{first + 1}:{last}]")
                cursor.execute(sql.SQL(SHOW_PART_SQL).format(slice=sql.Literal(number), **parts))
                rows += (self._to_row(row[2:]) for row in cursor.fetchall())
        return rows, passed

    def _render_matching(self, in_slice: sql.Composable | None, offset: int, limit: int) -> sql.Composed:
        """Return the statement for the rows that match the filter: all of them, or those in a part of a slice."""
        table = sql.Identifier(self._staging_table)
        condition: sql.Composable = sql.SQL("true")
        if self._filter.field or self._filter.cleared:
            condition = sql.SQL("m.changes & {} <> 0").format(sql.Literal(self._filter.bits))
        found_rows = join = sql.Composed([])
        if self._filter.text:
            texts = [name for name in ("sku", *self._columns) if name != "active"]
            pattern = sql.Literal(containing(self._filter.text))
            matches = sql.SQL(" OR ").join(
                sql.SQL("s.{} ILIKE {}").format(sql.Identifier(name), pattern) for name in texts
            )
            if in_slice is None:
                found_rows = sql.SQL(FIND_TEXT_SQL).format(table=table, matches=matches)
                join = sql.SQL(JOIN_FOUND_SQL).format()
            else:
                join = sql.SQL(JOIN_TEXT_SQL).format(table=table, matches=matches)
        return sql.SQL(SHOW_MATCHING_SQL).format(
            found_rows=found_rows,
            in_slice=in_slice or sql.SQL("true"),
            join=join,
            condition=condition,
            offset=sql.Literal(offset),
            limit=sql.Literal(limit),
            **self._render_parts(""),
        )

    def _render_parts(self, bounds: str) -> dict[str, sql.Composable]:
        """Return the parts of the statements; `bounds` are those of the arrays."""
        types = {"ids": "bigint[]", "changes": "smallint[]"}
        arrays = {
            part: sql.SQL("o.{}" + bounds).format(sql.Identifier(name)) if name else sql.SQL(f"NULL::{types[part]}")
            for part, name in self._arrays.items()
        }
        values = [sql.SQL(", {}").format(self._render_value(alias, name)) for name in self._columns for alias in "ps"]
        return {
            "outcomes": outcomes_table(self._staging_table),
            "table": sql.Identifier(self._staging_table),
            "line": render_line(self._staging_table, "s.number"),
            "values": sql.Composed(values),
            **arrays,
        }

    def _render_value(self, alias: str, name: str) -> sql.Composable:
        """Return a value of the product `p`, or the one that it would have after the row `s`."""
        column = sql.Identifier(name)
        if name == "active":
            return sql.SQL("p.active" if alias == "p" else "coalesce(s.active, p.active, true)")
        value = sql.SQL("p.{}" if alias == "p" else "coalesce(s.{0}, p.{0}, '')").format(column)
        if self._max_characters is None:
            return value
        return sql.SQL("left({}, {})").format(value, sql.Literal(self._max_characters))

    def _to_row(self, row: tuple[Any, ...]) -> CheckedRow:
        line, sku, exists, changes, *values = row
        before = dict(zip(self._columns, values[::2], strict=True))
        after = dict(zip(self._columns, values[1::2], strict=True))
        fields = [name for name, bit in CHANGED_BITS.items() if (changes or 0) & bit]
        return CheckedRow(line, sku, fields, before if exists else None, after)
