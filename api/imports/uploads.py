"""The call that uploads a file and creates the job that imports it."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from flask import Response, current_app, jsonify, request
from marshmallow import Schema
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from api.errors import BODY_TOO_LARGE, REQUEST_TIMEOUT, ApiError, ErrorType
from api.imports.jobs import announce_job, starter_name
from api.imports.limits import TOO_MANY_IMPORTS, UPLOAD_TOO_LONG, require_room
from api.imports.new_imports import INVALID_FILE, check_filename, insert_import
from api.imports.options import UploadFormSchema, UploadOptionsSchema
from api.imports.storage import DISK_FULL, STORAGE_ERROR, delete_file, storage, storage_error
from api.imports.upload_request import UPLOAD_ENDPOINT, FormUpload, SeveralFiles, UploadTooLong, remove_upload
from api.openapi import INVALID_PARAMETER, Blueprint, load
from api.response_fields import EXAMPLE_TASK_ID, text
from api.response_fields import uuid as uuid_field
from api.transactions import repeat_after_conflict
from importer.storage.storage import StoredUpload
from models import db

log = logging.getLogger(__name__)

blueprint = Blueprint("uploads", __name__, url_prefix="/api", tag="Imports")
blueprint.teardown_app_request(remove_upload)

# What the body may contain in addition to the file: boundaries, headers and form fields.
MULTIPART_OVERHEAD_BYTES = 65_536
MAX_DISCARDED_BYTES = 256_000_000
DISCARDED_BLOCK_BYTES = 1 << 20

SEVERAL_FILES = ErrorType(400, "several_files", "The form has several files. Upload them one by one.", ("file",))
FORM_TOO_LARGE = ErrorType(
    413,
    "form_too_large",
    "The form has more than 100 fields, or a field of more than 500 KB. Send only the file and the options.",
)
FILE_TOO_LARGE = ErrorType(413, BODY_TOO_LARGE.code, "The file is larger than the limit of 2,048 MB.")

# What multipart/form-data looks like, in OpenAPI's form.
DISPOSITION = {"schema": {"type": "string"}, "example": 'form-data; name="file"; filename="products.csv"'}
FILE_ENCODING = {
    "contentType": "text/csv, text/tab-separated-values, text/plain, application/gzip, application/zip,"
    " application/x-bzip2, application/x-xz, application/zstd, application/vnd.ms-excel,"
    " application/vnd.openxmlformats-officedocument.spreadsheetml.sheet,"
    " application/vnd.oasis.opendocument.spreadsheet",
    "headers": {"Content-Disposition": DISPOSITION},
}
MULTIPART_BODY = {"content": {"multipart/form-data": {"encoding": {"file": FILE_ENCODING}}}}
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


class AcceptedUploadSchema(Schema):
    """An upload that was stored."""

    task_id = uuid_field("The id of its import.", EXAMPLE_TASK_ID)
    filename = text("The name of the file.", "products.csv")
    status = text("The status of its import.", "pending", enum=["pending"])


# The file of an upload can be stored only once, so only the insertion of its job is repeated.
@blueprint.post("/upload", repeats=False)
@blueprint.document(operationId="uploadFile", requestBody=MULTIPART_BODY)
@blueprint.accepts(UploadFormSchema, location="files", check=False)
@blueprint.returns(202, AcceptedUploadSchema, "The file is stored, and its import waits for a worker.", links=LINKS)
@blueprint.raises(
    INVALID_FILE,
    SEVERAL_FILES,
    INVALID_PARAMETER,
    REQUEST_TIMEOUT,
    UPLOAD_TOO_LONG,
    TOO_MANY_IMPORTS,
    FILE_TOO_LARGE,
    FORM_TOO_LARGE,
    STORAGE_ERROR,
    DISK_FULL,
)
def upload_file() -> tuple[Response, int]:
    """Import a CSV file or a workbook

    The header has the columns `sku` and optionally `name`, `description` and `active`, in any order, under these or
    other common names. The import updates products whose SKU exists and creates the others. Rows that cannot be
    imported are rejected; the others are imported. Follow the import by its `task_id`. With `preview=true` it waits for
    a confirmation before it writes anything. Of a workbook, the first sheet with a column for the SKU is imported,
    or the one that `sheet` names.
    """
    file = _read_file()
    filename = check_filename(file.filename or "")
    options = load(UploadOptionsSchema(), request.form)
    # `allow_large_body` has checked this before the upload, which may have taken long.
    require_room(starter_name(options.get("started_by")))
    upload = FormUpload.of_request()
    task_id = upload.task_id
    try:
        stored = upload.keep()
    except OSError as error:
        raise storage_error(error) from error
    try:
        _insert_job(str(task_id), filename, stored, options)
    except Exception:
        delete_file(stored.name)
        raise
    announce_job(str(task_id))
    return jsonify(task_id=str(task_id), filename=filename, status="pending"), 202


@repeat_after_conflict
def _insert_job(task_id: str, filename: str, stored: StoredUpload, options: dict[str, Any]) -> None:
    insert_import(task_id, filename, stored, options)
    db.session.commit()


def _read_file() -> FileStorage:
    """Return the uploaded file. Reading the form stores the file.

    Raises `ApiError` if there is not exactly one file, or if it is too large or cannot be stored.
    """
    if request.mimetype != "multipart/form-data":
        # Other forms would be read into memory as a whole.
        raise INVALID_FILE.exception(details={"reason": "missing"})
    try:
        file = request.files.get("file")
    except SeveralFiles:
        _discard_rest()
        raise SEVERAL_FILES.exception() from None
    except RequestEntityTooLarge:
        if request.stream.tell() >= (request.max_content_length or 0):
            raise file_too_large() from None
        _discard_rest()
        raise FORM_TOO_LARGE.exception() from None
    except UploadTooLong:
        _discard_rest()
        hours = current_app.config["SETTINGS"].upload_hours
        raise UPLOAD_TOO_LONG.exception(
            f"The upload took longer than {hours:,} hours, which is the limit. Use a faster connection, or split or"
            " compress the file.",
            details={"limit_hours": hours},
        ) from None
    except OSError as error:
        _discard_rest()
        raise storage_error(error) from error
    if file is None:
        raise INVALID_FILE.exception(details={"reason": "missing"})
    return file


@blueprint.before_request
def allow_large_body() -> None:
    """Raise the limit of the request's body for uploads, and refuse early what would be refused at their end."""
    if request.endpoint != UPLOAD_ENDPOINT:
        return
    limit = current_app.config["SETTINGS"].max_upload_mb * 1_000_000 + MULTIPART_OVERHEAD_BYTES
    request.max_content_length = limit
    length = request.content_length or 0
    if length > limit:
        discard_body(length)
        raise file_too_large()
    try:
        require_room(starter_name(None))
        storage().require_space(length)
    except ApiError:
        discard_body(length)
        raise
    except OSError as error:
        discard_body(length)
        raise storage_error(error) from error


def _discard_rest() -> None:
    """Remove what was stored of a form that is refused, and discard what was not read of it."""
    FormUpload.of_request().remove()
    discard_body((request.content_length or MAX_DISCARDED_BYTES) - request.stream.tell())


def discard_body(length: int) -> None:
    """Read on for a while: a client whose connection is closed while it sends never sees the response."""
    length = min(length, MAX_DISCARDED_BYTES)
    stream = request.environ["wsgi.input"]
    # A client that is too slow or gone does not see the response.
    with contextlib.suppress(OSError):
        while length > 0 and (data := stream.read(min(length, DISCARDED_BLOCK_BYTES))):
            length -= len(data)


def file_too_large() -> ApiError:
    limit_mb = current_app.config["SETTINGS"].max_upload_mb
    return FILE_TOO_LARGE.exception(
        f"The file is larger than the limit of {limit_mb:,} MB. Split it, or compress it as .csv.gz.",
        details={"limit_megabytes": limit_mb},
    )
