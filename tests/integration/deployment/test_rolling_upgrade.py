"""A rolling upgrade: processes of the previous version and of this one work side by side on one database.

The previous version comes from the history of git. Where that is missing, as in an archive of the sources, the test is
skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.regression import check_out
from database.lease import holder_has_ended
from database.migrate import newest_revision, read_schema
from support.database import execute, url_of
from support.jobs import delay_slices, read_job
from support.paths import ROOT
from support.processes import Process, Processes, find_free_ports, is_healthy, run_program
from support.receiver import Receiver
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

# The last commit before uploads could be resumed, and the newest migration that it knows.
PREVIOUS_COMMIT = "ca0673cd03068307a4ffad74b71e643ccde6e20e"
PREVIOUS_REVISION = "0029"
ROWS = 3000
SLICE_ROWS = 500
EVENTS = "import.completed,product.updated"
HOOK = "/ok/rolling-upgrade"


@pytest.fixture
def previous_code(tmp_path: Path) -> Path:
    """A folder with the code of the previous version."""
    has_commit = False
    with contextlib.suppress(OSError):
        command = ["git", "-C", str(ROOT), "cat-file", "-e", f"{PREVIOUS_COMMIT}^{{commit}}"]
        has_commit = subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not has_commit:
        pytest.skip("This checkout lacks the history of git, which has the previous version.")
    folder = tmp_path / "previous"
    check_out(ROOT, PREVIOUS_COMMIT, folder)
    return folder


@pytest.fixture
def empty_database(server_url: str, environment: dict[str, str]) -> Iterator[str]:
    """The URL of a database without tables; `environment` has it, too."""
    name = "rolling_upgrade"
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE template0")
    environment["DATABASE_URL"] = url_of(server_url, name)
    yield environment["DATABASE_URL"]
    execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def previous(
    empty_database: str, environment: dict[str, str], previous_code: Path, rabbitmq: str, tmp_path: Path
) -> Iterator[Processes]:
    """Starts processes of the previous version, with RabbitMQ and the same settings as those of this version."""
    environment |= {"SLICE_ROWS": str(SLICE_ROWS), "IMPORT_WRITERS": "2", "MIGRATE_ON_START": "false"}
    started = Processes(environment, tmp_path / "previous.log", previous_code)
    yield started
    started.stop()


class Upgrade:
    """The imports of the test: how to upload them, what runs them, and how they must end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.task_ids: list[str] = []

    def upload(self, web: WebProcess, version: str, prefix: str, rows: int = ROWS) -> str:
        """Upload a file whose names contain `version`, to one of the web processes; return the task id."""
        content = "sku,name\n" + "".join(f"{prefix}-{number:05},{version} {number}\n" for number in range(rows))
        response = requests.post(
            f"{web.api_url}/upload", files={"file": ("products.csv", content)}, timeout=REQUEST_SECONDS
        )
        assert response.status_code == requests.codes.accepted, response.text
        self.task_ids.append(str(response.json()["task_id"]))
        return self.task_ids[-1]

    def wait(self, task_id: str) -> dict[str, Any]:
        """Wait for the end of a job, which must complete, and return its row."""
        wait_for("the job ends", lambda: read_job(self.url, task_id)["finished_at"])
        job = read_job(self.url, task_id)
        assert job["status"] == "completed", job["error_message"]
        return job

    def check(self, task_id: str, *, created: int = 0, updated: int = 0) -> None:
        """Wait for the end of an import and compare its counts."""
        job = self.wait(task_id)
        counts = (job["created_count"], job["updated_count"], job["unchanged_count"], job["processed_records"])
        assert counts == (created, updated, 0, created + updated), job

    def undo(self, web: WebProcess, task_id: str, **expected: int) -> None:
        """Undo an import through one of the web processes, and compare the counts of the undo."""
        self.task_ids.append(str(web.call("POST", f"/imports/{task_id}/undo")["task_id"]))
        undo = self.wait(self.task_ids[-1])
        assert {name: undo[name] for name in expected} == expected, undo

    def is_written_by(self, worker: Process, task_id: str) -> bool:
        """Return whether a process of this worker holds the lease of a job of which slices are written."""
        job = read_job(self.url, task_id)
        with contextlib.suppress(ProcessLookupError):
            # A worker has a session of its own.
            holder = job["lease_holder"]
            return job["processed_records"] > 0 and holder and os.getsid(int(holder.split()[1])) == worker.pid
        return False

    def was_resumed(self, task_id: str) -> bool:
        """Return whether a worker has continued the job of another one that had ended."""
        statement = (
            "SELECT FROM import_log JOIN import_jobs j ON j.id = job_id WHERE task_id = %s AND event = 'resumed'"
        )
        return bool(execute(self.url, statement, [task_id]))


