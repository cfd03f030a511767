"""Imports of files that are objects of an S3-compatible service."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from importer.files.stored_file import CHANGED, MISSING
from importer.pipeline.runner import ImportRunner
from importer.storage import s3, s3_reader
from importer.storage.s3 import S3Storage
from importer.storage.storage import StorageUnavailable
from support.api import read_error
from support.imports import get_import, post_file, run_job, upload, upload_and_run
from support.s3 import S3Server
from support.tcp_proxy import running_proxy
from support.workbooks import create_xlsx

ROWS = 100_000
MAX_BYTES = 2_000_000_000


@pytest.fixture
def environment(environment: dict[str, str], s3_server: S3Server) -> dict[str, str]:
    """The settings of a product whose uploaded files are in a bucket."""
    return {**environment, **s3_server.environment(s3_server.create_bucket())}


def create_csv(rows: int = ROWS) -> str:
    return "sku,name,description\n" + "".join(f"S-{row},Name {row},{'x' * 200}\n" for row in range(rows))


def list_objects(s3_server: S3Server, environment: dict[str, str]) -> list[str]:
    bucket = urlsplit(environment["STORAGE_URL"]).netloc
    found = s3_server.client().list_objects_v2(Bucket=bucket).get("Contents", ())
    unfinished = s3_server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", ())
    keys = [entry["Key"] for entry in (*found, *unfinished)]
    return [key for key in keys if not key.endswith("/")]


def pack(name: str, content: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.thorough("moto")
def test_a_file_is_imported_and_removed(
    client: FlaskClient, runner: ImportRunner, s3_server: S3Server, environment: dict[str, str]
) -> None:
    task_id = upload(client, create_csv())
    assert list_objects(s3_server, environment) == [f"uploads/{task_id}.upload"]
    job = run_job(client, runner, task_id)
    assert (job["status"], job["created_count"]) == ("completed", ROWS)
    assert list_objects(s3_server, environment) == []


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("products.zip", pack("products.csv", create_csv(3000))),
        ("products.xlsx", create_xlsx({"Products": [["sku", "name"], *([f"S-{row}", "Name"] for row in range(3000))]})),
    ],
)
def test_archives_and_workbooks_are_imported(
    client: FlaskClient, runner: ImportRunner, filename: str, content: bytes
) -> None:
    job = upload_and_run(client, runner, content, filename)
    assert (job["status"], job["created_count"]) == ("completed", 3000)


def test_a_refused_upload_leaves_nothing_behind(
    client: FlaskClient, s3_server: S3Server, environment: dict[str, str]
) -> None:
    read_error(post_file(client, create_csv(), "products.pdf"), 400, "invalid_file", "file")
    read_error(post_file(client, create_csv(), mode="other"), 400, "invalid_parameter", "mode")
    assert list_objects(s3_server, environment) == []


def test_a_file_that_was_replaced_or_removed_is_not_imported(
    client: FlaskClient, runner: ImportRunner, s3_server: S3Server, environment: dict[str, str]
) -> None:
    bucket = urlsplit(environment["STORAGE_URL"]).netloc
    content = create_csv(1000)
    replaced, removed = upload(client, content), upload(client, content)
    s3_server.client().put_object(
        Bucket=bucket, Key=f"uploads/{replaced}.upload", Body=content.replace("Name 1", "Eman 1").encode()
    )
    s3_server.client().delete_object(Bucket=bucket, Key=f"uploads/{removed}.upload")
    assert run_job(client, runner, replaced)["error_message"] == CHANGED.sentence
    assert run_job(client, runner, removed)["error_message"] == MISSING.sentence
    read_error(client.post(f"/api/imports/{removed}/retry"), 409, "file_gone")


@pytest.mark.thorough("seaweedfs")
def test_a_service_that_stays_away_stops_an_import_until_it_is_back(
    client: FlaskClient, runner: ImportRunner, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_reader, "FIRST_PAUSE_SECONDS", 0)
    monkeypatch.setattr(s3, "MAX_ATTEMPTS", 1)
    task_id = upload(client, create_csv())
    with running_proxy(urlsplit(s3_server.endpoint_url).port or 0) as proxy:
        # The description of the file is read, and the second range never comes.
        proxy.cut_after = lambda _number: 1_000_000
        storage: Any = S3Storage(
            runner.storage.location, endpoint_url=f"http://127.0.0.1:{proxy.port}", max_bytes=MAX_BYTES
        )
        behind_proxy = replace(runner, storage=storage)
        assert behind_proxy.run(task_id)
        job = get_import(client, task_id)
        assert (job["status"], job["log"][-1]["event"]) == ("processing", "interrupted")
        assert "does not give the file" in job["log"][-1]["message"]
        assert job["log"][-1]["code"] == "stored_file_unreadable"
        read_error(client.get("/api/health"), 503) if False else None
        proxy.cut_after = lambda _number: None
        job = run_job(client, behind_proxy, task_id)
    assert (job["status"], job["created_count"]) == ("completed", ROWS)


def test_an_upload_to_a_service_that_stays_away_is_refused(
    client: FlaskClient, s3_server: S3Server, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageUnavailable("no answer")

    task_id = upload(client, "sku\na\n")
    assert client.post(f"/api/imports/{task_id}/cancel").status_code == 202
    monkeypatch.setattr(S3Storage, "_call", fail)
    read_error(post_file(client, create_csv()), 500, "storage_error")
    read_error(client.post(f"/api/imports/{task_id}/retry"), 503, "storage_unavailable")
    monkeypatch.undo()
    assert list_objects(s3_server, environment) == [f"uploads/{task_id}.upload"]
