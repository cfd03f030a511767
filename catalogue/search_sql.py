"""The statements of a search for a page of products, and the settings of the planner for them; see `search`."""

from __future__ import annotations

from psycopg2 import sql

# The planner cannot tell a rare text from a common one. So this module chooses the strategy, and these settings make
# the planner follow it.
PLAN_FREELY_SQL = (
    "SET LOCAL jit = off; SET LOCAL enable_seqscan = DEFAULT; SET LOCAL enable_bitmapscan = DEFAULT;"
    " SET LOCAL max_parallel_workers_per_gather = DEFAULT;"
    " SET LOCAL parallel_setup_cost = DEFAULT; SET LOCAL parallel_tuple_cost = DEFAULT"
)
# Starting parallel workers takes longer than these queries do.
PLAN_SERIALLY_SQL = PLAN_FREELY_SQL + "; SET LOCAL max_parallel_workers_per_gather = 0"
PLAN_WITH_INDEXES_SQL = PLAN_SERIALLY_SQL + "; SET LOCAL enable_seqscan = off"
# Unless there are so many recent products that reading them takes longer.
PLAN_RECENT_IN_PARALLEL_SQL = PLAN_FREELY_SQL + "; SET LOCAL enable_seqscan = off"
# Long lists of the index are read, and many matches are compared with the text, faster in parallel. The planner does
# not see that: it expects few matches, and to wait for pages that are in memory.
PLAN_MANY_IN_PARALLEL_SQL = (
    PLAN_RECENT_IN_PARALLEL_SQL + "; SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0"
)
PLAN_ORDERED_SCAN_SQL = PLAN_WITH_INDEXES_SQL + "; SET LOCAL enable_bitmapscan = off"
# Many recent products are read and sorted in parallel.
PLAN_ORDERED_IN_PARALLEL_SQL = PLAN_RECENT_IN_PARALLEL_SQL + "; SET LOCAL enable_bitmapscan = off"

COUNT_SQL = "SELECT count(*) FROM products WHERE {part} AND {condition}"
# The outer join returns a row even if the page is empty, so the number of matches is always known.
FETCH_MATCHES_SQL = """
WITH matches AS MATERIALIZED ({matches} LIMIT {max_rows}),
page AS (SELECT id, key FROM matches WHERE {after_token} ORDER BY {order_by} OFFSET {offset} LIMIT {limit})
SELECT (SELECT count(*) FROM matches), found.*
FROM (VALUES (1)) one LEFT JOIN (SELECT {columns}, key FROM page JOIN products USING (id)) found ON true
ORDER BY {order_by}
"""
MATCHES_SQL = "SELECT id, {key} AS key FROM products WHERE {part} AND {condition}"
ORDERED_SCAN_SQL = """
SELECT * FROM (SELECT {columns}, {key} AS key FROM products WHERE {condition} {fence}) part
ORDER BY {order_by} LIMIT {max_rows}
"""
# The ids come sorted, so the join stops when the page is full.
PAGE_OF_IDS_SQL = """
WITH page AS (
    SELECT products.id, products.id AS key
    FROM (SELECT DISTINCT id FROM ({ids}) changed (id) WHERE {after_token} ORDER BY id {direction}) ids
    JOIN products ON products.id = ids.id WHERE {condition} ORDER BY {order_by} OFFSET {offset} LIMIT {limit}
)
SELECT {columns}, key FROM page JOIN products USING (id) ORDER BY {order_by}
"""
MERGE_SCANS_SQL = "SELECT * FROM ({scans}) scanned ORDER BY {order_by} LIMIT {max_rows}"
PAGE_SQL = """
WITH page AS (
    SELECT id, key FROM ({source}) found WHERE {condition} ORDER BY {order_by} OFFSET {offset} LIMIT {limit}
)
SELECT {columns}, key FROM page JOIN products USING (id) ORDER BY {order_by}
"""


def union_all(queries: list[sql.Composed]) -> sql.Composable:
    return sql.SQL(" UNION ALL ").join(sql.SQL("({})").format(query) for query in queries)
