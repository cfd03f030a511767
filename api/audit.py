"""Writes the audit log for a request, in the transaction of its session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import insert

from access.actors import Actor
from access.audit import Target, entry_values
from api.authentication import current_origin
from models import AuditEntry, db


def record(action: str, target: Target | None = None, *, actor: Actor | None = None, **values: Any) -> None:
    """Write an entry for the current request; takes the same arguments as `access.audit.entry_values`.

    `actor` is who acts if that is not the actor of the request, such as somebody who signs in.
    """
    origin = current_origin()
    if actor is not None:
        origin = replace(origin, actor=actor)
    db.session.execute(insert(AuditEntry).values(**entry_values(origin, action, target, **values)))
