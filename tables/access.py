"""The tables of access control: people, their sessions, links and API keys, and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tables.base import Base, is_one_of

ROLES = ("viewer", "editor", "admin")
LINK_PURPOSES = ("setup", "invitation", "reset")
SIGN_IN_METHODS = ("password", "oidc")
ACTOR_TYPES = ("user", "key", "local", "system", "anonymous")
AUDIT_OUTCOMES = ("success", "refused", "failed")


class Installation(Base):
    """The state of the installation: one row, which a migration inserts.

    `claimed_at` is when the first person was created. From then on nobody is the administrator "local" any more.
    """

    __tablename__ = "installation"

    single: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=true())
    claimed_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("single", name="single"),)


class User(Base):
    """A person. `issuer` and `subject` identify someone who signs in with OpenID Connect.

    A person who was invited has no password until they follow the link. `disabled_at` ends all access.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str | None]
    issuer: Mapped[str | None]
    subject: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    password_changed_at: Mapped[datetime | None]
    last_signed_in_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(is_one_of("role", ROLES), name="role"),
        Index("users_email_key", text("lower(email)"), unique=True),
        Index("users_subject_key", "issuer", "subject", unique=True),
    )


class UserLink(Base):
    """A link that can be used once: to create the first administrator, to accept an invitation, to set a password.

    The link has the token; the table has its SHA-256.
    """

    __tablename__ = "user_links"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    purpose: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint(is_one_of("purpose", LINK_PURPOSES), name="purpose"),)


class UserSession(Base):
    """A session of a person in a browser. The cookie has the token; the table has its SHA-256.

    It ends at `expires_at`, or earlier if it is not used (`seen_at` is written at most once a minute). The row is
    deleted when the person signs out or the session is revoked. `confirmed_at` is when the person last gave the
    password.
    """

    __tablename__ = "user_sessions"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    method: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    confirmed_at: Mapped[datetime | None]
    address: Mapped[str]
    user_agent: Mapped[str]

    __table_args__ = (CheckConstraint(is_one_of("method", SIGN_IN_METHODS), name="method"),)


class OidcAttempt(Base):
    """A sign-in of a browser that is at the OpenID Connect provider; see access/oidc/attempts.py.

    `state` is in the address, and the other token in a cookie of the browser; the table has their SHA-256.
    """

    __tablename__ = "oidc_attempts"

    state_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    nonce: Mapped[str]
    code_verifier: Mapped[str]
    redirect_uri: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ApiKey(Base):
    """An API key of a person. The table has the key's SHA-256, and of its text only the beginning and the end.

    `last_used_at` is written at most once a minute.
    """

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(16))
    last_four: Mapped[str] = mapped_column(String(4))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]

    user: Mapped[User] = relationship()


class SignInFailures(Base):
    """The failed sign-ins of an account or from an address since the last success; see access/throttle.py."""

    __tablename__ = "sign_in_failures"

    subject: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    failed_at: Mapped[datetime]
    blocked_until: Mapped[datetime | None]


class AuditEntry(Base):
    """An entry of the audit log, written in the transaction of the change. A trigger refuses to change it.

    `actor_name` and `target_name` are the names at that time. `changes` holds the values before and after, with secrets
    masked: `{"role": ["viewer", "editor"]}`.
    """

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor_type: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[int | None]
    actor_name: Mapped[str]
    action: Mapped[str] = mapped_column(String(64))
    target_type: Mapped[str | None] = mapped_column(String(32))
    target_id: Mapped[str | None]
    target_name: Mapped[str | None]
    outcome: Mapped[str] = mapped_column(String(16), server_default="success")
    address: Mapped[str | None]
    request_id: Mapped[str | None]
    changes: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (
        CheckConstraint(is_one_of("actor_type", ACTOR_TYPES), name="actor_type"),
        CheckConstraint(is_one_of("outcome", AUDIT_OUTCOMES), name="outcome"),
        # Lists are sorted by time. Each index also gives this order, so a page of any filter reads only its entries.
        Index("audit_entries_at_idx", "at", "id"),
        Index("audit_entries_action_idx", "action", "at", "id"),
        Index("audit_entries_actor_idx", "actor_type", "actor_id", "at", "id"),
        Index("audit_entries_target_idx", "target_type", "target_id", "at", "id"),
        # Few entries have another outcome.
        Index("audit_entries_outcome_idx", "outcome", "at", "id", postgresql_where=text("outcome <> 'success'")),
    )


class RequestCount(Base):
    """The requests of a client in a minute since 1970, summed over the web processes; see access/request_counts.py.

    `client` is an address, or identifies an API key or a session.
    """

    __tablename__ = "request_counts"

    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    client: Mapped[str] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(Integer)

    __table_args__ = ({"prefixes": ["UNLOGGED"]},)
