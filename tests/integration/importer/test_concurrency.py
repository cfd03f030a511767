"""Imports beside other imports and beside other clients: nobody deadlocks, nobody waits long, no row is lost."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

import config
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.jobs import create_job, create_runner, delay_slices, read_job, read_products
from support.waiting import wait_for

ROWS = 40_000
COUNTS = ("created_count", "updated_count", "unchanged_count", "duplicate_count", "rejected_count")
Rows = dict[str, tuple[str, str]]


@pytest.fixture
def runner(settings: config.Settings) -> ImportRunner:
    """One whose slices are so small that two imports meet often."""
    return create_runner(settings, chunk_rows=500, slice_rows=200)


def rows(start: int, stop: int, mark: str) -> Rows:
    return {f"SKU-{number:06}": (f"name {number} {mark}", mark) for number in range(start, stop)}


def as_file(products: Rows, seed: int) -> bytes:
    lines = [f"{sku},{name},{description}" for sku, (name, description) in products.items()]
    random.Random(seed).shuffle(lines)
    return "\n".join(["sku,name,description", *lines]).encode()


class Together:
    """Threads that run at the same time; their errors are raised when the block ends."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []

    def run(self, work: Callable[..., Any], *arguments: Any) -> threading.Thread:
        def attempt() -> None:
            try:
                work(*arguments)
            except BaseException as error:
                self.failures.append(error)

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    def __enter__(self) -> Together:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive()
        if self.failures and kind is None:
            raise self.failures[0]


def completed(runner: ImportRunner, task_id: str) -> dict[str, Any]:
    """The row of an import that has to be completed, with counts that add up."""
    row = read_job(runner.database_url, task_id)
    assert row["status"] == "completed", row["error_message"]
    assert row["processed_records"] == row["total_records"] == sum(row[name] for name in COUNTS)
    return row


