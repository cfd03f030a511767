"""Calls that fix values and rows of an import, whose file is then read and checked again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify
from marshmallow import RAISE, Schema, ValidationError, fields, validates_schema
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import select

from api.errors import ApiError, ErrorType
from api.imports.actions import JOB_BUSY, run_action
from api.imports.jobs import IMPORT_NOT_FOUND, TASK_ID, find_job, record_action
from api.imports.schemas import ImportSchema
from api.imports.storage import FILE_GONE, STORAGE_UNAVAILABLE, require_file
from api.openapi import INVALID_PARAMETER, Blueprint
from api.request_fields import MAX_DIGITS, NO_NUL_PATTERN, REQUIRED_MESSAGE, Text, is_storable
from api.response_fields import integer, nested_list, text, timestamp
from api.schemas import RequestSchema
from database.serializers import format_timestamp
from importer.files.fixes import RowFix, ValueFix
from importer.files.header_search import MAX_COLUMNS
from importer.jobs import fixes as stored_fixes
from importer.jobs.fixes import MAX_FIXES, MAX_FIXES_CHARACTERS
from models import ImportFix, db

blueprint = Blueprint("fixes", __name__, url_prefix="/api/imports", tag="Imports")

COLUMN_MAX_CHARACTERS = 500
VALUE_MAX_CHARACTERS = 10_000
# An entry of the audit log has the number of fixes, and at most this many of them.
MAX_RECORDED_FIXES = 20

COLUMN = "The name of a column, as `file.columns` of the import has it."
VALUE = (
    "A value of the column, as the rejected rows show it, without the spaces around it. The fix applies to every row of"
    " the file that has exactly this value."
)
REPLACEMENT = "What replaces the value."
LINE = "The line of a rejected row, or of a row that has a fix already."
ROW = "The new cells of the row, one for each column of the file, in its order."

# `importer.jobs.fixes` raises these errors with more specific messages.
NOT_FIXABLE = ErrorType(409, "not_fixable", "The import has completed, so its rows cannot be fixed.")
INVALID_FIXES = ErrorType(
    400, "invalid_fixes", "The file has no such column.", ("fixes.0.column",), "The file has no such column."
)
FIX_NOT_FOUND = ErrorType(404, "fix_not_found", "The import has no fix with this id.")
FIX_ID = [
    *TASK_ID,
    {
        "in": "path",
        "name": "fix_id",
        "description": "The id of the fix.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**MAX_DIGITS},
    },
]


class FixedLine(fields.Integer):
    """A line of the file, counted from 1."""

    def __init__(self, description: str) -> None:
        metadata = {"description": description, "minimum": 1, "maximum": 10**MAX_DIGITS, "examples": [17]}
        super().__init__(metadata=metadata)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**MAX_DIGITS:
            raise ValidationError("This must be a whole number from 1.")
        return value


class Cells(fields.List[Any]):
    """The cells of a row."""

    def __init__(self, description: str) -> None:
        cell = fields.String(metadata={"pattern": NO_NUL_PATTERN})
        metadata = {
            "description": description,
            "minItems": 1,
            "maxItems": MAX_COLUMNS,
            "examples": [["A-1", "Lamp", "yes"]],
        }
        super().__init__(cell, metadata=metadata)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_COLUMNS:
            raise ValidationError(f"This must be a list of 1 to {MAX_COLUMNS:,} strings.")
        if not all(isinstance(cell, str) for cell in value):
            raise ValidationError("Each cell must be a string.")
        if not all(map(is_storable, value)):
            raise ValidationError("A cell contains characters that cannot be stored.")
        return value


class NewFixSchema(Schema):
    """A fix: either of a value, with `column`, `value` and `replacement`, or of a row, with `line` and `row`."""

    class Meta:
        unknown = RAISE

    error_messages = {  # noqa: RUF012
        "unknown": "This field does not exist. Use column, value and replacement, or line and row.",
        "type": "A fix must be an object.",
    }

    column = Text(COLUMN, "Active", COLUMN_MAX_CHARACTERS)
    value = Text(VALUE, "maybe", VALUE_MAX_CHARACTERS)
    replacement = Text(REPLACEMENT, "no", VALUE_MAX_CHARACTERS)
    line = FixedLine(LINE)
    row = Cells(ROW)

    @validates_schema
    def require_one_kind(self, data: Mapping[str, Any], **_: Any) -> None:
        """Refuse a fix that is neither of a value nor of a row, or is both."""
        needed = {"line", "row"} if data.keys() & {"line", "row"} else {"column", "value", "replacement"}
        missing = needed - data.keys()
        if missing:
            raise ValidationError({name: [REQUIRED_MESSAGE] for name in sorted(missing)})
        if surplus := data.keys() - needed:
            message = "A fix is either of a value or of a row. Leave this out."
            raise ValidationError({name: [message] for name in sorted(surplus)})


class NewFixesSchema(RequestSchema):
    """Fixes to store with an import."""

    code = INVALID_FIXES.code

    fixes = fields.List(
        fields.Nested(NewFixSchema),
        required=True,
        metadata={
            "description": f"The fixes, at most {MAX_FIXES:,} with {MAX_FIXES_CHARACTERS:,} characters together.",
            "minItems": 1,
            "maxItems": MAX_FIXES,
        },
        validate=lambda fixes: _check_count(len(fixes)),
        error_messages={
            "required": REQUIRED_MESSAGE,
            "null": "This must be a list of fixes.",
            "invalid": "This must be a list of fixes.",
        },
    )


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_FIXES:
        raise ValidationError(f"Send from 1 to {MAX_FIXES:,} fixes.")


class FixSchema(Schema):
    """A fix that is stored with an import. The fields of the other kind are null."""

    id = integer("The id of the fix.", minimum=1, examples=[3])
    kind = text("Whether it fixes a value or a row.", "value", enum=["value", "row"])
    column = text(COLUMN, "Active", nullable=True)
    value = text(VALUE, "maybe", nullable=True)
    replacement = text(REPLACEMENT, "no", nullable=True)
    line = integer("The line of the file where the row begins.", nullable=True, minimum=1)
    row = fields.List(fields.String(), required=True, allow_none=True, metadata={"description": ROW})
    created_at = timestamp("When the fix was made")


class FixListSchema(Schema):
    """All fixes of an import, in the order in which they were made."""

    fixes = nested_list(FixSchema)


@blueprint.get("/<task_id>/fixes", parameters=TASK_ID)
@blueprint.document(operationId="listFixes")
@blueprint.returns(200, FixListSchema, "The fixes.")
@blueprint.raises(IMPORT_NOT_FOUND)
def list_fixes(task_id: str) -> Response:
    """List the fixes of an import

    They are made each time the file of the import is read, and are deleted with the import.
    """
    job = find_job(task_id)
    fixes = db.session.scalars(select(ImportFix).where(ImportFix.job_id == job.id).order_by(ImportFix.id))
    return jsonify(
        fixes=[
            {
                "id": fix.id,
                "kind": "value" if fix.line is None else "row",
                "column": fix.column,
                "value": fix.value,
                "replacement": fix.replacement,
                "line": fix.line,
                "row": fix.row,
                "created_at": format_timestamp(fix.created_at),
            }
            for fix in fixes
        ]
    )


@blueprint.post("/<task_id>/fixes", parameters=TASK_ID)
@blueprint.document(operationId="addFixes")
@blueprint.accepts(
    NewFixesSchema,
    location="json",
    example={"fixes": [{"column": "Active", "value": "maybe", "replacement": "no"}]},
)
@blueprint.returns(202, ImportSchema, "The fixes are stored, and the import waits for a worker.")
@blueprint.raises(
    IMPORT_NOT_FOUND, INVALID_FIXES, INVALID_PARAMETER, NOT_FIXABLE, FILE_GONE, JOB_BUSY, STORAGE_UNAVAILABLE
)
def add_fixes(body: dict[str, Any], task_id: str) -> tuple[Response, int]:
    """Fix values and rows of an import

    Stores all fixes and reads and checks the file again from its start, with the same options. A fix replaces an
    earlier one for the same column and value, or for the same line. The import must await its confirmation, or must
    have failed or been cancelled before it wrote anything, and its file must still be stored. The fixed rows are
    checked like all others.

    If the file is read with other options later, a fix may find no column, value or row any more. Then the notice
    `unused_fixes` names it.
    """
    given = [ValueFix(**fix) if "column" in fix else RowFix(**fix) for fix in body["fixes"]]
    given = [fix._replace(value=fix.value.strip()) if isinstance(fix, ValueFix) else fix for fix in given]
    require_file(find_job(task_id))

    def add(cursor: Cursor, key: str) -> None:
        try:
            stored_fixes.add_fixes(cursor, key, given)
        except stored_fixes.InvalidFixes as error:
            messages: dict[str, list[str]] = {}
            for position, field, message in error.errors:
                messages.setdefault(f"fixes.{position}.{field}", []).append(message)
            raise ApiError(
                INVALID_FIXES.status, INVALID_FIXES.code, error.message, messages or {"fixes": [error.message]}
            ) from None
        recorded = [_describe(fix) for fix in given[:MAX_RECORDED_FIXES]]
        record_action("fixed", find_job(key), {"count": [None, len(given)], "fixes": [None, recorded]})

    return run_action(task_id, add)


@blueprint.delete("/<task_id>/fixes/<fix_id>", parameters=FIX_ID)
@blueprint.document(operationId="deleteFix")
@blueprint.returns(202, ImportSchema, "The fix is deleted, and the import waits for a worker.")
@blueprint.raises(IMPORT_NOT_FOUND, FIX_NOT_FOUND, NOT_FIXABLE, FILE_GONE, JOB_BUSY, STORAGE_UNAVAILABLE)
def delete_fix(task_id: str, fix_id: str) -> tuple[Response, int]:
    """Delete a fix

    Reads and checks the file again without the fix, in the same states of the import as `addFixes`.
    """
    job = find_job(task_id)
    if not (fix_id.isascii() and fix_id.isdigit() and len(fix_id) <= MAX_DIGITS):
        raise FIX_NOT_FOUND.exception()
    require_file(job)

    def delete(cursor: Cursor, key: str) -> None:
        try:
            fix = stored_fixes.delete_fix(cursor, key, int(fix_id))
        except stored_fixes.FixNotFound:
            raise FIX_NOT_FOUND.exception() from None
        record_action("fix_deleted", find_job(key), {"fix": [_describe(fix), None]})

    return run_action(task_id, delete)


def _describe(fix: ValueFix | RowFix) -> dict[str, Any]:
    """Return a fix for the audit log. Of a row it has the line only, because a row may have thousands of cells."""
    return fix._asdict() if isinstance(fix, ValueFix) else {"line": fix.line}
