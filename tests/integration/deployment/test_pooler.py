"""The whole product behind a transaction pooler, as Supabase's port 6543 is: PgBouncer before the tests' PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import requests
from psycopg2.extensions import parse_dsn

from catalogue import search_indexes
from support.database import execute
from support.jobs import delay_slices, read_products, stop_delaying_slices
from support.prerequisites import skip_or_fail
from support.processes import Processes, find_free_ports
from support.receiver import Receiver
from support.waiting import wait_for

SECONDS = 60
# A few for all: whoever holds one between two transactions is noticed.
CONNECTIONS = 6
ROWS = 300
FILE = "sku,name\n" + "".join(f"P-{number:04},new\n" for number in range(ROWS))


@pytest.fixture
def pooler_url(database_url: str) -> Iterator[str]:
    """The test's database behind PgBouncer."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        skip_or_fail("PgBouncer is missing; install it (apt-get install pgbouncer)")
    server = parse_dsn(database_url)
    (port,) = find_free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="acme-pooler-"))
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        # It refuses to run as root, and the server's folder belongs to this one.
        owner = Path(server["host"]).stat()
        account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        os.chown(folder, owner.st_uid, owner.st_gid)
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{server['dbname']} = host={server['host']} port={server['port']} user={server['user']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {CONNECTIONS}\nmax_client_conn = 500\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, **account)
    url = f"postgresql://{server['user']}@127.0.0.1:{port}/{server['dbname']}?pgbouncer=true"
    try:
        wait_for("PgBouncer answers", lambda: _answers(url.partition("?")[0]))
        yield url
    finally:
        process.kill()
        process.wait(10)
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    try:
        return execute(url, "SELECT 1") == [(1,)]
    except psycopg2.OperationalError:
        return False


class Client:
    """A client of the running product."""

    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}/api"

    def call(self, method: str, path: str, status: int, **options: Any) -> Any:
        answer = requests.request(method, self.root + path, timeout=SECONDS, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    def upload(self, content: str, **options: str) -> str:
        task_id = self.call("POST", "/upload", 202, files={"file": ("p.csv", content)}, data=options)["task_id"]
        return str(task_id)

    def follow(self, task_id: str) -> dict[str, Any]:
        """The last state that the stream of an import tells."""
        address = f"{self.root}/upload/progress/{task_id}/stream"
        with requests.get(address, stream=True, timeout=SECONDS) as answer:
            told = [line for line in answer.iter_lines(decode_unicode=True) if line.startswith("data: ")]
        last: dict[str, Any] = json.loads(told[-1].removeprefix("data: "))
        return last

    def waits(self, task_id: str) -> bool:
        return bool(self.call("GET", f"/imports/{task_id}", 200)["status"] == "awaiting_confirmation")


def is_healthy(client: Client) -> bool:
    try:
        return requests.get(f"{client.root}/health", timeout=SECONDS).ok
    except requests.ConnectionError:
        return False


def test_imports_are_checked_cancelled_tried_again_and_undone(
    pooler_url: str, database_url: str, environment: dict[str, str], processes: Processes, receiver: Receiver
) -> None:
    environment |= {"DATABASE_URL": pooler_url, "SLICE_ROWS": "50", "CHUNK_ROWS": "50"}
    (port,) = find_free_ports(1)
    processes.start_web(port)
    processes.start_worker("--concurrency=2")
    client = Client(port)
    wait_for("web process and worker", lambda: is_healthy(client))
    hook = {"url": receiver.url("/ok/x"), "event_type": "import.completed,product.bulk_deleted"}
    client.call("POST", "/webhooks", 201, json=hook)

    checked = client.upload(FILE, preview="true")
    wait_for("the preview", lambda: client.waits(checked))
    assert read_products(database_url) == []
    client.call("POST", f"/imports/{checked}/confirm", 202)
    assert client.follow(checked)["created_count"] == ROWS

    # A slice that hangs gives way to whoever cancels, although both have connections of the pooler only.
    delay_slices(database_url, SECONDS)
    changed = client.upload(FILE.replace("new", "changed"))
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    wait_for("a slice that hangs", lambda: execute(database_url, sleeping) == [(1,)])
    cancelled = client.call("POST", f"/imports/{changed}/cancel", 202)
    assert (cancelled["status"], cancelled["updated_count"]) == ("cancelled", 0)
    wait_for("its end", lambda: execute(database_url, sleeping) == [(0,)], seconds=SECONDS / 2)
    stop_delaying_slices(database_url)
    client.call("POST", f"/imports/{changed}/retry", 202)
    done = client.follow(changed)
    assert (done["status"], done["updated_count"]) == ("completed", ROWS)

    for task_id in (changed, checked):
        undo = client.call("POST", f"/imports/{task_id}/undo", 202)
        assert client.follow(undo["task_id"])["updated_count"] == ROWS
    assert read_products(database_url) == []

    def told() -> list[Any]:
        return [json.loads(request.body) for request in receiver.requests()]

    wait_for("the ends of four jobs", lambda: sum("import" in body for body in told()) == 4)
    assert sum(body.get("count", 0) for body in told()) == ROWS


def test_the_indexes_of_the_search_are_built(pooler_url: str, database_url: str) -> None:
    execute(database_url, "INSERT INTO products (sku) SELECT 'A-' || n FROM generate_series(1, 100) n")
    assert search_indexes.build_indexes(pooler_url.partition("?")[0], pooled=True)
    built = "SELECT count(*) FROM pg_class WHERE relname LIKE 'products\\_search\\_%'"
    assert execute(database_url, built) == [(len(search_indexes.INDEX_DEFINITIONS),)]
