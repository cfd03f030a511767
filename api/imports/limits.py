"""What an operator allows: how many imports and uploads there may be, and how many hours an upload may take."""

from __future__ import annotations

from flask import current_app

import config
from api.errors import ErrorType
from database.pooled_connections import autocommitting
from importer.jobs.resumable_uploads import LIFETIME_HOURS
from models import db

TOO_MANY_IMPORTS = ErrorType(
    429,
    "too_many_imports",
    "You have 5,000 imports that wait or run, which is the limit. Upload the file when some of them have ended.",
)
TOO_MANY_UNFINISHED_UPLOADS = ErrorType(
    429,
    "too_many_unfinished_uploads",
    "You have 1,000 unfinished uploads, which is the limit. Finish or remove some of them. An upload to which nothing"
    " is sent is removed after 24 hours.",
)
UPLOAD_TOO_LONG = ErrorType(
    408,
    "upload_too_long",
    "The upload took longer than 24 hours, which is the limit. Use a faster connection, or split or compress the file.",
)
# About when some of them may have ended.
RETRY_AFTER_SECONDS = 30
# A person hardly waits this long, but a client that repeats the call by itself does no harm.
UPLOADS_RETRY_AFTER_SECONDS = 300
COUNT_ACTIVE_SQL = """
SELECT count(*), count(*) FILTER (WHERE started_by = %s) FROM import_jobs
WHERE status IN ('pending', 'processing') AND kind = 'import'
"""


def require_room(started_by: str) -> None:
    """Raise the 429 if too many imports wait or run, in total or of this person or key.

    Uploads that end at the same time may exceed a limit by their number.
    """
    settings: config.Settings = current_app.config["SETTINGS"]
    # No transaction stays open, which would be idle while the file arrives and is stored.
    with autocommitting(db.engine) as cursor:
        cursor.execute(COUNT_ACTIVE_SQL, (started_by,))
        total, of_person = cursor.fetchone() or (0, 0)
    if of_person >= settings.max_imports_per_person:
        limit, whose = settings.max_imports_per_person, "person"
        start = f"You have {of_person:,} imports that wait or run"
    elif total >= settings.max_imports:
        limit, whose = settings.max_imports, "total"
        start = f"{total:,} imports wait or run"
    else:
        return
    raise TOO_MANY_IMPORTS.exception(
        f"{start}, which is the limit. Upload the file when some of them have ended.",
        details={"limit": limit, "whose": whose},
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def require_room_for_upload(unfinished: int) -> None:
    """Raise the 429 if a person or key with `unfinished` resumable uploads may not begin another one.

    Uploads that begin at the same time may exceed the limit by their number.
    """
    settings: config.Settings = current_app.config["SETTINGS"]
    limit = settings.max_unfinished_uploads_per_person
    if unfinished < limit:
        return
    uploads = "1 unfinished upload" if unfinished == 1 else f"{unfinished:,} unfinished uploads"
    raise TOO_MANY_UNFINISHED_UPLOADS.exception(
        f"You have {uploads}, which is the limit. Finish or remove some of them. An upload to which nothing is sent is"
        f" removed after {LIFETIME_HOURS} hours.",
        details={"limit": limit, "hours": LIFETIME_HOURS},
        retry_after_seconds=UPLOADS_RETRY_AFTER_SECONDS,
    )
