"""The product behind a transaction pooler, such as Supabase's port 6543: PgBouncer in front of the test server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from psycopg2 import errors
from psycopg2.extensions import parse_dsn

import config
from catalogue import search_indexes
from database.advisory_locks import cancel_work, is_work_running, mark_work
from database.connect import Component, connected
from support.database import execute
from support.jobs import create_runner, delay_slices, read_products, run_import, stop_delaying_slices
from support.pooler import running_pooler
from support.processes import Processes, find_free_ports, is_healthy
from support.receiver import Receiver
from support.threads import Threads
from support.waiting import wait_for

REQUEST_SECONDS = 60
# Longer than the test, which cancels the slice.
SLICE_SECONDS = 60
STOP_SECONDS = 10
ROWS = 300
FILE = "sku,name\n" + "".join(f"P-{number:04},new\n" for number in range(ROWS))
SLEEPING_SLICES_SQL = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'
"""
SEARCH_INDEXES_SQL = "SELECT count(*) FROM pg_class WHERE relname LIKE 'products\\_search\\_%'"


@pytest.fixture
def pooler_url(database_url: str) -> Iterator[str]:
    """The URL of the test's database through PgBouncer."""
    with running_pooler(database_url) as url:
        yield f"{url}?pgbouncer=true"


class ApiClient:
    """A client of the product at `address`."""

    def __init__(self, address: str) -> None:
        self._api = f"{address}/api"

    def call(self, method: str, path: str, status: int, **options: Any) -> Any:
        """Send a request and return the JSON of the response, which must have this status."""
        response = requests.request(method, self._api + path, timeout=REQUEST_SECONDS, **options)
        assert response.status_code == status, response.text
        return response.json()

    def upload(self, content: str, **options: str) -> str:
        """Upload a file with these form fields and return the task id."""
        job = self.call("POST", "/upload", 202, files={"file": ("p.csv", content)}, data=options)
        return str(job["task_id"])

    def follow(self, task_id: str) -> dict[str, Any]:
        """Read the progress stream of a job to its end and return the job's last state."""
        url = f"{self._api}/upload/progress/{task_id}/stream"
        with requests.get(url, stream=True, timeout=REQUEST_SECONDS) as response:
            events = [line for line in response.iter_lines(decode_unicode=True) if line.startswith("data: ")]
        last_state: dict[str, Any] = json.loads(events[-1].removeprefix("data: "))
        return last_state

    def awaits_confirmation(self, task_id: str) -> bool:
        """Return whether the preview of an import is ready."""
        return bool(self.call("GET", f"/imports/{task_id}", 200)["status"] == "awaiting_confirmation")


