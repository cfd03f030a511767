"""A bucket of an S3-compatible service as a storage: Amazon S3, MinIO, R2, Supabase, Garage, SeaweedFS and others.

boto3 is the client that Amazon maintains. It reads its credentials and its region from the usual `AWS_*` variables.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from database import clock
from importer.storage.s3_reader import RangeReader
from importer.storage.storage import (
    Hasher,
    ListedFile,
    StorageUnavailable,
    StoredUpload,
    UnusableStorage,
    read_back,
)
from monitoring.context import carry

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
# The first attempt included, with growing pauses between them.
MAX_ATTEMPTS = 5
# A part has at least 5 MiB, except the last one, and an upload has at most 10,000 parts.
MIN_PART_BYTES = 8 << 20
MAX_PARTS = 10_000
# Of one upload: with the part that is being filled, this many more parts are in memory.
PARTS_IN_FLIGHT = 2
BLOCK_BYTES = 1 << 20
# What an upload has after its last whole part, until the next request brings more. Each checkpoint has one of its own:
# a writer that was replaced by a newer one, and does not know it yet, must not change the tail of that one.
TAIL_NAME = "{name}.{id}.tail"
STORED_SUFFIXES = (".upload", ".tail")
MAX_CONNECTIONS = 20
# The type that Amazon S3 gives an object by default. A service that guesses the type instead, as SeaweedFS does part by
# part, finds text and compresses it: its upload took 2.6 times as much CPU, and reading 9 times.
CONTENT_TYPE = "binary/octet-stream"
SERVER_ERROR = 500
# `InvalidPart` is a part that was removed or replaced.
MISSING_CODES = {"404", "NoSuchKey", "NotFound", "NoSuchUpload", "NoSuchBucket", "InvalidPart"}
FULL_CODES = {"QuotaExceeded", "XMinioStorageFull", "EntityTooLarge", "InsufficientStorage", "ServiceQuotaExceeded"}

Result = TypeVar("Result")


class S3Upload:
    """An object that is being stored: in one request if it is small, otherwise part by part, several at a time."""

    def __init__(
        self,
        storage: S3Storage,
        name: str,
        *,
        size: int = 0,
        state: dict[str, Any] | None = None,
        tail: bytes = b"",
        hasher: Hasher | None,
    ) -> None:
        state = state or {}
        self.hasher = hasher
        self._storage = storage
        self._name = name
        self._size = size
        self._upload_id: str | None = state.get("upload_id")
        self._etags: list[str] = list(state.get("etags", ()))
        # All parts but the last must have the same size: some services demand it. So that of an upload never changes.
        self._part_bytes: int = state.get("part_bytes", storage.part_bytes)
        # The start of the next part in blocks, which are hashed, and what comes after them.
        self._blocks = [tail] if tail else []
        self._blocks_bytes = len(tail)
        self._rest = bytearray()
        # The tails that are stored: those of the last checkpoint, and of the one before it.
        self._tails: list[str] = list(state.get("tails", ()))
        self._executor = ThreadPoolExecutor(PARTS_IN_FLIGHT, thread_name_prefix="upload-part")
        self._sending: list[Future[str]] = []

    @property
    def size(self) -> int:
        """How many bytes were written."""
        return self._size

    def write(self, data: bytes) -> None:
        """Write the next bytes. Wait if too many parts are being sent."""
        self._rest += data
        self._size += len(data)
        while len(self._rest) >= (wanted := min(BLOCK_BYTES, self._part_bytes - self._blocks_bytes)):
            self._cut_block(wanted)
            if self._blocks_bytes == self._part_bytes:
                self._send()

    def checkpoint(self) -> dict[str, Any]:
        """Wait until all parts are stored. What is too small for a part is stored as an object of its own."""
        self._wait(0)
        self._cut_block(len(self._rest))
        if self._blocks:
            tail = TAIL_NAME.format(name=self._name, id=uuid.uuid4().hex)
            self._storage.put(tail, b"".join(self._blocks))
            # Until this checkpoint is kept, the one before it may still be needed.
            for old in self._tails[:-1]:
                self._storage.delete(old)
            self._tails = [*self._tails[-1:], tail]
        return {
            "upload_id": self._upload_id,
            "etags": [*self._etags],
            "part_bytes": self._part_bytes,
            "tail_bytes": self._blocks_bytes,
            "tails": [*self._tails],
        }

    def finish(self) -> StoredUpload:
        """Store the rest, and make the object appear under its name."""
        self._cut_block(len(self._rest))
        if self._upload_id is None:
            self._storage.put(self._name, b"".join(self._blocks))
        else:
            if self._blocks:
                self._send()
            self._wait(0)
            parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, start=1)]
            self._storage.complete(self._name, self._upload_id, parts)
        self._executor.shutdown()
        self._delete_tails()
        if self.hasher is None:
            self.hasher = read_back(self._storage, self._name)
        stored = StoredUpload(self._name, self._size, self.hasher.hexdigest())
        self.hasher.close()
        return stored

    def abort(self) -> None:
        """Remove what was stored."""
        self.release()
        try:
            if self._upload_id is not None:
                self._storage.abort(self._name, self._upload_id)
            self._delete_tails()
        except OSError as error:
            log.warning("The parts of an upload could not be removed from %s: %s", self._storage.location, error)
        if self.hasher:
            self.hasher.close()

    def release(self) -> None:
        """Wait for the parts that are being sent."""
        self._executor.shutdown(cancel_futures=True)
        self._blocks.clear()
        self._rest.clear()

    def _cut_block(self, size: int) -> None:
        """Make the next block of the part that is being filled."""
        block = bytes(memoryview(self._rest)[:size])
        del self._rest[:size]
        if block:
            if self.hasher:
                self.hasher.add(block)
            self._blocks.append(block)
            self._blocks_bytes += len(block)

    def _send(self) -> None:
        """Send the blocks as the next part."""
        if self._upload_id is None:
            self._upload_id = self._storage.begin(self._name)
        self._wait(PARTS_IN_FLIGHT - 1)
        data = b"".join(self._blocks)
        self._blocks.clear()
        self._blocks_bytes = 0
        number = len(self._etags) + len(self._sending) + 1
        send = self._storage.send_part
        self._sending.append(self._executor.submit(carry(send), self._name, self._upload_id, number, data))

    def _wait(self, allowed: int) -> None:
        """Wait until at most this many parts are being sent."""
        while len(self._sending) > allowed:
            self._etags.append(self._sending.pop(0).result())

    def _delete_tails(self) -> None:
        for name in self._tails:
            self._storage.delete(name)


class S3Storage:
    """The objects of a bucket whose keys begin with a prefix. One upload has at most `max_bytes`."""

    def __init__(self, url: str, *, endpoint_url: str | None, max_bytes: int) -> None:
        parts = urlsplit(url)
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
        self._endpoint_url = endpoint_url
        self._client: Any = None
        self._client_pid = 0
        self.location = url
        self.part_bytes = max(MIN_PART_BYTES, -(-max_bytes // MAX_PARTS))

    @property
    def client(self) -> Any:
        """The client of this process. Its connections must not be shared with a parent process."""
        if self._client_pid != os.getpid():
            self._client = boto3.session.Session().client(
                "s3",
                endpoint_url=self._endpoint_url,
                config=Config(
                    connect_timeout=CONNECT_TIMEOUT_SECONDS,
                    read_timeout=READ_TIMEOUT_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
                    max_pool_connections=MAX_CONNECTIONS,
                    # Services other than Amazon's may not know the newer checksums of parts. The product has a checksum
                    # of each file, and the signature covers a part.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"addressing_style": "path" if self._endpoint_url else "auto"},
                ),
            )
            # boto3 has no parameter for the type of a part.
            self._client.meta.events.register("before-call.s3.UploadPart", _set_content_type)
            self._client_pid = os.getpid()
        return self._client

    def check(self) -> None:
        """Raise `UnusableStorage` if there is no such bucket, or no permission to use it."""
        try:
            self._list_one()
        except StorageUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, (NoCredentialsError, PartialCredentialsError)):
                message = "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another source"
                raise UnusableStorage(message) from None
            if isinstance(cause, ClientError) and cause.response["ResponseMetadata"]["HTTPStatusCode"] < SERVER_ERROR:
                raise UnusableStorage(f"the service refuses the bucket {self._bucket!r}: {cause}") from None
            raise
        except FileNotFoundError:
            raise UnusableStorage(f"there is no bucket {self._bucket!r}: create it, or name another one") from None

    def _list_one(self) -> Any:
        return self._call(lambda: self.client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1))

    def now(self) -> float:
        """Return the time of the service, which its answers have in their header `Date`."""
        date = self._list_one()["ResponseMetadata"]["HTTPHeaders"].get("date")
        return parsedate_to_datetime(date).timestamp() if date else clock.unix_time()

    def require_space(self, size: int) -> None:
        """Do nothing: a service does not say how much space it has."""

    def create(self, name: str) -> S3Upload:
        """Begin to store a file."""
        return S3Upload(self, name, hasher=Hasher())

    def resume(self, name: str, size: int, state: dict[str, Any], hasher: Hasher | None = None) -> S3Upload:
        """Go on with an upload at a checkpoint; raise `FileNotFoundError` if its last bytes were removed."""
        if not size:
            return self.create(name)
        if "tails" not in state:
            raise FileNotFoundError(errno.ENOENT, "The upload was begun in another storage", self.location)
        tail = b""
        *old_tails, last_tail = state["tails"] or [None]
        # The checkpoint is kept by now, so nobody needs the tails of older ones.
        for old in old_tails:
            self.delete(old)
        if state["tail_bytes"]:
            with contextlib.closing(self.open(last_tail)) as file:
                tail = file.readall()[: state["tail_bytes"]]
            if len(tail) < state["tail_bytes"]:
                raise FileNotFoundError(errno.ENOENT, "The end of the upload is not there", self.location)
            state = {**state, "tails": [last_tail]}
        hasher = hasher if hasher and hasher.size == size else None
        return S3Upload(self, name, size=size, state=state, tail=tail, hasher=hasher)

    def open(self, name: str) -> RangeReader:
        """Open a file for reading."""
        key = self._prefix + name
        found = self._call(lambda: self.client.head_object(Bucket=self._bucket, Key=key))
        return RangeReader(self.client, self._bucket, key, size=found["ContentLength"], etag=found["ETag"])

    def exists(self, name: str) -> bool:
        """Return whether a file exists."""
        try:
            self._call(lambda: self.client.head_object(Bucket=self._bucket, Key=self._prefix + name))
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""
        self._call(lambda: self.client.delete_object(Bucket=self._bucket, Key=self._prefix + name))

    def list_files(self) -> Iterator[ListedFile]:
        """Yield the files that uploads have stored. Other objects are not touched, nor those of longer prefixes."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
        )
        for page in self._each(pages):
            for found in page.get("Contents", ()):
                name = found["Key"].removeprefix(self._prefix)
                if name.endswith(STORED_SUFFIXES):
                    yield ListedFile(name, found["LastModified"].timestamp())

    def discard(self, name: str, state: dict[str, Any]) -> None:
        """Remove what an upload has stored, complete or not."""
        if upload_id := state.get("upload_id"):
            self.abort(name, upload_id)
        for tail in state.get("tails", ()):
            self.delete(tail)
        self.delete(name)

    def delete_unfinished(self, before: float, keep: Callable[[str], bool] = lambda _name: False) -> None:
        """Abort uploads by parts that a process began and did not end."""
        pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for page in self._each(pages):
            for found in page.get("Uploads", ()):
                name = found["Key"].removeprefix(self._prefix)
                if found["Initiated"].timestamp() < before and not keep(name):
                    self.abort(name, found["UploadId"])

    def put(self, name: str, data: bytes) -> None:
        """Store a small file."""
        self._call(
            lambda: self.client.put_object(
                Bucket=self._bucket, Key=self._prefix + name, Body=data, ContentType=CONTENT_TYPE
            )
        )

    def begin(self, name: str) -> str:
        """Begin to store a file by parts; return the id of the upload."""
        begun = self._call(
            lambda: self.client.create_multipart_upload(
                Bucket=self._bucket, Key=self._prefix + name, ContentType=CONTENT_TYPE
            )
        )
        return str(begun["UploadId"])

    def send_part(self, name: str, upload_id: str, number: int, data: bytes) -> str:
        """Store a part; return its ETag."""
        sent = self._call(
            lambda: self.client.upload_part(
                Bucket=self._bucket, Key=self._prefix + name, UploadId=upload_id, PartNumber=number, Body=data
            )
        )
        return str(sent["ETag"])

    def complete(self, name: str, upload_id: str, parts: list[dict[str, Any]]) -> None:
        """Make an object of the parts."""
        try:
            self._call(
                lambda: self.client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=self._prefix + name,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": parts},
                )
            )
        except FileNotFoundError:
            # An earlier attempt may have made it, whose response was lost.
            if not self.exists(name):
                raise

    def abort(self, name: str, upload_id: str) -> None:
        """Remove the parts of an upload; do nothing if it has ended."""
        with contextlib.suppress(FileNotFoundError):
            self._call(
                lambda: self.client.abort_multipart_upload(
                    Bucket=self._bucket, Key=self._prefix + name, UploadId=upload_id
                )
            )

    def _each(self, pages: Any) -> Iterator[Any]:
        iterator = iter(pages)
        while (page := self._call(lambda: next(iterator, None))) is not None:
            yield page

    def _call(self, request: Callable[[], Result]) -> Result:
        """Return the result of a request; raise its error as `OSError`."""
        try:
            return request()
        except ClientError as error:
            raise convert_error(error, self.location) from error
        except BotoCoreError as error:
            raise StorageUnavailable(f"{self.location} does not answer: {error}") from error


def _set_content_type(params: dict[str, Any], **_other: object) -> None:
    params["headers"]["Content-Type"] = CONTENT_TYPE


def convert_error(error: ClientError, location: str) -> OSError:
    """Return the `OSError` for the response of a service that refuses a request."""
    code = str(error.response.get("Error", {}).get("Code"))
    if code in MISSING_CODES:
        return FileNotFoundError(errno.ENOENT, "The file is not there", location)
    if code in FULL_CODES:
        return OSError(errno.ENOSPC, f"The storage is full ({code})", location)
    return StorageUnavailable(f"{location} refuses a request: {error}")
