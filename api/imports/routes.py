"""Imports: how far each is, and what became of it."""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

from flask import Response, current_app, jsonify, request
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

import config
from api.errors import ApiError, Failure
from api.imports.schemas import (
    CHANGES,
    STARTED_BY_MAX_CHARACTERS,
    ChangesQuerySchema,
    ImportDetailSchema,
    ImportedProductsSchema,
    ImportSchema,
    ImportsQuerySchema,
    ImportsSchema,
    RetrySchema,
    UndoSchema,
)
from api.openapi import INVALID_BODY, INVALID_PARAMETER, Blueprint, load
from api.pagination import DEFAULT_PER_PAGE, page_of
from api.requests import RequestSchema
from api.sse import Event, Progress
from celery_app import wake_import
from database.serializers import import_json, iso, product_json
from importer.jobs import actions
from importer.jobs.retention import Retention
from importer.pipeline.affected_products import list_affected_products
from models import FINAL_STATUSES, ImportJob, ImportLog, Product, db

log = logging.getLogger(__name__)

blueprint = Blueprint("imports", __name__, url_prefix="/api", tag="Imports")

STREAM_RETRY_MS = 2000
NOT_FOUND = Failure(404, "import_not_found", "There is no import with this id.")
NOT_AWAITING = Failure(409, "not_awaiting_confirmation", "The import is running, so there is nothing to confirm.")
HAS_REJECTS = Failure(409, "has_rejects", "3 rows cannot be taken, and this import is all or nothing (on_reject=fail).")
ALREADY_ENDED = Failure(409, "already_ended", "The import has completed, so there is nothing to cancel.")
NOT_RETRYABLE = Failure(409, "not_retryable", "The import has completed, so there is nothing to try again.")
FILE_GONE = Failure(409, "file_gone", "Its file is not kept any more. Upload it again.")
NOT_UNDOABLE = Failure(409, "not_undoable", "It wrote nothing that could be undone.")
BUSY = Failure(503, "busy", "A worker is just writing and did not give way. Nothing was changed; try again.")
TOO_MANY_STREAMS = Failure(
    503, "too_many_streams", "Too many progress streams are open. Ask for the progress now and then."
)
EXAMPLE_EVENT = 'id: 12\ndata: {"task_id": "5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3", "progress": 64, …}\n\n'
MAX_SAMPLES = 300
SAMPLES = """
SELECT at, phase, rows FROM (
    SELECT *, row_number() OVER (ORDER BY id) AS number, count(*) OVER () AS total
    FROM import_samples WHERE job_id = :job_id AND run = :run
) numbered WHERE number % ((total + :most - 1) / :most) = 0 OR number IN (1, total) ORDER BY number
"""
OPTIONAL = {"required": False}
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


def client_name() -> str:
    """Who sends this request, where it does not say: its address, as far as proxies tell."""
    return (request.access_route or [""])[0][:STARTED_BY_MAX_CHARACTERS]


def announce(task_id: str) -> None:
    """Tells the workers of a job that waits for them. Behind the commit: they must find the row.

    If the message gets lost, the sweep finds the job.
    """
    if not wake_import(task_id):
        return
    try:
        job = update(ImportJob).where(ImportJob.task_id == uuid.UUID(task_id))
        db.session.execute(job.values(announced_at=func.clock_timestamp()))
        db.session.commit()
    except SQLAlchemyError as error:
        # It is waiting all the same; the sweep will send one message more.
        db.session.rollback()
        log.warning("Import %s: its message could not be noted: %s", task_id, error)


def _details(job: ImportJob) -> dict[str, Any]:
    """The import with all there is to know of it."""
    # Those of earlier versions lack two things.
    file = {"escaped": False, "problem": None, **job.file} if job.file else None
    if file:
        file.pop("header_key", None)
    log = db.session.execute(
        select(ImportLog.at, ImportLog.event, ImportLog.message)
        .where(ImportLog.job_id == job.id)
        .order_by(ImportLog.id)
    )
    samples = db.session.execute(text(SAMPLES), {"job_id": job.id, "run": job.run, "most": MAX_SAMPLES})
    return {
        **import_json(job),
        "options": {
            "preview": job.wants_preview,
            "mode": job.mode,
            "on_reject": job.on_reject,
            "mapping": job.mapping,
            "delimiter": job.delimiter,
            "quote": job.quote,
            "encoding": job.encoding,
        },
        "file": file,
        "preview": job.preview,
        "log": [{"at": iso(at), "event": event, "message": message} for at, event, message in log],
        "samples": [{"at": round(at, 3), "phase": phase, "rows": rows} for at, phase, rows in samples],
    }


