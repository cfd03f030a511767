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

from database import clock
from database.retry import is_conflict

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 10
LOCK_WAIT_SECONDS = 10
IDLE_IN_TRANSACTION_SECONDS = 10
RECONNECT_SECONDS = 1
# TCP keepalives detect within about 25 seconds that the peer has vanished. They do not run while sent data waits for
# its acknowledgement; `tcp_user_timeout`, in milliseconds, limits that. Without it a statement that was sent right
# before the server's machine failed would wait for a quarter of an hour.
KEEPALIVE_OPTIONS: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
# SQLAlchemy needs a URL although its engines get their connections from `connect`, which accepts several hosts.
ENGINE_URL = "postgresql+psycopg2://"
# The role or the database may have settings that would change what the product does, such as a time zone, a timeout or
# another isolation level. Each session replaces them. `default_transaction_read_only` is left alone: an administrator
# or a provider sets it for a reason, such as a full disk (database/migrate.py).
SESSION_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
# Servers have these settings since a version, as in `server_version_num`.
NEW_SESSION_SETTINGS = {"transaction_timeout": ("0", 170_000)}
# One round trip. Behind a transaction pooler the backend is not that of the connection, and the settings would leak
# into the sessions of others, so there they end with this transaction. READ_COMMITTED_SQL and the limits below are part
# of each transaction instead. Without the explicit isolation level, a standby would refuse a default of SERIALIZABLE.
PREPARE_SESSION_SQL = """
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
SELECT set_config(name, value, pg_backend_pid() <> %s) FROM unnest(%s, %s) AS settings (name, value);
COMMIT
"""
# This must be the first statement of a transaction.
READ_COMMITTED_SQL = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
# PostgreSQL's own timeouts end a hung transaction, so that other transactions do not wait long for its locks.
SET_IDLE_LIMIT_SQL = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'"
SET_LOCK_LIMIT_SQL = f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'"
# For statements that lock a whole table, which everyone else then waits for. PostgreSQL cancels an autovacuum of the
# table only for those who still wait after `deadlock_timeout`, a second by default.
SET_TABLE_LOCK_LIMIT_SQL = """
SELECT set_config(
    'lock_timeout', (1000 + 1000 * extract(epoch FROM current_setting('deadlock_timeout')::interval))::int::text, true
)
"""
# For web requests, which have a statement_timeout of their own (database/statement_timeout.py).
LIMIT_LOCKS_SQL = f"{SET_LOCK_LIMIT_SQL}; {SET_IDLE_LIMIT_SQL}"
# The role or the database may have a statement_timeout, such as Supabase's two minutes, but the COPY of a large file
# takes longer. SET LOCAL ends with the transaction, so it also works behind a transaction pooler.
LIMIT_IDLE_SQL = f"""
{READ_COMMITTED_SQL}; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; {SET_IDLE_LIMIT_SQL}
"""
LIMIT_WAITS_SQL = f"{LIMIT_IDLE_SQL}; {SET_LOCK_LIMIT_SQL}"
# What to do, by a part of libpq's message.
CERTIFICATE_ADVICE = {
    "certificate verify failed": (
        "The server's certificate is not signed by the expected authority: set sslrootcert in DATABASE_URL to the file"
        " with the certificate of the authority that signed it"
    ),
    "does not match host name": "Use the name of the server for which its certificate was issued in DATABASE_URL",
    "root certificate file": "Set sslrootcert in DATABASE_URL to a file that this process can read",
    "does not support SSL": "Turn TLS on in the server, or choose another sslmode in DATABASE_URL",
}


class Component(StrEnum):
    """The component that opened a connection: its `application_name` in `pg_stat_activity`."""

    WEB = "acme-web"
    READS = "acme-reads"
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


def connect(
    url: str,
    component: Component,
    *,
    asynchronous: bool = False,
    timeout_seconds: int = CONNECT_TIMEOUT_SECONDS,
    **options: Any,
) -> Connection:
    """Open a connection named after its component, whose session has `SESSION_SETTINGS`.

    `url` may name several hosts, as libpq allows; `options` are further ones of libpq. Raises
    `psycopg2.OperationalError` if no host can be reached; each gets `timeout_seconds`. Each connection also sets
    `database.clock`. An `asynchronous` one is only begun and does not: the caller must wait for it, for each of its
    statements, and run `session_statement` first.
    """
    connection: Connection = psycopg2.connect(
        url,
        connect_timeout=timeout_seconds,
        application_name=component.value,
        client_encoding="utf8",
        async_=asynchronous,
        **{**KEEPALIVE_OPTIONS, **options},
    )
    if not asynchronous:
        try:
            _prepare_session(connection)
            clock.synchronize(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def session_statement(connection: Connection) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that gives the session of a connection `SESSION_SETTINGS`, and its parameters.

    The connection must be in autocommit mode while it runs.
    """
    settings = SESSION_SETTINGS | {
        name: value
        for name, (value, first_version) in NEW_SESSION_SETTINGS.items()
        if connection.server_version >= first_version
    }
    return PREPARE_SESSION_SQL, (connection.info.backend_pid, list(settings), list(settings.values()))


def _prepare_session(connection: Connection) -> None:
    # psycopg2 only keeps a flag.
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(*session_statement(connection))
    connection.autocommit = False


def explain_failure(error: BaseException | None) -> str:
    """Return in one line why a connection could not be opened, and what to do if a certificate is to blame."""
    reason = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    advice = next((text for sign, text in CERTIFICATE_ADVICE.items() if sign in reason), "")
    return f"{reason}. {advice}" if advice else reason


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
