"""Search indexes: built beside readers and writers, by one process at a time, whatever happened to the last build."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

import config
from catalogue import search, search_indexes
from catalogue.filters import Filter
from catalogue.search_indexes import EPOCH, SearchIndexBuilder
from catalogue.sorting import Sorting
from database.connect import Component
from database.running_imports import FIND_RUNNING_IMPORT_SQL
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.jobs import announce, create_job, create_runner, read_job
from support.processes import Processes
from support.waiting import wait_for

# More than the number of recent products at which a new generation is due.
ROWS = search_indexes.MAX_RECENT_ROWS + 2_000
# Before the next check that no notification causes.
SOON_SECONDS = search_indexes.CHECK_SECONDS / 2
KINDS = sorted(search_indexes.INDEX_DEFINITIONS)


def create_products(url: str, rows: int = ROWS, *, first: int = 1) -> None:
    execute(
        url,
        "INSERT INTO products (sku, name, description) SELECT 'k-' || n, 'lamp ' || n, 'of brass, number ' || n"
        f" FROM generate_series({first}, {first + rows - 1}) n; ANALYZE products",
    )


def list_indexes(url: str) -> list[str]:
    """Return the names of all search indexes, valid or not."""
    rows = execute(url, "SELECT relname FROM pg_class WHERE relname LIKE 'products_search_%' ORDER BY 1")
    return [name for (name,) in rows]


def list_kinds(url: str) -> list[str]:
    return [name.split("_")[2] for name in list_indexes(url)]


def find_skus(url: str, product_filter: Filter) -> tuple[list[str], int]:
    """Return the SKUs of the first page by name, and the total."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        page = search.find_page(cursor, product_filter, Sorting("name"))
        return [product.sku for product in page.products], page.total


@contextmanager
def open_transaction(url: str) -> Iterator[Connection]:
    """Hold a transaction open that has changed a product, so that a build waits for its end."""
    with closing(psycopg2.connect(url)) as connection:
        connection.cursor().execute("UPDATE products SET name = 'brass thing', updated_at = now() WHERE id = 1")
        yield connection


@contextmanager
def running_builder(url: str, *, pooled: bool = False) -> Iterator[SearchIndexBuilder]:
    builder = SearchIndexBuilder(url, pooled=pooled)
    builder.start()
    try:
        yield builder
    finally:
        builder.stop()
        builder.join(60)


def is_idle_after(url: str, query: str, *, since: datetime = EPOCH) -> bool:
    """Return whether a builder's last statement contains `query` and started after `since`."""
    rows = execute(
        url,
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
        " AND strpos(query, %s) > 0 AND query_start > %s AND state = 'idle'",
        (Component.SEARCH_INDEX.value, query, since),
    )
    return bool(rows)


def find_builds(url: str) -> list[int]:
    """Return the process ids of backends that are creating an index."""
    rows = execute(
        url,
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND query LIKE 'CREATE INDEX%%'"
        " AND state = 'active' AND datname = current_database()",
        (Component.SEARCH_INDEX.value,),
    )
    return [pid for (pid,) in rows]


def test_a_search_uses_the_indexes(database_url: str) -> None:
    create_products(database_url)
    assert search_indexes.build_indexes(database_url)
    assert list_kinds(database_url) == KINDS
    cutoff = search_indexes.read_cutoff(list_indexes(database_url)[0]).isoformat()
    plan = execute(
        database_url, f"EXPLAIN SELECT id FROM products WHERE updated_at < '{cutoff}' AND name ILIKE '%lamp 4711%'"
    )
    assert "products_search_text" in str(plan)
    assert find_skus(database_url, Filter(name="lamp 4711")) == (["k-4711"], 1)


def test_a_new_generation_replaces_the_old_one(database_url: str) -> None:
    create_products(database_url, 10)
    assert search_indexes.build_indexes(database_url)
    old_indexes = list_indexes(database_url)
    assert search_indexes.build_indexes(database_url)
    assert list_kinds(database_url) == KINDS
    assert not set(old_indexes) & set(list_indexes(database_url))


