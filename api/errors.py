"""Errors of the API: one function builds every body, and each kind of error is declared once.

A module declares the errors of its calls as `ErrorType` constants. A view raises one with
`raise PRODUCT_NOT_FOUND.exception()`, and `@blueprint.raises(PRODUCT_NOT_FOUND)` lists the same constant in the OpenAPI
document (api/openapi.py), so that the two cannot disagree. `HTTP_ERRORS` declares those that Flask itself raises, such
as 404 for an unknown path. `register` turns every error into a response whose body `error_body` builds.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg2
from flask import Flask, Response, jsonify, request
from psycopg2 import errors
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import ClientDisconnected, HTTPException

from api.field_problems import find_problems
from database.retry import is_conflict
from monitoring.metrics import POOL_TIMEOUTS

log = logging.getLogger(__name__)

# How long a client should wait before it repeats a call that got one of these statuses.
RETRY_AFTER_SECONDS = 5
RETRIED_STATUSES = {429, 503}

# Headers of Flask's own errors that their responses keep (RFC 9110, sections 10.2.1 and 10.2.3).
KEPT_HEADERS = {"allow", "retry-after"}


class ApiError(Exception):
    """An error response.

    `message` is a sentence for a person, `fields` has the sentences for each invalid field. `details` has the
    same facts as JSON, for programs. `retry_after_seconds` is when to repeat the call.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: dict[str, list[str]] | None = None,
        details: dict[str, Any] | None = None,
        *,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
        self.details = details
        self.retry_after_seconds = RETRY_AFTER_SECONDS if status in RETRIED_STATUSES else None
        if retry_after_seconds is not None:
            self.retry_after_seconds = retry_after_seconds


class ErrorType(NamedTuple):
    """A kind of error, which views raise and the OpenAPI document describes.

    `code` identifies it and never changes; `message` is the default sentence. `fields` names the fields that are
    invalid. The document's example shows `field_message` for them, or `message` if `field_message` is empty.
    """

    status: int
    code: str
    message: str
    fields: tuple[str, ...] = ()
    field_message: str = ""

    def exception(
        self,
        message: str | None = None,
        *,
        fields: Sequence[str] | None = None,
        details: dict[str, Any] | None = None,
        retry_after_seconds: int | None = None,
    ) -> ApiError:
        """Return the exception to raise, with a more specific message or with other fields if given.

        `details` are the facts of that message, by name.
        """
        message = message or self.message
        names = self.fields if fields is None else fields
        values = {name: [message] for name in names}
        return ApiError(self.status, self.code, message, values, details, retry_after_seconds=retry_after_seconds)

    def example(self) -> dict[str, Any]:
        """Return the body of this error with its default message, as an example for the document."""
        fields = {name: [self.field_message or self.message] for name in self.fields}
        return error_body(ApiError(self.status, self.code, self.message, fields))


BAD_REQUEST = ErrorType(400, "bad_request", "The server could not understand the request.")
UNAUTHENTICATED = ErrorType(401, "unauthenticated", "Sign in first, or send an API key (Authorization: Bearer acme_…).")
FORBIDDEN = ErrorType(403, "forbidden", "This API key may not do that: it lacks the scope `products:write`.")
NOT_FOUND = ErrorType(404, "not_found", "Nothing exists at this address.")
METHOD_NOT_ALLOWED = ErrorType(405, "method_not_allowed", "This address does not support {method} requests.")
BODY_TOO_LARGE = ErrorType(413, "too_large", "The body of the request is too large.")
NOT_JSON = ErrorType(415, "unsupported_media_type", "The body must be JSON (Content-Type: application/json).")
INTERNAL_ERROR = ErrorType(500, "internal_error", "The server failed and logged the error. Try again.")
REQUEST_TIMEOUT = ErrorType(
    408, "request_timeout", "The request arrived too slowly, so the server stopped waiting. Try again."
)
TOO_MANY_REQUESTS = ErrorType(429, "too_many_requests", "You sent too many requests. Try again in 42 seconds.")
# The web server gives the same response before it runs a call (server/refusals.py).
OVERLOADED = ErrorType(503, "overloaded", "The server has too much to do. Try again in a few seconds.")
QUERY_TIMEOUT = ErrorType(
    503, "query_timeout", "The database took too long, so this call was cancelled. Ask for less, or try again later."
)
UNAVAILABLE = ErrorType(503, "unavailable", "The database is not available. Try again soon.")
# api/request_guard.py and api/cross_origin.py raise these two.
UNTRUSTED_HOST = ErrorType(
    400,
    "untrusted_host",
    "This server does not answer to the name 'shop.example.com'. Add it to the setting TRUSTED_HOSTS, and restart.",
)
CROSS_SITE = ErrorType(
    403,
    "cross_site",
    "A page of another site sent this request, so it was refused. If it was your own page, let the proxy in front of"
    " this server pass on the Host header of the browser.",
)
BUSY = ErrorType(503, "busy", "Another client or an import is changing the same data. Try again in a few seconds.")
HTTP_ERRORS = {
    error_type.status: error_type
    for error_type in (
        BAD_REQUEST,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        BODY_TOO_LARGE,
        NOT_JSON,
        INTERNAL_ERROR,
        UNAVAILABLE,
    )
}


