"""Calls of a person for their own account: password, sessions, and the links that administrators give them."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, jsonify

from access import links, passwords, sessions, throttle, users
from access.actors import person
from access.audit import Target
from access.roles import Requirement
from api.access.errors import (
    LINK_UNUSABLE,
    SESSION_NOT_FOUND,
    TOO_MANY_ATTEMPTS,
    WEAK_PASSWORD,
    WRONG_CONFIRMATION,
    WRONG_PASSWORD,
    require_strong_password,
    too_many_attempts,
)
from api.access.schemas import (
    EXAMPLE_EMAIL,
    EXAMPLE_NAME,
    EXAMPLE_PASSWORD,
    EXAMPLE_TOKEN,
    EXAMPLE_WHO,
    ConfirmationSchema,
    ConfirmedSchema,
    LinkDetailsSchema,
    LinkPasswordSchema,
    LinkSchema,
    PasswordChangeSchema,
    SessionSchema,
    WhoSchema,
    session_json,
)
from api.access.session import start_session
from api.audit import record
from api.authentication import client_address, current_actor, idle_seconds
from api.errors import UNAUTHENTICATED
from api.openapi import Blueprint
from api.schemas import MessageSchema
from database.serializers import format_timestamp
from models import User, db

blueprint = Blueprint("account", __name__, url_prefix="/api/account", tag="Access")

SESSION_ID = [
    {
        "in": "path",
        "name": "session_id",
        "required": True,
        "description": "The id of the session.",
        "schema": {"type": "integer", "minimum": 1},
    }
]


@blueprint.get("/sessions")
@blueprint.document(operationId="listSessions")
@blueprint.needs(Requirement.PERSON)
@blueprint.returns(200, SessionSchema(many=True), "The sessions, the last used one first.")
def list_sessions() -> Response:
    """List one's sessions"""
    actor = current_actor()
    found = sessions.list_sessions(db.session(), _user_id(), idle_seconds=idle_seconds(current_app))
    return jsonify([session_json(session, actor.session_id) for session in found])


@blueprint.delete("/sessions/<int:session_id>", parameters=SESSION_ID)
@blueprint.document(operationId="endSession")
@blueprint.needs(Requirement.PERSON)
@blueprint.returns(200, MessageSchema, "The session has ended.", example={"message": "The session has ended."})
@blueprint.raises(SESSION_NOT_FOUND)
def end_session(session_id: int) -> Response:
    """End one of one's sessions

    The browser of that session is signed out at once.
    """
    if not sessions.revoke_session(db.session(), _user_id(), session_id):
        raise SESSION_NOT_FOUND.exception()
    record("session.deleted", Target("session", session_id))
    db.session.commit()
    return jsonify(message="The session has ended.")


@blueprint.delete("/sessions")
@blueprint.document(operationId="endOtherSessions")
@blueprint.needs(Requirement.PERSON)
@blueprint.returns(200, MessageSchema, "The sessions have ended.", example={"message": "2 sessions have ended."})
def end_other_sessions() -> Response:
    """End all of one's other sessions

    The session of this request stays.
    """
    count = sessions.revoke_sessions(db.session(), _user_id(), except_id=current_actor().session_id)
    record("session.deleted", Target("user", _user_id(), current_actor().name), changes={"sessions": [count, 0]})
    db.session.commit()
    return jsonify(message=f"{count} {'session has' if count == 1 else 'sessions have'} ended.")


@blueprint.put("/password")
@blueprint.document(operationId="changePassword")
@blueprint.needs(Requirement.PERSON)
@blueprint.accepts(
    PasswordChangeSchema,
    location="json",
    example={"current_password": "my old password", "password": EXAMPLE_PASSWORD},
)
@blueprint.returns(200, MessageSchema, "The password was changed.", example={"message": "The password was changed."})
@blueprint.raises(WEAK_PASSWORD, WRONG_PASSWORD, TOO_MANY_ATTEMPTS)
def change_password(values: dict[str, Any]) -> Response:
    """Change one's password

    Ends all other sessions of the person.
    """
    user = confirm_password(values["current_password"], field="current_password")
    require_strong_password(values["password"], user.email, user.name)
    users.set_password(db.session(), user, values["password"], except_session_id=current_actor().session_id)
    record("user.password_changed", Target("user", user.id, user.name))
    db.session.commit()
    return jsonify(message="The password was changed.")


