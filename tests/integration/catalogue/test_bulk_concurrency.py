"""Bulk changes beside imports, readers and other writers: nothing is lost, and nobody waits forever."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

import config
from catalogue import bulk
from database import advisory_locks
from importer.pipeline.runner import ImportRunner
from support.bulk import ALL_PRODUCTS, change, create_products, is_waiting_for_lock, open_transaction, read_active
from support.database import execute
from support.jobs import create_job, create_runner, delay_slices, read_job, read_products
from support.waiting import wait_for

# How the statement begins that deletes row by row.
DELETE_ALL = "DELETE FROM products"
SHARE_CATALOGUE = "SELECT pg_advisory_xact_lock_shared("
WAIT_FOR_CATALOGUE = "SELECT pg_advisory_xact_lock("
RESULT_SECONDS = 120
CREATE_JOB = (
    "INSERT INTO import_jobs (task_id, filename, stored_name, file_size)"
    " VALUES (gen_random_uuid(), 'late.csv', 'late', 1)"
)


def run_together(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls at the same time and return what each of them returned."""
    with ThreadPoolExecutor(len(calls)) as threads:
        running = [threads.submit(call) for call in calls]
        return [call.result(RESULT_SECONDS) for call in running]


@pytest.fixture
def slow_runner(settings: config.Settings) -> ImportRunner:
    """A runner with small slices, each of which takes 0.2 s."""
    runner = create_runner(settings, slice_rows=50)
    delay_slices(runner.database_url, 0.2)
    return runner


def make_file(count: int) -> bytes:
    lines = [f"P-{number},imported {number}" for number in range(count)]
    return "\n".join(["sku,name", *lines]).encode()


# Beside imports.


def test_deleting_all_products_is_refused_while_an_import_waits_or_runs(
    client: FlaskClient, database_url: str, slow_runner: ImportRunner
) -> None:
    def check_refused() -> None:
        started = time.monotonic()
        for answer in (
            client.delete("/api/products/bulk-delete"),
            client.post("/api/products/bulk", json={"action": "delete", **ALL_PRODUCTS}),
        ):
            assert (answer.status_code, answer.get_json()["code"]) == (409, "import_running")
            assert "autumn & “co”.csv" in answer.get_json()["error"]
        assert time.monotonic() - started < 1

    task_id = create_job(slow_runner, make_file(500), "autumn & “co”.csv")
    check_refused()
    with ThreadPoolExecutor(1) as threads:
        importing = threads.submit(slow_runner.run, task_id)
        wait_for("the first slice", lambda: read_job(database_url, task_id)["rows_written"])
        for _ in range(5):
            check_refused()
        importing.result(RESULT_SECONDS)
    assert read_job(database_url, task_id)["status"] == "completed"
    assert change(client, "delete", **ALL_PRODUCTS)["count"] == 500


def test_an_import_that_starts_while_all_products_are_deleted_writes_the_whole_file_afterwards(
    app: Flask, database_url: str, runner: ImportRunner
) -> None:
    create_products(database_url, 300)
    execute(database_url, "UPDATE products SET name = 'imported ' || split_part(sku, '-', 2)")
    with ThreadPoolExecutor(2) as threads:
        with open_transaction(database_url) as cursor:
            # The deletion waits for this row, and holds the lock on the catalogue meanwhile.
            cursor.execute("UPDATE products SET description = 'mine' WHERE sku = 'P-7'")
            deleting = threads.submit(lambda: app.test_client().delete("/api/products/bulk-delete"))
            wait_for("the deletion, row by row", lambda: is_waiting_for_lock(database_url, DELETE_ALL))
            # The upload and the worker's writes to the job do not wait.
            task_id = create_job(runner, make_file(300))
            importing = threads.submit(runner.run, task_id)
            wait_for("the first slice", lambda: is_waiting_for_lock(database_url, SHARE_CATALOGUE))
            job = read_job(database_url, task_id)
            assert (job["phase"], job["rows_read"], job["rows_written"]) == ("writing", 300, 0)
        answer = deleting.result(RESULT_SECONDS)
        assert (answer.status_code, answer.get_json()["count"]) == (200, 300)
        importing.result(RESULT_SECONDS)
    # The import found no old product that it could have counted as unchanged.
    assert read_job(database_url, task_id)["created_count"] == 300
    assert len(read_products(database_url)) == 300


def test_deleting_all_products_is_refused_if_an_import_starts_while_it_waits_for_the_catalogue(
    app: Flask, database_url: str
) -> None:
    create_products(database_url, 10)
    with ThreadPoolExecutor(1) as threads:
        with open_transaction(database_url) as import_slice:
            advisory_locks.share(import_slice, advisory_locks.CATALOGUE_KEY)
            deleting = threads.submit(lambda: app.test_client().delete("/api/products/bulk-delete"))
            wait_for("the deletion", lambda: is_waiting_for_lock(database_url, WAIT_FOR_CATALOGUE))
            execute(database_url, CREATE_JOB)
        answer = deleting.result(RESULT_SECONDS)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "import_running")
    assert "late.csv" in answer.get_json()["error"]
    assert len(read_products(database_url)) == 10


