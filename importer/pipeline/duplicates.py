"""Duplicates: rows whose SKU appears again further down in the file, so that the import drops their values.

They are stored beside the job, because they stay when its staging table is dropped.
"""

from __future__ import annotations

from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from importer.jobs import repository
from importer.jobs.repository import Job
from importer.notices import MAX_LINES, Notices
from importer.pipeline.line_map import render_line
from importer.pipeline.slice_sql import staging_table

DUPLICATES_DIFFER = "duplicates_differ"
MAX_SHOWN_CHARACTERS = 40
# If fewer than this share of the rows are duplicates, it is faster to look each of them up in the index.
FEW_SHARE = 0.1

LOOK_UP_EACH_SQL = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
DELETE_DUPLICATES_SQL = "DELETE FROM import_duplicates WHERE job_id = %s"
# The index of the staging table has all that `pairs` needs. A row without differences needs no values of the row that
# counts.
FIND_PAIRS_SQL = """
WITH pairs AS MATERIALIZED (
    SELECT * FROM (
        SELECT key, number, first_value(number) OVER (PARTITION BY key ORDER BY number DESC) AS kept_number FROM {table}
        WHERE key IS NOT NULL
    ) numbered WHERE number <> kept_number
)"""
FROM_PAIRS_SQL = """
FROM pairs JOIN {table} d ON d.key = pairs.key AND d.number = pairs.number
    JOIN {table} k ON k.key = pairs.key AND k.number = kept_number
    CROSS JOIN LATERAL (SELECT {differs} AS differs) c"""
RECORD_DUPLICATES_SQL = (
    FIND_PAIRS_SQL
    + """, stored AS (
    INSERT INTO import_duplicates (job_id, line, kept_line, sku, differs, dropped, kept)
    SELECT {job_id}, {line}, {kept_line}, d.sku, differs,
        {dropped},
        CASE WHEN differs THEN {kept} END"""
    + FROM_PAIRS_SQL
    + """{first}
    RETURNING differs
)
SELECT count(*) FROM stored WHERE differs"""
)
# The rows that differ matter most, so they are stored first if there are too many.
FIRST_SQL = "\n    ORDER BY differs DESC, pairs.number LIMIT {limit}"
COUNT_DIFFERING_SQL = FIND_PAIRS_SQL + "\nSELECT count(*)" + FROM_PAIRS_SQL + "\nWHERE differs"
LIST_DIFFERING_SQL = """
SELECT line, kept_line, sku, dropped, kept FROM import_duplicates WHERE job_id = %s AND differs ORDER BY line LIMIT %s
"""


def record_duplicates(cursor: Cursor, job: Job, count: int, notices: Notices, *, max_stored: int) -> None:
    """Store the duplicates among the staged rows, in the caller's transaction; add a notice if some of them differ.

    `count` is their number. At most `max_stored` of them are stored.
    """
    cursor.execute(DELETE_DUPLICATES_SQL, (job.id,))
    if count < FEW_SHARE * job.total_records:
        cursor.execute(LOOK_UP_EACH_SQL)
    cursor.execute(render_duplicates(job, max_stored if count > max_stored else None))
    (differing,) = cursor.fetchone() or (0,)
    if differing == max_stored:
        cursor.execute(sql.SQL(COUNT_DIFFERING_SQL).format(**_render_pairs(job)))
        (differing,) = cursor.fetchone() or (0,)
    if not differing:
        return
    cursor.execute(LIST_DIFFERING_SQL, (job.id, MAX_LINES))
    rows = cursor.fetchall()
    notices.add(
        DUPLICATES_DIFFER,
        count=differing,
        lines=[row[0] for row in rows],
        samples=[_describe(*row) for row in rows],
    )


def record_duplicates_of_import(cursor: Cursor, job: Job, *, max_stored: int) -> None:
    """Store the duplicates of an import that has written all its slices, and its notice about them.

    Does it in the caller's transaction, which completes the job and drops the staging table.
    """
    cursor.execute("SELECT duplicate_count FROM import_jobs WHERE id = %s", (job.id,))
    (count,) = cursor.fetchone() or (0,)
    if count:
        notices = Notices()
        record_duplicates(cursor, job, count, notices, max_stored=max_stored)
        repository.add_notices(cursor, job, notices, codes=[DUPLICATES_DIFFER])


def render_duplicates(job: Job, limit: int | None) -> sql.Composed:
    """Return the statement that stores the duplicates of a job, at most `limit` of them if it is given.

    It returns how many of the stored ones differ.
    """
    columns = _value_columns(job)
    return sql.SQL(RECORD_DUPLICATES_SQL).format(
        job_id=sql.Literal(job.id),
        line=render_line(job.staging_table or "", "pairs.number"),
        kept_line=render_line(job.staging_table or "", "kept_number"),
        dropped=_render_values("d", columns),
        kept=_render_values("k", columns),
        first=sql.SQL(FIRST_SQL).format(limit=sql.Literal(limit)) if limit is not None else sql.SQL(""),
        **_render_pairs(job),
    )


def _render_pairs(job: Job) -> dict[str, sql.Composable]:
    differs = [sql.SQL("d.{0} IS DISTINCT FROM k.{0}").format(sql.Identifier(name)) for name in _value_columns(job)]
    return {
        "table": staging_table(job),
        "differs": sql.SQL(" OR ").join(differs) if differs else sql.SQL("false"),
    }


def _value_columns(job: Job) -> list[str]:
    return [name for name in job.staged_columns or [] if name != "sku"]


def _render_values(alias: str, columns: list[str]) -> sql.Composable:
    parts = [sql.SQL("{}, {}.{}").format(sql.Literal(name), sql.SQL(alias), sql.Identifier(name)) for name in columns]
    return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(parts))


def _describe(line: int, kept_line: int, sku: str, dropped: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Return the sample of a notice: the first value that differs, and all values of both rows."""
    name = next(name for name in dropped if dropped[name] != kept[name])
    values = [_shorten(row[name]) for row in (dropped, kept)]
    text = f"{sku}: the {name} is “{values[0]}” on line {line:,} and “{values[1]}” on line {kept_line:,}"
    return {
        "text": text,
        "line": line,
        "kept_line": kept_line,
        "sku": sku,
        "field": name,
        "dropped": dropped,
        "kept": kept,
    }


def _shorten(value: Any) -> str:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 1] + "…"
