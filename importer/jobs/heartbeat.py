"""Keeps the lease of a job while it is worked on, and writes down how far reading is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extras import Json

from database.connect import LIMIT_IDLE_SQL, Component, connect
from database.lease import EXTEND_LEASE_SQL
from importer.errors import LeaseLost
from importer.jobs import repository
from importer.jobs.repository import Job

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.5
# Also how soon a worker notices that its job was cancelled.
LONGEST_RENEWAL_SECONDS = 1
READING_PERCENT = 50
# What is read for a preview is compared before that.
READING_FOR_PREVIEW_PERCENT = 40


@dataclass
class Reading:
    """How far reading is; the parser counts, the keeper of the lease writes it down."""

    rows: int = 0
    rejected: int = 0
    share: float = 0.0
    changed: threading.Event = field(default_factory=threading.Event)


class LeaseKeeper:
    """Renews a job's lease on a connection of its own, and writes the progress of reading, while the job is worked on.

    `check()` raises `LeaseLost` in the working thread once the lease is gone.
    """

    def __init__(self, url: str, job: Job, *, lease_seconds: int, interrupt: Callable[[], None]) -> None:
        self._url = url
        self._job = job
        self._lease_seconds = lease_seconds
        self._interrupt = interrupt
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._file: dict[str, Any] | None = None
        self._file_is_news = False
        self.reading: Reading | None = None
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    @property
    def is_lost(self) -> bool:
        """Whether the job is known to be no longer ours."""
        return self._lost.is_set()

    def check(self) -> None:
        """Raises `LeaseLost` when the job is known to be no longer ours."""
        if self.is_lost:
            raise LeaseLost

    @property
    def file(self) -> dict[str, Any] | None:
        """What was found in the file so far; set it to have it written down."""
        return self._file

    @file.setter
    def file(self, found: dict[str, Any]) -> None:
        self._file = found
        self._file_is_news = True

    def _run(self) -> None:
        connection: Connection | None = None
        renew_every = max(1, round(min(self._lease_seconds / 4, LONGEST_RENEWAL_SECONDS) / PROGRESS_SECONDS))
        ticks = 0
        while not self._stop.wait(PROGRESS_SECONDS):
            ticks += 1
            reading = self.reading
            if ticks % renew_every and not self._file_is_news and (reading is None or not reading.changed.is_set()):
                continue
            try:
                if connection is None:
                    connection = connect(self._url, Component.HEARTBEAT)
                with connection, connection.cursor() as cursor:
                    cursor.execute(LIMIT_IDLE_SQL)
                    self._write(cursor, reading)
            except LeaseLost:
                self._lost.set()
                # It may be at something long whose result nobody wants any more.
                self._interrupt()
                break
            except psycopg2.Error as error:
                # The lease may run out meanwhile; then the token keeps this worker from writing.
                log.warning("Import %s: the lease could not be renewed: %s", self._job.id, str(error).strip())
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _write(self, cursor: Any, reading: Reading | None) -> None:
        renewal = EXTEND_LEASE_SQL
        values: dict[str, Any] = {"lease_seconds": self._lease_seconds}
        if self._file_is_news:
            self._file_is_news = False
            renewal += ", file = %(file)s"
            values["file"] = Json(self._file)
        if reading is None or not reading.changed.is_set():
            cursor.execute(
                f"UPDATE import_jobs SET {renewal}"
                " WHERE id = %(id)s AND lease_token = %(token)s AND status = 'processing'",
                {**values, "id": self._job.id, "token": self._job.token},
            )
            if cursor.rowcount != 1:
                raise LeaseLost
            return
        reading.changed.clear()
        seen = reading.rows + reading.rejected
        percent = READING_FOR_PREVIEW_PERCENT if self._job.is_preview else READING_PERCENT
        values |= {
            "rows": reading.rows,
            "rejected": reading.rejected,
            "progress": int(reading.share * percent),
            "estimate": round(seen / reading.share) if reading.share else 0,
        }
        # Once a first pass was through (`staged_columns`), the numbers are exact and a repeated reading keeps them.
        repository.update(
            cursor,
            self._job,
            f"{renewal}, rows_read = greatest(rows_read, %(rows)s + %(rejected)s),"
            " progress = greatest(progress, %(progress)s),"
            " total_records = CASE WHEN staged_columns IS NULL THEN %(estimate)s ELSE total_records END,"
            " rejected_count = CASE WHEN staged_columns IS NULL THEN %(rejected)s ELSE rejected_count END",
            values,
            sampled="reading",
        )