@contextlib.contextmanager
def connected(url: str, *, autocommit: bool = True) -> Iterator[Any]:
    """A cursor as a client of the API would have one: it waits for nothing longer than 15 s."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = autocommit
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '15s'")
            yield cursor
            if not autocommit:
                connection.commit()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_overlapping_files_at_the_same_time(runner: ImportRunner, seed: int) -> None:
    common = rows(0, ROWS // 4, "before")
    execute(
        runner.database_url,
        "INSERT INTO products (sku, name, description) SELECT * FROM unnest(%s, %s, %s)",
        (list(common), *map(list, zip(*common.values(), strict=True))),
    )
    # The second one cuts its slices elsewhere.
    runners = [runner, create_runner_like(runner, slice_rows=331)]
    files = [rows(0, ROWS * 2 // 3, "first"), rows(ROWS // 8, ROWS, "second")]
    tasks = [create_job(runner, as_file(products, seed)) for products in files]
    with Together() as together:
        for which, task_id in zip(runners, tasks, strict=True):
            together.run(which.run, task_id)
    found = read_products(runner.database_url)
    assert [product[0] for product in found] == sorted(files[0] | files[1])
    for sku, name, description, active in found:
        assert (name, description) in {products[sku] for products in files if sku in products}
        assert active
    jobs = [completed(runner, task_id) for task_id in tasks]
    assert sum(job["created_count"] for job in jobs) == ROWS - len(common)
    assert [job["total_records"] for job in jobs] == [len(products) for products in files]


def create_runner_like(runner: ImportRunner, **changes: Any) -> ImportRunner:
    return ImportRunner(**{**vars(runner), **changes})


def test_the_same_file_twice_at_the_same_time(runner: ImportRunner) -> None:
    products = rows(0, ROWS, "one")
    tasks = [create_job(runner, as_file(products, seed)) for seed in (1, 2)]
    with Together() as together:
        for task_id in tasks:
            together.run(runner.run, task_id)
    jobs = [completed(runner, task_id) for task_id in tasks]
    assert sum(job["created_count"] for job in jobs) == ROWS == sum(job["unchanged_count"] for job in jobs)
    assert len(read_products(runner.database_url)) == ROWS


def test_the_same_import_by_several_workers_at_once_runs_once(runner: ImportRunner) -> None:
    task_id = create_job(runner, as_file(rows(0, ROWS, "one"), 1))
    with Together() as together:
        for _ in range(4):
            together.run(runner.run, task_id)
    job = completed(runner, task_id)
    assert (job["created_count"], job["unchanged_count"]) == (ROWS, 0)


@pytest.mark.parametrize("seed", [1, 2])
def test_clients_write_products_of_the_file_meanwhile(runner: ImportRunner, seed: int) -> None:
    url = runner.database_url
    products = rows(0, ROWS, "file")
    execute(
        url,
        "INSERT INTO products (sku) SELECT format('SKU-%%s', lpad(i::text, 6, '0')) FROM generate_series(0, %s, 2) i",
        [ROWS - 1],
    )
    delay_slices(url, 0.01)
    task_id = create_job(runner, as_file(products, seed))
    over = threading.Event()
    done = {"created": 0, "changed": 0, "renamed": 0, "deleted": 0, "refused": 0}
    deleted: set[str] = set()
    moved: set[str] = set()

    def client(number: int) -> None:
        choice = random.Random(seed * 100 + number)
        # Each client has SKUs of its own, so that what becomes of them is known.
        mine = [f"SKU-{key:06}" for key in range(number, ROWS, 4)]
        with connected(url) as cursor:
            while not over.is_set():
                sku, what = choice.choice(mine), choice.choice(list(done)[:4])
                try:
                    if what == "created":
                        cursor.execute("INSERT INTO products (sku, name) VALUES (%s, 'client')", [sku])
                    elif what == "changed":
                        cursor.execute("UPDATE products SET name = 'client' WHERE lower(sku) = lower(%s)", [sku])
                    elif what == "deleted":
                        cursor.execute("DELETE FROM products WHERE lower(sku) = lower(%s)", [sku])
                        deleted.add(sku)
                    else:
                        # Away from the file's keys or to another one of them, which may exist.
                        target = choice.choice([f"{sku}-moved", choice.choice(mine)])
                        cursor.execute("UPDATE products SET sku = %s WHERE lower(sku) = lower(%s)", [target, sku])
                        moved.update({sku, target})
                    done[what] += cursor.rowcount
                except errors.UniqueViolation:
                    done["refused"] += 1
                except errors.DeadlockDetected:
                    # The API tries again then; a client of it never sees this.
                    done["refused"] += 1
                time.sleep(0.001)

    with Together() as together:
        for number in range(4):
            together.run(client, number)
        try:
            runner.run(task_id)
        finally:
            over.set()
    completed(runner, task_id)
    assert all(done[what] for what in ("created", "changed", "renamed", "deleted")), done
    found = {product[0]: product[1] for product in read_products(url)}
    for sku, (name, _) in products.items():
        if sku not in deleted | moved:
            assert found[sku] in {name, "client"}
    assert set(found) - set(products) <= moved
    # Once the clients are quiet, another import leaves exactly the file.
    again = create_job(runner, as_file(products, seed))
    delay_slices(url, 0)
    runner.run(again)
    completed(runner, again)
    assert [product for product in read_products(url) if product[0] in products] == [
        (sku, *texts, True) for sku, texts in products.items()
    ]


def test_an_import_waits_for_a_row_that_a_client_holds_and_takes_it_then(runner: ImportRunner) -> None:
    url = runner.database_url
    products = rows(0, ROWS, "file")
    sku = f"SKU-{ROWS // 2:06}"
    execute(url, "INSERT INTO products (sku, name) VALUES (%s, 'before')", [sku])
    task_id = create_job(runner, as_file(products, 1))
    with Together() as together, connected(url, autocommit=False) as cursor:
        cursor.execute("UPDATE products SET name = 'client' WHERE sku = %s", [sku])
        # A product that the file has too, not yet committed.
        cursor.execute("INSERT INTO products (sku) VALUES (%s)", [f"SKU-{ROWS // 2 + 1:06}"])
        together.run(runner.run, task_id)
        time.sleep(2)
    job = completed(runner, task_id)
    assert (job["created_count"], job["updated_count"]) == (ROWS - 2, 2)
    assert [product[:3] for product in read_products(url)] == [(sku, *texts) for sku, texts in products.items()]


def test_readers_and_writers_of_other_products_do_not_wait_for_an_import(runner: ImportRunner) -> None:
    url = runner.database_url
    execute(url, "INSERT INTO products (sku) SELECT 'other-' || i FROM generate_series(1, 100) i")
    delay_slices(url, 0.02)
    task_id = create_job(runner, as_file(rows(0, ROWS, "file"), 1))
    with Together() as together, connected(url) as cursor:
        thread = together.run(runner.run, task_id)
        wait_for("writing", lambda: read_job(url, task_id)["rows_written"])
        cursor.execute("SET statement_timeout = '2s'")
        rounds = 0
        while thread.is_alive():
            cursor.execute("SELECT count(*) FROM products")
            cursor.execute("UPDATE products SET name = 'client' WHERE sku = %s", [f"other-{rounds % 100 + 1}"])
            cursor.execute("INSERT INTO products (sku) VALUES (%s)", [f"new-{rounds}"])
            cursor.execute("DELETE FROM products WHERE sku = %s", [f"new-{rounds}"])
            rounds += 1
            time.sleep(0.01)
    assert rounds > 10
    completed(runner, task_id)
    assert len(read_products(url)) == ROWS + 100
