"""How fast an import is, as a ratio to a raw COPY of the same file in the same run; and how much memory it takes.

    python -m benchmarks.import_speed [--rows 500000] [--repeat 3]

Starts a PostgreSQL of its own, a web process and a worker, and makes a catalogue. A time runs from the first byte of
the POST to the event `completed` in the client's progress stream. The yardstick is `COPY … FROM STDIN` of the file into
a table with the primary key and the unique index of `products`: no search indexes, no validation, no duplicates, no
progress. The worker builds its search indexes between the imports, and each import meets those of the one before. The
yardstick is taken before every import; ratios are to the median of all of them.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg2
import psycopg2.extensions

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from catalogue import index  # noqa: E402
from embedded import EmbeddedPostgres  # noqa: E402

BARS = {"new": 2.0, "unchanged": 1.2, "a tenth changed": 1.8, "all changed": 3.0}
STALLED_SECONDS = 120
RAW_TABLE = """
DROP TABLE IF EXISTS raw_products;
CREATE TABLE raw_products (LIKE products INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id));
CREATE UNIQUE INDEX ON raw_products (lower(sku) COLLATE "C")
"""
SEND_BYTES = 1 << 20
SAMPLE = ROOT / "tests" / "products-2k.csv"


def write_catalogue(path: Path, rows: int) -> None:
    """Writes a catalogue in the shape of the public sample: about 190 bytes a row, quoted texts of several lines."""
    chance = random.Random(1)
    with SAMPLE.open(newline="", encoding="utf-8") as file:
        sample = list(csv.reader(file))[1:]
    words = sorted({word for _, sku, _ in sample for word in sku.split("-")})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "sku", "description"])
        for number in range(rows):
            name, _, description = chance.choice(sample)
            writer.writerow([name, f"{'-'.join(chance.choices(words, k=3))}-{number}", description])


def write_changed(source: Path, target: Path, every: int, word: str) -> None:
    """Copies a catalogue with `word` before the name in every `every`th row."""
    with source.open(newline="", encoding="utf-8") as old, target.open("w", newline="", encoding="utf-8") as new:
        writer = csv.writer(new, lineterminator="\n")
        for number, row in enumerate(csv.reader(old)):
            if number and number % every == 0:
                row[0] = f"{word} {row[0]}"
            writer.writerow(row)


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


def settle(url: str) -> None:
    """Lets the product and the database finish what the last step left behind, so that no step pays for another."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        while index.is_behind(cursor) or is_building(cursor):
            time.sleep(0.2)
        cursor.execute("VACUUM ANALYZE products")
        cursor.execute("CHECKPOINT")
    connection.close()


def is_building(cursor: psycopg2.extensions.cursor) -> bool:
    """Whether a worker is building search indexes."""
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND query ~* '^(CREATE|DROP|VACUUM)'"
        " AND state = 'active'",
        (index.APPLICATION_NAME,),
    )
    return cursor.fetchone() != (0,)


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


def peak_memory_mb(process: subprocess.Popen[bytes]) -> float:
    """The largest resident memory that any process of the worker has had so far."""
    parent = psutil.Process(process.pid)
    peaks = []
    for member in [parent, *parent.children(recursive=True)]:
        status = Path(f"/proc/{member.pid}/status").read_text()
        peaks.append(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
    return max(peaks)


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument(
        "--repeat", type=int, default=3, help="rounds; the best of each kind is shown beside the median"
    )
    parser.add_argument("--phases", action="store_true", help="show when each phase began")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="acme-bench-")))
        folder.chmod(0o755)
        files = {name: folder / f"{name.replace(' ', '-')}.csv" for name in BARS}
        write_catalogue(files["new"], options.rows)
        files["unchanged"] = files["new"]
        write_changed(files["new"], files["a tenth changed"], 10, "New")
        write_changed(files["new"], files["all changed"], 1, "Other")

        server = EmbeddedPostgres(folder / "postgres")
        url = server.start()
        stack.callback(server.stop)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "DATA_DIR": str(folder / "data"),
            "UPLOAD_DIR": str(folder / "uploads"),
            "SECRET_KEY": "benchmark",
            "CELERY_BROKER_URL": "",
            "CLOUDAMQP_URL": "",
        }

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        start("-m", "gunicorn", "-b", f"127.0.0.1:{port}", "app:create_app()")
        worker = start("-m", "celery", "-A", "celery_app", "worker", "--loglevel=WARNING", "--concurrency=1")
        wait_until_healthy(port)

        raw: list[float] = []
        seconds: dict[str, list[float]] = {name: [] for name in BARS}
        for _ in range(options.repeat):
            truncate(url)
            for name, path in files.items():
                settle(url)
                raw.append(raw_copy(url, files["new"]))
                took, job, phases = timed_import(port, path)
                seconds[name].append(took)
                if options.phases:
                    print(
                        f"{name}: raw {raw[-1]:.2f} s, import {took:.2f} s", {k: round(v, 2) for k, v in phases.items()}
                    )
                check(name, job, options.rows)
        memory = peak_memory_mb(worker)

    yardstick = statistics.median(raw)
    print(f"{options.rows:,} rows, {options.repeat} rounds; raw COPY {yardstick:.2f} s (median of {len(raw)})\n")
    print(f"{'import':<18}{'÷ raw COPY':>12}{'best':>8}{'bar':>8}")
    for name, bar in BARS.items():
        middle, best = statistics.median(seconds[name]) / yardstick, min(seconds[name]) / yardstick
        print(f"{name:<18}{middle:>12.2f}{best:>8.2f}{bar:>8.1f}{'' if middle <= bar else '  MISSED'}")
    print(f"\nworker's peak resident memory: {memory:.0f} MB (bar: 200 MB)")


def truncate(url: str) -> None:
    """Empties the catalogue."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE products")
    connection.close()


def check(name: str, job: dict[str, object], rows: int) -> None:
    """A fast import that did not do its work is no result."""
    changed = {"new": 0, "unchanged": 0, "a tenth changed": rows // 10, "all changed": rows}[name]
    expected = (rows, 0, 0) if name == "new" else (0, changed, rows - changed)
    counts = (job["created_count"], job["updated_count"], job["unchanged_count"])
    if counts != expected:
        sys.exit(f"{name}: created, updated, unchanged are {counts} and should be {expected}")


def wait_until_healthy(port: int) -> None:
    """Waits for the web process and the worker."""
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/api/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit("The web process or the worker did not start.")


if __name__ == "__main__":
    main()
