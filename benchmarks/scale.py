"""What a catalogue takes as it grows: time per row against COPY, disk, memory and database connections.

    python -m benchmarks.scale [--rows 500000 2000000 5000000]

For each size, the benchmark starts an own PostgreSQL, web process and worker, and imports a file of so many new
products, then the same file once more, with nothing to do. It prints the ratio of the first import to PostgreSQL's own
COPY of the same file, what each part takes on the disk per million products, the peaks of memory, and the highest
number of connections of each component. Everything but the ratio is independent of the speed of the machine.
"""

from __future__ import annotations

import argparse
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import psycopg2

from benchmarks.imports import time_import, time_raw_copy
from benchmarks.product import (
    peak_memory_mb,
    running_product,
    temporary_folder,
    wait_for_product,
    wait_until_idle,
    write_catalogue,
)
from benchmarks.results import warn_if_busy

MILLION = 1_000_000
SAMPLE_SECONDS = 0.1
# By default a file has at most 2 GB.
LIMITS = {"MAX_UPLOAD_MB": "1000000"}
CONNECTIONS_SQL = """
SELECT application_name, count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'acme-%' GROUP BY application_name
"""
# Tables with their TOAST, each index of products, and the search indexes together.
SIZES_SQL = """
SELECT relname, pg_table_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT CASE WHEN relname LIKE '%search%' THEN 'search indexes' ELSE relname END, sum(pg_relation_size(oid))
FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace GROUP BY 1
"""
WAL_SQL = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[500_000, 2_000_000, 5_000_000])
    options = parser.parse_args()
    warn_if_busy()
    for rows in options.rows:
        with temporary_folder() as folder:
            print(f"{rows:,} products")
            for name, value in measure(folder, rows).items():
                print(f"    {name}: {value}")


def measure(folder: Path, rows: int) -> dict[str, str]:
    """Return the figures of a catalogue of this size, by name."""
    path = folder / "catalogue.csv"
    write_catalogue(path, rows)
    file_bytes = path.stat().st_size
    found = {"file": f"{file_bytes / rows:.0f} bytes per row"}
    with running_product(folder / "product", changes=LIMITS) as product, Connections(product.url) as connections:
        wait_until_idle(product.url)
        found["connections at rest"] = str(connections.read())
        before = read_number(product.url, WAL_SQL)
        seconds, _, _ = time_import(product.port, path)
        wal = read_number(product.url, WAL_SQL) - before
        found["import of new products ÷ COPY"] = f"{seconds / time_raw_copy(product.url, path):.2f}"
        found["WAL"] = per_million(wal, rows)
        wait_for_product(product.url)
        before = read_number(product.url, WAL_SQL)
        time_import(product.port, path)
        found["WAL of an import that changes nothing"] = per_million(read_number(product.url, WAL_SQL) - before, rows)
        wait_for_product(product.url)
        for name, size in sorted(read_sizes(product.url).items(), key=lambda pair: -pair[1]):
            if size > MILLION:
                found[name] = per_million(size, rows)
        found["connections at most"] = str(dict(connections.highest))
        found["peak of memory, worker and its child"] = f"{peak_memory_mb(product.worker):.0f} MB"
        found["peak of memory, web process"] = f"{peak_memory_mb(product.web):.0f} MB"
    return found


def per_million(size: float, rows: int) -> str:
    """Return bytes as MB per million products."""
    return f"{size / rows:.0f} MB per million"


def read_number(url: str, sql: str) -> int:
    """Return the number that a query gives."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        (number,) = cursor.fetchone() or (0,)
    return int(number)


def read_sizes(url: str) -> dict[str, int]:
    """Return the bytes of each table and index, by name."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(SIZES_SQL)
        return {name: int(size) for name, size in cursor.fetchall()}


class Connections:
    """Notices how many database connections each component has, until the end of the block."""

    def __init__(self, url: str) -> None:
        self.highest: Counter[str] = Counter()
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Connections:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def read(self) -> dict[str, int]:
        """Return the present numbers."""
        with self._lock, self._connection.cursor() as cursor:
            cursor.execute(CONNECTIONS_SQL)
            return dict(cursor.fetchall())

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.highest |= Counter(self.read())


if __name__ == "__main__":
    main()
