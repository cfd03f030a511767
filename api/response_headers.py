"""Headers of every response: what browsers may do with it, and which caches may keep it."""

from __future__ import annotations

from flask import Flask, Response, request

from api.errors import is_api_path
from api.host_names import is_loopback, parse_host

# What a page may load; everything else is forbidden, also inline scripts and styles.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
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
OPENER_HEADER = ("Cross-Origin-Opener-Policy", "same-origin")
# A year, as usual. Other names of the same domain may not have HTTPS, so they are not included.
HTTPS_HEADER = ("Strict-Transport-Security", "max-age=31536000")


def register(app: Flask) -> None:
    """Add the headers to every response that the application gives."""

    @app.after_request
    def _add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.is_secure:
            response.headers.setdefault(*HTTPS_HEADER)
        if request.is_secure or is_loopback(parse_host(request.headers.get("Host", "")) or ""):
            response.headers.setdefault(*OPENER_HEADER)
        if is_api_path():
            _limit_caching(response)
        return response


def _limit_caching(response: Response) -> None:
    """Keep a response of the API out of caches that people share. Browsers may keep it only to revalidate its ETag."""
    caching = response.cache_control
    if "Cache-Control" not in response.headers:
        if "ETag" in response.headers:
            caching.no_cache = True
        else:
            caching.no_store = True
    if not caching.no_store:
        caching.private = True
