"""The calls for uploads that can be resumed, after the protocol tus 1.0."""

from __future__ import annotations

from flask import Response, request

from access.roles import Requirement, Scope
from api.authentication import current_actor
from api.errors import REQUEST_TIMEOUT, ApiError
from api.imports import tus
from api.imports.jobs import starter_name
from api.imports.limits import (
    TOO_MANY_IMPORTS,
    TOO_MANY_UNFINISHED_UPLOADS,
    require_room,
    require_room_for_upload,
)
from api.imports.new_imports import INVALID_FILE, check_filename
from api.imports.options import UploadOptionsSchema
from api.imports.resumable_body import (
    BODY_EXCEEDS_FILE,
    SERVER_STOPS,
    UPLOAD_BROKEN_OFF,
    UPLOAD_NOT_FOUND,
    UPLOAD_TAKEN_OVER,
    discard,
    parse_id,
    read_upload,
    receive_body,
    running_uploads,
)
from api.imports.storage import DISK_FULL, STORAGE_ERROR, storage, storage_error
from api.imports.uploads import FILE_TOO_LARGE, MAX_DISCARDED_BYTES, discard_body, file_too_large
from api.openapi import INVALID_PARAMETER, Blueprint, load
from database.pooled_connections import autocommitting
from importer.jobs import resumable_uploads
from importer.jobs.resumable_uploads import Owner, ResumableUpload
from models import db

blueprint = Blueprint("resumable", __name__, url_prefix="/api", tag="Imports")

IMPORT_ADDRESS = "/api/imports/{}"


def _header(description: str, example: str, *, required: bool = False) -> dict[str, object]:
    return {"description": description, "required": required, "schema": {"type": "string"}, "example": example}


def _parameter(name: str, description: str, example: str, *, required: bool = True) -> dict[str, object]:
    return {"in": "header", "name": name, **_header(description, example, required=required)}


VERSION_PARAMETER = {
    **_parameter("Tus-Resumable", "The version of the protocol.", tus.VERSION),
    "schema": {"type": "string", "enum": [tus.VERSION]},
}
LENGTH_PARAMETER = {
    **_parameter("Upload-Length", "The size of the file in bytes.", "94000000"),
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
}
METADATA_PARAMETER = _parameter(
    "Upload-Metadata",
    "The `filename` and the options of the import, which are those of `POST /api/upload`: pairs of a name and a value"
    " in base64, separated by commas.",
    "filename cHJvZHVjdHMuY3N2,preview dHJ1ZQ==",
)
OFFSET_PARAMETER = {
    **_parameter("Upload-Offset", "Where the body belongs in the file. It must be that of the upload.", "0"),
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
}
CHECKSUM_PARAMETER = _parameter(
    "Upload-Checksum",
    "An algorithm, and the checksum of the body in base64. A body that has another checksum is discarded.",
    "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
    required=False,
)
UPLOAD_ID = [
    {
        "in": "path",
        "name": "upload_id",
        "description": "The id of the upload, which becomes the `task_id` of its import.",
        "schema": {"type": "string", "format": "uuid"},
    }
]
VERSION_HEADER = {"Tus-Resumable": _header("The version of the protocol.", tus.VERSION)}
EXPIRES_HEADER = {
    "Upload-Expires": _header("When the upload is removed, unless it goes on.", "Wed, 25 Nov 2026 04:00:00 GMT")
}
OFFSET_HEADER = {"Upload-Offset": _header("How many bytes of the file are stored.", "4096")}
IMPORT_HEADER = {
    "Location": _header(
        "The address of the import, once the file is complete.", "/api/imports/5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3"
    )
}


def _owner() -> Owner:
    actor = current_actor()
    return Owner(actor.type, actor.id)


def _acquire(upload_id: str) -> ResumableUpload:
    with autocommitting(db.engine) as cursor:
        upload = resumable_uploads.acquire(cursor, upload_id, _owner())
    if upload is None:
        raise UPLOAD_NOT_FOUND.exception()
    return upload


def _describe(upload: ResumableUpload, status: int) -> Response:
    location = IMPORT_ADDRESS.format(upload.id) if upload.is_finished else ""
    return tus.describe(Response(status=status), upload, location=location)


