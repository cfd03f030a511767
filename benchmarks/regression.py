"""Whether this checkout is slower than an older commit, the base: in a minute or two.

    python -m benchmarks.regression [--base COMMIT] [--rows 50000] [--rounds 8] [--seconds 60]

Both versions run at the same time, each with its own PostgreSQL, web process and worker, and with the packages of this
environment. They import the same small files in turn, the other version first in every other round, so a machine that
gets faster or slower favours neither. What counts is the ratio of such a pair. Workers build no search indexes
meanwhile.

A kind of import is suspected if the median of its ratios is above `MAX_RATIO`, the lower quartile is above 1, and so
many ratios are above 1 that chance alone would do it in less than one of 20 runs. Then all is measured once more, and
only a kind that is suspected again fails. So a busy machine makes the benchmark blind rather than wrong. The exit
status is 1 if a kind fails.

The base is the first of these that exists and differs from what is checked out:

1. `--base`, or the environment variable SPEED_BASE;
2. the merge base with `origin/main`, which is what was published before a branch;
3. the commit of record in `.ci/speed-base`, so that many small regressions on `main` add up to one. Who makes the
   product faster, or slower on purpose, puts that commit there.

Without a base, as in a shallow clone, or if only tests and documentation differ from it, nothing is compared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from math import comb
from pathlib import Path

from benchmarks.import_speed import check_counts, write_files
from benchmarks.imports import time_import, time_undo
from benchmarks.product import (
    ROOT,
    Product,
    no_index_builds,
    running_product,
    settle,
    truncate_products,
)
from benchmarks.results import Results, add_rounds_option, warn_if_busy

MAX_RATIO = 1.15
# The probability with which as many slower pairs may come about by chance.
MAX_CHANCE = 0.05
# With fewer pairs, chance alone may make all of them slower.
MIN_PAIRS = 5
# A slow machine may take so many times as long to get them.
GRACE_FACTOR = 1.5
RECORD = ROOT / ".ci" / "speed-base"
PUBLISHED = "origin/main"
# What does not run in the product.
IGNORED_PATHS = tuple(
    f":!{path}" for path in ("tests", "docs", "benchmarks", "tools", "static", ".ci", "*.md", "pyproject.toml")
)
GIT_SECONDS = 60

# This checkout and the base, or the other way round.
Pair = tuple[Product, Product]


class NoBaseError(Exception):
    """There is nothing to compare with. The message says why."""


def main() -> None:
    """Compare the two versions and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default=os.environ.get("SPEED_BASE", ""), help="the commit to compare with")
    parser.add_argument("--rows", type=int, default=50_000)
    add_rounds_option(parser, 8)
    parser.add_argument("--seconds", type=float, default=60, help="start no round after this time")
    options = parser.parse_args()
    try:
        base, reason = find_base(ROOT, options.base)
    except NoBaseError as error:
        print(f"Speed is not compared: {error}")
        return
    print(f"Comparing with {base[:12]}, {reason}.")
    warn_if_busy()
    with tempfile.TemporaryDirectory(prefix="acme-bench-") as folder, ExitStack() as stack:
        path = Path(folder)
        path.chmod(0o755)
        base_root = path / "base-code"
        check_out(ROOT, base, base_root)
        files = write_files(path, options.rows)
        present = stack.enter_context(running_product(path / "present"))
        try:
            old = stack.enter_context(running_product(path / "base", root=base_root))
        except SystemExit:
            print("Speed is not compared: the base does not start with the packages of this environment.")
            return
        for product in (present, old):
            stack.enter_context(no_index_builds(product.url))
        failed = compare((present, old), files, options)
    for kind in failed:
        print(f"SLOWER: {kind} takes more than {MAX_RATIO} times as long as in {base[:12]}.")
    sys.exit(bool(failed))


