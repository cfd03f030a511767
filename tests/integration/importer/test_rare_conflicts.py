"""Jobs whose rows others lock, change or delete in the meantime, and rows that are blank in unusual ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from access.actors import LOCAL
from access.audit import Origin
from database import advisory_locks
from database.connect import Component, connected
from importer.errors import LeaseLost
from importer.files.dialect import Dialect
from importer.files.row_reader import RowReader
from importer.files.text_buffer import TextBuffer
from importer.files.text_source import TextSource
from importer.jobs import actions, cleanup, heartbeat, lease, repository
from importer.jobs.cleanup import Details
from importer.jobs.heartbeat import Heartbeat
from importer.jobs.repository import Job
from importer.jobs.retention import HistoryRetention
from importer.pipeline.run import StepKind
from importer.pipeline.runner import ImportRunner
from support.bulk import open_transaction
from support.database import execute
from support.files import read_file
from support.interruptions import ActAfterCommit
from support.jobs import create_job, folder_of, read_job, read_rejects, run_import
from support.threads import Threads
from support.waiting import wait_for

FILE = "sku,name\na,1\n,no SKU\n"
HISTORY = HistoryRetention(history_days=365, reject_days=90, sample_days=60)
LOCK_JOB_SQL = "SELECT FROM import_jobs WHERE id = %s FOR UPDATE"
LEASE_IS_EXTENDED_SQL = "SELECT 1 FROM import_jobs WHERE lease_expires_at > %s"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection like that of a reaper."""
    with connected(database_url, Component.REAPER) as connection:
        yield connection


@pytest.fixture
def job(runner: ImportRunner, connection: Connection) -> Job:
    """A job whose lease this process holds."""
    job = lease.acquire(connection, create_job(runner, FILE.encode()), lease_seconds=60)
    assert job
    return job


