"""Deletes what access control no longer needs: old audit entries, ended sessions, old links and failed sign-ins."""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from access import links, sessions, throttle
from database.connect import transaction

BATCH_ENTRIES = 10_000
# The trigger that protects the audit log allows deletions in a transaction with this setting.
ALLOW_PRUNING_SQL = "SET LOCAL acme.prune_audit_log = on"
# Several workers may delete at the same time; each takes other entries.
DELETE_ENTRIES_SQL = f"""
DELETE FROM audit_entries WHERE id = ANY (ARRAY(
    SELECT id FROM audit_entries WHERE at < clock_timestamp() - make_interval(days => %s)
    ORDER BY at LIMIT {BATCH_ENTRIES} FOR UPDATE SKIP LOCKED
))
"""


@dataclass(frozen=True)
class AccessRetention:
    """How many days entries of the audit log are kept, and after how many seconds without use a session has ended."""

    audit_days: int
    session_idle_seconds: int


def delete_expired(connection: Connection, retention: AccessRetention, *, seconds: float) -> bool:
    """Delete what has expired; return False if it stops after about `seconds` with something left to delete.

    Entries are deleted in batches, each in a transaction of its own. `connection` must not be in a transaction.
    """
    ends_at = time.monotonic() + seconds
    with transaction(connection) as cursor:
        sessions.prune(cursor, idle_seconds=retention.session_idle_seconds)
        links.prune(cursor)
        throttle.prune(cursor)
    while True:
        with transaction(connection) as cursor:
            cursor.execute(ALLOW_PRUNING_SQL)
            cursor.execute(DELETE_ENTRIES_SQL, (retention.audit_days,))
            deleted = cursor.rowcount
        if deleted < BATCH_ENTRIES:
            return True
        if time.monotonic() > ends_at:
            return False
