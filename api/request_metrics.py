"""Counts the requests of the web process and measures how long they take, by endpoint, method and class of status."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from monitoring.metrics import HTTP_DURATION, HTTP_REQUESTS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from prometheus_client import Counter, Histogram

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "other"
# Requests that no endpoint answers, because of their path, their method or their host.
NO_ENDPOINT = "none"
STATUSES = {first: f"{first}xx" for first in "12345"}
SERVER_ERROR = "5xx"
# Where Flask keeps its request in the WSGI environment.
REQUEST_KEY = "werkzeug.request"


class _Values(NamedTuple):
    """The values that a request changes."""

    requests: Counter
    duration: Histogram


def measure(application: WSGIApplication) -> WSGIApplication:
    """Return the application with its requests counted.

    The duration ends when the body of the response begins, because a client decides how long it takes to receive it.
    """
    # Finding a value by its labels takes several times as long as changing it.
    known: dict[tuple[str, str, str], _Values] = {}

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        status, endpoint = SERVER_ERROR, NO_ENDPOINT

        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status, endpoint
            status = STATUSES.get(line[:1], SERVER_ERROR)
            # Flask forgets its request before this application returns.
            endpoint = _endpoint_of(environ)
            return start_response(line, headers, exc_info)

        try:
            return application(environ, start)
        finally:
            method = environ["REQUEST_METHOD"]
            key = (endpoint, method if method in METHODS else OTHER_METHOD, status)
            values = known.get(key) or known.setdefault(key, _find_values(*key))
            values.requests.inc()
            values.duration.observe(time.perf_counter() - started)

    return run


def _endpoint_of(environ: WSGIEnvironment) -> str:
    """Return the rule that a request matched, such as `/api/products/<int:product_id>`."""
    rule = getattr(environ.get(REQUEST_KEY), "url_rule", None)
    return NO_ENDPOINT if rule is None else rule.rule


def _find_values(endpoint: str, method: str, status: str) -> _Values:
    return _Values(HTTP_REQUESTS.labels(endpoint, method, status), HTTP_DURATION.labels(endpoint, method))
