"""Slices: they cover every staged row once, and the look-ahead counts those that change nothing."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from database.connect import Component, connected
from importer.pipeline.look_ahead import LookAhead, UnchangedSlice
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from importer.pipeline.slices import count_staged_rows, plan_slices
from support.database import execute
from support.jobs import run_import
from support.slice_statements import STAGING_TABLE, make_job

ROWS = 3000
FILE = "sku,name\n" + "".join(f"k-{number:03},Name\n" for number in range(100))


def stage(url: str, keys: list[str]) -> None:
    """Create the staging table of the job of `make_job` with rows of these keys."""
    execute(
        url,
        f"CREATE TABLE {STAGING_TABLE} (number integer GENERATED ALWAYS AS IDENTITY, sku text, name text,"
        ' description text, active boolean, key text COLLATE "C" GENERATED ALWAYS AS (lower(sku)) STORED)',
    )
    execute(url, f"INSERT INTO {STAGING_TABLE} (sku, name, description) SELECT unnest(%s), '', ''", (keys,))
    execute(url, f"CREATE INDEX ON {STAGING_TABLE} (key, number DESC)")


@pytest.mark.parametrize(("checkpoint", "remaining"), [(None, ROWS), ("k1999", 1000), ("k2999", 0)])
def test_slices_are_of_similar_size_and_cover_every_remaining_row_once(
    database_url: str, checkpoint: str | None, remaining: int
) -> None:
    keys = [f"K{number:04}" for number in range(ROWS)]
    random.Random(1).shuffle(keys)
    stage(database_url, keys)
    job = replace(make_job(), checkpoint=checkpoint)
    with connected(database_url, Component.IMPORTER) as connection:
        slices = plan_slices(connection, job, 250)
        with connection, connection.cursor() as cursor:
            sizes = [count_staged_rows(cursor, part) for part in slices]
    assert sum(sizes) == remaining
    assert len(slices) == remaining / 250
    assert all(100 <= size <= 500 for size in sizes)
    assert [part.after for part in slices[:1]] == [checkpoint or ""][: len(slices)]
    assert all(first.last == second.after for first, second in itertools.pairwise(slices))


def test_a_slice_that_changes_nothing_is_counted_ahead_and_another_one_is_not(database_url: str) -> None:
    stage(database_url, ["a", "A", "b", "c"])
    with connected(database_url, Component.IMPORTER) as connection, LookAhead(database_url) as ahead:
        (part,) = plan_slices(connection, make_job(), 250)
        ahead.start(part)
        assert ahead.wait() is None
        execute(database_url, "INSERT INTO products (sku) VALUES ('a'), ('b'), ('c')")
        ahead.start(part)
        assert ahead.wait() == UnchangedSlice(staged_rows=4, keys=3)
        # It is forgotten.
        assert ahead.wait() is None
        execute(database_url, "UPDATE products SET active = false")
        ahead.start(part)
        assert ahead.wait() == UnchangedSlice(staged_rows=4, keys=3)
        execute(database_url, "UPDATE products SET name = 'other' WHERE sku = 'b'")
        ahead.start(part)
        assert ahead.wait() is None


class CountComparisons(Observer):
    """Count the slices that a run writes, and how many of them the look-ahead has compared."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.slices = 0
        self.compared_ahead = 0

    def before_transaction(self, step: Step) -> None:
        if step.kind == StepKind.WRITE_SLICE:
            self.slices += 1
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
            self.compared_ahead += execute(self._url, query, (Component.LOOK_AHEAD.value,)) == [(1,)]


@pytest.mark.parametrize(("mode", "looks_ahead"), [("upsert", True), ("create", False), ("update", False)])
def test_only_an_upsert_looks_ahead_and_only_after_a_slice_that_wrote_nothing(
    runner: ImportRunner, mode: str, looks_ahead: bool
) -> None:
    runner = replace(runner, slice_rows=20)
    counts = CountComparisons(runner.database_url)
    run_import(replace(runner, observer=counts), FILE)
    assert (counts.slices, counts.compared_ahead) == (5, 0)

    execute(runner.database_url, f"ALTER TABLE import_jobs ALTER mode SET DEFAULT '{mode}'")
    counts = CountComparisons(runner.database_url)
    job = run_import(replace(runner, observer=counts), FILE)
    assert (counts.slices, job["unchanged_count"]) == (5, 100)
    assert (counts.compared_ahead > 0) == looks_ahead
