"""Requests that write: none waits for a lock for long, and the answer says what to do."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

import config
from importer.storage.folder import FolderStorage, FolderUpload
from models import db
from support.api import read_error
from support.bulk import create_products, open_transaction
from support.database import execute
from support.waiting import wait_for

Call = Callable[[FlaskClient], Any]

WRITING_CALLS: dict[str, Call] = {
    "create a product": lambda client: client.post("/api/products", json={"sku": "new"}),
    "change a product": lambda client: client.put("/api/products/1", json={"name": "new"}),
    "delete a product": lambda client: client.delete("/api/products/1"),
    "change products": lambda client: client.post("/api/products/bulk", json={"action": "activate", "ids": [1]}),
    "create a webhook": lambda client: client.post(
        "/api/webhooks", json={"url": "https://example.com/", "event_type": "*"}
    ),
    "upload a file": lambda client: client.post(
        "/api/upload", data={"file": (io.BytesIO(b"sku\n1\n"), "products.csv")}
    ),
}


END_IDLE_SQL = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction'
"""
FORM_TYPE = "multipart/form-data; boundary=frame"
FORM = b"""--frame\r
Content-Disposition: form-data; name="file"; filename="products.csv"\r
\r
sku
1\r
--frame--\r
"""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("database.connect.LIMIT_LOCKS_SQL", "SET LOCAL lock_timeout = '100ms'")


