"""API keys: what they may do, and what ends them."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from access.tokens import ALPHABET, create_key, is_well_formed_key
from support.api import read_error, read_json
from support.database import execute

EMAIL, NAME, PASSWORD = "ada@example.com", "Ada Lovelace", "a password of many words"


@pytest.fixture
def admin(client: FlaskClient) -> FlaskClient:
    """The client of the first administrator, who is signed in."""
    read_json(client.post("/api/setup", json={"email": EMAIL, "name": NAME, "password": PASSWORD}), 201)
    return client


def bearer(key: str) -> dict[str, str]:
    """Return the header that sends a key."""
    return {"Authorization": f"Bearer {key}"}


def test_a_key_may_do_what_its_scopes_allow(admin: FlaskClient, app: Flask, database_url: str) -> None:
    body = {"name": "Nightly import", "scopes": ["products:read"], "expires_in_days": 7}
    created = read_json(admin.post("/api/keys", json=body), 201)
    key = created.pop("key")
    assert is_well_formed_key(key)
    assert (key[:9], key[-4:]) == (created["prefix"], created["last_four"])
    script = app.test_client()
    read_json(script.get("/api/products", headers=bearer(key)))
    who = read_json(script.get("/api/session", headers=bearer(key)))
    assert who == {
        "actor": {"type": "key", "id": created["id"], "name": "Nightly import", "role": "admin"},
        "scopes": ["products:read"],
    }
    message = read_error(script.post("/api/products", json={"sku": "A"}, headers=bearer(key)), 403, "forbidden")
    assert "products:write" in message
    read_error(script.get("/api/account/sessions", headers=bearer(key)), 403, "forbidden")
    (listed,) = read_json(admin.get("/api/keys"))
    assert listed["last_used_at"] is not None
    assert {**listed, "last_used_at": None} == created
    assert key not in str(execute(database_url, "SELECT api_keys::text FROM api_keys"))
    read_json(admin.delete(f"/api/keys/{created['id']}"))
    read_error(script.get("/api/products", headers=bearer(key)), 401, "unauthenticated")
    (revoked,) = read_json(admin.get("/api/keys"))
    assert revoked["revoked_by"] == NAME


def test_other_keys_are_refused_also_on_this_machine(client: FlaskClient) -> None:
    key = create_key()
    last = ALPHABET[(ALPHABET.index(key[-1]) + 1) % len(ALPHABET)]
    for authorization in (
        f"Bearer {key}",
        f"Bearer {key[:-1]}{last}",
        "Bearer ",
        "Bearer é",
        f"Basic {key}",
        key,
    ):
        response = client.get("/api/products", headers={"Authorization": authorization})
        read_error(response, 401, "unauthenticated")
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_ends_at_its_time_and_with_its_owner(admin: FlaskClient, app: Flask, database_url: str) -> None:
    script = app.test_client()
    created = read_json(admin.post("/api/keys", json={"name": "A", "scopes": ["admin", "products:write"]}), 201)
    headers = bearer(created["key"])
    read_json(script.post("/api/products", json={"sku": "A"}, headers=headers), 201)
    execute(database_url, "UPDATE users SET role = 'viewer'")
    reason = read_error(script.post("/api/products", json={"sku": "B"}, headers=headers), 403, "forbidden")
    # The key has the scope, so another key would not help.
    assert reason == "This API key may not do that: the role of its owner, viewer, lacks the scope `products:write`."
    execute(database_url, "UPDATE users SET role = 'admin', disabled_at = clock_timestamp()")
    read_error(script.get("/api/users", headers=headers), 401, "unauthenticated")
    execute(database_url, "UPDATE users SET disabled_at = NULL")
    read_json(script.get("/api/users", headers=headers))
    execute(database_url, "UPDATE api_keys SET expires_at = clock_timestamp()")
    read_error(script.get("/api/users", headers=headers), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["products:read"]}, "name"),
        ({"name": " ", "scopes": ["products:read"]}, "name"),
        ({"name": "A"}, "scopes"),
        ({"name": "A", "scopes": []}, "scopes"),
        ({"name": "A", "scopes": ["everything"]}, "scopes"),
        ({"name": "A", "scopes": "admin"}, "scopes"),
        ({"name": "A", "scopes": ["admin"], "expires_in_days": 0}, "expires_in_days"),
        ({"name": "A", "scopes": ["admin"], "expires_in_days": "7"}, "expires_in_days"),
    ],
    ids=str,
)
def test_invalid_keys_are_refused(admin: FlaskClient, body: dict[str, object], field: str) -> None:
    read_error(admin.post("/api/keys", json=body), 400, "invalid_parameter", field)
