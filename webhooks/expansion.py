"""Expands the events of many webhooks in turn, in a thread with a connection of its own.

An expansion reads thousands of products. In the dispatcher's main thread it would delay all webhooks.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import connection as Connection

from database.connect import Component, connected, log_database_error, transaction
from database.running_imports import find_running_import
from webhooks import expander
from webhooks.outbox import Delivery
from webhooks.webhook_worker import WebhookWorker

# If the expansion of a webhook has to wait, its deliveries are loaded again after this pause.
WAIT_SECONDS = 1
# The connection is closed after this time without expansions.
IDLE_SECONDS = 10

Request = tuple[WebhookWorker, Delivery]


class Expansions:
    """A queue of deliveries to expand, at most one for each webhook, so every webhook has its turn.

    `on_done` is called after each turn, from the thread of `run`.
    """

    def __init__(self, url: str, *, stopping: threading.Event, on_done: Callable[[], None]) -> None:
        self._url = url
        self._stopping = stopping
        self._on_done = on_done
        # None wakes `run` when it must end.
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()

    def add(self, worker: WebhookWorker, delivery: Delivery) -> None:
        """Queue the expansion of a delivery. Until it is done, `worker.is_expanding` is set."""
        worker.is_expanding = True
        self._queue.put((worker, delivery))

    def finish(self) -> None:
        """Wake `run` after `stopping` was set."""
        self._queue.put(None)

    def run(self) -> None:
        """Expand deliveries until `stopping` is set and `finish` was called."""
        while not self._stopping.is_set():
            if (request := self._queue.get()) is not None:
                self._serve(request)

    def _serve(self, request: Request | None) -> None:
        """Expand a delivery, and all others that follow it without a long pause, on one connection."""
        try:
            with connected(self._url, Component.DISPATCHER) as connection:
                while request is not None and not self._stopping.is_set():
                    waits = True
                    try:
                        waits = not _expand(connection, request[1])
                    finally:
                        self._end_turn(request, waits=waits)
                        request = None
                    request = self._next()
        except psycopg2.Error as error:
            log_database_error(error, "the expansion of events")
        finally:
            if request is not None:
                self._end_turn(request, waits=True)

    def _next(self) -> Request | None:
        try:
            return self._queue.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            return None

    def _end_turn(self, request: Request, *, waits: bool) -> None:
        request[0].finish_expansion(time.monotonic() + (WAIT_SECONDS if waits else 0))
        self._on_done()


def _expand(connection: Connection, delivery: Delivery) -> bool:
    """Expand a delivery in a transaction; return False if it has to wait for an import or a lock."""
    with transaction(connection) as cursor:
        if delivery.can_wait and find_running_import(cursor) is not None:
            return False
        return expander.expand(cursor, delivery.id)
