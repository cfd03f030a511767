"""What every storage promises, with a folder and with two S3-compatible servers."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from importer.storage.s3 import MIN_PART_BYTES, S3Storage
from importer.storage.storage import FileReplaced, Storage
from support.s3 import S3Server
from support.storage_fixtures import MAX_UPLOAD_BYTES

NAME = "0f5b.upload"
BLOCK_BYTES = 1 << 20
PART_BYTES = MIN_PART_BYTES
MAX_MEMORY_BYTES = 48_000_000


def create_content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def store(storage: Storage, content: bytes, name: str = NAME) -> None:
    upload = storage.create(name)
    write(upload.write, content)
    upload.finish()


def write(write_block: Callable[[bytes], None], content: bytes) -> None:
    stream = io.BytesIO(content)
    while block := stream.read(BLOCK_BYTES):
        write_block(block)


def read(storage: Storage, name: str = NAME) -> bytes:
    with contextlib.closing(storage.open(name)) as file:
        return file.readall() or b""


def names(storage: Storage) -> list[str]:
    return sorted(file.name for file in storage.list_files())


def count_unfinished(storage: Storage) -> int:
    if not isinstance(storage, S3Storage):
        return 0
    bucket = storage.location.split("/")[2]
    return len(storage.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()))


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, 2 * PART_BYTES - 1])
def test_a_file_is_stored_and_read_as_it_was_written(storage: Storage, size: int) -> None:
    content = create_content(size)
    upload = storage.create(NAME)
    write(upload.write, content)
    assert (upload.size, storage.exists(NAME)) == (size, False)
    stored = upload.finish()
    assert stored == (NAME, size, hashlib.sha256(content).hexdigest())
    assert (storage.exists(NAME), names(storage), read(storage)) == (True, [NAME], content)
    storage.delete(NAME)
    storage.delete(NAME)
    assert (storage.exists(NAME), names(storage), count_unfinished(storage)) == (False, [], 0)
    with pytest.raises(FileNotFoundError):
        storage.open(NAME)


@pytest.mark.parametrize("size", [1, 2 * PART_BYTES - 1])
def test_every_request_that_stores_bytes_says_what_s3_assumes_of_them(s3_server: S3Server, size: int) -> None:
    storage = S3Storage(s3_server.create_bucket(), endpoint_url=s3_server.endpoint_url, max_bytes=MAX_UPLOAD_BYTES)
    types = []

    def note_type(request: Any, **_other: object) -> None:
        if request.method == "PUT" or request.url.endswith("?uploads"):
            types.append(request.headers["Content-Type"])

    storage.client.meta.events.register("before-send.s3", note_type)
    store(storage, create_content(size))
    assert set(types) == {b"binary/octet-stream"}


def test_a_reader_reads_any_part_of_a_file(storage: Storage) -> None:
    content = create_content(3 * PART_BYTES + 100)
    store(storage, content)
    with contextlib.closing(io.BufferedReader(storage.open(NAME))) as file:
        assert file.seek(-50, io.SEEK_END) == len(content) - 50
        assert file.read() == content[-50:]
        for start in (PART_BYTES - 10, 5, 2 * PART_BYTES, 0):
            file.seek(start)
            assert file.read(100_000) == content[start : start + 100_000]
            assert file.tell() == start + 100_000
        file.seek(len(content) + 7)
        assert file.read(1) == b""


@pytest.mark.parametrize("size", [100, 2 * PART_BYTES + 100])
def test_an_aborted_upload_leaves_nothing_behind(storage: Storage, size: int) -> None:
    upload = storage.create(NAME)
    write(upload.write, create_content(size))
    upload.abort()
    other = storage.create("1.upload")
    write(other.write, create_content(size))
    other.checkpoint()
    other.abort()
    assert (names(storage), count_unfinished(storage)) == ([], 0)


SIZES = [1, PART_BYTES, 2 * PART_BYTES + 5]


@pytest.mark.thorough("seaweedfs")
@pytest.mark.parametrize("size", SIZES)
def test_another_process_goes_on_with_an_upload(open_again: Callable[[], Storage], size: int) -> None:
    content = create_content(size + PART_BYTES + 1000)
    upload = open_again().create(NAME)
    write(upload.write, content[:size])
    state = json.loads(json.dumps(upload.checkpoint()))
    # What comes after the checkpoint is lost with the process.
    upload.write(b"lost" * 1000)
    upload.release()
    storage = open_again()
    second = storage.resume(NAME, size, state)
    assert (second.size, second.hasher) == (size, None)
    write(second.write, content[size : size + 10])
    state = json.loads(json.dumps(second.checkpoint()))
    second.release()
    third = open_again().resume(NAME, size + 10, state)
    write(third.write, content[size + 10 :])
    stored = third.finish()
    assert stored == (NAME, len(content), hashlib.sha256(content).hexdigest())
    assert (read(storage), names(storage)) == (content, [NAME])
    # The first process may have begun to store parts that nobody knows of.
    storage.delete_unfinished(before=time.time() + 3600)
    assert (read(storage), names(storage), count_unfinished(storage)) == (content, [NAME], 0)


@pytest.mark.thorough("moto")
@pytest.mark.parametrize("size", SIZES[::2])
def test_an_upload_goes_on_at_an_older_checkpoint(open_again: Callable[[], Storage], size: int) -> None:
    content = create_content(size + 2 * PART_BYTES)
    upload = open_again().create(NAME)
    write(upload.write, content[:size])
    state = upload.checkpoint()
    # The process dies before it has recorded where its next checkpoint is.
    write(upload.write, create_content(PART_BYTES + 77))
    upload.checkpoint()
    upload.release()
    second = open_again().resume(NAME, size, state)
    write(second.write, content[size:])
    assert second.finish().sha256 == hashlib.sha256(content).hexdigest()
    assert read(open_again()) == content


def test_a_process_goes_on_with_its_own_checksum(storage: Storage) -> None:
    content = create_content(2 * PART_BYTES)
    upload = storage.create(NAME)
    write(upload.write, content[: PART_BYTES + 3])
    state, hasher = upload.checkpoint(), upload.hasher
    upload.release()
    second = storage.resume(NAME, PART_BYTES + 3, state, hasher)
    assert second.hasher is hasher
    write(second.write, content[PART_BYTES + 3 :])
    assert second.finish().sha256 == hashlib.sha256(content).hexdigest()


def test_uploads_that_did_not_end_are_removed_later(seaweedfs: S3Server, credentials: None) -> None:
    # moto does not say when an upload began.
    storage = S3Storage(seaweedfs.create_bucket(), endpoint_url=seaweedfs.endpoint_url, max_bytes=PART_BYTES)
    upload = storage.create(NAME)
    write(upload.write, create_content(PART_BYTES + 1))
    tails = upload.checkpoint()["tails"]
    upload.release()
    storage.delete_unfinished(before=time.time() - 3600)
    assert (names(storage), count_unfinished(storage)) == (tails, 1)
    storage.delete_unfinished(before=time.time() + 3600)
    assert count_unfinished(storage) == 0


@pytest.mark.parametrize("open_again", ["folder", "seaweedfs"], indirect=True)
def test_an_upload_and_a_reader_need_little_memory(storage: Storage) -> None:
    block = create_content(BLOCK_BYTES)
    upload = storage.create(NAME)
    tracemalloc.start()
    try:
        for _ in range(100):
            upload.write(block)
        upload.finish()
        with contextlib.closing(storage.open(NAME)) as file:
            while file.read(BLOCK_BYTES):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MAX_MEMORY_BYTES


@pytest.mark.thorough("seaweedfs")
def test_an_object_that_is_replaced_while_it_is_read_is_noticed(s3_server: S3Server) -> None:
    storage = S3Storage(s3_server.create_bucket(), endpoint_url=s3_server.endpoint_url, max_bytes=PART_BYTES)
    store(storage, create_content(4 * PART_BYTES))
    with contextlib.closing(storage.open(NAME)) as file:
        assert file.read(10)
        store(storage, create_content(4 * PART_BYTES - 1))
        file.seek(3 * PART_BYTES)
        with pytest.raises(FileReplaced):
            file.read(10)
        storage.delete(NAME)
        file.seek(2 * PART_BYTES)
        with pytest.raises(FileNotFoundError):
            file.read(10)
