"""People, sessions and API keys in the database of a test, as the product creates them.

The first person claims the installation, so from then on nobody is the administrator "local" any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from access.passwords import hash_password
from access.roles import Scope
from access.tokens import SHOWN_PREFIX_CHARACTERS, SHOWN_SUFFIX_CHARACTERS, create_token, hash_token
from access.tokens import create_key as create_key_text
from support.database import execute

PASSWORD = "a password of many words"
INSERT_USER_SQL = "INSERT INTO users (email, name, role, password_hash) VALUES (%s, %s, %s, %s) RETURNING id"
CLAIM_SQL = "UPDATE installation SET claimed_at = coalesce(claimed_at, clock_timestamp())"
INSERT_SESSION_SQL = """
INSERT INTO user_sessions (token_hash, user_id, method, expires_at, confirmed_at, address, user_agent)
VALUES (%s, %s, 'password', clock_timestamp() + interval '1 day', clock_timestamp(), '127.0.0.1', 'test')
"""
INSERT_KEY_SQL = """
INSERT INTO api_keys (key_hash, name, prefix, last_four, scopes, user_id) VALUES (%s, 'test', %s, %s, %s, %s)
"""


def create_user(
    database_url: str, role: str = "admin", *, email: str | None = None, password: str | None = None
) -> int:
    """Create a person, by default without a password, claim the installation, and return the person's id."""
    email = email or f"{role}-{uuid.uuid4().hex}@example.com"
    password_hash = None if password is None else hash_password(password)
    [(user_id,)] = execute(database_url, INSERT_USER_SQL, (email, f"Test {role}", role, password_hash))
    execute(database_url, CLAIM_SQL)
    return int(user_id)


def create_session(database_url: str, user_id: int) -> str:
    """Sign a person in and return the token for the cookie; see api/session_cookie.py for the cookie's name."""
    token = create_token()
    execute(database_url, INSERT_SESSION_SQL, (hash_token(token), user_id))
    return token


def create_key(database_url: str, user_id: int, scopes: Iterable[str] = tuple(Scope)) -> str:
    """Create an API key of a person, by default with all scopes, and return its text."""
    key = create_key_text()
    shown = (key[:SHOWN_PREFIX_CHARACTERS], key[-SHOWN_SUFFIX_CHARACTERS:])
    execute(database_url, INSERT_KEY_SQL, (hash_token(key), *shown, [str(scope) for scope in scopes], user_id))
    return key
