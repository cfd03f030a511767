"""What is known about the builds of search indexes: a row of `search_index_builds` for each kind of index.

All workers share these rows, so a failed build is not repeated by each of them, nor at once after a restart.
"""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

# The delay after a failed build doubles with each further failure.
FIRST_DELAY_SECONDS = 60
MAX_DELAY_SECONDS = 3600

RECORD_START_SQL = """
INSERT INTO search_index_builds AS b (kind, attempts, attempted_at) VALUES (%s, 1, clock_timestamp())
ON CONFLICT (kind) DO UPDATE SET attempts = b.attempts + 1, attempted_at = excluded.attempted_at
"""
RECORD_FAILURE_SQL = "UPDATE search_index_builds SET attempted_at = clock_timestamp(), error = %s WHERE kind = %s"
# An attempt that yielded to a job says nothing about whether the index can be built.
RECORD_YIELD_SQL = "UPDATE search_index_builds SET attempts = greatest(attempts - 1, 0) WHERE kind = %s"
RECORD_SUCCESS_SQL = "UPDATE search_index_builds SET attempts = 0, error = NULL WHERE kind = %s"
# A build that was interrupted counts as failed, because it may have taken its worker or the server down.
FIND_BACKING_OFF_SQL = """
SELECT kind FROM search_index_builds WHERE attempts > 0 AND attempted_at > clock_timestamp()
    - make_interval(secs => least(%(first)s * 2 ^ least(attempts - 1, 30), %(longest)s))
"""
FIND_ERROR_SQL = "SELECT kind || ': ' || error FROM search_index_builds WHERE error IS NOT NULL ORDER BY kind LIMIT 1"


def record_start(cursor: Cursor, kind: str) -> None:
    """Record that the build of an index begins. `attempts` counts the builds since the last one that succeeded."""
    cursor.execute(RECORD_START_SQL, (kind,))


def record_failure(cursor: Cursor, kind: str, error: str) -> None:
    """Record why the build of an index failed."""
    cursor.execute(RECORD_FAILURE_SQL, (error, kind))


def record_yield(cursor: Cursor, kind: str) -> None:
    """Record that the build of an index stopped because a job started. It does not count as an attempt."""
    cursor.execute(RECORD_YIELD_SQL, (kind,))


def record_success(cursor: Cursor, kind: str) -> None:
    """Record that an index was built."""
    cursor.execute(RECORD_SUCCESS_SQL, (kind,))


def find_backing_off(cursor: Cursor) -> set[str]:
    """Return the kinds of indexes whose last build failed so recently that it is too early for another attempt."""
    cursor.execute(FIND_BACKING_OFF_SQL, {"first": FIRST_DELAY_SECONDS, "longest": MAX_DELAY_SECONDS})
    return {kind for (kind,) in cursor.fetchall()}


def find_error(cursor: Cursor) -> str | None:
    """Return why the last build of an index failed, if one did: its kind and PostgreSQL's message."""
    cursor.execute(FIND_ERROR_SQL)
    row = cursor.fetchone()
    return row[0] if row else None
