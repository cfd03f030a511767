"""Statements that PostgreSQL cancels: a statement_timeout of the role, an administrator, and our own cancellations."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from flask.testing import FlaskClient
from psycopg2 import errors

from access.actors import LOCAL
from access.audit import Origin
from database.connect import transaction
from importer.jobs import actions
from importer.jobs.repository import Job
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from importer.pipeline.transactions import StaleSlice, explain
from support.database import execute
from support.imports import get_import, request_action, upload
from support.interruptions import is_slice_delayed, staging_blocked
from support.jobs import create_job, delay_slices, read_job, read_products, run_import
from support.threads import Threads
from support.waiting import wait_for

ROWS = 60
FILE = "sku,name\n" + "".join(f"K-{number:04},new\n" for number in range(ROWS)) + ",no SKU\n"
TIMEOUT_SECONDS = 0.2
# The timeout must not cancel the query of the test itself.
IS_COPY_LONG_SQL = """
SET statement_timeout = 0;
SELECT clock_timestamp() - query_start > make_interval(secs => %s) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND query LIKE 'COPY "import_staging%%'
"""
CANCEL_SQL = """
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'acme-importer' AND pid <> pg_backend_pid()
"""


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    return replace(runner, slice_rows=20, chunk_rows=20)


@pytest.fixture
def timeout(database_url: str) -> Iterator[None]:
    """A statement_timeout of the role, in the database of the test. It holds for connections that are opened later."""
    limit = f"{round(TIMEOUT_SECONDS * 1000)}ms"
    role = f"ROLE CURRENT_USER IN DATABASE {database_of(database_url)}"
    execute(database_url, f"ALTER {role} SET statement_timeout = '{limit}'")
    yield
    execute(database_url, f"SET statement_timeout = 0; ALTER {role} RESET ALL")


def database_of(url: str) -> str:
    return str(psycopg2.extensions.parse_dsn(url)["dbname"])


class WaitInCopy(Observer):
    """Hold a run until its COPY has taken longer than the statement_timeout."""

    def __init__(self, url: str) -> None:
        self.url = url

    def after_chunk(self, job: Job) -> None:
        wait_for(
            "COPY takes longer than the timeout",
            lambda: execute(self.url, IS_COPY_LONG_SQL, (4 * TIMEOUT_SECONDS,)) == [(True,)],
        )


class CancelBeforeCommit(Observer):
    """Have an administrator cancel the worker's next statement in some steps of a kind."""

    def __init__(self, url: str, kind: StepKind, times: int) -> None:
        self.url, self.kind, self.times = url, kind, times

    def before_commit(self, step: Step, cursor: Any) -> None:
        if step.kind is self.kind and self.times:
            self.times -= 1
            with Threads() as threads:
                threads.start(self.cancel)
                cursor.execute("SELECT pg_sleep(60)")

    def cancel(self) -> None:
        wait_for("the statement runs", lambda: is_slice_delayed(self.url))
        execute(self.url, CANCEL_SQL)


@pytest.mark.usefixtures("timeout")
def test_an_import_takes_as_long_as_it_needs_whatever_the_timeout_of_the_role(runner: ImportRunner) -> None:
    url = runner.database_url
    delay_slices(url, 3 * TIMEOUT_SECONDS)
    row = run_import(replace(runner, observer=WaitInCopy(url)), FILE)
    assert (row["status"], row["created_count"], row["rejected_count"]) == ("completed", ROWS, 1)
    assert (row["attempts"], row["error_message"]) == (0, None)


@pytest.mark.usefixtures("timeout")
def test_the_heartbeat_waits_for_a_long_slice_whatever_the_timeout_of_the_role(
    runner: ImportRunner, caplog: pytest.LogCaptureFixture
) -> None:
    # Each slice takes longer than the lease; the heartbeat waits for its row.
    delay_slices(runner.database_url, 2.5)
    with caplog.at_level(logging.WARNING):
        row = run_import(replace(runner, lease_seconds=2, slice_rows=100), FILE)
    assert (row["status"], row["created_count"]) == ("completed", ROWS)
    assert not [record for record in caplog.records if "cannot extend the lease" in record.message]