@pytest.fixture
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a heartbeat extend the lease all the time."""
    monkeypatch.setattr(heartbeat, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "MAX_HEARTBEAT_SECONDS", 0.05)


def make_older(url: str, days: int) -> None:
    """Move the end of all jobs into the past."""
    names = ("finished_at", "retry_until", "undo_until")
    execute(url, "UPDATE import_jobs SET " + ", ".join(f"{name} = {name} - interval '{days} days'" for name in names))


def extends_lease(url: str) -> bool:
    """Return whether the lease of the job is extended from now on."""
    ((expires_at,),) = execute(url, "SELECT lease_expires_at FROM import_jobs")
    return bool(wait_for("a later end of the lease", lambda: execute(url, LEASE_IS_EXTENDED_SQL, (expires_at,))))


def test_old_jobs_that_are_locked_are_skipped_and_deleted_the_next_time(
    connection: Connection, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = runner.database_url
    locked, _ = [run_import(runner, FILE) for _ in range(2)]
    make_older(url, 366)
    with monkeypatch.context() as impatient, open_transaction(url) as cursor:
        impatient.setattr(cleanup, "LIMIT_JOB_LOCK_SQL", "SET LOCAL lock_timeout = '50ms'")
        cursor.execute(LOCK_JOB_SQL, (locked["id"],))
        assert cleanup.delete_expired(connection, HISTORY, seconds=60)
        assert execute(url, "SELECT id, rejects_removed_at FROM import_jobs") == [(locked["id"], None)]
        assert len(read_rejects(url, locked)) == 1
    assert cleanup.delete_expired(connection, HISTORY, seconds=60)
    assert execute(url, "SELECT FROM import_jobs") == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_job_that_ends_again_while_its_rejects_are_removed_is_not_marked(
    connection: Connection, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    url = runner.database_url
    job = run_import(runner, FILE)
    make_older(url, 91)
    execute(url, "UPDATE import_jobs SET samples_removed_at = now()")
    delete_details = cleanup.delete_details

    def delete_beside_a_retry(connection: Connection, job_id: int, details: Details, *rest: Any, **named: Any) -> bool:
        retry_sql = "UPDATE import_jobs SET finished_at = now()"
        if details is cleanup.REJECTS and moment == "before":
            execute(url, retry_sql)
        is_complete = delete_details(connection, job_id, details, *rest, **named)
        if details is cleanup.REJECTS and moment == "after":
            execute(url, retry_sql)
        return is_complete

    monkeypatch.setattr(cleanup, "delete_details", delete_beside_a_retry)
    assert cleanup.delete_expired(connection, HISTORY, seconds=60)
    assert len(read_rejects(url, job)) == (1 if moment == "before" else 0)
    assert read_job(url, job["task_id"])["rejects_removed_at"] is None
    assert execute(url, "SELECT FROM import_log WHERE event = 'removed'") == []


def test_deleting_a_job_that_another_client_deletes_at_the_same_time_succeeds(
    connection: Connection, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = runner.database_url
    job = run_import(runner, FILE)
    delete_job = cleanup.delete_job

    def delete_twice(connection: Connection, job_id: int, *, on_start: Callable[[Cursor], None]) -> bool:
        assert delete_job(connection, job_id)
        return delete_job(connection, job_id, on_start=on_start)

    monkeypatch.setattr(cleanup, "delete_job", delete_twice)
    actions.delete(connection, job["task_id"], Origin(LOCAL))
    assert execute(url, "SELECT FROM import_jobs") == []
    assert execute(url, "SELECT FROM audit_entries") == []


@pytest.mark.usefixtures("quick_beats")
def test_a_lease_is_kept_while_postgresql_works_and_lost_once_nothing_happens(database_url: str, job: Job) -> None:
    def work() -> None:
        with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
            advisory_locks.mark_work(cursor, job.id)
            with pytest.raises(errors.QueryCanceled):
                cursor.execute("SELECT pg_sleep(60)")

    working_sql = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    with Threads() as threads:
        threads.start(work)
        wait_for("the work", lambda: execute(database_url, f"SELECT pid {working_sql}"))
        with Heartbeat(database_url, job, lease_seconds=60, stall_seconds=0) as beating:
            assert extends_lease(database_url)
            assert extends_lease(database_url)
            assert not beating.lease_is_lost
            execute(database_url, f"SELECT pg_cancel_backend(pid) {working_sql}")
            wait_for("the loss of the lease", lambda: beating.lease_is_lost)


@pytest.mark.usefixtures("quick_beats")
def test_the_loss_of_a_lease_cancels_the_statements_of_all_connections_of_the_worker(
    database_url: str, job: Job
) -> None:
    def work(worker: Connection) -> None:
        with worker.cursor() as cursor, pytest.raises(errors.QueryCanceled):
            cursor.execute("SELECT pg_sleep(60)")

    sleeping_sql = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    with (
        closing(psycopg2.connect(database_url)) as first,
        closing(psycopg2.connect(database_url)) as second,
        Heartbeat(database_url, job, lease_seconds=60, stall_seconds=60) as beating,
        Threads() as threads,
    ):
        for worker in (first, second):
            beating.watch(worker)
            threads.start(work, worker)
        wait_for("both statements", lambda: len(execute(database_url, f"SELECT pid {sleeping_sql}")) == 2)
        execute(database_url, "UPDATE import_jobs SET lease_token = gen_random_uuid()")


@pytest.mark.usefixtures("quick_beats")
def test_a_slice_that_takes_long_keeps_other_workers_but_neither_the_heartbeat_nor_a_cancel_waiting(
    database_url: str, job: Job, runner: ImportRunner, connection: Connection
) -> None:
    with (
        Heartbeat(database_url, job, lease_seconds=60, stall_seconds=60) as beating,
        open_transaction(database_url) as cursor,
    ):
        lease.hold(cursor, job)
        assert extends_lease(database_url)
        with open_transaction(database_url) as successor, pytest.raises(errors.LockNotAvailable):
            successor.execute("SET LOCAL lock_timeout = '20ms'")
            successor.execute(lease.LOCK_UNFINISHED_JOB_SQL, (job.task_id,))
        actions.cancel(connection, job.task_id, runner.retention, Origin(LOCAL))
        wait_for("the loss of the lease", lambda: beating.lease_is_lost)
        with pytest.raises(LeaseLost):
            repository.update(cursor, job, "checkpoint = 'a'", {})
    assert read_job(database_url, job.task_id)["status"] == "cancelled"


def test_a_file_whose_rows_are_all_rejected_is_not_read_again_after_an_interruption(runner: ImportRunner) -> None:
    def fail() -> None:
        raise RuntimeError("the worker ends")

    task_id = create_job(runner, b"sku,name\n,no SKU\n,none either\n")
    with pytest.raises(RuntimeError, match="the worker ends"):
        replace(runner, observer=ActAfterCommit(StepKind.STAGE_FILE, 1, fail)).run(task_id)
    # Without its file, the import can only continue with what is staged.
    (folder_of(runner) / f"{task_id}.upload").unlink()
    assert not runner.run(task_id)
    job = read_job(runner.database_url, task_id)
    assert (job["status"], job["total_records"], job["rejected_count"]) == ("completed", 2, 2)
    assert read_rejects(runner.database_url, job) == [(2, "missing_sku"), (3, "missing_sku")]


def test_rows_of_nothing_but_quoted_spaces_are_left_out() -> None:
    result = read_file(b'sku,name\n" ",\n" ","\n"\n')
    assert (result.rows, result.rejects) == ([], [])


def test_a_blank_line_whose_line_end_is_cut_in_two_is_no_row(tmp_path: Path) -> None:
    block = 16
    file = tmp_path / "products.csv"
    file.write_bytes(b"a" * (block - 2) + b"\n\r" + b"\nb\n")
    with TextSource(file, max_unpacked_bytes=1000, encoding="utf-8", block_bytes=block) as source:
        buffer = TextBuffer(source)
        reader = RowReader(buffer, Dialect(), max_record=100)
        rows: list[tuple[int, Any]] = []
        while buffer.ensure():
            chunk = reader.read_rows(10)
            assert chunk.rejects == []
            rows += zip(chunk.lines(), chunk.rows, strict=True)
    assert rows == [(1, ["a" * (block - 2)]), (3, ["b"])]


@pytest.mark.parametrize("blank", [" ", ","])
def test_a_blank_line_longer_than_the_limit_of_a_record_is_rejected(blank: str) -> None:
    text = f"sku,name\na,b\n\n\n{blank * 100}\n\nc,d\n"
    for use_fast_path in (True, False):
        result = read_file(text.encode(), max_record=20, use_fast_path=use_fast_path)
        assert result.rows == [("a", "b"), ("c", "d")]
        assert result.reject_codes == [(5, "row_too_long")]
