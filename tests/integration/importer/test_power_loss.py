"""Power cuts, as far as a test can cause them: PostgreSQL crashes, and the embedded broker loses its files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import requests

import config
from database.migrate import upgrade_database
from embedded.postgres import EmbeddedPostgres
from importer.jobs.reaper import PENDING_REMINDER_SECONDS
from support.database import execute
from support.jobs import announce, create_job, create_runner, read_job, read_products
from support.processes import Processes
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

ROWS = 2000
FILE = b"sku,name\n" + b"".join(b"SKU-%04d,name\n" % number for number in range(ROWS)) + b"SKU-0000,again\n,no SKU\n"
COUNTS = {"total_records": ROWS + 2, "created_count": ROWS, "duplicate_count": 1, "rejected_count": 1}
WORKER_OPTIONS = ("--concurrency=1", "-n", "worker@%h")


def wait_for_result(url: str, task_id: str) -> None:
    """Wait until an import has completed, and check its counts and products."""
    row: dict[str, Any] = wait_for("the import ends", lambda: (row := read_job(url, task_id))["finished_at"] and row)
    assert (row["status"], row["error_message"]) == ("completed", None)
    assert {name: row[name] for name in COUNTS} == COUNTS
    assert len(read_products(url)) == ROWS


def test_an_upload_that_was_accepted_survives_a_crash_of_the_database(
    environment: dict[str, str], processes: Processes, free_port: int, tmp_path: Path
) -> None:
    with EmbeddedPostgres(tmp_path / "cluster") as server:
        environment["DATABASE_URL"] = url = server.start()
        upgrade_database(url)
        web = WebProcess(processes, free_port)
        web.start()
        response = requests.post(f"{web.api_url}/upload", files={"file": ("a.csv", FILE)}, timeout=REQUEST_SECONDS)
        server.kill()
        task_id = response.json()["task_id"]
        assert server.start() == url
        assert read_job(url, task_id)["status"] == "pending"
        processes.start_worker(*WORKER_OPTIONS)
        wait_for_result(url, task_id)
        processes.stop()


@pytest.mark.parametrize("lost", ["messages", "the whole folder"])
def test_the_reaper_sends_the_messages_again_that_the_broker_lost(
    environment: dict[str, str], processes: Processes, lost: str
) -> None:
    runner = create_runner(config.load(environment))
    task_id = create_job(runner, FILE)
    announce(environment, task_id)
    broker = Path(environment["DATA_DIR"]) / "broker"
    messages = list((broker / "queues").iterdir())
    assert len(messages) == 1
    if lost == "messages":
        messages[0].unlink()
    else:
        shutil.rmtree(broker)
    processes.start_worker(*WORKER_OPTIONS)
    wait_for("a worker runs", lambda: execute(runner.database_url, "SELECT FROM workers"))
    execute(
        runner.database_url,
        "UPDATE import_jobs SET announced_at = announced_at - make_interval(secs => %s)",
        (PENDING_REMINDER_SECONDS,),
    )
    wait_for_result(runner.database_url, task_id)


def test_a_worker_continues_after_damaged_messages(environment: dict[str, str], processes: Processes) -> None:
    runner = create_runner(config.load(environment))
    first, second = create_job(runner, b"sku\nSKU-0000\n", announced=True), create_job(runner, FILE, announced=True)
    announce(environment, first)
    queue = Path(environment["DATA_DIR"]) / "broker" / "queues"
    (intact,) = queue.iterdir()
    content = intact.read_bytes()
    for number, damaged in enumerate([b"", content[: len(content) // 2], bytes(len(content))]):
        (queue / f"{number:020}_damaged.imports.msg").write_bytes(damaged)
    worker = processes.start_worker(*WORKER_OPTIONS)
    wait_for("the first import ends", lambda: read_job(runner.database_url, first)["finished_at"])
    announce(environment, second)
    wait_for("the second import ends", lambda: read_job(runner.database_url, second)["finished_at"])
    assert read_job(runner.database_url, second)["created_count"] == ROWS - 1
    assert worker.poll() is None
    assert processes.log.read_text().count("is damaged and was dropped") == 3
