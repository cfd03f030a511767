"""Waiting for PostgreSQL's notifications (LISTEN and NOTIFY)."""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from typing import Protocol

from psycopg2.extensions import Notify
from psycopg2.extensions import connection as Connection


class HasFileno(Protocol):
    """Anything that a selector can wait for, such as a socket."""

    def fileno(self) -> int:
        """Return the file descriptor."""


class Listener:
    """Wait for the notifications of some channels on one connection, which it switches to autocommit.

    Behind a transaction pooler LISTEN has no effect. Pass `pooled=True` there: no notification ever arrives, and the
    caller must poll after each timeout.
    """

    def __init__(self, connection: Connection, channels: Sequence[str], *, pooled: bool = False) -> None:
        self._connection = connection
        self.pooled = pooled
        connection.autocommit = True
        if not pooled:
            with connection.cursor() as cursor:
                # The statements of this connection are short, but a role's statement_timeout may be even shorter.
                cursor.execute("; ".join(["SET statement_timeout = 0", *(f"LISTEN {channel}" for channel in channels)]))

    def wait(self, seconds: float, *others: HasFileno) -> bool:
        """Wait until a notification arrives or one of `others` is readable, at most `seconds`.

        Returns False after the timeout. Raises `psycopg2.OperationalError` if the connection is lost.
        """
        # A selector accepts the high file descriptors of a process with many streams; `select.select` does not.
        with selectors.DefaultSelector() as selector:
            for other in others:
                selector.register(other, selectors.EVENT_READ)
            if not self.pooled:
                # Statements that ran on this connection may have received notifications already.
                if self._connection.notifies:
                    return True
                selector.register(self._connection, selectors.EVENT_READ)
            ready = bool(selector.select(max(0.0, seconds)))
        if ready and not self.pooled:
            self._connection.poll()
        return ready

    def receive(self) -> list[Notify]:
        """Return the notifications that have arrived since the last call."""
        if not self.pooled:
            self._connection.poll()
        notifications = list(self._connection.notifies)
        self._connection.notifies.clear()
        return notifications
