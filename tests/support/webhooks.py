"""Helpers of the webhook tests: subscribe, emit events, and read deliveries and requests."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2

from support.database import execute
from support.receiver import Receiver
from webhooks import events
from webhooks.dispatcher import Dispatcher
from webhooks.sender import Response, Sender

# Flask's test client, without its types: the JSON of its responses has none.
Client = Any
StartDispatcher = Callable[..., Dispatcher]
Resolve = Callable[..., list[str]]

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
TOTAL_SECONDS = 1.5
TIMED_OUT = "The receiver did not answer within 1.5 s."
CLOSED = "The receiver closed the connection without a response."
NOT_HTTP = "The receiver did not answer in HTTP."


def create_sender(**options: Any) -> Sender:
    """Return a sender with short timeouts that may reach this machine."""
    values = {"allowed": LOOPBACK, "connect_seconds": 0.5, "total_seconds": TOTAL_SECONDS, **options}
    return Sender(values.pop("allowed"), **values)


def post(sender: Sender, url: str, body: bytes = b"{}", **headers: str) -> Response:
    """Send a request and fail if it took longer than its timeout."""
    started = time.monotonic()
    response = sender.post(url, body, headers)
    assert time.monotonic() - started < TOTAL_SECONDS + 1
    return response


def create_response(status_code: int | None = 200, **values: Any) -> Response:
    """Return the response of a receiver with this status; None stands for a request without a response."""
    error = None if status_code and 200 <= status_code < 300 else f"The receiver answered {status_code}."
    defaults = {
        "response_time_ms": 1,
        "response_text": "ok",
        "response_headers": {},
        "retry_after": None,
        "error": error,
    }
    return Response(status_code, **{**defaults, **values})


@contextlib.contextmanager
def respond_once(data: bytes) -> Iterator[int]:
    """Accept a connection, read the start of a request and send `data`; then keep the connection open.

    Yields the port.
    """
    ended = threading.Event()

    def respond(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1)
            connection.sendall(data)
            ended.wait()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=respond, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join()


@contextlib.contextmanager
def full_server(host: str, port: int = 0) -> Iterator[int]:
    """Listen without accepting, with a full backlog, so that connection attempts get no response. Yields the port."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server((host, port), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def subscribe(client: Client, url: str, event_type: str = "*", **values: Any) -> int:
    """Create a webhook and return its id."""
    answer = client.post("/api/webhooks", json={"url": url, "event_type": event_type, **values})
    assert answer.status_code == 201, answer.json
    return int(answer.json["id"])


def emit_events(url: str, count: int = 1, event: str = "product.bulk_deleted") -> None:
    """Record `count` events, numbered from 1, each in a transaction of its own."""
    with psycopg2.connect(url) as connection:
        for number in range(1, count + 1):
            with connection.cursor() as cursor:
                events.record_event(cursor, event, {"count": number})
            connection.commit()
    connection.close()


def received_numbers(receiver: Receiver, path: str) -> list[int]:
    """Return the numbers of the events that arrived at a path, in the order of their arrival."""
    return [json.loads(request.body)["count"] for request in receiver.requests(path)]


def sent_numbers(url: str, webhook_id: int) -> list[int]:
    """Return the numbers of the events of a webhook, in the order in which their requests started.

    A receiver may see two requests the other way round if it reads both at once, from two connections.
    """
    query = (
        "SELECT (e.body::json->>'count')::integer FROM webhook_attempts a"
        " JOIN webhook_deliveries d ON d.id = a.delivery_id JOIN webhook_events e ON e.id = d.event_id"
        " WHERE d.webhook_id = %s ORDER BY a.at"
    )
    return [number for (number,) in execute(url, query, (webhook_id,))]


def count_by_status(url: str, webhook_id: int) -> dict[str, int]:
    """Return the number of deliveries of a webhook by status."""
    query = "SELECT status, count(*) FROM webhook_deliveries WHERE webhook_id = %s GROUP BY status"
    return dict(execute(url, query, (webhook_id,)))


def list_deliveries(client: Client, webhook_id: int, **query: Any) -> list[dict[str, Any]]:
    """Return the deliveries of a webhook as the API lists them."""
    deliveries: list[dict[str, Any]] = client.get(
        f"/api/webhooks/{webhook_id}/deliveries", query_string={"per_page": 500, **query}
    ).json["deliveries"]
    return deliveries


def all_finished(url: str, webhook_id: int, count: int) -> Callable[[], bool]:
    """Return a condition: the webhook has `count` deliveries and none is pending."""

    def is_met() -> bool:
        counts = count_by_status(url, webhook_id)
        return counts.get("pending", 0) == 0 and sum(counts.values()) == count

    return is_met
