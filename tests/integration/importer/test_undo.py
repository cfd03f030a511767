"""Undos next to other work: imports, edits, other undos, retries, cancellations and kills at the same time."""

from __future__ import annotations

import os
import random
import signal
import threading
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from importer.pipeline.run import StepKind
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import (
    get_import,
    list_products,
    refused_action,
    request_action,
    run_job,
    upload,
    upload_and_run,
)
from support.interruptions import ActAfterCommit
from support.jobs import announce, delay_slices, read_job, read_products, run_import, stop_delaying_slices
from support.processes import Processes
from support.threads import Threads
from support.waiting import wait_for

ROWS = 3000
COUNTS = ("updated_count", "unchanged_count", "rejected_count")


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """A runner with small slices."""
    return replace(runner, slice_rows=100)


def make_file(numbers: range, **values: str) -> str:
    """Return a file with the products of these numbers; each column has the same value in every row."""
    rows = (",".join([f"K-{number:05}", *values.values()]) for number in numbers)
    return "\n".join([",".join(["sku", *values]), *rows]) + "\n"


def request_undo(client: FlaskClient, task_id: str, **options: Any) -> str:
    """Create the undo of an import, which waits for a worker; return its task id."""
    return str(request_action(client, task_id, "undo", **options)["task_id"])


def read_completed_undo(url: str, task_id: str) -> Any:
    """Return the row of an undo, which must be completed and have counts that add up."""
    row = read_job(url, task_id)
    assert row["status"] == "completed", row["error_message"]
    assert sum(row[name] for name in COUNTS) == row["processed_records"] == row["total_records"]
    return row


def read_skus_left_alone(url: str, task_id: str) -> set[str]:
    """Return the SKUs of the products that an undo has left alone."""
    query = "SELECT r.row FROM import_rejects r JOIN import_jobs j ON j.id = r.job_id WHERE j.task_id = %s"
    return {sku for (sku,) in execute(url, query, (task_id,))}


def run_until_cancelled(client: FlaskClient, runner: ImportRunner, task_id: str, kind: StepKind, count: int) -> Any:
    """Run a job and cancel it after the given number of steps of a kind; return it."""
    observer = ActAfterCommit(kind, count, lambda: request_action(client, task_id, "cancel"))
    job = run_job(client, replace(runner, observer=observer), task_id)
    assert job["status"] == "cancelled"
    return job


def upload_and_cancel(client: FlaskClient, runner: ImportRunner, content: str, **options: str) -> Any:
    """Upload a file and cancel its import when two slices are written; return the import."""
    return run_until_cancelled(client, runner, upload(client, content, **options), StepKind.WRITE_SLICE, 2)


