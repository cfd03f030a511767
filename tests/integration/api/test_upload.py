"""Uploads: what is taken, what is refused, and that nothing stays of an upload that did not become an import."""

from __future__ import annotations

import gzip
import io
import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import api.imports.routes
import celery_app
import config
from importer.pipeline.runner import ImportRunner
from support.database import execute, url_of
from support.jobs import read_job, read_rejects
from support.processes import Processes, run_program
from support.waiting import wait_for

JOB_FIELDS = {
    "id": int,
    "task_id": str,
    "filename": str,
    "status": str,
    "progress": int,
    "total_records": int,
    "processed_records": int,
    "error_message": type(None),
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
    """Files up to 4 MB are taken."""
    return {**environment, "MAX_UPLOAD_MB": "4"}


@pytest.fixture(autouse=True)
def broker(settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker of the test's own."""
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(settings))


def upload(client: FlaskClient, content: bytes = b"sku\na\n", filename: str = "products.csv") -> TestResponse:
    """Uploads a file; the body is built here because the client would put a large one into a temporary file."""
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'.encode()
    body = head + content + b"\r\n--x--\r\n"
    return client.post("/api/upload", data=body, content_type="multipart/form-data; boundary=x")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Checks that an upload was refused in JSON; returns the answer."""
    assert response.status_code == status
    assert response.json is not None
    assert (response.json["status"], response.json["code"]) == (status, code)
    assert response.json["error"].endswith(".")
    return dict(response.json)


def test_an_upload_is_answered_with_the_task_that_imports_it(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    response = upload(client, b"sku,name\na,b\n,c\n", "My products.CSV")
    assert response.status_code == 202
    assert response.json is not None
    task_id = response.json["task_id"]
    assert response.json == {"task_id": str(uuid.UUID(task_id)), "filename": "My products.CSV", "status": "pending"}
    assert (settings.upload_dir / files(settings.upload_dir)[0]).read_bytes() == b"sku,name\na,b\n,c\n"
    assert len(files(settings.upload_dir)) == 1

    job = client.get(f"/api/upload/progress/{task_id}").json
    assert job is not None
    assert {name: type(job[name]) for name in JOB_FIELDS} == JOB_FIELDS
    assert (job["status"], job["progress"], job["phase"]) == ("pending", 0, "queued")

    assert runner.run(task_id) is False
    job = client.get(f"/api/imports/{task_id}").json
    assert job is not None
    assert (job["status"], job["progress"], job["total_records"]) == ("completed", 100, 2)
    assert (job["created_count"], job["rejected_count"], job["processed_records"]) == (1, 1, 2)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert all(job[name].endswith("Z") for name in ("created_at", "updated_at", "started_at", "finished_at"))
    assert files(settings.upload_dir) == []


@pytest.mark.parametrize(
    ("filename", "kept"),
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
    client: FlaskClient, settings: config.Settings, tmp_path: Path, filename: str, kept: str
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.parent != settings.upload_dir}
    response = upload(client, filename=filename)
    assert (response.status_code, response.json and response.json["filename"]) == (202, kept)
    (stored,) = files(settings.upload_dir)
    assert stored == f"{response.json and response.json['task_id']}.upload"
    after = {path for path in tmp_path.rglob("*") if path.parent != settings.upload_dir}
    assert {path for path in after - before if "broker" not in path.parts} <= {settings.data_dir}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"file": "sku\na\n"},
        {"other": (io.BytesIO(b"sku\na\n"), "products.csv")},
        {"file": (io.BytesIO(b"sku\na\n"), "")},
        {"file": (io.BytesIO(b"sku\na\n"), "products.xlsx")},
        {"file": (io.BytesIO(b"sku\na\n"), "products.csv.7z")},
        {"file": (io.BytesIO(b"sku\na\n"), "products")},
        {"file": (io.BytesIO(b"sku\na\n"), "csv")},
        {"file": (io.BytesIO(b"sku\na\n"), "products.csv/..")},
        {"file": (io.BytesIO(b"sku\na\n"), " ")},
    ],
    ids=lambda data: str([value[1] if isinstance(value, tuple) else value for value in data.values()]),
)
def test_what_is_no_csv_file_is_refused(client: FlaskClient, settings: config.Settings, data: dict[str, Any]) -> None:
    copies = {
        name: (io.BytesIO(b"sku\na\n"), value[1]) if isinstance(value, tuple) else value for name, value in data.items()
    }
    body = refused(client.post("/api/upload", data=copies, content_type="multipart/form-data"), 400, "invalid_file")
    assert body["fields"]["file"] == [body["error"]]
    assert files(settings.upload_dir) == []
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/csv", "multipart/form-data", "", "multipart/mixed; boundary=x"]
)
def test_a_body_that_is_no_form_is_refused(client: FlaskClient, settings: config.Settings, content_type: str) -> None:
    refused(client.post("/api/upload", data=b"sku\na\n", content_type=content_type), 400, "invalid_file")
    assert files(settings.upload_dir) == []


def test_only_the_file_of_the_field_file_is_kept(client: FlaskClient, settings: config.Settings) -> None:
    parts = [("file", (io.BytesIO(b"sku\na\n"), "a.csv")), ("file", (io.BytesIO(b"b"), "b.csv"))]
    response = client.post(
        "/api/upload", data={"more": (io.BytesIO(b"c"), "c.csv"), "file": [part for _, part in parts]}
    )
    assert response.status_code == 202
    assert len(files(settings.upload_dir)) == 1


def test_a_job_that_cannot_be_recorded_leaves_no_file(client: FlaskClient, settings: config.Settings) -> None:
    execute(settings.database_url, "ALTER TABLE import_jobs RENAME TO elsewhere")
    refused(upload(client), 500, "internal_error")
    assert files(settings.upload_dir) == []


def test_a_file_over_the_limit_gets_413_and_one_below_it_goes_in(
    client: FlaskClient, settings: config.Settings
) -> None:
    assert "4 MB" in refused(upload(client, b"x" * 4_200_000), 413, "too_large")["error"]
    assert files(settings.upload_dir) == []
    assert upload(client, b"x" * 4_000_000).status_code == 202


def test_a_full_disk_is_told_and_leaves_no_file(client: FlaskClient, settings: config.Settings) -> None:
    options = ("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(settings.upload_dir))
    if os.geteuid() != 0 or subprocess.run(options, capture_output=True, check=False).returncode != 0:
        pytest.skip("Only root, where it may mount a file system, can make a disk that is full.")
    try:
        assert "full" in refused(upload(client, b"x" * 3_000_000), 507, "disk_full")["error"]
        assert files(settings.upload_dir) == []
        assert execute(settings.database_url, "SELECT FROM import_jobs") == []
        assert upload(client, b"x" * 500_000).status_code == 202
    finally:
        run_program("umount", str(settings.upload_dir))


def test_an_upload_is_taken_while_the_broker_is_down(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = replace(settings, celery_broker_url="amqp://guest@127.0.0.1:1//")
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(away))
    response = upload(client)
    assert response.status_code == 202
    assert response.json is not None
    row = read_job(settings.database_url, response.json["task_id"])
    assert (row["status"], row["announced_at"]) == ("pending", None)
    assert len(files(settings.upload_dir)) == 1


def test_a_job_that_is_recorded_is_an_upload_that_was_taken(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = settings.database_url.partition("?")[0].rpartition("/")[2]
    server = url_of(settings.database_url, "postgres")

    def wake(task_id: str) -> bool:
        assert read_job(settings.database_url, task_id)["status"] == "pending"
        execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        execute(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        return True

    # Right behind the commit the database goes away.
    monkeypatch.setattr(api.imports.routes, "wake_import", wake)
    response = upload(client)
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert response.status_code == 202
    assert len(files(settings.upload_dir)) == 1


@pytest.fixture
def web(processes: Processes, free_port: int) -> int:
    """The port of a real web process."""
    processes.start_web(free_port)

    def answers() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{free_port}/", timeout=5).ok
        except requests.ConnectionError:
            return False

    wait_for("the web process answers", answers)
    return free_port


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nsku\r\n'


def request_head(*lines: str) -> bytes:
    head = ("POST /api/upload HTTP/1.1", "Host: localhost", "Content-Type: multipart/form-data; boundary=x", *lines)
    return "\r\n".join([*head, "", ""]).encode()


def test_a_client_that_goes_away_leaves_neither_a_job_nor_a_file(web: int, settings: config.Settings) -> None:
    for framing in ("Content-Length: 900000", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", web)) as client:
            body = PART + b"a\r\n" * 50_000
            chunked = framing.startswith("Transfer")
            client.sendall(request_head(framing) + (b"%x\r\n%s\r\n" % (len(body), body) if chunked else body))
            # The process is in the middle of the file now.
            wait_for("a part of the file", lambda: files(settings.upload_dir))
        wait_for("the part is removed", lambda: files(settings.upload_dir) == [], seconds=10)
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []
    # The process is as well as before.
    answer = requests.post(f"http://127.0.0.1:{web}/api/upload", files={"file": ("a.csv", b"sku\na\n")}, timeout=30)
    assert answer.status_code == 202


def test_a_file_of_unknown_length_is_cut_off_at_the_limit(web: int, settings: config.Settings) -> None:
    def body() -> Iterator[bytes]:
        yield PART
        for _ in range(100):
            yield b"a\r\n" * 20_000
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        answer = requests.post(f"http://127.0.0.1:{web}/api/upload", data=body(), headers=headers, timeout=30)
    except requests.ConnectionError:
        # The answer came before the file was through, and the connection was closed on the rest of it.
        pass
    else:
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    wait_for("the part is removed", lambda: files(settings.upload_dir) == [], seconds=10)
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []


def test_a_file_over_the_limit_is_answered_although_the_client_only_listens_when_it_is_through(web: int) -> None:
    answer = requests.post(
        f"http://127.0.0.1:{web}/api/upload", files={"file": ("a.csv", b"x" * 20_000_000)}, timeout=30
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_gzip_and_rejects_go_through_the_api(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    response = upload(client, gzip.compress(b"sku,name\na,b\nc\n"), "a.csv.gz")
    assert response.json is not None
    runner.run(response.json["task_id"])
    job = read_job(settings.database_url, response.json["task_id"])
    assert (job["status"], job["created_count"]) == ("completed", 1)
    assert read_rejects(settings.database_url, job) == [(3, "wrong_field_count")]
