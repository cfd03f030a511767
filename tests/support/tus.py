"""Requests of the protocol tus, as a client makes them, to the application or to a web process."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import config

VERSION = {"Tus-Resumable": "1.0.0"}
BODY_TYPE = "application/offset+octet-stream"


def encode_metadata(**values: str) -> str:
    """Return the header Upload-Metadata for these values."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def creation_headers(length: int, **metadata: str) -> dict[str, str]:
    """Return the headers that create an upload; without a `filename` it is products.csv."""
    metadata = {"filename": "products.csv", **metadata}
    return {**VERSION, "Upload-Length": str(length), "Upload-Metadata": encode_metadata(**metadata)}


def append_headers(offset: int) -> dict[str, str]:
    """Return the headers of a request that sends bytes from an offset on."""
    return {**VERSION, "Upload-Offset": str(offset), "Content-Type": BODY_TYPE}


def checksum_header(content: bytes, algorithm: str = "sha1") -> dict[str, str]:
    """Return the header with the checksum of a body."""
    digest = hashlib.new(algorithm, content).digest()
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}


def create(client: FlaskClient, length: int, **metadata: str) -> str:
    """Create an upload and return its path."""
    response = client.post("/api/uploads", headers=creation_headers(length, **metadata))
    assert response.status_code == 201, response.text
    return response.headers["Location"]


def append(client: FlaskClient, path: str, offset: int, content: bytes, **headers: str) -> TestResponse:
    """Send bytes from an offset on."""
    return client.patch(path, data=content, headers={**append_headers(offset), **headers})


def read_offset(client: FlaskClient, path: str) -> int:
    """Return how much of an upload has arrived."""
    response = client.head(path, headers=VERSION)
    assert response.status_code == 200
    return int(response.headers["Upload-Offset"])


def task_id_of(response: Any) -> str:
    """Return the task id of the import that a response names."""
    location = response.headers["Location"]
    assert location.startswith("/api/imports/")
    return str(location.rpartition("/")[2])


def list_files(settings: config.Settings) -> list[str]:
    """Return the names of the files in the upload folder, sorted."""
    return sorted(path.name for path in settings.upload_dir.iterdir())
