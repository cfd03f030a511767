"""Live news of imports, products and webhooks: one listener per web process feeds all its streams.

PostgreSQL says which job has changed (LISTEN/NOTIFY); the listener reads that job's row once and hands the event to all
who follow it. That products have changed, or webhooks, is handed on as it is. A stream holds no database connection and
polls nothing. Behind a transaction pooler, where LISTEN does not work, the listener looks once a second at the jobs
that somebody follows, and at signs of a change of the rest.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection

from database.listen import Listener

log = logging.getLogger(__name__)

JOBS_CHANNEL = "import_progress"
PRODUCTS_CHANNEL = "products_changed"
WEBHOOK_CHANNELS = ("webhook_deliveries", "webhook_settings", "webhook_attempts")
PING_SECONDS = 5
CHANGES_SECONDS = 1
# What streams follow is a job, by its id, or one of these, which no job has.
PRODUCTS, WEBHOOKS = 0, -1
TOPICS = {PRODUCTS_CHANNEL: PRODUCTS, **dict.fromkeys(WEBHOOK_CHANNELS, WEBHOOKS)}
POLL_SECONDS = 1
RECONNECT_SECONDS = 1
QUEUED_EVENTS = 100

# Rows that are new or changed show at once; the counters, which tell of deleted ones too, a moment later, and a
# truncated table has another file. A transaction that was rolled back may look like a change.
SIGNS = {
    PRODUCTS: """
SELECT (SELECT max(id) FROM products), (SELECT max(updated_at) FROM products), pg_relation_filenode(products),
    pg_stat_get_tuples_inserted(products), pg_stat_get_tuples_updated(products), pg_stat_get_tuples_deleted(products)
FROM CAST('products' AS regclass) products
""",
    WEBHOOKS: """
SELECT (SELECT max(id) FROM webhook_deliveries), (SELECT max(id) FROM webhook_attempts),
    (SELECT array_agg(updated_at ORDER BY id) FROM webhooks)
