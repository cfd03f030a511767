"""Webhooks over the API: what can be saved, what is shown, tests, deliveries."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from support.database import execute
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import all_finished, Client, emit_events, list_deliveries, StartDispatcher, subscribe
from webhooks import events, signing

URL = "https://example.com/hooks"


def create(client: Client, **values: Any) -> Any:
    answer = client.post("/api/webhooks", json={"url": URL, "event_type": "product.created", **values})
    assert answer.status_code == 201, answer.json
    return answer.json


def test_a_webhook_is_created_shown_changed_and_deleted(client: Client) -> None:
    created = create(client, description="Shop", event_type="product.created, import.failed")
    assert created["event_type"] == "product.created,import.failed"
    assert (created["enabled"], created["imports"], created["disabled_reason"]) == (True, "none", None)
    assert (created["health"]["delivered"], len(created["health"]["hours"])) == (0, 24)
    path = f"/api/webhooks/{created['id']}"
    assert client.get(path).json == created

    changed = client.put(path, json={"enabled": False, "event_type": "*", "imports": "each"}).json
    assert changed == {
        **created,
        "enabled": False,
        "event_type": "*",
        "imports": "each",
        "updated_at": changed["updated_at"],
    }
    assert changed["updated_at"] > created["updated_at"]
    assert client.put(path, json={"enabled": False}).json == changed, "nothing changed"

    assert client.delete(path).json == {"message": f"The webhook to {URL} was deleted."}
    assert client.get("/api/webhooks").json == []
    for call in (client.get, client.delete, lambda path: client.put(path, json={})):
        assert (call(path).status_code, call(path).json["code"]) == (404, "webhook_not_found")
    assert client.get(f"/api/webhooks/{10**30}").status_code == 404


def test_the_list_is_a_plain_array_with_masked_secrets(client: Client) -> None:
    one, two, three = create(client), create(client, secret=None), create(client, secret="short")
    listed = client.get("/api/webhooks").json
    assert [webhook["id"] for webhook in listed] == [one["id"], two["id"], three["id"]]
    assert [webhook["secret"] for webhook in listed] == ["••••••••" + one["secret"][-4:], None, "••••••••"]
    assert {**listed[0], "secret": one["secret"]} == one


def test_a_secret_is_made_up_where_none_is_given(client: Client) -> None:
    first, second = create(client)["secret"], create(client)["secret"]
    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 24
    assert create(client, secret=None)["secret"] is None
    assert create(client, secret="")["secret"] is None


def test_what_the_list_shows_of_a_secret_changes_nothing(client: Client) -> None:
    created = create(client)
    path = f"/api/webhooks/{created['id']}"
    masked = client.get("/api/webhooks").json[0]["secret"]
    assert client.put(path, json={"secret": masked}).json == created
    assert client.put(path, json={"secret": "another"}).json["secret"] == "another"
    assert client.put(path, json={"secret": None}).json["secret"] is None
    assert create(client, secret=masked)["secret"].startswith("whsec_"), "a copy gets a secret of its own"


def test_a_secret_of_ones_own_ends_a_rotation(client: Client) -> None:
    path = f"/api/webhooks/{create(client)['id']}"
    rotated = client.post(f"{path}/rotate-secret").json
    assert client.get(path).json["secret"] == rotated["secret"]
    assert client.get(path).json["previous_secret_expires_at"] == rotated["previous_secret_expires_at"]
    assert client.put(path, json={"secret": "mine"}).json["previous_secret_expires_at"] is None
    unsigned = create(client, secret=None)
    rotated = client.post(f"/api/webhooks/{unsigned['id']}/rotate-secret").json
    assert (rotated["secret"][:6], rotated["previous_secret_expires_at"]) == ("whsec_", None)


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"url": None}, "url", "URL"),
        ({"url": 7}, "url", "URL"),
        ({"url": ""}, "url", "Give the URL"),
        ({"url": "ftp://example.com"}, "url", "http"),
        ({"url": "http://"}, "url", "host"),
        ({"url": "http://user:secret@example.com/"}, "url", "password"),
        ({"url": "http://10.0.0.5/"}, "url", "private"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "url", "link-local"),
        ({"url": "http://[::1]/"}, "url", "loopback"),
        ({"url": "http://2886729729/"}, "url", "private"),
        ({"url": "http://example.com/\r\nX-Evil: 1"}, "url", "control characters"),
        ({"url": "http://example.com/" + "a" * 2048}, "url", "2,048"),
        ({"event_type": "product.made"}, "event_type", "There is no event 'product.made'"),
        ({"event_type": ""}, "event_type", "Use one or more of product.created"),
        ({"event_type": None}, "event_type", "text"),
        ({"event_type": ["product.created"]}, "event_type", "text"),
        ({"imports": "all"}, "imports", "none or each"),
        ({"enabled": "yes"}, "enabled", "true or false"),
        ({"secret": "whsec_!"}, "secret", "not base64"),
        ({"secret": "whsec_c2hvcnQ="}, "secret", "24 to 64 bytes, not 5"),
        ({"secret": "x" * 256}, "secret", "255"),
        ({"secret": 7}, "secret", "text"),
        ({"description": "x" * 501}, "description", "500"),
    ],
)
def test_what_cannot_be_saved_is_said_at_its_field(
    client: Client, values: dict[str, Any], field: str, says: str
) -> None:
    answer = client.post("/api/webhooks", json={"url": URL, "event_type": "*", **values})
    assert (answer.status_code, answer.json["code"], list(answer.json["fields"])) == (400, "invalid_webhook", [field])
    assert says in answer.json["fields"][field][0]
    existing = create(client)
    answer = client.put(f"/api/webhooks/{existing['id']}", json=values)
    assert (answer.status_code, list(answer.json["fields"])) == (400, [field])
    assert client.get(f"/api/webhooks/{existing['id']}").json == existing


def test_both_must_be_given(client: Client) -> None:
    answer = client.post("/api/webhooks", json={})
    assert (answer.status_code, sorted(answer.json["fields"])) == (400, ["event_type", "url"])
    assert client.post("/api/webhooks", data="{").json["code"] == "unsupported_media_type"


def test_the_kinds_of_events_are_listed(client: Client) -> None:
    found = client.get("/api/webhooks/events").json
    assert [kind["event"] for kind in found] == list(events.EVENT_TYPES)


# Tests.


def test_a_test_says_what_the_receiver_said(client: Client, receiver: Receiver) -> None:
    webhook = subscribe(client, receiver.url("/ok/test"), "import.completed,product.created", enabled=False)
    answer = client.post(f"/api/webhooks/{webhook}/test")
    result = answer.json["test_result"]
    assert answer.status_code == 200
    assert (answer.json["webhook_id"], answer.json["webhook_url"]) == (webhook, receiver.url("/ok/test"))
    assert {**result, "response_time_ms": 0} == {
        "success": True,
        "status_code": 200,
        "response_time_ms": 0,
        "response_text": "ok",
        "error": None,
    }
    (request,) = receiver.requests()
    secret = client.get(f"/api/webhooks/{webhook}").json["secret"]
    id, timestamp = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
    assert request.headers["webhook-signature"] == signing.sign(secret, id, timestamp, request.body)
    assert b'"event":"import.completed"' in request.body
    assert execute(client.application.config["SETTINGS"].database_url, "SELECT count(*) FROM webhook_attempts") == [
        (0,)
    ]


def test_a_test_sends_what_it_is_given(client: Client, receiver: Receiver) -> None:
    path = f"/api/webhooks/{subscribe(client, receiver.url('/ok/x'))}/test"
    assert client.post(path, json={"mine": "ä"}).status_code == 200
    assert client.post(path, data="", content_type="application/json").status_code == 200
    assert client.post(path, data=b"", content_type="text/plain").status_code == 200
    assert client.post(path, data="[1]").status_code == 200
    answer = client.post(path, data="{", content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")
    sent = [request.body for request in receiver.requests()]
    assert sent[0] == '{"mine":"ä"}'.encode()
    assert sent[3] == b"[1]"
    assert all(b'"product":{' in body for body in sent[1:3])


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/status/500/x", 500, "The receiver answered 500."),
        ("/redirect", 302, "Redirects are not followed"),
        ("/close", None, "closed the connection"),
    ],
)
def test_a_test_that_fails_is_an_answer_all_the_same(
    client: Client, receiver: Receiver, path: str, status: int | None, says: str
) -> None:
    answer = client.post(f"/api/webhooks/{subscribe(client, receiver.url(path))}/test")
    result = answer.json["test_result"]
    assert (answer.status_code, result["success"], result["status_code"]) == (200, False, status)
    assert says in result["error"]


def test_a_test_goes_nowhere_inside(client: Client, receiver: Receiver, database_url: str) -> None:
    webhook = create(client)["id"]
    # As with a name that was public when it was saved.
    execute(database_url, "UPDATE webhooks SET url = 'http://10.255.255.1/'")
    result = client.post(f"/api/webhooks/{webhook}/test").json["test_result"]
    assert (result["success"], result["status_code"]) == (False, None)
    assert "10.255.255.1 is a private address" in result["error"]


# Deliveries.


def test_deliveries_come_in_pages_the_latest_first(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    other = subscribe(client, receiver.url("/status/500/x"))
    start_dispatcher(schedule=(0,))
    emit_events(database_url, 5)
    wait_for("all", all_finished(database_url, webhook, 5))
    wait_for("all", all_finished(database_url, other, 5))
    page = client.get(f"/api/webhooks/{webhook}/deliveries?page=2&per_page=2").json
    assert page["pagination"] == {"page": 2, "per_page": 2, "total": 5, "pages": 3}
    everything = list_deliveries(client, webhook)
    assert page["deliveries"] == everything[2:4]
    assert [delivery["id"] for delivery in everything] == sorted((d["id"] for d in everything), reverse=True)
    assert len(list_deliveries(client, webhook, status="delivered")) == 5
    assert list_deliveries(client, webhook, status="failed") == []
    assert len(list_deliveries(client, other, status="failed")) == 5
    one = client.get(f"/api/webhooks/{webhook}/deliveries/{everything[0]['id']}").json
    assert one == {**everything[0], "request_body": '{"event":"product.bulk_deleted","count":5}'}
    (attempt,) = one["attempts"]
    assert attempt["request_headers"]["webhook-id"] == one["event_id"]
    assert (attempt["url"], attempt["response_text"]) == (receiver.url("/ok/x"), "ok")

    wrong = f"/api/webhooks/{other}/deliveries/{everything[0]['id']}"
    assert (client.get(wrong).status_code, client.get(wrong).json["code"]) == (404, "delivery_not_found")
    assert client.post(f"{wrong}/resend").status_code == 404
    assert client.get(f"/api/webhooks/{webhook}/deliveries?status=lost").json["fields"] == {
        "status": ["status must be one of pending, delivered, failed."]
    }
    assert client.get("/api/webhooks/999/deliveries").status_code == 404


@pytest.mark.parametrize(
    "since", [None, "", "yesterday", "2026-11-24", "2026-11-24T04:00:00", 5, "\0", "0001-01-01T00:00:00+14:00"]
)
def test_a_recovery_needs_a_time_with_its_zone(client: Client, since: Any) -> None:
    webhook = create(client)["id"]
    answer = client.post(f"/api/webhooks/{webhook}/recover", json={"since": since})
    assert (answer.status_code, list(answer.json["fields"])) == (400, ["since"])
    assert "2026-11-24T04:00:00Z" in answer.json["fields"]["since"][0]


def test_a_recovery_takes_every_zone(client: Client) -> None:
    webhook = create(client)["id"]
    for since in ("2026-11-24T04:00:00+23:59", "2026-11-24T04:00:00.5-08:00", "0001-01-01T00:00:00Z"):
        answer = client.post(f"/api/webhooks/{webhook}/recover", json={"since": since})
        assert (answer.status_code, answer.json["count"]) == (202, 0)


def test_what_is_left_uncut_counts_as_so_many_on_their_way(client: Client, database_url: str) -> None:
    webhook = create(client, event_type="product.updated")["id"]
    for number in range(3):
        client.post("/api/products", json={"sku": f"A{number}"})
    client.post("/api/products/bulk", json={"action": "deactivate", "filter": {}})
    found = client.get(f"/api/webhooks/{webhook}").json
    assert found["health"]["pending"] == 3
    assert list_deliveries(client, webhook) == []
