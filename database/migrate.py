"""Applies the migrations of the database, and tells whether this version of the product works with its tables.

While a newer version is rolled out, its migrations run beside processes of this version. They say in the comment of
Alembic's table which revision a process must know at least. CONTRIBUTING.md has the rules for migrations.
"""

from __future__ import annotations

import functools
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import errors
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from database.connect import Component, connected

log = logging.getLogger(__name__)

MIGRATIONS_FOLDER = Path(__file__).resolve().parent.parent / "migrations"

# The oldest version that PostgreSQL's developers still maintain.
MIN_SERVER_VERSION = 15
MAJOR_VERSION_DIVISOR = 10_000  # `server_version_num` is 150004 for version 15.4.
# Alembic's table is missing in a new database. A query that names it would fail there, and the server would log that.
HAS_REVISION_SQL = "SELECT to_regclass('alembic_version') IS NOT NULL"
READ_REVISION_SQL = """
SELECT max(version_num), current_setting('server_version_num')::int, current_setting('server_version'),
    obj_description('alembic_version'::regclass)
FROM alembic_version
"""
READ_COMMENT_SQL = "SELECT version_num, obj_description('alembic_version'::regclass) FROM alembic_version"
OLDEST_REVISION_RE = re.compile(r"Processes need at least the revision (\w+)")
# Everyone who uses a table waits behind a migration that waits for its lock. So it gives up soon, and starts again.
LOCK_ATTEMPTS = 60
LOCK_PAUSE_SECONDS = 1
# How long a migration waits for another process that migrates.
TURN_SECONDS = 60
RETRY_SECONDS = 1

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
    """This version of the product cannot work with the database; the message says what to do."""


class UnsupportedServer(UnusableDatabase):
    """The PostgreSQL server is too old."""


class ReadOnlyDatabase(UnusableDatabase):
    """The database accepts no changes. That may pass, for example when a standby is promoted."""


class OlderSchema(UnusableDatabase):
    """The database lacks migrations, and this process does not apply them."""


class NewerSchema(UnusableDatabase):
    """A newer version has changed the tables in a way that this version does not know."""


class MigrationsBlocked(UnusableDatabase):
    """Other transactions hold locks that the migrations need."""


@dataclass(frozen=True)
class Schema:
    """The tables of a database: their revision, and the oldest revision whose processes can use them."""

    revision: str | None = None
    oldest_revision: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether this version can work with the tables."""
        newest = newest_revision()
        if self.revision is None or self.revision in known_revisions():
            return self.revision == newest
        return self.revision > newest and self.oldest_revision is not None and self.oldest_revision <= newest

    def lacks_migrations(self) -> bool:
        """Return whether this version has migrations that the tables lack; raises `NewerSchema`."""
        newest = newest_revision()
        if self.revision is None or self.revision in known_revisions():
            return self.revision != newest
        if self.is_usable:
            log.info("The tables of the database are those of a newer version, which this version can use")
            return False
        raise NewerSchema(
            f"the tables of the database have the revision {self.revision}, and this version, which knows {newest},"
            " cannot use them: start the version that the tables belong to"
        )


def upgrade_database(url: str) -> None:
    """Apply the migrations that the database at `url` lacks.

    Several processes may call this at once; a lock makes them take turns. Raises `sqlalchemy.exc.OperationalError` if
    the database cannot be reached, and `UnusableDatabase` if this version cannot use it, it accepts no changes, or the
    role may not create tables.
    """
    if not read_schema(url).lacks_migrations():
        return
    # Alembic takes long to import, and processes that do not migrate never need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.attributes["url"] = url
    for _ in range(LOCK_ATTEMPTS):
        try:
            command.upgrade(config, "head")
            return
        except ProgrammingError as error:
            if not isinstance(error.orig, errors.InsufficientPrivilege):
                raise
            raise UnusableDatabase(
                f"DATABASE_URL: the role may not create or change the tables ({_first_line(error.orig)}). Let an"
                " administrator run GRANT CREATE, USAGE ON SCHEMA public for it, or make it the owner of the tables"
            ) from None
        except OperationalError as error:
            if not isinstance(error.orig, (errors.LockNotAvailable, errors.QueryCanceled)):
                raise
            reason = _first_line(error.orig)
            # Another process that migrates has already been waited for.
            if isinstance(error.orig, errors.QueryCanceled):
                break
            time.sleep(LOCK_PAUSE_SECONDS)
    raise MigrationsBlocked(
        f"other transactions keep the migrations from their locks ({reason}): end them, which pg_stat_activity lists,"
        " and start again"
    )


def require_migrations(url: str) -> None:
    """Raise `OlderSchema` if the database lacks migrations, otherwise the same errors as `upgrade_database`."""
    schema = read_schema(url)
    if schema.lacks_migrations():
        raise OlderSchema(_explain_missing(schema))


def wait_for_migrations(url: str) -> None:
    """Wait until another process has applied the migrations that the database lacks.

    Raises the same errors as `upgrade_database`.
    """
    has_logged = False
    while (schema := read_schema(url)).lacks_migrations():
        if not has_logged:
            log.warning("Waiting for the migrations: %s", _explain_missing(schema))
            has_logged = True
        time.sleep(RETRY_SECONDS)


def _explain_missing(schema: Schema) -> str:
    has = f"have the revision {schema.revision}" if schema.revision else "do not exist yet"
    return (
        f"the tables of the database {has}, and this version needs {newest_revision()}: run `flask --app app db"
        " upgrade`, or set MIGRATE_ON_START=true"
    )


@functools.cache
def known_revisions() -> frozenset[str]:
    """Return the revisions of all migrations. The names of the files begin with their revisions."""
    return frozenset(path.name.partition("_")[0] for path in MIGRATIONS_FOLDER.glob("versions/[0-9]*.py"))


def newest_revision() -> str:
    """Return the revision that the last migration leads to."""
    return max(known_revisions())


def parse_schema(revision: str | None, comment: str | None) -> Schema:
    """Return the schema with this revision and this comment of Alembic's table."""
    oldest = OLDEST_REVISION_RE.search(comment or "")
    return Schema(revision, oldest[1] if oldest else None)


def read_schema(url: str) -> Schema:
    """Return the revision of the tables.

    A migration that runs meanwhile shows its revision when it commits. Raises `sqlalchemy.exc.OperationalError` if the
    database cannot be reached, and `UnsupportedServer`.
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
                return Schema()
            cursor.execute(READ_REVISION_SQL)
            ((revision, server_number, server_version, comment),) = cursor.fetchall()
    except psycopg2.OperationalError as error:
        raise OperationalError(None, None, error) from error
    _check_version(server_number, server_version)
    return parse_schema(revision, comment)


def describe_oldest_revision(revision: str) -> str:
    """Return the comment of Alembic's table that `read_schema` reads."""
    return f"Processes need at least the revision {revision}"


def check_server_version(connection: Connection) -> None:
    """Raise `UnusableDatabase` if the server is older than `MIN_SERVER_VERSION`."""
    number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    _check_version(number, connection.exec_driver_sql("SHOW server_version").scalar_one())


def _check_version(number: int, version: str) -> None:
    if number // MAJOR_VERSION_DIVISOR < MIN_SERVER_VERSION:
        raise UnsupportedServer(
            f"DATABASE_URL: the server runs PostgreSQL {version}, and version {MIN_SERVER_VERSION} or newer is needed."
            " Upgrade the server, or choose another one"
        )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
