"""People who are removed while a request of theirs, or about them, is being answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from access import passwords
from api.access import users as user_calls
from models import User, db
from support.api import read_error, read_json
from support.database import execute
from support.sign_in import PASSWORD, create_key, create_session, create_user

Remove = Callable[..., None]
NEW_KEY = {"name": "Nightly", "scopes": ["products:read"]}


@pytest.fixture
def person_id(app: Flask, database_url: str) -> int:
    """The id of the person who is removed: an administrator with a password, and not the only one."""
    create_user(database_url)
    return create_user(database_url, password=PASSWORD)


@pytest.fixture
def remove(database_url: str, person_id: int) -> Remove:
    """Removes the person over a connection of its own."""

    def run(*_arguments: object) -> None:
        execute(database_url, f"DELETE FROM users WHERE id = {person_id}")

    return run


@pytest.fixture
def person(app: Flask, database_url: str, person_id: int) -> FlaskClient:
    """A client that is signed in as the person."""
    client = app.test_client()
    client.set_cookie("acme_session", create_session(database_url, person_id))
    return client


@pytest.fixture
def _removed_after_commit(remove: Remove) -> Iterator[None]:
    event.listen(db.session, "after_commit", remove)
    yield
    event.remove(db.session, "after_commit", remove)


@pytest.mark.usefixtures("_removed_after_commit")
def test_a_change_that_was_committed_is_described_as_it_was(person: FlaskClient, person_id: int) -> None:
    changed = read_json(person.put(f"/api/users/{person_id}", json={"name": "Ada"}))
    assert changed["name"] == "Ada"


@pytest.mark.usefixtures("_removed_after_commit")
def test_a_new_key_is_described_as_it_was(person: FlaskClient) -> None:
    created = read_json(person.post("/api/keys", json=NEW_KEY), 201)
    assert created["name"] == "Nightly"


def test_a_revoked_key_is_described_as_it_was(
    person: FlaskClient, person_id: int, database_url: str, request: pytest.FixtureRequest
) -> None:
    create_key(database_url, person_id)
    [(key_id,)] = execute(database_url, "SELECT id FROM api_keys")
    request.getfixturevalue("_removed_after_commit")
    revoked = read_json(person.delete(f"/api/keys/{key_id}"))
    assert revoked["message"] == "The key test is revoked."


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/account/confirm", {"password": PASSWORD}),
        ("PUT", "/api/account/password", {"current_password": PASSWORD, "password": "a new password of many words"}),
    ],
)
def test_the_password_of_a_person_who_is_gone_confirms_nothing(
    person: FlaskClient, remove: Remove, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: dict[str, str]
) -> None:
    matches = passwords.matches

    def remove_and_match(password: str, password_hash: str | None) -> bool:
        remove()
        return matches(password, password_hash)

    monkeypatch.setattr(passwords, "matches", remove_and_match)
    read_error(person.open(path, method=method, json=body), 401, "unauthenticated")


def test_somebody_who_is_gone_gets_no_link(
    app: Flask, database_url: str, person_id: int, remove: Remove, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = app.test_client()
    admin.set_cookie("acme_session", create_session(database_url, create_user(database_url)))
    find = user_calls._find_user

    def find_and_remove(user_id: int) -> User:
        user = find(user_id)
        remove()
        return user

    monkeypatch.setattr(user_calls, "_find_user", find_and_remove)
    read_error(admin.post(f"/api/users/{person_id}/reset"), 404, "user_not_found")
    assert execute(database_url, "SELECT FROM user_links") == []
