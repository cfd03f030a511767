"""The search indexes: built beside the traffic, by one at a time, again after whatever happened to the last attempt."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from catalogue import search, search_indexes
from catalogue.filters import Filter
from catalogue.sorting import Order
from conftest import Processes, announce, create_engine, create_job, execute, job_row, wait_for
from database.connect import Component
from database.running_imports import FIND_RUNNING_IMPORT_SQL
from importer.pipeline.runner import Engine

ROWS = search_indexes.RECENT_ROWS + 2_000
KINDS = sorted(search_indexes.DEFINITIONS)


def fill(url: str, rows: int = ROWS) -> None:
    execute(
        url,
        "INSERT INTO products (sku, name, description) SELECT 'k-' || n, 'lamp ' || n, 'of brass, number ' || n"
        f" FROM generate_series(1, {rows}) n; ANALYZE products",
    )


def names(url: str) -> list[str]:
    """The search indexes that are there, valid or not."""
    rows = execute(url, "SELECT relname FROM pg_class WHERE relname LIKE 'products_search_%' ORDER BY 1")
    return [name for (name,) in rows]


def kinds(url: str) -> list[str]:
    return [name.split("_")[2] for name in names(url)]


def found(url: str, wanted: Filter) -> tuple[list[str], int]:
    """What the list gives: the SKUs of its first page, and the total."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        page = search.find(cursor, wanted, Order("name"))
        return [product.sku for product in page.products], page.total


@contextmanager
def writer(url: str) -> Iterator[Connection]:
    """A client in the middle of a transaction, which a build waits for."""
    with closing(psycopg2.connect(url)) as connection:
        connection.cursor().execute("UPDATE products SET name = 'brass thing', updated_at = now() WHERE id = 1")
        yield connection


def builders(url: str) -> list[int]:
    rows = execute(
        url,
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND query LIKE 'CREATE INDEX%%'"
        " AND state = 'active' AND datname = current_database()",
        (Component.SEARCH_INDEX.value,),
    )
    return [pid for (pid,) in rows]


def test_a_search_uses_the_indexes(database_url: str) -> None:
    fill(database_url)
    assert search_indexes.build(database_url)
    assert kinds(database_url) == KINDS
    moment = f"'{search_indexes.moment_of(names(database_url)[0]).isoformat()}'"
    plan = execute(
        database_url, f"EXPLAIN SELECT id FROM products WHERE updated_at < {moment} AND name ILIKE '%lamp 4711%'"
    )
    assert "products_search_text" in str(plan)
    assert found(database_url, Filter(name="lamp 4711")) == (["k-4711"], 1)


def test_later_indexes_take_the_place_of_earlier_ones(database_url: str) -> None:
    fill(database_url, 10)
    assert search_indexes.build(database_url)
    before = names(database_url)
    assert search_indexes.build(database_url)
    assert kinds(database_url) == KINDS
    assert not set(before) & set(names(database_url))


