"""Which pages may call the API: our own, and scripts of the origins in CORS_ORIGINS, if they send an API key.

A browser sends requests on behalf of any web page, and adds the cookie of a session to some of them. So what a page of
another origin requests is refused. The rule is that of `http.CrossOriginProtection` in Go 1.25: browsers say in
`Sec-Fetch-Site` whether the page has the server's origin. Old browsers do not, nor do others on plain HTTP; they name
the page's origin in `Origin` when it matters. Scripts outside of browsers send neither header and pass.

A request with an API key passes, too. A page of another origin cannot add the header `Authorization: Bearer` before a
preflight allows it (Fetch standard, section 3.3), and only the origins in CORS_ORIGINS get that permission. They never
get the one to use cookies (`Access-Control-Allow-Credentials`).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request

import config
from access.roles import Requirement
from api.authentication import BEARER, needs_of_endpoint
from api.errors import CROSS_SITE, is_api_path

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OWN_FETCH_SITES = {"same-origin", "none"}
ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
PREFLIGHT_SECONDS = 600
KEY_NEEDED = "Scripts of other origins need an API key: send it as `Authorization: Bearer acme_…`, without cookies."


def register(app: Flask) -> None:
    """Let scripts of the origins in CORS_ORIGINS read the responses of the API, also those to refused calls."""

    settings: config.Settings = app.config["SETTINGS"]
    if not settings.cors_origins:
        return

    @app.after_request
    def _allow_origin(response: Response) -> Response:
        if is_api_path():
            # Without this, a cache could give the response for one origin to another one.
            response.vary.add("Origin")
            if origin := _named_origin():
                response.headers["Access-Control-Allow-Origin"] = origin
                # `*` means every header, because the requests have no cookies.
                response.headers["Access-Control-Expose-Headers"] = "*"
        return response


def preflight_response() -> Response | None:
    """Return the permission to call the API, if the request asks for it on behalf of an origin in CORS_ORIGINS.

    It allows any header: the call itself needs an API key.
    """
    asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if not asks or not is_api_path() or not _named_origin():
        return None
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = ALLOWED_METHODS
    response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    if names := request.headers.get("Access-Control-Request-Headers"):
        response.headers["Access-Control-Allow-Headers"] = names
    response.vary.update(("Access-Control-Request-Method", "Access-Control-Request-Headers"))
    return response


def check_origin() -> None:
    """Raise the 403 if a browser calls the API, or changes something, on behalf of a page of another origin."""
    if request.method == "OPTIONS" or _has_own_origin() or _has_key():
        return
    if request.method in SAFE_METHODS and (not is_api_path() or _is_followed_link()):
        return
    raise CROSS_SITE.exception(KEY_NEEDED if _named_origin() else None)


def _has_key() -> bool:
    """Return whether the request has an API key, valid or not: api/authentication.py refuses those that are not."""
    return request.headers.get("Authorization", "").lower().startswith(BEARER)


def _has_own_origin() -> bool:
    """Return whether the request comes from a page of this server, from its user, or from no browser."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site in OWN_FETCH_SITES
    origin = request.headers.get("Origin")
    return not origin or _is_own_origin(origin, request.headers.get("Host", ""))


def _is_own_origin(origin: str, host: str) -> bool:
    """Compare hosts only, because behind a proxy the server does not know the scheme that the browser uses."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False


def _is_followed_link() -> bool:
    """Return whether a person follows a link of another site, for example to a download, in a tab of its own.

    The other site cannot read what the tab shows. Without the person, it could start one export after the other. What
    needs no access at all, such as the documentation, opens without the person, too: sites redirect to it.
    """
    is_in_own_tab = (
        request.headers.get("Sec-Fetch-Mode") == "navigate" and request.headers.get("Sec-Fetch-Dest") == "document"
    )
    is_open = needs_of_endpoint(current_app).get(request.endpoint or "") is Requirement.NOTHING
    return is_in_own_tab and (is_open or request.headers.get("Sec-Fetch-User") == "?1")


def _named_origin() -> str | None:
    """Return the origin of the page if it is one of CORS_ORIGINS."""
    settings: config.Settings = current_app.config["SETTINGS"]
    origin = request.headers.get("Origin", "").lower()
    return origin if origin in settings.cors_origins else None
