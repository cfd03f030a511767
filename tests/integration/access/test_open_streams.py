"""Open event streams end as soon as their actor may no longer read them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from support.api import read_error, read_json
from support.database import execute
from support.job_streams import insert_running_job
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


@pytest.mark.parametrize(
    "end",
    [
        lambda url: execute(url, "DELETE FROM user_sessions"),
        lambda url: execute(url, "UPDATE users SET role = 'viewer'"),
        lambda url: execute(url, "UPDATE users SET disabled_at = clock_timestamp()"),
        lambda url: execute(url, "DELETE FROM users"),
        lambda url: execute(url, "UPDATE user_sessions SET expires_at = clock_timestamp()"),
        lambda url: execute(url, "UPDATE user_sessions SET seen_at = clock_timestamp() - interval '1 year'"),
    ],
    ids=["session", "role", "disabled", "deleted", "after the last day", "without requests"],
)
def test_the_streams_of_a_person_end(
    admin: FlaskClient, app: Flask, database_url: str, end: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sse.ACCESS_CHECK_SECONDS", 0.2)
    task_id = insert_running_job(database_url)
    paths = (
        "/api/products/changes",
        f"/api/upload/progress/{task_id}/stream",
        f"/api/events?imports={task_id}&products=true&webhooks=true",
    )
    streams = [OpenStream(admin, path) for path in paths]
    assert all(stream.is_open for stream in streams)
    end(database_url)
    wait_for("the streams have ended", lambda: not any(stream.is_open for stream in streams), seconds=10)
    hub = app.extensions["streams"]
    wait_for("no stream is open", lambda: hub.streams == 0)


def test_the_stream_of_a_key_ends_with_the_key_and_others_go_on(admin: FlaskClient, app: Flask) -> None:
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


def test_the_stream_of_local_ends_with_local(client: FlaskClient, app: Flask) -> None:
    stream = OpenStream(client, "/api/products/changes")
    person = {"email": EMAIL, "name": NAME, "password": PASSWORD}
    read_json(app.test_client().post("/api/setup", json=person), 201)
    wait_for("the stream has ended", lambda: not stream.is_open, seconds=10)
