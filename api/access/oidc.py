"""Signing in through the OpenID Connect provider: the way there and back.

Both calls are pages for a browser, so a failure ends on the page for signing in, with a code in the address. The
address never has a sentence: otherwise, anybody could make the page show a text of theirs.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import Flask, Response, current_app, redirect, request
from werkzeug.wrappers import Response as BaseResponse

import config
from access.actors import person
from access.audit import Target
from access.oidc import attempts, people
from access.oidc.errors import (
    Denied,
    InvalidAnswer,
    ProviderMisconfigured,
    ProviderUnreachable,
    SignInFailed,
    StateExpired,
)
from access.roles import Requirement
from access.tokens import create_token
from api.access.session import start_session
from api.audit import record
from api.errors import NOT_FOUND
from api.openapi import Blueprint
from models import db

if TYPE_CHECKING:
    from access.oidc.provider import Provider

blueprint = Blueprint("oidc", __name__, url_prefix="/api/session/oidc", tag="Access")

log = logging.getLogger(__name__)

COOKIE_NAME = "acme_oidc"
# The name of the browser in the audit log until the provider says who the person is.
UNKNOWN_PERSON = "unknown"
# The errors in the provider's response that say more than "wrong request" (OpenID Connect Core 1.0, section 3.1.2.6).
DENIALS = {"access_denied", "login_required", "consent_required", "interaction_required", "account_selection_required"}
OUTAGES = {"temporarily_unavailable", "server_error"}
NOT_CONFIGURED = NOT_FOUND._replace(message="This server has no OpenID Connect provider: set OIDC_ISSUER.")
LOCATION = {"Location": {"description": "Where the browser goes.", "schema": {"type": "string"}}}


# The provider may add more.
CALLBACK_PARAMETERS = [
    {"in": "query", "name": name, "description": description, "schema": {"type": "string"}}
    for name, description in (
        ("state", "The state of the sign-in."),
        ("code", "The code to exchange for an ID token."),
        ("error", "Why the provider did not sign the person in."),
        ("iss", "The issuer."),
    )
]


@blueprint.get("")
@blueprint.document(operationId="startOidcSignIn")
@blueprint.needs(Requirement.NOTHING)
@blueprint.returns(
    302, None, "The browser goes to the provider, or back to the page after a failure.", headers=LOCATION
)
@blueprint.raises(NOT_CONFIGURED)
def start() -> BaseResponse:
    """Sign in through the OpenID Connect provider

    Open this address in a browser. The provider sends the browser back, which then has the cookie of a session. After a
    failure the browser is at `/#/sign-in?error=…`, with a code that begins with `oidc_`.
    """
    provider = _provider(current_app)
    browser_token = request.cookies.get(_cookie_name()) or create_token()
    started = attempts.start(db.session(), browser_token, f"{request.host_url}api/session/oidc/callback")
    # No connection is kept while the provider answers.
    db.session.commit()
    try:
        response = redirect(provider.authorization_url(started))
    except SignInFailed as error:
        return _fail(error)
    response.set_cookie(
        _cookie_name(),
        browser_token,
        max_age=attempts.VALID_SECONDS,
        path="/",
        secure=request.is_secure,
        httponly=True,
        # The provider sends the browser back with a link of another site, for which `Strict` holds cookies back.
        samesite="Lax",
    )
    return response


@blueprint.get("/callback", parameters=CALLBACK_PARAMETERS)
@blueprint.document(operationId="finishOidcSignIn")
@blueprint.needs(Requirement.NOTHING)
@blueprint.returns(302, None, "The browser goes to the page.", headers=LOCATION)
@blueprint.raises(NOT_CONFIGURED)
def finish() -> BaseResponse:
    """Come back from the OpenID Connect provider

    The provider sends the browser here. Register this address as the redirect URI at the provider.
    """
    settings: config.Settings = current_app.config["SETTINGS"]
    provider = _provider(current_app)
    name = UNKNOWN_PERSON
    try:
        claims = _fetch_claims(provider)
        name = str(claims.get("email") or claims["sub"])
        rules = people.RoleRules(settings.oidc_role_claim, settings.oidc_roles, settings.oidc_default_role)
        signed_in = people.sign_in(db.session(), settings.oidc_issuer, claims, rules)
    except SignInFailed as error:
        return _fail(error, name)
    user = signed_in.user
    if signed_in.changes:
        record(
            "user.created" if signed_in.is_new else "user.updated",
            Target("user", user.id, user.name),
            actor=person(user.id, user.name, user.role),
            changes=signed_in.changes,
        )
    response = start_session(user, "oidc", current_app.make_response(redirect("/")))
    _forget_cookie(response)
    return response


def _provider(app: Flask) -> Provider:
    """Return the provider in the settings; raises the 404 without one."""
    settings: config.Settings = app.config["SETTINGS"]
    if not settings.oidc_issuer:
        raise NOT_CONFIGURED.exception()
    # Authlib and what it needs take a fifth of the start of a web process, and most installations have no provider.
    from access.oidc.provider import Client, Provider

    client = Client(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, settings.oidc_scopes)
    provider: Provider = app.extensions.setdefault("oidc_provider", Provider(client))
    return provider


def _fetch_claims(provider: Provider) -> dict[str, object]:
    """Return the claims of the person whom the provider sends back. Raises `SignInFailed`."""
    parameters = request.args
    error = parameters.get("error", "")
    # Some providers leave the state out if the person refuses. Nothing happens then, so the state does not matter.
    if error in DENIALS:
        raise Denied(f"the provider says {error}")
    browser_token = request.cookies.get(_cookie_name(), "")
    if not browser_token:
        raise StateExpired("the browser has no cookie of a sign-in")
    started = attempts.finish(db.session(), browser_token, parameters.get("state", ""))
    # The state is used up, whatever happens next. No connection is kept while the provider answers.
    db.session.commit()
    provider.check_issuer(parameters.get("iss"))
    if error:
        reason = f"the provider says {error}"
        raise ProviderUnreachable(reason) if error in OUTAGES else ProviderMisconfigured(reason)
    if not parameters.get("code"):
        raise InvalidAnswer("the response has no code")
    return provider.fetch_claims(parameters["code"], started)


def _fail(error: SignInFailed, name: str = UNKNOWN_PERSON) -> Response:
    """Note a failure in both logs and return the way to the page, which has a sentence for the code."""
    db.session.rollback()
    log.warning("A sign-in through the provider failed: %s: %s", error.code, error)
    record(
        "session.created",
        Target("user", name=_printable(name)),
        outcome="failed",
        changes={"method": [None, "oidc"], "error": [None, error.code]},
    )
    db.session.commit()
    return current_app.make_response(redirect(f"/#/sign-in?error={error.code}"))


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:200]


def _cookie_name() -> str:
    return f"__Host-{COOKIE_NAME}" if request.is_secure else COOKIE_NAME


def _forget_cookie(response: Response) -> None:
    response.delete_cookie(_cookie_name(), path="/", secure=request.is_secure, httponly=True, samesite="Lax")
