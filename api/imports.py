"""Uploads and imports: taking a file, telling how far its job is."""

from __future__ import annotations

import errno
import json
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from flask import Request, Response, current_app, g, jsonify, request
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import RequestEntityTooLarge

from api.answers import ImportSchema, ImportsSchema, RejectsSchema, UploadedSchema
from api.errors import CODES, ApiError, Failure
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pages import page_of, parameter
from api.progress import Event, Progress
from api.schemas import ImportsQuerySchema, PageQuerySchema, UploadSchema
from celery_app import wake_import
from models import FINAL_STATUSES, JOB_STATUSES, ImportJob, ImportReject, db
from shapes import import_json

log = logging.getLogger(__name__)

blueprint = Blueprint("imports", __name__, url_prefix="/api", tag="Imports")

SUFFIXES = (".csv", ".csv.gz")
FILENAME_MAX_CHARACTERS = 255
UPLOAD_BUFFER_BYTES = 1 << 20
STREAM_RETRY_MS = 2000
MULTIPART_FRAME_BYTES = 65_536
MAX_DISCARDED_BYTES = 256_000_000

BAD_FILE = Failure(400, "invalid_file", "Send the CSV file in the multipart field `file`.", ("file",))
FILE_TOO_LARGE = Failure(413, CODES[413], "The file is larger than 2,048 MB, which is the limit.")
STORAGE_ERROR = Failure(500, "storage_error", "The server could not store the file. Check UPLOAD_DIR and try again.")
DISK_FULL = Failure(507, "disk_full", "The server's disk is full, the file was not taken. Make room and try again.")
NOT_FOUND = Failure(404, "import_not_found", "There is no import with this id.")
TOO_MANY_STREAMS = Failure(
    503, "too_many_streams", "Too many progress streams are open. Ask for the progress now and then."
)
DISPOSITION = {"schema": {"type": "string"}, "example": 'form-data; name="file"; filename="products.csv"'}
ENCODING = {"contentType": "text/csv, application/gzip", "headers": {"Content-Disposition": DISPOSITION}}
CSV_FILE = {"content": {"multipart/form-data": {"encoding": {"file": ENCODING}}}}
LINKS = {
    operation: {"operationId": operation, "parameters": {"task_id": "$response.body#/task_id"}}
    for operation in ("getProgress", "getImport", "listRejects")
}
EXAMPLE_EVENT = 'id: 12\ndata: {"task_id": "5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3", "progress": 64, …}\n\n'
TASK_ID = [
    {
        "in": "path",
        "name": "task_id",
        "description": "The id of the import, as the upload answered it.",
        "schema": {"type": "string", "format": "uuid"},
    }
]


