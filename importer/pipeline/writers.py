"""Several writers write the slices of a job at the same time, each in transactions of its own.

Slices have disjoint ranges of keys, so the writers never touch the same product. They take the slices in key order. The
transaction of a slice records it in the row of the job: `checkpoint` is the key up to which everything is written, and
`written_ahead` has the ranges beyond it. So a job can stop after any slice, and the next attempt writes the rest.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from database.connect import Component, connect
from importer.errors import LeaseLost
from importer.jobs import repository
from importer.jobs.forecast import Estimate
from importer.pipeline.run import Run
from importer.pipeline.slice_sql import Slice
from importer.pipeline.slices import add_written
from monitoring.context import carry

log = logging.getLogger(__name__)

# More writers than this wait for each other, and for the disk, more than they gain.
MAX_DEFAULT_WRITERS = 4
RECORD_CHECKPOINT_SQL = "checkpoint = %(checkpoint)s, written_ahead = %(written_ahead)s, attempts = 0"
IS_CHECKPOINT_SQL = (
    "checkpoint IS NOT DISTINCT FROM %(seen_checkpoint)s"
    " AND written_ahead IS NOT DISTINCT FROM %(seen_written_ahead)s::jsonb"
)


def default_writers() -> int:
    """Return how many writers a job has by default: the number of cores, but at most `MAX_DEFAULT_WRITERS`."""
    return min(MAX_DEFAULT_WRITERS, os.cpu_count() or 1)


def write_slices(
    run: Run, slices: Sequence[Slice], write: Callable[[Run, Slice], None], *, url: str, writers: int
) -> None:
    """Call `write` for each slice, in up to `writers` threads, which take the slices in their order.

    The caller's thread is one of them. Each other one has a connection to the database `url`, and calls `write` with a
    run on it. If PostgreSQL refuses a connection, there are fewer writers.

    Raises what `write` raises; the other writers then stop after the slice that they are writing. Raises `Interrupted`
    between two slices when the time is up, and `LeaseLost`.
    """
    waiting = deque(slices)
    stopping = threading.Event()

    def work(run: Run) -> None:
        try:
            while waiting and not stopping.is_set():
                run.check()
                try:
                    part = waiting.popleft()
                except IndexError:
                    # Another writer has taken the last one.
                    return
                write(run, part)
        except BaseException:
            stopping.set()
            raise

    with contextlib.ExitStack() as stack:
        runs = [_open_run(run, url, stack) for _ in range(min(writers, len(slices)) - 1)]
        others = [other for other in runs if other is not None]
        executor = stack.enter_context(ThreadPoolExecutor(len(others) or 1, thread_name_prefix="writer"))
        futures = [executor.submit(carry(work), other) for other in others]
        work(run)
        for future in futures:
            future.result()


def _open_run(run: Run, url: str, stack: contextlib.ExitStack) -> Run | None:
    """Return the run on a new connection, which `stack` closes; None if PostgreSQL refuses the connection."""
    try:
        connection: Connection = connect(url, Component.WRITER)
    except psycopg2.OperationalError as error:
        log.warning("%s: it writes with one connection fewer: %s", run.job.label, " ".join(str(error).split()))
        return None
    stack.enter_context(contextlib.closing(connection))
    run.heartbeat.watch(connection)
    return replace(run, connection=connection)


def record_slice(
    cursor: Cursor, run: Run, part: Slice, assignments: str, values: dict[str, Any], *, estimate: Estimate
) -> None:
    """Record in the row of the job, at the end of the transaction of a slice, that the slice is written.

    `assignments` is the SQL of the other changes of the row, `values` has its parameters. Raises `LeaseLost`.
    """
    # The row stays unlocked until it changes, so that clients can cancel the job at any moment. If another writer has
    # changed it in between, the UPDATE finds nothing, and what that writer has committed is read.
    is_recorded = False
    while not is_recorded:
        seen_checkpoint, seen_written_ahead = repository.read_checkpoint(cursor, run.job)
        checkpoint, written_ahead = add_written(seen_checkpoint or "", seen_written_ahead or [], part)
        values = {
            **values,
            "seen_checkpoint": seen_checkpoint,
            "seen_written_ahead": _to_json(seen_written_ahead),
            "checkpoint": checkpoint,
            "written_ahead": _to_json(written_ahead),
        }
        with contextlib.suppress(LeaseLost):
            repository.update(
                cursor,
                run.job,
                f"{RECORD_CHECKPOINT_SQL}, {assignments}",
                values,
                phase_of_sample="writing",
                estimate=estimate,
                condition=IS_CHECKPOINT_SQL,
            )
            is_recorded = True


def _to_json(ranges: list[list[str]] | None) -> Json | None:
    return Json(ranges) if ranges else None
