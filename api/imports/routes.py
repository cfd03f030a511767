"""Calls that list imports, show one with its details, and list the products that it affected."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, jsonify
from sqlalchemy import func, select, text
from sqlalchemy.orm import undefer

from api.imports.affected_schemas import PRODUCT_CHANGES, AffectedProductPageSchema, AffectedProductQuerySchema
from api.imports.job_filters import ImportQuerySchema, filter_conditions
from api.imports.jobs import IMPORT_NOT_FOUND, TASK_ID, find_job
from api.imports.schemas import ImportDetailsSchema, ImportPageSchema, PreviewCountsSchema
from api.openapi import INVALID_PARAMETER, Blueprint
from api.pagination import fetch_page, pagination_json
from database.serializers import format_timestamp, serialize_import, serialize_product
from importer.columns.column_mapping import FIELDS
from importer.files.reject_messages import read_details
from importer.notices import show_stored
from importer.pipeline.affected_products import AffectedProduct, list_affected_products
from importer.pipeline.missing import NOTHING_MISSING
from models import ImportFix, ImportJob, ImportLog, Product, db

blueprint = Blueprint("imports", __name__, url_prefix="/api/imports", tag="Imports")

PREVIEW_COUNTS = tuple(PreviewCountsSchema().fields)
MAX_SAMPLES = 300
# Long imports have more samples: show the first, the last, and every n-th one between them. A short phase may have only
# two, so the samples where a phase begins and ends are shown, too.
LIST_SAMPLES_SQL = """
SELECT at, phase, rows FROM (
    SELECT *, row_number() OVER (ORDER BY id) AS number, count(*) OVER () AS total,
        phase <> lag(phase) OVER (ORDER BY id) OR phase <> lead(phase) OVER (ORDER BY id) AS is_border
    FROM import_samples WHERE job_id = :job_id AND run = :run
) numbered
WHERE number % ((total + :max_samples - 1) / :max_samples) = 0 OR number IN (1, total) OR is_border ORDER BY number
"""


@blueprint.get("")
@blueprint.document(operationId="listImports")
@blueprint.accepts(ImportQuerySchema)
@blueprint.returns(200, ImportPageSchema, "A page of jobs.")
@blueprint.raises(INVALID_PARAMETER)
def list_imports(query: dict[str, Any]) -> Response:
    """List imports

    Lists the newest first, including undos.
    """
    jobs = select(ImportJob).where(*filter_conditions(query)).order_by(ImportJob.id.desc())
    rows, pagination = fetch_page(jobs, query["page"], query["per_page"])
    counts = _preview_counts(rows)
    imports = [{**serialize_import(job), "preview_counts": counts.get(job.id)} for job in rows]
    return jsonify(imports=imports, pagination=pagination)


def _preview_counts(jobs: list[ImportJob]) -> dict[int, dict[str, int]]:
    """Return the counts of the previews that wait for their confirmation, by the ids of the jobs."""
    waiting = [job.id for job in jobs if job.status == "awaiting_confirmation"]
    if not waiting:
        return {}
    # Not the whole previews: they hold rows of the files. Previews of earlier versions lack some counts.
    columns = [func.coalesce(ImportJob.preview[name].as_integer(), 0) for name in PREVIEW_COUNTS]
    rows = db.session.execute(select(ImportJob.id, *columns).where(ImportJob.id.in_(waiting)))
    return {number: dict(zip(PREVIEW_COUNTS, counts, strict=True)) for number, *counts in rows}


@blueprint.get("/<task_id>", parameters=TASK_ID)
@blueprint.document(operationId="getImport")
@blueprint.returns(200, ImportDetailsSchema, "The job with its details.")
@blueprint.raises(IMPORT_NOT_FOUND)
def show_import(task_id: str) -> Response:
    """Get an import

    Includes the options, what was detected in the file, the notices, the preview, the log and the progress over time.
    """
    job = find_job(task_id)
    entries = db.session.execute(
        select(ImportLog.at, ImportLog.event, ImportLog.message, ImportLog.code, ImportLog.details)
        .where(ImportLog.job_id == job.id)
        .order_by(ImportLog.id)
    )
    samples = db.session.execute(text(LIST_SAMPLES_SQL), {"job_id": job.id, "run": job.run, "max_samples": MAX_SAMPLES})
    return jsonify(
        {
            **serialize_import(job),
            "options": {
                "preview": job.wants_preview,
                "mode": job.mode,
                "on_reject": job.on_reject,
                "mapping": job.mapping,
                "delimiter": job.delimiter,
                "quote": job.quote,
                "encoding": job.encoding,
                "header_line": job.header_line,
                "sheet": job.sheet,
                "short_rows": job.short_rows,
                "missing": job.missing,
                "missing_limit": job.missing_limit,
            },
            "file": _serialize_file(job.file),
            "preview": _serialize_preview(job.preview),
            "notices": show_stored(job.notices or []),
            "fixes_count": db.session.scalar(select(func.count()).where(ImportFix.job_id == job.id)),
            "log": [{**entry._mapping, "at": format_timestamp(entry.at)} for entry in entries],
            "samples": [{"at": round(at, 3), "phase": phase, "rows": rows} for at, phase, rows in samples],
        }
    )


def _serialize_file(file: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what clients see of `ImportJob.file`."""
    if not file:
        return None
    # Jobs of earlier versions lack these keys.
    shown = {"escaped": False, "wrapped": False, "problem": None, **file}
    shown.pop("header_key", None)
    return shown


