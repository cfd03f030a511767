"""How fast an import is, as a ratio to a raw COPY of the same file in the same run; and how much memory it takes.

    python -m benchmarks.import_speed [--rows 500000] [--repeat 3] [--webhooks 0] [--rejects]

Starts a PostgreSQL of its own, a web process and a worker, and makes a catalogue. A time runs from the first byte of
the POST to the event `completed` in the client's progress stream. The yardstick is `COPY … FROM STDIN` of the file into
a table with the primary key and the unique index of `products`: no search indexes, no validation, no duplicates, no
progress. The worker builds its search indexes between the imports, and each import meets those of the one before. The
yardstick is taken before every import; ratios are to the median of all of them. With `--webhooks` so many of them
subscribe to `products.imported`; what they are sent after an import is over before the next one begins. In the end the
imports are undone, the last first.

With `--rejects` files of bad rows are imported instead, each kind beside the same number of good new ones, to which the
ratios are.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2

from benchmarks.bad_files import EVERY_OTHER, KINDS, write_bad
from benchmarks.product import (
    Product,
    peak_memory_mb,
    running_product,
    running_receiver,
    settle,
    temporary_folder,
    truncate,
    write_catalogue,
    write_changed,
)

BARS = {"new": 2.0, "unchanged": 1.2, "a tenth changed": 1.8, "all changed": 3.5}
# Taken back at the end of each round, the last first.
UNDONE = ("all changed", "a tenth changed", "new")
REJECTS_BAR = 1.5
STALLED_SECONDS = 120
RAW_TABLE = """
DROP TABLE IF EXISTS raw_products;
CREATE TABLE raw_products (LIKE products INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id));
CREATE UNIQUE INDEX ON raw_products (lower(sku) COLLATE "C")
"""
SEND_BYTES = 1 << 20


def raw_copy(url: str, path: Path) -> float:
    """The yardstick, in seconds: the file straight into a new table with the indexes of `products`."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(RAW_TABLE)
        connection.commit()
        started = time.perf_counter()
        with path.open("rb") as file:
            cursor.copy_expert("COPY raw_products (name, sku, description) FROM STDIN CSV HEADER", file, SEND_BYTES)
        connection.commit()
        seconds = time.perf_counter() - started
        cursor.execute("DROP TABLE raw_products")
    connection.close()
    return seconds


def upload(port: int, path: Path) -> tuple[str, http.client.HTTPConnection]:
    """Posts the file and returns the task's id."""
    head = (
        b'--frame\r\nContent-Disposition: form-data; name="file"; filename="products.csv"\r\n'
        b"Content-Type: text/csv\r\n\r\n"
    )
    tail = b"\r\n--frame--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.putrequest("POST", "/api/upload")
    connection.putheader("Content-Type", "multipart/form-data; boundary=frame")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
    connection.endheaders()
    connection.send(head)
    with path.open("rb") as file:
        connection.sock.sendfile(file)
    connection.send(tail)
    answer = json.load(connection.getresponse())
    return answer["task_id"], connection


def follow(port: int, task_id: str) -> Iterator[dict[str, object]]:
    """The events of the progress stream."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STALLED_SECONDS)
    connection.request("GET", f"/api/upload/progress/{task_id}/stream")
    for line in connection.getresponse():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def timed_import(port: int, path: Path) -> tuple[float, dict[str, object], dict[str, float]]:
    """Uploads and follows an import: seconds in all, the job's last state, the second at which each phase began."""
    started = time.perf_counter()
    task_id, _ = upload(port, path)
    phases: dict[str, float] = {"uploaded": time.perf_counter() - started}
    job: dict[str, object] = {}
    for job in follow(port, task_id):
        phases.setdefault(str(job["phase"]), time.perf_counter() - started)
    if job.get("status") != "completed":
        sys.exit(f"The import did not complete: {job}")
    return time.perf_counter() - started, job, phases


