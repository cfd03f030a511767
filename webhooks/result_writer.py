"""Writes the results of requests to the outbox, in batches and across database outages."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import psycopg2
from psycopg2.extensions import connection as Connection

from database.connect import RECONNECT_SECONDS, Component, connect
from webhooks import outbox
from webhooks.outbox import Attempt

log = logging.getLogger(__name__)

RESULTS_PER_WRITE = 500
# psycopg2 raises `ValueError` for text that it cannot encode.
UNWRITABLE = (psycopg2.DataError, psycopg2.IntegrityError, ValueError)


class ResultWriter(threading.Thread):
    """A thread that writes attempts in the order in which they were added.

    It calls `on_written` with the attempts of each transaction after its commit. While the database is unavailable, it
    keeps the attempts and tries again.
    """

    def __init__(self, url: str, *, on_written: Callable[[Sequence[Attempt]], None]) -> None:
        super().__init__(name="results", daemon=True)
        self._url = url
        self._on_written = on_written
        # None is the end of the queue.
        self._queue: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._connection: Connection | None = None

    def add(self, attempt: Attempt) -> None:
        """Queue an attempt. Any thread may call this."""
        self._queue.put(attempt)

    def finish(self, timeout_seconds: float) -> None:
        """Write what is queued and end; return after `timeout_seconds` at the latest."""
        self._queue.put(None)
        self.join(timeout_seconds)

    def run(self) -> None:
        """Write attempts until `finish` is called."""
        has_ended = False
        while not has_ended:
            attempts, has_ended = self._next_attempts()
            while attempts and not self._try_to_write(attempts):
                time.sleep(RECONNECT_SECONDS)
            self._on_written(attempts)
        self._close()

    def _next_attempts(self) -> tuple[list[Attempt], bool]:
        """Wait for attempts; return all that are queued up to a limit, and whether these are the last ones."""
        items = [self._queue.get()]
        with contextlib.suppress(queue.Empty):
            while len(items) < RESULTS_PER_WRITE:
                items.append(self._queue.get_nowait())
        return [item for item in items if item is not None], None in items

    def _try_to_write(self, attempts: Sequence[Attempt]) -> bool:
        try:
            if self._connection is None:
                self._connection = connect(self._url, Component.DISPATCHER)
            write_results(self._connection, attempts)
        except psycopg2.Error as error:
            log.warning("The database is unavailable; the results of %s requests wait: %s", len(attempts), error)
            self._close()
            return False
        return True

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def write_results(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Write attempts in one transaction, or in one each if one of them cannot be written.

    The text and the headers of a response are left out if PostgreSQL cannot store them. An attempt whose delivery was
    deleted is dropped. Raises `psycopg2.OperationalError` if the connection is lost.
    """
    try:
        with connection, connection.cursor() as cursor:
            outbox.write_attempts(cursor, attempts)
    except UNWRITABLE as error:
        if len(attempts) > 1:
            for attempt in attempts:
                write_results(connection, [attempt])
            return
        (attempt,) = attempts
        bare = replace(attempt.response, response_text=None, response_headers={})
        if isinstance(error, psycopg2.IntegrityError) or bare == attempt.response:
            log.info("Dropped a result that cannot be stored; its delivery was probably deleted: %s", error)
            return
        log.warning("A response cannot be stored; its text and headers are dropped: %s", error)
        write_results(connection, [replace(attempt, response=bare)])