def test_a_build_cut_off_is_cleaned_up_by_the_next_one_and_searches_stay_right(database_url: str) -> None:
    fill(database_url, 500)
    assert search_indexes.build(database_url)
    first = names(database_url)
    with writer(database_url) as connection, ThreadPoolExecutor(1) as threads:
        cut_off = threads.submit(search_indexes.build, database_url)
        (pid,) = wait_for("a build that waits for the writer", lambda: builders(database_url))
        execute(database_url, "SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(psycopg2.OperationalError):
            cut_off.result()
        connection.commit()
    assert len(names(database_url)) > len(first)
    assert found(database_url, Filter(name="brass")) == (["k-1"], 1)
    assert found(database_url, Filter(name="lamp 499")) == (["k-499"], 1)
    assert search_indexes.build(database_url)
    assert kinds(database_url) == KINDS
    assert found(database_url, Filter(name="brass")) == (["k-1"], 1)


def test_only_one_builds_and_writers_go_on_meanwhile(database_url: str) -> None:
    fill(database_url, 500)
    with writer(database_url) as connection, ThreadPoolExecutor(1) as threads:
        building = threads.submit(search_indexes.build, database_url)
        wait_for("a build that waits for the writer", lambda: builders(database_url))
        assert not search_indexes.build(database_url)
        execute(database_url, "UPDATE products SET name = 'brass too', updated_at = now() WHERE id = 2")
        execute(database_url, "INSERT INTO products (sku, name) VALUES ('new', 'brass')")
        execute(database_url, "DELETE FROM products WHERE id = 3")
        assert found(database_url, Filter(name="brass")) == (["new", "k-2"], 2)
        connection.commit()
        assert building.result()
    assert found(database_url, Filter(name="brass")) == (["new", "k-1", "k-2"], 3)
    assert found(database_url, Filter(sku="k-3", name="lamp 3"))[0][:1] == ["k-30"]


def test_a_worker_builds_them_after_an_import(
    database_url: str, environment: dict[str, str], settings: object, processes: Processes
) -> None:
    engine = create_engine(settings)  # type: ignore[arg-type]
    processes.worker("--concurrency=1")
    content = "sku,name\n" + "".join(f"k-{number},lamp {number}\n" for number in range(ROWS))
    task_id = create_job(engine, content.encode())
    announce(environment, task_id)
    wait_for("the import", lambda: job_row(database_url, task_id)["status"] == "completed")
    wait_for("the indexes", lambda: kinds(database_url) == KINDS and not builders(database_url))
    assert found(database_url, Filter(q="lamp 4711")) == (["k-4711"], 1)


def test_imports_go_first(database_url: str, engine: Engine) -> None:
    fill(database_url)
    task_id = create_job(engine, b"sku\n1\n")
    indexer = search_indexes.Indexer(database_url, pooled=False)
    indexer.start()
    try:
        asked = "SELECT query FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
        wait_for(
            "a look at the imports",
            lambda: FIND_RUNNING_IMPORT_SQL in str(execute(database_url, asked, (Component.SEARCH_INDEX.value,))),
        )
        assert names(database_url) == []
        execute(database_url, "UPDATE import_jobs SET status = 'failed' WHERE task_id = %s", (task_id,))
        wait_for("the indexes", lambda: kinds(database_url) == KINDS)
    finally:
        indexer.stop()
        indexer.join(60)


def test_a_change_wakes_the_indexer_and_few_changes_build_nothing(database_url: str) -> None:
    fill(database_url, 100)
    indexer = search_indexes.Indexer(database_url, pooled=False)
    indexer.start()
    try:
        wait_for("the listener", lambda: listeners(database_url))
        execute(database_url, "UPDATE products SET name = 'x', updated_at = clock_timestamp()")
        execute(database_url, "SELECT pg_notify('products_changed', '')")
        assert names(database_url) == []
        fill_more = f"INSERT INTO products (sku) SELECT 'more-' || n FROM generate_series(1, {ROWS}) n"
        execute(database_url, fill_more)
        wait_for("the indexes", lambda: kinds(database_url) == KINDS, search_indexes.CHECK_SECONDS / 2)
    finally:
        indexer.stop()
        indexer.join(60)


def listeners(url: str) -> list[tuple[int]]:
    return execute(
        url,
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()",
        (Component.SEARCH_INDEX.value,),
    )


def test_without_the_right_to_install_pg_trgm_searches_are_slow_but_right(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(database_url)
    role = f"guest_{urlsplit(database_url).path[1:]}"
    execute(database_url, f"CREATE ROLE {role} LOGIN")
    try:
        execute(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        guest_url = database_url.replace("//acme@", f"//{role}@", 1)
        indexer = search_indexes.Indexer(guest_url, pooled=False)
        with caplog.at_level(logging.WARNING):
            indexer.start()
            try:
                wait_for("the warning", lambda: "without search indexes" in caplog.text)
            finally:
                indexer.stop()
                indexer.join(60)
        assert found(guest_url, Filter(name="lamp 4711")) == (["k-4711"], 1)
    finally:
        execute(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")
