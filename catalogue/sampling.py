"""A sample of the products: how large a share of them matches a filter, and which of its texts are the rarest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue.filters import Filter
from catalogue.text_matches import IN_LOWER_CASE, MAX_INDEXED_MATCHES, TEXT_COLUMNS, TextMatch

SAMPLE_ROWS = 4_000
# An estimate needs at least this many matches in the sample.
MIN_SAMPLED_MATCHES = 20

# OFFSET 0 makes PostgreSQL convert each text once, whatever the number of comparisons.
SAMPLE_SQL = """
SET LOCAL jit = off;
SELECT count(*), count(*) FILTER (WHERE {condition}), ARRAY[{counts}]::bigint[] FROM (
    SELECT {lower_texts}, active, id, updated_at FROM products TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1) OFFSET 0
) sampled
"""
LOWER_TEXTS_SQL = sql.SQL(", ").join(sql.SQL("lower({0}) AS {0}").format(sql.Identifier(name)) for name in TEXT_COLUMNS)


@dataclass(frozen=True)
class Sample:
    """The share of the sampled products that matches a filter, and how many have each of its texts.

    `share` is 0 if the sample has too few matches for an estimate.
    """

    share: float
    counts: dict[TextMatch, int]

    def rarest_first(self, matches: Iterable[TextMatch]) -> tuple[TextMatch, ...]:
        """Return texts in the order of how many sampled products have them; texts that were not counted are last."""
        return tuple(sorted(matches, key=lambda match: self.counts.get(match, SAMPLE_ROWS)))


def take_sample(cursor: Cursor, product_filter: Filter, catalogue_rows: int) -> Sample:
    """Return a sample of the products for a filter; `catalogue_rows` says about how many products there are.

    Changes a setting of the planner in the caller's transaction.
    """
    # It matters which texts are rare only if there are more of them than the index looks for.
    indexable = [match for match in product_filter.matches if match.is_indexable]
    counted = indexable if len(indexable) > MAX_INDEXED_MATCHES else []
    cursor.execute(
        sql.SQL(SAMPLE_SQL).format(
            lower_texts=LOWER_TEXTS_SQL,
            condition=product_filter.lower_case_condition(),
            counts=sql.SQL(", ").join(
                sql.SQL("count(*) FILTER (WHERE {})").format(match.condition(IN_LOWER_CASE)) for match in counted
            ),
            percent=sql.Literal(min(100.0, 100 * SAMPLE_ROWS / catalogue_rows)),
        )
    )
    sampled, matching, counts = cursor.fetchone() or (0, 0, [])
    share = matching / sampled if matching >= MIN_SAMPLED_MATCHES else 0.0
    return Sample(share, dict(zip(counted, counts, strict=True)))
