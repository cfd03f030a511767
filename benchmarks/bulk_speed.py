"""How long exports take compared with a plain COPY of the same query, and how long bulk changes and their undos take.

    python -m benchmarks.bulk_speed [--rows 500000] [--rounds 5] [--parts exports deletions changes]

The benchmark generates a catalogue and runs its own PostgreSQL, web process and worker. The plain COPY is psycopg2's
`copy_expert` of the same query into /dev/null. It runs before every export, which its ratio refers to. The time of an
export starts with the first byte of the request and ends with the last byte of the file. Bulk changes are timed from
the request to the end of their job, in the web process or in a worker. The search indexes are built once in a round,
before its first change, and not between the changes, which would take several times as long as these. The deletion of
all products is timed alone, and while clients read lists and one of them slowly downloads an export.

The exit status is 1 if a median misses its bar.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks.product import (
    Product,
    no_index_builds,
    peak_memory_mb,
    running_product,
    settle,
    temporary_folder,
    truncate_products,
    wait_until_idle,
    write_catalogue,
)
from benchmarks.results import Results, add_rounds_option, warn_if_busy
from catalogue.export import BLOCK_BYTES, render_export
from catalogue.filters import Filter

MAX_EXPORT_RATIO = 1.5
MAX_DELETE_SECONDS = 1.0
MAX_SLICED_DELETE_SECONDS = 20.0
LIST_READERS = 2
READ_BYTES = 1 << 20
SLOW_BYTES_PER_SECOND = 5_000_000
REQUEST_SECONDS = 60
WARM_UP_SECONDS = 1
BYTES_PER_MB = 1_000_000
US_PER_SECOND = 1_000_000
POLL_SECONDS = 0.1
# The body of each change; the deletion of all products has a call of its own. The first one is undone while the search
# indexes have all products; those that a change has updated are in none.
BULK_CHANGES: dict[str, dict[str, Any] | None] = {
    "delete by filter": {"action": "delete", "filter": {"active": True}},
    "deactivate": {"action": "deactivate", "filter": {}},
    "set the name": {"action": "set", "field": "name", "value": "new", "filter": {}},
    "delete all": None,
}
EXPORT_PATH = "/api/products/export"
LIST_PATH = "/api/products?per_page=100&sort_by=updated_at&sort_order=desc"


def load_catalogue(url: str, path: Path) -> None:
    """Replace all products by those of a file, and let the worker build their search indexes."""
    wait_until_idle(url)
    truncate_products(url)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor, path.open("rb") as file:
        cursor.copy_expert("COPY products (name, sku, description) FROM STDIN CSV HEADER", file)
    connection.close()
    wait_until_idle(url)


def time_plain_copy(url: str) -> float:
    """Return the seconds that COPY takes for the query of an export."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        started_at = time.perf_counter()
        with Path(os.devnull).open("wb", buffering=BLOCK_BYTES) as file:
            cursor.copy_expert(render_export(Filter(), guard=False), file)
        seconds = time.perf_counter() - started_at
    connection.close()
    return seconds


def time_export(port: int, file_format: str) -> tuple[float, int]:
    """Download an export without unpacking it; return the seconds and the bytes."""
    buffer = bytearray(READ_BYTES)
    started_at = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"{EXPORT_PATH}?format={file_format}")
    response = connection.getresponse()
    size = 0
    while count := response.readinto(buffer):
        size += count
    seconds = time.perf_counter() - started_at
    connection.close()
    if response.status != http.client.OK:
        sys.exit(f"The export has the status {response.status}.")
    return seconds, size


def check_exports(port: int, rows: int) -> None:
    """Exit unless exports have all products; otherwise their time means nothing."""
    for file_format, unpack in (("csv", bytes), ("csv.gz", gzip.decompress)):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", f"{EXPORT_PATH}?format={file_format}")
        content = unpack(connection.getresponse().read())
        connection.close()
        products = content.count(b",true\n")
        if products != rows:
            sys.exit(f"The {file_format} export has {products:,} products and should have {rows:,}.")


