"""Searches for several texts in a large catalogue whose matches are far apart at the start of the order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor

from catalogue import search, search_indexes
from catalogue.filters import Filter
from catalogue.sampling import sample_start
from catalogue.search_thresholds import Thresholds
from catalogue.sorting import SORT_KEYS, Sorting
from support.database import execute

ROWS = 8000
# Every hundredth product matches. In the order of the names, all others precede them.
INSERT_SQL = f"""
INSERT INTO products (sku, name, description)
SELECT 'sku-' || n, CASE WHEN n % 100 = 0 THEN 'zeta ' ELSE 'alpha ' END || n % 3,
    CASE WHEN n % 100 = 0 THEN 'lamp' ELSE 'red lamp' END
FROM generate_series(1, {ROWS}) n
"""
MATCHES = Filter(q="lamp -red")
LARGE = Thresholds(max_fetched_rows=10, small_catalogue_rows=0, max_counted_rows=0, min_scan_rows=5, max_serial_rows=0)
PER_PAGE = 2


class RecordingCursor(Cursor):
    """A cursor that keeps its statements."""

    statements: list[str]

    def execute(self, query, parameters=None) -> None:  # type: ignore[no-untyped-def]
        """Run a statement."""
        super().execute(query, parameters)
        self.statements.append((self.query or b"").decode())


@pytest.fixture
def cursor(database_url: str) -> Iterator[RecordingCursor]:
    """A cursor in a catalogue with search indexes."""
    execute(database_url, INSERT_SQL)
    assert search_indexes.build_indexes(database_url)
    with (
        closing(psycopg2.connect(database_url)) as connection,
        connection.cursor(cursor_factory=RecordingCursor) as cursor,
    ):
        cursor.statements = []
        yield cursor


def test_pages_have_every_match_once_and_in_order(cursor: RecordingCursor) -> None:
    for sorting in itertools.starmap(Sorting, itertools.product(SORT_KEYS, (False, True))):
        direction = "DESC" if sorting.descending else "ASC"
        cursor.execute(
            f"SELECT id FROM products WHERE id % 100 = 0 ORDER BY {sorting.key.expression} {direction}, id {direction}"
        )
        expected = [product_id for (product_id,) in cursor.fetchall()]
        found: list[int] = []
        after = None
        while after or not found:
            page = search.find_page(cursor, MATCHES, sorting, per_page=PER_PAGE, after=after, thresholds=LARGE)
            found += [product.id for product in page.products]
            after = page.next
        assert found == expected
        second = search.find_page(cursor, MATCHES, sorting, page=2, per_page=PER_PAGE, thresholds=LARGE)
        assert [product.id for product in second.products] == expected[PER_PAGE : 2 * PER_PAGE]


def test_a_scan_in_vain_is_left_out_and_only_the_first_products_are_compared(cursor: RecordingCursor) -> None:
    def read_pages(sorting: Sorting) -> list[str]:
        cursor.statements.clear()
        page = search.find_page(cursor, MATCHES, sorting, per_page=PER_PAGE, thresholds=LARGE)
        assert len(page.products) == PER_PAGE
        return [statement for statement in cursor.statements if "WITH page AS" in statement]

    (fetch,) = read_pages(Sorting("name"))
    assert """lower(name) COLLATE "C" <= 'zeta 0'""" in fetch
    (scan,) = read_pages(Sorting("name", descending=True))
    assert "'zeta" not in scan


def test_a_sample_tells_where_the_matches_begin(cursor: RecordingCursor) -> None:
    def sample(product_filter: Filter, sorting: Sorting) -> tuple[object, float] | None:
        start = sample_start(cursor, product_filter, ROWS, 0.01, sorting=sorting, token=None, wanted_rows=3)
        return (start.last_key, start.preceding_rows) if start else None

    assert sample(MATCHES, Sorting("name")) == ("zeta 0", 800)
    assert sample(MATCHES, Sorting("name", descending=True)) == ("zeta 2", 0)
    assert sample(Filter(q="lamp -zeta"), Sorting("name")) == ("alpha 0", 0)
    assert sample(Filter(q="lamp unknown"), Sorting("name")) is None


def test_too_few_matches_do_not_tell_that_they_begin_late(cursor: RecordingCursor) -> None:
    # The sample of so small a catalogue has all products. The two that match are the 400th and the 4000th.
    start = sample_start(cursor, Filter(q="sku-400 -red"), 4000, 0.01, sorting=Sorting(), token=None, wanted_rows=0)
    assert start is not None
    assert (start.last_key, start.preceding_rows) == (4000, 0)
