"""Whether imports and searches stay as fast, and the tables as small, when a catalogue is imported over and over.

    python -m benchmarks.many_imports [--rows 500000] [--tenths 10] [--hundredths 100] [--default-settings]

The benchmark runs its own PostgreSQL, web process and worker, and imports a generated catalogue. Then it imports files
that each change another tenth of the products, and files that each change another hundredth. The worker builds its
search indexes after each of them. Only the product and autovacuum clean the table. Before and after these imports, the
benchmark measures the sizes of the table and of its indexes, an import of the whole catalogue that changes nothing, and
searches.

A ratio compares the value after the imports with the one before; that of a series of imports compares its last fifth
with its first fifth. The exit status is 1 if one misses its bar.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
import sys
from pathlib import Path

import psycopg2

from benchmarks.imports import time_import
from benchmarks.product import Product, running_product, temporary_folder, wait_for_product, write_catalogue
from benchmarks.results import Results, warn_if_busy
from benchmarks.search_speed import COMMON_TEXT, FIRST_PAGE, RARE_TEXT, Client, create_kinds, time_requests
from benchmarks.server import add_server_options, choose_server
from models import SEARCH_INDEX_PREFIX

MAX_TIME_RATIO = 1.25
MAX_SIZE_RATIO = 1.5
UNCHANGED_IMPORTS = 3
SEARCH_KINDS = (FIRST_PAGE, RARE_TEXT, COMMON_TEXT)
SEARCH_REQUESTS = 48
BYTES_PER_MB = 1_000_000
# The search indexes have other names after each build, so they count as one.
READ_SIZES_SQL = """
SELECT 'table', pg_table_size('products')
UNION ALL
SELECT CASE WHEN starts_with(relname, %(prefix)s) THEN 'search indexes' ELSE relname END, sum(pg_relation_size(c.oid))
FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'products'::regclass GROUP BY 1
ORDER BY 1
"""


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--tenths", type=int, default=10, help="number of imports that change a tenth")
    parser.add_argument("--hundredths", type=int, default=100, help="number of imports that change a hundredth")
    add_server_options(parser)
    options = parser.parse_args()
    choice = choose_server(options)
    warn_if_busy()
    with temporary_folder() as folder, running_product(folder, choice) as product:
        catalogue = folder / "catalogue.csv"
        write_catalogue(catalogue, options.rows)
        time_import(product.port, catalogue)
        print(f"{options.rows:,} rows, {choice.name}")
        is_met = measure(product, catalogue, {10: options.tenths, 100: options.hundredths})
    sys.exit(not is_met)


def measure(product: Product, catalogue: Path, series: dict[int, int]) -> bool:
    """Import the series, each a number of files that change one product in so many; return whether all bars are met."""
    times_before, sizes_before = measure_times(product, catalogue), read_sizes(product.url)
    ratios: dict[str, float] = {}
    for every, count in series.items():
        seconds = [import_part(product, catalogue, every, number) for number in range(count)]
        part = math.ceil(count / 5)
        ratios[f"import of one in {every}"] = statistics.median(seconds[-part:]) / statistics.median(seconds[:part])
    times_after, sizes_after = measure_times(product, catalogue), read_sizes(product.url)

    ratios |= {name: after / times_before[name] for name, after in times_after.items()}
    times = Results("time", "÷ before", dict.fromkeys(ratios, MAX_TIME_RATIO))
    for name, ratio in ratios.items():
        times.add(name, ratio, f"{times_after[name]:.3f} s" if name in times_after else "")
    sizes = Results("size", "÷ before", dict.fromkeys(sizes_before, MAX_SIZE_RATIO))
    for name, before in sizes_before.items():
        sizes.add(name, sizes_after[name] / before, f"{sizes_after[name] / BYTES_PER_MB:.0f} MB")
    times.print_table()
    sizes.print_table()
    return not times.find_missed() and not sizes.find_missed()


def measure_times(product: Product, catalogue: Path) -> dict[str, float]:
    """Return the median seconds of an import that changes nothing, and of some kinds of searches."""
    imports = []
    for _ in range(UNCHANGED_IMPORTS):
        wait_for_product(product.url)
        imports.append(time_import(product.port, catalogue)[0])
    wait_for_product(product.url)
    client = Client(product.port, math.inf)
    kinds = create_kinds(catalogue, 0)
    searches = {
        name: statistics.median(time_requests(client, kinds[name][0](), SEARCH_REQUESTS)) / 1000
        for name in SEARCH_KINDS
    }
    return {"import that changes nothing": statistics.median(imports), **searches}


def import_part(product: Product, catalogue: Path, every: int, number: int) -> float:
    """Import a file that gives another name to one product in so many; return the seconds that it took."""
    path = catalogue.with_name(f"{every}-{number}.csv")
    with catalogue.open(newline="", encoding="utf-8") as old, path.open("w", newline="", encoding="utf-8") as new:
        header, *rows = csv.reader(old)
        writer = csv.writer(new, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{every}-{number} {name}", *others] for name, *others in rows[number % every :: every])
    wait_for_product(product.url)
    seconds, job, _ = time_import(product.port, path)
    if job["updated_count"] != job["total_records"]:
        sys.exit(f"The import of {path.name} should have changed all of its products: {job}")
    path.unlink()
    return seconds


def read_sizes(url: str) -> dict[str, int]:
    """Return the bytes of the table of products, of each of its indexes, and of all search indexes together."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(READ_SIZES_SQL, {"prefix": SEARCH_INDEX_PREFIX})
        sizes = {name: int(size) for name, size in cursor.fetchall()}
    connection.close()
    return sizes


if __name__ == "__main__":
    main()
