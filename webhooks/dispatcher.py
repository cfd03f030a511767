"""The dispatcher: a process that reads due deliveries from the outbox and lets webhook workers send them.

PostgreSQL notifies it of new deliveries. Every Celery worker has a dispatcher next to it; `python -m
webhooks.dispatcher` runs one alone. Any number may run: a lease gives each webhook to one of them.
"""

from __future__ import annotations

import contextlib
import itertools
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
from database import clock
from database.connect import Component, connected, reconnect_until_stopped
from database.listen import Listener
from monitoring import logs, sentry
from webhooks import outbox
from webhooks.expansion import Expansions
from webhooks.lease_keeper import LeaseKeeper
from webhooks.outbox import Attempt
from webhooks.result_writer import ResultWriter
from webhooks.retention import Retention
from webhooks.retry_policy import RETRY_SCHEDULE_SECONDS
from webhooks.sender import CONNECT_SECONDS, TOTAL_SECONDS, Sender
from webhooks.supervision import Supervisor
from webhooks.webhook_worker import IDLE_SECONDS, WebhookWorker

# One dispatcher serves at most this many webhooks at a time. If more have due deliveries, the webhooks that were served
# the longest give way: at most WEBHOOKS_PER_TURN at a time, and only after TURN_SECONDS.
MAX_WORKERS = 200
TURN_SECONDS = 2
WEBHOOKS_PER_TURN = 50
# How many deliveries of a webhook are loaded at once, how many bytes of bodies, and for how many webhooks.
LOADED_DELIVERIES = 64
LOADED_BYTES = 2_000_000
WEBHOOKS_PER_LOAD = 20
CONCURRENT_REQUESTS = 4
# Notifications within this time are handled together.
DEBOUNCE_SECONDS = 0.005
CHECK_SECONDS = 1
# The event of an import is expanded after this time at the latest, even if imports are still running.
IMPORT_WAIT_SECONDS = 300
STOP_SECONDS = 5
# The lease of a webhook is released this long after its last request must have ended, even without its result.
RETIRE_SECONDS = 30
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

    The thread of `run` waits for no lock: it acquires and releases leases and loads deliveries. Other threads renew
    leases, expand events, write results and remove what is old, and every webhook worker has its own threads. All
    state is in the database, so a dispatcher may be killed at any time: the next one repeats the requests whose result
    was not written, with the same message ids.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lease = outbox.WebhookLease(str(uuid.uuid4()), options.lease_seconds)
        self._workers: dict[int, WebhookWorker] = {}
        # Closed workers whose lease is released when their running requests have ended, each with the earliest and the
        # latest time for that.
        self._retired: dict[int, tuple[WebhookWorker, float, float]] = {}
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._supervisor = Supervisor(on_give_up=self.stop)
        self._results = ResultWriter(options.url, on_written=self._confirm_written)
        self._expansions = Expansions(options.url, stopping=self._stopping, on_done=self._wake)
        self._retention = Retention(options.url, options.retention_days, stopping=self._stopping)
        self._leases = LeaseKeeper(options.url, self._lease, self.list_leased, stopping=self._ended)
        # Other threads and signal handlers wake `run` through this pair of sockets.
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._acquire_at = 0.0
        # The webhook whose lease was acquired last.
        self._last_acquired = 0

    @property
    def has_failed(self) -> bool:
        """Whether the dispatcher has ended because one of its threads kept failing."""
        return self._supervisor.has_given_up

    def stop(self) -> None:
        """Start no more requests. `run` returns when the running ones have finished, or after `stop_seconds`."""
        self._stopping.set()
        self._wake()

    def run(self) -> None:
        """Dispatch until `stop` is called, also across database outages, or until a thread keeps failing."""
        results = self._supervisor.start("results", self._results.run)
        threads = [
            self._supervisor.start("leases", self._leases.run),
            self._supervisor.start("expansion", self._expansions.run),
            self._supervisor.start("retention", self._retention.run),
        ]
        self._supervisor.run("webhook delivery", self._dispatch_until_stopped)
        self._stopping.set()
        self._finish(results)
        for thread in threads:
            thread.join(self._options.stop_seconds)
        self._wake_reader.close()
        self._wake_writer.close()

    def _dispatch_until_stopped(self) -> None:
        reconnect_until_stopped(
            self._options.url,
            Component.DISPATCHER,
            self._dispatch,
            stopping=self._stopping,
            purpose="webhook delivery",
        )

    def _dispatch(self, connection: Connection) -> None:
        channels = (outbox.DELIVERIES_CHANNEL, outbox.SETTINGS_CHANNEL)
        listener = Listener(connection, channels, pooled=self._options.pooled)
        with connection.cursor() as cursor:
            # Notifications sent before LISTEN were missed, so check everything.
            self._acquire_at = 0.0
            self._read_receivers(cursor)
            for worker in self._workers.values():
                worker.needs_deliveries = True
            while not self._stopping.is_set():
                # Requests are signed with the time.
                clock.refresh(connection)
                self._retire_closed()
                self._release_retired(cursor)
                self._acquire_leases(cursor)
                can_load_more = self._load(cursor)
                self._retire_idle()
                self._wait(listener, cursor, 0 if can_load_more else None)

    def list_leased(self) -> dict[int, WebhookWorker]:
        """Return the workers whose lease must be renewed; for the thread that renews leases."""
        # The copies are made under Python's global lock.
        return {id: worker for id, (worker, _, _) in self._retired.copy().items()} | self._workers.copy()

    def _acquire_leases(self, cursor: Cursor) -> None:
        """Acquire the leases of webhooks with due deliveries. If there are too many, webhooks are served in turn."""
        now = time.monotonic()
        if now < self._acquire_at:
            return
        self._acquire_at = now + CHECK_SECONDS
        free = MAX_WORKERS - len(self._workers)
        # These give way if other webhooks wait.
        served = [id for id, worker in self._workers.items() if now - worker.acquired_at >= TURN_SECONDS]
        served.sort(key=lambda id: self._workers[id].acquired_at)
        limit = free + min(len(served), WEBHOOKS_PER_TURN)
        if not limit:
            return
        held = [*self._workers, *self._retired]
        acquired = self._lease.acquire(cursor, held, limit, after=self._last_acquired)
        for id in served[: max(0, len(acquired) - free)]:
            self._retire(id)
        for id, receiver in outbox.read_receivers(cursor, acquired).items():
            self._last_acquired = id
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
            self._retire(id)
        for id, worker in self._workers.items():
            worker.receiver = receivers[id]

    def _load(self, cursor: Cursor) -> bool:
        """Load due deliveries into some of the workers that have few left, first into those that waited the longest.

        Returns whether more can be loaded at once. Deliveries that are still to be expanded are only queued.
        """
        now = time.monotonic()
        workers = [(id, worker) for id, worker in self._workers.items() if worker.can_load(now)]
        workers.sort(key=lambda item: item[1].loaded_at)
        chosen = dict(workers[:WEBHOOKS_PER_LOAD])
        if not chosen:
            return False
        due = outbox.read_due(
            cursor,
            chosen,
            set().union(*(worker.loaded for worker in chosen.values())),
            limit=LOADED_DELIVERIES,
            max_bytes=LOADED_BYTES,
            import_wait_seconds=self._options.import_wait_seconds,
        )
        for id, (deliveries, has_more) in due.items():
            worker = chosen[id]
            worker.loaded_at = now
            ready = list(itertools.takewhile(lambda delivery: not delivery.is_unexpanded, deliveries))
            worker.needs_deliveries = has_more or len(ready) < len(deliveries)
            worker.add(ready)
            if deliveries and not ready:
                self._expansions.add(worker, deliveries[0])
        return len(workers) > len(chosen) or any(worker.can_load(now) for worker in chosen.values())

    def _retire(self, id: int) -> None:
        """Stop serving a webhook. Its lease is released when its running requests have ended."""
        worker = self._workers.pop(id)
        # A worker that has closed itself has failed. Without a pause it might fail again and again.
        earliest = time.monotonic() + (CHECK_SECONDS if worker.closed else 0)
        worker.close()
        self._retired[id] = (worker, earliest, earliest + self._options.total_seconds + RETIRE_SECONDS)

    def _retire_closed(self) -> None:
        for id in [id for id, worker in self._workers.items() if worker.closed]:
            self._retire(id)

    def _retire_idle(self) -> None:
        now = time.monotonic()
        for id, worker in list(self._workers.items()):
            if worker.loaded or worker.needs_deliveries:
                worker.idle_since = None
            elif worker.idle_since is None:
                worker.idle_since = now
            elif now - worker.idle_since > self._options.idle_seconds:
                self._retire(id)

    def _release_retired(self, cursor: Cursor) -> None:
        now = time.monotonic()
        for id in [id for id, (worker, _, _) in self._retired.items() if worker.has_lost_lease]:
            del self._retired[id]
        ended = {
            id
            for id, (worker, earliest, latest) in self._retired.items()
            if now >= latest or (now >= earliest and not worker.loaded)
        }
        if ended:
            for id in ended - self._lease.release(cursor, ended):
                del self._retired[id]
            # Such a webhook may have due deliveries, for example because it was switched on again.
            self._acquire_at = 0.0

    def _wait(self, listener: Listener, cursor: Cursor, seconds: float | None) -> None:
        """Wait for new or due deliveries, changed webhooks or written results, at most `seconds`."""
        end = self._acquire_at
        if seconds is None:
            due_in = self._lease.seconds_to_next(cursor)
            now = time.monotonic()
            if due_in is not None and due_in > 0:
                end = min(end, now + due_in)
            seconds = end - now
        if listener.wait(seconds, self._wake_reader):
            self._stopping.wait(DEBOUNCE_SECONDS)
        with contextlib.suppress(BlockingIOError):
            while self._wake_reader.recv(4096):
                pass
        channels = {notification.channel for notification in listener.receive()}
        if outbox.SETTINGS_CHANNEL in channels or self._options.pooled:
            self._read_receivers(cursor)
        if outbox.SETTINGS_CHANNEL in channels:
            # A webhook may have been deleted.
            self._retention.check()
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
        workers = self.list_leased()
        for attempt in attempts:
            if worker := workers.get(attempt.delivery.webhook_id):
                worker.confirm_written(attempt.delivery.id, success=attempt.response.success)
        self._wake()

    def _finish(self, results: threading.Thread) -> None:
        """Wait for the running requests, write their results and release the leases."""
        self._expansions.finish()
        self._retention.check()
        for id in list(self._workers):
            self._retire(id)
        end = time.monotonic() + self._options.stop_seconds
        while any(worker.loaded for worker, _, _ in self._retired.values()) and time.monotonic() < end:
            time.sleep(STOP_POLL_SECONDS)
        self._results.finish()
        results.join(self._options.stop_seconds)
        self._ended.set()
        with (
            contextlib.suppress(psycopg2.Error),
            connected(self._options.url, Component.DISPATCHER) as connection,
            connection,
        ):
            self._lease.release(connection.cursor(), self._retired)


def main() -> None:
    """Run a dispatcher until SIGTERM or SIGINT, or until the process that started it has ended.

    Exits with one line if a setting is unusable.
    """
    try:
        settings = config.load()
        logs.configure(settings.log_format)
        sentry.start(settings.sentry_dsn, release=config.VERSION, environment=settings.flask_env)
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
    parent = os.getppid()
    Supervisor(on_give_up=dispatcher.stop).start("watch on the worker", lambda: _stop_with_parent(dispatcher, parent))
    dispatcher.run()
    if dispatcher.has_failed:
        sys.exit(1)


def _stop_with_parent(dispatcher: Dispatcher, parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK_SECONDS)
    dispatcher.stop()


if __name__ == "__main__":
    main()
