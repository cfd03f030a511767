"""Calls that list, invite, change and remove people, for administrators."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, jsonify, request
from sqlalchemy import select

import config
from access import links, mail, users
from access.audit import Target
from access.roles import Requirement, Role
from api.access.errors import (
    EMAIL_TAKEN,
    FIRST_ADMINISTRATOR,
    INVALID_USER,
    LAST_ADMINISTRATOR,
    USER_NOT_FOUND,
    user_errors,
)
from api.access.schemas import (
    EXAMPLE_EMAIL,
    EXAMPLE_LINK,
    EXAMPLE_NAME,
    EXAMPLE_USER,
    InvitedUserSchema,
    LinkResultSchema,
    NewUserSchema,
    UserSchema,
    UserUpdateSchema,
    user_json,
)
from api.audit import record
from api.authentication import current_actor, require
from api.openapi import Blueprint
from api.response_fields import EXAMPLE_TIME
from api.schemas import MessageSchema
from database.serializers import format_timestamp
from models import User, UserLink, db

blueprint = Blueprint("users", __name__, url_prefix="/api/users", tag="Access")

USER_ID = [
    {
        "in": "path",
        "name": "user_id",
        "required": True,
        "description": "The id of the person.",
        "schema": {"type": "integer", "minimum": 1},
    }
]
EXAMPLE_LINK_RESULT = {"link": EXAMPLE_LINK, "expires_at": EXAMPLE_TIME, "mailed": False}


@blueprint.get("")
@blueprint.document(operationId="listUsers")
@blueprint.returns(200, UserSchema(many=True), "All people.", example=[EXAMPLE_USER])
def list_users() -> Response:
    """List the people"""
    return jsonify([user_json(user) for user in users.list_users(db.session())])


@blueprint.post("")
@blueprint.document(operationId="inviteUser")
@blueprint.accepts(
    NewUserSchema, location="json", example={"email": EXAMPLE_EMAIL, "name": EXAMPLE_NAME, "role": "editor"}
)
@blueprint.returns(
    201,
    InvitedUserSchema,
    "The person, and the link for them.",
    example={**EXAMPLE_USER, "invitation": EXAMPLE_LINK_RESULT},
)
@blueprint.raises(INVALID_USER, EMAIL_TAKEN, FIRST_ADMINISTRATOR)
def invite_user(values: dict[str, Any]) -> tuple[Response, int]:
    """Invite a person

    The person chooses a password with the link in the response, which can be used once within a week. With SMTP_URL,
    the link is also mailed. The first person must be an administrator; from then on everyone signs in.

    An API key cannot invite an administrator: its holder could become one, and stay one after the key is revoked.
    """
    if values["role"] == Role.ADMIN:
        _refuse_keys()
    with user_errors():
        user = users.create_user(db.session(), **values)
    record(
        "user.created",
        Target("user", user.id, user.name),
        changes={"email": [None, user.email], "role": [None, user.role]},
    )
    described, link = _create_link(user, links.INVITATION)
    return jsonify({**described, "invitation": link}), 201


@blueprint.get("/<int:user_id>", parameters=USER_ID)
@blueprint.document(operationId="getUser")
@blueprint.returns(200, UserSchema, "The person.", example=EXAMPLE_USER)
@blueprint.raises(USER_NOT_FOUND)
def show_user(user_id: int) -> Response:
    """Get a person"""
    return jsonify(user_json(_find_user(user_id)))


@blueprint.put("/<int:user_id>", parameters=USER_ID)
@blueprint.document(operationId="changeUser")
@blueprint.accepts(UserUpdateSchema, location="json", example={"role": "viewer"})
@blueprint.returns(200, UserSchema, "The changed person.", example=EXAMPLE_USER)
@blueprint.raises(INVALID_USER, USER_NOT_FOUND, EMAIL_TAKEN, LAST_ADMINISTRATOR)
def change_user(values: dict[str, Any], user_id: int) -> Response:
    """Change a person

    Changes only the given fields. A change of the role, or disabling, ends the person's sessions and streams at once.
    An API key can neither make somebody an administrator nor change the email address of one.
    """
    user = _find_user(user_id)
    becomes_administrator = user.role != Role.ADMIN and values.get("role") == Role.ADMIN
    if becomes_administrator or (user.role == Role.ADMIN and values.get("email", user.email) != user.email):
        _refuse_keys()
    with user_errors():
        changes = users.change_user(db.session(), user, **values)
    if changes:
        record("user.updated", Target("user", user.id, user.name), changes=changes)
    body = user_json(user)
    db.session.commit()
    return jsonify(body)


@blueprint.delete("/<int:user_id>", parameters=USER_ID)
@blueprint.document(operationId="deleteUser")
@blueprint.returns(200, MessageSchema, "The person was removed.", example={"message": "Ada Lovelace was removed."})
@blueprint.raises(USER_NOT_FOUND, LAST_ADMINISTRATOR)
def delete_user(user_id: int) -> Response:
    """Remove a person

    Removes the person with their sessions and API keys. What they did stays in the audit log.
    """
    user = _find_user(user_id)
    name = user.name
    with user_errors():
        users.delete_user(db.session(), user)
    record("user.deleted", Target("user", user_id, name), changes={"email": [user.email, None]})
    db.session.commit()
    return jsonify(message=f"{name} was removed.")


@blueprint.post("/<int:user_id>/reset", parameters=USER_ID)
@blueprint.document(operationId="resetPassword")
@blueprint.needs(Requirement.ADMINISTRATOR)
@blueprint.returns(200, LinkResultSchema, "The link for the person.", example=EXAMPLE_LINK_RESULT)
@blueprint.raises(USER_NOT_FOUND)
def reset_password(user_id: int) -> Response:
    """Create a link for a new password

    The link can be used once within a day; for a person who has no password yet it is a new invitation, which can be
    used within a week. It replaces earlier links. The person's sessions end when they set the new password.

    An API key cannot do this, whatever its scopes are: with the link, whoever has the key could become the person.
    """
    user = _find_user(user_id)
    record("user.reset", Target("user", user.id, user.name))
    _, link = _create_link(user, links.INVITATION if user.password_hash is None else links.RESET)
    return jsonify(link)


def _find_user(user_id: int) -> User:
    """Return the person with this id; raises the 404 if there is none."""
    user = db.session.get(User, user_id)
    if user is None:
        raise USER_NOT_FOUND.exception()
    return user


def _refuse_keys() -> None:
    """Raise the 403 if the actor is an API key, whatever its scopes are."""
    if current_actor().type == "key":
        require(Requirement.ADMINISTRATOR)


def _create_link(user: User, purpose: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Create a link for a person, commit, and mail it; return the person and the link as JSON.

    A failure of the mail server costs nothing but the mail: the administrator sees the link and passes it on.
    """
    token = links.create_link(db.session(), purpose, user.id)
    expires_at = db.session.scalar(
        select(UserLink.expires_at).where(UserLink.user_id == user.id, UserLink.used_at.is_(None))
    )
    assert expires_at is not None  # noqa: S101
    link = f"{request.host_url}#/{purpose}/{token}"
    message = mail.link_mail(purpose, to=user.email, name=user.name, link=link, hours=links.VALID_HOURS[purpose])
    described = user_json(user)
    db.session.commit()
    settings: config.Settings = current_app.config["SETTINGS"]
    mailed = bool(settings.smtp_url) and mail.send(settings.smtp_url, settings.mail_from, message)
    return described, {"link": link, "expires_at": format_timestamp(expires_at), "mailed": mailed}
