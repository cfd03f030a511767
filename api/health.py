"""The health of the product: whether its database, its broker and a worker are available."""

from __future__ import annotations

import logging
from typing import Any

from flask import Response, current_app, jsonify
from marshmallow import Schema
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

import celery_app
import config
from access.roles import Requirement
from api.authentication import find_actor
from api.errors import ApiError
from api.health_details import EXAMPLE, HealthDetailsSchema, read_details
from api.openapi import Blueprint
from api.response_fields import nested, optional, text
from models import Worker, db

log = logging.getLogger(__name__)

blueprint = Blueprint("health", __name__, url_prefix="/api", tag="About")

BROKER_TIMEOUT_SECONDS = 3
# SQLAlchemy's name for this call's own connections to the same database, with their own time limit (app.py).
HEALTH_DATABASE = "health"
HEALTH_SECONDS = 3
# A worker sends a heartbeat in each round of its reaper. It counts as down after this many rounds without one.
MISSED_HEARTBEATS = 4

HEALTHY = {
    "status": "healthy",
    "database": "up",
    "broker": "up",
    "worker": "up",
    "version": config.VERSION,
    "details": EXAMPLE,
}
UNHEALTHY = {**HEALTHY, "status": "unhealthy", "worker": "down"}


class HealthSchema(Schema):
    """The health of the product and of its parts."""

    status = text("`healthy` if all parts are up.", "healthy", enum=["healthy", "unhealthy"])
    database = text("The PostgreSQL database.", "up", enum=["up", "down"])
    broker = text("The message broker.", "up", enum=["up", "down"])
    worker = text(
        "Up if at least one worker is running; unknown while the database is down.",
        "up",
        enum=["up", "down", "unknown"],
    )
    version = optional(text("The version of the product, for those who are signed in.", config.VERSION))
    details = optional(nested(HealthDetailsSchema, "Numbers for monitoring, for those who are signed in."))


@blueprint.get("/health")
@blueprint.document(operationId="getHealth")
@blueprint.needs(Requirement.NOTHING)
@blueprint.returns(200, HealthSchema, "All parts are up.", example=HEALTHY)
@blueprint.returns(503, HealthSchema, "At least one part is not up.", example=UNHEALTHY)
def show_health() -> tuple[Response, int]:
    """Check the health

    Returns 200 if the database, the broker and at least one worker are up; otherwise 503 and the state of each. The
    details are numbers for monitoring, which never change the status. They and the version need an API key or a
    session.
    """
    worker = _check_worker()
    parts = {
        "database": "down" if worker == "unknown" else "up",
        "broker": "up" if _is_broker_up() else "down",
        "worker": worker,
    }
    healthy = all(state == "up" for state in parts.values())
    database = None if worker == "unknown" else db.engines[HEALTH_DATABASE]
    body: dict[str, Any] = {"status": "healthy" if healthy else "unhealthy", **parts}
    # Without the database nobody can prove who they are, and there are no numbers to hide.
    if database is None or _is_signed_in(database):
        body |= {"version": config.VERSION, "details": read_details(database)}
    return jsonify(body), 200 if healthy else 503


def _is_signed_in(database: Engine) -> bool:
    """Return whether the request has a session or a key. The health does not depend on whether a key is valid."""
    try:
        return find_actor(database).may(Requirement.ANY_ACTOR)
    except ApiError:
        return False


def _check_worker() -> str:
    """Return `up` if a worker sent a heartbeat recently, else `down`; `unknown` if the database does not answer."""
    limit_seconds = current_app.config["SETTINGS"].sweep_seconds * MISSED_HEARTBEATS
    oldest = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, limit_seconds)
    try:
        with db.engines[HEALTH_DATABASE].connect() as connection:
            workers = connection.scalar(select(func.count()).where(Worker.seen_at > oldest))
    except SQLAlchemyError:
        return "unknown"
    return "up" if workers else "down"


def _is_broker_up() -> bool:
    try:
        with celery_app.celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_SECONDS)
    except Exception as error:
        # Every transport raises its own kinds of errors. All of them mean that messages cannot be sent.
        log.warning("The broker is not available: %s", error)
        return False
    return True
