"""Several writers write the slices of a job at the same time: each slice once, whatever stops them."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from flask.testing import FlaskClient
from psycopg2.extensions import cursor as Cursor

from importer.pipeline import writers
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from support.bulk import ALL_PRODUCTS, create_products, request_change
from support.database import execute
from support.imports import get_import, request_action, run_job, upload
from support.interruptions import ActAfterCommit
from support.jobs import read_job
from support.waiting import wait_for

PRODUCTS = 80
OLD = PRODUCTS // 2
# Every second product exists already, and every tenth row is a duplicate.
KEYS = [f"P-{number:02}" for number in range(PRODUCTS)]
FILE = "sku,name\n" + "".join(f"{key},new\n" for key in [*KEYS[::10], *KEYS])
ROWS = PRODUCTS + PRODUCTS // 10
# Between two rows of a slice, another writer takes an id.
CREATE_OTHER_WRITER_SQL = """
CREATE FUNCTION take_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM nextval('products_id_seq'); RETURN new; END $$;
CREATE TRIGGER take_id BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION take_id()
"""
READ_NEW_IDS_SQL = """
SELECT count(*), max(id) - min(id) + 1 FROM products WHERE name = 'new' AND created_at = updated_at GROUP BY updated_at
"""
READ_ALL_SQL = "SELECT id, sku, name, description, active, created_at FROM products ORDER BY id"
MAX_WAIT_SECONDS = 60


class Killed(BaseException):
    """The worker's process ends here."""


class AtSlice(Observer):
    """Call an action before the commit of some slices; the slices are counted in the order in which they begin."""

    def __init__(self, action: Callable[[int, Cursor], Any] = lambda *_: None) -> None:
        self.action = action
        self.begun: dict[str | None, int] = {}
        self._lock = threading.Lock()

    def before_transaction(self, step: Step) -> None:
        if step.kind is StepKind.WRITE_SLICE:
            with self._lock:
                self.begun.setdefault(step.checkpoint, len(self.begun))

    def before_commit(self, step: Step, cursor: Cursor) -> None:
        if step.kind is StepKind.WRITE_SLICE:
            self.action(self.begun[step.checkpoint], cursor)


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """A runner with three writers and small slices, in whose catalogue every second product of the file exists."""
    values = ", ".join(f"('{key}', 'old')" for key in KEYS[::2])
    execute(runner.database_url, f"INSERT INTO products (sku, name) VALUES {values}")
    return replace(runner, slice_rows=8, writers=3)


def read_written_ahead(url: str, task_id: str) -> list[list[str]]:
    return read_job(url, task_id)["written_ahead"] or []


