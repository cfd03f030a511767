"""What every kind of upload does: it checks the name of the file, and creates the job that imports it."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from api.errors import ErrorType
from api.imports.file_names import ACCEPTED_NAMES, ACCEPTED_SUFFIXES, clean_filename
from api.imports.jobs import record_action, starter_name
from importer.jobs.log_messages import log_message
from importer.storage.storage import StoredUpload
from models import ImportJob, ImportLog, db

FILENAME_MAX_CHARACTERS = 255
# The options that say what an import may do to the products, for the audit log.
RECORDED_OPTIONS = ("mode", "missing", "wants_preview", "file_size", "file_sha256")

INVALID_FILE = ErrorType(400, "invalid_file", "Send the CSV file or workbook in the multipart field `file`.", ("file",))


def check_filename(name: str) -> str:
    """Return the last part of a client's file name. The name is only a label.

    Raises `ApiError` if there is no name, or if its suffix is not one of `ACCEPTED_SUFFIXES`.
    """
    filename = clean_filename(PurePath(name.replace("\\", "/")).name).strip()[-FILENAME_MAX_CHARACTERS:]
    if not filename:
        message = "The file has no name. Choose a CSV file or a workbook."
        raise INVALID_FILE.exception(message, details={"reason": "no_name"})
    if not filename.lower().endswith(ACCEPTED_SUFFIXES):
        message = f"This is not a CSV file or a workbook. {ACCEPTED_NAMES}"
        raise INVALID_FILE.exception(message, details={"reason": "other_suffix"})
    return filename


def insert_import(task_id: str, filename: str, stored: StoredUpload, options: dict[str, Any]) -> None:
    """Insert the job of a stored file, the first line of its log and its audit entry, in the caller's transaction.

    `options` is what `UploadOptionsSchema` loads.
    """
    values = {
        "task_id": task_id,
        "filename": filename,
        "stored_name": stored.name,
        "file_size": stored.size,
        "file_sha256": stored.sha256,
        **options,
        "wants_preview": options.get("preview", False),
        "started_by": starter_name(options.get("started_by")),
    }
    values.pop("preview", None)
    job = ImportJob(**values)
    db.session.add(job)
    db.session.flush()
    message = log_message("uploaded", filename=job.filename, bytes=job.file_size)
    entry = ImportLog(job_id=job.id, event="uploaded", message=message.sentence)
    entry.code, entry.details = message.code, dict(message.details or {})
    db.session.add(entry)
    record_action("started", job, {name: [None, values[name]] for name in RECORDED_OPTIONS})
