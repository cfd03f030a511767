"""HTTP with the provider: no redirects, a timeout for each wait, a deadline and a limit for each response."""

from __future__ import annotations

import io
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from access.deadline import run_within

TIMEOUT_SECONDS = 5
DEADLINE_SECONDS = 15
MAX_BODY_BYTES = 1_000_000
CHUNK_BYTES = 16 * 1024


class LimitedAdapter(HTTPAdapter):
    """Receives the whole body of each response, and gives up on one that is too slow or too large."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request; raises `requests.RequestException`."""
        limits = {"stream": True, "timeout": TIMEOUT_SECONDS}
        try:
            return run_within(DEADLINE_SECONDS, lambda: self._exchange(request, *args, **{**options, **limits}))
        except TimeoutError:
            raise requests.Timeout("the response takes too long") from None

    def _exchange(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        response = super().send(request, *args, **options)
        body = bytearray()
        with response:
            for chunk in response.iter_content(CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise requests.exceptions.ContentDecodingError("the response is too large")
        received = requests.Response()
        received.status_code, received.reason = response.status_code, response.reason
        received.headers, received.encoding = response.headers, response.encoding
        received.url, received.request, received.raw = response.url, request, io.BytesIO(bytes(body))
        return received


def limit(session: requests.Session) -> None:
    """Let a session use `LimitedAdapter` for all addresses."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, LimitedAdapter())
