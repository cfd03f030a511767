"""How many products match a filter, and which generations of a search index help to find them."""

from __future__ import annotations

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue import search_indexes
from catalogue.filters import Filter
from catalogue.index_generations import Generation, split_by_age
from catalogue.sampling import sample_recent_share
from catalogue.search_indexes import ACTIVE_INDEX, MIXED_INDEX, TEXT_INDEX, Generations
from catalogue.search_sql import COUNT_SQL, PLAN_FREELY_SQL, PLAN_SERIALLY_SQL, union_all
from catalogue.search_thresholds import DEFAULT_THRESHOLDS, Thresholds


def count(cursor: Cursor, product_filter: Filter, generations: Generations) -> int:
    """Return exactly how many products match; `generations` are those of the search indexes."""
    # Counting matches of a text means that there are many, which one scan of the table finds faster than indexes.
    is_scan = product_filter.has_text and product_filter.changes is None
    condition = product_filter.scan_condition() if is_scan else product_filter.condition()
    chain = () if product_filter.is_empty or is_scan else find_chain(cursor, product_filter, generations)
    plan = PLAN_SERIALLY_SQL if chain or product_filter.is_empty else PLAN_FREELY_SQL
    counts = [sql.SQL(COUNT_SQL).format(part=part, condition=condition) for part in split_by_age(chain)]
    cursor.execute(sql.SQL(f"{plan}; SELECT sum(count)::bigint FROM ({{}}) counts").format(union_all(counts)))
    (total,) = cursor.fetchone() or (0,)
    return int(total)


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
