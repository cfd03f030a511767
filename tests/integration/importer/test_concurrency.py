"""Imports next to other imports and to clients: no deadlock, no long wait, no lost row."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

import config
from importer.pipeline.runner import ImportRunner
from support.bulk import is_waiting_for_lock
from support.database import execute
from support.jobs import create_job, create_runner, delay_slices, read_job, read_products, stop_delaying_slices
from support.threads import Threads
from support.waiting import wait_for

ROWS = 16_000
COUNTS = ("created_count", "updated_count", "unchanged_count", "duplicate_count", "rejected_count")
# Name and description by SKU.
Products = dict[str, tuple[str, str]]


@pytest.fixture
def runner(settings: config.Settings) -> ImportRunner:
    """A runner with such small slices that two imports meet often."""
    return create_runner(settings, chunk_rows=500, slice_rows=200)


def make_products(start: int, stop: int, mark: str) -> Products:
    return {f"SKU-{number:06}": (f"name {number} {mark}", mark) for number in range(start, stop)}


def make_file(products: Products, seed: int) -> bytes:
    """Return a file with the products in random order."""
    lines = [f"{sku},{name},{description}" for sku, (name, description) in products.items()]
    random.Random(seed).shuffle(lines)
    return "\n".join(["sku,name,description", *lines]).encode()


def read_completed_import(runner: ImportRunner, task_id: str) -> dict[str, Any]:
    """Return the row of an import, which must be completed and have counts that add up."""
    row = read_job(runner.database_url, task_id)
    assert row["status"] == "completed", row["error_message"]
    assert row["processed_records"] == row["total_records"] == sum(row[name] for name in COUNTS)
    return row


@contextlib.contextmanager
def client_cursor(url: str, *, autocommit: bool = True) -> Iterator[Any]:
    """Yield a cursor like that of an API client, whose statements may take at most 15 s."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = autocommit
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '15s'")
            yield cursor
            if not autocommit:
                connection.commit()