def _serialize_preview(preview: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what clients see of `ImportJob.preview`."""
    if not preview:
        return None
    # Previews of earlier versions lack these keys.
    rejects = [
        {"column": None, "value": None, **reject, "details": read_details(reject["code"], reject["message"])}
        for reject in preview["rejects"]
    ]
    return {**NOTHING_MISSING, "fields": {}, "checked_at": None, **preview, "rejects": rejects}


@blueprint.get("/<task_id>/products", parameters=TASK_ID)
@blueprint.document(operationId="listImportedProducts")
@blueprint.accepts(AffectedProductQuerySchema)
@blueprint.returns(200, AffectedProductPageSchema, "A page of products.")
@blueprint.raises(INVALID_PARAMETER, IMPORT_NOT_FOUND)
def list_products(query: dict[str, Any], task_id: str) -> Response:
    """List the products that an import affected

    Lists the created products first, then the updated ones, then those that were deactivated or deleted because the
    file does not have them, then those left out because of the mode, each as it is now. `before` and `after` have the
    fields that the import changed; `edited_since` says whether the present values are later ones. The list is kept as
    long as the import can be undone (UNDO_DAYS).
    """
    job = find_job(task_id)
    page, per_page = query["page"], query["per_page"]
    changes = (query["change"],) if "change" in query else PRODUCT_CHANGES
    connection: Any = db.session.connection().connection.driver_connection
    with connection.cursor() as cursor:
        affected, total = list_affected_products(cursor, job.id, changes, (page - 1) * per_page, per_page)
    ids = [row.product_id for row in affected if row.product_id]
    found = select(Product).options(undefer(Product.restored)).where(Product.id.in_(ids))
    products = {product.id: product for product in db.session.scalars(found)}
    return jsonify(
        products=[_serialize_affected_product(row, products.get(row.product_id or 0)) for row in affected],
        pagination=pagination_json(page, per_page, total),
    )


def _serialize_affected_product(affected: AffectedProduct, product: Product | None) -> dict[str, Any]:
    """Return the JSON of an affected product; `product` is the product as it is now, if it exists."""
    return {
        "change": affected.change,
        "id": None if affected.change == "left_out" else affected.product_id,
        "sku": product.sku if product and affected.sku is None else affected.sku,
        "product": serialize_product(product) if product else None,
        "before": affected.before,
        "after": _values_after(affected, product),
        "edited_since": bool(product and affected.version and _version_of(product) != affected.version),
    }


def _values_after(affected: AffectedProduct, product: Product | None) -> dict[str, Any] | None:
    """Return the present values of the fields that a job has changed; None if it changed none, or if they are gone."""
    if product is None or affected.version is None:
        return None
    names = FIELDS if affected.before is None else affected.before
    return {name: getattr(product, name) for name in names}


def _version_of(product: Product) -> datetime:
    """Return the version of a product, as `importer.pipeline.change_log` defines it."""
    restored = product.restored
    return restored[0] if restored and restored[1] == product.updated_at else product.updated_at
