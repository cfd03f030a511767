"""Uploads: which files are accepted, which are refused, and that a failed upload leaves nothing behind."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import socket
import stat
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

import celery_app
import config
import durable_files
from importer.pipeline.runner import ImportRunner
from importer.storage.folder import FolderUpload
from importer.storage.storage import StoredUpload
from support.api import read_error, read_json
from support.database import execute, url_of
from support.imports import get_import
from support.jobs import read_job, read_rejects
from support.processes import Processes, run_program
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

pytestmark = pytest.mark.usefixtures("own_broker")

JOB_FIELDS = {
    "id": int,
    "task_id": str,
    "filename": str,
    "status": str,
    "progress": int,
    "total_records": int,
    "processed_records": int,
    "error_message": type(None),
    "error_code": type(None),
    "error_details": type(None),
    "created_at": str,
    "updated_at": str,
    "phase": str,
    "rows_read": int,
    "rows_written": int,
    "created_count": int,
    "updated_count": int,
    "unchanged_count": int,
    "duplicate_count": int,
    "rejected_count": int,
    "started_at": type(None),
    "finished_at": type(None),
}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A limit of 4 MB for uploads."""
    return {**environment, "MAX_UPLOAD_MB": "4", "DISK_RESERVE_MB": "0"}


def upload(client: FlaskClient, content: bytes = b"sku\na\n", filename: str = "products.csv") -> TestResponse:
    """Upload a file. Flask's client would write the body of a large one to a temporary file, so build it here."""
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'.encode()
    body = head + content + b"\r\n--x--\r\n"
    return client.post("/api/upload", data=body, content_type="multipart/form-data; boundary=x")


