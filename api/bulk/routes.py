"""Calls that change or delete many products. Each creates a job and waits for it for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Response, current_app, jsonify, request
from psycopg2.extensions import cursor as Cursor

from access.audit import Target
from access.roles import Scope
from api.audit import record
from api.authentication import require
from api.bulk.runs import BulkRuns
from api.bulk.schemas import (
    BULK_REQUEST_BODY,
    INVALID_BULK,
    BulkRequest,
    BulkRequestSchema,
    BulkResultSchema,
    DeletionQuerySchema,
    RunningBulkSchema,
)
from api.errors import ErrorType
from api.imports.jobs import announce_job, find_job, starter_name
from api.openapi import INVALID_PARAMETER, Blueprint
from api.products.changes import require_known_changes
from catalogue.bulk import ACTIONS, BulkChange
from catalogue.filters import Filter
from database import clock
from database.running_imports import find_running_import
from database.serializers import format_timestamp, serialize_import
from database.statement_timeout import allow_long_statements
from importer.jobs.bulk_jobs import create_bulk_job
from importer.jobs.log_messages import log_message
from models import ImportJob, db

blueprint = Blueprint("bulk", __name__, url_prefix="/api/products", tag="Products")

IMPORT_RUNNING = ErrorType(
    409, "import_running", "The import of products.csv is not finished, so nothing was deleted. Wait until it ends."
)
BULK_CANCELLED = ErrorType(
    409,
    "bulk_cancelled",
    "The bulk change was cancelled. 1,000 products were deactivated before; undo it if necessary.",
)
BULK_FAILED = ErrorType(
    503, "bulk_failed", "The disk of the database server is full. Free some space, then retry the bulk change."
)
DEACTIVATED_EXAMPLE = {
    "message": "12 products were deactivated.",
    "count": 12,
    "task_id": "5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3",
}
DELETED_EXAMPLE = {**DEACTIVATED_EXAMPLE, "message": "12 products were deleted."}
RESPOND_ASYNC = "respond-async"
PREFER = {
    "in": "header",
    "name": "Prefer",
    "description": f"With `{RESPOND_ASYNC}` (RFC 7240) the call answers at once with 202, and a worker does the job.",
    "schema": {"type": "string", "examples": [RESPOND_ASYNC]},
}
RUNNING = "The job goes on. Follow it by its `task_id`, as an import."
PREFERENCE_APPLIED = {
    "Preference-Applied": {
        "description": f"`{RESPOND_ASYNC}` if the client asked for that.",
        "schema": {"type": "string"},
    }
}


@blueprint.post("/bulk")
@blueprint.document(operationId="changeProducts", requestBody=BULK_REQUEST_BODY, parameters=[PREFER])
@blueprint.accepts(BulkRequestSchema, location="json", example={"action": "deactivate", "filter": {"name": "lamp"}})
@blueprint.returns(200, BulkResultSchema, "The products were changed.", example=DEACTIVATED_EXAMPLE)
@blueprint.returns(202, RunningBulkSchema, RUNNING, headers=PREFERENCE_APPLIED)
@blueprint.raises(INVALID_BULK, IMPORT_RUNNING, BULK_CANCELLED, BULK_FAILED)
def change_products(body: BulkRequest) -> tuple[Response, int]:
    """Change or delete many products

    Applies the action to the products with the given `ids`, or to all that match the `filter`: activates, deactivates
    or deletes them, or sets a `field` of each to the same `value`. `count` is the number of products that changed.
    Products that already have the wanted value are not written, so their `updated_at` stays the same.

    The change is a job of the kind `bulk`. It can be followed, cancelled, retried and undone by its `task_id`, as an
    import can. The call waits for it for 10 seconds; if it takes longer, the response is 202 with the job. Deleting
    with the empty filter is the same as `DELETE /api/products/bulk-delete`, and needs the same scope.
    """
    if body.change.deletes_all:
        require(Scope.ADMIN)
    return _respond(body)


@blueprint.delete("/bulk-delete")
@blueprint.document(operationId="deleteAllProducts", parameters=[PREFER])
@blueprint.needs(Scope.ADMIN)
@blueprint.accepts(DeletionQuerySchema)
@blueprint.returns(200, BulkResultSchema, "All products were deleted.", example=DELETED_EXAMPLE)
@blueprint.returns(202, RunningBulkSchema, RUNNING, headers=PREFERENCE_APPLIED)
@blueprint.raises(INVALID_PARAMETER, IMPORT_RUNNING, BULK_CANCELLED, BULK_FAILED)
def delete_all_products(query: dict[str, Any]) -> tuple[Response, int]:
    """Delete all products

    This is a job like other bulk changes, so it can be undone. Returns 409 while another job is waiting or running. A
    client that is reading at the same time, such as an export, still gets all products.
    """
    change = BulkChange("delete", Filter())
    return _respond(BulkRequest(change, query.get("dry_run", False), query["started_from"], query.get("started_by")))


def _respond(body: BulkRequest) -> tuple[Response, int]:
    """Make a bulk change, or count its products, and return the response."""
    if isinstance(body.change.selection, Filter):
        require_known_changes(_cursor(), body.change.selection, INVALID_BULK, "filter.changed_by")
    if body.dry_run:
        return _count(body.change)
    respond_async = any(part.strip().lower() == RESPOND_ASYNC for part in request.headers.get("Prefer", "").split(","))
    task_id = _create_job(body, announced=not respond_async)
    if respond_async:
        # A fast worker may end the job before this call returns. The client asked for a job to follow all the same.
        response, status = _respond_unfinished(body.change, find_job(task_id))
        response.headers["Preference-Applied"] = RESPOND_ASYNC
        announce_job(task_id)
        return response, status
    runs: BulkRuns = current_app.extensions["bulk_runs"]
    runs.run(task_id)
    job = find_job(task_id)
    if job.status == "completed":
        found, changed = job.total_records, _count_changed(job)
        result = log_message("bulk_completed", **body.change.result(found, changed))
        return jsonify(
            message=result.sentence,
            code=result.code,
            details=result.details,
            count=changed,
            task_id=task_id,
            undo_until=format_timestamp(job.undo_until),
        ), 200
    return _respond_unfinished(body.change, job)


def _count(change: BulkChange) -> tuple[Response, int]:
    """Return what a bulk change would do, and until when it could be undone."""
    found, changed = change.count(_cursor())
    days = current_app.config["SETTINGS"].undo_days
    undo_until = format_timestamp(clock.now() + timedelta(days=days)) if days else None
    return jsonify(message=change.describe_plan(found, changed), count=changed, found=found, undo_until=undo_until), 200


def _create_job(body: BulkRequest, *, announced: bool) -> str:
    """Create the job of a bulk change with its audit entry, and commit; raise the 409 if another job is in the way."""
    change = body.change
    cursor = _cursor()
    if change.deletes_all and (running := find_running_import(cursor)) is not None:
        message = f"{running} is not finished, so nothing was deleted. Wait until it ends."
        raise IMPORT_RUNNING.exception(message, details={"job": running.kind, "name": running.filename})
    started_by = starter_name(body.started_by)
    task_id = create_bulk_job(
        cursor, change, started_from=body.started_from, started_by=started_by, announced=announced
    )
    shown = change.to_json()
    values = {name: shown[name] for name in ("field", "value", "filter", "ids") if shown[name] is not None}
    if change.selects_all:
        values["filter"] = {}
    changes = {name: [None, value] for name, value in values.items()}
    record(f"products.{ACTIONS[change.action]}", Target("products", task_id, change.title), changes=changes)
    db.session.commit()
    # The job needs connections of its own.
    db.session.remove()
    return task_id


def _respond_unfinished(change: BulkChange, job: ImportJob) -> tuple[Response, int]:
    """Return the response for a job that goes on; raise the error if it has ended early."""
    changed = _count_changed(job)
    counted = f"{changed:,} product{' was' if changed == 1 else 's were'} {ACTIONS[change.action]}"
    if job.status == "cancelled":
        message = f"The bulk change was cancelled. {counted} before; undo it if necessary."
        raise BULK_CANCELLED.exception(message, details={"action": change.action, "count": changed})
    if job.status == "failed":
        details = {"error_code": job.error_code, "error_details": job.error_details}
        raise BULK_FAILED.exception(job.error_message, details=details if job.error_code else None)
    message = f"{counted} so far. The bulk change goes on; follow it by its task_id."
    return jsonify({**serialize_import(job), "message": message, "count": changed}), 202


def _count_changed(job: ImportJob) -> int:
    return job.updated_count + job.removed_count


def _cursor() -> Cursor:
    """Return a cursor of the driver in the transaction of the request, which may take long."""
    connection: Any = db.session.connection().connection.driver_connection
    cursor: Cursor = connection.cursor()
    allow_long_statements(cursor)
    return cursor
