"""Accepted short rows leave the fields that they lack unchanged: in the check, the import, its change log and undo."""

from __future__ import annotations

from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.imports import request_action, run_job, upload_and_run
from support.jobs import read_products

EXISTING = "sku,name,description,active\nA1,Bolt,steel,0\nA2,Nut,brass,0\nA3,Pin,zinc,1\nA4,Cap,tin,1\n"
# One row of each kind: short with a change, short without one, complete and empty, new and short, twice.
CONTENT = 'sku,name,description,active\na1,Bolt 2\nA2\nA3,Pin,"",\nA5\nA4,Cap,iron,0\nA4,Cap 2\n'


def test_short_rows_of_known_products_are_exact_and_can_be_undone(client: FlaskClient, runner: ImportRunner) -> None:
    upload_and_run(client, runner, EXISTING)
    before = sorted(read_products(runner.database_url))
    job = upload_and_run(client, runner, CONTENT, short_rows="accept", preview="true")
    preview = job["preview"]
    assert (preview["create"], preview["update"], preview["unchanged"], preview["rejected"]) == (1, 3, 1, 0)
    assert "clears_values" in {notice["code"] for notice in job["notices"]}
    clears = next(notice for notice in job["notices"] if notice["code"] == "clears_values")
    assert clears["count"] == 1
    request_action(client, job["task_id"], "confirm")
    job = run_job(client, runner, job["task_id"])
    assert job["status"] == "completed", job["error_message"]
    assert sorted(read_products(runner.database_url)) == [
        ("A1", "Bolt 2", "steel", False),
        ("A2", "Nut", "brass", False),
        ("A3", "Pin", "", True),
        ("A4", "Cap 2", "tin", True),
        ("A5", "", "", True),
    ]
    undo = request_action(client, job["task_id"], "undo")
    assert run_job(client, runner, undo["task_id"])["status"] == "completed"
    assert sorted(read_products(runner.database_url)) == before
