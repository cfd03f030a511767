"""Generations of search indexes: which of them a search unites, and what the next one replaces."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.index_generations import (
    EPOCH,
    MAX_LATER_SHARE,
    MERGE_FACTOR,
    Generation,
    choose_start,
    find_chain,
    parse_generation,
)

LARGE = 1_000_000


def at(number: int) -> datetime:
    return EPOCH + timedelta(microseconds=number)


def generation(since: int, until: int) -> Generation:
    return Generation(at(since), at(until))


@given(st.integers(0, 1 << 50), st.integers(1, 1 << 50))
def test_a_name_tells_its_generation(since: int, length: int) -> None:
    one = generation(since, since + length)
    assert parse_generation(one.suffix) == one


@pytest.mark.parametrize(
    ("found", "chain"),
    [
        ([], []),
        ([(0, 5)], [(0, 5)]),
        ([(5, 9), (0, 5), (9, 12)], [(0, 5), (5, 9), (9, 12)]),
        # Without a first generation, or after a gap, the others are of no use.
        ([(5, 9)], []),
        ([(0, 5), (6, 9)], [(0, 5)]),
        # One that replaces others is used as soon as it is complete.
        ([(0, 5), (5, 9), (9, 12), (5, 14)], [(0, 5), (5, 14)]),
        ([(0, 5), (5, 9), (0, 14)], [(0, 14)]),
        ([(0, 14), (0, 5), (5, 20)], [(0, 14)]),
    ],
)
def test_a_search_unites_generations_without_a_gap(found: list[tuple[int, int]], chain: list[tuple[int, int]]) -> None:
    assert find_chain(generation(*one) for one in found) == tuple(generation(*one) for one in chain)


@pytest.mark.parametrize(
    ("later_rows", "recent_rows", "catalogue_rows", "start"),
    [
        ([], 10_000, LARGE, 1),
        # Larger ones stay, similar ones are merged.
        ([100_000], 10_000, LARGE, 2),
        ([30_000], 10_000, LARGE, 1),
        ([100_000, 30_000], 10_000, LARGE, 1),
        ([170_000, 30_000], 10_000, LARGE, 2),
        # Products that have changed again have left their generation.
        ([0, 0], 10_000, LARGE, 1),
        # Too many in all, or a small catalogue: everything is indexed again.
        ([200_000, 45_000], 10_000, LARGE, 0),
        ([], 400_000, LARGE, 0),
        ([], 10, 1_000, 0),
    ],
)
def test_the_next_generation_replaces_similar_ones(
    later_rows: list[int], recent_rows: int, catalogue_rows: int, start: int
) -> None:
    chain = [generation(number, number + 1) for number in range(len(later_rows) + 1)]
    assert choose_start(chain, later_rows, recent_rows, catalogue_rows) == at(start)


def test_without_generations_everything_is_indexed() -> None:
    assert choose_start((), (), 5, LARGE) == EPOCH


@given(st.lists(st.integers(10_000, 300_000), min_size=1, max_size=300))
def test_there_are_never_more_than_a_few_generations(changes: list[int]) -> None:
    """Each build indexes products that have not changed before."""
    chain, later_rows = [generation(0, 1)], list[int]()
    for number, recent_rows in enumerate(changes, start=2):
        start = choose_start(chain, later_rows, recent_rows, LARGE)
        kept = [one for one in chain if one.until <= start]
        merged_rows = sum(later_rows[max(0, len(kept) - 1) :]) + recent_rows
        later_rows = [*later_rows[: max(0, len(kept) - 1)], *([merged_rows] if kept else [])]
        chain = [*kept, Generation(start, at(number))]
        assert find_chain(chain) == tuple(chain)
        assert all(older > MERGE_FACTOR * newer for older, newer in itertools.pairwise(later_rows))
        assert sum(later_rows) <= MAX_LATER_SHARE * LARGE
        assert len(chain) <= 4
