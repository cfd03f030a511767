"""Undos that leave products alone: they say so before, and can be repeated for these products."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from importer.pipeline import undo_check
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import get_import, list_rejects, refused_action, request_action, run_job, upload_and_run
from support.interruptions import ActAfterCommit
from support.jobs import read_products, run_import

ROWS = 40


class Killed(BaseException):
    """Stands for the end of a worker process."""


class KillBeforeCommit(Observer):
    """Kill the worker before it commits the given step of a kind."""

    def __init__(self, kind: StepKind, count: int) -> None:
        self.kind, self.remaining = kind, count

    def before_commit(self, step: Step, cursor: Any) -> None:
        if step.kind is self.kind:
            self.remaining -= 1
            if not self.remaining:
                raise Killed


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """A runner with small slices."""
    return replace(runner, slice_rows=10)


def make_file(name: str, rows: range = range(ROWS)) -> str:
    return "sku,name\n" + "".join(f"K-{number:03},{name}\n" for number in rows)


def run_undo(client: FlaskClient, runner: ImportRunner, task_id: str, **options: Any) -> Any:
    undo = run_job(client, runner, request_action(client, task_id, "undo", **options)["task_id"])
    assert undo["status"] == "completed"
    counts = ("updated_count", "unchanged_count", "rejected_count")
    assert sum(undo[name] for name in counts) == undo["processed_records"] == undo["total_records"]
    return undo


def names(url: str) -> set[str]:
    return {name for _, name, _, _ in read_products(url)}


def test_an_undo_that_took_nothing_back_can_be_repeated(client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    run_import(runner, make_file("before"))
    x, y = (upload_and_run(client, runner, make_file(name), f"{name}.csv") for name in ("x", "y"))
    undo = run_undo(client, runner, x["task_id"], force=True)
    assert (undo["updated_count"], undo["rejected_count"], names(url)) == (0, ROWS, {"y"})
    shown = get_import(client, x["task_id"])
    assert (shown["undone_by"], shown["left_alone_count"]) == (undo["task_id"], ROWS)
    assert shown["undo_until"] is not None
    assert "can be undone again" in get_import(client, undo["task_id"])["log"][-1]["message"]

    run_undo(client, runner, y["task_id"])
    assert names(url) == {"x"}
    undo = run_undo(client, runner, x["task_id"])
    assert (undo["updated_count"], undo["rejected_count"], names(url)) == (ROWS, 0, {"before"})
    shown = get_import(client, x["task_id"])
    assert (shown["undone_by"], shown["left_alone_count"], shown["undo_until"]) == (undo["task_id"], 0, None)
    assert refused_action(client, x["task_id"], "undo")["code"] == "not_undoable"


def test_an_undo_that_most_products_block_says_so_and_names_the_later_import(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    x = upload_and_run(client, runner, make_file("x"), "x.csv")
    y = upload_and_run(client, runner, make_file("y", range(30)), "y.csv")
    refusal = refused_action(client, x["task_id"], "undo", started_from="page")
    assert refusal["code"] == "undo_blocked"
    assert refusal["error"] == (
        "30 of the 40 products of this import were changed since, mostly by the later import of “y.csv”. An undo leaves"
        " these alone. Undo that import first, or force this undo to take back only the rest."
    )
    assert refusal["details"] == {
        "job": "import",
        "products": 40,
        "left_alone": 30,
        "is_estimate": False,
        "later": "import",
        "later_name": "y.csv",
        "later_import": {"task_id": y["task_id"], "filename": "y.csv"},
    }
    assert get_import(client, x["task_id"])["undone_by"] is None
    assert execute(url, "SELECT count(*) FROM import_jobs") == [(2,)]
    undo = run_undo(client, runner, x["task_id"], force=True)
    assert (undo["removed_count"], undo["rejected_count"]) == (10, 30)


def test_an_undo_that_edits_block_says_so(client: FlaskClient, runner: ImportRunner) -> None:
    x = upload_and_run(client, runner, make_file("x"), "x.csv")
    bulk = {"action": "deactivate", "filter": {"sku": "K-0"}}
    assert client.post("/api/products/bulk", json=bulk).status_code == 200
    refusal = refused_action(client, x["task_id"], "undo")
    assert (refusal["code"], refusal["error"]) == (
        "undo_blocked",
        "40 of the 40 products of this import were changed since, mostly by the later bulk change “Deactivate"
        " products”. An undo leaves these alone. Undo that bulk change first, or force this undo to take back only the"
        " rest.",
    )
    assert refusal["details"]["later_import"]["filename"] == "Deactivate products"


def test_a_few_changed_products_do_not_block_an_undo(client: FlaskClient, runner: ImportRunner) -> None:
    x = upload_and_run(client, runner, make_file("x"))
    upload_and_run(client, runner, make_file("y", range(20)))
    assert run_undo(client, runner, x["task_id"])["rejected_count"] == 20
    # The rest is blocked completely.
    assert refused_action(client, x["task_id"], "undo")["details"]["products"] == 20


def test_a_product_that_the_import_wrote_in_two_runs_does_not_block_its_undo(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    run_import(runner, make_file("before"))
    task_id = upload_and_run(client, runner, make_file("x") + ",no SKU\n", on_reject="fail")["task_id"]
    request_action(client, task_id, "retry", on_reject="skip")
    stop = ActAfterCommit(StepKind.WRITE_SLICE, 3, lambda: request_action(client, task_id, "cancel"))
    run_job(client, replace(runner, observer=stop), task_id)
    # Another client changes the products; the retry, which starts over, writes them a second time.
    execute(url, "UPDATE products SET name = 'edited', updated_at = clock_timestamp() WHERE name = 'x'")
    request_action(client, task_id, "retry", mode="update")
    assert run_job(client, runner, task_id)["updated_count"] == ROWS
    # The second write is reversed, which brings the edits back; so the first write is left alone.
    undo = run_undo(client, runner, task_id)
    assert (undo["updated_count"], undo["rejected_count"]) == (ROWS, 30)
    assert names(url) == {"edited", "before"}


def test_the_products_of_a_large_import_are_estimated(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo_check, "MAX_SAMPLED_ENTRIES", 10)
    monkeypatch.setattr(undo_check, "MAX_SAMPLED_PRODUCTS", 50)
    x = upload_and_run(client, replace(runner, slice_rows=20), make_file("x", range(1000)))
    upload_and_run(client, runner, make_file("y", range(200, 1000)), "y.csv")
    refusal = refused_action(client, x["task_id"], "undo")
    assert refusal["error"].startswith("About ")
    details = refusal["details"]
    assert details["is_estimate"]
    assert details["products"] == 1000
    assert 700 <= details["left_alone"] <= 900


@pytest.mark.parametrize("count", [1, 3])
def test_a_repeated_undo_is_exact_after_a_kill(client: FlaskClient, runner: ImportRunner, count: int) -> None:
    url = runner.database_url
    run_import(runner, make_file("before"))
    x, y = (upload_and_run(client, runner, make_file(name), f"{name}.csv") for name in ("x", "y"))
    run_undo(client, runner, x["task_id"], force=True)
    run_undo(client, runner, y["task_id"])
    task_id = request_action(client, x["task_id"], "undo")["task_id"]
    with pytest.raises(Killed):
        replace(runner, observer=KillBeforeCommit(StepKind.REVERSE_ENTRY, count)).run(task_id)
    execute(url, "UPDATE import_jobs SET lease_expires_at = now() WHERE lease_token IS NOT NULL")
    undo = run_job(client, runner, task_id)
    assert (undo["status"], undo["updated_count"], undo["rejected_count"]) == ("completed", ROWS, 0)
    assert names(url) == {"before"}


def test_an_undo_lists_only_so_many_products_but_counts_all(client: FlaskClient, runner: ImportRunner) -> None:
    x = upload_and_run(client, runner, make_file("x"))
    upload_and_run(client, runner, make_file("y"))
    runner = replace(runner, max_rejects=15)
    undo = run_undo(client, runner, x["task_id"], force=True)
    assert undo["rejected_count"] == ROWS
    assert len(list_rejects(client, undo["task_id"])) == 15
