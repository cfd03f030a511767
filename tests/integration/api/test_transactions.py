"""Requests that write: none waits for a lock for long, and the answer says what to do."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

import config
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
