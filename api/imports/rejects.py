"""Calls that show the rejected rows of an import: as pages, and as a file to correct and import again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from flask import Response, jsonify
from sqlalchemy import Engine, select, text

from api.imports.csv_files import describe_file_name, send_csv
from api.imports.jobs import IMPORT_NOT_FOUND, TASK_ID, find_job, record_export
from api.imports.list_counts import count_rows
from api.imports.list_messages import ListMessage, list_message
from api.imports.list_schemas import (
    MAX_GROUP_LINES,
    RejectedRowPageSchema,
    RejectGroupPageSchema,
    RejectQuerySchema,
)
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import fetch_page, pagination_json
from api.request_fields import Boolean
from api.schemas import PageQuerySchema, QuerySchema
from importer.columns.reject_file import UNSPLITTABLE_CODES, encode_reject_file, split_rejects
from importer.files.dialect import Dialect
from importer.files.reject_messages import read_details
from importer.files.rows import Reject
from models import ImportJob, ImportReject, db
from monitoring.context import carry

blueprint = Blueprint("rejects", __name__, url_prefix="/api/imports", tag="Imports")

# Each batch is read in a short transaction of its own, so a slow client keeps none open.
BATCH_ROWS = 3000

# The column of each filter, by its parameter.
FILTERS = {"reason": ImportReject.code, "column": ImportReject.column, "value": ImportReject.value}
LIST_GROUPS_SQL = f"""
SELECT code, "column", value, count(*) AS count, (array_agg(message ORDER BY line))[1] AS message,
    (array_agg(line ORDER BY line))[1:{MAX_GROUP_LINES}] AS lines
