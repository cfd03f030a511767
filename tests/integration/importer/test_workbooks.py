"""Imports of workbooks: from the upload to the products, and what happens to the process that reads them."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask.testing import FlaskClient

from importer.files.workbook.workbook_file import WorkbookLimits
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import get_import, list_rejects, request_action, run_job, upload, upload_and_run
from support.jobs import announce, create_job, read_job, read_products
from support.processes import Processes
from support.threads import Threads
from support.waiting import wait_for
from support.workbooks import create_ods, create_xls, create_xlsb, create_xlsx

ROWS: list[list[Any]] = [
    ["sku", "name", "active"],
    ["00123", "Bolt\nM8", True],
    [None, "no SKU"],
    [123, "Größe", False],
]
PRODUCTS = [("00123", "Bolt\nM8", "", True), ("123", "Größe", "", False)]
READER = "importer.files.workbook.reader"
LARGE_ROWS = 60_000


@pytest.fixture(scope="module")
def large_workbook() -> bytes:
    """An .xlsx file that takes a while to read."""
    return create_xlsx({"P": [["sku", "name"], *([f"K-{number:06}", "some text"] for number in range(LARGE_ROWS))]})


def suspend_reader(process: psutil.Process) -> psutil.Process:
    """Suspend the process that reads a workbook for this process or its children, once it has set its limits."""

    def has_limits() -> list[psutil.Process]:
        return [
            reader
            for reader in find_readers(process)
            if Path(f"/proc/{reader.pid}/oom_score_adj").read_text(encoding="ascii").strip() == "1000"
        ]

    reader: psutil.Process = wait_for("the workbook is read", has_limits)[0]
    reader.suspend()
    return reader


def find_readers(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that read workbooks for this process or its children."""
    found = []
    for child in process.children(recursive=True):
        try:
            if READER in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (create_xlsx({"Products": ROWS}), "prices.xlsx"),
        (create_xlsx({"Products": ROWS}), "prices.xlsm"),
        (create_xlsx({"Products": ROWS}), "prices.csv"),
        (create_xlsb({"Products": ROWS}), "prices.xlsb"),
        (create_xls({"Products": ROWS}), "prices.xls"),
        (create_ods({"Products": ROWS}), "prices.ods"),
        (create_ods({"Products": ROWS}), "prices.xlsx"),
    ],
    ids=["xlsx", "xlsm", "xlsx as csv", "xlsb", "xls", "ods", "ods as xlsx"],
)
def test_a_workbook_is_imported_whatever_its_name(
    client: FlaskClient, runner: ImportRunner, content: bytes, filename: str
) -> None:
    job = upload_and_run(client, runner, content, filename)
    assert (job["status"], job["created_count"], job["rejected_count"]) == ("completed", 2, 1), job["error_message"]
    assert (job["file"]["sheet"], job["file"]["sheets"]) == ("Products", ["Products"])
    assert read_products(runner.database_url) == PRODUCTS
    # The row of the sheet, although an earlier value has two lines.
    assert [(reject["line"], reject["code"]) for reject in list_rejects(client, job["task_id"])] == [(3, "missing_sku")]
    response = client.get(f"/api/imports/{job['task_id']}/rejects.csv")
    assert response.headers["Content-Disposition"] == "attachment; filename=prices-rejects.csv"
    assert response.text.splitlines() == [
        "sku,name,active,line,code,message",
        ",no SKU,,3,missing_sku,The row has no SKU.",
    ]


def test_a_text_is_imported_whatever_its_name(client: FlaskClient, runner: ImportRunner) -> None:
    for filename in ("a.xlsx", "a.ods", "a.zip", "a.txt", "a.tab", "a.csv.zst"):
        job = upload_and_run(client, runner, "sku\tname\na\tb\n", filename)
        assert (job["status"], job["file"]["sheet"], job["file"]["sheets"]) == ("completed", None, [])


