"""The deletion of all products: at once with a copy of the table, or slice by slice if the table is in use."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

import config
from importer.jobs import deleted_tables
from importer.jobs.cleanup import delete_expired_change_logs
from importer.jobs.retention import Retention
from importer.pipeline.run import StepKind
from importer.pipeline.runner import ImportRunner
from support.api import create_product, read_json
from support.bulk import (
    ALL_PRODUCTS,
    create_products,
    find_deleted_tables,
    open_transaction,
    read_rows,
    request_change,
    run_change,
)
from support.database import execute
from support.imports import (
    get_import,
    list_products,
    list_rejects,
    refused_action,
    request_action,
    run_job,
    upload_and_run,
)
from support.interruptions import ActAfterCommit
from support.jobs import create_runner

PRODUCTS = 60
NO_UNDO = Retention(preview_hours=1, retry_hours=1, undo_days=0)


class Killed(Exception):
    """Stands for the sudden end of a worker."""


def kill() -> None:
    raise Killed


@pytest.fixture
def small_slices(settings: config.Settings) -> ImportRunner:
    """A runner that takes several slices for a few products."""
    return create_runner(settings, slice_rows=10)


def delete_all(client: FlaskClient) -> str:
    """Delete all products and return the task id."""
    return str(read_json(client.delete("/api/products/bulk-delete"))["task_id"])


def undo(client: FlaskClient, runner: ImportRunner, task_id: str, **options: Any) -> Any:
    """Undo a job to the end and return the undo."""
    return run_job(client, runner, request_action(client, task_id, "undo", **options)["task_id"])


def test_the_products_are_kept_in_a_table_until_the_undo(
    client: FlaskClient, small_slices: ImportRunner, database_url: str
) -> None:
    create_products(database_url, PRODUCTS)
    versions = execute(database_url, "SELECT id, updated_at FROM products ORDER BY id")
    before = read_rows(database_url)
    task_id = delete_all(client)
    assert (read_rows(database_url), len(find_deleted_tables(database_url))) == ([], 1)
    page = list_products(client, task_id, "?change=deleted&per_page=10&page=2")
    assert page["pagination"]["total"] == PRODUCTS
    assert [row["sku"] for row in page["products"]] == [row["sku"] for row in before[10:20]]
    result = undo(client, small_slices, task_id)
    assert (result["total_records"], result["updated_count"], result["removed_count"]) == (PRODUCTS, PRODUCTS, 0)
    assert result["log"][-1]["message"].startswith("0 products removed, 60 restored")
    # They are the same versions, so an earlier import can still be undone.
    assert execute(database_url, "SELECT id, updated_at FROM products ORDER BY id") == versions
    assert read_rows(database_url) == before


def test_products_whose_sku_is_taken_are_left_alone_and_restored_later(
    client: FlaskClient, small_slices: ImportRunner, settings: config.Settings, database_url: str
) -> None:
    create_products(database_url, PRODUCTS)
    before = read_rows(database_url)
    task_id = delete_all(client)
    blockers = [create_product(client, sku)["id"] for sku in ("p-1", "P-30", "new")]
    # The worker is killed in the middle of the table; nothing is listed or restored twice.
    undo_id = request_action(client, task_id, "undo")["task_id"]
    observer = ActAfterCommit(StepKind.REVERSE_ENTRY, 4, kill)
    interrupted = create_runner(settings, slice_rows=10, observer=observer)
    with pytest.raises(Killed):
        interrupted.run(undo_id)
    first = run_job(client, small_slices, undo_id)
    assert (first["status"], first["processed_records"]) == ("completed", PRODUCTS)
    assert (first["updated_count"], first["rejected_count"], first["unchanged_count"]) == (PRODUCTS - 2, 2, 0)
    assert [(reject["code"], reject["row"]) for reject in list_rejects(client, undo_id)] == [
        ("sku_taken", "P-1"),
        ("sku_taken", "P-30"),
    ]
    assert get_import(client, task_id)["left_alone_count"] == 2
    for product_id in blockers:
        read_json(client.delete(f"/api/products/{product_id}"))
    second = undo(client, small_slices, task_id)
    assert (second["total_records"], second["updated_count"], second["rejected_count"]) == (2, 2, 0)
    assert read_rows(database_url) == before
    assert refused_action(client, task_id, "undo")["code"] == "not_undoable"


def test_an_undo_that_would_leave_most_products_alone_is_refused(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    create_products(database_url, 10)
    task_id = delete_all(client)
    upload_and_run(client, runner, "sku\n" + "\n".join(f"P-{number}" for number in range(9)))
    refusal = refused_action(client, task_id, "undo")
    assert (refusal["details"]["products"], refusal["details"]["left_alone"]) == (10, 9)
    assert (refusal["details"]["is_estimate"], refusal["details"]["job"]) == (False, "bulk")
    assert undo(client, runner, task_id, force=True)["rejected_count"] == 9


def test_a_deletion_after_a_deletion_is_undone_by_itself(
    client: FlaskClient, small_slices: ImportRunner, database_url: str
) -> None:
    create_products(database_url, PRODUCTS)
    before = read_rows(database_url)
    first = delete_all(client)
    create_product(client, "new")
    second = delete_all(client)
    assert undo(client, small_slices, second)["updated_count"] == 1
    assert [row["sku"] for row in read_rows(database_url)] == ["new"]
    assert undo(client, small_slices, first)["updated_count"] == PRODUCTS
    assert read_rows(database_url)[1:] == before


@pytest.mark.parametrize(
    "lock", ["SELECT count(*) FROM products", "LOCK TABLE products IN SHARE UPDATE EXCLUSIVE MODE"]
)
def test_products_are_deleted_slice_by_slice_if_the_table_is_in_use(
    client: FlaskClient, small_slices: ImportRunner, database_url: str, lock: str
) -> None:
    create_products(database_url, PRODUCTS)
    before = read_rows(database_url)
    task_id = request_change(client, "delete", **ALL_PRODUCTS)["task_id"]
    with open_transaction(database_url) as cursor:
        cursor.execute(lock)
        job = run_job(client, small_slices, task_id)
        assert (job["status"], job["removed_count"], job["processed_records"]) == ("completed", PRODUCTS, PRODUCTS)
        assert find_deleted_tables(database_url) == read_rows(database_url) == []
    assert undo(client, small_slices, task_id)["updated_count"] == PRODUCTS
    assert read_rows(database_url) == before


def test_a_job_that_has_begun_to_write_since_is_in_the_way(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    create_products(database_url, 10)
    task_id = request_change(client, "delete", **ALL_PRODUCTS)["task_id"]
    execute(
        database_url,
        "INSERT INTO import_jobs (task_id, filename, stored_name, file_size, status, rows_written)"
        " VALUES (gen_random_uuid(), 'late.csv', 'late', 1, 'processing', 5)",
    )
    job = run_job(client, runner, task_id)
    assert job["status"] == "failed"
    assert job["error_message"].startswith("The import of late.csv is not finished, so nothing was deleted.")
    assert len(read_rows(database_url)) == 10
    execute(database_url, "UPDATE import_jobs SET status = 'failed' WHERE filename = 'late.csv'")
    request_action(client, task_id, "retry")
    assert run_job(client, runner, task_id)["removed_count"] == 10


@pytest.mark.parametrize("end", ["deletion of the job", "expiry", "crash"])
def test_the_table_is_dropped_when_the_deletion_cannot_be_undone_any_more(
    client: FlaskClient, database_url: str, end: str
) -> None:
    create_products(database_url, 10)
    task_id = delete_all(client)
    with open_transaction(database_url) as cursor:
        deleted_tables.drop_unnamed_tables(cursor.connection)
    assert len(find_deleted_tables(database_url)) == 1
    if end == "deletion of the job":
        read_json(client.delete(f"/api/imports/{task_id}"))
    else:
        execute(database_url, "UPDATE import_jobs SET undo_until = clock_timestamp() - interval '1 day'")
        if end == "crash":
            # The worker was killed between the entries and the table.
            execute(database_url, "DELETE FROM import_changes")
        with open_transaction(database_url) as cursor:
            delete_expired_change_logs(cursor.connection)
    assert find_deleted_tables(database_url) == []


def test_without_undo_no_table_is_kept(settings: config.Settings, client: FlaskClient, database_url: str) -> None:
    create_products(database_url, 10)
    client.application.extensions["bulk_runs"].runner = create_runner(settings, retention=NO_UNDO)
    for body in (
        {"action": "deactivate", "filter": {}},
        {"action": "delete", "ids": [1]},
        {"action": "delete", "filter": {}},
    ):
        answer = run_change(client, **body)
        assert refused_action(client, answer["task_id"], "undo")["code"] == "not_undoable"
    assert find_deleted_tables(database_url) == []
    assert execute(database_url, "SELECT FROM import_changes") == []
