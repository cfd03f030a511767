"""An import that needs more memory than there is fails with a sentence; its worker goes on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

import tasks
from importer.jobs.repository import Job
from importer.pipeline.run import Observer
from importer.pipeline.runner import OUT_OF_MEMORY, ImportRunner
from support.database import execute
from support.interruptions import staging_blocked
from support.jobs import announce, create_job, read_job, read_products, run_import
from support.limited_run import limit_memory, remove_memory_limit
from support.paths import ROOT
from support.processes import Processes, run_program
from support.waiting import wait_for

MESSAGE = OUT_OF_MEMORY.describe({"job": "import"})
FILE = b"sku,name\n" + b"".join(b"%d,name of product %d\n" % (number, number) for number in range(60_000))

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is one of Linux")


def check_that_nothing_is_staged(url: str) -> None:
    assert execute(url, "SELECT FROM pg_class WHERE relname LIKE 'import\\_staging%%'") == []
    assert read_products(url) == []


# With up to 4 MB no thread can start; with more, parsing or sending fails.
@pytest.mark.thorough("20", "12")
@pytest.mark.parametrize("megabytes", [1, 4, 12, 20])
def test_an_import_without_memory_fails_with_a_sentence(
    runner: ImportRunner, environment: dict[str, str], megabytes: int
) -> None:
    task_id = create_job(runner, FILE)
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    run_program(
        sys.executable, "-m", "support.limited_run", task_id, str(megabytes), environment={**environment, **path}
    )
    job = read_job(runner.database_url, task_id)
    assert (job["status"], job["error_message"], job["lease_token"]) == ("failed", MESSAGE, None)
    check_that_nothing_is_staged(runner.database_url)


def test_a_worker_survives_an_import_without_memory(
    runner: ImportRunner, environment: dict[str, str], processes: Processes
) -> None:
    url = runner.database_url
    worker = processes.start_worker("--concurrency=1")
    with staging_blocked(url) as is_blocked:
        first = create_job(runner, FILE, announced=True)
        announce(environment, first)
        wait_for("the import is about to be staged", is_blocked)
        child = int(read_job(url, first)["lease_holder"].split()[1])
        limit_memory(child, 1)
    wait_for("the import ends", lambda: read_job(url, first)["finished_at"])
    job = read_job(url, first)
    assert (job["status"], job["error_message"]) == ("failed", MESSAGE)
    check_that_nothing_is_staged(url)

    remove_memory_limit(child)
    second = create_job(runner, FILE, announced=True)
    announce(environment, second)
    wait_for("the next import ends", lambda: read_job(url, second)["finished_at"])
    assert read_job(url, second)["created_count"] == 60_000
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(0)
    assert "crashed" not in processes.log.read_text()


@pytest.mark.parametrize(
    ("error", "is_lack_of_memory"),
    [
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (psycopg2.OperationalError("out of memory\n"), True),
        (psycopg2.DatabaseError("cannot allocate memory for output buffer\n"), True),
        (psycopg2.OperationalError("server closed the connection unexpectedly"), False),
        (RuntimeError("a bug"), False),
    ],
)
def test_a_lack_of_memory_is_recognised(runner: ImportRunner, error: Exception, is_lack_of_memory: bool) -> None:
    class Fail(Observer):
        def after_chunk(self, job: Job) -> None:
            raise error

    runner = replace(runner, observer=Fail())
    if not is_lack_of_memory:
        with pytest.raises(type(error)):
            run_import(runner, FILE)
        return
    job = run_import(runner, FILE)
    assert (job["status"], job["error_message"]) == ("failed", MESSAGE)


def test_a_lack_of_memory_in_the_copy_thread_fails_the_import(
    runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> bytes:
        raise MemoryError

    # psycopg2 tells the server about an exception of `read`, and the server's error has its name.
    monkeypatch.setattr("importer.pipeline.copy_stream.CopyStream.read", fail)
    job = run_import(runner, FILE)
    assert (job["status"], job["error_message"]) == ("failed", MESSAGE)
    check_that_nothing_is_staged(runner.database_url)


def test_no_task_ends_with_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> bool:
        raise MemoryError

    # Celery would raise it once more in the worker's main process.
    monkeypatch.setattr(ImportRunner, "run", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        tasks.run_import("some id")
