"""People: the first administrator, invitations, changes of roles, passwords."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from access import links, sessions
from access.passwords import hash_password, matches
from access.roles import Role
from models import Installation, User

# Those that browsers accept in <input type="email">: WHATWG HTML, "valid email address".
EMAIL_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL_PATTERN = rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{EMAIL_LABEL}(?:\.{EMAIL_LABEL})*"
EMAIL_RE = re.compile(EMAIL_PATTERN)


class LastAdministrator(Exception):
    """A change would leave the installation without an administrator who can sign in."""


class AlreadyClaimed(Exception):
    """The first person exists already."""


class EmailTaken(Exception):
    """Another person has this email address."""


class UserGone(Exception):
    """The person was deleted in the meantime."""


class InvalidEmail(ValueError):
    """This is not an email address, such as ada@example.com."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class FirstPersonNotAdministrator(Exception):
    """The first person must be an administrator, because nobody else could invite one."""


def normalise_email(email: str) -> str:
    """Return an email address in lower case and without surrounding spaces. Raises `InvalidEmail`.

    Two people must not have addresses that look the same or that PostgreSQL's lower() makes the same, so they consist
    of ASCII characters. An international domain is written in its ASCII form, as browsers send it (`xn--…`).
    """
    stripped = email.strip()
    if not EMAIL_RE.fullmatch(stripped):
        raise InvalidEmail
    return stripped.lower()


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

    The first person ends the administrator "local" for ever, and must be an administrator. Raises `EmailTaken`,
    `InvalidEmail` and `FirstPersonNotAdministrator`.
    """
    email = normalise_email(email)
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
    try:
        return session.scalar(select(User).where(func.lower(User.email) == normalise_email(email)))
    except InvalidEmail:
        return None


def lock_user(session: Session, user_id: int) -> User | None:
    """Return the current row of a person, locked until the transaction ends; None if there is none."""
    query = select(User).where(User.id == user_id).with_for_update(key_share=True)
    return session.scalar(query.execution_options(populate_existing=True))


def list_users(session: Session) -> Sequence[User]:
    """Return everyone, sorted by name."""
    return session.scalars(select(User).order_by(func.lower(User.name), User.id)).all()


def verify_password(session: Session, email: str, password: str) -> User | None:
    """Return the person with this email address and password, locked; None if there is none, or they are disabled.

    The answer takes the same time whether or not the account exists.
    """
    user = find_by_email(session, email)
    is_match = matches(password, user.password_hash if user else None)
    if user is None or not is_match or not has_password(session, user, user.password_hash):
        return None
    return user if user.disabled_at is None else None


def has_password(session: Session, user: User, password_hash: str | None) -> bool:
    """Lock a person and return whether they still have the password with this hash.

    Checking a password takes long enough for it to be changed. That ends all sessions, but would miss one that starts
    with the old password a moment later.
    """
    locked = lock_user(session, user.id)
    return locked is not None and locked.password_hash == password_hash


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

    A change of the role, or disabling, ends the person's sessions. Disabling, or another email address, also revokes
    their links. Raises `EmailTaken`, `InvalidEmail`, `LastAdministrator` and `UserGone`.
    """
    email = None if email is None else normalise_email(email)
    _lock_for_change(session, user)
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
    if "email" in changes or disabled:
        links.revoke_links(session, user.id)
    session.flush()
    return changes


def delete_user(session: Session, user: User) -> None:
    """Delete a person with their sessions, links and keys. Raises `LastAdministrator` and `UserGone`."""
    _lock_for_change(session, user)
    _require_another_administrator(session, user)
    session.delete(user)
    session.flush()


def set_password(session: Session, user: User, password: str, *, except_session_id: int | None = None) -> None:
    """Set the password of a person, which ends all their sessions except the given one, and revokes their links."""
    _set_password_hash(user, password)
    sessions.revoke_sessions(session, user.id, except_id=except_session_id)
    links.revoke_links(session, user.id)
    session.flush()


def _lock_for_change(session: Session, user: User) -> None:
    """Let changes of people take turns, and read the current row of this person. Raises `UserGone`."""
    lock_people(session)
    if lock_user(session, user.id) is None:
        raise UserGone


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
