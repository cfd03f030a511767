"""Finds out who sends a request, and refuses calls that they may not make. It runs before the view and reads no body.

A script sends an API key (`Authorization: Bearer acme_…`), a browser the cookie of its session. As long as nobody has
an account, requests of this machine need neither: they come from the administrator "local".
"""

from __future__ import annotations

from flask import Flask, current_app, g, request
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
from monitoring.context import current_request_id

BEARER, BASIC = "bearer ", "basic "
INVALID_KEY = "The API key is not valid: it is mistyped, expired or revoked."
LOCAL_NAMES = {LOOPBACK_NAME, "127.0.0.1", "[::1]"}
# Headers that proxies add, by their names in the WSGI environment.
PROXY_HEADERS = {"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP"}
PROXY_HEADER_PREFIX = "HTTP_X_FORWARDED_"
MAX_ADDRESS_CHARACTERS = 100
# The page sends it with what it loads while nobody uses it.
UNATTENDED_HEADER = "X-Unattended"
EVENT_STREAM = "text/event-stream"
SECONDS_PER_HOUR = 3600


def register(app: Flask) -> None:
    """Authenticate and authorise every request of the API; `needs` is what each endpoint needs."""
    needs_of = needs_of_endpoint(app)

    @app.before_request
    def _authenticate() -> None:
        needs = needs_of.get(request.endpoint or "", Requirement.NOTHING)
        if needs is not Requirement.NOTHING:
            require(needs)


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
    actor: Actor | None = g.get("actor")
    if actor is None:
        actor = g.actor = find_actor(db.engine)
    return actor


def current_origin() -> Origin:
    """Return where a change that the current request makes comes from, for the audit log."""
    return Origin(current_actor(), client_address(), current_request_id())


def client_address() -> str:
    """Return the address of the client of the current request; TRUSTED_PROXIES says whose word counts for it."""
    return (request.remote_addr or "")[:MAX_ADDRESS_CHARACTERS]


def require(needs: Needs) -> None:
    """Raise the 401 or the 403 if the actor of the current request lacks what a call needs."""
    require_of(current_actor(), needs)


def require_of(actor: Actor, needs: Needs) -> None:
    """Raise the 401 or the 403 if an actor lacks what a call needs."""
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
    if authorization:
        return _find_key(engine, authorization)
    # A connection of its own, so that a view that receives a large file or streams does not keep a transaction open.
    if token := read_session_token():
        with autocommitting(engine) as cursor:
            actor = credentials.find_session(
                cursor, token, idle_seconds=idle_seconds(current_app), is_use=not _is_unattended()
            )
        if actor is not None:
            return actor
    if not is_for_proxy and is_local_request(settings):
        with autocommitting(engine) as cursor:
            return credentials.find_local(cursor) or ANONYMOUS
    return ANONYMOUS


def _is_unattended() -> bool:
    """Return whether an open page makes the current request by itself, while nobody uses it."""
    return UNATTENDED_HEADER in request.headers or EVENT_STREAM in request.headers.get("Accept", "")


def _find_key(engine: Engine, authorization: str) -> Actor:
    """Return the actor for the API key in the header `Authorization`; raise the 401 if it is not valid."""
    key = authorization[len(BEARER) :].strip()
    if authorization.lower().startswith(BEARER) and is_well_formed_key(key):
        with autocommitting(engine) as cursor:
            actor = credentials.find_key(cursor, key)
        if actor is not None:
            return actor
    raise UNAUTHENTICATED.exception(INVALID_KEY)


def is_local_request(settings: config.Settings) -> bool:
    """Return whether the current request comes from this machine and without a proxy.

    Only then may it come from the administrator "local", and only if AUTH allows that and the server listens on a
    loopback address. A proxy on the same machine forwards requests of others, and names them in a header. nginx does
    not by default, but then it speaks HTTP/1.0, which no browser does.
    """
    if settings.auth != "auto" or not is_loopback(settings.host):
        return False
    environ = request.environ
    if not PROXY_HEADERS.isdisjoint(environ) or any(name.startswith(PROXY_HEADER_PREFIX) for name in environ):
        return False
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return False
    peer = environ.get("werkzeug.proxy_fix.orig", environ).get("REMOTE_ADDR", "")
    bound_address = str(environ.get("SERVER_NAME", ""))
    name = parse_host(environ.get("HTTP_HOST", ""))
    return is_loopback(peer) and is_loopback(bound_address) and name in LOCAL_NAMES