@blueprint.get("/upload/progress/<task_id>", parameters=TASK_ID)
@blueprint.document(operationId="getProgress")
@blueprint.answers(200, ImportSchema, "The import.")
@blueprint.fails(NOT_FOUND)
def show_progress(task_id: str) -> Response:
    """See how far an import is"""
    return jsonify(import_json(find_job(task_id)))


@blueprint.get("/imports/<task_id>", parameters=TASK_ID)
@blueprint.document(operationId="getImport")
@blueprint.answers(200, ImportDetailSchema, "The import.")
@blueprint.fails(NOT_FOUND)
def show_import(task_id: str) -> Response:
    """Get an import

    With all there is to know of it: what was asked for, what was found in the file, the preview, the log.
    """
    return jsonify(_details(find_job(task_id)))


@blueprint.get("/imports")
@blueprint.document(operationId="listImports")
@blueprint.takes(ImportsQuerySchema)
@blueprint.answers(200, ImportsSchema, "A page.")
@blueprint.fails(INVALID_PARAMETER)
def list_imports(wanted: dict[str, Any]) -> Response:
    """List imports

    Newest first, undos among them.
    """
    query = select(ImportJob).order_by(ImportJob.id.desc())
    for name in ("status", "kind", "started_from"):
        if name in wanted:
            query = query.where(getattr(ImportJob, name) == wanted[name])
    if part := wanted.get("filename"):
        query = query.where(ImportJob.filename.icontains(part, autoescape=True))
    rows, pagination = page_of(query)
    return jsonify(imports=[import_json(job) for job in rows], pagination=pagination)


@blueprint.post("/imports/<task_id>/confirm", parameters=TASK_ID)
@blueprint.document(operationId="confirmImport")
@blueprint.answers(202, ImportSchema, "It goes on and writes.")
@blueprint.fails(NOT_FOUND, NOT_AWAITING, HAS_REJECTS, BUSY)
def confirm_import(task_id: str) -> tuple[Response, int]:
    """Confirm a preview

    What is written is compared once more, since the catalogue may have changed; the file is not read again.
    """
    return _changed(task_id, actions.confirm)


@blueprint.post("/imports/<task_id>/cancel", parameters=TASK_ID)
@blueprint.document(operationId="cancelImport")
@blueprint.answers(202, ImportSchema, "It is cancelled; its counts say exactly what was written.")
@blueprint.fails(NOT_FOUND, ALREADY_ENDED, BUSY)
def cancel_import(task_id: str) -> tuple[Response, int]:
    """Cancel an import

    At any time before its end. What it has written stays, and can be undone.
    """
    settings: config.Settings = current_app.config["SETTINGS"]
    retention = Retention(settings.preview_hours, settings.retry_hours, settings.undo_days)
    key = str(find_job(task_id).task_id)
    db.session.remove()
    with contextlib.closing(db.engine.raw_connection()) as connection, _refusals():
        actions.cancel(cast("Connection", connection.driver_connection), key, retention)
    return jsonify(import_json(find_job(key))), 202


@blueprint.post("/imports/<task_id>/retry", parameters=TASK_ID)
@blueprint.document(operationId="retryImport", requestBody=OPTIONAL)
@blueprint.takes(RetrySchema, location="json", check=False)
@blueprint.answers(202, ImportSchema, "It waits for a worker.")
@blueprint.fails(NOT_FOUND, INVALID_PARAMETER, NOT_RETRYABLE, FILE_GONE, BUSY)
def retry_import(task_id: str) -> tuple[Response, int]:
    """Try an import again

    One that failed or was cancelled, while its file is kept (`retry_until`); or with other options one that waits to be
    confirmed. The body may be empty. With the same options one that was cut off while it wrote goes on where it was.
    """
    job = find_job(task_id)
    changes = _optional_body(RetrySchema())
    if "preview" in changes:
        changes["wants_preview"] = changes.pop("preview")
    upload_dir = current_app.config["SETTINGS"].upload_dir
    if job.kind == "import" and job.status != "completed" and not (upload_dir / job.stored_name).exists():
        raise FILE_GONE.error()
    return _changed(task_id, lambda cursor, key: actions.retry(cursor, key, changes))


