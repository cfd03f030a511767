"""What the statements of an undo share: their planner settings, their events, and how their counts are recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from importer.jobs import repository
from importer.jobs.repository import Job
from importer.pipeline.run import Run, StepKind
from importer.pipeline.transactions import write_with_retries
from monitoring.metrics import count_rows
from webhook_service import (
    has_import_subscribers,
    insert_created_sql,
    insert_imported_sql,
    insert_updated_sql,
    record_event,
)

# The planner misjudges the number of ids in the arrays and would otherwise read the whole table.
UNDO_PLANNER_SETTINGS_SQL = "SET LOCAL enable_seqscan = off; SET LOCAL random_page_cost = 1.1; SET LOCAL jit = off"
RECORD_REVERSAL_SQL = (
    "checkpoint = %(checkpoint)s, missing_checkpoint = %(last_key)s, attempts = 0,"
    " updated_count = updated_count + %(removed)s + %(restored)s,"
    " removed_count = removed_count + %(removed)s, rejected_count = rejected_count + %(left_alone)s,"
    " unchanged_count = unchanged_count + %(missing)s, rows_written = rows_written + %(removed)s + %(restored)s,"
    " processed_records = processed_records + %(logged)s,"
    " progress = greatest(progress, least(99, 100 * (processed_records + %(logged)s) / greatest(total_records, 1)))"
)


@dataclass(frozen=True)
class ReversalCounts:
    """What happened to the products of an entry; `left_alone` had been edited, `missing` had been deleted."""

    logged: int
    removed: int
    restored: int
    left_alone: int

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of `RECORD_REVERSAL_SQL`."""
        missing = self.logged - self.removed - self.restored - self.left_alone
        return {
            "logged": self.logged,
            "removed": self.removed,
            "restored": self.restored,
            "left_alone": self.left_alone,
            "missing": missing,
        }


def render_event(job: Job, *, has_subscriber: bool) -> sql.Composable:
    """Return the part of a statement that records the events of its CTEs `inserted` and `updated`.

    `has_subscriber` tells whether a webhook wants the products of imports. The undo of a bulk change reports each
    product by itself, as the bulk change has done.
    """
    if job.bulk is not None:
        return insert_created_sql() + insert_updated_sql()
    return insert_imported_sql(job.task_id) if has_subscriber else sql.SQL("")


def reverse(
    run: Run, render: Callable[[bool], sql.Composed], *, checkpoint: str | None, last_key: str | None = None
) -> None:
    """Run a statement that reverses an entry of the change log or a part of it, and record its counts.

    `render(has_subscriber)` returns the statement, which returns the numbers of `ReversalCounts`. `checkpoint` is the
    last entry that is reversed completely, and `last_key` the last key of a part. Raises `LeaseLost`, `Interrupted` and
    `ImportFailure` as `write_with_retries`.
    """

    def write(cursor: Cursor) -> ReversalCounts:
        cursor.execute(UNDO_PLANNER_SETTINGS_SQL)
        cursor.execute(render(has_import_subscribers(cursor)))
        counts = ReversalCounts(*(cursor.fetchone() or ()))
        if counts.removed:
            record_event(cursor, "product.bulk_deleted", {"count": counts.removed})
        values: dict[str, Any] = {**counts.parameters, "checkpoint": checkpoint, "last_key": last_key}
        estimate = run.forecast.advance("undoing", counts.logged)
        repository.update(cursor, run.job, RECORD_REVERSAL_SQL, values, phase_of_sample="undoing", estimate=estimate)
        return counts

    counts = write_with_retries(run, StepKind.REVERSE_ENTRY, checkpoint, write)
    count_rows(removed=counts.removed, restored=counts.restored)
    run.forecast.add("undoing", counts.logged)
