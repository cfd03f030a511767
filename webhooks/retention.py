"""Removes old deliveries and deleted webhooks, in many small transactions.

An event may have millions of deliveries, and a delivery any number of attempts. So each transaction removes a limited
number of both. Rows that another transaction has locked are left for the next time, so this neither waits for others
nor deadlocks with them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.connect import Component, connected, log_database_error, transaction

Result = TypeVar("Result")

CHECK_SECONDS = 60
# Changes of webhooks that follow each other closely cause one check.
MIN_PAUSE_SECONDS = 1
DELIVERIES_PER_TRANSACTION = 500
ATTEMPTS_PER_TRANSACTION = 2000
EVENTS_PER_TRANSACTION = 100
HOURS_PER_TRANSACTION = 2000
# The chart of response times shows at most seven days.
RESPONSE_TIME_DAYS = 8
# How long the row of a deleted webhook is kept: a statement that began before the deletion may still insert a delivery,
# which refers to the row.
DELETED_WEBHOOK_SECONDS = 3600

LIST_DELETED_WEBHOOKS_SQL = "SELECT id FROM webhooks WHERE deleted_at IS NOT NULL ORDER BY id"
LOCK_DELIVERIES_OF_WEBHOOK_SQL = """
SELECT id, created_at FROM webhook_deliveries
WHERE webhook_id = %(webhook)s AND (created_at, id) > (%(last_created_at)s, %(last_id)s)
ORDER BY created_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
LIST_OLD_EVENTS_SQL = """
SELECT id, created_at FROM webhook_events
WHERE created_at < clock_timestamp() - make_interval(days => %(days)s)
    AND (created_at, id) > (%(last_created_at)s, %(last_id)s)
ORDER BY created_at, id LIMIT %(limit)s
"""
LOCK_DELIVERIES_OF_EVENTS_SQL = """
SELECT id, created_at FROM webhook_deliveries WHERE event_id = ANY (%(events)s) LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
DELETE_ATTEMPTS_SQL = """
WITH these AS MATERIALIZED (
    SELECT id FROM webhook_attempts WHERE delivery_id = ANY (%(deliveries)s) LIMIT %(limit)s
)
DELETE FROM webhook_attempts a USING these WHERE a.id = these.id
"""
DELETE_DELIVERIES_SQL = "DELETE FROM webhook_deliveries WHERE id = ANY (%(deliveries)s)"
DELETE_EVENTS_SQL = """
DELETE FROM webhook_events WHERE id IN (
    SELECT id FROM webhook_events e WHERE id = ANY (%(events)s)
        AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = e.id)
    FOR UPDATE SKIP LOCKED
)
"""
DELETE_WEBHOOK_SQL = """
DELETE FROM webhooks WHERE id IN (
    SELECT id FROM webhooks w WHERE id = %(webhook)s
        AND deleted_at < clock_timestamp() - make_interval(secs => %(seconds)s)
        AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id)
    FOR UPDATE SKIP LOCKED
)
"""
DELETE_OLD_HOURS_SQL = """
WITH old AS MATERIALIZED (
    SELECT webhook_id, hour FROM webhook_hours WHERE hour < clock_timestamp() - make_interval(days => %(days)s)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM webhook_hours h USING old WHERE (h.webhook_id, h.hour) = (old.webhook_id, old.hour)
"""
DELETE_OLD_RESPONSE_TIMES_SQL = """
WITH old AS MATERIALIZED (
    SELECT webhook_id, hour, response_time_ms FROM webhook_response_times
    WHERE hour < clock_timestamp() - make_interval(days => %(days)s) LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM webhook_response_times t USING old
WHERE (t.webhook_id, t.hour, t.response_time_ms) = (old.webhook_id, old.hour, old.response_time_ms)
"""


class Retention:
    """Removes what is no longer needed, from time to time and when `check` is called.

    It opens a connection only for the duration of a check, and pauses between checks.
    """

    def __init__(self, url: str, days: int, *, stopping: threading.Event) -> None:
        self._url = url
        self._days = days
        self._stopping = stopping
        self._check_now = threading.Event()

    def check(self) -> None:
        """Check soon, for example because a webhook was deleted or because `stopping` was set."""
        self._check_now.set()

    def run(self) -> None:
        """Check until `stopping` is set and `check` was called."""
        while not self._stopping.is_set():
            self._check_now.clear()
            try:
                with connected(self._url, Component.DISPATCHER) as connection:
                    remove_deleted_webhooks(connection, stopping=self._stopping)
                    remove_old(connection, self._days, stopping=self._stopping)
            except psycopg2.Error as error:
                log_database_error(error, "removal of old deliveries")
            self._stopping.wait(MIN_PAUSE_SECONDS)
            self._check_now.wait(CHECK_SECONDS)


def remove_deleted_webhooks(connection: Connection, *, stopping: threading.Event) -> None:
    """Remove the deliveries of deleted webhooks, and then the webhooks; return early when `stopping` is set."""
    for (webhook,) in _run(connection, lambda cursor: _fetch(cursor, LIST_DELETED_WEBHOOKS_SQL, {})):
        # The index still has entries of the rows that were removed, so each transaction begins after the previous one.
        values: dict[str, Any] | None = {"webhook": webhook, "last_created_at": "-infinity", "last_id": 0}
        while values is not None and not stopping.is_set():
            values = _remove_deliveries(connection, LOCK_DELIVERIES_OF_WEBHOOK_SQL, values)
        _delete(connection, DELETE_WEBHOOK_SQL, {"webhook": webhook, "seconds": DELETED_WEBHOOK_SECONDS})


def remove_old(connection: Connection, days: int, *, stopping: threading.Event) -> None:
    """Remove events older than `days` with their deliveries, and old hourly counts."""
    values: dict[str, Any] = {"days": days, "last_created_at": "-infinity", "last_id": 0}
    while not stopping.is_set():
        page = {**values, "limit": EVENTS_PER_TRANSACTION}
        events = _run(connection, lambda cursor, page=page: _fetch(cursor, LIST_OLD_EVENTS_SQL, page))  # type: ignore[misc]
        if not events:
            break
        of_events = {"events": [id for id, _ in events]}
        while not stopping.is_set():
            if _remove_deliveries(connection, LOCK_DELIVERIES_OF_EVENTS_SQL, of_events) is None:
                break
        _delete(connection, DELETE_EVENTS_SQL, of_events)
        values["last_id"], values["last_created_at"] = events[-1]
    for statement, days_kept in ((DELETE_OLD_HOURS_SQL, days), (DELETE_OLD_RESPONSE_TIMES_SQL, RESPONSE_TIME_DAYS)):
        while not stopping.is_set():
            if not _delete(connection, statement, {"days": days_kept, "limit": HOURS_PER_TRANSACTION}):
                break


def _remove_deliveries(connection: Connection, lock_sql: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """Remove some of the deliveries that a statement locks, in one transaction; return None if it locks none.

    Otherwise returns the values of the statement for the next call.
    """

    def remove(cursor: Cursor) -> dict[str, Any] | None:
        locked = _fetch(cursor, lock_sql, {**values, "limit": DELIVERIES_PER_TRANSACTION})
        if not locked:
            return None
        ids = [id for id, _ in locked]
        cursor.execute(DELETE_ATTEMPTS_SQL, {"deliveries": ids, "limit": ATTEMPTS_PER_TRANSACTION})
        if cursor.rowcount >= ATTEMPTS_PER_TRANSACTION:
            # There may be more attempts. The deliveries follow once all of them are removed.
            return values
        cursor.execute(DELETE_DELIVERIES_SQL, {"deliveries": ids})
        last_id, last_created_at = locked[-1]
        return {**values, "last_created_at": last_created_at, "last_id": last_id}

    return _run(connection, remove)


def _delete(connection: Connection, statement: str, values: dict[str, Any]) -> int:
    """Run a DELETE in a transaction of its own; return the number of removed rows."""

    def delete(cursor: Cursor) -> int:
        cursor.execute(statement, values)
        return int(cursor.rowcount)

    return _run(connection, delete)


def _run(connection: Connection, work: Callable[[Cursor], Result]) -> Result:
    with transaction(connection) as cursor:
        return work(cursor)


def _fetch(cursor: Cursor, statement: str, values: dict[str, Any]) -> Sequence[tuple[Any, ...]]:
    cursor.execute(statement, values)
    return cursor.fetchall()
