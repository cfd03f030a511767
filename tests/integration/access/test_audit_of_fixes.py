"""Entries of the audit log about fixes of imports."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from api.imports.fixes import MAX_RECORDED_FIXES
from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.audit import read_actions, read_entries
from support.database import execute
from support.imports import run_job, upload_and_run

FILE = "SKU;Name;Active\nA;Lamp;maybe\n;Chair;yes\n"
VALUE = {"column": "Active", "value": "maybe", "replacement": "no"}
ROW = {"line": 3, "row": ["E", "Chair", "yes"]}


def post(client: FlaskClient, task_id: str, *fixes: dict[str, Any]) -> Any:
    """Send fixes of an import and return the response."""
    return client.post(f"/api/imports/{task_id}/fixes", json={"fixes": list(fixes)})


def list_ids(client: FlaskClient, task_id: str) -> list[int]:
    """Return the ids of the fixes of an import."""
    return [fix["id"] for fix in read_json(client.get(f"/api/imports/{task_id}/fixes"))["fixes"]]


def test_fixes_and_their_deletion_have_entries(client: FlaskClient, runner: ImportRunner, database_url: str) -> None:
    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    read_json(post(client, task_id, VALUE, ROW), 202)
    run_job(client, runner, task_id)
    read_error(post(client, task_id, {**VALUE, "column": "Price"}), 400, "invalid_fixes", "fixes.0.column")
    for fix_id in list_ids(client, task_id):
        read_json(client.delete(f"/api/imports/{task_id}/fixes/{fix_id}"), 202)
        run_job(client, runner, task_id)
    read_error(client.delete(f"/api/imports/{task_id}/fixes/1"), 404, "fix_not_found")
    entries = read_entries(database_url, "import.fix")
    assert {(entry["target_id"], entry["target_name"]) for entry in entries} == {(task_id, "products.csv")}
    assert [(entry["action"], entry["changes"]) for entry in entries] == [
        ("import.fixed", {"count": [None, 2], "fixes": [None, [VALUE, {"line": 3}]]}),
        ("import.fix_deleted", {"fix": [VALUE, None]}),
        ("import.fix_deleted", {"fix": [{"line": 3}, None]}),
    ]


def test_an_entry_counts_all_fixes_and_has_some(client: FlaskClient, runner: ImportRunner, database_url: str) -> None:
    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    fixes = [{**VALUE, "value": f"{number}"} for number in range(MAX_RECORDED_FIXES + 1)]
    read_json(post(client, task_id, *fixes), 202)
    (entry,) = read_entries(database_url, "import.fixed")
    assert entry["changes"] == {"count": [None, len(fixes)], "fixes": [None, fixes[:MAX_RECORDED_FIXES]]}


def test_fixes_that_cannot_be_recorded_are_not_stored(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    execute(
        database_url, "ALTER TABLE audit_entries ADD CONSTRAINT forbid CHECK (action NOT LIKE 'import.fix%') NOT VALID"
    )
    read_error(post(client, task_id, VALUE), 500, "internal_error")
    assert list_ids(client, task_id) == []
    execute(database_url, "ALTER TABLE audit_entries DROP CONSTRAINT forbid")
    read_json(post(client, task_id, VALUE), 202)
    assert read_actions(database_url, "import.") == ["import.started", "import.fixed"]
    run_job(client, runner, task_id)
