"""A worker whose thread hangs loses its lease, and another worker completes the job."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from database.connect import Component, connected
from importer.jobs.repository import Job
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.interruptions import HoldReading
from support.jobs import create_job, delay_slices, read_job, read_products, read_rejects, run_import
from support.threads import Threads
from support.waiting import wait_for

ROWS = 60
FILE = "sku,name\n" + ",no SKU\n" + "".join(f"K-{number:04},new\n" for number in range(ROWS))

IS_COPYING_REJECTS_SQL = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'COPY import_rejects%' AND wait_event = 'ClientRead'
"""


class Hang(Observer):
    """Hang before the first transaction of a kind of step."""

    def __init__(self, kind: StepKind) -> None:
        self.kind, self.hangs, self.released = kind, threading.Event(), threading.Event()

    def before_transaction(self, step: Step) -> None:
        if step.kind is self.kind and not self.released.is_set():
            self.hangs.set()
            assert self.released.wait(60)


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    return replace(runner, slice_rows=20, chunk_rows=20, lease_seconds=2, stall_seconds=1)


def lease_has_expired(url: str) -> bool:
    return execute(url, "SELECT lease_expires_at < clock_timestamp() FROM import_jobs") == [(True,)]


@pytest.mark.parametrize("place", ["reading", StepKind.WRITE_SLICE, StepKind.COMPLETE])
def test_another_worker_takes_over_from_a_thread_that_hangs(
    runner: ImportRunner, caplog: pytest.LogCaptureFixture, place: Any
) -> None:
    url = runner.database_url
    task_id = create_job(runner, FILE.encode())
    observer: Any = HoldReading() if place == "reading" else Hang(place)
    hangs = observer.holds if place == "reading" else observer.hangs
    with Threads() as threads:
        hung = threads.start(replace(runner, observer=observer).run, task_id)
        wait_for("the worker hangs", hangs.is_set)
        wait_for("its lease expires", lambda: lease_has_expired(url))
        runner.run(task_id)
        row = read_job(url, task_id)
        assert (row["status"], row["created_count"], row["rejected_count"]) == ("completed", ROWS, 1)
        assert hung.is_alive()
        observer.released.set()
    # The first worker wakes up and writes nothing.
    assert read_job(url, task_id) == row
    assert len(read_products(url)) == ROWS
    assert len(read_rejects(url, row)) == 1
    assert [record.message for record in caplog.records if "has made no progress" in record.message]


def test_a_long_statement_is_progress(runner: ImportRunner, caplog: pytest.LogCaptureFixture) -> None:
    delay_slices(runner.database_url, 3)
    row = run_import(replace(runner, slice_rows=100), FILE)
    assert (row["status"], row["created_count"], row["attempts"]) == ("completed", ROWS, 0)
    assert not [record.message for record in caplog.records if "has made no progress" in record.message]


def test_a_zombie_leaves_the_staging_table_of_its_successor_alone(
    runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has lost its lease without noticing neither drops nor locks the table that its successor uses."""
    monkeypatch.setattr("importer.jobs.heartbeat.TICK_SECONDS", 600)
    url = runner.database_url
    # Without rejects, whose keys are those of the successor's.
    task_id = create_job(runner, FILE.replace(",no SKU\n", "").encode())
    successor = Hang(StepKind.WRITE_SLICE)

    class TakeOver(Observer):
        def after_chunk(self, job: Job) -> None:
            if not successor.hangs.is_set():
                execute(url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1 s'")
                threads.start(replace(runner, lease_seconds=60, observer=successor).run, task_id)
                wait_for("the successor has staged the file", successor.hangs.is_set)
                (table,) = execute(url, "SELECT staging_table FROM import_jobs")[0]
                cursor.execute(f"SELECT FROM {table}")

    with Threads() as threads, connected(url, Component.WRITER) as reader, reader, reader.cursor() as cursor:
        assert replace(runner, chunk_rows=1000, observer=TakeOver()).run(task_id) is False
        reader.commit()
        successor.released.set()
    row = read_job(url, task_id)
    assert (row["status"], row["created_count"], row["attempts"]) == ("completed", ROWS, 0)


def test_a_worker_that_is_suspended_with_uncommitted_rejects_does_not_block_its_successor(
    runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.jobs.heartbeat.TICK_SECONDS", 600)
    monkeypatch.setattr("importer.pipeline.stage.REJECTS_BUFFER_BYTES", 0)
    url = runner.database_url
    # Long enough for the driver to send it at once.
    task_id = create_job(runner, FILE.replace("no SKU", 20_000 * "x").encode())
    observer = HoldReading()
    with Threads() as threads:
        threads.start(replace(runner, observer=observer).run, task_id)
        wait_for("the worker holds", observer.holds.is_set)
        wait_for("it has written its reject", lambda: execute(url, IS_COPYING_REJECTS_SQL))
        execute(url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1 s'")
        runner.run(task_id)
        row = read_job(url, task_id)
        assert (row["status"], row["created_count"], row["rejected_count"]) == ("completed", ROWS, 1)
        observer.released.set()
    assert read_job(url, task_id) == row
    assert len(read_rejects(url, row)) == 1
