"""Old deliveries and deleted webhooks are removed a few at a time, beside everything else that uses them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from flask import Flask

from support.api import read_json
from support.bulk import open_transaction
from support.database import execute
from support.receiver import Receiver
from support.threads import Threads
from support.waiting import wait_for
from support.webhooks import Client, StartDispatcher, all_finished, count_by_status, emit_events, subscribe
from webhooks import retention
from webhooks.retention import remove_deleted_webhooks, remove_old

URL = "https://example.com/hooks"
RESULT_SECONDS = 60
# Logs how many rows each transaction deletes from a table.
LOG_DELETIONS_SQL = """
CREATE TABLE deletions (transaction bigint, source text, rows bigint);
CREATE FUNCTION log_deletions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deletions SELECT txid_current(), TG_TABLE_NAME, count(*) FROM removed;
    RETURN NULL;
END $$;
CREATE TRIGGER log AFTER DELETE ON webhook_deliveries REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION log_deletions();
CREATE TRIGGER log AFTER DELETE ON webhook_attempts REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION log_deletions()
"""
LARGEST_DELETIONS_SQL = """
SELECT source, max(rows) FROM (SELECT source, sum(rows) AS rows FROM deletions GROUP BY source, transaction) sums
GROUP BY source ORDER BY source
"""
MULTIPLY_SQL = """
INSERT INTO webhook_deliveries (webhook_id, event_id, position)
SELECT webhook_id, event_id, n FROM webhook_deliveries, generate_series(1, 99) n
"""
ADD_ATTEMPTS_SQL = """
INSERT INTO webhook_attempts (delivery_id, at, url, request_headers, response_time_ms, response_headers)
SELECT id, now(), '', '{}', 1, '{}' FROM webhook_deliveries, generate_series(1, 3)
"""


@pytest.fixture
def small_transactions(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Lets a transaction remove 20 deliveries and 50 attempts, and logs what each one removes."""
    monkeypatch.setattr(retention, "DELIVERIES_PER_TRANSACTION", 20)
    monkeypatch.setattr(retention, "ATTEMPTS_PER_TRANSACTION", 50)
    execute(database_url, LOG_DELETIONS_SQL)


def remove(url: str, days: int = 30) -> None:
    """Remove what is old or deleted, as a dispatcher does."""
    connection = psycopg2.connect(url)
    remove_deleted_webhooks(connection, stopping=threading.Event())
    remove_old(connection, days, stopping=threading.Event())
    connection.close()


def count(url: str, table: str) -> int:
    return int(execute(url, f"SELECT count(*) FROM {table}")[0][0])


@pytest.mark.usefixtures("small_transactions")
def test_an_old_event_with_many_deliveries_is_removed_in_small_transactions(client: Client, database_url: str) -> None:
    subscribe(client, URL)
    emit_events(database_url, 2)
    execute(database_url, MULTIPLY_SQL)
    execute(database_url, ADD_ATTEMPTS_SQL)
    execute(
        database_url,
        "UPDATE webhook_events SET created_at = now() - interval '31 days'"
        " WHERE id = (SELECT min(id) FROM webhook_events)",
    )
    execute(
        database_url,
        "INSERT INTO webhook_hours (webhook_id, hour) SELECT id, now() - age FROM webhooks,"
        " unnest('{40 days,31 days,1 day}'::interval[]) age;"
        "INSERT INTO webhook_response_times SELECT id, now() - age, 7, 1 FROM webhooks,"
        " unnest('{10 days,9 days,7 days}'::interval[]) age",
    )
    remove(database_url)
    counts = [count(database_url, table) for table in ("webhook_events", "webhook_deliveries", "webhook_attempts")]
    assert counts == [1, 100, 300]
    assert count(database_url, "webhook_hours") == count(database_url, "webhook_response_times") == 1
    assert execute(database_url, LARGEST_DELETIONS_SQL) == [("webhook_attempts", 50), ("webhook_deliveries", 20)]


@pytest.mark.usefixtures("small_transactions")
def test_a_deleted_webhook_is_removed_in_small_transactions(client: Client, database_url: str) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url, 2)
    execute(database_url, MULTIPLY_SQL)
    execute(database_url, ADD_ATTEMPTS_SQL)
    kept = subscribe(client, URL)
    emit_events(database_url, 1)
    read_json(client.delete(f"/api/webhooks/{webhook}"))
    remove(database_url)
    assert count_by_status(database_url, webhook) == {}
    assert count_by_status(database_url, kept) == {"pending": 1}
    assert execute(database_url, LARGEST_DELETIONS_SQL) == [("webhook_attempts", 50), ("webhook_deliveries", 20)]
    # A statement that began before the deletion may still insert a delivery that refers to the webhook.
    assert execute(database_url, "SELECT count(*) FROM webhooks") == [(2,)]
    execute(database_url, "UPDATE webhooks SET deleted_at = now() - interval '2 hours' WHERE id = %s", (webhook,))
    remove(database_url)
    assert execute(database_url, "SELECT id FROM webhooks") == [(kept,)]


