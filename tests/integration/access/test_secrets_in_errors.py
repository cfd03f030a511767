"""Errors of the database reach the log without the values of the statement: some of them are secrets."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from support.api import read_error
from support.database import execute

FAIL_SQL = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'The test lets this fail.'; END $$;
CREATE TRIGGER fail BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fail()
"""
PASSWORD = "a password of many words"
WEBHOOK = {"url": "https://example.com/hooks", "event_type": "*", "secret": "a secret of the receiver"}
PERSON = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}


@pytest.mark.parametrize(
    ("table", "path", "body", "secret"),
    [
        ("webhooks", "/api/webhooks", WEBHOOK, WEBHOOK["secret"]),
        ("users", "/api/setup", PERSON, "scrypt:"),
        ("user_sessions", "/api/setup", PERSON, "token_hash': "),
    ],
)
def test_an_unexpected_error_of_the_database_is_logged_without_secrets(
    client: FlaskClient,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
    table: str,
    path: str,
    body: dict[str, str],
    secret: str,
) -> None:
    execute(database_url, FAIL_SQL.format(table=table))
    read_error(client.post(path, json=body), 500, "internal_error")
    assert "The test lets this fail." in caplog.text
    assert secret not in caplog.text
