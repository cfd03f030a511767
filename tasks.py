"""The Celery task of imports, and the companions of a worker: the threads that it starts and stops."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, NoReturn

from celery.signals import worker_init, worker_ready, worker_shutdown, worker_shutting_down
from sqlalchemy.exc import OperationalError

import config
from access.retention import AccessRetention
from catalogue.search_index_builder import SearchIndexBuilder
from celery_app import RUN_IMPORT, celery, wake_import
from database.connect import explain_failure
from database.migrate import ReadOnlyDatabase, UnusableDatabase, upgrade_database
from importer.jobs.reaper import Reaper, ReaperSettings
from importer.jobs.retention import HistoryRetention, Retention
from importer.jobs.stored_files import StoredFileReaper
from importer.pipeline.runner import ImportRunner
from importer.storage.locations import open_storage
from webhooks.process import DispatcherProcess

log = logging.getLogger(__name__)

DATABASE_RETRY_SECONDS = 1
# How long a worker that shuts down waits for the reaper and for the dispatcher.
REAPER_STOP_SECONDS = 2
DISPATCHER_STOP_SECONDS = 7
SECONDS_PER_HOUR = 3600

settings = config.load()
retention = Retention(settings.preview_hours, settings.retry_hours, settings.undo_days)
history = HistoryRetention(settings.history_days, settings.reject_days, settings.sample_days)
Companion = Reaper | StoredFileReaper | SearchIndexBuilder | DispatcherProcess
# The threads that this worker has started.
companions: list[Companion] = []


@celery.task(name=RUN_IMPORT)  # type: ignore[untyped-decorator]
def run_import(task_id: str) -> None:
    """Work on the job `task_id`. Several tasks for the same job are harmless, even at the same time."""
    try:
        must_continue = ImportRunner.from_settings(settings).run(task_id)
    except MemoryError:
        # Celery raises the MemoryError of a task once more in the worker's main process, which ends that process.
        raise RuntimeError(f"Job {task_id}: out of memory; it is repeated when its lease expires") from None
    if must_continue:
        wake_import(task_id)


@worker_init.connect  # type: ignore[untyped-decorator]
def prepare_worker(**_: Any) -> None:
    """Wait for the database, apply its migrations and start the dispatcher, before the first task.

    Exits with status 2 if DATABASE_URL is missing, or if its database is unusable, such as that of an old server.
    Celery only logs exceptions other than `SystemExit`, and would start a worker that cannot work.
    """
    try:
        url = settings.require_database_url()
    except config.ConfigError as error:
        _exit(error)
    while True:
        try:
            upgrade_database(url)
            break
        except OperationalError as error:
            log.warning("The database is unavailable; the worker will retry: %s", explain_failure(error.orig))
            time.sleep(DATABASE_RETRY_SECONDS)
        except ReadOnlyDatabase as error:
            # A standby may be promoted.
            log.warning("The database is unavailable; the worker will retry: %s", error)
            time.sleep(DATABASE_RETRY_SECONDS)
        except UnusableDatabase as error:
            _exit(error)
    # The dispatcher does not start in `start_threads`, because it needs no broker.
    _start(DispatcherProcess())


def _exit(error: Exception) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


@worker_ready.connect  # type: ignore[untyped-decorator]
def start_threads(sender: Any, **_: Any) -> None:
    """Start the reaper and the builder of search indexes when the worker accepts messages.

    Celery sends this signal again each time it has reconnected to the broker.
    """
    if any(isinstance(companion, Reaper) for companion in companions):
        return
    url = settings.require_database_url()
    access = AccessRetention(settings.audit_retention_days, settings.session_idle_hours * SECONDS_PER_HOUR)
    reaper_settings = ReaperSettings(url, retention, history, settings.sweep_seconds, access)
    _start(Reaper(reaper_settings, worker=sender.hostname, wake=wake_import))
    _start(StoredFileReaper(url, open_storage(settings)))
    _start(SearchIndexBuilder(url, pooled=settings.transaction_pooler))


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def stop_companions(**_: Any) -> None:
    """Tell all companions to stop, and wait for the reaper, which removes this worker from the table of workers.

    A cold shutdown leaves no later chance to wait.
    """
    for companion in companions:
        companion.stop()
    _join(Reaper, REAPER_STOP_SECONDS)


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def wait_for_dispatcher(**_: Any) -> None:
    """Wait until the dispatcher has written the results of its last requests, because the database may stop next."""
    _join(DispatcherProcess, DISPATCHER_STOP_SECONDS)


def _start(companion: Companion) -> None:
    companions.append(companion)
    companion.start()


def _join(kind: type[Reaper | DispatcherProcess], seconds: float) -> None:
    for companion in companions:
        if isinstance(companion, kind):
            companion.join(seconds)
