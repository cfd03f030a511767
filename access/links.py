"""Links that can be used once: for the first administrator, an invitation, or a new password."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from access.tokens import create_token, hash_token
from models import UserLink

SETUP, INVITATION, RESET = "setup", "invitation", "reset"
VALID_HOURS = {SETUP: 1, INVITATION: 7 * 24, RESET: 24}


def create_link(session: Session, purpose: str, user_id: int | None = None) -> str:
    """Create a link and return its token. It replaces the earlier links of the person."""
    if user_id is not None:
        revoke_links(session, user_id)
    token = create_token()
    lifetime = func.make_interval(0, 0, 0, 0, VALID_HOURS[purpose])
    session.add(
        UserLink(
            token_hash=hash_token(token),
            purpose=purpose,
            user_id=user_id,
            expires_at=func.clock_timestamp() + lifetime,
        )
    )
    session.flush()
    return token


def find_link(session: Session, token: str, *purposes: str) -> UserLink | None:
    """Return the link with this token, or None if it does not exist, was used or has expired."""
    return session.scalar(select(UserLink).where(*_is_usable(token, purposes)))


def use_link(session: Session, token: str, *purposes: str) -> UserLink | None:
    """Use a link up and return it, or None if it cannot be used. Of two uses at the same time, one gets it."""
    use = update(UserLink).where(*_is_usable(token, purposes)).values(used_at=func.clock_timestamp())
    return session.scalar(use.returning(UserLink))


def _is_usable(token: str, purposes: Sequence[str]) -> Sequence[ColumnElement[bool]]:
    """Return the conditions for the link with a token: it has one of the purposes, is unused and has not expired."""
    return (
        UserLink.token_hash == hash_token(token),
        UserLink.purpose.in_(purposes),
        UserLink.used_at.is_(None),
        UserLink.expires_at > func.clock_timestamp(),
    )


def revoke_links(session: Session, user_id: int) -> None:
    """Delete the links of a person that were not used."""
    session.execute(delete(UserLink).where(UserLink.user_id == user_id, UserLink.used_at.is_(None)))


def prune(cursor: Cursor) -> None:
    """Delete links that ended more than a week ago."""
    cursor.execute("DELETE FROM user_links WHERE expires_at < clock_timestamp() - interval '7 days'")
