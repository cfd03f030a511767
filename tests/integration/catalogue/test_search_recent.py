"""Orders that no index of the whole table has, while many products are recent."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest

from catalogue import search, search_indexes
from catalogue.filters import Filter
from catalogue.search_thresholds import Thresholds
from catalogue.sorting import Sorting
from support.database import execute

ROWS = 20_000
INSERT_SQL = f"""
INSERT INTO products (sku, name, description)
SELECT 'sku-' || n, 'lamp ' || n % 97, 'red' FROM generate_series(1, {ROWS}) n
"""
CHANGE_SQL = "UPDATE products SET name = 'lamp ' || id % 89, updated_at = clock_timestamp() WHERE id % 8 = 0"


@pytest.mark.parametrize(("max_share", "reads_table"), [(0.25, False), (0.05, True)])
def test_only_the_recent_products_are_read_and_sorted(database_url: str, max_share: float, reads_table: bool) -> None:
    execute(database_url, INSERT_SQL)
    assert search_indexes.build_indexes(database_url)
    execute(database_url, CHANGE_SQL)
    execute(database_url, "ANALYZE products")
    thresholds = Thresholds(
        small_catalogue_rows=0,
        max_counted_rows=0,
        max_sorted_recent_rows=100,
        max_sorted_recent_share=max_share,
        max_serial_recent_rows=100,
    )
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOAD 'auto_explain'")
        cursor.execute("SET auto_explain.log_min_duration = 0; SET client_min_messages = log")
        for by in ("name", "created_at", "active"):
            for descending in (False, True):
                sorting = Sorting(by, descending)
                direction = "DESC" if descending else "ASC"
                cursor.execute(
                    f"SELECT id FROM products ORDER BY {sorting.key.expression} {direction}, id {direction} LIMIT 50"
                )
                expected = [product_id for (product_id,) in cursor.fetchall()]
                for product_filter in (Filter(), Filter(q="lamp")):
                    connection.notices.clear()
                    page = search.find_page(cursor, product_filter, sorting, thresholds=thresholds)
                    assert [product.id for product in page.products] == expected
                    plans = "".join(connection.notices).partition("WITH page AS")[2]
                    assert ("Seq Scan on products" in plans) == reads_table
                    assert ("products_search_" in plans) != reads_table
                    assert ("products_updated_at_idx" in plans) != reads_table
