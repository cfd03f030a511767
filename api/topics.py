"""Learns from PostgreSQL which jobs, products and webhooks have changed.

PostgreSQL notifies of each change (LISTEN and NOTIFY). LISTEN does not work behind a transaction pooler. There the
watcher polls once a second: it reads values that show whether products or webhooks have changed, and takes every job
for changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from psycopg2.extensions import connection as Connection

from database.advisory_locks import PRODUCT_CHANGES_KEY, try_lock
from database.listen import Listener

PROGRESS_CHANNEL = "import_progress"
JOBS_CHANNEL = "import_jobs"
PRODUCTS_CHANNEL = "products_changed"
ACCESS_CHANNEL = "access_changed"
WEBHOOK_CHANNELS = ("webhook_deliveries", "webhook_settings", "webhook_attempts")
# A stream follows a topic: the id of a job, or one of these numbers, which no job has as its id. `JOBS_TOPIC` changes
# when a job is created or deleted, or its status changes.
PRODUCTS_TOPIC, WEBHOOKS_TOPIC, JOBS_TOPIC = 0, -1, -3
# No stream follows this topic. When it changes, the thread ends the streams whose actors may no longer read them.
ACCESS_TOPIC = -2
TOPIC_OF_CHANNEL = {
    PRODUCTS_CHANNEL: PRODUCTS_TOPIC,
    JOBS_CHANNEL: JOBS_TOPIC,
    ACCESS_CHANNEL: ACCESS_TOPIC,
    **dict.fromkeys(WEBHOOK_CHANNELS, WEBHOOKS_TOPIC),
}

POLL_SECONDS = 1
# After a notification of changed products, when to look for changes that overlapped and did not notify. Each pause is
# twice as long as the one before.
FIRST_FOLLOW_UP_SECONDS = 0.25
MAX_FOLLOW_UP_SECONDS = 8

# A product or webhook has changed if these values differ from those of the previous second. Inserts and updates show in
# the newest id and timestamp at once. The statistics, which also count deletions, follow a little later. TRUNCATE gives
# the table another file. A transaction that was rolled back can look like a change, which does no harm.
READ_CHANGE_MARKERS_SQL = {
    PRODUCTS_TOPIC: """
SELECT (SELECT max(id) FROM products), (SELECT max(updated_at) FROM products), pg_relation_filenode(products),
    pg_stat_get_tuples_inserted(products), pg_stat_get_tuples_updated(products), pg_stat_get_tuples_deleted(products)
FROM CAST('products' AS regclass) products
""",
    WEBHOOKS_TOPIC: """
SELECT (SELECT max(id) FROM webhook_deliveries), (SELECT max(id) FROM webhook_attempts),
    (SELECT array_agg(updated_at ORDER BY id) FROM webhooks)
""",
    JOBS_TOPIC: "SELECT status, count(*), max(id) FROM import_jobs GROUP BY status ORDER BY status",
}
# The topics that are not jobs and that streams follow.
SHARED_TOPICS = frozenset(READ_CHANGE_MARKERS_SQL)


class TopicWatcher:
    """Waits for changes of topics, on one connection after another. With `listen=False` it polls."""

    def __init__(self, *, listen: bool) -> None:
        self._listen = listen
        self._markers: dict[int, Any] = {}
        # When to look again for changes of products that are not committed yet; None if there were none.
        self._follow_up_at: float | None = None
        self._follow_up_seconds = FIRST_FOLLOW_UP_SECONDS

    def begin(self, connection: Connection) -> None:
        """Use this connection from now on. Changes after the return of this call are noticed."""
        self._connection = connection
        self._listener = Listener(connection, (PROGRESS_CHANNEL, *TOPIC_OF_CHANNEL), pooled=not self._listen)
        if not self._listen:
            self._markers = self._markers or self._read_markers()
        else:
            self._plan_follow_up(FIRST_FOLLOW_UP_SECONDS)

    def wait(self, find_followed: Callable[[], set[int]]) -> set[int]:
        """Return the topics that have changed, or may have, after waiting for at most `POLL_SECONDS`.

        Without LISTEN, only those that streams follow after the wait: they may have begun meanwhile.
        """
        if not self._listen:
            time.sleep(POLL_SECONDS)
            previous, self._markers = self._markers, self._read_markers()
            unchanged = {topic for topic, marker in self._markers.items() if marker == previous.get(topic)}
            return find_followed() - unchanged
        until_follow_up = POLL_SECONDS if self._follow_up_at is None else self._follow_up_at - time.monotonic()
        self._listener.wait(min(POLL_SECONDS, until_follow_up))
        topics = {_topic_of(notification.channel, notification.payload) for notification in self._listener.receive()}
        if PRODUCTS_TOPIC in topics:
            self._plan_follow_up(FIRST_FOLLOW_UP_SECONDS)
        elif self._follow_up_at is not None and time.monotonic() >= self._follow_up_at:
            self._plan_follow_up(min(MAX_FOLLOW_UP_SECONDS, 2 * self._follow_up_seconds))
            topics.add(PRODUCTS_TOPIC)
        return topics

    def _plan_follow_up(self, seconds: float) -> None:
        """Look again after some seconds, unless every change of products so far is committed.

        Of several changes that overlap only one notifies. The others hold a lock until they are committed.
        """
        with self._connection.cursor() as cursor:
            has_more = not try_lock(cursor, PRODUCT_CHANGES_KEY)
        self._follow_up_seconds = seconds
        self._follow_up_at = time.monotonic() + seconds if has_more else None

    def _read_markers(self) -> dict[int, Any]:
        markers: dict[int, Any] = {}
        with self._connection.cursor() as cursor:
            for topic, statement in READ_CHANGE_MARKERS_SQL.items():
                cursor.execute(statement)
                markers[topic] = cursor.fetchall()
        return markers


def _topic_of(channel: str, payload: str) -> int:
    """Return the topic of a notification, which is the id of a job or one that the channel implies."""
    return TOPIC_OF_CHANNEL[channel] if channel in TOPIC_OF_CHANNEL else int(payload)
