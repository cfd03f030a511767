"""Generations of search indexes: only changed products are indexed, and searches are right at every moment."""

from __future__ import annotations

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from psycopg2 import sql

from catalogue import index_generations, search_indexes
from catalogue.build_connection import BuildConnection, BuildYielded
from catalogue.filters import Filter
from catalogue.index_generations import Generation
from support.database import execute
from support.search_indexes import (
    PARTS,
    create_products,
    find_builds,
    find_generations,
    find_skus,
    list_indexes,
    open_transaction,
    touch,
)
from support.waiting import wait_for


def count_products(url: str, generation: Generation) -> int:
    """Return the number of products of a generation."""
    statement = "SELECT count(*) FROM products WHERE updated_at >= %s AND updated_at < %s"
    ((count,),) = execute(url, statement, (generation.since, generation.until))
    return int(count)


def count_indexes(url: str) -> int:
    """Return how many indexes the generations of all kinds need."""
    return sum(len(search_indexes.SEARCH_INDEXES[kind]) * len(chain) for kind, chain in find_generations(url).items())


def test_a_build_indexes_only_what_has_changed_and_merges_small_generations(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_generations, "SMALL_CATALOGUE_ROWS", 0)
    create_products(database_url, 2_000)
    # The number of changed products, and those that the generations have afterwards.
    steps = {400: [1_600, 400], 20: [1_600, 380, 20], 10: [1_600, 380, 20], 90: [1_600, 310, 90], 1_000: [2_000]}
    assert search_indexes.build_indexes(database_url)
    for changed, rows in steps.items():
        touch(database_url, changed)
        before = find_generations(database_url)["text"]
        assert search_indexes.build_indexes(database_url)
        (chain,) = {chain for kind, chain in find_generations(database_url).items() if kind != "text" or changed < 500}
        counts = [count_products(database_url, generation) for generation in chain]
        assert counts == rows, changed
        assert (chain[0] == before[0]) == (len(rows) > 1)
        assert len(list_indexes(database_url)) == count_indexes(database_url)
        assert find_skus(database_url, Filter(name='"lamp 17."')) == (["k-17"], 1)
        assert find_skus(database_url, Filter(name="lamp 1999")) == (["k-1999"], 1)


def test_many_texts_get_several_generations_that_count_one_by_one(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build is interrupted before each of them, and continues where it stopped."""
    monkeypatch.setattr(index_generations, "SMALL_CATALOGUE_ROWS", 0)
    for first in range(1, 400, 25):
        create_products(database_url, 25, first=first)
    run = BuildConnection.run
    built = 0

    def run_once(self: BuildConnection, statement: str | sql.Composable) -> None:
        nonlocal built
        built += "CREATE INDEX" in str(statement)
        if built > 1:
            raise BuildYielded
        run(self, statement)

    def build_next() -> list[int]:
        nonlocal built
        built = 0
        with contextlib.suppress(BuildYielded):
            search_indexes.build_indexes(database_url, ["text"])
        assert find_skus(database_url, Filter(q="lamp 375")) == (["k-375"], 1)
        assert find_skus(database_url, Filter(q="brass"))[1] == 400
        chain = find_generations(database_url)["text"]
        assert len(list_indexes(database_url)) == len(chain)
        return [count_products(database_url, generation) for generation in chain]

    monkeypatch.setattr(BuildConnection, "run", run_once)
    states = [build_next() for _ in range(4)]
    assert [len(rows) for rows in states] == [1, 2, 3, 4]
    assert sum(states[-1]) == 400
    assert all(later[:-1] == rows for rows, later in itertools.pairwise(states))
    # When everything has changed, the first new generation replaces all old ones, which have no products any more.
    for first in range(1, 400, 25):
        statement = "UPDATE products SET updated_at = clock_timestamp() WHERE id BETWEEN %s AND %s"
        execute(database_url, statement, (first, first + 24))
    assert [len(build_next()) for _ in range(4)] == [1, 2, 3, 4]


def test_searches_use_the_merged_generations_until_the_new_one_is_complete(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_generations, "SMALL_CATALOGUE_ROWS", 0)
    create_products(database_url, 2_000)
    assert search_indexes.build_indexes(database_url)
    touch(database_url, 100)
    assert search_indexes.build_indexes(database_url)
    touch(database_url, 50)
    old = find_generations(database_url)
    with open_transaction(database_url) as connection, ThreadPoolExecutor(1) as threads:
        build = threads.submit(search_indexes.build_indexes, database_url)
        (pid,) = wait_for("a build that waits for the transaction", lambda: find_builds(database_url))
        assert find_generations(database_url) == old
        assert find_skus(database_url, Filter(name='"lamp 50."')) == (["k-50"], 1)
        execute(database_url, "SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(psycopg2.OperationalError):
            build.result()
        connection.commit()
    assert find_generations(database_url) == old
    assert search_indexes.build_indexes(database_url)
    assert [len(chain) for chain in find_generations(database_url).values()] == [2] * len(search_indexes.KINDS)
    assert len(list_indexes(database_url)) == 2 * len(PARTS)
