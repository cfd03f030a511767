"""Imports with fixes: whatever stops a worker that reads the file again, the result is that of a corrected file."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from flask.testing import FlaskClient

from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from support.api import read_json
from support.database import execute
from support.imports import get_import, request_action, run_job, upload_and_run
from support.interruptions import HoldReading, staging_blocked
from support.jobs import announce, create_runner, read_job, read_products
from support.processes import Processes
from support.threads import Threads
from support.waiting import wait_for

COUNTS = ("created_count", "updated_count", "unchanged_count", "duplicate_count", "rejected_count", "total_records")
ROWS = 6000
FIXED_LINES = (2, 1500, ROWS + 1)


def _make_file(*, corrected: bool) -> bytes:
    """Return a file with values and rows to fix, or the file in which they are corrected."""
    lines = ["sku,name,active"]
    for number in range(ROWS):
        line, active = number + 2, ("yes", "no", "maybe" if number > ROWS // 2 else "no")[number % 3]
        key = number * 7919 % ROWS if number % 10 else 5
        if line in FIXED_LINES:
            lines.append(f"F-{line},fixed,yes" if corrected else f'"F-{line}" x,broken,yes')
        else:
            lines.append(f"SKU-{key:05},name {number},{'no' if corrected and active == 'maybe' else active}")
    return "\n".join(lines).encode()


FILE, CORRECTED = _make_file(corrected=False), _make_file(corrected=True)
FIXES: list[dict[str, Any]] = [
    {"column": "active", "value": "maybe", "replacement": "no"},
    *({"line": line, "row": [f"F-{line}", "fixed", "yes"]} for line in FIXED_LINES),
]


def _post_fixes(client: FlaskClient, task_id: str) -> None:
    read_json(client.post(f"/api/imports/{task_id}/fixes", json={"fixes": FIXES}), 202)


def _check_result(client: FlaskClient, runner: ImportRunner, task_id: str) -> None:
    """Check that the import did what an import of the corrected file does to an empty catalogue."""
    job, products = get_import(client, task_id), read_products(runner.database_url)
    assert job["status"] == "completed"
    read_json(client.delete("/api/products/bulk-delete"))
    corrected = upload_and_run(client, runner, CORRECTED, preview="true")
    request_action(client, corrected["task_id"], "confirm")
    corrected = run_job(client, runner, corrected["task_id"])
    assert {name: job[name] for name in COUNTS} == {name: corrected[name] for name in COUNTS}
    assert products == read_products(runner.database_url)
    lists = [read_json(client.get(f"/api/imports/{key}/duplicates")) for key in (task_id, corrected["task_id"])]
    assert lists[0] == lists[1]


@pytest.mark.parametrize("chunk_rows", [7, 10_000])
def test_an_import_with_fixes_is_that_of_a_corrected_file(
    client: FlaskClient, runner: ImportRunner, settings: Any, chunk_rows: int
) -> None:
    small = create_runner(settings, chunk_rows=chunk_rows, slice_rows=500)
    job = upload_and_run(client, small, FILE, preview="true")
    assert job["rejected_count"] > len(FIXED_LINES)
    _post_fixes(client, job["task_id"])
    job = run_job(client, small, job["task_id"])
    assert (job["status"], job["rejected_count"]) == ("awaiting_confirmation", 0)
    assert "unused_fixes" not in {notice["code"] for notice in job["notices"]}
    request_action(client, job["task_id"], "confirm")
    run_job(client, small, job["task_id"])
    _check_result(client, runner, job["task_id"])


@pytest.mark.thorough
def test_a_worker_is_killed_while_it_reads_the_file_again(
    client: FlaskClient, runner: ImportRunner, processes: Processes, environment: dict[str, str], database_url: str
) -> None:
    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    _post_fixes(client, task_id)
    with staging_blocked(database_url) as is_blocked:
        processes.start_worker("--concurrency=1", "-n", "first@%h")
        announce(environment, task_id)
        wait_for("the worker reads the file", is_blocked)
        holder = wait_for("a worker has the lease", lambda: read_job(database_url, task_id)["lease_holder"])
        os.kill(int(holder.split()[1]), signal.SIGKILL)
    wait_for("the check is done", lambda: read_job(database_url, task_id)["status"] == "awaiting_confirmation", 60)
    job = get_import(client, task_id)
    assert (job["rejected_count"], job["fixes_count"]) == (0, len(FIXES))
    request_action(client, task_id, "confirm")
    wait_for("the import ends", lambda: read_job(database_url, task_id)["finished_at"], 60)
    processes.stop()
    _check_result(client, runner, task_id)


def test_a_lost_staging_table_is_read_again_with_the_fixes(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    _post_fixes(client, task_id)
    run_job(client, runner, task_id)
    request_action(client, task_id, "confirm")
    # A crash of PostgreSQL empties unlogged tables.
    execute(database_url, f"TRUNCATE {read_job(database_url, task_id)['staging_table']}")
    assert run_job(client, runner, task_id)["status"] == "completed"
    _check_result(client, runner, task_id)


def test_an_interrupted_import_continues_with_the_fixes(
    client: FlaskClient, runner: ImportRunner, settings: Any
) -> None:
    class StopOnce(Observer):
        stopped = 0

        def after_commit(self, step: Step) -> None:
            if step.kind is StepKind.WRITE_SLICE:
                self.stopped += 1
                if self.stopped == 3:
                    raise KeyboardInterrupt

    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    _post_fixes(client, task_id)
    run_job(client, runner, task_id)
    request_action(client, task_id, "confirm")
    with pytest.raises(KeyboardInterrupt):
        create_runner(settings, slice_rows=500, observer=StopOnce()).run(task_id)
    request_action(client, task_id, "cancel")
    # With the same options, it continues after its checkpoint.
    request_action(client, task_id, "retry")
    run_job(client, create_runner(settings, slice_rows=500), task_id)
    _check_result(client, runner, task_id)


def test_an_import_is_cancelled_while_it_is_read_with_fixes(
    client: FlaskClient, runner: ImportRunner, settings: Any, database_url: str
) -> None:
    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    _post_fixes(client, task_id)
    hold = HoldReading()
    with Threads() as threads:
        threads.start(create_runner(settings, observer=hold).run, task_id)
        assert hold.holds.wait(60)
        response = client.post(f"/api/imports/{task_id}/fixes", json={"fixes": FIXES})
        assert read_json(response, 409)["code"] == "not_fixable"
        request_action(client, task_id, "cancel")
        hold.released.set()
    job = get_import(client, task_id)
    assert (job["status"], job["fixes_count"]) == ("cancelled", len(FIXES))
    assert read_products(database_url) == []
    request_action(client, task_id, "retry")
    assert run_job(client, runner, task_id)["rejected_count"] == 0


def test_missing_products_are_those_of_the_fixed_file(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    upload_and_run(client, runner, "sku\nA\nB\nC\n")
    options = {"missing": "delete", "missing_limit": "1", "preview": "true"}
    job = upload_and_run(client, runner, 'sku,active\nA,yes\n"X" y,no\n', **options)
    assert job["preview"]["missing"] == 2
    read_json(
        client.post(f"/api/imports/{job['task_id']}/fixes", json={"fixes": [{"line": 3, "row": ["B", "no"]}]}), 202
    )
    job = run_job(client, runner, job["task_id"])
    assert job["preview"]["missing"] == 1
    request_action(client, job["task_id"], "confirm")
    run_job(client, runner, job["task_id"])
    assert [row[0] for row in read_products(database_url)] == ["A", "B"]


def test_an_import_without_fixes_takes_no_other_path(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("importer.columns.row_fixer.RowFixer.__init__", refuse)
    assert upload_and_run(client, runner, FILE)["status"] == "completed"
