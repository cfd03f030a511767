"""The dry run of an undo counts what the undo then does, and changes nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from importer.pipeline.run import StepKind
from importer.pipeline.runner import ImportRunner
from support.bulk import run_change
from support.database import execute
from support.imports import get_import, request_action, run_job, upload, upload_and_run
from support.interruptions import ActAfterCommit
from support.jobs import read_products, run_import

ROWS = 60
COUNTS = ("removed", "changed_back", "inserted_again", "edited_since", "sku_taken", "already_gone")
EDIT_SQL = "UPDATE products SET name = name || '!', updated_at = clock_timestamp() WHERE lower(sku) = ANY (%s)"


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """A runner with small slices."""
    return replace(runner, slice_rows=10)


def make_file(rows: range, name: str) -> str:
    return "sku,name\n" + "".join(f"k-{number:03},{name}\n" for number in rows)


def plan(client: FlaskClient, task_id: str) -> Any:
    """Return the dry run of an undo, which must be allowed."""
    response: Any = client.post(f"/api/imports/{task_id}/undo?dry_run=true")
    assert response.status_code == 200, response.json
    assert sum(response.json[name] for name in COUNTS) == response.json["products"]
    return response.json


def check_that_the_undo_does_what_its_dry_run_counts(client: FlaskClient, runner: ImportRunner, task_id: str) -> Any:
    """Undo a job after a dry run; return the dry run."""
    planned = plan(client, task_id)
    undo = run_job(client, runner, request_action(client, task_id, "undo", force=True)["task_id"])
    assert undo["status"] == "completed"
    assert planned["products"] == undo["total_records"]
    assert planned["removed"] == undo["removed_count"]
    assert planned["changed_back"] + planned["inserted_again"] == undo["updated_count"] - undo["removed_count"]
    assert planned["edited_since"] + planned["sku_taken"] == undo["rejected_count"]
    assert planned["already_gone"] == undo["unchanged_count"]
    return planned


def write_something(client: FlaskClient, runner: ImportRunner, kind: str, chance: random.Random) -> str:
    """Make an import or a bulk change of a kind; return its task id."""
    url = runner.database_url
    rows = range(chance.randrange(20), ROWS)
    if kind in {"import", "removal"}:
        options = {"missing": "delete", "missing_limit": "1"} if kind == "removal" else {}
        task_id = upload_and_run(client, runner, make_file(rows, "new"), **options)["task_id"]
    elif kind == "retry":
        # The second run writes with another mapping: it deletes what the first one has written, or changes it again.
        task_id = upload(client, "sku,name\n" + "".join(f"k-{number:03},x-{number:03}\n" for number in rows))
        observer = ActAfterCommit(StepKind.WRITE_SLICE, 2, lambda: request_action(client, task_id, "cancel"))
        run_job(client, replace(runner, observer=observer), task_id)
        execute(url, EDIT_SQL, [[f"k-{number:03}" for number in rows if chance.random() < 0.2]])
        mapping = chance.choice([{"name": "sku", "sku": "name"}, {"sku": "sku", "name": "description"}])
        request_action(client, task_id, "retry", mapping=mapping, missing="delete", missing_limit=1)
        run_job(client, runner, task_id)
    else:
        values = {"action": "set", "field": "name", "value": "bulk"} if kind == "bulk" else {"action": "delete"}
        selection: dict[str, Any] = {} if kind == "delete all" else {"sku": chance.choice(["1", "2", "k-0"])}
        task_id = run_change(client, filter=selection, **values)["task_id"]
    return str(task_id)


def disturb(client: FlaskClient, runner: ImportRunner, chance: random.Random) -> None:
    """Edit, delete and create random products, and undo a part of them in another way."""
    url = runner.database_url
    skus = [sku for sku, *_ in read_products(url)]
    some = [sku for sku in skus if chance.random() < 0.3]
    execute(url, EDIT_SQL, [[sku.lower() for sku in some]])
    execute(url, "DELETE FROM products WHERE sku = ANY (%s)", [[sku for sku in skus if chance.random() < 0.1]])
    gone = sorted({f"k-{number:03}" for number in range(ROWS)} - {sku.lower() for sku, *_ in read_products(url)})
    for sku in chance.sample(gone, len(gone) // 3):
        execute(url, "INSERT INTO products (sku) VALUES (%s)", [sku.upper()])
    if chance.random() < 0.5:
        later = run_import(runner, make_file(range(chance.randrange(ROWS)), "later"))
        if chance.random() < 0.5 and get_import(client, later["task_id"])["undo_until"]:
            run_job(client, runner, request_action(client, later["task_id"], "undo", force=True)["task_id"])


@pytest.mark.parametrize("kind", ["import", "removal", "retry", "bulk", "delete", "delete all"])
def test_an_undo_does_what_its_dry_run_counts(client: FlaskClient, runner: ImportRunner, kind: str) -> None:
    chance = random.Random(kind)
    run_import(runner, make_file(range(0, ROWS, 2), "old"))
    task_id = write_something(client, runner, kind, chance)
    disturb(client, runner, chance)
    before = read_products(runner.database_url)
    jobs = execute(runner.database_url, "SELECT count(*) FROM import_jobs")
    assert plan(client, task_id) == plan(client, task_id)
    assert read_products(runner.database_url) == before
    assert execute(runner.database_url, "SELECT count(*) FROM import_jobs") == jobs
    check_that_the_undo_does_what_its_dry_run_counts(client, runner, task_id)
    if get_import(client, task_id)["left_alone_count"]:
        # The rest can be undone later; its dry run counts only that.
        disturb(client, runner, chance)
        check_that_the_undo_does_what_its_dry_run_counts(client, runner, task_id)