FROM import_rejects WHERE job_id = :job_id GROUP BY code, "column", value
ORDER BY count DESC, min(line) OFFSET :offset LIMIT :limit
"""
READ_BATCH_SQL = """
SELECT line, code, message, "row" FROM import_rejects WHERE job_id = %s AND line > %s ORDER BY line LIMIT %s
"""
COUNT_GROUPS_SQL = """
SELECT count(*) FROM (SELECT DISTINCT code, "column", value FROM import_rejects WHERE job_id = :job_id) reasons
"""

EXAMPLE_FILE = "sku,name,line,code,message\r\n,Blue lamp,17,missing_sku,The row has no SKU.\r\n"


class RejectFileQuerySchema(QuerySchema):
    """The format of the file."""

    bom = Boolean(
        "Whether the file starts with a byte order mark, so that spreadsheets read it as UTF-8.", in_query=True
    )


@blueprint.get("/<task_id>/rejects", parameters=TASK_ID)
@blueprint.document(operationId="listRejects")
@blueprint.accepts(RejectQuerySchema)
@blueprint.returns(200, RejectedRowPageSchema, "A page of rejected rows.")
@blueprint.raises(INVALID_PARAMETER, IMPORT_NOT_FOUND)
def list_rejects(query: dict[str, Any], task_id: str) -> Response:
    """List the rejected rows

    Lists the rows that could not be imported, in the order of the file. The first MAX_REJECTS rows are stored, for
    REJECT_DAYS after the end of the import. If rows are missing for that reason, `message` says so.
    """
    job = find_job(task_id)
    rejects = select(ImportReject).where(ImportReject.job_id == job.id).order_by(ImportReject.line)
    if part := query.get("q"):
        rejects = rejects.where(ImportReject.row.icontains(part, autoescape=True))
    for parameter, column in FILTERS.items():
        if parameter in query:
            rejects = rejects.where(column == query[parameter])
    values = tuple((name, query[name]) for name in ("q", *FILTERS) if name in query)
    total = count_rows(job, ImportReject, rejects, values)
    rows, pagination = fetch_page(rejects, query["page"], query["per_page"], total=total)
    return jsonify(
        rejects=[
            {
                "line": row.line,
                "code": row.code,
                "message": row.message,
                "row": row.row,
                "column": row.column,
                "value": row.value,
                "details": read_details(row.code, row.message),
                "cells": cells,
            }
            for row, cells in zip(rows, _split_rows(job, rows), strict=True)
        ],
        **_explain_missing(job)._asdict(),
        pagination=pagination,
    )


@blueprint.get("/<task_id>/rejects/groups", parameters=TASK_ID)
@blueprint.document(operationId="listRejectGroups")
@blueprint.accepts(PageQuerySchema)
@blueprint.returns(200, RejectGroupPageSchema, "A page of groups.")
@blueprint.raises(INVALID_PARAMETER, IMPORT_NOT_FOUND)
def list_reject_groups(query: dict[str, Any], task_id: str) -> Response:
    """List the rejected rows by reason

    Groups the rows by reason, column and value, the largest group first. The lists of rejected rows take the `code`, as
    `reason`, the `column` and the `value` of a group. Only stored rows count; if some are missing, `message` says so.
    """
    job = find_job(task_id)
    page, per_page = query["page"], query["per_page"]
    groups = db.session.execute(
        text(LIST_GROUPS_SQL), {"job_id": job.id, "offset": (page - 1) * per_page, "limit": per_page}
    ).all()
    total = db.session.scalar(text(COUNT_GROUPS_SQL), {"job_id": job.id}) or 0
    return jsonify(
        groups=[
            {
                "code": group.code,
                "message": group.message,
                "column": group.column,
                "value": group.value,
                "details": read_details(group.code, group.message),
                "count": group.count,
                "lines": group.lines,
            }
            for group in groups
        ],
        **_explain_missing(job)._asdict(),
        pagination=pagination_json(page, per_page, total),
    )


@blueprint.get("/<task_id>/rejects.csv", parameters=TASK_ID)
@blueprint.document(operationId="exportRejects")
@blueprint.accepts(RejectFileQuerySchema)
@blueprint.returns(
    200,
    {"type": "string"},
    "The file.",
    content_type="text/csv",
    example=EXAMPLE_FILE,
    headers=describe_file_name("rejects"),
)
@blueprint.raises(INVALID_PARAMETER, IMPORT_NOT_FOUND)
def export_rejects(query: dict[str, Any], task_id: str) -> Response:
    """Export the rejected rows as a file

    The file has the original rows, with the columns and the delimiter of the imported file, followed by the columns
    `line`, `code` and `message`. It is CSV (RFC 4180) in UTF-8. A row that cannot be split into fields is in one cell.
    Correct the rows and upload the file as it is: the additional columns are ignored, and rows that are not corrected
    are rejected again. If rejected rows are missing because they are no longer stored, a last row with the code
    `more_rejects` says so.
    """
    job = find_job(task_id)
    header, dialect, is_text = _file_format(job)
    batches = _read_batches(db.engine, job.id, quote_rows=is_text)
    # Read the first batch now, so that an error is an ordinary error response.
    first_batch = next(batches, [])
    filename, rejected_count, is_stored = job.filename, job.rejected_count, _are_rejects_stored(job)
    record_export(job, "rejects")
    db.session.remove()
    body = encode_reject_file(
        header,
        dialect,
        chain([first_batch], _read_ahead(batches)),
        byte_order_mark=query.get("bom", False),
        explain_missing=lambda written: explain_missing_rejects(rejected_count, written, is_stored=is_stored).message,
    )
    return send_csv(body, filename, "rejects")


def _split_rows(job: ImportJob, rows: Sequence[ImportReject]) -> list[list[str] | None]:
    """Return the cells of rejected rows; None for rows that cannot be split."""
    _, dialect, is_text = _file_format(job)
    if is_text:
        return [None] * len(rows)
    rejects = [Reject(row.line, row.code, row.message, row.row) for row in rows]
    return [
        None if reject.code in UNSPLITTABLE_CODES else cells
        for reject, cells in zip(rejects, split_rejects(rejects, dialect), strict=True)
    ]


def explain_missing_rejects(rejected: int, stored: int, *, is_stored: bool) -> ListMessage:
    """Return what a list says if fewer rejects are stored than were counted.

    `is_stored` says whether the import has stored its rejects, which it does once it has read the whole file.
    """
    if stored >= rejected:
        return ListMessage()
    if not is_stored:
        return list_message("rejects_not_yet_stored")
    if stored == 0:
        return list_message("rejects_gone")
    return list_message("rejects_cut", stored=stored, counted=rejected)


def _explain_missing(job: ImportJob) -> ListMessage:
    """Return what a list says if not all rejected rows of a job are stored."""
    stored = count_rows(job, ImportReject)
    return explain_missing_rejects(job.rejected_count, stored, is_stored=_are_rejects_stored(job))


def _are_rejects_stored(job: ImportJob) -> bool:
    return job.kind == "undo" or job.staged_columns is not None


def _file_format(job: ImportJob) -> tuple[list[str], Dialect, bool]:
    """Return the header and the dialect for a job's rejected rows, and whether these are plain texts instead of CSV."""
    if job.kind == "undo":
        return ["product"], Dialect(), True
    if not job.file:
        return ["row"], Dialect(), True
    header = [str(column["name"]) for column in job.file["columns"]]
    # Jobs of earlier versions lack the last two keys.
    escaped, wrapped = (job.file.get(key, False) for key in ("escaped", "wrapped"))
    return header, Dialect(job.file["delimiter"], job.file["quote"], escaped=escaped, wrapped=wrapped), False


def _read_ahead(batches: Iterator[Sequence[Reject]]) -> Iterator[Sequence[Reject]]:
    """Yield batches, and read the next one meanwhile."""
    with ThreadPoolExecutor(1, "rejects") as thread:
        following = thread.submit(carry(next), batches, None)
        while (batch := following.result()) is not None:
            following = thread.submit(carry(next), batches, None)
            yield batch


def _read_batches(engine: Engine, job_id: int, *, quote_rows: bool) -> Iterator[Sequence[Reject]]:
    """Yield the rejected rows in the order of the file; `quote_rows` turns each row into one quoted CSV field."""
    last_line = 0
    while True:
        with engine.connect() as connection:
            # Right after an import the planner has no statistics of its rejects, and would sort all of them each time.
            connection.execute(text("SET LOCAL enable_sort = off"))
            # A cursor of the driver takes a fraction of the time of SQLAlchemy's.
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor:
                cursor.execute(READ_BATCH_SQL, (job_id, last_line, BATCH_ROWS))
                batch = [Reject(*row) for row in cursor.fetchall()]
        if quote_rows:
            batch = [row._replace(row='"' + row.row.replace('"', '""') + '"') for row in batch]
        if not batch:
            return
        yield batch
        last_line = batch[-1].line