@blueprint.route("/uploads", methods=["OPTIONS"], provide_automatic_options=False)
@blueprint.needs(Requirement.NOTHING)
@blueprint.document(operationId="getUploadAbilities")
@blueprint.returns(204, None, "The headers say what the server supports.", headers=VERSION_HEADER)
def get_abilities() -> Response:
    """Ask which parts of the tus protocol the server supports

    Uploads can be resumed with any client of [tus 1.0](https://tus.io): it creates an upload, sends the file in one or
    more requests, and asks after an interruption how much has arrived.
    """
    response = Response(status=204)
    response.headers["Tus-Version"] = tus.VERSION
    response.headers["Tus-Extension"] = tus.EXTENSIONS
    response.headers["Tus-Max-Size"] = str(tus.max_bytes())
    response.headers["Tus-Checksum-Algorithm"] = ",".join(tus.CHECKSUM_ALGORITHMS)
    response.headers["Allow"] = "OPTIONS, POST"
    return response


@blueprint.post("/uploads")
@blueprint.document(operationId="createUpload", parameters=[VERSION_PARAMETER, LENGTH_PARAMETER, METADATA_PARAMETER])
@blueprint.returns(
    201,
    None,
    "The upload waits for its bytes.",
    headers={
        **VERSION_HEADER,
        **EXPIRES_HEADER,
        "Location": _header("The address of the upload.", "/api/uploads/5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3"),
    },
)
@blueprint.raises(
    tus.INVALID_HEADER,
    INVALID_FILE,
    INVALID_PARAMETER,
    tus.WRONG_VERSION,
    FILE_TOO_LARGE,
    TOO_MANY_IMPORTS,
    TOO_MANY_UNFINISHED_UPLOADS,
    STORAGE_ERROR,
    DISK_FULL,
)
def create_upload() -> Response:
    """Begin an upload that can be resumed

    The name of the file and the options of the import are checked now, before a byte of the file is sent. An upload to
    which nothing is sent for a day is removed.
    """
    tus.check_version()
    if "Upload-Defer-Length" in request.headers:
        raise tus.invalid_header("Send Upload-Length: this server must know the size of the file.")
    length = tus.read_number("Upload-Length", "the size of the file in bytes")
    metadata = tus.read_metadata()
    filename = check_filename(metadata.get("filename", ""))
    if length == 0:
        raise INVALID_FILE.exception("The file is empty. Choose another one.", details={"reason": "empty"})
    if length > tus.max_bytes():
        raise file_too_large()
    options = load(UploadOptionsSchema(), metadata)
    require_room(starter_name(options.get("started_by")))
    with autocommitting(db.engine) as cursor:
        unfinished = resumable_uploads.count_unfinished(cursor, _owner())
    require_room_for_upload(unfinished)
    try:
        storage().require_space(length)
    except OSError as error:
        raise storage_error(error) from error
    with autocommitting(db.engine) as cursor:
        upload = resumable_uploads.create(
            cursor,
            _owner(),
            filename=filename,
            metadata=request.headers.get("Upload-Metadata", ""),
            options=options,
            length=length,
        )
    response = tus.describe(Response(status=201), upload)
    del response.headers["Upload-Offset"]
    response.headers["Location"] = f"{tus.ADDRESS}/{upload.id}"
    return response


@blueprint.route("/uploads/<upload_id>", methods=["OPTIONS"], provide_automatic_options=False, parameters=UPLOAD_ID)
@blueprint.needs(Requirement.NOTHING)
@blueprint.document(operationId="getAbilitiesOfUpload")
@blueprint.returns(204, None, "The headers say what the server supports.", headers=VERSION_HEADER)
def get_abilities_of_upload(upload_id: str) -> Response:
    """Ask which parts of the tus protocol the server supports, at the address of an upload"""
    response = get_abilities()
    response.headers["Allow"] = "OPTIONS, HEAD, PATCH, DELETE"
    return response


