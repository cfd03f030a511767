"""Limits of the transactions of requests that write, so that no request waits for a lock or holds one for long."""

from __future__ import annotations

from typing import Any

from flask import has_request_context, request
from sqlalchemy import Connection, event

from database.connect import limit_waits
from models import db

# Requests with these methods do not write (RFC 9110, section 9.2.1).
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


@event.listens_for(db.session, "after_begin")
def _limit_waits(_session: Any, _transaction: Any, connection: Connection) -> None:
    """Limit the waits of a transaction that may write.

    If a limit is exceeded, the request gets the 503 `BUSY` of api/errors.py.
    """
    if has_request_context() and request.method not in SAFE_METHODS:
        driver_connection: Any = connection.connection.driver_connection
        with driver_connection.cursor() as cursor:
            limit_waits(cursor)
