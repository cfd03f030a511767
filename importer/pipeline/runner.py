"""An import from its job to its end: take the lease, read, write, complete; and what happens when something fails."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.errors
from psycopg2.extensions import connection as Connection

from database.connect import Component, connected
from importer.errors import ImportFailure, Interrupted, LeaseLost
from importer.jobs import reaper, repository
from importer.jobs.heartbeat import LeaseKeeper
from importer.jobs.repository import Job, Retention
from importer.pipeline.merge import is_staged, write_slices
from importer.pipeline.preview import compare
from importer.pipeline.stage import read_file
from importer.pipeline.undo import take_back

log = logging.getLogger(__name__)

NO_HEADWAY = (
    "The import was started {attempts} times and each time stopped before it got any further. "
    "The worker's log says why; try again once that is mended."
)
ALL_OR_NOTHING = (
    "{rows} cannot be taken, and this import is all or nothing (on_reject=fail). Correct the rejected rows and upload "
    "the file again, or try again with bad rows set aside (on_reject=skip)."
)
DISK_FULL = "The disk of the database is full. Make room there and try again."


@dataclass(frozen=True)
class ImportRunner:
    """The import runner with its settings; sizes in bytes or characters, times in seconds."""

    database_url: str
    upload_dir: Path
    chunk_rows: int
    slice_rows: int
    max_record: int
    max_unpacked_bytes: int
    lease_seconds: int
    task_seconds: int
    max_attempts: int
    retention: Retention

    def run(self, task_id: str) -> bool:
        """Works on the import `task_id` until it ends; does nothing when it has ended or somebody works on it.

        Returns True when it stopped in good order and has to go on under another message. Raises `psycopg2.Error`
        when the database fails; the job then goes on once its lease is free.
        """
        started = time.monotonic()
        slices = itertools.count()

        def out_of_time() -> bool:
            # One slice at least, else an import whose reading takes that long would never get on.
            return next(slices) > 0 and time.monotonic() - started > self.task_seconds

        with connected(self.database_url, Component.IMPORTER) as connection:
            job = repository.take(connection, task_id, lease_seconds=self.lease_seconds)
            if job is None:
                log.info("Import %s: nothing to do", task_id)
                return False
            log.info("Import %s: taken by this worker", task_id)
            keeper = LeaseKeeper(self.database_url, job, lease_seconds=self.lease_seconds, interrupt=connection.cancel)
            try:
                if job.attempts > self.max_attempts:
                    raise ImportFailure(NO_HEADWAY.format(attempts=self.max_attempts))
                with keeper:
                    self._work(connection, job, keeper, out_of_time)
            except LeaseLost:
                return self._give_up(connection, task_id)
            except Interrupted:
                repository.release(connection, job)
                return True
            except ImportFailure as failure:
                self._fail(connection, job, str(failure), keeper)
            except psycopg2.errors.DiskFull:
                self._fail(connection, job, DISK_FULL, keeper)
            except Exception as error:
                if keeper.is_lost and isinstance(error, psycopg2.Error):
                    return self._give_up(connection, task_id)
                with contextlib.suppress(psycopg2.Error):
                    repository.release(connection, job)
                raise
            return False

    def _work(self, connection: Connection, job: Job, keeper: LeaseKeeper, out_of_time: Callable[[], bool]) -> None:
        """Brings the job to its end, or a preview to where it waits; raises what `run` handles."""
        if job.kind == "undo":
            take_back(connection, job, keeper, out_of_time=out_of_time)
            self._complete(connection, job)
            return
        if not is_staged(connection, job):
            read_file(
                connection,
                job,
                self.upload_dir / job.stored_name,
                keeper,
                chunk_rows=self.chunk_rows,
                max_record=self.max_record,
                max_unpacked_bytes=self.max_unpacked_bytes,
            )
            job = repository.reload(connection, job)
        if job.is_preview:
            compare(connection, job, keeper, slice_rows=self.slice_rows, retention=self.retention)
            log.info("Import %s: waits to be confirmed", job.task_id)
            return
        if job.on_reject == "fail" and job.rejected_count:
            rows = "1 row" if job.rejected_count == 1 else f"{job.rejected_count:,} rows"
            raise ImportFailure(ALL_OR_NOTHING.format(rows=rows))
        write_slices(
            connection,
            job,
            keeper,
            url=self.database_url,
            slice_rows=self.slice_rows,
            keep_changes=self.retention.undo_days > 0,
            out_of_time=out_of_time,
        )
        self._complete(connection, job)
        (self.upload_dir / job.stored_name).unlink(missing_ok=True)

    def _complete(self, connection: Connection, job: Job) -> None:
        repository.complete(connection, job, self.retention)
        log.info("Import %s: completed", job.task_id)

    def _fail(self, connection: Connection, job: Job, message: str, keeper: LeaseKeeper) -> None:
        """Ends the job; its file stays as long as it may be tried again."""
        log.warning("Import %s: failed: %s", job.task_id, message)
        repository.fail(connection, job.id, message, token=job.token, retention=self.retention, file=keeper.file)

    def _give_up(self, connection: Connection, task_id: str) -> bool:
        """Leaves a job to whoever has it now, or to nobody where it was cancelled."""
        log.warning("Import %s: it was cancelled, or another worker has taken it over", task_id)
        with contextlib.suppress(psycopg2.Error):
            reaper.drop_staging_of_ended(connection)
        return False
