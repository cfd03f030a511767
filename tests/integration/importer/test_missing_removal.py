"""Missing products are removed on a second connection while the rows of the file are written, exactly once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from flask.testing import FlaskClient
from psycopg2.extensions import cursor as Cursor

from importer.pipeline import removal
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import get_import, request_action, run_job, upload
from support.interruptions import ActAfterCommit
from support.jobs import read_job, run_import
from support.threads import Threads
from support.waiting import wait_for

PRODUCTS = 60
# Every third product is in the file, with another name.
KEPT = PRODUCTS // 3
MISSING = PRODUCTS - KEPT
CATALOGUE = "sku,name\n" + "".join(f"K-{number:02},old\n" for number in range(PRODUCTS))
FILE = "sku,name\n" + "".join(f"K-{number:02},new\n" for number in range(0, PRODUCTS, 3))
READ_ALL_SQL = "SELECT id, sku, name, description, active, created_at FROM products ORDER BY id"
MAX_WAIT_SECONDS = 60


class Killed(BaseException):
    """The worker's process ends here."""


class Hold(Observer):
    """Hold steps for which `condition` is true in the thread that takes them, until `until` is true."""

    def __init__(self, condition: Callable[[Step], bool], until: Callable[[], Any]) -> None:
        self.condition, self.until = condition, until

    def before_transaction(self, step: Step) -> None:
        if self.condition(step):
            wait_for("the other thread", self.until, seconds=MAX_WAIT_SECONDS)


def is_second_thread() -> bool:
    """Return whether the caller runs in the thread that removes products beside the merge."""
    return threading.current_thread().name.startswith("removal")


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """A runner with a second connection and small slices, whose catalogue has the products of `CATALOGUE`."""
    runner = replace(runner, slice_rows=4, writers=2)
    run_import(runner, CATALOGUE)
    return runner


@pytest.fixture(params=["deactivate", "delete"])
def missing(request: Any) -> str:
    """What happens to missing products."""
    return str(request.param)


def start(client: FlaskClient, missing: str) -> str:
    """Upload the file; return the id of its import, which no worker has seen yet."""
    task_id: str = upload(client, FILE, missing=missing, missing_limit="1")
    return task_id


def count_removed(url: str) -> int:
    """Return how many products of the catalogue are gone or not active."""
    ((left,),) = execute(url, "SELECT count(*) FROM products WHERE active")
    return PRODUCTS - int(left)


def check_completed(client: FlaskClient, runner: ImportRunner, task_id: str, before: list[Any]) -> None:
    """Check that everything was written and removed exactly once, and that an undo restores all of it."""
    url = runner.database_url
    job = get_import(client, task_id)
    assert (job["status"], job["error_message"]) == ("completed", None)
    assert (job["updated_count"], job["missing_count"], job["progress"]) == (KEPT, MISSING, 100)
    assert count_removed(url) == MISSING
    assert execute(url, "SELECT count(*) FROM products WHERE name = 'new' AND active") == [(KEPT,)]
    change = "deleted" if execute(url, "SELECT count(*) FROM products") == [(KEPT,)] else "deactivated"
    page: Any = client.get(f"/api/imports/{task_id}/products?change={change}&per_page=100").json
    assert [row["sku"] for row in page["products"]] == [f"K-{number:02}" for number in range(PRODUCTS) if number % 3]
    undo = run_job(client, replace(runner, observer=Observer()), request_action(client, task_id, "undo")["task_id"])
    assert (undo["status"], undo["updated_count"], undo["rejected_count"]) == ("completed", PRODUCTS, 0)
    assert execute(url, READ_ALL_SQL) == before


def retry_and_check(client: FlaskClient, runner: ImportRunner, task_id: str, before: list[Any]) -> None:
    """Retry an import that ended early, and check the result."""
    request_action(client, task_id, "retry")
    run_job(client, runner, task_id)
    check_completed(client, runner, task_id, before)


