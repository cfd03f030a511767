"""The commands `flask users …` and `flask keys …`."""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient

from support.api import read_error, read_json

PASSWORD = "a password of many words"


def run(app: Flask, *arguments: str, fails: bool = False) -> str:
    """Run a command and return its output."""
    result = app.test_cli_runner().invoke(args=list(arguments))
    assert (result.exit_code != 0) == fails, result.output
    return result.output


def test_people_are_created_listed_reset_and_disabled(app: Flask, client: FlaskClient) -> None:
    assert "administrator" in run(app, "users", "create", "ada@example.com", fails=True)
    output = run(app, "users", "create", "ada@example.com", "--role", "admin", "--name", "Ada")
    token = re.search(r"#/invitation/(\S+)", output)
    assert token is not None
    read_error(client.get("/api/products"), 401, "unauthenticated")
    read_json(client.post("/api/account/password", json={"token": token[1], "password": PASSWORD}))
    assert "common" in run(app, "users", "create", "bob@example.com", "--password", "qwertyqwerty", fails=True)
    run(app, "users", "create", "bob@example.com", "--password", PASSWORD)
    assert "Another person" in run(app, "users", "create", "BOB@example.com", fails=True)
    bob = app.test_client()
    read_json(bob.post("/api/session", json={"email": "bob@example.com", "password": PASSWORD}))
    run(app, "users", "disable", "bob@example.com")
    read_error(bob.get("/api/products"), 401, "unauthenticated")
    assert "(disabled)" in run(app, "users", "list")
    assert "administrator" in run(app, "users", "disable", "ada@example.com", fails=True)
    token = re.search(r"#/reset/(\S+)", run(app, "users", "reset-password", "ada@example.com"))
    assert token is not None
    read_json(client.post("/api/account/password", json={"token": token[1], "password": "another long password"}))
    assert "no person" in run(app, "users", "reset-password", "nobody@example.com", fails=True)


def test_keys_are_created_listed_and_revoked(app: Flask, client: FlaskClient) -> None:
    run(app, "users", "create", "ada@example.com", "--role", "admin", "--password", PASSWORD)
    key = run(app, "keys", "create", "ada@example.com", "Nightly import", "--scope", "products:read").strip()
    headers = {"Authorization": f"Bearer {key}"}
    read_json(client.get("/api/products", headers=headers))
    listed = run(app, "keys", "list")
    assert "Nightly import" in listed
    assert key not in listed
    run(app, "keys", "revoke", listed.split("\t")[0])
    read_error(client.get("/api/products", headers=headers), 401, "unauthenticated")
    assert "(revoked)" in run(app, "keys", "list")
    assert "no API key" in run(app, "keys", "revoke", "999", fails=True)
