"""The removal: it deactivates or deletes the missing products of an import, in ranges of keys of the whole catalogue.

A thread removes them on a connection of its own while the merge writes the rows of the file: the two never touch the
same product. The transaction of a range holds the products, the change log, the event, the count and the check of the
lease, like that of a slice. A range that is removed again removes nothing, because what it removed is no longer
missing.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.connect import Component, connect
from importer.jobs import repository
from importer.pipeline.missing_sql import render_removal
from importer.pipeline.run import Run, StepKind
from importer.pipeline.slice_sql import SLICE_PLANNER_SETTINGS_SQL, Slice
from importer.pipeline.slices import plan_product_ranges
from importer.pipeline.transactions import StaleSlice, write_with_retries
from monitoring.context import carry
from monitoring.metrics import count_rows
from webhook_service import has_import_subscribers, record_event

log = logging.getLogger(__name__)

RECORD_REMOVAL_SQL = (
    "missing_checkpoint = coalesce(%(checkpoint)s, missing_checkpoint), attempts = 0,"
    " missing_count = missing_count + %(removed)s,"
    " progress = greatest(progress, least(99, 50 + 50 * (processed_records + missing_count + %(removed)s)"
    " / (total_records + missing_found)))"
)


@contextlib.contextmanager
def removing_missing(run: Run, *, url: str | None, slice_rows: int, keep_change_log: bool) -> Iterator[None]:
    """Remove the missing products after `missing_checkpoint` while the block writes the rows of the file.

    `missing.prepare_removal` must have returned the run. A range has about `slice_rows` products. With
    `keep_change_log` the removal can be undone. A thread with a connection to the database `url` removes the ranges
    from the first one on. When the block has ended, the caller's thread removes them from the last one on, until the
    two meet. Without a second connection, or if fewer than `slice_rows` products are missing, the caller's thread
    removes them all after the block.

    Raises `Interrupted` between two ranges when the time is up, `LeaseLost`, and `ImportFailure` if other clients keep
    interfering. If the block raises an exception, the range that the thread is removing comes to its end first.
    """
    job = run.job
    if not job.removes_missing or not job.missing_found:
        yield
        return
    removal = _Removal(slice_rows, keep_change_log)
    connection = _connect(run, url) if url and job.missing_found >= slice_rows else None
    if connection is None:
        yield
        removal.plan(run)
        removal.remove_from_first(run)
        return
    with contextlib.closing(connection), ThreadPoolExecutor(1, thread_name_prefix="removal") as executor:
        run.heartbeat.watch(connection)
        second_run = replace(run, connection=connection)
        planning = executor.submit(carry(removal.plan), second_run)
        removing = executor.submit(carry(removal.remove_from_first), second_run)
        try:
            yield
            planning.result()
            removal.remove_from_last(run)
        except BaseException:
            removal.stopping.set()
            raise
        removing.result()


def _connect(run: Run, url: str) -> Connection | None:
    try:
        return connect(url, Component.REMOVAL)
    except psycopg2.OperationalError as error:
        reason = " ".join(str(error).split())
        log.warning("%s: missing products are removed without a second connection: %s", run.job.label, reason)
        return None


@dataclass
class _Removal:
    """The ranges of keys that are left. Two threads take them, one from each end."""

    slice_rows: int
    keep_change_log: bool
    ranges: deque[Slice] = field(default_factory=deque)
    stopping: threading.Event = field(default_factory=threading.Event)

    def plan(self, run: Run) -> None:
        self.ranges.extend(plan_product_ranges(run.connection, run.job, self.slice_rows))

    def remove_from_first(self, run: Run) -> None:
        with contextlib.suppress(IndexError):
            while not self.stopping.is_set():
                part = self.ranges.popleft()
                self._remove(run, part, checkpoint=part.last)

    def remove_from_last(self, run: Run) -> None:
        # Only the other thread moves the checkpoint. After an interruption, the next attempt repeats these ranges.
        with contextlib.suppress(IndexError):
            while True:
                self._remove(run, self.ranges.pop(), checkpoint=None)

    def _remove(self, run: Run, part: Slice, *, checkpoint: str | None) -> None:
        def write(cursor: Cursor) -> int:
            cursor.execute(SLICE_PLANNER_SETTINGS_SQL)
            has_subscriber = has_import_subscribers(cursor)
            cursor.execute(render_removal(part, keep_change_log=self.keep_change_log, has_subscriber=has_subscriber))
            found, removed = cursor.fetchone() or (0, 0)
            if found != removed:
                raise StaleSlice
            if removed and run.job.missing == "delete":
                record_event(cursor, "product.bulk_deleted", {"count": removed})
            values = {"removed": removed, "checkpoint": checkpoint}
            estimate = run.forecast.advance("writing", removed)
            repository.update(cursor, run.job, RECORD_REMOVAL_SQL, values, estimate=estimate)
            return int(removed)

        run.check()
        removed = write_with_retries(run, StepKind.REMOVE_MISSING, checkpoint, write)
        count_rows(removed=removed)
        run.forecast.add("writing", removed, {run.job.missing: removed})
