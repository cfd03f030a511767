"""Resumable uploads that are interrupted: by a killed process, a storage that fails, or another request."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import config
from api.imports import resumable_body
from importer.jobs import resumable_uploads
from importer.storage.folder import FolderStorage, FolderUpload
from importer.storage.storage import StoredUpload
from support import tus
from support.api import read_error, read_json
from support.database import execute
from support.jobs import read_job

pytestmark = pytest.mark.usefixtures("own_broker")

CONTENT = b"sku,name\n" + b"".join(b"%05d,name\n" % number for number in range(500))


def test_a_repeated_last_request_finds_its_import_and_makes_no_other(
    client: FlaskClient, settings: config.Settings
) -> None:
    path = tus.create(client, 6)
    task_id = tus.task_id_of(tus.append(client, path, 0, b"sku\na\n"))
    again = tus.append(client, path, 6, b"")
    assert (again.status_code, tus.task_id_of(again)) == (204, task_id)
    read_error(tus.append(client, path, 0, b"sku\na\n"), 409, "wrong_offset")
    assert execute(settings.database_url, "SELECT count(*) FROM import_jobs") == [(1,)]


@pytest.mark.parametrize("step", ["before the file has its name", "before the job is committed"])
@pytest.mark.parametrize("way", ["HEAD", "PATCH"])
def test_a_process_that_is_killed_at_the_end_loses_nothing(
    app: Flask, client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch, step: str, way: str
) -> None:
    path = tus.create(client, len(CONTENT))

    class Killed(BaseException):
        """The end of the process."""

    def die(*_: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        if step == "before the file has its name":
            patched.setattr(FolderUpload, "finish", die)
        else:
            patched.setattr(resumable_body, "insert_import", die)
        with pytest.raises(Killed):
            tus.append(client, path, 0, CONTENT)
    app.extensions["running_uploads"].close()
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []
    if way == "HEAD":
        answer = client.head(path, headers=tus.VERSION)
        assert answer.headers["Upload-Offset"] == str(len(CONTENT))
    else:
        answer = tus.append(client, path, len(CONTENT), b"")
    job = read_job(settings.database_url, tus.task_id_of(answer))
    assert (job["file_size"], job["file_sha256"]) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert tus.list_files(settings) == [job["stored_name"]]


def test_an_upload_whose_file_was_removed_begins_again(client: FlaskClient, settings: config.Settings) -> None:
    path = tus.create(client, 10)
    assert tus.append(client, path, 0, b"sku\n").status_code == 204
    for file in settings.upload_dir.iterdir():
        file.unlink()
    read_error(tus.append(client, path, 4, b"a\n"), 404, "upload_not_found")
    assert client.head(path, headers=tus.VERSION).status_code == 404


def test_a_storage_that_fails_keeps_what_was_stored(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tus.create(client, 6)
    assert tus.append(client, path, 0, b"sku\n").status_code == 204

    def fail(_upload: FolderUpload) -> StoredUpload:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(FolderUpload, "finish", fail)
        read_error(tus.append(client, path, 4, b"a\n"), 507, "disk_full")
    answer = client.head(path, headers=tus.VERSION)
    assert answer.headers["Upload-Offset"] == "6"
    job = read_job(settings.database_url, tus.task_id_of(answer))
    assert job["file_sha256"] == hashlib.sha256(b"sku\na\n").hexdigest()


@pytest.mark.parametrize("step", ["before it finds the file", "while it reads the file"])
def test_a_newer_request_recovers_an_upload_in_place_of_an_older_one(
    app: Flask, client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A process was killed after it had stored the file. Then two others are asked for the upload."""
    path = tus.create(client, 4)
    upload_id = path.rpartition("/")[2]
    (settings.upload_dir / f"{upload_id}.upload").write_bytes(b"sku\n")
    execute(settings.database_url, "UPDATE uploads SET offset_bytes = 4")
    name = "exists" if step == "before it finds the file" else "open"
    original: Any = getattr(FolderStorage, name)

    def replace_fence(storage: FolderStorage, name: str) -> Any:
        execute(settings.database_url, "UPDATE uploads SET fence = gen_random_uuid()")
        return original(storage, name)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStorage, name, replace_fence)
        read_error(tus.append(client, path, 4, b""), 409, "upload_taken_over")
    assert tus.task_id_of(client.head(path, headers=tus.VERSION)) == upload_id


