"""Writes the audit log for a request, in the transaction of its session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from psycopg2.extensions import cursor as Cursor

from access import audit
from access.actors import Actor
from access.audit import Target
from api.authentication import current_origin
from models import db


def record(action: str, target: Target | None = None, *, actor: Actor | None = None, **values: Any) -> None:
    """Write an entry for the current request; takes the same arguments as `access.audit.entry_values`.

    `actor` is who acts if that is not the actor of the request, such as somebody who signs in.
    """
    origin = current_origin()
    if actor is not None:
        origin = replace(origin, actor=actor)
    with _cursor() as cursor:
        audit.record(cursor, origin, action, target, **values)


def record_once(action: str, target: Target, **values: Any) -> None:
    """Write an entry unless the actor has the same one from within the last minute; see `access.audit.record_once`."""
    with _cursor() as cursor:
        audit.record_once(cursor, current_origin(), action, target, **values)


def _cursor() -> Cursor:
    """Return a cursor of the driver. SQLAlchemy takes longer to build the INSERT than PostgreSQL takes to run it."""
    connection: Any = db.session.connection().connection.driver_connection
    cursor: Cursor = connection.cursor()
    return cursor
