"""What the benchmarks measure: a catalogue in a file, and the product with a PostgreSQL of its own."""

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
WORKER = ("-m", "celery", "-A", "celery_app", "worker", "--loglevel=WARNING", "--concurrency=1")


@dataclass
class Product:
    """A running product: its database, the port of its web process, its processes."""

    url: str
    port: int
    environment: dict[str, str]
    web: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]

    def start_worker(self) -> None:
        """Starts the worker after it was stopped; returns at once."""
        self.worker = _start(self.environment, *WORKER)

    def stop_worker(self) -> None:
        """Stops the worker and what it started."""
        self.worker.terminate()
        self.worker.wait()


def _start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    # Celery greets on stdout.
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )


@contextmanager
def running_product(folder: Path) -> Iterator[Product]:
    """Starts the product with everything it keeps in `folder`, and stops it in the end."""
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
        web_command = ("-m", "gunicorn", "--log-level", "warning", "-b", f"127.0.0.1:{port}", "app:create_app()")
        web = _start(environment, *web_command)
        stack.callback(web.wait)
        stack.callback(web.terminate)
        product = Product(url, port, environment, web, _start(environment, *WORKER))
        stack.callback(product.stop_worker)
        wait_until_healthy(port)
        yield product


@contextmanager
def running_receiver() -> Iterator[str]:
    """Starts benchmarks/receiver.py; gives its URL, which ends in a slash."""
    command = [sys.executable, "-m", "benchmarks.receiver"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        process.kill()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="acme-bench-") as folder:
        yield Path(folder)


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


def truncate(url: str) -> None:
    """Empties the catalogue."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE products")
    connection.close()


def settle(url: str) -> None:
    """Lets the product and the database finish what the last step left behind, so that no step pays for another."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        while search_indexes.needs_rebuild(cursor) or is_building(cursor) or is_delivering(cursor):
            time.sleep(0.2)
        cursor.execute("VACUUM ANALYZE products")
        cursor.execute("CHECKPOINT")
    connection.close()


def is_building(cursor: Cursor) -> bool:
    """Whether a worker is building search indexes."""
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND query ~* '^(CREATE|DROP|VACUUM)'"
        " AND state = 'active'",
        (Component.SEARCH_INDEX.value,),
    )
    return cursor.fetchone() != (0,)


def is_delivering(cursor: Cursor) -> bool:
    """Whether webhooks are still to be told of something."""
    cursor.execute("SELECT EXISTS (SELECT FROM webhook_deliveries WHERE status = 'pending')")
    return cursor.fetchone() == (True,)


def peak_memory_mb(process: subprocess.Popen[bytes]) -> float:
    """The largest resident memory that any process of the worker has had so far."""
    parent = psutil.Process(process.pid)
    peaks = []
    for member in [parent, *parent.children(recursive=True)]:
        status = Path(f"/proc/{member.pid}/status").read_text()
        peaks.append(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
    return max(peaks)
