"""Finds an unfinished import. While there is one, some background work waits, and no client can delete all products."""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

# The partial index `import_jobs_unfinished_idx` answers this.
FIND_RUNNING_IMPORT_SQL = (
    "SELECT filename FROM import_jobs WHERE status IN ('pending', 'processing') ORDER BY id LIMIT 1"
)


def find_running_import(cursor: Cursor) -> str | None:
    """Return the file name of the oldest import that is waiting or running; None if there is none."""
    cursor.execute(FIND_RUNNING_IMPORT_SQL)
    row = cursor.fetchone()
    return row[0] if row else None
