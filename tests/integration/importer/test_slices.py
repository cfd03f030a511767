"""Slices: they cover every staged row that is not written yet once."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from psycopg2 import sql

from database.connect import Component, connected
from importer.pipeline.slice_sql import Slice, staging_table
from importer.pipeline.slices import add_written, count_staged, plan_slices, render_remaining
from support.database import execute
from support.slice_statements import STAGING_TABLE, make_job

ROWS = 3000


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
            sizes = [count_staged(cursor, part)[0] for part in slices]
    assert sum(sizes) == remaining
    assert len(slices) == remaining / 250
    assert all(100 <= size <= 500 for size in sizes)
    assert [part.after for part in slices[:1]] == [checkpoint or ""][: len(slices)]
    assert all(first.last == second.after for first, second in itertools.pairwise(slices))


def test_slices_leave_out_the_ranges_that_are_written(database_url: str) -> None:
    keys = [f"k{number:04}" for number in range(ROWS)]
    stage(database_url, keys)
    written = [["k0099", "k0300"], ["k1499", "k1500"], ["k2900", "k2999"]]
    job = replace(make_job(), checkpoint="k0049", written_ahead=written)
    with connected(database_url, Component.IMPORTER) as connection:
        slices = plan_slices(connection, job, 250)
        with connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT key FROM {} WHERE {}").format(staging_table(job), render_remaining(job)))
            remaining = {key for (key,) in cursor.fetchall()}
    covered = [key for part in slices for key in keys if part.after < key <= part.last]
    assert covered == sorted(remaining)
    assert covered == [*keys[50:100], *keys[301:1500], *keys[1501:2901]]
    checkpoint = job.checkpoint or ""
    for part in random.Random(2).sample(slices, len(slices)):
        checkpoint, written = add_written(checkpoint, written, part)
    assert (checkpoint, written) == ("k2999", [])


def test_written_ranges_beyond_the_checkpoint_are_kept_in_order_and_joined() -> None:
    parts = [Slice(make_job(), after, last) for after, last in ("ef", "cd", "ab", "de", "bc")]
    states: list[tuple[str, list[list[str]]]] = []
    checkpoint: str = "a"
    written: list[list[str]] = []
    for part in parts:
        checkpoint, written = add_written(checkpoint, written, part)
        states.append((checkpoint, written))
    assert states == [
        ("a", [["e", "f"]]),
        ("a", [["c", "d"], ["e", "f"]]),
        ("b", [["c", "d"], ["e", "f"]]),
        ("b", [["c", "f"]]),
        ("f", []),
    ]
