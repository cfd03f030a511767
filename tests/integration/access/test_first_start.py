"""The first start: the administrator "local", and the first person, who ends it for ever."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from access import links
from models import db
from support.api import read_error, read_json
from support.audit import read_entries
from support.database import execute

EMAIL, NAME, PASSWORD = "ada@example.com", "Ada Lovelace", "a password of many words"


@pytest.fixture
def environment(environment: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of every test, with the changes that a parameter gives."""
    return {**environment, **getattr(request, "param", {})}


def set_up(client: FlaskClient, **changes: Any) -> Any:
    """Create the first administrator."""
    return client.post("/api/setup", json={"email": EMAIL, "name": NAME, "password": PASSWORD, **changes})


def create_setup_token(app: Flask) -> str:
    """Return the token of a new link for the first administrator."""
    with app.app_context(), Session(db.engine) as session:
        token = links.create_link(session, links.SETUP)
        session.commit()
        return token


def test_requests_of_this_machine_are_those_of_local(client: FlaskClient) -> None:
    who = read_json(client.get("/api/session"))
    assert who["actor"] == {"type": "local", "id": None, "name": "local", "role": "admin"}
    assert "webhooks" in who["scopes"]
    for host in ("localhost", "127.0.0.1:5000", "[::1]:80", "LOCALHOST"):
        read_json(client.get("/api/webhooks", headers={"Host": host}))


@pytest.mark.parametrize(
    ("headers", "environ"),
    [
        ({"X-Forwarded-For": "127.0.0.1"}, {}),
        ({"X-Forwarded-Proto": ""}, {}),
        ({"x-forwarded-whatever": "1"}, {}),
        ({"Forwarded": "for=127.0.0.1"}, {}),
        ({"Host": "127.0.0.2"}, {}),
        ({"Authorization": "Basic YTpi"}, {}),
        # What nginx sends with a plain `proxy_pass http://127.0.0.1:5000`: no header of a proxy, and its own Host.
        ({"Host": "127.0.0.1:5000", "Connection": "close"}, {"SERVER_PROTOCOL": "HTTP/1.0"}),
        ({}, {"REMOTE_ADDR": "192.0.2.7"}),
        ({}, {"REMOTE_ADDR": ""}),
        ({}, {"SERVER_NAME": "0.0.0.0"}),  # noqa: S104
    ],
    ids=str,
)
def test_other_requests_are_not(client: FlaskClient, headers: dict[str, str], environ: dict[str, str]) -> None:
    response = client.get("/api/products", headers=headers, environ_overrides=environ)
    read_error(response, 401, "unauthenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "environment",
    [{"AUTH": "required"}, {"HOST": "0.0.0.0"}, {"HOST": "shop.internal"}],  # noqa: S104
    indirect=True,
)
def test_without_local_everyone_signs_in(client: FlaskClient) -> None:
    read_error(client.get("/api/products"), 401, "unauthenticated")
    read_error(client.post("/api/products", json={"sku": "A"}), 401, "unauthenticated")
    read_error(set_up(client), 404, "link_unusable")
    assert client.get("/").status_code == 200


def test_local_creates_the_first_administrator_and_ends_with_that(client: FlaskClient, app: Flask) -> None:
    user = read_json(set_up(client), 201)
    assert (user["email"], user["role"], user["status"]) == (EMAIL, "admin", "active")
    assert read_json(client.get("/api/session"))["actor"] == {
        "type": "user",
        "id": user["id"],
        "name": NAME,
        "role": "admin",
    }
    other = app.test_client()
    read_error(other.get("/api/products"), 401, "unauthenticated")
    read_error(set_up(other), 404, "not_found")
    token = create_setup_token(app)
    read_error(set_up(other, token=token), 404, "not_found")


