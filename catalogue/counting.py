"""How many products match a filter, and which generations of a search index help to find them."""

from __future__ import annotations

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue import product_count, search_indexes
from catalogue.filters import Filter
from catalogue.index_generations import Generation, split_by_age
from catalogue.product_count import PRODUCT_COUNT_SQL
from catalogue.sampling import sample_recent_share
from catalogue.search_indexes import ACTIVE_INDEX, MIXED_INDEX, TEXT_INDEX, Generations
from catalogue.search_sql import COUNT_SQL, PLAN_FREELY_SQL, PLAN_SERIALLY_SQL, union_all
from catalogue.search_thresholds import DEFAULT_THRESHOLDS, Thresholds

# The share of the products that are active, or not, when PostgreSQL last sampled them.
READ_SHARE_SQL = """
SELECT most_common_freqs[array_position(most_common_vals::text::boolean[], %s)]
FROM pg_stats WHERE attname = 'active' AND (schemaname, tablename) IN (
    SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE oid = 'products'::regclass
)
"""
COUNT_PARTS_SQL = "SELECT sum(count)::bigint FROM ({parts}) counts"
COUNT_OTHERS_SQL = "SELECT {all_products} - ({count})"


def count(cursor: Cursor, product_filter: Filter, generations: Generations) -> int:
    """Return exactly how many products match; `generations` are those of the search indexes."""
    if product_filter.is_empty and (known := product_count.read_count(cursor)) is not None:
        return known
    if product_filter.active is not None and product_filter == Filter(active=product_filter.active):
        # It takes less time to count the products in the rarer state. The others are the rest of all products.
        others = Filter(active=not product_filter.active)
        if _read_share(cursor, active=product_filter.active) > 0.5 and (
            matching := _count(cursor, others, generations, COUNT_OTHERS_SQL)
        ):
            return matching
    return _count(cursor, product_filter, generations) or 0


def _read_share(cursor: Cursor, *, active: bool) -> float:
    cursor.execute(READ_SHARE_SQL, (active,))
    (share,) = cursor.fetchone() or (None,)
    return float(share or 0)


def _count(cursor: Cursor, product_filter: Filter, generations: Generations, statement: str = "{count}") -> int | None:
    """Count the products that match, and return the result of a statement with their number."""
    # Counting matches of a text means that there are many, which one scan of the table finds faster than indexes.
    is_scan = product_filter.has_text and product_filter.changes is None
    condition = product_filter.scan_condition() if is_scan else product_filter.condition()
    chain = () if product_filter.is_empty or is_scan else find_chain(cursor, product_filter, generations)
    plan = PLAN_SERIALLY_SQL if chain or product_filter.is_empty else PLAN_FREELY_SQL
    counts = [sql.SQL(COUNT_SQL).format(part=part, condition=condition) for part in split_by_age(chain)]
    query = sql.SQL(statement).format(
        count=sql.SQL(COUNT_PARTS_SQL).format(parts=union_all(counts)), all_products=sql.SQL(PRODUCT_COUNT_SQL)
    )
    cursor.execute(sql.SQL(plan) + sql.SQL("; ") + query)
    (total,) = cursor.fetchone() or (None,)
    return None if total is None else int(total)


def find_chain(cursor: Cursor, product_filter: Filter, generations: Generations) -> tuple[Generation, ...]:
    """Return the generations of the search index that finds the products that match a filter, if one can help."""
    if product_filter.has_text:
        return generations.get(TEXT_INDEX, ()) if product_filter.is_indexable else ()
    return skip_lagging(cursor, generations.get(ACTIVE_INDEX, ()), DEFAULT_THRESHOLDS)[0]


def find_mixed_chain(
    cursor: Cursor, product_filter: Filter, generations: Generations, thresholds: Thresholds
) -> tuple[Generation, ...]:
    """Return the generations of the index of mixed texts, if the index of texts can find a filter's matches with it."""
    if product_filter.is_indexable or not product_filter.has_pair or product_filter.changes is not None:
        return ()
    texts, mixed = generations.get(TEXT_INDEX, ()), generations.get(MIXED_INDEX, ())
    if not texts or not mixed or mixed[-1].until < texts[-1].until:
        return ()
    has_many = search_indexes.estimate_indexed(cursor, MIXED_INDEX, mixed) > thresholds.max_mixed_rows
    return () if has_many else mixed


def skip_lagging(
    cursor: Cursor, chain: tuple[Generation, ...], thresholds: Thresholds, *, has_alternative: bool = False
) -> tuple[tuple[Generation, ...], bool]:
    """Return a chain, or none if so many products are recent that reading the whole table is faster.

    `has_alternative` says that an index of the whole table has the same order. Also returns whether there are so many
    recent products that parallel workers help to read them.
    """
    if not chain:
        return (), False
    recent_rows = search_indexes.count_recent(cursor, chain, thresholds.max_sorted_recent_rows + 1)
    lags = recent_rows > thresholds.max_sorted_recent_rows
    if lags and not has_alternative:
        share = sample_recent_share(cursor, search_indexes.estimate_rows(cursor), chain[-1].until)
        lags = share > thresholds.max_sorted_recent_share
    return () if lags else chain, recent_rows > thresholds.max_serial_recent_rows
