"""Applies the migrations of the database."""

from __future__ import annotations

import functools
from pathlib import Path

import psycopg2
from psycopg2 import errors
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

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
READ_ONLY_REASON_SQL = "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::boolean"
STANDBY_TEXT = (
    "DATABASE_URL: the server is a standby, which accepts no changes. Name the primary, or several hosts separated by"
    " commas, of which the one that accepts changes is then used"
)
READ_ONLY_TEXT = (
    "DATABASE_URL: the database accepts no changes, because default_transaction_read_only is on. Find out why, such as"
    " a full disk, and turn it off for the role, the database or the server"
)


class UnusableDatabase(Exception):
    """The product cannot work with the database, such as that of an old server; the message says what to do."""


class ReadOnlyDatabase(UnusableDatabase):
    """The database accepts no changes. That may pass, for example when a standby is promoted."""


def upgrade_database(url: str) -> None:
    """Apply the migrations that the database at `url` lacks.

    Several processes may call this at once; a lock makes them take turns. Raises `sqlalchemy.exc.OperationalError` if
    the database cannot be reached, and `UnusableDatabase` if its server is too old, it accepts no changes, or the role
    may not create tables.
    """
    if _is_current(url):
        return
    # Alembic takes long to import, and processes that do not migrate never need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except ProgrammingError as error:
        if not isinstance(error.orig, errors.InsufficientPrivilege):
            raise
        raise UnusableDatabase(
            f"DATABASE_URL: the role may not create or change the tables ({_first_line(error.orig)}). Let an"
            " administrator run GRANT CREATE, USAGE ON SCHEMA public for it, or make it the owner of the tables"
        ) from None


@functools.cache
def newest_revision() -> str:
    """Return the revision that the last migration leads to. The names of the files begin with their revisions."""
    return max(path.name for path in MIGRATIONS_FOLDER.glob("versions/[0-9]*.py")).partition("_")[0]


def _is_current(url: str) -> bool:
    """Return whether a supported server has the tables of the newest revision, as at most starts of a process.

    A migration that runs meanwhile shows its revision when it commits. Until then this returns false.
    """
    try:
        with connected(url, Component.MIGRATIONS) as connection, connection, connection.cursor() as cursor:
            cursor.execute(READ_ONLY_REASON_SQL)
            is_standby, is_read_only = cursor.fetchone() or (False, False)
            if is_standby:
                raise ReadOnlyDatabase(STANDBY_TEXT)
            if is_read_only:
                raise ReadOnlyDatabase(READ_ONLY_TEXT)
            cursor.execute(HAS_REVISION_SQL)
            if cursor.fetchone() != (True,):
                return False
            cursor.execute(READ_REVISION_SQL)
            ((revisions, server_version),) = cursor.fetchall()
    except psycopg2.OperationalError as error:
        raise OperationalError(None, None, error) from error
    return revisions == [newest_revision()] and _is_supported(server_version)


def check_server_version(connection: Connection) -> None:
    """Raise `UnusableDatabase` if the server is older than `MIN_SERVER_VERSION`."""
    number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    if not _is_supported(number):
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        raise UnusableDatabase(
            f"DATABASE_URL: the server runs PostgreSQL {version}, and version {MIN_SERVER_VERSION} or newer is needed."
            " Upgrade the server, or choose another one"
        )


def _is_supported(number: int) -> bool:
    return number // MAJOR_VERSION_DIVISOR >= MIN_SERVER_VERSION


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
