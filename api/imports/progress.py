"""Calls that show the progress of an import: once, or as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator

from flask import Response, current_app, jsonify

from api import sse
from api.authentication import current_actor
from api.imports.jobs import IMPORT_NOT_FOUND, TASK_ID, find_job
from api.imports.schemas import ImportSchema
from api.openapi import Blueprint
from api.response_fields import EXAMPLE_TASK_ID
from api.sse import TOO_MANY_STREAMS, JobEvent, StreamHub
from database.serializers import serialize_import
from models import FINAL_STATUSES, ImportJob, db

blueprint = Blueprint("progress", __name__, url_prefix="/api/upload/progress", tag="Imports")

EXAMPLE_EVENT = f'id: 12\ndata: {{"task_id": "{EXAMPLE_TASK_ID}", "progress": 64, …}}\n\n'


@blueprint.get("/<task_id>", parameters=TASK_ID)
@blueprint.document(operationId="getProgress")
@blueprint.returns(200, ImportSchema, "The job.")
@blueprint.raises(IMPORT_NOT_FOUND)
def show_progress(task_id: str) -> Response:
    """Get the progress of an import"""
    return jsonify(serialize_import(find_job(task_id)))


@blueprint.get("/<task_id>/stream", parameters=TASK_ID)
@blueprint.document(operationId="followImport")
@blueprint.returns(
    200,
    {"type": "string"},
    "The events. The `data` of each is the job as JSON.",
    content_type="text/event-stream",
    example=EXAMPLE_EVENT,
)
@blueprint.raises(IMPORT_NOT_FOUND, TOO_MANY_STREAMS)
def stream_progress(task_id: str) -> Response:
    """Follow an import live

    Server-Sent Events (WHATWG HTML, section 9.2): the job at once, then after each change, up to its final state. The
    id of an event is the revision of the job. A client that reconnects misses nothing, because the first event always
    has the current state. The stream sends a comment line every 5 seconds.
    """
    job = find_job(task_id)
    hub: StreamHub = current_app.extensions["streams"]
    subscription = hub.subscribe_to_job(job.id, current_actor())
    if subscription is None:
        raise TOO_MANY_STREAMS.exception()
    # Read the state after subscribing, so that no change between the two is missed.
    try:
        db.session.refresh(job)
        first_event = job_event(job)
    except Exception:
        subscription.close()
        raise
    subscription.seen_revision = first_event.revision
    # An open stream must not keep a database connection.
    db.session.remove()

    def chunks() -> Iterator[str]:
        with subscription:
            yield f"retry: {sse.CLIENT_RETRY_MS}\n{first_event.text}"
            if not first_event.final:
                for text in subscription:
                    yield text or sse.KEEP_ALIVE

    return sse.event_stream(chunks(), subscription.close)


def job_event(job: ImportJob) -> JobEvent:
    """Return the current state of a job as an event of its stream."""
    text = f"id: {job.revision}\ndata: {json.dumps(serialize_import(job))}\n\n"
    return JobEvent(job.revision, text, job.status in FINAL_STATUSES)