def test_a_request_that_was_replaced_does_not_say_that_the_upload_is_gone(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its client would begin again, and the file would be imported twice."""
    path = tus.create(client, 10)
    assert tus.append(client, path, 0, b"sku\n").status_code == 204
    find_parts = FolderStorage.find_parts

    def end_with_another(storage: FolderStorage, name: str) -> Any:
        execute(settings.database_url, "UPDATE uploads SET fence = gen_random_uuid()")
        for part in find_parts(storage, name):
            part.unlink()
        return iter(())

    monkeypatch.setattr(FolderStorage, "find_parts", end_with_another)
    read_error(tus.append(client, path, 4, b"a\n"), 409, "upload_taken_over")
    assert client.head(path, headers=tus.VERSION).status_code == 200


class SlowBody:
    """A body whose second part arrives when the test lets it, or never."""

    def __init__(self, first: bytes, rest: bytes) -> None:
        self._parts = [first, rest]
        self.waits = threading.Event()
        self.may_go_on = threading.Event()

    def read(self, _size: int = -1) -> bytes:
        """Return the next part."""
        if len(self._parts) == 1:
            self.waits.set()
            assert self.may_go_on.wait(60)
        return self._parts.pop(0) if self._parts else b""


def test_the_newest_of_two_requests_goes_on(app: Flask, settings: config.Settings) -> None:
    client = app.test_client()
    path = tus.create(client, len(CONTENT))
    body = SlowBody(CONTENT[:1000], b"x" * 500)
    answers: list[Any] = []

    def send() -> None:
        environ = {"wsgi.input": body, "CONTENT_LENGTH": str(1500)}
        answers.append(app.test_client().patch(path, headers=tus.append_headers(0), environ_overrides=environ))

    sender = threading.Thread(target=send)
    sender.start()
    assert body.waits.wait(60)
    # Another process takes over, while the older request waits for its client.
    execute(settings.database_url, "UPDATE uploads SET fence = gen_random_uuid()")
    time.sleep(resumable_body.PAUSE_SECONDS)
    body.may_go_on.set()
    sender.join()
    read_error(answers[0], 409, "upload_taken_over")
    assert tus.read_offset(client, path) == 0
    assert tus.append(client, path, 0, CONTENT).status_code == 204
    (stored,) = tus.list_files(settings)
    assert (settings.upload_dir / stored).read_bytes() == CONTENT


def test_a_request_whose_file_an_older_one_takes_is_repeated(app: Flask, settings: config.Settings) -> None:
    client = app.test_client()
    path = tus.create(client, len(CONTENT))
    assert tus.append(client, path, 0, CONTENT[:1000]).status_code == 204
    body = SlowBody(CONTENT[1000:2000], CONTENT[2000:])
    answers: list[Any] = []

    def send() -> None:
        environ = {"wsgi.input": body, "CONTENT_LENGTH": str(len(CONTENT) - 1000)}
        answers.append(app.test_client().patch(path, headers=tus.append_headers(1000), environ_overrides=environ))

    sender = threading.Thread(target=send)
    sender.start()
    assert body.waits.wait(60)
    # A process that stood still goes on. It does not know yet that it was replaced.
    name = path.rpartition("/")[2] + ".upload"
    FolderStorage(settings.upload_dir).resume(name, 1000, {}).release()
    body.may_go_on.set()
    sender.join()
    read_error(answers[0], 409, "upload_taken_over")
    offset = tus.read_offset(client, path)
    task_id = tus.task_id_of(tus.append(client, path, offset, CONTENT[offset:]))
    assert read_job(settings.database_url, task_id)["file_sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_a_request_that_takes_too_long_ends_and_the_next_one_goes_on(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tus.create(client, len(CONTENT))
    with monkeypatch.context() as patched:
        patched.setattr(resumable_body, "SECONDS_PER_HOUR", 0)
        patched.setattr(resumable_body, "BLOCK_BYTES", 600)
        read_error(tus.append(client, path, 0, CONTENT), 408, "request_timeout")
    offset = tus.read_offset(client, path)
    assert 0 < offset < len(CONTENT)
    task_id = tus.task_id_of(tus.append(client, path, offset, CONTENT[offset:]))
    assert read_job(settings.database_url, task_id)["file_sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_checkpoints_are_taken_now_and_then(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable_body, "CHECKPOINT_BYTES", 1000)
    monkeypatch.setattr(resumable_body, "BLOCK_BYTES", 600)
    saved: list[int] = []
    save = resumable_uploads.save

    def record(cursor: Any, upload: Any, offset: int, state: Any) -> Any:
        saved.append(offset)
        assert Path(settings.upload_dir / f"{upload.id}.part").stat().st_size == offset
        return save(cursor, upload, offset, state)

    monkeypatch.setattr(resumable_uploads, "save", record)
    path = tus.create(client, len(CONTENT))
    assert tus.append(client, path, 0, CONTENT).status_code == 204
    assert saved == [1200, 2400, 3600, 4800, len(CONTENT)]
    assert read_json(client.get(f"/api/imports/{path.rpartition('/')[2]}"))["status"] == "pending"
