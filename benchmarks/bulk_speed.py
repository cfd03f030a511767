"""How long an export takes compared with a plain COPY of the same query, and how long it takes to delete all products.

    python -m benchmarks.bulk_speed [--rows 500000] [--repeat 5]

The benchmark generates a catalogue and runs its own PostgreSQL, web process and worker. The plain COPY is psycopg2's
`copy_expert` of the same query into /dev/null. It runs before every export, and the ratios refer to the median of all
runs. The time of an export starts with the first byte of the request and ends with the last byte of the file. Deleting
is timed alone, and while clients read lists and one of them slowly downloads an export.
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

from benchmarks.product import (
    Product,
    peak_memory_mb,
    running_product,
    temporary_folder,
    wait_until_idle,
    write_catalogue,
)
from catalogue.export import BLOCK_BYTES, EXPORT_SQL

MAX_EXPORT_RATIO = 1.5
MAX_DELETE_SECONDS = 1.0
LIST_READERS = 2
READ_BYTES = 1 << 20
SLOW_BYTES_PER_SECOND = 5_000_000
REQUEST_SECONDS = 60
WARM_UP_SECONDS = 1
BYTES_PER_MB = 1_000_000
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
            cursor.copy_expert(EXPORT_SQL.format(condition="true"), file)
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


def time_delete(port: int, rows: int) -> float:
    """Delete all products; return the seconds."""
    started_at = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
    connection.request("DELETE", "/api/products/bulk-delete")
    result = json.load(connection.getresponse())
    seconds = time.perf_counter() - started_at
    connection.close()
    if result.get("count") != rows:
        sys.exit(f"Not all products were deleted: {result}")
    return seconds


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
    options = parser.parse_args()
    with temporary_folder() as folder:
        source = folder / "products.csv"
        write_catalogue(source, options.rows)
        with running_product(folder) as product:
            measure(product, source, options)


def measure(product: Product, source: Path, options: argparse.Namespace) -> None:
    """Export and delete all products in each round, and print the tables."""
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
    deletions: dict[str, list[float]] = {"alone": [], "while clients read": []}
    for _ in range(options.repeat):
        load_catalogue(url, source)
        deletions["alone"].append(time_delete(port, options.rows))
        load_catalogue(url, source)
        with running_readers(port):
            deletions["while clients read"].append(time_delete(port, options.rows))

    plain_copy = statistics.median(copies)
    print(f"{options.rows:,} rows, {options.repeat} rounds; COPY TO {plain_copy:.2f} s (median of {len(copies)})\n")
    print(f"{'export':<20}{'÷ COPY TO':>10}{'best':>8}{'worst':>8}{'limit':>8}{'MB':>8}")
    for name, times in exports.items():
        size = f"{sizes[name] / BYTES_PER_MB:>8.0f}"
        print_line(name, [seconds / plain_copy for seconds in times], MAX_EXPORT_RATIO, size)
    print(
        f"peak resident memory of the web process: {memory_mb:.0f} MB, before the exports {memory_before_mb:.0f} MB\n"
    )
    print(f"{'delete all':<20}{'seconds':>10}{'best':>8}{'worst':>8}{'limit':>8}")
    for name, times in deletions.items():
        print_line(name, times, MAX_DELETE_SECONDS)


def print_line(name: str, values: list[float], limit: float, last_column: str = "") -> None:
    """Print a line of a table with the median, the best and the worst value."""
    median = statistics.median(values)
    line = f"{name:<20}{median:>10.2f}{min(values):>8.2f}{max(values):>8.2f}{limit:>8.1f}{last_column}"
    print(line + ("" if median <= limit else "  EXCEEDED"))


if __name__ == "__main__":
    main()
