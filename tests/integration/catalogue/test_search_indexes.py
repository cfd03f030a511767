"""Search indexes: built beside readers and writers, by one process at a time, whatever happened to the last build."""

from __future__ import annotations

import logging
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg2
import pytest

import config
from catalogue import search_index_builder, search_index_builds, search_indexes
from catalogue.filters import Filter
from catalogue.search_indexes import IndexPart
from database.running_imports import FIND_RUNNING_IMPORT_SQL
from importer.pipeline.runner import ImportRunner
from models import NAME_MAX_CHARACTERS, SKU_MAX_CHARACTERS
from support.database import execute
from support.jobs import announce, create_job, create_runner, read_job
from support.processes import Processes
from support.search_indexes import (
    PARTS,
    ROWS,
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

# Before the next check that no notification causes.
SOON_SECONDS = search_index_builder.CHECK_SECONDS / 2


def test_a_search_uses_the_indexes(database_url: str) -> None:
    create_products(database_url)
    assert search_indexes.build_indexes(database_url)
    assert list_parts(database_url) == PARTS
    (text_index,) = [name for name in list_indexes(database_url) if "_joined_" in name]
    until = search_indexes.read_name(text_index)[1].until.isoformat()
    plan = execute(
        database_url, f"EXPLAIN SELECT id FROM products WHERE updated_at < '{until}' AND name ILIKE '%lamp 4711%'"
    )
    assert text_index in str(plan)
    assert find_skus(database_url, Filter(name="lamp 4711")) == (["k-4711"], 1)


def test_a_new_generation_replaces_the_old_one(database_url: str) -> None:
    create_products(database_url, 10)
    assert search_indexes.build_indexes(database_url)
    old_indexes = list_indexes(database_url)
    assert search_indexes.build_indexes(database_url)
    assert list_parts(database_url) == PARTS
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
    assert list_parts(database_url) == PARTS
    assert find_skus(database_url, Filter(name="brass")) == (["k-1"], 1)


def test_the_longest_values_that_the_catalogue_accepts_are_indexed(database_url: str) -> None:
    """Random letters of four bytes, which PostgreSQL cannot compress."""
    create_products(database_url, 100)
    chance = random.Random(1)

    def create_text(length: int) -> str:
        return "".join(chance.choices([chr(number) for number in range(0x1F300, 0x1F700)], k=length))

    description = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789 ", k=10_000_000))
    values = (create_text(SKU_MAX_CHARACTERS), create_text(NAME_MAX_CHARACTERS), description)
    execute(database_url, "INSERT INTO products (sku, name, description) VALUES (%s, %s, %s)", values)
    assert search_indexes.build_indexes(database_url)
    assert list_parts(database_url) == PARTS
    for product_filter in (
        Filter(sku=values[0][100:110]),
        Filter(name=values[1][100:110]),
        Filter(description=description[5_000_000:5_000_020]),
    ):
        assert find_skus(database_url, product_filter) == ([values[0]], 1)


@pytest.mark.parametrize("letter", ["x", "I", "é", "İ", "Ⱥ", "茶", "🧦"])
def test_a_name_of_any_length_fits_into_its_index(database_url: str, letter: str) -> None:
    """The letters differ in their bytes, some in lower case, too. Random ones in between prevent compression."""
    chance = random.Random(1)
    fillers = {1: (0x21, 0x7F), 2: (0x100, 0x800), 3: (0x4E00, 0x9FFF), 4: (0x1F300, 0x1F700)}[len(letter.encode())]
    names = [
        "".join(letter if number % 2 else chr(chance.randrange(*fillers)) for number in range(length))
        for length in range(0, NAME_MAX_CHARACTERS + 1, 4)
    ]
    execute(
        database_url,
        "INSERT INTO products (sku, name) SELECT number, name FROM unnest(%s) WITH ORDINALITY names (name, number)",
        (names,),
    )
    assert search_indexes.build_indexes(database_url)
    assert list_parts(database_url) == PARTS


def test_a_kind_that_cannot_be_built_prevents_no_other(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    create_products(database_url)
    broken = {**search_indexes.SEARCH_INDEXES, "text": (IndexPart("joined", "USING btree ((1 / (id - 7)))"),)}
    monkeypatch.setattr(search_indexes, "SEARCH_INDEXES", broken)
    others = [name for name in PARTS if name != "joined"]
    with caplog.at_level(logging.WARNING), running_builder(database_url):
        wait_for("the warning", lambda: "division by zero" in caplog.text)
        assert list_parts(database_url) == others
        # Neither another check nor another worker repeats the build at once, but the other kinds are kept current.
        execute(database_url, "UPDATE products SET updated_at = clock_timestamp()")
        indexes = list_indexes(database_url)
        with running_builder(database_url):
            wait_for(
                "new indexes",
                lambda: list_parts(database_url) == others and not set(indexes) & set(list_indexes(database_url)),
            )
        assert caplog.text.count("division by zero") == 1
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        health = search_indexes.check_health(cursor)
        assert (health.age_seconds, health.recent_rows, health.error) == (None, ROWS, "text: division by zero")
        assert search_indexes.find_outdated(cursor) == ["text"]
        assert search_indexes.find_due(cursor) == []
        # The table was vacuumed and analysed nevertheless.
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'products'")
        assert cursor.fetchone() == (ROWS,)
        monkeypatch.undo()
        cursor.execute("UPDATE search_index_builds SET attempted_at = attempted_at - interval '1 minute'")
        assert search_indexes.find_due(cursor) == ["text"]
        connection.commit()
        assert search_indexes.build_indexes(database_url, ["text"])
        health = search_indexes.check_health(cursor)
        assert (health.recent_rows, health.error) == (0, None)
        assert health.age_seconds is not None and health.age_seconds >= 0
    assert list_parts(database_url) == PARTS


def test_the_delay_after_failed_builds_grows_to_an_hour(database_url: str) -> None:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        delays = []
        for _ in range(9):
            search_index_builds.record_start(cursor, "text")
            search_index_builds.record_failure(cursor, "text", "broken")
            for seconds in range(0, 2 * search_index_builds.MAX_DELAY_SECONDS, 30):
                cursor.execute(
                    "UPDATE search_index_builds SET attempted_at = clock_timestamp() - make_interval(secs => %s)",
                    (seconds + 1,),
                )
                if not search_index_builds.find_backing_off(cursor):
                    delays.append(seconds)
                    break
        assert delays == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
        search_index_builds.record_start(cursor, "text")
        search_index_builds.record_success(cursor, "text")
        assert search_index_builds.find_backing_off(cursor) == set()


def test_a_build_that_took_its_worker_down_is_not_repeated_at_once(database_url: str) -> None:
    create_products(database_url)
    with open_transaction(database_url), ThreadPoolExecutor(1) as threads:
        build = threads.submit(search_indexes.build_indexes, database_url)
        (pid,) = wait_for("a build that waits for the transaction", lambda: find_builds(database_url))
        execute(database_url, "SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(psycopg2.OperationalError):
            build.result()
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        outdated, due = search_indexes.find_outdated(cursor), search_indexes.find_due(cursor)
        assert set(outdated) - set(due) == {search_indexes.KINDS[0]}


def test_searches_use_the_old_index_of_each_kind_until_the_new_one_is_complete(database_url: str) -> None:
    create_products(database_url, 500)
    assert search_indexes.build_indexes(database_url)

    old = find_generations(database_url)
    assert set(old) == set(search_indexes.KINDS)
    # Half of the name index of a newer generation, as a killed build leaves it.
    part = search_indexes.SEARCH_INDEXES["name"][0]
    (generation,) = old["name"]
    unfinished = search_indexes.index_name(part, replace(generation, until=generation.until + timedelta(hours=1)))
    execute(database_url, f"CREATE INDEX {unfinished} ON products {part.definition} WHERE {part.condition}")
    assert find_generations(database_url) == old
    assert search_indexes.build_indexes(database_url, ["text"])
    new = find_generations(database_url)
    assert new.pop("text")[-1].until > old.pop("text")[-1].until
    assert new == old
    assert list_parts(database_url) == PARTS


def test_indexes_of_an_earlier_version_are_replaced(database_url: str) -> None:
    create_products(database_url)
    earlier = "products_search_{}_1700000000000000"
    execute(database_url, "CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for kind, definition in {"name": '(lower(name) COLLATE "C"), id) INCLUDE (name', "odd": "active"}.items():
        execute(database_url, f"CREATE INDEX {earlier.format(kind)} ON products ({definition}) WHERE id < 5")
    with running_builder(database_url):
        wait_for("the indexes", lambda: list_parts(database_url) == PARTS)
    assert not any("1700000000000000" in name for name in list_indexes(database_url))


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
    wait_for("the indexes", lambda: list_parts(database_url) == PARTS and not find_builds(database_url))
    assert find_skus(database_url, Filter(q="lamp 4711")) == (["k-4711"], 1)


def test_the_builder_waits_for_running_imports(database_url: str, runner: ImportRunner) -> None:
    create_products(database_url)
    task_id = create_job(runner, b"sku\n1\n")
    with running_builder(database_url):
        wait_for("a check for imports", lambda: is_idle_after(database_url, FIND_RUNNING_IMPORT_SQL))
        assert list_indexes(database_url) == []
        execute(database_url, "UPDATE import_jobs SET status = 'failed' WHERE task_id = %s", (task_id,))
        wait_for("the indexes", lambda: list_parts(database_url) == PARTS)


def test_the_builder_waits_for_imports_only_for_a_while(
    database_url: str, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_products(database_url)
    create_job(runner, b"sku\n1\n")
    monkeypatch.setattr(search_index_builder, "MAX_IMPORT_WAIT_SECONDS", 0)
    with running_builder(database_url):
        wait_for("the indexes", lambda: list_parts(database_url) == PARTS)


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
        wait_for("the indexes", lambda: list_parts(database_url) == PARTS, SOON_SECONDS)


def test_behind_a_pooler_the_builder_checks_without_notifications(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index_builder, "CHECK_SECONDS", 0.1)
    with running_builder(database_url, pooled=True):
        wait_for("the first check", lambda: is_idle_after(database_url, "recent"))
        create_products(database_url)
        wait_for("the indexes", lambda: list_parts(database_url) == PARTS)


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
