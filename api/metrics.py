"""GET /metrics: the metrics of the web process and of the database, for Prometheus.

It needs METRICS_TOKEN as bearer token, or the scope `admin`. With the token, it works while the database is down.
"""

from __future__ import annotations

import hmac

from flask import Flask, Response, current_app, request
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import config
from access.roles import Scope
from api.authentication import BEARER, find_actor, require_of
from api.database_metrics import DatabaseCollector, DatabaseFacts, read_facts
from api.health import HEALTH_DATABASE, MISSED_HEARTBEATS
from models import db
from monitoring.exporter import create_registry


class Version(Collector):
    """The version of the product."""

    def collect(self) -> list[Metric]:
        """Return the metric, which is always 1."""
        info = GaugeMetricFamily("acme_build_info", "The version of the product", labels=["version"])
        info.add_metric([config.VERSION], 1)
        return [info]


def register(app: Flask) -> None:
    """Add the call to the application."""
    settings: config.Settings = app.config["SETTINGS"]

    def read() -> DatabaseFacts:
        with app.app_context():
            engine = db.engines[HEALTH_DATABASE]
        return read_facts(engine, settings.sweep_seconds * MISSED_HEARTBEATS)

    app.extensions["metrics"] = create_registry(Version(), DatabaseCollector(read))
    app.add_url_rule("/metrics", "metrics", _show_metrics)


def _show_metrics() -> Response:
    if not _has_token():
        # A pool of its own, so that a scrape works while requests use every other connection.
        require_of(find_actor(db.engines[HEALTH_DATABASE]), Scope.ADMIN)
    registry: CollectorRegistry = current_app.extensions["metrics"]
    try:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    except (TypeError, ValueError):
        # The version of a format is not a number.
        encode, content_type = choose_encoder("")
    response = Response(encode(registry), content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


def _has_token() -> bool:
    settings: config.Settings = current_app.config["SETTINGS"]
    authorization = request.headers.get("Authorization", "")
    if not settings.metrics_token or not authorization.lower().startswith(BEARER):
        return False
    given = authorization[len(BEARER) :].strip()
    return hmac.compare_digest(given.encode(), settings.metrics_token.encode())