@blueprint.post("/imports/<task_id>/undo", parameters=TASK_ID)
@blueprint.document(operationId="undoImport", requestBody=OPTIONAL)
@blueprint.takes(UndoSchema, location="json", check=False)
@blueprint.answers(202, ImportSchema, "The undo, a job of its own.")
@blueprint.fails(NOT_FOUND, NOT_UNDOABLE, BUSY)
def undo_import(task_id: str) -> tuple[Response, int]:
    """Take an import back

    What it created goes, what it changed gets its former values. Products that were edited since are left alone, and
    listed as the rejects of the undo. The answer is the undo, which is followed by its own `task_id`.
    """
    given = _optional_body(UndoSchema())
    origin, who = given.get("started_from", "api"), given.get("started_by") or client_name()
    return _changed(task_id, lambda cursor, key: actions.undo(cursor, key, started_from=origin, started_by=who))


def _changed(task_id: str, change: Callable[[Cursor, str], str | None]) -> tuple[Response, int]:
    """Lets a worker go on with an import, or with another job whose task id is returned; answers with the job."""
    key = str(find_job(task_id).task_id)
    db.session.rollback()
    connection: Any = db.session.connection().connection.driver_connection
    with _refusals(), connection.cursor() as cursor:
        key = change(cursor, key) or key
    db.session.commit()
    announce(key)
    return jsonify(import_json(find_job(key))), 202


def _optional_body(schema: RequestSchema) -> dict[str, Any]:
    """What the JSON of the request says; nothing where there is no body, whatever its content type."""
    if not request.get_data().strip():
        return {}
    body = request.get_json(force=True)
    if not isinstance(body, dict):
        raise INVALID_BODY.error()
    loaded: dict[str, Any] = load(schema, body)
    return loaded


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Turns what the state of an import does not allow into answers."""
    try:
        yield
    except actions.NotAllowed as refusal:
        raise ApiError(409, refusal.code, refusal.message) from None
    except actions.JobLocked:
        raise BUSY.error() from None


@blueprint.get("/imports/<task_id>/products", parameters=TASK_ID)
@blueprint.document(operationId="listImportedProducts")
@blueprint.takes(ChangesQuerySchema)
@blueprint.answers(200, ImportedProductsSchema, "A page.")
@blueprint.fails(INVALID_PARAMETER, NOT_FOUND)
def list_products(wanted: dict[str, Any], task_id: str) -> Response:
    """List the products that an import had to do with

    Created, changed and left out because of the mode, in this order; each as it is now. Kept for as long as an import
    can be undone (UNDO_DAYS).
    """
    job = find_job(task_id)
    page, per_page = wanted.get("page", 1), wanted.get("per_page", DEFAULT_PER_PAGE)
    connection: Any = db.session.connection().connection.driver_connection
    with connection.cursor() as cursor:
        kinds = (wanted["change"],) if "change" in wanted else CHANGES
        rows, total = list_affected_products(cursor, job.id, kinds, (page - 1) * per_page, per_page)
    ids = [row.product_id for row in rows if row.product_id]
    products = {product.id: product for product in db.session.scalars(select(Product).where(Product.id.in_(ids)))}
    answers = []
    for row in rows:
        product = products.get(row.product_id or 0)
        sku = product.sku if product and row.sku is None else row.sku
        known = row.product_id if row.change != "left_out" else None
        shown = product_json(product) if product else None
        answers.append({"change": row.change, "id": known, "sku": sku, "product": shown})
    pagination = {"page": page, "per_page": per_page, "total": total, "pages": -(-total // per_page)}
    return jsonify(products=answers, pagination=pagination)


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