@pytest.mark.usefixtures("timeout")
@pytest.mark.parametrize("action", ["confirm", "cancel", "retry"])
def test_an_action_takes_as_long_as_it_needs_whatever_the_timeout_of_the_role(
    runner: ImportRunner, action: str
) -> None:
    url = runner.database_url
    task_id = create_job(runner, FILE.encode())
    execute(url, "SET statement_timeout = 0; UPDATE import_jobs SET wants_preview = true")
    runner.run(task_id)
    assert read_job(url, task_id)["status"] == "awaiting_confirmation"
    execute(
        url,
        "CREATE FUNCTION delay() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_sleep({4 * TIMEOUT_SECONDS}); RETURN NULL; END $$;"
        "CREATE TRIGGER delay AFTER UPDATE ON import_jobs FOR EACH ROW EXECUTE FUNCTION delay()",
    )
    with closing(psycopg2.connect(url)) as connection:
        if action == "cancel":
            actions.cancel(connection, task_id, runner.retention, Origin(LOCAL))
        else:
            with transaction(connection) as cursor:
                if action == "confirm":
                    actions.confirm(cursor, task_id)
                else:
                    actions.retry(cursor, task_id, {"mode": "create"})
    assert read_job(url, task_id)["status"] == {"cancel": "cancelled"}.get(action, "pending")


def test_a_slice_that_an_administrator_cancels_is_repeated(
    runner: ImportRunner, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        observer = CancelBeforeCommit(runner.database_url, StepKind.WRITE_SLICE, times=1)
        row = run_import(replace(runner, observer=observer), FILE)
    assert (row["status"], row["created_count"], len(read_products(runner.database_url))) == ("completed", ROWS, ROWS)
    (line,) = (record.message for record in caplog.records if "is repeated" in record.message)
    assert (
        "cancelled a statement of the job, perhaps on an administrator's request: canceling statement due to user"
        in line
    )


@pytest.mark.parametrize("kind", [StepKind.STAGE_FILE, StepKind.COMPLETE])
def test_a_step_that_an_administrator_cancels_continues_with_another_message(
    client: FlaskClient, runner: ImportRunner, kind: StepKind
) -> None:
    row = run_import(replace(runner, observer=CancelBeforeCommit(runner.database_url, kind, times=1)), FILE)
    assert (row["status"], row["created_count"]) == ("completed", ROWS)
    (entry,) = (entry for entry in get_import(client, row["task_id"])["log"] if entry["event"] == "interrupted")
    assert (entry["code"], entry["details"]["reason"]) == ("interruption", "cancelled")
    assert entry["message"].endswith(f"request: {entry['details']['text']}.")


def test_an_import_that_is_cancelled_each_time_says_why(runner: ImportRunner) -> None:
    observer = CancelBeforeCommit(runner.database_url, StepKind.STAGE_FILE, times=99)
    row = run_import(replace(runner, observer=observer, max_attempts=2), FILE)
    assert row["status"] == "failed"
    assert row["error_message"] == (
        "The import was started 2 times and stopped each time before it made progress. The database server cancelled a"
        " statement of the job, perhaps on an administrator's request: canceling statement due to user request. Retry"
        " the import when the problem is solved."
    )


def test_an_import_that_waits_too_long_for_a_lock_each_time_says_why(
    runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("database.connect.LIMIT_WAITS_SQL", "SET LOCAL lock_timeout = '50ms'")
    with staging_blocked(runner.database_url):
        row = run_import(replace(runner, max_attempts=2), FILE)
    assert row["status"] == "failed"
    assert "Another client held a lock" in row["error_message"]


def test_a_cancellation_by_a_client_is_not_reported_as_an_interruption(
    client: FlaskClient, runner: ImportRunner, caplog: pytest.LogCaptureFixture
) -> None:
    delay_slices(runner.database_url, 60)
    task_id = upload(client, FILE)
    with caplog.at_level(logging.WARNING), Threads() as threads:
        threads.start(runner.run, task_id)
        wait_for("a slice takes long", lambda: is_slice_delayed(runner.database_url))
        request_action(client, task_id, "cancel")
    assert not [record.message for record in caplog.records if "is repeated" in record.message]
    assert get_import(client, task_id)["status"] == "cancelled"


def provoke(url: str, *statements: str) -> Exception:
    """Return the error of the last statement."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        try:
            for statement in statements:
                cursor.execute(statement)
        except psycopg2.Error as error:
            return error
    raise AssertionError(statements)


def test_the_sentence_says_why_a_statement_was_cancelled(database_url: str) -> None:
    timed_out = provoke(database_url, "SET statement_timeout = '10ms'", "SELECT pg_sleep(60)")
    assert "statement_timeout" in str(explain(timed_out))
    translated = provoke(database_url, "DO $$ BEGIN RAISE query_canceled USING message = 'abgebrochen'; END $$")
    assert isinstance(translated, errors.QueryCanceled)
    assert str(explain(translated)).endswith("administrator's request: abgebrochen.")
    assert str(explain(StaleSlice())).startswith("Other clients kept changing")
