"""Live updates of jobs, products and webhooks: one thread per web process feeds all open streams.

The thread learns from topics.py which job has changed. It reads the row of that job once and passes it to all streams
that follow the job. If products or webhooks have changed, the thread reads nothing and only tells the streams. A stream
holds no database connection and polls nothing.

A stream ends as soon as its actor may no longer read it: the thread asks when PostgreSQL tells it that access has
changed, and once a minute, because sessions and keys also end by themselves.

The streams are Server-Sent Events (WHATWG HTML, section 9.2).
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import psycopg2
from flask import Response
from psycopg2.extensions import connection as Connection

from access.actors import Actor
from api.errors import ErrorType
from api.topics import ACCESS_TOPIC, POLL_SECONDS, SHARED_TOPICS, TopicWatcher
from monitoring.metrics import STREAMS, STREAMS_LIMIT

log = logging.getLogger(__name__)

# A stream without news sends a comment line, so that proxies keep it open and a closed connection is noticed.
KEEP_ALIVE_SECONDS = 5
KEEP_ALIVE = ": keep-alive\n\n"
# Minimum time between two events of a stream of changes.
CHANGE_INTERVAL_SECONDS = 1
ACCESS_CHECK_SECONDS = 60
RECONNECT_SECONDS = 1
# How long browsers wait before they open an interrupted stream again.
CLIENT_RETRY_MS = 2000
MAX_QUEUED_EVENTS = 100

TOO_MANY_STREAMS = ErrorType(503, "too_many_streams", "Too many streams are open. Poll instead, or try again later.")


def event_stream(chunks: Iterable[str], close: Callable[[], None]) -> Response:
    """Return a response that streams Server-Sent Events and calls `close` at its end, however it ends."""
    response = Response(chunks, mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-transform"
    # Without this header nginx and similar proxies buffer the events.
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(close)
    return response


class JobEvent(NamedTuple):
    """A state of a job: its revision, its text in the stream, and whether it is the last state of the job."""

    revision: int
    text: str
    final: bool


class Subscription(Protocol):
    """What the hub feeds: the subscription of one stream to its topics, which never change."""

    topics: frozenset[int]

    def end(self) -> None:
        """Let the stream end, because its actor may no longer read it."""

    def publish(self, topic: int, event: JobEvent | None) -> None:
        """Record the current state of a job or, if `event` is None, a change of a topic that is not a job."""


class JobSubscription:
    """The subscription of one stream to a job. Iterating yields the texts of its events, up to the final one.

    Yields None when a keep-alive is due. Events come in the order of their revisions; those up to `seen_revision` are
    skipped, because the stream has sent them already. Use it as a context manager, or call `close`.
    """

    def __init__(self, hub: StreamHub, job_id: int) -> None:
        self._hub = hub
        self.topics = frozenset({job_id})
        self.seen_revision = 0
        self._newest_revision = 0
        # None ends the stream.
        self._events: queue.Queue[JobEvent | None] = queue.Queue(MAX_QUEUED_EVENTS)

    def __enter__(self) -> JobSubscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[str | None]:
        while True:
            try:
                event = self._events.get(timeout=self._hub.keep_alive_seconds)
            except queue.Empty:
                yield None
                continue
            if event is None:
                return
            if event.revision > self.seen_revision:
                self.seen_revision = event.revision
                yield event.text
                if event.final:
                    return

    def publish(self, topic: int, event: JobEvent | None) -> None:
        """Queue the state of the job."""
        if event is not None:
            self.put(event)

    def put(self, event: JobEvent) -> None:
        """Queue an event unless it is known already. If the queue is full, drop its oldest event."""
        if event.revision <= self._newest_revision:
            return
        self._newest_revision = event.revision
        self._put(event)

    def end(self) -> None:
        """End the stream after the events that wait."""
        self._put(None)

    def _put(self, event: JobEvent | None) -> None:
        while True:
            try:
                return self._events.put_nowait(event)
            except queue.Full:
                # The stream may take the oldest event at the same time.
                with contextlib.suppress(queue.Empty):
                    self._events.get_nowait()

    def close(self) -> None:
        """End the subscription."""
        self._hub.unsubscribe(self)


class ChangeSubscription:
    """The subscription of one stream to the changes of all products or of all webhooks.

    Iterating yields True after a change, at most once in `CHANGE_INTERVAL_SECONDS`, and False when a keep-alive is due.
    A change within the interval is reported at its end, so the last change is always reported.
    """

    def __init__(self, hub: StreamHub, topic: int) -> None:
        self._hub = hub
        self.topics = frozenset({topic})
        self._changed = threading.Event()
        self._has_ended = False

    def __iter__(self) -> Iterator[bool]:
        while True:
            changed = self._changed.wait(self._hub.keep_alive_seconds)
            self._changed.clear()
            if self._has_ended:
                return
            yield changed
            if changed:
                time.sleep(CHANGE_INTERVAL_SECONDS)

    def publish(self, topic: int, event: JobEvent | None) -> None:
        """Record that something has changed."""
        self.put()

    def put(self) -> None:
        """Record that something has changed."""
        self._changed.set()

    def end(self) -> None:
        """End the stream."""
        self._has_ended = True
        self._changed.set()

    def close(self) -> None:
        """End the subscription."""
        self._hub.unsubscribe(self)


class StreamHub:
    """The subscriptions of one process, and the thread that feeds them while there are any.

    `connect()` opens the connection of the thread. `read_events(job_ids)` returns the current state of each job, keyed
    by id. `find_ended(actors)` returns those actors who may no longer read what they follow. `max_streams` limits the
    subscriptions, whatever their topics. With `listen=False` the thread polls instead of using LISTEN.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        read_events: Callable[[Iterable[int]], dict[int, JobEvent]],
        find_ended: Callable[[set[Actor]], set[Actor]],
        *,
        max_streams: int,
        listen: bool,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self.keep_alive_seconds = keep_alive_seconds
        self._connect = connect
        self._read_events = read_events
        self._find_ended = find_ended
        self._max_streams = max_streams
        STREAMS_LIMIT.set(max_streams)
        self._listen = listen
        self._lock = threading.Lock()
        self._is_stopping = False
        self._subscriptions: dict[Subscription, Actor] = {}
        self._subscriptions_by_topic: defaultdict[int, set[Subscription]] = defaultdict(set)
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()
        self._access_checked_at = 0.0

    def subscribe_to_job(self, job_id: int, actor: Actor) -> JobSubscription | None:
        """Return a subscription to a job, or None if too many streams are open; otherwise like `subscribe`."""
        subscription = JobSubscription(self, job_id)
        return subscription if self.subscribe(subscription, actor) else None

    def subscribe_to_changes(self, topic: int, actor: Actor) -> ChangeSubscription | None:
        """Return a subscription to a topic, or None if too many streams are open; otherwise like `subscribe`."""
        subscription = ChangeSubscription(self, topic)
        return subscription if self.subscribe(subscription, actor) else None

    def subscribe(self, subscription: Subscription, actor: Actor) -> bool:
        """Feed a subscription of an actor from now on; return False if too many streams are open.

        When this returns, the thread is listening, so the subscription gets every later change. If the database does
        not answer within `POLL_SECONDS`, this returns anyway, and the thread reports the current state once it is
        connected.
        """
        with self._lock:
            if self._is_stopping or len(self._subscriptions) >= self._max_streams:
                return False
            self._subscriptions[subscription] = actor
            STREAMS.inc()
            for topic in subscription.topics:
                self._subscriptions_by_topic[topic].add(subscription)
            if self._thread is None:
                self._listening.clear()
                self._thread = threading.Thread(target=self._run, name="stream-listener", daemon=True)
                self._thread.start()
        self._listening.wait(timeout=POLL_SECONDS)
        return True

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; do nothing if it has ended already."""
        with self._lock:
            if self._subscriptions.pop(subscription, None) is not None:
                STREAMS.dec()
            for topic in subscription.topics & self._subscriptions_by_topic.keys():
                self._subscriptions_by_topic[topic].discard(subscription)
                if not self._subscriptions_by_topic[topic]:
                    del self._subscriptions_by_topic[topic]

    @property
    def streams(self) -> int:
        """The number of subscriptions."""
        return len(self._subscriptions)

    def stop(self) -> None:
        """End all streams, because the process ends, and accept no others. Browsers connect to another process."""
        with self._lock:
            self._is_stopping = True
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.end()

    def _run(self) -> None:
        """Feed the subscriptions until there are none, on a new connection after each failure."""
        started, watcher = time.monotonic(), TopicWatcher(listen=self._listen)
        is_first_connection = True
        while True:
            try:
                connection = self._connect()
            except Exception as error:
                # Retry after any error: without this thread, no stream gets an event until the process is restarted.
                log.warning("The database is unavailable; live updates will retry: %s", str(error).strip())
                time.sleep(RECONNECT_SECONDS)
                is_first_connection = False
                if self._stop_if_unused():
                    return
                continue
            try:
                watcher.begin(connection)
                # After a lost connection, report every topic once, because changes may have been missed. The first
                # connection has missed nothing, unless connecting took long, so report only the state of the jobs.
                missed_changes = not is_first_connection or time.monotonic() - started > POLL_SECONDS
                self._publish(self._topics() - (set() if missed_changes else SHARED_TOPICS))
                self._end_refused()
                self._listening.set()
                while not self._stop_if_unused():
                    changed = watcher.wait(self._topics)
                    access_is_due = time.monotonic() - self._access_checked_at >= ACCESS_CHECK_SECONDS
                    if ACCESS_TOPIC in changed or not self._listen or access_is_due:
                        self._end_refused()
                    self._publish(changed & self._topics())
                return
            except psycopg2.Error as error:
                log.warning("The database is unavailable; live updates will retry: %s", str(error).strip())
                self._listening.clear()
            except Exception:
                log.exception("Unexpected error; live updates will retry")
                time.sleep(RECONNECT_SECONDS)
            finally:
                is_first_connection = False
                connection.close()

    def _topics(self) -> set[int]:
        with self._lock:
            return set(self._subscriptions_by_topic)

    def _stop_if_unused(self) -> bool:
        """Return whether the thread must end because there are no subscriptions; the next one starts a new thread."""
        with self._lock:
            if self._subscriptions:
                return False
            self._thread = None
            return True

    def _end_refused(self) -> None:
        """End the streams whose actors may no longer read them."""
        self._access_checked_at = time.monotonic()
        with self._lock:
            actors = set(self._subscriptions.values())
        if not actors or not (ended := self._find_ended(actors)):
            return
        with self._lock:
            refused = [subscription for subscription, actor in self._subscriptions.items() if actor in ended]
        for subscription in refused:
            subscription.end()

    def _publish(self, topics: set[int]) -> None:
        """Pass the state of these jobs, and the changes of these topics, to the subscriptions."""
        job_ids = topics - SHARED_TOPICS
        events = self._read_events(job_ids) if job_ids else {}
        with self._lock:
            for topic in topics - (job_ids - events.keys()):
                for subscription in self._subscriptions_by_topic.get(topic, ()):
                    subscription.publish(topic, events.get(topic))
