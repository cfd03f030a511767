"""Bulk changes beside imports, readers and other writers: nothing is lost, and nobody waits forever."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

import config
from database import advisory_locks
from importer.pipeline.runner import ImportRunner
from support.bulk import ALL_PRODUCTS, change, create_products, is_waiting_for_lock, open_transaction, read_active
from support.database import execute
from support.jobs import create_job, create_runner, delay_slices, read_job, read_products
from support.waiting import wait_for

# How the statement of a slice begins.
WRITE_SLICE = "WITH write_time"
RESULT_SECONDS = 120


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
        for answer in (
            client.delete("/api/products/bulk-delete"),
            client.post("/api/products/bulk", json={"action": "delete", **ALL_PRODUCTS}),
        ):
            assert (answer.status_code, answer.get_json()["code"]) == (409, "import_running")
            assert "autumn & “co”.csv" in answer.get_json()["error"]

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


def test_an_import_that_starts_while_all_products_are_deleted_slice_by_slice_completes(
    app: Flask, database_url: str, runner: ImportRunner
) -> None:
    create_products(database_url, 300)
    with ThreadPoolExecutor(2) as threads:
        with open_transaction(database_url) as cursor:
            # The deletion waits for this row.
            cursor.execute("UPDATE products SET description = 'mine' WHERE sku = 'P-7'")
            deleting = threads.submit(lambda: app.test_client().delete("/api/products/bulk-delete"))
            wait_for("the deletion, slice by slice", lambda: is_waiting_for_lock(database_url, WRITE_SLICE))
            task_id = create_job(runner, make_file(600))
            importing = threads.submit(runner.run, task_id)
            wait_for("the import has read its file", lambda: read_job(database_url, task_id)["rows_read"] == 600)
        answer = deleting.result(RESULT_SECONDS)
        importing.result(RESULT_SECONDS)
    assert (answer.status_code, answer.get_json()["count"]) == (200, 300)
    job = read_job(database_url, task_id)
    assert (job["status"], job["created_count"] + job["updated_count"]) == ("completed", 600)
    # The deletion found the old products only. If the import wrote one of these first, it was deleted afterwards.
    names = {sku: name for sku, name, _, _ in read_products(database_url)}
    assert set(names) >= {f"P-{number}" for number in range(300, 600)}
    assert len(names) == job["created_count"]
    assert all(name == f"imported {sku[2:]}" for sku, name in names.items())


def test_all_products_are_deleted_slice_by_slice_beside_other_writers_of_slices(
    client: FlaskClient, database_url: str
) -> None:
    create_products(database_url, 10)
    with open_transaction(database_url) as cursor:
        advisory_locks.share(cursor, advisory_locks.CATALOGUE_KEY)
        assert change(client, "delete", **ALL_PRODUCTS)["count"] == 10
    assert read_products(database_url) == []


def test_a_change_that_waits_for_another_client_answers_with_its_job_and_goes_on(
    app: Flask, client: FlaskClient, database_url: str
) -> None:
    create_products(database_url, 10)
    runs = app.extensions["bulk_runs"]
    runs.wait_seconds = 0.1
    with open_transaction(database_url) as cursor:
        cursor.execute("UPDATE products SET description = 'mine' WHERE sku = 'P-7'")
        for answer in (
            client.post("/api/products/bulk", json={"action": "activate", "filter": {"sku": "p-"}}),
            client.post("/api/products/bulk", json={"action": "delete", "ids": [8]}),
        ):
            assert (answer.status_code, answer.get_json()["count"]) == (202, 0)
        assert client.delete("/api/products/bulk-delete").get_json()["code"] == "import_running"
    runs.close()
    jobs = client.get("/api/imports").get_json()["imports"]
    assert {job["status"] for job in jobs} == {"completed"}
    assert "P-7" not in read_active(database_url)
    assert set(read_active(database_url).values()) == {True}


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
    done = [answer for answer in answers if answer.status_code == 200]
    assert sum(answer.get_json()["count"] for answer in done) == 5000
    refused = [answer.get_json() for answer in answers if answer.status_code != 200]
    assert {answer["code"] for answer in refused} <= {"import_running"}
    assert all("The bulk change “Delete all products” is not finished" in answer["error"] for answer in refused)
    assert read_products(database_url) == []


def test_readers_go_on_while_the_deletion_of_all_products_waits_for_a_writer(app: Flask, database_url: str) -> None:
    create_products(database_url, 10)
    with ThreadPoolExecutor(1) as threads:
        with open_transaction(database_url) as cursor:
            cursor.execute("UPDATE products SET name = 'mine' WHERE sku = 'P-3'")
            deleting = threads.submit(lambda: app.test_client().delete("/api/products/bulk-delete"))
            wait_for("the deletion, slice by slice", lambda: is_waiting_for_lock(database_url, WRITE_SLICE))
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
        assert change(client, "delete", **ALL_PRODUCTS)["count"] == 1000
        assert client.get("/api/products").get_json()["pagination"]["total"] == 0
        # The reader keeps its snapshot.
        cursor.execute("SELECT count(*) FROM products")
        assert cursor.fetchone() == (1000,)
