"""The fixes of an import: corrections that are stored with its job and made each time its file is read.

A fix replaces a value in a whole column, or a single rejected row. Storing or deleting one queues the import again, in
the same transaction, so that its rows are always those that the fixes give.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from database.connect import transaction
from importer.files.fixes import Fixes, RowFix, ValueFix
from importer.jobs.actions import NotAllowed, lock_job, queue_again, refuse_state
from importer.jobs.log_messages import NOUNS, log_message

# The fixes of an import are kept in memory while its file is read.
MAX_FIXES = 1000
MAX_FIXES_CHARACTERS = 1_000_000

DELETE_REPLACED_VALUES_SQL = """
DELETE FROM import_fixes f USING unnest(%(columns)s::text[], %(values)s::text[]) given ("column", value)
WHERE f.job_id = %(id)s AND f."column" = given."column" AND f.value = given.value
"""
DELETE_REPLACED_ROWS_SQL = "DELETE FROM import_fixes WHERE job_id = %(id)s AND line = ANY (%(lines)s::bigint[])"
INSERT_FIXES_SQL = 'INSERT INTO import_fixes (job_id, "column", value, replacement, line, "row") VALUES %s'
MEASURE_FIXES_SQL = """
SELECT count(*), coalesce(sum(char_length(concat("column", value, replacement, array_to_string("row", '')))), 0)
FROM import_fixes WHERE job_id = %s
"""
# A row can be fixed if it was rejected, or if it has a fix already.
FIND_UNKNOWN_LINES_SQL = """
SELECT line FROM unnest(%(lines)s::bigint[]) line
WHERE NOT EXISTS (SELECT FROM import_rejects r WHERE r.job_id = %(id)s AND r.line = line.line)
    AND NOT EXISTS (SELECT FROM import_fixes f WHERE f.job_id = %(id)s AND f.line = line.line)
