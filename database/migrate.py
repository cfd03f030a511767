"""Applies the migrations of the database."""

from __future__ import annotations

from pathlib import Path

MIGRATIONS_FOLDER = Path(__file__).resolve().parent.parent / "migrations"


def sqlalchemy_url(url: str) -> str:
    """Return a `postgresql://` URL in the form that SQLAlchemy expects, with the driver named."""
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def upgrade_database(url: str) -> None:
    """Apply the migrations that the database at `url` lacks.

    Several processes may call this at once; a lock makes them take turns. Raises
    `sqlalchemy.exc.OperationalError` if the database cannot be reached.
    """
    # Alembic takes long to import, and processes that do not migrate never need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.attributes["url"] = sqlalchemy_url(url)
    command.upgrade(config, "head")
