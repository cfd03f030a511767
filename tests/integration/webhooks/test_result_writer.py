"""Results that cannot be written at first or at all, and other rare events in the life of a dispatcher."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from support.database import execute
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import (
    Client,
    StartDispatcher,
    all_finished,
    count_by_status,
    create_response,
    emit_events,
    subscribe,
)
from webhooks import dispatcher as dispatcher_module
from webhooks import expander, result_writer, results, retention
from webhooks.outbox import Attempt, Delivery, WebhookLease
from webhooks.result_writer import ResultWriter
from webhooks.retention import remove_deleted_webhooks, remove_old
from webhooks.retry_policy import decide

URL = "https://example.com/hooks"
# The writer's connection waits for its next transaction.
IDLE_WRITERS_SQL = """
FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'acme-dispatcher' AND state = 'idle'
"""


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_writer, "RECONNECT_SECONDS", 0)


class Writer:
    """A result writer in a thread, and the ids of the deliveries whose results it has written."""

    def __init__(self, url: str) -> None:
        self.written: list[int] = []
        self.writer = ResultWriter(url, on_written=self._on_written)
        self.thread = threading.Thread(target=self.writer.run, daemon=True)
        self.thread.start()

    def _on_written(self, attempts: Sequence[Attempt]) -> None:
        self.written += [attempt.delivery.id for attempt in attempts]

    def finish(self) -> None:
        self.writer.finish()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def writer(database_url: str) -> Iterator[Writer]:
    """A running writer."""
    writer = Writer(database_url)
    yield writer
    writer.finish()


def create_attempts(client: Client, url: str, count: int) -> list[Attempt]:
    """Return successful attempts of pending deliveries to a new webhook."""
    webhook = subscribe(client, URL)
    emit_events(url, count)
    response = create_response()
    return [
        Attempt(
            Delivery(id, webhook, f"evt_{id}", "{}", 0), datetime.now(UTC), URL, {}, response, decide(response, 1, (0,))
        )
        for (id,) in execute(url, "SELECT id FROM webhook_deliveries WHERE webhook_id = %s ORDER BY id", (webhook,))
    ]


def fail_writes(monkeypatch: pytest.MonkeyPatch, *failures: Exception | None) -> Callable[[], int]:
    """Let the next writes fail with these errors, except where one is None; return how to count all writes."""
    remaining = list(failures)
    calls = 0

    def write(cursor: Any, attempts: Any) -> set[int]:
        nonlocal calls
        calls += 1
        if remaining and (error := remaining.pop(0)) is not None:
            raise error
        return results.write_attempts(cursor, attempts)

    monkeypatch.setattr(result_writer, "write_attempts", write)
    return lambda: calls


def test_results_wait_while_the_database_is_unavailable(
    client: Client, database_url: str, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = create_attempts(client, database_url, 2)
    writer.writer.add(first)
    wait_for("the first result", lambda: writer.written == [first.delivery.id])
    wait_for("an idle writer", lambda: execute(database_url, f"SELECT pg_terminate_backend(pid) {IDLE_WRITERS_SQL}"))
    wait_for("its end", lambda: not execute(database_url, f"SELECT pid {IDLE_WRITERS_SQL}"))
    writer.writer.add(second)
    wait_for("the second result", lambda: writer.written == [first.delivery.id, second.delivery.id])
    assert count_by_status(database_url, first.delivery.webhook_id) == {"delivered": 2}
    assert "The database is unavailable; the results of 1 requests wait" in caplog.text


def test_a_deadlock_only_delays_results(
    client: Client,
    database_url: str,
    writer: Writer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fail_writes(monkeypatch, errors.DeadlockDetected())
    (attempt,) = create_attempts(client, database_url, 1)
    writer.writer.add(attempt)
    wait_for("the result", lambda: writer.written == [attempt.delivery.id])
    assert count_by_status(database_url, attempt.delivery.webhook_id) == {"delivered": 1}
    assert "The database is unavailable" not in caplog.text


def test_more_results_than_fit_into_one_write_are_all_written(
    client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_writer, "RESULTS_PER_WRITE", 2)
    count_writes = fail_writes(monkeypatch)
    attempts = create_attempts(client, database_url, 7)
    written: list[int] = []
    writer = ResultWriter(database_url, on_written=lambda done: written.extend(a.delivery.id for a in done))
    for attempt in attempts:
        writer.add(attempt)
    writer.finish()
    writer.run()
    assert written == [attempt.delivery.id for attempt in attempts]
    assert count_writes() == 4
    assert count_by_status(database_url, attempts[0].delivery.webhook_id) == {"delivered": 7}


def test_an_outage_while_results_are_written_singly_drops_nothing_of_them(
    client: Client,
    database_url: str,
    writer: Writer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fail_writes(monkeypatch, errors.DataException(), errors.AdminShutdown("terminating connection"))
    (attempt,) = create_attempts(client, database_url, 1)
    writer.writer.add(attempt)
    wait_for("the result", lambda: writer.written == [attempt.delivery.id])
    assert execute(database_url, "SELECT response_text FROM webhook_attempts") == [("ok",)]
    assert "terminating connection" in caplog.text
    assert "its text and headers are dropped" not in caplog.text


def test_a_result_that_cannot_be_stored_at_all_is_logged_and_another_dispatcher_repeats_the_request(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, good = subscribe(client, receiver.url("/ok/bad")), subscribe(client, receiver.url("/ok/good"))

    def write(cursor: Any, attempts: Sequence[Attempt]) -> set[int]:
        if any(attempt.delivery.webhook_id == bad for attempt in attempts):
            raise errors.CheckViolation("not storable")
        return results.write_attempts(cursor, attempts)

    with monkeypatch.context() as broken:
        broken.setattr(result_writer, "write_attempts", write)
        first = start_dispatcher(stop_seconds=1)
        emit_events(database_url)
        wait_for("the other webhook", all_finished(database_url, good, 1))
        wait_for("the log", lambda: "cannot be stored; the request will be repeated" in caplog.text)
        # This dispatcher does not send it again, although it goes on loading deliveries.
        emit_events(database_url)
        wait_for("the next event", lambda: receiver.count("/ok/bad") == 2)
        assert count_by_status(database_url, bad) == {"pending": 2}
        first.stop()
        wait_for("the release", lambda: execute(database_url, "SELECT 1 FROM webhooks WHERE lease_token NOTNULL") == [])
    start_dispatcher()
    wait_for("the repetition", all_finished(database_url, bad, 2))
    ids = [request.headers["webhook-id"] for request in receiver.requests("/ok/bad")]
    assert len(ids) == 4
    assert len(set(ids)) == 2


def test_an_expansion_is_repeated_after_the_loss_of_its_connection(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expand = expander.expand
    losses = [True]

    def lose_connection(cursor: Any, delivery_id: int) -> bool:
        if losses:
            losses.pop()
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return expand(cursor, delivery_id)

    monkeypatch.setattr(expander, "expand", lose_connection)
    webhook = subscribe(client, receiver.url("/ok/x"), "product.updated")
    client.post("/api/products", json={"sku": "A"})
    client.post("/api/products/bulk", json={"action": "deactivate", "filter": {}})
    start_dispatcher()
    wait_for("the delivery", all_finished(database_url, webhook, 1))
    assert "The database is unavailable; the expansion of events will retry" in caplog.text


def test_a_webhook_waits_while_all_places_are_taken(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher_module, "MAX_WORKERS", 1)
    monkeypatch.setattr(dispatcher_module, "TURN_SECONDS", 3600)
    first, second = subscribe(client, receiver.url("/held/x")), subscribe(client, receiver.url("/ok/x"))
    start_dispatcher(idle_seconds=0.1)
    emit_events(database_url)
    wait_for("the first request", lambda: receiver.count("/held/x") == 1)
    # The dispatcher looks for webhooks with due deliveries before it loads this one.
    emit_events(database_url)
    wait_for("the second request", lambda: receiver.count("/held/x") == 2)
    assert receiver.count("/ok/x") == 0
    receiver.release("x")
    for webhook in (first, second):
        wait_for("all", all_finished(database_url, webhook, 2))


def test_a_dispatcher_that_lost_a_lease_writes_the_last_result_and_serves_the_webhook_again_later(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost: set[int] = set()
    renew = WebhookLease.renew

    def renew_and_note(*arguments: Any) -> tuple[set[int], set[int]]:
        answer = renew(*arguments)
        lost.update(answer[1])
        return answer

    monkeypatch.setattr(WebhookLease, "renew", renew_and_note)
    webhook = subscribe(client, receiver.url("/held/x"))
    dispatcher = start_dispatcher(lease_seconds=1)
    emit_events(database_url)
    wait_for("the request", lambda: receiver.count() == 1)
    execute(
        database_url,
        "UPDATE webhooks SET lease_token = gen_random_uuid(), lease_holder = 'elsewhere 1 1',"
        " lease_expires_at = now() + interval '1 hour'",
    )
    wait_for("the loss of the lease", lambda: lost == {webhook})
    wait_for("the end of the worker", lambda: webhook not in dispatcher.list_leased())
    receiver.release("x")
    wait_for("the result", all_finished(database_url, webhook, 1))
    execute(database_url, "UPDATE webhooks SET lease_expires_at = now()")
    emit_events(database_url)
    wait_for("the next event", all_finished(database_url, webhook, 2))
    assert receiver.count() == 2


class StopsLater(threading.Event):
    """An event that is set once it has been looked at `times` times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def is_set(self) -> bool:
        self.times -= 1
        return self.times < 0


def test_a_dispatcher_that_stops_leaves_the_rest_of_the_removal_to_the_next_one(
    client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "DELIVERIES_PER_TRANSACTION", 2)

    def count(table: str) -> int:
        return int(execute(database_url, f"SELECT count(*) FROM {table}")[0][0])

    webhook = subscribe(client, URL)
    emit_events(database_url, 5)
    execute(database_url, "UPDATE webhooks SET deleted_at = now() - interval '1 day', enabled = false")
    with closing(psycopg2.connect(database_url)) as connection:
        remove_deleted_webhooks(connection, stopping=StopsLater(1))
        assert count_by_status(database_url, webhook) == {"pending": 3}
        assert count("webhooks") == 1
        execute(database_url, "UPDATE webhook_events SET created_at = now() - interval '31 days'")
        remove_old(connection, 30, stopping=StopsLater(2))
        # Events without deliveries are removed.
        assert (count("webhook_deliveries"), count("webhook_events")) == (1, 1)
        remove_old(connection, 30, stopping=threading.Event())
        remove_deleted_webhooks(connection, stopping=threading.Event())
    assert (count("webhook_deliveries"), count("webhook_events"), count("webhooks")) == (0, 0, 0)
