"""Builds of search indexes make way for imports, go on where they stopped, and never leave wrong searches behind."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import OperationalError, sql

from catalogue import index_generations, search_index_builder, search_indexes
from catalogue.build_connection import BuildConnection, BuildYielded
from catalogue.filters import Filter
from catalogue.search_indexes import KINDS, SEARCH_INDEXES
from database.running_imports import READ_SERIES_GAP_SQL, read_series_gap
from database.server_cores import read_cores
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.jobs import create_job
from support.search_indexes import (
    PARTS,
    create_products,
    find_builds,
    find_generations,
    find_skus,
    is_idle_after,
    list_indexes,
    list_parts,
    open_transaction,
    running_builder,
)
from support.waiting import wait_for

ATTEMPTS_SQL = "SELECT count(*) FROM search_index_builds WHERE attempts > 0 OR error IS NOT NULL"


@pytest.mark.parametrize("pooled", [False, True])
def test_a_build_stops_when_a_job_starts_and_goes_on_afterwards(
    database_url: str,
    runner: ImportRunner,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pooled: bool,
) -> None:
    monkeypatch.setattr(search_index_builder, "CHECK_SECONDS", 0.1)
    create_products(database_url)
    *finished, last = KINDS
    execute(database_url, "INSERT INTO search_index_builds VALUES (%s, 0, now(), NULL)", (last,))
    with closing(psycopg2.connect(database_url)) as holder, caplog.at_level(logging.WARNING):
        # The builder cannot begin with the last kind until this transaction ends.
        holder.cursor().execute("SELECT FROM search_index_builds FOR UPDATE")
        with running_builder(database_url, pooled=pooled):
            wait_for("the other kinds", lambda: list(find_generations(database_url)) == finished)
            kept = list_indexes(database_url)
            with open_transaction(database_url):
                holder.commit()
                wait_for("a build that waits for the transaction", lambda: find_builds(database_url))
                task_id = create_job(runner, b"sku\n1\n")
                wait_for("the end of the build", lambda: not find_builds(database_url))
                wait_for("a check for imports", lambda: is_idle_after(database_url, "import_jobs"))
                assert find_skus(database_url, Filter(name="lamp 4711")) == (["k-4711"], 1)
            assert execute(database_url, ATTEMPTS_SQL) == [(0,)]
            execute(database_url, "UPDATE import_jobs SET status = 'failed' WHERE task_id = %s", (task_id,))
            wait_for("the indexes", lambda: list_parts(database_url) == PARTS)
    assert set(kept) <= set(list_indexes(database_url))
    assert caplog.text == ""


def test_the_builder_waits_for_the_next_import_of_a_series(
    database_url: str, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_products(database_url)
    create_job(runner, b"sku\n1\n")
    execute(
        database_url,
        "UPDATE import_jobs SET status = 'completed', progress = 100, worked_seconds = 1000, finished_at = now()",
    )
    with running_builder(database_url):
        wait_for("a check for a series", lambda: is_idle_after(database_url, READ_SERIES_GAP_SQL))
        assert list_indexes(database_url) == []
        execute(database_url, "UPDATE import_jobs SET finished_at = now() - interval '1 minute'")
        wait_for("the indexes", lambda: list_parts(database_url) == PARTS)


def test_the_gap_of_a_series_depends_on_the_time_of_its_imports(database_url: str, runner: ImportRunner) -> None:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        assert read_series_gap(cursor) == 0
        create_job(runner, b"sku\n1\n")
        assert read_series_gap(cursor) == 0
        for worked_seconds, age_seconds, gap in [(0, 0, 2), (20, 0, 5), (20, 3, 2), (20, 6, 0), (9000, 10, 20)]:
            cursor.execute(
                "UPDATE import_jobs SET worked_seconds = %s,"
                " finished_at = clock_timestamp() - make_interval(secs => %s)",
                (worked_seconds, age_seconds),
            )
            assert read_series_gap(cursor) == pytest.approx(gap, abs=0.5)


def test_searches_are_right_wherever_a_build_stops_or_is_killed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each build is interrupted before one of its statements, and the next one begins with what is left."""
    monkeypatch.setattr(index_generations, "SMALL_CATALOGUE_ROWS", 0)
    create_products(database_url, 300)
    run = BuildConnection.run
    statements = 0
    stop_before = 0

    def run_or_stop(self: BuildConnection, statement: str | sql.Composable) -> None:
        nonlocal statements
        statements += 1
        if statements == stop_before:
            raise BuildYielded
        if statements == -stop_before:
            # As if the worker had been killed: the server ends the statement, and nobody cleans up.
            self._connection.close()
            raise OperationalError("the connection is lost")
        run(self, statement)

    monkeypatch.setattr(BuildConnection, "run", run_or_stop)
    number = 0
    built = False
    while not built:
        number += 1
        statements = 0
        stop_before = number if number % 2 else -number
        changed = 30 * number % 250 + 1
        name = f"lamp {changed} {number}"
        execute(
            database_url,
            "UPDATE products SET name = %s, updated_at = clock_timestamp() WHERE sku = %s",
            (name, f"k-{changed}"),
        )
        try:
            built = search_indexes.build_indexes(database_url)
        except (BuildYielded, OperationalError):
            built = False
        assert find_skus(database_url, Filter(name=f'"{name}"')) == ([f"k-{changed}"], 1)
        assert find_skus(database_url, Filter(q="brass"))[1] == 300
        assert find_skus(database_url, Filter(sku="k-299")) == (["k-299"], 1)
    # Every statement was prevented once, also those that drop what is left.
    assert number > len(PARTS)
    generations = find_generations(database_url)
    used = [part for kind, chain in generations.items() for part in SEARCH_INDEXES[kind] * len(chain)]
    assert len(list_indexes(database_url)) == len(used)


@pytest.mark.parametrize(("cores", "workers"), [(None, 0), (1, 0), (2, 0), (4, 1), (16, 7)])
def test_a_build_uses_half_of_the_cores(
    database_url: str, monkeypatch: pytest.MonkeyPatch, cores: int | None, workers: int
) -> None:
    monkeypatch.setattr(search_indexes, "read_cores", lambda cursor: cores)
    database = urlsplit(database_url).path[1:]
    execute(database_url, f"ALTER DATABASE {database} SET max_parallel_maintenance_workers = 9")
    with search_indexes._building(database_url, pooled=False, watch=None) as build:
        assert build is not None
        build.connection.run("CREATE TABLE seen AS SELECT current_setting('max_parallel_maintenance_workers') workers")
    assert execute(database_url, "SELECT workers FROM seen") == [(str(workers),)]


def test_the_number_of_cores_is_that_of_this_machine_or_what_the_server_says(database_url: str) -> None:
    """The tests reach the server through a socket, so it is on this machine."""
    database = urlsplit(database_url).path[1:]
    for setting, cores in ((None, os.cpu_count()), (1, 1), (64, os.cpu_count())):
        if setting is not None:
            execute(database_url, f"ALTER DATABASE {database} SET max_parallel_workers = {setting}")
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            assert read_cores(cursor) == cores
