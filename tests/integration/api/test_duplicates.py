"""Rows whose SKU appears again further down in the file: their values are dropped, and listed."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.imports import duplicates
from database.connect import Component, connected
from importer.jobs import cleanup
from importer.jobs.retention import HistoryRetention
from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.database import execute
from support.imports import get_import, request_action, run_job, upload_and_run

FILE = "sku,name,active\nA,Lamp,yes\nB,Sofa,\na,Lamp,true\nC,Chair,1\nb,Couch,\nA,“Lamp”,no\nb,Couch,\nD,Desk,\n"


def _list(client: FlaskClient, task_id: str, **query: Any) -> Any:
    return read_json(client.get(f"/api/imports/{task_id}/duplicates", query_string=query))


def _lines(client: FlaskClient, task_id: str, **query: Any) -> list[tuple[int, int]]:
    return [(row["line"], row["kept_line"]) for row in _list(client, task_id, **query)["duplicates"]]


@pytest.mark.parametrize("preview", ["true", "false"])
def test_dropped_values_are_listed_beside_those_that_count(
    client: FlaskClient, runner: ImportRunner, preview: str
) -> None:
    job = upload_and_run(client, replace(runner, slice_rows=2), FILE, preview=preview)
    task_id = job["task_id"]
    assert job["preview"]["duplicate"] == 4 if preview == "true" else job["duplicate_count"] == 4
    listed = _list(client, task_id)
    assert listed["message"] is None
    assert listed["duplicates"][0] == {
        "line": 2,
        "kept_line": 7,
        "sku": "A",
        "differs": True,
        "dropped": {"name": "Lamp", "active": True},
        "kept": {"name": "“Lamp”", "active": False},
    }
    same = listed["duplicates"][3]
    assert (same["line"], same["sku"], same["differs"], same["kept"]) == (
        6,
        "b",
        False,
        {"name": "Couch", "active": None},
    )
    assert _lines(client, task_id) == [(2, 7), (3, 8), (4, 7), (6, 8)]
    assert _lines(client, task_id, differs="true") == [(2, 7), (3, 8), (4, 7)]
    assert _lines(client, task_id, differs="false") == [(6, 8)]
    assert _lines(client, task_id, q="SOFA") == [(3, 8)]
    assert _lines(client, task_id, q="“") == [(2, 7), (4, 7)]
    assert _lines(client, task_id, page=2, per_page=3) == [(6, 8)]
    (notice,) = (notice for notice in job["notices"] if notice["code"] == "duplicates_differ")
    assert notice["message"].startswith("3 rows have other values than a later row with the same SKU.")
    assert (notice["count"], notice["lines"]) == (3, [2, 3, 4])
    assert notice["samples"][1] == {
        "text": "B: the name is “Sofa” on line 3 and “Couch” on line 8",
        "line": 3,
        "kept_line": 8,
        "sku": "B",
        "field": "name",
        "dropped": {"name": "Sofa", "active": None},
        "kept": {"name": "Couch", "active": None},
    }
    if preview == "true":
        request_action(client, task_id, "confirm")
        job = run_job(client, runner, task_id)
        assert (job["status"], job["duplicate_count"]) == ("completed", 4)
        assert notice in job["notices"]
        assert len(_lines(client, task_id)) == 4


@pytest.mark.parametrize("batch_rows", [1, 2000])
def test_duplicates_are_exported(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(duplicates, "BATCH_ROWS", batch_rows)
    job = upload_and_run(client, runner, FILE)
    response = client.get(f"/api/imports/{job['task_id']}/duplicates.csv")
    assert response.headers["Content-Disposition"] == "attachment; filename=products-duplicates.csv"
    assert list(csv.reader(io.StringIO(response.text, newline=""))) == [
        ["line", "kept_line", "sku", "differs", "name", "name_kept", "active", "active_kept"],
        ["2", "7", "A", "true", "Lamp", "“Lamp”", "true", "false"],
        ["3", "8", "B", "true", "Sofa", "Couch", "", ""],
        ["4", "7", "a", "true", "Lamp", "“Lamp”", "true", "false"],
        ["6", "8", "b", "false", "Couch", "Couch", "", ""],
    ]
    filtered = client.get(f"/api/imports/{job['task_id']}/duplicates.csv?differs=false&bom=true")
    assert filtered.data.startswith(b"\xef\xbb\xbfline,")
    assert len(filtered.text.splitlines()) == 2


def test_a_file_without_duplicates_has_no_notice(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, "sku,name\nA,Lamp\nB,\n")
    assert job["notices"] == []
    assert _list(client, job["task_id"])["duplicates"] == []
    # Equal duplicates need no notice.
    job = upload_and_run(client, runner, "sku\nA\na\n")
    assert job["notices"] == []
    assert _lines(client, job["task_id"]) == [(2, 3)]
    read_error(client.get(f"/api/imports/{job['task_id']}/duplicates?differs=1"), 400, "invalid_parameter", "differs")


def test_rows_that_differ_are_stored_first(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, replace(runner, max_rejects=3), "sku,name\nX,1\n" + "A,same\n" * 5 + "B,1\nB,2\nX,2\n")
    assert _lines(client, job["task_id"]) == [(2, 10), (3, 7), (8, 9)]
    assert _list(client, job["task_id"])["message"] == (
        "Only 3 of 6 duplicate rows are stored. The others were only counted."
    )


def test_many_duplicates_get_their_lines(client: FlaskClient, runner: ImportRunner) -> None:
    rows = [f'S-{number % 700},"row\n{number}"' for number in range(2000)]
    job = upload_and_run(client, replace(runner, chunk_rows=300), "sku,name\n" + "\n".join(rows), preview="true")
    listed = []
    for page in (1, 2, 3):
        listed += _list(client, job["task_id"], page=page, per_page=500)["duplicates"]
    assert len(listed) == 1300
    assert all(row["dropped"]["name"] == f"row\n{(row['line'] - 2) // 2}" for row in listed)
    assert all(row["kept"]["name"] == f"row\n{(row['kept_line'] - 2) // 2}" for row in listed)


def test_duplicates_go_with_a_retry_and_when_they_are_old(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, FILE, preview="true")
    request_action(client, job["task_id"], "retry", mapping={"name": None, "active": None})
    assert _lines(client, job["task_id"]) == []
    assert len(_lines(client, run_job(client, runner, job["task_id"])["task_id"])) == 4
    request_action(client, job["task_id"], "cancel")
    url = runner.database_url
    execute(url, "UPDATE import_jobs SET finished_at = finished_at - interval '91 days', retry_until = NULL")
    history = HistoryRetention(history_days=365, reject_days=90, sample_days=60)
    with connected(url, Component.REAPER) as connection:
        assert cleanup.delete_expired(connection, history, seconds=60)
    assert _list(client, job["task_id"])["duplicates"] == []
    assert _list(client, job["task_id"])["message"].startswith("The duplicate rows are stored at the end")
    messages = [entry["message"] for entry in get_import(client, job["task_id"])["log"]]
    assert messages.count("The duplicate rows were removed after 90 days.") == 1


def test_a_deleted_import_has_no_duplicates(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, FILE)
    read_json(client.delete(f"/api/imports/{job['task_id']}"))
    assert execute(runner.database_url, "SELECT count(*) FROM import_duplicates") == [(0,)]