def timed_undo(port: int, task_id: str) -> float:
    """Takes an import back; the seconds from the request to the undo's last event."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", f"/api/imports/{task_id}/undo")
    undo = json.load(connection.getresponse())
    connection.close()
    job = list(follow(port, undo["task_id"]))[-1]
    if (job.get("status"), job.get("rejected_count"), job.get("unchanged_count")) != ("completed", 0, 0):
        sys.exit(f"The undo did not take everything back: {job}")
    return time.perf_counter() - started


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument(
        "--repeat", type=int, default=3, help="rounds; the best of each kind is shown beside the median"
    )
    parser.add_argument("--webhooks", type=int, default=0, help="how many are told of all products")
    parser.add_argument("--rejects", action="store_true", help="measure files of bad rows")
    parser.add_argument("--phases", action="store_true", help="show when each phase began")
    options = parser.parse_args()
    if options.rejects:
        measure_rejects(options)
        return
    with temporary_folder() as folder:
        files = {name: folder / f"{name.replace(' ', '-')}.csv" for name in BARS}
        write_catalogue(files["new"], options.rows)
        files["unchanged"] = files["new"]
        write_changed(files["new"], files["a tenth changed"], 10, "New")
        write_changed(files["new"], files["all changed"], 1, "Other")
        with running_receiver() as receiver, running_product(folder) as product:
            for number in range(options.webhooks):
                subscribe(product.port, f"{receiver}{number}")
            measure(product, files, options)


def subscribe(port: int, url: str) -> None:
    """Makes a webhook that is told of all that imports write, and of their end."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"url": url, "event_type": "products.imported,import.completed"})
    connection.request("POST", "/api/webhooks", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 201:
        sys.exit(f"The webhook was refused: {answer.read().decode()}")
    connection.close()


def measure(product: Product, files: dict[str, Path], options: argparse.Namespace) -> None:
    """Imports every file as often as asked for, and prints what that took."""
    raw: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in BARS}
    undos: dict[str, list[float]] = {name: [] for name in UNDONE}
    for _ in range(options.repeat):
        truncate(product.url)
        imports: dict[str, str] = {}
        for name, path in files.items():
            settle(product.url)
            raw.append(raw_copy(product.url, files["new"]))
            took, job, phases = timed_import(product.port, path)
            seconds[name].append(took)
            if options.phases:
                began = {phase: round(second, 2) for phase, second in phases.items()}
                print(f"{name}: raw {raw[-1]:.2f} s, import {took:.2f} s", began)
            check(name, job, options.rows)
            imports[name] = str(job["task_id"])
        for name in UNDONE:
            settle(product.url)
            undos[name].append(timed_undo(product.port, imports[name]))
    memory = peak_memory_mb(product.worker)

    yardstick = statistics.median(raw)
    print(f"{options.rows:,} rows, {options.repeat} rounds; raw COPY {yardstick:.2f} s (median of {len(raw)})\n")
    print(f"{'import':<18}{'÷ raw COPY':>12}{'best':>8}{'bar':>8}")
    for name, bar in BARS.items():
        middle, best = statistics.median(seconds[name]) / yardstick, min(seconds[name]) / yardstick
        print(f"{name:<18}{middle:>12.2f}{best:>8.2f}{bar:>8.1f}{'' if middle <= bar else '  MISSED'}")
    for name, measured in undos.items():
        print(f"{f'undo: {name}':<22}{statistics.median(measured) / yardstick:>8.2f}{min(measured) / yardstick:>8.2f}")
    print(f"\nworker's peak resident memory: {memory:.0f} MB (bar: 200 MB)")


def measure_rejects(options: argparse.Namespace) -> None:
    """Imports bad rows of every kind as often as asked for, each time beside good ones, and prints the ratios."""
    kinds = {kind: (kind, 1) for kind in KINDS} | {f"{kind}, every other row": (kind, 2) for kind in EVERY_OTHER}
    ratios: dict[str, list[float]] = {name: [] for name in kinds}
    with temporary_folder() as folder, running_product(folder) as product:
        good, path = folder / "good.csv", folder / "bad.csv"
        write_catalogue(good, options.rows)
        for _ in range(options.repeat):
            settle(product.url)
            truncate(product.url)
            settle(product.url)
            yardstick, job, _ = timed_import(product.port, good)
            check("new", job, options.rows)
            for name, (kind, every) in kinds.items():
                bad = write_bad(good, path, kind, every)
                # Not while a worker builds indexes, which would be a deadlock.
                settle(product.url)
                truncate(product.url)
                settle(product.url)
                took, job, phases = timed_import(product.port, path)
                ratios[name].append(took / yardstick)
                if options.phases:
                    began = {phase: round(second, 2) for phase, second in phases.items()}
                    print(f"{name}: good {yardstick:.2f} s, bad {took:.2f} s", began)
                if (job["rejected_count"], job["created_count"]) != (bad, options.rows - bad):
                    sys.exit(f"{name}: {bad} rows should have been rejected: {job}")
        memory = peak_memory_mb(product.worker)
    print(f"{options.rows:,} rows, {options.repeat} rounds\n\n{'rejects':<40}{'÷ good rows':>12}{'best':>8}{'bar':>8}")
    for name, measured in ratios.items():
        middle, missed = statistics.median(measured), statistics.median(measured) > REJECTS_BAR
        print(f"{name:<40}{middle:>12.2f}{min(measured):>8.2f}{REJECTS_BAR:>8.1f}{'  MISSED' if missed else ''}")
    print(f"\nworker's peak resident memory: {memory:.0f} MB (bar: 200 MB)")


def check(name: str, job: dict[str, object], rows: int) -> None:
    """A fast import that did not do its work is no result."""
    changed = {"new": 0, "unchanged": 0, "a tenth changed": rows // 10, "all changed": rows}[name]
    expected = (rows, 0, 0) if name == "new" else (0, changed, rows - changed)
    counts = (job["created_count"], job["updated_count"], job["unchanged_count"])
    if counts != expected:
        sys.exit(f"{name}: created, updated, unchanged are {counts} and should be {expected}")


if __name__ == "__main__":
    main()
