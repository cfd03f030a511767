"""How fast webhooks are delivered, as a ratio to a bare loop of `requests.Session().post` in the same run.

    python -m benchmarks.webhook_speed [--deliveries 5000] [--webhooks 4] [--repeat 3]

The receiver is a process that answers at once. The loop is one process with one session, whose connection is kept, and
sends the same bodies. Then the events wait in the database, a worker is started, and the time runs from the first
request to the last: read from the database, signed, sent, and every result written. A worker is one process that
delivers. Also shown: how long it takes from a change over the API until the receiver has its event.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import requests

from benchmarks.product import Product, running_product, running_receiver, temporary_folder
from webhooks.events import encode_body, record_event

BAR = 0.5
LATENCY_EVENTS = 100
PRODUCT = {
    "id": 42,
    "sku": "blue-lamp-42",
    "name": "Blue lamp",
    "description": "Goes with the blue sofa, and with the red one where there is no blue one.\n" * 2,
    "active": True,
    "created_at": "2026-11-24T04:00:00.123456Z",
    "updated_at": "2026-11-24T04:00:00.123456Z",
}


def bare_loop(receiver: str, count: int) -> float:
    """Requests per second of the yardstick."""
    body = encode_body("product.updated", {"product": PRODUCT}).encode()
    headers = {"Content-Type": "application/json"}
    with requests.Session() as session:
        session.post(receiver, data=body, headers=headers)
        started = time.perf_counter()
        for _ in range(count):
            session.post(receiver, data=body, headers=headers)
        return count / (time.perf_counter() - started)


def received(receiver: str) -> dict[str, Any]:
    """What came since the last call."""
    found: dict[str, Any] = requests.get(receiver, timeout=10).json()
    return found


def wait(what: str, condition: Callable[[], Any], seconds: float = 300) -> None:
    """Waits until the condition holds; exits where it never does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"Not within {seconds} s: {what}")
        time.sleep(0.05)


def pending(url: str) -> int:
    """How many deliveries are not done."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'")
        (count,) = cursor.fetchone() or (0,)
    connection.close()
    return int(count)


def write_events(url: str, count: int) -> None:
    """Events that wait, each written in a transaction of its own as the API does."""
    with psycopg2.connect(url) as connection:
        for _ in range(count):
            with connection.cursor() as cursor:
                record_event(cursor, "product.updated", {"product": PRODUCT})
            connection.commit()
    connection.close()


def delivered(product: Product, receiver: str, deliveries: int, webhooks: int) -> float:
    """Deliveries per second of a worker that finds them waiting."""
    product.stop_worker()
    write_events(product.url, deliveries // webhooks)
    received(receiver)
    product.start_worker()
    wait("all delivered", lambda: pending(product.url) == 0)
    came = received(receiver)
    if came["count"] != deliveries:
        sys.exit(f"{came['count']} requests came instead of {deliveries}")
    return float(deliveries / (came["last"] - came["first"]))


def latencies(product: Product, receiver: str) -> list[float]:
    """Milliseconds from a change over the API to the receiver, one change after the other."""
    found = []
    with requests.Session() as session:
        base = f"http://127.0.0.1:{product.port}/api/products"
        for number in range(LATENCY_EVENTS):
            started = time.time()
            session.post(base, json={"sku": f"latency-{number}"})
            while (came := received(receiver))["count"] == 0:
                time.sleep(0.001)
            found.append(1000 * (came["first"] - started))
            time.sleep(0.02)
            received(receiver)
    return found


def measure(product: Product, receiver: str, options: argparse.Namespace) -> None:
    """Measures, and prints the result."""
    for number in range(options.webhooks):
        answer = requests.post(
            f"http://127.0.0.1:{product.port}/api/webhooks",
            json={"url": f"{receiver}hooks/{number}", "event_type": "product.updated"},
            timeout=10,
        )
        if answer.status_code != 201:
            sys.exit(json.dumps(answer.json()))
    bare, ours = [], []
    for _ in range(options.repeat):
        bare.append(bare_loop(receiver, options.deliveries // 2))
        ours.append(delivered(product, receiver, options.deliveries, options.webhooks))
        bare.append(bare_loop(receiver, options.deliveries // 2))
    yardstick, middle = statistics.median(bare), statistics.median(ours)
    print(f"{options.deliveries:,} deliveries, {options.webhooks} webhooks, {options.repeat} rounds")
    print(f"bare loop    {yardstick:8.0f} requests/s   (lowest {min(bare):.0f}, highest {max(bare):.0f})")
    print(f"one worker   {middle:8.0f} deliveries/s (lowest {min(ours):.0f}, highest {max(ours):.0f})")
    ratio = middle / yardstick
    print(f"ratio        {ratio:8.2f}              (bar: at least {BAR}){'' if ratio >= BAR else '  MISSED'}")

    requests.post(
        f"http://127.0.0.1:{product.port}/api/webhooks",
        json={"url": f"{receiver}created", "event_type": "product.created"},
        timeout=10,
    )
    times = sorted(latencies(product, receiver))
    print(
        f"\nfrom a change over the API to its receiver: median {statistics.median(times):.0f} ms,"
        f" 95th percentile {times[int(0.95 * len(times))]:.0f} ms"
    )


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deliveries", type=int, default=5000)
    parser.add_argument("--webhooks", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    folder: Path
    with temporary_folder() as folder, running_receiver() as receiver, running_product(folder) as product:
        measure(product, receiver, options)


if __name__ == "__main__":
    main()
