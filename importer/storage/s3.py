"""A bucket of an S3-compatible service as a storage: Amazon S3, MinIO, R2, Supabase, Garage, SeaweedFS and others.

boto3 is the client that Amazon maintains. It reads its credentials and its region from the usual `AWS_*` variables.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from database import clock
from importer.storage.s3_reader import RangeReader
from importer.storage.s3_upload import TAIL_SUFFIX, S3Upload
from importer.storage.storage import (
    Hasher,
    ListedFile,
    StorageUnavailable,
    UnusableStorage,
)

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
# The first attempt included, with growing pauses between them.
MAX_ATTEMPTS = 5
# A part has at least 5 MiB, except the last one, and an upload has at most 10,000 parts.
MIN_PART_BYTES = 8 << 20
MAX_PARTS = 10_000
STORED_SUFFIXES = (".upload", TAIL_SUFFIX)
MAX_CONNECTIONS = 20
# The type that Amazon S3 gives an object by default. A service that guesses the type instead, as SeaweedFS does part by
# part, finds text and compresses it: its upload took 2.6 times as much CPU, and reading 9 times.
CONTENT_TYPE = "binary/octet-stream"
SERVER_ERROR = 500
# `InvalidPart` is a part that was removed or replaced.
MISSING_CODES = {"404", "NoSuchKey", "NotFound", "NoSuchUpload", "NoSuchBucket", "InvalidPart"}
FULL_CODES = {"QuotaExceeded", "XMinioStorageFull", "EntityTooLarge", "InsufficientStorage", "ServiceQuotaExceeded"}

Result = TypeVar("Result")


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
