"""POST /api/imports/<task_id>/confirm, /cancel, /retry and /undo: responses, bodies and errors."""

from __future__ import annotations

import uuid
from typing import Any

from flask.testing import FlaskClient

import config
from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.bulk import open_transaction
from support.imports import run_job, upload, upload_and_run


def test_a_confirmed_import_writes_its_products(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, "sku\na\n", preview="true")
    assert job["status"] == "awaiting_confirmation"
    confirmed = read_json(client.post(f"/api/imports/{job['task_id']}/confirm"), 202)
    assert (confirmed["task_id"], confirmed["status"]) == (job["task_id"], "pending")
    assert run_job(client, runner, job["task_id"])["created_count"] == 1


def test_a_cancelled_import_is_returned(client: FlaskClient) -> None:
    task_id = upload(client, "sku\na\n")
    assert read_json(client.post(f"/api/imports/{task_id}/cancel"), 202)["status"] == "cancelled"


def test_an_undo_is_a_job_of_its_own(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, "sku\na\n")
    body = {"started_by": "night shift", "started_from": "page"}
    undo = read_json(client.post(f"/api/imports/{job['task_id']}/undo", json=body), 202)
    assert (undo["kind"], undo["undo_of"]) == ("undo", job["task_id"])
    assert {name: undo[name] for name in body} == body


def test_an_action_that_the_state_of_the_import_does_not_allow_is_a_conflict(
    client: FlaskClient, runner: ImportRunner
) -> None:
    path = f"/api/imports/{upload_and_run(client, runner, 'sku,name')['task_id']}"
    read_error(client.post(f"{path}/confirm"), 409, "not_awaiting_confirmation")
    read_error(client.post(f"{path}/cancel"), 409, "already_ended")
    read_error(client.post(f"{path}/undo"), 409, "not_undoable")
    completed = upload_and_run(client, runner, "sku\na\n")
    read_error(client.post(f"/api/imports/{completed['task_id']}/retry"), 409, "not_retryable")


def test_an_action_on_an_unknown_import_is_not_found(client: FlaskClient) -> None:
    for action in ("confirm", "cancel", "retry", "undo"):
        read_error(client.post(f"/api/imports/{uuid.uuid4()}/{action}"), 404, "import_not_found")


def test_an_import_without_its_file_cannot_be_retried(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    job = upload_and_run(client, runner, "name\n")
    for file in settings.upload_dir.iterdir():
        file.unlink()
    read_error(client.post(f"/api/imports/{job['task_id']}/retry"), 409, "file_gone")


def test_a_retry_accepts_other_options_and_null_for_detection(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, "Preis;sku\n1;a\n", delimiter="comma", mapping='{"Preis;sku": "name"}')
    assert job["status"] == "failed"
    options = {"preview": True, "mode": "create", "mapping": None, "delimiter": "semicolon", "header_line": None}
    read_json(client.post(f"/api/imports/{job['task_id']}/retry", json=options), 202)
    job = run_job(client, runner, job["task_id"])
    assert (job["status"], job["mode"], job["preview"]["create"]) == ("awaiting_confirmation", "create", 1)


INVALID_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"mode": "replace"}, "mode"),
    ({"preview": "true"}, "preview"),
    ({"delimiter": 7}, "delimiter"),
    ({"quote": "x"}, "quote"),
    ({"header_line": 0}, "header_line"),
    ({"header_line": "3"}, "header_line"),
    ({"header_line": True}, "header_line"),
    ({"sheet": 1}, "sheet"),
    ({"short_rows": "keep"}, "short_rows"),
    ({"missing": None}, "missing"),
    ({"missing_limit": 1.5}, "missing_limit"),
    ({"missing_limit": "0.5"}, "missing_limit"),
    ({"mapping": '{"a": "sku"}'}, "mapping"),
    ({"mapping": {"a": "price"}}, "mapping"),
    ({"chunk_rows": 1}, "chunk_rows"),
]


def test_an_invalid_option_of_a_retry_is_refused_with_its_field(client: FlaskClient, runner: ImportRunner) -> None:
    path = f"/api/imports/{upload_and_run(client, runner, 'name')['task_id']}/retry"
    for options, field in INVALID_OPTIONS:
        read_error(client.post(path, json=options), 400, "invalid_parameter", field)


def test_a_body_is_optional_but_must_be_an_object(client: FlaskClient, runner: ImportRunner) -> None:
    path = f"/api/imports/{upload_and_run(client, runner, 'name')['task_id']}/retry"
    read_error(client.post(path, data="[]", content_type="application/json"), 400, "invalid_body")
    read_error(client.post(path, data="{", content_type="application/json"), 400, "bad_request")
    read_json(client.post(path, data=" ", content_type="text/plain"), 202)


def test_an_import_that_stays_locked_is_busy(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, "sku\na\n", preview="true")
    with open_transaction(runner.database_url) as cursor:
        cursor.execute("SELECT FROM import_jobs FOR UPDATE")
        read_error(client.post(f"/api/imports/{job['task_id']}/confirm"), 503, "busy")
        read_error(client.post(f"/api/imports/{job['task_id']}/cancel"), 503, "busy")
    read_json(client.post(f"/api/imports/{job['task_id']}/confirm"), 202)
