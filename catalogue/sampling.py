"""Samples of the products: how large a share of them matches a filter, and where in an order the matches begin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue.filters import Filter
from catalogue.sorting import PageToken, Sorting
from catalogue.text_matches import IN_LOWER_CASE, TEXT_COLUMNS

SAMPLE_ROWS = 4_000
# With this many matches in the sample, the standard error of the share is a quarter of it.
MIN_SAMPLED_MATCHES = 16
# The start of an order has this many sampled matches, and more if one of them stands for few products. Then it hardly
# ever has too few products for a page.
MIN_STARTING_MATCHES = 2
WANTED_FACTOR = 3
# If the matches are spread evenly, more than this many times their average distance hardly ever precedes the first one.
MAX_EVEN_DISTANCES = 4

# OFFSET 0 makes PostgreSQL convert each text once, whatever the number of comparisons.
SAMPLE_SQL = """
SELECT {lower_texts}, active, id, created_at, updated_at
FROM products TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1) OFFSET 0
"""
SHARE_SQL = """
SET LOCAL jit = off;
SELECT count(*), count(*) FILTER (WHERE {condition}){match_counts} FROM ({sample}) sampled
"""
# A part of the sample is enough to tell which texts are rare. Successive ids may have similar texts.
PART_OF_SAMPLE = 8
COUNT_MATCH_SQL = ", count(*) FILTER (WHERE hashint8(id) % {part} = 0 AND {condition})"
# The last sort key of the start, and whether the first match is beyond a number of average distances.
START_SQL = """
SET LOCAL jit = off;
SELECT matching_keys[{nth}],
    matching_keys[1] {beyond} keys[{distances} * cardinality(keys) / cardinality(matching_keys)]
FROM (
    SELECT array_agg(key ORDER BY key {direction}) AS keys,
        array_agg(key ORDER BY key {direction}) FILTER (WHERE matching) AS matching_keys
    FROM (SELECT {key} AS key, {condition} AS matching FROM ({sample}) texts WHERE {follows} OFFSET 0) following
) sampled
"""
RECENT_SHARE_SQL = """
SELECT count(*) FILTER (WHERE updated_at >= {since}) / greatest(1, count(*))::float8
FROM products TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)
"""
LOWER_TEXTS_SQL = sql.SQL(", ").join(sql.SQL("lower({0}) AS {0}").format(sql.Identifier(name)) for name in TEXT_COLUMNS)


@dataclass(frozen=True)
class SampledShare:
    """The share of all products that matches a filter. `value` is a rough guess unless `is_reliable` is true.

    `of_matches` has the shares that meet each of its `matches`, if the sample was to tell them. They are rougher, and
    never zero.
    """

    value: float
    is_reliable: bool
    of_matches: tuple[float, ...] = ()


@dataclass(frozen=True)
class SampledStart:
    """The first products in the order of `sorting`, up to `last_key`, which hardly ever have too few matches.

    If the matches are much further apart at the start than elsewhere, at least `preceding_rows` products precede the
    first match; otherwise this is 0.
    """

    sorting: Sorting
    last_key: Any
    preceding_rows: float

    def condition(self) -> sql.Composable:
        """Return the SQL condition of these products."""
        sign = ">=" if self.sorting.descending else "<="
        return sql.SQL(f"{self.sorting.key.expression} {sign} {{}}").format(sql.Literal(self.last_key))


def sample_share(
    cursor: Cursor, product_filter: Filter, catalogue_rows: int, *, tells_matches: bool = False
) -> SampledShare:
    """Return the share of all products that matches a filter, from a sample.

    `catalogue_rows` says about how many products there are. Changes a setting of the planner in the caller's
    transaction.
    """
    matches = [match.condition(IN_LOWER_CASE) for match in product_filter.matches] if tells_matches else []
    match_counts = [
        sql.SQL(COUNT_MATCH_SQL).format(part=sql.Literal(PART_OF_SAMPLE), condition=match) for match in matches
    ]
    cursor.execute(
        sql.SQL(SHARE_SQL).format(
            condition=product_filter.lower_case_condition(),
            match_counts=sql.Composed(match_counts),
            sample=_sample(catalogue_rows),
        )
    )
    sampled, matching, *meeting = cursor.fetchone() or (0, 0)
    of_matches = tuple(min(1.0, PART_OF_SAMPLE * (rows + 1) / max(1, sampled)) for rows in meeting)
    return SampledShare(matching / max(1, sampled), matching >= MIN_SAMPLED_MATCHES, of_matches)


def sample_start(
    cursor: Cursor,
    product_filter: Filter,
    catalogue_rows: int,
    share: float,
    *,
    sorting: Sorting,
    token: PageToken | None,
    wanted_rows: int,
) -> SampledStart | None:
    """Return the first products after the `token` in an order that have enough matches, from a sample.

    `wanted_rows` is how many matches are enough, and `share` about how large a share of all products matches. Returns
    None if the sample has too few matches. Changes a setting of the planner in the caller's transaction.
    """
    nth = MIN_STARTING_MATCHES + math.ceil(WANTED_FACTOR * wanted_rows * SAMPLE_ROWS / catalogue_rows)
    key = sorting.key.expression
    cursor.execute(
        sql.SQL(START_SQL).format(
            nth=sql.Literal(nth),
            beyond=sql.SQL("<" if sorting.descending else ">"),
            distances=sql.Literal(MAX_EVEN_DISTANCES),
            direction=sql.SQL("DESC" if sorting.descending else "ASC"),
            key=sql.SQL(key),
            condition=product_filter.lower_case_condition(),
            sample=_sample(catalogue_rows),
            follows=token.follows(key) if token else sql.SQL("true"),
        )
    )
    last_key, is_late = cursor.fetchone() or (None, None)
    if last_key is None:
        return None
    preceding_rows = MAX_EVEN_DISTANCES / share * catalogue_rows / SAMPLE_ROWS if is_late else 0
    return SampledStart(sorting, last_key, preceding_rows)


def sample_recent_share(cursor: Cursor, catalogue_rows: int, since: datetime) -> float:
    """Return the share of all products that were updated at `since` or later, from a sample."""
    cursor.execute(sql.SQL(RECENT_SHARE_SQL).format(percent=_percent(catalogue_rows), since=sql.Literal(since)))
    (share,) = cursor.fetchone() or (0.0,)
    return float(share)


def _sample(catalogue_rows: int) -> sql.Composable:
    return sql.SQL(SAMPLE_SQL).format(lower_texts=LOWER_TEXTS_SQL, percent=_percent(catalogue_rows))


def _percent(catalogue_rows: int) -> sql.Composable:
    return sql.Literal(min(100.0, 100 * SAMPLE_ROWS / catalogue_rows))
