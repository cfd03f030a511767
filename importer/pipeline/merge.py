"""The merge: staged rows go into `products`, slice by slice in key order.

The transaction of a slice holds everything: the products, the change log, the event for the webhooks, the counts, the
checkpoint and the check of the lease. So an import can stop after any slice and continue there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from importer.jobs import repository
from importer.pipeline.look_ahead import LookAhead, UnchangedSlice
from importer.pipeline.run import Run, StepKind
from importer.pipeline.slice_sql import HAS_NO_PRODUCTS_SQL, SLICE_PLANNER_SETTINGS_SQL, Slice
from importer.pipeline.slices import count_staged_rows, plan_slices
from importer.pipeline.transactions import StaleSlice, write_with_retries
from webhook_service import has_import_subscribers

RECORD_SLICE_SQL = (
    "phase = 'writing', checkpoint = %(checkpoint)s, attempts = 0, created_count = created_count + %(created)s,"
    " updated_count = updated_count + %(updated)s, unchanged_count = unchanged_count + %(unchanged)s,"
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
    def wrote_nothing(self) -> bool:
        """Whether the slice changed no product."""
        return self.created + self.updated == 0

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


def merge(run: Run, *, url: str, slice_rows: int, keep_change_log: bool, look_ahead: bool) -> None:
    """Write every staged row after the checkpoint of the job, in slices of about `slice_rows` rows.

    With `keep_change_log` the import can be undone. With `look_ahead`, while the merge writes a slice, it compares the
    next one on a second connection to the database `url`, if the previous slice changed nothing. Raises `Interrupted`
    between two slices when the time is up, `LeaseLost`, and `ImportFailure` if other clients keep interfering.
    """
    done = run.job.processed_records + run.job.missing_count
    run.forecast.begin("writing", done=done)
    slices = plan_slices(run.connection, run.job, slice_rows)
    run.forecast.report("writing", done)
    # The other modes skip products, which the change log names. The look-ahead does not find out which they are.
    may_look_ahead = look_ahead and run.job.mode == "upsert"
    with LookAhead(url) as ahead:
        previous_wrote_nothing = False
        for part, next_part in itertools.zip_longest(slices, slices[1:]):
            run.heartbeat.check()
            run.time_limit.check()
            unchanged = ahead.wait()
            if may_look_ahead and unchanged is None and previous_wrote_nothing and next_part:
                ahead.start(next_part)
            counts = _write_slice(run, part, unchanged, keep_change_log=keep_change_log)
            previous_wrote_nothing = counts.wrote_nothing


def _write_slice(run: Run, part: Slice, unchanged: UnchangedSlice | None, *, keep_change_log: bool) -> SliceCounts:
    """Write and count a slice; only count it if it is known to change nothing."""

    def write(cursor: Cursor) -> SliceCounts:
        cursor.execute(SLICE_PLANNER_SETTINGS_SQL)
        if unchanged:
            counts = SliceCounts(unchanged.staged_rows, unchanged.keys)
        else:
            counts = _write_products(cursor, part, keep_change_log=keep_change_log)
        values = {**counts.parameters, "checkpoint": part.last}
        estimate = run.forecast.advance("writing", counts.staged_rows)
        repository.update(cursor, run.job, RECORD_SLICE_SQL, values, phase_of_sample="writing", estimate=estimate)
        return counts

    counts = write_with_retries(run, StepKind.WRITE_SLICE, part.last, write)
    run.forecast.add("writing", counts.staged_rows, counts.works)
    return counts


def _write_products(cursor: Cursor, part: Slice, *, keep_change_log: bool) -> SliceCounts:
    """Write the products of a slice with their change log and their event, in the caller's transaction."""
    has_subscriber = has_import_subscribers(cursor)
    if part.job.mode != "update":
        cursor.execute(part.render(HAS_NO_PRODUCTS_SQL))
        if cursor.fetchone() == (True,):
            cursor.execute(part.render_insert(keep_change_log=keep_change_log, has_subscriber=has_subscriber))
            (inserted,) = cursor.fetchone() or (0,)
            return SliceCounts(count_staged_rows(cursor, part), keys=inserted, created=inserted)
    cursor.execute(part.render_merge(keep_change_log=keep_change_log, has_subscriber=has_subscriber))
    keys, new, changed, skipped, inserted, updated = cursor.fetchone() or ()
    if (new, changed) != (inserted, updated):
        raise StaleSlice
    return SliceCounts(count_staged_rows(cursor, part), keys, inserted, updated, skipped)
