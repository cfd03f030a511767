"""A sample of the products: how large a share of them matches a filter."""

from __future__ import annotations

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue.filters import Filter
from catalogue.text_matches import TEXT_COLUMNS

SAMPLE_ROWS = 4_000
# An estimate needs at least this many matches in the sample.
MIN_SAMPLED_MATCHES = 20

# OFFSET 0 makes PostgreSQL convert each text once, whatever the number of comparisons.
SAMPLE_SQL = """
SET LOCAL jit = off;
SELECT count(*), count(*) FILTER (WHERE {condition}) FROM (
    SELECT {lower_texts}, active, id, updated_at FROM products TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1) OFFSET 0
) sampled
"""
LOWER_TEXTS_SQL = sql.SQL(", ").join(sql.SQL("lower({0}) AS {0}").format(sql.Identifier(name)) for name in TEXT_COLUMNS)


def sample_share(cursor: Cursor, product_filter: Filter, catalogue_rows: int) -> float:
    """Return the share of all products that matches a filter; 0 if the sample has too few matches for an estimate.

    `catalogue_rows` says about how many products there are. Changes a setting of the planner in the caller's
    transaction.
    """
    cursor.execute(
        sql.SQL(SAMPLE_SQL).format(
            lower_texts=LOWER_TEXTS_SQL,
            condition=product_filter.lower_case_condition(),
            percent=sql.Literal(min(100.0, 100 * SAMPLE_ROWS / catalogue_rows)),
        )
    )
    sampled, matching = cursor.fetchone() or (0, 0)
    return matching / sampled if matching >= MIN_SAMPLED_MATCHES else 0.0