@blueprint.post("/upload")
@blueprint.document(operationId="uploadFile", requestBody=CSV_FILE)
@blueprint.takes(UploadSchema, location="files", check=False)
@blueprint.answers(202, UploadedSchema, "The file is taken, its import begins.", links=LINKS)
@blueprint.fails(BAD_FILE, FILE_TOO_LARGE, STORAGE_ERROR, DISK_FULL)
def upload() -> tuple[Response, int]:
    """Import a CSV file

    A header row in any order and case, with `sku` and, if you like, `name`, `description` and `active`. A SKU that
    exists is changed, one that does not is created; rows that cannot be taken are set aside. Follow the import by its
    `task_id`.
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
        raise _bad_file("This is not a CSV file: its name must end in .csv or .csv.gz.")
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
    )
    try:
        db.session.add(job)
        db.session.commit()
    except Exception:
        stored.unlink(missing_ok=True)
        raise
    # After the commit: the worker must find the row. If the message gets lost, the sweep finds the job.
    if wake_import(str(task_id)):
        try:
            job.announced_at = func.clock_timestamp()
            db.session.commit()
        except SQLAlchemyError as error:
            # The upload is taken all the same; the sweep will send one message more.
            db.session.rollback()
            log.warning("Import %s: its message could not be noted: %s", task_id, error)
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


def find_job(task_id: str) -> ImportJob:
    """Returns the import, or raises the 404."""
    try:
        key = uuid.UUID(task_id)
    except ValueError:
        key = None
    job = db.session.scalar(select(ImportJob).where(ImportJob.task_id == key)) if key else None
    if job is None:
        raise NOT_FOUND.error()
    return job


@blueprint.get("/upload/progress/<task_id>", parameters=TASK_ID)
@blueprint.document(operationId="getProgress", summary="How far an import is")
@blueprint.get("/imports/<task_id>", parameters=TASK_ID)
@blueprint.document(operationId="getImport")
@blueprint.answers(200, ImportSchema, "The import.")
@blueprint.fails(NOT_FOUND)
def show_import(task_id: str) -> Response:
    """Get an import"""
    return jsonify(import_json(find_job(task_id)))


@blueprint.get("/imports")
@blueprint.document(operationId="listImports")
@blueprint.takes(ImportsQuerySchema, check=False)
@blueprint.answers(200, ImportsSchema, "A page.")
@blueprint.fails(INVALID_PARAMETER)
def list_imports() -> Response:
    """List imports

    Newest first.
    """
    query = select(ImportJob).order_by(ImportJob.id.desc())
    if status := parameter("status"):
        if status not in JOB_STATUSES:
            sentence = f"status must be one of {', '.join(JOB_STATUSES)}."
            raise ApiError(400, "invalid_parameter", sentence, {"status": [sentence]})
        query = query.where(ImportJob.status == status)
    rows, pagination = page_of(query)
    return jsonify(imports=[import_json(job) for job in rows], pagination=pagination)


@blueprint.get("/imports/<task_id>/rejects", parameters=TASK_ID)
@blueprint.document(operationId="listRejects")
@blueprint.takes(PageQuerySchema, check=False)
@blueprint.answers(200, RejectsSchema, "A page.")
@blueprint.fails(INVALID_PARAMETER, NOT_FOUND)
def list_rejects(task_id: str) -> Response:
    """List the rows that could not be taken

    In the order of the file.
    """
    job = find_job(task_id)
    query = select(ImportReject).where(ImportReject.job_id == job.id).order_by(ImportReject.line)
    rows, pagination = page_of(query)
    rejects = [{"line": row.line, "code": row.code, "message": row.message, "row": row.row} for row in rows]
    return jsonify(rejects=rejects, pagination=pagination)


@blueprint.get("/upload/progress/<task_id>/stream", parameters=TASK_ID)
@blueprint.document(operationId="followImport")
@blueprint.answers(
    200,
    {"type": "string"},
    "The events. The `data` of each is the import as JSON.",
    content_type="text/event-stream",
    example=EXAMPLE_EVENT,
)
@blueprint.fails(NOT_FOUND, TOO_MANY_STREAMS)
def stream_progress(task_id: str) -> Response:
    """Follow an import live

    Server-Sent Events (WHATWG HTML, 9.2): the import at once, then each change, until its last state. An event's id is
    the revision of the import. What a client missed while it was away is in the first event, which is always the
    present state. A comment line every 5 seconds is a sign of life.
    """
    job = find_job(task_id)
    progress: Progress = current_app.extensions["progress"]
    subscription = progress.subscribe(job.id)
    if subscription is None:
        raise TOO_MANY_STREAMS.error()
    # The state is read after subscribing: what changes from here on is told.
    try:
        db.session.refresh(job)
        first = event(job)
    except Exception:
        subscription.close()
        raise
    subscription.seen = first.revision
    db.session.remove()

    def events() -> Iterator[str]:
        with subscription:
            yield f"retry: {STREAM_RETRY_MS}\n{first.text}"
            if first.final:
                return
            for told in subscription:
                yield told or ": still here\n\n"

    response = Response(events(), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-transform"
    # Proxies such as nginx would collect the events otherwise.
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(subscription.close)
    return response


def event(job: ImportJob) -> Event:
    """The job as one event of the stream."""
    text = f"id: {job.revision}\ndata: {json.dumps(import_json(job))}\n\n"
    return Event(job.revision, text, job.status in FINAL_STATUSES)


class UploadRequest(Request):
    """A request whose files go straight to UPLOAD_DIR: never into memory, nor into a temporary folder first."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if self.endpoint == "imports.upload":
            return UploadFolder.of_request().open()
        return super()._get_file_stream(total_content_length, content_type, filename, content_length)


@blueprint.before_request
def allow_large_files() -> None:
    """Lifts the limit of a request's body for uploads."""
    if request.endpoint == "imports.upload":
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
