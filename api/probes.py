"""Probes for load balancers and orchestrators: does the web process live, and can it serve requests?

They need no sign-in, and answer whatever name the `Host` header has, because load balancers send an address, a name of
their own or nothing. That is safe: a page whose name resolves to this server (DNS rebinding) learns two words from
them, which it could guess.
"""

from __future__ import annotations

from flask import Flask, Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from api.health import HEALTH_DATABASE
from database.migrate import READ_COMMENT_SQL, parse_schema
from models import db

# The names of the endpoints, which api/request_guard.py lets through with any `Host`.
ENDPOINTS = frozenset({"probe_life", "probe_readiness"})


def register(app: Flask) -> None:
    """Add the probes to the application."""
    app.add_url_rule("/healthz", "probe_life", _probe_life)
    app.add_url_rule("/readyz", "probe_readiness", _probe_readiness)


def _probe_life() -> Response:
    """Answer 200 as long as the process does; asks no other process."""
    return jsonify(status="healthy")


def _probe_readiness() -> tuple[Response, int]:
    """Answer 200 if requests can be served, 503 otherwise.

    They need the database with the tables of this version, or of a later one that this version can use. They need
    neither the broker nor the storage: without the broker, uploads are accepted and imported later; without the
    storage, the catalogue still works. All web processes share these, so taking this one out of service would not help.
    """
    try:
        with db.engines[HEALTH_DATABASE].connect() as connection:
            row = connection.execute(text(READ_COMMENT_SQL)).one_or_none()
        database, schema = "up", "up" if row and parse_schema(*row).is_usable else "down"
    except ProgrammingError:
        # The table is missing, so the database is empty.
        database, schema = "up", "down"
    except SQLAlchemyError:
        database, schema = "down", "unknown"
    is_ready = schema == "up"
    body = {"status": "healthy" if is_ready else "unhealthy", "database": database, "schema": schema}
    return jsonify(body), 200 if is_ready else 503
