"""Requests whose uploaded files go straight to the storage: never into memory as a whole, nor into a temporary file."""

from __future__ import annotations

import io
import time
import uuid
from typing import IO, cast

from flask import Request, current_app, g
from typing_extensions import Buffer

import config
from api.imports.storage import storage
from importer.storage.storage import StoredUpload, Upload

UPLOAD_ENDPOINT = "uploads.upload_file"
SECONDS_PER_HOUR = 3600
# Its body is a part of the file of a resumable upload.
APPEND_ENDPOINT = "resumable.append_to_upload"
CREATE_ENDPOINT = "resumable.create_upload"


class SeveralFiles(Exception):
    """The form of an upload has more than one file."""


class UploadTooLong(Exception):
    """The upload takes longer than `UPLOAD_HOURS`."""


class UploadRequest(Request):
    """A request that stores the file of an upload as the `FormUpload` of the request."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if self.endpoint == UPLOAD_ENDPOINT:
            return cast("IO[bytes]", FormUpload.of_request().open())
        return super()._get_file_stream(total_content_length, content_type, filename, content_length)


class _FormFile(io.RawIOBase):
    """An uploaded file as werkzeug writes it: from its start to its end. Then it seeks the start to read it."""

    def __init__(self, upload: Upload, ends_at: float) -> None:
        super().__init__()
        self._upload = upload
        self._ends_at = ends_at

    def write(self, data: Buffer, /) -> int:
        """Write the next bytes. Raise `UploadTooLong` when its time is over."""
        if time.monotonic() > self._ends_at:
            raise UploadTooLong
        block = bytes(data)
        self._upload.write(block)
        return len(block)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Do nothing, because nobody reads the file from here."""
        return offset


class FormUpload:
    """The file of one request. It is stored as it arrives, and removed unless it is kept.

    `task_id` is the id of the import that it gets.
    """

    def __init__(self) -> None:
        self.task_id = uuid.uuid4()
        self._upload: Upload | None = None
        self._has_file = False

    @staticmethod
    def of_request() -> FormUpload:
        """Return the upload of the current request."""
        if "form_upload" not in g:
            g.form_upload = FormUpload()
        upload: FormUpload = g.form_upload
        return upload

    def open(self) -> _FormFile:
        """Begin to store the file, and return it open for writing.

        Raises `SeveralFiles` if the request had a file already.
        """
        if self._has_file:
            raise SeveralFiles
        self._has_file = True
        self._upload = storage().create(f"{self.task_id}.upload")
        settings: config.Settings = current_app.config["SETTINGS"]
        return _FormFile(self._upload, time.monotonic() + settings.upload_hours * SECONDS_PER_HOUR)

    def keep(self) -> StoredUpload:
        """End the upload. From now on the file survives a power cut, and the end of the request."""
        if self._upload is None:
            raise RuntimeError("The form has no file")
        stored = self._upload.finish()
        self._upload = None
        return stored

    def remove(self) -> None:
        """Remove the file if it was not kept."""
        if self._upload is not None:
            self._upload.abort()
            self._upload = None


def remove_upload(_error: BaseException | None = None) -> None:
    """Remove the file of the current request if it was not kept; for `teardown_app_request`."""
    if upload := g.pop("form_upload", None):
        upload.remove()
