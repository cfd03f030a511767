"""Cancelling an import at any moment, and trying one again without another upload."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from database.connect import Component, connected
from importer.jobs import reaper, repository
from importer.jobs.heartbeat import LeaseKeeper
from importer.jobs.repository import Job
from importer.pipeline import stage
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import act, send, show, upload, work
from support.jobs import delay_slices, read_job, read_products, run_import, stop_delaying_slices
from support.waiting import wait_for

ROWS = 200
FILE = "sku,name\n" + "".join(f"K-{number:04},new\n" for number in range(ROWS))
HELD_SECONDS = 60


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """An runner whose slices are small."""
    return replace(runner, slice_rows=20, chunk_rows=20)


@contextmanager
def at_work(runner: ImportRunner, task_id: str) -> Iterator[None]:
    """Works on an import in another thread, which must come to its end by itself."""
    thread = threading.Thread(target=runner.run, args=[task_id])
    thread.start()
    try:
        yield
    finally:
        thread.join(30)
        assert not thread.is_alive()


def check_that_it_left_nothing(runner: ImportRunner) -> None:
    """No staging table is left once the sweep was there; the file is kept."""
    with connected(runner.database_url, Component.IMPORTER) as connection:
        reaper.drop_staging_of_ended(connection)
    query = "SELECT count(*) FROM pg_class WHERE relname LIKE 'import\\_staging%%'"
    assert execute(runner.database_url, query) == [(0,)]
    assert len(list(runner.upload_dir.iterdir())) == 1


def test_one_that_waits_for_a_worker_is_cancelled_and_nobody_works_on_it(
    client: FlaskClient, runner: ImportRunner
) -> None:
    task_id = send(client, FILE).json["task_id"]
    answer = act(client, {"task_id": task_id}, "cancel")
    assert (answer["status"], answer["phase"], answer["progress"]) == ("cancelled", "finished", 0)
    assert answer["retry_until"] is not None
    assert (answer["undo_until"], answer["error_message"]) == (None, None)
    assert work(client, runner, task_id)["status"] == "cancelled"
    assert read_products(runner.database_url) == []
    refusal = act(client, answer, "cancel", 409)
    assert (refusal["code"], refusal["error"]) == (
        "already_ended",
        "The import was cancelled, so there is nothing to cancel.",
    )


def test_one_that_is_being_read_is_cancelled_at_once(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = send(client, FILE).json["task_id"]
    read_on, checks = threading.Event(), LeaseKeeper.check

    def check(keeper: Any) -> None:
        read_on.wait(HELD_SECONDS)
        checks(keeper)

    monkeypatch.setattr(LeaseKeeper, "check", check)
    with at_work(runner, task_id):
        wait_for("reading", lambda: show(client, task_id)["phase"] == "reading")
        assert act(client, {"task_id": task_id}, "cancel")["status"] == "cancelled"
        read_on.set()
    assert read_products(runner.database_url) == []
    check_that_it_left_nothing(runner)
    again = act(client, {"task_id": task_id}, "retry")
    assert (again["status"], again["run"], again["progress"]) == ("pending", 2, 0)
    done = work(client, runner, task_id)
    assert (done["status"], done["created_count"]) == ("completed", ROWS)


def test_a_long_statement_of_reading_is_interrupted(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = repository.update

    def slow(cursor: Any, job: Job, assignments: str, values: dict[str, Any], **options: Any) -> None:
        if assignments == stage.STAGED:
            # As the index of a hundred million rows would take.
            cursor.execute("SELECT pg_sleep(%s)", (HELD_SECONDS,))
        update(cursor, job, assignments, values, **options)

    monkeypatch.setattr(repository, "update", slow)
    task_id = send(client, FILE).json["task_id"]
    with at_work(runner, task_id):
        wait_for("a long statement", lambda: _sleeping(runner) == 1)
        assert act(client, {"task_id": task_id}, "cancel")["status"] == "cancelled"
        # The worker is free again, although nobody waited for the statement.
        wait_for("its end", lambda: _sleeping(runner) == 0, seconds=HELD_SECONDS / 2)
    check_that_it_left_nothing(runner)


def _sleeping(runner: ImportRunner) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    return int(execute(runner.database_url, query)[0][0])


def test_while_it_writes_exactly_what_it_has_written_stays(client: FlaskClient, runner: ImportRunner) -> None:
    delay_slices(runner.database_url, 0.2)
    task_id = send(client, FILE).json["task_id"]
    with at_work(runner, task_id):
        wait_for("some slices", lambda: show(client, task_id)["created_count"] >= 40)
        answer = act(client, {"task_id": task_id}, "cancel")
    assert answer["status"] == "cancelled"
    assert 40 <= answer["created_count"] == answer["processed_records"] < ROWS
    assert len(read_products(runner.database_url)) == answer["created_count"] == show(client, task_id)["created_count"]
    assert f"{answer['created_count']} created" in show(client, task_id)["log"][-1]["message"]
    check_that_it_left_nothing(runner)

    # It goes on behind what it has written, and counts all.
    stop_delaying_slices(runner.database_url)
    act(client, answer, "retry")
    done = work(client, runner, task_id)
    assert (done["status"], done["created_count"], done["unchanged_count"]) == ("completed", ROWS, 0)
    undo = work(client, runner, act(client, done, "undo")["task_id"])
    assert (undo["status"], undo["removed_count"]) == ("completed", ROWS)
    assert read_products(runner.database_url) == []


def test_a_slice_that_takes_long_gives_way_and_is_not_written(client: FlaskClient, runner: ImportRunner) -> None:
    delay_slices(runner.database_url, HELD_SECONDS)
    task_id = send(client, FILE).json["task_id"]
    with at_work(runner, task_id):
        wait_for("a long slice", lambda: _sleeping(runner) == 1)
        answer = act(client, {"task_id": task_id}, "cancel")
    assert (answer["status"], answer["created_count"]) == ("cancelled", 0)
    assert read_products(runner.database_url) == []


def test_a_preview_is_dropped_and_can_be_had_again(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, FILE, preview="true")
    act(client, job, "cancel")
    assert act(client, job, "confirm", 409)["code"] == "not_awaiting_confirmation"
    check_that_it_left_nothing(runner)
    act(client, job, "retry")
    assert show(client, job["task_id"])["preview"] is None
    again = work(client, runner, job["task_id"])
    assert (again["status"], again["preview"]["create"], again["run"]) == ("awaiting_confirmation", ROWS, 2)
    assert read_products(runner.database_url) == []


def test_other_options_begin_anew(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, "sku;name\nA-1;Lamp, blue\n", delimiter="comma", preview="true")
    assert job["status"] == "failed"
    act(client, job, "retry", delimiter=None, mode="create")
    found = work(client, runner, job["task_id"])
    assert (found["status"], found["file"]["delimiter"], found["mode"]) == ("awaiting_confirmation", ";", "create")
    # One that waits to be confirmed is read again, too.
    act(client, found, "retry", mapping={"name": None})
    narrow = work(client, runner, job["task_id"])
    assert (narrow["status"], narrow["file"]["unmapped"], narrow["run"]) == ("awaiting_confirmation", ["name"], 3)
    act(client, narrow, "retry", preview=False, mapping=None)
    done = work(client, runner, job["task_id"])
    assert (done["status"], done["run"]) == ("completed", 4)
    assert read_products(runner.database_url) == [("A-1", "Lamp, blue", "", True)]
    assert act(client, done, "retry", 409)["code"] == "not_retryable"


def test_a_file_is_read_with_another_quote(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, 'sku,name\nA-1,"19" rack\n', quote="single")
    assert (job["options"]["quote"], job["file"]["quote"], job["rejected_count"]) == ("'", "'", 0)
    assert read_products(runner.database_url) == [("A-1", '"19" rack', "", True)]
    found = upload(client, runner, 'sku,name\nA-2,"19" rack\n', preview="true")
    assert (found["file"]["quote"], found["rejected_count"]) == ('"', 1)
    act(client, found, "retry", quote="none")
    plain = work(client, runner, found["task_id"])
    assert (plain["options"]["quote"], plain["file"]["quote"], plain["rejected_count"]) == ("none", "", 0)
    act(client, plain, "retry", quote=None, preview=False)
    again = work(client, runner, found["task_id"])
    assert (again["options"]["quote"], again["file"]["escaped"], again["rejected_count"]) == (None, False, 1)


def test_what_cannot_be_tried_again_says_so(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, "name\nLamp\n")
    for body, field in (
        ({"mode": "x"}, "mode"),
        ({"colour": 1}, "colour"),
        ({"mapping": []}, "mapping"),
        ({"preview": "true"}, "preview"),
        ({"quote": 5}, "quote"),
        ({"encoding": 5}, "encoding"),
    ):
        answer = client.post(f"/api/imports/{job['task_id']}/retry", json=body)
        assert answer.status_code == 400
        assert list((answer.json or {})["fields"]) == [field]
    broken: Any = client.post(f"/api/imports/{job['task_id']}/retry", data="{")
    assert broken.status_code == 400
    assert show(client, job["task_id"])["status"] == "failed"
    for path in runner.upload_dir.iterdir():
        path.unlink()
    assert act(client, job, "retry", 409)["code"] == "file_gone"
    assert client.post("/api/imports/no-such-id/cancel").status_code == 404


def test_an_undone_import_begins_anew(client: FlaskClient, runner: ImportRunner) -> None:
    delay_slices(runner.database_url, 0.2)
    task_id = send(client, FILE).json["task_id"]
    with at_work(runner, task_id):
        wait_for("a slice", lambda: show(client, task_id)["created_count"])
        job = act(client, {"task_id": task_id}, "cancel")
    stop_delaying_slices(runner.database_url)
    undo = work(client, runner, act(client, job, "undo")["task_id"])
    assert undo["removed_count"] == job["created_count"]
    assert read_products(runner.database_url) == []
    act(client, job, "retry")
    done = work(client, runner, task_id)
    assert (done["status"], done["created_count"], done["undone_by"]) == ("completed", ROWS, None)
    assert done["undo_until"] is not None


def test_an_undo_is_cancelled_and_goes_on(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, FILE)
    undo = act(client, job, "undo")
    act(client, undo, "cancel")
    assert len(read_products(runner.database_url)) == ROWS
    assert act(client, job, "undo", 409)["code"] == "not_undoable"
    assert act(client, undo, "retry", 409, mode="create")["code"] == "not_retryable"
    act(client, undo, "retry")
    done = work(client, runner, undo["task_id"])
    assert (done["status"], done["removed_count"], done["processed_records"]) == ("completed", ROWS, ROWS)
    assert read_products(runner.database_url) == []
    assert read_job(runner.database_url, job["task_id"])["undone_by"] == undo["task_id"]