def test_a_long_undo_continues_with_another_message(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_run(client, runner, make_file(range(300), name="n"))["task_id"]
    undo_task_id = request_undo(client, task_id)
    impatient_runner = replace(runner, task_seconds=0)
    removed_counts = []
    while impatient_runner.run(undo_task_id):
        removed_counts.append(get_import(client, undo_task_id)["removed_count"])
    assert removed_counts == [100, 200]
    assert read_completed_undo(runner.database_url, undo_task_id)["removed_count"] == 300


def test_an_import_cannot_be_retried_while_its_undo_is_unfinished(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_cancel(client, runner, make_file(range(300), name="n"))["task_id"]
    undo_task_id = request_undo(client, task_id)
    assert refused_action(client, task_id, "retry")["code"] == "not_retryable"
    assert refused_action(client, task_id, "retry", mode="create")["code"] == "not_retryable"
    assert run_job(client, runner, undo_task_id)["removed_count"] == 200
    request_action(client, task_id, "retry")
    assert run_job(client, runner, task_id)["created_count"] == 300


def test_an_undo_after_a_retry_also_reverses_what_a_cancelled_undo_had_left(
    client: FlaskClient, runner: ImportRunner
) -> None:
    task_id = upload_and_cancel(client, runner, make_file(range(300), name="n"))["task_id"]
    undo_task_id = request_undo(client, task_id)
    undo = run_until_cancelled(client, runner, undo_task_id, StepKind.REVERSE_ENTRY, 1)
    assert undo["removed_count"] == 100
    request_action(client, task_id, "retry")
    job = run_job(client, runner, task_id)
    assert (job["created_count"], job["unchanged_count"]) == (200, 100)
    # The old undo would also reverse what the retried import has written.
    assert refused_action(client, undo_task_id, "retry")["code"] == "not_retryable"
    undo = run_job(client, runner, request_undo(client, task_id))
    assert (undo["status"], undo["removed_count"], undo["total_records"]) == ("completed", 300, 300)
    assert read_products(runner.database_url) == []


def test_a_retry_that_starts_over_lists_skipped_products_once(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, make_file(range(300), name="old"))
    job = upload_and_cancel(client, runner, make_file(range(300), name="new"), mode="create")
    assert job["skipped_count"] == 200
    request_action(client, job["task_id"], "retry", on_reject="fail")
    assert run_job(client, runner, job["task_id"])["skipped_count"] == 300
    page = list_products(client, job["task_id"], "?change=left_out")
    assert page["pagination"]["total"] == 300


def test_imports_can_be_undone_in_reverse_whatever_was_undone_between_them(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    run_import(runner, make_file(range(0, 50, 2), name="before"))
    before = read_products(url)
    first = run_import(runner, make_file(range(50), name="first", active="no"))
    after_first = read_products(url)
    for name in ("second", "third"):
        # The third import updates products that an undo has restored.
        job = run_import(runner, make_file(range(10, 60), name=name))
        undo = run_job(client, runner, request_undo(client, job["task_id"]))
        assert (undo["updated_count"], undo["removed_count"], undo["rejected_count"]) == (50, 10, 0)
        assert read_products(url) == after_first
    assert run_job(client, runner, request_undo(client, first["task_id"]))["rejected_count"] == 0
    assert read_products(url) == before


def test_an_undo_leaves_alone_what_another_import_writes_at_the_same_time(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    run_import(runner, make_file(range(0, ROWS, 2), name="before"))
    first = run_import(runner, make_file(range(ROWS), name="first"))
    undo_task_id = request_undo(client, first["task_id"])
    task_id = upload(client, make_file(range(ROWS), description="other"))
    with Threads() as threads:
        threads.start(runner.run, undo_task_id)
        # Another slice size, so the slices of both jobs overlap.
        threads.start(replace(runner, slice_rows=70).run, task_id)
    undo, job = read_completed_undo(url, undo_task_id), read_job(url, task_id)
    assert (job["status"], job["processed_records"]) == ("completed", ROWS)
    # The import updates products that still exist, and creates those again that the undo has removed before.
    assert job["created_count"] == undo["removed_count"]
    assert job["updated_count"] == ROWS - undo["removed_count"]
    left_alone = read_skus_left_alone(url, undo_task_id)
    assert len(left_alone) == undo["rejected_count"]
    for number, (sku, name, description, _) in enumerate(read_products(url)):
        assert sku == f"K-{number:05}"
        assert name == ("first" if sku in left_alone else "" if number % 2 else "before")
        assert description == "other"


def test_an_undo_leaves_alone_what_clients_edit_at_the_same_time(
    app: Flask, client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    run_import(runner, make_file(range(0, ROWS, 2), name="before"))
    first = run_import(runner, make_file(range(ROWS), name="first"))
    ids = dict(execute(url, "SELECT sku, id FROM products"))
    undo_task_id = request_undo(client, first["task_id"])
    delay_slices(url, 0.02)
    undo_has_ended = threading.Event()
    edited: set[str] = set()
    deleted: set[str] = set()

    def edit_products(editor: int) -> None:
        editor_client, choices = app.test_client(), random.Random(editor)
        # Each editor has products of its own, so their final state is known.
        own_skus = [f"K-{number:05}" for number in range(editor, ROWS, 3)]
        while not undo_has_ended.is_set():
            sku = choices.choice(own_skus)
            if choices.random() < 0.8:
                response = editor_client.put(f"/api/products/{ids[sku]}", json={"description": "edited"})
                edited.update([sku] if response.status_code == 200 else [])
            else:
                response = editor_client.delete(f"/api/products/{ids[sku]}")
                deleted.update([sku] if response.status_code == 200 else [])
            assert response.status_code in {200, 404}
            if choices.random() < 0.1:
                selection = {"action": "deactivate", "ids": [ids[sku] for sku in choices.sample(own_skus, 20)]}
                assert editor_client.post("/api/products/bulk", json=selection).status_code == 200

    with Threads() as threads:
        for editor in range(3):
            threads.start(edit_products, editor)
        try:
            runner.run(undo_task_id)
        finally:
            undo_has_ended.set()
    undo, left_alone = read_completed_undo(url, undo_task_id), read_skus_left_alone(url, undo_task_id)
    assert undo["removed_count"]
    assert undo["rejected_count"]
    products = {sku: (name, description, active) for sku, name, description, active in read_products(url)}
    for number in range(ROWS):
        sku = f"K-{number:05}"
        if sku not in products:
            assert sku in deleted or (number % 2 and sku not in edited)
            continue
        name, description, active = products[sku]
        assert sku not in deleted
        assert name == ("first" if sku in left_alone else "before")
        assert description == ("edited" if sku in edited else "")
        # Only edited or deactivated products are left alone.
        assert sku not in left_alone or description or not active


def test_undos_of_two_imports_of_the_same_products_run_at_the_same_time(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    first = run_import(runner, make_file(range(ROWS), name="first"))
    second = run_import(replace(runner, slice_rows=70), make_file(range(ROWS), name="second"))
    undo_task_ids = [request_undo(client, job["task_id"], force=True) for job in (first, second)]
    with Threads() as threads:
        for task_id in undo_task_ids:
            threads.start(runner.run, task_id)
    undo_of_first, undo_of_second = (read_completed_undo(url, task_id) for task_id in undo_task_ids)
    assert (undo_of_second["updated_count"], undo_of_second["removed_count"]) == (ROWS, 0)
    # The undo of the first import removes the products that the other undo has restored before.
    assert undo_of_first["removed_count"] + undo_of_first["rejected_count"] == ROWS
    left_alone = read_skus_left_alone(url, undo_task_ids[0])
    assert {row[:2] for row in read_products(url)} == {(sku, "first") for sku in left_alone}
    if left_alone:
        undo = run_job(client, runner, request_undo(client, first["task_id"]))
        assert (undo["removed_count"], undo["total_records"]) == (len(left_alone), len(left_alone))
    assert read_products(url) == []


@pytest.mark.parametrize("action", ["confirm", "retry", "undo"])
def test_one_of_several_simultaneous_requests_succeeds(
    app: Flask, client: FlaskClient, runner: ImportRunner, action: str
) -> None:
    options = {"undo": {}, "confirm": {"preview": "true"}, "retry": {"on_reject": "fail"}}[action]
    rejected_row = ",no SKU\n" if action == "retry" else ""
    for number in range(4):
        job = upload_and_run(client, runner, f"sku,name\na,{number}\n{rejected_row}", **options)
        barrier = threading.Barrier(3)
        responses: list[Any] = []

        def post_action(
            task_id: str = job["task_id"], barrier: threading.Barrier = barrier, responses: list[Any] = responses
        ) -> None:
            own_client = app.test_client()
            barrier.wait(30)
            responses.append(own_client.post(f"/api/imports/{task_id}/{action}"))

        with Threads() as threads:
            for _ in range(3):
                threads.start(post_action)
        assert sorted(response.status_code for response in responses) == [202, 409, 409]
        (accepted,) = (response.json for response in responses if response.status_code == 202)
        assert get_import(client, job["task_id"])["run"] == (2 if action == "retry" else 1)
        run_job(client, runner, accepted["task_id"])
    assert len(read_products(runner.database_url)) == (1 if action == "confirm" else 0)


def test_an_undo_that_was_cancelled_while_it_ran_continues_later(client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    run_import(runner, make_file(range(0, ROWS, 2), name="before"))
    before = read_products(url)
    job = run_import(runner, make_file(range(ROWS), name="first"))
    undo_task_id = request_undo(client, job["task_id"])
    delay_slices(url, 0.05)
    with Threads() as threads:
        threads.start(runner.run, undo_task_id)
        wait_for("some entries are reversed", lambda: read_job(url, undo_task_id)["processed_records"] > 200)
        response = request_action(client, undo_task_id, "cancel")
    row = read_job(url, undo_task_id)
    assert (row["status"], row["processed_records"]) == ("cancelled", response["processed_records"])
    assert ROWS - row["removed_count"] == len(read_products(url))
    restored = [name for _, name, _, _ in read_products(url) if name == "before"]
    assert row["updated_count"] - row["removed_count"] == len(restored)
    assert 0 < row["processed_records"] == row["updated_count"] < ROWS
    stop_delaying_slices(url)
    request_action(client, undo_task_id, "retry")
    run_job(client, runner, undo_task_id)
    row = read_completed_undo(url, undo_task_id)
    assert (row["updated_count"], row["removed_count"], row["run"]) == (ROWS, ROWS // 2, 2)
    assert read_products(url) == before


def test_an_undo_continues_after_its_worker_was_killed(
    client: FlaskClient, runner: ImportRunner, processes: Processes, environment: dict[str, str]
) -> None:
    url = runner.database_url
    run_import(runner, make_file(range(0, ROWS, 2), name="before"))
    before = read_products(url)
    job = run_import(runner, make_file(range(ROWS), name="first"))
    undo_task_id = request_undo(client, job["task_id"])
    delay_slices(url, 0.1)
    announce(environment, undo_task_id)
    processes.start_worker("--concurrency=1", "-n", "one@%h")
    row = wait_for(
        "some entries are reversed", lambda: (row := read_job(url, undo_task_id))["processed_records"] > 200 and row
    )
    os.kill(int(row["lease_holder"].split()[1]), signal.SIGKILL)
    stop_delaying_slices(url)
    wait_for("the undo ends", lambda: read_job(url, undo_task_id)["finished_at"])
    row = read_completed_undo(url, undo_task_id)
    assert (row["updated_count"], row["removed_count"]) == (ROWS, ROWS // 2)
    assert read_products(url) == before
