"""Writes the results of requests to the outbox, in batches and across database outages."""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import psycopg2
from psycopg2.extensions import connection as Connection

from database.connect import RECONNECT_SECONDS, Component, connect
from database.retry import is_transient
from monitoring.metrics import WEBHOOK_ATTEMPTS, WEBHOOK_DURATION
from webhooks.outbox import Attempt
from webhooks.results import write_attempts
from webhooks.sender import Response

log = logging.getLogger(__name__)

RESULTS_PER_WRITE = 500
# If another transaction has locked the rows of results, these results are tried again after this pause.
LOCKED_SECONDS = 0.1
MS_PER_SECOND = 1000
# What the metrics call an attempt, by the status of its delivery after it.
METRIC_OF_STATUS = {"delivered": "delivered", "pending": "retried", "failed": "failed"}
UNWRITABLE_MESSAGE = "The result of this request could not be stored. The log of the worker says why."


class ResultWriter:
    """Writes attempts in the order in which they were added.

    It calls `on_written` with the attempts of each transaction after its commit. While the database is unavailable, it
    keeps the attempts and tries again. If the rows of some are locked, it writes the others first.
    """

    def __init__(self, url: str, *, on_written: Callable[[Sequence[Attempt]], None]) -> None:
        self._url = url
        self._on_written = on_written
        # None is the end of the queue.
        self._queue: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._has_ended = False
        self._unwritten: list[Attempt] = []
        self._written: list[Attempt] = []
        self._pause_seconds = 0.0
        self._connection: Connection | None = None

    def add(self, attempt: Attempt) -> None:
        """Queue an attempt. Any thread may call this."""
        self._queue.put(attempt)

    def finish(self) -> None:
        """Let `run` return once everything that is queued has been written."""
        self._queue.put(None)

    def run(self) -> None:
        """Write attempts until `finish` is called. After an error, `run` can be called again; no attempt is lost."""
        while not self._has_ended or self._unwritten:
            self._receive()
            if self._unwritten:
                self._write()
            written, self._written = self._written, []
            self._on_written(written)
        self._close()

    def _receive(self) -> None:
        """Take attempts from the queue. Wait for the first one, but not for long if others are still unwritten."""
        with contextlib.suppress(queue.Empty):
            self._accept(self._queue.get(timeout=self._pause_seconds if self._unwritten else None))
            for _ in range(RESULTS_PER_WRITE):
                self._accept(self._queue.get_nowait())

    def _accept(self, attempt: Attempt | None) -> None:
        if attempt is None:
            self._has_ended = True
        else:
            self._unwritten.append(attempt)

    def _write(self) -> None:
        self._pause_seconds = 0.0
        try:
            self._save_batch(self._unwritten[:RESULTS_PER_WRITE])
        except psycopg2.Error as error:
            if is_transient(error):
                self._pause_seconds = LOCKED_SECONDS
                return
            log.warning("The database is unavailable; the results of %s requests wait: %s", len(self._unwritten), error)
            self._close()
            time.sleep(RECONNECT_SECONDS)

    def _save_batch(self, attempts: Sequence[Attempt]) -> None:
        """Write attempts in one transaction, or each in a transaction of its own if one of them cannot be written."""
        try:
            self._save(attempts, attempts)
        except Exception as error:
            if not _is_unwritable(error):
                raise
            for attempt in attempts:
                self._save_alone(attempt)

    def _save_alone(self, attempt: Attempt) -> None:
        """Write an attempt, with less of its response if the database cannot store it."""
        without_text = replace(attempt, response=replace(attempt.response, response_text=None, response_headers={}))
        response = Response(None, 0, None, {}, None, None if attempt.response.success else UNWRITABLE_MESSAGE)
        without_anything = replace(attempt, headers={}, url="", response=response)
        for version in (attempt, without_text, without_anything):
            try:
                self._save([attempt], [version])
                return
            except Exception as error:
                if not _is_unwritable(error):
                    raise
                log.warning("A response cannot be stored; its text and headers are dropped: %s", error)
        # Without `on_written` the delivery counts as loaded, so this process does not send it again and again.
        log.error("The result of delivery %s cannot be stored; the request will be repeated", attempt.delivery.id)
        self._unwritten.remove(attempt)

    def _save(self, attempts: Sequence[Attempt], versions: Sequence[Attempt]) -> None:
        """Write versions of attempts in one transaction. Those whose rows are locked go to the end of the unwritten."""
        if self._connection is None:
            self._connection = connect(self._url, Component.DISPATCHER)
        with self._connection, self._connection.cursor() as cursor:
            locked_ids = write_attempts(cursor, versions)
        saved = {id(attempt) for attempt in attempts}
        locked = [attempt for attempt in attempts if attempt.delivery.id in locked_ids]
        written = [attempt for attempt in attempts if attempt.delivery.id not in locked_ids]
        _count(written)
        self._unwritten = [attempt for attempt in self._unwritten if id(attempt) not in saved] + locked
        if locked:
            self._pause_seconds = LOCKED_SECONDS
        self._written += written

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _count(attempts: Sequence[Attempt]) -> None:
    """Count attempts whose results are stored."""
    for attempt in attempts:
        WEBHOOK_ATTEMPTS.labels(METRIC_OF_STATUS[attempt.outcome.status]).inc()
        if attempt.response.status_code is not None:
            WEBHOOK_DURATION.observe(attempt.response.response_time_ms / MS_PER_SECOND)


def _is_unwritable(error: Exception) -> bool:
    """Return whether the attempt is to blame for an error. psycopg2 raises `ValueError` for text it cannot encode."""
    return isinstance(error, psycopg2.DataError | psycopg2.IntegrityError) or not isinstance(error, psycopg2.Error)
