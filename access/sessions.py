"""Sessions of people in browsers. PostgreSQL has them, so every web process knows them, and they can be revoked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from access.tokens import create_token, hash_token
from models import User, UserSession

MAX_USER_AGENT_CHARACTERS = 300
MAX_ADDRESS_CHARACTERS = 100
# How long the password that a person gave counts as a confirmation.
CONFIRMATION_SECONDS = 600
PRUNE_SQL = """
DELETE FROM user_sessions WHERE expires_at <= clock_timestamp()
    OR seen_at <= clock_timestamp() - make_interval(secs => %(idle_seconds)s)
"""


def create_session(
    session: Session, user: User, *, method: str, days: int, address: str, user_agent: str, replaced_token: str = ""
) -> str:
    """Sign a person in and return the token of the new session.

    `method` is one of `models.SIGN_IN_METHODS`. The session with `replaced_token`, which the browser had before, ends.
    """
    if replaced_token:
        session.execute(delete(UserSession).where(UserSession.token_hash == hash_token(replaced_token)))
    token = create_token()
    session.add(
        UserSession(
            token_hash=hash_token(token),
            user_id=user.id,
            method=method,
            expires_at=func.clock_timestamp() + func.make_interval(0, 0, 0, days),
            confirmed_at=func.clock_timestamp(),
            address=address[:MAX_ADDRESS_CHARACTERS],
            user_agent=user_agent[:MAX_USER_AGENT_CHARACTERS],
        )
    )
    user.last_signed_in_at = func.clock_timestamp()
    session.flush()
    return token


def list_sessions(session: Session, user_id: int, *, idle_seconds: int) -> Sequence[UserSession]:
    """Return the sessions of a person that have not ended, the last used one first."""
    oldest = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, idle_seconds)
    return session.scalars(
        select(UserSession)
        .where(UserSession.user_id == user_id, UserSession.expires_at > func.clock_timestamp())
        .where(UserSession.seen_at > oldest)
        .order_by(UserSession.seen_at.desc(), UserSession.id.desc())
    ).all()


def revoke_session(session: Session, user_id: int, session_id: int) -> bool:
    """End a session of a person; return whether it existed."""
    condition = (UserSession.user_id == user_id, UserSession.id == session_id)
    return session.scalar(delete(UserSession).where(*condition).returning(UserSession.id)) is not None


def revoke_sessions(session: Session, user_id: int, *, except_id: int | None = None) -> int:
    """End all sessions of a person, except one if given; return their number."""
    condition = [UserSession.user_id == user_id]
    if except_id is not None:
        condition.append(UserSession.id != except_id)
    return len(session.scalars(delete(UserSession).where(*condition).returning(UserSession.id)).all())


def confirm(session: Session, session_id: int) -> datetime | None:
    """Record that the person has just given the password; return until when that counts, or None without a session."""
    confirmed_at = session.scalar(
        update(UserSession)
        .where(UserSession.id == session_id)
        .values(confirmed_at=func.clock_timestamp())
        .returning(UserSession.confirmed_at)
    )
    return confirmed_at + timedelta(seconds=CONFIRMATION_SECONDS) if confirmed_at else None


def is_confirmed(session: Session, session_id: int) -> bool:
    """Return whether the person gave the password within the last `CONFIRMATION_SECONDS`, in this session."""
    oldest = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, CONFIRMATION_SECONDS)
    query = select(UserSession.id).where(UserSession.id == session_id, UserSession.confirmed_at > oldest)
    return session.scalar(query) is not None


def prune(cursor: Cursor, *, idle_seconds: int) -> None:
    """Delete the sessions that have ended."""
    cursor.execute(PRUNE_SQL, {"idle_seconds": idle_seconds})
