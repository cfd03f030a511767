"""Who may choose the id of a request."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

import config
from app import create_app
from models import db
from monitoring import context

GIVEN = "an-id-of-a-proxy"


def test_a_client_cannot_choose_the_id_of_its_request(client: FlaskClient) -> None:
    headers = {"X-Request-ID": GIVEN}
    ids = [client.get(path, headers=headers, buffered=True).headers["X-Request-ID"] for path in ("/api/products", "/")]
    assert len({*ids, GIVEN}) == 3
    assert all(context.accept_request_id(id) for id in ids)
    # The thread works for nobody after the response.
    assert context.current_request_id() is None


def test_a_trusted_proxy_chooses_it_if_it_is_usable(settings: config.Settings) -> None:
    application = create_app(config.Settings(**{**vars(settings), "trusted_proxies": 1}))
    client = application.test_client()
    for path, status in (("/api/products", 200), ("/api/nothing", 404), ("/healthz", 200)):
        response = client.get(path, headers={"X-Request-ID": GIVEN})
        assert (response.status_code, response.headers["X-Request-ID"]) == (status, GIVEN)
    # A refusal of the host has it, too.
    refused = client.get("/api/products", headers={"X-Request-ID": GIVEN, "Host": "evil.example"})
    assert (refused.status_code, refused.headers["X-Request-ID"]) == (400, GIVEN)
    for unusable in ("", "a b", "a" * 101, "%s", "<script>"):
        given = client.get("/api/products", headers={"X-Request-ID": unusable}).headers["X-Request-ID"]
        assert given != unusable
        assert context.accept_request_id(given)
    application.extensions["request_counts"].close()
    with application.app_context():
        db.engine.dispose()


def test_an_application_that_fails_leaves_no_id_behind(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(client.application, "full_dispatch_request", fail)
    monkeypatch.setattr(client.application, "handle_exception", fail)
    with pytest.raises(ValueError):
        client.get("/api/products")
    assert context.current_request_id() is None
