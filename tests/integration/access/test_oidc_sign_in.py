"""Signing in through an OpenID Connect provider: who gets in, and with which role."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import config
from support.api import read_error, read_json
from support.database import execute
from support.oidc_provider import (
    FakeProvider,
    come_back,
    consent_at_real_provider,
    fake_provider,
    provider_settings,
    start_real_provider,
    start_sign_in,
)
from support.oidc_sign_in import assert_failed, assert_signed_in, create_application, read_outcomes, sign_in
from support.processes import Processes

ADA = {"sub": "ada", "email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"}
INSERT_USER_SQL = "INSERT INTO users (email, name, role, password_hash) VALUES (%s, 'Bob', %s, %s) RETURNING id"
CLAIM_SQL = "UPDATE installation SET claimed_at = clock_timestamp()"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A provider that follows the standard until a test changes it."""
    with fake_provider() as started:
        yield started


@pytest.fixture
def environment(environment: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings for the test's fake provider, if it has one."""
    if "provider" in request.fixturenames:
        environment |= provider_settings(request.getfixturevalue("provider").issuer)
    return environment


def test_people_sign_in_through_a_real_provider(
    settings: config.Settings, environment: dict[str, str], processes: Processes, free_port: int, database_url: str
) -> None:
    people = ({**ADA, "roles": ["acme-admins"]}, {"sub": "eve", "email": "eve@example.com", "roles": "everyone"})
    issuer = start_real_provider(processes, free_port, *people)
    app = create_application(environment | provider_settings(issuer, OIDC_NAME="Acme Login"))
    ada, eve, nobody = app.test_client(), app.test_client(), app.test_client()
    methods = {"password": True, "oidc": {"name": "Acme Login"}, "setup": True}
    assert read_json(ada.get("/api/session/methods")) == methods
    response = come_back(ada, consent_at_real_provider(start_sign_in(ada), "ada"))
    assert assert_signed_in(ada, response)["actor"]["name"] == "Ada Lovelace"
    assert read_json(ada.get("/api/session/methods")) == {**methods, "setup": False}
    assert_signed_in(eve, come_back(eve, consent_at_real_provider(start_sign_in(eve), "eve")), "viewer")
    read_error(eve.post("/api/products", json={"sku": "A"}), 403, "forbidden")
    # Nobody has given a role to this person, whom the provider knows.
    stranger = come_back(nobody, consent_at_real_provider(start_sign_in(nobody), "stranger@example.com"))
    assert_failed(stranger, "oidc_no_role")
    assert_failed(come_back(nobody, consent_at_real_provider(start_sign_in(nobody), "ada", "deny")), "oidc_denied")
    # The second time, the same people sign in.
    assert_signed_in(ada, come_back(ada, consent_at_real_provider(start_sign_in(ada), "ada")))
    assert len(read_json(ada.get("/api/users"))) == 2
    assert [method["method"] for method in read_json(ada.get("/api/account/sessions"))] == ["oidc"]
    assert read_outcomes(database_url) == [
        ("success", None),
        ("success", None),
        ("failed", "oidc_no_role"),
        ("failed", "oidc_denied"),
        ("success", None),
    ]


def test_without_a_provider_there_is_nothing_to_sign_in_with(client: FlaskClient) -> None:
    assert read_json(client.get("/api/session/methods")) == {"password": True, "oidc": None, "setup": True}
    read_error(client.get("/api/session/oidc"), 404, "not_found")
    read_error(client.get("/api/session/oidc/callback?code=x&state=y"), 404, "not_found")


def test_the_first_person_must_be_an_administrator(
    client: FlaskClient, provider: FakeProvider, database_url: str
) -> None:
    provider.claims = {"roles": ["acme-editors"]}
    assert_failed(sign_in(client, provider), "oidc_first_administrator")
    assert execute(database_url, "SELECT count(*) FROM users") == [(0,)]
    # The installation is still unclaimed.
    assert read_json(client.get("/api/session"))["actor"]["type"] == "local"


def test_the_role_is_that_of_the_last_sign_in(
    client: FlaskClient, app: Flask, provider: FakeProvider, database_url: str
) -> None:
    execute(database_url, INSERT_USER_SQL, ("root@example.com", "admin", "x"))
    execute(database_url, CLAIM_SQL)
    assert_signed_in(client, sign_in(client, provider))
    other = app.test_client()
    provider.claims = {"roles": ["other", "everyone", "acme-editors"]}
    assert_signed_in(other, sign_in(other, provider), "editor")
    # The earlier session of the person ended with the change.
    read_error(client.get("/api/session"), 401, "unauthenticated")
    entries = execute(database_url, "SELECT changes::jsonb FROM audit_entries WHERE action = 'user.updated'")
    assert entries == [({"role": ["admin", "editor"]},)]
    # Without a change, they stay.
    assert_signed_in(client, sign_in(client, provider), "editor")
    read_json(other.get("/api/session"))
    refused: tuple[dict[str, Any], ...] = (
        {"roles": []},
        {"roles": None},
        {"roles": {"acme-admins": 1}},
        {"roles": ["acme-adminsx", 3]},
    )
    for claims in refused:
        provider.claims = claims
        assert_failed(sign_in(app.test_client(), provider), "oidc_no_role")


def test_the_last_administrator_keeps_the_role(client: FlaskClient, app: Flask, provider: FakeProvider) -> None:
    assert_signed_in(client, sign_in(client, provider))
    provider.claims = {"roles": ["everyone"]}
    assert_failed(sign_in(app.test_client(), provider), "oidc_last_administrator")
    provider.claims = {}
    assert_signed_in(client, sign_in(client, provider))


def test_a_disabled_person_stays_out(
    client: FlaskClient, app: Flask, provider: FakeProvider, database_url: str
) -> None:
    execute(database_url, INSERT_USER_SQL, ("root@example.com", "admin", "x"))
    execute(database_url, CLAIM_SQL)
    assert_signed_in(client, sign_in(client, provider))
    execute(database_url, "UPDATE users SET disabled_at = clock_timestamp() WHERE subject IS NOT NULL")
    assert_failed(sign_in(app.test_client(), provider), "oidc_disabled")
    read_error(client.get("/api/session"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("password", "claims", "code"),
    [
        (None, {"email": "BOB@example.com"}, None),
        (None, {"email": "bob@example.com", "email_verified": False}, "oidc_email_taken"),
        (None, {"email": "bob@example.com", "email_verified": "true"}, "oidc_email_taken"),
        (None, {"email": "bob@example.com", "email_verified": None}, "oidc_email_taken"),
        ("a hash", {"email": "bob@example.com"}, "oidc_email_taken"),
        (None, {"email": "bob@example.com", "roles": []}, "oidc_no_role"),
        (None, {"email": None}, "oidc_no_email"),
        (None, {"email": "x" * 300 + "@example.com"}, "oidc_no_email"),
        (None, {"email": "ünal@example.com"}, "oidc_no_email"),
        (None, {"email": "bob"}, "oidc_no_email"),
        (None, {"sub": "x" * 300}, "oidc_invalid_answer"),
        (None, {"sub": ""}, "oidc_invalid_answer"),
        (None, {"sub": "a\0b"}, "oidc_invalid_answer"),
    ],
)
def test_an_invitation_is_accepted_by_a_verified_address_alone(
    client: FlaskClient,
    provider: FakeProvider,
    database_url: str,
    password: str | None,
    claims: dict[str, Any],
    code: str | None,
) -> None:
    [(user_id,)] = execute(database_url, INSERT_USER_SQL, ("bob@example.com", "admin", password))
    execute(database_url, CLAIM_SQL)
    provider.claims = claims
    if code:
        assert_failed(sign_in(client, provider), code)
        assert execute(database_url, "SELECT subject FROM users") == [(None,)]
    else:
        assert assert_signed_in(client, sign_in(client, provider))["actor"]["id"] == user_id


def test_names_of_the_provider_are_stored_as_one_line(client: FlaskClient, provider: FakeProvider) -> None:
    provider.claims = {"name": "  A\0da\n\ud800Love" + "l" * 300}
    name = assert_signed_in(client, sign_in(client, provider))["actor"]["name"]
    assert name.startswith("A da Lovel")
    assert len(name) == 200


def test_first_sign_ins_at_the_same_time_create_one_person(
    app: Flask, provider: FakeProvider, database_url: str
) -> None:
    browsers = [app.test_client() for _ in range(4)]
    callbacks = [provider.consent(start_sign_in(browser)) for browser in browsers]
    with ThreadPoolExecutor(len(browsers)) as pool:
        responses = list(pool.map(come_back, browsers, callbacks))
    assert [response.headers["Location"] for response in responses] == ["/"] * 4
    assert execute(database_url, "SELECT count(*) FROM users") == [(1,)]


def test_another_web_process_completes_the_sign_in(
    client: FlaskClient, environment: dict[str, str], provider: FakeProvider
) -> None:
    callback = provider.consent(start_sign_in(client))
    other = create_application(environment).test_client()
    cookie = client.get_cookie("acme_oidc")
    assert cookie is not None
    other.set_cookie("acme_oidc", cookie.value)
    assert_signed_in(other, come_back(other, callback))


def test_the_redirect_uri_is_the_address_that_the_browser_uses(
    environment: dict[str, str], provider: FakeProvider
) -> None:
    app = create_application(environment | {"TRUSTED_PROXIES": "1", "TRUSTED_HOSTS": "shop.example.com"})
    client = app.test_client()
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example.com", "X-Forwarded-For": "192.0.2.1"}
    response = client.get("/api/session/oidc", base_url="http://shop.example.com", headers=headers)
    (redirect_uri,) = parse_qs(urlsplit(response.headers["Location"]).query)["redirect_uri"]
    assert redirect_uri == "https://shop.example.com/api/session/oidc/callback"
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-acme_oidc=")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in cookie
    response = come_back(client, provider.consent(response.headers["Location"]))
    assert_signed_in_on_https(client, response)
    # Neither the header of a stranger nor a parameter sends the browser elsewhere.
    stranger = client.get("/api/session/oidc?next=https://evil.example.com", headers={"Host": "evil.example.com"})
    read_error(stranger, 400, "untrusted_host")


def assert_signed_in_on_https(client: FlaskClient, response: TestResponse) -> None:
    """Check the session's cookie on HTTPS."""
    assert response.headers["Location"] == "/"
    names = [cookie.partition("=")[0] for cookie in response.headers.getlist("Set-Cookie")]
    assert "__Host-acme_session" in names
    read_json(client.get("/api/session", base_url="https://shop.example.com"))


def test_without_mapped_roles_administrators_set_them(
    environment: dict[str, str], provider: FakeProvider, database_url: str
) -> None:
    app = create_application(environment | {"OIDC_ROLES": "", "OIDC_DEFAULT_ROLE": ""})
    client = app.test_client()
    [(user_id,)] = execute(database_url, INSERT_USER_SQL, ("ada@example.com", "admin", None))
    execute(database_url, INSERT_USER_SQL, ("root@example.com", "admin", "x"))
    execute(database_url, CLAIM_SQL)
    assert_signed_in(client, sign_in(client, provider))
    execute(database_url, "UPDATE users SET role = 'viewer' WHERE id = %s", (user_id,))
    assert_signed_in(client, sign_in(client, provider), "viewer")
    provider.claims = {"sub": "stranger", "email": "stranger@example.com"}
    assert_failed(sign_in(client, provider), "oidc_no_role")
    open_app = create_application(environment | {"OIDC_ROLES": "", "OIDC_DEFAULT_ROLE": "viewer"})
    stranger = open_app.test_client()
    assert_signed_in(stranger, sign_in(stranger, provider), "viewer")