@pytest.mark.parametrize(("import_starts", "code"), [(False, "busy"), (True, "import_running")])
def test_deleting_all_products_does_not_wait_forever_for_the_catalogue(
    app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch, import_starts: bool, code: str
) -> None:
    monkeypatch.setattr(bulk, "LOCK_WAIT_SECONDS", 1)
    create_products(database_url, 10)
    with ThreadPoolExecutor(1) as threads, open_transaction(database_url) as import_slice:
        advisory_locks.share(import_slice, advisory_locks.CATALOGUE_KEY)
        deleting = threads.submit(lambda: app.test_client().delete("/api/products/bulk-delete"))
        wait_for("the deletion", lambda: is_waiting_for_lock(database_url, WAIT_FOR_CATALOGUE))
        if import_starts:
            execute(database_url, CREATE_JOB)
        assert deleting.result(RESULT_SECONDS).get_json()["code"] == code
    assert len(read_products(database_url)) == 10


def test_deleting_all_products_does_not_wait_forever_for_one_product_after_the_other(
    client: FlaskClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "DELETE_ALL_SECONDS", 1)
    create_products(database_url, 10)
    with open_transaction(database_url) as cursor:
        cursor.execute("UPDATE products SET description = 'mine' WHERE sku = 'P-7'")
        answer = client.delete("/api/products/bulk-delete")
        assert (answer.status_code, answer.get_json()["code"]) == (503, "query_timeout")
        assert int(answer.headers["Retry-After"]) > 0
    assert len(read_products(database_url)) == 10


def test_deactivating_all_products_beside_an_import_loses_no_change(
    app: Flask, database_url: str, slow_runner: ImportRunner
) -> None:
    create_products(database_url, 1000)
    execute(database_url, "UPDATE products SET active = true")
    task_id = create_job(slow_runner, make_file(1000))
    with ThreadPoolExecutor(1) as threads:
        importing = threads.submit(slow_runner.run, task_id)
        wait_for("the first slice", lambda: read_job(database_url, task_id)["rows_written"])
        counts = run_together(
            *[lambda: change(app.test_client(), "deactivate", **ALL_PRODUCTS)["count"] for _ in range(3)]
        )
        assert sum(counts) == 1000
        importing.result(RESULT_SECONDS)
    assert read_job(database_url, task_id)["updated_count"] == 1000
    # The file has no column `active`, so the product keeps what the bulk call set and what the import wrote.
    assert all((name, active) == (f"imported {sku[2:]}", False) for sku, name, _, active in read_products(database_url))


# Beside other clients.


def test_bulk_calls_that_lock_the_same_products_all_succeed(app: Flask, database_url: str) -> None:
    ids = create_products(database_url, 400)

    def make_calls(number: int) -> None:
        client = app.test_client()
        ordered_ids = ids[:: 1 if number % 2 else -1]
        for action in ["activate", "deactivate"] * 10:
            change(client, action, ids=ordered_ids)

    run_together(*[lambda number=number: make_calls(number) for number in range(4)])
    assert set(read_active(database_url).values()) == {False}


def test_of_several_calls_that_delete_all_products_one_deletes_them(app: Flask, database_url: str) -> None:
    create_products(database_url, 5000)
    answers = run_together(*[lambda: app.test_client().delete("/api/products/bulk-delete") for _ in range(3)])
    assert [answer.status_code for answer in answers] == [200] * 3
    assert sorted(answer.get_json()["count"] for answer in answers) == [0, 0, 5000]


def test_readers_go_on_while_the_deletion_of_all_products_waits_for_a_writer(app: Flask, database_url: str) -> None:
    create_products(database_url, 10)
    with ThreadPoolExecutor(1) as threads:
        with open_transaction(database_url) as cursor:
            cursor.execute("UPDATE products SET name = 'mine' WHERE sku = 'P-3'")
            deleting = threads.submit(lambda: app.test_client().delete("/api/products/bulk-delete"))
            wait_for("the deletion, row by row", lambda: is_waiting_for_lock(database_url, DELETE_ALL))
            assert app.test_client().get("/api/products").get_json()["pagination"]["total"] == 10
        assert deleting.result(RESULT_SECONDS).get_json()["count"] == 10
    assert read_products(database_url) == []


def test_a_change_of_a_product_that_is_deleted_meanwhile_gets_404(app: Flask, database_url: str) -> None:
    ids = create_products(database_url, 10)
    with ThreadPoolExecutor(1) as threads:
        with open_transaction(database_url) as cursor:
            cursor.execute("LOCK TABLE products IN EXCLUSIVE MODE")
            cursor.execute("DELETE FROM products")
            changing = threads.submit(lambda: app.test_client().put(f"/api/products/{ids[0]}", json={"name": "x"}))
            wait_for("the change", lambda: is_waiting_for_lock(database_url, "SELECT products"))
        assert changing.result(RESULT_SECONDS).status_code == 404


@pytest.mark.parametrize(
    "statement", ["SELECT count(*) FROM products", "LOCK TABLE products IN SHARE UPDATE EXCLUSIVE MODE"]
)
def test_deleting_all_products_does_not_wait_for_readers_or_vacuum(
    client: FlaskClient, database_url: str, statement: str
) -> None:
    create_products(database_url, 1000)
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        connection.set_session(isolation_level="REPEATABLE READ")
        cursor.execute(statement)
        cursor.execute("SELECT count(*) FROM products")
        started = time.monotonic()
        assert change(client, "delete", **ALL_PRODUCTS)["count"] == 1000
        assert time.monotonic() - started < 1
        assert client.get("/api/products").get_json()["pagination"]["total"] == 0
        # The reader keeps its snapshot.
        cursor.execute("SELECT count(*) FROM products")
        assert cursor.fetchone() == (1000,)
