"""Generations of search indexes: which of them a search unites, and what the next one replaces."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue import search_indexes
from catalogue.index_generations import (
    EPOCH,
    MAX_LARGE_GENERATIONS,
    Generation,
    choose_start,
    find_chain,
    parse_generation,
    split_period,
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
    ("rows", "recent_rows", "catalogue_rows", "start"),
    [
        ([990_000], 10_000, LARGE, 1),
        # Larger ones stay, similar ones are merged.
        ([890_000, 100_000], 10_000, LARGE, 2),
        ([960_000, 30_000], 10_000, LARGE, 1),
        ([860_000, 100_000, 30_000], 10_000, LARGE, 1),
        ([890_000, 70_000, 30_000], 10_000, LARGE, 1),
        ([890_000, 90_000, 10_000], 10_000, LARGE, 2),
        # Large ones are never merged.
        ([600_000, 300_000], 100_000, LARGE, 2),
        ([500_000, 300_000, 40_000], 100_000, LARGE, 2),
        # Products that have changed again have left their generation.
        ([990_000, 0, 0], 10_000, LARGE, 1),
        # Too many in all, or a small catalogue: everything is indexed again.
        ([840_000, 120_000, 30_000], 10_000, LARGE, 1),
        ([645_000, 120_000, 125_000], 110_000, LARGE, 0),
        ([0], LARGE, LARGE, 0),
        ([100_000], 900_000, LARGE, 0),
        ([], 10, 1_000, 0),
        ([900], 100, 1_000, 0),
        # Many new products become a large generation, unless there are too many of these.
        ([600_000], 400_000, LARGE, 1),
        ([250_000, 250_000], 500_000, LARGE, 2),
        ([130_000] * 5, 350_000, LARGE, 5),
        ([126_000] * 6, 260_000, LARGE, 0),
    ],
)
def test_the_next_generation_replaces_similar_ones(
    rows: list[int], recent_rows: int, catalogue_rows: int, start: int
) -> None:
    chain = [generation(number, number + 1) for number in range(len(rows))]
    assert choose_start(chain, rows, recent_rows, catalogue_rows) == at(start)


@pytest.mark.parametrize(
    ("since", "bounds", "generations"),
    [
        (0, [], [(0, 9)]),
        (0, [3, 6], [(0, 3), (3, 6), (6, 9)]),
        (2, [6, 3, 6], [(2, 3), (3, 6), (6, 9)]),
        # Bounds outside of the period divide nothing.
        (2, [1, 2, 9, 10], [(2, 9)]),
    ],
)
def test_a_period_is_divided(since: int, bounds: list[int], generations: list[tuple[int, int]]) -> None:
    divided = split_period(at(since), at(9), map(at, bounds))
    assert divided == [generation(*one) for one in generations]
    assert find_chain([*divided, generation(0, since)] if since else divided)[-1] == divided[-1]


@given(st.lists(st.integers(1_000, 1_000_000), min_size=1, max_size=200), st.booleans())
def test_there_are_never_more_than_a_few_generations(changes: list[int], divided: bool) -> None:
    """Products of all generations change, and large periods are divided."""
    chain, rows = [generation(0, 10)], [float(LARGE)]
    for number, changed_rows in enumerate(changes, start=2):
        rows = [count * (1 - changed_rows / LARGE) for count in rows]
        start = choose_start(chain, [int(count) for count in rows], changed_rows, LARGE)
        kept = [one for one in chain if one.until <= start]
        indexed_rows = sum(rows[len(kept) :]) + changed_rows
        parts = max(1, round(indexed_rows / LARGE * 4)) if divided else 1
        bounds = [at(10 * number + part) for part in range(1, parts)]
        chain = [*kept, *split_period(start, at(10 * number + 5), (bound for bound in bounds if bound > start))]
        rows = [*rows[: len(kept)], *([indexed_rows / parts] * parts)]
        assert find_chain(chain) == tuple(chain)
        assert len(chain) == len(rows) <= MAX_LARGE_GENERATIONS + 8


@pytest.mark.parametrize(
    ("catalogue_rows", "limit"),
    [
        (0, 10_000),
        (100_000, 10_000),
        (100_001, 2_500),
        (500_000, 2_500),
        (1_000_000, 5_000),
        (2_000_000, 10_000),
        (10_000_000, 10_000),
        (50_000_000, 50_000),
    ],
)
def test_a_generation_is_due_after_fewer_changes_where_it_has_these_only(catalogue_rows: int, limit: int) -> None:
    assert search_indexes.limit_recent(catalogue_rows) == limit
