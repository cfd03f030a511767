"""Refusals in the audit log: a person or an API key tried what its role or its scopes do not allow."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, current_app, g, request
from psycopg2 import Error
from sqlalchemy.exc import SQLAlchemyError

from access.audit import Target
from api.audit import record_once
from api.errors import FORBIDDEN
from models import db

log = logging.getLogger(__name__)

# The types of actors who have signed in. Without users, everybody on this machine is "local".
SIGNED_IN = {"user", "key"}


def register(app: Flask) -> None:
    """Write an entry for each 403 `forbidden`; at most one a minute for the same actor and operation."""

    @app.after_request
    def _record_refusal(response: Response) -> Response:
        if response.status_code == FORBIDDEN.status and "actor" in g and g.actor.type in SIGNED_IN:
            body: Any = response.get_json(silent=True)
            if isinstance(body, dict) and body.get("code") == FORBIDDEN.code:
                _record(body["error"])
        return response


def _record(reason: str) -> None:
    operation = _operation()
    try:
        db.session.rollback()
        record_once("access.refused", operation, outcome="refused", changes={"reason": [None, reason]})
        db.session.commit()
    except (SQLAlchemyError, Error) as error:
        # The call is refused all the same.
        db.session.rollback()
        log.warning("Could not record that %s was refused to %s: %s", operation.name, g.actor.name, error)


def _operation() -> Target:
    """Return the operation of the current request: its id in the OpenAPI document, its method and its path."""
    view: Any = current_app.view_functions.get(request.endpoint or "")
    # flask-smorest keeps what a decorator of the view said.
    documented = getattr(view, "_apidoc", {}).get("manual_doc", {})
    operation_id = documented.get("operationId", request.endpoint)
    return Target("operation", operation_id, f"{request.method} {request.url_rule or ''}")
