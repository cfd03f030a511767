"""How many products 100 clients change per second, and what the notification of each change costs.

    python -m benchmarks.write_speed [--clients 100] [--seconds 5] [--rounds 5]

Every change of a product notifies the web processes (NOTIFY). PostgreSQL takes one lock for all commits that notify,
and holds it until the commit is on the disk, so such commits cannot share a flush. The benchmark changes random
products over the REST API, and directly in the database, one statement per transaction with synchronous commit. Each
round does both with the trigger that notifies and without it, one right after the other, so other work on the machine
slows down both. A ratio of 1 means that the notifications cost nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2

from benchmarks.product import Product, running_product, temporary_folder

PRODUCTS = 20_000
PROCESSES = 4
REQUEST_SECONDS = 30
INSERT_PRODUCTS_SQL = "INSERT INTO products (sku, name) SELECT 'write-' || n, 'Lamp' FROM generate_series(1, %s) n"
READ_IDS_SQL = "SELECT min(id), max(id) FROM products"
UPDATE_SQL = "UPDATE products SET name = %s, updated_at = clock_timestamp() WHERE id = %s"
SWITCH_TRIGGER_SQL = "ALTER TABLE products {} TRIGGER products_tell_changes"
TRIGGER_STATES = {"notifying": "ENABLE", "silent": "DISABLE"}

# Changes one product; returns whether it was changed.
Change = Callable[[int], bool]


@contextmanager
def sql_client(url: str) -> Iterator[Change]:
    """Give a function that changes a product directly in the database."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:

        def change(product_id: int) -> bool:
            cursor.execute(UPDATE_SQL, (f"Lamp {random.random()}", product_id))
            return True

        yield change
    connection.close()


@contextmanager
def rest_client(port: int) -> Iterator[Change]:
    """Give a function that changes a product over the REST API, on a kept-alive connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)

    def change(product_id: int) -> bool:
        body = json.dumps({"name": f"Lamp {random.random()}"})
        connection.request("PUT", f"/api/products/{product_id}", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        # The server refuses requests above the length of its queue.
        return response.status == http.client.OK

    yield change
    connection.close()


def run_clients(kind: str, target: str, clients: int, ids: tuple[int, int], seconds: float) -> int:
    """Change random products with some clients, each in a thread of its own; return the number of changes."""
    counts = [0] * clients
    ready = threading.Barrier(clients)

    def run(number: int) -> None:
        client = sql_client(target) if kind == "SQL" else rest_client(int(target))
        with client as change:
            ready.wait()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                counts[number] += change(random.randint(*ids))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def measure(kind: str, product: Product, ids: tuple[int, int], options: argparse.Namespace) -> float:
    """Return how many products all clients together change per second."""
    target = product.url if kind == "SQL" else str(product.port)
    arguments = (kind, target, options.clients // PROCESSES, ids, options.seconds)
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        return sum(pool.starmap(run_clients, [arguments] * PROCESSES)) / float(options.seconds)


def switch_trigger(url: str, state: str) -> None:
    """Enable or disable the trigger that notifies."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(SWITCH_TRIGGER_SQL.format(TRIGGER_STATES[state]))
    connection.close()


def create_products(url: str) -> tuple[int, int]:
    """Create the products; return the smallest and the largest of their ids."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(INSERT_PRODUCTS_SQL, (PRODUCTS,))
        cursor.execute(READ_IDS_SQL)
        first, last = cursor.fetchone() or (0, 0)
    connection.close()
    return first, last


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{options.clients} clients, {options.rounds} rounds of {options.seconds:g} s")
    with temporary_folder() as folder, running_product(folder) as product:
        # The worker would build search indexes.
        product.stop_worker()
        ids = create_products(product.url)
        for kind in ("SQL", "REST"):
            ratios, rates = [], []
            for number in range(options.rounds):
                # The order alternates, because the table grows.
                states = ["notifying", "silent"] if number % 2 else ["silent", "notifying"]
                rate = {}
                for state in states:
                    switch_trigger(product.url, state)
                    rate[state] = measure(kind, product, ids, options)
                rates.append(rate["notifying"])
                ratios.append(rate["notifying"] / rate["silent"])
            print(
                f"{kind:4}  {statistics.median(rates):6.0f} changes/s, ratio to changes without notifications"
                f" {statistics.median(ratios):.2f} (lowest {min(ratios):.2f}, highest {max(ratios):.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
