"""How long an import takes compared with a raw COPY of the same file, and how much memory the worker needs.

    python -m benchmarks.import_speed [--rows 500000] [--repeat 3] [--webhooks 0] [--rejects | --slow-rows]

The benchmark generates a catalogue and runs its own PostgreSQL, web process and worker. The time of an import starts
with the first byte of the POST and ends with the event `completed` in the progress stream. The raw COPY loads the file
into a table with the primary key and the unique index of `products`, without search indexes, validation, duplicates and
progress. It runs before every import, and the ratios refer to the median of all runs.

The worker builds its search indexes between the imports, so each import has to maintain those of the previous one. At
the end of a round the imports are undone, the last one first. With `--webhooks`, this number of webhooks subscribes to
`products.imported`; their deliveries end before the next import starts.

With `--rejects`, the benchmark imports files of bad rows instead, one for each kind. Their ratios refer to an import of
as many good new rows.

With `--slow-rows`, every tenth row of a file is one that the fast path cannot read, of another kind in each file. Each
ratio refers to an import of the same file without such rows, just before or just after. The table also has the ratio of
the worker's CPU time.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
from pathlib import Path

from benchmarks.bad_files import KINDS, MIXED_KINDS, OPTIONS, SLOW_KINDS, write_bad_catalogue, write_slow_catalogue
from benchmarks.imports import Job, time_import, time_raw_copy, time_undo
from benchmarks.product import (
    Product,
    cpu_seconds,
    peak_memory_mb,
    running_product,
    running_receiver,
    temporary_folder,
    truncate_products,
    wait_until_idle,
    write_catalogue,
    write_changed_catalogue,
)

# The highest acceptable ratio of each import to the raw COPY.
MAX_RATIOS = {"new": 2.0, "unchanged": 1.2, "a tenth changed": 1.8, "all changed": 3.5}
# The imports that are undone at the end of each round, in this order.
UNDONE_IMPORTS = ("all changed", "a tenth changed", "new")
MAX_REJECTS_RATIO = 1.5
# With `--slow-rows`, one of this many rows is slow.
SLOW_ROW_EVERY = 10
MAX_SLOW_ROWS_RATIO = 1.6
MAX_MEMORY_MB = 200
EXCEEDED = "  EXCEEDED"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the table has their median and their best")
    parser.add_argument("--webhooks", type=int, default=0, help="number of webhooks that receive every product")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--rejects", action="store_true", help="measure files of bad rows")
    kinds.add_argument("--slow-rows", action="store_true", help="measure files with slow rows")
    parser.add_argument("--phases", action="store_true", help="show when each phase of an import started")
    options = parser.parse_args()
    if options.rejects:
        measure_rejects(options)
        return
    if options.slow_rows:
        measure_slow_rows(options)
        return
    with temporary_folder() as folder:
        files = {name: folder / f"{name.replace(' ', '-')}.csv" for name in MAX_RATIOS}
        write_catalogue(files["new"], options.rows)
        files["unchanged"] = files["new"]
        write_changed_catalogue(files["new"], files["a tenth changed"], 10, "New")
        write_changed_catalogue(files["new"], files["all changed"], 1, "Other")
        with running_receiver() as receiver_url, running_product(folder) as product:
            for number in range(options.webhooks):
                subscribe(product.port, f"{receiver_url}{number}")
            measure(product, files, options)


def subscribe(port: int, url: str) -> None:
    """Create a webhook that receives all products of an import and its end."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"url": url, "event_type": "products.imported,import.completed"})
    connection.request("POST", "/api/webhooks", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != http.client.CREATED:
        sys.exit(f"The webhook was not created: {response.read().decode()}")
    connection.close()


def measure(product: Product, files: dict[str, Path], options: argparse.Namespace) -> None:
    """Import all files in each round, undo the imports, and print the table."""
    copies: list[float] = []
    imports: dict[str, list[float]] = {name: [] for name in MAX_RATIOS}
    undos: dict[str, list[float]] = {name: [] for name in UNDONE_IMPORTS}
    for _ in range(options.repeat):
        empty_catalogue(product.url)
        task_ids: dict[str, str] = {}
        for name, path in files.items():
            wait_until_idle(product.url)
            copies.append(time_raw_copy(product.url, files["new"]))
            seconds, job, phases = time_import(product.port, path)
            imports[name].append(seconds)
            if options.phases:
                print(f"{name}: raw COPY {copies[-1]:.2f} s, import {seconds:.2f} s", round_phases(phases))
            check_counts(name, job, options.rows)
            task_ids[name] = str(job["task_id"])
        for name in UNDONE_IMPORTS:
            wait_until_idle(product.url)
            undos[name].append(time_undo(product.port, task_ids[name]))
    memory_mb = peak_memory_mb(product.worker)

    raw_copy = statistics.median(copies)
    print(f"{options.rows:,} rows, {options.repeat} rounds; raw COPY {raw_copy:.2f} s (median of {len(copies)})\n")
    print(f"{'import':<26}{'÷ raw COPY':>12}{'best':>8}{'limit':>8}")
    for name, limit in MAX_RATIOS.items():
        median, best = statistics.median(imports[name]) / raw_copy, min(imports[name]) / raw_copy
        print(f"{name:<26}{median:>12.2f}{best:>8.2f}{limit:>8.1f}{'' if median <= limit else EXCEEDED}")
    for name, times in undos.items():
        print(f"{f'undo of {name}':<26}{statistics.median(times) / raw_copy:>12.2f}{min(times) / raw_copy:>8.2f}")
    print_memory(memory_mb)


def measure_rejects(options: argparse.Namespace) -> None:
    """Import a file of each kind of bad rows in each round, and print their ratios to the import of good rows."""
    files = {kind: (kind, 1) for kind in KINDS} | {f"{kind}, every other row": (kind, 2) for kind in MIXED_KINDS}
    ratios: dict[str, list[float]] = {name: [] for name in files}
    with temporary_folder() as folder, running_product(folder) as product:
        good_path, bad_path = folder / "good.csv", folder / "bad.csv"
        write_catalogue(good_path, options.rows)
        for _ in range(options.repeat):
            empty_catalogue(product.url)
            good_seconds, job, _ = time_import(product.port, good_path)
            check_counts("new", job, options.rows)
            for name, (kind, every) in files.items():
                bad_rows = write_bad_catalogue(good_path, bad_path, kind, every)
                empty_catalogue(product.url)
                seconds, job, phases = time_import(product.port, bad_path, **OPTIONS.get(kind, {}))
                ratios[name].append(seconds / good_seconds)
                if options.phases:
                    print(f"{name}: good rows {good_seconds:.2f} s, bad rows {seconds:.2f} s", round_phases(phases))
                if (job["rejected_count"], job["created_count"]) != (bad_rows, options.rows - bad_rows):
                    sys.exit(f"{name}: {bad_rows} rows should have been rejected: {job}")
        memory_mb = peak_memory_mb(product.worker)
    print(
        f"{options.rows:,} rows, {options.repeat} rounds\n\n{'rejects':<40}{'÷ good rows':>12}{'best':>8}{'limit':>8}"
    )
    for name, values in ratios.items():
        median = statistics.median(values)
        exceeded = "" if median <= MAX_REJECTS_RATIO else EXCEEDED
        print(f"{name:<40}{median:>12.2f}{min(values):>8.2f}{MAX_REJECTS_RATIO:>8.1f}{exceeded}")
    print_memory(memory_mb)


def measure_slow_rows(options: argparse.Namespace) -> None:
    """Import a file with slow rows of each kind and a clean file in turn, and print the ratios of each pair."""
    ratios: dict[str, list[float]] = {kind: [] for kind in SLOW_KINDS}
    cpu_ratios: dict[str, list[float]] = {kind: [] for kind in SLOW_KINDS}
    with temporary_folder() as folder, running_product(folder) as product:
        clean_path, slow_path = folder / "clean.csv", folder / "slow.csv"
        write_catalogue(clean_path, options.rows)
        for number in range(options.repeat):
            for kind in SLOW_KINDS:
                rejected = write_slow_catalogue(clean_path, slow_path, kind, SLOW_ROW_EVERY)
                expected = {clean_path: (options.rows, 0), slow_path: (options.rows - rejected, rejected)}
                seconds: dict[Path, float] = {}
                cpu: dict[Path, float] = {}
                # If the machine gets slower in the course of the benchmark, that favours neither file.
                for path in (clean_path, slow_path) if number % 2 else (slow_path, clean_path):
                    empty_catalogue(product.url)
                    cpu_before = cpu_seconds(product.worker)
                    seconds[path], job, phases = time_import(product.port, path)
                    cpu[path] = cpu_seconds(product.worker) - cpu_before
                    if options.phases:
                        print(f"{kind}: {path.stem} {seconds[path]:.2f} s", round_phases(phases))
                    if (job["created_count"], job["rejected_count"]) != expected[path]:
                        sys.exit(f"{kind}: created and rejected rows should be {expected[path]}: {job}")
                ratios[kind].append(seconds[slow_path] / seconds[clean_path])
                cpu_ratios[kind].append(cpu[slow_path] / cpu[clean_path])
        memory_mb = peak_memory_mb(product.worker)
    print(f"{options.rows:,} rows, every {SLOW_ROW_EVERY}th slow, {options.repeat} rounds\n")
    print(f"{'slow rows':<32}{'÷ clean':>10}{'best':>8}{'worst':>8}{'limit':>8}{'CPU ÷ clean':>14}")
    for kind, values in ratios.items():
        median = statistics.median(values)
        exceeded = "" if median <= MAX_SLOW_ROWS_RATIO else EXCEEDED
        print(
            f"{kind:<32}{median:>10.2f}{min(values):>8.2f}{max(values):>8.2f}{MAX_SLOW_ROWS_RATIO:>8.1f}"
            f"{statistics.median(cpu_ratios[kind]):>14.2f}{exceeded}"
        )
    print_memory(memory_mb)


def empty_catalogue(url: str) -> None:
    """Delete all products once no worker builds indexes, because TRUNCATE and such a build would deadlock."""
    wait_until_idle(url)
    truncate_products(url)
    wait_until_idle(url)


def check_counts(name: str, job: Job, rows: int) -> None:
    """Exit unless the import did its work; otherwise its time means nothing."""
    updated = {"new": 0, "unchanged": 0, "a tenth changed": rows // 10, "all changed": rows}[name]
    expected = (rows, 0, 0) if name == "new" else (0, updated, rows - updated)
    counts = (job["created_count"], job["updated_count"], job["unchanged_count"])
    if counts != expected:
        sys.exit(f"{name}: created, updated and unchanged are {counts} and should be {expected}")


def round_phases(phases: dict[str, float]) -> dict[str, float]:
    """Return the second at which each phase started, with two decimals."""
    return {phase: round(second, 2) for phase, second in phases.items()}


def print_memory(memory_mb: float) -> None:
    """Print the peak memory of the worker."""
    exceeded = "" if memory_mb <= MAX_MEMORY_MB else EXCEEDED
    print(f"\npeak resident memory of the worker: {memory_mb:.0f} MB (limit: {MAX_MEMORY_MB} MB){exceeded}")


if __name__ == "__main__":
    main()