@blueprint.route("/uploads/<upload_id>", methods=["HEAD"], parameters=UPLOAD_ID)
@blueprint.needs(Scope.IMPORTS_WRITE)
@blueprint.document(operationId="getUpload", parameters=[VERSION_PARAMETER])
@blueprint.returns(
    200,
    None,
    "The headers say how much has arrived.",
    headers={**VERSION_HEADER, **OFFSET_HEADER, **EXPIRES_HEADER, **IMPORT_HEADER},
)
@blueprint.raises(tus.WRONG_VERSION, UPLOAD_NOT_FOUND, UPLOAD_TAKEN_OVER, STORAGE_ERROR, DISK_FULL)
def get_upload(upload_id: str) -> Response:
    """Ask how much of an upload has arrived

    The server ends a request that still sends to this upload, so that the offset stays as it is. A finished upload also
    has the `Location` of its import, for a client that has lost the last response.
    """
    tus.check_version()
    key = parse_id(upload_id)
    upload = read_upload(key, lambda: _acquire(key))
    response = _describe(upload, 200)
    response.headers["Upload-Length"] = str(upload.length)
    if upload.metadata:
        response.headers["Upload-Metadata"] = upload.metadata
    return response


@blueprint.patch("/uploads/<upload_id>", repeats=False, parameters=UPLOAD_ID)
@blueprint.document(
    operationId="appendToUpload",
    parameters=[VERSION_PARAMETER, OFFSET_PARAMETER, CHECKSUM_PARAMETER],
    requestBody={"content": {tus.BODY_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
)
@blueprint.returns(
    204,
    None,
    "The body is stored. With the last one, the import waits for a worker.",
    headers={**VERSION_HEADER, **OFFSET_HEADER, **EXPIRES_HEADER, **IMPORT_HEADER},
)
@blueprint.raises(
    tus.INVALID_HEADER,
    UPLOAD_BROKEN_OFF,
    UPLOAD_NOT_FOUND,
    REQUEST_TIMEOUT,
    tus.WRONG_OFFSET,
    UPLOAD_TAKEN_OVER,
    tus.WRONG_VERSION,
    BODY_EXCEEDS_FILE,
    tus.WRONG_BODY_TYPE,
    tus.CHECKSUM_MISMATCH,
    SERVER_STOPS,
    STORAGE_ERROR,
    DISK_FULL,
)
def append_to_upload(upload_id: str) -> Response:
    """Send the next bytes of an upload

    The server stores what has arrived, even if the request breaks off. Any number of bytes is fine: the rest of the
    file in one request is the fastest. The last response has the `Location` of the import. A client that cannot send
    PATCH may send POST with `X-HTTP-Method-Override: PATCH`, and DELETE in the same way.
    """
    try:
        upload = _append(upload_id)
    except ApiError:
        discard_body(request.content_length or MAX_DISCARDED_BYTES)
        raise
    return _describe(upload, 204)


def _append(upload_id: str) -> ResumableUpload:
    tus.check_version()
    if request.mimetype != tus.BODY_TYPE:
        raise tus.WRONG_BODY_TYPE.exception()
    offset = tus.read_number("Upload-Offset", "the number of bytes that are stored")
    checksum = tus.read_checksum()
    key = parse_id(upload_id)

    def acquire() -> ResumableUpload:
        upload = _acquire(key)
        if offset != upload.offset:
            raise tus.WRONG_OFFSET.exception(details={"offset": upload.offset})
        if (request.content_length or 0) > upload.length - offset:
            raise BODY_EXCEEDS_FILE.exception()
        return upload

    return receive_body(key, acquire, request.environ["wsgi.input"], request.content_length, checksum)


@blueprint.delete("/uploads/<upload_id>", parameters=UPLOAD_ID)
@blueprint.document(operationId="deleteUpload", parameters=[VERSION_PARAMETER])
@blueprint.returns(204, None, "The upload and what was stored of it are removed.", headers=VERSION_HEADER)
@blueprint.raises(tus.WRONG_VERSION, UPLOAD_NOT_FOUND)
def delete_upload(upload_id: str) -> Response:
    """Remove an upload

    What was stored of it is deleted. The import of a finished upload stays: cancel the import itself.
    """
    tus.check_version()
    key = parse_id(upload_id)
    running_uploads().interrupt(key)
    with autocommitting(db.engine) as cursor:
        upload = resumable_uploads.delete(cursor, key, _owner())
    if upload is None:
        raise UPLOAD_NOT_FOUND.exception()
    if not upload.is_finished:
        discard(upload)
    return Response(status=204)
