"""Finds out who sends a request, and refuses calls that they may not make. It runs before the view and reads no body.

A script sends an API key (`Authorization: Bearer acme_…`), a browser the cookie of its session. As long as nobody has
an account, requests of this machine need neither: they come from the administrator "local".
"""

from __future__ import annotations

import uuid

from flask import Flask, Response, current_app, g, request
from sqlalchemy import Engine

import config
from access import credentials
from access.actors import ANONYMOUS, Actor
from access.audit import Origin
from access.roles import ROLE_OF_SCOPE, ROLE_SCOPES, Needs, Requirement, Scope
from access.tokens import is_well_formed_key
from api.errors import FORBIDDEN, UNAUTHENTICATED
from api.host_names import LOOPBACK_NAME, is_loopback, parse_host
from api.session_cookie import read_session_token
from database.pooled_connections import autocommitting
from models import db

BEARER, BASIC = "bearer ", "basic "
INVALID_KEY = "The API key is not valid: it is mistyped, expired or revoked."
LOCAL_NAMES = {LOOPBACK_NAME, "127.0.0.1", "[::1]"}
# Headers that proxies add, next to X-Forwarded-*.
PROXY_HEADERS = {"forwarded", "via", "x-real-ip"}
REQUEST_ID_HEADER = "X-Request-ID"
MAX_ADDRESS_CHARACTERS = 100
MAX_REQUEST_ID_CHARACTERS = 100
SECONDS_PER_HOUR = 3600


def register(app: Flask) -> None:
    """Authenticate and authorise every request of the API; `needs` is what each endpoint needs."""

    @app.before_request
    def _authenticate() -> None:
        g.request_id = _request_id()
        needs = needs_of_endpoint(app).get(request.endpoint or "", Requirement.NOTHING)
        if needs is not Requirement.NOTHING:
            require(needs)

    @app.after_request
    def _name_request(response: Response) -> Response:
        if request_id := g.get("request_id"):
            response.headers[REQUEST_ID_HEADER] = request_id
        return response


def idle_seconds(app: Flask) -> int:
    """Return after how many seconds without a request a session ends."""
    settings: config.Settings = app.config["SETTINGS"]
    return settings.session_idle_hours * SECONDS_PER_HOUR


def needs_of_endpoint(app: Flask) -> dict[str, Needs]:
    """Return what each endpoint of the API needs; api/openapi.py fills it."""
    needs: dict[str, Needs] = app.extensions.setdefault("needs", {})
    return needs


def current_actor() -> Actor:
    """Return who sent the current request; see `find_actor`."""
    if "actor" not in g:
        g.actor = find_actor(db.engine)
    actor: Actor = g.actor
    return actor


def current_origin() -> Origin:
    """Return where a change that the current request makes comes from, for the audit log."""
    return Origin(current_actor(), client_address(), g.request_id)


def client_address() -> str:
    """Return the address of the client of the current request; TRUSTED_PROXIES says whose word counts for it."""
    return (request.remote_addr or "")[:MAX_ADDRESS_CHARACTERS]


def require(needs: Needs) -> None:
    """Raise the 401 or the 403 if the actor of the current request lacks what a call needs."""
    actor = current_actor()
    if actor.may(needs):
        return
    if actor is ANONYMOUS:
        raise UNAUTHENTICATED.exception()
    if needs is Requirement.ADMINISTRATOR and actor.type == "user":
        needs = Scope.ADMIN
    if isinstance(needs, Scope):
        if actor.type == "key":
            is_of_role = actor.role is not None and needs in ROLE_SCOPES[actor.role]
            who = "it" if is_of_role else f"the role of its owner, {actor.role},"
            raise FORBIDDEN.exception(f"This API key may not do that: {who} lacks the scope `{needs}`.")
        raise FORBIDDEN.exception(
            f"Your role, {actor.role}, may not do that: it needs the role {ROLE_OF_SCOPE[needs]}."
        )
    raise FORBIDDEN.exception("Only a person who is signed in can do this.")


def find_actor(engine: Engine) -> Actor:
    """Return who sent the current request.

    Raises the 401 if it has an API key that is not valid. A session that has ended is no session.
    """
    settings: config.Settings = current_app.config["SETTINGS"]
    authorization = request.headers.get("Authorization", "")
    # Browsers add the password for a proxy in front of the server to every request. It is not meant for the server.
    is_for_proxy = authorization.lower().startswith(BASIC)
    authorization = "" if is_for_proxy else authorization
    is_key = authorization.lower().startswith(BEARER) and is_well_formed_key(authorization[len(BEARER) :].strip())
    if authorization and not is_key:
        raise UNAUTHENTICATED.exception(INVALID_KEY)
    token = read_session_token()
    is_local = not is_for_proxy and is_local_request(settings)
    if not authorization and not token and not is_local:
        return ANONYMOUS
    # A connection of its own, so that a view that receives a large file or streams does not keep a transaction open.
    with autocommitting(engine) as cursor:
        if authorization:
            actor = credentials.find_key(cursor, authorization[len(BEARER) :].strip())
            if actor is None:
                raise UNAUTHENTICATED.exception(INVALID_KEY)
            return actor
        actor = credentials.find_session(cursor, token, idle_seconds=idle_seconds(current_app)) if token else None
        if actor is None and is_local:
            actor = credentials.find_local(cursor)
        return actor or ANONYMOUS


def is_local_request(settings: config.Settings) -> bool:
    """Return whether the current request comes from this machine and without a proxy.

    Only then may it come from the administrator "local", and only if AUTH allows that and the server listens on a
    loopback address. A proxy on the same machine forwards requests of others, and names them in a header. nginx does
    not by default, but then it speaks HTTP/1.0, which no browser does.
    """
    if settings.auth != "auto" or not is_loopback(settings.host):
        return False
    names = {name.lower() for name, _ in request.headers}
    if names & PROXY_HEADERS or any(name.startswith("x-forwarded-") for name in names):
        return False
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return False
    peer = request.environ.get("werkzeug.proxy_fix.orig", request.environ).get("REMOTE_ADDR", "")
    bound_address = str(request.environ.get("SERVER_NAME", ""))
    name = parse_host(request.headers.get("Host", ""))
    return is_loopback(peer) and is_loopback(bound_address) and name in LOCAL_NAMES


def _request_id() -> str:
    """Return the id that a trusted proxy gave the request, or a new one."""
    settings: config.Settings = current_app.config["SETTINGS"]
    given = request.headers.get(REQUEST_ID_HEADER, "")
    is_usable = given.isascii() and given.isprintable() and 0 < len(given) <= MAX_REQUEST_ID_CHARACTERS
    return given if settings.trusted_proxies and is_usable else uuid.uuid4().hex
