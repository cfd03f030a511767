"""How a run ends if something other than the file stops it: errors, a lost lease, too many attempts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from database.connect import Component, connect, connected
from importer.jobs import cleanup, lease
from importer.jobs.heartbeat import Heartbeat
from importer.jobs.repository import Job
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.interruptions import ActAfterCommit
from support.jobs import create_job, read_job, read_products, read_rejects, run_import
from support.waiting import wait_for

FILE = b"sku\na\n"


class ActBefore(Observer):
    """Call a function before each transaction of a kind of step."""

    def __init__(self, kind: StepKind, action: Callable[[], Any]) -> None:
        self.kind, self.action = kind, action

    def before_transaction(self, step: Step) -> None:
        if step.kind is self.kind:
            self.action()


def fail_with(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_a_row_that_another_transaction_locks_is_left_to_it(
    runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("database.connect.LIMIT_WAITS_SQL", "SET LOCAL lock_timeout = '100ms'")
    task_id = create_job(runner, FILE)
    with connected(runner.database_url, Component.IMPORTER) as other, other, other.cursor() as cursor:
        cursor.execute("SELECT FROM import_jobs FOR UPDATE")
        assert runner.run(task_id) is False
        assert read_job(runner.database_url, task_id)["status"] == "pending"
    runner.run(task_id)
    assert read_job(runner.database_url, task_id)["status"] == "completed"


@pytest.mark.parametrize(
    "error", [psycopg2.OperationalError("The connection was lost."), ValueError("A bug.")], ids=["database", "bug"]
)
def test_an_unexpected_error_releases_the_lease(runner: ImportRunner, error: Exception) -> None:
    task_id = create_job(runner, FILE)
    observer = ActBefore(StepKind.WRITE_SLICE, fail_with(error))
    with pytest.raises(type(error)):
        replace(runner, observer=observer).run(task_id)
    row = read_job(runner.database_url, task_id)
    assert (row["status"], row["lease_token"], row["announced_at"]) == ("processing", None, None)
    runner.run(task_id)
    assert read_job(runner.database_url, task_id)["status"] == "completed"


def test_a_full_disk_fails_the_import_with_a_sentence(runner: ImportRunner) -> None:
    observer = ActBefore(StepKind.WRITE_SLICE, fail_with(psycopg2.errors.DiskFull()))
    row = run_import(replace(runner, observer=observer), FILE)
    assert (row["status"], row["error_message"]) == (
        "failed",
        "The disk of the database server is full. Free some space, then retry the import.",
    )


def test_an_import_that_never_makes_progress_fails(runner: ImportRunner) -> None:
    task_id = create_job(runner, FILE)
    failing_runner = replace(
        runner, observer=ActBefore(StepKind.WRITE_SLICE, fail_with(ValueError("A bug."))), max_attempts=2
    )
    # The first attempt stages the file, which is progress. The next two fail without progress.
    for _ in range(3):
        with pytest.raises(ValueError, match="A bug"):
            failing_runner.run(task_id)
    failing_runner.run(task_id)
    row = read_job(runner.database_url, task_id)
    assert row["status"] == "failed"
    assert row["error_message"].startswith("The import was started 2 times and stopped each time before")


def acquire_with_another_worker(runner: ImportRunner, task_id: str) -> None:
    execute(runner.database_url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1s'")
    with connected(runner.database_url, Component.IMPORTER) as connection:
        assert lease.acquire(connection, task_id, lease_seconds=60)


@pytest.mark.parametrize("kind", [StepKind.STAGE_FILE, StepKind.WRITE_SLICE, StepKind.COMPLETE])
def test_a_worker_that_has_lost_its_lease_writes_nothing(runner: ImportRunner, kind: StepKind) -> None:
    task_id = create_job(runner, FILE)
    observer = ActBefore(kind, lambda: acquire_with_another_worker(runner, task_id))
    assert replace(runner, observer=observer).run(task_id) is False
    row = read_job(runner.database_url, task_id)
    assert row["status"] == "processing"
    assert row["lease_token"] is not None
    assert len(read_products(runner.database_url)) == row["created_count"] == (1 if kind is StepKind.COMPLETE else 0)


def test_a_worker_that_loses_its_lease_after_staging_stops(runner: ImportRunner) -> None:
    task_id = create_job(runner, FILE)
    observer = ActAfterCommit(StepKind.STAGE_FILE, 1, lambda: acquire_with_another_worker(runner, task_id))
    assert replace(runner, observer=observer).run(task_id) is False
    row = read_job(runner.database_url, task_id)
    assert (row["status"], row["staged_columns"], row["created_count"]) == ("processing", ["sku"], 0)


def test_a_worker_that_has_lost_its_lease_does_not_fail_the_import(runner: ImportRunner) -> None:
    task_id = create_job(runner, b"name\nno SKU column\n")
    observer = ActBefore(StepKind.FAIL, lambda: acquire_with_another_worker(runner, task_id))
    assert replace(runner, observer=observer).run(task_id) is False
    assert read_job(runner.database_url, task_id)["status"] == "processing"


def test_the_lease_is_extended_again_when_the_database_accepts_connections_again(
    runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []

    def refuse_once(url: str, component: Component) -> Connection:
        attempts.append(url)
        if len(attempts) == 1:
            raise psycopg2.OperationalError("too many connections")
        return connect(url, component)

    class WaitForSecondAttempt(Observer):
        def after_chunk(self, job: Job) -> None:
            wait_for("a second attempt", lambda: len(attempts) == 2)

    monkeypatch.setattr("importer.jobs.heartbeat.connect", refuse_once)
    assert run_import(replace(runner, observer=WaitForSecondAttempt()), FILE)["status"] == "completed"


def test_losing_the_connection_while_the_file_is_read_stops_the_run(runner: ImportRunner) -> None:
    url = runner.database_url
    # Chunks of 20 KB, because libpq collects 8 KB before it sends.
    task_id = create_job(runner, b"sku\n" + b"".join(b"%0200d\n" % number for number in range(1000)))
    chunks: list[Job] = []

    class KillBackend(Observer):
        def after_chunk(self, job: Job) -> None:
            chunks.append(job)
            if len(chunks) == 5:
                wait_for("COPY fails", lambda: "copy" not in {thread.name for thread in threading.enumerate()})
            if len(chunks) == 1:
                # Waits until the connection is closed. Otherwise the chunks might all be sent before.
                execute(
                    url,
                    "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = %s",
                    (Component.IMPORTER.value,),
                )

    with pytest.raises(psycopg2.Error):
        replace(runner, observer=KillBackend(), chunk_rows=100).run(task_id)
    # The run does not read the rest of the file.
    assert len(chunks) <= 5
    execute(url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1s'")
    runner.run(task_id)
    assert read_job(url, task_id)["created_count"] == 1000


def test_many_rejects_are_written_in_several_parts(runner: ImportRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importer.pipeline.stage.REJECTS_BUFFER_BYTES", 100)
    content = "sku,name\n" + "".join(f"k{number},n\n,no SKU in row {number}\n" for number in range(50))
    job = run_import(replace(runner, chunk_rows=7), content)
    assert (job["created_count"], job["rejected_count"]) == (50, 50)
    assert read_rejects(runner.database_url, job) == [(2 * number + 3, "missing_sku") for number in range(50)]


def test_an_import_survives_the_loss_of_the_connection_of_its_heartbeat(runner: ImportRunner) -> None:
    url = runner.database_url
    heartbeats = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'acme-heartbeat'"

    class KillHeartbeat(Observer):
        def after_chunk(self, job: Job) -> None:
            (first,) = wait_for("a heartbeat", lambda: execute(url, f"SELECT pid {heartbeats}"))
            execute(url, f"SELECT pg_terminate_backend(pid) {heartbeats}")
            wait_for("another heartbeat", lambda: execute(url, f"SELECT pid {heartbeats}") not in ([], [first]))

    row = run_import(replace(runner, observer=KillHeartbeat()), FILE)
    assert row["status"] == "completed"


def test_a_lost_lease_is_noticed_although_the_connection_is_closed(runner: ImportRunner) -> None:
    task_id = create_job(runner, FILE)
    connection = connect(runner.database_url, Component.IMPORTER)
    job = lease.acquire(connection, task_id, lease_seconds=60)
    assert job
    execute(runner.database_url, "UPDATE import_jobs SET lease_token = gen_random_uuid()")
    connection.close()
    with Heartbeat(runner.database_url, job, lease_seconds=60, stall_seconds=60) as heartbeat:
        heartbeat.watch(connection)
        wait_for("the heartbeat to notice", lambda: heartbeat.lease_is_lost)


@pytest.mark.parametrize("is_in_use", [False, True])
def test_clients_know_that_an_import_has_ended_before_its_staging_table_is_dropped(
    runner: ImportRunner, is_in_use: bool
) -> None:
    url = runner.database_url
    task_id = create_job(runner, FILE)
    seen: list[tuple[str, str | None]] = []
    with connected(url, Component.WEB) as other:

        def look() -> None:
            row = read_job(url, task_id)
            seen.append((row["status"], row["staging_table"]))
            if is_in_use:
                other.cursor().execute(f"SELECT FROM {row['staging_table']}")

        replace(runner, observer=ActAfterCommit(StepKind.COMPLETE, 1, look)).run(task_id)
        ((status, table),) = seen
        assert status == "completed"
        assert table
        tables = execute(url, "SELECT relname FROM pg_class WHERE relname LIKE 'import_staging%' AND relkind = 'r'")
        assert ((table,) in tables) is is_in_use
        assert read_job(url, task_id)["staging_table"] == (table if is_in_use else None)
    with connected(url, Component.REAPER) as connection:
        cleanup.drop_staging_of_ended_jobs(connection)
    assert read_job(url, task_id)["staging_table"] is None
