"""Headers of every response: what browsers may do with it, and which caches may keep it.

They are added to the list that the application gives the server. Setting them on Flask's response takes several times
as long, because it checks and copies every header.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import ResponseCacheControl
from werkzeug.http import http_date, parse_cache_control_header

from api.errors import belongs_to_api
from api.host_names import is_loopback, parse_host
from api.request_ids import REQUEST_ID_HEADER, REQUEST_ID_KEY
from database import clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# What a page may load; everything else is forbidden, also inline styles, and inline scripts but that of `{script}`.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'{script}; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Responses that are not pages load nothing, even if a browser shows them as one.
DATA_POLICY = "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
UNUSED_FEATURES = ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "serial", "usb")
HEADERS = {
    "Content-Security-Policy": DATA_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED_FEATURES),
    # Pages of other origins cannot load it, for example as a script or an image.
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Pages of other origins that open ours, or that ours opens, get no reference to it. Browsers ignore the header on plain
# HTTP, except on loopback, and write an error to the console.
LOOPBACK_HEADERS = {**HEADERS, "Cross-Origin-Opener-Policy": "same-origin"}
# A year, as usual. Other names of the same domain may not have HTTPS, so they are not included.
HTTPS_HEADERS = {**LOOPBACK_HEADERS, "Strict-Transport-Security": "max-age=31536000"}
# The API has few different values of `Cache-Control`.
CACHED_VALUES = 64

Headers = list[tuple[str, str]]


def page_policy(script: str) -> str:
    """Return the Content-Security-Policy of a page; `script` is the hash of its inline script, or empty."""
    return PAGE_POLICY.format(script=f" {script}" if script else "")


def add_headers(application: WSGIApplication) -> WSGIApplication:
    """Return the application with the headers added to every response that it gives."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            return start_response(status, _complete(headers, environ), exc_info)

        return application(environ, start)

    return run


def _complete(headers: Headers, environ: WSGIEnvironment) -> Headers:
    """Return the headers of a response together with those that it lacks."""
    given = {name.lower(): value for name, value in headers}
    headers = [
        *((name, value) for name, value in headers if name.lower() != "date"),
        # The server, or Werkzeug for a file, would give the time of this machine (server/dated_response.py).
        ("Date", http_date(clock.unix_time())),
        *((name, value) for name, value in _security_headers(environ).items() if name.lower() not in given),
    ]
    if request_id := environ.get(REQUEST_ID_KEY):
        headers.append((REQUEST_ID_HEADER, request_id))
    if belongs_to_api("/" + environ.get("PATH_INFO", "").lstrip("/")):
        caching = given.get("cache-control")
        limited = _limit_caching(caching, has_etag="etag" in given)
        if limited != caching:
            headers = [(name, value) for name, value in headers if name.lower() != "cache-control"]
            headers.append(("Cache-Control", limited))
    return headers


def _security_headers(environ: WSGIEnvironment) -> dict[str, str]:
    if environ["wsgi.url_scheme"] == "https":
        return HTTPS_HEADERS
    return LOOPBACK_HEADERS if is_loopback(parse_host(environ.get("HTTP_HOST", "")) or "") else HEADERS


@functools.lru_cache(CACHED_VALUES)
def _limit_caching(value: str | None, *, has_etag: bool) -> str:
    """Return the `Cache-Control` of a response of the API, which has `value` so far.

    It stays out of caches that people share. Browsers may keep it only to revalidate its ETag.
    """
    if value is None:
        return "no-cache, private" if has_etag else "no-store"
    caching = parse_cache_control_header(value, cls=ResponseCacheControl)
    if not caching.no_store:
        caching.private = True
    return caching.to_header()
