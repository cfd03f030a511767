"""What the calls on imports share: finding a job, waking the workers, and naming the client."""

from __future__ import annotations

import logging
import uuid

from flask import request
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

import celery_app
from api.errors import ErrorType
from api.imports.options import STARTED_BY_MAX_CHARACTERS
from models import ImportJob, db

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
    """Send the message that wakes a worker for a pending job, and record that it was sent.

    Call this after the commit, because the worker must find the row. If the message is not sent or gets lost, the
    reaper of a worker finds the job.
    """
    if not celery_app.wake_import(task_id):
        return
    try:
        job = update(ImportJob).where(ImportJob.task_id == uuid.UUID(task_id))
        db.session.execute(job.values(announced_at=func.clock_timestamp()))
        db.session.commit()
    except SQLAlchemyError as error:
        # The job runs all the same. The reaper sends one superfluous message.
        db.session.rollback()
        log.warning("Import %s: could not record that its message was sent: %s", task_id, error)


def client_address() -> str:
    """Return the address of the client: that of the connection, or behind TRUSTED_PROXIES the forwarded one."""
    return (request.remote_addr or "")[:STARTED_BY_MAX_CHARACTERS]
