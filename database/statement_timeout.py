"""Time limits for the statements of web requests, so that none keeps a thread and a connection for long.

Both limits are set with SET LOCAL: it works behind a transaction pooler, and it replaces a limit of the database role.
"""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Connection, Engine, event

LONG_STATEMENT_SECONDS = 600
LIMIT_LONG_STATEMENTS_SQL = f"SET LOCAL statement_timeout = '{LONG_STATEMENT_SECONDS}s'"


def limit_statements(engine: Engine, seconds: int) -> None:
    """Limit every statement of this engine's transactions; a longer one raises `psycopg2.errors.QueryCanceled`."""
    statement = f"SET LOCAL statement_timeout = '{seconds}s'"

    @event.listens_for(engine, "begin")
    def _limit(connection: Connection) -> None:
        connection.exec_driver_sql(statement)


def allow_long_statements(cursor: Cursor) -> None:
    """Give the statements of this transaction LONG_STATEMENT_SECONDS, because they may change all products."""
    cursor.execute(LIMIT_LONG_STATEMENTS_SQL)
