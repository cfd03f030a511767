"""What tests of imports share: uploading, working and acting as a client and a worker do."""

from __future__ import annotations

import io
from typing import Any

from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner


def send(client: FlaskClient, content: str | bytes, name: str = "products.csv", **options: Any) -> Any:
    """Uploads a file with options; returns the response."""
    data = content.encode() if isinstance(content, str) else content
    return client.post("/api/upload", data={"file": (io.BytesIO(data), name), **options})


def upload(
    client: FlaskClient, runner: ImportRunner, content: str | bytes, name: str = "products.csv", **options: Any
) -> Any:
    """Uploads a file with options and works on it until it rests; returns the import."""
    answer = send(client, content, name, **options)
    assert answer.status_code == 202, answer.json
    return work(client, runner, answer.json["task_id"])


def work(client: FlaskClient, runner: ImportRunner, task_id: str) -> Any:
    """Does what a worker does; returns the import."""
    while runner.run(task_id):
        pass
    return show(client, task_id)


def show(client: FlaskClient, task_id: str) -> Any:
    """The import with all there is to know of it."""
    answer: Any = client.get(f"/api/imports/{task_id}")
    assert answer.status_code == 200
    return answer.json


def listed(client: FlaskClient, job: Any, what: str, query: str = "") -> Any:
    """A page of an import's rejects or products."""
    answer: Any = client.get(f"/api/imports/{job['task_id']}/{what}{query}")
    assert answer.status_code == 200, answer.json
    return answer.json


def act(client: FlaskClient, job: Any, action: str, status: int = 202, **options: Any) -> Any:
    """Confirms, cancels, retries or undoes an import; returns the answer."""
    answer: Any = client.post(f"/api/imports/{job['task_id']}/{action}", json=options or None)
    assert answer.status_code == status, answer.json
    return answer.json
