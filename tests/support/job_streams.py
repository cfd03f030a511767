"""Streams of jobs: jobs that no worker knows, changes to them as a worker makes them, and the events of a stream."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import requests

from support.database import execute

# Assignments that end a job.
COMPLETED = "status = 'completed', progress = 100, finished_at = now()"
FAILED = "status = 'failed', error_message = 'No.'"
CANCELLED = "status = 'cancelled'"

# The id and the job of an event.
JobEvent = tuple[int, dict[str, Any]]


def insert_running_job(url: str) -> str:
    """Insert a job that looks as if a worker ran it; return its task id."""
    task_id = str(uuid.uuid4())
    execute(
        url,
        "INSERT INTO import_jobs (task_id, filename, stored_name, file_size, status, announced_at)"
        " VALUES (%s, 'a.csv', 'none', 1, 'processing', now())",
        (task_id,),
    )
    return task_id


def update_job(url: str, task_id: str, assignments: str) -> None:
    """Update the row of a job as a worker does: with a new revision."""
    execute(url, f"UPDATE import_jobs SET revision = revision + 1, {assignments} WHERE task_id = %s", (task_id,))


def parse_events(lines: Iterator[str]) -> Iterator[JobEvent]:
    """Yield the events of a stream, parsed as WHATWG HTML, section 9.2.6, says; comments are skipped."""
    number, data = -1, ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            data += value
        elif not line and data:
            yield number, json.loads(data)
            data = ""
        else:
            assert line == "" or line.startswith((":", "retry: "))


def read_events(response: requests.Response) -> Iterator[JobEvent]:
    """Yield the events of an open stream as they arrive."""
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert "no-cache" in response.headers["Cache-Control"]
    return parse_events(response.iter_lines(chunk_size=1, decode_unicode=True))
