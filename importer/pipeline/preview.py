"""The preview: what an import would do, counted over all its rows without writing any product.

The job then waits for a confirmation. The merge compares every slice again, because the catalogue may have changed.
"""

from __future__ import annotations

from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from importer.jobs import lease, repository, speeds
from importer.jobs.heartbeat import READ_FOR_PREVIEW_PERCENT, READ_PERCENT
from importer.jobs.log_messages import log_message
from importer.jobs.repository import Job
from importer.jobs.retention import SET_CONFIRM_DEADLINE_SQL, Retention
from importer.notices import MAX_LINES, Notices
from importer.pipeline.duplicates import DUPLICATES_DIFFER, record_duplicates
from importer.pipeline.missing import preview_missing
from importer.pipeline.other_file import LOOKS_LIKE_ANOTHER_FILE, notice_unknown_skus
from importer.pipeline.outcomes import OutcomeCounts, prepare_outcomes, record_outcomes
from importer.pipeline.row_lists import CheckedRow, RowFilter, RowList
from importer.pipeline.run import Run, StepKind
from importer.pipeline.slice_sql import SLICE_PLANNER_SETTINGS_SQL
from importer.pipeline.slices import plan_slices

MAX_EXAMPLES = 20
MAX_SHOWN_REJECTS = 20
CLEARS_VALUES = "clears_values"

SELECT_REJECTS_SQL = (
    'SELECT line, code, message, row, "column", value FROM import_rejects WHERE job_id = %s ORDER BY line LIMIT %s'
)
REJECT_KEYS = ("line", "code", "message", "row", "column", "value")
REPORT_COMPARING_SQL = "phase = 'comparing', rows_compared = %(compared)s, progress = greatest(progress, %(progress)s)"
AWAIT_CONFIRMATION_SQL = (
    f"status = 'awaiting_confirmation', {REPORT_COMPARING_SQL},"
    " preview = (%(preview)s::jsonb || jsonb_build_object('checked_at', to_char(clock_timestamp() AT TIME ZONE 'UTC',"
    ' \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')))::json,'
    f" {SET_CONFIRM_DEADLINE_SQL}, {repository.STOP_WORK_SQL}"
)


def create_preview(run: Run, *, slice_rows: int, max_duplicates: int, retention: Retention) -> None:
    """Compare all staged rows with the catalogue and let the job wait for its confirmation; raises `LeaseLost`.

    At most `max_duplicates` duplicates are stored.
    """
    job = run.job
    total, compared = _compare_slices(run, slice_rows)
    duplicates = job.total_records - job.rejected_count - total.keys
    preview: dict[str, Any] = {
        "create": total.created,
        "update": total.updated,
        "unchanged": total.keys - total.created - total.updated,
        "skipped": total.skipped,
        "rejected": job.rejected_count,
        "duplicate": duplicates,
        "fields": total.fields_json(),
        **preview_missing(run),
    }
    notices = Notices()
    run.forecast.begin("finishing")
    with run.step(StepKind.AWAIT_CONFIRMATION) as cursor:
        if duplicates:
            record_duplicates(cursor, job, duplicates, notices, max_stored=max_duplicates)
        changes = [
            *_list_examples(cursor, job, RowFilter("changed"), total.updated),
            *_list_examples(cursor, job, RowFilter("created"), total.created),
        ]
        preview["changes"] = [
            {"sku": row.sku, "before": row.before, "after": row.after} for row in changes[:MAX_EXAMPLES]
        ]
        cursor.execute(SELECT_REJECTS_SQL, (job.id, MAX_SHOWN_REJECTS))
        preview["rejects"] = [dict(zip(REJECT_KEYS, row, strict=True)) for row in cursor.fetchall()]
        _notice_cleared_values(cursor, job, total, notices)
        repository.add_notices(cursor, job, notices, codes=[CLEARS_VALUES, DUPLICATES_DIFFER])
        other_file = Notices()
        new_keys = total.skipped if job.mode == "update" else total.created
        if notice_unknown_skus(cursor, job, other_file, keys=total.keys, known=total.keys - new_keys):
            repository.add_notices(cursor, job, other_file, codes=[LOOKS_LIKE_ANOTHER_FILE])
        values = {"preview": Json(preview), "progress": READ_PERCENT, "compared": compared, **retention.parameters}
        speeds.save_learned(cursor, run.forecast.learned())
        repository.update(cursor, job, AWAIT_CONFIRMATION_SQL, values)
        message = log_message(
            "compared",
            created=total.created,
            updated=total.updated,
            rejected=job.rejected_count,
            accepted=total.keys,
            missing=preview["missing"],
            missing_action=preview["missing_action"],
        )
        repository.append_log(cursor, job.id, "compared", message)


def _compare_slices(run: Run, slice_rows: int) -> tuple[OutcomeCounts, int]:
    """Compare the staged rows slice by slice and record the outcomes; return their counts, and how many rows they are.

    Raises `LeaseLost`.
    """
    job = run.job
    run.forecast.begin("comparing")
    slices = plan_slices(run.connection, job, slice_rows)
    run.forecast.report("comparing", 0)
    total = OutcomeCounts()
    compared = 0
    for number, part in enumerate(slices, 1):
        run.heartbeat.check()
        with run.step(StepKind.COMPARE_SLICE) as cursor:
            if number == 1:
                lease.hold(cursor, job)
                prepare_outcomes(cursor, job.staging_table or "")
            cursor.execute(SLICE_PLANNER_SETTINGS_SQL)
            record_outcomes(cursor, part, number, total)
            progress = READ_FOR_PREVIEW_PERCENT + (READ_PERCENT - READ_FOR_PREVIEW_PERCENT) * number // len(slices)
            compared = job.total_records * number // len(slices)
            repository.update(
                cursor,
                job,
                REPORT_COMPARING_SQL,
                {"progress": progress, "compared": compared},
                phase_of_sample="comparing",
                estimate=run.forecast.report("comparing", compared),
            )
    return total, compared


def _list_examples(cursor: Cursor, job: Job, row_filter: RowFilter, count: int) -> list[CheckedRow]:
    """Return the first rows of a list, which has `count` rows."""
    if not count:
        return []
    rows = RowList(job.staging_table or "", job.staged_columns or [], row_filter)
    return rows.fetch_page(cursor, 0, MAX_EXAMPLES)[0]


def _notice_cleared_values(cursor: Cursor, job: Job, total: OutcomeCounts, notices: Notices) -> None:
    """Add a notice if names or descriptions of products would become empty."""
    cleared = {name: count for name, count in total.cleared.items() if count}
    if not cleared:
        return
    rows = _list_examples(cursor, job, RowFilter("changed", cleared=True), sum(cleared.values()))
    samples: list[dict[str, Any]] = []
    for row in rows:
        before, after = row.before or {}, row.after or {}
        samples += (
            {"text": f"{row.sku}: {before[name]}", "sku": row.sku, "field": name, "before": before[name]}
            for name in cleared
            if before.get(name) and not after.get(name)
        )
    notices.add(
        CLEARS_VALUES,
        count=sum(cleared.values()),
        lines=[row.line for row in rows if row.line is not None][:MAX_LINES],
        samples=samples,
        details={"names": cleared.get("name", 0), "descriptions": cleared.get("description", 0)},
    )
