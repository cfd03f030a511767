"""An import from its job to its end: take the lease, read, write, complete; and what happens when something fails."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.errors

from importer import jobs
from importer.errors import ImportFailure, Interrupted, LeaseLost
from importer.jobs import LeaseKeeper
from importer.reading import read_file
from importer.writing import is_staged, write_slices

log = logging.getLogger(__name__)

NO_HEADWAY = (
    "The import was started {attempts} times and each time stopped before it got any further. "
    "The worker's log says why; upload the file again once that is mended."
)


@dataclass(frozen=True)
class Engine:
    """The import engine with its settings; sizes in bytes or characters, times in seconds."""

    database_url: str
    upload_dir: Path
    chunk_rows: int
    slice_rows: int
    max_record: int
    max_unpacked_bytes: int
    lease_seconds: int
    task_seconds: int
    max_attempts: int

    def run(self, task_id: str) -> bool:
        """Works on the import `task_id` until it ends; does nothing when it has ended or somebody works on it.

        Returns True when it stopped in good order and has to go on under another message. Raises `psycopg2.Error`
        when the database fails; the job then goes on once its lease is free.
        """
        started = time.monotonic()
        slices = itertools.count()
        with jobs.connected(self.database_url) as connection:
            job = jobs.take(connection, task_id, lease_seconds=self.lease_seconds)
            if job is None:
                log.info("Import %s: nothing to do", task_id)
                return False
            log.info("Import %s: taken by this worker", task_id)
            path = self.upload_dir / job.stored_name
            try:
                if job.attempts > self.max_attempts:
                    raise ImportFailure(NO_HEADWAY.format(attempts=self.max_attempts))
                with LeaseKeeper(self.database_url, job, lease_seconds=self.lease_seconds) as keeper:
                    if not is_staged(connection, job):
                        read_file(
                            connection,
                            job,
                            path,
                            keeper,
                            chunk_rows=self.chunk_rows,
                            max_record=self.max_record,
                            max_unpacked_bytes=self.max_unpacked_bytes,
                        )
                        job = jobs.reload(connection, job)
                    write_slices(
                        connection,
                        job,
                        keeper,
                        url=self.database_url,
                        slice_rows=self.slice_rows,
                        # One slice at least, else an import whose reading takes that long would never get on.
                        out_of_time=lambda: next(slices) > 0 and time.monotonic() - started > self.task_seconds,
                    )
                jobs.complete(connection, job)
                log.info("Import %s: completed", task_id)
            except LeaseLost:
                log.warning("Import %s: another worker has taken it over", task_id)
                return False
            except Interrupted:
                jobs.release(connection, job)
                return True
            except ImportFailure as failure:
                log.warning("Import %s: failed: %s", task_id, failure)
                if not jobs.fail(connection, job.id, str(failure), token=job.token):
                    return False
            except psycopg2.errors.DiskFull:
                message = "The disk of the database is full. Make room there and upload the file again."
                if not jobs.fail(connection, job.id, message, token=job.token):
                    return False
            except Exception:
                with contextlib.suppress(psycopg2.Error):
                    jobs.release(connection, job)
                raise
            path.unlink(missing_ok=True)
            return False
