"""The deliverer: a process beside every worker that sends what is due, told by PostgreSQL when there is something.

`python -m webhooks.dispatcher` runs one by itself. Any number may run; each webhook is worked on by one of them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue as queues
import signal
import socket
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from types import FrameType

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

import config
from database.connect import Component, connect, connected, run_until_stopped
from database.listen import Listener
from database.running_imports import find_running_import
from webhooks import expander, outbox
from webhooks.outbox import Attempt, Delivery
from webhooks.retry_policy import SCHEDULE_SECONDS
from webhooks.sender import CONNECT_SECONDS, TOTAL_SECONDS, Sender
from webhooks.webhook_worker import Lane

log = logging.getLogger(__name__)

# Webhooks worked on at the same time, and what of each is read ahead.
MAX_LANES = 200
READ_AHEAD = 64
REFILL_BELOW = 16
CONCURRENCY = 4
# What comes within this time is looked at together.
GATHER_SECONDS = 0.005
CHECK_SECONDS = 1
IDLE_LANE_SECONDS = 5
RETRY_SECONDS = 1
# How long the products of an import wait for it to end.
PATIENCE_SECONDS = 300
WRITTEN_AT_ONCE = 500
PRUNE_SECONDS = 600
STOP_SECONDS = 5


@dataclass(frozen=True)
class Options:
    """How a deliverer works; times in seconds."""

    url: str
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    pooled: bool = False
    retention_days: int = 30
    lease_seconds: float = 20
    concurrency: int = CONCURRENCY
    schedule: Sequence[float] = SCHEDULE_SECONDS
    connect_seconds: float = CONNECT_SECONDS
    total_seconds: float = TOTAL_SECONDS


class Deliverer:
    """Reads what is due into lanes, and writes the results of their requests.

    One thread reads (`run`), one writes, and each lane has its own. All that counts is in the database: this may be
    killed at any point, and what was under way is sent again by the next one, under the same id.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lease = outbox.Lease(str(uuid.uuid4()), options.lease_seconds)
        self._lanes: dict[int, Lane] = {}
        self._stopping = threading.Event()
        self._results: queues.SimpleQueue[Attempt | None] = queues.SimpleQueue()
        # Wakes `run` from other threads, also from a signal.
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._ring.setblocking(False)
        self._renew_at = 0.0
        self._claim_at = 0.0

    def stop(self) -> None:
        """Starts no more requests; `run` returns once those under way have ended, or after STOP_SECONDS."""
        self._stopping.set()
        self._wake()

    def run(self) -> None:
        """Delivers until `stop`; survives a database that is away."""
        writer = threading.Thread(target=self._write_results, name="results", daemon=True)
        writer.start()
        threading.Thread(target=self._prune, name="pruning", daemon=True).start()
        run_until_stopped(
            self._options.url,
            Component.DISPATCHER,
            self._deliver,
            stopping=self._stopping,
            purpose="webhook delivery",
        )
        self._finish(writer)
        self._bell.close()
        self._ring.close()

    def _deliver(self, connection: Connection) -> None:
        channels = (outbox.DELIVERIES_CHANNEL, outbox.SETTINGS_CHANNEL)
        listener = Listener(connection, channels, pooled=self._options.pooled)
        with connection.cursor() as cursor:
            # Whatever was told while nobody listened.
            self._claim_at = self._renew_at = 0.0
            self._read_receivers(cursor)
            for lane in self._lanes.values():
                lane.hungry = True
            while not self._stopping.is_set():
                self._renew(cursor)
                self._claim(cursor)
                self._fill(connection, cursor)
                self._release_idle(cursor)
                self._wait(listener, cursor)

    def _renew(self, cursor: Cursor) -> None:
        now = time.monotonic()
        if now < self._renew_at:
            return
        self._renew_at = now + self._options.lease_seconds / 4
        if not self._lanes:
            return
        held = self._lease.renew(cursor, self._lanes)
        for id in [id for id in self._lanes if id not in held]:
            self._lanes.pop(id).close()
        for lane in self._lanes.values():
            lane.keep_until(now + self._options.lease_seconds)

    def _claim(self, cursor: Cursor) -> None:
        now = time.monotonic()
        if now < self._claim_at or len(self._lanes) >= MAX_LANES:
            return
        self._claim_at = now + CHECK_SECONDS
        claimed = self._lease.claim(cursor, self._lanes, MAX_LANES - len(self._lanes))
        for id, receiver in outbox.receivers(cursor, claimed).items():
            lane = self._lanes[id] = Lane(
                receiver,
                new_sender=self._new_sender,
                done=self._results.put,
                schedule=self._options.schedule,
                concurrency=self._options.concurrency,
            )
            lane.keep_until(now + self._options.lease_seconds)

    def _new_sender(self) -> Sender:
        options = self._options
        return Sender(
            options.allowed_networks, connect_seconds=options.connect_seconds, total_seconds=options.total_seconds
        )

    def _read_receivers(self, cursor: Cursor) -> None:
        """Takes over what was changed in the webhooks; one that was switched off or removed gets no more requests."""
        if not self._lanes:
            return
        receivers = outbox.receivers(cursor, self._lanes)
        for id in [id for id in self._lanes if id not in receivers]:
            self._lanes.pop(id).close()
            self._lease.release(cursor, [id])
        for id, lane in self._lanes.items():
            lane.receiver = receivers[id]

    def _fill(self, connection: Connection, cursor: Cursor) -> None:
        """Reads what is due for the lanes that have little left, and cuts what is uncut when its turn has come."""
        while hungry := {id: lane for id, lane in self._lanes.items() if lane.hungry and lane.waiting < REFILL_BELOW}:
            in_hand = set().union(*(lane.in_hand for lane in hungry.values()))
            found = outbox.due(cursor, hungry, in_hand, limit=READ_AHEAD, patience=PATIENCE_SECONDS)
            uncut = []
            for id, deliveries in found.items():
                lane = hungry[id]
                place = next((place for place, delivery in enumerate(deliveries) if delivery.is_uncut), None)
                ready = deliveries[:place]
                lane.add(ready)
                lane.hungry = place is not None or len(deliveries) == READ_AHEAD
                if place is not None and not ready and lane.waiting < REFILL_BELOW:
                    uncut.append(deliveries[place])
            if not self._cut(connection, cursor, uncut) and all(not found[id] or found[id][0].is_uncut for id in found):
                return

    def _cut(self, connection: Connection, cursor: Cursor, uncut: list[Delivery]) -> bool:
        """Cuts deliveries off; leaves those of an import for later while one runs. Returns whether any was cut."""
        if any(delivery.can_wait for delivery in uncut) and find_running_import(cursor):
            uncut = [delivery for delivery in uncut if not delivery.can_wait]
        for delivery in uncut:
            cursor.execute("BEGIN")
            try:
                expander.cut(cursor, delivery.id)
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(psycopg2.Error):
                    cursor.execute("ROLLBACK")
                raise
        return bool(uncut)

    def _release_idle(self, cursor: Cursor) -> None:
        now = time.monotonic()
        idle = []
        for id, lane in self._lanes.items():
            if lane.in_hand or lane.hungry:
                lane.idle_since = None
            elif lane.idle_since is None:
                lane.idle_since = now
            elif now - lane.idle_since > IDLE_LANE_SECONDS:
                idle.append(id)
        for id in idle:
            self._lanes.pop(id).close()
        if idle:
            self._lease.release(cursor, idle)

    def _wait(self, listener: Listener, cursor: Cursor) -> None:
        """Returns when there is something to do: new deliveries, changed webhooks, results, or the next one is due."""
        end = min(self._renew_at, self._claim_at)
        due_in = self._lease.seconds_to_next(cursor)
        now = time.monotonic()
        if due_in is not None and due_in > 0:
            end = min(end, now + due_in)
        if listener.wait(end - now, self._bell):
            self._stopping.wait(GATHER_SECONDS)
        with contextlib.suppress(BlockingIOError):
            while self._bell.recv(4096):
                pass
        channels = {notification.channel for notification in listener.receive()}
        if outbox.SETTINGS_CHANNEL in channels or self._options.pooled:
            self._read_receivers(cursor)
        if channels or time.monotonic() >= end:
            # Something new, or something old that has become due.
            self._claim_at = 0.0
            for lane in self._lanes.values():
                lane.hungry = True

    def _wake(self) -> None:
        # Full means that it rings already, closed that it is over.
        with contextlib.suppress(OSError):
            self._ring.send(b"!")

    def _write_results(self) -> None:
        """Writes results, as many at once as there are, until None comes."""
        connection: Connection | None = None
        over = False
        while not over:
            attempts, over = self._gather()
            while attempts:
                try:
                    if connection is None:
                        connection = connect(self._options.url, Component.DISPATCHER)
                    _write(connection, attempts)
                    break
                except psycopg2.Error as error:
                    log.warning("The results of %s requests wait for the database: %s", len(attempts), error)
                    if connection is not None:
                        connection.close()
                    connection = None
                    time.sleep(RETRY_SECONDS)
            for attempt in attempts:
                if lane := self._lanes.get(attempt.delivery.webhook_id):
                    lane.written(attempt.delivery.id, success=attempt.answer.success)
            self._wake()
        if connection is not None:
            connection.close()

    def _gather(self) -> tuple[list[Attempt], bool]:
        found = [self._results.get()]
        with contextlib.suppress(queues.Empty):
            while len(found) < WRITTEN_AT_ONCE:
                found.append(self._results.get_nowait())
        return [attempt for attempt in found if attempt is not None], None in found

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

    def _finish(self, writer: threading.Thread) -> None:
        """Waits for the requests under way, writes their results and gives the leases back."""
        for lane in self._lanes.values():
            lane.close()
        end = time.monotonic() + STOP_SECONDS
        while any(lane.in_hand for lane in self._lanes.values()) and time.monotonic() < end:
            time.sleep(GATHER_SECONDS)
        self._results.put(None)
        writer.join(STOP_SECONDS)
        with (
            contextlib.suppress(psycopg2.Error),
            connected(self._options.url, Component.DISPATCHER) as connection,
            connection,
        ):
            self._lease.release(connection.cursor(), self._lanes)


