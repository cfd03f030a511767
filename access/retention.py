"""Deletes what is kept about people for a limited time.

These are old audit entries, edits of products as old as these, ended sessions, old links and failed sign-ins.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from access import links, sessions, throttle
from database.connect import transaction

BATCH_ENTRIES = 10_000
# The trigger that protects the audit log allows deletions in a transaction with this setting.
ALLOW_PRUNING_SQL = "SET LOCAL acme.prune_audit_log = on"
# Several workers may delete at the same time; each takes other rows.
DELETE_BATCH_SQL = """
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE at < clock_timestamp() - make_interval(days => %s)
    ORDER BY at LIMIT {rows} FOR UPDATE SKIP LOCKED
))
"""
# An edit has the name of its actor, so it is kept no longer than the entry in the audit log. It also has the full texts
# before and after, so a batch of edits is smaller.
BATCH_ROWS = {"audit_entries": BATCH_ENTRIES, "product_edits": 1_000}


@dataclass(frozen=True)
class AccessRetention:
    """How many days audit entries and edits are kept, and after how many seconds without use a session has ended."""

    audit_days: int
    session_idle_seconds: int


def delete_expired(connection: Connection, retention: AccessRetention, *, seconds: float) -> bool:
    """Delete what has expired; return False if it stops after about `seconds` with something left to delete.

    Rows are deleted in batches, each in a transaction of its own. `connection` must not be in a transaction.
    """
    ends_at = time.monotonic() + seconds
    with transaction(connection) as cursor:
        sessions.prune(cursor, idle_seconds=retention.session_idle_seconds)
        links.prune(cursor)
        throttle.prune(cursor)
    return all(_delete_old_rows(connection, table, retention.audit_days, ends_at) for table in BATCH_ROWS)


def _delete_old_rows(connection: Connection, table: str, days: int, ends_at: float) -> bool:
    """Delete the rows of a table of `BATCH_ROWS` that are older than `days`; return False if the time is up first.

    `ends_at` is in the seconds of `time.monotonic`.
    """
    batch_rows = BATCH_ROWS[table]
    while True:
        with transaction(connection) as cursor:
            cursor.execute(ALLOW_PRUNING_SQL)
            cursor.execute(DELETE_BATCH_SQL.format(table=table, rows=batch_rows), (days,))
            deleted = cursor.rowcount
        if deleted < batch_rows:
            return True
        if time.monotonic() > ends_at:
            return False
