"""How long files with bad or untidy rows take compared with files without.

    python -m benchmarks.bad_rows_speed [--rows 500000] [--rounds 3] [--parts rejects slow-rows]

The part `rejects` imports files of bad rows, one for each kind. Their ratios refer to an import of as many good new
rows in the same round.

In the part `slow-rows`, every tenth row of a file is one that the fast path cannot read, of another kind in each file.
Each ratio refers to an import of the same file without such rows, just before or just after. The lines also have the
ratio of the worker's CPU time.

The exit status is 1 if a median or the memory misses its bar.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.bad_files import KINDS, MIXED_KINDS, OPTIONS, SLOW_KINDS, write_bad_catalogue, write_slow_catalogue
from benchmarks.import_speed import check_counts, is_memory_met
from benchmarks.imports import time_import
from benchmarks.product import (
    Product,
    cpu_seconds,
    empty_catalogue,
    peak_memory_mb,
    running_product,
    temporary_folder,
    write_catalogue,
)
from benchmarks.results import Results, add_rounds_option, warn_if_busy

MAX_REJECTS_RATIO = 1.5
# One of this many rows is slow.
SLOW_ROW_EVERY = 10
MAX_SLOW_ROWS_RATIO = 1.6


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    add_rounds_option(parser, 3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    options = parser.parse_args()
    warn_if_busy()
    is_met = True
    with temporary_folder() as folder, running_product(folder) as product:
        write_catalogue(folder / "good.csv", options.rows)
        print(f"{options.rows:,} rows, rounds: {options.rounds}\n")
        for part in options.parts:
            results = PARTS[part](product, folder, options)
            results.print_table()
            is_met &= not results.find_missed()
        is_met &= is_memory_met(peak_memory_mb(product.worker))
    sys.exit(not is_met)


def measure_rejects(product: Product, folder: Path, options: argparse.Namespace) -> Results:
    """Import a file of each kind of bad rows in each round; return their ratios to the import of good rows."""
    files = {kind: (kind, 1) for kind in KINDS} | {f"{kind}, every other row": (kind, 2) for kind in MIXED_KINDS}
    good_path, bad_path = folder / "good.csv", folder / "bad.csv"
    results = Results("rejects", "÷ good rows", dict.fromkeys(files, MAX_REJECTS_RATIO))
    for _ in range(options.rounds):
        empty_catalogue(product.url)
        good_seconds, job, _ = time_import(product.port, good_path)
        check_counts("new", job, options.rows)
        for name, (kind, every) in files.items():
            bad_rows = write_bad_catalogue(good_path, bad_path, kind, every)
            empty_catalogue(product.url)
            seconds, job, _ = time_import(product.port, bad_path, **OPTIONS.get(kind, {}))
            results.add(name, seconds / good_seconds)
            if (job["rejected_count"], job["created_count"]) != (bad_rows, options.rows - bad_rows):
                sys.exit(f"{name}: {bad_rows} rows should have been rejected: {job}")
        results.end_round()
    return results


def measure_slow_rows(product: Product, folder: Path, options: argparse.Namespace) -> Results:
    """Import a file with slow rows of each kind and a clean file in turn; return the ratios of each pair."""
    clean_path, slow_path = folder / "good.csv", folder / "slow.csv"
    results = Results("slow rows", "÷ clean", dict.fromkeys(SLOW_KINDS, MAX_SLOW_ROWS_RATIO))
    for number in range(options.rounds):
        for kind in SLOW_KINDS:
            rejected = write_slow_catalogue(clean_path, slow_path, kind, SLOW_ROW_EVERY)
            expected = {clean_path: (options.rows, 0), slow_path: (options.rows - rejected, rejected)}
            seconds: dict[Path, float] = {}
            cpu: dict[Path, float] = {}
            # If the machine gets slower in the course of the benchmark, that favours neither file.
            for path in (clean_path, slow_path) if number % 2 else (slow_path, clean_path):
                empty_catalogue(product.url)
                cpu_before = cpu_seconds(product.worker)
                seconds[path], job, _ = time_import(product.port, path)
                cpu[path] = cpu_seconds(product.worker) - cpu_before
                if (job["created_count"], job["rejected_count"]) != expected[path]:
                    sys.exit(f"{kind}: created and rejected rows should be {expected[path]}: {job}")
            cpu_ratio = cpu[slow_path] / cpu[clean_path]
            results.add(kind, seconds[slow_path] / seconds[clean_path], f"CPU time {cpu_ratio:.2f}")
        results.end_round()
    return results


PARTS = {"rejects": measure_rejects, "slow-rows": measure_slow_rows}

if __name__ == "__main__":
    main()
