"""What is kept of ended jobs, and for how long: rejects, samples, change logs, whole jobs and column mappings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from database.connect import Component, connected
from importer.jobs import cleanup
from importer.jobs.retention import HistoryRetention
from importer.pipeline.run import StepKind
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import get_import, refused_action, request_action, run_job, upload, upload_and_run
from support.interruptions import ActAfterCommit
from support.jobs import create_job, read_job, read_products, read_rejects, run_import
from support.threads import Threads
from support.waiting import wait_for

HISTORY = HistoryRetention(history_days=365, reject_days=90, sample_days=60)
DETAIL_TABLES = ("import_rejects", "import_samples", "import_changes", "import_log")
BAD_ROWS = 25
FILE = "sku,name\na,1\n" + ",no SKU\n" * BAD_ROWS
MANY_SECONDS = 60.0


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection like that of a reaper."""
    with connected(database_url, Component.REAPER) as connection:
        yield connection


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each batch so small that a job needs several."""
    for name in ("REJECTS", "SAMPLES", "CHANGES", "LOG"):
        details = replace(getattr(cleanup, name), batch_rows=7)
        monkeypatch.setattr(cleanup, name, details)
    rejects = replace(cleanup.EXPIRING_REJECTS, details=cleanup.REJECTS)
    monkeypatch.setattr(cleanup, "EXPIRING_REJECTS", rejects)


def make_older(url: str, days: int) -> None:
    """Move all times of the jobs into the past."""
    times = ("created_at", "finished_at", "retry_until", "undo_until")
    execute(url, "UPDATE import_jobs SET " + ", ".join(f"{name} = {name} - interval '{days} days'" for name in times))
    execute(url, f"UPDATE import_mappings SET used_at = used_at - interval '{days} days'")


def count_details(url: str) -> dict[str, int]:
    return {table: execute(url, f"SELECT count(*) FROM {table}")[0][0] for table in DETAIL_TABLES}


def test_nothing_is_removed_before_its_time(connection: Connection, runner: ImportRunner) -> None:
    url = runner.database_url
    run_import(runner, FILE)
    before = count_details(url)
    assert cleanup.delete_expired(connection, HISTORY, seconds=MANY_SECONDS)
    assert count_details(url) == before


def test_rejects_and_samples_are_removed_before_their_job(
    connection: Connection, client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    job = run_import(runner, FILE)
    make_older(url, 89)
    assert cleanup.delete_expired(connection, HISTORY, seconds=MANY_SECONDS)
    assert len(read_rejects(url, job)) == BAD_ROWS
    assert count_details(url)["import_samples"] == 0
    make_older(url, 2)
    assert cleanup.delete_expired(connection, HISTORY, seconds=MANY_SECONDS)
    assert read_rejects(url, job) == []
    shown = get_import(client, job["task_id"])
    assert (shown["status"], shown["rejected_count"], shown["samples"]) == ("completed", BAD_ROWS, [])
    assert [entry["message"] for entry in shown["log"] if entry["event"] == "removed"] == [
        "The throughput samples were removed after 60 days.",
        "The rejected rows were removed after 90 days.",
    ]
    # Nothing is left to do, so nothing is logged a second time.
    assert cleanup.delete_expired(connection, HISTORY, seconds=MANY_SECONDS)
    assert get_import(client, job["task_id"])["log"] == shown["log"]


def test_an_old_job_is_removed_with_everything_of_it(
    connection: Connection, client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    old = upload_and_run(client, runner, FILE, preview="true", started_from="page")
    request_action(client, old["task_id"], "confirm")
    run_job(client, runner, old["task_id"])
    run_job(client, runner, request_action(client, old["task_id"], "undo")["task_id"])
    waiting_task_id = create_job(runner, b"sku\nb\n")
    make_older(url, 366)
    recent = run_import(runner, FILE)
    recent_details = count_details(url)["import_rejects"] - BAD_ROWS
    assert recent_details == BAD_ROWS
    assert cleanup.delete_expired(connection, HISTORY, seconds=MANY_SECONDS)
    rows = execute(url, "SELECT task_id FROM import_jobs ORDER BY id")
    assert rows == [(waiting_task_id,), (recent["task_id"],)]
    job_ids = {job_id for table in DETAIL_TABLES for (job_id,) in execute(url, f"SELECT job_id FROM {table}")}
    assert job_ids == {recent["id"]}
    assert execute(url, "SELECT count(*) FROM import_mappings") == [(0,)]


def test_a_job_that_can_still_be_undone_or_retried_is_kept(connection: Connection, runner: ImportRunner) -> None:
    url = runner.database_url
    run_import(runner, FILE)
    run_import(runner, "name\nno SKU\n")
    make_older(url, 366)
    execute(url, "UPDATE import_jobs SET undo_until = now() + interval '1 day' WHERE status = 'completed'")
    execute(url, "UPDATE import_jobs SET retry_until = now() + interval '1 day' WHERE status = 'failed'")
    assert cleanup.delete_expired(connection, HISTORY, seconds=MANY_SECONDS)
    assert execute(url, "SELECT count(*) FROM import_jobs") == [(2,)]
    assert count_details(url)["import_changes"] == 1


def test_a_deletion_that_runs_out_of_time_goes_on_later(connection: Connection, runner: ImportRunner) -> None:
    url = runner.database_url
    run_import(runner, FILE)
    make_older(url, 366)
    rounds = 0
    while not cleanup.delete_expired(connection, HISTORY, seconds=0.0005):
        rounds += 1
        assert rounds < 10_000
    assert execute(url, "SELECT count(*) FROM import_jobs") == [(0,)]
    assert set(count_details(url).values()) == {0}


def test_each_batch_is_a_transaction_of_its_own(connection: Connection, runner: ImportRunner) -> None:
    """A job with many rejects is deleted while another transaction keeps one of its rejects locked."""
    url = runner.database_url
    job = run_import(runner, FILE)
    with connected(url, Component.WEB) as other, other, other.cursor() as cursor, Threads() as threads:
        cursor.execute("SELECT FROM import_rejects WHERE line = (SELECT max(line) FROM import_rejects) FOR UPDATE")
        threads.start(cleanup.delete_job, connection, job["id"])
        wait_for("all batches but the last one are deleted", lambda: len(read_rejects(url, job)) == BAD_ROWS % 7)
        assert read_job(url, job["task_id"])["undo_until"] is None
        other.rollback()
    assert execute(url, "SELECT count(*) FROM import_jobs") == [(0,)]


def test_only_an_ended_job_is_deleted(connection: Connection, client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    for options in ({}, {"preview": "true"}):
        task_id = upload(client, FILE, **options)
        if options:
            run_job(client, runner, task_id)
        assert not cleanup.delete_job(connection, read_job(url, task_id)["id"])
        request_action(client, task_id, "cancel")
        assert cleanup.delete_job(connection, read_job(url, task_id)["id"])
    assert execute(url, "SELECT count(*) FROM import_jobs") == [(0,)]
    assert execute(url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'import\\_staging%%'") == [(0,)]
    assert not cleanup.delete_job(connection, 12345)


def test_an_import_is_not_deleted_before_its_undo_ends(
    connection: Connection, client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    job = run_import(runner, FILE)
    undo_task_id = request_action(client, job["task_id"], "undo")["task_id"]
    assert not cleanup.delete_job(connection, job["id"])
    assert not cleanup.delete_job(connection, read_job(url, undo_task_id)["id"])
    request_action(client, undo_task_id, "cancel")
    assert cleanup.delete_job(connection, job["id"])
    # Without the change log there is nothing left that the undo could reverse.
    assert refused_action(client, undo_task_id, "retry")["code"] == "not_retryable"
    assert len(read_products(url)) == 1


def test_the_import_of_a_deleted_undo_can_be_undone_for_the_rest(
    connection: Connection, client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    runner = replace(runner, slice_rows=2)
    job = run_import(runner, "sku\n" + "".join(f"{number}\n" for number in range(6)))
    undo_task_id = request_action(client, job["task_id"], "undo")["task_id"]
    cancel = ActAfterCommit(StepKind.REVERSE_ENTRY, 1, lambda: request_action(client, undo_task_id, "cancel"))
    undo = run_job(client, replace(runner, observer=cancel), undo_task_id)
    assert (undo["status"], undo["removed_count"]) == ("cancelled", 2)
    assert cleanup.delete_job(connection, undo["id"])
    undo = run_job(client, runner, request_action(client, job["task_id"], "undo")["task_id"])
    assert (undo["total_records"], undo["removed_count"]) == (4, 4)
    assert read_products(url) == []


def test_a_job_is_deleted_once_by_several_workers(database_url: str, runner: ImportRunner) -> None:
    job = run_import(runner, FILE)

    def delete() -> None:
        with connected(database_url, Component.REAPER) as connection:
            cleanup.delete_job(connection, job["id"])

    with Threads() as threads:
        for _ in range(4):
            threads.start(delete)
    assert execute(database_url, "SELECT count(*) FROM import_jobs") == [(0,)]
    assert set(count_details(database_url).values()) == {0}


def test_a_job_whose_row_is_locked_is_left_for_later(connection: Connection, runner: ImportRunner) -> None:
    url = runner.database_url
    job = run_import(runner, FILE)
    with connected(url, Component.WEB) as other, other, other.cursor() as cursor:
        cursor.execute("SELECT FROM import_jobs FOR UPDATE")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("database.connect.LIMIT_WAITS_SQL", "SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(errors.LockNotAvailable):
                cleanup.delete_job(connection, job["id"])
    assert len(read_rejects(url, job)) == BAD_ROWS
