"""A streaming standby that answers reads in place of the primary, and never with older data.

Before each read, the primary is asked for its position in the write-ahead log. The standby answers only if it has
replayed the log up to there. So whatever was committed before the read, by whomever and through whichever process, is
in the answer. Otherwise, and after every error of the standby, the caller reads the primary.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from database.connect import ENGINE_URL, READ_COMMITTED_SQL, Component, connect, explain_failure
from database.pooled_connections import autocommitting, check_connections
from database.retry import TRANSIENT_ERRORS

log = logging.getLogger(__name__)

Result = TypeVar("Result")

POOL_SIZE = 5
POOL_OVERFLOW = 15
POOL_TIMEOUT_SECONDS = 1
CONNECT_TIMEOUT_SECONDS = 3
# A standby whose machine has vanished holds a read up no longer than this, and only the reads that are under way.
VANISHED_OPTIONS: dict[str, Any] = {
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 3000,
}
PROBE_SECONDS = 5
# How long a read waits for the standby to replay what was just written. Servers do not notify clients of that before
# PostgreSQL 19. After a wait in vain, the next reads do not wait for a while.
CATCH_UP_SECONDS = 0.1
CATCH_UP_CHECK_SECONDS = 0.005
NO_WAIT_SECONDS = 1
LOG_LAG_SECONDS = 60

# What is visible has been flushed, unless commits do not wait for that.
READ_POSITION_SQL = """
SELECT position::text, substring(pg_walfile_name(position) FOR 8), system_identifier
FROM (
    SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn()
        ELSE pg_current_wal_flush_lsn() END AS position
) positions, pg_control_system()
"""
# The checkpoint of a standby names the timeline that it follows. A standby that a failover has left behind has another
# history, whatever its position.
IS_CURRENT_SQL = """
SELECT coalesce(pg_last_wal_replay_lsn() >= %(position)s::pg_lsn, false), pg_is_in_recovery(),
    upper(lpad(to_hex(timeline_id), 8, '0')) = %(timeline)s, system_identifier = %(system)s,
    current_setting('hot_standby_feedback')::boolean
