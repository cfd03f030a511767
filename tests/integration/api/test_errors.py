"""Errors: one shape for all of them, whatever raises them."""

from __future__ import annotations

from flask import Flask, abort
from flask.testing import FlaskClient

import config
from api.errors import HTTP_ERRORS
from models import db
from support.api import read_error, read_json
from support.database import execute, url_of


def test_an_unknown_path_is_not_found(client: FlaskClient) -> None:
    for path in ("/api", "/api/", "/api/nothing", "/api/products/x", "/api/products/-1", "/api/upload/progress/"):
        read_error(client.get(path), 404, "not_found")


def test_a_path_outside_of_the_api_has_an_ordinary_error_page(client: FlaskClient) -> None:
    response = client.get("/nothing")
    assert (response.status_code, response.mimetype) == (404, "text/html")


def test_a_method_that_a_path_does_not_support_is_named(client: FlaskClient) -> None:
    response = client.patch("/api/products")
    assert "PATCH" in read_error(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))
    read_error(client.get("/api/upload"), 405, "method_not_allowed")


def test_a_body_that_is_not_json_is_an_unsupported_media_type(client: FlaskClient) -> None:
    read_error(client.post("/api/products", data="sku=a"), 415, "unsupported_media_type")


def test_json_that_is_incomplete_or_not_utf_8_or_nested_too_deeply_is_a_bad_request(client: FlaskClient) -> None:
    for body in (b"{", b"\xff", b'{"sku":' + b"[" * 200_000):
        read_error(client.post("/api/products", data=body, content_type="application/json"), 400, "bad_request")


def test_json_that_is_not_an_object_is_an_invalid_body(client: FlaskClient) -> None:
    for body in ("[]", "null", '"a"', "5"):
        read_error(client.post("/api/products", data=body, content_type="application/json"), 400, "invalid_body")


def test_a_program_can_build_the_sentences_from_codes_and_details(client: FlaskClient) -> None:
    response = client.post("/api/products", json={"sku": " ", "name": "x" * 300, "active": 5})
    read_error(response, 400, "invalid_body", "sku", "name", "active")
    assert response.get_json()["field_problems"] == {
        "sku": [{"code": "no_sku", "details": {}}],
        "name": [{"code": "too_long", "details": {"limit": 255, "characters": 300}}],
    }
    # marshmallow itself gives this one.
    missing = client.post("/api/products", json={})
    read_error(missing, 400, "invalid_body", "sku")
    assert missing.get_json()["field_problems"] == {"sku": [{"code": "required", "details": {}}]}


def test_a_large_body_is_refused_without_speaking_of_a_file(client: FlaskClient) -> None:
    message = read_error(client.post("/api/products", json={"sku": "a" * 1_100_000}), 413, "too_large")
    assert "file" not in message


def test_an_unexpected_error_reveals_nothing(app: Flask, client: FlaskClient) -> None:
    def fail() -> str:
        raise RuntimeError("a secret of the server")

    app.add_url_rule("/api/broken", view_func=fail)
    assert "secret" not in read_error(client.get("/api/broken"), 500, "internal_error")


def test_an_http_error_without_an_error_type_gets_its_code_from_its_name(app: Flask, client: FlaskClient) -> None:
    assert 429 not in HTTP_ERRORS
    app.add_url_rule("/api/refused", view_func=lambda: abort(429))
    read_error(client.get("/api/refused"), 429, "too_many_requests")


def test_calls_are_unavailable_while_the_database_is_away(
    app: Flask, client: FlaskClient, settings: config.Settings
) -> None:
    name = settings.database_url.partition("?")[0].rpartition("/")[2]
    read_json(client.get("/api/products"))
    with app.app_context():
        db.engine.dispose()
    server = url_of(settings.database_url, "postgres")
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        read_error(client.get("/api/products"), 503, "unavailable")
        read_error(client.get("/api/imports"), 503, "unavailable")
        health = read_json(client.get("/api/health"), 503)
        assert (health["status"], health["database"], health["worker"]) == ("unhealthy", "down", "unknown")
    finally:
        execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    read_json(client.get("/api/products"))
