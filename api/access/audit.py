"""Calls that list the audit log and export it as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from flask import Response, jsonify
from sqlalchemy import Row, Select, select, tuple_

from access.audit import Target
from api.access.audit_schemas import (
    AuditFileQuerySchema,
    AuditFilter,
    AuditPageSchema,
    AuditQuery,
    AuditQuerySchema,
    Position,
)
from api.audit import record
from api.imports.csv_files import encode_rows
from api.openapi import INVALID_PARAMETER, Blueprint
from api.response_fields import EXAMPLE_TIME
from catalogue.export import FORMULA_PATTERN
from database.serializers import format_timestamp
from models import AuditEntry, db

blueprint = Blueprint("audit", __name__, url_prefix="/api/audit", tag="Access")

BATCH_ENTRIES = 1000
FORMULA_RE = re.compile(FORMULA_PATTERN)
# The columns of the table in the order of the file.
COLUMNS = (
    "id",
    "at",
    "actor_type",
    "actor_id",
    "actor_name",
    "action",
    "target_type",
    "target_id",
    "target_name",
    "outcome",
    "address",
    "request_id",
    "changes",
)
EXAMPLE_ENTRY = {
    "id": 7,
    "at": EXAMPLE_TIME,
    "actor": {"type": "user", "id": 2, "name": "Ada Lovelace"},
    "action": "product.updated",
    "target": {"type": "product", "id": "42", "name": "A-1"},
    "outcome": "success",
    "address": "192.0.2.7",
    "request_id": "0f8fad5bd9cb469fa16570867728950e",
    "changes": {"name": ["Blue lamp", "Red lamp"]},
}
EXAMPLE_ROW = f"7,{EXAMPLE_TIME},user,2,Ada Lovelace,product.deleted,product,42,A-1,success,192.0.2.7,,"
EXAMPLE_FILE = f"{','.join(COLUMNS)}\r\n{EXAMPLE_ROW}\r\n"
FILE_NAME = {
    "Content-Disposition": {
        "description": "The name of the file: `audit.csv`.",
        "schema": {"type": "string", "examples": ["attachment; filename=audit.csv"]},
    }
}


@blueprint.get("")
@blueprint.document(operationId="listAuditEntries")
@blueprint.accepts(AuditQuerySchema)
@blueprint.returns(
    200,
    AuditPageSchema,
    "A page of entries.",
    example={"entries": [EXAMPLE_ENTRY], "pagination": {"per_page": 50, "next": None}},
)
@blueprint.raises(INVALID_PARAMETER)
def list_audit_entries(query: AuditQuery) -> Response:
    """List the audit log

    Lists who did what, the newest entry first. Every page is equally fast, so there are no page numbers and no total:
    get the next page with `after`. Unknown and empty parameters are ignored.
    """
    entries = db.session.execute(_select(query.filter, query.after).limit(query.per_page + 1)).all()
    page = entries[: query.per_page]
    has_more = len(entries) > query.per_page
    pagination = {"per_page": query.per_page, "next": _position(page[-1]).to_token() if has_more else None}
    return jsonify(entries=[_entry_json(entry) for entry in page], pagination=pagination)


@blueprint.get("/export")
@blueprint.document(operationId="exportAuditEntries")
@blueprint.accepts(AuditFileQuerySchema)
@blueprint.returns(
    200, {"type": "string"}, "The file.", content_type="text/csv", example=EXAMPLE_FILE, headers=FILE_NAME
)
@blueprint.raises(INVALID_PARAMETER)
def export_audit_entries(query: AuditQuery) -> Response:
    """Export the audit log as a file

    The file has all entries that match, the newest one first, as CSV (RFC 4180) in UTF-8. `changes` is JSON. Texts that
    a spreadsheet would run as formulas get an apostrophe in front. The export is an entry of the audit log itself.
    """
    batches = _read_batches(query.filter)
    # Read the first batch now, so that an error is an ordinary error response.
    first_batch = next(batches, [])
    filters = {name: _describe(value) for name, value in asdict(query.filter).items() if value is not None}
    record("audit.exported", Target("audit"), changes={name: [None, value] for name, value in filters.items()})
    db.session.commit()
    rows = ([_to_cells(entry) for entry in batch] for batch in chain([first_batch], batches))
    body = encode_rows(COLUMNS, rows, byte_order_mark=query.byte_order_mark)
    response = Response(body, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = "attachment; filename=audit.csv"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _select(entry_filter: AuditFilter, after: Position | None) -> Select[Any]:
    """Return the query for the entries after a position. Each filter has an index that is sorted as the list is."""
    entry = AuditEntry
    query = select(*(getattr(entry, name) for name in COLUMNS)).order_by(entry.at.desc(), entry.id.desc())
    for kind, number, reference in (
        (entry.actor_type, entry.actor_id, entry_filter.actor),
        (entry.target_type, entry.target_id, entry_filter.target),
    ):
        if reference is not None:
            query = query.where(kind == reference.type)
            if reference.id is not None:
                query = query.where(number == (int(reference.id) if number is entry.actor_id else reference.id))
    if entry_filter.action is not None:
        query = query.where(entry.action == entry_filter.action)
    if entry_filter.outcome is not None:
        query = query.where(entry.outcome == entry_filter.outcome)
    if entry_filter.since is not None:
        query = query.where(entry.at >= entry_filter.since)
    if entry_filter.until is not None:
        query = query.where(entry.at < entry_filter.until)
    if after is not None:
        query = query.where(tuple_(entry.at, entry.id) < tuple_(after.at, after.id))
    return query


def _read_batches(entry_filter: AuditFilter) -> Iterator[Sequence[Row[Any]]]:
    """Yield all entries that match in batches, each read in a transaction of its own."""
    engine, after = db.engine, None
    while True:
        with engine.connect() as connection:
            batch = connection.execute(_select(entry_filter, after).limit(BATCH_ENTRIES)).all()
        if not batch:
            return
        yield batch
        after = _position(batch[-1])


def _position(entry: Row[Any]) -> Position:
    return Position(entry.at, entry.id)


def _describe(value: Any) -> str:
    """Return the value of a filter as the query of a request has it."""
    if isinstance(value, tuple):
        return ":".join(part for part in value if part is not None)
    return value if isinstance(value, str) else str(format_timestamp(value))


def _to_cells(entry: Row[Any]) -> list[Any]:
    """Return an entry as a row of the file."""
    changes = None if entry.changes is None else json.dumps(entry.changes, ensure_ascii=False)
    cells = [*entry[: len(COLUMNS) - 1], changes]
    cells[COLUMNS.index("at")] = format_timestamp(entry.at)
    return [f"'{cell}" if isinstance(cell, str) and FORMULA_RE.match(cell) else cell for cell in cells]


def _entry_json(entry: Row[Any]) -> dict[str, Any]:
    """Return an entry as `AuditEntrySchema` describes."""
    target = {"type": entry.target_type, "id": entry.target_id, "name": entry.target_name}
    return {
        "id": entry.id,
        "at": format_timestamp(entry.at),
        "actor": {"type": entry.actor_type, "id": entry.actor_id, "name": entry.actor_name},
        "action": entry.action,
        "target": target if entry.target_type else None,
        "outcome": entry.outcome,
        "address": entry.address,
        "request_id": entry.request_id,
        "changes": entry.changes,
    }