def end_delays(url: str) -> None:
    """Let slices run at full speed. Unlike `support.jobs.stop_delaying_slices`, this locks no table of the product."""
    execute(
        url,
        "CREATE OR REPLACE FUNCTION delay_slice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    )


def read_names(url: str, prefix: str) -> Counter[str]:
    """Return how many products with this prefix have which version in their name."""
    statement = "SELECT split_part(name, ' ', 1), count(*) FROM products WHERE sku LIKE %s GROUP BY 1"
    return Counter(dict(execute(url, statement, [f"{prefix}-%"])))


def test_the_previous_version_and_this_one_work_side_by_side(
    previous: Processes, processes: Processes, environment: dict[str, str], receiver: Receiver, rabbitmq: str
) -> None:
    url = environment["DATABASE_URL"]
    upgrade = Upgrade(url)
    old_port, new_port = find_free_ports(2)
    old_web, new_web = WebProcess(previous, old_port), WebProcess(processes, new_port)

    # The previous version alone.
    old_web_process = old_web.start()
    old_worker = previous.start_worker("--concurrency=1", "-n", "old@%h")
    wait_for("the previous version runs", lambda: is_healthy(f"http://127.0.0.1:{old_port}"))
    assert read_schema(url).revision == PREVIOUS_REVISION
    old_web.call("POST", "/webhooks", {"url": receiver.url(HOOK), "event_type": EVENTS})
    first = upgrade.upload(old_web, "one", "A")
    upgrade.check(first, created=ROWS)

    # The migrations, while the previous version imports.
    delay_slices(url, 0.2)
    second = upgrade.upload(old_web, "two", "A")
    wait_for("slices are written", lambda: upgrade.is_written_by(old_worker, second))
    run_program(sys.executable, "-m", "flask", "--app", "app", "db", "upgrade", environment=environment)
    assert read_schema(url).revision == newest_revision()
    end_delays(url)
    upgrade.check(second, updated=ROWS)

    # The new web process leaves its import to the old worker.
    new_web.start()
    third = upgrade.upload(new_web, "new", "B")
    upgrade.check(third, created=ROWS)

    # Both workers import what both web processes got.
    new_worker = processes.start_worker("--concurrency=1", "-n", "new@%h")
    wait_for("both workers run", lambda: execute(url, "SELECT count(*) FROM workers") == [(2,)])
    delay_slices(url, 0.2)
    fourth, fifth = upgrade.upload(old_web, "old", "C"), upgrade.upload(new_web, "new", "D")
    # Each worker takes one message at a time.
    wait_for(
        "each worker writes one of them",
        lambda: (
            {
                (worker, task_id)
                for worker in (old_worker, new_worker)
                for task_id in (fourth, fifth)
                if upgrade.is_written_by(worker, task_id)
            }
            in [{(old_worker, fourth), (new_worker, fifth)}, {(old_worker, fifth), (new_worker, fourth)}]
        ),
    )
    end_delays(url)
    upgrade.check(fourth, created=ROWS)
    upgrade.check(fifth, created=ROWS)

    # Edits and undos through either web process.
    (product,) = execute(url, "SELECT id FROM products WHERE sku = 'A-00000'")
    for number, web in enumerate((old_web, new_web, old_web)):
        web.call("PUT", f"/products/{product[0]}", {"description": f"edit {number}"})
        for reader in (old_web, new_web):
            assert reader.call("GET", f"/products/{product[0]}")["description"] == f"edit {number}"
    upgrade.undo(new_web, second, updated_count=ROWS - 1)
    upgrade.undo(old_web, fifth)
    assert read_names(url, "A") == {"one": ROWS - 1, "two": 1}
    assert read_names(url, "D") == {}

    # The old processes end while they import. The new worker continues what the old one has begun.
    delay_slices(url, 3)
    sixth = [upgrade.upload(old_web, "last", "E", 2 * ROWS), upgrade.upload(old_web, "last", "F", 2 * ROWS)]
    taken = wait_for(
        "the old worker imports",
        lambda: [task_id for task_id in sixth if upgrade.is_written_by(old_worker, task_id)],
    )
    holder = read_job(url, taken[0])["lease_holder"]
    old_worker.terminate()
    old_web_process.terminate()
    assert old_web_process.wait(60) == 0
    # Workers of the previous version go on for a few seconds. Their slices take too long for them to finish.
    wait_for("the import of the old worker is cut off", lambda: holder_has_ended(holder))
    end_delays(url)
    for task_id in sixth:
        upgrade.check(task_id, created=2 * ROWS)
    assert read_names(url, "E") == read_names(url, "F") == {"last": 2 * ROWS}
    assert upgrade.was_resumed(taken[0])
    wait_for("the new version runs alone", lambda: is_healthy(f"http://127.0.0.1:{new_port}"))

    # Each event is delivered once, whichever version recorded it and whichever sent it.
    expected = Counter({("import.completed", task_id): 1 for task_id in upgrade.task_ids})
    expected += Counter({("product.updated", f"edit {number}"): 1 for number in range(3)})
    pending = "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'"
    wait_for("everything is delivered", lambda: execute(url, pending) == [(0,)])
    bodies = [json.loads(request.body) for request in receiver.requests(HOOK)]
    found = Counter(
        (body["event"], body["import"]["task_id"] if "import" in body else body["product"]["description"])
        for body in bodies
    )
    assert found == expected
