"""Conflicts of calls with other transactions: deadlocks are repeated, and long waits end with a clear error."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg2 import errors

from api import transactions
from models import db
from support.api import read_error, read_json
from support.bulk import create_products, is_waiting_for_lock, open_transaction
from support.database import execute
from support.waiting import wait_for
from support.webhooks import emit_events, list_deliveries, subscribe

RESULT_SECONDS = 120
URL = "https://example.com/hooks"


def test_a_call_that_postgresql_ends_in_a_deadlock_is_repeated(
    app: Flask, client: FlaskClient, database_url: str
) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url)
    (delivery,) = list_deliveries(client, webhook)
    path = f"/api/webhooks/{webhook}/deliveries/{delivery['id']}/resend"
    with ThreadPoolExecutor(1) as threads, open_transaction(database_url) as cursor:
        # The call is the first one that looks for a deadlock, so PostgreSQL ends its transaction and not this one.
        cursor.execute("SET LOCAL deadlock_timeout = '100s'; SELECT FROM webhook_deliveries FOR UPDATE")
        resending = threads.submit(lambda: app.test_client().post(path))
        wait_for("the call", lambda: is_waiting_for_lock(database_url, "WITH chosen"))
        cursor.execute("SELECT FROM webhooks FOR UPDATE")
        cursor.connection.commit()
        read_json(resending.result(RESULT_SECONDS), 202)


@pytest.mark.parametrize("error", [errors.DeadlockDetected, errors.SerializationFailure])
def test_every_call_that_writes_is_repeated_until_it_succeeds(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    fail_commits(monkeypatch, error, 3)
    assert read_json(client.post("/api/products", json={"sku": "A"}), 201)["sku"] == "A"
    fail_commits(monkeypatch, error, 3)
    webhook = subscribe(client, URL)
    path = f"/api/webhooks/{webhook}"
    for method, call, body in (
        ("PUT", path, {"enabled": False}),
        ("PUT", path, {"enabled": True}),
        ("POST", f"{path}/rotate-secret", None),
        ("POST", "/api/products/bulk", {"action": "deactivate", "filter": {}}),
        ("DELETE", "/api/products/bulk-delete", None),
        ("DELETE", path, None),
    ):
        fail_commits(monkeypatch, error, 3)
        read_json(client.open(call, method=method, json=body))


def test_an_upload_is_stored_once_although_its_transaction_is_repeated(
    client: FlaskClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_commits(monkeypatch, errors.DeadlockDetected, 3)
    answer = client.post("/api/upload", data={"file": (io.BytesIO(b"sku\nA\n"), "a.csv")})
    assert answer.status_code == 202, answer.json
    assert execute(database_url, "SELECT count(*), count(DISTINCT stored_name) FROM import_jobs") == [(1, 1)]


def test_a_call_that_has_committed_is_not_repeated(
    app: Flask, client: FlaskClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def write() -> str:
        nonlocal calls
        calls += 1
        db.session.execute(db.text("INSERT INTO workers (name) VALUES ('a')"))
        db.session.commit()
        raise errors.DeadlockDetected("deadlock detected")

    app.add_url_rule("/api/write", view_func=transactions.repeat_after_conflict(write), methods=["POST"])
    read_error(client.post("/api/write"), 503, "busy")
    assert calls == 1


def test_conflicts_without_end_are_an_error_that_says_what_to_do(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_commits(monkeypatch, errors.DeadlockDetected, float("inf"))
    for path, body in (("/api/products", {"sku": "A"}), ("/api/webhooks", {"url": URL, "event_type": "*"})):
        message = read_error(client.post(path, json=body), 503, "busy")
        assert "database" not in message
        assert "Try again" in message
    assert "Other transactions kept POST /api/products from writing: deadlock detected" in caplog.text


@pytest.mark.parametrize("change", ["product", "webhook"])
def test_a_call_does_not_wait_for_a_lock_forever(
    client: FlaskClient, database_url: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr("database.connect.LIMIT_LOCKS_SQL", "SET LOCAL lock_timeout = '50ms'")
    (product,) = create_products(database_url, 1)
    path, body = {
        "product": (f"/api/products/{product}", {"name": "new"}),
        "webhook": (f"/api/webhooks/{subscribe(client, URL)}", {"enabled": False}),
    }[change]
    with open_transaction(database_url) as cursor:
        cursor.execute(f"SELECT FROM {change}s FOR UPDATE")
        read_error(client.put(path, json=body), 503, "busy")
    read_json(client.put(path, json=body))


def fail_commits(monkeypatch: pytest.MonkeyPatch, error: type[Exception], failures: float) -> Callable[[], int]:
    """Let the next commits fail with an error of PostgreSQL; returns a function that counts them."""
    session = db.session
    commit = type(session).commit
    count = 0

    def fail(*arguments: Any) -> None:
        nonlocal count
        count += 1
        if count <= failures:
            session.rollback()
            raise error("deadlock detected")
        commit(session)

    monkeypatch.setattr(session, "commit", fail)
    return lambda: count
