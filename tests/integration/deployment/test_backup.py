"""A backup, made and restored with the commands of docs/deploy.md, carries on where the old product stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from embedded.server_account import ServerAccount
from importer.pipeline.runner import ImportRunner
from support import tus
from support.database import execute, url_of
from support.documented_calls import DOCUMENTED_ADDRESS, CommandRunner, read_code_blocks
from support.imports import upload, upload_and_run
from support.processes import Processes
from support.receiver import Receiver
from support.waiting import wait_for
from support.web import WebProcess
from support.webhooks import emit_events, received_numbers, subscribe

HOOK = "/ok/backup"
EVENTS = 3
UPDATED = 5
TUS_CONTENT = b"sku\nT1\nT2\nT3\n"
TUS_PART_BYTES = 6
RESTORED = "restored_from_backup"
# The reaper sends the message of a job again if a worker has not taken it for half a minute.
AGE_SQL = "UPDATE import_jobs SET announced_at = announced_at - interval '1 hour'"
TABLES_SQL = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
CONTENT_SQL = "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {} t"
END_STATUSES = {"completed", "failed", "cancelled", "awaiting_confirmation"}
RUN_SECONDS = 120


@pytest.fixture
def restored_url(server_url: str, database_url: str) -> Iterator[str]:
    """The URL of an empty database on the same server."""
    name = f"{RESTORED}_{database_url.partition('?')[0].rpartition('/')[2]}"
    execute(server_url, f"CREATE DATABASE {name}")
    yield url_of(server_url, name)
    execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def commands(database_url: str, restored_url: str, tmp_path: Path) -> CommandRunner:
    """Runs commands with the variables of the documentation, and with the programs of the server's version."""
    account = ServerAccount(
        tmp_path / "none", Path(programs) if (programs := os.environ.get("TEST_POSTGRES_BIN")) else None
    )
    (tmp_path / "new-uploads").mkdir()
    variables = {
        "PATH": f"{Path(account.find_program('pg_dump')).parent}:{os.environ['PATH']}",
        "DATABASE_URL": database_url,
        "UPLOAD_DIR": str(tmp_path / "uploads"),
        "NEW_DATABASE_URL": restored_url,
        "NEW_UPLOAD_DIR": str(tmp_path / "new-uploads"),
    }
    return CommandRunner(DOCUMENTED_ADDRESS, tmp_path, variables)


def read_tables(url: str) -> dict[str, Any]:
    """Return the number of rows of each table of a database, and a checksum of them."""
    return {name: execute(url, CONTENT_SQL.format(name))[0] for (name,) in execute(url, TABLES_SQL)}


def test_a_restored_backup_carries_on(
    client: FlaskClient,
    runner: ImportRunner,
    receiver: Receiver,
    rabbitmq: str,
    environment: dict[str, str],
    commands: CommandRunner,
    processes: Processes,
    free_port: int,
) -> None:
    old_url, new_url = commands.variables["DATABASE_URL"], commands.variables["NEW_DATABASE_URL"]
    subscribe(client, receiver.url(HOOK), "product.bulk_deleted")
    upload_and_run(client, runner, create_file("U", UPDATED, "first"))
    updated = upload_and_run(client, runner, create_file("U", UPDATED, "second"))["task_id"]
    waiting = upload_and_run(client, runner, create_file("W", 2, "waits"), preview="true")
    assert waiting["status"] == "awaiting_confirmation"
    queued = upload(client, create_file("Q", 3, "queued"))
    lost = upload(client, create_file("L", 1, "lost"))
    unfinished = tus.create(client, len(TUS_CONTENT))
    assert tus.append(client, unfinished, 0, TUS_CONTENT[:TUS_PART_BYTES]).status_code == 204
    emit_events(old_url, EVENTS)
    execute(old_url, AGE_SQL)

    back_up, restore = read_code_blocks("deploy.md", "sh")[-2:]
    commands.run(back_up)
    before = read_tables(old_url)
    commands.run(restore)
    assert read_tables(new_url) == before
    assert receiver.count() == 0
    # The backup of the files lacks one.
    (lost_name,) = execute(new_url, "SELECT stored_name FROM import_jobs WHERE task_id = %s", (lost,))[0]
    (Path(commands.variables["NEW_UPLOAD_DIR"]) / lost_name).unlink()

    environment |= {"DATABASE_URL": new_url, "UPLOAD_DIR": commands.variables["NEW_UPLOAD_DIR"]}
    web = WebProcess(processes, free_port)
    web.start()
    processes.start_worker("--concurrency=1")

    wait_for("the pending deliveries", lambda: receiver.count(HOOK) >= EVENTS, RUN_SECONDS)
    assert received_numbers(receiver, HOOK) == list(range(1, EVENTS + 1))
    check(wait_for_end(web, queued), "completed", created_count=3)
    failed = wait_for_end(web, lost)
    check(failed, "failed", created_count=0)
    assert "Upload it again" in failed["error_message"]
    web.call("POST", f"/imports/{waiting['task_id']}/confirm")
    check(wait_for_end(web, waiting["task_id"]), "completed", created_count=2)
    url = web.api_url + unfinished.partition("/api")[2]
    headers = tus.append_headers(TUS_PART_BYTES)
    response = requests.patch(url, TUS_CONTENT[TUS_PART_BYTES:], headers=headers, timeout=RUN_SECONDS)
    check(wait_for_end(web, tus.task_id_of(response)), "completed", created_count=3)
    undo = web.call("POST", f"/imports/{updated}/undo")
    check(wait_for_end(web, undo["task_id"]), "completed", updated_count=UPDATED)
    names = execute(new_url, "SELECT name, count(*) FROM products GROUP BY name ORDER BY name")
    assert names == [("", 3), ("first", UPDATED), ("queued", 3), ("waits", 2)]
    assert receiver.count(HOOK) == EVENTS


def create_file(prefix: str, rows: int, name: str) -> str:
    """Return a CSV file with this many products."""
    return "sku,name\n" + "".join(f"{prefix}{number},{name}\n" for number in range(rows))


def wait_for_end(web: WebProcess, task_id: str) -> Any:
    """Wait until an import has ended or waits for its confirmation, and return it."""

    def read_ended() -> Any:
        job = web.call("GET", f"/imports/{task_id}")
        return job if job["status"] in END_STATUSES else None

    return wait_for("the end of the import", read_ended, RUN_SECONDS)


def check(job: Any, status: str, **counts: int) -> None:
    """Assert how a job has ended."""
    assert job["status"] == status, job
    assert {name: job[name] for name in counts} == counts
