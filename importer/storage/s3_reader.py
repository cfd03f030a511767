"""Reads an object of an S3-compatible service in ranges, ahead of the reader."""

from __future__ import annotations

import errno
import io
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import Buffer
from urllib3.exceptions import HTTPError

from importer.storage.storage import FileReplaced, StorageUnavailable
from monitoring.context import carry

RANGE_BYTES = 8 << 20
BLOCK_BYTES = 1 << 18
# While one range is read from memory, this many more are on their way or wait.
RANGES_AHEAD = 1
# A connection may break in the middle of a range. The client repeats requests, but does not read bodies again.
MAX_ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.2
# The object has another ETag now.
REPLACED_CODES = {"PreconditionFailed", "412"}
MISSING_CODES = {"404", "NoSuchKey", "NotFound"}


class RangeReader(io.RawIOBase):
    """An object as a file for reading. It must have the same ETag from the first read to the last."""

    def __init__(self, client: Any, bucket: str, key: str, *, size: int, etag: str) -> None:
        super().__init__()
        self._client = client
        self._bucket = bucket
        self._key = key
        self._etag = etag
        self._position = 0
        self._ranges: dict[int, Future[memoryview]] = {}
        self._executor = ThreadPoolExecutor(RANGES_AHEAD + 1, thread_name_prefix="range")
        self.size = size

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Change the position and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "The position is before the start")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        """Read at least one byte, unless the file ends here; return how many.

        Raises `FileReplaced` if the object is no longer the one that was opened, and `StorageUnavailable`.
        """
        target = memoryview(buffer).cast("B")
        if self._position >= self.size or not target:
            return 0
        first, start = divmod(self._position, RANGE_BYTES)
        self._fetch(first)
        data = self._ranges[first].result()[start : start + len(target)]
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file; what is on its way is discarded."""
        if not self.closed:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._ranges.clear()
        super().close()

    def _fetch(self, first: int) -> None:
        """Begin to read a range and those that follow it, and forget the others."""
        last = min(first + RANGES_AHEAD, (self.size - 1) // RANGE_BYTES)
        for number in [number for number in self._ranges if not first <= number <= last]:
            self._ranges.pop(number).cancel()
        for number in range(first, last + 1):
            if number not in self._ranges:
                self._ranges[number] = self._executor.submit(carry(self._read_range), number)

    def _read_range(self, number: int) -> memoryview:
        start = number * RANGE_BYTES
        end = min(start + RANGE_BYTES, self.size)
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                data = self._request(start, end)
                if len(data) == end - start:
                    return data
                error: Exception = OSError(f"{len(data)} bytes instead of {end - start}")
            except ClientError as refusal:
                code = str(refusal.response.get("Error", {}).get("Code"))
                status = refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                if code in REPLACED_CODES:
                    raise FileReplaced from None
                if code in MISSING_CODES:
                    raise FileNotFoundError(errno.ENOENT, "The file is no longer there", self._key) from None
                if status < 500:
                    raise StorageUnavailable(f"{self._key} cannot be read: {refusal}") from refusal
                error = refusal
            except (BotoCoreError, HTTPError, OSError) as failure:
                error = failure
            if attempt < MAX_ATTEMPTS:
                time.sleep(pause)
                pause *= 2
        raise StorageUnavailable(f"{self._key} cannot be read: {error}") from error

    def _request(self, start: int, end: int) -> memoryview:
        response = self._client.get_object(
            Bucket=self._bucket, Key=self._key, Range=f"bytes={start}-{end - 1}", IfMatch=self._etag
        )
        # Reading the whole body at once would need the memory twice.
        data = memoryview(bytearray(end - start))
        read = 0
        with response["Body"] as body:
            while read < len(data) and (count := body.readinto(data[read : read + BLOCK_BYTES])):
                read += count
        return data[:read]
