"""The commands `flask users …` and `flask keys …`."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from support.api import read_error, read_json

PASSWORD = "a password of many words"


@pytest.fixture
def environment(environment: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of every test, with the changes that a parameter gives."""
    return {**environment, **getattr(request, "param", {})}


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
    output = run(app, "users", "create", "bob@example.com")
    token = re.search(r"#/invitation/(\S+)", output)
    assert token is not None
    weak = {"token": token[1], "password": "qwertyqwerty"}
    read_error(client.post("/api/account/password", json=weak), 400, "weak_password", "password")
    read_json(app.test_client().post("/api/account/password", json={"token": token[1], "password": PASSWORD}))
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


def test_no_command_takes_a_password_that_others_on_the_server_could_read(app: Flask) -> None:
    assert "No such option" in run(app, "users", "create", "ada@example.com", "--password", PASSWORD, fails=True)
    for command in ("create", "reset-password"):
        assert "--password" not in run(app, "users", command, "--help")


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:5000"),
        ({"PORT": "8080"}, "http://127.0.0.1:8080"),
        ({"HOST": "0.0.0.0", "PORT": "8080"}, "http://127.0.0.1:8080"),  # noqa: S104
        ({"HOST": "::1"}, "http://[::1]:5000"),
        ({"HOST": "shop.internal"}, "http://shop.internal:5000"),
        ({"TRUSTED_HOSTS": "*.example.com,products.example.com"}, "https://products.example.com"),
    ],
    ids=str,
    indirect=["environment"],
)
def test_links_begin_with_the_address_in_the_settings(app: Flask, url: str) -> None:
    outputs = {
        "invitation": run(app, "users", "create", "ada@example.com", "--role", "admin"),
        "reset": run(app, "users", "reset-password", "ada@example.com"),
    }
    for purpose, output in outputs.items():
        assert re.search(rf"^{re.escape(url)}/#/{purpose}/\S+$", output, re.MULTILINE), output
        # Without a name, only the administrator knows how others reach the server.
        assert ("another address" in output) == url.startswith("http://")


def test_keys_are_created_listed_and_revoked(app: Flask, client: FlaskClient) -> None:
    run(app, "users", "create", "ada@example.com", "--role", "admin")
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