def test_the_sheet_can_be_chosen_in_the_upload_and_in_a_retry(client: FlaskClient, runner: ImportRunner) -> None:
    content = create_xlsx({"Old": [["sku"], ["x"]], "New": [["sku"], ["y"]]})
    job = upload_and_run(client, runner, content, "a.xlsx", sheet="Lost")
    assert job["status"] == "failed"
    assert job["error_message"].startswith("The workbook has no sheet “Lost”. Its sheets are: “Old”, “New”.")
    request_action(client, job["task_id"], "retry", sheet="New")
    job = run_job(client, runner, job["task_id"])
    assert (job["status"], job["file"]["sheet"], job["notices"]) == ("completed", "New", [])
    assert read_products(runner.database_url) == [("y", "", "", True)]
    job = upload_and_run(client, runner, content, "a.xlsx", preview="true")
    codes = [notice["code"] for notice in job["notices"]]
    assert (job["file"]["sheet"], codes) == ("Old", ["looks_like_another_file", "other_sheets"])


def test_a_workbook_beyond_a_limit_fails_with_a_sentence(client: FlaskClient, runner: ImportRunner) -> None:
    limited = replace(runner, workbook_limits=WorkbookLimits(unpacked_bytes=1000))
    job = upload_and_run(client, limited, create_xlsx({"P": ROWS}), "a.xlsx")
    assert job["status"] == "failed"
    assert "once it is unpacked; at most 0 MB are allowed" in job["error_message"]
    assert read_products(runner.database_url) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the limits of a process")
def test_an_import_waits_for_a_slow_process_and_can_be_cancelled(
    client: FlaskClient, runner: ImportRunner, large_workbook: bytes
) -> None:
    url = runner.database_url
    task_id = upload(client, large_workbook, "large.xlsx")
    with Threads() as threads:
        worker = threads.start(replace(runner, lease_seconds=2, stall_seconds=1).run, task_id)
        suspend_reader(psutil.Process())
        began = read_job(url, task_id)["lease_expires_at"]
        extended = "SELECT lease_expires_at > %s::timestamptz + interval '3 seconds' FROM import_jobs"
        wait_for("the lease is extended for longer than a stall", lambda: execute(url, extended, (began,)) == [(True,)])
        assert get_import(client, task_id)["status"] == "processing"
        assert request_action(client, task_id, "cancel")["status"] == "cancelled"
        wait_for("the worker gives up", lambda: not worker.is_alive())
    assert find_readers(psutil.Process()) == []
    assert read_products(url) == []
    request_action(client, task_id, "retry")
    assert run_job(client, runner, task_id)["created_count"] == LARGE_ROWS


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_the_process_ends_with_its_worker_and_another_worker_imports_the_file(
    runner: ImportRunner, environment: dict[str, str], processes: Processes, large_workbook: bytes
) -> None:
    url = runner.database_url
    worker = psutil.Process(processes.start_worker("--concurrency=1", LEASE_SECONDS="2", SWEEP_SECONDS="1").pid)
    task_id = create_job(runner, large_workbook, "large.xlsx")
    announce(environment, task_id)
    reader = suspend_reader(worker)
    os.kill(int(read_job(url, task_id)["lease_holder"].split()[1]), signal.SIGKILL)
    wait_for("the process ends, too", lambda: not reader.is_running())
    wait_for("the import ends", lambda: read_job(url, task_id)["finished_at"])
    job = read_job(url, task_id)
    assert (job["status"], job["created_count"]) == ("completed", LARGE_ROWS), job["error_message"]


def test_a_process_that_is_killed_ends_the_import_with_a_sentence(
    client: FlaskClient, runner: ImportRunner, large_workbook: bytes
) -> None:
    task_id = upload(client, large_workbook, "large.xlsx")
    with Threads() as threads:
        worker = threads.start(runner.run, task_id)
        (reader,) = wait_for("the workbook is read", lambda: find_readers(psutil.Process()))
        reader.kill()
        wait_for("the import ends", lambda: not worker.is_alive())
    job = get_import(client, task_id)
    assert job["status"] == "failed"
    assert job["error_message"].startswith("The process that reads the workbook was stopped")
    assert read_products(runner.database_url) == []
