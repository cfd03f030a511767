"""The generations of a search index: each has the products that were last updated in one period.

The first generation has all products that were last updated before its end, and each later one continues where the one
before it ends. So a build indexes only the products that have changed since the last one, and a search unites the
generations. A new generation replaces small ones before it, as in a log-structured merge tree (O'Neil et al., 1996), so
there are never more than a few. Where many products must be indexed, several large generations have them. Each counts
as soon as it is complete, so the part of the catalogue that no index has shrinks soon, and a build that is interrupted
has not been in vain.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg2 import sql

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Indexing a whole catalogue of at most this size takes about two seconds.
SMALL_CATALOGUE_ROWS = 100_000
# A generation with more than this share of the catalogue is large. Large ones are not merged, because that takes long.
LARGE_SHARE = 1 / 8
# If the products beyond the large generations are more than this share of the catalogue, all are indexed again, unless
# they can become large generations themselves.
MAX_LATER_SHARE = 0.25
# The number of large generations, beyond which all products are indexed again.
MAX_LARGE_GENERATIONS = 6
# A generation is merged with the newer products unless it has more than this many times as many products.
MERGE_FACTOR = 4


@dataclass(frozen=True)
class Generation:
    """The products that were last updated at `since` or later and before `until`; `since` is `EPOCH` in the first."""

    since: datetime
    until: datetime

    @property
    def condition(self) -> sql.Composable:
        """The SQL condition of its products. It is that of its index, so PostgreSQL sees that the index has them."""
        before = sql.SQL("updated_at < {}").format(sql.Literal(self.until))
        if self.since == EPOCH:
            return before
        return sql.SQL("updated_at >= {} AND {}").format(sql.Literal(self.since), before)

    @property
    def suffix(self) -> str:
        """The end of the names of its indexes: where it begins and ends, in microseconds since 1970."""
        bounds = [self.until] if self.since == EPOCH else [self.since, self.until]
        return "_".join(str((bound - EPOCH) // timedelta(microseconds=1)) for bound in bounds)


def parse_generation(suffix: str) -> Generation:
    """Return the generation that has this `suffix`."""
    since, _, until = suffix.rpartition("_")
    return Generation(_parse_time(since or "0"), _parse_time(until))


def _parse_time(microseconds: str) -> datetime:
    return EPOCH + timedelta(microseconds=int(microseconds))


def find_chain(generations: Iterable[Generation]) -> tuple[Generation, ...]:
    """Return the generations that follow each other without a gap from the first one on, the longest of each start."""
    longest: dict[datetime, Generation] = {}
    for generation in sorted(generations, key=lambda one: one.until):
        longest[generation.since] = generation
    chain: list[Generation] = []
    following = longest.get(EPOCH)
    while following:
        chain.append(following)
        following = longest.get(following.until)
    return tuple(chain)


def choose_start(chain: Sequence[Generation], rows: Sequence[int], recent_rows: int, catalogue_rows: int) -> datetime:
    """Return where the next generation begins: at the end of the chain, or at a generation that it replaces.

    `rows` are the numbers of products that are now in each generation of the chain, `recent_rows` is that of the
    products since its end.
    """
    if not chain or catalogue_rows <= SMALL_CATALOGUE_ROWS:
        return EPOCH
    end = chain[-1].until
    large = list(itertools.takewhile(lambda count: count > LARGE_SHARE * catalogue_rows, rows))
    first_later = max(1, len(large))
    if sum(rows[first_later:]) + recent_rows > MAX_LATER_SHARE * catalogue_rows:
        can_append = len(large) == len(chain) < MAX_LARGE_GENERATIONS
        return end if can_append else EPOCH
    start, merged_rows = end, recent_rows
    for generation, count in reversed(list(zip(chain, rows, strict=True))[first_later:]):
        if count > MERGE_FACTOR * merged_rows:
            break
        start, merged_rows = generation.since, merged_rows + count
    return start


def split_period(since: datetime, until: datetime, bounds: Iterable[datetime]) -> list[Generation]:
    """Return generations that follow each other from `since` to `until`, divided at the `bounds` between these."""
    times = [since, *sorted({bound for bound in bounds if since < bound < until}), until]
    return list(itertools.starmap(Generation, itertools.pairwise(times)))


def split_by_age(chain: Sequence[Generation]) -> list[sql.Composable]:
    """Return the conditions of the products of each generation and, as the last one, of the recent products.

    Every product meets one of them.
    """
    if not chain:
        return [sql.SQL("true")]
    recent = sql.SQL("updated_at >= {}").format(sql.Literal(chain[-1].until))
    return [*(generation.condition for generation in chain), recent]
