"""Calls that list the rows of a check while the import awaits its confirmation: as pages, and as a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import chain
from typing import Any

from flask import Response, jsonify
from psycopg2 import errors
from sqlalchemy import Engine

from api.errors import ErrorType
from api.imports.csv_files import describe_file_name, encode_rows, send_csv
from api.imports.jobs import IMPORT_NOT_FOUND, TASK_ID, find_job, record_export
from api.imports.list_schemas import CheckedRowPageSchema, RowFileQuerySchema, RowQuerySchema
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import pagination_json
from importer.pipeline.missing_rows import FIELDS, FIRST_KEY, MissingList
from importer.pipeline.row_lists import MAX_SHOWN_CHARACTERS, CheckedRow, CheckEnded, CheckLost, RowFilter, RowList
from models import ImportJob, db

blueprint = Blueprint("import_rows", __name__, url_prefix="/api/imports", tag="Imports")

# Each batch is read in a short transaction of its own, so a slow client keeps none open.
BATCH_ROWS = 2000
NO_CHECK = ErrorType(
    409,
    "not_awaiting_confirmation",
    "The rows of a check are listed while the import awaits its confirmation. After that, the import lists the products"
    " that it affected.",
)
CHECK_LOST = ErrorType(409, "check_lost", "The check is no longer stored. Retry the import to check its file again.")
EXAMPLE_FILE = "line,sku,fields,name_before,name\r\n17,A-1,name,Blue lamp,Red lamp\r\n"


@blueprint.get("/<task_id>/rows", parameters=TASK_ID)
@blueprint.document(operationId="listCheckedRows")
@blueprint.accepts(RowQuerySchema)
@blueprint.returns(200, CheckedRowPageSchema, "A page of rows.")
@blueprint.raises(INVALID_PARAMETER, IMPORT_NOT_FOUND, NO_CHECK, CHECK_LOST)
def list_rows(query: dict[str, Any], task_id: str) -> Response:
    """List the rows of a check

    Lists what an import that awaits its confirmation would do with each row of its file, in the order of the SKUs. Of
    rows with the same SKU, the list has the last one, which counts; see the list of duplicates for the others. What
    would happen is as of the check, at `checked_at`; the values before are those of the product now.

    The kind `missing` lists the products that the file does not have and that the import would deactivate or delete. A
    product that was changed since the check is left alone, so it is not listed.
    """
    job = _find_checked_job(task_id)
    page, per_page = query["page"], query["per_page"]
    rows = _open_list(job, query)
    connection: Any = db.session.connection().connection.driver_connection
    with _convert_refusals(), connection.cursor() as cursor:
        found, total = rows.fetch_page(cursor, (page - 1) * per_page, per_page)
    return jsonify(
        rows=[
            {
                "line": row.line,
                "kind": query["kind"],
                "sku": row.sku,
                "fields": row.fields,
                "before": row.before,
                "after": row.after,
            }
            for row in found
        ],
        checked_at=(job.preview or {}).get("checked_at"),
        pagination=pagination_json(page, per_page, total),
    )


@blueprint.get("/<task_id>/rows.csv", parameters=TASK_ID)
@blueprint.document(operationId="exportCheckedRows")
@blueprint.accepts(RowFileQuerySchema)
@blueprint.returns(
    200,
    {"type": "string"},
    "The file.",
    content_type="text/csv",
    example=EXAMPLE_FILE,
    headers=describe_file_name("changed"),
)
@blueprint.raises(INVALID_PARAMETER, IMPORT_NOT_FOUND, NO_CHECK, CHECK_LOST)
def export_rows(query: dict[str, Any], task_id: str) -> Response:
    """Export the rows of a check as a file

    The file is CSV (RFC 4180) in UTF-8 and has the whole list with all values in full: line, SKU, the fields that would
    change, and for each field of the file its value before and after. If the import is confirmed or cancelled
    meanwhile, the response breaks off.
    """
    job = _find_checked_job(task_id)
    rows = _open_list(job, query, max_characters=None)
    columns = [name for name in job.staged_columns or [] if name != "sku"]
    if isinstance(rows, MissingList):
        columns = list(FIELDS)
    header = ["line", "sku", "fields", *(part for name in columns for part in (f"{name}_before", name))]
    filename = job.filename
    batches = _read_batches(db.engine, rows)
    with _convert_refusals():
        # Read the first batch now, so that an error is an ordinary error response.
        first_batch = next(batches, [])
    record_export(job, query["kind"])
    db.session.remove()
    cells = ([_to_cells(row, columns) for row in batch] for batch in chain([first_batch], batches))
    blocks = encode_rows(header, cells, byte_order_mark=query.get("bom", False))
    return send_csv(blocks, filename, query["kind"])


def _find_checked_job(task_id: str) -> ImportJob:
    job = find_job(task_id)
    if job.status != "awaiting_confirmation":
        raise NO_CHECK.exception()
    return job


def _open_list(
    job: ImportJob, query: dict[str, Any], max_characters: int | None = MAX_SHOWN_CHARACTERS
) -> RowList | MissingList:
    staging_table = job.staging_table or ""
    row_filter = RowFilter(query["kind"], query.get("q", ""), query.get("field"), query.get("cleared", False))
    if row_filter.kind == "missing":
        # The action of the preview, because a file without valid rows removes nothing.
        action = (job.preview or {}).get("missing_action", "keep")
        return MissingList(job.id, staging_table, action, job.missing_snapshot, row_filter, max_characters)
    return RowList(staging_table, job.staged_columns or [], row_filter, max_characters=max_characters)


@contextlib.contextmanager
def _convert_refusals() -> Iterator[None]:
    """Raise the 409 if the check is no longer stored, or if the import was confirmed or cancelled meanwhile."""
    try:
        yield
    except CheckLost:
        raise CHECK_LOST.exception() from None
    except (CheckEnded, errors.UndefinedTable):
        db.session.rollback()
        raise NO_CHECK.exception() from None


def _read_batches(engine: Engine, rows: RowList | MissingList) -> Iterator[list[CheckedRow]]:
    """Yield the rows of a list in batches."""
    if isinstance(rows, MissingList):
        yield from _read_missing_batches(engine, rows)
        return
    with _cursor(engine) as cursor:
        slices = rows.fetch_slices(cursor)
    for number in slices:
        after = 0
        while True:
            with _cursor(engine) as cursor:
                batch, after = rows.fetch_batch(cursor, number, after, BATCH_ROWS)
            if not batch:
                break
            yield batch


def _read_missing_batches(engine: Engine, rows: MissingList) -> Iterator[list[CheckedRow]]:
    key = FIRST_KEY
    while True:
        with _cursor(engine) as cursor:
            batch, key = rows.fetch_batch(cursor, key, BATCH_ROWS)
        if not batch:
            return
        yield batch


@contextlib.contextmanager
def _cursor(engine: Engine) -> Iterator[Any]:
    """Open a cursor in a transaction of its own."""
    with engine.connect() as connection:
        driver_connection: Any = connection.connection.driver_connection
        with driver_connection.cursor() as cursor:
            yield cursor


def _to_cells(row: CheckedRow, columns: list[str]) -> list[Any]:
    before, after = row.before or {}, row.after or {}
    values = (value for name in columns for value in (before.get(name), after.get(name)))
    return [row.line, row.sku, " ".join(row.fields), *values]
