"""HTTP with the provider: no redirects, a timeout for each wait, a deadline and a limit for each body."""

from __future__ import annotations

import io
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter

TIMEOUT_SECONDS = 5
DEADLINE_SECONDS = 15
MAX_BODY_BYTES = 1_000_000
CHUNK_BYTES = 16 * 1024


class LimitedAdapter(HTTPAdapter):
    """Receives the whole body of each response, and gives up on one that is too slow or too large."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request; raises `requests.RequestException`."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        response = super().send(request, *args, **{**options, "stream": True, "timeout": TIMEOUT_SECONDS})
        body = bytearray()
        with response:
            for chunk in response.iter_content(CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise requests.exceptions.ContentDecodingError("the response is too large")
                if time.monotonic() > deadline:
                    raise requests.Timeout("the response takes too long")
        received = requests.Response()
        received.status_code, received.reason = response.status_code, response.reason
        received.headers, received.encoding = response.headers, response.encoding
        received.url, received.request, received.raw = response.url, request, io.BytesIO(bytes(body))
        return received


def limit(session: requests.Session) -> None:
    """Let a session use `LimitedAdapter` for all addresses."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, LimitedAdapter())
