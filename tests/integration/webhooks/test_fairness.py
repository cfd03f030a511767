"""No webhook delays another: large events, locks, and more webhooks than a dispatcher serves at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from support.bulk import open_transaction
from support.database import execute
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import (
    Client,
    StartDispatcher,
    all_finished,
    count_by_status,
    emit_events,
    received_numbers,
    subscribe,
)
from webhooks import dispatcher as dispatcher_module

LEASE_SECONDS = 2
# What an expansion needs, and a statement that keeps it from others.
LOCKS = {
    "its delivery": "SELECT FROM webhook_deliveries WHERE parts_left IS NOT NULL FOR UPDATE",
    "its event": "SELECT FROM webhook_events WHERE created IS NOT NULL FOR UPDATE",
    "the products": "LOCK TABLE products IN ACCESS EXCLUSIVE MODE",
}


def emit_import(url: str, batches: int) -> None:
    """Record an event of an import with this many batches for every webhook that wants batches."""
    execute(
        url,
        "WITH product AS (INSERT INTO products (sku) SELECT 'P-' || n FROM generate_series(1, 500) n RETURNING id),"
        " event AS (INSERT INTO webhook_events (type, task_id, created) SELECT 'products.imported', gen_random_uuid(),"
        "  array_agg(id) FROM product, generate_series(1, %(batches)s) RETURNING id)"
        " INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)"
        " SELECT w.id, event.id, 'batch', %(batches)s FROM webhooks w, event WHERE event_type = 'products.imported'",
        {"batches": batches},
    )


def read_lease_end(url: str, webhook: int) -> datetime | None:
    ((end,),) = execute(url, "SELECT lease_expires_at FROM webhooks WHERE id = %s", (webhook,))
    return end  # type: ignore[no-any-return]


def is_renewed(url: str, webhook: int) -> Callable[[], Any]:
    """Return a condition: the lease has been renewed for longer than it lasts."""
    first = read_lease_end(url, webhook)
    assert first is not None
    query = "SELECT lease_expires_at > %s + make_interval(secs => %s) FROM webhooks WHERE id = %s"
    return lambda: execute(url, query, (first, 2 * LEASE_SECONDS, webhook)) == [(True,)]


@pytest.mark.thorough("its event")
@pytest.mark.parametrize("needed", LOCKS)
def test_an_expansion_that_is_blocked_delays_neither_other_webhooks_nor_leases(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher, needed: str
) -> None:
    large = subscribe(client, receiver.url("/ok/large"), "products.imported")
    other = subscribe(client, receiver.url("/ok/other"), "product.bulk_deleted")
    emit_import(database_url, 3)
    with open_transaction(database_url) as cursor:
        cursor.execute(LOCKS[needed])
        start_dispatcher(lease_seconds=LEASE_SECONDS, import_wait_seconds=0)
        wait_for("the lease", lambda: read_lease_end(database_url, large))
        emit_events(database_url, 3)
        wait_for("the other webhook", all_finished(database_url, other, 3))
        wait_for("renewals of the lease", is_renewed(database_url, large))
        emit_events(database_url)
        wait_for("the other webhook again", all_finished(database_url, other, 4))
        assert receiver.count("/ok/large") == 0
    wait_for("the batches", all_finished(database_url, large, 3))


def test_large_events_of_many_webhooks_do_not_delay_another_one(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    large = [f"/ok/large-{number}" for number in range(10)]
    for path in large:
        subscribe(client, receiver.url(path), "products.imported")
    subscribe(client, receiver.url("/ok/other"), "product.bulk_deleted")
    batches = 60
    emit_import(database_url, batches)
    start_dispatcher(import_wait_seconds=0)
    wait_for("a first batch", lambda: any(receiver.count(path) for path in large))
    emit_events(database_url)
    wait_for("the other webhook", lambda: receiver.count("/ok/other"))
    received = sum(receiver.count(path) for path in large)
    assert received < batches * len(large) / 2, "the other webhook did not wait for all batches"


def test_every_webhook_with_a_large_event_has_its_turn(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    large = [f"/ok/large-{number}" for number in range(4)]
    webhooks = [subscribe(client, receiver.url(path), "products.imported") for path in large]
    batches = 40
    emit_import(database_url, batches)
    start_dispatcher(import_wait_seconds=0)
    wait_for("one to finish", lambda: any(receiver.count(path) == batches for path in large))
    assert all(receiver.count(path) > 0 for path in large)
    for webhook, path in zip(webhooks, large, strict=True):
        wait_for("all", all_finished(database_url, webhook, batches))
        query = (
            "SELECT array_agg(d.position ORDER BY a.at) FROM webhook_attempts a"
            " JOIN webhook_deliveries d ON d.id = a.delivery_id WHERE d.webhook_id = %s"
        )
        assert execute(database_url, query, (webhook,)) == [(list(range(batches)),)], "in order"
        assert receiver.count(path) == batches


def test_a_locked_row_of_a_webhook_delays_only_this_webhook(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    locked = subscribe(client, receiver.url("/ok/locked"))
    other = subscribe(client, receiver.url("/ok/other"))
    start_dispatcher(lease_seconds=LEASE_SECONDS, idle_seconds=60)
    emit_events(database_url)
    for webhook in (locked, other):
        wait_for("the first event", all_finished(database_url, webhook, 1))
    with open_transaction(database_url) as cursor:
        cursor.execute("SELECT FROM webhooks WHERE id = %s FOR NO KEY UPDATE", (locked,))
        wait_for("renewals of the other lease", is_renewed(database_url, other))
        emit_events(database_url)
        wait_for("the other webhook", all_finished(database_url, other, 2))
    wait_for("the locked webhook", all_finished(database_url, locked, 2))
    assert received_numbers(receiver, "/ok/locked") == [1, 1]


def test_webhooks_are_served_in_turn_if_there_are_more_than_one_dispatcher_serves(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher_module, "MAX_WORKERS", 2)
    monkeypatch.setattr(dispatcher_module, "TURN_SECONDS", 0)
    held = [subscribe(client, receiver.url(f"/held/{number}")) for number in range(2)]
    start_dispatcher(concurrency=1)
    emit_events(database_url, 5)
    wait_for("the held ones", lambda: receiver.count("/held/0") + receiver.count("/held/1") == 2)
    others = [subscribe(client, receiver.url(f"/ok/{number}")) for number in range(3)]
    emit_events(database_url, 5)
    for webhook in others:
        wait_for("another webhook", all_finished(database_url, webhook, 5))
    for number, webhook in enumerate(held):
        assert count_by_status(database_url, webhook) == {"pending": 10}
        receiver.release(str(number))
        wait_for("the held ones", all_finished(database_url, webhook, 10))
        assert received_numbers(receiver, f"/held/{number}") == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]


def test_huge_bodies_are_loaded_a_few_at_a_time(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher_module, "LOADED_BYTES", 1000)
    webhook = subscribe(client, receiver.url("/held/x"))
    emit_events(database_url, 20)
    # Three bodies of 400 bytes exceed the limit; a body beyond it is loaded alone.
    execute(
        database_url, "UPDATE webhook_events SET body = '{\"count\":' || id || ',\"x\":\"' || repeat('x', 400) || '\"}'"
    )
    execute(database_url, "UPDATE webhook_events SET body = rpad(body, 5000) WHERE id % 5 = 0")
    dispatcher = start_dispatcher(concurrency=1)
    wait_for("a request", lambda: receiver.count("/held/x"))
    (worker,) = dispatcher._workers.values()
    # Loading stops once enough wait, and never takes all at once.
    assert len(worker.loaded) <= 20
    receiver.release("x")
    wait_for("all", all_finished(database_url, webhook, 20))
    numbers = received_numbers(receiver, "/held/x")
    assert numbers == sorted(numbers) and len(numbers) == 20
