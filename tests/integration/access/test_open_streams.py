"""Open event streams end as soon as their actor may no longer read them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.session_cookie import COOKIE_NAME
from support.api import read_error, read_json
from support.database import execute
from support.job_streams import insert_running_job
from support.sign_in import create_key, create_session, create_user
from support.waiting import wait_for

EMAIL, NAME, PASSWORD = "ada@example.com", "Ada Lovelace", "a password of many words"


@pytest.fixture
def admin(client: FlaskClient) -> FlaskClient:
    """The client of the first administrator, who is signed in."""
    read_json(client.post("/api/setup", json={"email": EMAIL, "name": NAME, "password": PASSWORD}), 201)
    return client


class OpenStream:
    """A stream that a thread reads until its end."""

    def __init__(self, client: FlaskClient, path: str, headers: dict[str, str] | None = None) -> None:
        response = client.get(path, headers=headers, buffered=False)
        assert response.status_code == 200
        self._chunks: Iterator[object] = iter(response.response)
        next(self._chunks)
        self._close = response.close
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for _ in self._chunks:
            pass
        self._close()

    @property
    def is_open(self) -> bool:
        """Whether the stream has not ended."""
        return self._thread.is_alive()


def open_streams(client: FlaskClient, database_url: str) -> list[OpenStream]:
    """Open one stream of each kind."""
    task_id = insert_running_job(database_url)
    paths = (
        "/api/products/changes",
        f"/api/upload/progress/{task_id}/stream",
        f"/api/events?imports={task_id}&products=true&webhooks=true",
    )
    streams = [OpenStream(client, path) for path in paths]
    assert all(stream.is_open for stream in streams)
    return streams


def wait_for_the_end(streams: list[OpenStream], app: Flask) -> None:
    """Wait until the streams have ended; 10 seconds are far less than `ACCESS_CHECK_SECONDS`."""
    wait_for("the streams have ended", lambda: not any(stream.is_open for stream in streams), seconds=10)
    hub = app.extensions["streams"]
    wait_for("no stream is open", lambda: hub.streams == 0)


@pytest.fixture
def only_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stream end only because PostgreSQL tells the web process that access has changed."""
    monkeypatch.setattr("api.sse.ACCESS_CHECK_SECONDS", 3600)


PASSWORDS = {"current_password": PASSWORD, "password": "another long password"}
ENDS: dict[str, Callable[[FlaskClient, FlaskClient, int], object]] = {
    "signed out": lambda own, other, user_id: read_json(own.delete("/api/session")),
    "session revoked": lambda own, other, user_id: read_json(other.delete("/api/account/sessions")),
    "new password": lambda own, other, user_id: read_json(other.put("/api/account/password", json=PASSWORDS)),
    "role": lambda own, other, user_id: read_json(other.put(f"/api/users/{user_id}", json={"role": "viewer"})),
    "disabled": lambda own, other, user_id: read_json(other.put(f"/api/users/{user_id}", json={"disabled": True})),
    "removed": lambda own, other, user_id: read_json(other.delete(f"/api/users/{user_id}")),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_change_of_access_ends_the_streams_of_a_person_at_once(
    admin: FlaskClient, app: Flask, database_url: str, end: str, only_notified: None
) -> None:
    [(user_id,)] = execute(database_url, "SELECT id FROM users")
    other = app.test_client()
    if end in {"role", "disabled", "removed"}:
        # Somebody must stay administrator.
        other_id = create_user(database_url, password=PASSWORD)
        other.set_cookie(COOKIE_NAME, create_session(database_url, other_id))
    else:
        read_json(other.post("/api/session", json={"email": EMAIL, "password": PASSWORD}))
    streams = open_streams(admin, database_url)
    ENDS[end](admin, other, user_id)
    wait_for_the_end(streams, app)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM user_sessions",
        "UPDATE users SET role = 'viewer'",
        "UPDATE users SET disabled_at = clock_timestamp()",
        "DELETE FROM users",
    ],
)
def test_a_change_in_the_database_ends_the_streams_of_a_person_at_once(
    admin: FlaskClient, app: Flask, database_url: str, change: str, only_notified: None
) -> None:
    streams = open_streams(admin, database_url)
    execute(database_url, change)
    wait_for_the_end(streams, app)


@pytest.mark.parametrize(
    "change",
    ["expires_at = clock_timestamp()", "seen_at = clock_timestamp() - interval '1 year'"],
    ids=["after the last day", "without requests"],
)
def test_streams_end_with_a_session_that_ends_by_itself(
    admin: FlaskClient, app: Flask, database_url: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sse.ACCESS_CHECK_SECONDS", 0.2)
    streams = open_streams(admin, database_url)
    execute(database_url, f"UPDATE user_sessions SET {change}")
    wait_for_the_end(streams, app)


def test_the_stream_of_a_key_ends_with_the_key_and_others_go_on(
    admin: FlaskClient, app: Flask, only_notified: None
) -> None:
    created = read_json(admin.post("/api/keys", json={"name": "A", "scopes": ["products:read"]}), 201)
    headers = {"Authorization": f"Bearer {created['key']}"}
    stream = OpenStream(app.test_client(), "/api/events?products=true", headers)
    own = OpenStream(admin, "/api/events?products=true")
    read_error(app.test_client().get("/api/events?webhooks=true", headers=headers), 403, "forbidden")
    read_json(admin.delete(f"/api/keys/{created['id']}"))
    wait_for("the stream has ended", lambda: not stream.is_open, seconds=10)
    assert own.is_open
    read_json(admin.delete("/api/session"))
    wait_for("the other stream has ended", lambda: not own.is_open, seconds=10)


def test_the_stream_of_a_key_ends_when_its_owner_is_disabled(
    admin: FlaskClient, app: Flask, database_url: str, only_notified: None
) -> None:
    owner_id = create_user(database_url)
    headers = {"Authorization": f"Bearer {create_key(database_url, owner_id, ['products:read'])}"}
    stream = OpenStream(app.test_client(), "/api/events?products=true", headers)
    own = OpenStream(admin, "/api/events?products=true")
    read_json(admin.put(f"/api/users/{owner_id}", json={"disabled": True}))
    wait_for("the stream has ended", lambda: not stream.is_open, seconds=10)
    assert own.is_open
    read_json(admin.delete("/api/session"))
    wait_for_the_end([own], app)


def test_the_stream_of_local_ends_with_local(client: FlaskClient, app: Flask, only_notified: None) -> None:
    stream = OpenStream(client, "/api/products/changes")
    person = {"email": EMAIL, "name": NAME, "password": PASSWORD}
    read_json(app.test_client().post("/api/setup", json=person), 201)
    wait_for("the stream has ended", lambda: not stream.is_open, seconds=10)
