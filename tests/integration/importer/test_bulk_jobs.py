"""Bulk changes as jobs: their state, their history, and what happens to them on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import config
from importer.jobs.log_messages import SENTENCES
from importer.pipeline.run import StepKind
from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.bulk import ALL_PRODUCTS, create_products, read_active, read_rows, request_change, run_change
from support.database import execute
from support.imports import get_import, list_products, refused_action, request_action, run_job
from support.interruptions import ActAfterCommit
from support.jobs import create_runner
from support.sign_in import create_session, create_user

PRODUCTS = 60
SLICE_ROWS = 10
LOG_EVENTS = ["requested", "started", "cancelled", "retried", "completed"]


@pytest.fixture
def small_slices(settings: config.Settings) -> ImportRunner:
    """A runner that takes several slices for a few products."""
    return create_runner(settings, slice_rows=SLICE_ROWS)


def undo(client: FlaskClient, runner: ImportRunner, task_id: str, **options: Any) -> Any:
    """Undo a job to the end and return the undo."""
    return run_job(client, runner, request_action(client, task_id, "undo", **options)["task_id"])


def interrupt(client: FlaskClient, settings: config.Settings, task_id: str, *, after: int = 2) -> Any:
    """Run a job in small slices, cancel it after some of them, and return it."""
    cancel = ActAfterCommit(StepKind.WRITE_SLICE, after, lambda: request_action(client, task_id, "cancel"))
    create_runner(settings, slice_rows=SLICE_ROWS, observer=cancel).run(task_id)
    job = get_import(client, task_id)
    assert job["status"] == "cancelled"
    return job


@pytest.mark.parametrize(
    ("body", "message", "title"),
    [
        ({"action": "deactivate", "filter": {"q": "p-"}}, "15 products were deactivated", "Deactivate products"),
        ({"action": "activate", **ALL_PRODUCTS}, "15 products were activated", "Activate all products"),
        ({"action": "delete", "filter": {"active": True}}, "15 products were deleted.", "Delete products"),
        ({"action": "delete", **ALL_PRODUCTS}, "30 products were deleted.", "Delete all products"),
        (
            {"action": "set", "field": "name", "value": "name 3", **ALL_PRODUCTS},
            "29 products were changed, 1 had this name already.",
            "Set the name of all products",
        ),
        (
            {"action": "set", "field": "description", "value": "", "ids": [1, 2, 999]},
            "2 products were changed, 1 no longer exists.",
            "Set the description of products",
        ),
        (
            {"action": "set", "field": "active", "value": False, "filter": {"sku": "p-"}},
            "15 products were changed, 15 were already inactive.",
            "Deactivate products",
        ),
    ],
)
def test_a_bulk_change_is_a_job_that_can_be_undone(
    client: FlaskClient, runner: ImportRunner, database_url: str, body: dict[str, Any], message: str, title: str
) -> None:
    create_products(database_url, 30)
    before = read_rows(database_url)
    plan = read_json(client.post("/api/products/bulk", json={**body, "dry_run": True}))
    assert read_json(client.get("/api/imports"))["imports"] == []
    answer = read_json(client.post("/api/products/bulk", json={**body, "started_by": "night shift"}))
    assert answer["message"].startswith(message)
    job = get_import(client, answer["task_id"])
    assert (plan["count"], plan["found"]) == (answer["count"], job["total_records"])
    counts = {name: job[f"{name}_count"] for name in ("updated", "removed", "unchanged")}
    assert counts["removed" if body["action"] == "delete" else "updated"] == answer["count"]
    assert sum(counts.values()) == job["total_records"] == job["processed_records"]
    assert (job["kind"], job["status"], job["phase"], job["progress"]) == ("bulk", "completed", "finished", 100)
    assert (job["filename"], job["started_by"], job["undone_by"]) == (title, "night shift", None)
    assert job["bulk"]["action"] == body["action"]
    content = ("message", "code", "details")
    assert {name: job["log"][-1][name] for name in content} == {name: answer[name] for name in content}
    listed = list_products(client, job["task_id"])
    assert listed["pagination"]["total"] == answer["count"]
    assert {row["change"] for row in listed["products"]} == {"deleted" if body["action"] == "delete" else "updated"}
    assert read_rows(database_url) != before
    result = undo(client, runner, job["task_id"])
    assert (result["kind"], result["status"], result["updated_count"]) == ("undo", "completed", answer["count"])
    assert result["bulk"] == job["bulk"]
    assert (result["log"][0]["code"], result["log"][-1]["code"]) == ("undo_of_bulk_requested", "undo_completed")
    assert [entry for entry in job["log"] + result["log"] if entry["code"] not in SENTENCES] == []
    assert read_rows(database_url) == before
    assert "bulk change" in refused_action(client, job["task_id"], "undo")["error"]
    assert "Make the bulk change again" in refused_action(client, result["task_id"], "undo")["error"]
    assert refused_action(client, job["task_id"], "retry")["code"] == "not_retryable"
    deleted = read_json(client.delete(f"/api/imports/{job['task_id']}"))
    assert deleted["message"] == f"The bulk change “{title}” was deleted."


def test_a_dry_run_says_what_would_happen(client: FlaskClient, database_url: str) -> None:
    create_products(database_url, 10)
    body = {"action": "deactivate", "filter": {"q": "p-"}, "dry_run": True}
    answer = read_json(client.post("/api/products/bulk", json=body))
    undo_until = datetime.fromisoformat(answer.pop("undo_until"))
    assert answer == {"message": "5 of 10 products would be deactivated.", "count": 5, "found": 10}
    assert timedelta(days=6) < undo_until - datetime.now(UTC) <= timedelta(days=7)
    answer = read_json(client.delete("/api/products/bulk-delete?dry_run=true"))
    assert answer.pop("undo_until")
    assert answer == {"message": "10 of 10 products would be deleted.", "count": 10, "found": 10}
    assert len(read_rows(database_url)) == 10


def test_a_change_that_finds_nothing_is_a_completed_job(client: FlaskClient) -> None:
    for body in ({"action": "delete", "filter": {"sku": "none"}}, {"action": "delete", **ALL_PRODUCTS}):
        answer = read_json(client.post("/api/products/bulk", json=body))
        assert (answer["message"], answer["count"]) == ("No product was deleted.", 0)
        job = get_import(client, answer["task_id"])
        assert (job["status"], job["total_records"], job["undo_until"]) == ("completed", 0, None)


def test_a_long_value_is_cut_in_the_job_only(client: FlaskClient, database_url: str) -> None:
    create_products(database_url, 2)
    value = "ä" * 5000
    answer = run_change(client, "set", field="description", value=value, **ALL_PRODUCTS)
    assert get_import(client, answer["task_id"])["bulk"]["value"] == "ä" * 1000 + "…"
    assert [row["description"] for row in read_rows(database_url)] == [value] * 2


@pytest.mark.parametrize("is_worker_fast", [False, True])
def test_a_worker_does_the_job_if_the_client_prefers_that(
    client: FlaskClient,
    small_slices: ImportRunner,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    is_worker_fast: bool,
) -> None:
    create_products(database_url, PRODUCTS)
    if is_worker_fast:
        monkeypatch.setattr("celery_app.wake_import", lambda task_id: small_slices.run(task_id) or True)
    job = request_change(client, "activate", **ALL_PRODUCTS)
    assert (job["status"], job["count"], job["phase"]) == ("pending", 0, "queued")
    job = get_import(client, job["task_id"]) if is_worker_fast else run_job(client, small_slices, job["task_id"])
    assert (job["status"], job["updated_count"], job["unchanged_count"]) == ("completed", PRODUCTS / 2, PRODUCTS / 2)


def test_a_change_that_takes_long_answers_with_its_job_and_a_worker_continues(
    app: Flask, client: FlaskClient, small_slices: ImportRunner, database_url: str
) -> None:
    create_products(database_url, PRODUCTS)
    runs = app.extensions["bulk_runs"]
    runs.runner, runs.run_seconds = small_slices, 0
    body = {"action": "activate", **ALL_PRODUCTS}
    answer = read_json(client.post("/api/products/bulk", json=body), 202)
    assert (answer["status"], answer["count"], answer["processed_records"]) == ("processing", 5, SLICE_ROWS)
    assert answer["message"].startswith("5 products were activated so far.")
    job = run_job(client, small_slices, answer["task_id"])
    assert (job["status"], job["updated_count"], job["processed_records"]) == ("completed", PRODUCTS // 2, PRODUCTS)
    assert set(read_active(database_url).values()) == {True}


def test_products_that_change_meanwhile_are_left_alone_unless_they_still_match(
    client: FlaskClient, settings: config.Settings, database_url: str
) -> None:
    create_products(database_url, PRODUCTS)
    task_id = request_change(client, "set", field="description", value="new", filter={"name": "name"})["task_id"]
    edits = """
        UPDATE products SET name = 'other', updated_at = clock_timestamp() WHERE sku = 'P-1';
        UPDATE products SET description = 'new', updated_at = clock_timestamp() WHERE sku = 'P-2';
        UPDATE products SET name = 'name again', updated_at = clock_timestamp() WHERE sku = 'P-3';
        DELETE FROM products WHERE sku = 'P-4'; INSERT INTO products (sku, name) VALUES ('P-4', 'name of another one');
        UPDATE products SET sku = 'Q-5', updated_at = clock_timestamp() WHERE sku = 'P-5'
    """
    observer = ActAfterCommit(StepKind.FIND_PRODUCTS, 1, lambda: execute(database_url, edits))
    create_runner(settings, observer=observer).run(task_id)
    job = get_import(client, task_id)
    assert (job["status"], job["total_records"], job["unchanged_count"]) == ("completed", PRODUCTS, 4)
    changed = {row["sku"] for row in read_rows(database_url) if row["description"] == "new"}
    # P-2 had the value already.
    assert changed == {f"P-{number}" for number in range(PRODUCTS)} - {"P-1", "P-4", "P-5"}


def test_an_undo_leaves_products_alone_that_were_edited_since(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    ids = create_products(database_url, 10)
    answer = run_change(client, "set", field="name", value="new", ids=ids)
    read_json(client.put(f"/api/products/{ids[4]}", json={"description": "edited"}))
    result = undo(client, runner, answer["task_id"])
    assert (result["updated_count"], result["rejected_count"]) == (9, 1)
    assert "after the bulk change" in result["log"][-1]["message"]
    assert [row["name"] for row in read_rows(database_url)][4] == "new"


@pytest.mark.parametrize("action", ["activate", "delete"])
def test_a_cancelled_change_continues_where_it_stopped(
    client: FlaskClient, small_slices: ImportRunner, settings: config.Settings, database_url: str, action: str
) -> None:
    create_products(database_url, PRODUCTS)
    task_id = request_change(client, action, filter={"q": "name"})["task_id"]
    job = interrupt(client, settings, task_id)
    written = job["updated_count"] + job["removed_count"]
    assert 0 < written <= job["processed_records"] == 2 * SLICE_ROWS
    assert job["log"][-1]["message"] == f"Cancelled. What it had written stays: {written} products {action}d."
    request_action(client, task_id, "retry")
    job = run_job(client, small_slices, task_id)
    assert (job["status"], job["total_records"], job["processed_records"]) == ("completed", PRODUCTS, PRODUCTS)
    assert job["updated_count"] + job["removed_count"] == (PRODUCTS // 2 if action == "activate" else PRODUCTS)
    assert [entry["event"] for entry in job["log"]] == LOG_EVENTS


def test_products_are_found_again_if_the_server_lost_them(
    client: FlaskClient, settings: config.Settings, database_url: str
) -> None:
    create_products(database_url, PRODUCTS)
    task_id = request_change(client, "activate", **ALL_PRODUCTS)["task_id"]
    assert create_runner(settings, slice_rows=SLICE_ROWS, task_seconds=0).run(task_id)
    [(table,)] = execute(database_url, "SELECT staging_table FROM import_jobs")
    # A crash of the server empties the table.
    execute(database_url, f"TRUNCATE {table}")
    job = run_job(client, create_runner(settings), task_id)
    assert (job["status"], job["total_records"], job["processed_records"]) == ("completed", PRODUCTS, PRODUCTS)
    assert job["updated_count"] == PRODUCTS // 2


def test_a_part_can_be_undone_and_then_done_again(
    client: FlaskClient, small_slices: ImportRunner, settings: config.Settings, database_url: str
) -> None:
    create_products(database_url, PRODUCTS)
    before = read_rows(database_url)
    task_id = request_change(client, "delete", filter={"q": "name"})["task_id"]
    interrupt(client, settings, task_id)
    assert len(read_rows(database_url)) == PRODUCTS - 2 * SLICE_ROWS
    assert undo(client, small_slices, task_id)["updated_count"] == 2 * SLICE_ROWS
    assert read_rows(database_url) == before
    request_action(client, task_id, "retry")
    job = run_job(client, small_slices, task_id)
    assert (job["status"], job["removed_count"], job["processed_records"]) == ("completed", PRODUCTS, PRODUCTS)
    assert undo(client, small_slices, task_id)["updated_count"] == PRODUCTS
    assert read_rows(database_url) == before


def test_a_change_that_failed_or_was_cancelled_meanwhile_is_an_error(
    app: Flask, client: FlaskClient, settings: config.Settings, database_url: str
) -> None:
    create_products(database_url, PRODUCTS)
    runs = app.extensions["bulk_runs"]
    body = {"action": "activate", **ALL_PRODUCTS}

    def cancel() -> None:
        [(task_id,)] = execute(database_url, "SELECT task_id::text FROM import_jobs")
        request_action(app.test_client(), task_id, "cancel")

    observer = ActAfterCommit(StepKind.WRITE_SLICE, 1, cancel)
    runs.runner = create_runner(settings, slice_rows=SLICE_ROWS, observer=observer)
    read_error(client.post("/api/products/bulk", json=body), 409, "bulk_cancelled")
    assert sum(read_active(database_url).values()) == PRODUCTS // 2 + SLICE_ROWS // 2
    runs.runner = create_runner(settings, max_attempts=0)
    read_error(client.post("/api/products/bulk", json=body), 503, "bulk_failed")


def test_only_an_administrator_retries_the_deletion_of_all_products(
    app: Flask, client: FlaskClient, database_url: str
) -> None:
    create_products(database_url, 3)
    tasks = [request_change(client, "delete", **selection)["task_id"] for selection in (ALL_PRODUCTS, {"ids": [1]})]
    for task_id in tasks:
        request_action(client, task_id, "cancel")
    editor, viewer = app.test_client(), app.test_client()
    for actor, role in ((editor, "editor"), (viewer, "viewer")):
        actor.set_cookie("acme_session", create_session(database_url, create_user(database_url, role)))
    read_error(editor.post(f"/api/imports/{tasks[0]}/retry"), 403, "forbidden")
    read_error(viewer.post(f"/api/imports/{tasks[1]}/retry"), 403, "forbidden")
    read_json(editor.post(f"/api/imports/{tasks[1]}/retry"), 202)
