"""API keys: scripts send them in place of a session."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload

from access import tokens
from models import ApiKey


def create_key(
    session: Session, *, user_id: int, name: str, scopes: Sequence[str], days: int | None = None
) -> tuple[ApiKey, str]:
    """Create a key that is valid for `days`, or until it is revoked; return it and its text."""
    secret = tokens.create_key()
    key = ApiKey(
        key_hash=tokens.hash_token(secret),
        name=name,
        prefix=secret[: tokens.SHOWN_PREFIX_CHARACTERS],
        last_four=secret[-tokens.SHOWN_SUFFIX_CHARACTERS :],
        scopes=list(scopes),
        user_id=user_id,
        expires_at=None if days is None else func.clock_timestamp() + func.make_interval(0, 0, 0, days),
    )
    session.add(key)
    session.flush()
    return key, secret


def list_keys(session: Session, user_id: int | None = None) -> Sequence[ApiKey]:
    """Return the keys of a person, or of everyone, the newest one first."""
    query = select(ApiKey).options(joinedload(ApiKey.user)).order_by(ApiKey.id.desc())
    return session.scalars(query if user_id is None else query.where(ApiKey.user_id == user_id)).all()


def revoke_key(session: Session, key: ApiKey, *, revoked_by: str) -> bool:
    """Revoke a key; return False if it was revoked already."""
    condition = (ApiKey.id == key.id, ApiKey.revoked_at.is_(None))
    values = {"revoked_at": func.clock_timestamp(), "revoked_by": revoked_by}
    revoked = session.scalar(update(ApiKey).where(*condition).values(values).returning(ApiKey.id))
    session.refresh(key)
    return revoked is not None
