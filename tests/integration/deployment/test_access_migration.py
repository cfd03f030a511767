"""Updating an installation without people to the version with access control, and back."""

from __future__ import annotations

from typing import Any

import psycopg2
from alembic import command
from flask import Flask

import config
from app import create_app
from importer.pipeline.runner import ImportRunner
from models import db
from support.api import read_error, read_json
from support.database import execute
from support.jobs import create_job, run_import
from support.migrations import create_alembic_config

TABLES = ("products", "import_jobs", "webhooks", "webhook_deliveries")
BEFORE_ACCESS = "0014"


Rows = list[dict[str, Any]]


def read_tables(url: str) -> dict[str, Rows]:
    """Return the rows of the tables that existed before."""
    return {
        table: [row for (row,) in execute(url, f"SELECT to_jsonb({table}) FROM {table} ORDER BY id")]
        for table in TABLES
    }


def assert_kept(old: dict[str, Rows], new: dict[str, Rows]) -> None:
    """Check that the tables of a new version have the values of an old one; later versions add columns."""
    kept = {
        table: [{name: row[name] for name in before} for before, row in zip(old[table], rows, strict=True)]
        for table, rows in new.items()
    }
    assert kept == old


def dispose(app: Flask) -> None:
    """Close the connections of an application."""
    with app.app_context():
        db.engine.dispose()


def test_an_update_keeps_everything_and_local_may_do_all(
    settings: config.Settings, database_url: str, runner: ImportRunner
) -> None:
    run_import(runner, "sku,name\nA,Lamp\nB,Sofa\n,none\n")
    app = create_app(settings)
    body = {"url": "https://shop.example.com/hook", "event_type": "product.created"}
    read_json(app.test_client().post("/api/webhooks", json=body), 201)
    dispose(app)
    alembic_config = create_alembic_config(database_url)
    command.downgrade(alembic_config, BEFORE_ACCESS)
    # An import that no worker has finished, as a stopped installation leaves it.
    task_id = create_job(runner, b"sku\nC\n")
    before = read_tables(database_url)
    assert all(before[table] for table in ("products", "import_jobs", "webhooks"))

    # An import that holds rows of products does not stop the update, nor does the update stop the import.
    with psycopg2.connect(database_url) as writer, writer.cursor() as cursor:
        cursor.execute("UPDATE products SET name = 'changed meanwhile'; SET LOCAL lock_timeout = '1s'")
        app = create_app(settings)
        cursor.execute("LOCK TABLE products IN ROW EXCLUSIVE MODE")
        writer.rollback()

    assert_kept(before, read_tables(database_url))
    client = app.test_client()
    assert read_json(client.get("/api/session"))["actor"]["type"] == "local"
    assert len(read_json(client.get("/api/products"))["products"]) == 2
    assert len(read_json(client.get("/api/imports"))["imports"]) == 2
    assert len(read_json(client.get("/api/webhooks"))) == 1
    while runner.run(task_id):
        pass
    assert len(read_json(client.get("/api/products"))["products"]) == 3
    read_error(app.test_client().get("/api/products", headers={"X-Forwarded-For": "::1"}), 401, "unauthenticated")
    dispose(app)


def test_the_way_back_keeps_everything_but_the_people(
    settings: config.Settings, database_url: str, runner: ImportRunner
) -> None:
    run_import(runner, "sku,name\nA,Lamp\n")
    app = create_app(settings)
    person = {"email": "ada@example.com", "name": "Ada", "password": "a password of many words"}
    read_json(app.test_client().post("/api/setup", json=person), 201)
    dispose(app)
    before = read_tables(database_url)
    alembic_config = create_alembic_config(database_url)
    command.downgrade(alembic_config, BEFORE_ACCESS)
    assert_kept(read_tables(database_url), before)
    # After another update nobody has an account, so local is the administrator again.
    app = create_app(settings)
    assert read_json(app.test_client().get("/api/session"))["actor"]["type"] == "local"
    dispose(app)
