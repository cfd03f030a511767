"""The audit log: who did what to which object, when and from where.

An entry is written in the transaction of the change that it reports, so neither exists without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from access.actors import SYSTEM, Actor

INSERT_SQL = """
INSERT INTO audit_entries (actor_type, actor_id, actor_name, action, target_type, target_id, target_name, outcome,
    address, request_id, changes)
VALUES (%(actor_type)s, %(actor_id)s, %(actor_name)s, %(action)s, %(target_type)s, %(target_id)s, %(target_name)s,
    %(outcome)s, %(address)s, %(request_id)s, %(changes)s)
"""
MASK = "•••"
SECRET_FIELDS = {"secret", "previous_secret", "password", "token", "key"}


@dataclass(frozen=True)
class Origin:
    """Where a change comes from: its actor, the address of the client, and the id of the request."""

    actor: Actor
    address: str | None = None
    request_id: str | None = None


SYSTEM_ORIGIN = Origin(SYSTEM)


@dataclass(frozen=True)
class Target:
    """The object of an action: its type, such as `product`, its id, and its name at that time."""

    type: str
    id: str | int | None = None
    name: str | None = None


def entry_values(
    origin: Origin,
    action: str,
    target: Target | None = None,
    *,
    outcome: str = "success",
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the columns of an entry.

    `action` names the object and the verb, such as `webhook.updated`. `changes` maps each field to its values before
    and after; the values of secrets are masked.
    """
    masked = {name: _mask(value) if name in SECRET_FIELDS else value for name, value in (changes or {}).items()}
    return {
        "actor_type": origin.actor.type,
        "actor_id": origin.actor.id,
        "actor_name": origin.actor.name,
        "action": action,
        "target_type": target.type if target else None,
        "target_id": None if target is None or target.id is None else str(target.id),
        "target_name": target.name if target else None,
        "outcome": outcome,
        "address": origin.address,
        "request_id": origin.request_id,
        "changes": masked or None,
    }


def record(cursor: Cursor, origin: Origin, action: str, target: Target | None = None, **values: Any) -> None:
    """Write an entry in the transaction of this cursor; takes the same arguments as `entry_values`."""
    columns = entry_values(origin, action, target, **values)
    cursor.execute(INSERT_SQL, {**columns, "changes": Json(columns["changes"]) if columns["changes"] else None})


def _mask(value: Any) -> Any:
    """Return a secret value, or a list of secret values, as the mask; an empty value stays empty."""
    if isinstance(value, (list, tuple)):
        return [_mask(item) for item in value]
    return MASK if value else value