def call(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make a call and return its JSON; exit unless it succeeds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request(method, f"/api{path}", json.dumps(body) if body else None, headers)
    response = connection.getresponse()
    result: dict[str, Any] = json.load(response)
    connection.close()
    if response.status not in {http.client.OK, http.client.ACCEPTED}:
        sys.exit(f"{method} {path} failed: {result}")
    return result


def time_job(port: int, rows: int, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[float, str]:
    """Make a call that creates a job, wait for the end of the job, and return the seconds and its task id.

    Exits unless the job changes `rows` products.
    """
    started_at = time.perf_counter()
    result = call(port, method, path, body)
    task_id = str(result.get("task_id", ""))
    count = int(result.get("count", 0))
    while result.get("finished_at", "") is None:
        time.sleep(POLL_SECONDS)
        result = call(port, "GET", f"/imports/{task_id}")
        count = int(result["updated_count"]) + (int(result["removed_count"]) if result["kind"] == "bulk" else 0)
    seconds = time.perf_counter() - started_at
    if count != rows:
        sys.exit(f"Not all products were changed: {result}")
    return seconds, task_id


def time_delete(port: int, rows: int) -> float:
    """Delete all products; return the seconds."""
    return time_job(port, rows, "DELETE", "/products/bulk-delete")[0]


def time_changes(port: int, url: str, source: Path, rows: int) -> dict[str, float]:
    """Make each bulk change of the whole catalogue and undo it; return the seconds of each."""
    load_catalogue(url, source)
    times: dict[str, float] = {}
    with no_index_builds(url):
        for name, body in BULK_CHANGES.items():
            method, path = ("POST", "/products/bulk") if body else ("DELETE", "/products/bulk-delete")
            settle(url)
            times[name], task_id = time_job(port, rows, method, path, body)
            settle(url)
            times[f"undo: {name}"], _ = time_job(port, rows, "POST", f"/imports/{task_id}/undo")
    return times


@contextmanager
def running_readers(port: int) -> Iterator[None]:
    """Run clients that read lists, and one that slowly downloads an export, until the end of the block."""
    stopping = threading.Event()

    def read_lists() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
        while not stopping.is_set():
            connection.request("GET", LIST_PATH)
            connection.getresponse().read()
        connection.close()

    def download_export() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
        connection.request("GET", EXPORT_PATH)
        response = connection.getresponse()
        while not stopping.wait(READ_BYTES / SLOW_BYTES_PER_SECOND) and response.read(READ_BYTES):
            pass
        connection.close()

    clients: list[Callable[[], None]] = [*[read_lists] * LIST_READERS, download_export]
    threads = [threading.Thread(target=client, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_SECONDS)
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    add_rounds_option(parser, 5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    options = parser.parse_args()
    warn_if_busy()
    is_met = True
    with temporary_folder() as folder:
        source = folder / "products.csv"
        write_catalogue(source, options.rows)
        with running_product(folder) as product:
            print(f"{options.rows:,} rows, rounds: {options.rounds}\n")
            for part in options.parts:
                results = PARTS[part](product, source, options)
                results.print_table()
                is_met &= not results.find_missed()
    sys.exit(not is_met)


def measure_exports(product: Product, source: Path, options: argparse.Namespace) -> Results:
    """Export all products in each round; return the ratios to the plain COPY."""
    url, port = product.url, product.port
    memory_before_mb = peak_memory_mb(product.web)
    load_catalogue(url, source)
    check_exports(port, options.rows)
    formats = ("csv", "csv.gz")
    results = Results("export", "÷ COPY TO", dict.fromkeys(formats, MAX_EXPORT_RATIO))
    for _ in range(options.rounds):
        for file_format in formats:
            plain_copy = time_plain_copy(url)
            seconds, size = time_export(port, file_format)
            results.add(file_format, seconds / plain_copy, f"{size / BYTES_PER_MB:.0f} MB")
        results.end_round()
    memory_mb = peak_memory_mb(product.web)
    print(f"peak resident memory of the web process: {memory_mb:.0f} MB, before the exports {memory_before_mb:.0f} MB")
    return results


def measure_deletions(product: Product, source: Path, options: argparse.Namespace) -> Results:
    """Delete all products in each round, alone and while clients read; return the seconds."""
    url, port = product.url, product.port
    # An export reads the table, so the products are deleted slice by slice, and the copy in the change log is larger.
    bars = {"alone": MAX_DELETE_SECONDS, "while clients read": MAX_SLICED_DELETE_SECONDS}
    results = Results("delete all", "seconds", bars)
    for _ in range(options.rounds):
        load_catalogue(url, source)
        results.add("alone", time_delete(port, options.rows))
        load_catalogue(url, source)
        with running_readers(port):
            results.add("while clients read", time_delete(port, options.rows))
        results.end_round()
    return results


def measure_changes(product: Product, source: Path, options: argparse.Namespace) -> Results:
    """Make and undo each bulk change in each round; return the seconds."""
    results = Results("bulk change", "seconds")
    for _ in range(options.rounds):
        for name, seconds in time_changes(product.port, product.url, source, options.rows).items():
            results.add(name, seconds, f"{seconds / options.rows * US_PER_SECOND:.1f} µs/row")
        results.end_round()
    return results


PARTS = {"exports": measure_exports, "deletions": measure_deletions, "changes": measure_changes}


if __name__ == "__main__":
    main()
