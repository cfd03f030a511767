"""Limits that an operator sets: each is refused with a sentence when it is reached, and leaves nothing behind."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import config
from api.imports import upload_request
from importer.pipeline.runner import ImportRunner
from importer.storage import folder
from importer.storage.folder import FolderStorage
from support import tus
from support.api import read_error
from support.database import execute
from support.imports import post_file, run_job, upload, upload_and_run
from support.sign_in import create_key, create_user

FILE = "sku,name\na,Lamp\n"
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The settings with low limits."""
    limits = {"MAX_IMPORTS": "3", "MAX_IMPORTS_PER_PERSON": "2", "MAX_EXPORT_ROWS": "10", "DISK_RESERVE_MB": "50"}
    return {**environment, **limits, "MAX_UNFINISHED_UPLOADS_PER_PERSON": "2"}


def list_files(settings: config.Settings) -> list[str]:
    return [path.name for path in settings.upload_dir.iterdir()]


def test_a_person_has_a_limit_of_imports_that_wait_or_run(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    first = upload(client, FILE, started_by="Ann")
    upload(client, FILE, started_by="Ann")
    response = post_file(client, FILE, started_by="Ann")
    assert "You have 2 imports that wait or run, which is the limit." in read_error(response, 429, "too_many_imports")
    assert response.json["details"] == {"limit": 2, "whose": "person"}
    assert int(response.headers["Retry-After"]) > 0
    assert len(list_files(settings)) == 2
    # Others are not held up, until there are too many in total.
    upload(client, FILE, started_by="Bob")
    response = post_file(client, FILE, started_by="Cem")
    assert "3 imports wait or run, which is the limit." in read_error(response, 429, "too_many_imports")
    assert response.json["details"] == {"limit": 3, "whose": "total"}
    run_job(client, runner, first)
    assert post_file(client, FILE, started_by="Ann").status_code == 202


def test_a_retry_counts_like_an_upload(client: FlaskClient) -> None:
    task_id = upload(client, FILE, started_by="Ann")
    assert client.post(f"/api/imports/{task_id}/cancel").status_code == 202
    for _ in range(2):
        upload(client, FILE, started_by="Ann")
    read_error(client.post(f"/api/imports/{task_id}/retry"), 429, "too_many_imports")


def test_a_person_has_a_limit_of_unfinished_uploads(client: FlaskClient, settings: config.Settings) -> None:
    owner = create_user(settings.database_url, "editor")
    keys = [create_key(settings.database_url, owner, {"imports:write"}) for _ in range(2)]
    mine, other = ({"Authorization": f"Bearer {key}"} for key in keys)

    def begin(key: dict[str, str]) -> TestResponse:
        return client.post("/api/uploads", headers={**tus.creation_headers(6), **key})

    first, second = (begin(mine).headers["Location"] for _ in range(2))
    refused = begin(mine)
    message = read_error(refused, 429, "too_many_unfinished_uploads")
    assert message.startswith("You have 2 unfinished uploads, which is the limit. Finish or remove some of them.")
    assert (refused.json or {})["details"] == {"limit": 2, "hours": 24}
    assert int(refused.headers["Retry-After"]) > 0
    assert begin(other).status_code == 201
    # Finished, removed and expired uploads do not count.
    assert tus.append(client, first, 0, b"sku\na\n", **mine).status_code == 204
    third = begin(mine).headers["Location"]
    read_error(begin(mine), 429, "too_many_unfinished_uploads")
    assert client.delete(second, headers={**tus.VERSION, **mine}).status_code == 204
    assert begin(mine).status_code == 201
    expired = third.rpartition("/")[2]
    execute(settings.database_url, "UPDATE uploads SET expires_at = now() WHERE id = %s", [expired])
    assert begin(mine).status_code == 201


def test_an_upload_has_a_limit_of_time(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_request, "SECONDS_PER_HOUR", -1)
    assert "longer than 24 hours" in read_error(post_file(client, FILE), 408, "upload_too_long")
    assert list_files(settings) == []


def test_uploads_leave_a_reserve_of_the_disk(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(10**9, 0, 50_001_000))
    assert post_file(client, FILE).status_code == 202
    read_error(post_file(client, FILE + "x" * 2000), 507, "disk_full")
    assert len(list_files(settings)) == 1


def test_an_upload_of_unknown_size_stops_at_the_reserve_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "SPACE_CHECK_BYTES", 2 * folder.BUFFER_BYTES)
    free = 60_000_000

    def find_usage(_folder: Path) -> Usage:
        return Usage(10**9, 0, free - sum(path.stat().st_size for path in tmp_path.iterdir()))

    monkeypatch.setattr(shutil, "disk_usage", find_usage)
    upload = FolderStorage(tmp_path, reserve_bytes=50_000_000).create("a.upload")

    def write_all() -> Iterator[int]:
        for number in range(60):
            upload.write(bytes(1 << 20))
            yield number

    with pytest.raises(OSError, match="reserved") as raised:
        list(write_all())
    assert raised.value.errno == errno.ENOSPC
    assert 9_000_000 < upload.size < 14_000_000
    upload.abort()
    assert list(tmp_path.iterdir()) == []


def test_an_export_has_a_limit_of_products(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    upload_and_run(client, runner, "sku,name\n" + "".join(f"{row},Lamp {row % 2}\n" for row in range(12)))
    # Products that are not analyzed, and those that are.
    for statement in ("UPDATE products SET name = name", "ANALYZE products"):
        execute(settings.database_url, statement)
        assert "more than 10 products" in read_error(client.get("/api/products/export"), 413, "export_too_large")
        assert client.get("/api/products/export?name=Lamp+1").status_code == 200
    execute(settings.database_url, "DELETE FROM products WHERE sku IN ('0', '1')")
    response = client.get("/api/products/export")
    assert len(response.text.splitlines()) == 11
