"""Connections to PostgreSQL, each named after the component that opened it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.retry import is_conflict

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 10
LOCK_WAIT_SECONDS = 10
IDLE_IN_TRANSACTION_SECONDS = 10
RECONNECT_SECONDS = 1
# TCP keepalives detect within about 25 seconds that the peer has vanished.
KEEPALIVE_OPTIONS: dict[str, Any] = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
# PostgreSQL's own timeouts end a hung transaction, so that other transactions do not wait long for its locks.
SET_IDLE_LIMIT_SQL = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'"
SET_LOCK_LIMIT_SQL = f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'"
# For web requests, which have a statement_timeout of their own (database/statement_timeout.py).
LIMIT_LOCKS_SQL = f"{SET_LOCK_LIMIT_SQL}; {SET_IDLE_LIMIT_SQL}"
# The role or the database may have a statement_timeout, such as Supabase's two minutes, but the COPY of a large file
# takes longer. SET LOCAL ends with the transaction, so it also works behind a transaction pooler.
LIMIT_IDLE_SQL = f"SET LOCAL statement_timeout = 0; {SET_IDLE_LIMIT_SQL}"
LIMIT_WAITS_SQL = f"{LIMIT_IDLE_SQL}; {SET_LOCK_LIMIT_SQL}"


class Component(StrEnum):
    """The component that opened a connection: its `application_name` in `pg_stat_activity`."""

    WEB = "acme-web"
    STREAMS = "acme-streams"
    REQUEST_COUNTS = "acme-request-counts"
    EXPORT = "acme-export"
    IMPORTER = "acme-importer"
    HEARTBEAT = "acme-heartbeat"
    WRITER = "acme-writer"
    REMOVAL = "acme-removal"
    REAPER = "acme-reaper"
    DISPATCHER = "acme-dispatcher"
    SEARCH_INDEX = "acme-search-index"
    MIGRATIONS = "acme-migrations"


def connect(url: str, component: Component, *, asynchronous: bool = False) -> Connection:
    """Open a connection named after its component.

    Raises `psycopg2.OperationalError` if the database cannot be reached within `CONNECT_TIMEOUT_SECONDS`. An
    `asynchronous` connection is only begun; the caller must wait for it, and for each of its statements.
    """
    connection: Connection = psycopg2.connect(
        url,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        application_name=component.value,
        async_=asynchronous,
        **KEEPALIVE_OPTIONS,
    )
    return connection


@contextlib.contextmanager
def connected(url: str, component: Component) -> Iterator[Connection]:
    """Open a connection and close it at the end of the block; `with connection` inside it is one transaction."""
    connection = connect(url, component)
    try:
        yield connection
    finally:
        connection.close()


def limit_waits(cursor: Cursor) -> None:
    """Limit how long this transaction waits for locks, and how long it may be idle and hold its own locks.

    Its statements may take as long as they need, whatever the role's statement_timeout is.
    """
    cursor.execute(LIMIT_WAITS_SQL)


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """Run the block in a transaction with `limit_waits`; commit it at the end of the block."""
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        yield cursor


def log_database_error(error: psycopg2.Error, purpose: str) -> None:
    """Log why a thread will retry its work: other transactions got in the way, or the database is unavailable.

    `purpose` names the work in the message, such as "the reaper" or "webhook delivery".
    """
    reason = " ".join(str(error).split())
    if is_conflict(error):
        log.warning("Other transactions kept %s from working; it will retry: %s", purpose, reason)
    else:
        log.warning("The database is unavailable; %s will retry: %s", purpose, reason)


def run_until_stopped(
    url: str,
    component: Component,
    work: Callable[[Connection], None],
    *,
    stopping: threading.Event,
    purpose: str,
    error_delay_seconds: float = RECONNECT_SECONDS,
    bug_delay_seconds: float = RECONNECT_SECONDS,
) -> None:
    """Run `work(connection)` until `stopping` is set, on a new connection after each failure.

    `work` must return soon after `stopping` is set. `purpose` names the work in log messages. After a database error,
    logs a warning and waits `error_delay_seconds`. After any other exception, logs the traceback and waits
    `bug_delay_seconds`. The thread that runs this must never die.
    """
    while not stopping.is_set():
        try:
            reconnect_until_stopped(
                url, component, work, stopping=stopping, purpose=purpose, error_delay_seconds=error_delay_seconds
            )
        except Exception:
            log.exception("Unexpected error; %s will retry", purpose)
            stopping.wait(bug_delay_seconds)


def reconnect_until_stopped(
    url: str,
    component: Component,
    work: Callable[[Connection], None],
    *,
    stopping: threading.Event,
    purpose: str,
    error_delay_seconds: float = RECONNECT_SECONDS,
) -> None:
    """Run `work(connection)` until `stopping` is set, on a new connection after each database error.

    It is like `run_until_stopped`, but raises any other exception.
    """
    while not stopping.is_set():
        try:
            with connected(url, component) as connection:
                work(connection)
        except psycopg2.Error as error:
            log_database_error(error, purpose)
            stopping.wait(error_delay_seconds)
