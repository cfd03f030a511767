"""Databases of the test server, and statements outside of the product's own connections."""

from __future__ import annotations

from typing import Any

import psycopg2

# The migrations build this database once. The database of each test is a copy of it.
TEMPLATE_DATABASE = "template_of_tests"


def url_of(server_url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    head, _, query = server_url.partition("?")
    return f"{head.rpartition('/')[0]}/{database}" + (f"?{query}" if query else "")


def execute(url: str, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    """Run one statement in autocommit mode and return its rows; an empty list if it returns none."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            if cursor.description:
                return cursor.fetchall()
            # psycopg2 fetches no rows that have no columns.
            return [()] * cursor.rowcount if (cursor.statusmessage or "").startswith("SELECT") else []
    finally:
        connection.close()
