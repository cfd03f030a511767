"""The responses that the server gives without running the application, in the shape of every error of the API."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from server.request_classes import RETRY_AFTER_SECONDS

# Those of the application's responses (api/response_headers.py).
UNUSED_FEATURES = ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "serial", "usb")
SECURITY_HEADERS = (
    "Content-Security-Policy: default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: same-origin",
    f"Permissions-Policy: {', '.join(f'{feature}=()' for feature in UNUSED_FEATURES)}",
    "Cross-Origin-Resource-Policy: same-origin",
)
# The protocol tus wants its version in every response (api/imports/tus.py).
TUS_PATH_RE = re.compile(r"/api/uploads(/.*)?")
TUS_HEADER = "Tus-Resumable: 1.0.0"


@dataclass(frozen=True)
class Refusal:
    """A response that refuses a request and closes its connection."""

    status: HTTPStatus
    code: str
    message: str

    def render(self, method: str = "GET", path: str = "") -> bytes:
        """Return the bytes of the response to a request with this method and path."""
        body = json.dumps({"error": self.message, "code": self.code, "status": self.status}).encode()
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Date: {formatdate(usegmt=True)}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            *SECURITY_HEADERS,
            "Connection: close",
        ]
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            lines.append(f"Retry-After: {RETRY_AFTER_SECONDS}")
        if TUS_PATH_RE.fullmatch(path):
            lines.append(TUS_HEADER)
        return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body)


# The codes and sentences of the application's own errors are in api/errors.py.
OVERLOADED = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "The server has too much to do. Try again in a few seconds."
)
TOO_MANY_UPLOADS = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too_many_uploads",
    "Too many files are being uploaded. Nothing was stored; try again in a few seconds.",
)
TOO_SLOW = Refusal(
    HTTPStatus.REQUEST_TIMEOUT,
    "request_timeout",
    "The request arrived too slowly, so the server stopped waiting. Try again.",
)
NOT_HTTP = Refusal(HTTPStatus.BAD_REQUEST, "bad_request", "The server could not understand the request.")
BODY_TOO_LARGE = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body of the request is too large.")
HEAD_TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers_too_large",
    "The address and the headers of the request are too long, or there are too many headers. Shorten them.",
)