def test_the_password_for_a_proxy_in_front_does_not_replace_or_disturb_a_session(
    client: FlaskClient, app: Flask
) -> None:
    read_json(set_up(client), 201)
    headers = {"Authorization": "Basic YTpi", "X-Forwarded-For": "192.0.2.7"}
    assert read_json(client.get("/api/session", headers=headers))["actor"]["name"] == NAME
    read_json(client.post("/api/products", json={"sku": "A"}, headers=headers), 201)
    read_error(app.test_client().get("/api/products", headers=headers), 401, "unauthenticated")


def test_local_does_not_come_back_without_people(client: FlaskClient, app: Flask, database_url: str) -> None:
    read_json(set_up(client), 201)
    execute(database_url, "DELETE FROM users")
    read_error(app.test_client().get("/api/products"), 401, "unauthenticated")
    read_error(set_up(app.test_client()), 404, "not_found")


@pytest.mark.parametrize("environment", [{"AUTH": "required"}], indirect=True)
def test_a_link_creates_the_first_administrator_once(client: FlaskClient, app: Flask, database_url: str) -> None:
    token = create_setup_token(app)
    read_error(set_up(client, token=token[:-1]), 404, "link_unusable")
    # A bad password does not use the link up.
    read_error(set_up(client, token=token, password="short"), 400, "weak_password", "password")
    execute(database_url, "UPDATE user_links SET expires_at = clock_timestamp()")
    read_error(set_up(client, token=token), 404, "link_unusable")
    token = create_setup_token(app)
    read_json(set_up(client, token=token), 201)
    read_json(client.get("/api/products"))


@pytest.mark.parametrize("environment", [{"AUTH": "required"}], indirect=True)
def test_whoever_uses_a_link_is_the_actor_in_the_audit_log(client: FlaskClient, app: Flask, database_url: str) -> None:
    read_json(set_up(client, token=create_setup_token(app)), 201)
    bob = {"email": "bob@example.com", "name": "Bob", "role": "viewer"}
    invited = read_json(client.post("/api/users", json=bob), 201)
    accept = {"token": invited["invitation"]["link"].rpartition("/")[2], "password": PASSWORD}
    read_json(app.test_client().post("/api/account/password", json=accept))
    reset = read_json(client.post(f"/api/users/{invited['id']}/reset"))
    renew = {"token": reset["link"].rpartition("/")[2], "password": "another long password"}
    read_json(app.test_client().post("/api/account/password", json=renew))
    entries = read_entries(database_url, "user.")
    assert [(e["action"], e["actor_type"], e["actor_name"], e["changes"]) for e in entries] == [
        ("user.created", "user", NAME, {"role": [None, "admin"], "link": [None, "setup"]}),
        ("user.created", "user", NAME, {"role": [None, "viewer"], "email": [None, "bob@example.com"]}),
        ("user.password_changed", "user", "Bob", {"link": [None, "invitation"]}),
        ("user.reset", "user", NAME, None),
        ("user.password_changed", "user", "Bob", {"link": [None, "reset"]}),
    ]


def test_of_two_first_administrators_at_the_same_time_one_is_created(app: Flask, database_url: str) -> None:
    statuses: list[int] = []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        client = app.test_client()
        barrier.wait()
        statuses.append(set_up(client, email=f"user{number}@example.com").status_code)

    threads = [threading.Thread(target=create, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, *[404] * 7]
    assert execute(database_url, "SELECT count(*) FROM users") == [(1,)]


def test_the_first_person_that_local_invites_is_an_administrator(client: FlaskClient, app: Flask) -> None:
    person = {"email": EMAIL, "name": NAME, "role": "editor"}
    read_error(client.post("/api/users", json=person), 409, "first_administrator", "role")
    invited = read_json(client.post("/api/users", json={**person, "role": "admin"}), 201)
    assert invited["status"] == "invited"
    token = invited["invitation"]["link"].rpartition("/")[2]
    read_error(client.get("/api/products"), 401, "unauthenticated")
    read_json(client.post("/api/account/password", json={"token": token, "password": PASSWORD}))
    assert read_json(client.get("/api/session"))["actor"]["role"] == "admin"
    read_error(
        app.test_client().post("/api/account/password", json={"token": token, "password": PASSWORD}),
        404,
        "link_unusable",
    )
