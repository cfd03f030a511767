"""Attacks on sessions and links: fixation, stolen and expired tokens, tokens used twice, and races with a change."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from access import passwords, throttle, users
from access.tokens import create_token
from support.api import read_error, read_json
from support.database import execute
from support.sign_in import PASSWORD, create_key, create_session, create_user
from support.threads import Threads

EMAIL = "ada@example.com"
NEW_PASSWORD = "another long password"
HTTP_COOKIE, HTTPS_COOKIE = "acme_session", "__Host-acme_session"
HTTPS = "https://localhost"


@pytest.fixture
def user_id(app: Flask, database_url: str) -> int:
    """The id of an administrator with a password."""
    return create_user(database_url, email=EMAIL, password=PASSWORD)


def client_with(app: Flask, token: str, *, name: str = HTTP_COOKIE) -> FlaskClient:
    """Return a client that sends a token in the cookie."""
    client = app.test_client()
    client.set_cookie(name, token)
    return client


def read_cookie(client: FlaskClient) -> str:
    """Return the token in the cookie of a client."""
    cookie = client.get_cookie(HTTP_COOKIE)
    assert cookie is not None
    return cookie.value


def sign_in(client: FlaskClient, password: str = PASSWORD) -> int:
    """Sign in and return the status."""
    return client.post("/api/session", json={"email": EMAIL, "password": password}).status_code


def invite(admin: FlaskClient, email: str = "bob@example.com") -> tuple[int, str]:
    """Invite a person and return their id and the token of the link."""
    invited = read_json(admin.post("/api/users", json={"email": email, "name": "Bob", "role": "editor"}), 201)
    return invited["id"], invited["invitation"]["link"].rpartition("/")[2]


def use_link(client: FlaskClient, token: str, password: str = PASSWORD) -> int:
    """Set a password with a link and return the status."""
    return client.post("/api/account/password", json={"token": token, "password": password}).status_code


def test_a_token_that_an_attacker_set_is_never_adopted(app: Flask, user_id: int) -> None:
    planted = create_token()
    victim = client_with(app, planted)
    assert sign_in(victim) == 200
    assert read_cookie(victim) != planted
    read_error(client_with(app, planted).get("/api/session"), 401, "unauthenticated")


def test_the_session_of_an_attacker_in_the_victims_browser_ends_at_sign_in(
    app: Flask, database_url: str, user_id: int
) -> None:
    planted = create_session(database_url, create_user(database_url, "viewer"))
    victim = client_with(app, planted)
    assert sign_in(victim) == 200
    assert read_json(victim.get("/api/session"))["actor"]["id"] == user_id
    read_error(client_with(app, planted).get("/api/session"), 401, "unauthenticated")


def test_a_stolen_cookie_ends_with_the_session(app: Flask, user_id: int) -> None:
    client = app.test_client()
    assert sign_in(client) == 200
    thief = client_with(app, read_cookie(client))
    read_json(thief.get("/api/session"))
    read_json(client.delete("/api/session"))
    read_error(thief.get("/api/session"), 401, "unauthenticated")


def test_the_cookie_of_one_scheme_does_not_work_on_the_other(app: Flask, database_url: str, user_id: int) -> None:
    token = create_session(database_url, user_id)
    on_http = client_with(app, token, name=HTTP_COOKIE)
    on_https = client_with(app, token, name=HTTPS_COOKIE)
    read_json(on_http.get("/api/session"))
    read_error(on_http.get("/api/session", base_url=HTTPS), 401, "unauthenticated")
    read_json(on_https.get("/api/session", base_url=HTTPS))
    read_error(on_https.get("/api/session"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "token", ["", "x", "x" * 6000, "\x00", "ÿ", "a=b; acme_session=c", "' OR 1=1 --", "%00"], ids=ascii
)
def test_other_tokens_are_no_sessions(app: Flask, user_id: int, token: str) -> None:
    headers = {"Cookie": f"acme_session={token}"}
    read_error(app.test_client().get("/api/session", headers=headers), 401, "unauthenticated")


def test_every_changed_character_makes_a_token_useless(app: Flask, database_url: str, user_id: int) -> None:
    token = create_session(database_url, user_id)
    read_json(client_with(app, token).get("/api/session"))
    for position, character in enumerate(token):
        changed = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        read_error(client_with(app, changed).get("/api/session"), 401, "unauthenticated")
    for changed in (token[:-1], token + "A", token.swapcase()):
        read_error(client_with(app, changed).get("/api/session"), 401, "unauthenticated")


def test_of_two_uses_of_a_link_at_the_same_time_one_succeeds(app: Flask, database_url: str, user_id: int) -> None:
    _, token = invite(client_with(app, create_session(database_url, user_id)))
    statuses: list[int] = []
    barrier = threading.Barrier(6)

    def use(number: int) -> None:
        client = app.test_client()
        barrier.wait()
        statuses.append(use_link(client, token, f"a long password {number}"))

    with Threads() as threads:
        for number in range(6):
            threads.start(use, number)
    assert sorted(statuses) == [200, *[404] * 5]


def test_links_end(app: Flask, database_url: str, user_id: int) -> None:
    admin = client_with(app, create_session(database_url, user_id))
    _, token = invite(admin)
    execute(database_url, "UPDATE user_links SET expires_at = clock_timestamp()")
    assert use_link(app.test_client(), token) == 404
    read_error(app.test_client().post("/api/account/link", json={"token": token}), 404, "link_unusable")
    # The token of one purpose is none for another.
    setup = {"token": token, "email": "eve@example.com", "name": "Eve", "password": PASSWORD}
    read_error(app.test_client().post("/api/setup", json=setup), 404, "not_found")


@pytest.mark.parametrize(
    "end",
    [
        lambda admin, path: admin.put(path, json={"email": "robert@example.com"}),
        lambda admin, path: [admin.put(path, json={"disabled": disabled}) for disabled in (True, False)],
        lambda admin, path: admin.post(f"{path}/reset"),
        lambda admin, path: admin.delete(path),
    ],
    ids=["another address", "disabled", "new link", "deleted"],
)
def test_what_ends_a_link(
    app: Flask, database_url: str, user_id: int, end: Callable[[FlaskClient, str], object]
) -> None:
    admin = client_with(app, create_session(database_url, user_id))
    invited_id, token = invite(admin)
    end(admin, f"/api/users/{invited_id}")
    assert use_link(app.test_client(), token) == 404


def test_a_new_password_ends_the_links_for_one(app: Flask, database_url: str, user_id: int) -> None:
    admin = client_with(app, create_session(database_url, user_id))
    reset = read_json(admin.post(f"/api/users/{user_id}/reset"))["link"].rpartition("/")[2]
    read_json(admin.put("/api/account/password", json={"current_password": PASSWORD, "password": NEW_PASSWORD}))
    assert use_link(app.test_client(), reset) == 404


def change_while_checking(
    monkeypatch: pytest.MonkeyPatch, database_url: str, user_id: int, change: str = "password_hash = %s"
) -> None:
    """Let the person change, as another request would do it, just after the old password has been checked."""
    check = passwords.matches
    new_hash = passwords.hash_password(NEW_PASSWORD)

    def check_and_change(password: str, password_hash: str | None) -> bool:
        is_match = check(password, password_hash)
        execute(
            database_url, f"UPDATE users SET {change} WHERE id = {user_id}", (new_hash,) if "%s" in change else None
        )
        execute(database_url, f"DELETE FROM user_sessions WHERE user_id = {user_id}")
        return is_match

    monkeypatch.setattr(users, "matches", check_and_change)
    monkeypatch.setattr(passwords, "matches", check_and_change)


@pytest.mark.parametrize("change", ["password_hash = %s", "disabled_at = clock_timestamp()"])
def test_a_sign_in_with_the_old_password_does_not_survive_a_change(
    app: Flask, database_url: str, user_id: int, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    change_while_checking(monkeypatch, database_url, user_id, change)
    assert sign_in(app.test_client()) == 401
    assert execute(database_url, "SELECT FROM user_sessions") == []


def test_a_person_deleted_during_the_sign_in_gets_no_session(
    app: Flask, database_url: str, user_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = passwords.matches

    def check_and_delete(password: str, password_hash: str | None) -> bool:
        is_match = check(password, password_hash)
        execute(database_url, "DELETE FROM users")
        return is_match

    monkeypatch.setattr(users, "matches", check_and_delete)
    assert sign_in(app.test_client()) == 401


def test_the_old_password_cannot_undo_a_change_of_it(
    app: Flask, database_url: str, user_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = client_with(app, create_session(database_url, user_id))
    change_while_checking(monkeypatch, database_url, user_id)
    body = {"current_password": PASSWORD, "password": "the password of a thief"}
    read_error(thief.put("/api/account/password", json=body), 403, "wrong_password", "current_password")
    monkeypatch.undo()
    execute(database_url, "DELETE FROM sign_in_failures")
    assert sign_in(app.test_client(), NEW_PASSWORD) == 200


def test_of_two_removals_at_the_same_time_one_succeeds(app: Flask, database_url: str, user_id: int) -> None:
    other_id = create_user(database_url, "viewer")
    tokens = [create_session(database_url, user_id) for _ in range(4)]
    statuses: list[int] = []
    barrier = threading.Barrier(4)

    def remove(number: int) -> None:
        admin = client_with(app, tokens[number])
        barrier.wait()
        path = f"/api/users/{other_id}"
        response = admin.delete(path) if number % 2 else admin.put(path, json={"role": "editor"})
        statuses.append(response.status_code)

    with Threads() as threads:
        for number in range(4):
            threads.start(remove, number)
    assert set(statuses) <= {200, 404}
    assert execute(database_url, f"SELECT FROM users WHERE id = {other_id}") == []


def test_administrators_cannot_remove_each_other_at_the_same_time(app: Flask, database_url: str, user_id: int) -> None:
    other_id = create_user(database_url, password=PASSWORD)
    clients = {
        user_id: client_with(app, create_session(database_url, other_id)),
        other_id: client_with(app, create_session(database_url, user_id)),
    }
    barrier = threading.Barrier(2)

    def remove(victim_id: int) -> None:
        barrier.wait()
        clients[victim_id].delete(f"/api/users/{victim_id}")

    with Threads() as threads:
        for victim_id in clients:
            threads.start(remove, victim_id)
    assert len(execute(database_url, "SELECT FROM users")) == 1


def test_a_session_does_not_help_somebody_elses_account(app: Flask, database_url: str, user_id: int) -> None:
    bob_id = create_user(database_url, "editor")
    bob = client_with(app, create_session(database_url, bob_id))
    create_session(database_url, user_id)
    create_key(database_url, user_id)
    [(session_id,)] = execute(database_url, f"SELECT id FROM user_sessions WHERE user_id = {user_id}")
    read_error(bob.delete(f"/api/account/sessions/{session_id}"), 404, "session_not_found")
    [(key_id,)] = execute(database_url, "SELECT id FROM api_keys")
    read_error(bob.delete(f"/api/keys/{key_id}"), 404, "key_not_found")
    assert read_json(bob.get("/api/keys")) == []
    read_json(bob.delete("/api/account/sessions"))
    assert len(execute(database_url, f"SELECT FROM user_sessions WHERE user_id = {user_id}")) == 1


def test_confirming_a_password_is_throttled(app: Flask, database_url: str, user_id: int) -> None:
    client = client_with(app, create_session(database_url, user_id))
    body = {"current_password": "a guess", "password": NEW_PASSWORD}
    statuses = {client.put("/api/account/password", json=body).status_code for _ in range(20)}
    assert statuses == {403, 429}
    assert throttle.FREE_FAILURES_OF_ACCOUNT < 20


@pytest.mark.usefixtures("long_waits")
def test_strangers_cannot_keep_a_person_who_is_signed_in_from_a_new_password(
    app: Flask, database_url: str, user_id: int
) -> None:
    client = client_with(app, create_session(database_url, user_id))
    body = {"email": EMAIL, "password": "a guess of somebody else"}
    statuses = [app.test_client().post("/api/session", json=body).status_code for _ in range(7)]
    assert statuses[-1] == 429
    read_json(client.post("/api/account/confirm", json={"password": PASSWORD}))
    change = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    read_json(client.put("/api/account/password", json=change))
    # What the person does says nothing about the guesses of others, which still count.
    [(failures,)] = execute(database_url, "SELECT failures FROM sign_in_failures WHERE subject LIKE 'account %%'")
    assert failures > throttle.FREE_FAILURES_OF_ACCOUNT
