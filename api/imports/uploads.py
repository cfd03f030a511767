"""Uploads: taking a file and making the job of its import."""

from __future__ import annotations

import errno
import logging
import uuid
from pathlib import Path
from typing import IO

from flask import Request, Response, current_app, g, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from api.errors import CODES, ApiError, Failure
from api.imports.routes import announce, client_name
from api.imports.schemas import UploadOptionsSchema, UploadSchema
from api.openapi import INVALID_PARAMETER, Blueprint, load
from api.responses import UploadedSchema
from models import ImportJob, ImportLog, db

log = logging.getLogger(__name__)

blueprint = Blueprint("uploads", __name__, url_prefix="/api", tag="Imports")

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".zip")
FILENAME_MAX_CHARACTERS = 255
UPLOAD_BUFFER_BYTES = 1 << 20
MULTIPART_FRAME_BYTES = 65_536
MAX_DISCARDED_BYTES = 256_000_000

NOT_CSV = "This is not a CSV file: its name must end in .csv, .tsv, .csv.gz, .tsv.gz or .zip."
BAD_FILE = Failure(400, "invalid_file", "Send the CSV file in the multipart field `file`.", ("file",))
FILE_TOO_LARGE = Failure(413, CODES[413], "The file is larger than 2,048 MB, which is the limit.")
STORAGE_ERROR = Failure(500, "storage_error", "The server could not store the file. Check UPLOAD_DIR and try again.")
DISK_FULL = Failure(507, "disk_full", "The server's disk is full, the file was not taken. Make room and try again.")
DISPOSITION = {"schema": {"type": "string"}, "example": 'form-data; name="file"; filename="products.csv"'}
ENCODING = {
    "contentType": "text/csv, text/tab-separated-values, application/gzip, application/zip",
    "headers": {"Content-Disposition": DISPOSITION},
}
CSV_FILE = {"content": {"multipart/form-data": {"encoding": {"file": ENCODING}}}}
LINKS = {
    operation: {"operationId": operation, "parameters": {"task_id": "$response.body#/task_id"}}
    for operation in (
        "getProgress",
        "getImport",
        "listRejects",
        "exportRejects",
        "confirmImport",
        "cancelImport",
        "retryImport",
        "undoImport",
    )
}


@blueprint.post("/upload")
@blueprint.document(operationId="uploadFile", requestBody=CSV_FILE)
@blueprint.takes(UploadSchema, location="files", check=False)
@blueprint.answers(202, UploadedSchema, "The file is taken, its import begins.", links=LINKS)
@blueprint.fails(BAD_FILE, INVALID_PARAMETER, FILE_TOO_LARGE, STORAGE_ERROR, DISK_FULL)
def upload() -> tuple[Response, int]:
    """Import a CSV file

    A header row in any order, with `sku` and, if you like, `name`, `description` and `active`, under these names or
    others that suppliers use. A SKU that exists is changed, one that does not is created; rows that cannot be taken
    are set aside. Follow the import by its `task_id`. With `preview=true` it waits for a confirmation before it writes.
    """
    uploads = UploadFolder.of_request()
    try:
        file = request.files.get("file")
    except OSError as error:
        raise _storage_error(error) from error
    if file is None:
        raise _bad_file("Send the CSV file in the multipart field `file`.")
    filename = Path((file.filename or "").replace("\\", "/")).name.replace("\0", "").strip()
    filename = filename[-FILENAME_MAX_CHARACTERS:]
    if not filename:
        raise _bad_file("The file has no name. Choose a CSV file.")
    if not filename.lower().endswith(SUFFIXES):
        raise _bad_file(NOT_CSV)
    options = load(UploadOptionsSchema(), request.form)
    task_id = uuid.uuid4()
    try:
        file.stream.flush()
        size = file.stream.seek(0, 2)
        stored = uploads.keep(file.stream, f"{task_id}.upload")
    except OSError as error:
        raise _storage_error(error) from error
    job = ImportJob(
        task_id=task_id,
        filename=filename,
        stored_name=stored.name,
        file_size=size,
        wants_preview=options.pop("preview", False),
        started_by=options.pop("started_by", "") or client_name(),
        **options,
    )
    try:
        db.session.add(job)
        db.session.flush()
        db.session.add(ImportLog(job_id=job.id, event="uploaded", message=f"{filename} was taken, {size:,} bytes."))
        db.session.commit()
    except Exception:
        stored.unlink(missing_ok=True)
        raise
    announce(str(task_id))
    return jsonify(task_id=str(task_id), filename=filename, status="pending"), 202


class UploadFolder:
    """The files of one request: written straight into UPLOAD_DIR as they come in, removed unless they are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[int, tuple[IO[bytes], Path]] = {}

    @staticmethod
    def of_request() -> UploadFolder:
        """The upload folder of the request at hand."""
        if "upload_folder" not in g:
            g.upload_folder = UploadFolder(current_app.config["SETTINGS"].upload_dir)
        folder: UploadFolder = g.upload_folder
        return folder

    def open(self) -> IO[bytes]:
        """Opens a new file for a part of the request."""
        path = self._folder / f"{uuid.uuid4()}.part"
        stream = path.open("w+b", buffering=UPLOAD_BUFFER_BYTES)
        self._parts[id(stream)] = (stream, path)
        return stream

    def keep(self, stream: IO[bytes], name: str) -> Path:
        """Gives a part its final name and returns its path."""
        _, path = self._parts.pop(id(stream))
        stream.close()
        return path.rename(self._folder / name)

    def clean(self) -> None:
        """Removes what was not kept."""
        for stream, path in self._parts.values():
            path.unlink(missing_ok=True)
            try:
                stream.close()
            except OSError:
                log.debug("The rest of %s did not fit on the disk", path)
        self._parts.clear()


def _bad_file(sentence: str) -> ApiError:
    return BAD_FILE.error(sentence)


def _storage_error(error: OSError) -> Exception:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DISK_FULL.error()
    log.error("An upload could not be stored: %s", error)
    return STORAGE_ERROR.error()


class UploadRequest(Request):
    """A request whose files go straight to UPLOAD_DIR: never into memory, nor into a temporary folder first."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if self.endpoint == "uploads.upload":
            return UploadFolder.of_request().open()
        return super()._get_file_stream(total_content_length, content_type, filename, content_length)


@blueprint.before_request
def allow_large_files() -> None:
    """Lifts the limit of a request's body for uploads."""
    if request.endpoint == "uploads.upload":
        limit = current_app.config["SETTINGS"].max_upload_mb * 1_000_000 + MULTIPART_FRAME_BYTES
        request.max_content_length = limit
        if (request.content_length or 0) > limit:
            # A client that is cut off while it sends does not read the answer; a little patience lets it.
            _discard(min(request.content_length or 0, MAX_DISCARDED_BYTES))
            raise RequestEntityTooLarge


def _discard(length: int) -> None:
    stream = request.environ["wsgi.input"]
    while length > 0 and (data := stream.read(min(length, UPLOAD_BUFFER_BYTES))):
        length -= len(data)


@blueprint.teardown_app_request
def remove_parts(_error: BaseException | None = None) -> None:
    """A broken upload leaves no file."""
    if folder := g.pop("upload_folder", None):
        folder.clean()
