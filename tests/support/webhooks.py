"""What the tests of webhooks do over and over: subscribe, let something happen, see what came of it."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable
from typing import Any

import psycopg2

import webhook_service
from support.database import execute
from support.receiver import Receiver
from webhooks.dispatcher import Deliverer
from webhooks.sender import Answer, Sender

# Flask's test client; what its answers hold as JSON has no type worth telling.
Client = Any
StartDispatcher = Callable[..., Deliverer]

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
TOTAL_SECONDS = 1.5
TIMED_OUT = "The receiver did not answer within 1.5 s."
CLOSED = "The receiver closed the connection without an answer."
NOT_HTTP = "The receiver did not answer in HTTP."


def create_sender(**options: Any) -> Sender:
    values = {"allowed": LOOPBACK, "connect_seconds": 0.5, "total_seconds": TOTAL_SECONDS, **options}
    return Sender(values.pop("allowed"), **values)


def post(sender: Sender, url: str, body: bytes = b"{}", **headers: str) -> Answer:
    """Posts, and sees to it that the time was kept."""
    started = time.monotonic()
    answer = sender.post(url, body, headers)
    assert time.monotonic() - started < TOTAL_SECONDS + 1
    return answer


def subscribe(client: Client, url: str, event_type: str = "*", **values: Any) -> int:
    answer = client.post("/api/webhooks", json={"url": url, "event_type": event_type, **values})
    assert answer.status_code == 201, answer.json
    return int(answer.json["id"])


def tell(url: str, count: int = 1, event: str = "product.bulk_deleted") -> None:
    """Events of a transaction each, numbered from 1."""
    with psycopg2.connect(url) as connection:
        for number in range(1, count + 1):
            with connection.cursor() as cursor:
                webhook_service.record(cursor, event, {"count": number})
            connection.commit()
    connection.close()


def numbers(receiver: Receiver, path: str) -> list[int]:
    return [json.loads(request.body)["count"] for request in receiver.requests(path)]


def statuses(url: str, webhook_id: int) -> dict[str, int]:
    query = "SELECT status, count(*) FROM webhook_deliveries WHERE webhook_id = %s GROUP BY status"
    return dict(execute(url, query, (webhook_id,)))


def deliveries(client: Client, webhook_id: int, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(
        f"/api/webhooks/{webhook_id}/deliveries", query_string={"per_page": 500, **query}
    ).json["deliveries"]
    return found


def settled(url: str, webhook_id: int, count: int) -> Callable[[], bool]:
    def is_settled() -> bool:
        found = statuses(url, webhook_id)
        return found.get("pending", 0) == 0 and sum(found.values()) == count

    return is_settled
