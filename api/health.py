"""Whether every part the product needs is there."""

from __future__ import annotations

from typing import Any

from celery.exceptions import OperationalError as BrokerError
from flask import Response, current_app, jsonify
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from api.openapi import Blueprint
from api.responses import HealthSchema
from celery_app import celery
from models import Worker, db

blueprint = Blueprint("health", __name__, url_prefix="/api", tag="About")

BROKER_TIMEOUT_SECONDS = 3
MISSED_SIGNS_OF_LIFE = 4
HEALTHY = {"status": "healthy", "database": "up", "broker": "up", "worker": "up"}
UNHEALTHY = {**HEALTHY, "status": "unhealthy", "worker": "down"}


@blueprint.get("/health")
@blueprint.document(operationId="getHealth")
@blueprint.answers(200, HealthSchema, "Everything is there.", example=HEALTHY)
@blueprint.answers(503, HealthSchema, "Something is missing.", example=UNHEALTHY)
def health() -> tuple[Response, int]:
    """Whether everything works

    200 when the database, the broker and at least one worker are there; else 503, and which of them is not.
    """
    parts: dict[str, Any] = {"database": "up", "broker": "up", "worker": "up"}
    try:
        settings = current_app.config["SETTINGS"]
        oldest = func.clock_timestamp() - func.make_interval(
            0, 0, 0, 0, 0, 0, settings.sweep_seconds * MISSED_SIGNS_OF_LIFE
        )
        if not db.session.scalar(select(func.count()).where(Worker.seen_at > oldest)):
            parts["worker"] = "down"
    except SQLAlchemyError:
        db.session.rollback()
        # Without the database nobody knows about the workers.
        parts["database"], parts["worker"] = "down", "unknown"
    try:
        with celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_SECONDS)
    except (BrokerError, OSError):
        parts["broker"] = "down"
    healthy = all(state == "up" for state in parts.values())
    return jsonify(status="healthy" if healthy else "unhealthy", **parts), 200 if healthy else 503
