"""The web process's pool of connections: checks them before a request uses them, and lends one for a single read.

SQLAlchemy's `pool_pre_ping` asks the server each time. Most connections were used a moment ago, and the kernel already
knows whether the server has closed them since: then there is something to read from the socket. So the server is only
asked in that case, or if a connection was not used for a while, in which the network may have lost it silently.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

from database import clock
from monitoring.metrics import POOL_IN_USE

MAX_UNCHECKED_SECONDS = 1
USED_AT = "used_at"
IN_USE = "in_use"


def check_connections(engine: Engine) -> None:
    """Replace connections of this engine's pool that do not work any more when a request gets them.

    After the first one, the pool also replaces the others that are as old.
    """

    @event.listens_for(engine, "checkin")
    def _remember(connection: Any, record: Any) -> None:
        record.info[USED_AT] = time.monotonic()
        if record.info.pop(IN_USE, False):
            POOL_IN_USE.dec()

    @event.listens_for(engine, "checkout")
    def _check(connection: Any, record: Any, _fairy: Any) -> None:
        used_at = record.info.get(USED_AT)
        # A new connection has just answered.
        if used_at is not None:
            try:
                if time.monotonic() - used_at >= MAX_UNCHECKED_SECONDS or _has_input(connection):
                    engine.dialect.do_ping(connection)
                clock.refresh(connection)
            except psycopg2.Error:
                raise InvalidatePoolError from None
        record.info[IN_USE] = True
        POOL_IN_USE.inc()

    @event.listens_for(engine, "handle_error")
    def _leave_standby(context: Any) -> None:
        # The server was the primary, and is a standby since a failover: a new connection may reach the new primary.
        if isinstance(context.original_exception, errors.ReadOnlySqlTransaction):
            context.is_disconnect = True


@contextlib.contextmanager
def autocommitting(engine: Engine) -> Iterator[Cursor]:
    """Lend a cursor whose connection commits each statement by itself, so a read is a single round trip.

    With SQLAlchemy's isolation level AUTOCOMMIT it would be two: afterwards that sends a SET for the session, which has
    no place behind a transaction pooler either. psycopg2 only keeps a flag. Its cursor also takes a fraction of the
    time of SQLAlchemy's.
    """
    pooled = engine.raw_connection()
    try:
        connection: Any = pooled.driver_connection
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
        connection.autocommit = False
    except psycopg2.Error:
        # The connection may be lost, so the pool replaces it.
        pooled.invalidate()
        raise
    except BaseException:
        pooled.driver_connection.autocommit = False  # type: ignore[union-attr]
        raise
    finally:
        pooled.close()


def _has_input(connection: Any) -> bool:
    """Return whether the server has sent something since the last statement, such as why it closes the connection."""
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    except psycopg2.InterfaceError:
        # This process has closed it.
        return True
