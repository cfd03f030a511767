"""Check a database that the user configured, and explain its errors without showing the password."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg2

from embedded.errors import LaunchError
from embedded.postgres import APPLICATION_NAME, CONNECT_TIMEOUT_SECONDS


def check_database(url: str) -> None:
    """Raise `LaunchError` unless the database at `url` answers within CONNECT_TIMEOUT_SECONDS."""
    try:
        psycopg2.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name=APPLICATION_NAME).close()
    except psycopg2.Error as error:
        raise LaunchError(f"DATABASE_URL: {explain_database_error(error, url)}") from None


def explain_database_error(error: Exception, url: str) -> str:
    """Return the first line of an error's message, without the password of `url`."""
    message = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    parts = urlsplit(url)
    if url.count("@") > ("@" in parts.netloc) or message.startswith(("invalid dsn", "invalid integer")):
        # libpq mistakes a part of the password for a host, port or database and quotes it in its message.
        return "it cannot be read; write special characters of its password as %40 for @, %2F for / and so on"
    for password in (parts.password, unquote(parts.password or ""), dict(parse_qsl(parts.query)).get("password")):
        message = message.replace(password, "***") if password else message
    return message
