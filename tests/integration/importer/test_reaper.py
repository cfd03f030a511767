"""The reaper: it wakes orphaned jobs, records its worker and cleans up."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from psycopg2.extensions import connection as Connection

import celery_app
import config
from access.retention import AccessRetention
from database.connect import Component, connected
from importer.jobs import cleanup, lease, reaper
from importer.jobs.reaper import Reaper, ReaperSettings
from importer.jobs.retention import HistoryRetention
from importer.pipeline.runner import ImportRunner
from monitoring import context
from support.bulk import is_waiting_for_lock
from support.database import execute
from support.jobs import create_job, read_job
from support.threads import Threads
from support.waiting import wait_for

FILE = b"sku\na\n"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection like that of a reaper."""
    with connected(database_url, Component.REAPER) as connection:
        yield connection


class Messages:
    """Stands for the broker: `sent` has the task ids of the messages; `accepts` is False while it is unavailable."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.attempts = 0
        self.accepts = True

    def wake(self, task_id: str) -> bool:
        self.attempts += 1
        if self.accepts:
            self.sent.append(task_id)
        return self.accepts


def make_announcements_older(url: str, seconds: int) -> None:
    execute(url, "UPDATE import_jobs SET announced_at = announced_at - make_interval(secs => %s)", (seconds,))


def test_the_oldest_pending_jobs_are_announced_and_not_again_at_once(
    connection: Connection, runner: ImportRunner
) -> None:
    task_ids = [create_job(runner, FILE) for _ in range(10)]
    messages = Messages()
    reaper.wake_orphaned_jobs(connection, wake=messages.wake)
    reaper.wake_orphaned_jobs(connection, wake=messages.wake)
    assert messages.sent == task_ids[: reaper.MAX_ANNOUNCED_ORPHANS]
    make_announcements_older(runner.database_url, reaper.PENDING_REMINDER_SECONDS + 1)
    reaper.wake_orphaned_jobs(connection, wake=messages.wake)
    assert messages.sent == 2 * task_ids[: reaper.MAX_ANNOUNCED_ORPHANS]


def test_a_message_has_the_id_of_the_request_that_started_its_job(
    connection: Connection, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_app, "wake_import", lambda _: False)
    client.post("/api/products", json={"sku": "B"})
    upload = client.post("/api/upload", data={"file": (io.BytesIO(FILE), "a.csv")})
    body = {"action": "deactivate", "filter": {}}
    change = client.post("/api/products/bulk", json=body, headers={"Prefer": "respond-async"})
    assert (upload.status_code, change.status_code) == (202, 202)
    sent: list[tuple[str, str | None]] = []

    def wake(task_id: str) -> bool:
        sent.append((task_id, context.current_request_id()))
        return True

    reaper.wake_orphaned_jobs(connection, wake=wake)
    assert sent == [(answer.get_json()["task_id"], answer.headers["X-Request-ID"]) for answer in (upload, change)]
    assert context.current_request_id() is None


def test_an_unavailable_broker_is_asked_once_per_round(connection: Connection, runner: ImportRunner) -> None:
    task_ids = [create_job(runner, FILE) for _ in range(3)]
    messages = Messages()
    messages.accepts = False
    reaper.wake_orphaned_jobs(connection, wake=messages.wake)
    reaper.wake_orphaned_jobs(connection, wake=messages.wake)
    assert messages.attempts == 2
    assert read_job(runner.database_url, task_ids[0])["announced_at"] is None
    messages.accepts = True
    reaper.wake_orphaned_jobs(connection, wake=messages.wake)
    assert messages.sent == task_ids


def test_a_job_is_orphaned_once_its_lease_has_expired(
    connection: Connection, runner: ImportRunner, database_url: str
) -> None:
    task_id = create_job(runner, FILE, announced=True)
    messages = Messages()
    with connected(database_url, Component.IMPORTER) as worker_connection:
        assert lease.acquire(worker_connection, task_id, lease_seconds=60)
    make_announcements_older(database_url, reaper.PROCESSING_REMINDER_SECONDS + 1)
    reaper.wake_orphaned_jobs(connection, wake=messages.wake)
    assert messages.sent == []
    execute(database_url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1s'")
    reaper.wake_orphaned_jobs(connection, wake=messages.wake)
    assert messages.sent == [task_id]


def test_a_job_whose_row_is_locked_is_not_announced(connection: Connection, runner: ImportRunner) -> None:
    task_id = create_job(runner, FILE)
    messages = Messages()
    with connected(runner.database_url, Component.IMPORTER) as worker_connection:
        with worker_connection, worker_connection.cursor() as cursor:
            cursor.execute("SELECT FROM import_jobs FOR UPDATE")
            reaper.wake_orphaned_jobs(connection, wake=messages.wake)
        assert messages.sent == []
    reaper.wake_orphaned_jobs(connection, wake=messages.wake)
    assert messages.sent == [task_id]


def test_a_staging_table_that_a_worker_uses_is_dropped_later(connection: Connection, runner: ImportRunner) -> None:
    task_id = create_job(runner, FILE)
    url = runner.database_url
    execute(url, "CREATE TABLE import_staging_test (); UPDATE import_jobs SET staging_table = 'import_staging_test'")
    execute(url, "UPDATE import_jobs SET status = 'cancelled'")
    with connected(url, Component.IMPORTER) as worker_connection:
        with worker_connection, worker_connection.cursor() as cursor:
            cursor.execute("SELECT FROM import_staging_test")
            cleanup.drop_staging_of_ended_jobs(connection)
        assert read_job(url, task_id)["staging_table"] == "import_staging_test"
    cleanup.drop_staging_of_ended_jobs(connection)
    assert read_job(url, task_id)["staging_table"] is None


def test_a_staging_table_stays_if_its_job_is_retried_in_the_meantime(
    connection: Connection, runner: ImportRunner
) -> None:
    task_id = create_job(runner, FILE)
    url = runner.database_url
    execute(url, "CREATE TABLE import_staging_test (); UPDATE import_jobs SET staging_table = 'import_staging_test'")
    execute(url, "UPDATE import_jobs SET status = 'cancelled'")
    with Threads() as threads, connected(url, Component.WEB) as client, client, client.cursor() as cursor:
        cursor.execute("UPDATE import_jobs SET status = 'pending'")
        threads.start(cleanup.drop_staging_of_ended_jobs, connection)
        wait_for("the cleanup waits", lambda: is_waiting_for_lock(url, "SELECT FROM import_jobs"))
    assert read_job(url, task_id)["staging_table"] == "import_staging_test"


def test_a_reaper_works_until_it_is_stopped(settings: config.Settings, runner: ImportRunner) -> None:
    task_id = create_job(runner, FILE)
    messages = Messages()
    url = runner.database_url
    history, access = HistoryRetention(365, 90, 90), AccessRetention(365, 3600)
    reaper_settings = ReaperSettings(url, runner.retention, history, interval_seconds=0.05, access=access)
    thread = Reaper(reaper_settings, worker="worker@here", wake=messages.wake)
    execute(url, "INSERT INTO workers (name, seen_at) VALUES ('old', clock_timestamp() - interval '2 hours')")
    thread.start()
    wait_for("the job is announced", lambda: messages.sent == [task_id])
    wait_for("a round is complete", lambda: execute(url, "SELECT name FROM workers") == [("worker@here",)])
    # A reaper continues after an error, here of its connection.
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = %s",
        (Component.REAPER.value,),
    )
    execute(url, "DELETE FROM workers")
    wait_for("the reaper is back", lambda: execute(url, "SELECT name FROM workers") == [("worker@here",)])
    thread.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert execute(url, "SELECT name FROM workers") == []
