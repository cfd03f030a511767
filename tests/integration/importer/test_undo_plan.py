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
from support.imports import get_import, refused_action, request_action, run_job, upload, upload_and_run
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


def test_a_dry_run_waits_for_nobody_and_is_refused_as_the_undo_is(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_run(client, runner, make_file(range(ROWS), "new"))["task_id"]
    plans: list[Any] = []

    def count() -> None:
        # Another import holds locks on products, and this one cannot be undone before it ends.
        plans.append(plan(client, task_id))
        assert refused_action(client, later_id, "undo", dry_run=True)["code"] == "not_undoable"

    later_id = upload(client, make_file(range(20), "later"))
    run_job(client, replace(runner, observer=ActAfterCommit(StepKind.WRITE_SLICE, 1, count)), later_id)
    assert [(one["removed"], one["edited_since"], one["refusal"]) for one in plans] == [(ROWS - 10, 10, None)]
    upload_and_run(client, runner, make_file(range(50), "again"), "again.csv")
    answer = plan(client, task_id)
    assert answer["message"] == "Products: 10 would be removed; 50 would stay, because they were edited since."
    assert "mostly by the later import of “again.csv”" in answer["refusal"]
    assert answer["undo_until"] == get_import(client, task_id)["undo_until"]
    for query in ("?dry_run=maybe", "?dry_run=true&dry_run=false"):
        assert client.post(f"/api/imports/{task_id}/undo{query}").status_code == 400
    assert get_import(client, task_id)["undo_state"] is None


def test_a_job_says_what_has_become_of_its_undo(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_run(client, runner, make_file(range(ROWS), "new"))["task_id"]
    execute(runner.database_url, EDIT_SQL, [["k-001", "k-002"]])

    def state() -> tuple[str, int, int]:
        job = get_import(client, task_id)
        assert job["status"] == "completed"
        undo = job["undo"]
        return job["undo_state"], undo["removed_count"], undo["left_alone_count"]

    undo_id = request_action(client, task_id, "undo", started_by="Ada")["task_id"]
    assert state() == ("undoing", 0, 0)
    revision = execute(runner.database_url, "SELECT revision FROM import_jobs WHERE task_id = %s", [task_id])
    observer = ActAfterCommit(StepKind.REVERSE_ENTRY, 2, lambda: request_action(client, undo_id, "cancel"))
    run_job(client, replace(runner, observer=observer), undo_id)
    assert state() == ("undo_cancelled", 20, 0)
    # Streams of the import report the end of its undo.
    assert execute(runner.database_url, "SELECT revision FROM import_jobs WHERE task_id = %s", [task_id]) > revision
    request_action(client, undo_id, "retry")
    assert state() == ("undoing", 20, 0)
    run_job(client, runner, undo_id)
    assert state() == ("partly_undone", ROWS - 2, 2)
    (listed,) = client.get("/api/imports?kind=import").get_json()["imports"]
    assert (listed["undo_state"], listed["undo"]["started_by"]) == ("partly_undone", "Ada")
    execute(runner.database_url, "DELETE FROM products WHERE sku = 'k-001'")
    run_job(client, runner, request_action(client, task_id, "undo", force=True)["task_id"])
    # The counts are those of both undos.
    assert state() == ("partly_undone", ROWS - 2, 1)
    assert get_import(client, task_id)["undo"]["gone_count"] == 1
    execute(runner.database_url, "DELETE FROM products")
    last_id = request_action(client, task_id, "undo", force=True)["task_id"]
    run_job(client, runner, last_id)
    assert state() == ("undone", ROWS - 2, 0)
    assert client.delete(f"/api/imports/{last_id}").status_code == 200
    assert (get_import(client, task_id)["undo_state"], get_import(client, task_id)["undo"]) == ("undone", None)
