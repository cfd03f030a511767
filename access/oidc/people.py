"""The person behind the claims of an ID token, and their role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from access import users
from access.oidc.errors import (
    Disabled,
    EmailInUse,
    InvalidAnswer,
    LastAdministratorStays,
    NoEmail,
    NoRole,
    NotFirstAdministrator,
)
from access.roles import Role
from models import User, UserLink

# OpenID Connect Core 1.0, section 2.
MAX_SUBJECT_CHARACTERS = 255
MAX_EMAIL_CHARACTERS = 254
MAX_NAME_CHARACTERS = 200


@dataclass(frozen=True)
class RoleRules:
    """How the values of a claim become roles.

    Without `roles`, administrators of the product set the roles, and `default` is that of new people.
    """

    claim: str
    roles: Sequence[tuple[str, str]]
    default: str

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """Return the highest role that the claims give, or None if they give none."""
        values = claims.get(self.claim)
        texts = {value for value in (values if isinstance(values, list) else [values]) if isinstance(value, str)}
        given = {Role(role) for role, value in self.roles if value in texts}
        if given:
            return max(given, key=list(Role).index)
        return Role(self.default) if self.default else None


@dataclass(frozen=True)
class SignedIn:
    """A person who may sign in. `changes` are the values before and after; `is_new` is true on the first sign-in."""

    user: User
    changes: dict[str, list[object]]
    is_new: bool


def sign_in(session: Session, issuer: str, claims: Mapping[str, Any], rules: RoleRules) -> SignedIn:
    """Return the person whom verified claims describe, with their current role. Raises `SignInFailed`.

    A person is known by the provider's subject. An invitation is accepted by its email address, if the provider has
    verified that. Others get an account. An account with a password is never taken over by its address.
    """
    subject = _clean(claims.get("sub"))
    if not subject or subject != claims.get("sub") or len(subject) > MAX_SUBJECT_CHARACTERS:
        raise InvalidAnswer("the ID token has no usable sub")
    users.lock_people(session)
    role = rules.role_of(claims)
    user = session.scalar(select(User).where(User.issuer == issuer, User.subject == subject))
    if user is None:
        user = _find_invited(session, claims)
        if user is not None:
            if role is None and rules.roles:
                raise NoRole("the claim gives no role to the person who was invited")
            user.issuer, user.subject = issuer, subject
            session.execute(delete(UserLink).where(UserLink.user_id == user.id, UserLink.used_at.is_(None)))
    if user is None:
        created = _create(session, issuer, subject, role, claims)
        return SignedIn(created, {"email": [None, created.email], "role": [None, created.role]}, is_new=True)
    if user.disabled_at is not None:
        raise Disabled(f"{user.email} is disabled")
    if not rules.roles:
        return SignedIn(user, {}, is_new=False)
    if role is None:
        raise NoRole(f"no value of the claim {rules.claim!r} is in OIDC_ROLES")
    try:
        return SignedIn(user, users.change_user(session, user, role=str(role)), is_new=False)
    except users.LastAdministrator:
        raise LastAdministratorStays(f"{user.email} is the last administrator, and the claim says {role}") from None


def _find_invited(session: Session, claims: Mapping[str, Any]) -> User | None:
    """Return the person who was invited at the email address of the claims, which the provider has verified."""
    email = _clean(claims.get("email"))
    # Some providers write the text "true", which does not mean verified in the standard.
    if not email or claims.get("email_verified") is not True:
        return None
    user = users.find_by_email(session, email)
    is_invited = user is not None and user.password_hash is None and user.subject is None
    return user if is_invited else None


def _create(session: Session, issuer: str, subject: str, role: Role | None, claims: Mapping[str, Any]) -> User:
    """Create the account of somebody who signs in for the first time."""
    if role is None:
        raise NoRole("the provider gives no role to this person, and nobody has invited them")
    email = _clean(claims.get("email"))
    if not email or len(email) > MAX_EMAIL_CHARACTERS:
        raise NoEmail("the ID token has no usable email")
    name = next((text for key in ("name", "preferred_username") if (text := _clean(claims.get(key)))), email)
    try:
        user = users.create_user(session, email=email, name=name[:MAX_NAME_CHARACTERS], role=role)
    except users.InvalidEmail:
        raise NoEmail("the email of the ID token is no address that an account can have") from None
    except users.EmailTaken:
        raise EmailInUse(f"another account has the address {email}") from None
    except users.FirstPersonNotAdministrator:
        raise NotFirstAdministrator(f"the claim says {role} for the first person") from None
    user.issuer, user.subject = issuer, subject
    session.flush()
    return user


def _clean(value: object) -> str:
    """Return a text of the provider as one line that PostgreSQL can store; "" if it is no text."""
    if not isinstance(value, str):
        return ""
    printable = "".join(character if character.isprintable() else " " for character in value)
    return " ".join(printable.split())
