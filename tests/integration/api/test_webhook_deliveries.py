"""Deliveries of a webhook: list them, read one, and send them again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from database.serializers import format_timestamp
from support.api import read_error, read_json
from support.database import execute
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import Client, StartDispatcher, all_finished, emit_events, list_deliveries, subscribe

URL = "https://example.com/hooks"


def test_deliveries_are_listed_newest_first(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    failing_webhook = subscribe(client, receiver.url("/status/500/x"))
    start_dispatcher(schedule=(0,))
    emit_events(database_url, 5)
    wait_for("the deliveries succeed", all_finished(database_url, webhook, 5))
    wait_for("the deliveries fail", all_finished(database_url, failing_webhook, 5))
    deliveries = list_deliveries(client, webhook)
    ids = [delivery["id"] for delivery in deliveries]
    assert ids == sorted(ids, reverse=True)
    page = read_json(client.get(f"/api/webhooks/{webhook}/deliveries?page=2&per_page=2"))
    assert page["pagination"] == {
        **{"page": 2, "per_page": 2, "total": 5, "pages": 3},
        **{"total_is_estimate": False, "searched_since": None},
    }
    assert page["deliveries"] == deliveries[2:4]

    assert len(list_deliveries(client, webhook, status="delivered")) == 5
    assert list_deliveries(client, webhook, status="failed") == []
    assert len(list_deliveries(client, failing_webhook, status="failed")) == 5
    message = read_error(
        client.get(f"/api/webhooks/{webhook}/deliveries?status=lost"), 400, "invalid_parameter", "status"
    )
    assert message == "status must be one of pending, delivered, failed."
    read_error(client.get("/api/webhooks/999/deliveries"), 404, "webhook_not_found")

    delivery = read_json(client.get(f"/api/webhooks/{webhook}/deliveries/{ids[0]}"))
    assert delivery == {**deliveries[0], "request_body": '{"event":"product.bulk_deleted","count":5}'}
    (attempt,) = delivery["attempts"]
    assert attempt["request_headers"]["webhook-id"] == delivery["event_id"]
    assert (attempt["url"], attempt["response_text"]) == (receiver.url("/ok/x"), "ok")


def test_a_delivery_of_another_webhook_is_not_found(client: Client, database_url: str) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url)
    (delivery,) = list_deliveries(client, webhook)
    other_webhook = subscribe(client, URL)
    for number in (delivery["id"], 10**30):
        path = f"/api/webhooks/{other_webhook}/deliveries/{number}"
        read_error(client.get(path), 404, "delivery_not_found")
        read_error(client.post(f"{path}/resend"), 404, "delivery_not_found")
    read_error(client.get(f"/api/webhooks/999/deliveries/{delivery['id']}"), 404, "webhook_not_found")


def test_failed_deliveries_start_over(client: Client, database_url: str) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url, 3)
    fail = (
        "UPDATE webhook_deliveries SET status = 'failed', tries = 8, next_attempt_at = NULL, finished_at = now()"
        " WHERE id = ANY (%s)"
    )
    ids = [delivery["id"] for delivery in list_deliveries(client, webhook)]
    execute(database_url, fail, (ids,))
    read_json(client.post(f"/api/webhooks/{webhook}/deliveries/{ids[0]}/resend"), 202)
    assert [delivery["id"] for delivery in list_deliveries(client, webhook, status="pending")] == ids[:1]
    assert execute(database_url, "SELECT tries, finished_at FROM webhook_deliveries WHERE status = 'pending'") == [
        (0, None)
    ]


def test_a_recovery_includes_deliveries_that_wait_and_counts_both(client: Client, database_url: str) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url, 6)
    # From the newest: failed, waiting, waiting, due and being sent, delivered, failed before the chosen time.
    states = [
        ("failed", None, 8, "1 hour"),
        ("pending", "1 hour", 3, "1 hour"),
        ("pending", "9 hours", 5, "1 hour"),
        ("pending", "-1 second", 2, "1 hour"),
        ("delivered", None, 1, "1 hour"),
        ("failed", None, 8, "1 day"),
    ]
    ids = [delivery["id"] for delivery in list_deliveries(client, webhook)]
    for id, (status, due_in, tries, age) in zip(ids, states, strict=True):
        execute(
            database_url,
            "UPDATE webhook_deliveries SET status = %s, next_attempt_at = now() + %s::interval, tries = %s,"
            " created_at = created_at - %s::interval WHERE id = %s",
            (status, due_in, tries, age, id),
        )
    health = read_json(client.get(f"/api/webhooks/{webhook}"))["health"]
    assert (health["pending"], health["waiting"]) == (3, 2)
    assert health["next_attempt_at"] == format_timestamp(find(database_url, ids[3])[1])

    path = f"/api/webhooks/{webhook}/recover"
    before = find(database_url, ids[3])
    hours_ago = {"since": format_timestamp(datetime.now(UTC) - timedelta(hours=2))}
    recovered = read_json(client.post(path, json=hours_ago), 202)
    assert recovered == {
        "message": "1 failed and 2 waiting deliveries are sent again.",
        **{"count": 3, "failed_count": 1, "waiting_count": 2},
    }
    assert find(database_url, ids[3]) == before
    due = execute(database_url, "SELECT id FROM webhook_deliveries WHERE tries = 0 AND next_attempt_at <= now()")
    assert {id for (id,) in due} == set(ids[:3])
    # They are due, so nothing waits any more.
    nothing = {"message": "No delivery has failed or waits for its next attempt.", "count": 0}
    assert read_json(client.post(path, json=hours_ago), 202) == {**nothing, "failed_count": 0, "waiting_count": 0}
    recovered = read_json(client.post(path, json={}), 202)
    assert recovered["message"] == "1 failed delivery is sent again."
    assert execute(database_url, "SELECT count(*) FROM webhook_deliveries WHERE status = 'delivered'") == [(1,)]


def find(database_url: str, id: int) -> tuple[Any, ...]:
    """Return the status, the time of the next attempt and the tries of a delivery."""
    query = "SELECT status, next_attempt_at, tries FROM webhook_deliveries WHERE id = %s"
    (row,) = execute(database_url, query, (id,))
    return row


def test_nothing_is_sent_again_while_the_webhook_is_switched_off(client: Client, database_url: str) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url)
    (delivery,) = list_deliveries(client, webhook)
    read_json(client.put(f"/api/webhooks/{webhook}", json={"enabled": False}))
    path = f"/api/webhooks/{webhook}"
    read_error(client.post(f"{path}/deliveries/{delivery['id']}/resend"), 409, "webhook_disabled")
    since = {"since": "2000-01-01T00:00:00Z"}
    read_error(client.post(f"{path}/recover", json=since), 409, "webhook_disabled")


@pytest.mark.parametrize(
    "since", [None, "", "yesterday", "2026-11-24", "2026-11-24T04:00:00", 5, "\0", "0001-01-01T00:00:00+14:00"]
)
def test_a_recovery_needs_a_timestamp_with_a_time_zone(client: Client, since: Any) -> None:
    webhook = subscribe(client, URL)
    response = client.post(f"/api/webhooks/{webhook}/recover", json={"since": since})
    assert "2026-11-24T04:00:00Z" in read_error(response, 400, "invalid_recovery", "since")


def test_a_recovery_accepts_every_time_zone(client: Client) -> None:
    webhook = subscribe(client, URL)
    for since in ("2026-11-24T04:00:00+23:59", "2026-11-24T04:00:00.5-08:00", "0001-01-01T00:00:00Z"):
        response = client.post(f"/api/webhooks/{webhook}/recover", json={"since": since})
        assert read_json(response, 202)["count"] == 0
