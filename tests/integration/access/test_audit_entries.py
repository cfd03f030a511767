"""Entries of the audit log: each action has one, in the transaction of its change, and none has a secret."""

from __future__ import annotations

import threading

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

from access.audit import MASK, MAX_VALUE_CHARACTERS
from importer.pipeline.runner import ImportRunner
from support.api import create_product, read_error, read_json
from support.audit import forbid_entries, read_actions, read_entries
from support.database import execute
from support.imports import request_action, run_job, upload, upload_and_run
from support.receiver import Receiver
from support.sign_in import create_key, create_session, create_user

EMAIL, NAME, PASSWORD = "ada@example.com", "Ada Lovelace", "a password of many words"
COOKIE = "acme_session"
FILE = "sku,name\nA,1\n"


@pytest.fixture
def admin(client: FlaskClient) -> FlaskClient:
    """The client of the first administrator, who is signed in."""
    read_json(client.post("/api/setup", json={"email": EMAIL, "name": NAME, "password": PASSWORD}), 201)
    return client


def sign_in_as(app: Flask, database_url: str, role: str) -> FlaskClient:
    """Return the client of a new person with this role, who is signed in."""
    client = app.test_client()
    client.set_cookie(COOKIE, create_session(database_url, create_user(database_url, role)))
    return client


def test_an_entry_says_who_did_what_from_where(admin: FlaskClient, database_url: str) -> None:
    product = create_product(admin, "A-1", name="Blue lamp")
    response = admin.put(f"/api/products/{product['id']}", json={"name": "Red lamp", "active": True})
    read_json(response)
    (_, entry) = read_entries(database_url, "product.")
    assert entry == {
        "actor_type": "user",
        "actor_name": NAME,
        "action": "product.updated",
        "target_type": "product",
        "target_id": str(product["id"]),
        "target_name": "A-1",
        "outcome": "success",
        "changes": {"name": ["Blue lamp", "Red lamp"]},
        "address": "127.0.0.1",
        "request_id": response.headers["X-Request-ID"],
    }


def test_changes_of_products(client: FlaskClient, database_url: str) -> None:
    product = create_product(client, "A-1", name="Blue lamp")
    path = f"/api/products/{product['id']}"
    read_json(client.put(path, json={"name": "Blue lamp"}))
    read_json(client.put(path, json={"sku": "A-2", "description": "x" * (MAX_VALUE_CHARACTERS + 1)}))
    read_error(client.post("/api/products", json={"sku": "a-2"}), 409, "duplicate_sku", "sku")
    read_error(client.delete(path, headers={"If-Match": '"old"'}), 412, "precondition_failed")
    read_json(client.delete(path))
    read_error(client.delete(path), 404, "product_not_found")
    created, updated, deleted = read_entries(database_url)
    cut = f"{'x' * MAX_VALUE_CHARACTERS}…"
    assert [created["changes"], updated["changes"], deleted["changes"]] == [
        {"sku": [None, "A-1"], "name": [None, "Blue lamp"]},
        {"sku": ["A-1", "A-2"], "description": ["", cut]},
        {"sku": ["A-2", None], "name": ["Blue lamp", None], "description": [cut, None], "active": [True, None]},
    ]
    assert {entry["actor_type"] for entry in (created, updated, deleted)} == {"local"}


def test_bulk_changes_have_one_entry_each_with_their_job(client: FlaskClient, database_url: str) -> None:
    ids = [create_product(client, f"A-{number}")["id"] for number in range(3)]
    for body in (
        {"action": "deactivate", "ids": [*ids[:2], 10**18]},
        {"action": "set", "ids": ids[:2], "field": "name", "value": "new"},
        {"action": "activate", "filter": {"q": "a-", "active": False}},
        {"action": "delete", "ids": ids[:1]},
    ):
        read_json(client.post("/api/products/bulk", json=body))
    read_json(client.delete("/api/products/bulk-delete"))
    read_json(client.delete("/api/products/bulk-delete"))
    entries = read_entries(database_url, "products.")
    assert [(entry["action"], entry["changes"]) for entry in entries] == [
        ("products.deactivated", {"ids": [None, 3]}),
        ("products.changed", {"field": [None, "name"], "value": [None, "new"], "ids": [None, 2]}),
        ("products.activated", {"filter": [None, {"q": "a-", "active": False}]}),
        ("products.deleted", {"ids": [None, 1]}),
        ("products.deleted", {"filter": [None, {}]}),
        ("products.deleted", {"filter": [None, {}]}),
    ]
    jobs = read_json(client.get("/api/imports"))["imports"]
    expected = [("products", job["task_id"], job["filename"]) for job in reversed(jobs)]
    assert [(entry["target_type"], entry["target_id"], entry["target_name"]) for entry in entries] == expected
    assert [job["updated_count"] + job["removed_count"] for job in reversed(jobs)] == [2, 2, 2, 1, 2, 0]