def test_imports_can_be_confirmed_cancelled_retried_and_undone(
    pooler_url: str, database_url: str, environment: dict[str, str], processes: Processes, receiver: Receiver
) -> None:
    environment |= {"DATABASE_URL": pooler_url, "SLICE_ROWS": "50", "CHUNK_ROWS": "50"}
    (port,) = find_free_ports(1)
    processes.start_web(port)
    processes.start_worker("--concurrency=2")
    address = f"http://127.0.0.1:{port}"
    wait_for("a healthy product", lambda: is_healthy(address))
    client = ApiClient(address)
    webhook = {"url": receiver.url("/ok/x"), "event_type": "import.completed,product.bulk_deleted"}
    client.call("POST", "/webhooks", 201, json=webhook)

    first = client.upload(FILE, preview="true")
    wait_for("the preview", lambda: client.awaits_confirmation(first))
    assert read_products(database_url) == []
    client.call("POST", f"/imports/{first}/confirm", 202)
    assert client.follow(first)["created_count"] == ROWS

    # Cancelling ends a slice that hangs, although the web process reaches its backend only through the pooler.
    delay_slices(database_url, SLICE_SECONDS)
    second = client.upload(FILE.replace("new", "changed"))
    wait_for("a slice that hangs", lambda: execute(database_url, SLEEPING_SLICES_SQL) != [(0,)])
    cancelled = client.call("POST", f"/imports/{second}/cancel", 202)
    assert (cancelled["status"], cancelled["updated_count"]) == ("cancelled", 0)
    wait_for(
        "the end of the slices",
        lambda: execute(database_url, SLEEPING_SLICES_SQL) == [(0,)],
        seconds=SLICE_SECONDS / 2,
    )
    stop_delaying_slices(database_url)
    client.call("POST", f"/imports/{second}/retry", 202)
    job = client.follow(second)
    assert (job["status"], job["updated_count"]) == ("completed", ROWS)

    for task_id in (second, first):
        undo = client.call("POST", f"/imports/{task_id}/undo", 202)
        assert client.follow(undo["task_id"])["updated_count"] == ROWS
    assert read_products(database_url) == []

    # Bulk changes run in the web process, and their undo in the worker.
    execute(database_url, "INSERT INTO products (sku) SELECT 'B-' || i FROM generate_series(1, 120) i")
    rename = {"action": "set", "field": "name", "value": "new", "filter": {}}
    for path, body in (("/products/bulk", rename), ("/products/bulk-delete", None)):
        answer = client.call("POST" if body else "DELETE", path, 200, json=body)
        assert answer["count"] == 120
        if not body:
            undo = client.call("POST", f"/imports/{answer['task_id']}/undo", 202)
            assert client.follow(undo["task_id"])["updated_count"] == 120
    assert {name for _, name, _, _ in read_products(database_url)} == {"new"}

    def received_events() -> list[Any]:
        return [json.loads(request.body) for request in receiver.requests()]

    wait_for("the events of four jobs", lambda: sum("import" in event for event in received_events()) == 4)
    wait_for("the events of deletions", lambda: sum(event.get("count", 0) for event in received_events()) == ROWS + 120)


def test_no_statement_behind_the_pooler_is_cancelled_by_its_backend(pooler_url: str, database_url: str) -> None:
    """The backend may serve another client by then, so only the worker itself cancels its statement."""
    direct = connected(database_url, Component.IMPORTER)
    pooled = connected(pooler_url.partition("?")[0], Component.IMPORTER)
    with direct as direct_worker, pooled as pooled_worker, connected(database_url, Component.WEB) as client:
        for worker, expected in ((direct_worker, True), (pooled_worker, False)):
            with worker.cursor() as cursor, client, client.cursor() as client_cursor:
                mark_work(cursor, 7)
                with Threads() as threads:
                    sleep = threads.start(cursor.execute, "SELECT pg_sleep(2)")
                    wait_for("the statement", lambda: execute(database_url, SLEEPING_SLICES_SQL) == [(1,)])
                    assert is_work_running(client_cursor, 7)
                    cancel_work(client_cursor, 7)
                    if expected:
                        sleep.join(STOP_SECONDS)
                        (error,) = threads.errors
                        assert isinstance(error, errors.QueryCanceled)
                        threads.errors.clear()
                # PostgreSQL shows a transaction the states of other sessions as they were at its first look.
                client.commit()
                assert not is_work_running(client_cursor, 7)


def test_the_statement_timeout_of_the_role_does_not_limit_an_import(
    pooler_url: str, database_url: str, environment: dict[str, str]
) -> None:
    database = parse_dsn(database_url)["dbname"]
    execute(database_url, f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET statement_timeout = '200ms'")
    delay_slices(database_url, 0.6)
    runner = create_runner(config.load(environment | {"DATABASE_URL": pooler_url}))
    row = run_import(runner, FILE)
    assert (row["status"], row["created_count"], row["attempts"]) == ("completed", ROWS, 0)


def test_search_indexes_are_built(pooler_url: str, database_url: str) -> None:
    execute(database_url, "INSERT INTO products (sku) SELECT 'A-' || n FROM generate_series(1, 100) n")
    assert search_indexes.build_indexes(pooler_url.partition("?")[0], pooled=True)
    assert execute(database_url, SEARCH_INDEXES_SQL) == [(len(search_indexes.KIND_OF_PART),)]
