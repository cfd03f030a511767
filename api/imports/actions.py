"""Calls that confirm, cancel, retry, undo and delete an import."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, cast

from flask import Response, current_app, jsonify
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from access.roles import Scope
from api.authentication import current_origin, require
from api.errors import ApiError, ErrorType
from api.imports.jobs import IMPORT_NOT_FOUND, TASK_ID, announce_job, find_job, record_action, starter_name
from api.imports.limits import TOO_MANY_IMPORTS, require_room
from api.imports.options import RetryOptionsSchema, UndoQuerySchema, UndoRequestSchema
from api.imports.schemas import ImportSchema
from api.imports.storage import FILE_GONE, STORAGE_UNAVAILABLE, delete_file, require_file
from api.imports.undo_schemas import EXAMPLE_PLAN, UndoPlanSchema
from api.openapi import INVALID_PARAMETER, OPTIONAL_BODY, Blueprint, load_optional_body
from api.schemas import MessageSchema
from database.running_imports import name_job
from database.serializers import format_timestamp, serialize_import
from database.statement_timeout import allow_long_statements
from importer.jobs import actions
from importer.jobs.messages import describe_undo_plan
from importer.jobs.retention import Retention
from importer.pipeline.undo_check import check_undo
from importer.pipeline.undo_plan import plan_undo
from models import FINAL_STATUSES, db

blueprint = Blueprint("import_actions", __name__, url_prefix="/api/imports", tag="Imports")

# `importer.jobs.actions` and `importer.pipeline.undo_check` raise these 409 errors with more specific messages.
NOT_AWAITING_CONFIRMATION = ErrorType(
    409, "not_awaiting_confirmation", "The import is running, so there is nothing to confirm."
)
HAS_REJECTS = ErrorType(409, "has_rejects", "3 rows were rejected, and this import is all or nothing (on_reject=fail).")
TOO_MANY_MISSING = ErrorType(
    409,
    "too_many_missing",
    "The import would delete 600 of the 1,000 products in the catalogue (60%), because the file does not have them."
    " The limit is 10%, so nothing was written. If the file is complete, retry with missing_limit=0.6. Otherwise"
    " upload the complete file, or retry with missing=keep.",
)
ALREADY_ENDED = ErrorType(409, "already_ended", "The import has completed, so there is nothing to cancel.")
NOT_RETRYABLE = ErrorType(409, "not_retryable", "The import has completed, so it cannot be retried.")
NOT_UNDOABLE = ErrorType(409, "not_undoable", "This import wrote no products, so there is nothing to undo.")
UNDO_BLOCKED = ErrorType(
    409,
    "undo_blocked",
    "900 of the 1,000 products of this import were changed since, mostly by the later import of “june.csv”. An undo"
    " leaves these alone. Undo that import first, or force this undo to take back only the rest.",
)
NOT_DELETABLE = ErrorType(
    409, "not_deletable", "The import is running, so it cannot be deleted before it ends. Cancel it first."
)
JOB_BUSY = ErrorType(503, "busy", "A worker is writing this import at the moment. Try again in a few seconds.")


@blueprint.post("/<task_id>/confirm", parameters=TASK_ID)
@blueprint.document(operationId="confirmImport")
@blueprint.returns(202, ImportSchema, "The import continues.")
@blueprint.raises(IMPORT_NOT_FOUND, NOT_AWAITING_CONFIRMATION, HAS_REJECTS, TOO_MANY_MISSING, JOB_BUSY)
def confirm_import(task_id: str) -> tuple[Response, int]:
    """Confirm a preview

    The import compares its rows with the catalogue again, because that may have changed, and writes the products. It
    does not read the file again.
    """

    def confirm(cursor: Cursor, key: str) -> None:
        actions.confirm(cursor, key)
        record_action("confirmed", find_job(key))

    return run_action(task_id, confirm)


@blueprint.post("/<task_id>/cancel", parameters=TASK_ID)
@blueprint.document(operationId="cancelImport")
@blueprint.returns(202, ImportSchema, "The import is cancelled. Its counts say exactly what it wrote.")
@blueprint.raises(IMPORT_NOT_FOUND, ALREADY_ENDED, JOB_BUSY)
def cancel_import(task_id: str) -> tuple[Response, int]:
    """Cancel an import

    You can cancel an import at any time before it ends. Products that it has already written stay; you can undo them.
    """
    retention = Retention.from_settings(current_app.config["SETTINGS"])
    key, origin = str(find_job(task_id).task_id), current_origin()
    with _own_connection() as connection, _convert_refusals():
        actions.cancel(connection, key, retention, origin)
    return jsonify(serialize_import(find_job(key))), 202


@blueprint.post("/<task_id>/retry", parameters=TASK_ID)
@blueprint.document(operationId="retryImport", requestBody=OPTIONAL_BODY)
@blueprint.accepts(RetryOptionsSchema, location="json", check=False)
@blueprint.returns(202, ImportSchema, "The import waits for a worker.")
@blueprint.raises(
    IMPORT_NOT_FOUND, INVALID_PARAMETER, NOT_RETRYABLE, FILE_GONE, JOB_BUSY, STORAGE_UNAVAILABLE, TOO_MANY_IMPORTS
)
def retry_import(task_id: str) -> tuple[Response, int]:
    """Retry an import

    Runs a failed or cancelled import, bulk change or undo again until `retry_until`: as long as the file of the import
    is stored. Retrying the deletion of all products needs the scope `admin`. The call also gives other
    options to an import that awaits confirmation. The body may be empty. With the same options, an import that was
    interrupted while it wrote continues where it stopped.
    """
    job = find_job(task_id)
    if job.bulk and job.bulk["action"] == "delete" and job.bulk["selection"] == "all" and job.kind == "bulk":
        # It needs what the call needs that started it.
        require(Scope.ADMIN)
    options = load_optional_body(RetryOptionsSchema())
    if "preview" in options:
        options["wants_preview"] = options.pop("preview")
    starts_again, started_by = job.status in FINAL_STATUSES and job.kind == "import", job.started_by
    require_file(job)
    if starts_again:
        require_room(started_by)

    def retry(cursor: Cursor, key: str) -> None:
        before = find_job(key)
        changes = {name: [getattr(before, name), value] for name, value in options.items()}
        actions.retry(cursor, key, options)
        record_action("retried", before, {name: pair for name, pair in changes.items() if pair[0] != pair[1]})

    return run_action(task_id, retry)


@blueprint.post("/<task_id>/undo", parameters=TASK_ID)
@blueprint.document(operationId="undoImport", requestBody=OPTIONAL_BODY)
@blueprint.accepts(UndoQuerySchema)
@blueprint.accepts(UndoRequestSchema, location="json", check=False)
@blueprint.returns(200, UndoPlanSchema, "What the undo would do, with `dry_run`.", example=EXAMPLE_PLAN)
@blueprint.returns(202, ImportSchema, "The undo, which is a job of its own.")
@blueprint.raises(IMPORT_NOT_FOUND, INVALID_PARAMETER, NOT_UNDOABLE, UNDO_BLOCKED, JOB_BUSY)
def undo_import(query: dict[str, Any], task_id: str) -> tuple[Response, int]:
    """Undo an import

    Removes the products that the import created and restores those that it updated. Products that were edited since are
    left alone, and listed as the rejected rows of the undo; the import can be undone again for these, for example after
    the later import that changed them was undone. The undo is a job with its own `task_id`.

    If more than half of the products were changed since, the call is refused with `undo_blocked`, unless `force` is
    true. The error's `details` have the number of `products`, how many of them would be `left_alone`, whether that
    number `is_estimate`, and in `later_import` the `task_id` and `filename` of the later import that changed most of
    them, if there is one.

    With `dry_run`, in the query or in the body, nothing is changed. The response has the exact numbers of products that
    the undo would remove, change back, insert again and leave alone if it were made now, its deadline, and in `refusal`
    what the call without `force` would be refused with.
    """
    body = load_optional_body(UndoRequestSchema())
    if query.get("dry_run", False) or body.get("dry_run", False):
        return _count_undo(task_id), 200
    started_from, started_by = body.get("started_from", "api"), starter_name(body.get("started_by"))

    def undo(cursor: Cursor, key: str) -> str:
        undo_task_id = actions.undo(cursor, key, started_from=started_from, started_by=started_by)
        if not body.get("force", False):
            # A refusal rolls the new job back.
            check_undo(cursor, key)
        record_action("undone", find_job(key), {"undo": [None, undo_task_id]})
        return undo_task_id

    return run_action(task_id, undo)


def _count_undo(task_id: str) -> Response:
    """Return what the undo of a job would do."""
    key = str(find_job(task_id).task_id)
    connection: Any = db.session.connection().connection.driver_connection
    refusal = None
    with _convert_refusals(), connection.cursor() as cursor:
        allow_long_statements(cursor)
        job = actions.find_undoable(cursor, key)
        plan = asdict(plan_undo(cursor, job["id"]))
        try:
            check_undo(cursor, key)
        except actions.NotAllowed as error:
            refusal = error.message
    return jsonify(
        **plan,
        products=sum(plan.values()),
        message=describe_undo_plan(plan),
        undo_until=format_timestamp(job["undo_until"]),
        refusal=refusal,
    )


@blueprint.delete("/<task_id>", parameters=TASK_ID)
@blueprint.document(operationId="deleteImport")
@blueprint.returns(
    200, MessageSchema, "The import was deleted.", example={"message": "The import of products.csv was deleted."}
)
@blueprint.raises(IMPORT_NOT_FOUND, NOT_DELETABLE, JOB_BUSY)
def delete_import(task_id: str) -> Response:
    """Delete an import

    Deletes an import that has ended, with everything that is kept of it: its file, rejected rows, log, progress over
    time, and what an undo needs. The products stay as they are, and the import cannot be undone any more. Its undo, if
    it has one, is a job of its own and stays. Webhooks still get the events of the import; they name an id that no
    longer exists. If the call is interrupted, repeat it.
    """
    job = find_job(task_id)
    key, name, stored_name = str(job.task_id), name_job(job.kind, job.filename), job.stored_name
    origin = current_origin()
    with _own_connection() as connection, _convert_refusals():
        actions.delete(connection, key, origin)
    # Only an import has a file. The reaper of a worker removes a file that cannot be removed now.
    if stored_name:
        delete_file(stored_name)
    return jsonify(message=f"{name} was deleted.")


@contextlib.contextmanager
def _own_connection() -> Iterator[Connection]:
    """Open a connection for an action that needs several transactions."""
    db.session.remove()
    with contextlib.closing(db.engine.raw_connection()) as connection:
        yield cast("Connection", connection.driver_connection)


def run_action(task_id: str, action: Callable[[Cursor, str], str | None]) -> tuple[Response, int]:
    """Run an action on a job, wake a worker, and return the response with the job.

    If the action returns the task id of another job, such as an undo, that job is announced and returned.
    """
    key = str(find_job(task_id).task_id)
    db.session.rollback()
    connection: Any = db.session.connection().connection.driver_connection
    with _convert_refusals(), connection.cursor() as cursor:
        allow_long_statements(cursor)
        key = action(cursor, key) or key
    db.session.commit()
    announce_job(key)
    return jsonify(serialize_import(find_job(key))), 202


@contextlib.contextmanager
def _convert_refusals() -> Iterator[None]:
    """Raise an `ApiError` if the state of the job does not allow the action, or if the job stays locked."""
    try:
        yield
    except actions.NotAllowed as error:
        raise ApiError(409, error.code, error.message, details=error.details) from None
    except actions.JobLocked:
        raise JOB_BUSY.exception() from None
