"""What the calls on imports share: finding a job, waking the workers, naming the client, and the audit log."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

import celery_app
from access.actors import LOCAL
from access.audit import Target
from api.audit import record
from api.authentication import client_address, current_actor
from api.errors import ErrorType
from api.imports.options import STARTED_BY_MAX_CHARACTERS
from models import ImportJob, db
from monitoring.context import current_request_id

log = logging.getLogger(__name__)

IMPORT_NOT_FOUND = ErrorType(404, "import_not_found", "There is no import with this id.")
TASK_ID = [
    {
        "in": "path",
        "name": "task_id",
        "description": "The id of the import, as returned by the upload.",
        "schema": {"type": "string", "format": "uuid"},
    }
]


def find_job(task_id: str) -> ImportJob:
    """Return the job with this task id; raise the 404 if there is none or if the id is not a UUID."""
    try:
        key = uuid.UUID(task_id)
    except ValueError:
        raise IMPORT_NOT_FOUND.exception() from None
    job = db.session.scalar(select(ImportJob).where(ImportJob.task_id == key))
    if job is None:
        raise IMPORT_NOT_FOUND.exception()
    return job


def announce_job(task_id: str) -> None:
    """Send the message that wakes a worker for a pending job, and record whether it was sent.

    Call this after the commit, because the worker must find the row. If the message is not sent or gets lost, the
    reaper of a worker finds the job.
    """
    values: dict[str, Any] = {"request_id": current_request_id()}
    if celery_app.wake_import(task_id):
        values["announced_at"] = func.clock_timestamp()
    try:
        job = update(ImportJob).where(ImportJob.task_id == uuid.UUID(task_id))
        db.session.execute(job.values(**values))
        db.session.commit()
    except SQLAlchemyError as error:
        # The job runs all the same. The reaper sends one superfluous message.
        db.session.rollback()
        log.warning("Job %s: could not record that its message was sent: %s", task_id, error)


def starter_name(given: str | None) -> str:
    """Return who starts a job, for its history: the name of the person or the API key.

    The administrator "local" stands for everybody on this machine. So for "local" it is the name that the client gave,
    or the address of the client. A name that somebody gives who is signed in is ignored.
    """
    actor = current_actor()
    name = given or client_address() if actor is LOCAL else actor.name
    return name[:STARTED_BY_MAX_CHARACTERS]


def record_action(action: str, job: ImportJob, changes: Mapping[str, Any] | None = None) -> None:
    """Record an action on a job in the audit log, in the transaction of the request."""
    record(f"import.{action}", Target("import", str(job.task_id), job.filename), changes=changes)


def record_export(job: ImportJob, list_name: str) -> None:
    """Record that somebody downloads a list of a job, and commit. Nothing is sent before that."""
    record_action("exported", job, {"list": [None, list_name]})
    db.session.commit()
