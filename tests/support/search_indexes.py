"""Search indexes in tests: a catalogue large enough for them, what exists of them, and builds that are held up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime

import psycopg2
from psycopg2.extensions import connection as Connection

from catalogue import search, search_indexes
from catalogue.filters import Filter
from catalogue.index_generations import EPOCH
from catalogue.search_index_builder import SearchIndexBuilder
from catalogue.sorting import Sorting
from database.connect import Component
from support.database import execute

# More than the number of recent products at which a new generation is due.
ROWS = search_indexes.MAX_RECENT_ROWS + 2_000
PARTS = sorted(search_indexes.KIND_OF_PART)


def create_products(url: str, rows: int = ROWS, *, first: int = 1) -> None:
    """Create products with the names "lamp 1" and so on."""
    execute(
        url,
        "INSERT INTO products (sku, name, description) SELECT 'k-' || n, 'lamp ' || n, 'of brass, number ' || n"
        f" FROM generate_series({first}, {first + rows - 1}) n; ANALYZE products",
    )


def list_indexes(url: str) -> list[str]:
    """Return the names of all search indexes, valid or not."""
    rows = execute(url, "SELECT relname FROM pg_class WHERE relname LIKE 'products_search_%' ORDER BY 1")
    return [name for (name,) in rows]


def list_parts(url: str) -> list[str]:
    """Return the parts of search indexes that exist."""
    return [name.split("_")[2] for name in list_indexes(url)]


def find_generations(url: str) -> search_indexes.Generations:
    """Return the generations of each kind of search index."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        return search_indexes.find_generations(cursor)


def find_skus(url: str, product_filter: Filter) -> tuple[list[str], int]:
    """Return the SKUs of the first page by name, and the total."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        page = search.find_page(cursor, product_filter, Sorting("name"))
        return [product.sku for product in page.products], page.total


def touch(url: str, rows: int) -> None:
    """Change the products with the lowest ids."""
    execute(url, "UPDATE products SET name = name || '.', updated_at = clock_timestamp() WHERE id <= %s", (rows,))


@contextmanager
def open_transaction(url: str) -> Iterator[Connection]:
    """Hold a transaction open that has changed a product, so that a build waits for its end."""
    with closing(psycopg2.connect(url)) as connection:
        connection.cursor().execute("UPDATE products SET name = 'brass thing', updated_at = now() WHERE id = 1")
        yield connection


def find_builds(url: str) -> list[int]:
    """Return the process ids of backends that are creating an index."""
    rows = execute(
        url,
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND query LIKE 'CREATE INDEX%%'"
        " AND state = 'active' AND datname = current_database()",
        (Component.SEARCH_INDEX.value,),
    )
    return [pid for (pid,) in rows]


@contextmanager
def running_builder(url: str, *, pooled: bool = False) -> Iterator[SearchIndexBuilder]:
    """Run the thread that builds search indexes until the end of the block."""
    builder = SearchIndexBuilder(url, pooled=pooled)
    builder.start()
    try:
        yield builder
    finally:
        builder.stop()
        builder.join(60)


def is_idle_after(url: str, query: str, *, since: datetime = EPOCH) -> bool:
    """Return whether a builder's last statement contains `query` and started after `since`."""
    rows = execute(
        url,
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
        " AND strpos(query, %s) > 0 AND query_start > %s AND state = 'idle'",
        (Component.SEARCH_INDEX.value, query, since),
    )
    return bool(rows)