def run_killed(client: FlaskClient, runner: ImportRunner, task_id: str) -> None:
    """Run a job whose worker is killed; its lease expires."""
    with pytest.raises(Killed):
        runner.run(task_id)
    execute(runner.database_url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1 s'")


def test_products_are_removed_before_the_first_slice_is_written(
    client: FlaskClient, runner: ImportRunner, missing: str
) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    task_id = start(client, missing)
    observer = Hold(
        lambda step: step.kind is StepKind.WRITE_SLICE, lambda: read_job(url, task_id)["missing_count"] >= MISSING / 2
    )
    run_job(client, replace(runner, observer=observer), task_id)
    check_completed(client, runner, task_id, before)


def test_the_thread_that_has_written_the_file_removes_products_from_the_other_end(
    client: FlaskClient, runner: ImportRunner, missing: str
) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    task_id = start(client, missing)
    observer = Hold(
        lambda step: step.kind is StepKind.REMOVE_MISSING and is_second_thread(),
        lambda: read_job(url, task_id)["missing_count"] >= MISSING / 2,
    )
    run_job(client, replace(runner, observer=observer), task_id)
    check_completed(client, runner, task_id, before)


@pytest.mark.thorough("1")
@pytest.mark.parametrize("thread", ["first", "second"])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_removal_continues_after_its_worker_was_killed(
    client: FlaskClient, runner: ImportRunner, missing: str, thread: str, steps: int
) -> None:
    before = execute(runner.database_url, READ_ALL_SQL)
    task_id = start(client, missing)

    class Kill(ActAfterCommit):
        """End the worker after some ranges of one of its threads."""

        def after_commit(self, step: Step) -> None:
            if is_second_thread() == (thread == "second"):
                super().after_commit(step)

        def before_transaction(self, step: Step) -> None:
            if step.kind is StepKind.REMOVE_MISSING and is_second_thread() != (thread == "second"):
                wait_for("the kill", lambda: self.remaining <= 0)
                raise Killed

    def kill() -> None:
        raise Killed

    run_killed(client, replace(runner, observer=Kill(StepKind.REMOVE_MISSING, steps, kill)), task_id)
    job = get_import(client, task_id)
    assert 0 < job["missing_count"] == count_removed(runner.database_url) < MISSING
    run_job(client, runner, task_id)
    check_completed(client, runner, task_id, before)


def test_a_worker_that_is_killed_while_it_writes_leaves_what_it_has_removed(
    client: FlaskClient, runner: ImportRunner, missing: str
) -> None:
    before = execute(runner.database_url, READ_ALL_SQL)
    task_id = start(client, missing)

    def kill() -> None:
        raise Killed

    run_killed(client, replace(runner, observer=ActAfterCommit(StepKind.WRITE_SLICE, 2, kill)), task_id)
    job = get_import(client, task_id)
    assert job["missing_count"] == count_removed(runner.database_url)
    assert 0 < job["updated_count"] < KEPT
    run_job(client, runner, task_id)
    check_completed(client, runner, task_id, before)


def test_a_cancel_rolls_back_what_all_threads_are_writing(
    client: FlaskClient, runner: ImportRunner, missing: str
) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    task_id = start(client, missing)
    execute(
        url,
        "CREATE FUNCTION delay() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;"
        "CREATE TRIGGER delay AFTER UPDATE OR DELETE ON products FOR EACH STATEMENT EXECUTE FUNCTION delay()",
    )
    sleeping_sql = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    with Threads() as threads:
        threads.start(runner.run, task_id)
        wait_for("two writers and the removal", lambda: execute(url, f"SELECT count(*) {sleeping_sql}") == [(3,)])
        cancelled = request_action(client, task_id, "cancel")
    execute(url, "DROP TRIGGER delay ON products")
    assert cancelled["status"] == "cancelled"
    assert (cancelled["updated_count"], cancelled["missing_count"], count_removed(url)) == (0, 0, 0)
    assert execute(url, READ_ALL_SQL) == before
    retry_and_check(client, runner, task_id, before)


@contextmanager
def locked_product(url: str, sku: str) -> Iterator[None]:
    """Keep a product locked by another client."""
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM products WHERE sku = %s FOR UPDATE", (sku,))
        yield
    connection.close()


@pytest.mark.parametrize("sku", ["K-03", "K-04"], ids=["in the file", "missing"])
def test_an_import_that_fails_in_one_thread_counts_what_the_other_one_wrote(
    client: FlaskClient, runner: ImportRunner, missing: str, sku: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    task_id = start(client, missing)
    with monkeypatch.context() as impatient, locked_product(url, sku):
        impatient.setattr("importer.pipeline.transactions.MAX_ATTEMPTS", 2)
        impatient.setattr("database.connect.LIMIT_WAITS_SQL", "SET LOCAL lock_timeout = '100ms'")
        job = run_job(client, runner, task_id)
    assert job["status"] == "failed"
    assert "Another client held a lock" in job["error_message"]
    assert job["missing_count"] == count_removed(url)
    assert execute(url, "SELECT count(*) FROM products WHERE name = 'new'") == [(job["updated_count"],)]
    retry_and_check(client, runner, task_id, before)


def test_the_loss_of_the_second_connection_is_made_up_for_by_the_next_attempt(
    client: FlaskClient, runner: ImportRunner, missing: str
) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    task_id = start(client, missing)

    class Disconnect(Observer):
        """End the second connection in the middle of its second range."""

        def __init__(self) -> None:
            self.ranges = 0

        def before_commit(self, step: Step, cursor: Cursor) -> None:
            if step.kind is StepKind.REMOVE_MISSING and is_second_thread():
                self.ranges += 1
                if self.ranges == 2:
                    cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(psycopg2.Error):
        replace(runner, observer=Disconnect()).run(task_id)
    job = get_import(client, task_id)
    assert (job["status"], job["updated_count"]) == ("processing", KEPT)
    assert job["missing_count"] == count_removed(url) < MISSING
    run_job(client, runner, task_id)
    check_completed(client, runner, task_id, before)


def test_without_a_second_connection_the_products_are_removed_after_the_rows_were_written(
    client: FlaskClient,
    runner: ImportRunner,
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = execute(runner.database_url, READ_ALL_SQL)
    task_id = start(client, missing)

    def refuse(*_: object) -> None:
        raise psycopg2.OperationalError("too many clients already")

    with monkeypatch.context() as crowded, caplog.at_level(logging.WARNING):
        crowded.setattr(removal, "connect", refuse)
        run_job(client, runner, task_id)
    assert "missing products are removed without a second connection: too many clients already" in caplog.text
    check_completed(client, runner, task_id, before)


def test_clients_change_missing_products_while_both_threads_write(
    client: FlaskClient, runner: ImportRunner, missing: str
) -> None:
    url = runner.database_url
    task_id = start(client, missing)
    edited = [f"K-{number:02}" for number in range(1, PRODUCTS, 6)]
    observer = Hold(
        lambda step: step.kind in {StepKind.WRITE_SLICE, StepKind.REMOVE_MISSING},
        lambda: execute(url, "SELECT count(*) FROM products WHERE name = 'mine'") == [(len(edited),)],
    )
    with Threads() as threads:
        threads.start(run_job, client, replace(runner, observer=observer), task_id)
        wait_for("the comparison", lambda: read_job(url, task_id)["missing_found"] == MISSING)
        for sku in edited:
            execute(url, "UPDATE products SET name = 'mine', updated_at = clock_timestamp() WHERE sku = %s", (sku,))
    job = get_import(client, task_id)
    assert (job["status"], job["updated_count"], job["missing_count"]) == ("completed", KEPT, MISSING - len(edited))
    assert execute(url, "SELECT sku FROM products WHERE active AND name = 'mine' ORDER BY sku") == [
        (sku,) for sku in edited
    ]