def test_searches_stay_right_after_a_killed_build_and_the_next_build_cleans_up(database_url: str) -> None:
    create_products(database_url, 500)
    assert search_indexes.build_indexes(database_url)
    first_generation = list_indexes(database_url)
    with open_transaction(database_url) as connection, ThreadPoolExecutor(1) as threads:
        build = threads.submit(search_indexes.build_indexes, database_url)
        (pid,) = wait_for("a build that waits for the transaction", lambda: find_builds(database_url))
        execute(database_url, "SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(psycopg2.OperationalError):
            build.result()
        connection.commit()
    assert len(list_indexes(database_url)) > len(first_generation)
    assert find_skus(database_url, Filter(name="brass")) == (["k-1"], 1)
    assert find_skus(database_url, Filter(name="lamp 499")) == (["k-499"], 1)
    assert search_indexes.build_indexes(database_url)
    assert list_kinds(database_url) == KINDS
    assert find_skus(database_url, Filter(name="brass")) == (["k-1"], 1)


def test_only_one_process_builds_and_writers_do_not_wait_for_it(database_url: str) -> None:
    create_products(database_url, 500)
    with open_transaction(database_url) as connection, ThreadPoolExecutor(1) as threads:
        build = threads.submit(search_indexes.build_indexes, database_url)
        wait_for("a build that waits for the transaction", lambda: find_builds(database_url))
        assert not search_indexes.build_indexes(database_url)
        execute(database_url, "UPDATE products SET name = 'brass too', updated_at = now() WHERE id = 2")
        execute(database_url, "INSERT INTO products (sku, name) VALUES ('new', 'brass')")
        execute(database_url, "DELETE FROM products WHERE id = 3")
        assert find_skus(database_url, Filter(name="brass")) == (["new", "k-2"], 2)
        connection.commit()
        assert build.result()
    assert find_skus(database_url, Filter(name="brass")) == (["new", "k-1", "k-2"], 3)
    assert find_skus(database_url, Filter(sku="k-3", name="lamp 3"))[0][:1] == ["k-30"]


def test_a_worker_builds_the_indexes_after_an_import(
    database_url: str, environment: dict[str, str], settings: config.Settings, processes: Processes
) -> None:
    runner = create_runner(settings)
    processes.start_worker("--concurrency=1")
    content = "sku,name\n" + "".join(f"k-{number},lamp {number}\n" for number in range(ROWS))
    task_id = create_job(runner, content.encode())
    announce(environment, task_id)
    wait_for("the end of the import", lambda: read_job(database_url, task_id)["status"] == "completed")
    wait_for("the indexes", lambda: list_kinds(database_url) == KINDS and not find_builds(database_url))
    assert find_skus(database_url, Filter(q="lamp 4711")) == (["k-4711"], 1)


def test_the_builder_waits_for_running_imports(database_url: str, runner: ImportRunner) -> None:
    create_products(database_url)
    task_id = create_job(runner, b"sku\n1\n")
    with running_builder(database_url):
        wait_for("a check for imports", lambda: is_idle_after(database_url, FIND_RUNNING_IMPORT_SQL))
        assert list_indexes(database_url) == []
        execute(database_url, "UPDATE import_jobs SET status = 'failed' WHERE task_id = %s", (task_id,))
        wait_for("the indexes", lambda: list_kinds(database_url) == KINDS)


def test_the_builder_waits_for_imports_only_for_a_while(
    database_url: str, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_products(database_url)
    create_job(runner, b"sku\n1\n")
    monkeypatch.setattr(search_indexes, "MAX_IMPORT_WAIT_SECONDS", 0)
    with running_builder(database_url):
        wait_for("the indexes", lambda: list_kinds(database_url) == KINDS)


def test_a_builder_that_is_stopped_while_it_waits_for_imports_does_not_build(
    database_url: str, runner: ImportRunner
) -> None:
    create_products(database_url)
    create_job(runner, b"sku\n1\n")
    with running_builder(database_url) as builder:
        wait_for("a check for imports", lambda: is_idle_after(database_url, FIND_RUNNING_IMPORT_SQL))
    assert not builder.is_alive()
    assert list_indexes(database_url) == []


def test_a_notification_wakes_the_builder_and_few_changes_build_nothing(database_url: str) -> None:
    create_products(database_url, 100)
    with running_builder(database_url):
        wait_for("the first check", lambda: is_idle_after(database_url, "recent"))
        ((changed_at,),) = execute(database_url, "SELECT clock_timestamp()")
        execute(database_url, "UPDATE products SET name = 'x', updated_at = clock_timestamp()")
        wait_for("another check", lambda: is_idle_after(database_url, "recent", since=changed_at), SOON_SECONDS)
        assert list_indexes(database_url) == []
        create_products(database_url, ROWS, first=101)
        wait_for("the indexes", lambda: list_kinds(database_url) == KINDS, SOON_SECONDS)


def test_behind_a_pooler_the_builder_checks_without_notifications(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_indexes, "CHECK_SECONDS", 0.1)
    with running_builder(database_url, pooled=True):
        wait_for("the first check", lambda: is_idle_after(database_url, "recent"))
        create_products(database_url)
        wait_for("the indexes", lambda: list_kinds(database_url) == KINDS)


def test_searches_are_right_without_the_privilege_to_install_pg_trgm(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    create_products(database_url)
    role = f"guest_{urlsplit(database_url).path[1:]}"
    execute(database_url, f"CREATE ROLE {role} LOGIN")
    try:
        execute(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        guest_url = database_url.replace("//acme@", f"//{role}@", 1)
        with caplog.at_level(logging.WARNING), running_builder(guest_url):
            wait_for("the warning", lambda: "without search indexes" in caplog.text)
        assert find_skus(guest_url, Filter(name="lamp 4711")) == (["k-4711"], 1)
    finally:
        execute(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")