def list_files(folder: Path) -> list[str]:
    """Return the names of the files in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def test_an_upload_returns_the_task_that_imports_the_file(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    response = upload(client, b"sku,name\na,b\n,c\n", "My products.CSV")
    body = read_json(response, 202)
    task_id = body["task_id"]
    assert body == {"task_id": str(uuid.UUID(task_id)), "filename": "My products.CSV", "status": "pending"}
    (stored,) = list_files(settings.upload_dir)
    assert (settings.upload_dir / stored).read_bytes() == b"sku,name\na,b\n,c\n"

    job = read_json(client.get(f"/api/upload/progress/{task_id}"))
    assert {name: type(job[name]) for name in JOB_FIELDS} == JOB_FIELDS
    assert (job["status"], job["progress"], job["phase"]) == ("pending", 0, "queued")

    assert runner.run(task_id) is False
    job = get_import(client, task_id)
    assert (job["status"], job["progress"], job["total_records"]) == ("completed", 100, 2)
    assert (job["created_count"], job["rejected_count"], job["processed_records"]) == (1, 1, 2)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert all(job[name].endswith("Z") for name in ("created_at", "updated_at", "started_at", "finished_at"))
    assert list_files(settings.upload_dir) == []


@pytest.mark.parametrize(
    ("filename", "label"),
    [
        ("../../../products.csv", "products.csv"),
        ("..\\..\\products.csv", "....products.csv"),
        ("/etc/products.csv", "products.csv"),
        ("dir.csv/", "dir.csv"),
        ("a%2F..%2Fb.csv", "a%2F..%2Fb.csv"),
        (".csv", ".csv"),
        ("<b>é\U0001f642 'x' .csv", "<b>é\U0001f642 'x' .csv"),
        ("x" * 300 + ".csv", "x" * 251 + ".csv"),
    ],
)
def test_a_filename_is_a_label_and_never_a_path(
    client: FlaskClient, settings: config.Settings, tmp_path: Path, filename: str, label: str
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.parent != settings.upload_dir}
    body = read_json(upload(client, filename=filename), 202)
    assert body["filename"] == label
    assert list_files(settings.upload_dir) == [f"{body['task_id']}.upload"]
    after = {path for path in tmp_path.rglob("*") if path.parent != settings.upload_dir}
    assert {path for path in after - before if "broker" not in path.parts} <= {settings.data_dir}


@pytest.mark.parametrize(
    "filename",
    [
        *("a.csv", "a.TSV", "a.tab", "a.txt", "a.csv.gz", "a.tsv.bz2", "a.txt.xz", "a.csv.zst", "a.zip"),
        *("a.xlsx", "a.xlsm", "a.xlsb", "a.XLS", "a.ods"),
    ],
)
def test_the_names_of_files_that_can_be_imported(client: FlaskClient, filename: str) -> None:
    assert read_json(upload(client, b"sku\na\n", filename), 202)["filename"] == filename


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"file": "sku\na\n"},
        {"other": (io.BytesIO(b"sku\na\n"), "products.csv")},
        {"file": (io.BytesIO(b"sku\na\n"), "")},
        {"file": (io.BytesIO(b"sku\na\n"), "products.pdf")},
        {"file": (io.BytesIO(b"sku\na\n"), "products.gz")},
        {"file": (io.BytesIO(b"sku\na\n"), "products.csv.7z")},
        {"file": (io.BytesIO(b"sku\na\n"), "products")},
        {"file": (io.BytesIO(b"sku\na\n"), "csv")},
        {"file": (io.BytesIO(b"sku\na\n"), "products.csv/..")},
        {"file": (io.BytesIO(b"sku\na\n"), " ")},
    ],
    ids=lambda data: str([value[1] if isinstance(value, tuple) else value for value in data.values()]),
)
def test_a_form_without_a_csv_file_is_refused(
    client: FlaskClient, settings: config.Settings, data: dict[str, Any]
) -> None:
    # The client closes the streams that it sends.
    copies = {
        name: (io.BytesIO(b"sku\na\n"), value[1]) if isinstance(value, tuple) else value for name, value in data.items()
    }
    response = client.post("/api/upload", data=copies, content_type="multipart/form-data")
    message = read_error(response, 400, "invalid_file", "file")
    assert response.json is not None
    assert response.json["fields"]["file"] == [message]
    assert list_files(settings.upload_dir) == []
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/csv", "multipart/form-data", "", "multipart/mixed; boundary=x"]
)
def test_a_body_that_is_not_a_form_is_refused(
    client: FlaskClient, settings: config.Settings, content_type: str
) -> None:
    response = client.post("/api/upload", data=b"sku\na\n", content_type=content_type)
    read_error(response, 400, "invalid_file", "file")
    assert list_files(settings.upload_dir) == []


def test_no_file_stays_if_its_job_cannot_be_inserted(client: FlaskClient, settings: config.Settings) -> None:
    execute(settings.database_url, "ALTER TABLE import_jobs RENAME TO elsewhere")
    read_error(upload(client), 500, "internal_error")
    assert list_files(settings.upload_dir) == []


def test_a_file_and_its_name_are_on_the_disk_before_its_job_is_committed(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, list[str]]] = []
    folder, sync, commit = settings.upload_dir, os.fsync, Session.commit

    def record_sync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        size = 0 if is_folder else os.fstat(descriptor).st_size
        sync(descriptor)
        steps.append(("folder" if is_folder else f"{size:,} bytes", [name[36:] for name in list_files(folder)]))

    def record_commit(session: Session) -> None:
        commit(session)
        steps.append(("commit", [name[36:] for name in list_files(folder)]))

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Session, "commit", record_commit)
    content = b"sku\n" + b"x" * 100_000
    job = read_job(settings.database_url, read_json(upload(client, content), 202)["task_id"])
    # Announcing the job commits a second time.
    assert steps[:3] == [("100,004 bytes", [".part"]), ("folder", [".upload"]), ("commit", [".upload"])]
    assert (job["file_size"], job["file_sha256"]) == (100_004, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("error_number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("failing_call", [1, 2], ids=["file", "folder"])
def test_a_file_that_cannot_be_synced_is_refused_and_leaves_nothing(
    client: FlaskClient,
    settings: config.Settings,
    monkeypatch: pytest.MonkeyPatch,
    error_number: int,
    failing_call: int,
) -> None:
    calls: list[int] = []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == failing_call:
            raise OSError(error_number, os.strerror(error_number))

    monkeypatch.setattr(os, "fsync", fail)
    expected = (507, "disk_full") if error_number == errno.ENOSPC else (500, "storage_error")
    read_error(upload(client), *expected)
    assert len(calls) == failing_call
    assert list_files(settings.upload_dir) == []
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []


def test_a_file_that_cannot_be_synced_while_it_grows_is_refused_and_leaves_nothing(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def fail_once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(durable_files, "EARLY_SYNC_BYTES", 1 << 20)
    monkeypatch.setattr(os, "fsync", fail_once)
    read_error(upload(client, b"sku\n" + b"x" * 3_000_000), 500, "storage_error")
    assert list_files(settings.upload_dir) == []
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []


def test_a_file_over_the_limit_is_refused_and_one_at_the_limit_is_accepted(
    client: FlaskClient, settings: config.Settings
) -> None:
    assert "4 MB" in read_error(upload(client, b"x" * 4_200_000), 413, "too_large")
    assert list_files(settings.upload_dir) == []
    assert upload(client, b"x" * 4_000_000).status_code == 202


def test_a_full_disk_is_an_error_and_leaves_no_file(client: FlaskClient, settings: config.Settings) -> None:
    options = ("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(settings.upload_dir))
    if os.geteuid() != 0 or subprocess.run(options, capture_output=True, check=False).returncode != 0:
        pytest.skip("Only root can mount a small file system, and not on every machine.")
    try:
        assert "full" in read_error(upload(client, b"x" * 3_000_000), 507, "disk_full")
        assert list_files(settings.upload_dir) == []
        assert execute(settings.database_url, "SELECT FROM import_jobs") == []
        assert upload(client, b"x" * 500_000).status_code == 202
    finally:
        run_program("umount", str(settings.upload_dir))


def test_a_storage_error_leaves_no_file_and_no_job(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.upload_dir.rename(settings.upload_dir.with_name("elsewhere"))
    assert "UPLOAD_DIR" in read_error(upload(client), 500, "storage_error")
    settings.upload_dir.mkdir()

    def fail(_upload: FolderUpload) -> StoredUpload:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(FolderUpload, "finish", fail)
    read_error(upload(client), 507, "disk_full")
    assert list_files(settings.upload_dir) == []
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []


def test_a_mapping_of_null_counts_as_none(client: FlaskClient, settings: config.Settings) -> None:
    body = {"file": (io.BytesIO(b"sku\na\n"), "a.csv"), "mapping": "null"}
    task_id = read_json(client.post("/api/upload", data=body), 202)["task_id"]
    assert read_job(settings.database_url, task_id)["mapping"] is None


def test_files_of_other_calls_are_not_stored(app: Flask, client: FlaskClient, settings: config.Settings) -> None:
    app.add_url_rule("/form", view_func=lambda: request.files["file"].read(), methods=["POST"])
    assert client.post("/form", data={"file": (io.BytesIO(b"content"), "a.csv")}).data == b"content"
    assert list_files(settings.upload_dir) == []


def test_an_upload_is_accepted_while_the_broker_is_down(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreachable = replace(settings, celery_broker_url="amqp://guest@127.0.0.1:1//")
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(unreachable))
    job = read_job(settings.database_url, read_json(upload(client), 202)["task_id"])
    assert (job["status"], job["announced_at"]) == ("pending", None)
    assert len(list_files(settings.upload_dir)) == 1


def test_an_upload_is_accepted_although_the_database_goes_away_after_the_commit(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = settings.database_url.partition("?")[0].rpartition("/")[2]
    server = url_of(settings.database_url, "postgres")

    def end_database(task_id: str) -> bool:
        assert read_job(settings.database_url, task_id)["status"] == "pending"
        execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        execute(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        return True

    # The message is sent right after the commit.
    monkeypatch.setattr(celery_app, "wake_import", end_database)
    response = upload(client)
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert response.status_code == 202
    assert len(list_files(settings.upload_dir)) == 1


# To a real web process.


@pytest.fixture
def web(processes: Processes, free_port: int) -> WebProcess:
    """A web process."""
    process = WebProcess(processes, free_port)
    process.start()
    return process


def post_file(web: WebProcess, content: bytes) -> requests.Response:
    """Upload a file to a web process."""
    return requests.post(f"{web.api_url}/upload", files={"file": ("a.csv", content)}, timeout=REQUEST_SECONDS)


# The start of an upload's body: the file without its end.
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nsku\r\n'


def request_head(*lines: str) -> bytes:
    """Return the head of an upload's request with these further headers."""
    head = ("POST /api/upload HTTP/1.1", "Host: localhost", "Content-Type: multipart/form-data; boundary=x", *lines)
    return "\r\n".join([*head, "", ""]).encode()


