"""The audit log in tests: its entries, and what keeps them from being written."""

from __future__ import annotations

from typing import Any

from support.database import execute

COLUMNS = (
    "actor_type",
    "actor_name",
    "action",
    "target_type",
    "target_id",
    "target_name",
    "outcome",
    "changes",
    "address",
    "request_id",
)


def read_entries(database_url: str, start: str = "") -> list[dict[str, Any]]:
    """Return the entries, the oldest one first, or only those of actions that start with a text."""
    statement = f"SELECT {', '.join(COLUMNS)} FROM audit_entries WHERE starts_with(action, %s) ORDER BY id"
    return [dict(zip(COLUMNS, row, strict=True)) for row in execute(database_url, statement, (start,))]


def read_actions(database_url: str, start: str = "") -> list[str]:
    """Return the actions of the entries, the oldest one first."""
    return [entry["action"] for entry in read_entries(database_url, start)]


def forbid_entries(database_url: str, action: str) -> None:
    """Make every entry with this action fail."""
    execute(database_url, f"ALTER TABLE audit_entries ADD CONSTRAINT forbid CHECK (action <> '{action}') NOT VALID")


def allow_entries(database_url: str) -> None:
    """End the effect of `forbid_entries`."""
    execute(database_url, "ALTER TABLE audit_entries DROP CONSTRAINT forbid")
