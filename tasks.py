"""The Celery tasks, each a few lines that call the runner; and what every worker runs beside them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from celery.signals import worker_init, worker_ready, worker_shutdown, worker_shutting_down
from psycopg2.extensions import connection as Connection
from sqlalchemy.exc import OperationalError

import config
from catalogue.search_indexes import SearchIndexBuilder
from celery_app import RUN_IMPORT, celery, wake_import
from database.connect import Component, run_until_stopped
from database.migrate import upgrade_database
from importer.jobs import actions, reaper
from importer.jobs.repository import Retention
from importer.pipeline.runner import ImportRunner

log = logging.getLogger(__name__)

REMOVE_LEFTOVERS_SECONDS = 60
RETRY_SECONDS = 1
# A deliverer that was told to stop lets its requests end.
DELIVERER_STOPS_SECONDS = 7
SIGN_OFF_SECONDS = 2
MB = 1_000_000

settings = config.load()
retention = Retention(settings.preview_hours, settings.retry_hours, settings.undo_days)


def runner() -> ImportRunner:
    """The import runner with the settings of this process."""
    return ImportRunner(
        database_url=settings.require_database_url(),
        upload_dir=settings.upload_dir,
        chunk_rows=settings.chunk_rows,
        slice_rows=settings.slice_rows,
        max_record=settings.max_record_kb * 1024,
        max_unpacked_bytes=settings.max_unpacked_mb * MB,
        lease_seconds=settings.lease_seconds,
        task_seconds=settings.task_seconds,
        max_attempts=settings.max_attempts,
        retention=retention,
    )


@celery.task(name=RUN_IMPORT)  # type: ignore[untyped-decorator]
def run_import(task_id: str) -> None:
    """Works on the import `task_id`; safe to run any number of times, also at the same time."""
    if runner().run(task_id):
        wake_import(task_id)


class Sweeper(threading.Thread):
    """Runs the sweep in a worker's main process, on a database connection of its own.

    It needs no Celery beat, so that `celery -A celery_app worker` is all that a deployment starts. Any number of
    workers may sweep: what one of them announced the others leave alone.
    """

    def __init__(self, worker: str) -> None:
        super().__init__(name="sweeper", daemon=True)
        self.worker = worker
        self.stopping = threading.Event()

    def stop(self) -> None:
        """Ends the thread after the step it is at."""
        self.stopping.set()

    def run(self) -> None:
        """Sweeps every SWEEP_SECONDS until `stopping` is set; survives a database or broker that is away."""
        leftovers_due = 0.0

        def sweep(connection: Connection) -> None:
            nonlocal leftovers_due
            while not self.stopping.is_set():
                reaper.sign_of_life(connection, self.worker)
                reaper.sweep(connection, wake=wake_import)
                actions.expire(connection, retention)
                reaper.drop_staging_of_ended(connection)
                if time.monotonic() >= leftovers_due:
                    reaper.remove_leftovers(connection, settings.upload_dir, time.time())
                    leftovers_due = time.monotonic() + REMOVE_LEFTOVERS_SECONDS
                self.stopping.wait(settings.sweep_seconds)
            reaper.sign_off(connection, self.worker)

        run_until_stopped(
            settings.require_database_url(),
            Component.REAPER,
            sweep,
            stopping=self.stopping,
            purpose="the reaper",
            bug_delay_seconds=settings.sweep_seconds,
        )


class DelivererProcess(threading.Thread):
    """Keeps the process that delivers webhooks running beside this worker.

    A process of its own: neither do imports slow it down nor does it hold up the worker's messages. It needs no broker,
    and ends by itself where this worker is killed.
    """

    def __init__(self) -> None:
        super().__init__(name="deliverer", daemon=True)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process, and what keeps it running.

        The process is there when this returns. A worker's child that is forked while a program starts would keep the
        pipe open by which `Popen` learns that it has started, and the thread would wait for that for ever.
        """
        self._process = self._new_process()
        super().start()

    def stop(self) -> None:
        """Asks the process to end the requests under way and to stop."""
        self._stopping.set()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def run(self) -> None:
        """Starts the process again whenever it ends."""
        while self._process is not None:
            status = self._process.wait()
            if self._stopping.is_set():
                return
            log.warning("The deliverer of webhooks ended (%s) and is started again", status)
            if self._stopping.wait(RETRY_SECONDS):
                return
            self._process = self._new_process()

    def _new_process(self) -> subprocess.Popen[bytes]:
        # A name server that is silent must not hold a request up for longer than its time (resolv.conf(5)).
        environment = {"RES_OPTIONS": "timeout:2 attempts:2", **os.environ}
        return subprocess.Popen([sys.executable, "-m", "webhooks.dispatcher"], cwd=config.ROOT, env=environment)


_beside: list[Sweeper | SearchIndexBuilder | DelivererProcess] = []


@worker_init.connect  # type: ignore[untyped-decorator]
def prepare(**_: Any) -> None:
    """Brings the database up to date before the first task, waiting until it answers, and starts the deliverer.

    Celery would only log another exception than `SystemExit`, and start a worker that cannot work.
    """
    try:
        url = settings.require_database_url()
    except config.ConfigError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    while True:
        try:
            upgrade_database(url)
            break
        except OperationalError as error:
            log.warning("The worker waits for the database: %s", str(error.orig).strip())
            time.sleep(RETRY_SECONDS)
    # Not later: webhooks are delivered also while the broker is away.
    deliverer = DelivererProcess()
    deliverer.start()
    _beside.append(deliverer)


@worker_ready.connect  # type: ignore[untyped-decorator]
def start_threads(sender: Any, **_: Any) -> None:
    """Starts what runs beside the tasks once the worker takes messages; a lost connection does not start it again."""
    if not any(isinstance(thread, Sweeper) for thread in _beside):
        indexer = SearchIndexBuilder(settings.require_database_url(), pooled=settings.transaction_pooler)
        for thread in (Sweeper(sender.hostname), indexer):
            _beside.append(thread)
            thread.start()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def stop_threads(**_: Any) -> None:
    """Takes this worker off the list of those that live; a cold shutdown leaves no other moment for it."""
    for thread in _beside:
        thread.stop()
    for thread in _beside:
        if isinstance(thread, Sweeper):
            thread.join(SIGN_OFF_SECONDS)


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def wait_for_deliverer(**_: Any) -> None:
    """Lets the deliverer write down what it did; whoever stops the worker may stop the database next."""
    for thread in _beside:
        if isinstance(thread, DelivererProcess):
            thread.join(DELIVERER_STOPS_SECONDS)
