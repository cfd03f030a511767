"""A process that is killed between a change and its entry of the audit log leaves both or neither."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
import requests

from support.audit import read_actions
from support.database import execute
from support.processes import Process, Processes
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

LOCK = 4711
FILE = "sku,name\n" + "".join(f"NEW-{number},Lamp {number}\n" for number in range(50))
# Whoever runs the trigger waits until the test releases the lock.
HOLD_SQL = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({LOCK});
    RETURN NULL;
END $$
"""
TRIGGERS = {
    # The change is written, its entry is not.
    "between the change and its entry": "CREATE TRIGGER hold BEFORE INSERT ON audit_entries FOR EACH STATEMENT "
    "EXECUTE FUNCTION hold()",
    # Both are written, and the process waits for its commit.
    "in the commit": "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON audit_entries DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION hold()",
}
HOLD_SLICES_SQL = "CREATE TRIGGER hold AFTER INSERT ON products FOR EACH STATEMENT EXECUTE FUNCTION hold()"
COUNT_HELD_SQL = f"""
SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.objid = {LOCK} AND NOT l.granted AND a.datname = current_database()
"""
COUNT_TRANSACTIONS_SQL = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'acme-%'
"""


def send(method: str, path: str, **arguments: Any) -> Callable[[str], Any]:
    """Return a function that makes the call; a killed process does not answer it."""

    def make_call(api_url: str) -> None:
        with contextlib.suppress(requests.ConnectionError):
            requests.request(method, f"{api_url}{path}", timeout=REQUEST_SECONDS, **arguments)

    return make_call


CALLS: dict[str, tuple[Callable[[str], Any], str]] = {
    "product.updated": (
        send("PUT", "/products/1", json={"name": "Red lamp"}),
        "SELECT name = 'Red lamp' FROM products",
    ),
    "product.deleted": (send("DELETE", "/products/1"), "SELECT count(*) = 0 FROM products"),
    "products.deleted": (send("DELETE", "/products/bulk-delete"), "SELECT count(*) = 1 FROM import_jobs"),
    "webhook.created": (
        send("POST", "/webhooks", json={"url": "http://127.0.0.1:9", "event_type": "*"}),
        "SELECT count(*) = 1 FROM webhooks",
    ),
    "user.created": (
        send("POST", "/users", json={"email": "ada@example.com", "name": "Ada", "role": "admin"}),
        "SELECT count(*) = 1 FROM users",
    ),
    "import.started": (
        send("POST", "/upload", files={"file": ("products.csv", FILE)}),
        "SELECT count(*) = 1 FROM import_jobs",
    ),
}


class Hold:
    """The lock that lets transactions wait in the trigger."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection = psycopg2.connect(database_url, application_name="test")
        self._connection.autocommit = True
        execute(database_url, HOLD_SQL)
        self._run(f"SELECT pg_advisory_lock({LOCK})")

    def _run(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def wait(self) -> None:
        """Wait until a transaction waits for the lock."""
        wait_for("a transaction is held", lambda: execute(self._url, COUNT_HELD_SQL) == [(1,)])

    def release(self) -> None:
        """Let the transactions go on."""
        self._run(f"SELECT pg_advisory_unlock({LOCK})")

    def close(self) -> None:
        """Close the connection, which also releases the lock."""
        self._connection.close()


@pytest.fixture
def hold(database_url: str) -> Iterator[Hold]:
    """The lock, which the test holds until it releases it."""
    hold = Hold(database_url)
    yield hold
    hold.close()


def kill(process: Process) -> None:
    """Kill a process with its children."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.thorough("user.created")
@pytest.mark.parametrize("action", CALLS)
@pytest.mark.parametrize("moment", TRIGGERS)
def test_a_killed_web_process_leaves_the_change_and_its_entry_or_neither(
    processes: Processes, free_port: int, database_url: str, hold: Hold, action: str, moment: str
) -> None:
    execute(database_url, "INSERT INTO products (sku, name) VALUES ('LAMP', 'Blue lamp')")
    web = WebProcess(processes, free_port)
    process = web.start()
    make_call, has_changed_query = CALLS[action]
    execute(database_url, TRIGGERS[moment])
    call = threading.Thread(target=make_call, args=[web.api_url])
    call.start()
    hold.wait()
    kill(process)
    call.join()
    hold.release()
    wait_for("the server has ended the connections", lambda: execute(database_url, COUNT_TRANSACTIONS_SQL) == [(0,)])
    [(has_changed,)] = execute(database_url, has_changed_query)
    assert (has_changed, read_actions(database_url)) == ((True, [action]) if moment == "in the commit" else (False, []))


def test_an_import_whose_worker_is_killed_keeps_its_one_entry(
    processes: Processes, free_port: int, database_url: str, hold: Hold
) -> None:
    web = WebProcess(processes, free_port)
    web.start()
    worker = processes.start_worker("--concurrency=1", "-n", "first")
    execute(database_url, HOLD_SLICES_SQL)
    CALLS["import.started"][0](web.api_url)
    hold.wait()
    kill(worker)
    hold.release()
    assert read_actions(database_url) == ["import.started"]
    processes.start_worker("--concurrency=1", "-n", "second")
    read_jobs = "SELECT status, created_count FROM import_jobs"
    wait_for("the import is completed", lambda: execute(database_url, read_jobs)[0][0] == "completed", seconds=90)
    assert execute(database_url, read_jobs) == [("completed", 50)]
    assert execute(database_url, "SELECT count(*) FROM products") == [(50,)]
    assert read_actions(database_url) == ["import.started"]
