"""The subject of the benchmarks: a generated catalogue, and a running product with its own PostgreSQL."""

from __future__ import annotations

import csv
import http.client
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
from psycopg2.extensions import cursor as Cursor

from catalogue import search_indexes
from database.connect import Component
from embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "tests" / "products-2k.csv"
WORKER_ARGUMENTS = ("-m", "celery", "-A", "celery_app", "worker", "--loglevel=WARNING", "--concurrency=1")
START_SECONDS = 60
REQUEST_SECONDS = 5
POLL_SECONDS = 0.2
KB_PER_MB = 1024
IS_BUILDING_INDEXES_SQL = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE application_name = %s AND query ~* '^(CREATE|DROP|VACUUM)' AND state = 'active'
)
"""
IS_DELIVERING_SQL = "SELECT EXISTS (SELECT FROM webhook_deliveries WHERE status = 'pending')"


@dataclass
class Product:
    """A running product: the URL of its database, the port of its web process, and its processes."""

    url: str
    port: int
    environment: dict[str, str]
    web: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]

    def start_worker(self) -> None:
        """Start the worker again after `stop_worker`, without waiting for it."""
        self.worker = _start(self.environment, *WORKER_ARGUMENTS)

    def stop_worker(self) -> None:
        """Stop the worker and its child processes."""
        self.worker.terminate()
        self.worker.wait()


def _start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    # Celery prints a banner to stdout.
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )


@contextmanager
def running_product(folder: Path) -> Iterator[Product]:
    """Run the product with its data in `folder` until the end of the block."""
    with ExitStack() as stack:
        folder.chmod(0o755)
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
            "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        web_arguments = ("-m", "gunicorn", "--log-level", "warning", "-b", f"127.0.0.1:{port}", "app:create_app()")
        web = _start(environment, *web_arguments)
        stack.callback(web.wait)
        stack.callback(web.terminate)
        product = Product(url, port, environment, web, _start(environment, *WORKER_ARGUMENTS))
        stack.callback(product.stop_worker)
        wait_until_healthy(port)
        yield product


@contextmanager
def running_receiver() -> Iterator[str]:
    """Run benchmarks/receiver.py until the end of the block; gives its URL, which ends with a slash."""
    command = [sys.executable, "-m", "benchmarks.receiver"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        process.kill()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that exists until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="acme-bench-") as folder:
        yield Path(folder)


def wait_until_healthy(port: int) -> None:
    """Wait for the web process and the worker; exit if they do not start within START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
            connection.request("GET", "/api/health")
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            pass
        time.sleep(POLL_SECONDS)
    sys.exit("The web process or the worker did not start.")


def write_catalogue(path: Path, rows: int) -> None:
    """Write a catalogue like the public sample: about 190 bytes per row, with quoted texts of several lines."""
    rng = random.Random(1)
    with SAMPLE.open(newline="", encoding="utf-8") as file:
        sample = list(csv.reader(file))[1:]
    words = sorted({word for _, sku, _ in sample for word in sku.split("-")})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "sku", "description"])
        for number in range(rows):
            name, _, description = rng.choice(sample)
            writer.writerow([name, f"{'-'.join(rng.choices(words, k=3))}-{number}", description])


def write_changed_catalogue(source: Path, target: Path, every: int, prefix: str) -> None:
    """Copy a catalogue and put `prefix` before the name in every `every`th row."""
    with source.open(newline="", encoding="utf-8") as old, target.open("w", newline="", encoding="utf-8") as new:
        writer = csv.writer(new, lineterminator="\n")
        for number, row in enumerate(csv.reader(old)):
            if number and number % every == 0:
                row[0] = f"{prefix} {row[0]}"
            writer.writerow(row)


def truncate_products(url: str) -> None:
    """Delete all products."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE products")
    connection.close()


def wait_until_idle(url: str) -> None:
    """Let the product and the database finish the work of the previous step, so that it does not slow the next one."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        while search_indexes.find_due(cursor) or is_building_indexes(cursor) or is_delivering(cursor):
            time.sleep(POLL_SECONDS)
        cursor.execute("VACUUM ANALYZE products")
        cursor.execute("CHECKPOINT")
    connection.close()


def is_building_indexes(cursor: Cursor) -> bool:
    """Return whether a worker builds search indexes."""
    cursor.execute(IS_BUILDING_INDEXES_SQL, (Component.SEARCH_INDEX.value,))
    return cursor.fetchone() == (True,)


def is_delivering(cursor: Cursor) -> bool:
    """Return whether webhook deliveries are pending."""
    cursor.execute(IS_DELIVERING_SQL)
    return cursor.fetchone() == (True,)


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Return the CPU time that a process and its descendants have used."""
    parent = psutil.Process(process.pid)
    used = [member.cpu_times() for member in [parent, *parent.children(recursive=True)]]
    return sum(part.user + part.system for part in used)


def peak_memory_mb(process: subprocess.Popen[bytes] | psutil.Process) -> float:
    """Return the highest peak of resident memory among a process and its descendants, in MB."""
    parent = psutil.Process(process.pid)
    peaks_kb = []
    for member in [parent, *parent.children(recursive=True)]:
        status = Path(f"/proc/{member.pid}/status").read_text()
        peaks_kb.append(int(status.partition("VmHWM:")[2].split()[0]))
    return max(peaks_kb) / KB_PER_MB
