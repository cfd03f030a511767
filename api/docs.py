"""The OpenAPI document, and the page that shows it."""

from __future__ import annotations

from functools import lru_cache

from flask import Flask, Response, current_app

import config
from access.roles import Requirement
from api.compression import Body, send_body
from api.openapi import JSON, KEY_SCHEME, SESSION_SCHEME, Blueprint, Document
from api.pages import send_page
from api.session_cookie import COOKIE_NAME, SECURE_COOKIE_NAME

blueprint = Blueprint("docs", __name__, url_prefix="/api", tag="About")

TITLE = "Acme Product Importer"
OPENAPI_VERSION = "3.1.0"
DESCRIPTION = """\
Import products from CSV files and manage the catalogue.

Bodies are JSON in UTF-8; times are ISO 8601 in UTC. Every error has the same JSON body, `Error`: `error` is a sentence
for a person, `code` identifies the kind of error for a program, and `fields` lists the invalid fields.

**Access.** As long as nobody has an account, and from the machine of the server, calls need no credentials. Otherwise
send an API key (`Authorization: Bearer acme_…`); the page uses the cookie of a session. Each call names the scope that
it needs. 401 means that nobody is signed in, 403 that the key or the person may not make the call.

**Concurrent edits.** Every product has an ETag: its `updated_at` in double quotes. Send it as `If-Match` when you
change or delete the product. If someone else changed the product in the meantime, the call returns 412 and changes
nothing.

**Long lists.** Lists are divided into numbered pages (`page`). The list of products also has page tokens: send
`pagination.next` as `after` to get the next page.
"""
SECURITY_SCHEMES = {
    KEY_SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "acme_…",
        "description": "An API key. It may do what its scopes and the role of its owner allow.",
    },
    SESSION_SCHEME: {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE_NAME,
        "description": f"The session of a person in a browser. On HTTPS the cookie is `{SECURE_COOKIE_NAME}`.",
    },
}
TAGS = {
    "Products": "The catalogue.",
    "Imports": "Uploaded CSV files and the jobs that import them.",
    "Webhooks": "Receivers of events, and the deliveries to them.",
    "Access": "People, their sessions, API keys, and the audit log.",
    "About": "The health of the application and the documentation of its API.",
}


def create_document(app: Flask) -> Document:
    """Return the OpenAPI document of an application. It has no calls yet."""
    app.config.update(API_TITLE=TITLE, API_VERSION=config.VERSION, OPENAPI_VERSION=OPENAPI_VERSION)
    document = Document(
        app,
        spec_kwargs={
            "info": {"description": DESCRIPTION},
            "servers": [{"url": "/", "description": "This server"}],
            "components": {"securitySchemes": SECURITY_SCHEMES},
            "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        },
    )
    app.extensions["openapi"] = document
    return document


@blueprint.get("/openapi.json")
@blueprint.document(operationId="getOpenapi")
@blueprint.returns(200, {"type": "object"}, "The document.")
def show_document() -> Response:
    """Get this document

    Describes the API in OpenAPI 3.1. It is generated from the schemas that check the requests.
    """
    document: Document = current_app.extensions["openapi"]
    response = send_body(_body_of(document), JSON)
    response.headers["Cache-Control"] = "no-cache"
    return response


@lru_cache(maxsize=1)
def _body_of(document: Document) -> Body:
    return Body(document.as_json().encode())


@blueprint.get("/docs")
@blueprint.document(operationId="getDocs")
@blueprint.needs(Requirement.NOTHING)
@blueprint.returns(200, {"type": "string"}, "The page.", content_type="text/html")
def show_page() -> Response:
    """Read the documentation

    Shows this document as a web page.
    """
    return send_page("docs.html")
