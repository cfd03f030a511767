"""How long an import takes compared with a raw COPY of the same file, and how much memory the worker needs.

    python -m benchmarks.import_speed [--rows 500000] [--rounds 5] [--back-to-back] [--webhooks 0]
        [--default-settings | --database-url URL]

The benchmark generates a catalogue and runs its own PostgreSQL, web process and worker. The time of an import starts
with the first byte of the POST and ends with the event `completed` in the progress stream. The raw COPY loads the file
into a table with the primary key and the unique index of `products`, without search indexes, validation, duplicates and
progress. It runs before every import, and the ratios of a round refer to the median of its raw COPYs.

The worker builds its search indexes between the imports. At the end of a round the imports are undone, the last one
first. With `--back-to-back` there are no pauses: each import and undo starts right after the previous one, while the
indexes of that are out of date. Then the raw COPY runs at the start and at the end of each round, when nothing is being
built, and an import and its undo, which are not timed, run before the first import.

With `--webhooks`, this number of webhooks subscribes to `products.imported`; their deliveries end before the next
import starts.

The exit status is 1 if a median or the memory misses its bar.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
from pathlib import Path

from benchmarks.imports import Job, time_import, time_raw_copy, time_undo
from benchmarks.product import (
    Product,
    empty_catalogue,
    peak_memory_mb,
    running_product,
    running_receiver,
    temporary_folder,
    wait_until_idle,
    write_catalogue,
    write_changed_catalogue,
)
from benchmarks.results import MISSED, Results, add_rounds_option, warn_if_busy
from benchmarks.server import add_server_options, choose_server

# The highest acceptable ratio of each import to the raw COPY.
BARS = {"new": 1.25, "unchanged": 0.8, "a tenth changed": 1.1, "all changed": 2.4}
# Back to back, a bar may be exceeded by this factor.
BACK_TO_BACK_FACTOR = 1.15
# The imports that are undone at the end of each round, in this order.
UNDONE_IMPORTS = ("all changed", "a tenth changed", "new")
MAX_MEMORY_MB = 150


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    add_rounds_option(parser, 5)
    parser.add_argument("--back-to-back", action="store_true", help="start each import right after the previous one")
    parser.add_argument("--webhooks", type=int, default=0, help="number of webhooks that receive every product")
    parser.add_argument("--phases", action="store_true", help="show when each phase of an import started")
    add_server_options(parser)
    options = parser.parse_args()
    choice = choose_server(options)
    warn_if_busy()
    with temporary_folder() as folder:
        files = write_files(folder, options.rows)
        with running_receiver() as receiver_url, running_product(folder, choice) as product:
            for number in range(options.webhooks):
                subscribe(product.port, f"{receiver_url}{number}")
            print(f"{options.rows:,} rows, rounds: {options.rounds}, {choice.name}")
            is_met = measure(product, files, options)
    sys.exit(not is_met)


def write_files(folder: Path, rows: int) -> dict[str, Path]:
    """Write the file of each import."""
    files = {name: folder / f"{name.replace(' ', '-')}.csv" for name in BARS}
    files["unchanged"] = files["new"]
    write_catalogue(files["new"], rows)
    write_changed_catalogue(files["new"], files["a tenth changed"], 10, "New")
    write_changed_catalogue(files["new"], files["all changed"], 1, "Other")
    return files


def subscribe(port: int, url: str) -> None:
    """Create a webhook that receives all products of an import and its end."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"url": url, "event_type": "products.imported,import.completed"})
    connection.request("POST", "/api/webhooks", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != http.client.CREATED:
        sys.exit(f"The webhook was not created: {response.read().decode()}")
    connection.close()


def measure(product: Product, files: dict[str, Path], options: argparse.Namespace) -> bool:
    """Run all rounds and print the table; return whether every bar is met."""
    factor = BACK_TO_BACK_FACTOR if options.back_to_back else 1
    subject = "import, back to back" if options.back_to_back else "import"
    bars = {name: round(factor * bar, 2) for name, bar in BARS.items()}
    results = Results(subject, "÷ raw COPY", bars, counts_others=not options.database_url)
    all_copies: list[float] = []
    for _ in range(options.rounds):
        copies, seconds = run_round(product, files, options)
        raw_copy = statistics.median(copies)
        for name, value in seconds.items():
            results.add(name, value / raw_copy)
        results.end_round()
        all_copies += copies
    memory_mb = peak_memory_mb(product.worker)

    print(
        f"raw COPY: median of {len(all_copies)} {statistics.median(all_copies):.2f} s,"
        f" {min(all_copies):.2f}–{max(all_copies):.2f} s\n"
    )
    results.print_table()
    return is_memory_met(memory_mb) and not results.find_missed()


def run_round(
    product: Product, files: dict[str, Path], options: argparse.Namespace
) -> tuple[list[float], dict[str, float]]:
    """Import all files and undo the imports; return the seconds of the raw COPYs, and of each import and undo."""
    copies: list[float] = []

    def prepare() -> None:
        if not options.back_to_back:
            wait_until_idle(product.url)
            copies.append(time_raw_copy(product.url, files["new"]))

    empty_catalogue(product.url)
    if options.back_to_back:
        copies += [time_raw_copy(product.url, files["new"]) for _ in range(2)]
        job = time_import(product.port, files["new"])[1]
        time_undo(product.port, str(job["task_id"]))
    seconds: dict[str, float] = {}
    task_ids: dict[str, str] = {}
    for name, path in files.items():
        prepare()
        seconds[name], job, phases = time_import(product.port, path)
        if options.phases:
            print(f"{name}: {seconds[name]:.2f} s", {phase: round(second, 2) for phase, second in phases.items()})
        check_counts(name, job, options.rows)
        task_ids[name] = str(job["task_id"])
    for name in UNDONE_IMPORTS:
        prepare()
        seconds[f"undo of {name}"] = time_undo(product.port, task_ids[name])
    wait_until_idle(product.url)
    if options.back_to_back:
        copies += [time_raw_copy(product.url, files["new"]) for _ in range(2)]
    return copies, seconds


def check_counts(name: str, job: Job, rows: int) -> None:
    """Exit unless the import did its work; otherwise its time means nothing."""
    updated = {"new": 0, "unchanged": 0, "a tenth changed": rows // 10, "all changed": rows}[name]
    expected = (rows, 0, 0) if name == "new" else (0, updated, rows - updated)
    counts = (job["created_count"], job["updated_count"], job["unchanged_count"])
    if counts != expected:
        sys.exit(f"{name}: created, updated and unchanged are {counts} and should be {expected}")


def is_memory_met(memory_mb: float) -> bool:
    """Print the peak memory of the worker; return whether it is within its bar."""
    is_met = memory_mb <= MAX_MEMORY_MB
    print(
        f"peak resident memory of the worker: {memory_mb:.0f} MB (at most {MAX_MEMORY_MB} MB){'' if is_met else MISSED}"
    )
    return is_met


if __name__ == "__main__":
    main()