def _write(connection: Connection, attempts: list[Attempt]) -> None:
    """Writes results in one transaction; where PostgreSQL refuses, one by one, at last without the answers' texts."""
    try:
        with connection, connection.cursor() as cursor:
            outbox.write(cursor, attempts)
    except (psycopg2.DataError, psycopg2.IntegrityError) as error:
        if len(attempts) > 1:
            for attempt in attempts:
                _write(connection, [attempt])
            return
        bare = replace(attempts[0].answer, response_text=None, response_headers={})
        if isinstance(error, psycopg2.IntegrityError) or bare == attempts[0].answer:
            # The webhook was deleted.
            log.info("A result came too late: %s", error)
            return
        log.warning("An answer cannot be stored: %s", error)
        _write(connection, [replace(attempts[0], answer=bare)])


def main() -> None:
    """Runs a deliverer until SIGTERM or SIGINT, or until the process that started it is gone."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = config.load()
    deliverer = Deliverer(
        Options(
            url=settings.require_database_url(),
            allowed_networks=settings.webhook_allowed_networks,
            pooled=settings.transaction_pooler,
            retention_days=settings.webhook_retention_days,
            lease_seconds=settings.lease_seconds,
        )
    )

    def on_signal(number: int, frame: FrameType | None) -> None:
        deliverer.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    threading.Thread(target=_follow_parent, args=(deliverer, os.getppid()), name="parent", daemon=True).start()
    deliverer.run()


def _follow_parent(deliverer: Deliverer, parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK_SECONDS)
    deliverer.stop()


if __name__ == "__main__":
    main()