FROM pg_control_checkpoint(), pg_control_system()
"""


class ReplicaUnavailable(Exception):
    """The standby cannot answer this read now; read the primary."""


@dataclass(frozen=True)
class Position:
    """A position in the write-ahead log, its timeline in hexadecimal digits, and the identifier of the cluster."""

    position: str
    timeline: str
    system: int


def read_position(cursor: Cursor) -> Position:
    """Return the position of the primary: everything that is visible now was written before it."""
    cursor.execute(READ_POSITION_SQL)
    return Position(*(cursor.fetchone() or ("0/0", "", 0)))


class Replica:
    """The standby at `url`, with a pool of connections. `statement_seconds` limits each statement of `read`.

    After an error it is not used until a thread has found that it answers again, so no request waits for it twice.
    """

    def __init__(self, url: str, statement_seconds: int) -> None:
        self._url = url
        self._engine = create_engine(
            ENGINE_URL,
            creator=lambda: connect(url, Component.READS, timeout_seconds=CONNECT_TIMEOUT_SECONDS, **VANISHED_OPTIONS),
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=POOL_TIMEOUT_SECONDS,
        )
        check_connections(self._engine)
        self._begin = f"{READ_COMMITTED_SQL}, READ ONLY; SET LOCAL statement_timeout = '{statement_seconds}s'"
        self._lock = threading.Lock()
        self._is_usable = False
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._no_wait_until = 0.0
        self._lag_logged_at: float | None = None
        # Why the standby was not used last; "" once it has answered.
        self._reason = ""

    @property
    def is_usable(self) -> bool:
        """Whether the standby has answered lately. The first call starts the thread that finds out."""
        if not self._is_usable:
            self._start_probe()
        return self._is_usable

    def read(self, position: Position, work: Callable[[Cursor], Result]) -> Result:
        """Return `work(cursor)`, which only reads, from the standby as of `position` or later.

        Raises `ReplicaUnavailable` if the standby is down, lags, or cancels the read because the replay needs what it
        reads; and what `work` raises otherwise, such as `psycopg2.errors.QueryCanceled` after the time limit.
        """
        try:
            pooled = self._engine.raw_connection()
        except (psycopg2.Error, SQLAlchemyError) as error:
            self._suspend(error)
            raise ReplicaUnavailable from error
        try:
            connection: Any = pooled.driver_connection
            with connection.cursor() as cursor:
                cursor.execute(self._begin)
                self._require_current(cursor, position)
                return work(cursor)
        except errors.QueryCanceled:
            raise
        except psycopg2.Error as error:
            if not isinstance(error, TRANSIENT_ERRORS):
                pooled.invalidate()
                self._suspend(error)
            else:
                log.warning("The read replica cancelled a read, which the primary answers: %s", explain_failure(error))
            raise ReplicaUnavailable from error
        finally:
            pooled.close()

    def connect_for_export(self, position: Position) -> Connection:
        """Return a connection for an export, in a transaction that sees `position` or later.

        Raises `ReplicaUnavailable` also if `hot_standby_feedback` is off: the standby would then cancel a long export
        whenever the primary removes old rows, and a file that has begun cannot be repeated.
        """
        connection = None
        try:
            connection = connect(self._url, Component.EXPORT, timeout_seconds=CONNECT_TIMEOUT_SECONDS)
            with connection.cursor() as cursor:
                cursor.execute(self._begin)
                self._require_current(cursor, position, needs_feedback=True)
        except psycopg2.Error as error:
            self._suspend(error)
            if connection is not None:
                connection.close()
            raise ReplicaUnavailable from error
        except ReplicaUnavailable:
            if connection is not None:
                connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the connections, and end the thread."""
        self._closing.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(CONNECT_TIMEOUT_SECONDS + 1)
        self._engine.dispose()

    def _require_current(self, cursor: Cursor, position: Position, *, needs_feedback: bool = False) -> None:
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while True:
            has_replayed, problem, has_feedback = _check(cursor, position)
            if problem:
                self._suspend(ReplicaUnavailable(problem))
                raise ReplicaUnavailable(problem)
            if needs_feedback and not has_feedback:
                raise ReplicaUnavailable("hot_standby_feedback is off")
            if has_replayed:
                self._reason = ""
                return
            now = time.monotonic()
            if now >= deadline or now < self._no_wait_until:
                self._note_lag(now, deadline)
                raise ReplicaUnavailable("it lags")
            time.sleep(CATCH_UP_CHECK_SECONDS)

    def _note_lag(self, now: float, deadline: float) -> None:
        if now >= deadline:
            self._no_wait_until = now + NO_WAIT_SECONDS
        if self._lag_logged_at is None or now - self._lag_logged_at >= LOG_LAG_SECONDS:
            self._lag_logged_at = now
            log.warning("The read replica lags behind; the primary answers until it has caught up")

    def _suspend(self, error: BaseException) -> None:
        self._note(explain_failure(error))
        self._is_usable = False
        self._start_probe()

    def _start_probe(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._probe, name="read-replica", daemon=True)
                self._thread.start()

    def _probe(self) -> None:
        """Try to connect until the standby answers. Whether it is the right one is found by the next read."""
        if self._reason:
            self._closing.wait(PROBE_SECONDS)
        while not self._closing.is_set():
            try:
                with autocommitting(self._engine) as cursor:
                    cursor.execute("SELECT 1")
                break
            except (psycopg2.Error, SQLAlchemyError) as error:
                self._note(explain_failure(error))
            self._closing.wait(PROBE_SECONDS)
        with self._lock:
            self._is_usable, self._thread = not self._closing.is_set(), None

    def _note(self, reason: str) -> None:
        """Log why the standby is not used, unless that is known."""
        if reason != self._reason:
            self._reason = reason
            log.warning("The read replica is not used, and the primary answers: %s", reason)


NO_STANDBY_TEXT = "DATABASE_READ_URL names no standby; set it to a streaming standby of DATABASE_URL"
OTHER_CLUSTER_TEXT = "DATABASE_READ_URL names a standby of another server; set it to one of DATABASE_URL"
OTHER_TIMELINE_TEXT = "the standby has not followed the primary since a failover; if that lasts, copy it again"


def _check(cursor: Cursor, position: Position) -> tuple[bool, str, bool]:
    """Return whether the standby has replayed the log, why it must not be used at all, and whether it has feedback."""
    cursor.execute(IS_CURRENT_SQL, vars(position))
    has_replayed, is_standby, is_same_timeline, is_same_system, has_feedback = cursor.fetchone() or (False,) * 5
    problem = ""
    if not is_standby:
        problem = NO_STANDBY_TEXT
    elif not is_same_system:
        problem = OTHER_CLUSTER_TEXT
    elif not is_same_timeline:
        problem = OTHER_TIMELINE_TEXT
    return has_replayed, problem, has_feedback
