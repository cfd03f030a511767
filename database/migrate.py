"""Applies the migrations of the database."""

from __future__ import annotations

import functools
from pathlib import Path

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from database.connect import Component, connected

MIGRATIONS_FOLDER = Path(__file__).resolve().parent.parent / "migrations"

# The oldest version that PostgreSQL's developers still maintain.
MIN_SERVER_VERSION = 15
MAJOR_VERSION_DIVISOR = 10_000  # `server_version_num` is 150004 for version 15.4.
# Alembic's table is missing in a new database. A query that names it would fail there, and the server would log that.
HAS_REVISION_SQL = "SELECT to_regclass('alembic_version') IS NOT NULL"
READ_REVISION_SQL = """
SELECT array_agg(version_num), current_setting('server_version_num')::int FROM alembic_version
"""


class UnsupportedServer(Exception):
    """The PostgreSQL server is too old; the message says what to do."""


def sqlalchemy_url(url: str) -> str:
    """Return a `postgresql://` URL in the form that SQLAlchemy expects, with the driver named."""
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def upgrade_database(url: str) -> None:
    """Apply the migrations that the database at `url` lacks.

    Several processes may call this at once; a lock makes them take turns. Raises `sqlalchemy.exc.OperationalError` if
    the database cannot be reached, and `UnsupportedServer` if its server is too old.
    """
    if _is_current(url):
        return
    # Alembic takes long to import, and processes that do not migrate never need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.attributes["url"] = sqlalchemy_url(url)
    command.upgrade(config, "head")


@functools.cache
def newest_revision() -> str:
    """Return the revision that the last migration leads to. The names of the files begin with their revisions."""
    return max(path.name for path in MIGRATIONS_FOLDER.glob("versions/[0-9]*.py")).partition("_")[0]


def has_needed_revision(revisions: list[str]) -> bool:
    """Return whether a database with these revisions has all tables and columns that this version of the code needs.

    That is also true after a later version has migrated the database, because its migrations only add what they need
    while processes of this version still run.
    """
    return len(revisions) == 1 and revisions[0] >= newest_revision()


def _is_current(url: str) -> bool:
    """Return whether a supported server has the tables of the newest revision, as at most starts of a process.

    A migration that runs meanwhile shows its revision when it commits. Until then this returns false.
    """
    try:
        with connected(url, Component.MIGRATIONS) as connection, connection, connection.cursor() as cursor:
            cursor.execute(HAS_REVISION_SQL)
            if cursor.fetchone() != (True,):
                return False
            cursor.execute(READ_REVISION_SQL)
            ((revisions, server_version),) = cursor.fetchall()
    except psycopg2.OperationalError as error:
        raise OperationalError(None, None, error) from error
    return revisions == [newest_revision()] and _is_supported(server_version)


def check_server_version(connection: Connection) -> None:
    """Raise `UnsupportedServer` if the server is older than `MIN_SERVER_VERSION`."""
    number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    if not _is_supported(number):
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        raise UnsupportedServer(
            f"DATABASE_URL: the server runs PostgreSQL {version}, and version {MIN_SERVER_VERSION} or newer is needed."
            " Upgrade the server, or choose another one"
        )


def _is_supported(number: int) -> bool:
    return number // MAJOR_VERSION_DIVISOR >= MIN_SERVER_VERSION
