"""How fast a worker delivers webhooks, compared with a bare loop of `requests.Session().post`.

    python -m benchmarks.webhook_speed [--deliveries 5000] [--webhooks 4] [--repeat 3]

The receiver is a process that answers at once. The bare loop is one process that sends the same bodies over one
kept-alive connection. For the comparison, the benchmark stores the events while no worker runs, then starts a worker,
and takes the time from the first request to the last. In that time the worker's dispatcher reads the deliveries from
the database, signs and sends the requests, and stores the results. The benchmark also measures the latency from a
change over the API to the request at the receiver.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg2
import requests

from benchmarks.product import Product, running_product, running_receiver, temporary_folder
from webhooks.events import encode_body, record_event

MIN_RATIO = 0.5
LATENCY_EVENTS = 100
LATENCY_PAUSE_SECONDS = 0.02
REQUEST_SECONDS = 10
DELIVERY_SECONDS = 300
POLL_SECONDS = 0.05
LATENCY_POLL_SECONDS = 0.001
MS_PER_SECOND = 1000
EVENT = "product.updated"
PRODUCT = {
    "id": 42,
    "sku": "blue-lamp-42",
    "name": "Blue lamp",
    "description": "Goes with the blue sofa, and with the red one where there is no blue one.\n" * 2,
    "active": True,
    "created_at": "2026-11-24T04:00:00.123456Z",
    "updated_at": "2026-11-24T04:00:00.123456Z",
}
PENDING_DELIVERIES_SQL = "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'"


def measure_bare_loop(receiver_url: str, requests_count: int) -> float:
    """Return the requests per second of the bare loop."""
    body = encode_body(EVENT, {"product": PRODUCT}).encode()
    headers = {"Content-Type": "application/json"}
    with requests.Session() as session:
        session.post(receiver_url, data=body, headers=headers)
        started_at = time.perf_counter()
        for _ in range(requests_count):
            session.post(receiver_url, data=body, headers=headers)
        return requests_count / (time.perf_counter() - started_at)


def read_received(receiver_url: str) -> dict[str, Any]:
    """Return the count of the requests since the previous call, and the times of the first and the last one."""
    received: dict[str, Any] = requests.get(receiver_url, timeout=REQUEST_SECONDS).json()
    return received


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    """Wait until the condition is true; exit after DELIVERY_SECONDS."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{DELIVERY_SECONDS} s passed without: {what}")
        time.sleep(POLL_SECONDS)


def count_pending(url: str) -> int:
    """Return the number of pending deliveries."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(PENDING_DELIVERIES_SQL)
        (count,) = cursor.fetchone() or (0,)
    connection.close()
    return int(count)


def store_events(url: str, count: int) -> None:
    """Store events, each in its own transaction as the API does."""
    with psycopg2.connect(url) as connection:
        for _ in range(count):
            with connection.cursor() as cursor:
                record_event(cursor, EVENT, {"product": PRODUCT})
            connection.commit()
    connection.close()


def measure_worker(product: Product, receiver_url: str, deliveries: int, webhooks: int) -> float:
    """Return the deliveries per second of a worker that starts with all of them pending."""
    product.stop_worker()
    store_events(product.url, deliveries // webhooks)
    read_received(receiver_url)
    product.start_worker()
    wait_for("all deliveries", lambda: count_pending(product.url) == 0)
    received = read_received(receiver_url)
    if received["count"] != deliveries:
        sys.exit(f"The receiver had {received['count']} requests instead of {deliveries}.")
    return float(deliveries / (received["last"] - received["first"]))


def measure_latencies(product: Product, receiver_url: str) -> list[float]:
    """Return the milliseconds from a change over the API to the request at the receiver, for one change at a time."""
    latencies_ms = []
    with requests.Session() as session:
        products_url = f"http://127.0.0.1:{product.port}/api/products"
        for number in range(LATENCY_EVENTS):
            started_at = time.time()
            session.post(products_url, json={"sku": f"latency-{number}"})
            while (received := read_received(receiver_url))["count"] == 0:
                time.sleep(LATENCY_POLL_SECONDS)
            latencies_ms.append(MS_PER_SECOND * (received["first"] - started_at))
            time.sleep(LATENCY_PAUSE_SECONDS)
            read_received(receiver_url)
    return latencies_ms


def subscribe(port: int, url: str, event_type: str) -> None:
    """Create a webhook; exit if the API rejects it."""
    response = requests.post(
        f"http://127.0.0.1:{port}/api/webhooks", json={"url": url, "event_type": event_type}, timeout=REQUEST_SECONDS
    )
    if response.status_code != http.client.CREATED:
        sys.exit(json.dumps(response.json()))


def measure(product: Product, receiver_url: str, options: argparse.Namespace) -> None:
    """Measure throughput and latency, and print them."""
    for number in range(options.webhooks):
        subscribe(product.port, f"{receiver_url}hooks/{number}", EVENT)
    loop_rates, worker_rates = [], []
    for _ in range(options.repeat):
        loop_rates.append(measure_bare_loop(receiver_url, options.deliveries // 2))
        worker_rates.append(measure_worker(product, receiver_url, options.deliveries, options.webhooks))
        loop_rates.append(measure_bare_loop(receiver_url, options.deliveries // 2))
    loop_rate, worker_rate = statistics.median(loop_rates), statistics.median(worker_rates)
    ratio = worker_rate / loop_rate
    print(f"{options.deliveries:,} deliveries, {options.webhooks} webhooks, {options.repeat} rounds")
    print(f"bare loop    {loop_rate:8.0f} requests/s   (lowest {min(loop_rates):.0f}, highest {max(loop_rates):.0f})")
    print(
        f"one worker   {worker_rate:8.0f} deliveries/s"
        f" (lowest {min(worker_rates):.0f}, highest {max(worker_rates):.0f})"
    )
    print(f"ratio        {ratio:8.2f}              (at least {MIN_RATIO}){'' if ratio >= MIN_RATIO else '  TOO LOW'}")

    subscribe(product.port, f"{receiver_url}created", "product.created")
    latencies_ms = sorted(measure_latencies(product, receiver_url))
    print(
        f"\nfrom a change over the API to its receiver: median {statistics.median(latencies_ms):.0f} ms,"
        f" 95th percentile {latencies_ms[int(0.95 * len(latencies_ms))]:.0f} ms"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deliveries", type=int, default=5000)
    parser.add_argument("--webhooks", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with temporary_folder() as folder, running_receiver() as receiver_url, running_product(folder) as product:
        measure(product, receiver_url, options)


if __name__ == "__main__":
    main()