@blueprint.post("/confirm")
@blueprint.document(operationId="confirmPassword")
@blueprint.needs(Requirement.PERSON)
@blueprint.accepts(ConfirmationSchema, location="json", example={"password": EXAMPLE_PASSWORD})
@blueprint.returns(
    200, ConfirmedSchema, "The password is right.", example={"confirmed_until": "2026-11-24T04:10:00.123456Z"}
)
@blueprint.raises(WRONG_CONFIRMATION, TOO_MANY_ATTEMPTS)
def confirm(values: dict[str, Any]) -> Response:
    """Confirm one's password

    For the next 10 minutes, this session can see the secrets of webhooks. A sign-in counts as a confirmation.
    """
    user = confirm_password(values["password"], field="password")
    session_id = current_actor().session_id
    confirmed_until = sessions.confirm(db.session(), session_id) if session_id is not None else None
    if confirmed_until is None:
        # The session was revoked meanwhile.
        raise UNAUTHENTICATED.exception()
    record("session.confirmed", Target("user", user.id, user.name))
    db.session.commit()
    return jsonify(confirmed_until=format_timestamp(confirmed_until))


@blueprint.post("/link")
@blueprint.document(operationId="getLink")
@blueprint.needs(Requirement.NOTHING)
@blueprint.accepts(LinkSchema, location="json", example={"token": EXAMPLE_TOKEN})
@blueprint.returns(
    200,
    LinkDetailsSchema,
    "What the link is for.",
    example={"purpose": "invitation", "email": EXAMPLE_EMAIL, "name": EXAMPLE_NAME},
)
@blueprint.raises(LINK_UNUSABLE)
def show_link(values: dict[str, Any]) -> Response:
    """Get what a link is for

    The token is in the body, so that it does not reach the logs of proxies.
    """
    link = links.find_link(db.session(), values["token"], links.INVITATION, links.RESET)
    user = db.session.get(User, link.user_id) if link else None
    if link is None or user is None or user.disabled_at is not None:
        raise LINK_UNUSABLE.exception()
    return jsonify(purpose=link.purpose, email=user.email, name=user.name)


@blueprint.post("/password")
@blueprint.document(operationId="setPassword")
@blueprint.needs(Requirement.NOTHING)
@blueprint.accepts(LinkPasswordSchema, location="json", example={"token": EXAMPLE_TOKEN, "password": EXAMPLE_PASSWORD})
@blueprint.returns(200, WhoSchema, "The password is set, and the person is signed in.", example=EXAMPLE_WHO)
@blueprint.raises(LINK_UNUSABLE, WEAK_PASSWORD)
def set_password(values: dict[str, Any]) -> Response:
    """Set a password with a link

    Uses up an invitation or a link for a new password, ends all sessions of the person, and signs them in.
    """
    found = links.find_link(db.session(), values["token"], links.INVITATION, links.RESET)
    # Like everyone else who changes a person and their links, lock the person first.
    user = users.lock_user(db.session(), found.user_id) if found and found.user_id else None
    if user is None or user.disabled_at is not None:
        raise LINK_UNUSABLE.exception()
    link = links.use_link(db.session(), values["token"], links.INVITATION, links.RESET)
    if link is None:
        raise LINK_UNUSABLE.exception()
    # An exception rolls the use of the link back, so it works again with a better password.
    require_strong_password(values["password"], user.email, user.name)
    users.set_password(db.session(), user, values["password"])
    record(
        "user.password_changed",
        Target("user", user.id, user.name),
        actor=person(user.id, user.name, user.role),
        changes={"link": [None, link.purpose]},
    )
    return start_session(user, "password")


def confirm_password(password: str, *, field: str) -> User:
    """Return the person who is signed in, locked until the transaction ends, if this is their password.

    Raises the 403 if it is not, the 429 after too many wrong ones, or the 401 if the person was removed meanwhile.
    `field` is the field of the request that has the password.
    """
    user = _find_account()
    target, password_hash = Target("user", user.id, user.name), user.password_hash
    attempt = throttle.Attempt(user.email, client_address(), is_confirmation=True)
    if wait_seconds := throttle.count_attempt(db.session(), attempt):
        raise too_many_attempts(wait_seconds)
    if not passwords.matches(password, password_hash):
        record("session.confirmed", target, outcome="failed")
        db.session.commit()
        raise WRONG_PASSWORD.exception(fields=[field])
    throttle.forget_attempts(db.session(), attempt)
    # The right password counts, whatever happens to the rest of the call.
    db.session.commit()
    locked = users.lock_user(db.session(), _user_id())
    if locked is None:
        raise UNAUTHENTICATED.exception()
    if locked.password_hash != password_hash:
        raise WRONG_PASSWORD.exception(fields=[field])
    return locked


def _user_id() -> int:
    """Return the id of the person who is signed in; every call here that uses it needs one."""
    user_id = current_actor().user_id
    assert user_id is not None  # noqa: S101
    return user_id


def _find_account() -> User:
    user = db.session.get(User, _user_id())
    if user is None:
        # The person was removed after the session had been checked.
        raise UNAUTHENTICATED.exception()
    return user
