"""A change that the audit log cannot record does not happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.audit import allow_entries, forbid_entries, read_actions, read_entries
from support.database import execute
from support.imports import post_file, upload, upload_and_run
from support.jobs import folder_of

EMAIL, NAME = "ada@example.com", "Ada Lovelace"
FILE = "sku,name\nA,1\n"


def _import(client: FlaskClient, action: str) -> Any:
    task_id = read_json(client.get("/api/imports"))["imports"][0]["task_id"]
    return (
        client.delete(f"/api/imports/{task_id}")
        if action == "delete"
        else client.post(f"/api/imports/{task_id}/{action}")
    )


WEBHOOK = {"url": "http://127.0.0.1:9", "event_type": "*"}
CHANGES: dict[str, Callable[[FlaskClient], Any]] = {
    "product.created": lambda client: client.post("/api/products", json={"sku": "new"}),
    "product.updated": lambda client: client.put("/api/products/1", json={"name": "new"}),
    "product.deleted": lambda client: client.delete("/api/products/1"),
    "products.deactivated": lambda client: client.post("/api/products/bulk", json={"action": "deactivate", "ids": [1]}),
    "products.deleted": lambda client: client.delete("/api/products/bulk-delete"),
    "products.exported": lambda client: client.get("/api/products/export"),
    "import.undone": lambda client: _import(client, "undo"),
    "import.deleted": lambda client: _import(client, "delete"),
    "webhook.created": lambda client: client.post("/api/webhooks", json=WEBHOOK),
    "webhook.updated": lambda client: client.put("/api/webhooks/1", json={"description": "new"}),
    "webhook.deleted": lambda client: client.delete("/api/webhooks/1"),
    "webhook.secret_rotated": lambda client: client.post("/api/webhooks/1/rotate-secret"),
    "webhook.secret_shown": lambda client: client.get("/api/webhooks/1"),
    "webhook.tested": lambda client: client.post("/api/webhooks/1/test"),
    "user.created": lambda client: client.post(
        "/api/users", json={"email": EMAIL, "name": NAME, "role": "admin"}
    ),
}  # fmt: skip
TABLES = ("products", "import_jobs", "webhooks", "users", "webhook_events", "audit_entries")


@pytest.mark.parametrize("action", CHANGES)
def test_a_change_that_cannot_be_recorded_does_not_happen(
    client: FlaskClient, runner: ImportRunner, database_url: str, action: str
) -> None:
    upload_and_run(client, runner, FILE)
    read_json(client.post("/api/webhooks", json=WEBHOOK), 201)

    def read_tables() -> list[Any]:
        return [execute(database_url, f"SELECT t::text FROM {table} t ORDER BY 1") for table in TABLES]

    before = read_tables()
    forbid_entries(database_url, action)
    read_error(CHANGES[action](client), 500, "internal_error")
    assert read_tables() == before
    allow_entries(database_url)
    assert CHANGES[action](client).status_code < 300
    assert action in read_actions(database_url)[-2:]


def test_uploads_and_cancellations_that_cannot_be_recorded_do_not_happen(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    forbid_entries(database_url, "import.started")
    read_error(post_file(client, FILE), 500, "internal_error")
    assert execute(database_url, "SELECT FROM import_jobs") == []
    assert list(folder_of(runner).iterdir()) == []
    allow_entries(database_url)
    task_id = upload(client, FILE)
    forbid_entries(database_url, "import.cancelled")
    read_error(client.post(f"/api/imports/{task_id}/cancel"), 500, "internal_error")
    assert execute(database_url, "SELECT status FROM import_jobs") == [("pending",)]


def test_a_change_whose_commit_fails_has_no_entry(client: FlaskClient, database_url: str) -> None:
    execute(
        database_url,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;"
        " CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON audit_entries DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    read_error(client.post("/api/products", json={"sku": "A"}), 500, "internal_error")
    assert execute(database_url, "SELECT FROM products") == []
    assert read_entries(database_url) == []
