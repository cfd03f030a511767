"""The preview: what an import would do, counted over all its rows without writing any product.

The job then waits for a confirmation. The merge compares every slice again, because the catalogue may have changed.
"""

from __future__ import annotations

from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from importer.jobs import repository
from importer.jobs.heartbeat import READ_FOR_PREVIEW_PERCENT, READ_PERCENT
from importer.jobs.retention import SET_CONFIRM_DEADLINE_SQL, Retention
from importer.pipeline.missing import describe_removal, preview_missing
from importer.pipeline.run import Run, StepKind
from importer.pipeline.slice_sql import SLICE_PLANNER_SETTINGS_SQL, Slice, render_difference
from importer.pipeline.slices import Comparison, compare_slice, plan_slices

MAX_EXAMPLES = 20
MAX_SHOWN_REJECTS = 20
MAX_SHOWN_CHARACTERS = 2000

# Shows the values that the merge would write: a product keeps its SKU, and its `active` if the cell is empty.
SELECT_EXAMPLES_SQL = """
SELECT coalesce(p.sku, s.sku), p.id IS NULL,
    {values}
FROM (
    SELECT DISTINCT ON (key) * FROM {table}
    WHERE {staged_range} ORDER BY key, number DESC
) s
LEFT JOIN (
    SELECT * FROM products WHERE {products_range}
) p ON lower(p.sku) COLLATE "C" = s.key
WHERE {condition} ORDER BY s.key LIMIT {limit}
"""
SELECT_REJECTS_SQL = "SELECT line, code, message, row FROM import_rejects WHERE job_id = %s ORDER BY line LIMIT %s"
REPORT_COMPARING_SQL = "phase = 'comparing', progress = greatest(progress, %(progress)s)"
AWAIT_CONFIRMATION_SQL = (
    f"status = 'awaiting_confirmation', {REPORT_COMPARING_SQL}, preview = %(preview)s,"
    f" {SET_CONFIRM_DEADLINE_SQL}, {repository.STOP_WORK_SQL}"
)


def create_preview(run: Run, *, slice_rows: int, retention: Retention) -> None:
    """Compare all staged rows with the catalogue and let the job wait for its confirmation; raises `LeaseLost`."""
    job = run.job
    slices = plan_slices(run.connection, job, slice_rows)
    total = Comparison()
    updates: list[dict[str, Any]] = []
    creations: list[dict[str, Any]] = []
    for number, part in enumerate(slices, 1):
        run.heartbeat.check()
        with run.step(StepKind.COMPARE_SLICE) as cursor:
            cursor.execute(SLICE_PLANNER_SETTINGS_SQL)
            comparison = compare_slice(cursor, part)
            total += comparison
            if comparison.updated and len(updates) < MAX_EXAMPLES:
                updates += _select_examples(cursor, part, new=False, limit=MAX_EXAMPLES - len(updates))
            if comparison.created and len(creations) < MAX_EXAMPLES:
                creations += _select_examples(cursor, part, new=True, limit=MAX_EXAMPLES - len(creations))
            progress = READ_FOR_PREVIEW_PERCENT + (READ_PERCENT - READ_FOR_PREVIEW_PERCENT) * number // len(slices)
            repository.update(cursor, job, REPORT_COMPARING_SQL, {"progress": progress})
    preview = {
        "create": total.created,
        "update": total.updated,
        "unchanged": total.keys - total.created - total.updated,
        "skipped": total.skipped,
        "rejected": job.rejected_count,
        "duplicate": job.total_records - job.rejected_count - total.keys,
        "changes": [*updates, *creations][:MAX_EXAMPLES],
        **preview_missing(run),
    }
    with run.step(StepKind.AWAIT_CONFIRMATION) as cursor:
        cursor.execute(SELECT_REJECTS_SQL, (job.id, MAX_SHOWN_REJECTS))
        rejects = [dict(zip(("line", "code", "message", "row"), row, strict=True)) for row in cursor.fetchall()]
        values = {"preview": Json({**preview, "rejects": rejects}), "progress": READ_PERCENT, **retention.parameters}
        repository.update(cursor, job, AWAIT_CONFIRMATION_SQL, values)
        message = (
            f"{total.created:,} products would be created, {total.updated:,} updated; {job.rejected_count:,} rows were"
            f" rejected.{describe_removal(preview)} Nothing has been written yet."
        )
        repository.append_log(cursor, job.id, "compared", message)


def _select_examples(cursor: Cursor, part: Slice, *, new: bool, limit: int) -> list[dict[str, Any]]:
    """Return the first products of a slice that would be created (`new`) or updated, with values before and after."""
    columns = part.value_columns
    cursor.execute(render_examples(part, new=new, limit=limit))
    examples = []
    for sku, is_new, *cells in cursor.fetchall():
        before = dict(zip(columns, cells[::2], strict=False))
        after = dict(zip(columns, cells[1::2], strict=False))
        examples.append({"sku": sku, "before": None if is_new else before, "after": after})
    return examples


def render_examples(part: Slice, *, new: bool, limit: int) -> sql.Composed:
    """Return the query for the first products of a slice that would be created (`new`) or updated.

    Each row has the SKU, whether the product is new, and for each column of the file the value before and after.
    """
    columns = part.value_columns
    values = [
        _render_value(alias, name, may_be_null=part.job.short_rows == "accept") for name in columns for alias in "ps"
    ]
    is_changed = sql.SQL("p.id IS NOT NULL AND ({})").format(render_difference(columns))
    return part.render(
        SELECT_EXAMPLES_SQL,
        values=sql.SQL(",\n    ").join(values) if values else sql.SQL("NULL"),
        condition=sql.SQL("p.id IS NULL") if new else is_changed,
        limit=sql.Literal(limit),
    )


def _render_value(alias: str, name: str, *, may_be_null: bool) -> sql.Composable:
    """Return the value of a column in the product `p` or in the staged row `s`, where a text may be NULL."""
    if name == "active":
        return sql.SQL("p.active" if alias == "p" else "coalesce(s.active, p.active, true)")
    value = "coalesce(s.{name}, p.{name}, '')" if alias == "s" and may_be_null else f"{alias}.{{name}}"
    return sql.SQL(f"left({value}, {{limit}})").format(
        name=sql.Identifier(name), limit=sql.Literal(MAX_SHOWN_CHARACTERS)
    )
