"""The protocol tus 1.0 (https://tus.io/protocols/resumable-upload): its headers, and what is wrong with them."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, NamedTuple

from flask import Flask, Response, current_app, request
from werkzeug.datastructures import MultiDict
from werkzeug.http import http_date

from api.errors import ApiError, ErrorType
from importer.jobs.resumable_uploads import ResumableUpload

VERSION = "1.0.0"
EXTENSIONS = "creation,termination,checksum,expiration"
BODY_TYPE = "application/offset+octet-stream"
ADDRESS = "/api/uploads"
OVERRIDE_HEADER = "HTTP_X_HTTP_METHOD_OVERRIDE"
OVERRIDING_METHODS = {"PATCH", "DELETE"}
# Those of hashlib whose names need no explanation, the fastest first.
CHECKSUM_ALGORITHMS = ("sha1", "sha256", "md5", "sha512")
NUMBER_RE = re.compile(r"\d{1,18}", re.ASCII)
METADATA_KEY_RE = re.compile(r"[!-+\--~]+")

WRONG_VERSION = ErrorType(
    412,
    "unsupported_tus_version",
    f"This server supports tus {VERSION} only. Send the header Tus-Resumable: {VERSION}.",
)
INVALID_HEADER = ErrorType(400, "invalid_header", "Upload-Length must be the size of the file in bytes.")
WRONG_BODY_TYPE = ErrorType(
    415, "unsupported_media_type", f"The body must be a part of the file (Content-Type: {BODY_TYPE})."
)
WRONG_OFFSET = ErrorType(
    409, "wrong_offset", "The upload is at another offset. Ask for its Upload-Offset with HEAD, and go on from there."
)
CHECKSUM_MISMATCH = ErrorType(
    460,
    "checksum_mismatch",
    "The part of the file does not have the checksum in Upload-Checksum, so it was discarded. Send it again.",
)


class Checksum(NamedTuple):
    """The checksum that the body of a request must have."""

    algorithm: str
    digest: bytes

    def matches(self, computed: Any) -> bool:
        """Return whether an object of hashlib has it."""
        return bool(computed.digest() == self.digest)


def register(app: Flask) -> None:
    """Name the protocol's version in every response, and let POST stand for methods that a client cannot send."""
    application = app.wsgi_app

    def run(environ: Any, start_response: Any) -> Any:
        method = environ.get(OVERRIDE_HEADER, "").upper()
        if (
            method in OVERRIDING_METHODS
            and environ["REQUEST_METHOD"] == "POST"
            and environ.get("PATH_INFO", "").startswith(f"{ADDRESS}/")
        ):
            environ["REQUEST_METHOD"] = method
        return application(environ, start_response)

    app.wsgi_app = run  # type: ignore[method-assign]

    @app.after_request
    def _name_version(response: Response) -> Response:
        if request.path == ADDRESS or request.path.startswith(f"{ADDRESS}/"):
            response.headers["Tus-Resumable"] = VERSION
            if response.status_code == WRONG_VERSION.status:
                response.headers["Tus-Version"] = VERSION
        return response


def max_bytes() -> int:
    """Return how large a file may be."""
    return int(current_app.config["SETTINGS"].max_upload_mb * 1_000_000)


def check_version() -> None:
    """Raise the 412 if the client speaks another version."""
    if request.headers.get("Tus-Resumable") != VERSION:
        raise WRONG_VERSION.exception()


def read_number(name: str, meaning: str) -> int:
    """Return the number in a header; raise the 400 if there is none."""
    value = request.headers.get(name, "")
    if not NUMBER_RE.fullmatch(value):
        raise invalid_header(f"{name} must be {meaning}.")
    return int(value)


def read_metadata() -> MultiDict[str, str]:
    """Return what the header Upload-Metadata says; raise the 400 if it is malformed.

    It has pairs of a key and a base64 value, separated by commas. A value may be missing.
    """
    found: MultiDict[str, str] = MultiDict()
    for pair in filter(None, (part.strip() for part in request.headers.get("Upload-Metadata", "").split(","))):
        key, _, encoded = pair.partition(" ")
        try:
            value = base64.b64decode(encoded.strip(), validate=True).decode()
        except ValueError:
            raise invalid_header("Upload-Metadata must have base64 of UTF-8 texts after its keys.") from None
        if not METADATA_KEY_RE.fullmatch(key) or key in found:
            raise invalid_header("Upload-Metadata must have each key once, in ASCII.")
        found.add(key, value)
    return found


def read_checksum() -> Checksum | None:
    """Return the checksum that the body must have, if the request has one; raise the 400 if it is malformed."""
    header = request.headers.get("Upload-Checksum")
    if header is None:
        return None
    algorithm, _, encoded = header.strip().partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise invalid_header(f"Upload-Checksum must begin with one of {', '.join(CHECKSUM_ALGORITHMS)}.")
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except ValueError:
        digest = b""
    if len(digest) != new_hash(algorithm).digest_size:
        raise invalid_header(f"Upload-Checksum must have a {algorithm} checksum in base64.")
    return Checksum(algorithm, digest)


def new_hash(algorithm: str) -> Any:
    """Return a new object of hashlib. It detects errors of a connection, which md5 and sha1 are good for."""
    return hashlib.new(algorithm, usedforsecurity=False)


def invalid_header(message: str) -> ApiError:
    """Return the 400 for a header."""
    return INVALID_HEADER.exception(message)


def describe(response: Response, upload: ResumableUpload, *, location: str = "") -> Response:
    """Add to a response where an upload is, when it expires, and the address of its import, if it has one."""
    response.headers["Upload-Offset"] = str(upload.offset)
    response.headers["Cache-Control"] = "no-store"
    if location:
        response.headers["Location"] = location
    else:
        response.headers["Upload-Expires"] = http_date(upload.expires_at)
    return response
