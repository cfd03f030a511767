"""The Celery task of imports, and the companions of a worker: the threads that it starts and stops."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn
from wsgiref.simple_server import WSGIServer

from celery import platforms
from celery.signals import (
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from sqlalchemy.exc import OperationalError

import config
from access.retention import AccessRetention
from catalogue.search_index_builder import SearchIndexBuilder
from celery_app import REQUEST_ID_HEADER, RUN_IMPORT, SOFT_SHUTDOWN_SECONDS, celery, wake_import
from database.connect import explain_failure
from database.migrate import (
    MigrationsBlocked,
    ReadOnlyDatabase,
    UnusableDatabase,
    upgrade_database,
    wait_for_migrations,
)
from importer.jobs.hand_over import HandOver
from importer.jobs.reaper import Reaper, ReaperSettings
from importer.jobs.retention import HistoryRetention, Retention
from importer.jobs.stored_files import StoredFileReaper
from importer.pipeline.runner import ImportRunner
from importer.storage.locations import open_storage, prepare_storage
from monitoring import context, exporter, logs, sentry
from webhooks.process import DispatcherProcess

log = logging.getLogger(__name__)

DATABASE_RETRY_SECONDS = 1
# How long a worker that shuts down waits for the reaper and for the dispatcher.
REAPER_STOP_SECONDS = 2
DISPATCHER_STOP_SECONDS = 7
# Longer than a soft shutdown, the reaper and the dispatcher take together.
MAX_SHUTDOWN_SECONDS = SOFT_SHUTDOWN_SECONDS + REAPER_STOP_SECONDS + DISPATCHER_STOP_SECONDS + 3
SECONDS_PER_HOUR = 3600

settings = config.load()
retention = Retention.from_settings(settings)
history = HistoryRetention(settings.history_days, settings.reject_days, settings.sample_days)
Companion = Reaper | StoredFileReaper | SearchIndexBuilder | DispatcherProcess
# The threads that this worker has started.
companions: list[Companion] = []
# The processes of the pool, which are forked later, share it.
hand_over = HandOver()
# The server of its metrics, if METRICS_PORT is set.
metrics_servers: list[WSGIServer] = []


@celery.task(name=RUN_IMPORT)  # type: ignore[untyped-decorator]
def run_import(task_id: str) -> None:
    """Work on the job `task_id`. Several tasks for the same job are harmless, even at the same time."""
    try:
        runner = replace(ImportRunner.from_settings(settings), hand_over=hand_over)
        must_continue = hand_over.is_requested or runner.run(task_id)
    except MemoryError:
        # Celery raises the MemoryError of a task once more in the worker's main process, which ends that process.
        raise RuntimeError(f"Job {task_id}: out of memory; it is repeated when its lease expires") from None
    if must_continue:
        wake_import(task_id)


@task_prerun.connect  # type: ignore[untyped-decorator]
def name_request_and_job(task: Any, args: Sequence[Any], **_: Any) -> None:
    """Let each log line of a task name its job, and the request that sent its message if that is known."""
    context.set_request_id(context.accept_request_id(task.request.get(REQUEST_ID_HEADER)))
    context.set_task_id(str(args[0]) if args else None)


@task_postrun.connect  # type: ignore[untyped-decorator]
def forget_request_and_job(**_: Any) -> None:
    """Let the log lines after a task name nothing."""
    context.set_request_id(None)
    context.set_task_id(None)


@worker_init.connect  # type: ignore[untyped-decorator]
def prepare_worker(sender: Any = None, **_: Any) -> None:
    """Wait for the database, apply its migrations or wait for them, and start the dispatcher, before the first task.

    Exits with status 2 if DATABASE_URL is missing, or if this version cannot use the database, the storage of uploaded
    files or METRICS_PORT. Celery only logs exceptions other than `SystemExit`, and would start a worker that cannot
    work.
    """
    if sender and settings.log_format == logs.JSON:
        # The banner is text.
        sender.quiet = True
    start_sentry()
    if settings.metrics_port:
        _serve_metrics()
    try:
        url = settings.require_database_url()
        prepare_storage(settings)
    except config.ConfigError as error:
        _exit(error)
    while True:
        try:
            (upgrade_database if settings.migrate_on_start else wait_for_migrations)(url)
            break
        except OperationalError as error:
            log.warning("The database is unavailable; the worker will retry: %s", explain_failure(error.orig))
            time.sleep(DATABASE_RETRY_SECONDS)
        except MigrationsBlocked as error:
            log.warning("The worker will retry: %s", error)
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


def _serve_metrics() -> None:
    try:
        metrics_servers.append(exporter.serve(settings.host_metrics, settings.metrics_port))
    except OSError as error:
        place = f"{settings.host_metrics}:{settings.metrics_port}"
        print(  # noqa: T201
            f"error: METRICS_PORT: the worker cannot listen on {place} ({error.strerror or error}):"
            " choose a free port for each worker of this machine",
            file=sys.stderr,
        )
        sys.exit(2)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def prepare_child(**_: Any) -> None:
    """Prepare a child process: if it outlives the worker, it must not keep the port of the metrics."""
    for server in metrics_servers:
        server.server_close()
    start_sentry()


def start_sentry() -> None:
    """Send unexpected errors of this process to Sentry, if SENTRY_DSN is set."""
    sentry.start(settings.sentry_dsn, release=config.VERSION, environment=settings.flask_env)


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


@worker_ready.connect  # type: ignore[untyped-decorator]
def start_soft_shutdown_on_sigterm(**_: Any) -> None:
    """Make SIGTERM, which deployments send, hand the jobs over to other workers and start a soft shutdown.

    Celery has the switch REMAP_SIGTERM for the latter, but `celery -A celery_app` reads it before it loads this module.
    """

    def end(*_: object) -> None:
        # Celery sends `worker_shutting_down` only after the soft shutdown.
        _begin_to_end()
        signal.raise_signal(signal.SIGQUIT)

    platforms.signals["SIGTERM"] = end


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def stop_companions(**_: Any) -> None:
    """Tell all companions to stop, and wait for the reaper, which removes this worker from the table of workers.

    A cold shutdown leaves no later chance to wait.
    """
    _begin_to_end()
    for companion in companions:
        companion.stop()
    _join(Reaper, REAPER_STOP_SECONDS)


def _begin_to_end() -> None:
    """Ask the runs to stop, and make sure that this process ends. Later calls do nothing."""
    if hand_over.is_requested:
        return
    hand_over.request()
    watchdog = threading.Timer(MAX_SHUTDOWN_SECONDS, _end_now)
    watchdog.daemon = True
    watchdog.start()


def _end_now() -> None:
    """End this process at once.

    At its end, Celery's pool waits for a lock of its children. If one of them was ended while it held the lock, the
    pool waits forever (seen with billiard 4.3.2). By then, everything else has stopped.
    """
    log.warning("The worker did not end within %d s and is ended now", MAX_SHUTDOWN_SECONDS)
    os._exit(0)


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
