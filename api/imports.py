"""Imports: how far each is, and what became of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

from flask import Response, current_app, jsonify
from sqlalchemy import select

from api.answers import ImportSchema, ImportsSchema, RejectsSchema
from api.errors import ApiError, Failure
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pages import page_of, parameter
from api.progress import Event, Progress
from api.schemas import ImportsQuerySchema, PageQuerySchema
from models import FINAL_STATUSES, JOB_STATUSES, ImportJob, ImportReject, db
from shapes import import_json

blueprint = Blueprint("imports", __name__, url_prefix="/api", tag="Imports")

STREAM_RETRY_MS = 2000
NOT_FOUND = Failure(404, "import_not_found", "There is no import with this id.")
TOO_MANY_STREAMS = Failure(
    503, "too_many_streams", "Too many progress streams are open. Ask for the progress now and then."
)
EXAMPLE_EVENT = 'id: 12\ndata: {"task_id": "5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3", "progress": 64, …}\n\n'
TASK_ID = [
    {
        "in": "path",
        "name": "task_id",
        "description": "The id of the import, as the upload answered it.",
        "schema": {"type": "string", "format": "uuid"},
    }
]


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
