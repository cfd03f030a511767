"""The rows that an import set aside: in pages, and as a file that imports again once it is corrected."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from flask import Response, jsonify
from sqlalchemy import Engine, select, text

from api.imports.routes import NOT_FOUND, TASK_ID, find_job
from api.imports.schemas import RejectsSchema
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import page_of
from api.requests import PageQuerySchema, QuerySchema, Switch
from importer.columns.reject_file import encode_reject_file
from importer.files.dialect import Dialect
from importer.files.rows import Reject
from models import ImportJob, ImportReject, db

blueprint = Blueprint("rejects", __name__, url_prefix="/api", tag="Imports")

# Rows that are read from the database and sent together, in a short transaction each: a slow client holds none up.
BATCH_ROWS = 2000

EXAMPLE_FILE = "sku,name,line,code,message\r\n,Blue lamp,17,missing_sku,The row has no SKU.\r\n"
HEADERS = {
    "Content-Disposition": {
        "description": "The file's name: that of the imported file, with `-rejects.csv` at its end.",
        "schema": {"type": "string", "examples": ["attachment; filename=products-rejects.csv"]},
    }
}


class RejectsFileQuerySchema(QuerySchema):
    """How the file is wanted."""

    bom = Switch("Whether a byte order mark stands in front, by which spreadsheets know UTF-8.", in_query=True)


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


@blueprint.get("/imports/<task_id>/rejects.csv", parameters=TASK_ID)
@blueprint.document(operationId="exportRejects")
@blueprint.takes(RejectsFileQuerySchema)
@blueprint.answers(200, {"type": "string"}, "The file.", content_type="text/csv", example=EXAMPLE_FILE, headers=HEADERS)
@blueprint.fails(INVALID_PARAMETER, NOT_FOUND)
def export_rejects(query: dict[str, Any], task_id: str) -> Response:
    """Export the rows that could not be taken as a file

    The rows as they were, under the columns of their file and with its delimiter; `line`, `code` and `message` behind.
    CSV after RFC 4180, UTF-8. A row that cannot be split into fields is one cell. Correct the rows and upload the file
    as it is: columns that are not known are left out, and what is not corrected is rejected again.
    """
    job = find_job(task_id)
    header, dialect, quoted = _form(job)
    batches = _batches(db.engine, job.id, quoted=quoted)
    # What is wrong from the start is an error as any other.
    first = next(batches, [])
    filename = f"{_stem(job.filename)}-rejects.csv"
    db.session.remove()
    file = encode_reject_file(header, dialect, chain([first], batches), byte_order_mark=query.get("bom", False))
    response = Response(file, content_type="text/csv; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", **_names(filename))
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _form(job: ImportJob) -> tuple[list[str], Dialect, bool]:
    """The columns and the dialect of a job's rejects, and whether their rows are texts, no CSV."""
    if job.kind == "undo":
        return ["product"], Dialect(), True
    if not job.file:
        return ["row"], Dialect(), True
    header = [str(column["name"]) for column in job.file["columns"]]
    return header, Dialect(job.file["delimiter"], job.file["quote"]), False


def _batches(engine: Engine, job_id: int, *, quoted: bool) -> Iterator[Sequence[Reject]]:
    reject = ImportReject
    query = select(reject.line, reject.code, reject.message, reject.row).where(reject.job_id == job_id)
    query = query.order_by(reject.line).limit(BATCH_ROWS)
    last = 0
    while True:
        with engine.connect() as connection:
            # Soon after an import the planner knows nothing of its rejects, and would sort all of them for every batch.
            connection.execute(text("SET LOCAL enable_sort = off"))
            rows = connection.execute(query.where(reject.line > last)).all()
        batch = [Reject(*row) for row in rows]
        if quoted:
            batch = [row._replace(row='"' + row.row.replace('"', '""') + '"') for row in batch]
        if not batch:
            return
        yield batch
        last = batch[-1].line


def _stem(filename: str) -> str:
    """The file's name without what tells its kind, and without what is no letter in a header."""
    name = PurePath(filename).name
    for suffix in (".gz", ".zip", ".csv", ".tsv"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return "".join(filter(str.isprintable, name)) or "products"


def _names(filename: str) -> dict[str, str]:
    """The parameters of Content-Disposition (RFC 6266): for all clients, and where that is not enough for new ones."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    return {"filename": plain} if plain == filename else {"filename": plain, "filename*": f"UTF-8''{quote(filename)}"}
