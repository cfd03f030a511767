"""Calls that list the duplicates of an import, whose values it drops: as pages, and as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from flask import Response, jsonify
from sqlalchemy import Engine, Select, Text, cast, or_, select, text

from api.imports.csv_files import describe_file_name, encode_rows, send_csv
from api.imports.jobs import IMPORT_NOT_FOUND, TASK_ID, find_job, record_export
from api.imports.list_counts import count_rows
from api.imports.list_messages import ListMessage, list_message
from api.imports.list_schemas import DuplicateFileQuerySchema, DuplicatePageSchema, DuplicateQuerySchema
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import fetch_page
from models import ImportDuplicate, ImportJob, db

blueprint = Blueprint("duplicates", __name__, url_prefix="/api/imports", tag="Imports")

BATCH_ROWS = 2000
EXAMPLE_FILE = "line,kept_line,sku,differs,name,name_kept\r\n17,42,A-1,true,Blue lamp,Red lamp\r\n"


@blueprint.get("/<task_id>/duplicates", parameters=TASK_ID)
@blueprint.document(operationId="listDuplicates")
@blueprint.accepts(DuplicateQuerySchema)
@blueprint.returns(200, DuplicatePageSchema, "A page of duplicates.")
@blueprint.raises(INVALID_PARAMETER, IMPORT_NOT_FOUND)
def list_duplicates(query: dict[str, Any], task_id: str) -> Response:
    """List the duplicates

    Lists the rows whose SKU appears again further down in the file, with the values that the import drops and those
    that count, in the order of the file. They are stored once the check is done, or the import has completed, for
    REJECT_DAYS after its end. If there are more than MAX_REJECTS, those that differ are stored first, and `message`
    says that others are missing.
    """
    job = find_job(task_id)
    duplicates = _select_duplicates(job.id, query)
    values = tuple((name, query[name]) for name in ("q", "differs") if name in query)
    total = count_rows(job, ImportDuplicate, duplicates, values)
    rows, pagination = fetch_page(duplicates, query["page"], query["per_page"], total=total)
    stored = count_rows(job, ImportDuplicate)
    return jsonify(
        duplicates=[
            {
                "line": row.line,
                "kept_line": row.kept_line,
                "sku": row.sku,
                "differs": row.differs,
                "dropped": row.dropped,
                "kept": row.dropped if row.kept is None else row.kept,
            }
            for row in rows
        ],
        **_explain_missing(_count_duplicates(job), stored)._asdict(),
        pagination=pagination,
    )


@blueprint.get("/<task_id>/duplicates.csv", parameters=TASK_ID)
@blueprint.document(operationId="exportDuplicates")
@blueprint.accepts(DuplicateFileQuerySchema)
@blueprint.returns(
    200,
    {"type": "string"},
    "The file.",
    content_type="text/csv",
    example=EXAMPLE_FILE,
    headers=describe_file_name("duplicates"),
)
@blueprint.raises(INVALID_PARAMETER, IMPORT_NOT_FOUND)
def export_duplicates(query: dict[str, Any], task_id: str) -> Response:
    """Export the duplicates as a file

    The file is CSV (RFC 4180) in UTF-8: the line of each row, the line of the row that counts, the SKU, whether their
    values differ, and for each field of the file the value that the import drops and the one that counts.
    """
    job = find_job(task_id)
    columns = [name for name in job.staged_columns or [] if name != "sku"]
    filename = job.filename
    batches = _read_batches(db.engine, _select_duplicates(job.id, query))
    # Read the first batch now, so that an error is an ordinary error response.
    first_batch = next(batches, [])
    record_export(job, "duplicates")
    db.session.remove()
    header = ["line", "kept_line", "sku", "differs", *(part for name in columns for part in (name, f"{name}_kept"))]
    cells = ([_to_cells(row, columns) for row in batch] for batch in chain([first_batch], batches))
    return send_csv(encode_rows(header, cells, byte_order_mark=query.get("bom", False)), filename, "duplicates")


def _select_duplicates(job_id: int, query: dict[str, Any]) -> Select[ImportDuplicate]:
    duplicates = select(ImportDuplicate).where(ImportDuplicate.job_id == job_id).order_by(ImportDuplicate.line)
    if "differs" in query:
        duplicates = duplicates.where(ImportDuplicate.differs == query["differs"])
    if part := query.get("q"):
        row = ImportDuplicate
        values = [
            cast(column[name].astext, Text) for column in (row.dropped, row.kept) for name in ("name", "description")
        ]
        duplicates = duplicates.where(or_(*(value.icontains(part, autoescape=True) for value in [row.sku, *values])))
    return duplicates


def _count_duplicates(job: ImportJob) -> int:
    """Return how many duplicates the check or the import has counted."""
    return int(job.duplicate_count or (job.preview or {}).get("duplicate", 0))


def _explain_missing(counted: int, stored: int) -> ListMessage:
    if stored >= counted:
        return ListMessage()
    if stored == 0:
        return list_message("duplicates_not_stored")
    return list_message("duplicates_cut", stored=stored, counted=counted)


def _read_batches(engine: Engine, query: Select[ImportDuplicate]) -> Iterator[Sequence[Any]]:
    """Yield the duplicates that a query selects in batches, each in a short transaction of its own."""
    table = ImportDuplicate
    rows_query = query.with_only_columns(
        table.line, table.kept_line, table.sku, table.differs, table.dropped, table.kept
    ).limit(BATCH_ROWS)
    last_line = 0
    while True:
        with engine.connect() as connection:
            # Right after an import the planner has no statistics of its duplicates, and would sort all of them.
            connection.execute(text("SET LOCAL enable_sort = off"))
            rows = connection.execute(rows_query.where(table.line > last_line)).all()
        if not rows:
            return
        yield rows
        last_line = rows[-1].line


def _to_cells(row: Any, columns: list[str]) -> list[Any]:
    kept = row.dropped if row.kept is None else row.kept
    values = (value for name in columns for value in (row.dropped.get(name), kept.get(name)))
    return [row.line, row.kept_line, row.sku, row.differs, *values]
