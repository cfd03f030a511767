"""Signing in through an OpenID Connect provider: a real one, and one that misbehaves."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import OctKey, RSAKey
from werkzeug.test import TestResponse

import config
from access.oidc import provider as provider_module
from access.oidc import transport
from support.api import read_error, read_json
from support.database import execute
from support.oidc_provider import (
    CLIENT_SECRET,
    FakeProvider,
    come_back,
    consent_at_real_provider,
    fake_provider,
    provider_settings,
    refused_port,
    start_real_provider,
    start_sign_in,
)
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


def test_people_sign_in_through_a_real_provider(
    settings: config.Settings, environment: dict[str, str], processes: Processes, free_port: int, database_url: str
) -> None:
    people = ({**ADA, "roles": ["acme-admins"]}, {"sub": "eve", "email": "eve@example.com", "roles": "everyone"})
    issuer = start_real_provider(processes, free_port, *people)
    app = create(environment | provider_settings(issuer, OIDC_NAME="Acme Login"))
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


def create(environment: dict[str, str]) -> Flask:
    """Return an application with these settings."""
    from app import create_app

    return create_app(config.load(environment))


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


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://evil.example.com"}, "oidc_misconfigured"),
        ({"iss": None}, "oidc_misconfigured"),
        ({"aud": "another-client"}, "oidc_misconfigured"),
        ({"aud": ["x", {"acme": 1}]}, "oidc_misconfigured"),
        ({"aud": None}, "oidc_misconfigured"),
        ({"aud": ["acme", "x"], "azp": "x"}, "oidc_invalid_answer"),
        ({"exp": int(time.time()) - 120}, "oidc_invalid_answer"),
        ({"exp": None}, "oidc_invalid_answer"),
        ({"exp": "soon"}, "oidc_invalid_answer"),
        ({"iat": int(time.time()) + 7200}, "oidc_invalid_answer"),
        ({"nonce": "of another sign-in"}, "oidc_invalid_answer"),
        ({"nonce": None}, "oidc_invalid_answer"),
        ({"sub": None}, "oidc_invalid_answer"),
        ({"sub": 1}, "oidc_invalid_answer"),
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    client: FlaskClient, provider: FakeProvider, database_url: str, claims: dict[str, Any], code: str
) -> None:
    provider.claims = claims
    assert_failed(sign_in(client, provider), code)
    assert read_outcomes(database_url) == [("failed", code)]


def test_a_token_that_another_key_signed_is_refused(client: FlaskClient, provider: FakeProvider) -> None:
    own = provider.signing_key
    forged = RSAKey.generate_key(2048, parameters={"kid": own.kid})
    for key, header in (
        (forged, {"alg": "RS256"}),
        (OctKey.import_key(CLIENT_SECRET, {"kid": own.kid}), {"alg": "HS256"}),
    ):
        provider.signing_key, provider.header = key, header
        assert_failed(sign_in(client, provider), "oidc_invalid_answer")
    _, claims, _ = provider.id_token("nonce").split(".")
    unsigned_header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    unsigned = f"{unsigned_header}.{claims}."
    provider.answers["/token"] = (200, f'{{"id_token": "{unsigned}", "token_type": "Bearer"}}'.encode())
    assert_failed(sign_in(client, provider), "oidc_invalid_answer")


def test_a_new_key_of_the_provider_is_looked_up_once(client: FlaskClient, provider: FakeProvider) -> None:
    assert_signed_in(client, sign_in(client, provider))
    new = RSAKey.generate_key(2048, auto_kid=True)
    provider.signing_key = new
    before = provider.requests.count("/jwks")
    assert_failed(sign_in(client, provider), "oidc_invalid_answer")
    assert provider.requests.count("/jwks") == before + 1
    provider.published.append(new)
    assert_signed_in(client, sign_in(client, provider))
    sign_in(client, provider)
    assert provider.requests.count("/jwks") == before + 2
    assert provider.requests.count(provider_module.DISCOVERY_PATH) == 1


@pytest.mark.parametrize("path", [provider_module.DISCOVERY_PATH, "/token", "/jwks"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((500, b"oops"), "oidc_unreachable"),
        ((503, b"{}"), "oidc_unreachable"),
        ((200, b""), "oidc_invalid_answer"),
        ((200, b"<html>"), "oidc_invalid_answer"),
        ((200, b"[]"), "oidc_invalid_answer"),
        ((200, b"x" * (transport.MAX_BODY_BYTES + 1)), "oidc_unreachable"),
    ],
)
def test_failures_of_the_provider_end_on_the_page(
    client: FlaskClient, provider: FakeProvider, database_url: str, path: str, answer: tuple[int, bytes], code: str
) -> None:
    provider.answers[path] = answer
    if path == provider_module.DISCOVERY_PATH:
        assert_failed(client.get("/api/session/oidc"), code)
    else:
        assert_failed(sign_in(client, provider), code)
    assert read_outcomes(database_url) == [("failed", code)]
    # As soon as the provider works again, so does the sign-in.
    provider.answers.clear()
    assert_signed_in(client, sign_in(client, provider))


@pytest.mark.parametrize("is_dripping", [False, True])
@pytest.mark.parametrize("path", [provider_module.DISCOVERY_PATH, "/token", "/jwks"])
def test_a_slow_provider_times_out(
    client: FlaskClient, provider: FakeProvider, path: str, is_dripping: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No wait is long enough for the timeout of a step, or the first one is.
    seconds = {"TIMEOUT_SECONDS": 5 if is_dripping else 0.2, "DEADLINE_SECONDS": 1 if is_dripping else 15}
    for name, value in seconds.items():
        monkeypatch.setattr(transport, name, value)
    (provider.dripping_paths if is_dripping else provider.slow_paths).add(path)
    if path == provider_module.DISCOVERY_PATH:
        assert_failed(client.get("/api/session/oidc"), "oidc_unreachable")
    else:
        assert_failed(sign_in(client, provider), "oidc_unreachable")


def test_a_provider_that_refuses_connections_is_an_outage(environment: dict[str, str]) -> None:
    with refused_port() as port:
        client = create(environment | provider_settings(f"http://127.0.0.1:{port}")).test_client()
        assert_failed(client.get("/api/session/oidc"), "oidc_unreachable")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example.com"},
        {"issuer": None},
        {"token_endpoint": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
    ],
)
def test_a_description_of_another_provider_is_refused(
    client: FlaskClient, provider: FakeProvider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    code = "oidc_misconfigured" if "issuer" in metadata else "oidc_invalid_answer"
    assert_failed(client.get("/api/session/oidc"), code)


def test_a_wrong_secret_is_reported_as_such_and_never_logged(
    environment: dict[str, str], provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    client = create(environment | {"OIDC_CLIENT_SECRET": "not the secret"}).test_client()
    assert_failed(sign_in(client, provider), "oidc_misconfigured")
    assert "invalid_client" in caplog.text
    assert "not the secret" not in caplog.text
    assert "code-0" not in caplog.text


def test_a_state_works_once_in_its_own_browser_for_ten_minutes(
    client: FlaskClient, app: Flask, provider: FakeProvider, database_url: str
) -> None:
    thief = app.test_client()
    start_sign_in(thief)
    callback = provider.consent(start_sign_in(client))
    assert_failed(come_back(app.test_client(), callback), "oidc_state_expired")
    assert_failed(come_back(thief, callback), "oidc_state_expired")
    # Two tabs of a browser can sign in side by side.
    second = provider.consent(start_sign_in(client))
    assert_signed_in(client, come_back(client, callback))
    client.set_cookie("acme_oidc", thief.get_cookie("acme_oidc").value)  # type: ignore[union-attr]
    assert_failed(come_back(client, second), "oidc_state_expired")
    assert_failed(come_back(client, callback), "oidc_state_expired")
    late = provider.consent(start_sign_in(client))
    execute(database_url, "UPDATE oidc_attempts SET expires_at = clock_timestamp()")
    assert_failed(come_back(client, late), "oidc_state_expired")
    start_sign_in(client)
    assert execute(database_url, "SELECT count(*) FROM oidc_attempts") == [(1,)]


def test_a_response_that_comes_twice_at_the_same_time_counts_once(
    client: FlaskClient, app: Flask, provider: FakeProvider
) -> None:
    callback = provider.consent(start_sign_in(client))
    cookie = client.get_cookie("acme_oidc")
    assert cookie is not None
    browsers = [app.test_client() for _ in range(4)]
    for browser in browsers:
        browser.set_cookie("acme_oidc", cookie.value)
    with ThreadPoolExecutor(len(browsers)) as pool:
        responses = list(pool.map(lambda browser: come_back(browser, callback), browsers))
    locations = sorted(response.headers["Location"] for response in responses)
    assert locations == ["/", *["/#/sign-in?error=oidc_state_expired"] * 3]


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
    other = create(environment).test_client()
    cookie = client.get_cookie("acme_oidc")
    assert cookie is not None
    other.set_cookie("acme_oidc", cookie.value)
    assert_signed_in(other, come_back(other, callback))


def test_the_provider_may_send_the_browser_but_no_page_may_load_the_address(
    client: FlaskClient, provider: FakeProvider
) -> None:
    path = provider.consent(start_sign_in(client)).partition("localhost")[2]
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    read_error(client.get(path, headers=image), 403, "cross_site")
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert_signed_in(client, client.get(path, headers=link))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "x"}, "oidc_state_expired"),
        ({"state": ""}, "oidc_state_expired"),
        ({"code": ""}, "oidc_invalid_answer"),
        ({"code": "of another sign-in"}, "oidc_invalid_answer"),
        ({"iss": "https://evil.example.com"}, "oidc_misconfigured"),
        ({"error": "access_denied"}, "oidc_denied"),
        ({"error": "temporarily_unavailable"}, "oidc_unreachable"),
        ({"error": "invalid_scope\nforged log line"}, "oidc_misconfigured"),
    ],
)
def test_a_wrong_response_of_the_provider_is_refused(
    client: FlaskClient,
    provider: FakeProvider,
    changes: dict[str, str],
    code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    parts = urlsplit(provider.consent(start_sign_in(client)))
    query = urlencode({**dict(parse_qsl(parts.query)), **changes})
    assert_failed(come_back(client, parts._replace(query=query).geturl()), code)
    assert "\nforged" not in caplog.text


def test_the_redirect_uri_is_the_address_that_the_browser_uses(
    environment: dict[str, str], provider: FakeProvider
) -> None:
    app = create(environment | {"TRUSTED_PROXIES": "1", "TRUSTED_HOSTS": "shop.example.com"})
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
    app = create(environment | {"OIDC_ROLES": "", "OIDC_DEFAULT_ROLE": ""})
    client = app.test_client()
    [(user_id,)] = execute(database_url, INSERT_USER_SQL, ("ada@example.com", "admin", None))
    execute(database_url, INSERT_USER_SQL, ("root@example.com", "admin", "x"))
    execute(database_url, CLAIM_SQL)
    assert_signed_in(client, sign_in(client, provider))
    execute(database_url, "UPDATE users SET role = 'viewer' WHERE id = %s", (user_id,))
    assert_signed_in(client, sign_in(client, provider), "viewer")
    provider.claims = {"sub": "stranger", "email": "stranger@example.com"}
    assert_failed(sign_in(client, provider), "oidc_no_role")
    open_app = create(environment | {"OIDC_ROLES": "", "OIDC_DEFAULT_ROLE": "viewer"})
    stranger = open_app.test_client()
    assert_signed_in(stranger, sign_in(stranger, provider), "viewer")