def test_an_export_has_an_entry_when_it_starts(client: FlaskClient, database_url: str) -> None:
    create_product(client, "A-1")
    assert client.get("/api/products/export?q=a&format=csv.gz").status_code == 200
    (entry,) = read_entries(database_url, "products.")
    assert (entry["action"], entry["changes"]) == (
        "products.exported",
        {"filter": [None, {"q": "a"}], "format": [None, "csv.gz"]},
    )
    read_error(client.get("/api/products/export?format=pdf"), 400, "invalid_parameter", "format")
    assert len(read_entries(database_url, "products.")) == 1


def test_actions_on_imports(client: FlaskClient, runner: ImportRunner, database_url: str) -> None:
    task_id = upload_and_run(client, runner, FILE, preview="true")["task_id"]
    request_action(client, task_id, "retry", mode="create", preview=True)
    run_job(client, runner, task_id)
    request_action(client, task_id, "confirm")
    run_job(client, runner, task_id)
    read_error(client.post(f"/api/imports/{task_id}/confirm"), 409, "not_awaiting_confirmation")
    undo = request_action(client, task_id, "undo")["task_id"]
    run_job(client, runner, undo)
    other = upload(client, FILE)
    request_action(client, other, "cancel")
    read_error(client.post(f"/api/imports/{other}/cancel"), 409, "already_ended")
    read_json(client.delete(f"/api/imports/{other}"))
    entries = read_entries(database_url, "import.")
    assert [(entry["action"], entry["target_id"], entry["target_name"]) for entry in entries] == [
        ("import.started", task_id, "products.csv"),
        ("import.retried", task_id, "products.csv"),
        ("import.confirmed", task_id, "products.csv"),
        ("import.undone", task_id, "products.csv"),
        ("import.started", other, "products.csv"),
        ("import.cancelled", other, "products.csv"),
        ("import.deleted", other, "products.csv"),
    ]
    assert entries[1]["changes"] == {"mode": ["upsert", "create"]}
    assert entries[3]["changes"] == {"undo": [None, undo]}
    assert entries[0]["changes"].items() >= {"mode": [None, "upsert"], "wants_preview": [None, True]}.items()


