"""Requests whose uploaded files go straight to UPLOAD_DIR: never into memory, nor into a temporary folder first."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from typing import IO

from flask import Request, current_app, g

log = logging.getLogger(__name__)

UPLOAD_ENDPOINT = "uploads.upload_file"
UPLOAD_BUFFER_BYTES = 1 << 20


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


class UploadFolder:
    """The files of one request. They are written into UPLOAD_DIR as they arrive, and removed unless they are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[int, tuple[IO[bytes], Path]] = {}

    @staticmethod
    def of_request() -> UploadFolder:
        """Return the upload folder of the current request."""
        if "upload_folder" not in g:
            g.upload_folder = UploadFolder(current_app.config["SETTINGS"].upload_dir)
        folder: UploadFolder = g.upload_folder
        return folder

    def open(self) -> IO[bytes]:
        """Create a file for a part of the request and return it, open for writing and reading."""
        path = self._folder / f"{uuid.uuid4()}.part"
        stream = path.open("w+b", buffering=UPLOAD_BUFFER_BYTES)
        self._parts[id(stream)] = (stream, path)
        return stream

    def keep(self, stream: IO[bytes], name: str) -> Path:
        """Close a file that `open` returned, give it its final name, and return its path."""
        _, path = self._parts.pop(id(stream))
        stream.close()
        return path.rename(self._folder / name)

    def remove_parts(self) -> None:
        """Remove the files that were not kept."""
        for stream, path in self._parts.values():
            path.unlink(missing_ok=True)
            try:
                stream.close()
            except OSError:
                log.debug("The buffered end of %s did not fit on the disk", path)
        self._parts.clear()


def remove_parts(_error: BaseException | None = None) -> None:
    """Remove the files of the current request that were not kept; for `teardown_app_request`."""
    if folder := g.pop("upload_folder", None):
        folder.remove_parts()