@pytest.mark.thorough("2", "3")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_overlapping_files_are_imported_at_the_same_time(runner: ImportRunner, seed: int) -> None:
    common = make_products(0, ROWS // 4, "before")
    execute(
        runner.database_url,
        "INSERT INTO products (sku, name, description) SELECT * FROM unnest(%s, %s, %s)",
        (list(common), *map(list, zip(*common.values(), strict=True))),
    )
    # Another slice size, so the slices of both imports overlap.
    runners = [runner, replace(runner, slice_rows=331)]
    files = [make_products(0, ROWS * 2 // 3, "first"), make_products(ROWS // 8, ROWS, "second")]
    task_ids = [create_job(runner, make_file(products, seed)) for products in files]
    with Threads() as threads:
        for one_runner, task_id in zip(runners, task_ids, strict=True):
            threads.start(one_runner.run, task_id)
    imported = read_products(runner.database_url)
    assert [sku for sku, *_ in imported] == sorted(files[0] | files[1])
    for sku, name, description, active in imported:
        assert (name, description) in {products[sku] for products in files if sku in products}
        assert active
    jobs = [read_completed_import(runner, task_id) for task_id in task_ids]
    assert sum(job["created_count"] for job in jobs) == ROWS - len(common)
    assert [job["total_records"] for job in jobs] == [len(products) for products in files]


def test_the_same_file_is_imported_twice_at_the_same_time(runner: ImportRunner) -> None:
    products = make_products(0, ROWS, "one")
    task_ids = [create_job(runner, make_file(products, seed)) for seed in (1, 2)]
    with Threads() as threads:
        for task_id in task_ids:
            threads.start(runner.run, task_id)
    jobs = [read_completed_import(runner, task_id) for task_id in task_ids]
    assert sum(job["created_count"] for job in jobs) == ROWS == sum(job["unchanged_count"] for job in jobs)
    assert len(read_products(runner.database_url)) == ROWS


def test_only_one_of_several_workers_runs_an_import(runner: ImportRunner) -> None:
    task_id = create_job(runner, make_file(make_products(0, ROWS, "one"), 1))
    with Threads() as threads:
        for _ in range(4):
            threads.start(runner.run, task_id)
    job = read_completed_import(runner, task_id)
    assert (job["created_count"], job["unchanged_count"]) == (ROWS, 0)


@pytest.mark.thorough("2")
@pytest.mark.parametrize("seed", [1, 2])
def test_clients_write_products_of_the_file_at_the_same_time(runner: ImportRunner, seed: int) -> None:
    url = runner.database_url
    products = make_products(0, ROWS, "file")
    execute(
        url,
        "INSERT INTO products (sku) SELECT format('SKU-%%s', lpad(i::text, 6, '0')) FROM generate_series(0, %s, 2) i",
        [ROWS - 1],
    )
    delay_slices(url, 0.01)
    task_id = create_job(runner, make_file(products, seed))
    import_has_ended = threading.Event()
    write_counts = {"create": 0, "update": 0, "rename": 0, "delete": 0, "refused": 0}
    deleted_skus: set[str] = set()
    renamed_skus: set[str] = set()

    def write_products(client: int) -> None:
        choices = random.Random(seed * 100 + client)
        # Each client has SKUs of its own, so their final state is known.
        own_skus = [f"SKU-{number:06}" for number in range(client, ROWS, 4)]
        with client_cursor(url) as cursor:
            while not import_has_ended.wait(0.001):
                sku, action = choices.choice(own_skus), choices.choice(["create", "update", "rename", "delete"])
                try:
                    if action == "create":
                        cursor.execute("INSERT INTO products (sku, name) VALUES (%s, 'client')", [sku])
                    elif action == "update":
                        cursor.execute("UPDATE products SET name = 'client' WHERE lower(sku) = lower(%s)", [sku])
                    elif action == "delete":
                        cursor.execute("DELETE FROM products WHERE lower(sku) = lower(%s)", [sku])
                        deleted_skus.add(sku)
                    else:
                        # To a SKU that the file does not have, or to another one of its SKUs, which may exist.
                        new_sku = choices.choice([f"{sku}-renamed", choices.choice(own_skus)])
                        cursor.execute("UPDATE products SET sku = %s WHERE lower(sku) = lower(%s)", [new_sku, sku])
                        renamed_skus.update({sku, new_sku})
                    write_counts[action] += cursor.rowcount
                except (errors.UniqueViolation, errors.DeadlockDetected):
                    # After a deadlock the API repeats its transaction, so its clients never see one.
                    write_counts["refused"] += 1

    with Threads() as threads:
        for client in range(4):
            threads.start(write_products, client)
        try:
            runner.run(task_id)
        finally:
            import_has_ended.set()
    read_completed_import(runner, task_id)
    assert all(write_counts[action] for action in ("create", "update", "rename", "delete")), write_counts
    names = {sku: name for sku, name, _, _ in read_products(url)}
    for sku, (name, _) in products.items():
        if sku not in deleted_skus | renamed_skus:
            assert names[sku] in {name, "client"}
    assert set(names) - set(products) <= renamed_skus
    # When the clients have stopped, another import leaves exactly the products of the file.
    second_task_id = create_job(runner, make_file(products, seed))
    stop_delaying_slices(url)
    runner.run(second_task_id)
    read_completed_import(runner, second_task_id)
    assert [product for product in read_products(url) if product[0] in products] == [
        (sku, *texts, True) for sku, texts in products.items()
    ]


def test_an_import_waits_for_products_that_a_client_has_locked(runner: ImportRunner) -> None:
    url = runner.database_url
    products = make_products(0, ROWS, "file")
    locked_sku, uncommitted_sku = f"SKU-{ROWS // 2:06}", f"SKU-{ROWS // 2 + 1:06}"
    execute(url, "INSERT INTO products (sku, name) VALUES (%s, 'before')", [locked_sku])
    task_id = create_job(runner, make_file(products, 1))
    with Threads() as threads, client_cursor(url, autocommit=False) as cursor:
        cursor.execute("UPDATE products SET name = 'client' WHERE sku = %s", [locked_sku])
        cursor.execute("INSERT INTO products (sku) VALUES (%s)", [uncommitted_sku])
        threads.start(runner.run, task_id)
        wait_for("the import waits for the client", lambda: is_waiting_for_lock(url, "WITH write_time"))
    job = read_completed_import(runner, task_id)
    assert (job["created_count"], job["updated_count"]) == (ROWS - 2, 2)
    assert [product[:3] for product in read_products(url)] == [(sku, *texts) for sku, texts in products.items()]


def test_an_import_fails_if_clients_keep_its_products_locked(
    runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = runner.database_url
    monkeypatch.setattr("importer.pipeline.transactions.MAX_ATTEMPTS", 2)
    monkeypatch.setattr("database.connect.LIMIT_WAITS_SQL", "SET LOCAL lock_timeout = '100ms'")
    execute(url, "INSERT INTO products (sku) VALUES ('a')")
    task_id = create_job(runner, b"sku,name\na,new\n")
    with client_cursor(url, autocommit=False) as cursor:
        cursor.execute("SELECT FROM products FOR UPDATE")
        runner.run(task_id)
    job = read_job(url, task_id)
    assert (job["status"], job["error_message"]) == (
        "failed",
        "Another client held a lock that the job needs for more than 10 seconds."
        " What was written before stays. Retry the import to write the rest.",
    )


def test_clients_of_other_products_do_not_wait_for_an_import(runner: ImportRunner) -> None:
    url = runner.database_url
    execute(url, "INSERT INTO products (sku) SELECT 'other-' || i FROM generate_series(1, 100) i")
    delay_slices(url, 0.02)
    task_id = create_job(runner, make_file(make_products(0, ROWS, "file"), 1))
    with Threads() as threads, client_cursor(url) as cursor:
        worker = threads.start(runner.run, task_id)
        wait_for("the first slice is written", lambda: read_job(url, task_id)["rows_written"])
        cursor.execute("SET statement_timeout = '2s'")
        rounds = 0
        while worker.is_alive():
            cursor.execute("SELECT count(*) FROM products")
            cursor.execute("UPDATE products SET name = 'client' WHERE sku = %s", [f"other-{rounds % 100 + 1}"])
            cursor.execute("INSERT INTO products (sku) VALUES (%s)", [f"new-{rounds}"])
            cursor.execute("DELETE FROM products WHERE sku = %s", [f"new-{rounds}"])
            rounds += 1
            worker.join(0.01)
    assert rounds > 10
    read_completed_import(runner, task_id)
    assert len(read_products(url)) == ROWS + 100


def test_an_edit_between_the_comparison_and_the_write_is_compared_again(runner: ImportRunner) -> None:
    """On servers before 15.15, 16.11, 17.7 and 18.1, an update by physical address follows a product that has moved."""
    url = runner.database_url
    execute(url, "INSERT INTO products (sku, name, description) VALUES ('a', 'before', 'before'), ('b', '', '')")
    task_id = create_job(runner, b"sku,name\na,from the file\nb,from the file\n")
    with Threads() as threads, client_cursor(url, autocommit=False) as cursor:
        cursor.execute(
            "UPDATE products SET name = 'edited', description = 'edited', updated_at = clock_timestamp()"
            " WHERE sku = 'a'"
        )
        threads.start(runner.run, task_id)
        wait_for("the import waits for the edit", lambda: is_waiting_for_lock(url, "WITH write_time"))
    job = read_completed_import(runner, task_id)
    assert job["updated_count"] == 2
    assert read_products(url) == [("a", "from the file", "edited", True), ("b", "from the file", "", True)]
    # An undo restores what the edit wrote, not what the first comparison saw.
    assert execute(url, "SELECT updated, names FROM import_changes") == [([1, 2], ["edited", ""])]


def test_an_edit_to_the_value_of_the_file_is_not_written_again(runner: ImportRunner) -> None:
    url = runner.database_url
    execute(url, "INSERT INTO products (sku, name) VALUES ('a', 'before')")
    task_id = create_job(runner, b"sku,name\na,new\n")
    with Threads() as threads, client_cursor(url, autocommit=False) as cursor:
        cursor.execute("UPDATE products SET name = 'new', updated_at = clock_timestamp() RETURNING updated_at")
        ((edited_at,),) = cursor.fetchall()
        threads.start(runner.run, task_id)
        wait_for("the import waits for the edit", lambda: is_waiting_for_lock(url, "WITH write_time"))
    job = read_completed_import(runner, task_id)
    assert (job["updated_count"], job["unchanged_count"]) == (0, 1)
    assert execute(url, "SELECT updated_at FROM products") == [(edited_at,)]
