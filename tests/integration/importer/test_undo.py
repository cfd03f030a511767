"""Undos beside other work: other imports, edits, other undos, retries, cancels and kills at the same moment."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from test_concurrency import Together

import importer.pipeline.merge
import importer.pipeline.undo
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import act, listed, send, show, upload, work
from support.jobs import announce, delay_slices, read_job, read_products, run_import
from support.processes import Processes
from support.waiting import wait_for

ROWS = 3000
COUNTS = ("updated_count", "unchanged_count", "rejected_count")


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """An runner whose slices are small."""
    return replace(runner, slice_rows=100)


def file_of(numbers: range, **columns: str) -> str:
    """A file of the products with these numbers, each column with the same value in every row."""
    rows = (",".join([f"K-{number:05}", *columns.values()]) for number in numbers)
    return "\n".join([",".join(["sku", *columns]), *rows]) + "\n"


def ask_to_undo(client: FlaskClient, job: Any) -> str:
    """Has an undo waiting for a worker; returns its id."""
    return str(act(client, job, "undo")["task_id"])


def completed(url: str, task_id: str) -> Any:
    """The row of an undo that has to be completed, with counts that add up."""
    row = read_job(url, task_id)
    assert row["status"] == "completed", row["error_message"]
    assert sum(row[name] for name in COUNTS) == row["processed_records"] == row["total_records"]
    return row


def left_alone(url: str, task_id: str) -> set[str]:
    """The SKUs that an undo has left alone."""
    query = "SELECT r.row FROM import_rejects r JOIN import_jobs j ON j.id = r.job_id WHERE j.task_id = %s"
    return {sku for (sku,) in execute(url, query, (task_id,))}


def after(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, count: int, then: Callable[[], Any]) -> None:
    """Lets something happen once when a function has been called so many times."""
    function, calls = getattr(module, name), iter(range(1, 1_000_000))

    def call(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        if next(calls) == count:
            then()
        return result

    monkeypatch.setattr(module, name, call)


def cancelled_import(client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch, content: str) -> Any:
    """An import that was cancelled when it had written two slices."""
    task_id = send(client, content).json["task_id"]
    job = {"task_id": task_id}
    after(monkeypatch, importer.pipeline.merge, "_write_slice", 2, lambda: act(client, job, "cancel"))
    assert work(client, runner, task_id)["status"] == "cancelled"
    return job


def test_a_long_undo_goes_on_under_another_message(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, file_of(range(300), name="n"))
    undo = ask_to_undo(client, job)
    hurried = replace(runner, task_seconds=0)
    removed = []
    while hurried.run(undo):
        removed.append(show(client, undo)["removed_count"])
    assert removed == [100, 200]
    assert completed(runner.database_url, undo)["removed_count"] == 300


def test_an_import_is_not_tried_again_while_its_undo_runs(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = cancelled_import(client, runner, monkeypatch, file_of(range(300), name="n"))
    undo = ask_to_undo(client, job)
    assert act(client, job, "retry", 409)["code"] == "not_retryable"
    assert act(client, job, "retry", 409, mode="create")["code"] == "not_retryable"
    assert work(client, runner, undo)["removed_count"] == 200
    act(client, job, "retry")
    assert work(client, runner, job["task_id"])["created_count"] == 300


def test_what_an_undo_that_was_cancelled_has_not_taken_back_can_still_be_taken_back_after_another_try(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = cancelled_import(client, runner, monkeypatch, file_of(range(300), name="n"))
    undo = {"task_id": ask_to_undo(client, job)}
    after(monkeypatch, importer.pipeline.undo, "_take_back_record", 1, lambda: act(client, undo, "cancel"))
    assert work(client, runner, undo["task_id"])["removed_count"] == 100
    act(client, job, "retry")
    done = work(client, runner, job["task_id"])
    assert (done["created_count"], done["unchanged_count"]) == (200, 100)
    # It would take back what the second try did.
    assert act(client, undo, "retry", 409)["code"] == "not_retryable"
    again = work(client, runner, ask_to_undo(client, job))
    assert (again["status"], again["removed_count"], again["total_records"]) == ("completed", 300, 300)
    assert read_products(runner.database_url) == []


def test_an_import_begun_anew_lists_what_it_left_out_once(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_import(runner, file_of(range(300), name="old"))
    task_id = send(client, file_of(range(300), name="new"), mode="create").json["task_id"]
    job = {"task_id": task_id}
    after(monkeypatch, importer.pipeline.merge, "_write_slice", 2, lambda: act(client, job, "cancel"))
    assert work(client, runner, task_id)["skipped_count"] == 200
    act(client, job, "retry", on_reject="fail")
    assert work(client, runner, task_id)["skipped_count"] == 300
    assert listed(client, job, "products", "?change=left_out")["pagination"]["total"] == 300


def test_imports_are_taken_back_one_after_the_other_whatever_was_taken_back_between_them(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    run_import(runner, file_of(range(0, 50, 2), name="before"))
    before = read_products(url)
    first = run_import(runner, file_of(range(50), name="first", active="no"))
    after_first = read_products(url)
    for name in ("second", "third"):
        # The third one finds products that an undo has brought back.
        job = run_import(runner, file_of(range(10, 60), name=name))
        undone = work(client, runner, ask_to_undo(client, job))
        assert (undone["updated_count"], undone["removed_count"], undone["rejected_count"]) == (50, 10, 0)
        assert read_products(url) == after_first
    assert work(client, runner, ask_to_undo(client, first))["rejected_count"] == 0
    assert read_products(url) == before


def test_another_import_of_the_same_products_meanwhile(client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    run_import(runner, file_of(range(0, ROWS, 2), name="before"))
    first = run_import(runner, file_of(range(ROWS), name="first"))
    undo = ask_to_undo(client, first)
    other = send(client, file_of(range(ROWS), description="other")).json["task_id"]
    with Together() as together:
        together.run(runner.run, undo)
        # Its slices are cut elsewhere.
        together.run(replace(runner, slice_rows=70).run, other)
    undone, imported = completed(url, undo), read_job(url, other)
    assert (imported["status"], imported["processed_records"]) == ("completed", ROWS)
    # Whatever was there when the other import came was edited by it; it created anew what had been removed by then.
    assert imported["created_count"] == undone["removed_count"]
    assert imported["updated_count"] == ROWS - undone["removed_count"]
    left = left_alone(url, undo)
    assert len(left) == undone["rejected_count"]
    for number, (sku, name, description, _) in enumerate(read_products(url)):
        assert sku == f"K-{number:05}"
        assert name == ("first" if sku in left else "" if number % 2 else "before")
        assert description == "other"


def test_edits_of_the_same_products_meanwhile(app: Flask, client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    run_import(runner, file_of(range(0, ROWS, 2), name="before"))
    first = run_import(runner, file_of(range(ROWS), name="first"))
    ids = dict(execute(url, "SELECT sku, id FROM products"))
    undo = ask_to_undo(client, first)
    delay_slices(url, 0.02)
    over = threading.Event()
    edited: set[str] = set()
    deleted: set[str] = set()

    def edit(number: int) -> None:
        editor, choice = app.test_client(), random.Random(number)
        # Each has products of its own, so that what becomes of them is known.
        mine = [f"K-{key:05}" for key in range(number, ROWS, 3)]
        while not over.is_set():
            sku = choice.choice(mine)
            if choice.random() < 0.8:
                answer = editor.put(f"/api/products/{ids[sku]}", json={"description": "mine"})
                edited.update([sku] if answer.status_code == 200 else [])
            else:
                answer = editor.delete(f"/api/products/{ids[sku]}")
                deleted.update([sku] if answer.status_code == 200 else [])
            assert answer.status_code in {200, 404}
            if choice.random() < 0.1:
                group = {"action": "deactivate", "ids": [ids[sku] for sku in choice.sample(mine, 20)]}
                assert editor.post("/api/products/bulk", json=group).status_code == 200

    with Together() as together:
        for number in range(3):
            together.run(edit, number)
        try:
            runner.run(undo)
        finally:
            over.set()
    undone, left = completed(url, undo), left_alone(url, undo)
    assert all(undone[f"{name}_count"] for name in ("removed", "rejected"))
    found = {sku: (name, description, active) for sku, name, description, active in read_products(url)}
    for number in range(ROWS):
        sku = f"K-{number:05}"
        if sku not in found:
            assert sku in deleted or (number % 2 and sku not in edited)
            continue
        name, description, active = found[sku]
        assert sku not in deleted
        assert name == ("first" if sku in left else "before")
        assert description == ("mine" if sku in edited else "")
        # One that was left alone had been edited.
        assert sku not in left or description or not active


def test_undos_of_two_imports_of_the_same_products_at_once(client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    imports = [run_import(runner, file_of(range(ROWS), name="first"))]
    imports.append(run_import(replace(runner, slice_rows=70), file_of(range(ROWS), name="second")))
    undos = [ask_to_undo(client, job) for job in imports]
    with Together() as together:
        for undo in undos:
            together.run(runner.run, undo)
    first, second = (completed(url, undo) for undo in undos)
    assert (second["updated_count"], second["removed_count"]) == (ROWS, 0)
    # The first one could only have its way where the second one was quicker.
    assert first["removed_count"] + first["rejected_count"] == ROWS
    assert {row[:2] for row in read_products(url)} == {(sku, "first") for sku in left_alone(url, undos[0])}


@pytest.mark.parametrize("action", ["confirm", "retry", "undo"])
def test_of_two_requests_at_once_one_is_carried_out(
    app: Flask, client: FlaskClient, runner: ImportRunner, action: str
) -> None:
    for number in range(4):
        options = {"undo": {}, "confirm": {"preview": "true"}, "retry": {"on_reject": "fail"}}[action]
        job = upload(client, runner, f"sku,name\na,{number}\n" + (",nothing\n" if action == "retry" else ""), **options)
        barrier = threading.Barrier(3)
        answers: list[Any] = []

        def ask(job: Any = job, barrier: threading.Barrier = barrier, answers: list[Any] = answers) -> None:
            asking = app.test_client()
            barrier.wait(30)
            answers.append(asking.post(f"/api/imports/{job['task_id']}/{action}"))

        with Together() as together:
            for _ in range(3):
                together.run(ask)
        assert sorted(answer.status_code for answer in answers) == [202, 409, 409]
        (done,) = (answer.json for answer in answers if answer.status_code == 202)
        assert show(client, job["task_id"])["run"] == (2 if action == "retry" else 1)
        work(client, runner, done["task_id"])
    assert len(read_products(runner.database_url)) == (1 if action == "confirm" else 0)


def test_an_undo_is_cancelled_while_it_runs_and_goes_on_later(client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    run_import(runner, file_of(range(0, ROWS, 2), name="before"))
    before = read_products(url)
    undo = {"task_id": ask_to_undo(client, run_import(runner, file_of(range(ROWS), name="first")))}
    delay_slices(url, 0.05)
    with Together() as together:
        together.run(runner.run, undo["task_id"])
        wait_for("some slices", lambda: read_job(url, undo["task_id"])["processed_records"] > 200)
        answer = act(client, undo, "cancel")
    row = read_job(url, undo["task_id"])
    assert (row["status"], row["processed_records"]) == ("cancelled", answer["processed_records"])
    assert ROWS - row["removed_count"] == len(read_products(url))
    restored = [name for _, name, _, _ in read_products(url) if name == "before"]
    assert row["updated_count"] - row["removed_count"] == len(restored)
    assert 0 < row["processed_records"] == row["updated_count"] < ROWS
    delay_slices(url, 0)
    act(client, undo, "retry")
    work(client, runner, undo["task_id"])
    row = completed(url, undo["task_id"])
    assert (row["updated_count"], row["removed_count"], row["run"]) == (ROWS, ROWS // 2, 2)
    assert read_products(url) == before


def test_a_worker_killed_in_the_middle_of_an_undo(
    client: FlaskClient, runner: ImportRunner, processes: Processes, environment: dict[str, str]
) -> None:
    url = runner.database_url
    run_import(runner, file_of(range(0, ROWS, 2), name="before"))
    before = read_products(url)
    undo = ask_to_undo(client, run_import(runner, file_of(range(ROWS), name="first")))
    delay_slices(url, 0.1)
    announce(environment, undo)
    processes.start_worker("--concurrency=1", "-n", "one@%h")
    row = wait_for("some slices", lambda: (row := read_job(url, undo))["processed_records"] > 200 and row)
    os.kill(int(row["lease_holder"].split()[1]), signal.SIGKILL)
    delay_slices(url, 0)
    wait_for("the undo ends", lambda: read_job(url, undo)["finished_at"])
    row = completed(url, undo)
    assert (row["updated_count"], row["removed_count"]) == (ROWS, ROWS // 2)
    assert read_products(url) == before
