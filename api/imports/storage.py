"""The storage of uploaded files, as the calls of the API use it."""

from __future__ import annotations

import logging
from typing import cast

from flask import current_app

from api.errors import ApiError, ErrorType
from importer.storage.storage import FULL, Storage
from models import ImportJob, db

log = logging.getLogger(__name__)

FILE_GONE = ErrorType(409, "file_gone", "The file is no longer stored. Upload it again.")
STORAGE_ERROR = ErrorType(
    500,
    "storage_error",
    "The server could not store the file. Check UPLOAD_DIR or STORAGE_URL, and what the server logged, and try again.",
)
STORAGE_UNAVAILABLE = ErrorType(
    503, "storage_unavailable", "The storage of uploaded files does not answer. Nothing was changed. Try again later."
)
DISK_FULL = ErrorType(
    507, "disk_full", "The server's disk is full. The file was not stored. Free some space and try again."
)


def storage() -> Storage:
    """Return the storage of this application."""
    return cast("Storage", current_app.extensions["storage"])


def storage_error(error: OSError) -> ApiError:
    """Return the error of the API for an error of the storage that kept a file from being stored."""
    if error.errno in FULL:
        return DISK_FULL.exception()
    log.error("Could not store an upload: %s", error)
    return STORAGE_ERROR.exception()


def require_file(job: ImportJob) -> None:
    """Raise the 409 if the file of an import that could be read again no longer exists, the 503 if nobody can tell.

    Ends the transaction of the session, because the storage may take long to answer.
    """
    can_read_again, name = job.kind == "import" and job.status != "completed", job.stored_name
    db.session.rollback()
    if not can_read_again:
        return
    try:
        exists = storage().exists(name)
    except OSError as error:
        log.error("Could not look for the file of an import: %s", error)
        raise STORAGE_UNAVAILABLE.exception() from error
    if not exists:
        raise FILE_GONE.exception()


def delete_file(name: str) -> None:
    """Delete a file. The reaper of a worker deletes one that cannot be deleted now."""
    try:
        storage().delete(name)
    except OSError as error:
        log.warning("The file %s could not be deleted now: %s", name, error)
