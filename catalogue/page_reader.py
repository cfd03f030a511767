"""Reading a page of products in an order: through an index that has it, or from a query of ids and sort keys."""

from __future__ import annotations

import itertools
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue.counting import skip_lagging
from catalogue.index_generations import Generation, split_by_age
from catalogue.search_indexes import SEARCH_INDEXES, Generations
from catalogue.search_sql import (
    MERGE_SCANS_SQL,
    ORDERED_SCAN_SQL,
    PAGE_SQL,
    PLAN_FREELY_SQL,
    PLAN_ORDERED_IN_PARALLEL_SQL,
    PLAN_ORDERED_SCAN_SQL,
    union_all,
)
from catalogue.search_thresholds import Thresholds
from catalogue.sorting import PageToken, Sorting


class ProductRow(NamedTuple):
    """A product as the database holds it."""

    id: int
    sku: str
    name: str
    description: str
    active: bool
    created_at: datetime
    updated_at: datetime


COLUMNS_SQL = sql.SQL(", ").join(map(sql.Identifier, ProductRow._fields))
# The fields of a `ProductRow`, and the product's sort key at the end.
Row = tuple[Any, ...]


class PageReader:
    """Reads pages in the order of `sorting`, after a page token if there is one.

    `generations` are those of the search indexes.
    """

    def __init__(
        self,
        cursor: Cursor,
        sorting: Sorting,
        token: PageToken | None,
        generations: Generations,
        thresholds: Thresholds,
    ) -> None:
        self._cursor = cursor
        self._sorting = sorting
        self._token = token
        self._generations = generations
        self._thresholds = thresholds

    def build_scan(
        self, sorting: Sorting, columns: list[str], condition: sql.Composable, max_rows: int, *, by_state: bool = False
    ) -> sql.Composable:
        """Return a query of the first `max_rows` ids, sort keys and `columns` in order.

        PostgreSQL reads only as many rows of it as the outer query asks for. `by_state` says that the condition demands
        active products, or inactive ones.
        """
        key = sorting.key
        # Deep pages by SKU use the search index, which includes every column that the scan needs. The index on the
        # whole table does not.
        is_deep_by_sku = max_rows > self._thresholds.deep_offset_rows and sorting.by == "sku"
        # A search index has the products of each state in the order of their ids.
        is_active_by_id = sorting.by == "id" and by_state

        def scan(part: sql.Composable, fence: str = "") -> sql.Composed:
            return sql.SQL(ORDERED_SCAN_SQL).format(
                columns=sql.SQL(", ").join(map(sql.Identifier, ["id", *columns])),
                key=sql.SQL(key.expression),
                condition=sql.SQL(" AND ").join([part, condition, self.after_token(key.expression)]),
                fence=sql.SQL(fence),
                order_by=sorting.order_by(),
                max_rows=sql.Literal(max_rows),
            )

        if (key.indexed and not is_deep_by_sku and not is_active_by_id) or not self.ordered_chain:
            return scan(sql.SQL("true"))
        *indexed, recent = split_by_age(self.ordered_chain)
        conditions = [sql.SQL(part.condition) for part in SEARCH_INDEXES[key.search_index]]
        indexed_scans = [scan(sql.SQL(" AND ").join(pair)) for pair in itertools.product(indexed, conditions)]
        # OFFSET 0 makes PostgreSQL collect the recent products first and then sort them. Otherwise it might look for
        # them along an index of the whole table, which takes long. Without it, parallel workers can sort them.
        return sql.SQL(MERGE_SCANS_SQL).format(
            scans=union_all([*indexed_scans, scan(recent, "OFFSET 0" if key.indexed else "")]),
            order_by=sorting.order_by(),
            max_rows=sql.Literal(max_rows),
        )

    @cached_property
    def ordered_chain(self) -> tuple[Generation, ...]:
        """The generations of the search index that has the wanted order, if it can help."""
        return self._chain_and_lag[0]

    @cached_property
    def _chain_and_lag(self) -> tuple[tuple[Generation, ...], bool]:
        """The `ordered_chain`, and whether parallel workers help to read the recent products."""
        key = self._sorting.key
        chain = self._generations.get(key.search_index, ())
        return skip_lagging(self._cursor, chain, self._thresholds, has_alternative=key.indexed)

    def read_scan(
        self, scan: sql.Composable, condition: sql.Composable, sorting: Sorting, offset: int, limit: int
    ) -> list[Row]:
        """Return `limit` rows of a scan that meet the condition, after skipping `offset` of them."""
        plan = PLAN_ORDERED_SCAN_SQL
        if not sorting.key.indexed:
            chain, has_many_recent = self._chain_and_lag
            plan = PLAN_ORDERED_IN_PARALLEL_SQL if has_many_recent else PLAN_ORDERED_SCAN_SQL
            plan = plan if chain else PLAN_FREELY_SQL
        elif not self._generations:
            plan = PLAN_FREELY_SQL
        return self.read_page(scan, condition, sorting, offset, limit, plan=plan)

    def read_page(
        self, source: sql.Composable, condition: sql.Composable, sorting: Sorting, offset: int, limit: int, *, plan: str
    ) -> list[Row]:
        """Return `limit` rows of a query of ids and sort keys that meet the condition, after skipping `offset`."""
        return self.execute(
            PAGE_SQL,
            plan=plan,
            source=source,
            condition=condition,
            order_by=sorting.order_by(),
            columns=COLUMNS_SQL,
            offset=sql.Literal(offset),
            limit=sql.Literal(limit),
        )

    def after_token(self, key: str) -> sql.Composable:
        """Return the condition that a row comes after the page token, if there is one."""
        return self._token.follows(key) if self._token else sql.SQL("true")

    def execute(self, query: str, *, plan: str, **parts: sql.Composable) -> list[Row]:
        """Return the rows of a query; `plan` has the settings of the planner for it."""
        # One message for both saves a round trip.
        self._cursor.execute(sql.SQL(f"{plan}; {query}").format(**parts))
        return self._cursor.fetchall()
