"""GET /api/health."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

import celery_app
import config
from support.api import read_json
from support.database import execute


def test_health_says_which_part_is_down_and_which_version_runs(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(settings))
    all_up = {"status": "healthy", "database": "up", "broker": "up", "worker": "up", "version": config.VERSION}
    health = read_json(client.get("/api/health"), 503)
    assert health == {**all_up, "status": "unhealthy", "worker": "down"}

    execute(settings.database_url, "INSERT INTO workers (name) VALUES ('one')")
    assert read_json(client.get("/api/health")) == all_up

    execute(settings.database_url, "UPDATE workers SET seen_at = now() - interval '1 hour'")
    assert read_json(client.get("/api/health"), 503)["worker"] == "down"

    unreachable = config.load({"CELERY_BROKER_URL": "amqp://guest@127.0.0.1:1//"})
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(unreachable))
    assert read_json(client.get("/api/health"), 503)["broker"] == "down"
