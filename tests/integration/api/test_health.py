"""GET /api/health."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

import celery_app
import config
from catalogue import search_index_builds, search_indexes
from database.connect import Component, connected
from support.api import read_json
from support.database import execute


def test_health_says_which_part_is_down_and_which_version_runs(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(settings))
    parts = {"database": "up", "broker": "up", "worker": "up"}
    details = {"search_index": {"age_seconds": None, "recent_rows": 0, "error": None}}
    all_up = {"status": "healthy", **parts, "version": config.VERSION, "details": details}
    health = read_json(client.get("/api/health"), 503)
    assert health == {**all_up, "status": "unhealthy", "worker": "down"}

    execute(settings.database_url, "INSERT INTO workers (name) VALUES ('one')")
    assert read_json(client.get("/api/health")) == all_up

    execute(settings.database_url, "UPDATE workers SET seen_at = now() - interval '1 hour'")
    assert read_json(client.get("/api/health"), 503)["worker"] == "down"

    unreachable = config.load({"CELERY_BROKER_URL": "amqp://guest@127.0.0.1:1//"})
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(unreachable))
    assert read_json(client.get("/api/health"), 503)["broker"] == "down"


def test_health_says_how_current_the_search_indexes_are(client: FlaskClient, database_url: str) -> None:
    execute(database_url, "INSERT INTO products (sku) VALUES ('A'), ('B')")
    assert client.get("/api/health").get_json()["details"]["search_index"]["recent_rows"] == 2
    assert search_indexes.build_indexes(database_url)
    execute(database_url, "INSERT INTO products (sku) VALUES ('C')")
    with connected(database_url, Component.SEARCH_INDEX) as connection, connection, connection.cursor() as cursor:
        search_index_builds.record_start(cursor, "text")
        search_index_builds.record_failure(cursor, "text", "could not extend file: No space left on device")
    health = client.get("/api/health").get_json()["details"]["search_index"]
    assert health["age_seconds"] >= 0
    assert health["recent_rows"] == 1
    assert health["error"] == "text: could not extend file: No space left on device"
