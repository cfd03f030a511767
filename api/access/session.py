"""Calls that sign in, say who is signed in, and sign out; and the first administrator."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app, jsonify, request

import config
from access import credentials, links, sessions, throttle, users
from access.actors import Actor, person
from access.audit import Target
from access.roles import Requirement, Scope
from api.access.errors import (
    EMAIL_TAKEN,
    INVALID_USER,
    LINK_UNUSABLE,
    TOO_MANY_ATTEMPTS,
    WEAK_PASSWORD,
    WRONG_CREDENTIALS,
    require_strong_password,
    too_many_attempts,
    user_errors,
)
from api.access.schemas import (
    EXAMPLE_EMAIL,
    EXAMPLE_METHODS,
    EXAMPLE_NAME,
    EXAMPLE_PASSWORD,
    EXAMPLE_TOKEN,
    EXAMPLE_USER,
    EXAMPLE_WHO,
    CredentialsSchema,
    MethodsSchema,
    SetupSchema,
    UserSchema,
    WhoSchema,
    actor_json,
    user_json,
)
from api.audit import record
from api.authentication import client_address, current_actor
from api.errors import NOT_FOUND, UNAUTHENTICATED
from api.openapi import Blueprint
from api.schemas import MessageSchema
from api.session_cookie import forget_session_token, read_session_token, set_session_token
from database.pooled_connections import autocommitting
from models import User, db

blueprint = Blueprint("session", __name__, url_prefix="/api", tag="Access")

SECONDS_PER_DAY = 86_400
SETUP_DONE = NOT_FOUND._replace(message="The first administrator exists already. Sign in.")


@blueprint.post("/session")
@blueprint.document(operationId="signIn")
@blueprint.needs(Requirement.NOTHING)
@blueprint.accepts(CredentialsSchema, location="json", example={"email": EXAMPLE_EMAIL, "password": EXAMPLE_PASSWORD})
@blueprint.returns(200, WhoSchema, "The person is signed in; the cookie of the session is set.", example=EXAMPLE_WHO)
@blueprint.raises(INVALID_USER, WRONG_CREDENTIALS, TOO_MANY_ATTEMPTS)
def sign_in(values: dict[str, Any]) -> Response:
    """Sign in

    Starts a session in a cookie, in place of an earlier one of this browser. After several failures, an account and an
    address must wait, a little longer each time.
    """
    attempt = throttle.Attempt(values["email"], client_address())
    if wait_seconds := throttle.count_attempt(db.session(), attempt):
        raise too_many_attempts(wait_seconds)
    user = users.verify_password(db.session(), values["email"], values["password"])
    if user is None:
        record("session.created", Target("user", name=values["email"]), outcome="failed")
        db.session.commit()
        raise WRONG_CREDENTIALS.exception()
    throttle.forget_attempts(db.session(), attempt)
    return start_session(user, "password")


@blueprint.get("/session")
@blueprint.document(operationId="getSession")
@blueprint.needs(Requirement.ANY_ACTOR)
@blueprint.returns(200, WhoSchema, "Who makes this request.", example=EXAMPLE_WHO)
def show_session() -> Response:
    """Get who is signed in"""
    return jsonify(actor_json(current_actor()))


@blueprint.get("/session/methods")
@blueprint.document(operationId="getSignInMethods")
@blueprint.needs(Requirement.NOTHING)
@blueprint.returns(200, MethodsSchema, "The ways to sign in.", example=EXAMPLE_METHODS)
def show_methods() -> Response:
    """Get the ways to sign in

    A browser that opens `/api/session/oidc` signs in through the OpenID Connect provider in `oidc`.
    """
    settings: config.Settings = current_app.config["SETTINGS"]
    oidc = {"name": settings.oidc_name or urlsplit(settings.oidc_issuer).netloc} if settings.oidc_issuer else None
    with autocommitting(db.engine) as cursor:
        return jsonify(password=True, oidc=oidc, setup=not credentials.is_claimed(cursor))


@blueprint.delete("/session")
@blueprint.document(operationId="signOut")
@blueprint.needs(Requirement.NOTHING)
@blueprint.returns(200, MessageSchema, "Nobody is signed in any more.", example={"message": "You are signed out."})
@blueprint.raises(UNAUTHENTICATED)
def sign_out() -> Response:
    """Sign out

    Ends the session of this browser. Without a session it does nothing.
    """
    actor = current_actor()
    if actor.session_id is not None and actor.user_id is not None:
        sessions.revoke_session(db.session(), actor.user_id, actor.session_id)
        record("session.deleted", Target("user", actor.user_id, actor.name))
        db.session.commit()
    response = jsonify(message="You are signed out.")
    forget_session_token(response)
    return response


@blueprint.post("/setup")
@blueprint.document(operationId="createFirstAdministrator")
@blueprint.needs(Requirement.NOTHING)
@blueprint.accepts(
    SetupSchema,
    location="json",
    example={"token": EXAMPLE_TOKEN, "email": EXAMPLE_EMAIL, "name": EXAMPLE_NAME, "password": EXAMPLE_PASSWORD},
)
@blueprint.returns(201, UserSchema, "The administrator, who is signed in now.", example=EXAMPLE_USER)
@blueprint.raises(INVALID_USER, WEAK_PASSWORD, LINK_UNUSABLE, SETUP_DONE, EMAIL_TAKEN, UNAUTHENTICATED)
def create_first_administrator(values: dict[str, Any]) -> tuple[Response, int]:
    """Create the first administrator

    Needs the token of the link that the start of the server prints, unless the request comes from `local`. From then on
    everyone signs in, and this call returns 404.
    """
    installation = users.lock_people(db.session())
    if installation.claimed_at is not None:
        raise SETUP_DONE.exception()
    is_local = current_actor().may(Scope.ADMIN)
    if not is_local and links.use_link(db.session(), values.get("token", ""), links.SETUP) is None:
        raise LINK_UNUSABLE.exception("This link has expired. Restart the server, which prints a new one.")
    require_strong_password(values["password"], values["email"], values["name"])
    with user_errors():
        user = users.create_first_administrator(
            db.session(), email=values["email"], name=values["name"], password=values["password"]
        )
    changes: dict[str, Any] = {"role": [None, user.role]}
    if not is_local:
        changes["link"] = [None, links.SETUP]
    # Nobody is signed in yet, so the new administrator counts as the actor. "local" is an actor already.
    actor = current_actor() if is_local else person(user.id, user.name, user.role)
    record("user.created", Target("user", user.id, user.name), actor=actor, changes=changes)
    response = start_session(user, "password")
    response.data = jsonify(user_json(user)).data
    return response, 201


def start_session(user: User, method: str, response: Response | None = None) -> Response:
    """Sign a person in: commit a new session and return the response with its cookie.

    The response says who is signed in, unless another one is given.
    """
    settings: config.Settings = current_app.config["SETTINGS"]
    token = sessions.create_session(
        db.session(),
        user,
        method=method,
        days=settings.session_days,
        address=client_address(),
        user_agent=request.headers.get("User-Agent", ""),
        replaced_token=read_session_token(),
    )
    actor: Actor = person(user.id, user.name, user.role)
    record("session.created", Target("user", user.id, user.name), actor=actor, changes={"method": [None, method]})
    db.session.commit()
    response = response or jsonify(actor_json(actor))
    set_session_token(response, token, max_age_seconds=settings.session_days * SECONDS_PER_DAY)
    return response
