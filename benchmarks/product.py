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
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from benchmarks.server import EMBEDDED, ServerChoice, running_server
from catalogue import search_indexes
from database.advisory_locks import LOCK_SQL, SEARCH_INDEX_BUILD_KEY
from database.connect import Component

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
    WHERE application_name = %s AND query ~* '^(CREATE|DROP|VACUUM|REINDEX)' AND state = 'active'
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
    root: Path

    def start_worker(self) -> None:
        """Start the worker again after `stop_worker`, without waiting for it."""
        self.worker = _start(self.root, self.environment, *WORKER_ARGUMENTS)

    def stop_worker(self) -> None:
        """Stop the worker and its child processes."""
        self.worker.terminate()
        self.worker.wait()


def _start(root: Path, environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    # Celery prints a banner to stdout.
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *arguments], cwd=root, env=environment, stdout=subprocess.DEVNULL
    )


@contextmanager
def running_product(
    folder: Path,
    choice: ServerChoice = EMBEDDED,
    root: Path = ROOT,
    changes: Mapping[str, str] | None = None,
) -> Iterator[Product]:
    """Run the product with its data in `folder` until the end of the block.

    `choice` says on which server, `root` is the checkout whose code runs, and `changes` are further settings.
    """
    with ExitStack() as stack:
        folder.mkdir(mode=0o755, exist_ok=True)
        folder.chmod(0o755)
        url = stack.enter_context(running_server(folder / "postgres", choice))
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
            **(changes or {}),
        }
        web_arguments = ("-m", "gunicorn", "--log-level", "warning", "-b", f"127.0.0.1:{port}", "app:create_app()")
        web = _start(root, environment, *web_arguments)
        stack.callback(web.wait)
        stack.callback(web.terminate)
        product = Product(url, port, environment, web, _start(root, environment, *WORKER_ARGUMENTS), root)
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


def empty_catalogue(url: str) -> None:
    """Delete all products once no worker builds indexes, because TRUNCATE and such a build would deadlock."""
    wait_until_idle(url)
    truncate_products(url)
    wait_until_idle(url)


def wait_until_idle(url: str) -> None:
    """Let the product and the database finish the work of the previous step, so that it does not slow the next one."""
    wait_for_product(url)
    settle(url)


def wait_for_product(url: str) -> None:
    """Let the product finish the work of the previous step: it builds search indexes and delivers to webhooks."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        while search_indexes.find_due(cursor) or is_building_indexes(cursor) or is_delivering(cursor):
            time.sleep(POLL_SECONDS)
    connection.close()


def settle(url: str) -> None:
    """Let the database clean up after the previous step."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE products")
        # The role of a database that is not ours may not ask for one.
        with suppress(errors.InsufficientPrivilege):
            cursor.execute("CHECKPOINT")
    connection.close()


@contextmanager
def no_index_builds(url: str) -> Iterator[None]:
    """Keep workers from building search indexes until the end of the block. Waits for the end of a build."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(LOCK_SQL, (SEARCH_INDEX_BUILD_KEY,))
        yield


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
    """Return the highest peak of resident memory among a process and its descendants, in MB.

    Only Linux keeps the peaks of running processes. Elsewhere, the present memory takes their place.
    """
    parent = psutil.Process(process.pid)
    peaks_kb = []
    for member in [parent, *parent.children(recursive=True)]:
        status = Path(f"/proc/{member.pid}/status")
        if status.exists():
            peaks_kb.append(int(status.read_text().partition("VmHWM:")[2].split()[0]))
        else:
            peaks_kb.append(member.memory_info().rss // KB_PER_MB)
    return max(peaks_kb) / KB_PER_MB
