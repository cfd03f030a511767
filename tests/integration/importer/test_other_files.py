"""Notices about files that may not be the ones that the client means, and files of which nothing can be imported."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import request_action, run_job, upload_and_run
from support.jobs import read_products


def _catalogue(prefix: str, name: str = "x", count: int = 30) -> str:
    return "sku,name\n" + "".join(f"{prefix}-{number},{name}\n" for number in range(count))


def _message(job: Any) -> str | None:
    messages = [notice["message"] for notice in job["notices"] if notice["code"] == "looks_like_another_file"]
    return messages[0] if messages else None


@pytest.mark.parametrize("preview", ["true", "false"])
def test_the_same_content_is_noticed(client: FlaskClient, runner: ImportRunner, preview: str) -> None:
    first = upload_and_run(client, runner, _catalogue("a"), "june.csv")
    assert first["notices"] == []
    execute(runner.database_url, "UPDATE import_jobs SET finished_at = finished_at - interval '2 hours'")
    again = upload_and_run(client, runner, _catalogue("a"), "july.csv", preview=preview)
    assert _message(again) == (
        "Check that this is the right file: the same content was already imported 2 hours ago, as “june.csv”."
    )
    other = upload_and_run(client, runner, _catalogue("a", "y"), preview=preview)
    assert _message(other) is None


def test_content_whose_import_was_undone_is_not_noticed(client: FlaskClient, runner: ImportRunner) -> None:
    first = upload_and_run(client, runner, _catalogue("a"))
    run_job(client, runner, request_action(client, first["task_id"], "undo")["task_id"])
    assert _message(upload_and_run(client, runner, _catalogue("a"), preview="true")) is None


def test_unknown_skus_are_noticed_if_files_with_this_header_used_to_match(
    client: FlaskClient, runner: ImportRunner
) -> None:
    upload_and_run(client, runner, _catalogue("a"))
    # The first file with this header had unknown SKUs, too.
    assert _message(upload_and_run(client, runner, _catalogue("b"), preview="true")) is None
    upload_and_run(client, runner, _catalogue("a", "y"), "update.csv")
    noticed = upload_and_run(client, runner, _catalogue("b"), preview="true")
    assert _message(noticed) == (
        "Check that this is the right file: most SKUs of the last file with these columns, “update.csv”, existed."
        " 30 SKUs of this file do not exist."
    )
    for mode in ("create", "update"):
        assert _message(upload_and_run(client, runner, _catalogue("b"), preview="true", mode=mode)) is not None
        assert _message(upload_and_run(client, runner, _catalogue("a", "z"), preview="true", mode=mode)) is None
    # Other columns, a file that is too small to judge, and a file of which enough SKUs exist.
    other_header = _catalogue("b").replace("name", "description", 1)
    known = _catalogue("b") + "".join(f"a-{number},\n" for number in range(4))
    for content in (other_header, _catalogue("b", count=5), known):
        assert _message(upload_and_run(client, runner, content, preview="true")) is None
    execute(runner.database_url, "TRUNCATE products")
    assert _message(upload_and_run(client, runner, _catalogue("b"), preview="true")) is None


@pytest.mark.parametrize("preview", ["true", "false"])
def test_a_file_whose_rows_are_all_rejected_says_so_first(
    client: FlaskClient, runner: ImportRunner, preview: str
) -> None:
    job = upload_and_run(client, runner, "sku,name\n,a\n,b\n", preview=preview)
    assert [notice["code"] for notice in job["notices"]] == ["all_rejected"]
    assert job["notices"][0]["message"].startswith("All 2 rows were rejected, so nothing can be imported.")
    if preview == "true":
        assert job["log"][-1]["message"] == "Every row was rejected (2), so nothing can be imported."
        request_action(client, job["task_id"], "confirm")
        job = run_job(client, runner, job["task_id"])
    assert (job["status"], job["rejected_count"], job["created_count"]) == ("completed", 2, 0)
    assert job["log"][-1]["message"].startswith("Every row was rejected (2), so nothing was imported.")
    assert read_products(runner.database_url) == []
