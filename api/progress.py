"""Live progress: one listener per web process feeds every open stream of it.

PostgreSQL says which job has changed (LISTEN/NOTIFY); the listener reads that job's row once and hands the event to all
who follow it. A stream holds no database connection and polls nothing. Behind a transaction pooler, where LISTEN does
not work, the listener asks once a second for what has changed among the jobs that somebody follows.
"""

from __future__ import annotations

import logging
import queue
import select
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import psycopg2
from psycopg2.extensions import connection as Connection

log = logging.getLogger(__name__)

CHANNEL = "import_progress"
PING_SECONDS = 10
POLL_SECONDS = 1
RECONNECT_SECONDS = 1
# The listener ends when nobody has followed anything for this long.
IDLE_SECONDS = 60
QUEUED_EVENTS = 100

Event = tuple[str, bool]


class Subscription:
    """One stream's place: iterates over its events, with `None` when it is time for a sign of life."""

    def __init__(self, progress: Progress, job_id: int) -> None:
        self._progress = progress
        self.job_id = job_id
        self.events: queue.Queue[Event | None] = queue.Queue(QUEUED_EVENTS)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[str | None]:
        while True:
            try:
                told = self.events.get(timeout=PING_SECONDS)
            except queue.Empty:
                yield None
                continue
            if told is None:
                return
            text, final = told
            yield text
            if final:
                return

    def put(self, told: Event | None) -> None:
        """Adds an event; a client too slow to take them loses the oldest, never the newest."""
        while True:
            try:
                return self.events.put_nowait(told)
            except queue.Full:
                try:
                    self.events.get_nowait()
                except queue.Empty:
                    continue

    def close(self) -> None:
        """Gives the place back."""
        self._progress.unsubscribe(self)


class Progress:
    """The fan-out of one process; `read_events(job_ids)` gives each job's event and whether it is the last."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        read_events: Callable[[Iterable[int]], dict[int, Event]],
        *,
        max_streams: int,
        listen: bool,
    ) -> None:
        self._connect = connect
        self._read_events = read_events
        self._max_streams = max_streams
        self._listen = listen
        self._lock = threading.Lock()
        self._followers: defaultdict[int, set[Subscription]] = defaultdict(set)
        self._streams = 0
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()

    def subscribe(self, job_id: int) -> Subscription | None:
        """A place among the followers of a job, or None when all places are taken.

        Returns once the listener listens: no change after this call goes untold.
        """
        with self._lock:
            if self._streams >= self._max_streams:
                return None
            self._streams += 1
            subscription = Subscription(self, job_id)
            self._followers[job_id].add(subscription)
            if self._thread is None:
                self._listening.clear()
                self._thread = threading.Thread(target=self._run, name="progress-listener", daemon=True)
                self._thread.start()
        # Where the database is away this passes unfulfilled; the listener tells everything anew when it is back.
        self._listening.wait(timeout=POLL_SECONDS)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Frees a place; does nothing when it is free already."""
        with self._lock:
            followers = self._followers.get(subscription.job_id, set())
            if subscription in followers:
                followers.remove(subscription)
                self._streams -= 1
                if not followers:
                    del self._followers[subscription.job_id]

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._streams

    def _run(self) -> None:
        while True:
            try:
                connection = self._connect()
            except psycopg2.Error as error:
                log.warning("Progress: the database does not answer: %s", str(error).strip())
                threading.Event().wait(RECONNECT_SECONDS)
                if self._ended_idle():
                    return
                continue
            try:
                connection.autocommit = True
                if self._listen:
                    with connection.cursor() as cursor:
                        cursor.execute(f"LISTEN {CHANNEL}")
                # What happened while nobody listened is told once, to everyone.
                self._tell(self._followed())
                self._listening.set()
                while not self._ended_idle():
                    self._tell(self._changed(connection))
                return
            except psycopg2.Error as error:
                log.warning("Progress: connection lost, trying again: %s", str(error).strip())
                self._listening.clear()
            except Exception:
                log.exception("Progress: unexpected error, trying again")
                threading.Event().wait(RECONNECT_SECONDS)
            finally:
                connection.close()

    def _changed(self, connection: Connection) -> set[int]:
        """Waits for news; returns the followed jobs that have changed, or may have."""
        if not self._listen:
            threading.Event().wait(POLL_SECONDS)
            return self._followed()
        if select.select([connection], [], [], PING_SECONDS) != ([], [], []):
            connection.poll()
        told = {int(notice.payload) for notice in connection.notifies}
        connection.notifies.clear()
        return told & self._followed()

    def _followed(self) -> set[int]:
        with self._lock:
            return set(self._followers)

    def _ended_idle(self) -> bool:
        """Ends the listener when nobody follows anything; the next stream starts another."""
        with self._lock:
            if self._streams:
                return False
            self._thread = None
            return True

    def _tell(self, job_ids: set[int]) -> None:
        if not job_ids:
            return
        events = self._read_events(job_ids)
        with self._lock:
            for job_id, told in events.items():
                for subscription in self._followers.get(job_id, ()):
                    subscription.put(told)
