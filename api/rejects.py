"""The rows that an import set aside: in pages, and as a file that imports again once it is corrected."""

from __future__ import annotations

from flask import Response, jsonify
from sqlalchemy import select

from api.import_schemas import RejectsSchema
from api.imports import NOT_FOUND, TASK_ID, find_job
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pages import page_of
from api.schemas import PageQuerySchema
from models import ImportReject

blueprint = Blueprint("rejects", __name__, url_prefix="/api", tag="Imports")


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
