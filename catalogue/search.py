"""Pages of the products that match a filter, in any order, fast at any size of the catalogue.

What is fast depends on how much matches. Where it is little, the indexes of catalogue/index.py find all of it, and it
is put in order. Where it is much, the products are walked in the order asked for until the page is full. A sample of
the table tells the two apart. Counting what is much would take longer than all the rest: the total is then an estimate
from the sample, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue import search_indexes
from catalogue.filters import Filter
from catalogue.sorting import KEYS, Bookmark, Order, UnusableCursor

__all__ = ["ORDERS", "Found", "Order", "ProductRow", "UnusableCursor", "count", "find"]

# What products can be put in order by.
ORDERS = tuple(KEYS)

# So many matches are all fetched and counted; more are walked, and their number is an estimate.
MANY = 10_000
# In a catalogue this small everything is counted.
SMALL_ROWS = 50_000
# Up to here all products are counted, which takes an index alone.
COUNTED_ROWS = 1_000_000
SAMPLE_ROWS = 4_000
SAMPLED_MATCHES = 20
WALK_ROWS = 2_000
LONGEST_WALK_ROWS = 100_000
# So large a share is met on every walk.
MOST = 0.5
# Behind so many products the other end of the order may be nearer.
DEEP_ROWS = 10_000
ESTIMATED_DIGITS = 2

# The planner cannot tell a rare text from a common one; here that is known.
PLAN_FREELY = (
    "SET LOCAL jit = off; SET LOCAL enable_seqscan = DEFAULT; SET LOCAL enable_bitmapscan = DEFAULT;"
    " SET LOCAL max_parallel_workers_per_gather = DEFAULT"
)
# What takes milliseconds takes longer when it is shared out.
PLAN_ALONE = PLAN_FREELY + "; SET LOCAL max_parallel_workers_per_gather = 0"
PLAN_WITH_INDEXES = PLAN_ALONE + "; SET LOCAL enable_seqscan = off"
PLAN_TO_WALK = PLAN_WITH_INDEXES + "; SET LOCAL enable_bitmapscan = off"

COUNT = "SELECT count(*) FROM products WHERE {part} AND {condition}"
SAMPLE = """
SELECT count(*), count(*) FILTER (WHERE {condition}) FROM products TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)
"""
# One row at least, so that a page without products still has the number of matches.
MATCHES = """
WITH matches AS MATERIALIZED ({matches} LIMIT {at_most}),
page AS (SELECT id, key FROM matches WHERE {behind} ORDER BY {order} OFFSET {offset} LIMIT {limit})
SELECT (SELECT count(*) FROM matches), found.*
FROM (VALUES (1)) one LEFT JOIN (SELECT {columns}, key FROM page JOIN products USING (id)) found ON true
ORDER BY {order}
"""
WALK = """
SELECT * FROM (SELECT {columns}, {key} AS key FROM products WHERE {condition} {fence}) part
ORDER BY {order} LIMIT {at_most}
"""
PAGE = """
WITH page AS (
    SELECT id, key FROM ({walk}) walked WHERE {condition} ORDER BY {order} OFFSET {offset} LIMIT {limit}
)
SELECT {columns}, key FROM page JOIN products USING (id) ORDER BY {order}
"""


class ProductRow(NamedTuple):
    """A product as the database holds it."""

    id: int
    sku: str
    name: str
    description: str
    active: bool
    created_at: datetime
    updated_at: datetime


COLUMNS = sql.SQL(", ").join(map(sql.Identifier, ProductRow._fields))
# A product and its key in the order asked for.
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Found:
    """A page: its products, how many match in all and whether that is an estimate, the cursor of the next page."""

    products: list[ProductRow]
    page: int
    total: int
    total_is_estimate: bool
    next: str | None


def find(
    cursor: Cursor,
    wanted: Filter,
    order: Order,
    *,
    page: int = 1,
    per_page: int = 50,
    after: str | None = None,
    exact_total: bool = False,
) -> Found:
    """Returns the page number `page`, or the one behind the cursor `after`, which is the `next` of another page.

    `exact_total` has everything counted, however long that takes. Raises `UnusableCursor`.
    """
    bookmark = Bookmark.read(after, order) if after else None
    page = bookmark.page + 1 if bookmark else page
    # One product more than asked for tells whether there is another page.
    search = _Search(cursor, wanted, order, bookmark, 0 if bookmark else (page - 1) * per_page, per_page + 1)
    rows = search.run()
    cursor.execute(PLAN_FREELY)
    if search.estimated and not bookmark and (rows or page == 1) and len(rows) <= per_page:
        search.total, search.estimated = (page - 1) * per_page + len(rows), False
    if search.estimated and exact_total:
        search.total, search.estimated = count(cursor, wanted), False
    following = None
    if len(rows) > per_page:
        rows = rows[:per_page]
        following = Bookmark(order, page, rows[-1][-1], rows[-1][0]).text()
    return Found([ProductRow(*row[:-1]) for row in rows], page, search.total, search.estimated, following)


def count(cursor: Cursor, wanted: Filter) -> int:
    """How many products match, exactly."""
    parts = [sql.SQL("true")] if wanted.is_empty else _parts(search_indexes.present_moment(cursor))
    cursor.execute(PLAN_FREELY if wanted.has_text else PLAN_ALONE)
    counts = [sql.SQL(COUNT).format(part=part, condition=wanted.condition()) for part in parts]
    cursor.execute(sql.SQL("SELECT sum(count)::bigint FROM ({}) parts").format(_union(counts)))
    (total,) = cursor.fetchone() or (0,)
    return int(total)


def _parts(moment: datetime | None) -> list[sql.Composable]:
    """The products that the indexes of `moment` hold, and those that have changed since."""
    if moment is None:
        return [sql.SQL("true")]
    return [sql.SQL(f"updated_at {sign} {{}}").format(sql.Literal(moment)) for sign in ("<", ">=")]


def _union(queries: list[sql.Composed]) -> sql.Composable:
    return sql.SQL(" UNION ALL ").join(sql.SQL("({})").format(query) for query in queries)


def _rounded(number: float) -> int:
    """An estimate without the digits that it does not know."""
    whole = int(number)
    return round(whole, ESTIMATED_DIGITS - len(str(whole)))


class _Search:
    """One search: `run` gives the rows of a page and leaves `total`, and whether that is `estimated`."""

    def __init__(
        self, cursor: Cursor, wanted: Filter, order: Order, bookmark: Bookmark | None, offset: int, limit: int
    ) -> None:
        self.total = 0
        self.estimated = False
        self._cursor = cursor
        self._wanted = wanted
        self._order = order
        self._bookmark = bookmark
        self._offset = offset
        self._limit = limit
        self._moment = search_indexes.present_moment(cursor)
        self._size = search_indexes.estimated_rows(cursor)

    def run(self) -> list[Row]:
        """The products of the page, each with its key."""
        if not self._wanted.has_text and self._size <= COUNTED_ROWS:
            self.total = count(self._cursor, self._wanted)
            if self._wanted.is_empty:
                return self._page()
            return self._matches() if self.total <= MANY else self._walk_for(self.total / max(1, self._size))
        if self._wanted.is_empty:
            self.total, self.estimated = _rounded(self._size), True
            return self._page()
        if self._size <= SMALL_ROWS:
            return self._matches()
        share = self._sampled_share()
        if share * self._size < MANY:
            rows = self._matches(MANY + 1)
            if self.total <= MANY:
                return rows
            share = max(share, MANY / self._size)
        self.total, self.estimated = max(MANY, _rounded(share * self._size)), True
        return self._walk_for(share)

    def _walk_for(self, share: float) -> list[Row]:
        """Chooses the walk to find what that share of all products is."""
        if not self._wanted.has_text and (self._order.by in {"id", "active"} or share > MOST):
            return self._page()
        return self._walk_and_look(share)

    def _sampled_share(self) -> float:
        """Which share of all products matches, by a sample; 0 where too few do to say."""
        percent = min(100.0, 100 * SAMPLE_ROWS / self._size)
        sampled, matching = self._rows(SAMPLE, percent=sql.Literal(percent), condition=self._wanted.condition())[0]
        return matching / sampled if matching >= SAMPLED_MATCHES else 0.0

    def _matches(self, at_most: int | None = None) -> list[Row]:
        """Fetches all that matches, or `at_most`, puts it in order and counts it."""
        key = sql.SQL(self._order.key.expression)
        condition = self._wanted.condition()
        matches = [
            sql.SQL("SELECT id, {} AS key FROM products WHERE {} AND {}").format(key, part, condition)
            for part in _parts(self._moment)
        ]
        self._cursor.execute(PLAN_WITH_INDEXES if self._moment and self._wanted.has_trigrams else PLAN_FREELY)
        rows = self._rows(
            MATCHES,
            matches=_union(matches),
            at_most=sql.SQL("ALL") if at_most is None else sql.Literal(at_most),
            behind=self._bookmark.behind("key") if self._bookmark else sql.SQL("true"),
            order=self._order.clause(),
            **self._place(self._offset, self._limit),
        )
        self.total, self.estimated = rows[0][0], False
        return [row[1:] for row in rows if row[1] is not None]

    def _page(self) -> list[Row]:
        """Walks all products, or the active or inactive ones, from whichever end of the order is nearer."""
        order, offset, limit = self._order, self._offset, self._limit
        from_the_end = self.total - offset - limit
        turned = not self.estimated and not self._bookmark and offset > DEEP_ROWS and offset > from_the_end
        if turned:
            order = replace(order, descending=not order.descending)
            limit = min(limit, self.total - offset)
            offset = max(0, from_the_end)
        if limit <= 0:
            return []
        walk = self._walk(order, [], self._wanted.condition(), offset + limit)
        rows = self._walked(walk, sql.SQL("true"), order, offset, limit)
        return rows[::-1] if turned else rows

    def _walk_and_look(self, share: float) -> list[Row]:
        """Walks the products until the page is full; where that would be far, all that matches is fetched after all."""
        expected = (self._offset + self._limit) / share
        if expected <= LONGEST_WALK_ROWS:
            at_most = int(max(WALK_ROWS, 4 * expected))
            walk = self._walk(self._order, ["sku", "name", "description", "active"], sql.SQL("true"), at_most)
            rows = self._walked(walk, self._wanted.condition(), self._order, self._offset, self._limit)
            if len(rows) == self._limit:
                return rows
        return self._matches()

    def _walk(self, order: Order, texts: list[str], condition: sql.Composable, at_most: int) -> sql.Composable:
        """A query of the first `at_most` ids, keys and `texts` in order; who reads less of it pays less."""
        key = order.key
        # Deep pages by SKU are read from an index that holds all they need, as the one on all products does not.
        deep = at_most > DEEP_ROWS and order.by == "sku"
        whole = key.indexed and not deep and (self._wanted.active is None or texts)
        columns = sql.SQL(", ").join(map(sql.Identifier, ["id", *texts]))
        behind = self._bookmark.behind(key.expression) if self._bookmark else sql.SQL("true")

        def walk(part: sql.Composable, fence: str = "") -> sql.Composed:
            return sql.SQL(WALK).format(
                columns=columns,
                key=sql.SQL(key.expression),
                condition=sql.SQL(" AND ").join([part, condition, behind]),
                fence=sql.SQL(fence),
                order=order.clause(),
                at_most=sql.Literal(at_most),
            )

        if whole or self._moment is None:
            return walk(sql.SQL("true"))
        settled, recent = _parts(self._moment)
        # The recent ones are few, and looking for them along a whole index would take long.
        return sql.SQL("SELECT * FROM ({}) walked ORDER BY {} LIMIT {}").format(
            _union([walk(settled), walk(recent, "OFFSET 0")]), order.clause(), sql.Literal(at_most)
        )

    def _walked(
        self, walk: sql.Composable, condition: sql.Composable, order: Order, offset: int, limit: int
    ) -> list[Row]:
        """The part of a walk that meets the condition, from `offset` on."""
        self._cursor.execute(PLAN_TO_WALK if self._moment else PLAN_FREELY)
        place = self._place(offset, limit)
        return self._rows(PAGE, walk=walk, condition=condition, order=order.clause(), **place)

    def _place(self, offset: int, limit: int) -> dict[str, sql.Composable]:
        return {"offset": sql.Literal(offset), "limit": sql.Literal(limit), "columns": COLUMNS}

    def _rows(self, query: str, **parts: sql.Composable) -> list[Row]:
        self._cursor.execute(sql.SQL(query).format(**parts))
        return self._cursor.fetchall()