def run_killed(runner: ImportRunner, task_id: str) -> None:
    """Run a job whose worker is killed; its lease expires."""
    with pytest.raises(Killed):
        runner.run(task_id)
    execute(runner.database_url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1 s'")


def check_completed(client: FlaskClient, runner: ImportRunner, task_id: str, before: list[Any]) -> None:
    """Check that each row was written and counted once, and that an undo restores all products."""
    url = runner.database_url
    job = get_import(client, task_id)
    assert (job["status"], job["error_message"], job["progress"]) == ("completed", None, 100)
    counts = [job[f"{name}_count"] for name in ("created", "updated", "unchanged", "duplicate")]
    assert counts == [PRODUCTS - OLD, OLD, 0, ROWS - PRODUCTS]
    assert job["processed_records"] == job["total_records"] == ROWS
    assert execute(url, "SELECT array_agg(sku ORDER BY sku) FROM products WHERE name = 'new'") == [(KEYS,)]
    row = read_job(url, task_id)
    assert (row["checkpoint"], row["written_ahead"]) == (KEYS[-1].lower(), None)
    undo = run_job(client, replace(runner, observer=Observer()), request_action(client, task_id, "undo")["task_id"])
    assert (undo["status"], undo["updated_count"], undo["rejected_count"]) == ("completed", PRODUCTS, 0)
    assert execute(url, READ_ALL_SQL) == before


def test_three_writers_write_at_the_same_time(client: FlaskClient, runner: ImportRunner) -> None:
    before = execute(runner.database_url, READ_ALL_SQL)
    together = threading.Barrier(3)
    threads: set[str] = set()

    class Meet(AtSlice):
        """The first three slices wait for each other."""

        def before_transaction(self, step: Step) -> None:
            super().before_transaction(step)
            if step.kind is StepKind.WRITE_SLICE and self.begun[step.checkpoint] < 3:
                threads.add(threading.current_thread().name)
                together.wait(MAX_WAIT_SECONDS)

    task_id = upload(client, FILE)
    run_job(client, replace(runner, observer=Meet()), task_id)
    assert len(threads) == 3
    check_completed(client, runner, task_id, before)


@pytest.mark.parametrize("has_products", [False, True])
def test_the_new_products_of_a_slice_have_ids_that_follow_one_another(
    client: FlaskClient, runner: ImportRunner, has_products: bool
) -> None:
    url = runner.database_url
    if not has_products:
        execute(url, "TRUNCATE products")
    execute(url, CREATE_OTHER_WRITER_SQL)
    job = run_job(client, runner, upload(client, FILE))
    assert job["created_count"] == PRODUCTS - (OLD if has_products else 0)
    ids = execute(url, READ_NEW_IDS_SQL)
    assert len(ids) > 3
    assert all(products == span for products, span in ids)


def test_a_small_import_opens_no_further_connection(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "connect", lambda *_: pytest.fail("opened a connection"))
    job = run_job(client, replace(runner, slice_rows=1000), upload(client, FILE))
    assert job["created_count"] == PRODUCTS - OLD


def test_the_next_attempt_writes_only_what_is_missing(client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    task_id = upload(client, FILE)

    class KillFirst(AtSlice):
        """The writer of the first slice is killed after the others have written all they could."""

        def before_transaction(self, step: Step) -> None:
            super().before_transaction(step)
            if step.kind is StepKind.WRITE_SLICE and self.begun[step.checkpoint] == 0:
                wait_for("the other writers", lambda: self.covers_the_rest(), seconds=MAX_WAIT_SECONDS)
                raise Killed

        def covers_the_rest(self) -> bool:
            return [last for _, last in read_written_ahead(url, task_id)] == [KEYS[-1].lower()]

    run_killed(replace(runner, observer=KillFirst()), task_id)
    row = read_job(url, task_id)
    assert (row["checkpoint"], len(row["written_ahead"])) == ("", 1)
    written = row["processed_records"]
    assert 0 < written < ROWS
    slices: list[int] = []
    run_job(client, replace(runner, observer=AtSlice(lambda begun, _: slices.append(begun))), task_id)
    assert slices == [0]
    check_completed(client, runner, task_id, before)


@pytest.mark.parametrize("seed", range(4))
def test_kills_at_any_moment_lose_and_double_nothing(client: FlaskClient, runner: ImportRunner, seed: int) -> None:
    before = execute(runner.database_url, READ_ALL_SQL)
    task_id = upload(client, FILE)
    chance = random.Random(seed)
    kills = 0
    while get_import(client, task_id)["status"] != "completed":
        killed_at = chance.randrange(5)

        def kill(begun: int, _: Cursor, killed_at: int = killed_at) -> None:
            if begun == killed_at:
                raise Killed

        try:
            replace(runner, observer=AtSlice(kill)).run(task_id)
        except Killed:
            kills += 1
            execute(runner.database_url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1 s'")
    assert kills
    check_completed(client, runner, task_id, before)


def test_a_cancelled_import_stops_all_writers_and_a_retry_writes_the_rest(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    task_id = upload(client, FILE)
    cancel = ActAfterCommit(StepKind.WRITE_SLICE, 3, lambda: request_action(client, task_id, "cancel"))
    replace(runner, observer=cancel).run(task_id)
    job = get_import(client, task_id)
    assert job["status"] == "cancelled"
    written = job["created_count"] + job["updated_count"]
    assert execute(url, "SELECT count(*) FROM products WHERE name = 'new'") == [(written,)]
    assert written < PRODUCTS
    request_action(client, task_id, "retry")
    run_job(client, runner, task_id)
    check_completed(client, runner, task_id, before)


def test_the_failure_of_one_writer_stops_the_others(client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    task_id = upload(client, FILE)

    def disconnect(_: int, cursor: Cursor) -> None:
        if threading.current_thread() is not threading.main_thread():
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(psycopg2.Error):
        replace(runner, observer=AtSlice(disconnect)).run(task_id)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("writer")]
    job = get_import(client, task_id)
    assert job["status"] == "processing"
    assert job["processed_records"] < ROWS
    run_job(client, runner, task_id)
    check_completed(client, runner, task_id, before)


def test_the_time_limit_stops_all_writers(client: FlaskClient, runner: ImportRunner) -> None:
    before = execute(runner.database_url, READ_ALL_SQL)
    task_id = upload(client, FILE)
    attempts = 1
    while replace(runner, task_seconds=0).run(task_id):
        attempts += 1
    assert attempts > 1
    check_completed(client, runner, task_id, before)


def test_there_are_fewer_writers_if_postgresql_refuses_connections(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = execute(runner.database_url, READ_ALL_SQL)
    task_id = upload(client, FILE)

    def refuse(*_: object) -> None:
        raise psycopg2.OperationalError("too many clients already")

    with monkeypatch.context() as crowded, caplog.at_level(logging.WARNING):
        crowded.setattr(writers, "connect", refuse)
        run_job(client, runner, task_id)
    assert caplog.text.count("it writes with one connection fewer: too many clients already") == 2
    check_completed(client, runner, task_id, before)


def test_a_bulk_change_whose_products_must_be_found_again_leaves_out_what_is_written(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    execute(url, "DELETE FROM products")
    create_products(url, PRODUCTS)
    task_id = request_change(client, "set", field="name", value="same", **ALL_PRODUCTS)["task_id"]

    class KillFirst(AtSlice):
        def before_transaction(self, step: Step) -> None:
            super().before_transaction(step)
            if step.kind is StepKind.WRITE_SLICE and self.begun[step.checkpoint] == 0:
                wait_for("another writer", lambda: read_written_ahead(url, task_id), seconds=MAX_WAIT_SECONDS)
                raise Killed

    run_killed(replace(runner, observer=KillFirst()), task_id)
    row = read_job(url, task_id)
    assert row["written_ahead"]
    # A crash of the server empties the table, because it is unlogged.
    execute(url, f"TRUNCATE {row['staging_table']}")
    job = run_job(client, runner, task_id)
    assert (job["status"], job["updated_count"], job["unchanged_count"]) == ("completed", PRODUCTS, 0)
    assert (job["processed_records"], job["total_records"]) == (PRODUCTS, PRODUCTS)
    assert execute(url, "SELECT count(*) FROM products WHERE name = 'same'") == [(PRODUCTS,)]
    undo = run_job(client, runner, request_action(client, task_id, "undo")["task_id"])
    assert (undo["updated_count"], undo["rejected_count"]) == (PRODUCTS, 0)
