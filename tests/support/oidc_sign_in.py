"""Signing in through a provider of tests/support/oidc_provider.py, and what must be true afterwards."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import config
from support.api import read_json
from support.database import execute
from support.oidc_provider import FakeProvider, come_back, start_sign_in


def sign_in(client: FlaskClient, provider: FakeProvider) -> TestResponse:
    """Sign in through the fake provider and return the last response."""
    return come_back(client, provider.consent(start_sign_in(client)))


def assert_failed(response: TestResponse, code: str) -> None:
    """Check that a sign-in ended on the page for signing in, with this code and without a session."""
    assert response.status_code == 302
    assert response.headers["Location"] == f"/#/sign-in?error={code}"
    assert not any("acme_session" in cookie for cookie in response.headers.getlist("Set-Cookie"))


def assert_signed_in(client: FlaskClient, response: TestResponse, role: str = "admin") -> dict[str, Any]:
    """Check that a sign-in succeeded, and return who is signed in."""
    assert response.status_code == 302
    assert response.headers["Location"] == "/"
    who: dict[str, Any] = read_json(client.get("/api/session"))
    assert who["actor"]["role"] == role
    return who


def read_outcomes(database_url: str) -> list[tuple[Any, ...]]:
    """Return the sign-ins in the audit log: outcome and code of the error."""
    return execute(
        database_url,
        "SELECT outcome, changes->'error'->>1 FROM audit_entries WHERE action = 'session.created' ORDER BY id",
    )


def create_application(environment: dict[str, str]) -> Flask:
    """Return an application with these settings."""
    from app import create_app

    return create_app(config.load(environment))
