"""Imports through the API: upload a file, let a worker run, act on the job, and read what the API shows of it."""

from __future__ import annotations

import io
from typing import Any

from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

from importer.pipeline.runner import ImportRunner


def post_file(client: FlaskClient, content: str | bytes, filename: str = "products.csv", **options: Any) -> Any:
    """Upload a file with these form fields; return the response. The import waits for a worker."""
    data = content.encode() if isinstance(content, str) else content
    # Flask's client would write a large body to a temporary file and leave it open.
    form = {"file": FileStorage(io.BytesIO(data), filename), **options}
    stream, _, boundary = stream_encode_multipart(form, use_tempfile=False)
    return client.post("/api/upload", data=stream.read(), content_type=f"multipart/form-data; boundary={boundary}")


def upload(client: FlaskClient, content: str | bytes, filename: str = "products.csv", **options: Any) -> Any:
    """Upload a file, which must be accepted; return the task id. The import waits for a worker."""
    response = post_file(client, content, filename, **options)
    assert response.status_code == 202, response.json
    return response.json["task_id"]


def upload_and_run(
    client: FlaskClient, runner: ImportRunner, content: str | bytes, filename: str = "products.csv", **options: Any
) -> Any:
    """Upload a file and run its import until it ends or awaits a confirmation; return the import."""
    return run_job(client, runner, upload(client, content, filename, **options))


def run_job(client: FlaskClient, runner: ImportRunner, task_id: str) -> Any:
    """Run a job as a worker does until it ends or awaits a confirmation; return it."""
    while runner.run(task_id):
        pass
    return get_import(client, task_id)


def get_import(client: FlaskClient, task_id: str) -> Any:
    """Return an import with its details."""
    response: Any = client.get(f"/api/imports/{task_id}")
    assert response.status_code == 200
    return response.json


def list_rejects(client: FlaskClient, task_id: str) -> Any:
    """Return the first page of the rejected rows of an import."""
    response: Any = client.get(f"/api/imports/{task_id}/rejects")
    assert response.status_code == 200, response.json
    return response.json["rejects"]


def list_products(client: FlaskClient, task_id: str, query: str = "") -> Any:
    """Return a page of the products that an import affected, with its pagination."""
    response: Any = client.get(f"/api/imports/{task_id}/products{query}")
    assert response.status_code == 200, response.json
    return response.json


def request_action(client: FlaskClient, task_id: str, action: str, **options: Any) -> Any:
    """Confirm, cancel, retry or undo an import, which must be allowed; return the job that the API answers with."""
    response: Any = client.post(f"/api/imports/{task_id}/{action}", json=options or None)
    assert response.status_code == 202, response.json
    return response.json


def refused_action(client: FlaskClient, task_id: str, action: str, **options: Any) -> Any:
    """Request an action that the state of the import does not allow; return the error."""
    response: Any = client.post(f"/api/imports/{task_id}/{action}", json=options or None)
    assert response.status_code == 409, response.json
    return response.json
