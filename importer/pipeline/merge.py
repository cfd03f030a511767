"""The merge: staged rows go into `products`, slice by slice.

The transaction of a slice holds everything: the products, the change log, the event for the webhooks, the counts, the
record that the slice is written and the check of the lease. So an import can stop after any slice and continue there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from psycopg2.extensions import cursor as Cursor

from importer.pipeline.run import Run, StepKind
from importer.pipeline.slice_sql import HAS_NO_PRODUCTS_SQL, SLICE_PLANNER_SETTINGS_SQL, Slice
from importer.pipeline.slices import count_staged, plan_slices
from importer.pipeline.transactions import StaleSlice, write_with_retries
from importer.pipeline.writers import record_slice, write_slices
from monitoring.metrics import count_rows
from webhook_service import has_import_subscribers

RECORD_SLICE_SQL = (
    "phase = 'writing', created_count = created_count + %(created)s, updated_count = updated_count + %(updated)s,"
    " unchanged_count = unchanged_count + %(unchanged)s,"
    " skipped_count = skipped_count + %(skipped)s, duplicate_count = duplicate_count + %(duplicates)s,"
    " rows_written = rows_written + %(created)s + %(updated)s,"
    " processed_records = processed_records + %(processed)s,"
    " progress = greatest(progress, least(99, 50 + 50 * (processed_records + %(processed)s)"
    " / (total_records + coalesce(missing_found, 0))))"
)


@dataclass(frozen=True)
class SliceCounts:
    """What happened to the rows of a slice; `keys` is the number of different keys."""

    staged_rows: int
    keys: int
    created: int = 0
    updated: int = 0
    skipped: int = 0

    @property
    def works(self) -> dict[str, float]:
        """The kinds of work of the staged rows, for the forecast."""
        return {
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.staged_rows - self.created - self.updated,
        }

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of `RECORD_SLICE_SQL`. A skipped key also counts as unchanged."""
        return {
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.keys - self.created - self.updated,
            "skipped": self.skipped,
            "duplicates": self.staged_rows - self.keys,
            "processed": self.staged_rows,
        }


def merge(run: Run, *, url: str, writers: int, slice_rows: int, keep_change_log: bool) -> None:
    """Write every staged row that the job has not written yet, in slices of about `slice_rows` rows.

    Up to `writers` threads write at the same time, the caller's included; see `write_slices` for `url`. With
    `keep_change_log` the import can be undone. Raises `Interrupted` between two slices when the time is up,
    `LeaseLost`, and `ImportFailure` if other clients keep interfering.
    """
    done = run.job.processed_records + run.job.missing_count
    run.forecast.begin("writing", done=done)
    slices = plan_slices(run.connection, run.job, slice_rows)
    run.forecast.report("writing", done)
    write_slices(run, slices, partial(_write_slice, keep_change_log=keep_change_log), url=url, writers=writers)


def _write_slice(run: Run, part: Slice, *, keep_change_log: bool) -> None:
    """Write and count a slice."""

    def write(cursor: Cursor) -> SliceCounts:
        cursor.execute(SLICE_PLANNER_SETTINGS_SQL)
        counts = _write_products(cursor, part, keep_change_log=keep_change_log)
        estimate = run.forecast.advance("writing", counts.staged_rows)
        record_slice(cursor, run, part, RECORD_SLICE_SQL, dict(counts.parameters), estimate=estimate)
        return counts

    counts = write_with_retries(run, StepKind.WRITE_SLICE, part.last, write)
    count_rows(
        created=counts.created,
        updated=counts.updated,
        unchanged=counts.keys - counts.created - counts.updated - counts.skipped,
        skipped=counts.skipped,
        duplicate=counts.staged_rows - counts.keys,
    )
    run.forecast.add("writing", counts.staged_rows, counts.works)


def _write_products(cursor: Cursor, part: Slice, *, keep_change_log: bool) -> SliceCounts:
    """Write the products of a slice with their change log and their event, in the caller's transaction."""
    has_subscriber = has_import_subscribers(cursor)
    rows, keys = count_staged(cursor, part)
    if part.job.mode != "update":
        cursor.execute(part.render(HAS_NO_PRODUCTS_SQL))
        if cursor.fetchone() == (True,):
            cursor.execute(part.render_insert(keys, keep_change_log=keep_change_log, has_subscriber=has_subscriber))
            return SliceCounts(rows, keys, created=cursor.rowcount)
    cursor.execute(part.render_merge(keep_change_log=keep_change_log, has_subscriber=has_subscriber))
    new, changed, skipped, inserted, updated = cursor.fetchone() or ()
    if (new, changed) != (inserted, updated):
        raise StaleSlice
    return SliceCounts(rows, keys, inserted, updated, skipped)