""",
}


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
        self.topic = job_id
        self.seen = 0
        self._newest = 0
        self._events: queue.Queue[Event | None] = queue.Queue(QUEUED_EVENTS)

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
            if event is None:
                return
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
        self._put(event)

    def end(self) -> None:
        """Ends the stream."""
        self._put(None)

    def _put(self, event: Event | None) -> None:
        while True:
            try:
                return self._events.put_nowait(event)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._events.get_nowait()

    def close(self) -> None:
        """Gives the place back."""
        self._progress.unsubscribe(self)


class Changes:
    """One stream's place among those who want to know when products, or webhooks, change.

    Iterates: True when some have, at most once in `CHANGES_SECONDS`, False when it is time for a sign of life. What
    happens in between is told behind that time, so that the last change is always followed by a True.
    """

    def __init__(self, progress: Progress, topic: int) -> None:
        self._progress = progress
        self.topic = topic
        self._news = threading.Event()
        self._over = threading.Event()

    def __iter__(self) -> Iterator[bool]:
        while True:
            told = self._news.wait(PING_SECONDS)
            if self._over.is_set():
                return
            self._news.clear()
            yield told
            if told:
                self._over.wait(CHANGES_SECONDS)

    def put(self) -> None:
        """Says that something has changed."""
        self._news.set()

    def end(self) -> None:
        """Ends the stream."""
        self._over.set()
        self._news.set()

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
        self._followers: defaultdict[int, set[Subscription | Changes]] = defaultdict(set)
        self._streams = 0
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()
        self._signs: dict[int, Any] = {}
        self._stopping: Callable[[], bool] = lambda: False

    def subscribe(self, job_id: int) -> Subscription | None:
        """A place among the followers of a job, or None when all places are taken.

        Returns once the listener listens: no change after this call goes untold.
        """
        subscription = Subscription(self, job_id)
        return subscription if self._admit(subscription) else None

    def subscribe_to_changes(self, topic: int = PRODUCTS) -> Changes | None:
        """A place among those who want to know when products, or WEBHOOKS, change; the same holds for it."""
        changes = Changes(self, topic)
        return changes if self._admit(changes) else None

    def _admit(self, stream: Subscription | Changes) -> bool:
        with self._lock:
            if self._streams >= self._max_streams:
                return False
            self._streams += 1
            self._followers[stream.topic].add(stream)
            if self._thread is None:
                self._listening.clear()
                self._thread = threading.Thread(target=self._run, name="progress-listener", daemon=True)
                self._thread.start()
        # Where the database is away this passes unfulfilled; the listener tells everything anew when it is back.
        self._listening.wait(timeout=POLL_SECONDS)
        return True

    def unsubscribe(self, stream: Subscription | Changes) -> None:
        """Frees a place; does nothing when it is free already."""
        with self._lock:
            followers = self._followers.get(stream.topic, set())
            if stream in followers:
                followers.remove(stream)
                self._streams -= 1
                if not followers:
                    del self._followers[stream.topic]

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._streams

    def end_when(self, stopping: Callable[[], bool]) -> None:
        """Makes every stream end within about a second once `stopping()`, so that nobody waits for them in vain."""
        self._stopping = stopping

    def _run(self) -> None:
        started, self._signs = time.monotonic(), {}
        first = True
        while True:
            try:
                connection = self._connect()
            except psycopg2.Error as error:
                log.warning("Progress: the database does not answer: %s", str(error).strip())
                threading.Event().wait(RECONNECT_SECONDS)
                first = False
                if self._ended_idle():
                    return
                continue
            try:
                listener = Listener(connection, (JOBS_CHANNEL, *TOPICS), pooled=not self._listen)
                if listener.pooled:
                    self._signs = self._signs or self._read_signs(connection)
                # What happened while nobody listened is told once, to everyone. Products that change before the first
                # stream's listener listens are none of that: the stream has not begun.
                missed = not first or time.monotonic() - started > POLL_SECONDS
                self._tell(self._followed() - (set() if missed else set(SIGNS)))
                self._listening.set()
                while not self._ended_idle():
                    self._tell(self._changed(connection, listener))
                return
            except psycopg2.Error as error:
                log.warning("Progress: connection lost, trying again: %s", str(error).strip())
                self._listening.clear()
            except Exception:
                log.exception("Progress: unexpected error, trying again")
                threading.Event().wait(RECONNECT_SECONDS)
            finally:
                first = False
                connection.close()

    def _changed(self, connection: Connection, listener: Listener) -> set[int]:
        """Waits for news, a second at most; returns what has changed, or may have, of what is followed."""
        if listener.pooled:
            threading.Event().wait(POLL_SECONDS)
            before, self._signs = self._signs, self._read_signs(connection)
            return self._followed() - {topic for topic, sign in self._signs.items() if sign == before.get(topic)}
        listener.wait(POLL_SECONDS)
        changed = {
            TOPICS[notification.channel] if notification.channel in TOPICS else int(notification.payload)
            for notification in listener.receive()
        }
        return changed & self._followed()

    def _read_signs(self, connection: Connection) -> dict[int, Any]:
        signs: dict[int, Any] = {}
        with connection.cursor() as cursor:
            for topic, query in SIGNS.items():
                cursor.execute(query)
                signs[topic] = cursor.fetchone()
        return signs

    def _followed(self) -> set[int]:
        with self._lock:
            return set(self._followers)

    def _ended_idle(self) -> bool:
        """Ends the listener when nobody follows anything; the next stream starts another."""
        with self._lock:
            if self._stopping():
                for stream in itertools.chain.from_iterable(self._followers.values()):
                    stream.end()
            if self._streams:
                return False
            self._thread = None
            return True

    def _tell(self, topics: set[int]) -> None:
        if not topics:
            return
        job_ids = topics - set(SIGNS)
        events = self._read_events(job_ids) if job_ids else {}
        with self._lock:
            for stream in itertools.chain.from_iterable(self._followers.get(topic, ()) for topic in topics):
                if isinstance(stream, Changes):
                    stream.put()
                elif stream.topic in events:
                    stream.put(events[stream.topic])
