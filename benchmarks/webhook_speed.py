"""How fast a worker delivers webhooks, compared with a bare loop of `requests.Session().post`.

    python -m benchmarks.webhook_speed [--deliveries 5000] [--webhooks 4] [--receivers 1] [--rounds 3]

Each receiver is a process that answers at once; the webhooks are spread over them. The bare loop is one process that
signs and sends the same bodies, one after the other, over one kept-alive connection to each receiver. For the
comparison, the benchmark stores the events while no worker runs, then starts a worker, and takes the time from the
first request to the last. In that time the worker's dispatcher reads the deliveries from the database, signs and sends
the requests, and stores the results. Each round compares the worker with the bare loops right before and after it, so
other work on the machine slows down both. The benchmark also measures the latency from a change over the API to the
request at the receiver.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import psutil
import psycopg2
import requests

from benchmarks.product import Product, peak_memory_mb, running_product, running_receiver, temporary_folder
from database.connect import Component
from webhooks.events import encode_body, record_event
from webhooks.signing import create_secret, sign_headers

MIN_RATIO = 1.5
LATENCY_EVENTS = 100
LATENCY_PAUSE_SECONDS = 0.02
REQUEST_SECONDS = 10
DELIVERY_SECONDS = 300
POLL_SECONDS = 0.2
LATENCY_POLL_SECONDS = 0.001
MS_PER_SECOND = 1000
DISPATCHER_MODULE = "webhooks.dispatcher"
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
COUNT_CONNECTIONS_SQL = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
PENDING_DELIVERIES_SQL = "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'"


def measure_bare_loop(urls: Sequence[str], requests_count: int) -> float:
    """Return the requests per second of the bare loop, which posts to the receivers in turn."""
    body = encode_body(EVENT, {"product": PRODUCT}).encode()
    secret = create_secret()
    with requests.Session() as session:
        for url in urls:
            session.post(url, data=body)
        started_at = time.perf_counter()
        for number in range(requests_count):
            headers = sign_headers([secret], f"evt_{number}", int(time.time()), body)
            session.post(urls[number % len(urls)], data=body, headers=headers)
        return requests_count / (time.perf_counter() - started_at)


def read_received(urls: Sequence[str]) -> dict[str, Any]:
    """Return the count of the requests since the previous call, and the times of the first and the last one."""
    parts = [requests.get(url, timeout=REQUEST_SECONDS).json() for url in urls]
    counted = [part for part in parts if part["count"]]
    return {
        "count": sum(part["count"] for part in parts),
        "first": min((part["first"] for part in counted), default=0.0),
        "last": max((part["last"] for part in counted), default=0.0),
    }


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


def measure_worker(product: Product, receiver_urls: Sequence[str], deliveries: int, webhooks: int) -> float:
    """Return the deliveries per second of a worker that starts with all of them pending."""
    product.stop_worker()
    store_events(product.url, deliveries // webhooks)
    read_received(receiver_urls)
    product.start_worker()
    wait_for("all deliveries", lambda: count_pending(product.url) == 0)
    received = read_received(receiver_urls)
    expected = deliveries // webhooks * webhooks
    if received["count"] != expected:
        sys.exit(f"The receivers had {received['count']} requests instead of {expected}.")
    return float(expected / (received["last"] - received["first"]))


def describe_dispatcher(product: Product) -> str:
    """Return what the dispatcher of the worker uses: memory, threads, database connections and CPU time."""
    for process in psutil.Process(product.worker.pid).children(recursive=True):
        if DISPATCHER_MODULE in process.cmdline():
            with psycopg2.connect(product.url) as connection, connection.cursor() as cursor:
                cursor.execute(COUNT_CONNECTIONS_SQL, (Component.DISPATCHER.value,))
                (connections,) = cursor.fetchone() or (0,)
            connection.close()
            memory_mb = peak_memory_mb(process)
            times = process.cpu_times()
            return (
                f"at most {memory_mb:.0f} MB, {process.num_threads()} threads, {connections} database connections,"
                f" {times.user + times.system:.1f} s CPU"
            )
    return "has ended"


def measure_latencies(product: Product, receiver_url: str) -> list[float]:
    """Return the milliseconds from a change over the API to the request at the receiver, for one change at a time."""
    latencies_ms = []
    with requests.Session() as session:
        products_url = f"http://127.0.0.1:{product.port}/api/products"
        for number in range(LATENCY_EVENTS):
            started_at = time.time()
            session.post(products_url, json={"sku": f"latency-{number}"})
            while (received := read_received([receiver_url]))["count"] == 0:
                time.sleep(LATENCY_POLL_SECONDS)
            latencies_ms.append(MS_PER_SECOND * (received["first"] - started_at))
            time.sleep(LATENCY_PAUSE_SECONDS)
            read_received([receiver_url])
    return latencies_ms


def subscribe(port: int, url: str, event_type: str) -> None:
    """Create a webhook; exit if the API rejects it."""
    response = requests.post(
        f"http://127.0.0.1:{port}/api/webhooks", json={"url": url, "event_type": event_type}, timeout=REQUEST_SECONDS
    )
    if response.status_code != http.client.CREATED:
        sys.exit(json.dumps(response.json()))


def measure(product: Product, receiver_urls: Sequence[str], options: argparse.Namespace) -> None:
    """Measure throughput and latency, and print them."""
    for number in range(options.webhooks):
        subscribe(product.port, f"{receiver_urls[number % len(receiver_urls)]}hooks/{number}", EVENT)
    print(
        f"{options.deliveries:,} deliveries, {options.webhooks} webhooks, {options.receivers} receivers,"
        f" {options.rounds} rounds"
    )
    ratios, loop_rates, worker_rates = [], [], []
    for number in range(options.rounds):
        before = measure_bare_loop(receiver_urls, options.loop)
        worker_rate = measure_worker(product, receiver_urls, options.deliveries, options.webhooks)
        dispatcher = describe_dispatcher(product)
        after = measure_bare_loop(receiver_urls, options.loop)
        loop_rates += [before, after]
        worker_rates.append(worker_rate)
        ratios.append(2 * worker_rate / (before + after))
        print(
            f"round {number + 1}: {worker_rate:.0f} deliveries/s, bare loop {before:.0f} and {after:.0f} requests/s,"
            f" ratio {ratios[-1]:.2f}; dispatcher: {dispatcher}",
            flush=True,
        )
    for name, rates in (("bare loop", loop_rates), ("one worker", worker_rates)):
        median = statistics.median(rates)
        print(f"{name:12} {median:8.0f} per second (lowest {min(rates):.0f}, highest {max(rates):.0f})")
    ratio = statistics.median(ratios)
    print(
        f"ratio        {ratio:8.2f} (lowest {min(ratios):.2f}, highest {max(ratios):.2f}; at least {MIN_RATIO})"
        f"{'' if ratio >= MIN_RATIO else '  TOO LOW'}"
    )

    subscribe(product.port, f"{receiver_urls[0]}created", "product.created")
    latencies_ms = sorted(measure_latencies(product, receiver_urls[0]))
    print(
        f"\nfrom a change over the API to its receiver: median {statistics.median(latencies_ms):.0f} ms,"
        f" 95th percentile {latencies_ms[int(0.95 * len(latencies_ms))]:.0f} ms"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deliveries", type=int, default=5000)
    parser.add_argument("--webhooks", type=int, default=4)
    parser.add_argument("--receivers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop", type=int, default=2500, help="how many requests a bare loop sends")
    options = parser.parse_args()
    with temporary_folder() as folder, ExitStack() as stack:
        receiver_urls = [stack.enter_context(running_receiver()) for _ in range(options.receivers)]
        measure(stack.enter_context(running_product(folder)), receiver_urls, options)


if __name__ == "__main__":
    main()
