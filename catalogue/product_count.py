"""The number of products, without counting them each time.

Triggers add an entry to `product_counts` for each statement that inserts or deletes products: by how many it changes
their number. The entries belong to the transaction of the change, so their sum is exact in every snapshot, and writers
do not wait for each other. Workers merge the entries, and count the products if their number is unknown, or wrong
because somebody has turned triggers off.
"""

from __future__ import annotations

import logging

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.advisory_locks import PRODUCT_COUNT_KEY, SEARCH_INDEX_BUILD_KEY, try_lock
from database.connect import SET_TABLE_LOCK_LIMIT_SQL, transaction

log = logging.getLogger(__name__)

# The sum of this many entries takes a fraction of a millisecond.
MAX_ENTRIES = 500

# The number of products, as an expression of SQL; NULL if it is unknown.
PRODUCT_COUNT_SQL = "(SELECT CASE WHEN bool_and(change IS NOT NULL) THEN sum(change)::bigint END FROM product_counts)"
READ_COUNT_SQL = f"SELECT {PRODUCT_COUNT_SQL}"
READ_STATE_SQL = f"SELECT {PRODUCT_COUNT_SQL}, (SELECT count(*) FROM product_counts)"
IS_COUNTING_SQL = """
SELECT count(*) = 3 FROM pg_trigger WHERE tgrelid = 'products'::regclass AND tgname IN (
    'products_begin_count', 'products_end_count', 'products_end_count_of_truncate'
)
"""
BEGIN_COUNTING_SQL = "SELECT begin_counting_products()"
MERGE_ENTRIES_SQL = """
WITH merged AS (DELETE FROM product_counts RETURNING change)
INSERT INTO product_counts (change)
SELECT CASE WHEN bool_and(change IS NOT NULL) THEN sum(change) END FROM merged HAVING count(*) > 0
"""
# TRUNCATE does not wait for snapshots: without this lock, the statement below could see old entries and no products.
LOCK_PRODUCTS_SQL = "LOCK TABLE products IN ACCESS SHARE MODE"
# One statement has one snapshot, in which the entries should add up to the number of products.
CORRECT_COUNT_SQL = """
WITH unknown AS (DELETE FROM product_counts WHERE change IS NULL)
INSERT INTO product_counts (change)
SELECT actual.products - recorded.products
FROM (SELECT count(*) AS products FROM products) actual,
    (SELECT coalesce(sum(change), 0) AS products, count(change) AS entries FROM product_counts) recorded
WHERE actual.products <> recorded.products OR recorded.entries = 0
RETURNING change
"""


def read_count(cursor: Cursor) -> int | None:
    """Return how many products there are; None if that is unknown, so that they must be counted."""
    cursor.execute(READ_COUNT_SQL)
    (products,) = cursor.fetchone() or (None,)
    return None if products is None else int(products)


def keep_up(connection: Connection, *, check: bool = False) -> None:
    """Merge the entries if they are many, and count the products if their number is unknown.

    With `check`, the products are counted in any case, and the number is corrected if it is wrong. Does nothing while
    another process does the same. After an upgrade it first creates the triggers, unless search indexes are being
    built; it raises `psycopg2.errors.LockNotAvailable` if others use the table for long.
    """
    with transaction(connection) as cursor:
        cursor.execute(IS_COUNTING_SQL)
        if cursor.fetchone() != (True,):
            # A build holds the table for minutes, and those who wait for it hold up writers.
            if not try_lock(cursor, SEARCH_INDEX_BUILD_KEY):
                return
            cursor.execute(SET_TABLE_LOCK_LIMIT_SQL)
            cursor.execute(BEGIN_COUNTING_SQL)
    with transaction(connection) as cursor:
        cursor.execute(READ_STATE_SQL)
        products, entries = cursor.fetchone() or (None, 0)
        is_unknown = products is None
        if not (check or is_unknown or entries > MAX_ENTRIES) or not try_lock(cursor, PRODUCT_COUNT_KEY):
            return
        if check or is_unknown:
            difference = _correct(cursor)
            if difference and not is_unknown:
                log.warning("The recorded number of products was wrong by %s. It is correct now.", difference)
        if entries > MAX_ENTRIES:
            cursor.execute(MERGE_ENTRIES_SQL)


def _correct(cursor: Cursor) -> int:
    """Count the products and add an entry with the difference; return the difference."""
    cursor.execute(LOCK_PRODUCTS_SQL)
    cursor.execute(CORRECT_COUNT_SQL)
    (difference,) = cursor.fetchone() or (0,)
    return int(difference)
