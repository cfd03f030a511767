"""The security headers and the rules for caches of every response."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from werkzeug.wrappers import Response

from support.api import create_product, read_json

HTTPS = {"wsgi.url_scheme": "https"}
PAGES = ("/", "/api/docs")
OTHERS = (
    *("/api/products", "/api/nothing", "/nothing", "/static/js/main.js", "/static/favicon.svg", "/favicon.ico"),
    "/api/products/export",
)
SCRIPT_HASH_RE = re.compile(r" 'sha256-[\w+/]{43}='")


def directives(response: Response) -> dict[str, str]:
    """Return the directives of the Content-Security-Policy."""
    parts = response.headers["Content-Security-Policy"].split(";")
    return {part.split()[0]: " ".join(part.split()[1:]) for part in parts}


@pytest.mark.parametrize("path", [*PAGES, *OTHERS])
def test_every_response_has_the_security_headers(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        policy = directives(response)
        if path in PAGES:
            policy["script-src"] = SCRIPT_HASH_RE.sub("", policy["script-src"])
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["base-uri"] == "'none'"
        assert set(policy.values()) <= {"'none'", "'self'"}
        assert "'self'" in policy.values() if path in PAGES else set(policy.values()) == {"'none'"}
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert re.fullmatch(r"([a-z-]+=\(\)(, )?)+", response.headers["Permissions-Policy"])
        assert "Strict-Transport-Security" not in response.headers


@pytest.mark.parametrize("headers", [{"Host": "evil.test"}, {"Sec-Fetch-Site": "cross-site"}], ids=str)
def test_refusals_have_them_too(client: FlaskClient, headers: dict[str, str]) -> None:
    response = client.post("/api/products", headers=headers)
    assert response.status_code in {400, 403}
    assert directives(response)["default-src"] == "'none'"
    assert response.headers["Cache-Control"] == "no-store"


def test_https_is_kept_and_isolates_any_name(client: FlaskClient) -> None:
    # 192.0.2.1 is an address that the server does not answer to; the headers do not depend on that.
    for host, is_isolated in (("localhost", True), ("127.0.0.1:1", True), ("[::1]:1", True), ("192.0.2.1", False)):
        plain = client.get("/", headers={"Host": host})
        encrypted = client.get("/", headers={"Host": host}, environ_overrides=HTTPS)
        assert ("Cross-Origin-Opener-Policy" in plain.headers) is is_isolated
        assert "Cross-Origin-Opener-Policy" in encrypted.headers
        assert encrypted.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_shared_caches_keep_nothing_of_the_api(client: FlaskClient) -> None:
    product = create_product(client, "A")
    paths = ("/api/products", "/api/nothing", "/api/health", "/api/openapi.json", "/api/docs", "/api/products/changes")
    for path in (*paths, "/api/products/export", f"/api/products/{product['id']}"):
        with client.get(path, buffered=False) as response:
            assert response.cache_control.no_store or response.cache_control.private, path
            assert not response.cache_control.public
            assert response.cache_control.max_age is None


def test_etags_are_still_revalidated(client: FlaskClient) -> None:
    product = create_product(client, "A")
    for path in (f"/api/products/{product['id']}", "/api/openapi.json", "/api/docs"):
        first = client.get(path)
        assert first.cache_control.private
        assert first.cache_control.no_cache
        assert not first.cache_control.no_store
    document = client.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert document.status_code == 200
    same = client.get("/api/docs", headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.headers["ETag"]) == (304, first.headers["ETag"])
    assert same.cache_control.private
    etag = client.get(f"/api/products/{product['id']}").headers["ETag"]
    changed = client.put(f"/api/products/{product['id']}", json={"name": "x"}, headers={"If-Match": etag})
    assert read_json(changed)["name"] == "x"
