"""Checks of every request before its view runs: the name of the server, the origin of the page, the type of the body.

A browser sends requests on behalf of any web page. Three rules keep foreign pages out:

- `Host` must name this server. Otherwise a foreign name that resolves to this machine (DNS rebinding) would make a
  foreign page look like one of ours.
- A call must not come from a page of another origin; see api/cross_origin.py.
- The body of a JSON call must be declared as JSON. A foreign form can only send other types.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, request

import config
from api import probes
from api.cross_origin import SAFE_METHODS, check_origin, preflight_response
from api.errors import NOT_JSON, UNTRUSTED_HOST, ApiError, error_response
from api.host_names import is_trusted, parse_host
from api.imports.upload_request import APPEND_ENDPOINT, CREATE_ENDPOINT, UPLOAD_ENDPOINT

MAX_SHOWN_CHARACTERS = 100
BODY_AT_CREATION = "An upload is created without a body. Create it, then send the file with PATCH."


def register(app: Flask) -> None:
    """Check every request of the application."""

    @app.before_request
    def _guard() -> Response | None:
        try:
            if request.endpoint not in probes.ENDPOINTS:
                check_host()
            if permission := preflight_response():
                return permission
            check_origin()
        except ApiError as error:
            return error_response(error) if request.path.startswith("/api") else _plain_response(error)
        return None


def register_body_check(app: Flask) -> None:
    """Check the type of every body. This reads the body, so it comes after the check of who sends it."""

    @app.before_request
    def _check_body() -> None:
        check_body_type()


def check_host() -> None:
    """Raise the 400 if `Host` does not name this server. Requests without it pass: they are not from a browser."""
    host = request.headers.get("Host")
    if host is None:
        return
    name = parse_host(host)
    settings: config.Settings = current_app.config["SETTINGS"]
    if name is None or not is_trusted(name, settings, str(request.environ.get("SERVER_NAME", ""))):
        raise UNTRUSTED_HOST.exception(
            f"This server does not answer to the name {host[:MAX_SHOWN_CHARACTERS]!r}."
            " Add the name to the setting TRUSTED_HOSTS, and restart the web process."
        )


def check_body_type() -> None:
    """Raise the 415 if the body of a JSON call is declared as something else. Blank bodies count as none.

    The body is read here, before the view begins a transaction: PostgreSQL ends one that is idle while a slow client
    sends.
    """
    if request.method in SAFE_METHODS or not request.path.startswith("/api/"):
        return
    # Uploads are the only calls whose body is not JSON. Without an endpoint, the answer is 404 or 405.
    if request.endpoint in {None, UPLOAD_ENDPOINT, APPEND_ENDPOINT}:
        return
    if request.get_data().strip() and not request.is_json:
        raise NOT_JSON.exception(BODY_AT_CREATION if request.endpoint == CREATE_ENDPOINT else None)


def _plain_response(error: ApiError) -> Response:
    """Return an error as a sentence, for a person who opened the page."""
    return Response(f"{error.message}\n", status=error.status, mimetype="text/plain")