def error_body(error: ApiError) -> dict[str, Any]:
    """Return the body of an error response: `{"error", "code", "status"}`.

    It also has `fields` if fields are invalid, `field_problems` if sentences about them have codes, and `details` if
    programs need them.
    """
    body: dict[str, Any] = {"error": error.message, "code": error.code, "status": error.status}
    if error.fields:
        body["fields"] = error.fields
        if problems := find_problems(error.fields):
            body["field_problems"] = problems
    if error.details:
        body["details"] = error.details
    return body


def error_response(error: ApiError) -> Response:
    """Return the response for an error."""
    response = jsonify(error_body(error))
    response.status_code = error.status
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == UNAUTHENTICATED.status:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def is_api_path() -> bool:
    """Return whether the address of the current request belongs to the API."""
    return belongs_to_api(request.path)


def belongs_to_api(path: str) -> bool:
    """Return whether the path of an address belongs to the API."""
    return path == "/api" or path.startswith("/api/")


def register(app: Flask) -> None:
    """Make every error under `/api` a JSON response, including those that Flask raises."""

    @app.errorhandler(ApiError)
    def _handle_api_error(error: ApiError) -> Response:
        return error_response(error)

    @app.errorhandler(HTTPException)
    def _handle_http_exception(error: HTTPException) -> Response | HTTPException:
        if not is_api_path():
            return error
        response = error_response(_convert_http_exception(error))
        for name, value in error.get_headers():
            if name.lower() in KEPT_HEADERS:
                response.headers[name] = value
        return response

    # An InterfaceError reports that the connection was lost before the current statement.
    @app.errorhandler(InterfaceError)
    @app.errorhandler(OperationalError)
    @app.errorhandler(psycopg2.InterfaceError)
    @app.errorhandler(psycopg2.OperationalError)
    def _handle_database_error(error: DBAPIError | psycopg2.Error) -> Response:
        reason = " ".join(str(getattr(error, "orig", error)).split())
        if is_conflict(error):
            log.warning("Other transactions kept %s %s from writing: %s", request.method, request.path, reason)
            return error_response(BUSY.exception())
        if isinstance(getattr(error, "orig", error), errors.QueryCanceled):
            log.warning("Cancelled a query of %s %s, because it took too long", request.method, request.path)
            return error_response(QUERY_TIMEOUT.exception())
        log.error("The database is not available: %s", reason)
        return error_response(UNAVAILABLE.exception())

    @app.errorhandler(InternalError)
    @app.errorhandler(psycopg2.InternalError)
    def _handle_internal_error(error: InternalError | psycopg2.InternalError) -> Response:
        if not isinstance(getattr(error, "orig", error), errors.ReadOnlySqlTransaction):
            return _handle_unexpected_error(error)
        log.error("The database is not available: it accepts no changes, as a standby or a server whose disk is full")
        return error_response(UNAVAILABLE.exception())

    @app.errorhandler(PoolTimeoutError)
    def _handle_pool_timeout(_error: PoolTimeoutError) -> Response:
        log.warning("All database connections of the web process are in use")
        POOL_TIMEOUTS.inc()
        return error_response(OVERLOADED.exception())

    @app.errorhandler(Exception)
    def _handle_unexpected_error(error: Exception) -> Response:
        log.exception("Unexpected error in %s %s", request.method, request.path)
        return error_response(INTERNAL_ERROR.exception())


def _convert_http_exception(error: HTTPException) -> ApiError:
    if isinstance(error, ClientDisconnected) and isinstance(error.__context__, TimeoutError):
        return REQUEST_TIMEOUT.exception()
    status = error.code or INTERNAL_ERROR.status
    if error_type := HTTP_ERRORS.get(status):
        return error_type.exception(error_type.message.format(method=request.method))
    code = error.name.lower().replace(" ", "_")
    return ApiError(status, code, error.description or INTERNAL_ERROR.message)
