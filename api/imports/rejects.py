"""Calls that show the rejected rows of an import: as pages, and as a file to correct and import again."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from flask import Response, jsonify
from sqlalchemy import Engine, select, text

from api.imports.file_names import clean_filename
from api.imports.jobs import IMPORT_NOT_FOUND, TASK_ID, find_job
from api.imports.list_schemas import RejectedRowPageSchema
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import fetch_page
from api.request_fields import Boolean
from api.schemas import PageQuerySchema, QuerySchema
from importer.columns.reject_file import encode_reject_file
from importer.files.dialect import Dialect
from importer.files.rows import Reject
from models import ImportJob, ImportReject, db

blueprint = Blueprint("rejects", __name__, url_prefix="/api/imports", tag="Imports")

# Each batch is read in a short transaction of its own, so a slow client keeps none open.
BATCH_ROWS = 2000

EXAMPLE_FILE = "sku,name,line,code,message\r\n,Blue lamp,17,missing_sku,The row has no SKU.\r\n"
HEADERS = {
    "Content-Disposition": {
        "description": "The name of the file: that of the imported file, followed by `-rejects.csv`.",
        "schema": {"type": "string", "examples": ["attachment; filename=products-rejects.csv"]},
    }
}


class RejectFileQuerySchema(QuerySchema):
    """The format of the file."""

    bom = Boolean(
        "Whether the file starts with a byte order mark, so that spreadsheets read it as UTF-8.", in_query=True
    )


@blueprint.get("/<task_id>/rejects", parameters=TASK_ID)
@blueprint.document(operationId="listRejects")
@blueprint.accepts(PageQuerySchema)
@blueprint.returns(200, RejectedRowPageSchema, "A page of rejected rows.")
@blueprint.raises(INVALID_PARAMETER, IMPORT_NOT_FOUND)
def list_rejects(query: dict[str, Any], task_id: str) -> Response:
    """List the rejected rows

    Lists the rows that could not be imported, in the order of the file. The first MAX_REJECTS rows are stored, for
    REJECT_DAYS after the end of the import. If rows are missing for that reason, `message` says so.
    """
    job = find_job(task_id)
    rejects = select(ImportReject).where(ImportReject.job_id == job.id).order_by(ImportReject.line)
    rows, pagination = fetch_page(rejects, query["page"], query["per_page"])
    return jsonify(
        rejects=[{"line": row.line, "code": row.code, "message": row.message, "row": row.row} for row in rows],
        message=explain_missing_rejects(job.rejected_count, pagination["total"], is_stored=_are_rejects_stored(job)),
        pagination=pagination,
    )


@blueprint.get("/<task_id>/rejects.csv", parameters=TASK_ID)
@blueprint.document(operationId="exportRejects")
@blueprint.accepts(RejectFileQuerySchema)
@blueprint.returns(200, {"type": "string"}, "The file.", content_type="text/csv", example=EXAMPLE_FILE, headers=HEADERS)
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
    filename = f"{_stem(job.filename)}-rejects.csv"
    db.session.remove()
    rejected_count, is_stored = job.rejected_count, _are_rejects_stored(job)
    body = encode_reject_file(
        header,
        dialect,
        chain([first_batch], batches),
        byte_order_mark=query.get("bom", False),
        explain_missing=lambda written: explain_missing_rejects(rejected_count, written, is_stored=is_stored),
    )
    response = Response(body, content_type="text/csv; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", **_filename_parameters(filename))
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def explain_missing_rejects(rejected: int, stored: int, *, is_stored: bool) -> str | None:
    """Return a sentence if fewer rejects are stored than were counted.

    `is_stored` says whether the import has stored its rejects, which it does once it has read the whole file.
    """
    if stored >= rejected:
        return None
    if not is_stored:
        return "The rejected rows are stored once the whole file has been read."
    if stored == 0:
        return "The rejected rows are no longer stored, because the import ended long ago."
    return f"Only the first {stored:,} of {rejected:,} rejected rows are stored. The others were only counted."


def _are_rejects_stored(job: ImportJob) -> bool:
    return job.kind == "undo" or job.staged_columns is not None


def _file_format(job: ImportJob) -> tuple[list[str], Dialect, bool]:
    """Return the header and the dialect for a job's rejected rows, and whether these are plain texts instead of CSV."""
    if job.kind == "undo":
        return ["product"], Dialect(), True
    if not job.file:
        return ["row"], Dialect(), True
    header = [str(column["name"]) for column in job.file["columns"]]
    return header, Dialect(job.file["delimiter"], job.file["quote"]), False


def _read_batches(engine: Engine, job_id: int, *, quote_rows: bool) -> Iterator[Sequence[Reject]]:
    """Yield the rejected rows in the order of the file; `quote_rows` turns each row into one quoted CSV field."""
    reject = ImportReject
    query = select(reject.line, reject.code, reject.message, reject.row).where(reject.job_id == job_id)
    query = query.order_by(reject.line).limit(BATCH_ROWS)
    last_line = 0
    while True:
        with engine.connect() as connection:
            # Right after an import the planner has no statistics of its rejects, and would sort all of them each time.
            connection.execute(text("SET LOCAL enable_sort = off"))
            rows = connection.execute(query.where(reject.line > last_line)).all()
        batch = [Reject(*row) for row in rows]
        if quote_rows:
            batch = [row._replace(row='"' + row.row.replace('"', '""') + '"') for row in batch]
        if not batch:
            return
        yield batch
        last_line = batch[-1].line


def _stem(filename: str) -> str:
    """Return a file name without its suffixes and without invisible characters, which earlier versions kept."""
    name = clean_filename(PurePath(filename).name)
    for suffix in (".gz", ".zip", ".csv", ".tsv"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name or "products"


def _filename_parameters(filename: str) -> dict[str, str]:
    """Return the parameters of Content-Disposition (RFC 6266): `filename` in ASCII, and `filename*` for other names."""
    ascii_name = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    parameters = {"filename": ascii_name}
    if ascii_name != filename:
        parameters["filename*"] = f"UTF-8''{quote(filename)}"
    return parameters
