"""The id of a request: in each log line, in the response, in messages to workers, in the audit log, and in webhooks.

A proxy that TRUSTED_PROXIES trusts may choose it, if it is short and has no unusual characters. Other clients may not:
whoever searches the log for an id must not find what a stranger wants them to find.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.wsgi import ClosingIterator

import config
from monitoring import context

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID_HEADER = "X-Request-ID"
GIVEN_ID_KEY = "HTTP_X_REQUEST_ID"
# Where the id of a request is in its WSGI environment.
REQUEST_ID_KEY = "acme.request_id"


def assign_ids(application: WSGIApplication, settings: config.Settings) -> WSGIApplication:
    """Return the application with an id for every request, from its start until its response has been sent."""
    trusts_clients = settings.trusted_proxies > 0

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        given = context.accept_request_id(environ.get(GIVEN_ID_KEY)) if trusts_clients else None
        request_id = environ[REQUEST_ID_KEY] = given or context.new_request_id()
        context.set_request_id(request_id)
        try:
            chunks = application(environ, start_response)
        except BaseException:
            _forget()
            raise
        # The body of a stream is made while it is sent.
        return ClosingIterator(chunks, _forget)

    return run


def _forget() -> None:
    context.set_request_id(None)
