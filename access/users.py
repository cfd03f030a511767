"""People: the first administrator, invitations, changes of roles, passwords."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from access import sessions
from access.passwords import hash_password, matches
from access.roles import Role
from models import Installation, User


class LastAdministrator(Exception):
    """A change would leave the installation without an administrator who can sign in."""


class AlreadyClaimed(Exception):
    """The first person exists already."""


class EmailTaken(Exception):
    """Another person has this email address."""


class FirstPersonNotAdministrator(Exception):
    """The first person must be an administrator, because nobody else could invite one."""


def lock_people(session: Session) -> Installation:
    """Let transactions that change people take turns; return the state of the installation."""
    return session.scalars(select(Installation).with_for_update()).one()


def create_first_administrator(session: Session, *, email: str, name: str, password: str) -> User:
    """Create the first person. Raises `AlreadyClaimed` if there was one before, even if they are gone."""
    if lock_people(session).claimed_at is not None:
        raise AlreadyClaimed
    return create_user(session, email=email, name=name, role=Role.ADMIN, password=password)


def create_user(session: Session, *, email: str, name: str, role: str, password: str | None = None) -> User:
    """Create a person; without a password they need a link.

    The first person ends the administrator "local" for ever, and must be an administrator. Raises `EmailTaken` and
    `FirstPersonNotAdministrator`.
    """
    installation = lock_people(session)
    if installation.claimed_at is None:
        if role != Role.ADMIN:
            raise FirstPersonNotAdministrator
        installation.claimed_at = func.clock_timestamp()
    if find_by_email(session, email) is not None:
        raise EmailTaken
    user = User(email=email, name=name, role=str(role))
    if password is not None:
        _set_password_hash(user, password)
    session.add(user)
    session.flush()
    return user


def find_by_email(session: Session, email: str) -> User | None:
    """Return the person with this email address, without regard to case."""
    return session.scalar(select(User).where(func.lower(User.email) == func.lower(email.strip())))


def list_users(session: Session) -> Sequence[User]:
    """Return everyone, sorted by name."""
    return session.scalars(select(User).order_by(func.lower(User.name), User.id)).all()


def verify_password(session: Session, email: str, password: str) -> User | None:
    """Return the person with this email address and password; None if there is none, or they are disabled.

    The answer takes the same time whether or not the account exists.
    """
    user = find_by_email(session, email)
    is_match = matches(password, user.password_hash if user else None)
    return user if user is not None and is_match and user.disabled_at is None else None


def change_user(
    session: Session,
    user: User,
    *,
    email: str | None = None,
    name: str | None = None,
    role: str | None = None,
    disabled: bool | None = None,
) -> dict[str, list[object]]:
    """Change the given values of a person; return the changed fields with their values before and after.

    A change of the role, or disabling, ends the person's sessions. Raises `EmailTaken` and `LastAdministrator`.
    """
    lock_people(session)
    session.refresh(user)
    changes: dict[str, list[object]] = {}
    for field, value in (("email", email), ("name", name), ("role", role)):
        if value is not None and getattr(user, field) != value:
            changes[field] = [getattr(user, field), value]
    if disabled is not None and disabled != (user.disabled_at is not None):
        changes["disabled"] = [not disabled, disabled]
    if "email" in changes:
        other = find_by_email(session, str(email))
        if other is not None and other.id != user.id:
            raise EmailTaken
    loses_rights = (changes.get("role", [None])[0] == Role.ADMIN) or (changes.get("disabled", [None, None])[1] is True)
    if loses_rights:
        _require_another_administrator(session, user)
    for field in changes.keys() - {"disabled"}:
        setattr(user, field, changes[field][1])
    if "disabled" in changes:
        user.disabled_at = func.clock_timestamp() if disabled else None
    if "role" in changes or disabled:
        sessions.revoke_sessions(session, user.id)
    session.flush()
    return changes


def delete_user(session: Session, user: User) -> None:
    """Delete a person with their sessions, links and keys. Raises `LastAdministrator`."""
    lock_people(session)
    _require_another_administrator(session, user)
    session.delete(user)
    session.flush()


def set_password(session: Session, user: User, password: str, *, except_session_id: int | None = None) -> None:
    """Set the password of a person, which ends all their sessions except the given one."""
    _set_password_hash(user, password)
    sessions.revoke_sessions(session, user.id, except_id=except_session_id)
    session.flush()


def _set_password_hash(user: User, password: str) -> None:
    user.password_hash = hash_password(password)
    user.password_changed_at = func.clock_timestamp()


def _require_another_administrator(session: Session, user: User) -> None:
    """Raise `LastAdministrator` if nobody else is an administrator who can sign in."""
    if user.role != Role.ADMIN or user.disabled_at is not None:
        return
    can_sign_in = User.password_hash.is_not(None) | User.subject.is_not(None)
    others = select(func.count()).where(User.role == Role.ADMIN, User.disabled_at.is_(None), User.id != user.id)
    if not session.scalar(others.where(can_sign_in)):
        raise LastAdministrator