def test_locked_rows_are_left_for_the_next_time(client: Client, database_url: str) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url, 5)
    execute(database_url, "UPDATE webhook_events SET created_at = now() - interval '31 days'")
    with open_transaction(database_url) as cursor:
        cursor.execute("SELECT id FROM webhook_deliveries ORDER BY id LIMIT 2 FOR UPDATE")
        remove(database_url)
        assert count_by_status(database_url, webhook) == {"pending": 2}
        assert count(database_url, "webhook_events") == 2
    remove(database_url)
    assert count(database_url, "webhook_events") == 0


def test_a_webhook_is_deleted_at_once_while_its_deliveries_are_locked(
    app: Flask, client: Client, database_url: str
) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url, 100)
    with ThreadPoolExecutor(1) as threads, open_transaction(database_url) as cursor:
        # What a dispatcher holds while it writes results.
        cursor.execute("SELECT FROM webhooks FOR KEY SHARE")
        cursor.execute("UPDATE webhook_deliveries SET tries = tries + 1")
        deleting = threads.submit(lambda: app.test_client().delete(f"/api/webhooks/{webhook}").status_code)
        assert deleting.result(RESULT_SECONDS) == 200


def test_webhooks_are_deleted_while_they_are_busy(
    app: Flask, client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    statuses: list[int] = []

    def delete(webhook: int) -> None:
        statuses.append(app.test_client().delete(f"/api/webhooks/{webhook}").status_code)

    webhooks = [subscribe(client, receiver.url(f"/ok/{number}")) for number in range(4)]
    emit_events(database_url, 400)
    wait_for("requests", lambda: all(receiver.count(f"/ok/{number}") > 5 for number in range(4)))
    with Threads() as threads:
        for webhook in webhooks:
            threads.start(delete, webhook)
    assert statuses == [200] * 4
    wait_for("the removal", lambda: count(database_url, "webhook_deliveries") == 0)
    assert count(database_url, "webhook_attempts") == 0


def test_a_result_whose_delivery_is_being_removed_delays_no_other_result(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/held/x"))
    start_dispatcher(idle_seconds=60)
    emit_events(database_url, 3)
    wait_for("the requests", lambda: receiver.count() == 3)
    with open_transaction(database_url) as cursor:
        cursor.execute("DELETE FROM webhook_deliveries WHERE id = (SELECT min(id) FROM webhook_deliveries)")
        receiver.release("x")
        # The first delivery still exists for others, until the transaction ends.
        expected = {"pending": 1, "delivered": 2}
        wait_for("the other results", lambda: count_by_status(database_url, webhook) == expected)
    assert count_by_status(database_url, webhook) == {"delivered": 2}
    emit_events(database_url)
    wait_for("a later delivery", all_finished(database_url, webhook, 3))
    assert count(database_url, "webhook_attempts") == 3
    assert receiver.count() == 4, "nothing was sent again"


def test_a_result_whose_webhook_is_locked_is_written_later(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    locked, other = subscribe(client, receiver.url("/held/x")), subscribe(client, receiver.url("/held/y"))
    start_dispatcher()
    emit_events(database_url)
    wait_for("the requests", lambda: receiver.count() == 2)
    with open_transaction(database_url) as cursor:
        cursor.execute("SELECT FROM webhooks WHERE id = %s FOR UPDATE", (locked,))
        receiver.release("x")
        receiver.release("y")
        wait_for("the other result", all_finished(database_url, other, 1))
        assert count_by_status(database_url, locked) == {"pending": 1}
    wait_for("the result", all_finished(database_url, locked, 1))
    assert receiver.count() == 2


def test_many_failed_deliveries_are_recovered_in_several_transactions(
    client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.resend.DELIVERIES_PER_TRANSACTION", 10)
    webhook = subscribe(client, URL)
    emit_events(database_url, 35)
    execute(
        database_url,
        "UPDATE webhook_deliveries SET status = 'failed' WHERE id <> (SELECT min(id) FROM webhook_deliveries)",
    )
    recovered = read_json(client.post(f"/api/webhooks/{webhook}/recover", json={"since": "2000-01-01T00:00:00Z"}), 202)
    assert recovered["count"] == 34
    assert count_by_status(database_url, webhook) == {"pending": 35}
    transactions = execute(
        database_url, "SELECT count(DISTINCT xmin::text) FROM webhook_deliveries WHERE tries = 0 AND id > 1"
    )
    assert transactions == [(4,)]
