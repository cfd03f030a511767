"""Writes the audit log for a request, in the transaction of its session."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from access.audit import Target, entry_values
from api.authentication import current_origin
from models import AuditEntry, db


def record(action: str, target: Target | None = None, **values: Any) -> None:
    """Write an entry for the current request; takes the same arguments as `access.audit.entry_values`."""
    db.session.execute(insert(AuditEntry).values(**entry_values(current_origin(), action, target, **values)))
