"""Filters of deliveries, what deliveries are about, and sending several of them again."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from support.api import read_error, read_json
from support.database import execute
from support.webhooks import Client, emit_events, list_deliveries, subscribe

URL = "https://example.com/hooks"
TASK_ID = str(uuid.UUID(int=7))


def deliver(url: str, webhook: int, event: str, content: dict[str, Any], **columns: Any) -> int:
    """Store an event and its delivery with these columns; return the id of the delivery."""
    body = json.dumps({"event": event, **content})
    task_id = columns.pop("task_id", None)
    ((event_id,),) = execute(
        url,
        "INSERT INTO webhook_events (type, body, task_id) VALUES (%s, %s, %s) RETURNING id",
        (columns.pop("type", event), None if task_id else body, task_id),
    )
    values = {"webhook_id": webhook, "event_id": event_id, **columns, **({"body": body} if task_id else {})}
    names = ", ".join(values)
    ((id,),) = execute(
        url,
        f"INSERT INTO webhook_deliveries ({names}) VALUES ({', '.join(['%s'] * len(values))}) RETURNING id",
        tuple(values.values()),
    )
    return int(id)


@pytest.fixture
def webhook(client: Client) -> int:
    """A webhook without deliveries."""
    return subscribe(client, URL)


def ids_of(client: Client, webhook: int, **query: Any) -> list[int]:
    """Return the ids of the deliveries that match a filter."""
    return [delivery["id"] for delivery in list_deliveries(client, webhook, **query)]


def test_each_delivery_names_what_its_event_is_about(client: Client, database_url: str, webhook: int) -> None:
    execute(
        database_url,
        "INSERT INTO import_jobs (task_id, filename, stored_name, file_size) VALUES (%s, 'spring.csv', 's', 1)",
        (TASK_ID,),
    )
    product = {"id": 42, "sku": "Lamp <b>", "name": "Lamp"}
    deliver(database_url, webhook, "product.created", {"product": product})
    single = {"task_id": TASK_ID, "type": "products.imported", "cut": "updated", "label": "_p42", "position": 0}
    deliver(database_url, webhook, "product.updated", {"product": product}, **single)
    batch = {"task_id": TASK_ID, "cut": "batch", "label": "_b0"}
    deliver(database_url, webhook, "products.imported", {"import": TASK_ID, "created": [product]}, **batch)
    gone = {**batch, "task_id": str(uuid.UUID(int=8))}
    deliver(database_url, webhook, "products.imported", {"import": "?", "created": []}, **gone)
    job = {"task_id": TASK_ID, "filename": "autumn.csv"}
    deliver(database_url, webhook, "import.failed", {"import": job})
    deliver(database_url, webhook, "product.bulk_deleted", {"count": 1200})
    deliver(database_url, webhook, "product.updated", {"else": 1})
    subjects = [delivery["subject"] for delivery in list_deliveries(client, webhook)[::-1]]
    about_product = {"type": "product", "id": "42", "name": "Lamp <b>"}
    assert subjects == [
        about_product,
        about_product,
        {"type": "import", "id": TASK_ID, "name": "spring.csv"},
        {"type": "import", "id": str(uuid.UUID(int=8)), "name": None},
        {"type": "import", "id": TASK_ID, "name": "autumn.csv"},
        {"type": "products", "id": None, "name": "1,200 products"},
        None,
    ]


def test_deliveries_are_filtered(client: Client, database_url: str, webhook: int) -> None:
    at = "2026-11-24T{}:00:00Z".format
    created = deliver(database_url, webhook, "product.created", {"product": {"id": 1, "sku": "A_1"}}, created_at=at(10))
    part = {"task_id": TASK_ID, "type": "products.imported", "cut": "created", "label": "_p2"}
    split = deliver(
        database_url, webhook, "product.created", {"product": {"id": 2, "sku": "AB1"}}, **part, created_at=at(11)
    )
    failed = deliver(database_url, webhook, "import.failed", {"import": {"task_id": "x"}}, created_at=at(12))
    execute(database_url, "UPDATE webhook_deliveries SET status = 'failed' WHERE id = %s", (failed,))
    deliver(database_url, subscribe(client, URL), "product.created", {"product": {"id": 1, "sku": "A_1"}})
    deliver(database_url, webhook, "products.imported", {}, task_id=TASK_ID, cut="batch", parts_left=3)

    assert ids_of(client, webhook) == [failed, split, created]
    assert ids_of(client, webhook, event="product.created") == [split, created]
    assert ids_of(client, webhook, event="import.failed", status="failed") == [failed]
    assert ids_of(client, webhook, event="products.imported") == []
    assert ids_of(client, webhook, since=at(11), until=at(12)) == [split]
    assert ids_of(client, webhook, since="2026-11-24T12:30:00+02:00") == [failed, split]
    event_id = list_deliveries(client, webhook)[1]["event_id"]
    assert event_id.endswith("_p2")
    assert ids_of(client, webhook, id=event_id) == [split]
    assert ids_of(client, webhook, id=event_id.removesuffix("_p2")) == []
    assert ids_of(client, webhook, id=created) == [created]
    assert ids_of(client, webhook, id=999_999_999_999_999_999) == []
    assert ids_of(client, webhook, text="a_1") == [created]
    assert ids_of(client, webhook, text="sku", event="product.created", until=at(11)) == [created]
    assert ids_of(client, webhook, text="%") == ids_of(client, webhook, text="'; --") == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("event", "product.lost", "event must be one of product.created,"),
        ("since", "yesterday", "since must be a timestamp with a time zone"),
        ("until", "2026-11-24T04:00:00", "until must be a timestamp with a time zone"),
        ("id", "evt_1", "id must be the number of a delivery or an event id"),
        ("id", "9" * 19, "id must be the number of a delivery or an event id"),
        ("text", "x" * 501, "text must be a string of at most 500 characters."),
    ],
)
def test_an_invalid_filter_is_refused(client: Client, webhook: int, name: str, value: str, says: str) -> None:
    response = client.get(f"/api/webhooks/{webhook}/deliveries", query_string={name: value})
    assert says in read_error(response, 400, "invalid_parameter", name)
    if name in {"event", "since", "id"}:
        response = client.post(f"/api/webhooks/{webhook}/deliveries/resend", json={"filter": {name: value}})
        read_error(response, 400, "invalid_resend", f"filter.{name}")


def test_a_search_says_how_far_it_got_and_continues_there(
    client: Client, database_url: str, webhook: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in (10, 11, 12):
        for number in range(3):
            at = f"2026-11-24T{hour}:00:00.000001Z"
            deliver(database_url, webhook, "product.updated", {"name": f"{hour}-{number}"}, created_at=at)
    path = f"/api/webhooks/{webhook}/deliveries"

    def search(**query: Any) -> tuple[list[int], str | None]:
        page = read_json(client.get(path, query_string={"text": "-1", **query}))
        return [page["pagination"]["total"], len(page["deliveries"])], page["pagination"]["searched_since"]

    assert search() == ([3, 3], None)
    # Four deliveries end in the middle of those of 11:00, which have the same time.
    monkeypatch.setattr("webhooks.delivery_filter.SEARCHED_DELIVERIES", 4)
    assert search() == ([2, 2], "2026-11-24T11:00:00.000001Z")
    assert search(per_page=1, page=3) == ([2, 0], "2026-11-24T11:00:00.000001Z")
    assert search(until="2026-11-24T11:00:00.000001Z") == ([1, 1], None)
    # The newest are read even if they exceed the limit of bytes alone.
    monkeypatch.setattr("webhooks.delivery_filter.SEARCHED_BYTES", 1)
    assert search() == ([1, 1], "2026-11-24T12:00:00.000001Z")
    resent = read_json(client.post(f"{path}/resend", json={"filter": {"text": "-1"}}), 202)
    assert (resent["count"], resent["searched_since"]) == (1, "2026-11-24T12:00:00.000001Z")


def test_the_number_of_many_deliveries_is_estimated(
    client: Client, database_url: str, webhook: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit_events(database_url, 9)
    ids = ids_of(client, webhook)
    execute(database_url, "ANALYZE webhook_deliveries")
    monkeypatch.setattr("webhooks.delivery_filter.MAX_COUNTED", 4)
    path = f"/api/webhooks/{webhook}/deliveries?per_page=3"
    for number in (1, 2, 3, 4):
        page = read_json(client.get(f"{path}&page={number}"))
        assert [delivery["id"] for delivery in page["deliveries"]] == ids[3 * number - 3 : 3 * number]
        assert (page["pagination"]["total_is_estimate"], page["pagination"]["total"]) == (True, 9)


def test_several_deliveries_are_sent_again_by_one_call(
    client: Client, database_url: str, webhook: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.resend.DELIVERIES_PER_TRANSACTION", 2)
    emit_events(database_url, 5)
    ids = ids_of(client, webhook)[::-1]
    finish = "UPDATE webhook_deliveries SET status = 'delivered', tries = 3, next_attempt_at = NULL WHERE id = ANY (%s)"
    execute(database_url, finish, (ids[:4],))
    due = "SELECT id FROM webhook_deliveries WHERE status = 'pending' AND tries = 0 ORDER BY next_attempt_at, event_id"
    other = subscribe(client, URL)
    path = f"/api/webhooks/{webhook}/deliveries/resend"
    chosen = {"ids": [ids[3], ids[1], ids[0], ids[1], 10**30, -1, 999_999]}
    read_error(client.post(f"/api/webhooks/{other}/deliveries/resend", json={"ids": []}), 400, "invalid_resend", "ids")
    assert read_json(client.post(f"/api/webhooks/{other}/deliveries/resend", json=chosen), 202) == {
        **{"message": "No delivery matches, so nothing is sent again.", "count": 0, "searched_since": None}
    }
    resent = read_json(client.post(path, json=chosen), 202)
    assert resent == {"message": "3 deliveries are sent again.", "count": 3, "searched_since": None}
    # A delivery that is due already keeps its place before them; they start in the order of their events.
    assert [id for (id,) in execute(database_url, due)] == [ids[4], ids[0], ids[1], ids[3]]

    execute(database_url, finish, (ids,))
    resent = read_json(client.post(path, json={"filter": {"status": "delivered"}}), 202)
    assert resent["count"] == 5
    assert [id for (id,) in execute(database_url, due)] == ids
    # Again, while they are due: nothing changes.
    before = execute(database_url, "SELECT id, next_attempt_at FROM webhook_deliveries ORDER BY id")
    assert read_json(client.post(path, json={"filter": {}}), 202)["count"] == 5
    assert execute(database_url, "SELECT id, next_attempt_at FROM webhook_deliveries ORDER BY id") == before
    entries = execute(
        database_url,
        "SELECT changes FROM audit_entries WHERE action = 'webhook.deliveries_resent' ORDER BY id",
    )
    assert entries[0] == ({"ids": [None, 6], "count": [None, 2]},)
    assert entries[2] == ({"filter": [None, {"status": "delivered"}], "count": [None, 2]},)

    for body in ({}, {"ids": [1], "filter": {}}):
        read_error(client.post(path, json=body), 400, "invalid_resend", "ids", "filter")
    invalid: dict[str, Any] = {"filter": None, "ids": list(range(10_001)), "all": True}
    for field, value in invalid.items():
        assert field in client.post(path, json={field: value}).json["fields"]
    read_error(client.post("/api/webhooks/999/deliveries/resend", json={"filter": {}}), 404, "webhook_not_found")
    read_json(client.put(f"/api/webhooks/{webhook}", json={"enabled": False}))
    read_error(client.post(path, json={"ids": ids}), 409, "webhook_disabled")


def test_the_hours_have_counts_and_response_times(client: Client, database_url: str, webhook: int) -> None:
    path = f"/api/webhooks/{webhook}/hours"
    empty = {"delivered": 0, "failed": 0, "failed_attempts": 0, "requests": 0, "median_ms": None, "p95_ms": None}
    hours = read_json(client.get(path))["hours"]
    assert [{**hour, "hour": None} for hour in hours] == [{**empty, "hour": None}] * 24
    execute(
        database_url,
        "INSERT INTO webhook_hours SELECT %s, date_trunc('hour', now(), 'UTC') - interval '2 hours', 97, 1, 3;"
        "INSERT INTO webhook_response_times SELECT %s, date_trunc('hour', now(), 'UTC') - interval '2 hours', ms, n"
        " FROM (VALUES (20, 50), (40, 44), (900, 1), (15000, 5)) times (ms, n);"
        "INSERT INTO webhook_response_times SELECT %s, date_trunc('hour', now(), 'UTC') - interval '30 hours', 7, 1",
        (webhook, webhook, webhook),
    )
    hours = read_json(client.get(path))["hours"]
    assert {**hours[21], "hour": None} == {
        **{"hour": None, "delivered": 97, "failed": 1, "failed_attempts": 3},
        **{"requests": 100, "median_ms": 20, "p95_ms": 900},
    }
    week = read_json(client.get(f"{path}?hours=168"))["hours"]
    assert len(week) == 168
    assert [hour["median_ms"] for hour in week if hour["requests"]] == [7, 20]
    assert [hour["hour"] for hour in week] == sorted({hour["hour"] for hour in week})
    read_error(client.get(f"{path}?hours=169"), 400, "invalid_parameter", "hours")
    read_error(client.get("/api/webhooks/999/hours"), 404, "webhook_not_found")
