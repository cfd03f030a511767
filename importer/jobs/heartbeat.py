"""The heartbeat of a worker: it extends the lease of a job, and reports how much of the file has been read.

It extends the lease only while the worker's thread makes progress, so that another worker takes over the job of a
thread that hangs. A statement that PostgreSQL runs is progress, however long it takes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from database.advisory_locks import is_work_running
from database.connect import LIMIT_IDLE_SQL, Component, connect
from database.lease import EXTEND_LEASE_SQL
from importer.errors import Interrupted, LeaseLost
from importer.jobs import repository
from importer.jobs.forecast import Forecast
from importer.jobs.hand_over import HandOver
from importer.jobs.repository import HOLDS_LEASE_SQL, Job
from monitoring.context import carry

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
# The lease is extended at least this often, because that is also how a worker notices that its job was cancelled.
MAX_HEARTBEAT_SECONDS = 1
# A round that took longer than this still counts as only this much time without progress, because the process may have
# been suspended.
MAX_ROUND_SECONDS = 2
# How long a run may take to stop by itself for a hand-over. After that, its statements are cancelled.
HAND_OVER_SECONDS = 1.5
# The progress of a job, in percent, at the end of reading. A preview reaches 50% after it has also compared the rows.
READ_PERCENT = 50
READ_FOR_PREVIEW_PERCENT = 40

EXTEND_JOB_LEASE_SQL = f"UPDATE import_jobs SET {{assignments}} WHERE {HOLDS_LEASE_SQL}"
# `staged_columns` is set once the whole file has been read; the counts are exact from then on, so reading the file a
# second time does not change them.
REPORT_READING_SQL = (
    "phase = %(phase)s, rows_read = greatest(rows_read, %(rows)s + %(rejected)s),"
    " progress = greatest(progress, %(progress)s),"
    " total_records = CASE WHEN staged_columns IS NULL THEN %(estimated_total)s ELSE total_records END,"
    " rejected_count = CASE WHEN staged_columns IS NULL THEN %(rejected)s ELSE rejected_count END"
)


@dataclass
class ReadingProgress:
    """How much of a file has been read. The worker's thread counts; the heartbeat writes the numbers to the job.

    `share` is the share of the file's bytes, from 0 to 1. `changed` is set when the numbers change and cleared when
    they are written. `phase` is `reading` or, for a workbook, `reading_workbook`. The heartbeat calls `survey` once
    with a cursor when it is set: it finds out what the rows are, for the forecast.
    """

    forecast: Forecast
    phase: str = "reading"
    survey: Callable[[Cursor], None] | None = None
    rows: int = 0
    rejected: int = 0
    share: float = 0.0
    changed: threading.Event = field(default_factory=threading.Event)


class Heartbeat:
    """Extend the lease of a job from a thread and a connection of its own, as long as the block runs.

    If the lease is lost, it cancels the current statements of the connections that `watch` has named. From then on
    `check` raises `LeaseLost` in the worker's threads. The same happens if they make no progress for `stall_seconds`;
    another worker can then acquire the lease when it has expired.

    Once a `hand_over` is requested, `check` raises `Interrupted`, and statements that take long are cancelled.
    """

    def __init__(
        self, url: str, job: Job, *, lease_seconds: int, stall_seconds: float, hand_over: HandOver | None = None
    ) -> None:
        self._url = url
        self._job = job
        self._lease_seconds = lease_seconds
        self._stall_seconds = stall_seconds
        self._hand_over = hand_over or HandOver()
        # `_progress` counts the signs of progress of the worker's threads. `_seen_progress` is the count that the
        # heartbeat saw last, and `_stalled_seconds` is the time since that count changed.
        self._progress = self._seen_progress = 0
        self._stalled_seconds = 0.0
        self._watched: list[Connection] = []
        self._stopping = threading.Event()
        self._lost = threading.Event()
        self._file_description: dict[str, Any] | None = None
        self._file_description_changed = False
        self.reading: ReadingProgress | None = None
        self._thread = threading.Thread(target=carry(self._run), name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=5)

    @property
    def lease_is_lost(self) -> bool:
        """Whether the lease is known to be lost: the job has ended, another worker has it, or this worker stalled."""
        return self._lost.is_set()

    def watch(self, connection: Connection) -> None:
        """Cancel the current statement of this connection of the worker if the lease is lost."""
        self._watched.append(connection)

    def check(self) -> None:
        """Raise `LeaseLost` if the lease is known to be lost, and `Interrupted` if a hand-over is requested.

        The call itself counts as progress.
        """
        self.note_progress()
        if self.lease_is_lost:
            raise LeaseLost
        if self._hand_over.is_requested:
            raise Interrupted

    def note_progress(self) -> None:
        """Record that the worker's thread is making progress."""
        self._progress += 1

    @property
    def file_description(self) -> dict[str, Any] | None:
        """What has been detected in the file so far, as JSON. The next beat writes a new value to the job."""
        return self._file_description

    @file_description.setter
    def file_description(self, description: dict[str, Any]) -> None:
        self._file_description = description
        self._file_description_changed = True

    def _run(self) -> None:
        connection: Connection | None = None
        ticks_per_beat = max(1, round(min(self._lease_seconds / 4, MAX_HEARTBEAT_SECONDS) / TICK_SECONDS))
        ticks = ticks_of_hand_over = 0
        round_began_at = time.monotonic()
        while not self._stopping.wait(TICK_SECONDS):
            ticks += 1
            ticks_of_hand_over += self._hand_over.is_requested
            if ticks_of_hand_over * TICK_SECONDS > HAND_OVER_SECONDS:
                self._cancel_statements()
            self._measure_stall(time.monotonic() - round_began_at)
            round_began_at = time.monotonic()
            reading = self.reading if self.reading and self.reading.changed.is_set() else None
            if ticks % ticks_per_beat and not reading and not self._file_description_changed:
                continue
            try:
                if connection is None:
                    connection = connect(self._url, Component.HEARTBEAT)
                with connection, connection.cursor() as cursor:
                    cursor.execute(LIMIT_IDLE_SQL)
                    self._check_stall(cursor)
                    self._beat(cursor, reading)
            except LeaseLost:
                self._lost.set()
                self._cancel_statements()
                break
            except (psycopg2.Error, MemoryError) as error:
                self._file_description_changed = self._file_description is not None
                # The lease may expire before the next try. Then the fencing token keeps this worker from writing.
                log.warning("%s: cannot extend the lease, will retry: %s", self._job.label, str(error).strip())
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _cancel_statements(self) -> None:
        # The worker may be waiting for a long statement whose result is no longer needed. If a connection is lost, it
        # has no statement to cancel.
        for connection in self._watched:
            with contextlib.suppress(psycopg2.Error):
                connection.cancel()

    def _measure_stall(self, round_seconds: float) -> None:
        self._stalled_seconds += min(round_seconds, MAX_ROUND_SECONDS)
        if self._progress != self._seen_progress:
            self._seen_progress, self._stalled_seconds = self._progress, 0.0

    def _check_stall(self, cursor: Cursor) -> None:
        """Raise `LeaseLost` if neither the worker's thread nor PostgreSQL has made progress for `stall_seconds`."""
        if self._stalled_seconds < self._stall_seconds:
            return
        if is_work_running(cursor, self._job.id):
            self._stalled_seconds = 0.0
            return
        log.error(
            "%s: the worker has made no progress for %.0f s; it gives up the lease, and another one takes over",
            self._job.label,
            self._stalled_seconds,
        )
        raise LeaseLost

    def _beat(self, cursor: Cursor, reading: ReadingProgress | None) -> None:
        """Extend the lease and write what is new; raises `LeaseLost`."""
        assignments = EXTEND_LEASE_SQL
        values: dict[str, Any] = {"lease_seconds": self._lease_seconds}
        if self._file_description_changed:
            self._file_description_changed = False
            assignments += ", file = %(file)s"
            values["file"] = Json(self._file_description)
        if reading is None:
            # The progress streams show nothing of this, so `revision` stays the same.
            statement = EXTEND_JOB_LEASE_SQL.format(assignments=assignments)
            cursor.execute(statement, {**values, "id": self._job.id, "token": self._job.token})
            if cursor.rowcount != 1:
                raise LeaseLost
            return
        reading.changed.clear()
        survey, reading.survey = reading.survey, None
        if survey:
            survey(cursor)
        records = reading.rows + reading.rejected
        percent = READ_FOR_PREVIEW_PERCENT if self._job.is_preview else READ_PERCENT
        values |= {
            "rows": reading.rows,
            "rejected": reading.rejected,
            "progress": int(reading.share * percent),
            "phase": reading.phase,
            "estimated_total": round(records / reading.share) if reading.share else 0,
        }
        estimate = reading.forecast.report("reading", records, total=values["estimated_total"] or None)
        repository.update(
            cursor,
            self._job,
            f"{assignments}, {REPORT_READING_SQL}",
            values,
            phase_of_sample=reading.phase,
            estimate=estimate,
        )
