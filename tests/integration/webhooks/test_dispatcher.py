"""Delivering: in order, again where it failed, never lost, and one bad receiver harms nobody."""

from __future__ import annotations

import itertools
import json
import time

import psycopg2
import pytest

import webhook_service
from support.database import execute
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import Client, StartDispatcher, deliveries, numbers, settled, statuses, subscribe, tell
from webhooks import retry_policy
from webhooks.retry_policy import SCHEDULE_SECONDS, judge
from webhooks.sender import Answer

# In order, and for everybody.


def test_everything_arrives_once_and_in_order(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    fast = subscribe(client, receiver.url("/ok/fast"))
    slow = subscribe(client, receiver.url("/slow/0.05/x"))
    start_dispatcher()
    tell(database_url, 100)
    wait_for("the fast one", settled(database_url, fast, 100))
    wait_for("the slow one", settled(database_url, slow, 100))
    assert numbers(receiver, "/ok/fast") == list(range(1, 101))
    assert numbers(receiver, "/slow/0.05/x") == list(range(1, 101))
    assert len({request.headers["webhook-id"] for request in receiver.requests("/ok/fast")}) == 100


def test_a_slow_receiver_gets_several_requests_at_a_time_but_not_more(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/1/x"))
    start_dispatcher(concurrency=3)
    tell(database_url, 9)
    wait_for("all", settled(database_url, webhook, 9))
    times = [request.at for request in receiver.requests()]
    under_way = max(sum(0 <= other - at < 0.9 for other in times) for at in times)
    assert under_way == 3


def test_one_bad_receiver_harms_nobody(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    """Three of ten never answer, answer late, drip, or send without end; the others get theirs at once."""
    bad = ["/never", "/slow/14/x", "/drip-body", "/drip-header", "/huge"]
    for path in bad:
        subscribe(client, receiver.url(path))
    good = [f"/ok/{number}" for number in range(7)]
    for path in good:
        subscribe(client, receiver.url(path))
    start_dispatcher()
    sent: dict[int, float] = {}
    with psycopg2.connect(database_url) as connection:
        for number in range(100):
            with connection.cursor() as cursor:
                webhook_service.record(cursor, "product.bulk_deleted", {"count": number})
            connection.commit()
            sent[number] = time.time()
            time.sleep(0.02)
    connection.close()
    wait_for("the good ones", lambda: all(receiver.count(path) == 100 for path in good))
    late = [
        request
        for path in good
        for request in receiver.requests(path)
        if request.at - sent[json.loads(request.body)["count"]] > 2
    ]
    assert len(late) <= 0.05 * 100 * len(good)


def test_a_failure_does_not_hold_up_what_comes_after(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/flaky/2/a"))
    start_dispatcher(schedule=(0, 0.5, 0.5))
    tell(database_url, 6)
    wait_for("all", settled(database_url, webhook, 6))
    assert statuses(database_url, webhook) == {"delivered": 6}
    arrived = numbers(receiver, "/flaky/2/a")
    assert arrived[:6] == [1, 2, 3, 4, 5, 6], "first attempts in order"
    assert sorted(arrived[6:]) == sorted(set(arrived[6:])) and len(arrived) == 8, "then what failed"


# Again and again.


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    failed = Answer(500, 1, "", {}, None, "The receiver answered 500.")
    for tries, expected in itertools.zip_longest(range(1, 10), SCHEDULE_SECONDS[1:]):
        verdict = judge(failed, tries)
        assert verdict.status == "pending"
        assert verdict.delay_seconds == pytest.approx(expected, rel=retry_policy.JITTER)
    assert judge(failed, 10).status == "failed"
    assert len({judge(failed, 3).delay_seconds for _ in range(5)}) > 1, "jitter"
    assert SCHEDULE_SECONDS == (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


@pytest.mark.parametrize(("asked", "expected"), [(None, 5), (1, 5), (600, 600), (10**9, 86_400)])
def test_a_receiver_may_ask_for_more_time_within_bounds(asked: float | None, expected: float) -> None:
    verdict = judge(Answer(503, 1, "", {}, asked, "The receiver answered 503."), 1)
    assert verdict.delay_seconds == pytest.approx(expected, rel=retry_policy.JITTER)


def test_every_attempt_has_the_same_id_and_is_kept(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/flaky/2/b"), secret="a secret")
    start_dispatcher(schedule=(0, 0.2, 0.2, 0.2))
    tell(database_url)
    wait_for("it arrived", settled(database_url, webhook, 1))
    received = receiver.requests("/flaky/2/b")
    (delivery,) = deliveries(client, webhook)
    assert {request.headers["webhook-id"] for request in received} == {delivery["event_id"]}
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, 500, 200]
    assert [attempt["error"] for attempt in delivery["attempts"]][1:] == ["The receiver answered 500.", None]
    assert (delivery["status"], delivery["next_attempt_at"]) == ("delivered", None)
    for request in received:
        timestamp = int(request.headers["webhook-timestamp"])
        signature = webhook_service.sign("a secret", delivery["event_id"], timestamp, request.body)
        assert request.headers["webhook-signature"] == signature


def test_after_the_last_attempt_it_has_failed_and_can_be_sent_again(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/switch/c"))
    receiver.set_status("c", 500)
    start_dispatcher(schedule=(0, 0.1))
    tell(database_url, 3)
    wait_for("all given up", lambda: statuses(database_url, webhook) == {"failed": 3})
    health = client.get(f"/api/webhooks/{webhook}").json["health"]
    assert (health["delivered"], health["failed"], health["pending"]) == (0, 3, 0)
    assert sum(hour["failed_attempts"] for hour in health["hours"]) == 6
    assert client.get(f"/api/webhooks/{webhook}").json["failing_since"] is not None

    receiver.set_status("c", 200)
    last = deliveries(client, webhook)[0]
    path = f"/api/webhooks/{webhook}/deliveries/{last['id']}"
    assert client.post(f"{path}/resend").status_code == 202
    wait_for("one delivered", lambda: statuses(database_url, webhook) == {"failed": 2, "delivered": 1})
    assert client.get(path).json["attempts"][-1]["status_code"] == 200
    assert client.get(f"/api/webhooks/{webhook}").json["failing_since"] is None

    future = client.post(f"/api/webhooks/{webhook}/recover", json={"since": "2999-01-01T00:00:00Z"})
    assert (future.status_code, future.json["count"]) == (202, 0)
    answer = client.post(f"/api/webhooks/{webhook}/recover", json={"since": last["created_at"][:10] + "T00:00:00Z"})
    assert (answer.status_code, answer.json["count"]) == (202, 2)
    wait_for("all delivered", lambda: statuses(database_url, webhook) == {"delivered": 3})
    assert client.get(f"/api/webhooks/{webhook}").json["health"]["delivered"] == 3


def test_a_receiver_that_is_gone_is_switched_off(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/gone"))
    start_dispatcher()
    tell(database_url)
    wait_for("it is off", lambda: not client.get(f"/api/webhooks/{webhook}").json["enabled"])
    found = client.get(f"/api/webhooks/{webhook}").json
    assert found["disabled_reason"] == retry_policy.GONE
    tell(database_url)
    assert statuses(database_url, webhook) == {"failed": 1}, "nothing is kept for one that is off"
    answer = client.post(f"/api/webhooks/{webhook}/recover", json={"since": "2000-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json["code"]) == (409, "webhook_disabled")
    assert client.put(f"/api/webhooks/{webhook}", json={"enabled": True}).json["disabled_reason"] is None


def test_a_webhook_that_fails_for_five_days_is_switched_off(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/status/500/x"))
    start_dispatcher()
    tell(database_url)
    wait_for("it fails", lambda: client.get(f"/api/webhooks/{webhook}").json["failing_since"])
    assert client.get(f"/api/webhooks/{webhook}").json["enabled"]
    execute(database_url, "UPDATE webhooks SET failing_since = now() - interval '5 days 1 minute'")
    tell(database_url)
    wait_for("it is off", lambda: not client.get(f"/api/webhooks/{webhook}").json["enabled"])
    assert "5 days" in client.get(f"/api/webhooks/{webhook}").json["disabled_reason"]


def test_a_name_that_leads_inside_is_a_failed_attempt_that_says_so(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/inside").replace("127.0.0.1", "localhost"))
    start_dispatcher(allowed_networks=())
    tell(database_url)
    attempts = wait_for("the attempt", lambda: deliveries(client, webhook)[0]["attempts"])
    assert "is a loopback address" in attempts[0]["error"]
    assert attempts[0]["status_code"] is None
    assert receiver.requests() == []