@pytest.mark.parametrize("name", WRITING_CALLS)
def test_a_call_that_would_wait_for_a_lock_is_refused_and_says_when_to_try_again(
    client: FlaskClient, database_url: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    create_products(database_url, 2)
    before = execute(database_url, "SELECT * FROM products ORDER BY id")
    with open_transaction(database_url) as other:
        other.execute("LOCK TABLE products, webhooks, import_jobs IN EXCLUSIVE MODE")
        answer = WRITING_CALLS[name](client)
        assert (answer.status_code, answer.get_json()["code"]) == (503, "busy")
        assert answer.get_json()["error"].endswith(".")
        assert int(answer.headers["Retry-After"]) > 0
    assert "database is not available" not in caplog.text
    assert execute(database_url, "SELECT * FROM products ORDER BY id") == before
    assert WRITING_CALLS[name](client).status_code < 300


def test_a_new_product_does_not_wait_forever_for_another_one_with_its_sku(
    client: FlaskClient, database_url: str
) -> None:
    with open_transaction(database_url) as other:
        other.execute("INSERT INTO products (sku) VALUES ('same')")
        assert client.post("/api/products", json={"sku": "SAME"}).status_code == 503
    assert client.post("/api/products", json={"sku": "SAME"}).status_code == 409


def test_a_refused_upload_leaves_no_file(client: FlaskClient, settings: config.Settings, database_url: str) -> None:
    with open_transaction(database_url) as other:
        other.execute("LOCK TABLE import_jobs IN EXCLUSIVE MODE")
        assert WRITING_CALLS["upload a file"](client).status_code == 503
    assert list(Path(settings.upload_dir).iterdir()) == []


def test_calls_that_only_read_set_no_limit(app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create_products(database_url, 2)
    # A statement that fails, so a request that sets limits fails, too.
    monkeypatch.setattr("database.connect.LIMIT_LOCKS_SQL", "SELECT 1 / 0")
    client = app.test_client()
    assert client.get("/api/products/1").status_code == 200
    assert client.get("/api/imports").status_code == 200
    assert client.delete("/api/products/1").status_code == 500


def test_a_connection_that_is_lost_before_its_transaction_begins_is_replaced(app: Flask, database_url: str) -> None:
    with app.app_context(), db.engine.connect() as connection:
        driver_connection: Any = connection.connection.driver_connection
        backend = driver_connection.info.backend_pid
        execute(database_url, "SELECT pg_terminate_backend(%s, 10000)", (backend,))
        with pytest.raises(OperationalError):
            connection.begin()
        assert connection.invalidated
    assert app.test_client().get("/api/products").status_code == 200


class Body(io.BytesIO):
    """The body of a request, which calls `on_read` before each part of it is read."""

    def __init__(self, content: bytes, on_read: Callable[[], object]) -> None:
        super().__init__(content)
        self.on_read = on_read

    def read(self, size: int | None = -1, /) -> bytes:
        self.on_read()
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        self.on_read()
        return super().readinto(buffer)


def list_writing_calls(app: Flask, task_id: str) -> Iterator[tuple[str, str]]:
    """Yield the method and a path of each call that may have a body."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(\w+:)?\w+>", "1", rule.rule.replace("<task_id>", task_id))
        for method in sorted({"POST", "PUT", "PATCH", "DELETE"} & (rule.methods or set())):
            yield method, path


def test_no_call_keeps_a_transaction_open_while_its_body_arrives(
    app: Flask, client: FlaskClient, database_url: str
) -> None:
    # PostgreSQL ends a transaction that is idle for long, and a client may send slowly.
    create_products(database_url, 1)
    assert WRITING_CALLS["create a webhook"](client).status_code == 201
    task_id = WRITING_CALLS["upload a file"](client).get_json()["task_id"]
    assert client.post(f"/api/imports/{task_id}/cancel").status_code == 202
    read, faults = set(), set()
    for method, path in sorted(list_writing_calls(app, task_id), key=lambda call: call[0] == "DELETE"):

        def note(call: tuple[str, str] = (method, path)) -> None:
            read.add(call)
            if db.session.registry.has() and db.session().in_transaction():
                faults.add(call)

        content, content_type = (FORM, FORM_TYPE) if path == "/api/upload" else (b"{}", "application/json")
        body = Body(content, note)
        answer = app.test_client().open(
            path, method=method, input_stream=body, content_type=content_type, content_length=len(content)
        )
        assert answer.status_code != 500, path
    assert faults == set()
    paths = {"/api/upload", "/api/products", "/api/webhooks/1/test", f"/api/imports/{task_id}/retry"}
    assert {("POST", path) for path in paths} <= read


@pytest.fixture
def end_idle_transactions(database_url: str) -> Callable[[], object]:
    """End the transactions that are idle now, as PostgreSQL does with those that are idle for long."""
    return lambda: execute(database_url, END_IDLE_SQL)


def test_an_upload_may_take_longer_than_a_transaction_may_be_idle(
    client: FlaskClient, end_idle_transactions: Callable[[], object]
) -> None:
    body = Body(FORM, end_idle_transactions)
    answer = client.post("/api/upload", input_stream=body, content_type=FORM_TYPE, content_length=len(FORM))
    assert answer.status_code == 202


def test_the_storage_may_take_longer_than_a_transaction_may_be_idle(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, end_idle_transactions: Callable[[], object]
) -> None:
    called = []

    def delay(name: str, storage_class: type) -> None:
        method = getattr(storage_class, name)

        def delayed(*arguments: Any) -> Any:
            called.append(name)
            end_idle_transactions()
            return method(*arguments)

        monkeypatch.setattr(storage_class, name, delayed)

    delay("finish", FolderUpload)
    delay("exists", FolderStorage)
    answer = WRITING_CALLS["upload a file"](client)
    assert answer.status_code == 202
    task_id = answer.get_json()["task_id"]
    assert client.post(f"/api/imports/{task_id}/cancel").status_code == 202
    assert client.post(f"/api/imports/{task_id}/retry").status_code == 202
    assert called == ["finish", "exists"]


def terminate(connection: Any, database_url: str) -> None:
    execute(database_url, "SELECT pg_terminate_backend(%s, 10000)", (connection.info.backend_pid,))


def idle_too_long(connection: Any, database_url: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 1")
    backends = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    wait_for("the timeout", lambda: execute(database_url, backends, (connection.info.backend_pid,)) == [(0,)])


def close(connection: Any, _database_url: str) -> None:
    connection.close()


@pytest.mark.parametrize("lose", [terminate, idle_too_long, close])
def test_a_connection_that_is_lost_within_a_transaction_is_no_internal_error(
    app: Flask, client: FlaskClient, database_url: str, lose: Callable[[Any, str], None]
) -> None:
    create = WRITING_CALLS["create a product"]
    lost = False

    def lose_once(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal lost
        if not lost and statement.lstrip().startswith("INSERT"):
            lost = True
            lose(connection.connection.driver_connection, database_url)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lose_once)
    read_error(create(client), 503, "unavailable")
    assert lost
    assert create(client).status_code == 201
