"""The one clock of the product: that of PostgreSQL.

Web processes and workers run on machines whose clocks may differ. So what leaves a process, or is compared with what
another one wrote, follows the database: in SQL by `clock_timestamp()`, elsewhere by `now()` and `unix_time()`. A
process learns the time whenever it connects, and asks again now and then (`refresh`). In between it counts on by a
clock that nobody sets. A standby has a clock of its own, which does not count.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection

REFRESH_SECONDS = 60
# It goes on while a machine sleeps. Where Linux's clock for that is missing, as on macOS, the monotonic one does so.
ELAPSED_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# The role may have another isolation level, which a standby would refuse. The statements are one transaction.
READ_CLOCK_SQL = """
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SELECT extract(epoch FROM clock_timestamp())::float WHERE NOT pg_is_in_recovery()
"""


class Clock:
    """A clock that is set by another one. Before that it shows the time of this machine."""

    def __init__(self) -> None:
        # The Unix time when ELAPSED_CLOCK was 0.
        self._origin: float | None = None
        self._set_at = 0.0

    @property
    def age_seconds(self) -> float:
        """How long ago the clock was set; infinite if it never was."""
        return float("inf") if self._origin is None else _elapsed() - self._set_at

    def unix_time(self) -> float:
        """Return the time in Unix seconds."""
        return time.time() if self._origin is None else self._origin + _elapsed()  # noqa: TID251

    def set(self, seconds: float, asked_at: float, answered_at: float) -> None:
        """Set the clock to a time that another one showed between two times of ELAPSED_CLOCK."""
        earliest, latest = seconds - answered_at, seconds - asked_at
        # An answer that took long says little, so it only corrects what it contradicts.
        origin = (earliest + latest) / 2 if self._origin is None else min(max(self._origin, earliest), latest)
        self._origin, self._set_at = origin, answered_at


def _elapsed() -> float:
    return time.clock_gettime(ELAPSED_CLOCK)


# Every process has one database.
_clock = Clock()


def unix_time() -> float:
    """Return the time of the database in Unix seconds."""
    return _clock.unix_time()


def now() -> datetime:
    """Return the time of the database, in UTC."""
    return datetime.fromtimestamp(unix_time(), UTC)


def synchronize(connection: Connection) -> None:
    """Ask the server for its time. The connection must be between two transactions."""
    was_autocommitting = connection.autocommit
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            asked_at = _elapsed()
            cursor.execute(READ_CLOCK_SQL)
            answered_at = _elapsed()
            if row := cursor.fetchone():
                _clock.set(row[0], asked_at, answered_at)
    finally:
        if not connection.closed:
            connection.autocommit = was_autocommitting


def refresh(connection: Connection) -> None:
    """Ask the server for its time if that is due. The connection must be between two transactions."""
    if _clock.age_seconds >= REFRESH_SECONDS:
        synchronize(connection)
