"""Bulk changes as jobs: their state, their history, and how they are undone."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.api import read_json
from support.bulk import ALL_PRODUCTS, create_products
from support.database import execute
from support.imports import get_import, refused_action, request_action, run_job

READ_ROWS = 'SELECT to_jsonb(p) FROM products p ORDER BY lower(sku) COLLATE "C"'


def undo(client: FlaskClient, runner: ImportRunner, task_id: str, **options: Any) -> Any:
    """Undo a job to the end and return the undo."""
    return run_job(client, runner, request_action(client, task_id, "undo", **options)["task_id"])


def read_values(url: str) -> list[Any]:
    """Return every product without the times at which it changed."""
    return [{**row, "updated_at": None, "restored": None} for (row,) in execute(url, READ_ROWS)]


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
    before = read_values(database_url)
    answer = read_json(client.post("/api/products/bulk", json={**body, "started_by": "night shift"}))
    assert answer["message"].startswith(message)
    job = get_import(client, answer["task_id"])
    counts = {name: job[f"{name}_count"] for name in ("updated", "removed", "unchanged")}
    deletes = body["action"] == "delete"
    assert counts["removed" if deletes else "updated"] == answer["count"]
    assert sum(counts.values()) == job["total_records"] == job["processed_records"]
    assert (job["kind"], job["status"], job["phase"], job["progress"]) == ("bulk", "completed", "finished", 100)
    assert (job["filename"], job["started_by"], job["undone_by"]) == (title, "night shift", None)
    assert job["bulk"]["action"] == body["action"]
    assert job["log"][-1]["message"] == answer["message"]
    assert read_values(database_url) != before
    result = undo(client, runner, job["task_id"])
    assert (result["kind"], result["status"], result["updated_count"]) == ("undo", "completed", answer["count"])
    assert result["bulk"] == job["bulk"]
    assert read_values(database_url) == before
    assert "bulk change" in refused_action(client, job["task_id"], "undo")["error"]
    assert "Make the bulk change again" in refused_action(client, result["task_id"], "undo")["error"]
