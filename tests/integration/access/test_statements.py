"""What access control sends to PostgreSQL, by the log of a server that writes down every statement."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

import config
from app import create_app
from database.migrate import upgrade_database
from models import db
from support.api import create_product, read_error, read_json
from support.database import create_server, execute
from support.sign_in import PASSWORD, create_key, create_session, create_user

STATEMENT = "LOG:  statement: "
ACCESS_TABLES = ("installation", "users", "user_sessions", "api_keys")


class ServerLog:
    """The log of a server that writes down every statement."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def read(self) -> str:
        """Return what the server has logged since the last call."""
        with self._path.open("rb") as log:
            log.seek(self._read)
            content = log.read()
        self._read += len(content)
        return content.decode(errors="replace")

    def statements_of(self, call: Callable[[], object]) -> list[str]:
        """Return the statements that a call runs, each in one line."""
        self.read()
        call()
        entries = self.read().split(STATEMENT)[1:]
        return [" ".join(entry.split()) for entry in entries]


@pytest.fixture(scope="module")
def logging_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of a server that logs every statement, and its log."""
    folder = tmp_path_factory.mktemp("server") / "cluster"
    settings = {"fsync": "off", "log_statement": "all", "log_line_prefix": ""}
    with create_server(folder, settings=settings) as server:
        yield server.start(), folder / "server.log"


@pytest.fixture
def database_url(logging_server: tuple[str, Path]) -> str:
    """The URL of the only database of that server, without people, products and failures."""
    url, _ = logging_server
    upgrade_database(url)
    execute(url, "TRUNCATE users, saved_views, user_links, user_sessions, api_keys, sign_in_failures, products")
    execute(url, "UPDATE installation SET claimed_at = NULL")
    return url


@pytest.fixture
def server_log(database_url: str, logging_server: tuple[str, Path]) -> ServerLog:
    """The log of the server."""
    return ServerLog(logging_server[1])


@pytest.fixture
def app(settings: config.Settings) -> Iterator[Flask]:
    """The web application on that server."""
    application = create_app(settings)
    yield application
    with application.app_context():
        db.engine.dispose()


def about_access(statements: list[str]) -> list[str]:
    """Return the statements that read or write a table of access control."""
    return [one for one in statements if any(f" {table} " in f"{one} " for table in ACCESS_TABLES)]


def check_one_read(server_log: ServerLog, client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    """Assert that finding the actor takes one statement, once the first request of the minute was made."""

    def call() -> None:
        read_json(client.get(path, headers=headers))

    call()
    statements = server_log.statements_of(call)
    (read,) = about_access(statements)
    assert read.startswith("SELECT")
    # The rest is the transaction of the view, and no question whether the connection still works.
    assert statements[0] == read
    assert statements[1].startswith("BEGIN")
    assert "SELECT 1" not in statements
    in_transaction = ("SET LOCAL ", "SET TRANSACTION ")
    assert not any(one.startswith("SET ") and not one.startswith(in_transaction) for one in statements)
    assert sum(one.startswith("BEGIN") for one in statements) == 1
    assert not any(one.startswith(("INSERT", "UPDATE", "DELETE")) for one in statements)


def test_each_request_reads_its_actor_once(app: Flask, database_url: str, server_log: ServerLog) -> None:
    client = app.test_client()
    path = f"/api/products/{create_product(client, 'A')['id']}"
    check_one_read(server_log, client, path, {})
    user_id = create_user(database_url)
    check_one_read(server_log, client, path, {"Authorization": f"Bearer {create_key(database_url, user_id)}"})
    client.set_cookie("acme_session", create_session(database_url, user_id))
    check_one_read(server_log, client, path, {})
    check_one_read(server_log, client, "/api/products", {})


def test_a_request_without_a_credential_or_with_a_mistyped_key_reads_nothing(
    app: Flask, database_url: str, server_log: ServerLog
) -> None:
    create_user(database_url)
    client = app.test_client()
    headers = {"Authorization": "Bearer acme_mistyped"}
    assert server_log.statements_of(lambda: client.get("/api/products", headers=headers)) == []
    proxied = {"X-Forwarded-For": "192.0.2.7"}
    assert server_log.statements_of(lambda: client.get("/api/products", headers=proxied)) == []


@pytest.mark.thorough("api_keys SET last_used_at")
@pytest.mark.parametrize("column", ["user_sessions SET seen_at", "api_keys SET last_used_at"])
def test_the_last_use_is_written_once_a_minute(
    app: Flask, database_url: str, server_log: ServerLog, column: str
) -> None:
    user_id = create_user(database_url)
    client = app.test_client()
    headers = {}
    if "api_keys" in column:
        headers = {"Authorization": f"Bearer {create_key(database_url, user_id)}"}
    else:
        client.set_cookie("acme_session", create_session(database_url, user_id))

    def count_writes() -> int:
        statements = server_log.statements_of(lambda: client.get("/api/session", headers=headers))
        return sum(one.startswith("UPDATE") for one in statements)

    client.get("/api/session", headers=headers)
    assert count_writes() == 0
    execute(database_url, f"UPDATE {column} = clock_timestamp() - interval '61 seconds'")
    assert [count_writes(), count_writes()] == [1, 0]


def test_no_secret_is_in_a_statement_or_a_log(
    app: Flask, database_url: str, server_log: ServerLog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server_log.read()
    new_password, wrong_password = "a new password of Ada", "a wrong password of Ada"
    secrets = [PASSWORD, new_password, wrong_password]
    admin = app.test_client()
    person = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}
    read_json(admin.post("/api/setup", json=person), 201)
    bob = read_json(admin.post("/api/users", json={"email": "b@x.com", "name": "B", "role": "viewer"}), 201)
    secrets.append(bob["invitation"]["link"].rpartition("/")[2])
    client = app.test_client()
    read_json(client.post("/api/account/link", json={"token": secrets[-1]}))
    read_json(client.post("/api/account/password", json={"token": secrets[-1], "password": new_password}))
    secrets.append(read_json(admin.post(f"/api/users/{bob['id']}/reset"))["link"].rpartition("/")[2])
    key = read_json(admin.post("/api/keys", json={"name": "K", "scopes": ["admin"]}), 201)["key"]
    secrets.append(key)
    read_json(app.test_client().get("/api/users", headers={"Authorization": f"Bearer {key}"}))
    read_json(admin.put("/api/account/password", json={"current_password": PASSWORD, "password": new_password}))
    wrong = {"email": "ada@example.com", "password": wrong_password}
    read_error(app.test_client().post("/api/session", json=wrong), 401, "wrong_credentials")
    for one in (admin, client):
        cookie = one.get_cookie("acme_session")
        assert cookie is not None
        secrets.append(cookie.value)
    logged = server_log.read()
    assert "user_sessions" in logged
    assert [secret for secret in secrets if secret in logged or secret in caplog.text] == []
    rows = execute(database_url, "SELECT coalesce(string_agg(audit_entries::text, ''), '') FROM audit_entries")
    assert [secret for secret in secrets if secret in rows[0][0]] == []
