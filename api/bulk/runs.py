"""Runs the jobs of bulk changes in the web process, so that small ones need neither a broker nor a worker.

A job gets a thread of its own, and the request waits for it for a limited time. What is not done by then is left to a
worker. If the web process ends meanwhile, the reaper of a worker finds the job.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace

import psycopg2

import celery_app
from importer.pipeline.runner import ImportRunner
from monitoring.context import carry

log = logging.getLogger(__name__)

RUN_SECONDS = 8.0
WAIT_SECONDS = 10.0
# Each run uses up to two connections to the database.
MAX_RUNS = 4


@dataclass
class BulkRuns:
    """Run the jobs of bulk changes, at most MAX_RUNS at the same time.

    A job stops between two transactions after `run_seconds`. The request does not wait for longer than `wait_seconds`,
    even if a single transaction takes longer.
    """

    runner: ImportRunner
    run_seconds: float = RUN_SECONDS
    wait_seconds: float = WAIT_SECONDS
    _slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MAX_RUNS))
    _threads: set[threading.Thread] = field(default_factory=set)

    def run(self, task_id: str) -> None:
        """Work on a job until it ends, for at most `run_seconds`; a worker continues it then."""
        began_at = time.monotonic()
        if not self._slots.acquire(timeout=self.run_seconds):
            celery_app.wake_import(task_id)
            return
        thread = threading.Thread(
            target=carry(self._work), args=(task_id, began_at), name=f"bulk {task_id}", daemon=True
        )
        self._threads.add(thread)
        thread.start()
        thread.join(max(0.0, began_at + self.wait_seconds - time.monotonic()))

    def close(self) -> None:
        """Wait until no job runs in this process."""
        for thread in list(self._threads):
            thread.join()

    def _work(self, task_id: str, began_at: float) -> None:
        try:
            runner = replace(self.runner, task_seconds=began_at + self.run_seconds - time.monotonic())
            if runner.run(task_id):
                celery_app.wake_import(task_id)
        except psycopg2.Error as error:
            log.warning(
                "Bulk change %s: the web process leaves it to a worker: %s", task_id, " ".join(str(error).split())
            )
            celery_app.wake_import(task_id)
        finally:
            self._threads.discard(threading.current_thread())
            self._slots.release()
