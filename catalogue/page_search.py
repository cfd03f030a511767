"""The search for one page of products: it chooses a strategy and runs its queries; see `search`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import cached_property

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue import product_count, search_indexes
from catalogue.changes import ChangesSummary, JobChanges
from catalogue.counting import count, find_chain, find_mixed_chain
from catalogue.filters import Filter
from catalogue.index_generations import Generation, split_by_age
from catalogue.page_reader import COLUMNS_SQL, PageReader, Row
from catalogue.sampling import SampledStart, sample_share, sample_start
from catalogue.search_indexes import TEXT_INDEX
from catalogue.search_sql import (
    FETCH_MATCHES_SQL,
    MATCHES_SQL,
    PAGE_OF_IDS_SQL,
    PLAN_FREELY_SQL,
    PLAN_MANY_IN_PARALLEL_SQL,
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
        # Whether a sample had too few matches to tell how many products match.
        self._has_rough_share = False
        self.generations, self._catalogue_rows = search_indexes.read_state(cursor)
        self._reader = PageReader(cursor, sorting, token, self.generations, thresholds)
        self._is_large = self._catalogue_rows > thresholds.max_serial_rows

    def run(self) -> list[Row]:
        """Choose a strategy and return the products of the page, each with its sort key."""
        max_fetched_rows = self._thresholds.max_fetched_rows
        if self._filter.changes is not None:
            return self._find_changed(self._filter.changes)
        if self._filter.is_empty:
            self._count_all()
            return self._scan()
        if not self._filter.has_text and self._catalogue_rows <= self._thresholds.max_counted_rows:
            self.total = count(self._cursor, self._filter, self.generations)
            if self.total <= max_fetched_rows:
                return self._fetch_matches()
            return self._scan_for(self.total / max(1, self._catalogue_rows))
        if self._catalogue_rows <= self._thresholds.small_catalogue_rows:
            return self._fetch_matches()
        return self._find_sampled()

    def _count_all(self) -> None:
        """Set the total to the number of all products."""
        known = product_count.read_count(self._cursor)
        if known is not None:
            self.total = known
        elif self._catalogue_rows <= self._thresholds.max_counted_rows:
            self.total = count(self._cursor, self._filter, self.generations)
        else:
            self.total, self.estimated = _round_estimate(self._catalogue_rows), True

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
        self._shares, self._has_rough_share, share = sampled.of_matches, not sampled.is_reliable, sampled.value
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
            rows = self._reader.read_scan(
                self._reader.build_scan(
                    self._sorting, ["updated_at"], self._bound_of_scan(), self._offset + self._limit
                ),
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
        matches, plan = self._build_fetch(self._mixed_chain if max_rows is not None else (), expected_rows)
        rows = self._reader.execute(
            FETCH_MATCHES_SQL,
            plan=plan,
            matches=matches,
            max_rows=sql.SQL("ALL") if max_rows is None else sql.Literal(max_rows),
            after_token=self._reader.after_token("key"),
            order_by=self._sorting.order_by(),
            columns=COLUMNS_SQL,
            offset=sql.Literal(self._offset),
            limit=sql.Literal(self._limit),
        )
        self.total, self.estimated = rows[0][0], False
        return [row[1:] for row in rows if row[1] is not None]

    def _fetch_first_matches(self, share: float, start: SampledStart | None = None) -> list[Row]:
        """Fetch all matches, or those among the first products in the order, and return the page.

        They are not counted, so each process keeps only the first ones. With a start, only the matches in it are
        compared with texts that the index does not look for.
        """
        matches, plan = self._build_fetch((), share * self._catalogue_rows, start)
        after_token = self._reader.after_token("key")
        return self._reader.read_page(matches, after_token, self._sorting, self._offset, self._limit, plan=plan)

    def _build_fetch(
        self, mixed: tuple[Generation, ...], expected_rows: float, start: SampledStart | None = None
    ) -> tuple[sql.Composable, str]:
        """Return a query of the ids and sort keys of all matches, and the settings of the planner for it.

        `mixed` are the generations of the index of mixed texts, if it helps. `expected_rows` is about how many products
        match, if that is known. With a `start`, they are the matches among these products.
        """
        key = sql.SQL(self._sorting.key.expression)
        chain = find_chain(self._cursor, self._filter, self.generations)
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
        if start is not None:
            # This costs less than the comparison with a text, so it comes first.
            parts = [(sql.SQL("{} AND {}").format(part, start.condition()), condition) for part, condition in parts]
        matches = [sql.SQL(MATCHES_SQL).format(key=key, part=part, condition=condition) for part, condition in parts]
        plan = PLAN_FREELY_SQL
        if use_indexes and (self._is_large or expected_rows > self._thresholds.max_fetched_rows):
            plan = PLAN_MANY_IN_PARALLEL_SQL
        elif use_indexes:
            max_serial_rows = self._thresholds.max_serial_recent_rows
            lags = search_indexes.count_recent(self._cursor, chain, max_serial_rows + 1) > max_serial_rows
            plan = PLAN_RECENT_IN_PARALLEL_SQL if lags else PLAN_WITH_INDEXES_SQL
        return union_all(matches), plan

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
        return self._reader.execute(
            PAGE_OF_IDS_SQL,
            plan=PLAN_WITH_INDEXES_SQL,
            ids=changes.ids(lowest, highest),
            direction=sql.SQL("DESC" if self._sorting.descending else "ASC"),
            condition=replace(self._filter, changed_by="").condition(),
            after_token=sql.SQL(" AND ").join([in_range, self._reader.after_token("id")]),
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
        by_state = self._filter.active is not None
        scan = self._reader.build_scan(sorting, [], condition, offset + limit, by_state=by_state)
        rows = self._reader.read_scan(scan, sql.SQL("true"), sorting, offset, limit)
        return rows[::-1] if from_end else rows

    def _scan_and_filter(self, share: float) -> list[Row]:
        """Scan the products in order and filter them until the page is full.

        Fetches all matches instead if the scan would be too long, or if it did not fill the page. If no index has the
        order, all products are read anyway, so they are filtered before they are sorted.
        """
        has_order = self._sorting.key.indexed or self._reader.ordered_chain
        if not has_order and share > self._thresholds.max_fetched_rows / self._catalogue_rows:
            return self._scan()
        expected_rows = (self._offset + self._limit) / share
        # The matches may be far apart in this order. The more of them there are, the longer it takes to fetch all, so a
        # scan in vain costs little beside it.
        patience = min(self._thresholds.max_scan_rows, share * self._catalogue_rows / 8)
        max_rows = int(max(self._thresholds.min_scan_rows, 2 * expected_rows, patience))
        start = self._sample_start(share) if expected_rows > self._thresholds.min_scan_rows / 2 else None
        is_in_vain = start is not None and start.preceding_rows > max_rows
        if expected_rows <= self._thresholds.max_scan_rows and not is_in_vain:
            columns = [*TEXT_COLUMNS, "active", "updated_at"]
            scan = self._reader.build_scan(self._sorting, columns, self._bound_of_scan(), max_rows)
            rows = self._reader.read_scan(scan, self._filter.scan_condition(), self._sorting, self._offset, self._limit)
            if len(rows) == self._limit:
                return rows
        if self._changed is not None and self._sorting.by == "id":
            return self._fetch_by_changed_ids()
        if start is not None and len(rows := self._fetch_first_matches(share, start)) == self._limit:
            return rows
        if self._has_rough_share:
            return self._fetch_matches(expected_rows=share * self._catalogue_rows)
        return self._fetch_first_matches(share)

    def _sample_start(self, share: float) -> SampledStart | None:
        """Return the first products in the order, if they shorten the search for several texts in a large catalogue."""
        if not self._is_large or len(self._filter.matches) < 2 or self._sorting.by == "active":
            return None
        return sample_start(
            self._cursor,
            self._filter,
            self._catalogue_rows,
            share,
            sorting=self._sorting,
            token=self._token,
            wanted_rows=self._offset + self._limit,
        )

    def _bound_of_scan(self) -> sql.Composable:
        """Return a condition that all matches meet and that shortens a scan in the order of changes or ids."""
        if self._sorting.by == "id" and self._changed is not None and self._changed.lowest_id is not None:
            bounds = sql.Literal(self._changed.lowest_id), sql.Literal(self._changed.highest_id)
            return sql.SQL("id BETWEEN {} AND {}").format(*bounds)
        if self._sorting.by != "updated_at" or not self._filter.finds_changes:
            return sql.SQL("true")
        return self._filter.earliest_change()

    @cached_property
    def _mixed_chain(self) -> tuple[Generation, ...]:
        """The generations of the index of mixed texts, if a search for pairs of letters needs it."""
        return find_mixed_chain(self._cursor, self._filter, self.generations, self._thresholds)

    def _mixed_part(self, generation: Generation, *, before: datetime) -> tuple[sql.Composable, sql.Composable]:
        """Return conditions for the matches that the index of texts leaves out: those in mixed texts."""
        part = sql.SQL("{} AND updated_at < {}").format(generation.condition, sql.Literal(before))
        pairs, matching = self._filter.pairs_condition(), self._filter.scan_condition()
        return part, sql.SQL(" AND ").join([sql.SQL(MIXED_SQL), sql.SQL("NOT {}").format(pairs), matching])
