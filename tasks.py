"""The Celery tasks, each a few lines that call the engine; and what every worker runs beside them."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Any

import psycopg2
from celery.signals import worker_init, worker_ready, worker_shutting_down
from sqlalchemy.exc import OperationalError

import config
from catalogue.index import Indexer
from celery_app import RUN_IMPORT, celery, wake_import
from importer import jobs, sweep
from importer.engine import Engine
from models import upgrade_database

log = logging.getLogger(__name__)

REMOVE_LEFTOVERS_SECONDS = 60
RETRY_SECONDS = 1
MB = 1_000_000

settings = config.load()


def engine() -> Engine:
    """The import engine with the settings of this process."""
    return Engine(
        database_url=settings.need_database_url(),
        upload_dir=settings.upload_dir,
        chunk_rows=settings.chunk_rows,
        slice_rows=settings.slice_rows,
        max_record=settings.max_record_kb * 1024,
        max_unpacked_bytes=settings.max_unpacked_mb * MB,
        lease_seconds=settings.lease_seconds,
        task_seconds=settings.task_seconds,
        max_attempts=settings.max_attempts,
    )


@celery.task(name=RUN_IMPORT)  # type: ignore[untyped-decorator]
def run_import(task_id: str) -> None:
    """Works on the import `task_id`; safe to run any number of times, also at the same time."""
    if engine().run(task_id):
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
        while not self.stopping.is_set():
            try:
                with jobs.connected(settings.need_database_url()) as connection:
                    while not self.stopping.is_set():
                        sweep.sign_of_life(connection, self.worker)
                        sweep.sweep(connection, wake=wake_import)
                        if time.monotonic() >= leftovers_due:
                            sweep.remove_leftovers(connection, settings.upload_dir, time.time())
                            leftovers_due = time.monotonic() + REMOVE_LEFTOVERS_SECONDS
                        self.stopping.wait(settings.sweep_seconds)
                    sweep.sign_off(connection, self.worker)
            except psycopg2.Error as error:
                log.warning("The sweep waits for the database: %s", str(error).strip())
                self.stopping.wait(RETRY_SECONDS)
            except Exception:
                # Without this thread no lost import would ever be found again.
                log.exception("The sweep failed and goes on")
                self.stopping.wait(settings.sweep_seconds)


_beside: list[Sweeper | Indexer] = []


@worker_init.connect  # type: ignore[untyped-decorator]
def prepare_database(**_: Any) -> None:
    """Brings the database up to date before the first task; waits for it as long as it does not answer.

    Celery would only log another exception than `SystemExit`, and start a worker that cannot work.
    """
    try:
        url = settings.need_database_url()
    except config.ConfigError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    while True:
        try:
            return upgrade_database(url)
        except OperationalError as error:
            log.warning("The worker waits for the database: %s", str(error.orig).strip())
            time.sleep(RETRY_SECONDS)


@worker_ready.connect  # type: ignore[untyped-decorator]
def start_threads(sender: Any, **_: Any) -> None:
    """Starts what runs beside the tasks once the worker takes messages; a lost connection does not start it again."""
    if not _beside:
        _beside.append(Sweeper(sender.hostname))
        _beside.append(Indexer(settings.need_database_url(), pooled=settings.transaction_pooler))
        for thread in _beside:
            thread.start()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def stop_threads(**_: Any) -> None:
    """Takes this worker off the list of those that live."""
    for thread in _beside:
        thread.stop()