"""
DELETE_FIX_SQL = """
DELETE FROM import_fixes WHERE job_id = %s AND id = %s RETURNING "column", value, replacement, line, "row"
"""
LOAD_FIXES_SQL = 'SELECT "column", value, replacement, line, "row" FROM import_fixes WHERE job_id = %s ORDER BY id'
MAX_SHOWN_CHARACTERS = 60


class FixError(NamedTuple):
    """What is wrong with a fix: its position among those that the client gave, the field, and a sentence."""

    position: int
    field: str
    message: str


class InvalidFixes(Exception):
    """Fixes do not fit the file, or are too many. `errors` has the fixes that are to blame, if single ones are."""

    def __init__(self, message: str, errors: Sequence[FixError] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.errors = errors


class FixNotFound(Exception):
    """The import has no such fix."""


def add_fixes(cursor: Cursor, task_id: str, given: Sequence[ValueFix | RowFix]) -> None:
    """Store fixes of an import and queue it again, from its start; raises `NotAllowed`, `JobLocked`, `InvalidFixes`.

    A fix replaces an earlier one for the same column and value, or for the same line. The caller must make sure that
    the file still exists.
    """
    job = _lock_fixable_job(cursor, task_id)
    if not (job["file"] or {}).get("columns"):
        message = "The columns of the file are not known. Retry the import, then fix its rows."
        raise NotAllowed("not_fixable", message, {"reason": "no_columns", "job": "import"})
    # The last fix for a value or a row counts.
    values = {(fix.column, fix.value): fix for fix in given if isinstance(fix, ValueFix)}
    rows = {fix.line: fix for fix in given if isinstance(fix, RowFix)}
    _check_fit(cursor, job, given)
    names = {"columns": [column for column, _ in values], "values": [value for _, value in values]}
    cursor.execute(DELETE_REPLACED_VALUES_SQL, {"id": job["id"], **names})
    cursor.execute(DELETE_REPLACED_ROWS_SQL, {"id": job["id"], "lines": list(rows)})
    entries: list[tuple[Any, ...]] = [(job["id"], *fix, None, None) for fix in values.values()]
    entries += [(job["id"], None, None, None, fix.line, fix.row) for fix in rows.values()]
    execute_values(cursor, INSERT_FIXES_SQL, entries)
    cursor.execute(MEASURE_FIXES_SQL, (job["id"],))
    count, characters = cursor.fetchone() or (0, 0)
    if count > MAX_FIXES or characters > MAX_FIXES_CHARACTERS:
        raise InvalidFixes(
            f"An import can have at most {MAX_FIXES:,} fixes with {MAX_FIXES_CHARACTERS:,} characters together. Correct"
            " the file itself, and upload it again."
        )
    entry = log_message("fixed", values=len(values), rows=len(rows))
    queue_again(cursor, job, {}, starts_over=True, event="fixed", message=entry)


def delete_fix(cursor: Cursor, task_id: str, fix_id: int) -> ValueFix | RowFix:
    """Delete a fix, queue its import again, from its start, and return the fix.

    Raises `NotAllowed`, `JobLocked` and `FixNotFound`. The caller must make sure that the file still exists.
    """
    job = _lock_fixable_job(cursor, task_id)
    cursor.execute(DELETE_FIX_SQL, (job["id"], fix_id))
    row = cursor.fetchone()
    if row is None:
        raise FixNotFound
    column, value, replacement, line, cells = row
    if line:
        message = log_message("fix_of_row_deleted", line=line)
    else:
        shown = {"column": column[:MAX_SHOWN_CHARACTERS], "value": value[:MAX_SHOWN_CHARACTERS]}
        message = log_message("fix_of_value_deleted", **shown)
    queue_again(cursor, job, {}, starts_over=True, event="fix_deleted", message=message)
    return RowFix(line, cells) if line else ValueFix(column, value, replacement)


def load_fixes(connection: Connection, job_id: int) -> Fixes:
    """Return the fixes of a job."""
    with transaction(connection) as cursor:
        cursor.execute(LOAD_FIXES_SQL, (job_id,))
        found = cursor.fetchall()
    return Fixes(
        values=[ValueFix(column, value, replacement) for column, value, replacement, line, _ in found if line is None],
        rows=[RowFix(line, row) for _, _, _, line, row in found if line is not None],
    )


def _lock_fixable_job(cursor: Cursor, task_id: str) -> dict[str, Any]:
    """Lock an import whose file can be read again from its start; raises `NotAllowed` and `JobLocked`.

    Once rows were written, the counts of the import would no longer say what it did.
    """
    job = lock_job(cursor, task_id)
    if job["kind"] != "import":
        message = f"The {NOUNS[job['kind']]} has no file, so there is nothing to fix."
        raise NotAllowed("not_fixable", message, {"reason": "no_file", "job": job["kind"]})
    if job["status"] not in {"awaiting_confirmation", "failed", "cancelled"}:
        raise refuse_state("not_fixable", job, "its rows cannot be fixed")
    if job["status"] != "awaiting_confirmation" and not job["can_retry"]:
        raise NotAllowed("file_gone", "The file is no longer stored. Upload it again.")
    if job["written"]:
        raise NotAllowed(
            "not_fixable",
            "The import has written products already, so its rows cannot be fixed. Retry it to its end. Then correct"
            " the file of the rejected rows and upload it.",
            {"reason": "written", "job": "import"},
        )
    return job


def _check_fit(cursor: Cursor, job: dict[str, Any], given: Sequence[ValueFix | RowFix]) -> None:
    """Raise `InvalidFixes` if a fix names a column or a line that cannot be fixed, or has a wrong number of cells."""
    file = job["file"]
    names = {column["name"] for column in file["columns"]}
    width = len(file["columns"])
    lines = [fix.line for fix in given if isinstance(fix, RowFix)]
    cursor.execute(FIND_UNKNOWN_LINES_SQL, {"id": job["id"], "lines": lines})
    unknown_lines = {line for (line,) in cursor.fetchall()}
    errors = []
    for index, fix in enumerate(given):
        if isinstance(fix, ValueFix):
            if fix.column not in names:
                errors.append(FixError(index, "column", "The file has no such column."))
            cells, field = [fix.replacement], "replacement"
        else:
            if fix.line in unknown_lines:
                errors.append(FixError(index, "line", f"No rejected row begins on line {fix.line:,}."))
            if len(fix.row) != width:
                sentence = f"The row has {len(fix.row):,} cells. It needs {width:,}, one for each column of the file."
                errors.append(FixError(index, "row", sentence))
            cells, field = fix.row, "row"
        if not file["quote"] and any(set(cell) & {file["delimiter"], "\n", "\r"} for cell in cells):
            sentence = "The file has no quotes, so a cell can contain neither its delimiter nor a line end."
            errors.append(FixError(index, field, sentence))
    if errors:
        raise InvalidFixes(errors[0].message, errors)
