"""A sample of the products: how large a share of them matches a filter."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue.filters import Filter
from catalogue.text_matches import IN_LOWER_CASE, TEXT_COLUMNS

SAMPLE_ROWS = 4_000
# With this many matches in the sample, the standard error of the share is a quarter of it.
MIN_SAMPLED_MATCHES = 16

# OFFSET 0 makes PostgreSQL convert each text once, whatever the number of comparisons.
SAMPLE_SQL = """
SET LOCAL jit = off;
SELECT count(*), count(*) FILTER (WHERE {condition}){match_counts} FROM (
    SELECT {lower_texts}, active, id, updated_at FROM products TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1) OFFSET 0
) sampled
"""
# A part of the sample is enough to tell which texts are rare. Successive ids may have similar texts.
PART_OF_SAMPLE = 8
COUNT_MATCH_SQL = ", count(*) FILTER (WHERE hashint8(id) % {part} = 0 AND {condition})"
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


def sample_share(
    cursor: Cursor, product_filter: Filter, catalogue_rows: int, *, tells_matches: bool = False
) -> SampledShare:
    """Return the share of all products that matches a filter, from a sample.

    `catalogue_rows` says about how many products there are. Changes a setting of the planner in the caller's
    transaction.
    """
    matches = [match.condition(IN_LOWER_CASE) for match in product_filter.matches] if tells_matches else []
    cursor.execute(
        sql.SQL(SAMPLE_SQL).format(
            lower_texts=LOWER_TEXTS_SQL,
            condition=product_filter.lower_case_condition(),
            match_counts=sql.Composed(
                [
                    sql.SQL(COUNT_MATCH_SQL).format(part=sql.Literal(PART_OF_SAMPLE), condition=match)
                    for match in matches
                ]
            ),
            percent=sql.Literal(min(100.0, 100 * SAMPLE_ROWS / catalogue_rows)),
        )
    )
    sampled, matching, *meeting = cursor.fetchone() or (0, 0)
    of_matches = tuple(min(1.0, PART_OF_SAMPLE * (rows + 1) / max(1, sampled)) for rows in meeting)
    return SampledShare(matching / max(1, sampled), matching >= MIN_SAMPLED_MATCHES, of_matches)
