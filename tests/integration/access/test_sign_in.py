"""Signing in and out, sessions, and what ends them."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from access.throttle import FREE_FAILURES_OF_ACCOUNT
from support.api import read_error, read_json
from support.database import execute

EMAIL, NAME, PASSWORD = "ada@example.com", "Ada Lovelace", "a password of many words"


@pytest.fixture
def admin(client: FlaskClient) -> FlaskClient:
    """The client of the first administrator, who is signed in."""
    read_json(client.post("/api/setup", json={"email": EMAIL, "name": NAME, "password": PASSWORD}), 201)
    return client


def sign_in(client: FlaskClient, email: str = EMAIL, password: str = PASSWORD) -> TestResponse:
    """Sign in and return the response."""
    return client.post("/api/session", json={"email": email, "password": password})


def test_a_person_signs_in_and_out(admin: FlaskClient, app: Flask) -> None:
    client = app.test_client()
    response = sign_in(client, f"  {EMAIL.upper()} ")
    assert read_json(response)["actor"]["name"] == NAME
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("acme_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    read_json(client.get("/api/products"))
    assert len(read_json(client.get("/api/account/sessions"))) == 2
    read_json(client.delete("/api/session"))
    read_error(client.get("/api/products"), 401, "unauthenticated")
    read_json(admin.get("/api/products"))


def test_the_cookie_is_secure_on_https(admin: FlaskClient, app: Flask) -> None:
    client = app.test_client()
    response = client.post("/api/session", json={"email": EMAIL, "password": PASSWORD}, base_url="https://localhost")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-acme_session=")
    assert "; Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_wrong_passwords_and_unknown_accounts_look_the_same(admin: FlaskClient, app: Flask) -> None:
    client = app.test_client()
    messages = {
        read_error(sign_in(client, email, password), 401, "wrong_credentials")
        for email, password in ((EMAIL, "wrong"), ("nobody@example.com", PASSWORD), ("", ""), (EMAIL, "x" * 900))
    }
    assert len(messages) == 1


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_attempts_on_an_account_must_wait_after_failures(
    admin: FlaskClient, app: Flask, long_waits: int, email: str
) -> None:
    client = app.test_client()
    for _ in range(FREE_FAILURES_OF_ACCOUNT + 1):
        read_error(sign_in(client, email, "wrong"), 401, "wrong_credentials")
    response = sign_in(client, email, PASSWORD)
    read_error(response, 429, "too_many_requests")
    assert long_waits / 2 < int(response.headers["Retry-After"]) <= long_waits
    read_json(admin.get("/api/products"))


def test_a_change_of_the_role_ends_sessions(admin: FlaskClient, app: Flask) -> None:
    invited = read_json(
        admin.post("/api/users", json={"email": "bob@example.com", "name": "Bob", "role": "editor"}), 201
    )
    token = invited["invitation"]["link"].rpartition("/")[2]
    bob = app.test_client()
    details = read_json(bob.post("/api/account/link", json={"token": token}))
    assert details == {"purpose": "invitation", "email": "bob@example.com", "name": "Bob"}
    read_json(bob.post("/api/account/password", json={"token": token, "password": PASSWORD}))
    read_json(bob.post("/api/products", json={"sku": "A"}), 201)
    message = read_error(bob.get("/api/webhooks"), 403, "forbidden")
    assert "admin" in message
    read_error(bob.delete("/api/products/bulk-delete"), 403, "forbidden")
    read_error(bob.post("/api/products/bulk", json={"action": "delete", "filter": {}}), 403, "forbidden")
    read_json(admin.put(f"/api/users/{invited['id']}", json={"role": "viewer"}))
    read_error(bob.get("/api/products"), 401, "unauthenticated")
    read_json(sign_in(bob, "bob@example.com"))
    read_error(bob.post("/api/products", json={"sku": "B"}), 403, "forbidden")
    read_json(admin.put(f"/api/users/{invited['id']}", json={"disabled": True}))
    read_error(bob.get("/api/products"), 401, "unauthenticated")
    read_error(sign_in(bob, "bob@example.com"), 401, "wrong_credentials")


def test_the_last_administrator_stays(admin: FlaskClient) -> None:
    (user,) = read_json(admin.get("/api/users"))
    path = f"/api/users/{user['id']}"
    read_error(admin.put(path, json={"role": "editor"}), 409, "last_administrator")
    read_error(admin.put(path, json={"disabled": True}), 409, "last_administrator")
    read_error(admin.delete(path), 409, "last_administrator")
    # Somebody who was only invited cannot sign in yet.
    read_json(admin.post("/api/users", json={"email": "bob@example.com", "name": "Bob", "role": "admin"}), 201)
    read_error(admin.delete(path), 409, "last_administrator")


def test_a_person_changes_the_password(admin: FlaskClient, app: Flask) -> None:
    other = app.test_client()
    read_json(sign_in(other))
    body = {"current_password": PASSWORD, "password": "another long password"}
    wrong = admin.put("/api/account/password", json={**body, "current_password": "x"})
    read_error(wrong, 403, "wrong_password", "current_password")
    for password in ("qwertyqwerty", EMAIL, NAME, "short", "aaaaaaaaaaaaaaaa"):
        weak = admin.put("/api/account/password", json={**body, "password": password})
        read_error(weak, 400, "weak_password", "password")
    read_json(admin.put("/api/account/password", json=body))
    read_json(admin.get("/api/products"))
    read_error(other.get("/api/products"), 401, "unauthenticated")
    read_error(sign_in(other), 401, "wrong_credentials")
    read_json(sign_in(other, password="another long password"))


def test_sessions_end_by_themselves(admin: FlaskClient, database_url: str) -> None:
    execute(database_url, "UPDATE user_sessions SET seen_at = clock_timestamp() - interval '167 hours'")
    read_json(admin.get("/api/products"))
    execute(database_url, "UPDATE user_sessions SET seen_at = clock_timestamp() - interval '169 hours'")
    read_error(admin.get("/api/products"), 401, "unauthenticated")
    execute(database_url, "UPDATE user_sessions SET seen_at = clock_timestamp(), expires_at = clock_timestamp()")
    read_error(admin.get("/api/products"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("headers", "is_use"),
    [({}, True), ({"X-Unattended": "true"}, False), ({"Accept": "text/event-stream"}, False)],
)
def test_what_a_page_loads_by_itself_is_no_use_of_the_session(
    admin: FlaskClient, database_url: str, headers: dict[str, str], is_use: bool
) -> None:
    execute(database_url, "UPDATE user_sessions SET seen_at = clock_timestamp() - interval '167 hours'")
    read_json(admin.get("/api/products", headers=headers))
    [(is_recent,)] = execute(database_url, "SELECT seen_at > clock_timestamp() - interval '1 hour' FROM user_sessions")
    assert is_recent is is_use


def test_the_database_has_no_secret_of_a_session(admin: FlaskClient, database_url: str) -> None:
    cookie = admin.get_cookie("acme_session")
    assert cookie is not None
    for table in ("users", "user_sessions", "user_links", "audit_entries"):
        rows = execute(database_url, f"SELECT {table}::text FROM {table}")
        assert not any(secret in row for (row,) in rows for secret in (cookie.value, PASSWORD))
