"""Time limits for the statements of web requests, so that none keeps a thread and a connection for long.

Both limits are set with SET LOCAL: it works behind a transaction pooler, and it replaces a limit of the database role.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine

from database.connect import READ_COMMITTED_SQL

LONG_STATEMENT_SECONDS = 600
LIMIT_LONG_STATEMENTS_SQL = f"SET LOCAL statement_timeout = '{LONG_STATEMENT_SECONDS}s'"


def limit_statements(engine: Engine, seconds: int, *, further_limits: Callable[[], str] = lambda: "") -> None:
    """Limit every statement of this engine's transactions; a longer one raises `psycopg2.errors.QueryCanceled`.

    `further_limits()` returns the SQL of other limits of a transaction that begins.
    """
    statement = f"{READ_COMMITTED_SQL}; SET LOCAL statement_timeout = '{seconds}s'"

    # SQLAlchemy calls this to begin a transaction, and handles its errors as those of a statement. A cursor of the
    # driver takes half the time of SQLAlchemy's.
    def begin(connection: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"{statement}; {further_limits()}")

    engine.dialect.do_begin = begin  # type: ignore[assignment,method-assign]


def allow_long_statements(cursor: Cursor) -> None:
    """Give the statements of this transaction LONG_STATEMENT_SECONDS, because they may change all products."""
    cursor.execute(LIMIT_LONG_STATEMENTS_SQL)
