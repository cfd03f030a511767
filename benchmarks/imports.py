"""Times imports and undos over the API, as a client sees them, and the raw COPY to compare them with."""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2

STREAM_TIMEOUT_SECONDS = 120
BLOCK_BYTES = 1 << 20
EVENT_PREFIX = b"data: "
# As long as those of browsers and curl. The server looks for it in the whole file, and finds longer ones faster.
BOUNDARY = "----BenchmarkFormBoundary0123456789abcdef"
MULTIPART_OPTION = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{{}}"\r\n\r\n{{}}\r\n'
MULTIPART_HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="products.csv"\r\n'
    "Content-Type: text/csv\r\n\r\n"
).encode()
MULTIPART_TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
CREATE_RAW_TABLE_SQL = """
DROP TABLE IF EXISTS raw_products;
CREATE TABLE raw_products (LIKE products INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id));
CREATE UNIQUE INDEX ON raw_products (lower(sku) COLLATE "C")
"""
COPY_RAW_SQL = "COPY raw_products (name, sku, description) FROM STDIN CSV HEADER"

Job = dict[str, object]


def time_raw_copy(url: str, path: Path) -> float:
    """Return the seconds that COPY takes to load the file into a new table with the two unique indexes of products."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(CREATE_RAW_TABLE_SQL)
        connection.commit()
        started_at = time.perf_counter()
        with path.open("rb") as file:
            cursor.copy_expert(COPY_RAW_SQL, file, BLOCK_BYTES)
        connection.commit()
        seconds = time.perf_counter() - started_at
        cursor.execute("DROP TABLE raw_products")
    connection.close()
    return seconds


def upload(port: int, path: Path, **options: str) -> str:
    """Upload a file with the options of its import, and return the task id."""
    head = "".join(MULTIPART_OPTION.format(*option) for option in options.items()).encode() + MULTIPART_HEAD
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.putrequest("POST", "/api/upload")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(MULTIPART_TAIL)))
    connection.endheaders()
    connection.send(head)
    with path.open("rb") as file:
        connection.sock.sendfile(file)
    connection.send(MULTIPART_TAIL)
    job = json.load(connection.getresponse())
    connection.close()
    return str(job["task_id"])


def follow(port: int, task_id: str) -> Iterator[Job]:
    """Yield the states of a job from its progress stream, until it ends."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STREAM_TIMEOUT_SECONDS)
    connection.request("GET", f"/api/upload/progress/{task_id}/stream")
    for line in connection.getresponse():
        if line.startswith(EVENT_PREFIX):
            yield json.loads(line.removeprefix(EVENT_PREFIX))


def time_import(port: int, path: Path, **options: str) -> tuple[float, Job, dict[str, float]]:
    """Import a file; return the seconds that it took, the last state of the job, and the second each phase started."""
    started_at = time.perf_counter()
    task_id = upload(port, path, **options)
    phases: dict[str, float] = {"uploaded": time.perf_counter() - started_at}
    job: Job = {}
    for job in follow(port, task_id):
        phases.setdefault(str(job["phase"]), time.perf_counter() - started_at)
    if job.get("status") != "completed":
        sys.exit(f"The import did not complete: {job}")
    return time.perf_counter() - started_at, job, phases


def request_action(port: int, task_id: str, action: str) -> Job:
    """Request an action on a job, such as "undo", and return the job of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", f"/api/imports/{task_id}/{action}")
    job: Job = json.load(connection.getresponse())
    connection.close()
    return job


def time_undo(port: int, task_id: str) -> float:
    """Undo an import; return the seconds from the request to the end of the undo."""
    started_at = time.perf_counter()
    undo = request_action(port, task_id, "undo")
    job = list(follow(port, str(undo["task_id"])))[-1]
    if (job.get("status"), job.get("rejected_count"), job.get("unchanged_count")) != ("completed", 0, 0):
        sys.exit(f"The undo did not revert every product: {job}")
    return time.perf_counter() - started_at
