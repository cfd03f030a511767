"""Errors as clients see them: one exception, one shape of body, for every status."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import psycopg2
from flask import Flask, Response, jsonify, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

log = logging.getLogger(__name__)

SENTENCES = {
    400: "The request could not be understood.",
    404: "There is nothing at this address.",
    405: "This address does not take {method} requests.",
    413: "The file is larger than {max_upload_mb:,} MB, which is the limit. Split it, or pack it as .csv.gz.",
    415: "The body must be JSON (Content-Type: application/json).",
    500: "Something went wrong on the server. It was logged; try again.",
    503: "The database does not answer. Try again in a moment.",
}
BODY_TOO_LARGE = "The body of the request is too large."
CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    500: "internal_error",
    503: "unavailable",
}


class ApiError(Exception):
    """An answer that is an error: `message` is one sentence for a person, `fields` names the fields to blame."""

    def __init__(self, status: int, code: str, message: str, fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields


class Failure(NamedTuple):
    """An error that a call is known to have: what the OpenAPI document says of it, and what is raised.

    `fields` are those to blame in the document's example; `detail` is what it says of them, if not the same sentence.
    """

    status: int
    code: str
    sentence: str
    fields: tuple[str, ...] = ()
    detail: str = ""

    def error(self, sentence: str | None = None) -> ApiError:
        """The error to raise, where need be with a sentence that knows more."""
        sentence = sentence or self.sentence
        return ApiError(self.status, self.code, sentence, {name: [sentence] for name in self.fields})

    def example(self) -> dict[str, Any]:
        """The body of this error."""
        fields = {name: [self.detail or self.sentence] for name in self.fields}
        return error_body(ApiError(self.status, self.code, self.sentence, fields))


def error_body(error: ApiError) -> dict[str, Any]:
    """The body of every error: `{"error", "code", "status"}`, and `fields` where a field is to blame."""
    body: dict[str, Any] = {"error": error.message, "code": error.code, "status": error.status}
    if error.fields:
        body["fields"] = error.fields
    return body


def _answer(error: ApiError) -> Response:
    response = jsonify(error_body(error))
    response.status_code = error.status
    return response


def register(app: Flask) -> None:
    """Makes every error of the API JSON, also those that Flask raises itself."""

    @app.errorhandler(ApiError)
    def _api_error(error: ApiError) -> Response:
        return _answer(error)

    @app.errorhandler(HTTPException)
    def _http_error(error: HTTPException) -> Response | HTTPException:
        if request.path != "/api" and not request.path.startswith("/api/"):
            return error
        status = error.code or 500
        sentence = SENTENCES.get(status) or error.description or SENTENCES[500]
        if status == 413 and request.endpoint != "uploads.upload":
            sentence = BODY_TOO_LARGE
        sentence = sentence.format(method=request.method, max_upload_mb=app.config["SETTINGS"].max_upload_mb)
        response = _answer(ApiError(status, CODES.get(status, error.name.lower().replace(" ", "_")), sentence))
        for name, value in error.get_headers():
            if name.lower() in {"allow", "retry-after"}:
                response.headers[name] = value
        return response

    @app.errorhandler(OperationalError)
    @app.errorhandler(psycopg2.OperationalError)
    def _database_away(error: OperationalError | psycopg2.OperationalError) -> Response:
        log.error("The database does not answer: %s", str(getattr(error, "orig", error)).strip())
        return _answer(ApiError(503, CODES[503], SENTENCES[503]))

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        log.exception("Unexpected error in %s %s", request.method, request.path)
        return _answer(ApiError(500, CODES[500], SENTENCES[500]))
