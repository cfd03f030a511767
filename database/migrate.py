"""Applies the migrations of the database."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

MIGRATIONS_FOLDER = Path(__file__).resolve().parent.parent / "migrations"

# The oldest version that PostgreSQL's developers still maintain.
MIN_SERVER_VERSION = 15
MAJOR_VERSION_DIVISOR = 10_000  # `server_version_num` is 150004 for version 15.4.


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
    # Alembic takes long to import, and processes that do not migrate never need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.attributes["url"] = sqlalchemy_url(url)
    command.upgrade(config, "head")


def check_server_version(connection: Connection) -> None:
    """Raise `UnsupportedServer` if the server is older than `MIN_SERVER_VERSION`."""
    number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    if number // MAJOR_VERSION_DIVISOR < MIN_SERVER_VERSION:
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        raise UnsupportedServer(
            f"DATABASE_URL: the server runs PostgreSQL {version}, and version {MIN_SERVER_VERSION} or newer is needed."
            " Upgrade the server, or choose another one"
        )
