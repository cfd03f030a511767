"""What the API says about itself: the OpenAPI document, and the page that shows it."""

from __future__ import annotations

from flask import Flask, Response, current_app, request

from api.openapi import JSON, Blueprint, Document

blueprint = Blueprint("docs", __name__, url_prefix="/api", tag="About")

TITLE = "Acme Product Importer"
VERSION = "1.0"
DESCRIPTION = """\
Import products from CSV files and work with the catalogue.

Bodies are JSON in UTF-8, times are ISO 8601 in UTC. Every error is JSON of one shape, `Error`: `error` is a sentence
for a person, `code` is what a program can go by, and `fields` names the fields to blame.

**Two people, one product.** Every product has an ETag, its `updated_at` in double quotes. Send it as `If-Match` with a
change or a deletion: whoever comes second gets 412 instead of overwriting what the first one did.

**Long lists.** Pages have numbers (`page`), and `pagination.next` is a cursor to the page behind, sent as `after`.
"""
TAGS = {
    "Products": "The catalogue.",
    "Imports": "CSV files and what became of them.",
    "Webhooks": "Receivers of events, and what was sent to them.",
    "About": "The state of the application and its API.",
}


def create_document(app: Flask) -> Document:
    """The document of an application, still without calls."""
    app.config.update(API_TITLE=TITLE, API_VERSION=VERSION, OPENAPI_VERSION="3.1.0")
    document = Document(
        app,
        spec_kwargs={
            "info": {"description": DESCRIPTION},
            "servers": [{"url": "/", "description": "This server"}],
            "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        },
    )
    app.extensions["openapi"] = document
    return document


@blueprint.get("/openapi.json")
@blueprint.document(operationId="getOpenapi")
@blueprint.answers(200, {"type": "object"}, "The document.")
def openapi() -> Response:
    """This document

    The API in OpenAPI 3.1, made of the schemas that check its requests.
    """
    document: Document = current_app.extensions["openapi"]
    response = Response(document.as_json(), mimetype=JSON)
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response


@blueprint.get("/docs")
@blueprint.document(operationId="getDocs")
@blueprint.answers(200, {"type": "string"}, "The page.", content_type="text/html")
def docs() -> Response:
    """The documentation to read

    This document as a page for people.
    """
    return current_app.send_static_file("docs.html")
