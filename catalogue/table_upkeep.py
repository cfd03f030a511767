"""The upkeep of the table of products, before search indexes are built: `VACUUM`, and `REINDEX` of a bloated index."""

from __future__ import annotations

from collections.abc import Callable

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from catalogue.build_connection import BuildConnection

# VACUUM reads the table and all its indexes, which takes about as long as indexing two products in a hundred. So a
# build vacuums the table when there are more new and dead rows than this share of all products.
MAX_UNVACUUMED_SHARE = 0.05
COUNT_UNVACUUMED_SQL = """
SELECT n_ins_since_vacuum + n_dead_tup FROM pg_stat_user_tables WHERE relid = 'products'::regclass
"""
# Each change of a product adds an entry at the end of this index. The pages before it are only used again when all of
# their entries are gone, so the index can become six times as large as a new one.
UPDATED_AT_INDEX = "products_updated_at_idx"
# What a new index needs for each product.
ENTRY_BYTES = 32
MAX_BLOAT = 2.5
MIN_BLOATED_BYTES = 1 << 23
READ_INDEX_BYTES_SQL = f"SELECT pg_relation_size('{UPDATED_AT_INDEX}')"
# PostgreSQL leaves such an index when REINDEX is cancelled.
LIST_LEFTOVERS_SQL = f"""
SELECT relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid
WHERE indrelid = 'products'::regclass AND NOT indisvalid AND relname ~ '^{UPDATED_AT_INDEX}_cc(new|old)[0-9]*$'
"""


def keep_up(connection: BuildConnection, cursor: Cursor, estimate_rows: Callable[[Cursor], int]) -> dict[str, str]:
    """Vacuum the table and rebuild the index on `updated_at` if that is due; return what PostgreSQL cancelled, and why.

    `estimate_rows` returns about how many products there are. Raises `BuildYielded`.
    """
    problems = {}
    for name, work in {"vacuum": _vacuum, "reindex": _rebuild_bloated_index}.items():
        try:
            # VACUUM makes the estimate more exact.
            work(connection, cursor, estimate_rows(cursor))
        except errors.QueryCanceled as error:
            problems[name] = str(error).strip()
    return problems


def _vacuum(connection: BuildConnection, cursor: Cursor, catalogue_rows: int) -> None:
    """Vacuum the table if many rows are new or dead.

    This refreshes the planner's statistics and the visibility map. Counts and deep pages need that map at once, so it
    comes before the indexes.
    """
    cursor.execute(COUNT_UNVACUUMED_SQL)
    (rows,) = cursor.fetchone() or (0,)
    if rows > MAX_UNVACUUMED_SHARE * catalogue_rows:
        connection.run("VACUUM (ANALYZE) products")


def _rebuild_bloated_index(connection: BuildConnection, cursor: Cursor, catalogue_rows: int) -> None:
    """Replace the index on `updated_at` if it is much larger than a new one; readers and writers carry on meanwhile."""
    cursor.execute(LIST_LEFTOVERS_SQL)
    for (name,) in cursor.fetchall():
        connection.run(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))
    cursor.execute(READ_INDEX_BYTES_SQL)
    (size,) = cursor.fetchone() or (0,)
    if size > max(MIN_BLOATED_BYTES, MAX_BLOAT * ENTRY_BYTES * catalogue_rows):
        connection.run(f"REINDEX INDEX CONCURRENTLY {UPDATED_AT_INDEX}")