def test_an_upload_that_is_cut_short_leaves_neither_a_job_nor_a_file(
    web: WebProcess, settings: config.Settings
) -> None:
    for framing in ("Content-Length: 900000", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", web.port)) as client:
            body = PART + b"a\r\n" * 50_000
            chunked = framing.startswith("Transfer")
            client.sendall(request_head(framing) + (b"%x\r\n%s\r\n" % (len(body), body) if chunked else body))
            # Now the process is reading the file.
            wait_for("a part of the file arrives", lambda: list_files(settings.upload_dir))
        wait_for("the part is removed", lambda: list_files(settings.upload_dir) == [], seconds=10)
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []
    # The process still works.
    assert post_file(web, b"sku\na\n").status_code == 202


def test_a_file_of_unknown_length_is_refused_at_the_limit(web: WebProcess, settings: config.Settings) -> None:
    def body() -> Iterator[bytes]:
        yield PART
        for _ in range(100):
            yield b"a\r\n" * 20_000
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        response = requests.post(f"{web.api_url}/upload", data=body(), headers=headers, timeout=REQUEST_SECONDS)
    except requests.ConnectionError:
        # The process responded and closed the connection before it had the whole file.
        pass
    else:
        assert (response.status_code, response.json()["code"]) == (413, "too_large")
    wait_for("the part is removed", lambda: list_files(settings.upload_dir) == [], seconds=10)
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []


def test_a_client_that_reads_only_after_sending_sees_why_its_file_is_refused(web: WebProcess) -> None:
    response = post_file(web, b"x" * 20_000_000)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_compressed_file_is_imported(client: FlaskClient, runner: ImportRunner, settings: config.Settings) -> None:
    task_id = read_json(upload(client, gzip.compress(b"sku,name\na,b\nc\n"), "a.csv.gz"), 202)["task_id"]
    runner.run(task_id)
    job = read_job(settings.database_url, task_id)
    assert (job["status"], job["created_count"]) == ("completed", 1)
    assert read_rejects(settings.database_url, job) == [(3, "wrong_field_count")]
