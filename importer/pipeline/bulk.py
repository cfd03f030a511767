"""Bulk changes: the products are found first, then changed or deleted slice by slice.

Like an import, a bulk change can stop after any slice and continue there: the transaction of a slice holds the
products, the change log, the events, the counts, the record that the slice is written and the check of the lease. A
product that does not match any more when its slice is written is left alone. The deletion of all products takes a
shorter way if no other transaction uses the table; see `deletion`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue.bulk import BulkChange
from database.connect import transaction
from importer.jobs import lease, repository
from importer.pipeline.bulk_sql import CREATE_STAGING_TABLE_SQL, STAGED_COLUMNS, render_find, render_write
from importer.pipeline.run import Run, StepKind
from importer.pipeline.slice_sql import SLICE_PLANNER_SETTINGS_SQL, Slice, staging_table
from importer.pipeline.slices import count_staged, plan_slices, render_remaining
from importer.pipeline.stage import ANALYZE_STAGING_TABLE_SQL
from importer.pipeline.transactions import StaleSlice, write_with_retries
from importer.pipeline.writers import record_slice, write_slices
from monitoring.metrics import count_rows
from webhook_service import record_event

# The progress of a job, in percent, once the products are found.
FOUND_PERCENT = 10

HAS_STAGED_ROWS_SQL = "SELECT EXISTS (SELECT FROM {table} WHERE {remaining})"
# If `staged_columns` is set already, the staging table was lost in a crash of the server, or dropped after the job had
# ended. Then finding the products is no progress, so `attempts` is not reset.
RECORD_FOUND_SQL = (
    "phase = 'writing', staging_table = %(table)s, staged_columns = %(columns)s,"
    " total_records = processed_records + %(found)s, rows_read = processed_records + %(found)s,"
    " attempts = CASE WHEN staged_columns IS NULL THEN 0 ELSE attempts END, progress = greatest(progress, %(progress)s)"
)
RECORD_BULK_SLICE_SQL = (
    "updated_count = updated_count + %(updated)s, removed_count = removed_count + %(removed)s,"
    " unchanged_count = unchanged_count + %(unchanged)s,"
    " rows_written = rows_written + %(updated)s + %(removed)s, processed_records = processed_records + %(processed)s,"
    f" progress = greatest(progress, least(99, {FOUND_PERCENT} + {100 - FOUND_PERCENT}"
    " * (processed_records + %(processed)s) / greatest(total_records, 1)))"
)


def change_products(run: Run, *, url: str, writers: int, slice_rows: int, keep_change_log: bool) -> None:
    """Change or delete the products that the job has not written yet, in slices of about `slice_rows` products.

    Up to `writers` threads write at the same time, the caller's included; see `write_slices` for `url`. With
    `keep_change_log` the change can be undone. Raises `Interrupted` between two slices when the time is up,
    `LeaseLost`, and `ImportFailure` if other clients keep interfering.
    """
    change = run.job.bulk_change
    if not _are_found(run):
        run.forecast.begin("finding")
        run = _find_products(run, change)
    run.forecast.begin("writing", done=run.job.processed_records, total=run.job.total_records)
    slices = plan_slices(run.connection, run.job, slice_rows)
    write = partial(_write_slice, change=change, keep_change_log=keep_change_log)
    write_slices(run, slices, write, url=url, writers=writers)


def _are_found(run: Run) -> bool:
    """Return whether the products are staged. A crash of the server empties the table, because it is unlogged."""
    job = run.job
    if job.staging_table is None or job.staged_columns is None:
        return False
    with transaction(run.connection) as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (job.staging_table,))
        if cursor.fetchone() != (True,):
            return False
        statement = sql.SQL(HAS_STAGED_ROWS_SQL)
        cursor.execute(statement.format(table=staging_table(job), remaining=render_remaining(job)))
        return cursor.fetchone() == (True,)


def _find_products(run: Run, change: BulkChange) -> Run:
    """Stage the products that the job has not written yet; return the run with its new job; raises `LeaseLost`."""
    job = run.job
    name = repository.staging_table_name(job)
    table = sql.Identifier(name)
    with run.step(StepKind.FIND_PRODUCTS) as cursor:
        cursor.execute(sql.SQL(CREATE_STAGING_TABLE_SQL).format(table=table))
        cursor.execute("SET LOCAL jit = off")
        cursor.execute(render_find(table, change, job))
        found = cursor.rowcount
        cursor.execute(sql.SQL("CREATE INDEX ON {table} (key)").format(table=table))
        cursor.execute(sql.SQL(ANALYZE_STAGING_TABLE_SQL).format(table=table))
        # A worker that has lost its lease must not lock the staging table of its successor.
        lease.hold(cursor, job)
        repository.drop_staging_table(cursor, job.id)
        values = {"table": name, "columns": STAGED_COLUMNS, "found": found, "progress": FOUND_PERCENT}
        repository.update(cursor, job, RECORD_FOUND_SQL, values, phase_of_sample="writing")
    return replace(run, job=repository.reload(run.connection, job))


def _write_slice(run: Run, part: Slice, *, change: BulkChange, keep_change_log: bool) -> None:
    def write(cursor: Cursor) -> dict[str, int]:
        cursor.execute(SLICE_PLANNER_SETTINGS_SQL)
        cursor.execute(render_write(part, change, keep_change_log=keep_change_log))
        selected, written = cursor.fetchone() or (0, 0)
        if selected != written:
            raise StaleSlice
        if change.deletes and written:
            record_event(cursor, "product.bulk_deleted", {"count": written})
        found, _ = count_staged(cursor, part)
        values = {
            "updated": 0 if change.deletes else written,
            "removed": written if change.deletes else 0,
            "unchanged": found - written,
            "processed": found,
        }
        estimate = run.forecast.advance("writing", found)
        record_slice(cursor, run, part, RECORD_BULK_SLICE_SQL, dict(values), estimate=estimate)
        return values

    counts = write_with_retries(run, StepKind.WRITE_SLICE, part.last, write)
    count_rows(updated=counts["updated"], removed=counts["removed"], unchanged=counts["unchanged"])
    run.forecast.add("writing", counts["processed"])
