"""Finds the actor that a credential belongs to: one indexed read for a session, a key, or the administrator "local"."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg2.extensions import cursor as Cursor

from access import actors
from access.actors import LOCAL, Actor
from access.tokens import hash_token

# A person sees when a session or a key was last used. Writing that in every request would be a waste.
USE_INTERVAL = "interval '1 minute'"
# The planner takes longer for a join than for a subquery.
READ_SESSION_SQL = f"""
SELECT s.id, s.user_id, (SELECT ARRAY[u.name, u.role] FROM users u WHERE u.id = s.user_id AND u.disabled_at IS NULL),
    s.seen_at < clock_timestamp() - {USE_INTERVAL} AS is_stale
FROM user_sessions s
WHERE s.token_hash = %(hash)s AND s.expires_at > clock_timestamp()
    AND s.seen_at > clock_timestamp() - make_interval(secs => %(idle_seconds)s)
"""
READ_KEY_SQL = f"""
SELECT k.id, k.name, k.scopes, k.user_id, (SELECT u.role FROM users u WHERE u.id = k.user_id AND u.disabled_at IS NULL),
    coalesce(k.last_used_at < clock_timestamp() - {USE_INTERVAL}, true) AS is_stale
FROM api_keys k
WHERE k.key_hash = %(hash)s AND k.revoked_at IS NULL
    AND coalesce(k.expires_at > clock_timestamp(), true)
"""
# Of several requests at the same time, the first one writes, and the others do not wait for it.
TOUCH_SESSION_SQL = f"""
UPDATE user_sessions SET seen_at = clock_timestamp() WHERE id = (
    SELECT id FROM user_sessions WHERE id = %(id)s AND seen_at < clock_timestamp() - {USE_INTERVAL}
    FOR UPDATE SKIP LOCKED
)
"""
TOUCH_KEY_SQL = f"""
UPDATE api_keys SET last_used_at = clock_timestamp() WHERE id = (
    SELECT id FROM api_keys
    WHERE id = %(id)s AND coalesce(last_used_at < clock_timestamp() - {USE_INTERVAL}, true) FOR UPDATE SKIP LOCKED
)
"""
READ_ROLES_OF_SESSIONS_SQL = """
SELECT s.id, u.role FROM user_sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = ANY(%(ids)s) AND u.disabled_at IS NULL AND s.expires_at > clock_timestamp()
    AND s.seen_at > clock_timestamp() - make_interval(secs => %(idle_seconds)s)
"""
READ_ROLES_OF_KEYS_SQL = """
SELECT k.id, u.role FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE k.id = ANY(%(ids)s) AND k.revoked_at IS NULL AND u.disabled_at IS NULL
    AND coalesce(k.expires_at > clock_timestamp(), true)
"""
IS_CLAIMED_SQL = "SELECT claimed_at IS NOT NULL FROM installation"


def find_session(cursor: Cursor, token: str, *, idle_seconds: int, is_use: bool = True) -> Actor | None:
    """Return the person whose session has this token, or None if there is no such session any more.

    The session ends `idle_seconds` after its last use; a request that nobody has caused is none. The connection of the
    cursor commits each statement.
    """
    cursor.execute(READ_SESSION_SQL, {"hash": hash_token(token), "idle_seconds": idle_seconds})
    row = cursor.fetchone()
    if row is None or row[2] is None:
        return None
    session_id, user_id, (name, role), is_stale = row
    if is_stale and is_use:
        cursor.execute(TOUCH_SESSION_SQL, {"id": session_id})
    return actors.person(user_id, name, role, session_id=session_id)


def find_key(cursor: Cursor, key: str) -> Actor | None:
    """Return the actor for an API key, or None if it is unknown, revoked or expired, or its owner is disabled.

    `key` is well-formed; the cursor's connection commits each statement.
    """
    cursor.execute(READ_KEY_SQL, {"hash": hash_token(key)})
    row = cursor.fetchone()
    if row is None or row[4] is None:
        return None
    key_id, name, scopes, user_id, role, is_stale = row
    if is_stale:
        cursor.execute(TOUCH_KEY_SQL, {"id": key_id})
    return actors.api_key(key_id, name, scopes, owner_id=user_id, owner_role=role)


def find_local(cursor: Cursor) -> Actor | None:
    """Return the administrator "local", or None once the first person has been created."""
    return None if is_claimed(cursor) else LOCAL


def find_ended(cursor: Cursor, actors: Collection[Actor], *, idle_seconds: int) -> set[Actor]:
    """Return those actors who may no longer do what they could when they were found.

    Their session or key has ended, they were disabled, their role changed, or "local" no longer exists. A session ends
    after `idle_seconds` without a request.
    """
    sessions = [actor.session_id for actor in actors if actor.session_id is not None]
    keys = [actor.id for actor in actors if actor.type == "key"]
    role_of_session = _read_roles(cursor, READ_ROLES_OF_SESSIONS_SQL, sessions, idle_seconds=idle_seconds)
    role_of_key = _read_roles(cursor, READ_ROLES_OF_KEYS_SQL, keys)
    local_has_ended = LOCAL in actors and is_claimed(cursor)

    def has_ended(actor: Actor) -> bool:
        if actor.session_id is not None:
            return role_of_session.get(actor.session_id) != actor.role
        if actor.type == "key":
            return role_of_key.get(actor.id) != actor.role
        return actor == LOCAL and local_has_ended

    return {actor for actor in actors if has_ended(actor)}


def _read_roles(cursor: Cursor, statement: str, ids: Sequence[int | None], **parameters: int) -> dict[int | None, str]:
    """Return the roles of the people behind sessions or keys, by the ids of these."""
    if not ids:
        return {}
    cursor.execute(statement, {"ids": list(ids), **parameters})
    return dict(cursor.fetchall())


def is_claimed(cursor: Cursor) -> bool:
    """Return whether the first person has been created."""
    cursor.execute(IS_CLAIMED_SQL)
    return cursor.fetchone() == (True,)
