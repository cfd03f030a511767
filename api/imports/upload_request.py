"""Requests whose uploaded files go straight to UPLOAD_DIR: never into memory, nor into a temporary folder first."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

from flask import Request, current_app, g
from typing_extensions import Buffer

from durable_files import sync_folder

log = logging.getLogger(__name__)

UPLOAD_ENDPOINT = "uploads.upload_file"
UPLOAD_BUFFER_BYTES = 1 << 20


class SeveralFiles(Exception):
    """The form of an upload has more than one file."""


class UploadRequest(Request):
    """A request that stores the files of an upload in the `UploadFolder` of the request."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if self.endpoint == UPLOAD_ENDPOINT:
            return UploadFolder.of_request().open()
        return super()._get_file_stream(total_content_length, content_type, filename, content_length)


class StoredUpload(NamedTuple):
    """A stored file: where it is, its size in bytes, and its SHA-256 in hex."""

    path: Path
    size: int
    sha256: str


class HashedFile(io.FileIO):
    """A file that is written once, from its start to its end, and hashed by a thread meanwhile.

    The checksum is SHA-256. On processors with instructions for it, as those of servers have, it is the fastest strong
    hash of hashlib: twice as fast as BLAKE2b.
    """

    def __init__(self, path: Path) -> None:
        # `close` needs them even if the file cannot be opened.
        self._sha256 = hashlib.sha256()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="upload-hash")
        self._hashing: Future[None] | None = None
        super().__init__(path, "x+")

    def write(self, data: Buffer, /) -> int:
        """Write data at the end of the file; wait until the data before it is hashed."""
        written = super().write(data)
        self._wait()
        self._hashing = self._executor.submit(self._sha256.update, bytes(memoryview(data)[:written]))
        return written

    def hexdigest(self) -> str:
        """Return the checksum of what was written, in hex."""
        self._wait()
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Close the file and end the thread."""
        self._executor.shutdown()
        super().close()

    def _wait(self) -> None:
        if self._hashing:
            self._hashing.result()


class UploadPart(io.BufferedRandom):
    """The buffered `HashedFile` of an upload."""

    def __init__(self, path: Path) -> None:
        self.hashed_file = HashedFile(path)
        super().__init__(self.hashed_file, UPLOAD_BUFFER_BYTES)
        self.path = path


class UploadFolder:
    """The files of one request. They are written into UPLOAD_DIR as they arrive, and removed unless they are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[int, UploadPart] = {}

    @staticmethod
    def of_request() -> UploadFolder:
        """Return the upload folder of the current request."""
        if "upload_folder" not in g:
            g.upload_folder = UploadFolder(current_app.config["SETTINGS"].upload_dir)
        folder: UploadFolder = g.upload_folder
        return folder

    def open(self) -> IO[bytes]:
        """Create a file in the folder for the uploaded file, and return it open for writing and reading.

        Raises `SeveralFiles` if the request had a file already.
        """
        if self._parts:
            raise SeveralFiles
        part = UploadPart(self._folder / f"{uuid.uuid4()}.part")
        self._parts[id(part)] = part
        return part

    def keep(self, stream: IO[bytes], name: str) -> StoredUpload:
        """Close a file that `open` returned, and give it its final name. From now on it survives a power cut."""
        part = self._parts[id(stream)]
        part.flush()
        os.fsync(part.fileno())
        part.path = part.path.rename(self._folder / name)
        sync_folder(self._folder)
        stored = StoredUpload(part.path, part.seek(0, io.SEEK_END), part.hashed_file.hexdigest())
        part.close()
        del self._parts[id(stream)]
        return stored

    def remove_parts(self) -> None:
        """Remove the files that were not kept."""
        for part in self._parts.values():
            part.path.unlink(missing_ok=True)
            try:
                part.close()
            except OSError:
                log.debug("The buffered end of %s did not fit on the disk", part.path)
        self._parts.clear()


def remove_parts(_error: BaseException | None = None) -> None:
    """Remove the files of the current request that were not kept; for `teardown_app_request`."""
    if folder := g.pop("upload_folder", None):
        folder.remove_parts()
