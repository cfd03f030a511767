"""The dispatcher: order, concurrency, retries and disabled webhooks."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from support.api import read_json
from support.database import execute
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import (
    Client,
    StartDispatcher,
    all_finished,
    count_by_status,
    emit_events,
    list_deliveries,
    received_numbers,
    sent_numbers,
    subscribe,
)
from webhooks import retry_policy, signing
from webhooks.dispatcher import CONCURRENT_REQUESTS
from webhooks.retry_policy import RETRY_SCHEDULE_SECONDS, decide
from webhooks.sender import Response

RESULT_SECONDS = 60

# Order and fairness


def test_every_event_arrives_once_and_in_order(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    fast = subscribe(client, receiver.url("/ok/fast"))
    slow = subscribe(client, receiver.url("/slow/0.05/x"))
    start_dispatcher()
    emit_events(database_url, 100)
    wait_for("the fast one", all_finished(database_url, fast, 100))
    wait_for("the slow one", all_finished(database_url, slow, 100))
    for webhook, path in ((fast, "/ok/fast"), (slow, "/slow/0.05/x")):
        assert sorted(received_numbers(receiver, path)) == list(range(1, 101))
        assert sent_numbers(database_url, webhook) == list(range(1, 101))
    assert len({request.headers["webhook-id"] for request in receiver.requests("/ok/fast")}) == 100


def test_a_slow_receiver_gets_several_requests_at_a_time_up_to_the_limit(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/1/x"))
    start_dispatcher(concurrency=3)
    emit_events(database_url, 9)
    wait_for("all", all_finished(database_url, webhook, 9))
    times = [request.received_at for request in receiver.requests()]
    concurrent = max(sum(0 <= other - at < 0.9 for other in times) for at in times)
    assert concurrent == 3


def test_bad_receivers_do_not_delay_others(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    """Some receivers never respond, send slowly or without end. The others get all of their events meanwhile."""
    held = subscribe(client, receiver.url("/held/x"))
    for path in ("/never", "/drip-body", "/drip-header", "/huge"):
        subscribe(client, receiver.url(path))
    good = [f"/ok/{number}" for number in range(7)]
    for path in good:
        subscribe(client, receiver.url(path))
    # No attempt times out before the good receivers have everything.
    start_dispatcher(total_seconds=600)
    emit_events(database_url, 100)
    wait_for("the good ones", lambda: all(receiver.count(path) == 100 for path in good))
    assert receiver.count("/held/x") <= CONCURRENT_REQUESTS
    assert count_by_status(database_url, held) == {"pending": 100}
    receiver.release("x")


def test_a_failed_delivery_does_not_delay_the_next_ones(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/flaky/2/a"))
    start_dispatcher(schedule=(0, 0.5, 0.5))
    emit_events(database_url, 6)
    wait_for("all", all_finished(database_url, webhook, 6))
    assert count_by_status(database_url, webhook) == {"delivered": 6}
    sent = sent_numbers(database_url, webhook)
    assert sent[:6] == [1, 2, 3, 4, 5, 6], "first attempts in order"
    assert sorted(sent[6:]) == sorted(set(sent[6:])) and len(sent) == 8, "then the retries"
    assert sorted(received_numbers(receiver, "/flaky/2/a")) == sorted(sent)


# Retries


def test_the_retry_schedule_is_that_of_standard_webhooks() -> None:
    failed = Response(500, 1, "", {}, None, "The receiver answered 500.")
    for tries, expected in itertools.zip_longest(range(1, 10), RETRY_SCHEDULE_SECONDS[1:]):
        outcome = decide(failed, tries)
        assert outcome.status == "pending"
        assert outcome.delay_seconds == pytest.approx(expected, rel=retry_policy.JITTER_SHARE)
    assert decide(failed, 10).status == "failed"
    assert len({decide(failed, 3).delay_seconds for _ in range(5)}) > 1, "jitter"
    assert RETRY_SCHEDULE_SECONDS == (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


@pytest.mark.parametrize(("asked", "expected"), [(None, 5), (1, 5), (600, 600), (10**9, 86_400)])
def test_a_receiver_can_ask_for_a_longer_delay_within_bounds(asked: float | None, expected: float) -> None:
    outcome = decide(Response(503, 1, "", {}, asked, "The receiver answered 503."), 1)
    assert outcome.delay_seconds == pytest.approx(expected, rel=retry_policy.JITTER_SHARE)


def test_every_attempt_has_the_same_message_id_and_is_kept(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/flaky/2/b"), secret="a secret")
    start_dispatcher(schedule=(0, 0.2, 0.2, 0.2))
    emit_events(database_url)
    wait_for("the delivery", all_finished(database_url, webhook, 1))
    received = receiver.requests("/flaky/2/b")
    (delivery,) = list_deliveries(client, webhook)
    assert {request.headers["webhook-id"] for request in received} == {delivery["event_id"]}
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, 500, 200]
    assert [attempt["error"] for attempt in delivery["attempts"]][1:] == ["The receiver answered 500.", None]
    assert (delivery["status"], delivery["next_attempt_at"]) == ("delivered", None)
    for request in received:
        timestamp = int(request.headers["webhook-timestamp"])
        signature = signing.sign("a secret", delivery["event_id"], timestamp, request.body)
        assert request.headers["webhook-signature"] == signature


def test_a_delivery_fails_after_its_last_attempt_and_can_be_resent(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/switch/c"))
    receiver.set_status("c", 500)
    start_dispatcher(schedule=(0, 0.1))
    emit_events(database_url, 3)
    wait_for("all failed", lambda: count_by_status(database_url, webhook) == {"failed": 3})
    health = client.get(f"/api/webhooks/{webhook}").json["health"]
    assert (health["delivered"], health["failed"], health["pending"]) == (0, 3, 0)
    assert sum(hour["failed_attempts"] for hour in health["hours"]) == 6
    failing = client.get(f"/api/webhooks/{webhook}").json
    assert failing["failing_since"] is not None
    assert failing["last_error"] == "The receiver answered 500."

    receiver.set_status("c", 200)
    last = list_deliveries(client, webhook)[0]
    path = f"/api/webhooks/{webhook}/deliveries/{last['id']}"
    assert client.post(f"{path}/resend").status_code == 202
    wait_for("one delivered", lambda: count_by_status(database_url, webhook) == {"failed": 2, "delivered": 1})
    assert client.get(path).json["attempts"][-1]["status_code"] == 200
    working = client.get(f"/api/webhooks/{webhook}").json
    assert (working["failing_since"], working["last_error"]) == (None, None)

    future = client.post(f"/api/webhooks/{webhook}/recover", json={"since": "2999-01-01T00:00:00Z"})
    assert (future.status_code, future.json["count"]) == (202, 0)
    answer = client.post(f"/api/webhooks/{webhook}/recover", json={"since": last["created_at"][:10] + "T00:00:00Z"})
    assert (answer.status_code, answer.json["count"]) == (202, 2)
    wait_for("all delivered", lambda: count_by_status(database_url, webhook) == {"delivered": 3})
    assert client.get(f"/api/webhooks/{webhook}").json["health"]["delivered"] == 3
    hours = client.get(f"/api/webhooks/{webhook}/hours").json["hours"]
    assert sum(hour["requests"] for hour in hours) == receiver.count() == 9
    assert max(hour["p95_ms"] or 0 for hour in hours) > 0


def test_all_that_wait_are_retried_once_by_two_requests_while_a_dispatcher_sends_them(
    app: Flask,
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webhooks.resend.DELIVERIES_PER_TRANSACTION", 7)
    webhook = subscribe(client, receiver.url("/switch/w"))
    receiver.set_status("w", 500)
    start_dispatcher(schedule=(0, 3600))
    emit_events(database_url, 40)

    def waiting() -> int:
        return int(client.get(f"/api/webhooks/{webhook}").json["health"]["waiting"])

    wait_for("all wait for their next attempt", lambda: waiting() == 40)
    receiver.set_status("w", 200)
    with ThreadPoolExecutor(2) as threads:
        path = f"/api/webhooks/{webhook}/recover"
        calls = [threads.submit(lambda: app.test_client().post(path, json={})) for _ in range(2)]
        recovered = [read_json(call.result(RESULT_SECONDS), 202) for call in calls]
    assert sum(result["waiting_count"] for result in recovered) == 40
    wait_for("all are delivered", all_finished(database_url, webhook, 40))
    assert count_by_status(database_url, webhook) == {"delivered": 40}
    assert receiver.count() == 80


def test_a_webhook_whose_receiver_answers_gone_is_disabled(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/gone"))
    start_dispatcher()
    emit_events(database_url)
    wait_for("the webhook to be disabled", lambda: not client.get(f"/api/webhooks/{webhook}").json["enabled"])
    found = client.get(f"/api/webhooks/{webhook}").json
    assert found["disabled_reason"] == retry_policy.GONE_MESSAGE
    emit_events(database_url)
    assert count_by_status(database_url, webhook) == {"failed": 1}, "a disabled webhook gets no deliveries"
    answer = client.post(f"/api/webhooks/{webhook}/recover", json={"since": "2000-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json["code"]) == (409, "webhook_disabled")
    assert client.put(f"/api/webhooks/{webhook}", json={"enabled": True}).json["disabled_reason"] is None


def test_a_webhook_that_fails_for_five_days_is_disabled(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/status/500/x"))
    start_dispatcher()
    emit_events(database_url)
    wait_for("the first failure", lambda: client.get(f"/api/webhooks/{webhook}").json["failing_since"])
    assert client.get(f"/api/webhooks/{webhook}").json["enabled"]
    execute(database_url, "UPDATE webhooks SET failing_since = now() - interval '5 days 1 minute'")
    emit_events(database_url)
    wait_for("the webhook to be disabled", lambda: not client.get(f"/api/webhooks/{webhook}").json["enabled"])
    assert "5 days" in client.get(f"/api/webhooks/{webhook}").json["disabled_reason"]


def test_a_host_name_with_a_forbidden_address_is_a_failed_attempt(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/inside").replace("127.0.0.1", "localhost"))
    start_dispatcher(allowed_networks=())
    emit_events(database_url)
    attempts = wait_for("the attempt", lambda: list_deliveries(client, webhook)[0]["attempts"])
    assert "is a loopback address" in attempts[0]["error"]
    assert attempts[0]["status_code"] is None
    assert receiver.requests() == []
