"""The audit log: who did what to which object, when and from where.

An entry is written in the transaction of the change that it reports, so neither exists without the other. What changes
nothing, such as a refusal, can happen thousands of times in a minute; `record_once` writes one entry for all.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from access.actors import Actor
from database.advisory_locks import AUDIT_CLASS, try_lock_pair

INSERT_SQL = """
INSERT INTO audit_entries (actor_type, actor_id, actor_name, action, target_type, target_id, target_name, outcome,
    address, request_id, changes)
VALUES (%(actor_type)s, %(actor_id)s, %(actor_name)s, %(action)s, %(target_type)s, %(target_id)s, %(target_name)s,
    %(outcome)s, %(address)s, %(request_id)s, %(changes)s)
"""
# For this long, one entry stands for the same action of the same actor on the same object.
REPEAT_INTERVAL = "interval '1 minute'"
HAS_RECENT_ENTRY_SQL = f"""
SELECT EXISTS (
    SELECT FROM audit_entries
    WHERE target_type = %(target_type)s AND target_id = %(target_id)s AND at > clock_timestamp() - {REPEAT_INTERVAL}
        AND action = %(action)s AND actor_type = %(actor_type)s AND actor_id IS NOT DISTINCT FROM %(actor_id)s
)
"""
MASK = "•••"
SECRET_FIELDS = {"secret", "previous_secret", "password", "token", "key"}
# A longer text is cut in an entry. A product's description may have a million characters.
MAX_VALUE_CHARACTERS = 1000


@dataclass(frozen=True)
class Origin:
    """Where a change comes from: its actor, the address of the client, and the id of the request."""

    actor: Actor
    address: str | None = None
    request_id: str | None = None


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
    and after, as JSON; the values of secrets are masked, and long texts are cut.
    """
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
        "changes": shown_changes(changes or {}) or None,
    }


def shown_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes as an entry has them: the values of secrets are masked, and long texts are cut."""
    return {name: _mask(value) if name in SECRET_FIELDS else _cut(value) for name, value in changes.items()}


def record(cursor: Cursor, origin: Origin, action: str, target: Target | None = None, **values: Any) -> None:
    """Write an entry in the transaction of this cursor; takes the same arguments as `entry_values`."""
    columns = entry_values(origin, action, target, **values)
    cursor.execute(INSERT_SQL, {**columns, "changes": Json(columns["changes"]) if columns["changes"] else None})


def record_once(cursor: Cursor, origin: Origin, action: str, target: Target, **values: Any) -> None:
    """Write an entry unless the actor has one for the same action on the same object from within the last minute.

    Takes the same arguments as `entry_values`. Of several transactions at the same time, one writes.
    """
    columns = entry_values(origin, action, target, **values)
    key = repr([columns[name] for name in ("actor_type", "actor_id", "action", "target_type", "target_id")])
    if not try_lock_pair(cursor, AUDIT_CLASS, zlib.crc32(key.encode("utf-8", "replace")) - 2**31):
        return
    cursor.execute(HAS_RECENT_ENTRY_SQL, columns)
    if cursor.fetchone() == (False,):
        record(cursor, origin, action, target, **values)


def _mask(value: Any) -> Any:
    """Return a secret value, or a list of secret values, as the mask; an empty value stays empty."""
    if isinstance(value, (list, tuple)):
        return [_mask(item) for item in value]
    return MASK if value else value


def _cut(value: Any) -> Any:
    """Return a value, with the texts in it cut to `MAX_VALUE_CHARACTERS`."""
    if isinstance(value, str):
        return value if len(value) <= MAX_VALUE_CHARACTERS else f"{value[:MAX_VALUE_CHARACTERS]}…"
    if isinstance(value, (list, tuple)):
        return [_cut(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _cut(item) for name, item in value.items()}
    return value
