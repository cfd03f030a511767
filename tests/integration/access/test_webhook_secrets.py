"""Who sees the secrets of webhooks: administrators, after they have given their password."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from support.api import read_error, read_json
from support.audit import read_actions
from support.database import execute
from support.sign_in import create_key, create_user
from webhooks.signing import MASK

EMAIL, NAME, PASSWORD = "ada@example.com", "Ada Lovelace", "a password of many words"
WEBHOOK = {"url": "http://127.0.0.1:9/hooks", "event_type": "*"}
PATH = "/api/webhooks/1"


@pytest.fixture
def admin(client: FlaskClient) -> FlaskClient:
    """The client of the first administrator, who has signed in more than 10 minutes ago."""
    read_json(client.post("/api/setup", json={"email": EMAIL, "name": NAME, "password": PASSWORD}), 201)
    return client


def let_confirmation_expire(database_url: str) -> None:
    """Let ten minutes pass since everyone has given the password."""
    execute(database_url, "UPDATE user_sessions SET confirmed_at = confirmed_at - interval '10 minutes'")


def is_shown(webhook: Any) -> bool:
    """Return whether the secret of a webhook is in full, as its JSON must say."""
    assert webhook["secret_is_masked"] == webhook["secret"].startswith(MASK)
    return not webhook["secret_is_masked"]


def test_a_person_gives_the_password_first(admin: FlaskClient, database_url: str) -> None:
    created = read_json(admin.post("/api/webhooks", json=WEBHOOK), 201)
    assert is_shown(created)
    # The sign-in counts.
    assert read_json(admin.get(PATH))["secret"] == created["secret"]
    let_confirmation_expire(database_url)
    masked = read_json(admin.get(PATH))
    assert not is_shown(masked)
    assert not is_shown(read_json(admin.get("/api/webhooks"))[0])
    shown = read_actions(database_url, "webhook.secret_shown")
    wrong = admin.post("/api/account/confirm", json={"password": "wrong"})
    read_error(wrong, 403, "wrong_password", "password")
    assert not is_shown(read_json(admin.get(PATH)))
    assert read_actions(database_url, "webhook.secret_shown") == shown
    execute(database_url, "ALTER TABLE audit_entries DISABLE TRIGGER USER")
    execute(database_url, "UPDATE audit_entries SET at = at - interval '1 minute'")
    assert set(read_json(admin.post("/api/account/confirm", json={"password": PASSWORD}))) == {"confirmed_until"}
    assert is_shown(read_json(admin.get(PATH)))
    assert len(read_actions(database_url, "webhook.secret_shown")) == len(shown) + 1
    let_confirmation_expire(database_url)
    assert not is_shown(read_json(admin.get(PATH)))


def test_changes_show_no_other_secret(admin: FlaskClient, database_url: str) -> None:
    created = read_json(admin.post("/api/webhooks", json=WEBHOOK), 201)
    let_confirmation_expire(database_url)
    changed = read_json(admin.put(PATH, json={"description": "Shop"}))
    assert not is_shown(changed)
    # Sending back what was read keeps the secret.
    assert not is_shown(read_json(admin.put(PATH, json={"secret": changed["secret"]})))
    assert execute(database_url, "SELECT secret FROM webhooks") == [(created["secret"],)]
    assert read_json(admin.put(PATH, json={"secret": "a secret of mine"}))["secret"] == "a secret of mine"
    assert not is_shown(read_json(admin.post(f"{PATH}/rotate-secret")))
    assert not is_shown(read_json(admin.get(PATH)))
    read_json(admin.post("/api/account/confirm", json={"password": PASSWORD}))
    rotated = read_json(admin.post(f"{PATH}/rotate-secret", json={"force": True}))
    assert is_shown(rotated)
    assert execute(database_url, "SELECT secret FROM webhooks") == [(rotated["secret"],)]
    cleared = read_json(admin.put(PATH, json={"secret": None}))
    assert (cleared["secret"], cleared["secret_is_masked"]) == (None, False)


def test_a_confirmation_counts_for_its_session_only(admin: FlaskClient, app: Flask, database_url: str) -> None:
    read_json(admin.post("/api/webhooks", json=WEBHOOK), 201)
    other = app.test_client()
    read_json(other.post("/api/session", json={"email": EMAIL, "password": PASSWORD}))
    let_confirmation_expire(database_url)
    read_json(other.post("/api/account/confirm", json={"password": PASSWORD}))
    assert is_shown(read_json(other.get(PATH)))
    assert not is_shown(read_json(admin.get(PATH)))


@pytest.mark.usefixtures("long_waits")
def test_wrong_passwords_are_throttled(admin: FlaskClient) -> None:
    responses = [admin.post("/api/account/confirm", json={"password": "wrong"}) for _ in range(7)]
    assert [response.status_code for response in responses[-2:]] == [403, 429]
    read_error(admin.post("/api/account/confirm", json={}), 400, "invalid_parameter", "password")


@pytest.mark.parametrize(("scopes", "shown"), [(["webhooks"], False), (["webhooks", "admin"], True)])
def test_keys(admin: FlaskClient, app: Flask, database_url: str, scopes: list[str], shown: bool) -> None:
    read_json(admin.post("/api/webhooks", json=WEBHOOK), 201)
    headers = {"Authorization": f"Bearer {create_key(database_url, create_user(database_url), scopes)}"}
    script = app.test_client()
    assert is_shown(read_json(script.get(PATH, headers=headers))) == shown
    assert is_shown(read_json(script.put(PATH, json={"enabled": False}, headers=headers))) == shown
    assert is_shown(read_json(script.post(f"{PATH}/rotate-secret", headers=headers))) == shown
    read_error(script.post("/api/account/confirm", json={"password": PASSWORD}, headers=headers), 403, "forbidden")
    assert read_actions(database_url, "webhook.secret_shown") == ["webhook.secret_shown"] * shown


def test_local_sees_secrets(client: FlaskClient, database_url: str) -> None:
    created = read_json(client.post("/api/webhooks", json=WEBHOOK), 201)
    assert read_json(client.get(PATH))["secret"] == created["secret"]
    assert read_actions(database_url, "webhook.secret_shown") == ["webhook.secret_shown"]
