"""An OpenID Connect provider that fails or lies, foreign tokens, and sign-ins that somebody else started."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import OctKey, RSAKey

from access.oidc import provider as provider_module
from access.oidc import transport
from support.api import read_error
from support.database import execute
from support.oidc_provider import (
    CLIENT_SECRET,
    FakeProvider,
    come_back,
    fake_provider,
    provider_settings,
    refused_port,
    start_sign_in,
)
from support.oidc_sign_in import assert_failed, assert_signed_in, create_application, read_outcomes, sign_in


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


def test_the_time_of_an_id_token_is_that_of_the_database(
    database_hour_ahead: int, client: FlaskClient, provider: FakeProvider
) -> None:
    now = int(time.time())
    provider.claims = {"exp": now + 300}
    assert_failed(sign_in(client, provider), "oidc_invalid_answer")
    provider.claims = {"iat": now + database_hour_ahead, "exp": now + database_hour_ahead + 300}
    assert_signed_in(client, sign_in(client, provider))


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
        client = create_application(environment | provider_settings(f"http://127.0.0.1:{port}")).test_client()
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
    client = create_application(environment | {"OIDC_CLIENT_SECRET": "not the secret"}).test_client()
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
