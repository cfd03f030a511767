"""Counts the requests of each client per minute, and says which clients send too many.

Every web process counts in its memory, and about once a second it adds what is new to the table `request_counts` and
reads the sums of all processes: one statement for all clients that sent requests in that second, and none while there
are no requests. So a request costs no query. The price is that a client of several processes can send what it manages
within that second beyond the limit. The table is not logged (`UNLOGGED`), because a crash may forget the counts.

The limit is that of a sliding window: the requests of this minute, and of the previous one the share that is less than
60 seconds ago, as if they had arrived evenly. A refused request does not count, so a client that keeps asking is served
again as soon as its rate allows it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection as Connection

from database import clock
from database.connect import Component, connected, log_database_error, transaction

log = logging.getLogger(__name__)

MINUTE_SECONDS = 60
EXCHANGE_SECONDS = 1.0
RETRY_SECONDS = 5.0
# How long a client is known without a request. Known API keys and sessions have counts of their own.
KEEP_MINUTES = 60
# Beyond this many clients, further ones are not counted.
MAX_CLIENTS = 20_000
# The thread ends after this many seconds without requests. By then all rows have expired.
IDLE_SECONDS = 150
CLOSE_SECONDS = 5

# All processes write the rows in the same order, so they cannot deadlock.
EXCHANGE_SQL = """
WITH sums AS (
    INSERT INTO request_counts AS r (minute, client, requests)
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::integer[]) AS new(minute, client, requests)
    ORDER BY minute, client
    ON CONFLICT (minute, client) DO UPDATE SET requests = r.requests + excluded.requests
    RETURNING minute, client, requests
)
SELECT s.minute, s.client, s.requests, coalesce(p.requests, 0)
FROM sums s LEFT JOIN request_counts p ON p.client = s.client AND p.minute = s.minute - 1
"""
# Rows that another process is deleting are left to it.
DELETE_EXPIRED_SQL = """
DELETE FROM request_counts r USING (
    SELECT minute, client FROM request_counts WHERE minute < %s FOR UPDATE SKIP LOCKED
) expired WHERE r.minute = expired.minute AND r.client = expired.client
"""


@dataclass
class _Count:
    """The requests of a client in its last minute and in the one before, of all processes as far as known."""

    minute: int
    current: int = 0
    previous: int = 0

    def move_to(self, minute: int) -> None:
        # The clock may go back when the database corrects it, by a moment or by far.
        if minute > self.minute or minute < self.minute - 1:
            self.previous = self.current if minute == self.minute + 1 else 0
            self.minute, self.current = minute, 0


class RequestCounts:
    """The counts of a web process, which it shares with the others while there are requests.

    `url` is that of the database, `limit` the number of requests per minute. `clock()` returns the seconds since 1970;
    all processes must count the same minutes.
    """

    def __init__(
        self,
        url: str,
        limit: int,
        *,
        clock: Callable[[], float] = clock.unix_time,
        max_clients: int = MAX_CLIENTS,
    ) -> None:
        self._url = url
        self._limit = limit
        self._clock = clock
        self._max_clients = max_clients
        self._lock = threading.Lock()
        self._counts: dict[str, _Count] = {}
        # The requests that other processes do not know yet, by minute and client.
        self._unsent: dict[tuple[int, str], int] = {}
        self._cleaned_minute = 0
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def __len__(self) -> int:
        return len(self._counts)

    def knows(self, client: str) -> bool:
        """Return whether a client sent requests lately, as far as this process knows."""
        return client in self._counts

    def add(self, client: str) -> int | None:
        """Count a request, or return the seconds after which the client may send one if it has sent too many."""
        with self._lock:
            minute, elapsed = divmod(self._clock(), MINUTE_SECONDS)
            count = self._count_of(client, int(minute))
            if count is None:
                return None
            wait = _seconds_to_wait(count, self._limit, elapsed)
            if wait is None:
                self._record(count, client, 1)
        return wait

    def move(self, source: str, target: str) -> None:
        """Count the last request of a client for another one: the same client under the name that is known now."""
        with self._lock:
            minute = int(self._clock() // MINUTE_SECONDS)
            if count := self._count_of(target, minute):
                self._record(count, target, 1)
                if (earlier := self._counts.get(source)) and earlier.minute == minute and earlier.current > 0:
                    self._record(earlier, source, -1)

    def close(self) -> None:
        """End the thread, so that it does not outlive the application. What was counted since its last turn is lost."""
        with self._lock:
            self._closing.set()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_SECONDS)

    def exchange(self, connection: Connection) -> None:
        """Tell the other processes what is new, and learn what they counted for the same clients."""
        with self._lock:
            unsent, self._unsent = self._unsent, {}
        keys = sorted(unsent)
        try:
            with transaction(connection) as cursor:
                values = [[minute for minute, _ in keys], [client for _, client in keys], [unsent[key] for key in keys]]
                cursor.execute(EXCHANGE_SQL, values)
                sums = cursor.fetchall()
        except Exception:
            with self._lock:
                # No process needs older counts, and the memory for them must stay bounded.
                oldest = int(self._clock() // MINUTE_SECONDS) - 1
                for key, requests in unsent.items():
                    if key[0] >= oldest:
                        self._unsent[key] = self._unsent.get(key, 0) + requests
            raise
        with self._lock:
            for minute, client, current, previous in sums:
                count = self._counts.get(client)
                if count is not None and count.minute == minute:
                    count.current = current + self._unsent.get((minute, client), 0)
                    count.previous = previous + self._unsent.get((minute - 1, client), 0)

    def clean(self, connection: Connection) -> None:
        """Forget old clients, and delete the rows that no process needs any more."""
        with self._lock:
            minute = int(self._clock() // MINUTE_SECONDS)
            self._forget(minute - KEEP_MINUTES)
        with transaction(connection) as cursor:
            cursor.execute(DELETE_EXPIRED_SQL, (minute - 1,))

    def _count_of(self, client: str, minute: int) -> _Count | None:
        """Return the count of a client in this minute, or None if there are too many clients."""
        count = self._counts.get(client)
        if count is None:
            if len(self._counts) >= self._max_clients and self._cleaned_minute != minute:
                self._cleaned_minute = minute
                self._forget(minute - 1)
            if len(self._counts) >= self._max_clients:
                return None
            count = self._counts[client] = _Count(minute)
        count.move_to(minute)
        return count

    def _record(self, count: _Count, client: str, requests: int) -> None:
        count.current += requests
        key = (count.minute, client)
        self._unsent[key] = self._unsent.get(key, 0) + requests
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, name="request-counts", daemon=True)
            self._thread.start()

    def _forget(self, minute: int) -> None:
        """Forget the clients whose last request was before a minute, and what nobody was told about them."""
        self._counts = {client: count for client, count in self._counts.items() if count.minute >= minute}
        self._unsent = {key: requests for key, requests in self._unsent.items() if key[1] in self._counts}

    def _run(self) -> None:
        """Exchange the counts every second, and end when there have been no requests for a while."""
        idle_since = time.monotonic()
        while not self._ends(idle_since):
            try:
                with connected(self._url, Component.REQUEST_COUNTS) as connection:
                    cleaned_at = time.monotonic()
                    while not self._closing.is_set() and (now := time.monotonic()) - idle_since <= IDLE_SECONDS:
                        clock.refresh(connection)
                        if self._unsent:
                            idle_since = now
                            self.exchange(connection)
                        if now - cleaned_at > MINUTE_SECONDS:
                            cleaned_at = now
                            self.clean(connection)
                        self._closing.wait(EXCHANGE_SECONDS)
                    if not self._closing.is_set():
                        self.clean(connection)
            except psycopg2.Error as error:
                log_database_error(error, "the limit of requests per minute")
                self._closing.wait(RETRY_SECONDS)
            except Exception:
                log.exception("Unexpected error; %s will retry", "the limit of requests per minute")
                self._closing.wait(RETRY_SECONDS)

    def _ends(self, idle_since: float) -> bool:
        """Return whether there have been no requests for a while; if so, the next one starts another thread."""
        if self._closing.is_set():
            return True
        with self._lock:
            if self._unsent or time.monotonic() - idle_since <= IDLE_SECONDS:
                return False
            self._thread = None
            return True


def _seconds_to_wait(count: _Count, limit: int, elapsed: float) -> int | None:
    """Return the seconds until another request is within the limit, or None if it is now.

    `elapsed` is the number of seconds of this minute that have passed.
    """
    room = limit - 1 - count.current
    if room >= 0:
        # The share of the previous minute may be at most `room`.
        wait = MINUTE_SECONDS * (1 - room / count.previous) - elapsed if count.previous > room else 0
        return math.ceil(wait) if wait > 0 else None
    # All of this minute's room is used, so wait for the next one, until enough of this minute is long ago.
    return math.ceil(MINUTE_SECONDS - elapsed + MINUTE_SECONDS * (1 - (limit - 1) / count.current))
