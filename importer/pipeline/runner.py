"""The runner: it takes one job from its lease to its end, and handles whatever stops it on the way."""

from __future__ import annotations

import contextlib
import gc
import logging
from dataclasses import dataclass, field, replace

import psycopg2
import psycopg2.errors
from psycopg2.extensions import connection as Connection

import config
from database.connect import Component, connected, transaction
from importer.errors import FailureKind, ImportFailure, Interrupted, Interruption, LeaseLost, UnusableFile
from importer.files.stored_file import StoredFile
from importer.files.workbook.workbook_file import DEFAULT_WORKBOOK_LIMITS, WorkbookLimits
from importer.jobs import cleanup, lease, repository, speeds
from importer.jobs.hand_over import HandOver
from importer.jobs.heartbeat import Heartbeat
from importer.jobs.log_messages import NOUNS
from importer.jobs.retention import Retention
from importer.pipeline.bulk import change_products
from importer.pipeline.deletion import delete_all_at_once
from importer.pipeline.duplicates import record_duplicates_of_import
from importer.pipeline.merge import merge
from importer.pipeline.missing import prepare_removal
from importer.pipeline.preview import create_preview
from importer.pipeline.removal import removing_missing
from importer.pipeline.run import Observer, Run, StepKind, TimeLimit
from importer.pipeline.stage import ReadLimits, is_staged, stage_file
from importer.pipeline.transactions import CANCELLATIONS, explain
from importer.pipeline.undo import undo_import
from importer.pipeline.writers import default_writers
from importer.storage.locations import open_storage
from importer.storage.storage import Storage
from monitoring.context import working_on
from monitoring.metrics import JOBS, LEASES_LOST

log = logging.getLogger(__name__)

UNKNOWN_REASON = "The worker's log has the reason."
SPLIT_FILE = ", or split the file into smaller files"
BYTES_PER_KB = 1024
BYTES_PER_MB = 1_000_000

# In other languages, a page refers to the log that has the reason: `source` is the log of the job or of the worker.
NO_PROGRESS = FailureKind(
    "no_progress",
    "The {job} was started {attempts} times and stopped each time before it made progress. {reason} Retry the {job}"
    " when the problem is solved.",
    words={"job": NOUNS},
    extra=frozenset({"source"}),
)


def _describe_all_or_nothing(count: int) -> str:
    rows = "1 row was" if count == 1 else f"{count:,} rows were"
    return (
        f"{rows} rejected, and this import is all or nothing (on_reject=fail). Correct the rejected rows and upload the"
        " file again, or retry without them (on_reject=skip)."
    )


ALL_OR_NOTHING = FailureKind("all_or_nothing", _describe_all_or_nothing)


def _describe_out_of_memory(job: str) -> str:
    split = SPLIT_FILE if job == "import" else ""
    return (
        f"The worker ran out of memory. Give it more memory or run fewer imports at the same time{split}. Then retry"
        f" the {NOUNS[job]}."
    )


OUT_OF_MEMORY = FailureKind("out_of_memory", _describe_out_of_memory)
DISK_FULL = FailureKind(
    "database_disk_full",
    "The disk of the database server is full. Free some space, then retry the {job}.",
    words={"job": NOUNS},
)


