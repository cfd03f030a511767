"""How true the time left of an import is: prints what the product said against what was left.

    python -m benchmarks.time_left [--rows 500000] [--rounds 2] [--neighbours 0] [--every 5]

The benchmark runs its own PostgreSQL, web process and worker, and follows the stream of each import. A state counts if
the run has been going for 10 seconds or more. The time left that it said may differ from the true one by a third, or by
a second if that is more: the page shows whole seconds.

The first import is that of a new installation, which has learned nothing. Then come files with other changes, a check
and an undo, and all of it once more with what the first round has taught.

A fast machine imports 500,000 rows in less than 10 seconds. To get longer runs there, use more rows, take away CPU time
with `nice`, or let `--neighbours` processes compute at the same time. The output says how many there were.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.imports import Job, follow, request_action, upload
from benchmarks.product import (
    Product,
    empty_catalogue,
    running_product,
    temporary_folder,
    wait_until_idle,
    write_catalogue,
    write_changed_catalogue,
)
from benchmarks.results import Results, add_rounds_option, warn_if_busy

KINDS = ("new", "unchanged", "a tenth changed", "all changed", "check", "undo of all changed")
COUNTED_FROM_SECONDS = 10
MAX_DEVIATION = 1 / 3
MAX_DEVIATION_SECONDS = 1.0
EXCEEDED = "  EXCEEDED"
BUSY_PROGRAM = "while True: pass"


class Said(NamedTuple):
    """What the product said at a time of a run: seconds since its start, phase, and time left."""

    at: float
    phase: str
    seconds_left: float | None


def main() -> None:
    """Run the benchmark and print its tables; exit with an error if an estimate was too far off."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    add_rounds_option(parser, 2)
    parser.add_argument("--neighbours", type=int, default=0, help="processes that compute all the time")
    parser.add_argument("--every", type=float, default=5, help="seconds between two printed states of a run")
    options = parser.parse_args()
    warn_if_busy()
    print(f"{options.rows:,} rows, niceness {os.nice(0)}, {options.neighbours} busy neighbours")
    with temporary_folder() as folder, busy_neighbours(options.neighbours), running_product(folder) as product:
        new, tenth, other = (folder / f"{name}.csv" for name in ("new", "tenth", "other"))
        write_catalogue(new, options.rows)
        write_changed_catalogue(new, tenth, 10, "New")
        write_changed_catalogue(new, other, 1, "Other")
        results = Results("highest deviation of the time left", "÷ true", dict.fromkeys(KINDS, MAX_DEVIATION))
        is_true = True
        for number in range(1, options.rounds + 1):
            for kind, task_id in start_jobs(product, new, tenth, other):
                is_right, worst = report(f"round {number}, {kind}", product.port, task_id, options.every)
                is_true &= is_right
                results.add(kind, worst)
            results.end_round()
    print()
    results.print_table()
    sys.exit(not is_true)


def start_jobs(product: Product, new: Path, tenth: Path, other: Path) -> Iterator[tuple[str, str]]:
    """Start the job of each kind once the previous one has ended; yield the kind and the task id."""
    empty_catalogue(product.url)
    task_id = ""
    for kind, path in zip(KINDS, (new, new, tenth, other), strict=False):
        wait_until_idle(product.url)
        task_id = upload(product.port, path)
        yield kind, task_id
    wait_until_idle(product.url)
    check = upload(product.port, new, preview="true")
    yield "check", check
    request_action(product.port, check, "cancel")
    yield "undo of all changed", str(request_action(product.port, task_id, "undo")["task_id"])


@contextmanager
def busy_neighbours(count: int) -> Iterator[None]:
    """Let this number of processes compute until the end of the block."""
    with ExitStack() as stack:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-c", BUSY_PROGRAM])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def report(name: str, port: int, task_id: str, every: float) -> tuple[bool, float]:
    """Follow a job to its end and print what it said; return whether it was true, and the highest deviation."""
    said, seconds = watch(port, task_id)
    print(f"\n{name}: {seconds:.1f} s\n{'at':>8} {'phase':<18}{'said':>8}{'true':>8}{'said ÷ true':>14}")
    printed_at = -every
    worst = 0.0
    for at, phase, left in said:
        truth = seconds - at
        deviation = "" if left is None or truth <= 0 else f"{left / truth:.2f}"
        is_far = left is not None and abs(left - truth) > max(MAX_DEVIATION * truth, MAX_DEVIATION_SECONDS)
        is_counted = at >= COUNTED_FROM_SECONDS
        if is_counted and left is not None and truth > MAX_DEVIATION_SECONDS / MAX_DEVIATION:
            worst = max(worst, abs(left / truth - 1))
        if at - printed_at >= every or (is_counted and is_far):
            printed_at = at
            shown = "-" if left is None else f"{left:.1f}"
            mark = EXCEEDED if is_counted and is_far else ""
            print(f"{at:>8.1f} {phase:<18}{shown:>8}{truth:>8.1f}{deviation:>14}{mark}")
    counted = [one for one in said if one.at >= COUNTED_FROM_SECONDS]
    known = sum(one.seconds_left is not None for one in counted)
    print(
        f"after {COUNTED_FROM_SECONDS} s: {len(counted)} states, {known} with an estimate, off by {worst:.0%} at most"
    )
    is_true = all(
        one.seconds_left is not None
        and abs(one.seconds_left - (seconds - one.at)) <= max(MAX_DEVIATION * (seconds - one.at), MAX_DEVIATION_SECONDS)
        for one in counted
    )
    return is_true, worst


def shown_seconds_left(job: Job) -> float | None:
    """Return the time left that the page shows: the expected one, less the age of the state."""
    left, age = job["seconds_left"], job["seconds_since_update"]
    return max(0.0, left - age) if isinstance(left, float | int) and isinstance(age, float | int) else None


def watch(port: int, task_id: str) -> tuple[list[Said], float]:
    """Return what a job said until it ended or waited for its confirmation, and the seconds from its start to that."""
    started_at: float | None = None
    said: list[Said] = []
    for job in follow(port, task_id):
        now = time.perf_counter()
        if job["status"] == "processing":
            started_at = now if started_at is None else started_at
            said.append(Said(now - started_at, str(job["phase"]), shown_seconds_left(job)))
        elif job["status"] != "pending":
            if job["status"] not in {"completed", "awaiting_confirmation"}:
                sys.exit(f"The job did not complete: {job}")
            return said, now - (now if started_at is None else started_at)
    sys.exit("The stream ended before the job.")


if __name__ == "__main__":
    main()
