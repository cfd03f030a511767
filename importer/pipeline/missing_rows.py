"""The list of the missing products of a check: those that the import would deactivate or delete.

The staging table and the catalogue say which products these are, so nothing is stored for the list. It follows the rule
of the removal: a product that was created or changed since the check is left alone, so it is not in the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from database.patterns import containing
from importer.pipeline.missing_sql import HORIZON_SQL, render_existed
from importer.pipeline.row_lists import (
    MAX_SHOWN_CHARACTERS,
    CheckedRow,
    CheckEnded,
    CheckLost,
    RowFilter,
)
from importer.pipeline.slice_sql import SLICE_PLANNER_SETTINGS_SQL

FIELDS = ("name", "description", "active")
FIRST_KEY = ""

# The ids of the missing products, each with its key. `removable`, `existed` and `matches` are further conditions.
MISSING_ROWS_SQL = """
SELECT p.id, lower(p.sku) COLLATE "C" AS key FROM products p
WHERE {removable}{matches}{after_key} AND NOT EXISTS (
    SELECT FROM {table} s WHERE s.key = lower(p.sku) COLLATE "C"{after_staged_key}
) AND NOT EXISTS (
    SELECT FROM {table} r
    WHERE r.rejected_sku IS NOT NULL AND lower(r.rejected_sku) COLLATE "C" = lower(p.sku) COLLATE "C"
){existed}"""
# The page is empty if it lies after the last product; the number of products is there all the same.
SHOW_PAGE_SQL = (
    "WITH "
    + HORIZON_SQL
    + ", missing AS MATERIALIZED ("
    + MISSING_ROWS_SQL
    + """
), page AS (
    SELECT id, key FROM missing ORDER BY key OFFSET {offset} LIMIT {limit}
)
SELECT total.count, page.key, p.sku, {values}
FROM (SELECT count(*) FROM missing) total LEFT JOIN (page JOIN products p USING (id)) ON true
ORDER BY page.key"""
)
SHOW_BATCH_SQL = (
    "WITH "
    + HORIZON_SQL
    + ", page AS MATERIALIZED ("
    + MISSING_ROWS_SQL
    + """
ORDER BY key LIMIT {limit}
)
SELECT page.key, p.sku, {values} FROM page JOIN products p USING (id) ORDER BY page.key"""
)
PAGE_SETTINGS_SQL = "SET LOCAL jit = off"
IS_AWAITING_SQL = "SELECT status = 'awaiting_confirmation' FROM import_jobs WHERE id = %s"
HAS_ROWS_SQL = "SELECT EXISTS (SELECT FROM {table})"


@dataclass(frozen=True)
class MissingList:
    """The missing products of a check that match a filter.

    `action` is the `missing_action` of the preview, and `snapshot` the one in which the check found the products; None
    if they exceed the limit, so that a retry finds them again. The methods run in the caller's transaction. Values have
    at most `max_characters`, or all of them without a limit.
    """

    job_id: int
    staging_table: str
    action: str
    snapshot: str | None
    filter: RowFilter
    max_characters: int | None = MAX_SHOWN_CHARACTERS

    @property
    def is_empty(self) -> bool:
        """Whether no product can match: a removal clears no value, and a deactivation changes only `active`."""
        return self.action == "keep" or self.filter.cleared or self.filter.field not in (None, *self.changed_fields)

    @property
    def changed_fields(self) -> list[str]:
        """The fields that the import would change; none if it would delete the products."""
        return ["active"] if self.action == "deactivate" else []

    def fetch_page(self, cursor: Cursor, offset: int, limit: int) -> tuple[list[CheckedRow], int]:
        """Return at most `limit` products from `offset` on in the order of their keys, and the number of all.

        Raises `CheckLost` and `CheckEnded`.
        """
        if self.is_empty:
            return [], 0
        self._require_rows(cursor)
        cursor.execute(PAGE_SETTINGS_SQL)
        offset_limit = {"offset": sql.Literal(offset), "limit": sql.Literal(limit)}
        cursor.execute(self._render(SHOW_PAGE_SQL, None, **offset_limit))
        found = cursor.fetchall()
        self._require_awaiting(cursor)
        return [self._to_row(row[2:]) for row in found if row[1] is not None], found[0][0]

    def fetch_batch(self, cursor: Cursor, after: str, limit: int) -> tuple[list[CheckedRow], str]:
        """Return at most `limit` products after a key, and the key of the last of them.

        The first key is `FIRST_KEY`. There are no more products if it returns none. Raises `CheckLost` and
        `CheckEnded`.
        """
        if self.is_empty:
            return [], after
        self._require_rows(cursor)
        # Both indexes are read in the order of the keys, so a batch reads only the keys up to its last one.
        cursor.execute(SLICE_PLANNER_SETTINGS_SQL)
        cursor.execute(self._render(SHOW_BATCH_SQL, after, limit=sql.Literal(limit)))
        found = cursor.fetchall()
        self._require_awaiting(cursor)
        return [self._to_row(row[1:]) for row in found], found[-1][0] if found else after

    def _require_rows(self, cursor: Cursor) -> None:
        """Raise `CheckLost` if the staged rows are lost: without them, every product would count as missing."""
        table = sql.Identifier(self.staging_table)
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table.string,))
        if cursor.fetchone() != (True,):
            raise CheckLost
        cursor.execute(sql.SQL(HAS_ROWS_SQL).format(table=table))
        if cursor.fetchone() != (True,):
            raise CheckLost

    def _require_awaiting(self, cursor: Cursor) -> None:
        """Raise `CheckEnded` if the removal may have begun, so that the list may lack products that it removed."""
        cursor.execute(IS_AWAITING_SQL, (self.job_id,))
        if cursor.fetchone() != (True,):
            raise CheckEnded

    def _render(self, template: str, after: str | None, **parts: sql.Composable) -> sql.Composed:
        empty = sql.SQL("")
        after_key, after_staged_key = (
            empty if after is None else sql.SQL(" AND {} > {}").format(sql.SQL(key), sql.Literal(after))
            for key in ('lower(p.sku) COLLATE "C"', "s.key")
        )
        return sql.SQL(template).format(
            table=sql.Identifier(self.staging_table),
            removable=sql.SQL("p.active" if self.action == "deactivate" else "true"),
            matches=self._render_matches() if self.filter.text else empty,
            existed=render_existed(self.snapshot) if self.snapshot else empty,
            after_key=after_key,
            after_staged_key=after_staged_key,
            values=sql.SQL(", ").join(map(self._render_value, FIELDS)),
            **parts,
        )

    def _render_matches(self) -> sql.Composed:
        pattern = sql.Literal(containing(self.filter.text))
        texts = ("sku", "name", "description")
        conditions = (sql.SQL("p.{} ILIKE {}").format(sql.Identifier(name), pattern) for name in texts)
        return sql.SQL(" AND ({})").format(sql.SQL(" OR ").join(conditions))

    def _render_value(self, name: str) -> sql.Composable:
        value = sql.SQL("p.{}").format(sql.Identifier(name))
        if name == "active" or self.max_characters is None:
            return value
        return sql.SQL("left({}, {})").format(value, sql.Literal(self.max_characters))

    def _to_row(self, row: tuple[Any, ...]) -> CheckedRow:
        sku, *values = row
        before = dict(zip(FIELDS, values, strict=True))
        after = {**before, "active": False} if self.action == "deactivate" else None
        return CheckedRow(None, sku, self.changed_fields, before, after)