@dataclass(frozen=True)
class ImportRunner:
    """Run import jobs with the settings of this process.

    An import reads its file, of at most `max_rows`, in chunks of `chunk_rows` and writes it in slices of about
    `slice_rows`. After `task_seconds` it stops and continues with another message. After `max_attempts` attempts
    without progress it fails. After `stall_seconds` without progress it gives up its lease. Of the rejected rows, it
    stores the first `max_rejects` and counts all; the same limit applies to the duplicates. Up to `writers` threads
    write its slices at the same time. With a single one, missing products are removed after the rows were written.
    Once a `hand_over` is requested, runs stop soon, and continue with another message. Tests pass an `observer`.
    """

    database_url: str
    storage: Storage
    chunk_rows: int
    slice_rows: int
    max_rows: int
    max_record_characters: int
    max_unpacked_bytes: int
    lease_seconds: int
    stall_seconds: float
    task_seconds: float
    max_attempts: int
    max_rejects: int
    retention: Retention
    workbook_limits: WorkbookLimits = DEFAULT_WORKBOOK_LIMITS
    writers: int = 1
    observer: Observer = field(default_factory=Observer)
    hand_over: HandOver = field(default_factory=HandOver)

    @classmethod
    def from_settings(cls, settings: config.Settings) -> ImportRunner:
        """Return the runner for the settings of a worker; raises `ConfigError` if DATABASE_URL is not set."""
        return cls(
            database_url=settings.require_database_url(),
            storage=open_storage(settings),
            chunk_rows=settings.chunk_rows,
            slice_rows=settings.slice_rows,
            max_rows=settings.max_rows,
            max_record_characters=settings.max_record_kb * BYTES_PER_KB,
            max_unpacked_bytes=settings.max_unpacked_mb * BYTES_PER_MB,
            lease_seconds=settings.lease_seconds,
            stall_seconds=settings.stall_seconds,
            task_seconds=settings.task_seconds,
            max_attempts=settings.max_attempts,
            max_rejects=settings.max_rejects,
            writers=settings.import_writers or default_writers(),
            retention=Retention.from_settings(settings),
            workbook_limits=WorkbookLimits(
                settings.max_workbook_mb * BYTES_PER_MB, settings.workbook_memory_mb * BYTES_PER_MB
            ),
        )

    def run(self, task_id: str) -> bool:
        """Work on a job until it ends or awaits its confirmation; do nothing if it has ended or another worker has it.

        Returns True if the job stopped in good order and must continue with another message. Raises `psycopg2.Error` if
        the database fails; another worker then continues the job.
        """
        with working_on(task_id):
            return self._run(task_id)

    def _run(self, task_id: str) -> bool:
        time_limit = TimeLimit(self.task_seconds)
        is_out_of_memory = False
        with connected(self.database_url, Component.IMPORTER) as connection:
            job = lease.acquire(connection, task_id, lease_seconds=self.lease_seconds)
            if job is None:
                log.info("Job %s: nothing to do", task_id)
                return False
            log.info("%s: lease acquired", job.label)
            heartbeat = Heartbeat(
                self.database_url,
                job,
                lease_seconds=self.lease_seconds,
                stall_seconds=self.stall_seconds,
                hand_over=self.hand_over,
            )
            heartbeat.watch(connection)
            run = Run(connection, job, heartbeat, time_limit, self.observer)
            try:
                if job.attempts > self.max_attempts:
                    reason = repository.find_interruption(connection, job)
                    raise ImportFailure(
                        NO_PROGRESS,
                        job=job.kind,
                        attempts=self.max_attempts,
                        reason=reason or UNKNOWN_REASON,
                        source="job" if reason else "worker",
                    )
                with heartbeat:
                    self._work(run)
            except Interrupted:
                return self._leave(run)
            except LeaseLost:
                self._abandon(connection, job)
            except Interruption as interruption:
                return self._stop(run, interruption.reason)
            except ImportFailure as failure:
                self._fail(run, failure, event="refused" if isinstance(failure, UnusableFile) else "failed")
            except psycopg2.errors.DiskFull:
                self._fail(run, ImportFailure(DISK_FULL, job=job.kind))
            except Exception as error:
                # A lost lease explains a database error: the heartbeat or the next worker cancelled the statement.
                if heartbeat.lease_is_lost and isinstance(error, psycopg2.Error):
                    self._abandon(connection, job)
                    return False
                is_out_of_memory = _is_out_of_memory(error)
                if isinstance(error, CANCELLATIONS) and not is_out_of_memory:
                    # The heartbeat cancels statements for a hand-over.
                    return self._leave(run) if self.hand_over.is_requested else self._stop(run, explain(error))
                if not is_out_of_memory:
                    _count(job, "error")
                    with contextlib.suppress(psycopg2.Error):
                        lease.release(connection, job)
                    raise
        if is_out_of_memory:
            # At this point the traceback no longer holds the data, and the old connection, which may be unusable, is
            # closed.
            gc.collect()
            with connected(self.database_url, Component.IMPORTER) as connection:
                self._fail(replace(run, connection=connection), ImportFailure(OUT_OF_MEMORY, job=job.kind))
        return False

    def _leave(self, run: Run) -> bool:
        """Release the lease of a job that stopped in good order. Return whether it continues with a message."""
        if not lease.release(run.connection, run.job, is_attempt=not self.hand_over.is_requested):
            self._abandon(run.connection, run.job)
            return False
        _count(run.job, "continued")
        if self.hand_over.is_requested:
            log.info("%s: handed over, because this worker ends", run.job.label)
        return True

    def _stop(self, run: Run, reason: ImportFailure) -> bool:
        """Release the lease of a job that cannot go on now. Return whether it continues with a message."""
        if not lease.release(run.connection, run.job, reason=reason):
            self._abandon(run.connection, run.job)
            return False
        _count(run.job, "continued")
        log.warning("%s: stopped, and continues with another message: %s", run.job.label, reason)
        return True

    def _work(self, run: Run) -> None:
        """Take a job to its end, or a preview to where it awaits its confirmation; raises what `run` handles."""
        job = run.job
        with transaction(run.connection) as cursor:
            run = replace(run, forecast=speeds.load_forecast(cursor, job))
        if job.kind == "undo":
            undo_import(run, slice_rows=self.slice_rows, max_rejects=self.max_rejects)
            self._complete(run)
            return
        if job.kind == "bulk":
            self._change_products(run)
            return
        if not is_staged(run.connection, job):
            limits = ReadLimits(
                self.chunk_rows,
                self.max_rows,
                self.max_record_characters,
                self.max_unpacked_bytes,
                self.max_rejects,
                self.workbook_limits,
            )
            stored_file = StoredFile(self.storage, job.stored_name, job.file_size, job.file_sha256)
            try:
                stage_file(run, stored_file, limits)
            except UnusableFile:
                # If the file has changed, say that instead of what is wrong with it now.
                stored_file.verify()
                raise
            job = repository.reload(run.connection, job)
            run = replace(run, job=job)
        if job.is_preview:
            create_preview(run, slice_rows=self.slice_rows, max_duplicates=self.max_rejects, retention=self.retention)
            _count(job, "checked")
            log.info("%s: awaiting confirmation", job.label)
            return
        if job.on_reject == "fail" and job.rejected_count:
            raise ImportFailure(ALL_OR_NOTHING, count=job.rejected_count)
        run = prepare_removal(run)
        keep_change_log = self.retention.undo_days > 0
        url = self.database_url if self.writers > 1 else None
        with removing_missing(run, url=url, slice_rows=self.slice_rows, keep_change_log=keep_change_log):
            merge(
                run,
                url=self.database_url,
                writers=self.writers,
                slice_rows=self.slice_rows,
                keep_change_log=keep_change_log,
            )
        self._complete(run)
        self._delete_file(job)

    def _delete_file(self, job: repository.Job) -> None:
        """Delete the file of a completed import; the reaper deletes one that the storage does not delete now."""
        try:
            self.storage.delete(job.stored_name)
        except OSError as error:
            log.warning("%s: its file could not be deleted now: %s", job.label, error)

    def _change_products(self, run: Run) -> None:
        """Take the job of a bulk change to its end; raises what `run` handles."""
        if run.job.bulk_change.deletes_all and delete_all_at_once(run, self.retention):
            _count(run.job, "completed")
            log.info("%s: completed", run.job.label)
            return
        change_products(
            run,
            url=self.database_url,
            writers=self.writers,
            slice_rows=self.slice_rows,
            keep_change_log=self.retention.undo_days > 0,
        )
        self._complete(run)

    def _complete(self, run: Run) -> None:
        run.forecast.begin("finishing")
        with run.step(StepKind.COMPLETE) as cursor:
            if run.job.kind == "import" and not run.job.confirmed:
                # A check has recorded them already.
                record_duplicates_of_import(cursor, run.job, max_stored=self.max_rejects)
            speeds.save_learned(cursor, run.forecast.learned())
            repository.complete(cursor, run.job, self.retention)
        _count(run.job, "completed")
        log.info("%s: completed", run.job.label)
        # Removing the files of a large table takes a while, in which clients would not know that the job has ended. If
        # it fails, the reaper does it.
        with contextlib.suppress(psycopg2.Error):
            cleanup.drop_staging_if_ended(run.connection, run.job.id)

    def _fail(self, run: Run, failure: ImportFailure, *, event: str = "failed") -> None:
        """End the job as failed. Its file stays until the job can no longer be retried.

        The `event` in its log is `refused` if its file is to blame, so that a retry as it is would fail again.
        """
        log.warning("%s: failed: %s", run.job.label, failure)
        try:
            with run.step(StepKind.FAIL) as cursor:
                repository.fail(
                    cursor,
                    run.job,
                    failure,
                    self.retention,
                    event=event,
                    file_description=run.heartbeat.file_description,
                )
            _count(run.job, event)
        except LeaseLost:
            self._abandon(run.connection, run.job)

    def _abandon(self, connection: Connection, job: repository.Job) -> None:
        """Leave a job that was cancelled, or that another worker has acquired."""
        log.warning("%s: lease lost: the job was cancelled, or another worker acquired it", job.label)
        with contextlib.suppress(psycopg2.Error):
            if repository.has_ended(connection, job):
                _count(job, "cancelled")
            else:
                LEASES_LOST.labels("job").inc()
            cleanup.drop_staging_of_ended_jobs(connection)


def _count(job: repository.Job, outcome: str) -> None:
    """Count that a run of a job has ended, with one of `monitoring.metrics.JOB_OUTCOMES`."""
    JOBS.labels(job.kind, outcome).inc()


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether this process lacks memory. If the database server lacks it, the job is repeated instead."""
    if isinstance(error, psycopg2.Error):
        # Errors of libpq itself have no code. An exception in `CopyStream.read` comes back as an error of the server.
        return (error.pgcode is None and "memory" in str(error)) or "MemoryError" in str(error)
    return isinstance(error, MemoryError) or "can't start new thread" in str(error)
