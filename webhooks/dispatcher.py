"""The dispatcher: a process that reads due deliveries from the outbox and lets webhook workers send them.

PostgreSQL notifies it of new deliveries. Every Celery worker has a dispatcher next to it; `python -m
webhooks.dispatcher` runs one alone. Any number may run: a lease gives each webhook to one of them.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from types import FrameType

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

import config
from database.connect import Component, connected, run_until_stopped
from database.listen import Listener
from database.running_imports import find_running_import
from webhooks import expander, outbox
from webhooks.outbox import Attempt, Delivery
from webhooks.result_writer import ResultWriter
from webhooks.retry_policy import RETRY_SCHEDULE_SECONDS
from webhooks.sender import CONNECT_SECONDS, TOTAL_SECONDS, Sender
from webhooks.webhook_worker import IDLE_SECONDS, WebhookWorker

# One dispatcher serves at most this many webhooks.
MAX_WORKERS = 200
# How many deliveries of a webhook are loaded at once, and how few may wait before more are loaded.
LOADED_DELIVERIES = 64
REFILL_BELOW = 16
CONCURRENT_REQUESTS = 4
# Notifications within this time are handled together.
DEBOUNCE_SECONDS = 0.005
CHECK_SECONDS = 1
# The event of an import is expanded after this time at the latest, even if imports are still running.
IMPORT_WAIT_SECONDS = 300
PRUNE_SECONDS = 600
STOP_SECONDS = 5
STOP_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Options:
    """The settings of a dispatcher.

    `url` is the database and `pooled` says that it is behind a transaction pooler. `schedule` holds the delay before
    each attempt in seconds. After `idle_seconds` without deliveries, the dispatcher releases a webhook's lease and ends
    its threads.
    """

    url: str
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    pooled: bool = False
    retention_days: int = 30
    lease_seconds: float = 20
    concurrency: int = CONCURRENT_REQUESTS
    schedule: Sequence[float] = RETRY_SCHEDULE_SECONDS
    import_wait_seconds: float = IMPORT_WAIT_SECONDS
    connect_seconds: float = CONNECT_SECONDS
    total_seconds: float = TOTAL_SECONDS
    idle_seconds: float = IDLE_SECONDS
    stop_seconds: float = STOP_SECONDS


class Dispatcher:
    """Loads due deliveries into webhook workers, which send them.

    The thread of `run` loads deliveries, one thread writes results, one deletes old events, and every webhook worker
    has its own threads. All state is in the database, so a dispatcher may be killed at any time: the next one repeats
    the requests whose result was not written, with the same message ids.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lease = outbox.WebhookLease(str(uuid.uuid4()), options.lease_seconds)
        self._workers: dict[int, WebhookWorker] = {}
        self._stopping = threading.Event()
        self._results = ResultWriter(options.url, on_written=self._confirm_written)
        # Other threads and signal handlers wake `run` through this pair of sockets.
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._renew_at = 0.0
        self._acquire_at = 0.0

    def stop(self) -> None:
        """Start no more requests. `run` returns when the running ones have finished, or after `stop_seconds`."""
        self._stopping.set()
        self._wake()

    def run(self) -> None:
        """Dispatch until `stop` is called, also across database outages."""
        self._results.start()
        threading.Thread(target=self._prune, name="pruning", daemon=True).start()
        run_until_stopped(
            self._options.url,
            Component.DISPATCHER,
            self._dispatch,
            stopping=self._stopping,
            purpose="webhook delivery",
        )
        self._finish()
        self._wake_reader.close()
        self._wake_writer.close()

    def _dispatch(self, connection: Connection) -> None:
        channels = (outbox.DELIVERIES_CHANNEL, outbox.SETTINGS_CHANNEL)
        listener = Listener(connection, channels, pooled=self._options.pooled)
        with connection.cursor() as cursor:
            # Notifications sent before LISTEN were missed, so check everything.
            self._acquire_at = self._renew_at = 0.0
            self._read_receivers(cursor)
            for worker in self._workers.values():
                worker.needs_deliveries = True
            while not self._stopping.is_set():
                self._renew_leases(cursor)
                self._acquire_leases(cursor)
                self._load(cursor)
                self._release_idle(cursor)
                self._wait(listener, cursor)

    def _renew_leases(self, cursor: Cursor) -> None:
        now = time.monotonic()
        if now < self._renew_at:
            return
        self._renew_at = now + self._options.lease_seconds / 4
        if not self._workers:
            return
        held = self._lease.renew(cursor, self._workers)
        for id in [id for id in self._workers if id not in held]:
            self._workers.pop(id).close()
        for worker in self._workers.values():
            worker.keep_until(now + self._options.lease_seconds)

    def _acquire_leases(self, cursor: Cursor) -> None:
        now = time.monotonic()
        if now < self._acquire_at or len(self._workers) >= MAX_WORKERS:
            return
        self._acquire_at = now + CHECK_SECONDS
        acquired = self._lease.acquire(cursor, self._workers, MAX_WORKERS - len(self._workers))
        for id, receiver in outbox.read_receivers(cursor, acquired).items():
            worker = self._workers[id] = WebhookWorker(
                receiver,
                new_sender=self._create_sender,
                on_result=self._results.add,
                schedule=self._options.schedule,
                concurrency=self._options.concurrency,
                idle_seconds=self._options.idle_seconds,
            )
            worker.keep_until(now + self._options.lease_seconds)

    def _create_sender(self) -> Sender:
        options = self._options
        return Sender(
            options.allowed_networks, connect_seconds=options.connect_seconds, total_seconds=options.total_seconds
        )

    def _read_receivers(self, cursor: Cursor) -> None:
        """Apply changes to the settings of webhooks. A webhook that was disabled or deleted gets no more requests."""
        if not self._workers:
            return
        receivers = outbox.read_receivers(cursor, self._workers)
        for id in [id for id in self._workers if id not in receivers]:
            self._workers.pop(id).close()
            self._lease.release(cursor, [id])
        for id, worker in self._workers.items():
            worker.receiver = receivers[id]

    def _load(self, cursor: Cursor) -> None:
        """Load due deliveries into the workers that have few left. Expand deliveries when their turn has come."""
        while workers := self._workers_with_room():
            loaded = set().union(*(worker.loaded for worker in workers.values()))
            due = outbox.read_due(
                cursor,
                workers,
                loaded,
                limit=LOADED_DELIVERIES,
                import_wait_seconds=self._options.import_wait_seconds,
            )
            unexpanded = []
            has_loaded = False
            for id, deliveries in due.items():
                ready = list(itertools.takewhile(lambda delivery: not delivery.is_unexpanded, deliveries))
                workers[id].add(ready)
                workers[id].needs_deliveries = len(ready) < len(deliveries) or len(deliveries) == LOADED_DELIVERIES
                if ready:
                    has_loaded = True
                elif deliveries:
                    unexpanded.append(deliveries[0])
            if not self._expand(cursor, unexpanded) and not has_loaded:
                return

    def _workers_with_room(self) -> dict[int, WebhookWorker]:
        return {
            id: worker
            for id, worker in self._workers.items()
            if worker.needs_deliveries and worker.waiting < REFILL_BELOW
        }

    def _expand(self, cursor: Cursor, unexpanded: list[Delivery]) -> bool:
        """Expand deliveries, except those that can wait while an import runs. Return whether any was expanded."""
        if any(delivery.can_wait for delivery in unexpanded) and find_running_import(cursor):
            unexpanded = [delivery for delivery in unexpanded if not delivery.can_wait]
        for delivery in unexpanded:
            # An error closes the connection, which rolls the transaction back.
            cursor.execute("BEGIN")
            expander.expand(cursor, delivery.id)
            cursor.execute("COMMIT")
        return bool(unexpanded)

    def _release_idle(self, cursor: Cursor) -> None:
        now = time.monotonic()
        idle = []
        for id, worker in self._workers.items():
            if worker.loaded or worker.needs_deliveries:
                worker.idle_since = None
            elif worker.idle_since is None:
                worker.idle_since = now
            elif now - worker.idle_since > self._options.idle_seconds:
                idle.append(id)
        for id in idle:
            self._workers.pop(id).close()
        if idle:
            self._lease.release(cursor, idle)

    def _wait(self, listener: Listener, cursor: Cursor) -> None:
        """Wait for new or due deliveries, changed webhooks or written results."""
        end = min(self._renew_at, self._acquire_at)
        due_in = self._lease.seconds_to_next(cursor)
        now = time.monotonic()
        if due_in is not None and due_in > 0:
            end = min(end, now + due_in)
        if listener.wait(end - now, self._wake_reader):
            self._stopping.wait(DEBOUNCE_SECONDS)
        with contextlib.suppress(BlockingIOError):
            while self._wake_reader.recv(4096):
                pass
        channels = {notification.channel for notification in listener.receive()}
        if outbox.SETTINGS_CHANNEL in channels or self._options.pooled:
            self._read_receivers(cursor)
        if channels or time.monotonic() >= end:
            # There are new deliveries, or older ones have become due.
            self._acquire_at = 0.0
            for worker in self._workers.values():
                worker.needs_deliveries = True

    def _wake(self) -> None:
        # A full buffer wakes `run` anyway, and a closed socket means that it has ended.
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"!")

    def _confirm_written(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            if worker := self._workers.get(attempt.delivery.webhook_id):
                worker.confirm_written(attempt.delivery.id, success=attempt.response.success)
        self._wake()

    def _prune(self) -> None:
        def prune(connection: Connection) -> None:
            while not self._stopping.is_set():
                with connection, connection.cursor() as cursor:
                    removed = outbox.prune(cursor, self._options.retention_days)
                self._stopping.wait(0 if removed else PRUNE_SECONDS)

        run_until_stopped(
            self._options.url,
            Component.DISPATCHER,
            prune,
            stopping=self._stopping,
            purpose="removal of old deliveries",
            error_delay_seconds=PRUNE_SECONDS,
            bug_delay_seconds=PRUNE_SECONDS,
        )

    def _finish(self) -> None:
        """Wait for the running requests, write their results and release the leases."""
        for worker in self._workers.values():
            worker.close()
        end = time.monotonic() + self._options.stop_seconds
        while any(worker.loaded for worker in self._workers.values()) and time.monotonic() < end:
            time.sleep(STOP_POLL_SECONDS)
        self._results.finish(self._options.stop_seconds)
        with (
            contextlib.suppress(psycopg2.Error),
            connected(self._options.url, Component.DISPATCHER) as connection,
            connection,
        ):
            self._lease.release(connection.cursor(), self._workers)


def main() -> None:
    """Run a dispatcher until SIGTERM or SIGINT, or until the process that started it has ended.

    Exits with one line if a setting is unusable.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = config.load()
        url = settings.require_database_url()
    except config.ConfigError as error:
        sys.exit(f"error: {error}")
    dispatcher = Dispatcher(
        Options(
            url=url,
            allowed_networks=settings.webhook_allowed_networks,
            pooled=settings.transaction_pooler,
            retention_days=settings.webhook_retention_days,
            lease_seconds=settings.lease_seconds,
        )
    )

    def on_signal(number: int, frame: FrameType | None) -> None:
        dispatcher.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    threading.Thread(target=_stop_with_parent, args=(dispatcher, os.getppid()), name="parent", daemon=True).start()
    dispatcher.run()


def _stop_with_parent(dispatcher: Dispatcher, parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK_SECONDS)
    dispatcher.stop()


if __name__ == "__main__":
    main()
