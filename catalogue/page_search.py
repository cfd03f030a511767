"""The search for one page of products: it chooses a strategy and runs its queries; see `search`."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue import search_indexes
from catalogue.changes import ChangesSummary, JobChanges
from catalogue.counting import count, find_chain, find_mixed_chain, skip_lagging
from catalogue.filters import Filter
from catalogue.index_generations import Generation, split_by_age
from catalogue.sampling import sample_share
from catalogue.search_indexes import SEARCH_INDEXES, TEXT_INDEX
from catalogue.search_sql import (
    FETCH_MATCHES_SQL,
    MATCHES_SQL,
    MERGE_SCANS_SQL,
    ORDERED_SCAN_SQL,
    PAGE_OF_IDS_SQL,
    PAGE_OF_SCAN_SQL,
    PLAN_FREELY_SQL,
    PLAN_MANY_IN_PARALLEL_SQL,
    PLAN_ORDERED_SCAN_SQL,
    PLAN_RECENT_IN_PARALLEL_SQL,
    PLAN_WITH_INDEXES_SQL,
    union_all,
)
from catalogue.search_thresholds import Thresholds
from catalogue.sorting import MAX_BIGINT, PageToken, Sorting
from catalogue.text_matches import MIXED_SQL, TEXT_COLUMNS

# If more than this share of all products matches, a scan in any sort order soon meets enough of them.
BROAD_SHARE = 0.5
ESTIMATE_DIGITS = 2


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


def _round_estimate(estimate: float) -> int:
    """Round to `ESTIMATE_DIGITS` significant digits, because an estimate is no more exact than that."""
    rows = int(estimate)
    return round(rows, ESTIMATE_DIGITS - len(str(rows)))


class PageSearch:
    """One search. `run` returns the rows of the page, and sets `total` and whether it is `estimated`."""

    def __init__(
        self,
        cursor: Cursor,
        product_filter: Filter,
        sorting: Sorting,
        token: PageToken | None,
        offset: int,
        limit: int,
        thresholds: Thresholds,
    ) -> None:
        self.total = 0
        self.estimated = False
        self._cursor = cursor
        self._filter = product_filter
        self._sorting = sorting
        self._token = token
        self._offset = offset
        self._limit = limit
        self._thresholds = thresholds
        # Whether the ids of a job find the products, and the search indexes are of no use.
        self._has_few_ids = False
        # What the job of the filter has written, if the filter names one.
        self._changed: ChangesSummary | None = None
        # The shares of all products that meet each demand of the filter for a text, if they are known.
        self._shares: tuple[float, ...] = ()
        self.generations, self._catalogue_rows = search_indexes.read_state(cursor)
        self._is_large = self._catalogue_rows > thresholds.max_serial_rows

    def run(self) -> list[Row]:
        """Choose a strategy and return the products of the page, each with its sort key."""
        max_fetched_rows = self._thresholds.max_fetched_rows
        if self._filter.changes is not None:
            return self._find_changed(self._filter.changes)
        if not self._filter.has_text and self._catalogue_rows <= self._thresholds.max_counted_rows:
            self.total = count(self._cursor, self._filter, self.generations)
            if self._filter.is_empty:
                return self._scan()
            if self.total <= max_fetched_rows:
                return self._fetch_matches()
            return self._scan_for(self.total / max(1, self._catalogue_rows))
        if self._filter.is_empty:
            self.total, self.estimated = _round_estimate(self._catalogue_rows), True
            return self._scan()
        if self._catalogue_rows <= self._thresholds.small_catalogue_rows:
            return self._fetch_matches()
        return self._find_sampled()

    def _find_changed(self, changes: JobChanges) -> list[Row]:
        """Return the page for a filter with the products of a job: all at once if they are few, otherwise in order."""
        self._changed = changes.summarize(self._cursor)
        changed_rows = self._changed.products
        if changed_rows <= self._thresholds.max_fetched_rows:
            self._has_few_ids = True
            return self._fetch_matches()
        if not replace(self._filter, changed_by="").is_empty:
            return self._find_sampled()
        # Some of them may have been deleted since.
        self.total, self.estimated = changed_rows, True
        return self._scan_for(min(1.0, changed_rows / max(1, self._catalogue_rows)))

    def _find_sampled(self) -> list[Row]:
        """Return the page for a filter of which only a sample tells how many products match."""
        max_fetched_rows = self._thresholds.max_fetched_rows
        is_ranked = self._is_large and sum(match.is_indexable for match in self._filter.matches) > 1
        sampled = sample_share(self._cursor, self._filter, self._catalogue_rows, tells_matches=is_ranked)
        self._shares, share = sampled.of_matches, sampled.value
        if not sampled.is_reliable or share * self._catalogue_rows < max_fetched_rows:
            rows = self._fetch_matches(max_fetched_rows + 1, expected_rows=share * self._catalogue_rows)
            if self.total <= max_fetched_rows:
                return rows
            share = max(share, max_fetched_rows / self._catalogue_rows)
        self.total, self.estimated = max(max_fetched_rows, _round_estimate(share * self._catalogue_rows)), True
        return self._scan_for(share)

    def _scan_for(self, share: float) -> list[Row]:
        """Choose the scan for a filter that matches this share of all products, and return the page."""
        if self._changed is not None and self._sorting.by == "id":
            return self._find_changed_by_id(self._changed, share)
        if self._filter.finds_changes and self._sorting.by == "updated_at" and not self._filter.has_text:
            return self._scan()
        is_plain = not self._filter.finds_changes and not self._filter.has_text
        if is_plain and (self._sorting.by in {"id", "active"} or share > BROAD_SHARE):
            return self._scan()
        return self._scan_and_filter(share)

    def _find_changed_by_id(self, changed: ChangesSummary, share: float) -> list[Row]:
        """Return the page in the order of the ids: by a scan, unless other jobs have written its products since."""
        lowest, highest = changed.lowest_id, changed.highest_id
        if lowest is not None and highest is not None:
            # Only the ids tell whether the job has written a product that was written again, and a scan reads them all.
            rows = self._read_scan(
                self._build_scan(self._sorting, ["updated_at"], self._bound_of_scan(), self._offset + self._limit),
                sql.SQL("updated_at > {}").format(sql.Literal(changed.last_at)),
                self._sorting,
                0,
                1,
            )
            if not rows:
                return self._scan_and_filter(min(1.0, share * self._catalogue_rows / (highest - lowest + 1)))
        return self._fetch_by_changed_ids()

    def _fetch_matches(self, max_rows: int | None = None, *, expected_rows: float = 0) -> list[Row]:
        """Fetch all matches, or at most `max_rows`; count them, sort them and return the page."""
        key = sql.SQL(self._sorting.key.expression)
        chain = find_chain(self._cursor, self._filter, self.generations)
        mixed = self._mixed_chain if max_rows is not None else ()
        if mixed:
            chain = self.generations[TEXT_INDEX]
        use_indexes = bool(mixed) or (bool(chain) and self._filter.is_indexable and not self._has_few_ids)
        indexed = recent = self._filter.condition() if self._has_few_ids else self._filter.scan_condition()
        if mixed:
            indexed = sql.SQL(" AND ").join([self._filter.pairs_condition(), recent])
        elif use_indexes:
            enough = self._thresholds.max_compared_rows / max(1, self._catalogue_rows)
            indexed = self._filter.indexed_condition(self._shares, enough=enough)
        elif self._changed is not None and self._changed.first_at is not None and not self._has_few_ids:
            # With the time as a literal, the planner knows how many products were changed since, and reads only those.
            bound = sql.SQL("updated_at >= {}").format(sql.Literal(self._changed.first_at))
            indexed = recent = sql.SQL(" AND ").join([bound, self._filter.scan_condition()])
        parts = [*zip(split_by_age(chain), [*([indexed] * len(chain)), recent], strict=True)]
        parts += [self._mixed_part(generation, before=chain[-1].until) for generation in mixed]
        matches = [sql.SQL(MATCHES_SQL).format(key=key, part=part, condition=condition) for part, condition in parts]
        plan = PLAN_FREELY_SQL
        if use_indexes and (self._is_large or expected_rows > self._thresholds.max_fetched_rows):
            plan = PLAN_MANY_IN_PARALLEL_SQL
        elif use_indexes:
            lags = search_indexes.has_many_recent(self._cursor, chain, self._thresholds.max_serial_recent_rows)
            plan = PLAN_RECENT_IN_PARALLEL_SQL if lags else PLAN_WITH_INDEXES_SQL
        rows = self._execute(
            FETCH_MATCHES_SQL,
            plan=plan,
            matches=union_all(matches),
            max_rows=sql.SQL("ALL") if max_rows is None else sql.Literal(max_rows),
            after_token=self._after_token("key"),
            order_by=self._sorting.order_by(),
            columns=COLUMNS_SQL,
            offset=sql.Literal(self._offset),
            limit=sql.Literal(self._limit),
        )
        self.total, self.estimated = rows[0][0], False
        return [row[1:] for row in rows if row[1] is not None]

    def _fetch_by_changed_ids(self) -> list[Row]:
        """Fetch the page in the order of the ids, which the change log of the job of the filter has."""
        changes = JobChanges(self._filter.changed_by)
        lowest, highest = 0, MAX_BIGINT
        if self._token:
            position = self._token.product_id
            lowest, highest = (lowest, position) if self._sorting.descending else (position, highest)
        products = self._offset + self._limit
        part = changes.narrow(self._cursor, lowest, highest, products, descending=self._sorting.descending)
        rows = self._read_changed_ids(changes, *part)
        if len(rows) < self._limit and part != (lowest, highest):
            # Many of them were deleted, or do not match.
            return self._read_changed_ids(changes, lowest, highest)
        return rows

    def _read_changed_ids(self, changes: JobChanges, lowest: int, highest: int) -> list[Row]:
        in_range = sql.SQL("id BETWEEN {} AND {}").format(sql.Literal(lowest), sql.Literal(highest))
        return self._execute(
            PAGE_OF_IDS_SQL,
            plan=PLAN_WITH_INDEXES_SQL,
            ids=changes.ids(lowest, highest),
            direction=sql.SQL("DESC" if self._sorting.descending else "ASC"),
            condition=replace(self._filter, changed_by="").condition(),
            after_token=sql.SQL(" AND ").join([in_range, self._after_token("id")]),
            order_by=self._sorting.order_by(),
            columns=COLUMNS_SQL,
            offset=sql.Literal(self._offset),
            limit=sql.Literal(self._limit),
        )

    def _scan(self) -> list[Row]:
        """Scan the matching products in order and return the page.

        The scan of a deep page starts at the nearer end of the order. This is only for filters without a text, and not
        for all of them; see `_scan_for`.
        """
        sorting, offset, limit = self._sorting, self._offset, self._limit
        rows_after_page = self.total - offset - limit
        is_deep = offset > self._thresholds.deep_offset_rows
        from_end = is_deep and offset > rows_after_page and not self.estimated and not self._token
        if from_end:
            sorting = replace(sorting, descending=not sorting.descending)
            limit = min(limit, self.total - offset)
            offset = max(0, rows_after_page)
        if limit <= 0:
            return []
        condition = sql.SQL(" AND ").join([self._bound_of_scan(), self._filter.scan_condition()])
        scan = self._build_scan(sorting, [], condition, offset + limit)
        rows = self._read_scan(scan, sql.SQL("true"), sorting, offset, limit)
        return rows[::-1] if from_end else rows

    def _scan_and_filter(self, share: float) -> list[Row]:
        """Scan the products in order and filter them until the page is full.

        Fetches all matches instead if the scan would be too long, or if it did not fill the page. If no index has the
        order, all products are read anyway, so they are filtered before they are sorted.
        """
        has_order = self._sorting.key.indexed or self._ordered_chain
        if not has_order and share > self._thresholds.max_fetched_rows / self._catalogue_rows:
            return self._scan()
        expected_rows = (self._offset + self._limit) / share
        if expected_rows <= self._thresholds.max_scan_rows:
            # The matches may be far apart in this order. The more of them there are, the longer it takes to fetch all,
            # so a scan in vain costs little beside it.
            patience = min(self._thresholds.max_scan_rows, share * self._catalogue_rows / 8)
            max_rows = int(max(self._thresholds.min_scan_rows, 2 * expected_rows, patience))
            columns = [*TEXT_COLUMNS, "active", "updated_at"]
            scan = self._build_scan(self._sorting, columns, self._bound_of_scan(), max_rows)
            rows = self._read_scan(scan, self._filter.scan_condition(), self._sorting, self._offset, self._limit)
            if len(rows) == self._limit:
                return rows
        if self._changed is not None and self._sorting.by == "id":
            return self._fetch_by_changed_ids()
        return self._fetch_matches(expected_rows=share * self._catalogue_rows)

    def _bound_of_scan(self) -> sql.Composable:
        """Return a condition that all matches meet and that shortens a scan in the order of changes or ids."""
        if self._sorting.by == "id" and self._changed is not None and self._changed.lowest_id is not None:
            bounds = sql.Literal(self._changed.lowest_id), sql.Literal(self._changed.highest_id)
            return sql.SQL("id BETWEEN {} AND {}").format(*bounds)
        if self._sorting.by != "updated_at" or not self._filter.finds_changes:
            return sql.SQL("true")
        return self._filter.earliest_change()

    def _build_scan(
        self, sorting: Sorting, columns: list[str], condition: sql.Composable, max_rows: int
    ) -> sql.Composable:
        """Return a query of the first `max_rows` ids, sort keys and `columns` in order.

        PostgreSQL reads only as many rows of it as the outer query asks for.
        """
        key = sorting.key
        # Deep pages by SKU use the search index, which includes every column that the scan needs. The index on the
        # whole table does not.
        is_deep_by_sku = max_rows > self._thresholds.deep_offset_rows and sorting.by == "sku"
        # Without `columns` the scan itself filters by `active`: a search index has the products of each state in the
        # order of their ids.
        is_active_by_id = sorting.by == "id" and self._filter.active is not None and not columns

        def scan(part: sql.Composable, fence: str = "") -> sql.Composed:
            return sql.SQL(ORDERED_SCAN_SQL).format(
                columns=sql.SQL(", ").join(map(sql.Identifier, ["id", *columns])),
                key=sql.SQL(key.expression),
                condition=sql.SQL(" AND ").join([part, condition, self._after_token(key.expression)]),
                fence=sql.SQL(fence),
                order_by=sorting.order_by(),
                max_rows=sql.Literal(max_rows),
            )

        if (key.indexed and not is_deep_by_sku and not is_active_by_id) or not self._ordered_chain:
            return scan(sql.SQL("true"))
        *indexed, recent = split_by_age(self._ordered_chain)
        conditions = [sql.SQL(part.condition) for part in SEARCH_INDEXES[key.search_index]]
        indexed_scans = [scan(sql.SQL(" AND ").join(pair)) for pair in itertools.product(indexed, conditions)]
        # OFFSET 0 makes PostgreSQL collect the few recent products first and then sort them. Otherwise it might look
        # for them along an index of the whole table, which takes long.
        return sql.SQL(MERGE_SCANS_SQL).format(
            scans=union_all([*indexed_scans, scan(recent, "OFFSET 0")]),
            order_by=sorting.order_by(),
            max_rows=sql.Literal(max_rows),
        )

    @cached_property
    def _ordered_chain(self) -> tuple[Generation, ...]:
        """The generations of the search index that has the wanted order, if it can help."""
        return skip_lagging(self._cursor, self.generations.get(self._sorting.key.search_index, ()), self._thresholds)

    @cached_property
    def _mixed_chain(self) -> tuple[Generation, ...]:
        """The generations of the index of mixed texts, if a search for pairs of letters needs it."""
        return find_mixed_chain(self._cursor, self._filter, self.generations, self._thresholds)

    def _mixed_part(self, generation: Generation, *, before: datetime) -> tuple[sql.Composable, sql.Composable]:
        """Return conditions for the matches that the index of texts leaves out: those in mixed texts."""
        part = sql.SQL("{} AND updated_at < {}").format(generation.condition, sql.Literal(before))
        pairs, matching = self._filter.pairs_condition(), self._filter.scan_condition()
        return part, sql.SQL(" AND ").join([sql.SQL(MIXED_SQL), sql.SQL("NOT {}").format(pairs), matching])

    def _read_scan(
        self, scan: sql.Composable, condition: sql.Composable, sorting: Sorting, offset: int, limit: int
    ) -> list[Row]:
        """Return `limit` rows of a scan that meet the condition, after skipping `offset` of them."""
        has_index = bool(self.generations if sorting.key.indexed else self._ordered_chain)
        return self._execute(
            PAGE_OF_SCAN_SQL,
            plan=PLAN_ORDERED_SCAN_SQL if has_index else PLAN_FREELY_SQL,
            scan=scan,
            condition=condition,
            order_by=sorting.order_by(),
            columns=COLUMNS_SQL,
            offset=sql.Literal(offset),
            limit=sql.Literal(limit),
        )

    def _after_token(self, key: str) -> sql.Composable:
        """Return the condition that a row comes after the page token, if there is one."""
        return self._token.follows(key) if self._token else sql.SQL("true")

    def _execute(self, query: str, *, plan: str, **parts: sql.Composable) -> list[Row]:
        """Return the rows of a query; `plan` has the settings of the planner for it."""
        # One message for both saves a round trip.
        self._cursor.execute(sql.SQL(f"{plan}; {query}").format(**parts))
        return self._cursor.fetchall()