def test_downloads_of_the_lists_of_an_import_have_entries(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    task_id = upload_and_run(client, runner, f"{FILE}\n,no sku\n", preview="true")["task_id"]
    lists = {"rejects": "rejects.csv", "duplicates": "duplicates.csv", "created": "rows.csv?kind=created"}
    for path in lists.values():
        with client.get(f"/api/imports/{task_id}/{path}") as response:
            assert response.status_code == 200, path
            assert b"sku" in response.data
    # A download that is refused has none.
    assert client.get(f"/api/imports/{task_id}/rows.csv?kind=nothing").status_code == 400
    entries = [entry for entry in read_entries(database_url, "import.") if entry["action"] == "import.exported"]
    assert [(entry["target_id"], entry["changes"]) for entry in entries] == [
        (task_id, {"list": [None, name]}) for name in lists
    ]


def test_actions_on_webhooks_and_no_secrets(admin: FlaskClient, receiver: Receiver, database_url: str) -> None:
    webhook = read_json(admin.post("/api/webhooks", json={"url": receiver.url("/hooks"), "event_type": "*"}), 201)
    path = f"/api/webhooks/{webhook['id']}"
    own = "whsec_" + "YSBzZWNyZXQgdGhhdCBhIHBlcnNvbiBoYXMgc2V0"
    read_json(admin.put(path, json={"description": "Shop"}))
    read_json(admin.put(path, json={"description": "Shop"}))
    read_json(admin.put(path, json={"secret": own}))
    rotated = read_json(admin.post(f"{path}/rotate-secret"))["secret"]
    read_json(admin.get(path))
    read_json(admin.get(path))
    read_json(admin.post(f"{path}/test"))
    (event_id,) = execute(
        database_url,
        "INSERT INTO webhook_events (uid, type, body) VALUES (gen_random_uuid(), 'x', '{}') RETURNING id",
    )[0]
    (delivery_id,) = execute(
        database_url,
        "INSERT INTO webhook_deliveries (event_id, webhook_id, status, created_at)"
        " VALUES (%s, %s, 'failed', clock_timestamp()) RETURNING id",
        (event_id, webhook["id"]),
    )[0]
    read_json(admin.post(f"{path}/recover", json={"since": "2020-01-01T00:00:00Z"}), 202)
    read_json(admin.post(f"{path}/recover", json={"since": "2020-01-01T00:00:00Z"}), 202)
    read_json(admin.post(f"{path}/deliveries/{delivery_id}/resend"), 202)
    read_json(admin.delete(path))
    entries = read_entries(database_url, "webhook.")
    assert [entry["action"] for entry in entries] == [
        "webhook.created",
        "webhook.updated",
        "webhook.secret_shown",
        "webhook.updated",
        "webhook.secret_rotated",
        "webhook.tested",
        "webhook.deliveries_recovered",
        "webhook.deliveries_resent",
        "webhook.deleted",
    ]
    assert {(entry["target_id"], entry["target_name"]) for entry in entries} == {
        (str(webhook["id"]), receiver.url("/hooks"))
    }
    assert entries[1]["changes"] == {"description": ["", "Shop"]}
    assert entries[3]["changes"] == {"secret": [MASK, MASK]}
    assert entries[0]["changes"]["secret"] == [None, MASK]
    assert entries[8]["changes"]["secret"] == [MASK, None]
    assert entries[6]["changes"]["count"] == [None, 1]
    everything = str(execute(database_url, "SELECT audit_entries::text FROM audit_entries"))
    for secret in (webhook["secret"], own, rotated, PASSWORD):
        assert secret not in everything
        assert secret[-12:] not in everything


def test_no_entry_has_a_password_a_token_or_a_key(admin: FlaskClient, app: Flask, database_url: str) -> None:
    session = admin.get_cookie(COOKIE)
    assert session is not None
    key = read_json(admin.post("/api/keys", json={"name": "Nightly", "scopes": ["products:read"]}), 201)
    person = {"email": "bob@example.com", "name": "Bob", "role": "viewer"}
    link = read_json(admin.post("/api/users", json=person), 201)["invitation"]["link"]
    token = link.rpartition("/")[2]
    other = app.test_client()
    read_json(other.post("/api/account/password", json={"token": token, "password": "Bob has a long password"}))
    wrong = {"email": EMAIL, "password": "a wrong password of Ada"}
    read_error(other.post("/api/session", json=wrong), 401, "wrong_credentials")
    read_error(
        admin.post("/api/account/confirm", json={"password": "another wrong one"}), 403, "wrong_password", "password"
    )
    change = {"current_password": PASSWORD, "password": "a newer password of many words"}
    read_json(admin.put("/api/account/password", json=change))
    read_json(admin.delete(f"/api/keys/{key['id']}"))
    everything = str(execute(database_url, "SELECT audit_entries::text FROM audit_entries"))
    for secret in (session.value, key["key"], token, *wrong.values(), *change.values(), "Bob has a long password"):
        assert secret == EMAIL or secret not in everything
    assert "another wrong one" not in everything
    failed = [entry["action"] for entry in read_entries(database_url) if entry["outcome"] == "failed"]
    assert failed == ["session.created", "session.confirmed"]


def test_refusals_of_people_and_keys(admin: FlaskClient, app: Flask, database_url: str) -> None:
    viewer = sign_in_as(app, database_url, "viewer")
    product = create_product(admin, "A-1")
    for sku in ("B", "C"):
        read_error(viewer.post("/api/products", json={"sku": sku}), 403, "forbidden")
    read_error(viewer.delete(f"/api/products/{product['id']}"), 403, "forbidden")
    key = create_key(database_url, create_user(database_url, "editor"), ["products:read"])
    script, headers = app.test_client(), {"Authorization": f"Bearer {key}"}
    read_error(script.post("/api/products", json={"sku": "D"}, headers=headers), 403, "forbidden")
    read_error(app.test_client().post("/api/products", json={"sku": "E"}), 401, "unauthenticated")
    read_error(viewer.delete("/api/products/bulk-delete"), 403, "forbidden")
    entries = read_entries(database_url, "access.")
    assert [(e["action"], e["outcome"], e["actor_name"], e["target_type"], e["target_id"]) for e in entries] == [
        ("access.refused", "refused", "Test viewer", "operation", "createProduct"),
        ("access.refused", "refused", "Test viewer", "operation", "deleteProduct"),
        ("access.refused", "refused", "test", "operation", "createProduct"),
        ("access.refused", "refused", "Test viewer", "operation", "deleteAllProducts"),
    ]
    assert "lacks the scope" in entries[2]["changes"]["reason"][1]
    assert entries[1]["target_name"] == "DELETE /api/products/<int:product_id>"


def test_many_refusals_at_the_same_time_have_one_entry(admin: FlaskClient, app: Flask, database_url: str) -> None:
    token = create_session(database_url, create_user(database_url, "viewer"))
    statuses: list[int] = []

    def try_often() -> None:
        client = app.test_client()
        client.set_cookie(COOKIE, token)
        statuses.extend(client.post("/api/products", json={"sku": "A"}).status_code for _ in range(5))

    threads = [threading.Thread(target=try_often) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [403] * 30
    assert read_actions(database_url, "access.") == ["access.refused"]
    # A minute later, a refusal has an entry again.
    execute(database_url, "ALTER TABLE audit_entries DISABLE TRIGGER USER")
    execute(database_url, "UPDATE audit_entries SET at = at - interval '1 minute'")
    client = app.test_client()
    client.set_cookie(COOKIE, token)
    read_error(client.post("/api/products", json={"sku": "A"}), 403, "forbidden")
    assert read_actions(database_url, "access.") == ["access.refused"] * 2


def test_a_refusal_that_cannot_be_recorded_is_a_refusal(
    admin: FlaskClient, app: Flask, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    forbid_entries(database_url, "access.refused")
    viewer = sign_in_as(app, database_url, "viewer")
    read_error(viewer.post("/api/products", json={"sku": "A"}), 403, "forbidden")
    assert "Could not record that POST /api/products was refused to Test viewer" in caplog.text


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor_name = 'nobody'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "SET acme.prune_audit_log = on; TRUNCATE audit_entries",
        "SET acme.prune_audit_log = on; UPDATE audit_entries SET actor_name = 'nobody'",
    ],
)
def test_entries_stay_as_they_are(client: FlaskClient, database_url: str, statement: str) -> None:
    create_product(client, "A-1")
    before = read_entries(database_url)
    with pytest.raises(psycopg2.errors.RaiseException, match="cannot be changed"):
        execute(database_url, statement)
    assert read_entries(database_url) == before


def test_simultaneous_changes_have_one_entry_each(app: Flask, client: FlaskClient, database_url: str) -> None:
    create_product(client, "A-1")

    def work(number: int) -> None:
        own = app.test_client()
        for step in range(5):
            own.post("/api/products", json={"sku": f"B-{step}"})
            own.put("/api/products/1", json={"name": f"{number} {step}"})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = read_entries(database_url, "product.")
    assert sum(entry["action"] == "product.created" for entry in entries) == 6
    changes = [entry["changes"]["name"] for entry in entries if entry["action"] == "product.updated"]
    # Each change starts with the value that the one before has left.
    assert [before for before, _ in changes] == ["", *[after for _, after in changes[:-1]]]
    assert len(changes) == 20
