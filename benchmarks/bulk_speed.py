"""How fast products are exported, as a ratio to a plain COPY of the same query, and all of them deleted.

    python -m benchmarks.bulk_speed [--rows 500000] [--repeat 5]

Starts a PostgreSQL of its own, a web process and a worker, and makes a catalogue. The yardstick of an export is
psycopg2's `copy_expert` of the same query into a file that throws everything away; it is taken before every export,
ratios are to the median of all of them. An export's time runs from the first byte of the request to the last of the
file. Deleting is timed while nobody else is there, and while clients read lists and one slowly takes an export.
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

import psycopg2

from benchmarks.product import Product, peak_memory_mb, running_product, settle, temporary_folder, write_catalogue
from catalogue.export import BLOCK_BYTES, EXPORT_SQL

EXPORT_BAR = 1.5
DELETE_BAR_SECONDS = 1.0
READERS = 2
RECEIVED_BYTES = 1 << 20
SLOW_BYTES_PER_SECOND = 5_000_000


def fill(url: str, path: Path) -> None:
    """Makes the catalogue the same as at first."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor, path.open("rb") as file:
        cursor.execute("TRUNCATE products")
        cursor.copy_expert("COPY products (name, sku, description) FROM STDIN CSV HEADER", file)
    connection.close()
    settle(url)


def plain_copy(url: str) -> float:
    """The yardstick, in seconds."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        with Path(os.devnull).open("wb", buffering=BLOCK_BYTES) as file:
            cursor.copy_expert(EXPORT_SQL.format(condition="true"), file)
        seconds = time.perf_counter() - started
    connection.close()
    return seconds


def timed_export(port: int, file_format: str) -> tuple[float, int]:
    """Takes an export as it comes; seconds and bytes of it."""
    buffer = bytearray(RECEIVED_BYTES)
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"/api/products/export?format={file_format}")
    answer = connection.getresponse()
    size = 0
    while received := answer.readinto(buffer):
        size += received
    seconds = time.perf_counter() - started
    connection.close()
    if answer.status != 200:
        sys.exit(f"The export was refused: {answer.status}")
    return seconds, size


def check_export(port: int, rows: int) -> None:
    """A fast export that is not the whole file is no result."""
    for file_format, unpack in (("csv", bytes), ("csv.gz", gzip.decompress)):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", f"/api/products/export?format={file_format}")
        content = unpack(connection.getresponse().read())
        connection.close()
        if content.count(b",true\n") != rows:
            sys.exit(f"The {file_format} has {content.count(b',true'):,} products and should have {rows:,}")


def timed_delete(port: int, rows: int) -> float:
    """Deletes all products; seconds."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("DELETE", "/api/products/bulk-delete")
    answer = json.load(connection.getresponse())
    seconds = time.perf_counter() - started
    connection.close()
    if answer.get("count") != rows:
        sys.exit(f"Not all were deleted: {answer}")
    return seconds


@contextmanager
def readers(port: int) -> Iterator[None]:
    """Clients that read pages, and one that takes an export slowly."""
    over = threading.Event()

    def read_pages() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not over.is_set():
            connection.request("GET", "/api/products?per_page=100&sort_by=updated_at&sort_order=desc")
            connection.getresponse().read()
        connection.close()

    def take_export() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/api/products/export")
        answer = connection.getresponse()
        while not over.wait(RECEIVED_BYTES / SLOW_BYTES_PER_SECOND) and answer.read(RECEIVED_BYTES):
            pass
        connection.close()

    works: list[Callable[[], None]] = [*[read_pages] * READERS, take_export]
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    time.sleep(1)
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=5, help="rounds; the medians are shown")
    options = parser.parse_args()
    with temporary_folder() as folder:
        source = folder / "products.csv"
        write_catalogue(source, options.rows)
        with running_product(folder) as product:
            measure(product, source, options)


def measure(product: Product, source: Path, options: argparse.Namespace) -> None:
    """Exports and deletes as often as asked for, and prints what that took."""
    url, port = product.url, product.port
    idle = peak_memory_mb(product.web)

    fill(url, source)
    check_export(port, options.rows)
    copies: list[float] = []
    exports: dict[str, list[float]] = {"csv": [], "csv.gz": []}
    sizes: dict[str, int] = {}
    for _ in range(options.repeat):
        for file_format, seconds in exports.items():
            copies.append(plain_copy(url))
            took, sizes[file_format] = timed_export(port, file_format)
            seconds.append(took)
    memory = peak_memory_mb(product.web)
    deletions: dict[str, list[float]] = {"quiet": [], "while others read": []}
    for _ in range(options.repeat):
        fill(url, source)
        deletions["quiet"].append(timed_delete(port, options.rows))
        fill(url, source)
        with readers(port):
            deletions["while others read"].append(timed_delete(port, options.rows))

    yardstick = statistics.median(copies)
    print(f"{options.rows:,} rows, {options.repeat} rounds; COPY TO {yardstick:.2f} s (median of {len(copies)})\n")
    print(f"{'export':<20}{'÷ COPY TO':>10}{'best':>8}{'worst':>8}{'bar':>8}{'MB':>8}")
    for name, seconds in exports.items():
        report(name, [took / yardstick for took in seconds], EXPORT_BAR, f"{sizes[name] / 1e6:>8.0f}")
    print(f"web process: peak resident memory {memory:.0f} MB, {idle:.0f} MB before the exports\n")
    print(f"{'delete all':<20}{'seconds':>10}{'best':>8}{'worst':>8}{'bar':>8}")
    for name, seconds in deletions.items():
        report(name, seconds, DELETE_BAR_SECONDS)


def report(name: str, values: list[float], bar: float, more: str = "") -> None:
    """Prints a line of a table."""
    middle = statistics.median(values)
    line = f"{name:<20}{middle:>10.2f}{min(values):>8.2f}{max(values):>8.2f}{bar:>8.1f}{more}"
    print(line + ("" if middle <= bar else "  MISSED"))


if __name__ == "__main__":
    main()
