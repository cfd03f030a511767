"""Finds the actor that a credential belongs to: one indexed read for a session, a key, or the administrator "local"."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, TextClause, text

from access import actors
from access.actors import LOCAL, Actor
from access.tokens import hash_token

# A person sees when a session or a key was last used. Writing that in every request would be a waste.
USE_INTERVAL = "interval '1 minute'"
READ_SESSION_SQL = text(f"""
SELECT s.id, s.user_id, u.name, u.role, s.seen_at < clock_timestamp() - {USE_INTERVAL} AS is_stale
FROM user_sessions s JOIN users u ON u.id = s.user_id
WHERE s.token_hash = :hash AND u.disabled_at IS NULL AND s.expires_at > clock_timestamp()
    AND s.seen_at > clock_timestamp() - make_interval(secs => :idle_seconds)
""")
READ_KEY_SQL = text(f"""
SELECT k.id, k.name, k.scopes, k.user_id, u.role,
    coalesce(k.last_used_at < clock_timestamp() - {USE_INTERVAL}, true) AS is_stale
FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE k.key_hash = :hash AND k.revoked_at IS NULL AND u.disabled_at IS NULL
    AND coalesce(k.expires_at > clock_timestamp(), true)
""")
# Of several requests at the same time, the first one writes, and the others do not wait for it.
TOUCH_SESSION_SQL = text(f"""
UPDATE user_sessions SET seen_at = clock_timestamp() WHERE id = (
    SELECT id FROM user_sessions WHERE id = :id AND seen_at < clock_timestamp() - {USE_INTERVAL}
    FOR UPDATE SKIP LOCKED
)
""")
TOUCH_KEY_SQL = text(f"""
UPDATE api_keys SET last_used_at = clock_timestamp() WHERE id = (
    SELECT id FROM api_keys
    WHERE id = :id AND coalesce(last_used_at < clock_timestamp() - {USE_INTERVAL}, true) FOR UPDATE SKIP LOCKED
)
""")
READ_ROLES_OF_SESSIONS_SQL = text("""
SELECT s.id, u.role FROM user_sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = ANY(:ids) AND u.disabled_at IS NULL AND s.expires_at > clock_timestamp()
""")
READ_ROLES_OF_KEYS_SQL = text("""
SELECT k.id, u.role FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE k.id = ANY(:ids) AND k.revoked_at IS NULL AND u.disabled_at IS NULL
    AND coalesce(k.expires_at > clock_timestamp(), true)
""")
IS_CLAIMED_SQL = text("SELECT claimed_at IS NOT NULL FROM installation")


def find_session(connection: Connection, token: str, *, idle_seconds: int) -> Actor | None:
    """Return the person whose session has this token, or None if there is no such session any more.

    The session ends after `idle_seconds` without a request. `connection` commits each statement.
    """
    row = connection.execute(READ_SESSION_SQL, {"hash": hash_token(token), "idle_seconds": idle_seconds}).first()
    if row is None:
        return None
    if row.is_stale:
        connection.execute(TOUCH_SESSION_SQL, {"id": row.id})
    return actors.person(row.user_id, row.name, row.role, session_id=row.id)


def find_key(connection: Connection, key: str) -> Actor | None:
    """Return the actor for an API key, or None if it is unknown, revoked or expired, or its owner is disabled.

    `key` is well-formed; `connection` commits each statement.
    """
    row = connection.execute(READ_KEY_SQL, {"hash": hash_token(key)}).first()
    if row is None:
        return None
    if row.is_stale:
        connection.execute(TOUCH_KEY_SQL, {"id": row.id})
    return actors.api_key(row.id, row.name, row.scopes, owner_id=row.user_id, owner_role=row.role)


def find_local(connection: Connection) -> Actor | None:
    """Return the administrator "local", or None once the first person has been created."""
    return None if is_claimed(connection) else LOCAL


def find_ended(connection: Connection, actors: Collection[Actor]) -> set[Actor]:
    """Return those actors who may no longer do what they could when they were found.

    Their session or key has ended, they were disabled, their role changed, or "local" no longer exists.
    """
    sessions = [actor.session_id for actor in actors if actor.session_id is not None]
    keys = [actor.id for actor in actors if actor.type == "key"]
    role_of_session = _read_roles(connection, READ_ROLES_OF_SESSIONS_SQL, sessions)
    role_of_key = _read_roles(connection, READ_ROLES_OF_KEYS_SQL, keys)
    local_has_ended = LOCAL in actors and is_claimed(connection)

    def has_ended(actor: Actor) -> bool:
        if actor.session_id is not None:
            return role_of_session.get(actor.session_id) != actor.role
        if actor.type == "key":
            return role_of_key.get(actor.id) != actor.role
        return actor == LOCAL and local_has_ended

    return {actor for actor in actors if has_ended(actor)}


def _read_roles(connection: Connection, statement: TextClause, ids: Sequence[int | None]) -> dict[int | None, str]:
    """Return the roles of the people behind sessions or keys, by the ids of these."""
    if not ids:
        return {}
    return {row.id: row.role for row in connection.execute(statement, {"ids": list(ids)})}


def is_claimed(connection: Connection) -> bool:
    """Return whether the first person has been created."""
    return bool(connection.scalar(IS_CLAIMED_SQL))
