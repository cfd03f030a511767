"""How much longer an import takes that deactivates or deletes the products which its file does not have.

    python -m benchmarks.missing_speed [--rows 500000] [--rounds 3] [--kinds unchanged changed]

The catalogue has twice as many products as the file has rows, and the file has every other product, unchanged or
with another name. Each import runs with `missing=keep`, `deactivate` and `delete`, and is undone before the next one.
The ratios refer to the import with `keep` in the same round.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from pathlib import Path

import psycopg2

from benchmarks.imports import time_import, time_undo
from benchmarks.product import (
    Product,
    peak_memory_mb,
    running_product,
    temporary_folder,
    wait_until_idle,
    write_catalogue,
    write_changed_catalogue,
)

ACTIONS = ("keep", "deactivate", "delete")
KINDS = ("unchanged", "changed")
MAX_RATIO = 1.3
CHANGE_LOG_BYTES_SQL = """
SELECT coalesce(sum(pg_column_size(deleted) + pg_column_size(skus) + pg_column_size(names)
    + pg_column_size(descriptions) + pg_column_size(actives) + pg_column_size(stamps) + pg_column_size(created_ats)
    + pg_column_size(updated_ats)), 0)::bigint
FROM import_changes c JOIN import_jobs j ON j.id = c.job_id WHERE task_id = %s AND deleted IS NOT NULL
"""


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3, help="the table has their median and their spread")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="the files to import")
    parser.add_argument("--phases", action="store_true", help="show when each phase of an import started")
    options = parser.parse_args()
    with temporary_folder() as folder, running_product(folder) as product:
        everything = folder / "everything.csv"
        files = {name: folder / f"{name}.csv" for name in KINDS}
        write_catalogue(everything, 2 * options.rows)
        write_half(everything, files["unchanged"])
        write_changed_catalogue(files["unchanged"], files["changed"], 1, "Other")
        time_import(product.port, everything)
        measure(product, {name: files[name] for name in options.kinds}, options)


def write_half(source: Path, target: Path) -> None:
    """Write every other row of a catalogue."""
    with source.open(newline="", encoding="utf-8") as old, target.open("w", newline="", encoding="utf-8") as new:
        header, *rows = csv.reader(old)
        csv.writer(new, lineterminator="\n").writerows([header, *rows[::2]])


def measure(product: Product, files: dict[str, Path], options: argparse.Namespace) -> None:
    """Import each file with each action in each round, undo the imports, and print the table."""
    times: dict[tuple[str, str], list[float]] = {}
    undos: dict[tuple[str, str], list[float]] = {}
    bytes_per_product = 0.0
    for _ in range(options.rounds):
        for name, path in files.items():
            for action in ACTIONS:
                wait_until_idle(product.url)
                seconds, job, phases = time_import(product.port, path, missing=action, missing_limit="1")
                if options.phases:
                    print(name, action, f"{seconds:.2f} s", {key: round(value, 2) for key, value in phases.items()})
                if job["missing_count"] != (0 if action == "keep" else options.rows):
                    sys.exit(f"{name}, {action}: {options.rows} products should have been removed: {job}")
                times.setdefault((name, action), []).append(seconds)
                if action == "delete":
                    bytes_per_product = read_change_log_bytes(product.url, str(job["task_id"])) / options.rows
                if action != "keep" or name != "unchanged":
                    wait_until_idle(product.url)
                    undos.setdefault((name, action), []).append(time_undo(product.port, str(job["task_id"])))
    print(f"{options.rows:,} rows, {options.rounds} rounds\n")
    print(f"{'import':<26}{'seconds':>9}{'÷ keep':>9}{'best':>8}{'worst':>8}{'limit':>8}{'undo':>9}")
    for (name, action), values in times.items():
        ratios = [value / keep for value, keep in zip(values, times[name, "keep"], strict=True)]
        median = statistics.median(ratios)
        exceeded = "" if median <= MAX_RATIO else "  EXCEEDED"
        undo = statistics.median(undos.get((name, action), [0.0]))
        print(
            f"{f'{name}, {action}':<26}{statistics.median(values):>9.2f}{median:>9.2f}{min(ratios):>8.2f}"
            f"{max(ratios):>8.2f}{MAX_RATIO:>8.1f}{undo:>9.2f}{exceeded}"
        )
    print(f"\nchange log of a deleted product: {bytes_per_product:.0f} bytes")
    print(f"peak resident memory of the worker: {peak_memory_mb(product.worker):.0f} MB")


def read_change_log_bytes(url: str, task_id: str) -> int:
    """Return the size of what the change log keeps of the products that an import deleted."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(CHANGE_LOG_BYTES_SQL, (task_id,))
        (size,) = cursor.fetchone() or (0,)
    connection.close()
    return int(size)


if __name__ == "__main__":
    main()
