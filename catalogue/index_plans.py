"""Which generations a build of a search index adds: their periods depend on how many products have changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from catalogue import index_generations
from catalogue.index_generations import EPOCH, LARGE_SHARE, Generation, choose_start, split_period

COUNT_PERIOD_SQL = """
SELECT count(*) FROM (SELECT FROM products WHERE updated_at >= %s AND updated_at < %s LIMIT %s) counted
"""
# A sample of this size tells how the products of a period can be divided into generations.
BOUND_SAMPLE_ROWS = 10_000
FIND_BOUNDS_SQL = """
SELECT percentile_disc(%(shares)s) WITHIN GROUP (ORDER BY updated_at)
FROM products TABLESAMPLE SYSTEM (%(percent)s) WHERE updated_at >= %(since)s AND updated_at < %(until)s
"""
# A whole catalogue is divided into this many generations.
MAX_NEW_GENERATIONS = 4


def plan_generations(
    cursor: Cursor, chain: Sequence[Generation], now: datetime, catalogue_rows: int, *, divided: bool
) -> list[Generation]:
    """Return the generations to build next to a chain, the last of which ends `now`.

    There is one, or up to `MAX_NEW_GENERATIONS` if they are `divided` and many products must be indexed. The first one
    ends after the chain, so searches use it as soon as it is complete, even if it replaces generations of the chain.
    """
    end = chain[-1].until if chain else EPOCH
    # Of large generations it is enough to know that they are large.
    max_rows = int(LARGE_SHARE * catalogue_rows) + 1
    rows = [_count_products(cursor, generation, max_rows) for generation in chain]
    recent_rows = _count_products(cursor, Generation(end, now)) if chain else catalogue_rows
    start = choose_start(chain, rows, recent_rows, catalogue_rows)
    parts = 1
    if divided and catalogue_rows > index_generations.SMALL_CATALOGUE_ROWS:
        share = 1.0 if start == EPOCH else recent_rows / catalogue_rows
        parts = round(share * MAX_NEW_GENERATIONS)
    bounds = _find_bounds(cursor, Generation(end, now), parts, catalogue_rows) if parts > 1 else []
    return split_period(start, now, bounds)


def _count_products(cursor: Cursor, generation: Generation, max_rows: int | None = None) -> int:
    cursor.execute(COUNT_PERIOD_SQL, (generation.since, generation.until, max_rows))
    (rows,) = cursor.fetchone() or (0,)
    return int(rows)


def _find_bounds(cursor: Cursor, period: Generation, parts: int, catalogue_rows: int) -> list[datetime]:
    """Return the times that divide the products of a period into parts of about the same size."""
    values = {
        "shares": [number / parts for number in range(parts)],
        "percent": min(100.0, 100 * BOUND_SAMPLE_ROWS / max(1, catalogue_rows)),
        "since": period.since,
        "until": period.until,
    }
    cursor.execute(FIND_BOUNDS_SQL, values)
    (bounds,) = cursor.fetchone() or (None,)
    # No product is before the first one of these, which is the earliest time.
    earliest, *later = bounds or [period.until]
    return [bound for bound in later if bound > earliest]
