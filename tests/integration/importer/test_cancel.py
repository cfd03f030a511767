"""Cancelling an import in each of its states, and retrying it without uploading the file again."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from database.connect import Component, connected
from importer.jobs import cleanup
from importer.pipeline.run import StepKind
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import get_import, refused_action, request_action, run_job, upload, upload_and_run
from support.interruptions import ActAfterCommit, HoldReading, is_slice_delayed, staging_blocked
from support.jobs import delay_slices, folder_of, read_job, read_products, run_import, stop_delaying_slices
from support.threads import Threads
from support.waiting import wait_for

ROWS = 200
FILE = "sku,name\n" + "".join(f"K-{number:04},new\n" for number in range(ROWS))
VERY_SLOW_SECONDS = 60


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """A runner with small chunks and slices."""
    return replace(runner, slice_rows=20, chunk_rows=20)


def check_that_only_the_file_remains(runner: ImportRunner) -> None:
    """Check that the cleanup leaves no staging table but keeps the file."""
    with connected(runner.database_url, Component.REAPER) as connection:
        cleanup.drop_staging_of_ended_jobs(connection)
    query = "SELECT count(*) FROM pg_class WHERE relname LIKE 'import\\_staging%%'"
    assert execute(runner.database_url, query) == [(0,)]
    assert len(list(folder_of(runner).iterdir())) == 1


def test_a_pending_import_is_cancelled_and_no_worker_runs_it(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload(client, FILE)
    job = request_action(client, task_id, "cancel")
    assert (job["status"], job["phase"], job["progress"]) == ("cancelled", "finished", 0)
    assert job["retry_until"] is not None
    assert (job["undo_until"], job["error_message"]) == (None, None)
    assert run_job(client, runner, task_id)["status"] == "cancelled"
    assert read_products(runner.database_url) == []
    refusal = refused_action(client, task_id, "cancel")
    assert (refusal["code"], refusal["error"]) == (
        "already_ended",
        "The import was cancelled, so there is nothing to cancel.",
    )


def test_an_import_is_cancelled_while_its_file_is_read(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload(client, FILE)
    observer = HoldReading()
    with Threads() as threads:
        threads.start(replace(runner, observer=observer).run, task_id)
        wait_for("the worker reads", observer.holds.is_set)
        assert get_import(client, task_id)["phase"] == "reading"
        assert request_action(client, task_id, "cancel")["status"] == "cancelled"
        wait_for("the heartbeat notices and ends", lambda: "heartbeat" not in {t.name for t in threading.enumerate()})
        observer.released.set()
    assert read_products(runner.database_url) == []
    check_that_only_the_file_remains(runner)
    retried = request_action(client, task_id, "retry")
    assert (retried["status"], retried["run"], retried["progress"]) == ("pending", 2, 0)
    job = run_job(client, runner, task_id)
    assert (job["status"], job["created_count"]) == ("completed", ROWS)


def test_cancelling_interrupts_a_long_statement_of_the_staging(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload(client, FILE)
    with staging_blocked(runner.database_url) as is_waiting, Threads() as threads:
        worker = threads.start(runner.run, task_id)
        wait_for("the worker waits in a statement", is_waiting)
        assert request_action(client, task_id, "cancel")["status"] == "cancelled"
        worker.join(5)
        assert not worker.is_alive()
    check_that_only_the_file_remains(runner)


def test_an_import_cancelled_while_it_writes_keeps_exactly_what_it_counted(
    client: FlaskClient, runner: ImportRunner
) -> None:
    delay_slices(runner.database_url, 0.2)
    task_id = upload(client, FILE)
    with Threads() as threads:
        threads.start(runner.run, task_id)
        wait_for("two slices are written", lambda: get_import(client, task_id)["created_count"] >= 40)
        cancelled = request_action(client, task_id, "cancel")
    assert cancelled["status"] == "cancelled"
    created_count = cancelled["created_count"]
    assert 40 <= created_count == cancelled["processed_records"] < ROWS
    job = get_import(client, task_id)
    assert len(read_products(runner.database_url)) == created_count == job["created_count"]
    assert f"{created_count} created" in job["log"][-1]["message"]
    check_that_only_the_file_remains(runner)

    # A retry continues after the last slice and counts the whole file.
    stop_delaying_slices(runner.database_url)
    request_action(client, task_id, "retry")
    job = run_job(client, runner, task_id)
    assert (job["status"], job["created_count"], job["unchanged_count"]) == ("completed", ROWS, 0)
    undo = run_job(client, runner, request_action(client, task_id, "undo")["task_id"])
    assert (undo["status"], undo["removed_count"]) == ("completed", ROWS)
    assert read_products(runner.database_url) == []


def test_cancelling_rolls_back_a_slice_that_takes_long(client: FlaskClient, runner: ImportRunner) -> None:
    delay_slices(runner.database_url, VERY_SLOW_SECONDS)
    task_id = upload(client, FILE)
    with Threads() as threads:
        threads.start(runner.run, task_id)
        wait_for("a slice takes long", lambda: is_slice_delayed(runner.database_url))
        job = request_action(client, task_id, "cancel")
    assert (job["status"], job["created_count"]) == ("cancelled", 0)
    assert read_products(runner.database_url) == []


def test_a_cancelled_preview_can_be_retried(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    request_action(client, task_id, "cancel")
    assert refused_action(client, task_id, "confirm")["code"] == "not_awaiting_confirmation"
    check_that_only_the_file_remains(runner)
    request_action(client, task_id, "retry")
    assert get_import(client, task_id)["preview"] is None
    job = run_job(client, runner, task_id)
    assert (job["status"], job["preview"]["create"], job["run"]) == ("awaiting_confirmation", ROWS, 2)
    assert read_products(runner.database_url) == []


def test_a_retry_with_other_options_starts_over(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, "sku;name\nA-1;Lamp, blue\n", delimiter="comma", preview="true")
    task_id = job["task_id"]
    assert job["status"] == "failed"
    request_action(client, task_id, "retry", delimiter=None, mode="create")
    job = run_job(client, runner, task_id)
    assert (job["status"], job["file"]["delimiter"], job["mode"]) == ("awaiting_confirmation", ";", "create")
    # The file of a preview is read again, too.
    request_action(client, task_id, "retry", mapping={"name": None})
    job = run_job(client, runner, task_id)
    assert (job["status"], job["file"]["unmapped"], job["run"]) == ("awaiting_confirmation", ["name"], 3)
    request_action(client, task_id, "retry", preview=False, mapping=None)
    job = run_job(client, runner, task_id)
    assert (job["status"], job["run"]) == ("completed", 4)
    assert read_products(runner.database_url) == [("A-1", "Lamp, blue", "", True)]
    assert refused_action(client, task_id, "retry")["code"] == "not_retryable"


def test_a_retry_can_choose_another_quote(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, 'sku,name\nA-1,"19" rack\n', quote="single")
    assert (job["options"]["quote"], job["file"]["quote"], job["rejected_count"]) == ("'", "'", 0)
    assert read_products(runner.database_url) == [("A-1", '"19" rack', "", True)]
    job = upload_and_run(client, runner, 'sku,name\nA-2,"19" rack\n', preview="true")
    task_id = job["task_id"]
    assert (job["file"]["quote"], job["rejected_count"]) == ('"', 1)
    request_action(client, task_id, "retry", quote="none")
    job = run_job(client, runner, task_id)
    assert (job["options"]["quote"], job["file"]["quote"], job["rejected_count"]) == ("none", "", 0)
    request_action(client, task_id, "retry", quote=None, preview=False)
    job = run_job(client, runner, task_id)
    assert (job["options"]["quote"], job["file"]["escaped"], job["rejected_count"]) == (None, False, 1)


def test_a_retry_that_is_impossible_says_why(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_run(client, runner, "name\nLamp\n")["task_id"]
    for body, field in (
        ({"mode": "x"}, "mode"),
        ({"colour": 1}, "colour"),
        ({"mapping": []}, "mapping"),
        ({"preview": "true"}, "preview"),
        ({"quote": 5}, "quote"),
        ({"encoding": 5}, "encoding"),
    ):
        response: Any = client.post(f"/api/imports/{task_id}/retry", json=body)
        assert response.status_code == 400
        assert list(response.json["fields"]) == [field]
    broken: Any = client.post(f"/api/imports/{task_id}/retry", data="{", content_type="application/json")
    assert broken.status_code == 400
    assert get_import(client, task_id)["status"] == "failed"
    for path in folder_of(runner).iterdir():
        path.unlink()
    assert refused_action(client, task_id, "retry")["code"] == "file_gone"
    assert client.post("/api/imports/no-such-id/cancel").status_code == 404


def test_a_retry_is_refused_after_its_deadline(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_run(client, runner, "name\nLamp\n")["task_id"]
    execute(runner.database_url, "UPDATE import_jobs SET retry_until = clock_timestamp() - interval '1 s'")
    refusal = refused_action(client, task_id, "retry")
    assert (refusal["code"], refusal["error"]) == ("file_gone", "The file is no longer stored. Upload it again.")


def test_an_import_cannot_be_undone_before_it_ends(client: FlaskClient) -> None:
    task_id = upload(client, FILE)
    refusal = refused_action(client, task_id, "undo")
    assert (refusal["code"], refusal["error"]) == (
        "not_undoable",
        "The import is waiting for a worker, so it cannot be undone before it ends.",
    )


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_an_action_gives_up_if_another_transaction_keeps_the_job_locked(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr("importer.jobs.actions.LOCK_WAIT_MS", 10)
    monkeypatch.setattr("importer.jobs.actions.CANCEL_LOCK_WAIT_MS", 10)
    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    with connected(runner.database_url, Component.REAPER) as other, other, other.cursor() as cursor:
        cursor.execute("SELECT FROM import_jobs FOR UPDATE")
        response = client.post(f"/api/imports/{task_id}/{action}")
        assert (response.status_code, (response.json or {})["code"]) == (503, "busy")
    assert get_import(client, task_id)["status"] == "awaiting_confirmation"


def test_a_retry_gives_up_if_another_transaction_keeps_the_undo_locked(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.jobs.actions.LOCK_WAIT_MS", 10)
    task_id = upload(client, FILE)
    cancel_later = ActAfterCommit(StepKind.WRITE_SLICE, 1, lambda: request_action(client, task_id, "cancel"))
    run_job(client, replace(runner, observer=cancel_later), task_id)
    undo_task_id = request_action(client, task_id, "undo")["task_id"]
    with connected(runner.database_url, Component.REAPER) as other, other, other.cursor() as cursor:
        cursor.execute("SELECT FROM import_jobs WHERE task_id = %s FOR UPDATE", (undo_task_id,))
        response = client.post(f"/api/imports/{task_id}/retry")
        assert (response.status_code, (response.json or {})["code"]) == (503, "busy")


def test_an_import_whose_file_was_deleted_fails(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload(client, FILE)
    for path in folder_of(runner).iterdir():
        path.unlink()
    job = run_job(client, runner, task_id)
    assert (job["status"], job["error_message"]) == (
        "failed",
        "The uploaded file no longer exists on the server. Upload it again.",
    )


def test_the_retry_of_an_undone_import_starts_over(client: FlaskClient, runner: ImportRunner) -> None:
    delay_slices(runner.database_url, 0.2)
    task_id = upload(client, FILE)
    with Threads() as threads:
        threads.start(runner.run, task_id)
        wait_for("a slice is written", lambda: get_import(client, task_id)["created_count"])
        cancelled = request_action(client, task_id, "cancel")
    stop_delaying_slices(runner.database_url)
    undo = run_job(client, runner, request_action(client, task_id, "undo")["task_id"])
    assert undo["removed_count"] == cancelled["created_count"]
    assert read_products(runner.database_url) == []
    request_action(client, task_id, "retry")
    job = run_job(client, runner, task_id)
    assert (job["status"], job["created_count"], job["undone_by"]) == ("completed", ROWS, None)
    assert job["undo_until"] is not None


def test_a_cancelled_undo_can_be_retried(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = run_import(runner, FILE)["task_id"]
    undo_task_id = request_action(client, task_id, "undo")["task_id"]
    request_action(client, undo_task_id, "cancel")
    assert len(read_products(runner.database_url)) == ROWS
    assert refused_action(client, task_id, "undo")["code"] == "not_undoable"
    assert refused_action(client, undo_task_id, "retry", mode="create")["code"] == "not_retryable"
    request_action(client, undo_task_id, "retry")
    undo = run_job(client, runner, undo_task_id)
    assert (undo["status"], undo["removed_count"], undo["processed_records"]) == ("completed", ROWS, ROWS)
    assert read_products(runner.database_url) == []
    assert read_job(runner.database_url, task_id)["undone_by"] == undo_task_id
