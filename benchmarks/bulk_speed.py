"""How long exports take compared with a plain COPY of the same query, and how long bulk changes and their undos take.

    python -m benchmarks.bulk_speed [--rows 500000] [--repeat 5] [--parts exports deletions changes]

The benchmark generates a catalogue and runs its own PostgreSQL, web process and worker. The plain COPY is psycopg2's
`copy_expert` of the same query into /dev/null. It runs before every export, and the ratios refer to the median of all
runs. The time of an export starts with the first byte of the request and ends with the last byte of the file. Bulk
changes are timed from the request to the end of their job, whoever runs it. The deletion of all products is timed
alone, and while clients read lists and one of them slowly downloads an export.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import statistics
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
    peak_memory_mb,
    running_product,
    temporary_folder,
    wait_until_idle,
    write_catalogue,
)
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
POLL_SECONDS = 0.1
# The body of each change; the deletion of all products has a call of its own.
BULK_CHANGES: dict[str, dict[str, Any] | None] = {
    "deactivate": {"action": "deactivate", "filter": {}},
    "set the name": {"action": "set", "field": "name", "value": "new", "filter": {}},
    "delete by filter": {"action": "delete", "filter": {"active": True}},
    "delete all": None,
}
EXPORT_PATH = "/api/products/export"
LIST_PATH = "/api/products?per_page=100&sort_by=updated_at&sort_order=desc"


def load_catalogue(url: str, path: Path) -> None:
    """Replace all products by those of a file."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor, path.open("rb") as file:
        cursor.execute("TRUNCATE products")
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
    for name, body in BULK_CHANGES.items():
        method, path = ("POST", "/products/bulk") if body else ("DELETE", "/products/bulk-delete")
        times[name], task_id = time_job(port, rows, method, path, body)
        wait_until_idle(url)
        times[f"undo: {name}"], _ = time_job(port, rows, "POST", f"/imports/{task_id}/undo")
        wait_until_idle(url)
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
    parser.add_argument("--repeat", type=int, default=5, help="rounds; the tables have their medians")
    parser.add_argument("--parts", nargs="*", choices=PARTS, help="what to measure; by default everything")
    options = parser.parse_args()
    with temporary_folder() as folder:
        source = folder / "products.csv"
        write_catalogue(source, options.rows)
        with running_product(folder) as product:
            for part in options.parts or PARTS:
                PARTS[part](product, source, options)


def measure_exports(product: Product, source: Path, options: argparse.Namespace) -> None:
    """Export all products in each round, and print the table."""
    url, port = product.url, product.port
    memory_before_mb = peak_memory_mb(product.web)
    load_catalogue(url, source)
    check_exports(port, options.rows)
    copies: list[float] = []
    exports: dict[str, list[float]] = {"csv": [], "csv.gz": []}
    sizes: dict[str, int] = {}
    for _ in range(options.repeat):
        for file_format, times in exports.items():
            copies.append(time_plain_copy(url))
            seconds, sizes[file_format] = time_export(port, file_format)
            times.append(seconds)
    memory_mb = peak_memory_mb(product.web)
    plain_copy = statistics.median(copies)
    print(f"{options.rows:,} rows, {options.repeat} rounds; COPY TO {plain_copy:.2f} s (median of {len(copies)})\n")
    print(f"{'export':<20}{'÷ COPY TO':>10}{'best':>8}{'worst':>8}{'limit':>8}{'MB':>8}")
    for name, times in exports.items():
        size = f"{sizes[name] / BYTES_PER_MB:>8.0f}"
        print_line(name, [seconds / plain_copy for seconds in times], MAX_EXPORT_RATIO, size)
    print(
        f"peak resident memory of the web process: {memory_mb:.0f} MB, before the exports {memory_before_mb:.0f} MB\n"
    )


def measure_deletions(product: Product, source: Path, options: argparse.Namespace) -> None:
    """Delete all products in each round, alone and while clients read, and print the table."""
    url, port = product.url, product.port
    deletions: dict[str, list[float]] = {"alone": [], "while clients read": []}
    for _ in range(options.repeat):
        load_catalogue(url, source)
        deletions["alone"].append(time_delete(port, options.rows))
        load_catalogue(url, source)
        with running_readers(port):
            deletions["while clients read"].append(time_delete(port, options.rows))
    print(f"{'delete all':<20}{'seconds':>10}{'best':>8}{'worst':>8}{'limit':>8}")
    print_line("alone", deletions["alone"], MAX_DELETE_SECONDS)
    # An export reads the table, so the products are deleted slice by slice, and the copy in the change log is larger.
    print_line("while clients read", deletions["while clients read"], MAX_SLICED_DELETE_SECONDS)
    print()


def measure_changes(product: Product, source: Path, options: argparse.Namespace) -> None:
    """Make and undo each bulk change in each round, and print the table."""
    rounds = [time_changes(product.port, product.url, source, options.rows) for _ in range(options.repeat)]
    print(f"{'bulk change':<30}{'seconds':>10}{'best':>8}{'worst':>8}{'µs/row':>8}")
    for name in rounds[0]:
        times = [seconds[name] for seconds in rounds]
        median = statistics.median(times)
        numbers = f"{median:>10.2f}{min(times):>8.2f}{max(times):>8.2f}{median / options.rows * 1e6:>8.1f}"
        print(f"{name:<30}{numbers}")


PARTS = {"exports": measure_exports, "deletions": measure_deletions, "changes": measure_changes}


def print_line(name: str, values: list[float], limit: float, last_column: str = "") -> None:
    """Print a line of a table with the median, the best and the worst value."""
    median = statistics.median(values)
    line = f"{name:<20}{median:>10.2f}{min(values):>8.2f}{max(values):>8.2f}{limit:>8.1f}{last_column}"
    print(line + ("" if median <= limit else "  EXCEEDED"))


if __name__ == "__main__":
    main()
