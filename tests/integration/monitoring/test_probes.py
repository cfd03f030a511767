"""GET /healthz and /readyz, for load balancers."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

import celery_app
import config
from database.migrate import newest_revision
from support.api import read_json
from support.database import execute, url_of
from support.sign_in import create_user

READY = {"status": "healthy", "database": "up", "schema": "up"}


def test_the_probes_need_no_sign_in_and_no_name_of_the_server(client: FlaskClient, database_url: str) -> None:
    create_user(database_url)
    for host in ("10.1.2.3:8080", "health-check.internal", "", "not a name!"):
        headers = {"Host": host}
        assert read_json(client.get("/healthz", headers=headers)) == {"status": "healthy"}
        assert read_json(client.get("/readyz", headers=headers)) == READY
        assert client.head("/readyz", headers=headers).status_code == 200
    # Everything else keeps its check.
    for path in ("/", "/metrics", "/api/health"):
        assert client.get(path, headers={"Host": "health-check.internal"}).status_code == 400


def test_a_process_without_the_broker_is_ready(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreachable = config.load({"CELERY_BROKER_URL": "amqp://guest@127.0.0.1:1//"})
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(unreachable))
    settings.upload_dir.rename(settings.upload_dir.with_name("elsewhere"))
    assert read_json(client.get("/readyz")) == READY


def test_a_process_is_ready_with_its_own_schema_or_a_later_one_only(client: FlaskClient, database_url: str) -> None:
    outdated = {"status": "unhealthy", "database": "up", "schema": "down"}
    set_revision = "UPDATE alembic_version SET version_num = %s"
    execute(database_url, set_revision, (f"{int(newest_revision()) - 1:04}",))
    assert read_json(client.get("/readyz"), 503) == outdated
    # A later version has migrated the database, and this process still runs.
    execute(database_url, set_revision, (f"{int(newest_revision()) + 1:04}",))
    assert read_json(client.get("/readyz")) == READY
    execute(database_url, "DELETE FROM alembic_version")
    assert read_json(client.get("/readyz"), 503) == outdated
    execute(database_url, "DROP TABLE alembic_version")
    assert read_json(client.get("/readyz"), 503) == outdated


def test_a_process_without_the_database_lives_but_is_not_ready(client: FlaskClient, database_url: str) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    server = url_of(database_url, "postgres")
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    execute(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    body = read_json(client.get("/readyz"), 503)
    assert read_json(client.get("/healthz")) == {"status": "healthy"}
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert body == {"status": "unhealthy", "database": "down", "schema": "unknown"}
    assert read_json(client.get("/readyz")) == READY
