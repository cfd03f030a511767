"""How much longer an import takes that deactivates or deletes the products which its file does not have.

    python -m benchmarks.missing_speed [--rows 500000] [--rounds 3] [--kinds unchanged changed]

The catalogue has twice as many products as the file has rows, and the file has every other product, unchanged or
with another name. Each import runs with `missing=keep`, `deactivate` and `delete`, and is undone before the next one.
The ratios refer to the import with `keep` in the same round.

The exit status is 1 if a median misses its bar.
"""

from __future__ import annotations

import argparse
import csv
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
from benchmarks.results import Results, add_rounds_option, warn_if_busy

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
    add_rounds_option(parser, 3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="the files to import")
    parser.add_argument("--phases", action="store_true", help="show when each phase of an import started")
    options = parser.parse_args()
    warn_if_busy()
    with temporary_folder() as folder, running_product(folder) as product:
        everything = folder / "everything.csv"
        files = {name: folder / f"{name}.csv" for name in KINDS}
        write_catalogue(everything, 2 * options.rows)
        write_half(everything, files["unchanged"])
        write_changed_catalogue(files["unchanged"], files["changed"], 1, "Other")
        time_import(product.port, everything)
        results = measure(product, {name: files[name] for name in options.kinds}, options)
    results.print_table()
    sys.exit(bool(results.find_missed()))


def write_half(source: Path, target: Path) -> None:
    """Write every other row of a catalogue."""
    with source.open(newline="", encoding="utf-8") as old, target.open("w", newline="", encoding="utf-8") as new:
        header, *rows = csv.reader(old)
        csv.writer(new, lineterminator="\n").writerows([header, *rows[::2]])


def measure(product: Product, files: dict[str, Path], options: argparse.Namespace) -> Results:
    """Import each file with each action in each round and undo the imports; return the ratios to `keep`."""
    bars = {f"{name}, {action}": MAX_RATIO for name in files for action in ACTIONS if action != "keep"}
    results = Results("import", "÷ keep", bars)
    bytes_per_product = 0.0
    for _ in range(options.rounds):
        for name, path in files.items():
            keep_seconds = 0.0
            for action in ACTIONS:
                wait_until_idle(product.url)
                seconds, job, phases = time_import(product.port, path, missing=action, missing_limit="1")
                if options.phases:
                    print(name, action, f"{seconds:.2f} s", {key: round(value, 2) for key, value in phases.items()})
                if job["missing_count"] != (0 if action == "keep" else options.rows):
                    sys.exit(f"{name}, {action}: {options.rows} products should have been removed: {job}")
                if action == "keep":
                    keep_seconds = seconds
                if action == "delete":
                    bytes_per_product = read_change_log_bytes(product.url, str(job["task_id"])) / options.rows
                undo_seconds = 0.0
                if action != "keep" or name != "unchanged":
                    wait_until_idle(product.url)
                    undo_seconds = time_undo(product.port, str(job["task_id"]))
                results.add(f"{name}, {action}", seconds / keep_seconds, f"undo {undo_seconds:.2f} s")
        results.end_round()
    print(f"{options.rows:,} rows, rounds: {options.rounds}")
    print(f"change log of a deleted product: {bytes_per_product:.0f} bytes")
    print(f"peak resident memory of the worker: {peak_memory_mb(product.worker):.0f} MB\n")
    return results


def read_change_log_bytes(url: str, task_id: str) -> int:
    """Return the size of what the change log keeps of the products that an import deleted."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(CHANGE_LOG_BYTES_SQL, (task_id,))
        (size,) = cursor.fetchone() or (0,)
    connection.close()
    return int(size)


if __name__ == "__main__":
    main()
