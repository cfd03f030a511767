"""Uploads that go on after something unusual: several writers, parts that are gone, settings that have changed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

import config
from importer.storage.folder import FolderStorage
from importer.storage.s3 import MIN_PART_BYTES, S3Storage
from importer.storage.storage import Storage
from support import tus
from support.api import read_error
from support.database import execute
from support.s3 import S3Server
from support.storage_fixtures import MAX_UPLOAD_BYTES

NAME = "0f5b.upload"
CONTENT = bytes(range(256)) * 8000
LARGE = bytes(range(256)) * (MIN_PART_BYTES // 256 + 10)


def open_s3(server: S3Server, url: str, max_bytes: int = MAX_UPLOAD_BYTES) -> S3Storage:
    return S3Storage(url, endpoint_url=server.endpoint_url, max_bytes=max_bytes)


def test_a_writer_that_begins_late_does_not_change_the_file_of_another(tmp_path: Path) -> None:
    """Both have found that nothing is stored yet. The older one stood still before it opened the file."""
    storage = FolderStorage(tmp_path)
    newer = storage.resume(NAME, 0, {})
    newer.write(CONTENT)
    older = storage.resume(NAME, 0, {})
    older.write(b"older")
    # Only one of them may go on.
    with pytest.raises(OSError, match="Another writer"):
        newer.write(CONTENT)
    newer.release()
    older.write(CONTENT)
    stored = older.finish()
    content = b"older" + CONTENT
    assert (tmp_path / NAME).read_bytes() == content
    assert stored == (NAME, len(content), hashlib.sha256(content).hexdigest())
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_writer_finds_a_file_that_another_renames_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FolderStorage(tmp_path)
    first = storage.create(NAME)
    first.write(CONTENT)
    state = first.checkpoint()
    first.release()
    find_parts = FolderStorage.find_parts
    others: list[Any] = []

    def find_slowly(self: FolderStorage, name: str) -> Iterator[Path]:
        found = list(find_parts(self, name))
        if not others:
            monkeypatch.setattr(FolderStorage, "find_parts", find_parts)
            others.append(storage.resume(NAME, len(CONTENT), state))
        return iter(found)

    monkeypatch.setattr(FolderStorage, "find_parts", find_slowly)
    upload = storage.resume(NAME, len(CONTENT), state)
    upload.write(CONTENT)
    assert upload.finish().sha256 == hashlib.sha256(CONTENT * 2).hexdigest()
    others[0].release()


@pytest.mark.parametrize("size", [1000, MIN_PART_BYTES + 1000])
def test_a_writer_that_stores_less_later_does_not_change_what_another_has_stored(
    open_again: Callable[[], Storage], size: int
) -> None:
    """The connection of the older one hangs until its time is over. Meanwhile, its client uses another process."""
    content = LARGE + CONTENT
    first = open_again().create(NAME)
    first.write(content[:size])
    state = first.checkpoint()
    first.release()
    older = open_again().resume(NAME, size, state)
    older.write(content[size : size + 10])
    newer = open_again().resume(NAME, size, state)
    newer.write(content[size : size + 5000])
    state = newer.checkpoint()
    newer.release()
    with contextlib.suppress(OSError):
        older.checkpoint()
    older.release()
    third = open_again().resume(NAME, size + 5000, state)
    third.write(content[size + 5000 :])
    assert third.finish().sha256 == hashlib.sha256(content).hexdigest()


def test_an_upload_whose_end_is_too_short_cannot_go_on(moto: S3Server, credentials: None) -> None:
    storage = open_s3(moto, moto.create_bucket())
    upload = storage.create(NAME)
    upload.write(CONTENT)
    state = upload.checkpoint()
    upload.release()
    storage.put(state["tails"][-1], CONTENT[:-1])
    with pytest.raises(FileNotFoundError):
        storage.resume(NAME, len(CONTENT), state)


def test_a_long_upload_keeps_two_ends_at_most(moto: S3Server, credentials: None) -> None:
    storage = open_s3(moto, moto.create_bucket())
    upload = storage.create(NAME)
    for _ in range(4):
        upload.write(CONTENT)
        state = upload.checkpoint()
        assert sorted(state["tails"]) == sorted(file.name for file in storage.list_files())
        assert len(state["tails"]) <= 2
    upload.finish()
    assert [file.name for file in storage.list_files()] == [NAME]


def test_an_object_that_was_completed_already_is_complete(moto: S3Server, credentials: None) -> None:
    """The connection breaks after the service has completed the object. Some services then know no upload any more."""
    url = moto.create_bucket()
    storage, other = open_s3(moto, url), open_s3(moto, url)
    upload = storage.create(NAME)
    upload.write(LARGE[:MIN_PART_BYTES])
    etags = upload.checkpoint()["etags"]

    def complete(params: dict[str, Any], **_other: object) -> Any:
        upload_id = params["query_string"]["uploadId"]
        other.complete(NAME, upload_id, [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)])
        error = {"Code": "NoSuchUpload", "Message": "The upload does not exist"}
        return SimpleNamespace(status_code=404), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 404}}

    storage.client.meta.events.register("before-call.s3.CompleteMultipartUpload", complete)
    assert upload.finish().size == MIN_PART_BYTES
    assert storage.exists(NAME)


def test_an_upload_goes_on_after_the_limit_of_its_size_has_changed(moto: S3Server, credentials: None) -> None:
    """Large limits need large parts. All parts of an upload have the same size."""
    url = moto.create_bucket()
    upload = open_s3(moto, url, MIN_PART_BYTES * 2 * 10_000).create(NAME)
    upload.write(LARGE)
    state = upload.checkpoint()
    upload.release()
    storage = open_s3(moto, url)
    second = storage.resume(NAME, len(LARGE), state)
    second.write(LARGE)
    assert second.finish().sha256 == hashlib.sha256(LARGE * 2).hexdigest()
    found = storage.client.head_object(Bucket=urlsplit(url).netloc, Key=f"uploads/{NAME}", PartNumber=1)
    assert found["ContentLength"] == 2 * MIN_PART_BYTES


class TestBucket:
    """The calls of the API, with a bucket as the storage."""

    pytestmark = pytest.mark.usefixtures("own_broker")

    @pytest.fixture
    def environment(self, environment: dict[str, str], seaweedfs: S3Server, credentials: None) -> dict[str, str]:
        """The settings of a product whose uploaded files are in a bucket."""
        return {**environment, **seaweedfs.environment(seaweedfs.create_bucket())}

    def test_an_upload_whose_parts_were_removed_begins_again(
        self, client: FlaskClient, environment: dict[str, str], seaweedfs: S3Server
    ) -> None:
        path = tus.create(client, 3 * len(LARGE))
        assert tus.append(client, path, 0, LARGE).status_code == 204
        bucket = urlsplit(environment["STORAGE_URL"]).netloc
        # As the lifecycle rule of the bucket does.
        for found in seaweedfs.client().list_multipart_uploads(Bucket=bucket)["Uploads"]:
            seaweedfs.client().abort_multipart_upload(Bucket=bucket, Key=found["Key"], UploadId=found["UploadId"])
        read_error(tus.append(client, path, len(LARGE), LARGE), 404, "upload_not_found")
        assert client.head(path, headers=tus.VERSION).status_code == 404

    def test_an_upload_that_began_in_a_folder_begins_again(
        self, client: FlaskClient, settings: config.Settings
    ) -> None:
        path = tus.create(client, 10)
        execute(settings.database_url, "UPDATE uploads SET offset_bytes = 4")
        read_error(tus.append(client, path, 4, b"a\n"), 404, "upload_not_found")
        assert client.head(path, headers=tus.VERSION).status_code == 404
