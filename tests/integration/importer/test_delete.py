"""Deleting an import through the API: what goes, what stays, and when it is refused."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from flask.testing import FlaskClient

import config
from importer.jobs import cleanup
from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.database import execute
from support.imports import get_import, refused_action, request_action, run_job, upload, upload_and_run
from support.jobs import read_products
from support.threads import Threads

FILE = "sku,name\na,1\nb,2\n" + ",no SKU\n" * 25
DETAIL_TABLES = ("import_rejects", "import_samples", "import_changes", "import_log")


def path_of(job: Any) -> str:
    return f"/api/imports/{job['task_id']}"


def delete(client: FlaskClient, job: Any) -> str:
    """Delete an import and return the message."""
    message: str = read_json(client.delete(path_of(job)))["message"]
    return message


def count_rows(url: str) -> list[int]:
    """Return the number of imports and of the details of any import."""
    return [execute(url, f"SELECT count(*) FROM {table}")[0][0] for table in ("import_jobs", *DETAIL_TABLES)]


def test_an_import_goes_with_all_that_is_kept_of_it_and_its_products_stay(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "REJECTS", replace(cleanup.REJECTS, batch_rows=7))
    job = upload_and_run(client, runner, FILE, "a.csv")
    products = read_products(runner.database_url)
    assert all(count_rows(runner.database_url))
    assert delete(client, job) == "The import of a.csv was deleted."
    assert count_rows(runner.database_url) == [0] * 5
    assert list(settings.upload_dir.iterdir()) == []
    assert read_products(runner.database_url) == products
    for method, path in (("DELETE", ""), ("GET", ""), ("POST", "/undo"), ("GET", "/rejects"), ("GET", "/rejects.csv")):
        read_error(client.open(f"{path_of(job)}{path}", method=method), 404, "import_not_found")
    assert read_json(client.get("/api/imports"))["imports"] == []


def test_the_file_of_a_failed_import_goes_too(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    job = upload_and_run(client, runner, "name\nno SKU\n")
    assert job["status"] == "failed"
    assert len(list(settings.upload_dir.iterdir())) == 1
    delete(client, job)
    assert list(settings.upload_dir.iterdir()) == []
    assert count_rows(runner.database_url) == [0] * 5


def test_other_imports_keep_everything(client: FlaskClient, runner: ImportRunner) -> None:
    first = upload_and_run(client, runner, FILE)
    before = count_rows(runner.database_url)
    second = upload_and_run(client, runner, FILE.replace("1", "9"))
    delete(client, second)
    assert count_rows(runner.database_url) == before
    assert request_action(client, first["task_id"], "undo")


@pytest.mark.parametrize("status", ["pending", "processing", "awaiting_confirmation"])
def test_an_import_that_has_not_ended_is_not_deleted(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings, status: str
) -> None:
    task_id = upload(client, FILE)
    execute(runner.database_url, "UPDATE import_jobs SET status = %s", (status,))
    message = read_error(client.delete(f"/api/imports/{task_id}"), 409, "not_deletable")
    assert message.endswith("so it cannot be deleted before it ends. Cancel it first.")
    assert get_import(client, task_id)["status"] == status
    assert len(list(settings.upload_dir.iterdir())) == 1
    request_action(client, task_id, "cancel")
    delete(client, {"task_id": task_id})


def test_an_unknown_import_is_not_found(client: FlaskClient) -> None:
    for name in (str(uuid.uuid4()), "nothing"):
        read_error(client.delete(f"/api/imports/{name}"), 404, "import_not_found")


def test_an_import_whose_undo_runs_is_not_deleted(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, FILE)
    undo = request_action(client, job["task_id"], "undo")
    message = read_error(client.delete(path_of(job)), 409, "not_deletable")
    assert message.startswith("The undo of this import has not ended.")
    assert "The undo is waiting for a worker" in read_error(client.delete(path_of(undo)), 409, "not_deletable")
    assert run_job(client, runner, undo["task_id"])["status"] == "completed"
    assert read_products(runner.database_url) == []
    delete(client, job)
    # The undo stays, and cannot be started again without the change log.
    assert get_import(client, undo["task_id"])["undo_of"] == job["task_id"]
    assert delete(client, undo) == "The undo of products.csv was deleted."
    assert count_rows(runner.database_url) == [0] * 5


def test_a_failed_undo_cannot_be_retried_without_its_import(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, FILE)
    undo = request_action(client, job["task_id"], "undo")
    request_action(client, undo["task_id"], "cancel")
    delete(client, job)
    assert refused_action(client, undo["task_id"], "retry")["code"] == "not_retryable"


def test_an_import_without_its_undo_stays_undone(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, FILE)
    undo = request_action(client, job["task_id"], "undo")
    run_job(client, runner, undo["task_id"])
    delete(client, undo)
    assert get_import(client, job["task_id"])["undone_by"] == undo["task_id"]
    assert refused_action(client, job["task_id"], "undo")["code"] == "not_undoable"


def test_an_import_can_be_undone_again_without_its_cancelled_undo(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, FILE)
    undo = request_action(client, job["task_id"], "undo")
    request_action(client, undo["task_id"], "cancel")
    delete(client, undo)
    undo = request_action(client, job["task_id"], "undo")
    assert run_job(client, runner, undo["task_id"])["removed_count"] == 2
    assert read_products(runner.database_url) == []


def test_an_interrupted_deletion_can_be_repeated(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = upload_and_run(client, runner, FILE)
    with monkeypatch.context() as patches:
        patches.setattr(cleanup, "CHANGES", replace(cleanup.CHANGES, table="missing_table"))
        assert client.delete(path_of(job)).status_code == 500
    shown = get_import(client, job["task_id"])
    assert (shown["status"], shown["undo_until"]) == ("completed", None)
    assert refused_action(client, job["task_id"], "undo")["code"] == "not_undoable"
    delete(client, job)
    assert count_rows(runner.database_url) == [0] * 5


def test_several_clients_can_delete_the_same_import(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, FILE)
    statuses: list[int] = []

    def delete_it() -> None:
        statuses.append(client.application.test_client().delete(path_of(job)).status_code)

    with Threads() as threads:
        for _ in range(4):
            threads.start(delete_it)
    assert set(statuses) <= {200, 404}
    assert 200 in statuses
    assert count_rows(runner.database_url) == [0] * 5


def test_a_locked_import_is_not_deleted_and_the_client_may_try_again(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("database.connect.LIMIT_WAITS_SQL", "SET LOCAL lock_timeout = '100ms'")
    job = upload_and_run(client, runner, FILE)
    other = psycopg2.connect(runner.database_url)
    try:
        other.cursor().execute("SELECT FROM import_jobs FOR UPDATE")
        read_error(client.delete(path_of(job)), 503, "busy")
    finally:
        other.close()
    assert get_import(client, job["task_id"])["undo_until"]
    delete(client, job)


def test_events_about_a_deleted_import_are_still_delivered(client: FlaskClient, runner: ImportRunner) -> None:
    values = {"url": "https://example.com/", "event_type": "import.completed,products.imported"}
    read_json(client.post("/api/webhooks", json=values), 201)
    job = upload_and_run(client, runner, FILE)
    events = "SELECT type, body, task_id::text FROM webhook_events ORDER BY type"
    before = execute(runner.database_url, events)
    delete(client, job)
    assert execute(runner.database_url, events) == before
    assert [row[0] for row in before] == ["import.completed", "products.imported"]
    assert json.loads(before[0][1])["import"]["task_id"] == before[1][2] == job["task_id"]
