"""How many cores the database server has, as far as a client can tell."""

from __future__ import annotations

import os

from psycopg2.extensions import cursor as Cursor

# SQL does not show the number of cores. But a server with the address of its client is on the client's machine, and an
# administrator who sets `max_parallel_workers` sets it to the number of cores; its default says nothing.
READ_CORES_SQL = """
SELECT inet_server_addr() IS NOT DISTINCT FROM inet_client_addr(), CASE WHEN source <> 'default' THEN setting::int END
FROM pg_settings WHERE name = 'max_parallel_workers'
"""


def read_cores(cursor: Cursor) -> int | None:
    """Return the number of cores of the database server that may be used, or None if it is unknown."""
    cursor.execute(READ_CORES_SQL)
    is_local, max_workers = cursor.fetchone() or (False, None)
    known = [os.cpu_count() or 1] if is_local else []
    if max_workers is not None:
        known.append(int(max_workers))
    return min(known, default=None)
