"""Bulk changes whose processes are killed: each product changes once, and each change is reported once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

import requests

from support.bulk import create_products, read_active
from support.database import execute
from support.jobs import delay_slices, read_job, stop_delaying_slices
from support.processes import Process, Processes
from support.threads import Threads
from support.waiting import wait_for
from support.web import WebProcess

PRODUCTS = 400
SLICE_ROWS = 20
WORKER_OPTIONS = ("--concurrency=1", "-n")
READ_UPDATED_SQL = "SELECT unnest(updated) FROM webhook_events WHERE type = 'product.updated'"
CREATE_WEBHOOK_SQL = "INSERT INTO webhooks (url, event_type) VALUES ('http://127.0.0.1:9/', 'product.updated')"


def kill(process: Process) -> None:
    """Kill a process with its children."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_change_survives_kills_of_the_web_process_and_of_a_worker(
    processes: Processes, free_port: int, environment: dict[str, str], database_url: str
) -> None:
    environment["SLICE_ROWS"] = str(SLICE_ROWS)
    ids = create_products(database_url, PRODUCTS)
    execute(database_url, CREATE_WEBHOOK_SQL)
    delay_slices(database_url, 0.3)
    web = WebProcess(processes, free_port)
    web_process = web.start()

    def read() -> dict[str, Any]:
        [(task_id,)] = execute(database_url, "SELECT task_id::text FROM import_jobs") or [("",)]
        return read_job(database_url, task_id) if task_id else {}

    def wait_for_slices() -> None:
        before = read().get("processed_records", 0)
        wait_for("two slices", lambda: read().get("processed_records", 0) >= before + 2 * SLICE_ROWS, seconds=60)

    def change() -> None:
        body = {"action": "set", "field": "description", "value": "new", "filter": {"sku": "P-"}}
        try:
            web.call("POST", "/products/bulk", body)
        except requests.ConnectionError:
            return
        raise AssertionError("The web process was not killed.")

    with Threads() as threads:
        threads.start(change)
        wait_for_slices()
        kill(web_process)
    worker = processes.start_worker(*WORKER_OPTIONS, "first")
    wait_for_slices()
    kill(worker)
    stop_delaying_slices(database_url)
    processes.start_worker(*WORKER_OPTIONS, "second")
    wait_for("the change has ended", lambda: read()["finished_at"], seconds=90)
    job = read()
    assert (job["status"], job["updated_count"], job["processed_records"]) == ("completed", PRODUCTS, PRODUCTS)
    assert len(read_active(database_url)) == PRODUCTS
    assert execute(database_url, "SELECT DISTINCT description FROM products") == [("new",)]
    reported = Counter(product_id for (product_id,) in execute(database_url, READ_UPDATED_SQL))
    assert reported == Counter(ids)