def find_base(root: Path, wanted: str) -> tuple[str, str]:
    """Return the id of the base and why it was chosen; raise `NoBaseError` if there is none.

    `wanted` is the name of a commit, or empty.
    """
    head = _run_git(root, "rev-parse", "HEAD")
    if wanted:
        candidates = [(_find_commit(root, wanted), "as asked for")]
    else:
        candidates = [
            (_find_merge_base(root), f"the merge base with {PUBLISHED}"),
            (_find_commit(root, _read_record(root)), f"the commit of record in {RECORD.relative_to(ROOT)}"),
        ]
    for base, reason in candidates:
        if base is None:
            continue
        if _run_git(root, "diff", "--name-only", base, "--", ".", *IGNORED_PATHS):
            return base, reason
        # If the published commit itself is checked out, the commit of record is next.
        if base != head:
            raise NoBaseError(f"the product is the same as in {base[:12]}, {reason}.")
    raise NoBaseError(
        f"this clone has no commit {wanted} that differs."
        if wanted
        else f"this clone has no older commit of {PUBLISHED}, and not that of {RECORD.relative_to(ROOT)}."
    )


def _read_record(root: Path) -> str:
    path = root / RECORD.relative_to(ROOT)
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _find_commit(root: Path, name: str) -> str | None:
    with suppress(NoBaseError):
        return _run_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return None


def _find_merge_base(root: Path) -> str | None:
    with suppress(NoBaseError):
        return _run_git(root, "merge-base", "HEAD", PUBLISHED)
    return None


def _run_git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoBaseError(f"git does not run: {error}") from error
    if done.returncode:
        raise NoBaseError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def check_out(root: Path, commit: str, target: Path) -> None:
    """Write the files of a commit into a new folder, without touching the checkout."""
    target.mkdir()
    with subprocess.Popen(["git", "-C", str(root), "archive", commit], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", str(target)], stdin=archive.stdout, check=True)
    if archive.returncode:
        sys.exit(f"git archive of {commit} failed.")


def compare(products: Pair, files: dict[str, Path], options: argparse.Namespace) -> list[str]:
    """Measure both versions, twice if a kind is suspected; print the ratios, and return the kinds that fail."""
    # The first imports of a process are slower.
    time_pairs(products, files, options.rows)
    suspected = measure(products, files, options)
    if not suspected:
        return []
    print(f"Suspected, so measured once more: {', '.join(suspected)}.\n", flush=True)
    again = measure(products, files, options)
    return [kind for kind in suspected if kind in again]


def measure(products: Pair, files: dict[str, Path], options: argparse.Namespace) -> list[str]:
    """Run all rounds and print their ratios; return the suspected kinds."""
    results = Results(f"import of {options.rows:,} rows", "÷ base")
    ratios: dict[str, list[float]] = {}
    started_at, number = time.monotonic(), 0
    while number < options.rounds and time.monotonic() - started_at < options.seconds * (
        1 if number >= MIN_PAIRS else GRACE_FACTOR
    ):
        order = products if number % 2 else products[::-1]
        for kind, seconds in time_pairs(order, files, options.rows).items():
            present, base = seconds[products[0].url], seconds[products[1].url]
            ratios.setdefault(kind, []).append(present / base)
            results.add(kind, present / base, f"base {base:.2f} s")
        results.end_round()
        number += 1
    results.print_table()
    if number < MIN_PAIRS:
        print("The machine is too slow to tell: there were too few rounds.")
    return [kind for kind, values in ratios.items() if is_slower(values)]


def time_pairs(products: Pair, files: dict[str, Path], rows: int) -> dict[str, dict[str, float]]:
    """Import each file, from an empty catalogue on, and undo the last import, each in both products.

    Returns the seconds of each kind by the URL of the product.
    """
    for product in products:
        truncate_products(product.url)
        settle(product.url)
    seconds: dict[str, dict[str, float]] = {}
    task_ids: dict[str, str] = {}
    for kind, path in files.items():
        for product in products:
            value, job, _ = time_import(product.port, path)
            check_counts(kind, job, rows)
            task_ids[product.url] = str(job["task_id"])
            seconds.setdefault(kind, {})[product.url] = value
    for product in products:
        value = time_undo(product.port, task_ids[product.url])
        seconds.setdefault(f"undo of {list(files)[-1]}", {})[product.url] = value
    return seconds


def is_slower(ratios: Sequence[float]) -> bool:
    """Return whether pairs of times show a regression that noise cannot explain."""
    count, slower = len(ratios), sum(ratio > 1 for ratio in ratios)
    if count < MIN_PAIRS:
        return False
    chance = sum(comb(count, number) for number in range(slower, count + 1)) / 2**count
    lower_quartile = statistics.quantiles(ratios, n=4)[0]
    return statistics.median(ratios) > MAX_RATIO and lower_quartile > 1 and chance < MAX_CHANCE


if __name__ == "__main__":
    main()
