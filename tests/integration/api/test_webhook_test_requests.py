"""POST /api/webhooks/<id>/test: one request at once, and its result."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from support.api import read_error, read_json
from support.database import execute
from support.receiver import Receiver
from support.webhooks import Client, subscribe
from webhooks import signing
from webhooks.events import EVENT_TYPES


def send_test(client: Client, webhook: int) -> dict[str, object]:
    """Send a test request and return its result."""
    result: dict[str, object] = read_json(client.post(f"/api/webhooks/{webhook}/test"))["test_result"]
    return result


def test_the_result_describes_the_response(client: Client, receiver: Receiver, database_url: str) -> None:
    webhook = subscribe(client, receiver.url("/ok/test"), "import.completed,product.created", enabled=False)
    body = read_json(client.post(f"/api/webhooks/{webhook}/test"))
    assert (body["webhook_id"], body["webhook_url"]) == (webhook, receiver.url("/ok/test"))
    assert {**body["test_result"], "response_time_ms": 0} == {
        "success": True,
        "status_code": 200,
        "response_time_ms": 0,
        "response_text": "ok",
        "error": None,
    }
    (request,) = receiver.requests()
    secret = read_json(client.get(f"/api/webhooks/{webhook}"))["secret"]
    message_id, timestamp = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
    assert request.headers["webhook-signature"] == signing.sign(secret, message_id, timestamp, request.body)
    assert b'"event":"import.completed"' in request.body
    assert execute(database_url, "SELECT FROM webhook_attempts") == []


def test_the_sample_is_an_event_of_the_first_type_of_the_webhook(client: Client, receiver: Receiver) -> None:
    for event_type in (*EVENT_TYPES, "*"):
        send_test(client, subscribe(client, receiver.url("/ok/x"), event_type))
    bodies = [json.loads(request.body) for request in receiver.requests()]
    assert [body["event"] for body in bodies] == [*EVENT_TYPES, "product.created"]
    assert all(body["test"] is True for body in bodies)
    contents = [tuple(name for name in body if name not in {"event", "test"}) for body in bodies]
    product, imported_products, job = ("product",), ("import", "created", "updated"), ("import",)
    assert contents == [product, product, product, ("count",), imported_products, job, job, product]


def test_a_json_body_marked_as_a_test_is_sent_instead_of_the_sample(client: Client, receiver: Receiver) -> None:
    path = f"/api/webhooks/{subscribe(client, receiver.url('/ok/x'))}/test"
    read_json(client.post(path, json={"mine": "ä", "test": True}))
    read_json(client.post(path, data='{"test": true}', content_type="application/json"))
    read_error(client.post(path, data="{", content_type="application/json"), 400, "bad_request")
    bodies = [request.body for request in receiver.requests()]
    assert bodies == ['{"mine":"ä","test":true}'.encode(), b'{"test":true}']


@pytest.mark.parametrize(
    "body",
    [
        '{"event": "product.created"}',
        '{"test": false}',
        '{"test": 1}',
        '{"test": "true"}',
        '{"inner": {"test": true}}',
        '{"test": true, "test": false}',
        "{}",
        "[true]",
        '"test"',
        "null",
        "1",
    ],
)
def test_a_body_that_is_not_marked_as_a_test_is_neither_signed_nor_sent(
    client: Client, receiver: Receiver, body: str
) -> None:
    path = f"/api/webhooks/{subscribe(client, receiver.url('/ok/x'))}/test"
    message = read_error(
        client.post(path, data=body, content_type="application/json"), 400, "not_marked_as_test", "test"
    )
    assert '"test": true' in message
    read_error(client.post(path, data='{"test": true}', content_type="text/plain"), 415, "unsupported_media_type")
    assert receiver.count() == 0


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream", None])
@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_of_any_type_stands_for_the_sample(
    client: Client, receiver: Receiver, body: bytes, content_type: str | None
) -> None:
    path = f"/api/webhooks/{subscribe(client, receiver.url('/ok/x'))}/test"
    read_json(client.post(path, data=body, content_type=content_type))
    (request,) = receiver.requests()
    assert b'"product":{' in request.body


def test_a_request_is_signed_with_the_previous_secret_until_it_expires(
    client: Client, receiver: Receiver, database_url: str
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"), secret="first")
    expires_at = read_json(client.post(f"/api/webhooks/{webhook}/rotate-secret"))["previous_secret_expires_at"]
    send_test(client, webhook)
    expired = datetime.fromisoformat(expires_at) - timedelta(hours=25)
    execute(database_url, "UPDATE webhooks SET previous_secret_expires_at = %s", (expired,))
    send_test(client, webhook)
    signatures = [request.headers["webhook-signature"].split(" ") for request in receiver.requests()]
    assert [len(each) for each in signatures] == [2, 1]


def test_a_request_without_a_secret_is_not_signed(client: Client, receiver: Receiver) -> None:
    send_test(client, subscribe(client, receiver.url("/ok/x"), secret=None))
    (request,) = receiver.requests()
    assert "webhook-signature" not in request.headers


@pytest.mark.parametrize(
    ("path", "status", "part_of_error"),
    [
        ("/status/500/x", 500, "The receiver answered 500."),
        ("/redirect", 302, "Redirects are not followed"),
        ("/close", None, "closed the connection"),
    ],
)
def test_a_request_that_fails_has_a_result_too(
    client: Client, receiver: Receiver, path: str, status: int | None, part_of_error: str
) -> None:
    result = send_test(client, subscribe(client, receiver.url(path)))
    assert (result["success"], result["status_code"]) == (False, status)
    assert part_of_error in str(result["error"])


def test_a_request_never_reaches_a_private_address(client: Client, database_url: str) -> None:
    webhook = subscribe(client, "https://example.com/hooks")
    # This stands for a name whose address was public when the webhook was saved.
    execute(database_url, "UPDATE webhooks SET url = 'http://10.255.255.1/'")
    result = send_test(client, webhook)
    assert (result["success"], result["status_code"]) == (False, None)
    assert "10.255.255.1 is a private address" in str(result["error"])
