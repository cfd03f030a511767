"""The HTML pages of static/, with the version of the product in their footers."""

from __future__ import annotations

from pathlib import Path

from flask import Response, current_app, request

import config
from api.response_headers import PAGE_POLICY

VERSION_PLACEHOLDER = "{version}"


def send_page(name: str) -> Response:
    """Return the page with this file name, or 304 if the client already has it (RFC 9110, section 13.1.2)."""
    text = Path(current_app.root_path, "static", name).read_text(encoding="utf-8")
    response = Response(text.replace(VERSION_PLACEHOLDER, config.VERSION), mimetype="text/html")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response
