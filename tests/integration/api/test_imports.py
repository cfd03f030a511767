"""The list of imports, the details of one, and unknown imports."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.imports.routes import MAX_SAMPLES
from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.database import execute
from support.imports import get_import, request_action
from support.jobs import create_job, run_import


def test_imports_are_listed_newest_first(client: FlaskClient, runner: ImportRunner) -> None:
    for content in ("sku\na\n", "name\n", "sku\nb\n"):
        run_import(runner, content)
    body = read_json(client.get("/api/imports"))
    assert [job["status"] for job in body["imports"]] == ["completed", "failed", "completed"]
    assert [job["id"] for job in body["imports"]] == sorted((job["id"] for job in body["imports"]), reverse=True)
    assert body["pagination"] == {"page": 1, "per_page": 50, "total": 3, "pages": 1}
    assert body["imports"][1]["error_message"].endswith(".")
    second_page = read_json(client.get("/api/imports?per_page=1&page=2"))
    assert second_page["imports"] == body["imports"][1:2]


def test_the_list_the_progress_and_the_details_agree(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = run_import(runner, "sku\na\n")["task_id"]
    (listed,) = read_json(client.get("/api/imports"))["imports"]
    assert listed.pop("preview_counts") is None
    assert listed == read_json(client.get(f"/api/upload/progress/{task_id}"))
    assert listed.items() <= get_import(client, task_id).items()


def test_the_list_says_what_an_import_that_waits_would_do(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, "sku\na\n")
    task_id = create_job(runner, b"sku,name\na,Lamp\nb,\nc,\nc,\n,\n")
    execute(runner.database_url, "UPDATE import_jobs SET wants_preview = true WHERE task_id = %s", (task_id,))
    runner.run(task_id)
    waiting, completed = read_json(client.get("/api/imports"))["imports"]
    preview = get_import(client, task_id)["preview"]
    assert waiting["preview_counts"] == {name: preview[name] for name in waiting["preview_counts"]}
    assert (waiting["preview_counts"]["create"], waiting["preview_counts"]["update"]) == (2, 1)
    assert (waiting["created_count"], completed["preview_counts"]) == (0, None)


def test_the_log_tells_a_refused_file_from_another_failure(client: FlaskClient, runner: ImportRunner) -> None:
    picture = run_import(runner, b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    refused = get_import(client, picture["task_id"])
    assert refused["log"][-1] == {
        "at": refused["log"][-1]["at"],
        "event": "refused",
        **{name: refused[f"error_{name}"] for name in ("message", "code", "details")},
    }
    task_id = create_job(runner, b"sku,name\na,\n,Lamp\n")
    execute(runner.database_url, "UPDATE import_jobs SET on_reject = 'fail' WHERE task_id = %s", (task_id,))
    runner.run(task_id)
    assert get_import(client, task_id)["log"][-1]["event"] == "failed"


def test_imports_are_filtered(client: FlaskClient, runner: ImportRunner) -> None:
    completed, failed = (run_import(runner, content)["task_id"] for content in ("sku\na\n", "name\n"))
    execute(runner.database_url, "UPDATE import_jobs SET filename = '50%%.csv' WHERE task_id = %s", (failed,))

    def listed(query: str) -> list[str]:
        return [job["task_id"] for job in read_json(client.get(f"/api/imports?{query}"))["imports"]]

    assert listed("status=failed") == [failed]
    assert listed("status=pending") == []
    assert listed("kind=import") == [failed, completed]
    assert listed("kind=undo") == []
    assert listed("started_from=api") == [failed, completed]
    assert listed("started_from=page") == []
    assert listed("filename=PRODUCTS") == [completed]
    assert listed("filename=%25") == [failed]
    read_error(client.get("/api/imports?status=lost"), 400, "invalid_parameter", "status")
    read_error(client.get(f"/api/imports?filename={'x' * 256}"), 400, "invalid_parameter", "filename")


def test_bulk_changes_are_found_by_the_codes_of_their_titles(client: FlaskClient, runner: ImportRunner) -> None:
    imported = run_import(runner, b"sku\na\nb\n")["task_id"]
    everything: Any = client.post("/api/products/bulk", json={"action": "deactivate", "filter": {}}).json
    some: Any = client.post("/api/products/bulk", json={"action": "activate", "filter": {"sku": "a"}}).json
    undo = request_action(client, everything["task_id"], "undo")["task_id"]

    def listed(query: str) -> list[str]:
        return [job["task_id"] for job in read_json(client.get(f"/api/imports?{query}"))["imports"]]

    assert listed("bulk_titles=deactivate_all") == [undo, everything["task_id"]]
    assert listed("bulk_titles=deactivate") == []
    assert listed("bulk_titles=activate,deactivate_all&kind=bulk") == [some["task_id"], everything["task_id"]]
    assert listed("bulk_titles=activate&filename=products.csv") == [some["task_id"], imported]
    read_error(client.get("/api/imports?bulk_titles=activate,rename"), 400, "invalid_parameter", "bulk_titles")


def test_the_details_show_at_most_300_samples_including_those_where_a_phase_begins_or_ends(
    client: FlaskClient, runner: ImportRunner
) -> None:
    job = run_import(runner, "sku\na\n")
    execute(runner.database_url, "DELETE FROM import_samples")
    execute(
        runner.database_url,
        "INSERT INTO import_samples (job_id, run, at, phase, rows) SELECT %s, 1, n,"
        " CASE WHEN n < 601 THEN 'comparing' WHEN n < 603 THEN 'finding' ELSE 'writing' END, n"
        " FROM generate_series(1, 1000) n",
        (job["id"],),
    )
    rows = [sample["rows"] for sample in get_import(client, job["task_id"])["samples"]]
    assert len(rows) <= MAX_SAMPLES + 6
    assert (rows[0], rows[-1]) == (1, 1000)
    assert {600, 601, 602, 603} <= set(rows)
    assert rows == sorted(set(rows))


@pytest.mark.parametrize("task_id", [str(uuid.UUID(int=0)), "1", "x", "null", "%00", "a" * 2000])
def test_an_unknown_import_is_not_found(client: FlaskClient, task_id: str) -> None:
    for path in ("upload/progress/{}", "upload/progress/{}/stream", "imports/{}", "imports/{}/rejects"):
        read_error(client.get("/api/" + path.format(task_id)), 404, "import_not_found")
