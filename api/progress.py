"""Live progress: one listener per web process feeds every open stream of it.

PostgreSQL says which job has changed (LISTEN/NOTIFY); the listener reads that job's row once and hands the event to all
who follow it. A stream holds no database connection and polls nothing. Behind a transaction pooler, where LISTEN does
not work, the listener asks once a second for what has changed among the jobs that somebody follows.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import selectors
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection

log = logging.getLogger(__name__)

CHANNEL = "import_progress"
PING_SECONDS = 10
POLL_SECONDS = 1
RECONNECT_SECONDS = 1
QUEUED_EVENTS = 100


class Event(NamedTuple):
    """A state of a job: its revision, its text in the stream, and whether it is the job's last state."""

    revision: int
    text: str
    final: bool


class Subscription:
    """One stream's place: iterates over its events, with `None` when it is time for a sign of life.

    Events come in the order of their revisions. One that is not newer than `seen` is left out: what the client has
    been told already, in the first event, may still be on its way from the listener.
    """

    def __init__(self, progress: Progress, job_id: int) -> None:
        self._progress = progress
        self.job_id = job_id
        self.seen = 0
        self._newest = 0
        self._events: queue.Queue[Event] = queue.Queue(QUEUED_EVENTS)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[str | None]:
        while True:
            try:
                event = self._events.get(timeout=PING_SECONDS)
            except queue.Empty:
                yield None
                continue
            if event.revision > self.seen:
                self.seen = event.revision
                yield event.text
                if event.final:
                    return

    def put(self, event: Event) -> None:
        """Adds an event unless it is known; a client too slow to take them loses the oldest, never the newest."""
        if event.revision <= self._newest:
            return
        self._newest = event.revision
        while True:
            try:
                return self._events.put_nowait(event)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._events.get_nowait()

    def close(self) -> None:
        """Gives the place back."""
        self._progress.unsubscribe(self)


class Progress:
    """The fan-out of one process; `read_events(job_ids)` gives the present state of each job."""

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
        # Not `select`, which refuses the high file numbers of a process with many streams.
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            if selector.select(PING_SECONDS):
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
            for job_id, event in events.items():
                for subscription in self._followers.get(job_id, ()):
                    subscription.put(event)
